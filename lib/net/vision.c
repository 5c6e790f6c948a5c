/* vision: Qwen3-VL's vision encoder, forward and backward: patches to merged rows and deepstack
 * rows. Pixels to patches is image.c; where the rows go in the text is lm.c. */
#include "net/net.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define V_EPS   1e-6f
#define V_THETA 10000.0f

/* cosine, sine [n, d/2]: first the row's angles, then the column's (step 3). */
static void rotary(struct ptd_batch *b, int d)
{
    int n4 = d / 4;
    size_t n = (size_t)b->n_patches * d / 2;
    float *cosine = ptd_batch_angles(b, 2, n), *sine = ptd_batch_angles(b, 3, n);
    for (long i = 0; i < b->n_patches; i++)
        for (int a = 0; a < d / 2; a++) {
            float angle = (float)b->patch_at[2 * i + (a >= n4)] *
                          (1 / powf(V_THETA, (float)(4 * (a % n4)) / (float)d));
            cosine[i * (d / 2) + a] = cosf(angle);
            sine[i * (d / 2) + a] = sinf(angle);
        }
    b->on.v_cosine = ptd_pool_put_stats(&b->pool, cosine, n);
    b->on.v_sine = ptd_pool_put_stats(&b->pool, sine, n);
}

static struct ptd_attention heads_of(const struct ptd_batch *b)
{
    const struct ptd_config *c = &b->m->config;
    int h = c->v_hidden;
    return (struct ptd_attention){.heads = c->v_heads,
                                  .kv_heads = c->v_heads,
                                  .dim = h / c->v_heads,
                                  .causal = 0,
                                  .q_stride = 3 * h,
                                  .k_stride = 3 * h,
                                  .v_stride = 3 * h,
                                  .o_stride = h,
                                  .spans = b->frames,
                                  .n_spans = b->n_frames};
}

void ptd_vision_seal(struct ptd_batch *b)
{
    struct ptd_attention shape = heads_of(b);
    rotary(b, shape.dim);
    b->on.frames = b->m->device->ops->attention_plan(b->m->device, &shape);
}

static void layernorm(struct ptd_device *d, const struct ptd_norm *p, ptd_num *y, ptd_stat *mean,
                      ptd_stat *rstd, const ptd_num *x, long n, int w)
{
    d->ops->layernorm(d, y, mean, rstd, x, p->gain.value, p->bias.value, n, w, V_EPS);
}

static void layernorm_backward(struct ptd_device *d, const struct ptd_norm *p, ptd_num *dx,
                               const ptd_num *dy, const ptd_num *x, const ptd_stat *mean,
                               const ptd_stat *rstd, long n, int w)
{
    d->ops->layernorm_backward(d, dx, p->gain.gradient, p->bias.gradient, dy, x, mean, rstd,
                               p->gain.value, n, w);
}

/* As far as backward needs it. */
static void block_widen(struct ptd_model *m, struct ptd_batch *b, const struct ptd_vision_block *p,
                        const struct ptd_vision_acts *a, ptd_num *z)
{
    const struct ptd_config *c = &m->config;
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    int h = c->v_hidden, D = h / c->v_heads;
    long n = b->n_patches;
    layernorm(d, &p->norm1, z, a->mean1, a->rstd1, a->x, n, h);
    ptd_linear_forward(d, &p->qkv, a->qkv, z, NULL, n);
    /* q and k lie side by side */
    o->rotate(d, a->qkv, 3 * h, b->on.v_cosine, b->on.v_sine, n, 2 * c->v_heads, D, 1);
    o->attention(d, b->on.frames, a->o, a->lse, a->qkv, ptd_at(d, a->qkv, h),
                 ptd_at(d, a->qkv, 2 * h));
    ptd_linear_forward(d, &p->proj, a->x2, a->o, a->x, n);
    layernorm(d, &p->norm2, z, a->mean2, a->rstd2, a->x2, n, h);
    ptd_linear_forward(d, &p->fc1, a->f1, z, NULL, n);
}

