/* model: names, shapes and offsets of all parameters; loading, random initialisation; forward and
 * backward as the sum of the two towers. The towers themselves are vision.c and lm.c; packing
 * tokens is batch.c. */
#include "base/threads.h"
#include "net/initial.h"
#include "net/net.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t add_param(struct ptd_model *m, const char *prefix, const char *name, int n_dims, ...)
{
    va_list ap;
    struct ptd_param *p;
    m->params = ptd_realloc(m->params, (m->n_params + 1) * sizeof *m->params);
    p = &m->params[m->n_params++];
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "%s%s", prefix, name);
    p->n_dims = n_dims;
    p->offset = m->n_weights;
    p->n = 1;
    va_start(ap, n_dims);
    for (int i = 0; i < n_dims; i++) p->n *= p->dims[i] = va_arg(ap, int);
    va_end(ap);
    m->n_weights += p->n;
    return p->offset;
}

static struct ptd_norm_at add_norm(struct ptd_model *m, const char *prefix, const char *name, int w)
{
    struct ptd_norm_at at;
    char full[96];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    at.w = add_param(m, full, ".weight", 1, w);
    at.b = add_param(m, full, ".bias", 1, w);
    return at;
}

static struct ptd_linear_at add_linear(struct ptd_model *m, const char *prefix, const char *name,
                                       int out, int in)
{
    struct ptd_linear_at at;
    char full[96];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    at.w = add_param(m, full, ".weight", 2, out, in);
    at.b = add_param(m, full, ".bias", 1, out);
    return at;
}

static struct ptd_merger add_merger(struct ptd_model *m, const char *prefix, int norm_width)
{
    const struct ptd_config *c = &m->config;
    int wide = c->v_hidden * c->v_merge * c->v_merge;
    struct ptd_merger g;
    g.norm = add_norm(m, prefix, "norm", norm_width);
    g.fc1 = add_linear(m, prefix, "linear_fc1", wide, wide);
    g.fc2 = add_linear(m, prefix, "linear_fc2", c->v_out, wide);
    return g;
}

static void add_vision(struct ptd_model *m, struct ptd_layout *l)
{
    const struct ptd_config *c = &m->config;
    int h = c->v_hidden, wide = h * c->v_merge * c->v_merge;
    char prefix[64];
    l->patch.w = add_param(m, "model.visual.", "patch_embed.proj.weight", 5, h, c->v_channels,
                           c->v_temporal, c->v_patch, c->v_patch);
    l->patch.b = add_param(m, "model.visual.", "patch_embed.proj.bias", 1, h);
    l->positions = add_param(m, "model.visual.", "pos_embed.weight", 2, c->v_positions, h);
    l->blocks = ptd_array(c->v_depth, sizeof *l->blocks);
    for (int i = 0; i < c->v_depth; i++) {
        struct ptd_vision_block *b = &l->blocks[i];
        snprintf(prefix, sizeof prefix, "model.visual.blocks.%d.", i);
        b->norm1 = add_norm(m, prefix, "norm1", h);
        b->norm2 = add_norm(m, prefix, "norm2", h);
        b->qkv = add_linear(m, prefix, "attn.qkv", 3 * h, h);
        b->proj = add_linear(m, prefix, "attn.proj", h, h);
        b->fc1 = add_linear(m, prefix, "mlp.linear_fc1", c->v_intermediate, h);
        b->fc2 = add_linear(m, prefix, "mlp.linear_fc2", h, c->v_intermediate);
    }
    l->merger = add_merger(m, "model.visual.merger.", h);
    for (int i = 0; i < c->n_deepstack; i++) {
        snprintf(prefix, sizeof prefix, "model.visual.deepstack_merger_list.%d.", i);
        l->deepstack[i] = add_merger(m, prefix, wide);
    }
}

