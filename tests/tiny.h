/* tiny: the parity model of the tests: its configuration, weights from a hash, two pictures, and
 * one prompt, as the specification describes them. */
#ifndef PTD_TESTS_TINY_H
#define PTD_TESTS_TINY_H
#include "device.h"
#include "base/threads.h"
#include "net/net.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char tiny_json[] =
    "{\"model_type\":\"qwen3_vl\",\"architectures\":[\"Qwen3VLForConditionalGeneration\"],\"image_"
    "token_id\":"
    "60,\"video_token_id\":61,"
    "\"vision_start_token_id\":58,\"vision_end_token_id\":59,\"tie_word_embeddings\":%s,"
    "\"text_config\":{\"model_type\":\"qwen3_vl_text\",\"vocab_size\":64,\"hidden_size\":40,\"num_"
    "hidden_"
    "layers\":3,\"num_attention_heads\":4,"
    "\"num_key_value_heads\":2,\"head_dim\":16,\"intermediate_size\":56,\"hidden_act\":\"silu\","
    "\"rms_norm_"
    "eps\":1e-6,\"rope_theta\":100,"
    "\"rope_scaling\":{\"mrope_interleaved\":true,\"mrope_section\":[4,2,2],\"rope_type\":"
    "\"default\"},"
    "\"attention_bias\":false,"
    "\"initializer_range\":0.02,\"eos_token_id\":2,\"bos_token_id\":1,\"tie_word_embeddings\":%s,"
    "\"max_"
    "position_embeddings\":4096},"
    "\"vision_config\":{\"depth\":4,\"hidden_size\":32,\"num_heads\":2,\"intermediate_size\":52,"
    "\"in_"
    "channels\":3,\"patch_size\":4,"
    "\"temporal_patch_size\":2,\"spatial_merge_size\":2,\"num_position_embeddings\":25,\"deepstack_"
    "visual_"
    "indexes\":[1,2],\"out_hidden_size\":40,"
    "\"hidden_act\":\"gelu_pytorch_tanh\"}}";

static const int32_t tiny_ids[22] = {7, 3, 11, 58, 60, 60, 60, 60, 60, 60, 59,
                                     5, 9, 58, 60, 60, 60, 59, 13, 2,  17, 21};

static inline uint64_t tiny_seed(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}

