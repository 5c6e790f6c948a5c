/* model: names, shapes and offsets of all parameters, which of them are trained, how they begin.
 * Where their numbers lie is weights.c's, what is computed with them towers.c's. */
#include "base/dtype.h"
#include "net/adapter.h"
#include "net/encoder.h"
#include "net/initial.h"
#include "net/net.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INIT_PIECE ((size_t)1 << 20) /* numbers made at a time */

static struct ptd_param *add_named(struct ptd_model *m, const char *prefix, const char *name)
{
    struct ptd_param *p;
    m->params = ptd_realloc(m->params, (m->n_params + 1) * sizeof *m->params);
    p = &m->params[m->n_params++];
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "%s%s", prefix, name);
    p->n = p->trained = 1;
    p->part = m->n_parts - 1;
    p->dtype = m->device ? m->device->num : PTD_F32;
    return p;
}

static void add_dims(struct ptd_model *m, struct ptd_param *p, int n_dims, va_list dims)
{
    p->n_dims = n_dims;
    p->offset = m->n_weights;
    for (int i = 0; i < n_dims; i++) p->n *= p->dims[i] = va_arg(dims, int);
    m->n_weights += p->n;
}

static void add_param(struct ptd_model *m, struct ptd_weight *role, const char *prefix,
                      const char *name, int n_dims, ...)
{
    va_list ap;
    struct ptd_param *p = add_named(m, prefix, name);
    p->role = role;
    va_start(ap, n_dims);
    add_dims(m, p, n_dims, ap);
    va_end(ap);
}

/* More rows of a matrix. */
static void add_rows(struct ptd_model *m, struct ptd_linear *l, const char *prefix,
                     const char *name, int n_dims, ...)
{
    va_list ap;
    struct ptd_param *p = add_named(m, prefix, name);
    p->matrix = l;
    va_start(ap, n_dims);
    add_dims(m, p, n_dims, ap);
    va_end(ap);
    l->weight.dtype = p->dtype;
    l->weight.rows += (int)p->dims[0];
    l->weight.cols = (int)(p->n / p->dims[0]);
}

static void add_norm(struct ptd_model *m, struct ptd_norm *n, const char *prefix, const char *name,
                     int w)
{
    char full[96];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    add_param(m, &n->gain, full, ".weight", 1, w);
    add_param(m, &n->bias, full, ".bias", 1, w);
}

static void add_linear(struct ptd_model *m, struct ptd_linear *l, const char *prefix,
                       const char *name, int out, int in)
{
    char full[96];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    add_rows(m, l, full, ".weight", 2, out, in);
    add_param(m, &l->bias, full, ".bias", 1, out);
}

/* What is added from now on is one more. */
static int begin_part(struct ptd_model *m)
{
    return m->n_parts++;
}

static void add_merger(struct ptd_model *m, struct ptd_merger *g, const char *prefix,
                       int norm_width)
{
    const struct ptd_config *c = &m->config;
    int wide = c->v_hidden * c->v_merge * c->v_merge;
    g->part = begin_part(m);
    add_norm(m, &g->norm, prefix, "norm", norm_width);
    add_linear(m, &g->fc1, prefix, "linear_fc1", wide, wide);
    add_linear(m, &g->fc2, prefix, "linear_fc2", c->v_out, wide);
}

static void add_block(struct ptd_model *m, struct ptd_vision_block *b, int i)
{
    const struct ptd_config *c = &m->config;
    int h = c->v_hidden;
    char prefix[64];
    snprintf(prefix, sizeof prefix, "model.visual.blocks.%d.", i);
    b->part = begin_part(m);
    add_norm(m, &b->norm1, prefix, "norm1", h);
    add_norm(m, &b->norm2, prefix, "norm2", h);
    add_linear(m, &b->qkv, prefix, "attn.qkv", 3 * h, h);
    add_linear(m, &b->proj, prefix, "attn.proj", h, h);
    add_linear(m, &b->fc1, prefix, "mlp.linear_fc1", c->v_intermediate, h);
    add_linear(m, &b->fc2, prefix, "mlp.linear_fc2", h, c->v_intermediate);
}

