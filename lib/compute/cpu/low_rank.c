/* low_rank: products of low rank that are added to others, and their gradients. T = X A^T of all
 * parts lies beside each other, [n, parts * rank], and is made anew in the backward. An entry of T
 * is summed in an order that depends on `in` alone, so that a row's result does not depend on the
 * rows beside it. */
#include "base/threads.h"
#include "compute/cpu/floats.h"
#include "compute/cpu/ops.h"
#include "compute/cpu/product.h"
#include "compute/cpu/vec.h"
#include <stdlib.h>

#define FEW  8 /* rows that are not worth a share each: columns are shared out */
#define TILE 4 /* rows of X by rows of A whose sums stay in registers */

struct low_rank {
    const struct ptd_low_rank *l;
    float *Y, *T, *dT, *dX;
    const float *X, *dY;
    long n, ldt;
};

static const float *A_of(const struct low_rank *j, int p)
{
    return FLOATS(j->l->parts[p].A);
}

static const float *B_of(const struct low_rank *j, int p)
{
    return FLOATS(j->l->parts[p].B);
}

/* t [rows, of] = x a^T, both at most TILE. */
VEC_INLINE void dots(int rows, int of, float *t, long ldt, const float *x, const float *a, long in)
{
    vec_f sum[TILE][TILE] = {{{0}}};
    long k = 0;
    for (; k + VEC <= in; k += VEC)
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
            for (int r = 0; r < of; r++)
                sum[i][r] += vec_load(x + i * in + k) * vec_load(a + r * in + k);
    for (int i = 0; i < rows; i++)
        for (int r = 0; r < of; r++) {
            float s = vec_lanes_sum(sum[i][r]);
            for (long p = k; p < in; p++) s += x[i * in + p] * a[r * in + p];
            t[i * ldt + r] = s;
        }
}

/* Rows row .. row + n of T for rows first .. last of one A. */
static void project(const struct low_rank *j, int p, long row, long n, long first, long last)
{
    long in = j->l->in;
    for (long r = first; r < last; r += TILE)
        for (long i = row; i < row + n; i += TILE) {
            float *t = j->T + i * j->ldt + (long)p * j->l->rank + r;
            const float *x = j->X + i * in, *a = A_of(j, p) + r * in;
            if (row + n - i >= TILE && last - r >= TILE)
                dots(TILE, TILE, t, j->ldt, x, a, in);
            else
                for (long u = 0; u < TILE && i + u < row + n; u++)
                    for (long v = 0; v < TILE && r + v < last; v++)
                        dots(1, 1, t + u * j->ldt + v, j->ldt, x + u * in, a + v * in, in);
        }
}

/* Outputs first .. last of one part, rows row .. row + n. */
static void expand(const struct low_rank *j, int p, long row, long n, long first, long last)
{
    const struct ptd_low_rank *l = j->l;
    ptd_product_rows_nt(j->Y + row * l->wide + l->parts[p].first + first, l->wide, 1, l->scale,
                        j->T + row * j->ldt + (long)p * l->rank, j->ldt,
                        B_of(j, p) + first * l->rank, l->rank, n, last - first, l->rank);
}

static void project_rows(void *ctx, long first, long last)
{
    const struct low_rank *j = ctx;
    for (int p = 0; p < j->l->n; p++) project(j, p, first, last - first, 0, j->l->rank);
}

static void forward_rows(void *ctx, long first, long last)
{
    const struct low_rank *j = ctx;
    project_rows(ctx, first, last);
    for (int p = 0; p < j->l->n; p++) expand(j, p, first, last - first, 0, j->l->parts[p].out);
}

/* Of all A below each other, rows first .. last. */
static void project_columns(void *ctx, long first, long last)
{
    const struct low_rank *j = ctx;
    long rank = j->l->rank;
    for (long p = first / rank; p * rank < last; p++) {
        long from = first > p * rank ? first - p * rank : 0,
             to = last < (p + 1) * rank ? last - p * rank : rank;
        project(j, (int)p, 0, j->n, from, to);
    }
}

/* Of all outputs beside each other, columns first .. last. */
static void expand_columns(void *ctx, long first, long last)
{
    const struct low_rank *j = ctx;
    long at = 0;
    for (int p = 0; p < j->l->n; at += j->l->parts[p++].out) {
        long out = j->l->parts[p].out, from = first > at ? first - at : 0,
             to = last < at + out ? last - at : out;
        if (from < to) expand(j, p, 0, j->n, from, to);
    }
}