static void add_text(struct ptd_model *m, struct ptd_layout *l)
{
    const struct ptd_config *c = &m->config;
    int H = c->hidden, q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    char prefix[64];
    l->embed = add_param(m, "model.language_model.", "embed_tokens.weight", 2, c->vocab, H);
    l->layers = ptd_array(c->layers, sizeof *l->layers);
    for (int i = 0; i < c->layers; i++) {
        struct ptd_lm_layer *a = &l->layers[i];
        snprintf(prefix, sizeof prefix, "model.language_model.layers.%d.", i);
        a->norm1 = add_param(m, prefix, "input_layernorm.weight", 1, H);
        a->qkv = add_param(m, prefix, "self_attn.q_proj.weight", 2, q, H);
        add_param(m, prefix, "self_attn.k_proj.weight", 2, kv, H);
        add_param(m, prefix, "self_attn.v_proj.weight", 2, kv, H);
        a->o = add_param(m, prefix, "self_attn.o_proj.weight", 2, H, q);
        a->q_norm = add_param(m, prefix, "self_attn.q_norm.weight", 1, c->head_dim);
        a->k_norm = add_param(m, prefix, "self_attn.k_norm.weight", 1, c->head_dim);
        a->norm2 = add_param(m, prefix, "post_attention_layernorm.weight", 1, H);
        a->gate_up = add_param(m, prefix, "mlp.gate_proj.weight", 2, c->intermediate, H);
        add_param(m, prefix, "mlp.up_proj.weight", 2, c->intermediate, H);
        a->down = add_param(m, prefix, "mlp.down_proj.weight", 2, H, c->intermediate);
    }
    l->norm = add_param(m, "model.language_model.", "norm.weight", 1, H);
    l->head = c->tied ? l->embed : add_param(m, "", "lm_head.weight", 2, c->vocab, H);
}

struct ptd_model *ptd_model_plan(const struct ptd_config *c, const struct ptd_image_rules *r,
                                 struct ptd_device *d)
{
    struct ptd_model *m = ptd_alloc(sizeof *m);
    struct ptd_layout *l = ptd_alloc(sizeof *l);
    m->config = *c;
    m->rules = *r;
    m->device = d;
    m->layout = l;
    add_vision(m, l);
    add_text(m, l);
    return m;
}

struct ptd_model *ptd_model_new(const struct ptd_config *c, const struct ptd_image_rules *r,
                                struct ptd_device *d)
{
    struct ptd_model *m = ptd_model_plan(c, r, d);
    m->weights = ptd_array(m->n_weights, sizeof *m->weights);
    return m;
}

/* A checkpoint without a head of its own is tied, whatever its flag says. */
static void tie_by_presence(struct ptd_config *c, struct ptd_store *s)
{
    if (!c->tied && !ptd_store_has(s, 0, "lm_head.weight")) c->tied = 1;
}

struct ptd_model *ptd_model_open(struct ptd_store *s, struct ptd_device *d)
{
    struct ptd_config c;
    struct ptd_image_rules r;
    struct ptd_model *m = NULL;
    char *config = ptd_store_get_meta(s, "config.json", NULL), *images = ptd_image_rules_file(s);
    char *generation = ptd_store_get_meta(s, "generation_config.json", NULL);
    if (!config || !images)
        ptd_fail(PTD_DATAERR, "%s: holds no config.json and preprocessor_config.json",
                 ptd_store_path(s));
    else if (!ptd_config_parse(&c, config, generation) && !ptd_image_rules_parse(&r, images) &&
             !ptd_config_check_rules(&c, &r)) {
        tie_by_presence(&c, s);
        m = ptd_model_new(&c, &r, d);
    }
    free(config);
    free(images);
    free(generation);
    return m;
}

struct ptd_tensor_view *ptd_model_views(const struct ptd_model *m, float *flat)
{
    struct ptd_tensor_view *v = ptd_array(m->n_params, sizeof *v);
    for (int i = 0; i < m->n_params; i++) {
        v[i].name = m->params[i].name;
        v[i].n_dims = m->params[i].n_dims;
        memcpy(v[i].dims, m->params[i].dims, sizeof v[i].dims);
        v[i].data = flat + m->params[i].offset;
        v[i].n = m->params[i].n;
    }
    return v;
}