static inline uint64_t tiny_mix(uint64_t seed, uint64_t i)
{
    uint64_t z = seed + i + 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static inline uint64_t tiny_hash(const char *name, uint64_t i)
{
    return tiny_mix(tiny_seed(name), i);
}

static inline double tiny_unit(uint64_t hash)
{
    return 2 * ((double)(hash >> 11) * 0x1p-53) - 1;
}
static inline double tiny_uniform(const char *name, uint64_t i)
{
    return tiny_unit(tiny_hash(name, i));
}

static inline void tiny_fill(float *w, const char *name, size_t n, double scale, double offset)
{
    uint64_t seed = tiny_seed(name);
    for (size_t i = 0; i < n; i++) {
        volatile double product = tiny_unit(tiny_mix(seed, i)) * scale;
        w[i] = (float)(product + offset);
    }
}

static inline int tiny_ends(const char *s, const char *tail)
{
    return strlen(s) >= strlen(tail) && !strcmp(s + strlen(s) - strlen(tail), tail);
}

static inline void tiny_fill_param(struct ptd_model *m, const struct ptd_param *p)
{
    float *w = ptd_array(p->n, sizeof *w);
    double fan_in = (double)p->n / p->dims[0];
    if (tiny_ends(p->name, "pos_embed.weight") || tiny_ends(p->name, "embed_tokens.weight") ||
        tiny_ends(p->name, "lm_head.weight"))
        tiny_fill(w, p->name, p->n, 0.5, 0);
    else if (tiny_ends(p->name, ".bias"))
        tiny_fill(w, p->name, p->n, 0.1, 0);
    else if (p->n_dims == 1)
        tiny_fill(w, p->name, p->n, 0.2, 1);
    else
        tiny_fill(w, p->name, p->n, sqrt(3 / fan_in), 0);
    m->device->ops->put_nums(m->device, ptd_at(m->device, m->weights, p->offset), w, p->n);
    free(w);
}

static inline struct ptd_config tiny_config(int tied)
{
    struct ptd_config c;
    char json[4096];
    snprintf(json, sizeof json, tiny_json, tied ? "true" : "false", tied ? "true" : "false");
    if (ptd_config_parse(&c, json, NULL)) ptd_die_last();
    return c;
}

/* A model of any configuration, with weights from the hash. */
static inline struct ptd_model *tiny_model_of(const struct ptd_config *c)
{
    struct ptd_image_rules r = {.patch = c->v_patch,
                                .merge = c->v_merge,
                                .temporal = c->v_temporal,
                                .min_pixels = 64,
                                .max_pixels = 1 << 20,
                                .mean = {.5f, .5f, .5f},
                                .std = {.5f, .5f, .5f}};
    struct ptd_model *m = ptd_model_new(c, &r, the_device());
    for (int i = 0; i < m->n_params; i++) tiny_fill_param(m, &m->params[i]);
    return m;
}

static inline struct ptd_model *tiny_model(int tied)
{
    struct ptd_config c = tiny_config(tied);
    return tiny_model_of(&c);
}

/* A picture of any size: the hash gives channel, y, x. */
static inline struct ptd_picture tiny_picture_of(const char *name, int height, int width)
{
    struct ptd_picture p = {.height = height, .width = width};
    uint8_t *px = ptd_alloc(3 * height * width);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < height * width; i++)
            px[3 * i + c] = tiny_hash(name, (uint64_t)c * height * width + i) & 255;
    snprintf(p.hash, sizeof p.hash, "%016llx",
             (unsigned long long)tiny_hash(name, (uint64_t)height << 32 | width));
    p.pixels = px;
    return p;
}

/* image0 16 x 24, image1 24 x 8 */
static inline struct ptd_picture tiny_picture(int k)
{
    return k ? tiny_picture_of("image1", 24, 8) : tiny_picture_of("image0", 16, 24);
}

/* ---- weights and gradients on the host, malloc'd: [n_weights] ---- */

static inline float *tiny_weights(const struct ptd_model *m)
{
    return read_nums(m->device, m->weights, m->n_weights);
}

static inline void tiny_put_weights(struct ptd_model *m, const float *w)
{
    m->device->ops->put_nums(m->device, m->weights, w, m->n_weights);
}

static inline float *tiny_gradients(const struct ptd_model *m)
{
    float *g = ptd_array(m->n_weights, sizeof *g);
    m->device->ops->get_accs(m->device, g, m->grads, m->n_weights);
    return g;
}

static inline void tiny_zero_gradients(struct ptd_model *m)
{
    m->device->ops->zero(m->device, m->grads, m->n_weights * m->device->acc_size);
}

/* Logits [n, vocab] of hidden rows of the device, malloc'd. */
static inline float *tiny_logits(const struct ptd_model *m, const ptd_num *hidden, long n)
{
    int V = m->config.vocab;
    float *z = ptd_array((size_t)n * V + 1, sizeof *z);
    m->device->ops->logits(m->device, stats(z, (size_t)n * V), hidden, ptd_model_head(m), n);
    back();
    return z;
}

/* The gradients of the whole network from those of its logits, which belong to the batch's last
 * forward. */
static inline void tiny_backward(struct ptd_model *m, struct ptd_batch *b, const float *dz)
{
    int V = m->config.vocab, H = m->config.hidden;
    struct ptd_device *d = m->device;
    ptd_num *dhidden = ptd_pool_nums(&b->pool, (size_t)b->n * H);
    d->ops->logits_backward(d, dhidden, ptd_model_dhead(m), in_stats(dz, (size_t)b->n * V),
                            b->hidden, ptd_model_head(m), b->n);
    ptd_backward(m, b, dhidden);
    back();
}
#endif
