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

/* z [n_patches, max(h, F)]: spare rows. */
static void block_forward(struct ptd_model *m, struct ptd_batch *b,
                          const struct ptd_vision_block *p, struct ptd_vision_acts *a, ptd_num *z,
                          ptd_num *out)
{
    const struct ptd_config *c = &m->config;
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    int h = c->v_hidden, F = c->v_intermediate, D = h / c->v_heads;
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
    o->gelu(d, z, a->f1, n * F, 0);
    ptd_linear_forward(d, &p->fc2, out, z, a->x2, n);
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
    ptd_num *z = ptd_pool_nums(&b->pool, n * wide);
    a->x = x;
    a->mean = ptd_pool_stats(&b->pool, rows);
    a->rstd = ptd_pool_stats(&b->pool, rows);
    a->f1 = ptd_pool_nums(&b->pool, n * wide);
    a->out = ptd_pool_nums(&b->pool, n * c->v_out);
    layernorm(d, &p->norm, z, a->mean, a->rstd, x, rows, norm_width);
    ptd_linear_forward(d, &p->fc1, a->f1, z, NULL, n);
    d->ops->gelu(d, z, a->f1, n * wide, 1);
    ptd_linear_forward(d, &p->fc2, a->out, z, NULL, n);
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

void ptd_vision_forward(struct ptd_model *m, struct ptd_batch *b)
{
    const struct ptd_config *c = &m->config;
    const struct ptd_layout *l = m->layout;
    int h = c->v_hidden, deep = 0;
    long n = b->n_patches;
    int F = c->v_intermediate;
    struct ptd_device *d = m->device;
    ptd_num *x = ptd_pool_nums(&b->pool, n * h), *z = ptd_pool_nums(&b->pool, n * (h > F ? h : F)),
            *other = NULL;
    char stage[32];
    ptd_linear_forward(d, &l->patch, x, b->on.patches, NULL, n);
    ptd_probe(d, "patch embed", x, n, h);
    d->ops->interpolate(d, x, l->positions.value, b->on.tap, b->on.tap_weight, n, h);
    for (int i = 0; i < c->v_depth; i++) {
        struct ptd_vision_acts *a = &b->vision[i];
        if (b->keep || i == 0) take_acts(b, a);
        /* one block's memory serves all; its input and output change places */
        else
            *a = b->vision[0];
        if (b->keep || !other) other = ptd_pool_nums(&b->pool, n * h);
        a->x = x;
        block_forward(m, b, &l->blocks[i], a, z, other);
        x = other;
        other = a->x;
        snprintf(stage, sizeof stage, "vision block %d", i);
        ptd_probe(d, stage, x, n, h);
        if (deep < c->n_deepstack && c->deepstack[deep] == i) {
            merger_forward(m, b, &l->deepstack[deep], &b->deepstack[deep], x,
                           h * c->v_merge * c->v_merge);
            snprintf(stage, sizeof stage, "deepstack %d", deep);
            ptd_probe(d, stage, b->deepstack[deep].out, n / (c->v_merge * c->v_merge), c->v_out);
            deep++;
        }
    }
    b->v_last = x;
    merger_forward(m, b, &l->merger, &b->merger, x, h);
    ptd_probe(d, "merger", b->merger.out, n / (c->v_merge * c->v_merge), c->v_out);
}

/* dx [n_patches, h] is added to. */
static void merger_backward(struct ptd_model *m, struct ptd_batch *b, const struct ptd_merger *p,
                            const struct ptd_merger_acts *a, const ptd_num *dout, int norm_width,
                            ptd_num *dx)
{
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    int wide = p->fc1.weight.cols;
    long all = b->n_patches * m->config.v_hidden, rows = all / norm_width, n = all / wide;
    ptd_num *z = ptd_pool_nums(&b->pool, n * wide), *dz = ptd_pool_nums(&b->pool, n * wide),
            *dn = ptd_pool_nums(&b->pool, n * wide);
    o->gelu(d, z, a->f1, n * wide, 1);
    ptd_linear_backward(d, &p->fc2, dz, dout, z, n);
    o->gelu_backward(d, dz, dz, a->f1, n * wide, 1);
    layernorm(d, &p->norm, z, a->mean, a->rstd, a->x, rows, norm_width);
    ptd_linear_backward(d, &p->fc1, dn, dz, z, n);
    layernorm_backward(d, &p->norm, dx, dn, a->x, a->mean, a->rstd, rows, norm_width);
}

/* dx [n, h]: gradient of the block's output in, of its input out. */
static void block_backward(struct ptd_model *m, struct ptd_batch *b,
                           const struct ptd_vision_block *p, const struct ptd_vision_acts *a,
                           ptd_num *dx)
{
    const struct ptd_config *c = &m->config;
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    int h = c->v_hidden, F = c->v_intermediate, D = h / c->v_heads;
    long n = b->n_patches;
    ptd_num *z = ptd_pool_nums(&b->pool, n * (h > F ? h : F)), *df = ptd_pool_nums(&b->pool, n * F),
            *dz = ptd_pool_nums(&b->pool, n * h), *dqkv = ptd_pool_nums(&b->pool, n * 3 * h);
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
    int h = c->v_hidden, wide = h * c->v_merge * c->v_merge;
    long n = b->n_patches;
    ptd_num *dx = ptd_pool_nums(&b->pool, n * h);
    d->ops->zero(d, dx, n * h * d->num_size);
    merger_backward(m, b, &l->merger, &b->merger, dimage, h, dx);
    for (int i = c->v_depth - 1, deep = c->n_deepstack - 1; i >= 0; i--) {
        if (deep >= 0 && c->deepstack[deep] == i) {
            merger_backward(m, b, &l->deepstack[deep], &b->deepstack[deep], ddeep[deep], wide, dx);
            deep--;
        }
        block_backward(m, b, &l->blocks[i], &b->vision[i], dx);
    }
    d->ops->interpolate_backward(d, l->positions.gradient, dx, b->on.tap, b->on.tap_weight, n, h);
    ptd_linear_backward(d, &l->patch, NULL, dx, b->on.patches, n);
}