int ptd_model_load(struct ptd_model *m, struct ptd_store *s, int64_t generation)
{
    struct ptd_tensor_view *v = ptd_model_views(m, m->weights);
    int r = ptd_store_load(s, generation, v, m->n_params);
    free(v);
    return r;
}

static int ends_with(const char *s, const char *tail)
{
    size_t n = strlen(s), k = strlen(tail);
    return n >= k && !strcmp(s + n - k, tail);
}

/* Norm gains 1, biases 0, everything else normal. Text matrices: init_std, with what feeds the
 * residual stream scaled down by the depth (GPT-2's rule). Vision matrices by their fan-in, and
 * position rows of a size that empty patches do not drown. */
struct ptd_law ptd_model_law(const struct ptd_model *m, int i)
{
    const struct ptd_param *p = &m->params[i];
    double std = m->config.init_std;
    if (strstr(p->name, "visual.")) std = 1 / sqrt(3.0 * p->n / p->dims[0]);
    if (strstr(p->name, "pos_embed")) std = 0.1;
    if (p->n_dims == 1) {
        float value = ends_with(p->name, "norm.weight") || strstr(p->name, "norm1.weight") ||
                      strstr(p->name, "norm2.weight") || ends_with(p->name, "layernorm.weight");
        return (struct ptd_law){value, 0};
    }
    if (ends_with(p->name, "o_proj.weight") || ends_with(p->name, "down_proj.weight"))
        std /= sqrt(2.0 * m->config.layers);
    if (ends_with(p->name, "attn.proj.weight") ||
        (strstr(p->name, "blocks.") && ends_with(p->name, "fc2.weight")))
        std /= sqrt(2.0 * m->config.v_depth);
    return (struct ptd_law){0, std};
}

void ptd_model_init(struct ptd_model *m, uint64_t seed)
{
    for (int i = 0; i < m->n_params; i++)
        ptd_initial_floats(ptd_model_law(m, i), seed, i, 0, m->params[i].n,
                           m->weights + m->params[i].offset);
}

void ptd_model_train(struct ptd_model *m)
{
    if (!m->grads) m->grads = ptd_array(m->n_weights, sizeof *m->grads);
}

const float *ptd_model_head(const struct ptd_model *m)
{
    return m->weights + m->layout->head;
}
float *ptd_model_dhead(struct ptd_model *m)
{
    return m->grads + m->layout->head;
}

uint8_t *ptd_model_banned(const struct ptd_model *m, int real)
{
    const struct ptd_config *c = &m->config;
    int marks[4] = {c->image_token, c->video_token, c->vision_start, c->vision_end};
    uint8_t *ban = ptd_alloc(c->vocab);
    for (int i = 0; i < 4; i++)
        if (marks[i] >= 0 && marks[i] < c->vocab) ban[marks[i]] = 1;
    for (int i = real; i < c->vocab; i++) ban[i] = 1;
    return ban;
}

void ptd_model_free(struct ptd_model *m)
{
    struct ptd_layout *l;
    if (!m) return;
    l = m->layout;
    free(l->blocks);
    free(l->layers);
    free(l);
    free(m->params);
    free(m->weights);
    free(m->grads);
    free(m);
}

void ptd_forward(struct ptd_model *m, struct ptd_batch *b)
{
    ptd_pool_reset(&b->pool);
    if (b->n_patches) ptd_vision_forward(m, b);
    ptd_lm_forward(m, b);
}

void ptd_backward(struct ptd_model *m, struct ptd_batch *b, const float *dhidden)
{
    int k = m->config.n_deepstack;
    size_t n = (size_t)b->n_image_rows * m->config.hidden;
    float *dimage = b->n_patches ? ptd_pool_floats(&b->pool, n) : NULL,
          *ddeep[PTD_DEEPSTACK_MAX] = {0};
    for (int i = 0; dimage && i < k; i++) ddeep[i] = ptd_pool_floats(&b->pool, n);
    ptd_lm_backward(m, b, dhidden, dimage, ddeep);
    if (dimage && b->dimage) m->device->ops->add(m->device, dimage, b->dimage, (long)n);
    b->dimage = NULL;
    if (dimage) ptd_vision_backward(m, b, dimage, ddeep);
}
