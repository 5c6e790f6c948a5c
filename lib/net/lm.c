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
    size_t n = (size_t)b->n * half;
    float *cosine = ptd_batch_angles(b, 0, n), *sine = ptd_batch_angles(b, 1, n);
    for (long i = 0; i < 3 * b->n; i++) top = b->pos[i] > top ? b->pos[i] : top;
    grow_turns(b, top + 1);
    for (long i = 0; i < b->n; i++)
        for (int j = 0; j < half; j++) {
            const float *turn = b->turn + (size_t)b->pos[3 * i + axis_of(c, j)] * D;
            cosine[i * half + j] = turn[j];
            sine[i * half + j] = turn[half + j];
        }
    b->on.cosine = ptd_pool_put_stats(&b->pool, cosine, n);
    b->on.sine = ptd_pool_put_stats(&b->pool, sine, n);
}

static void take_acts(struct ptd_batch *b, struct ptd_lm_acts *a)
{
    const struct ptd_config *c = &b->m->config;
    struct ptd_pool *r = &b->pool;
    long n = b->n, q = (long)c->heads * c->head_dim, kv = (long)c->kv_heads * c->head_dim;
    a->rstd1 = ptd_pool_stats(r, n), a->rstd2 = ptd_pool_stats(r, n);
    a->qkv = ptd_pool_nums(r, n * (q + 2 * kv));
    a->q = ptd_pool_nums(r, n * q), a->k = ptd_pool_nums(r, n * kv);
    a->rq = ptd_pool_stats(r, n * c->heads), a->rk = ptd_pool_stats(r, n * c->kv_heads);
    a->o = ptd_pool_nums(r, n * q), a->lse = ptd_pool_stats(r, n * c->heads);
    a->x2 = ptd_pool_nums(r, n * c->hidden);
    a->gu = ptd_pool_nums(r, n * 2 * c->intermediate);
}

/* The first layer whose input is kept; the inputs of those before it change places. */
static int first_kept(const struct ptd_batch *b)
{
    if (!b->keep) return b->m->config.layers + 1;
    return b->m->learns ? b->m->lowest : 0;
}

/* All of layer i is kept where it is computed. */
static int keeps_all(const struct ptd_batch *b, int i)
{
    int last = b->m->config.layers - 1;
    if (b->keep == PTD_KEEP_ALL) return i >= first_kept(b);
    return b->keep > PTD_KEEP_INPUTS && i < last && i >= last - (b->keep - PTD_KEEP_INPUTS);
}

/* Layer i's input, or what the last one gives. */
static ptd_num *take_input(struct ptd_batch *b, int i, ptd_num *places[2])
{
    size_t n = (size_t)b->n * b->m->config.hidden;
    if (i >= first_kept(b)) return ptd_pool_nums(&b->pool, n);
    if (i < 2) places[i] = ptd_pool_nums(&b->pool, n);
    return places[i % 2];
}

void ptd_lm_take(struct ptd_batch *b)
{
    const struct ptd_config *c = &b->m->config;
    int wide = c->hidden > c->intermediate ? c->hidden : c->intermediate;
    ptd_num *places[2] = {0};
    struct ptd_lm_acts shared;
    long n = b->asked ? b->n_asked : b->n;
    b->rstd = ptd_pool_stats(&b->pool, n);
    b->hidden = ptd_pool_nums(&b->pool, n * c->hidden);
    b->scratch = ptd_pool_mark(&b->pool);
    if (b->asked) {
        b->few[0] = ptd_pool_nums(&b->pool, b->n_asked * c->hidden);
        b->few[1] = ptd_pool_nums(&b->pool, b->n_asked * c->heads * c->head_dim);
    }
    b->z = ptd_pool_nums(&b->pool, b->n * wide);
    if (b->keep != PTD_KEEP_ALL || first_kept(b)) take_acts(b, &shared);
    for (int i = 0; i < c->layers; i++) {
        struct ptd_lm_acts *a = &b->lm[i];
        if (keeps_all(b, i))
            take_acts(b, a);
        else
            *a = shared;
        a->x = take_input(b, i, places);
    }
    b->last = take_input(b, c->layers, places);
}