static void block_forward(struct ptd_model *m, struct ptd_batch *b, int block, ptd_num *out)
{
    const struct ptd_vision_block *p = &m->layout->blocks[block];
    const struct ptd_vision_acts *a = &b->vision[block];
    struct ptd_device *d = m->device;
    block_widen(m, b, p, a, b->v_z);
    d->ops->gelu(d, b->v_z, a->f1, b->n_patches * m->config.v_intermediate, 0);
    ptd_linear_forward(d, &p->fc2, out, b->v_z, a->x2, b->n_patches);
}

/* x [n_patches, h] read as [n/4, 4h]; the main merger normalises before the reinterpretation, the
 * deepstack mergers after it. */
static void merger_forward(struct ptd_model *m, struct ptd_batch *b, const struct ptd_merger *p,
                           struct ptd_merger_acts *a, const ptd_num *x, int norm_width)
{
    const struct ptd_config *c = &m->config;
    struct ptd_device *d = m->device;
    int wide = p->fc1.weight.cols;
    long rows = b->n_patches * c->v_hidden / norm_width, n = b->n_patches * c->v_hidden / wide;
    a->x = x;
    layernorm(d, &p->norm, b->v_z, a->mean, a->rstd, x, rows, norm_width);
    ptd_linear_forward(d, &p->fc1, a->f1, b->v_z, NULL, n);
    d->ops->gelu(d, b->v_z, a->f1, n * wide, 1);
    ptd_linear_forward(d, &p->fc2, a->out, b->v_z, NULL, n);
}

/* ---- memory ---- */

static int merged(const struct ptd_batch *b)
{
    return b->m->config.v_merge * b->m->config.v_merge;
}

/* Backward follows. */
static int keeps(const struct ptd_batch *b)
{
    return b->keep && b->m->learns && b->m->learns_vision;
}

static void take_acts(struct ptd_batch *b, struct ptd_vision_acts *a)
{
    const struct ptd_config *c = &b->m->config;
    struct ptd_pool *r = &b->pool;
    long n = b->n_patches;
    a->mean1 = ptd_pool_stats(r, n), a->rstd1 = ptd_pool_stats(r, n);
    a->mean2 = ptd_pool_stats(r, n), a->rstd2 = ptd_pool_stats(r, n);
    a->qkv = ptd_pool_nums(r, n * 3 * c->v_hidden);
    a->o = ptd_pool_nums(r, n * c->v_hidden);
    a->lse = ptd_pool_stats(r, n * c->v_heads);
    a->x2 = ptd_pool_nums(r, n * c->v_hidden);
    a->f1 = ptd_pool_nums(r, n * c->v_intermediate);
}

/* All blocks compute in the same place. */
static void share_acts(struct ptd_batch *b)
{
    struct ptd_vision_acts shared;
    take_acts(b, &shared);
    for (int i = 0; i < b->m->config.v_depth; i++) {
        shared.x = b->vision[i].x;
        b->vision[i] = shared;
    }
}

/* Its norm is over rows of norm_width. */
static void take_merger(struct ptd_batch *b, struct ptd_merger_acts *a, int norm_width)
{
    long all = b->n_patches * b->m->config.v_hidden;
    a->mean = ptd_pool_stats(&b->pool, all / norm_width);
    a->rstd = ptd_pool_stats(&b->pool, all / norm_width);
    a->f1 = ptd_pool_nums(&b->pool, all);
}

static void take_mergers(struct ptd_batch *b)
{
    const struct ptd_config *c = &b->m->config;
    take_merger(b, &b->merger, c->v_hidden);
    for (int i = 0; i < c->n_deepstack; i++)
        take_merger(b, &b->deepstack[i], c->v_hidden * merged(b));
}

void ptd_vision_take(struct ptd_batch *b)
{
    const struct ptd_config *c = &b->m->config;
    size_t n = (size_t)b->n_patches * c->v_hidden, rows = b->n_patches / merged(b);
    b->merger.out = ptd_pool_nums(&b->pool, rows * c->v_out);
    for (int i = 0; i < c->n_deepstack; i++)
        b->deepstack[i].out = ptd_pool_nums(&b->pool, rows * c->v_out);
    if (!keeps(b)) return;
    take_mergers(b);
    for (int i = 0; i < c->v_depth; i++) {
        b->vision[i].x = ptd_pool_nums(&b->pool, n);
        if (b->keep == PTD_KEEP_ALL) take_acts(b, &b->vision[i]);
    }
    b->v_last = ptd_pool_nums(&b->pool, n);
}

