/* adamw: the optimizer's step and the gradient's norm, in shares of fixed blocks.
 * Left to others: learning rate schedules, which tensors decay, where the moments are kept. */
#include "compute/cpu/ops.h"
#include "base/err.h"
#include "base/rng.h"
#include "base/threads.h"
#include "compute/cpu/eight.h"
#include "compute/cpu/floats.h"
#include "compute/cpu/halves.h"
#include "compute/cpu/vec.h"
#include <stdlib.h>

#define BLOCK 16384

struct norm {
    const float *g;
    const uint16_t *halves;
    size_t n;
    double *sum; /* one per block */
};

static double block_square(const float *g, long n)
{
    vec_d s = {0};
    long i = 0;
    for (; i + VEC / 2 <= n; i += VEC / 2) {
        vec_half x;
        memcpy(&x, g + i, sizeof x);
        vec_d d = __builtin_convertvector(x, vec_d);
        s += d * d;
    }
    double rest = 0;
    for (; i < n; i++) rest += (double)g[i] * g[i];
    return vec_lanes_sum_d(s) + rest;
}

static void square_blocks(void *ctx, long first, long last)
{
    const struct norm *w = ctx;
    for (long b = first; b < last; b++) {
        size_t at = (size_t)b * BLOCK, n = w->n - at < BLOCK ? w->n - at : BLOCK;
        w->sum[b] = block_square(w->g + at, (long)n);
    }
}

/* Widened a block at a time. */
static void square_halves(void *ctx, long first, long last)
{
    const struct norm *w = ctx;
    float x[PTD_BLOCK];
    for (long b = first; b < last; b++) {
        size_t at = (size_t)b * PTD_BLOCK, n = w->n - at < PTD_BLOCK ? w->n - at : PTD_BLOCK;
        ptd_halves_join(x, w->halves + at, NULL, (int)n);
        w->sum[b] = block_square(x, (long)n);
    }
}

/* The CPU has one format for all other kinds. */
double ptd_cpu_norm(struct ptd_device *d, const void *x, enum ptd_entries of, size_t n)
{
    int halves = of == PTD_HALVES;
    size_t block = halves ? PTD_BLOCK : BLOCK, blocks = (n + block - 1) / block;
    struct norm w = {.g = x, .halves = x, .n = n, .sum = ptd_array(blocks + 1, sizeof(double))};
    double sum = 0;
    ptd_parallel((long)blocks, 4 * BLOCK / (long)block, halves ? square_halves : square_blocks, &w);
    for (size_t b = 0; b < blocks; b++) sum += w.sum[b];
    free(w.sum);
    return sqrt(sum);
}

struct step {
    float scale, b1, c1, b2, c2;   /* c = 1 - b */
    float lr1, root2, eps, shrink; /* lr/(1 - b1^t), 1/sqrt(1 - b2^t), eps, lr decay */
    uint32_t t;
    const struct ptd_slot *at;
    const float *g;
};

static inline __attribute__((always_inline)) void move(const struct step s, float *restrict w,
                                                       float *restrict m, float *restrict v,
                                                       const float *restrict g, long first,
                                                       long last)
{
    for (long i = first; i < last; i++) {
        float d = g[i] * s.scale;
        m[i] = s.b1 * m[i] + s.c1 * d;
        v[i] = s.b2 * v[i] + s.c2 * (d * d);
        w[i] -= s.lr1 * m[i] / (sqrtf(v[i]) * s.root2 + s.eps) + s.shrink * w[i];
    }
}

static void step_range(void *ctx, long first, long last)
{
    const struct step s = *(const struct step *)ctx;
    move(s, FLOATS(s.at->w), s.at->m, s.at->v, s.g, first, last);
}

/* ---- shorter forms ---- */

