/* lm: the decoder's forward and backward on the packed rows of a batch, as in Qwen3-VL.
 * Packing and positions are batch.c; the vocabulary head is head.c. */
#include "net/net.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Which of the positions t, h, w turns frequency j. Interleaved mRoPE: t h w t h w ... as far as
 * the sections of h and w reach, t beyond. */
static int axis_of(const struct ptd_config *c, int j)
{
    if (j % 3 == 1 && j < 3 * c->mrope_section[1]) return 1;
    if (j % 3 == 2 && j < 3 * c->mrope_section[2]) return 2;
    return 0;
}

/* Turns of all positions below `n`: b->turn [n, D], cosines in the first half of a row, sines in
 * the second. The batch keeps them, since every micro-batch and every decoded token asks for the
 * same few. */
static void grow_turns(struct ptd_batch *b, int n)
{
    const struct ptd_config *c = &b->m->config;
    int D = c->head_dim, half = D / 2, known = b->turns;
    if (n <= known) return;
    b->turns = n > 2 * known ? n : 2 * known;
    b->turn = ptd_realloc(b->turn, sizeof *b->turn * b->turns * D);
    for (int j = 0; j < half; j++) {
        /* rounded as the reference does: far positions multiply it */
        float inv = 1 / powf((float)c->rope_theta, (float)(2 * j) / (float)D);
        for (int p = known; p < b->turns; p++) {
            b->turn[(size_t)p * D + j] = cosf((float)p * inv);
            b->turn[(size_t)p * D + half + j] = sinf((float)p * inv);
        }
    }
}

/* cosine, sine [n, D/2] of each token. */
static void rotary(struct ptd_batch *b)
{
    const struct ptd_config *c = &b->m->config;
    int D = c->head_dim, half = D / 2, top = 0;
    for (long i = 0; i < 3 * b->n; i++) top = b->pos[i] > top ? b->pos[i] : top;
    grow_turns(b, top + 1);
    b->cosine = ptd_pool_floats(&b->pool, b->n * half);
    b->sine = ptd_pool_floats(&b->pool, b->n * half);
    for (long i = 0; i < b->n; i++)
        for (int j = 0; j < half; j++) {
            const float *turn = b->turn + (size_t)b->pos[3 * i + axis_of(c, j)] * D;
            b->cosine[i * half + j] = turn[j];
            b->sine[i * half + j] = turn[half + j];
        }
}

static void take_acts(struct ptd_batch *b, struct ptd_lm_acts *a)
{
    const struct ptd_config *c = &b->m->config;
    struct ptd_pool *r = &b->pool;
    long n = b->n, q = (long)c->heads * c->head_dim, kv = (long)c->kv_heads * c->head_dim;
    a->rstd1 = ptd_pool_floats(r, n), a->rstd2 = ptd_pool_floats(r, n);
    a->qkv = ptd_pool_floats(r, n * (q + 2 * kv));
    a->q = ptd_pool_floats(r, n * q), a->k = ptd_pool_floats(r, n * kv);
    a->rq = ptd_pool_floats(r, n * c->heads), a->rk = ptd_pool_floats(r, n * c->kv_heads);
    a->o = ptd_pool_floats(r, n * q), a->lse = ptd_pool_floats(r, n * c->heads);
    a->x2 = ptd_pool_floats(r, n * c->hidden);
    a->gu = ptd_pool_floats(r, n * 2 * c->intermediate);
}

static struct ptd_attention heads_of(const struct ptd_batch *b)
{
    const struct ptd_config *c = &b->m->config;
    long q = (long)c->heads * c->head_dim, kv = (long)c->kv_heads * c->head_dim;
    return (struct ptd_attention){.heads = c->heads,
                                  .kv_heads = c->kv_heads,
                                  .dim = c->head_dim,
                                  .causal = 1,
                                  .q_stride = q,
                                  .k_stride = kv,
                                  .v_stride = b->kv ? kv : q + 2 * kv,
                                  .o_stride = q,
                                  .spans = b->spans,
                                  .n_spans = b->n_segments};
}

