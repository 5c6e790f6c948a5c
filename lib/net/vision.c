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
    b->v_cosine = ptd_pool_floats(&b->pool, b->n_patches * d / 2);
    b->v_sine = ptd_pool_floats(&b->pool, b->n_patches * d / 2);
    for (long i = 0; i < b->n_patches; i++)
        for (int a = 0; a < d / 2; a++) {
            float angle = (float)b->patch_at[2 * i + (a >= n4)] *
                          (1 / powf(V_THETA, (float)(4 * (a % n4)) / (float)d));
            b->v_cosine[i * (d / 2) + a] = cosf(angle);
            b->v_sine[i * (d / 2) + a] = sinf(angle);
        }
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

/* z [n_patches, max(h, F)]: spare rows. */
static void block_forward(struct ptd_model *m, struct ptd_batch *b,
                          const struct ptd_vision_block *p, struct ptd_vision_acts *a, float *z,
                          float *out)
{
    const struct ptd_config *c = &m->config;
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    const float *w = m->weights;
    int h = c->v_hidden, F = c->v_intermediate, D = h / c->v_heads;
    long n = b->n_patches;
    struct ptd_attention at = heads_of(b);
    o->layernorm(d, z, a->mean1, a->rstd1, a->x, w + p->norm1.w, w + p->norm1.b, n, h, V_EPS);
    o->linear(d, a->qkv, z, w + p->qkv.w, w + p->qkv.b, n, h, 3 * h);
    /* q and k lie side by side */
    o->rotate(d, a->qkv, 3 * h, b->v_cosine, b->v_sine, n, 2 * c->v_heads, D, 1);
    o->attention(d, &at, a->o, a->lse, a->qkv, a->qkv + h, a->qkv + 2 * h);
    o->linear(d, a->x2, a->o, w + p->proj.w, w + p->proj.b, n, h, h);
    o->add(d, a->x2, a->x, n * h);
    o->layernorm(d, z, a->mean2, a->rstd2, a->x2, w + p->norm2.w, w + p->norm2.b, n, h, V_EPS);
    o->linear(d, a->f1, z, w + p->fc1.w, w + p->fc1.b, n, h, F);
    o->gelu(d, z, a->f1, n * F, 0);
    o->linear(d, out, z, w + p->fc2.w, w + p->fc2.b, n, F, h);
    o->add(d, out, a->x2, n * h);
}

/* x [n_patches, h] read as [n/4, 4h]; the main merger normalises before the reinterpretation, the
 * deepstack mergers after it. */
static void merger_forward(struct ptd_model *m, struct ptd_batch *b, const struct ptd_merger *p,
                           struct ptd_merger_acts *a, const float *x, int norm_width)
{
    const struct ptd_config *c = &m->config;
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    const float *w = m->weights;
    int wide = c->v_hidden * c->v_merge * c->v_merge;
    long rows = b->n_patches * c->v_hidden / norm_width, n = b->n_patches * c->v_hidden / wide;
    float *z = ptd_pool_floats(&b->pool, n * wide);
    a->x = x;
    a->mean = ptd_pool_floats(&b->pool, rows);
    a->rstd = ptd_pool_floats(&b->pool, rows);
    a->f1 = ptd_pool_floats(&b->pool, n * wide);
    a->out = ptd_pool_floats(&b->pool, n * c->v_out);
    o->layernorm(d, z, a->mean, a->rstd, x, w + p->norm.w, w + p->norm.b, rows, norm_width, V_EPS);
    o->linear(d, a->f1, z, w + p->fc1.w, w + p->fc1.b, n, wide, wide);
    o->gelu(d, z, a->f1, n * wide, 1);
    o->linear(d, a->out, z, w + p->fc2.w, w + p->fc2.b, n, wide, c->v_out);
}

