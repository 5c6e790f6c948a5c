/* model: names, shapes and offsets of all parameters; loading, random initialisation; forward and
 * backward as the sum of the two towers. The towers themselves are vision.c and lm.c; packing
 * tokens is batch.c. */
#include "base/dtype.h"
#include "net/initial.h"
#include "net/net.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INIT_PIECE ((size_t)1 << 20) /* numbers made at a time */

/* role: NULL for what lies behind a neighbour and is used with it. */
static void add_param(struct ptd_model *m, struct ptd_weight *role, const char *prefix,
                      const char *name, int n_dims, ...)
{
    va_list ap;
    struct ptd_param *p;
    m->params = ptd_realloc(m->params, (m->n_params + 1) * sizeof *m->params);
    p = &m->params[m->n_params++];
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "%s%s", prefix, name);
    p->n_dims = n_dims;
    p->offset = m->n_weights;
    p->role = role;
    p->n = 1;
    va_start(ap, n_dims);
    for (int i = 0; i < n_dims; i++) p->n *= p->dims[i] = va_arg(ap, int);
    va_end(ap);
    m->n_weights += p->n;
}

static void add_norm(struct ptd_model *m, struct ptd_norm *n, const char *prefix, const char *name,
                     int w)
{
    char full[96];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    add_param(m, &n->gain, full, ".weight", 1, w);
    add_param(m, &n->bias, full, ".bias", 1, w);
}

static struct ptd_linear shape(const struct ptd_model *m, int out, int in)
{
    return (struct ptd_linear){.in = in, .out = out, .dtype = m->device ? m->device->num : PTD_F32};
}

static void add_linear(struct ptd_model *m, struct ptd_linear *l, const char *prefix,
                       const char *name, int out, int in)
{
    char full[96];
    *l = shape(m, out, in);
    snprintf(full, sizeof full, "%s%s", prefix, name);
    add_param(m, &l->weight, full, ".weight", 2, out, in);
    add_param(m, &l->bias, full, ".bias", 1, out);
}

static void add_merger(struct ptd_model *m, struct ptd_merger *g, const char *prefix,
                       int norm_width)
{
    const struct ptd_config *c = &m->config;
    int wide = c->v_hidden * c->v_merge * c->v_merge;
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
    l->patch = shape(m, h, c->v_channels * c->v_temporal * c->v_patch * c->v_patch);
    add_param(m, &l->patch.weight, "model.visual.", "patch_embed.proj.weight", 5, h, c->v_channels,
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
    a->qkv = shape(m, q + 2 * kv, H);
    a->o = shape(m, H, q);
    a->gate_up = shape(m, 2 * I, H);
    a->down = shape(m, H, I);
    snprintf(prefix, sizeof prefix, "model.language_model.layers.%d.", i);
    add_param(m, &a->norm1.gain, prefix, "input_layernorm.weight", 1, H);
    add_param(m, &a->qkv.weight, prefix, "self_attn.q_proj.weight", 2, q, H);
    add_param(m, NULL, prefix, "self_attn.k_proj.weight", 2, kv, H);
    add_param(m, NULL, prefix, "self_attn.v_proj.weight", 2, kv, H);
    add_param(m, &a->o.weight, prefix, "self_attn.o_proj.weight", 2, H, q);
    add_param(m, &a->q_norm.gain, prefix, "self_attn.q_norm.weight", 1, c->head_dim);
    add_param(m, &a->k_norm.gain, prefix, "self_attn.k_norm.weight", 1, c->head_dim);
    add_param(m, &a->norm2.gain, prefix, "post_attention_layernorm.weight", 1, H);
    add_param(m, &a->gate_up.weight, prefix, "mlp.gate_proj.weight", 2, I, H);
    add_param(m, NULL, prefix, "mlp.up_proj.weight", 2, I, H);
    add_param(m, &a->down.weight, prefix, "mlp.down_proj.weight", 2, H, I);
}

static void add_text(struct ptd_model *m, struct ptd_layout *l)
{
    const struct ptd_config *c = &m->config;
    int H = c->hidden;
    add_param(m, &l->embed, "model.language_model.", "embed_tokens.weight", 2, c->vocab, H);
    l->layers = ptd_array(c->layers, sizeof *l->layers);
    for (int i = 0; i < c->layers; i++) add_layer(m, &l->layers[i], i);
    add_param(m, &l->norm.gain, "model.language_model.", "norm.weight", 1, H);
    l->head = &l->embed;
    if (c->tied) return;
    l->head = &l->own_head;
    add_param(m, &l->own_head, "", "lm_head.weight", 2, c->vocab, H);
}

/* Roles point at the arrays there are. */
static void bind(struct ptd_model *m)
{
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        if (!p->role) continue;
        p->role->value = ptd_at(m->device, m->weights, p->offset);
        p->role->gradient = m->grads ? ptd_acc_at(m->device, m->grads, p->offset) : NULL;
    }
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
    m->weights = ptd_device_nums(d, m->n_weights, "weights");
    bind(m);
    return m;
}

