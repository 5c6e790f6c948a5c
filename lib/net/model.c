/* model: names, shapes and offsets of all parameters; loading, random initialisation.
 * What is computed with them is towers.c's; packing tokens is batch.c's. */
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

/* ---- memory ---- */

static struct ptd_block *one_block(const struct ptd_param *p, const void *at)
{
    struct ptd_block *b = ptd_alloc(sizeof *b);
    *b = (struct ptd_block){at, p->n_dims > 1 ? (int)p->dims[0] : 1};
    return b;
}

/* More rows of a matrix; those that go on where the last ones end join them. */
static void bind_rows(const struct ptd_device *d, struct ptd_linear *l, const struct ptd_param *p)
{
    struct ptd_matrix *w = &l->weight;
    struct ptd_block *all = (struct ptd_block *)w->blocks;
    w->dtype = p->dtype;
    w->blocks = all = ptd_realloc(all, (w->n_blocks + p->n_blocks) * sizeof *all);
    for (int i = 0; i < p->n_blocks; i++) {
        struct ptd_block *last = w->n_blocks ? &all[w->n_blocks - 1] : NULL;
        size_t bytes = last ? (size_t)last->rows * w->cols * ptd_dtype_size(p->dtype) : 0;
        if (last && p->trained && (const char *)last->at + bytes == (const char *)p->blocks[i].at)
            last->rows += p->blocks[i].rows;
        else
            all[w->n_blocks++] = p->blocks[i];
    }
}

/* What uses parameters points at the memory there is. */
static void bind(struct ptd_model *m)
{
    m->bound = 1;
    for (int i = 0; i < m->n_params; i++)
        if (m->params[i].matrix) m->params[i].matrix->weight.n_blocks = 0;
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        ptd_acc *g = m->grads && p->trained ? ptd_acc_at(m->device, m->grads, p->grad) : NULL;
        if (p->role)
            *p->role = (struct ptd_weight){(ptd_num *)p->blocks->at, g};
        else {
            if (!p->matrix->weight.n_blocks) p->matrix->gradient = g;
            bind_rows(m->device, p->matrix, p);
        }
    }
    ptd_adapters_bind(m);
}

static int is_narrow(const struct ptd_model *m, const struct ptd_param *p)
{
    return m->narrow && p->trained && p->matrix;
}

/* Where a trained parameter's weights begin in the model's, in bytes; *at: where the next do. */
static size_t place_weights(const struct ptd_model *m, const struct ptd_param *p, size_t *at)
{
    size_t here = m->narrow ? (*at + 63) / 64 * 64 : *at;
    *at = here + p->n * (is_narrow(m, p) ? 2 : m->device->num_size);
    return here;
}

size_t ptd_model_weight_bytes(const struct ptd_model *m)
{
    size_t bytes = 0;
    for (int i = 0; i < m->n_params; i++)
        if (m->params[i].trained) place_weights(m, &m->params[i], &bytes);
    return bytes;
}

/* Of trained parameters. */
static void take_memory(struct ptd_model *m)
{
    size_t bytes = ptd_model_weight_bytes(m), at = 0;
    if (bytes) m->weights = ptd_device_alloc(m->device, bytes, "weights");
    for (int i = 0; i < m->n_params; i++) {
        struct ptd_param *p = &m->params[i];
        if (!p->trained) continue;
        if (is_narrow(m, p)) p->dtype = PTD_BF16;
        p->blocks = one_block(p, (char *)m->weights + place_weights(m, p, &at));
        p->n_blocks = 1;
    }
}

int ptd_model_head_part(const struct ptd_model *m)
{
    return m->config.tied ? m->layout->embed_part : m->n_parts - 1;
}

/* Numbers of each part's gradient, and the most that one but the head's has. */
static size_t measure_parts(const struct ptd_model *m, size_t *part)
{
    size_t most = 0;
    for (int i = 0; i < m->n_params; i++)
        if (m->params[i].trained) part[m->params[i].part] += m->params[i].n;
    for (int i = 0; i < m->n_parts; i++)
        if (i != ptd_model_head_part(m) && part[i] > most) most = part[i];
    return most;
}

size_t ptd_model_gradients(const struct ptd_model *m)
{
    size_t *part = ptd_array(m->n_parts, sizeof *part), most = measure_parts(m, part),
           head = part[ptd_model_head_part(m)];
    free(part);
    return m->by_part ? head + most : m->n_weights;
}