/* Where a block's moments lie as floats: in their place, or read into x. */
static float *read_moment(float *x, const struct ptd_slot *a, void *moment, const ptd_stat *scale,
                          size_t at, int n, int is_signed)
{
    uint8_t part[PTD_BLOCK] = {0};
    const uint8_t *code = (const uint8_t *)moment + at;
    if (!a->eight) return (float *)moment + at;
    if (n < PTD_BLOCK) code = memcpy(part, code, n);
    ptd_eight_read(x, code, FLOATS(scale)[at / PTD_BLOCK], is_signed);
    return x;
}

static void write_moment(const float *x, const struct ptd_slot *a, void *moment, ptd_stat *scale,
                         size_t at, int n, int is_signed)
{
    uint8_t part[PTD_BLOCK], *code = (uint8_t *)moment + at;
    if (!a->eight) return;
    FLOATS(scale)[at / PTD_BLOCK] = ptd_eight_write(n < PTD_BLOCK ? part : code, x, is_signed);
    if (n < PTD_BLOCK) memcpy(code, part, n);
}

static uint16_t *high_halves(const struct ptd_slot *a, size_t at)
{
    return (uint16_t *)(uintptr_t)a->w + at;
}

static float *read_weights(float *w, const struct ptd_slot *a, size_t at, int n)
{
    if (a->master == PTD_MASTER_F32) return FLOATS(a->w) + at;
    ptd_halves_join(w, high_halves(a, at), a->low ? (const int16_t *)a->low + at : NULL, n);
    return w;
}

static void write_weights(const float *w, const struct step *s, size_t at, int n)
{
    const struct ptd_slot *a = s->at;
    uint32_t random[PTD_BLOCK / 8][4];
    if (a->master == PTD_MASTER_SPLIT)
        ptd_halves_split(high_halves(a, at), (int16_t *)a->low + at, w, n);
    if (a->master != PTD_MASTER_NONE) return;
    ptd_random_row(random, PTD_BLOCK / 8, a->seed, PTD_RNG_ROUND, s->t, a->number,
                   (uint32_t)((a->first + at) / 8));
    ptd_halves_draw(high_halves(a, at), w, (const uint16_t *)random, n);
}

static void step_blocks(void *ctx, long first, long last)
{
    const struct step *s = ctx;
    const struct ptd_slot *a = s->at;
    float spare[3][PTD_BLOCK];
    for (long i = first; i < last; i++) {
        size_t at = (size_t)i * PTD_BLOCK;
        int n = a->n - at < PTD_BLOCK ? (int)(a->n - at) : PTD_BLOCK;
        float *w = read_weights(spare[0], a, at, n);
        float *m = read_moment(spare[1], a, a->m, a->ms, at, n, 1);
        float *v = read_moment(spare[2], a, a->v, a->vs, at, n, 0);
        move(*s, w, m, v, s->g + at, 0, n);
        write_weights(w, s, at, n);
        write_moment(m, a, a->m, a->ms, at, n, 1);
        write_moment(v, a, a->v, a->vs, at, n, 0);
    }
}

/* 1 - b^t without cancellation. */
static double correction(double b, int64_t t)
{
    return -expm1((double)t * log(b));
}

void ptd_cpu_adamw(struct ptd_device *d, const struct ptd_adamw *a, int64_t t, double scale,
                   const struct ptd_slot *at, const ptd_acc *g)
{
    struct step s = {.scale = (float)scale,
                     .b1 = (float)a->beta1,
                     .c1 = (float)(1 - a->beta1),
                     .b2 = (float)a->beta2,
                     .c2 = (float)(1 - a->beta2),
                     .lr1 = (float)(a->lr / correction(a->beta1, t)),
                     .root2 = (float)(1 / sqrt(correction(a->beta2, t))),
                     .eps = (float)a->eps,
                     .shrink = (float)(a->lr * a->decay),
                     .t = (uint32_t)t,
                     .at = at,
                     .g = FLOATS(g)};
    if (at->master == PTD_MASTER_F32 && !at->eight)
        ptd_parallel((long)at->n, BLOCK, step_range, &s);
    else
        ptd_parallel((long)ptd_blocks(at->n), BLOCK / PTD_BLOCK, step_blocks, &s);
}