static void take_acts(struct ptd_batch *b, struct ptd_vision_acts *a)
{
    const struct ptd_config *c = &b->m->config;
    struct ptd_pool *r = &b->pool;
    long n = b->n_patches;
    a->mean1 = ptd_pool_floats(r, n), a->rstd1 = ptd_pool_floats(r, n);
    a->mean2 = ptd_pool_floats(r, n), a->rstd2 = ptd_pool_floats(r, n);
    a->qkv = ptd_pool_floats(r, n * 3 * c->v_hidden);
    a->o = ptd_pool_floats(r, n * c->v_hidden);
    a->lse = ptd_pool_floats(r, n * c->v_heads);
    a->x2 = ptd_pool_floats(r, n * c->v_hidden);
    a->f1 = ptd_pool_floats(r, n * c->v_intermediate);
}

void ptd_vision_forward(struct ptd_model *m, struct ptd_batch *b)
{
    const struct ptd_config *c = &m->config;
    const struct ptd_layout *l = m->layout;
    const float *w = m->weights;
    int h = c->v_hidden, row = c->v_channels * c->v_temporal * c->v_patch * c->v_patch, deep = 0;
    long n = b->n_patches;
    int F = c->v_intermediate;
    float *x = ptd_pool_floats(&b->pool, n * h),
          *z = ptd_pool_floats(&b->pool, n * (h > F ? h : F)), *other = NULL;
    char stage[32];
    rotary(b, h / c->v_heads);
    m->device->ops->linear(m->device, x, b->patches, w + l->patch.w, w + l->patch.b, n, row, h);
    ptd_probe("patch embed", x, n, h);
    m->device->ops->interpolate(m->device, x, w + l->positions, b->tap, b->tap_weight, n, h);
    for (int i = 0; i < c->v_depth; i++) {
        struct ptd_vision_acts *a = &b->vision[i];
        if (b->keep || i == 0) take_acts(b, a);
        /* one block's memory serves all; its input and output change places */
        else
            *a = b->vision[0];
        if (b->keep || !other) other = ptd_pool_floats(&b->pool, n * h);
        a->x = x;
        block_forward(m, b, &l->blocks[i], a, z, other);
        x = other;
        other = a->x;
        snprintf(stage, sizeof stage, "vision block %d", i);
        ptd_probe(stage, x, n, h);
        if (deep < c->n_deepstack && c->deepstack[deep] == i) {
            merger_forward(m, b, &l->deepstack[deep], &b->deepstack[deep], x,
                           h * c->v_merge * c->v_merge);
            snprintf(stage, sizeof stage, "deepstack %d", deep);
            ptd_probe(stage, b->deepstack[deep].out, n / (c->v_merge * c->v_merge), c->v_out);
            deep++;
        }
    }
    b->v_last = x;
    merger_forward(m, b, &l->merger, &b->merger, x, h);
    ptd_probe("merger", b->merger.out, n / (c->v_merge * c->v_merge), c->v_out);
}

/* dx [n_patches, h] is added to. */
static void merger_backward(struct ptd_model *m, struct ptd_batch *b, const struct ptd_merger *p,
                            const struct ptd_merger_acts *a, const float *dout, int norm_width,
                            float *dx)
{
    const struct ptd_config *c = &m->config;
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    const float *w = m->weights;
    float *g = m->grads;
    int wide = c->v_hidden * c->v_merge * c->v_merge;
    long rows = b->n_patches * c->v_hidden / norm_width, n = b->n_patches * c->v_hidden / wide;
    float *z = ptd_pool_floats(&b->pool, n * wide), *dz = ptd_pool_floats(&b->pool, n * wide);
    o->gelu(d, z, a->f1, n * wide, 1);
    o->linear_backward(d, dz, 0, g + p->fc2.w, g + p->fc2.b, dout, z, w + p->fc2.w, n, wide,
                       c->v_out);
    o->gelu_backward(d, dz, dz, a->f1, n * wide, 1);
    o->layernorm(d, z, a->mean, a->rstd, a->x, w + p->norm.w, w + p->norm.b, rows, norm_width,
                 V_EPS);
    float *dn = ptd_pool_floats(&b->pool, n * wide);
    o->linear_backward(d, dn, 0, g + p->fc1.w, g + p->fc1.b, dz, z, w + p->fc1.w, n, wide, wide);
    o->layernorm_backward(d, dx, g + p->norm.w, g + p->norm.b, dn, a->x, a->mean, a->rstd,
                          w + p->norm.w, rows, norm_width);
}