static long outputs(const struct ptd_low_rank *l)
{
    long sum = 0;
    for (int p = 0; p < l->n; p++) sum += l->parts[p].out;
    return sum;
}

static struct low_rank begin(const struct ptd_low_rank *l, long n, int gradient)
{
    long ldt = (long)l->n * l->rank + 16; /* 16: never a multiple of 4 KiB for what is used */
    struct low_rank j = {.l = l, .n = n, .ldt = ldt % 1024 ? ldt : ldt + 16};
    j.T = ptd_array((size_t)(n * j.ldt), sizeof *j.T);
    if (gradient) j.dT = ptd_array((size_t)(n * j.ldt), sizeof *j.dT);
    return j;
}

void ptd_cpu_low_rank(struct ptd_device *d, ptd_num *Y, const ptd_num *X,
                      const struct ptd_low_rank *l, long n)
{
    struct low_rank j = begin(l, n, 0);
    double all = (double)l->n * l->rank * l->in, more = (double)outputs(l) * l->rank;
    (void)d;
    j.Y = FLOATS(Y);
    j.X = FLOATS(X);
    if (n > FEW) {
        ptd_parallel(n, ptd_cpu_grain(all + more), forward_rows, &j);
    } else {
        ptd_parallel((long)l->n * l->rank, ptd_cpu_grain((double)n * l->in), project_columns, &j);
        ptd_parallel(outputs(l), ptd_cpu_grain((double)n * l->rank), expand_columns, &j);
    }
    free(j.T);
}

/* ---- backward ---- */

/* dT of some rows, and what of it goes on to X. */
static void back_rows(void *ctx, long first, long last)
{
    const struct low_rank *j = ctx;
    const struct ptd_low_rank *l = j->l;
    long in = l->in, n = last - first;
    for (int p = 0; p < l->n; p++) {
        const struct ptd_low_rank_part *part = &l->parts[p];
        float *dT = j->dT + first * j->ldt + (long)p * l->rank;
        ptd_product_nn(dT, j->ldt, 0, l->scale, j->dY + first * l->wide + part->first, l->wide,
                       B_of(j, p), l->rank, n, l->rank, part->out);
        if (j->dX)
            ptd_product_nn(j->dX + first * in, in, 1, 1, dT, j->ldt, A_of(j, p), in, n, in,
                           l->rank);
    }
}

static void back_B(void *ctx, long first, long last)
{
    const struct low_rank *j = ctx;
    const struct ptd_low_rank *l = j->l;
    long at = 0;
    for (int p = 0; p < l->n; at += l->parts[p++].out) {
        const struct ptd_low_rank_part *part = &l->parts[p];
        long from = first > at ? first - at : 0, to = last < at + part->out ? last - at : part->out;
        if (part->dB && from < to)
            ptd_product_tn(FLOATS(part->dB) + from * l->rank, l->rank, 1, l->scale,
                           j->dY + part->first + from, l->wide, j->T + (long)p * l->rank, j->ldt,
                           to - from, l->rank, j->n);
    }
}

/* Columns first .. last of every dA. */
static void back_A(void *ctx, long first, long last)
{
    const struct low_rank *j = ctx;
    const struct ptd_low_rank *l = j->l;
    for (int p = 0; p < l->n; p++)
        if (l->parts[p].dA)
            ptd_product_tn(FLOATS(l->parts[p].dA) + first, l->in, 1, 1, j->dT + (long)p * l->rank,
                           j->ldt, j->X + first, l->in, l->rank, last - first, j->n);
}

void ptd_cpu_low_rank_backward(struct ptd_device *d, ptd_num *dX, const ptd_num *dY,
                               const ptd_num *X, const struct ptd_low_rank *l, long n)
{
    struct low_rank j = begin(l, n, 1);
    double all = (double)l->n * l->rank * l->in, more = (double)outputs(l) * l->rank;
    int trained = 0;
    (void)d;
    j.dX = FLOATS(dX);
    j.dY = FLOATS(dY);
    j.X = FLOATS(X);
    for (int p = 0; p < l->n; p++) trained |= l->parts[p].dA || l->parts[p].dB;
    ptd_parallel(n, ptd_cpu_grain(all + more), back_rows, &j);
    if (trained) {
        ptd_parallel(n, ptd_cpu_grain(all), project_rows, &j);
        ptd_parallel(outputs(l), ptd_cpu_grain((double)n * l->rank), back_B, &j);
        ptd_parallel(l->in, ptd_cpu_grain((double)n * l->rank * l->n), back_A, &j);
    }
    free(j.T);
    free(j.dT);
}