void ptd_lm_take_backward(struct ptd_batch *b)
{
    const struct ptd_config *c = &b->m->config;
    long n = b->n, q = (long)c->heads * c->head_dim, kv = (long)c->kv_heads * c->head_dim;
    long z = c->hidden > c->intermediate ? c->hidden : c->intermediate;
    struct ptd_pool *r = &b->pool;
    b->lm_spare = (struct ptd_lm_spare){.dz = ptd_pool_nums(r, n * z),
                                        .wide = ptd_pool_nums(r, n * 2 * c->intermediate),
                                        .dqkv = ptd_pool_nums(r, n * (q + 2 * kv)),
                                        .dq = ptd_pool_nums(r, n * q),
                                        .dk = ptd_pool_nums(r, n * kv),
                                        .dO = ptd_pool_nums(r, n * q),
                                        .dx = ptd_pool_nums(r, n * c->hidden)};
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
                                  .halves = b->kv && b->kv->halves,
                                  .spans = b->spans,
                                  .n_spans = b->n_segments,
                                  .blocks = b->n_blocks ? b->blocks : NULL,
                                  .n_blocks = b->n_blocks,
                                  .block_rows = PTD_KV_ROWS};
}

void ptd_lm_seal(struct ptd_batch *b)
{
    struct ptd_attention shape = heads_of(b);
    rotary(b);
    b->on.text = b->m->device->ops->attention_plan(b->m->device, &shape);
}

/* Decoding: rows of this batch join the earlier ones in a pool. */
static void remember(struct ptd_batch *b, ptd_num *pool, const ptd_num *x, long stride)
{
    struct ptd_device *d = b->m->device;
    int kv = b->m->config.kv_heads * b->m->config.head_dim;
    if (b->kv->halves)
        d->ops->halve_rows(d, pool, kv, b->on.slot, x, stride, b->n, kv);
    else
        d->ops->copy_rows(d, pool, kv, b->on.slot, x, stride, NULL, b->n, kv);
}

/* As far as rows look at each other. */
static void look(struct ptd_model *m, struct ptd_batch *b, int layer)
{
    const struct ptd_config *c = &m->config;
    const struct ptd_lm_layer *p = &m->layout->layers[layer];
    const struct ptd_lm_acts *a = &b->lm[layer];
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    int D = c->head_dim, q = c->heads * D, kv = c->kv_heads * D, all = q + 2 * kv;
    ptd_num *k = ptd_at(d, a->qkv, q), *v = ptd_at(d, a->qkv, q + kv), *z = b->z;
    long n = b->n;
    o->rmsnorm(d, z, a->rstd1, a->x, p->norm1.gain.value, n, c->hidden, c->rms_eps);
    ptd_linear_forward(d, &p->qkv, a->qkv, z, NULL, n);
    o->headnorm(d, a->q, q, a->rq, a->qkv, all, p->q_norm.gain.value, n, c->heads, D, c->rms_eps);
    o->headnorm(d, a->k, kv, a->rk, k, all, p->k_norm.gain.value, n, c->kv_heads, D, c->rms_eps);
    o->rotate(d, a->q, q, b->on.cosine, b->on.sine, n, c->heads, D, 1);
    o->rotate(d, a->k, kv, b->on.cosine, b->on.sine, n, c->kv_heads, D, 1);
    if (m->half_keys) {
        o->round(d, a->k, kv, n, kv);
        o->round(d, v, all, n, kv);
    }
    if (b->kv) {
        remember(b, b->kv->k[layer], a->k, kv);
        remember(b, b->kv->v[layer], v, all);
        o->attention(d, b->on.text, a->o, a->lse, a->q, b->kv->k[layer], b->kv->v[layer]);
    } else
        o->attention(d, b->on.text, a->o, a->lse, a->q, a->k, v);
}

/* As far as backward needs it, of n rows. */
static void widen(struct ptd_model *m, struct ptd_batch *b, int layer, long n)
{
    const struct ptd_config *c = &m->config;
    const struct ptd_lm_layer *p = &m->layout->layers[layer];
    const struct ptd_lm_acts *a = &b->lm[layer];
    struct ptd_device *d = m->device;
    ptd_linear_forward(d, &p->o, a->x2, a->o, a->x, n);
    d->ops->rmsnorm(d, b->z, a->rstd2, a->x2, p->norm2.gain.value, n, c->hidden, c->rms_eps);
    ptd_linear_forward(d, &p->gate_up, a->gu, b->z, NULL, n);
}