/* dx [n, h]: gradient of the block's output in, of its input out. */
static void block_backward(struct ptd_model *m, struct ptd_batch *b,
                           const struct ptd_vision_block *p, const struct ptd_vision_acts *a,
                           float *dx)
{
    const struct ptd_config *c = &m->config;
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    const float *w = m->weights;
    float *g = m->grads;
    int h = c->v_hidden, F = c->v_intermediate, D = h / c->v_heads;
    long n = b->n_patches;
    struct ptd_attention at = heads_of(b);
    float *z = ptd_pool_floats(&b->pool, n * (h > F ? h : F)),
          *df = ptd_pool_floats(&b->pool, n * F);
    float *dz = ptd_pool_floats(&b->pool, n * h), *dqkv = ptd_pool_floats(&b->pool, n * 3 * h);
    o->gelu(d, z, a->f1, n * F, 0);
    o->linear_backward(d, df, 0, g + p->fc2.w, g + p->fc2.b, dx, z, w + p->fc2.w, n, F, h);
    o->gelu_backward(d, df, df, a->f1, n * F, 0);
    o->layernorm(d, z, a->mean2, a->rstd2, a->x2, w + p->norm2.w, w + p->norm2.b, n, h, V_EPS);
    o->linear_backward(d, dz, 0, g + p->fc1.w, g + p->fc1.b, df, z, w + p->fc1.w, n, h, F);
    o->layernorm_backward(d, dx, g + p->norm2.w, g + p->norm2.b, dz, a->x2, a->mean2, a->rstd2,
                          w + p->norm2.w, n, h);
    o->linear_backward(d, dz, 0, g + p->proj.w, g + p->proj.b, dx, a->o, w + p->proj.w, n, h, h);
    memset(dqkv, 0, n * 3 * h * sizeof *dqkv);
    o->attention_backward(d, &at, dqkv, dqkv + h, dqkv + 2 * h, dz, a->o, a->lse, a->qkv,
                          a->qkv + h, a->qkv + 2 * h);
    o->rotate(d, dqkv, 3 * h, b->v_cosine, b->v_sine, n, 2 * c->v_heads, D, -1);
    o->layernorm(d, z, a->mean1, a->rstd1, a->x, w + p->norm1.w, w + p->norm1.b, n, h, V_EPS);
    o->linear_backward(d, dz, 0, g + p->qkv.w, g + p->qkv.b, dqkv, z, w + p->qkv.w, n, h, 3 * h);
    o->layernorm_backward(d, dx, g + p->norm1.w, g + p->norm1.b, dz, a->x, a->mean1, a->rstd1,
                          w + p->norm1.w, n, h);
}

void ptd_vision_backward(struct ptd_model *m, struct ptd_batch *b, const float *dimage,
                         float *const *ddeep)
{
    const struct ptd_config *c = &m->config;
    const struct ptd_layout *l = m->layout;
    float *g = m->grads;
    int h = c->v_hidden, wide = h * c->v_merge * c->v_merge,
        row = c->v_channels * c->v_temporal * c->v_patch * c->v_patch;
    long n = b->n_patches;
    float *dx = ptd_pool_floats(&b->pool, n * h);
    memset(dx, 0, n * h * sizeof *dx);
    merger_backward(m, b, &l->merger, &b->merger, dimage, h, dx);
    for (int i = c->v_depth - 1, deep = c->n_deepstack - 1; i >= 0; i--) {
        if (deep >= 0 && c->deepstack[deep] == i) {
            merger_backward(m, b, &l->deepstack[deep], &b->deepstack[deep], ddeep[deep], wide, dx);
            deep--;
        }
        block_backward(m, b, &l->blocks[i], &b->vision[i], dx);
    }
    m->device->ops->interpolate_backward(m->device, g + l->positions, dx, b->tap, b->tap_weight, n,
                                         h);
    m->device->ops->linear_backward(m->device, NULL, 0, g + l->patch.w, g + l->patch.b, dx,
                                    b->patches, m->weights + l->patch.w, n, row, h);
}