static void add_vision(struct ptd_model *m, struct ptd_layout *l)
{
    const struct ptd_config *c = &m->config;
    int h = c->v_hidden, wide = h * c->v_merge * c->v_merge;
    char prefix[64];
    begin_part(m);
    add_rows(m, &l->patch, "model.visual.", "patch_embed.proj.weight", 5, h, c->v_channels,
             c->v_temporal, c->v_patch, c->v_patch);
    add_param(m, &l->patch.bias, "model.visual.", "patch_embed.proj.bias", 1, h);
    add_param(m, &l->positions, "model.visual.", "pos_embed.weight", 2, c->v_positions, h);
    l->blocks = ptd_array(c->v_depth, sizeof *l->blocks);
    for (int i = 0; i < c->v_depth; i++) add_block(m, &l->blocks[i], i);
    add_merger(m, &l->merger, "model.visual.merger.", h);
    for (int i = 0; i < c->n_deepstack; i++) {
        snprintf(prefix, sizeof prefix, "model.visual.deepstack_merger_list.%d.", i);
        add_merger(m, &l->deepstack[i], prefix, wide);
    }
}

static void add_layer(struct ptd_model *m, struct ptd_lm_layer *a, int i)
{
    const struct ptd_config *c = &m->config;
    int H = c->hidden, I = c->intermediate, q = c->heads * c->head_dim,
        kv = c->kv_heads * c->head_dim;
    char prefix[64];
    snprintf(prefix, sizeof prefix, "model.language_model.layers.%d.", i);
    a->part = begin_part(m);
    add_param(m, &a->norm1.gain, prefix, "input_layernorm.weight", 1, H);
    add_rows(m, &a->qkv, prefix, "self_attn.q_proj.weight", 2, q, H);
    add_rows(m, &a->qkv, prefix, "self_attn.k_proj.weight", 2, kv, H);
    add_rows(m, &a->qkv, prefix, "self_attn.v_proj.weight", 2, kv, H);
    add_rows(m, &a->o, prefix, "self_attn.o_proj.weight", 2, H, q);
    add_param(m, &a->q_norm.gain, prefix, "self_attn.q_norm.weight", 1, c->head_dim);
    add_param(m, &a->k_norm.gain, prefix, "self_attn.k_norm.weight", 1, c->head_dim);
    add_param(m, &a->norm2.gain, prefix, "post_attention_layernorm.weight", 1, H);
    add_rows(m, &a->gate_up, prefix, "mlp.gate_proj.weight", 2, I, H);
    add_rows(m, &a->gate_up, prefix, "mlp.up_proj.weight", 2, I, H);
    add_rows(m, &a->down, prefix, "mlp.down_proj.weight", 2, H, I);
}

static void add_text(struct ptd_model *m, struct ptd_layout *l)
{
    const struct ptd_config *c = &m->config;
    int H = c->hidden;
    l->embed_part = begin_part(m);
    add_rows(m, &l->embed, "model.language_model.", "embed_tokens.weight", 2, c->vocab, H);
    l->layers = ptd_array(c->layers, sizeof *l->layers);
    for (int i = 0; i < c->layers; i++) add_layer(m, &l->layers[i], i);
    l->norm_part = begin_part(m);
    add_param(m, &l->norm.gain, "model.language_model.", "norm.weight", 1, H);
    l->head = &l->embed;
    if (c->tied) return;
    l->head = &l->own_head;
    begin_part(m);
    add_rows(m, &l->own_head, "", "lm_head.weight", 2, c->vocab, H);
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
    ptd_weights_take(m);
    return m;
}

void ptd_model_choose(struct ptd_model *m, int (*trained)(void *ctx, const struct ptd_param *p),
                      void *ctx)
{
    m->n_weights = 0;
    for (int i = 0; i < m->n_params; i++) {
        struct ptd_param *p = &m->params[i];
        p->trained = trained && trained(ctx, p);
        p->offset = m->n_weights;
        if (p->trained) m->n_weights += p->n;
    }
}

/* Weights with a head of their own are untied, those without tied, whatever config.json says. */
static void tie_by_presence(struct ptd_config *c, struct ptd_store *s)
{
    c->tied = !ptd_store_has(s, 0, "lm_head.weight");
}