/* Decoding: this batch's keys and values join the earlier ones. */
static void remember(struct ptd_batch *b, int layer, const float *k, const float *v, long v_stride)
{
    long kv = (long)b->m->config.kv_heads * b->m->config.head_dim;
    for (long i = 0; i < b->n; i++) {
        memcpy(b->kv->k[layer] + b->slot[i] * kv, k + i * kv, kv * sizeof *k);
        memcpy(b->kv->v[layer] + b->slot[i] * kv, v + i * v_stride, kv * sizeof *v);
    }
}

static void attend(struct ptd_model *m, struct ptd_batch *b, int layer, struct ptd_lm_acts *a,
                   float *z)
{
    const struct ptd_config *c = &m->config;
    const struct ptd_lm_layer *p = &m->layout->layers[layer];
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    const float *w = m->weights;
    int D = c->head_dim, q = c->heads * D, kv = c->kv_heads * D, all = q + 2 * kv;
    long n = b->n;
    struct ptd_attention at = heads_of(b);
    o->rmsnorm(d, z, a->rstd1, a->x, w + p->norm1, n, c->hidden, c->rms_eps);
    o->linear(d, a->qkv, z, w + p->qkv, NULL, n, c->hidden, all);
    o->headnorm(d, a->q, q, a->rq, a->qkv, all, w + p->q_norm, n, c->heads, D, c->rms_eps);
    o->headnorm(d, a->k, kv, a->rk, a->qkv + q, all, w + p->k_norm, n, c->kv_heads, D, c->rms_eps);
    o->rotate(d, a->q, q, b->cosine, b->sine, n, c->heads, D, 1);
    o->rotate(d, a->k, kv, b->cosine, b->sine, n, c->kv_heads, D, 1);
    if (b->kv) {
        remember(b, layer, a->k, a->qkv + q + kv, all);
        o->attention(d, &at, a->o, a->lse, a->q, b->kv->k[layer], b->kv->v[layer]);
    } else
        o->attention(d, &at, a->o, a->lse, a->q, a->k, a->qkv + q + kv);
    o->linear(d, a->x2, a->o, w + p->o, NULL, n, q, c->hidden);
    o->add(d, a->x2, a->x, n * c->hidden);
}

static void feed(struct ptd_model *m, struct ptd_batch *b, int layer, struct ptd_lm_acts *a,
                 float *z, float *out)
{
    const struct ptd_config *c = &m->config;
    const struct ptd_lm_layer *p = &m->layout->layers[layer];
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    const float *w = m->weights;
    o->rmsnorm(d, z, a->rstd2, a->x2, w + p->norm2, b->n, c->hidden, c->rms_eps);
    o->linear(d, a->gu, z, w + p->gate_up, NULL, b->n, c->hidden, 2 * c->intermediate);
    o->swiglu(d, z, a->gu, b->n, c->intermediate);
    o->linear(d, out, z, w + p->down, NULL, b->n, c->intermediate, c->hidden);
    o->add(d, out, a->x2, b->n * c->hidden);
    if (b->n_patches && layer < c->n_deepstack)
        o->scatter_add(d, out, b->deepstack[layer].out, b->image_row, b->n_image_rows, c->hidden);
}

/* Rows of picture pads are replaced by the merger's output. */
static void embed(struct ptd_model *m, struct ptd_batch *b, float *x)
{
    const struct ptd_layout *l = m->layout;
    int H = m->config.hidden;
    m->device->ops->gather(m->device, x, m->weights + l->embed, b->ids, b->n, H);
    for (long i = 0; b->n_patches && i < b->n_image_rows; i++)
        memcpy(x + b->image_row[i] * (long)H, b->merger.out + i * H, H * sizeof *x);
}

