/* adamw: the optimizer's step and the gradient's norm, in shares of fixed blocks.
 * Left to others: learning rate schedules, which tensors decay, where the moments are kept. */
#include "compute/cpu/ops.h"
#include "base/err.h"
#include "base/threads.h"
#include "compute/cpu/floats.h"
#include "compute/cpu/vec.h"
#include <stdlib.h>

#define BLOCK 16384

struct norm {
    const float *g;
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

static double norm(const float *g, size_t n)
{
    size_t blocks = (n + BLOCK - 1) / BLOCK;
    struct norm w = {g, n, ptd_array(blocks + 1, sizeof(double))};
    double sum = 0;
    ptd_parallel((long)blocks, 4, square_blocks, &w);
    for (size_t b = 0; b < blocks; b++) sum += w.sum[b];
    free(w.sum);
    return sqrt(sum);
}

/* The CPU has one format for all kinds. */
double ptd_cpu_norm(struct ptd_device *d, const void *x, enum ptd_entries of, size_t n)
{
    return norm(x, n);
}

struct step {
    float scale, b1, c1, b2, c2;   /* c = 1 - b */
    float lr1, root2, eps, shrink; /* lr/(1 - b1^t), 1/sqrt(1 - b2^t), eps, lr decay */
    float *w, *m, *v;
    const float *g;
};

static void step_range(void *ctx, long first, long last)
{
    const struct step s = *(const struct step *)ctx;
    float *restrict w = s.w, *restrict m = s.m, *restrict v = s.v;
    const float *restrict g = s.g;
    for (long i = first; i < last; i++) {
        float d = g[i] * s.scale;
        m[i] = s.b1 * m[i] + s.c1 * d;
        v[i] = s.b2 * v[i] + s.c2 * (d * d);
        w[i] -= s.lr1 * m[i] / (sqrtf(v[i]) * s.root2 + s.eps) + s.shrink * w[i];
    }
}

/* 1 - b^t without cancellation. */
static double correction(double b, int64_t t)
{
    return -expm1((double)t * log(b));
}

void ptd_cpu_adamw(struct ptd_device *d, const struct ptd_adamw *a, int64_t t, double scale,
                   ptd_num *w, ptd_stat *m, ptd_stat *v, const ptd_acc *g, size_t n)
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
                     .w = FLOATS(w),
                     .m = FLOATS(m),
                     .v = FLOATS(v),
                     .g = FLOATS(g)};
    ptd_parallel((long)n, BLOCK, step_range, &s);
}