/* All one behind the other; or by part: the head's first, then the others in one place. */
static void place_gradients(struct ptd_model *m)
{
    size_t *part = ptd_array(m->n_parts, sizeof *part);
    int head = ptd_model_head_part(m);
    measure_parts(m, part);
    for (int i = 0; i < m->n_parts; i++)
        if (i != head) part[i] = part[head];
    part[head] = 0;
    for (int i = 0; i < m->n_params; i++) {
        struct ptd_param *p = &m->params[i];
        if (!p->trained) continue;
        p->grad = m->by_part ? part[p->part] : p->offset;
        part[p->part] += p->n;
    }
    m->n_grads = ptd_model_gradients(m);
    free(part);
}

struct ptd_model *ptd_model_new(const struct ptd_config *c, const struct ptd_image_rules *r,
                                struct ptd_device *d)
{
    struct ptd_model *m = ptd_model_plan(c, r, d);
    take_memory(m);
    bind(m);
    return m;
}

/* Parts of one product have one gradient. */
static int check_parts(const struct ptd_model *m)
{
    for (int i = 1; i < m->n_params; i++) {
        const struct ptd_param *a = &m->params[i - 1], *b = &m->params[i];
        if (a->matrix && a->matrix == b->matrix && a->trained != b->trained)
            return ptd_fail(PTD_USAGE, "%s is trained with %s or not at all",
                            a->trained ? a->name : b->name, a->trained ? b->name : a->name);
    }
    return 0;
}