/* Weights with a head of their own are untied, those without tied, whatever config.json says. */
static void tie_by_presence(struct ptd_config *c, struct ptd_store *s)
{
    c->tied = !ptd_store_has(s, 0, "lm_head.weight");
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
        m = d ? ptd_model_new(&c, &r, d) : ptd_model_plan(&c, &r, NULL);
    }
    free(config);
    free(images);
    free(generation);
    return m;
}

/* ---- views ---- */

static void take_nums(const struct ptd_tensor_view *v, size_t first, size_t n, const float *from)
{
    struct ptd_device *d = v->owner;
    d->ops->put_nums(d, ptd_at(d, v->place, first), from, n);
}

static void give_nums(const struct ptd_tensor_view *v, size_t first, size_t n, float *to)
{
    struct ptd_device *d = v->owner;
    d->ops->get_nums(d, to, ptd_at(d, v->place, first), n);
}

static void take_stats(const struct ptd_tensor_view *v, size_t first, size_t n, const float *from)
{
    struct ptd_device *d = v->owner;
    d->ops->put(d, ptd_stat_at(v->place, first), from, n * sizeof *from);
}

static void give_stats(const struct ptd_tensor_view *v, size_t first, size_t n, float *to)
{
    struct ptd_device *d = v->owner;
    d->ops->get(d, to, ptd_stat_at(v->place, first), n * sizeof *to);
}

/* Parameter p's view, whose numbers begin at `place`. */
static struct ptd_tensor_view view_of(const struct ptd_model *m, const struct ptd_param *p,
                                      void *place)
{
    struct ptd_tensor_view v = {.name = p->name, .n_dims = p->n_dims, .n = p->n};
    memcpy(v.dims, p->dims, sizeof v.dims);
    v.data = m->device->is_host ? place : NULL;
    v.owner = m->device;
    v.place = place;
    return v;
}

struct ptd_tensor_view *ptd_model_views(const struct ptd_model *m)
{
    struct ptd_tensor_view *v = ptd_array(m->n_params, sizeof *v);
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        v[i] = view_of(m, p, ptd_at(m->device, m->weights, p->offset));
        v[i].take = take_nums;
        v[i].give = give_nums;
    }
    return v;
}

struct ptd_tensor_view *ptd_model_moment_views(const struct ptd_model *m, ptd_stat *moments)
{
    struct ptd_tensor_view *v = ptd_array(m->n_params, sizeof *v);
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        v[i] = view_of(m, p, ptd_stat_at(moments, p->offset));
        v[i].take = take_stats;
        v[i].give = give_stats;
    }
    return v;
}

int ptd_model_load(struct ptd_model *m, struct ptd_store *s, int64_t generation)
{
    struct ptd_tensor_view *v = ptd_model_views(m);
    int r = ptd_store_load(s, generation, v, m->n_params);
    free(v);
    return r || ptd_device_wait(m->device) ? -1 : 0;
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
    ptd_num *w = ptd_at(d, m->weights, p->offset);
    if (d->is_host) {
        ptd_initial_floats(law, seed, i, 0, p->n, (float *)w);
        return;
    }
    for (size_t at = 0; at < p->n; at += INIT_PIECE) {
        size_t n = p->n - at < INIT_PIECE ? p->n - at : INIT_PIECE;
        ptd_initial_floats(law, seed, i, at, n, piece);
        d->ops->put_nums(d, ptd_at(d, w, at), piece, n);
    }
}

void ptd_model_init(struct ptd_model *m, uint64_t seed)
{
    float *piece = m->device->is_host ? NULL : ptd_array(INIT_PIECE, sizeof *piece);
    for (int i = 0; i < m->n_params; i++) init_param(m, i, seed, piece);
    free(piece);
}

void ptd_model_train(struct ptd_model *m)
{
    if (m->grads) return;
    m->grads = ptd_device_accs(m->device, m->n_weights, "gradients");
    bind(m);
}

const ptd_num *ptd_model_head(const struct ptd_model *m)
{
    return m->layout->head->value;
}
ptd_acc *ptd_model_dhead(struct ptd_model *m)
{
    return m->layout->head->gradient;
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
    ptd_device_free(m->device, m->weights);
    ptd_device_free(m->device, m->grads);
    free(m);
}

void ptd_forward(struct ptd_model *m, struct ptd_batch *b)
{
    ptd_pool_reset(&b->pool);
    ptd_batch_seal(b);
    if (b->n_patches) ptd_vision_forward(m, b);
    ptd_lm_forward(m, b);
}

void ptd_backward(struct ptd_model *m, struct ptd_batch *b, const ptd_num *dhidden)
{
    int k = m->config.n_deepstack;
    size_t n = (size_t)b->n_image_rows * m->config.hidden;
    ptd_num *dimage = b->n_patches ? ptd_pool_nums(&b->pool, n) : NULL,
            *ddeep[PTD_DEEPSTACK_MAX] = {0};
    for (int i = 0; dimage && i < k; i++) ddeep[i] = ptd_pool_nums(&b->pool, n);
    ptd_lm_backward(m, b, dhidden, dimage, ddeep);
    if (dimage && b->dimage) m->device->ops->add(m->device, dimage, b->dimage, (long)n);
    b->dimage = NULL;
    if (dimage) ptd_vision_backward(m, b, dimage, ddeep);
}