static void narrow(struct ptd_model *m, struct ptd_batch *b, int layer, ptd_num *out, long n)
{
    const struct ptd_config *c = &m->config;
    const struct ptd_lm_acts *a = &b->lm[layer];
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    o->swiglu(d, b->z, a->gu, n, c->intermediate);
    ptd_linear_forward(d, &m->layout->layers[layer].down, out, b->z, a->x2, n);
    if (b->n_image_rows && layer < c->n_deepstack)
        o->scatter_add(d, out, b->deepstack[layer].out, b->on.image_row, b->n_image_rows,
                       c->hidden);
}

/* Rows of picture pads are replaced by the merger's output. */
static void embed(struct ptd_model *m, struct ptd_batch *b, ptd_num *x)
{
    struct ptd_device *d = m->device;
    int H = m->config.hidden;
    d->ops->gather(d, x, &m->layout->embed.weight, b->on.ids, b->n);
    if (b->n_image_rows)
        d->ops->copy_rows(d, x, H, b->on.image_row, b->merger.out, H, NULL, b->n_image_rows, H);
}

/* Of rows of width w at *x those that are asked for, which are there now. */
static void pick(struct ptd_batch *b, ptd_num **x, ptd_num *few, int w)
{
    struct ptd_device *d = b->m->device;
    d->ops->copy_rows(d, few, w, NULL, *x, w, b->on.asked, b->n_asked, w);
    *x = few;
}

/* In the last layer, once rows do not look at each other any more; not where pictures are added to
 * what it gives. */
static int picks_early(const struct ptd_batch *b)
{
    const struct ptd_config *c = &b->m->config;
    return b->asked && b->n_asked <= b->n && !(b->n_image_rows && c->layers <= c->n_deepstack);
}

/* The rows that layer i has from there on. */
static long rows_behind(struct ptd_batch *b, int i)
{
    const struct ptd_config *c = &b->m->config;
    if (i + 1 < c->layers || !picks_early(b)) return b->n;
    pick(b, &b->lm[i].x, b->few[0], c->hidden);
    pick(b, &b->lm[i].o, b->few[1], c->heads * c->head_dim);
    return b->n_asked;
}

static void final_norm(struct ptd_model *m, struct ptd_batch *b)
{
    const struct ptd_config *c = &m->config;
    long n = b->asked ? b->n_asked : b->n;
    if (b->asked && !picks_early(b)) pick(b, &b->last, b->few[0], c->hidden);
    m->device->ops->rmsnorm(m->device, b->hidden, b->rstd, b->last, m->layout->norm.gain.value, n,
                            c->hidden, c->rms_eps);
    ptd_probe(m->device, "final norm", b->hidden, n, c->hidden);
}

void ptd_lm_forward(struct ptd_model *m, struct ptd_batch *b)
{
    const struct ptd_config *c = &m->config;
    char stage[32];
    embed(m, b, b->lm[0].x);
    for (int i = 0; i < c->layers; i++) {
        ptd_num *out = i + 1 < c->layers ? b->lm[i + 1].x : b->last;
        look(m, b, i);
        long n = rows_behind(b, i);
        if (!n) return;
        widen(m, b, i, n);
        narrow(m, b, i, out, n);
        snprintf(stage, sizeof stage, "text layer %d", i);
        ptd_probe(m->device, stage, out, n, c->hidden);
    }
    b->lm_at = c->layers - 1;
    final_norm(m, b);
}

/* The activations of a layer are there, as forward left them. */
static void recompute(struct ptd_model *m, struct ptd_batch *b, int layer)
{
    if (keeps_all(b, layer) || b->lm_at == layer) return;
    look(m, b, layer);
    widen(m, b, layer, b->n);
    b->lm_at = layer;
}

