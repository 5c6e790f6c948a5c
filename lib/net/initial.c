/* initial: normal numbers for new weights. Which parameter begins how is left to model.c. */
#include "net/initial.h"
#include "base/dtype.h"
#include "base/err.h"
#include "base/rng.h"
#include "base/threads.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define QUANTILES 65536
#define FAST      0x80000000u /* keeps the blocks of bf16 apart from the numbers of floats */

struct float_job {
    struct ptd_law law;
    uint64_t seed, first;
    int which;
    float *out;
};

static void make_floats(void *ctx, long from, long to)
{
    const struct float_job *j = ctx;
    for (long i = from; i < to; i++) {
        uint64_t at = j->first + (uint64_t)i;
        j->out[i] = j->law.value;
        if (j->law.reach > 0)
            j->out[i] =
                (float)(j->law.reach * (2 * ptd_uniform(j->seed, PTD_RNG_INIT, j->which,
                                                        (uint32_t)at, (uint32_t)(at >> 32)) -
                                        1));
        if (j->law.std > 0)
            j->out[i] = j->law.std * ptd_normal(j->seed, PTD_RNG_INIT, j->which, (uint32_t)at,
                                                (uint32_t)(at >> 32));
    }
}

void ptd_initial_floats(struct ptd_law law, uint64_t seed, int which, size_t first, size_t n,
                        float *out)
{
    struct float_job j = {law, seed, first, which, out};
    ptd_parallel((long)n, 4096, make_floats, &j);
}

/* Solves P(Z > z) = tail by Newton's rule from below, where the function is convex. */
static double upper_quantile(double tail, double z)
{
    for (int i = 0; i < 8; i++) {
        double excess = erfc(z * M_SQRT1_2) / 2 - tail, slope = exp(-z * z / 2) / sqrt(2 * M_PI);
        z += excess / slope;
    }
    return z;
}

static const float *quantiles(void)
{
    static float q[QUANTILES];
    double z = 0;
    if (q[QUANTILES - 1] != 0) return q;
    for (int i = QUANTILES / 2; i < QUANTILES; i++) {
        z = upper_quantile((QUANTILES - i - 0.5) / QUANTILES, z);
        q[i] = (float)z;
        q[QUANTILES - 1 - i] = (float)-z;
    }
    return q;
}

struct job {
    const uint16_t *table;
    uint64_t seed, first;
    int which;
    size_t n;
    uint16_t *out;
};

static void make_blocks(void *ctx, long from, long to)
{
    const struct job *j = ctx;
    for (long b = from; b < to; b++) {
        uint64_t block = j->first / 8 + (uint64_t)b;
        uint32_t r[4];
        uint16_t u[8];
        ptd_random(r, j->seed, PTD_RNG_INIT, j->which, (uint32_t)block,
                   FAST | (uint32_t)(block >> 32));
        memcpy(u, r, sizeof u);
        for (size_t i = 0; i < 8;
             i++) { /* the first block may have begun before, the last ends later */
            size_t at = block * 8 + i - j->first;
            if (at < j->n) j->out[at] = j->table[u[i]];
        }
    }
}

void ptd_initial_bf16(struct ptd_law law, uint64_t seed, int which, size_t first, size_t n,
                      uint16_t *out)
{
    uint16_t *table = ptd_array(QUANTILES, sizeof *table);
    const float *q = quantiles();
    for (int i = 0; i < QUANTILES; i++) {
        float x = law.std > 0 ? (float)(law.std * q[i]) : law.value;
        ptd_dtype_from_float(&table[i], PTD_BF16, &x, 1);
    }
    struct job j = {table, seed, first, which, n, out};
    ptd_parallel((long)((first % 8 + n + 7) / 8), 4096, make_blocks, &j);
    free(table);
}