void ptd_lm_forward(struct ptd_model *m, struct ptd_batch *b)
{
    const struct ptd_config *c = &m->config;
    const struct ptd_layout *l = m->layout;
    int wide = c->hidden > c->intermediate ? c->hidden : c->intermediate;
    float *z = ptd_pool_floats(&b->pool, b->n * wide),
          *x = ptd_pool_floats(&b->pool, b->n * c->hidden), *other = NULL;
    char stage[32];
    rotary(b);
    embed(m, b, x);
    for (int i = 0; i < c->layers; i++) {
        struct ptd_lm_acts *a = &b->lm[i];
        if (b->keep || i == 0) {
            take_acts(b, a);
            if (b->keep || !other) other = ptd_pool_floats(&b->pool, b->n * c->hidden);
        } else
            *a = b->lm[0]; /* one layer's memory serves all; its input and output change places */
        a->x = x;
        attend(m, b, i, a, z);
        feed(m, b, i, a, z, other);
        x = other;
        other = a->x;
        if (b->keep) other = NULL;
        snprintf(stage, sizeof stage, "text layer %d", i);
        ptd_probe(stage, x, b->n, c->hidden);
    }
    b->last = x;
    b->rstd = ptd_pool_floats(&b->pool, b->n);
    b->hidden = ptd_pool_floats(&b->pool, b->n * c->hidden);
    m->device->ops->rmsnorm(m->device, b->hidden, b->rstd, x, m->weights + l->norm, b->n, c->hidden,
                            c->rms_eps);
    ptd_probe("final norm", b->hidden, b->n, c->hidden);
}

struct spare {
    float *z, *dz, *wide, *dqkv, *dq, *dk, *dO;
}; /* backward's own rows, shared by all layers */

static struct spare take_spare(struct ptd_batch *b)
{
    const struct ptd_config *c = &b->m->config;
    long n = b->n, q = (long)c->heads * c->head_dim, kv = (long)c->kv_heads * c->head_dim;
    long z = c->hidden > c->intermediate ? c->hidden : c->intermediate;
    struct ptd_pool *r = &b->pool;
    return (struct spare){.z = ptd_pool_floats(r, n * z),
                          .dz = ptd_pool_floats(r, n * z),
                          .wide = ptd_pool_floats(r, n * 2 * c->intermediate),
                          .dqkv = ptd_pool_floats(r, n * (q + 2 * kv)),
                          .dq = ptd_pool_floats(r, n * q),
                          .dk = ptd_pool_floats(r, n * kv),
                          .dO = ptd_pool_floats(r, n * q)};
}

static void feed_backward(struct ptd_model *m, struct ptd_batch *b, int layer,
                          const struct spare *s, float *dx)
{
    const struct ptd_config *c = &m->config;
    const struct ptd_lm_layer *p = &m->layout->layers[layer];
    const struct ptd_lm_acts *a = &b->lm[layer];
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    const float *w = m->weights;
    float *g = m->grads;
    o->swiglu(d, s->z, a->gu, b->n, c->intermediate);
    o->linear_backward(d, s->dz, 0, g + p->down, NULL, dx, s->z, w + p->down, b->n, c->intermediate,
                       c->hidden);
    o->swiglu_backward(d, s->wide, s->dz, a->gu, b->n, c->intermediate);
    o->rmsnorm(d, s->z, NULL, a->x2, w + p->norm2, b->n, c->hidden, c->rms_eps);
    o->linear_backward(d, s->dz, 0, g + p->gate_up, NULL, s->wide, s->z, w + p->gate_up, b->n,
                       c->hidden, 2 * c->intermediate);
    o->rmsnorm_backward(d, dx, g + p->norm2, s->dz, a->x2, a->rstd2, w + p->norm2, b->n, c->hidden);
}

static void attend_backward(struct ptd_model *m, struct ptd_batch *b, int layer,
                            const struct spare *s, float *dx)
{
    const struct ptd_config *c = &m->config;
    const struct ptd_lm_layer *p = &m->layout->layers[layer];
    const struct ptd_lm_acts *a = &b->lm[layer];
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    const float *w = m->weights;
    float *g = m->grads;
    int D = c->head_dim, q = c->heads * D, kv = c->kv_heads * D, all = q + 2 * kv;
    long n = b->n;
    struct ptd_attention at = heads_of(b);
    o->linear_backward(d, s->dO, 0, g + p->o, NULL, dx, a->o, w + p->o, n, q, c->hidden);
    memset(s->dqkv, 0, n * all * sizeof *s->dqkv);
    memset(s->dk, 0, n * kv * sizeof *s->dk);
    o->attention_backward(d, &at, s->dq, s->dk, s->dqkv + q + kv, s->dO, a->o, a->lse, a->q, a->k,
                          a->qkv + q + kv);
    o->rotate(d, s->dq, q, b->cosine, b->sine, n, c->heads, D, -1);
    o->rotate(d, s->dk, kv, b->cosine, b->sine, n, c->kv_heads, D, -1);
    o->headnorm_backward(d, s->dqkv, all, g + p->q_norm, s->dq, q, a->qkv, all, a->rq,
                         w + p->q_norm, n, c->heads, D);
    o->headnorm_backward(d, s->dqkv + q, all, g + p->k_norm, s->dk, kv, a->qkv + q, all, a->rk,
                         w + p->k_norm, n, c->kv_heads, D);
    o->rmsnorm(d, s->z, NULL, a->x, w + p->norm1, n, c->hidden, c->rms_eps);
    o->linear_backward(d, s->dz, 0, g + p->qkv, NULL, s->dqkv, s->z, w + p->qkv, n, c->hidden, all);
    o->rmsnorm_backward(d, dx, g + p->norm1, s->dz, a->x, a->rstd1, w + p->norm1, n, c->hidden);
}