static void feed_backward(struct ptd_model *m, struct ptd_batch *b, int layer)
{
    const struct ptd_config *c = &m->config;
    const struct ptd_lm_layer *p = &m->layout->layers[layer];
    const struct ptd_lm_acts *a = &b->lm[layer];
    const struct ptd_lm_spare *s = &b->lm_spare;
    const struct ptd_weight *gain = &p->norm2.gain;
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    o->swiglu(d, b->z, a->gu, b->n, c->intermediate);
    ptd_linear_backward(d, &p->down, s->dz, s->dx, b->z, b->n);
    o->swiglu_backward(d, s->wide, s->dz, a->gu, b->n, c->intermediate);
    o->rmsnorm(d, b->z, NULL, a->x2, gain->value, b->n, c->hidden, c->rms_eps);
    ptd_linear_backward(d, &p->gate_up, s->dz, s->wide, b->z, b->n);
    o->rmsnorm_backward(d, s->dx, gain->gradient, s->dz, a->x2, a->rstd2, gain->value, b->n,
                        c->hidden);
}

void ptd_batch_attended(struct ptd_batch *b, const uint8_t *layers, double *sum)
{
    b->attended_layers = layers;
    b->attended = sum;
    memset(sum, 0, (size_t)b->n_image_rows * sizeof *sum);
}

/* The pictures' rows of x [n, w], on the host; malloc'd. spare: as many of the device's. */
static float *picture_rows(struct ptd_batch *b, ptd_num *spare, const ptd_num *x, long stride,
                           int w)
{
    struct ptd_device *d = b->m->device;
    size_t n = (size_t)b->n_image_rows * w;
    float *rows = ptd_array(n + 1, sizeof *rows);
    d->ops->copy_rows(d, spare, w, NULL, x, stride, b->on.image_row, b->n_image_rows, w);
    d->ops->get_nums(d, rows, spare, n);
    return rows;
}

/* v and dv [n, w] of a layer's values. */
static void add_attended(struct ptd_batch *b, int layer, const ptd_num *v, const ptd_num *dv,
                         long stride, int w)
{
    if (!b->attended || !b->n_image_rows) return;
    if (b->attended_layers && !b->attended_layers[layer]) return;
    ptd_num *spare = b->lm_spare.dO; /* which has served its turn */
    float *x = picture_rows(b, spare, v, stride, w), *dx = picture_rows(b, spare, dv, stride, w);
    for (long t = 0; t < b->n_image_rows; t++)
        for (int i = 0; i < w; i++) b->attended[t] += (double)x[t * w + i] * (double)dx[t * w + i];
    free(x);
    free(dx);
}

/* below: 1: what the layer reads has a gradient, too */
static void attend_backward(struct ptd_model *m, struct ptd_batch *b, int layer, int below)
{
    const struct ptd_config *c = &m->config;
    const struct ptd_lm_layer *p = &m->layout->layers[layer];
    const struct ptd_lm_acts *a = &b->lm[layer];
    const struct ptd_lm_spare *s = &b->lm_spare;
    const struct ptd_weight *gain = &p->norm1.gain, *qg = &p->q_norm.gain, *kg = &p->k_norm.gain;
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    int D = c->head_dim, q = c->heads * D, kv = c->kv_heads * D, all = q + 2 * kv;
    ptd_num *k = ptd_at(d, a->qkv, q), *v = ptd_at(d, a->qkv, q + kv);
    ptd_num *dk = ptd_at(d, s->dqkv, q), *dv = ptd_at(d, s->dqkv, q + kv);
    long n = b->n;
    ptd_linear_backward(d, &p->o, s->dO, s->dx, a->o, n);
    o->zero(d, s->dqkv, n * all * d->num_size);
    o->zero(d, s->dk, n * kv * d->num_size);
    o->attention_backward(d, b->on.text, s->dq, s->dk, dv, s->dO, a->o, a->lse, a->q, a->k, v);
    add_attended(b, layer, v, dv, all, kv);
    o->rotate(d, s->dq, q, b->on.cosine, b->on.sine, n, c->heads, D, -1);
    o->rotate(d, s->dk, kv, b->on.cosine, b->on.sine, n, c->kv_heads, D, -1);
    o->headnorm_backward(d, s->dqkv, all, qg->gradient, s->dq, q, a->qkv, all, a->rq, qg->value, n,
                         c->heads, D);
    o->headnorm_backward(d, dk, all, kg->gradient, s->dk, kv, k, all, a->rk, kg->value, n,
                         c->kv_heads, D);
    o->rmsnorm(d, b->z, NULL, a->x, gain->value, n, c->hidden, c->rms_eps);
    below |= gain->gradient != NULL;
    ptd_linear_backward(d, &p->qkv, below ? s->dz : NULL, s->dqkv, b->z, n);
    if (!below) return;
    o->rmsnorm_backward(d, s->dx, gain->gradient, s->dz, a->x, a->rstd1, gain->value, n, c->hidden);
}

