/* narrow: products of so few rows that packing the other factor would cost more than they do; the
 * same sums in the same order as product.c has them.
 *
 *     C [m, n] (+)= alpha A [m, k] B [n, k]^T, m from 1 to PTD_NARROW, for the first columns of C,
 * a multiple of vectors
 *
 * Strides are as in product.h. An entry is one sum over k, rounded, times alpha, rounded, and then
 * added if asked for. */
#ifndef PTD_NARROW_H
#define PTD_NARROW_H

#define PTD_NARROW 4

/* Returns how many columns that were; the rest is the caller's. */
long ptd_narrow_nt(float *C, long ldc, int add, float alpha, const float *A, long lda,
                   const float *B, long ldb, long m, long n, long k);
#endif