void ptd_vision_take_scratch(struct ptd_batch *b)
{
    const struct ptd_config *c = &b->m->config;
    int h = c->v_hidden, F = c->v_intermediate;
    size_t n = (size_t)b->n_patches;
    b->v_z = ptd_pool_nums(&b->pool, n * (h > F ? h : F));
    if (!keeps(b)) {
        ptd_num *places[2] = {ptd_pool_nums(&b->pool, n * h), ptd_pool_nums(&b->pool, n * h)};
        take_mergers(b);
        for (int i = 0; i < c->v_depth; i++) b->vision[i].x = places[i % 2];
        b->v_last = places[c->v_depth % 2];
    }
    if (!keeps(b) || b->keep >= PTD_KEEP_INPUTS) share_acts(b);
}

void ptd_vision_take_backward(struct ptd_batch *b)
{
    const struct ptd_config *c = &b->m->config;
    struct ptd_pool *r = &b->pool;
    int h = c->v_hidden, F = c->v_intermediate;
    size_t n = (size_t)b->n_patches;
    b->v_spare = (struct ptd_vision_spare){.z = ptd_pool_nums(r, n * (h > F ? h : F)),
                                           .dz = ptd_pool_nums(r, n * h),
                                           .df = ptd_pool_nums(r, n * F),
                                           .dqkv = ptd_pool_nums(r, n * 3 * h),
                                           .dx = ptd_pool_nums(r, n * h)};
    if (b->keep >= PTD_KEEP_INPUTS) share_acts(b);
}

/* ---- forward ---- */

static void embed(struct ptd_model *m, struct ptd_batch *b, ptd_num *x)
{
    const struct ptd_layout *l = m->layout;
    struct ptd_device *d = m->device;
    int h = m->config.v_hidden;
    long n = b->n_patches;
    ptd_linear_forward(d, &l->patch, x, b->on.patches, NULL, n);
    ptd_probe(d, "patch embed", x, n, h);
    d->ops->interpolate(d, x, l->positions.value, b->on.tap, b->on.tap_weight, n, h);
}

/* The merger of the deepstack rows `deep` reads x. */
static void stack(struct ptd_model *m, struct ptd_batch *b, int deep, const ptd_num *x)
{
    char stage[32];
    merger_forward(m, b, &m->layout->deepstack[deep], &b->deepstack[deep], x,
                   m->config.v_hidden * merged(b));
    snprintf(stage, sizeof stage, "deepstack %d", deep);
    ptd_probe(m->device, stage, b->deepstack[deep].out, b->n_patches / merged(b), m->config.v_out);
}

void ptd_vision_forward(struct ptd_model *m, struct ptd_batch *b)
{
    const struct ptd_config *c = &m->config;
    int deep = 0;
    char stage[32];
    embed(m, b, b->vision[0].x);
    for (int i = 0; i < c->v_depth; i++) {
        ptd_num *out = i + 1 < c->v_depth ? b->vision[i + 1].x : b->v_last;
        block_forward(m, b, i, out);
        snprintf(stage, sizeof stage, "vision block %d", i);
        ptd_probe(m->device, stage, out, b->n_patches, c->v_hidden);
        if (deep < c->n_deepstack && c->deepstack[deep] == i) stack(m, b, deep++, out);
    }
    merger_forward(m, b, &m->layout->merger, &b->merger, b->v_last, c->v_hidden);
    ptd_probe(m->device, "merger", b->merger.out, b->n_patches / merged(b), c->v_out);
}

/* ---- backward ---- */

