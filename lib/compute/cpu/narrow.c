/* narrow: see narrow.h. Lanes are rows of B, which lie along k: four words of as many rows as a
 * vector has lanes are loaded, and rows and columns of these fours change places in registers. */
#include "compute/cpu/narrow.h"
#include "compute/cpu/vec.h"

#define VECS 2 /* of columns: two chains of sums hide each other's waiting */

/* Four words of rows 0, 4, 8 ... of B, `apart` from each other, beside each other. */
VEC_INLINE vec_f fours(const float *B, long apart)
{
#ifdef __AVX512F__
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(B));
    v = _mm512_mask_broadcast_f32x4(v, 0x00f0, _mm_loadu_ps(B + apart));
    v = _mm512_mask_broadcast_f32x4(v, 0x0f00, _mm_loadu_ps(B + 2 * apart));
    return (vec_f)_mm512_mask_broadcast_f32x4(v, 0xf000, _mm_loadu_ps(B + 3 * apart));
#else
    vec_f v;
    memcpy(&v, B, sizeof v / 2);
    memcpy((char *)&v + sizeof v / 2, B + apart, sizeof v / 2);
    return v;
#endif
}

#if VEC == 16
#define LANES(a, b, c, d)                                                                          \
    ((vec_i){a, b, c, d, a + 4, b + 4, c + 4, d + 4, a + 8, b + 8, c + 8, d + 8, a + 12, b + 12,   \
             c + 12, d + 12})
#else
#define LANES(a, b, c, d) ((vec_i){a, b, c, d, a + 4, b + 4, c + 4, d + 4})
#endif

/* x[j][i] = B[i * ldb + j] for j below 4. */
VEC_INLINE void columns(vec_f *x, const float *B, long ldb)
{
    vec_f r[4], low[2], high[2];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) r[i] = fours(B + i * ldb, 4 * ldb);
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        low[i] = __builtin_shuffle(r[2 * i], r[2 * i + 1], LANES(0, VEC, 1, VEC + 1));
        high[i] = __builtin_shuffle(r[2 * i], r[2 * i + 1], LANES(2, VEC + 2, 3, VEC + 3));
    }
    x[0] = __builtin_shuffle(low[0], low[1], LANES(0, 1, VEC, VEC + 1));
    x[1] = __builtin_shuffle(low[0], low[1], LANES(2, 3, VEC + 2, VEC + 3));
    x[2] = __builtin_shuffle(high[0], high[1], LANES(0, 1, VEC, VEC + 1));
    x[3] = __builtin_shuffle(high[0], high[1], LANES(2, 3, VEC + 2, VEC + 3));
}

/* The first n <= 4 of these. */
VEC_INLINE void columns_part(vec_f *x, const float *B, long ldb, int n)
{
    for (int j = 0; j < n; j++)
        for (int i = 0; i < VEC; i++) x[j][i] = B[i * ldb + j];
}

struct narrow {
    float *C;
    long ldc;
    int add;
    float alpha;
    const float *A, *B;
    long lda, ldb, k;
};

/* rows x vecs vectors of C, the first at column j. */
VEC_INLINE void tile(int rows, int vecs, const struct narrow *t, long j)
{
    const float *B = t->B + j * t->ldb;
    vec_f sum[PTD_NARROW][VECS] = {{{0}}}, x[4];
    long p = 0;
    for (; p + 4 <= t->k; p += 4)
#pragma GCC unroll 2
        for (int h = 0; h < vecs; h++) {
            columns(x, B + h * VEC * t->ldb + p, t->ldb);
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
                for (int r = 0; r < rows; r++)
                    sum[r][h] += vec_set(t->A[r * t->lda + p + i]) * x[i];
        }
    for (int h = 0; p < t->k && h < vecs; h++) {
        columns_part(x, B + h * VEC * t->ldb + p, t->ldb, (int)(t->k - p));
        for (long i = 0; p + i < t->k; i++)
            for (int r = 0; r < rows; r++) sum[r][h] += vec_set(t->A[r * t->lda + p + i]) * x[i];
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int h = 0; h < vecs; h++)
            vec_put(t->C + r * t->ldc + j + h * VEC, t->alpha * sum[r][h], VEC, t->add);
}

/* The compiler keeps sums in registers only if the number of rows is known. */
VEC_INLINE long all_columns(int rows, const struct narrow *t, long n)
{
    long j = 0;
    for (; j + VECS * VEC <= n; j += VECS * VEC) tile(rows, VECS, t, j);
    for (; j + VEC <= n; j += VEC) tile(rows, 1, t, j);
    return j;
}

long ptd_narrow_nt(float *C, long ldc, int add, float alpha, const float *A, long lda,
                   const float *B, long ldb, long m, long n, long k)
{
    struct narrow t = {C, ldc, add, alpha, A, B, lda, ldb, k};
    switch (m) {
    case 1:
        return all_columns(1, &t, n);
    case 2:
        return all_columns(2, &t, n);
    case 3:
        return all_columns(3, &t, n);
    case 4:
        return all_columns(4, &t, n);
    }
    return 0;
}