/* dX of the embedding: picture rows go to the merger and give nothing to the table. */
static void embed_backward(struct ptd_model *m, struct ptd_batch *b, float *dx, float *dimage)
{
    const struct ptd_layout *l = m->layout;
    int H = m->config.hidden;
    if (dimage) {
        m->device->ops->gather(m->device, dimage, dx, b->image_row, b->n_image_rows, H);
        for (long i = 0; i < b->n_image_rows; i++)
            memset(dx + b->image_row[i] * (long)H, 0, H * sizeof *dx);
    }
    m->device->ops->scatter_add(m->device, m->grads + l->embed, dx, b->ids, b->n, H);
}

void ptd_lm_backward(struct ptd_model *m, struct ptd_batch *b, const float *dhidden, float *dimage,
                     float *const *ddeep)
{
    const struct ptd_config *c = &m->config;
    const struct ptd_layout *l = m->layout;
    struct spare s = take_spare(b);
    float *dx = ptd_pool_floats(&b->pool, b->n * c->hidden);
    memset(dx, 0, b->n * c->hidden * sizeof *dx);
    m->device->ops->rmsnorm_backward(m->device, dx, m->grads + l->norm, dhidden, b->last, b->rstd,
                                     m->weights + l->norm, b->n, c->hidden);
    for (int i = c->layers - 1; i >= 0; i--) {
        if (dimage && i < c->n_deepstack)
            m->device->ops->gather(m->device, ddeep[i], dx, b->image_row, b->n_image_rows,
                                   c->hidden);
        feed_backward(m, b, i, &s, dx);
        attend_backward(m, b, i, &s, dx);
    }
    embed_backward(m, b, dx, dimage);
}

int ptd_attention_to_pictures(struct ptd_model *m, struct ptd_batch *b, int reply,
                              const uint8_t *layers, const uint8_t *heads, float *out)
{
    const struct ptd_config *c = &m->config;
    const struct ptd_segment *r = &b->segments[reply],
                             *p = &b->segments[r->prompt < 0 ? reply : r->prompt];
    int D = c->head_dim, used = 0;
    long qs = (long)c->heads * D, ks = (long)c->kv_heads * D;
    float scale = 1 / sqrtf(D);
    memset(out, 0, (size_t)r->n * p->n_image_rows * sizeof *out);
    for (int l = 0; l < c->layers; l++)
        for (int h = 0; h < c->heads; h++) {
            const struct ptd_lm_acts *a = &b->lm[l];
            if ((layers && !layers[l]) || (heads && !heads[h])) continue;
            used++;
            for (int i = 0; i < r->n; i++)
                for (int t = 0; t < p->n_image_rows; t++) {
                    const float *q = a->q + (r->row + i) * qs + h * D,
                                *k = a->k + b->image_row[p->first_image_row + t] * ks +
                                     h / (c->heads / c->kv_heads) * D;
                    float s = 0;
                    for (int d = 0; d < D; d++) s += q[d] * k[d];
                    out[i * p->n_image_rows + t] +=
                        expf(scale * s - a->lse[(r->row + i) * c->heads + h]);
                }
        }
    for (long i = 0; used && i < (long)r->n * p->n_image_rows; i++) out[i] /= used;
    return p->n_image_rows;
}