/* The adapter that the store says it has, if any. */
static int adapt(struct ptd_model *m, struct ptd_store *s)
{
    struct ptd_lora l;
    size_t len;
    char *json = ptd_store_get_meta(s, PTD_LORA_FILE, &len);
    int rc = json ? ptd_lora_read(&l, json, len, PTD_LORA_FILE) : 0;
    if (json && rc == 0 && (rc = ptd_model_adapt(m, &l)) < 0) {
        ptd_lora_clear(&l);
        ptd_fail(PTD_DATAERR, "%s: %s: %s", ptd_store_path(s), PTD_LORA_FILE, ptd_failed_message());
    }
    free(json);
    return rc;
}

struct ptd_model *ptd_model_open(struct ptd_store *s, struct ptd_device *d)
{
    struct ptd_config c;
    struct ptd_image_rules r;
    struct ptd_model *m = NULL;
    char *config = ptd_store_get_meta(s, "config.json", NULL), *images = ptd_image_rules_file(s);
    char *generation = ptd_store_get_meta(s, "generation_config.json", NULL);
    int dtype, known = !ptd_store_run_dtype(s, &dtype);
    if (!known)
        ;
    else if (!config || !images)
        ptd_fail(PTD_DATAERR, "%s: holds no config.json and preprocessor_config.json",
                 ptd_store_path(s));
    else if (!ptd_config_parse(&c, config, generation) && !ptd_image_rules_parse(&r, images) &&
             !ptd_config_check_rules(&c, &r)) {
        tie_by_presence(&c, s);
        m = ptd_model_plan(&c, &r, d);
        m->half_keys = dtype == PTD_BF16;
        if (adapt(m, s) < 0) ptd_model_free(m), m = NULL;
    }
    free(config);
    free(images);
    free(generation);
    return m;
}

/* ---- beginning ---- */

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
    if (p->adapter && ends_with(p->name, ".lora_B.weight")) return (struct ptd_law){0, 0};
    if (p->adapter) return (struct ptd_law){.reach = 1 / sqrt((double)p->dims[1])};
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

/* Made in pieces, where they are not made in their place. */
static void init_param(struct ptd_model *m, int i, uint64_t seed, float *piece)
{
    struct ptd_device *d = m->device;
    const struct ptd_param *p = &m->params[i];
    struct ptd_law law = ptd_model_law(m, i);
    ptd_num *w = (ptd_num *)(uintptr_t)p->blocks->at;
    if (d->is_host && p->dtype != PTD_BF16) {
        ptd_initial_floats(law, seed, i, 0, p->n, (float *)w);
        return;
    }
    for (size_t at = 0; at < p->n; at += INIT_PIECE) {
        size_t n = p->n - at < INIT_PIECE ? p->n - at : INIT_PIECE;
        ptd_initial_floats(law, seed, i, at, n, piece);
        if (p->dtype == PTD_BF16) {
            ptd_dtype_from_float(piece, PTD_BF16, piece, n); /* in its place, from the front */
            d->ops->put(d, (uint16_t *)w + at, piece, 2 * n);
        } else
            d->ops->put_nums(d, ptd_at(d, w, at), piece, n);
    }
}

void ptd_model_init(struct ptd_model *m, uint64_t seed)
{
    float *piece = m->device->is_host && !m->narrow ? NULL : ptd_array(INIT_PIECE, sizeof *piece);
    if (!m->bound) ptd_weights_take(m);
    for (int i = 0; i < m->n_params; i++) init_param(m, i, seed, piece);
    free(piece);
}

const struct ptd_matrix *ptd_model_head(const struct ptd_model *m)
{
    return &m->layout->head->weight;
}
ptd_acc *ptd_model_dhead(struct ptd_model *m)
{
    return ptd_linear_gradient(m->layout->head);
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
    ptd_encoder_free(m->encoder);
    ptd_weights_free(m);
    free(l->blocks);
    free(l->layers);
    free(l);
    ptd_adapters_free(m->adapters);
    free(m->params);
    free(m);
}