/* dX of the embedding: picture rows go to the merger and give nothing to the table. */
static void embed_backward(struct ptd_model *m, struct ptd_batch *b, ptd_num *dx, ptd_num *dimage)
{
    struct ptd_device *d = m->device;
    const struct ptd_ops *o = d->ops;
    int H = m->config.hidden;
    long n = b->n_image_rows;
    if (dimage) o->copy_rows(d, dimage, H, NULL, dx, H, b->on.image_row, n, H);
    ptd_acc *gradient = ptd_linear_gradient(&m->layout->embed);
    if (!gradient) return;
    if (b->n_image_rows) o->copy_rows(d, dx, H, b->on.image_row, NULL, 0, NULL, n, H);
    o->gather_backward(d, gradient, dx, b->on.ids, b->n, H);
}

void ptd_lm_backward(struct ptd_model *m, struct ptd_batch *b, const ptd_num *dhidden,
                     ptd_num *dimage, ptd_num *const *ddeep)
{
    const struct ptd_config *c = &m->config;
    const struct ptd_weight *gain = &m->layout->norm.gain;
    struct ptd_device *d = m->device;
    ptd_num *dx = b->lm_spare.dx;
    d->ops->zero(d, dx, b->n * c->hidden * d->num_size);
    d->ops->rmsnorm_backward(d, dx, gain->gradient, dhidden, b->last, b->rstd, gain->value, b->n,
                             c->hidden);
    ptd_model_done(m, m->layout->norm_part);
    int embeds = !m->lowest && (dimage || ptd_linear_gradient(&m->layout->embed));
    for (int i = c->layers - 1; i >= m->lowest; i--) {
        if (dimage && i < c->n_deepstack)
            d->ops->copy_rows(d, ddeep[i], c->hidden, NULL, dx, c->hidden, b->on.image_row,
                              b->n_image_rows, c->hidden);
        recompute(m, b, i);
        feed_backward(m, b, i);
        attend_backward(m, b, i, i > m->lowest || embeds);
        ptd_model_done(m, m->layout->layers[i].part);
    }
    b->attended = NULL;
    if (!m->lowest) {
        embed_backward(m, b, dx, dimage);
        ptd_model_done(m, m->layout->embed_part);
    }
}

static int count_marked(const uint8_t *marks, int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++) sum += !marks || marks[i];
    return sum;
}

int ptd_attention_to_pictures(struct ptd_model *m, struct ptd_batch *b, int reply,
                              const uint8_t *layers, const uint8_t *heads, float *out)
{
    const struct ptd_config *c = &m->config;
    const struct ptd_segment *r = &b->segments[reply],
                             *p = &b->segments[r->prompt < 0 ? reply : r->prompt];
    struct ptd_device *d = m->device;
    struct ptd_shares_asked asked = {.first = r->row,
                                     .n = r->n,
                                     .keys = ptd_int_at(b->on.image_row, p->first_image_row),
                                     .n_keys = p->n_image_rows,
                                     .heads = heads};
    size_t n = (size_t)r->n * p->n_image_rows;
    int used = count_marked(layers, c->layers) * count_marked(heads, c->heads);
    ptd_stat *shares = ptd_pool_stats(&b->pool, n);
    d->ops->zero(d, shares, n * sizeof(float));
    for (int l = 0; l < c->layers; l++)
        if (!layers || layers[l])
            d->ops->attention_shares(d, b->on.text, &asked, shares, b->lm[l].q, b->lm[l].k,
                                     b->lm[l].lse);
    d->ops->get(d, out, shares, n * sizeof(float));
    for (size_t i = 0; used && i < n; i++) out[i] /= used;
    return p->n_image_rows;
}