int ptd_model_choose(struct ptd_model *m, int (*trained)(void *ctx, const struct ptd_param *p),
                     void *ctx)
{
    m->n_weights = 0;
    for (int i = 0; i < m->n_params; i++) {
        struct ptd_param *p = &m->params[i];
        p->trained = trained && trained(ctx, p);
        p->offset = m->n_weights;
        if (p->trained) m->n_weights += p->n;
    }
    return check_parts(m);
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
    if (!config || !images)
        ptd_fail(PTD_DATAERR, "%s: holds no config.json and preprocessor_config.json",
                 ptd_store_path(s));
    else if (!ptd_config_parse(&c, config, generation) && !ptd_image_rules_parse(&r, images) &&
             !ptd_config_check_rules(&c, &r)) {
        tie_by_presence(&c, s);
        m = ptd_model_plan(&c, &r, d);
        if (adapt(m, s) < 0) ptd_model_free(m), m = NULL;
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

static void take_raw(const struct ptd_tensor_view *v, size_t first, size_t n, const float *from)
{
    struct ptd_device *d = v->owner;
    size_t size = ptd_dtype_size(v->dtype);
    d->ops->put(d, (char *)v->place + first * size, from, n * size);
}

static void give_raw(const struct ptd_tensor_view *v, size_t first, size_t n, float *to)
{
    struct ptd_device *d = v->owner;
    size_t size = ptd_dtype_size(v->dtype);
    d->ops->get(d, to, (char *)v->place + first * size, n * size);
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

struct ptd_tensor_view ptd_model_view(const struct ptd_model *m, const struct ptd_param *p,
                                      void *place, int dtype)
{
    struct ptd_tensor_view v = view_of(m, p, place);
    v.take = take_raw;
    v.give = give_raw;
    v.dtype = dtype;
    return v;
}

struct ptd_tensor_view *ptd_model_views(const struct ptd_model *m, int *n)
{
    struct ptd_tensor_view *v = ptd_array(m->n_params + 1, sizeof *v);
    *n = 0;
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        struct ptd_tensor_view *w = &v[*n];
        if (!p->trained) continue;
        *w = ptd_model_view(m, p, (void *)(uintptr_t)p->blocks->at, PTD_BF16);
        ++*n;
        if (is_narrow(m, p)) continue;
        w->dtype = PTD_F32;
        w->take = take_nums;
        w->give = give_nums;
    }
    return v;
}

/* bfloat16 as float32. Widened in their place, from the front: what is read lies behind. */
static void give_wide(const struct ptd_tensor_view *v, size_t first, size_t n, float *to)
{
    struct ptd_device *d = v->owner;
    uint16_t *half = (uint16_t *)to + n;
    d->ops->get(d, half, (const uint16_t *)v->place + first, n * sizeof *half);
    ptd_dtype_to_float(to, half, PTD_BF16, n);
}

struct ptd_tensor_view *ptd_model_live_views(const struct ptd_model *m, int *n)
{
    struct ptd_tensor_view *v = ptd_model_views(m, n);
    for (int i = 0; i < *n; i++) {
        if (v[i].dtype != PTD_BF16) continue;
        v[i].dtype = PTD_F32;
        v[i].data = NULL;
        v[i].take = NULL;
        v[i].give = give_wide;
    }
    return v;
}

size_t ptd_model_part(const struct ptd_model *m, int part, size_t *first)
{
    size_t n = 0;
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        if (p->part != part || !p->trained) continue;
        if (!n) *first = p->grad;
        n += p->n;
    }
    return n;
}

/* ---- loading ---- */

/* As numbers of the device. */
static int load_nums(struct ptd_model *m, struct ptd_store *s, struct ptd_param *p)
{
    struct ptd_tensor_view v;
    p->own = ptd_device_nums(m->device, p->n, "weights");
    p->dtype = m->device->num;
    p->blocks = one_block(p, p->own);
    p->n_blocks = 1;
    v = view_of(m, p, p->own);
    v.take = take_nums;
    return ptd_store_load(s, p->from, &v, 1);
}

/* bfloat16 as it is stored: rows that a piece of the store holds whole are a block. */
static int load_bf16(struct ptd_model *m, struct ptd_store *s, struct ptd_param *p)
{
    struct ptd_device *d = m->device;
    struct ptd_tensor_about about = {
        .name = p->name, .dtype = PTD_BF16, .n_dims = p->n_dims, .n = p->n};
    size_t piece = ptd_store_piece(PTD_BF16);
    uint16_t *host = ptd_array(piece, sizeof *host);
    int r = 0;
    memcpy(about.dims, p->dims, sizeof about.dims);
    p->own = ptd_device_alloc(d, p->n * sizeof *host, "weights");
    p->dtype = PTD_BF16;
    p->blocks = one_block(p, p->own);
    p->n_blocks = 1;
    for (size_t at = 0, n; at < p->n && !r; at += n) {
        n = p->n - at < piece ? p->n - at : piece;
        r = ptd_store_read(s, p->from, &about, at, n, host);
        if (!r) d->ops->put(d, (uint16_t *)p->own + at, host, n * sizeof *host);
    }
    free(host);
    return r;
}

/* In the blocks that it has in the store: where they lie, or copied to the device. */
static void take_mapped(struct ptd_model *m, struct ptd_param *p, const struct ptd_mapped *map)
{
    struct ptd_device *d = m->device;
    size_t cols = p->n / p->dims[0], size = ptd_dtype_size(map->dtype), at = 0;
    p->dtype = map->dtype;
    p->blocks = ptd_array(map->n_pieces, sizeof *p->blocks);
    p->n_blocks = map->n_pieces;
    if (!d->is_host) p->own = ptd_device_alloc(d, p->n * size, "weights");
    for (int i = 0; i < map->n_pieces; i++) {
        size_t n = map->pieces[i].rows * cols;
        void *to = d->is_host ? NULL : (char *)p->own + at * size;
        p->blocks[i] = (struct ptd_block){to ? to : map->pieces[i].data, (int)map->pieces[i].rows};
        if (to && map->dtype == d->num)
            d->ops->put_nums(d, to, map->pieces[i].data, n);
        else if (to)
            d->ops->put(d, to, map->pieces[i].data, n * size);
        at += n;
    }
}

/* Format of all parts of a product as they are stored: bfloat16, or float32 where they differ. */
static int dtype_of(const struct ptd_model *m, const struct ptd_linear *l,
                    const struct ptd_tensor_about *list, int n)
{
    int dtype = 0;
    for (int i = 0; i < m->n_params; i++)
        for (int k = 0; m->params[i].matrix == l && k < n; k++)
            if (!strcmp(list[k].name, m->params[i].name))
                dtype = dtype && dtype != list[k].dtype ? PTD_F16 : list[k].dtype;
    return dtype;
}

static int load_matrix(struct ptd_model *m, struct ptd_store *s, struct ptd_param *p, int dtype)
{
    struct ptd_mapped map;
    int r =
        dtype == PTD_BF16 || dtype == m->device->num ? ptd_store_map(s, p->from, p->name, &map) : 1;
    if (r < 0) return -1;
    if (r) return dtype == PTD_BF16 ? load_bf16(m, s, p) : load_nums(m, s, p);
    take_mapped(m, p, &map);
    ptd_mapped_clear(&map);
    return 0;
}

static void drop(struct ptd_model *m, struct ptd_param *p)
{
    free(p->blocks);
    ptd_device_free(m->device, p->own);
    p->blocks = NULL;
    p->own = NULL;
}

/* What is not there yet, or of another generation than it should be; *n_read counts. */
static int load_frozen(struct ptd_model *m, struct ptd_store *s, int64_t generation, int *n_read)
{
    struct ptd_tensor_about *list;
    int n, r = 0;
    *n_read = 0;
    if (ptd_store_list(s, generation, &list, &n)) return -1;
    for (int i = 0; i < m->n_params && !r; i++) {
        struct ptd_param *p = &m->params[i];
        int64_t from = ptd_store_holds(s, generation, p->name) ? generation : 0;
        if (p->trained || (p->blocks && p->from == from)) continue;
        drop(m, p);
        p->from = from;
        ++*n_read;
        r = p->matrix ? load_matrix(m, s, p, dtype_of(m, p->matrix, list, n)) : load_nums(m, s, p);
    }
    ptd_store_list_free(list, n);
    return r;
}

int ptd_model_load(struct ptd_model *m, struct ptd_store *s, int64_t generation)
{
    int n = 0, r;
    if (ptd_store_hold(s)) return -1;
    if (!m->bound) take_memory(m);
    r = load_frozen(m, s, generation, &n);
    if (!r && (n || !m->bound)) bind(m);
    struct ptd_tensor_view *v = ptd_model_views(m, &n);
    if (n && !r) r = ptd_store_load(s, generation, v, n);
    free(v);
    ptd_store_release(s);
    if (!r) r = ptd_encoder_attach(m, s);
    return r || ptd_device_wait(m->device) ? -1 : 0;
}

int ptd_model_load_live(struct ptd_model *m, struct ptd_live *l, int64_t generation)
{
    int n;
    if (!m->bound) return 0;
    struct ptd_tensor_view *v = ptd_model_live_views(m, &n);
    int got = ptd_live_get(l, generation, v, n);
    free(v);
    return got > 0 && ptd_device_wait(m->device) ? -1 : got;
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
    if (d->is_host && !is_narrow(m, p)) {
        ptd_initial_floats(law, seed, i, 0, p->n, (float *)w);
        return;
    }
    for (size_t at = 0; at < p->n; at += INIT_PIECE) {
        size_t n = p->n - at < INIT_PIECE ? p->n - at : INIT_PIECE;
        ptd_initial_floats(law, seed, i, at, n, piece);
        if (is_narrow(m, p)) {
            ptd_dtype_from_float(piece, PTD_BF16, piece, n); /* in its place, from the front */
            d->ops->put(d, (uint16_t *)w + at, piece, 2 * n);
        } else
            d->ops->put_nums(d, ptd_at(d, w, at), piece, n);
    }
}

void ptd_model_init(struct ptd_model *m, uint64_t seed)
{
    float *piece = m->device->is_host && !m->narrow ? NULL : ptd_array(INIT_PIECE, sizeof *piece);
    if (!m->bound) {
        take_memory(m);
        bind(m);
    }
    for (int i = 0; i < m->n_params; i++) init_param(m, i, seed, piece);
    free(piece);
}

void ptd_model_train(struct ptd_model *m)
{
    if (m->grads) return;
    ptd_model_reach(m);
    place_gradients(m);
    m->grads = ptd_device_accs(m->device, m->n_grads, "gradients");
    bind(m);
}

const struct ptd_matrix *ptd_model_head(const struct ptd_model *m)
{
    return &m->layout->head->weight;
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

static void free_param(struct ptd_model *m, struct ptd_param *p)
{
    if (p->matrix) {
        free((void *)(uintptr_t)p->matrix->weight.blocks);
        p->matrix->weight.blocks = NULL;
    }
    free(p->blocks);
    ptd_device_free(m->device, p->own);
}

void ptd_model_free(struct ptd_model *m)
{
    struct ptd_layout *l;
    if (!m) return;
    l = m->layout;
    ptd_encoder_free(m->encoder);
    for (int i = 0; i < m->n_params; i++) free_param(m, &m->params[i]);
    free(l->blocks);
    free(l->layers);
    free(l);
    ptd_adapters_free(m->adapters);
    free(m->params);
    ptd_device_free(m->device, m->weights);
    ptd_device_free(m->device, m->grads);
    free(m);
}