/* dx [n_patches, h] is added to. */
static void merger_backward(struct ptd_model *m, struct ptd_batch *b, const struct ptd_merger *p,
                            const struct ptd_merger_acts *a, const ptd_num *dout, int norm_width)
{
    const struct ptd_vision_spare *s = &b->v_spare;
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    ptd_num *dn = s->dqkv; /* has room for it */
    int wide = p->fc1.weight.cols;
    long all = b->n_patches * m->config.v_hidden, rows = all / norm_width, n = all / wide;
    o->gelu(d, s->z, a->f1, n * wide, 1);
    ptd_linear_backward(d, &p->fc2, s->dz, dout, s->z, n);
    o->gelu_backward(d, s->dz, s->dz, a->f1, n * wide, 1);
    layernorm(d, &p->norm, s->z, a->mean, a->rstd, a->x, rows, norm_width);
    ptd_linear_backward(d, &p->fc1, dn, s->dz, s->z, n);
    layernorm_backward(d, &p->norm, s->dx, dn, a->x, a->mean, a->rstd, rows, norm_width);
}

/* dx [n, h]: gradient of the block's output in, of its input out. */
static void block_backward(struct ptd_model *m, struct ptd_batch *b, int block)
{
    const struct ptd_vision_block *p = &m->layout->blocks[block];
    const struct ptd_vision_acts *a = &b->vision[block];
    const struct ptd_vision_spare *s = &b->v_spare;
    const struct ptd_config *c = &m->config;
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    int h = c->v_hidden, F = c->v_intermediate, D = h / c->v_heads;
    long n = b->n_patches;
    ptd_num *z = s->z, *df = s->df, *dz = s->dz, *dqkv = s->dqkv, *dx = s->dx;
    if (b->keep >= PTD_KEEP_INPUTS) block_widen(m, b, p, a, z);
    o->gelu(d, z, a->f1, n * F, 0);
    ptd_linear_backward(d, &p->fc2, df, dx, z, n);
    o->gelu_backward(d, df, df, a->f1, n * F, 0);
    layernorm(d, &p->norm2, z, a->mean2, a->rstd2, a->x2, n, h);
    ptd_linear_backward(d, &p->fc1, dz, df, z, n);
    layernorm_backward(d, &p->norm2, dx, dz, a->x2, a->mean2, a->rstd2, n, h);
    ptd_linear_backward(d, &p->proj, dz, dx, a->o, n);
    o->zero(d, dqkv, n * 3 * h * d->num_size);
    o->attention_backward(d, b->on.frames, dqkv, ptd_at(d, dqkv, h), ptd_at(d, dqkv, 2 * h), dz,
                          a->o, a->lse, a->qkv, ptd_at(d, a->qkv, h), ptd_at(d, a->qkv, 2 * h));
    o->rotate(d, dqkv, 3 * h, b->on.v_cosine, b->on.v_sine, n, 2 * c->v_heads, D, -1);
    layernorm(d, &p->norm1, z, a->mean1, a->rstd1, a->x, n, h);
    ptd_linear_backward(d, &p->qkv, dz, dqkv, z, n);
    layernorm_backward(d, &p->norm1, dx, dz, a->x, a->mean1, a->rstd1, n, h);
}

void ptd_vision_backward(struct ptd_model *m, struct ptd_batch *b, const ptd_num *dimage,
                         ptd_num *const *ddeep)
{
    const struct ptd_config *c = &m->config;
    const struct ptd_layout *l = m->layout;
    struct ptd_device *d = m->device;
    int h = c->v_hidden;
    long n = b->n_patches;
    ptd_num *dx = b->v_spare.dx;
    d->ops->zero(d, dx, n * h * d->num_size);
    merger_backward(m, b, &l->merger, &b->merger, dimage, h);
    ptd_model_done(m, l->merger.part);
    for (int i = c->v_depth - 1, deep = c->n_deepstack - 1; i >= 0; i--) {
        if (deep >= 0 && c->deepstack[deep] == i) {
            merger_backward(m, b, &l->deepstack[deep], &b->deepstack[deep], ddeep[deep],
                            h * merged(b));
            ptd_model_done(m, l->deepstack[deep].part);
            deep--;
        }
        block_backward(m, b, i);
        ptd_model_done(m, l->blocks[i].part);
    }
    if (l->positions.gradient)
        d->ops->interpolate_backward(d, l->positions.gradient, dx, b->on.tap, b->on.tap_weight, n,
                                     h);
    ptd_linear_backward(d, &l->patch, NULL, dx, b->on.patches, n);
}
