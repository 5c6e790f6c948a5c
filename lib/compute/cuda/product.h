/* product: matrix products through cuBLASLt, and through a plain kernel where that finds nothing
 * for the shape. Sums are float32.
 *
 * Which algorithm is best depends on the number of rows, and two algorithms may add up in another
 * order, so that a row's last bits would go with its company. Where rows stand alone one algorithm
 * decides the bits: the one that the library would take for few rows (ALONE_LEAST), without parts
 * that are summed apart. For more rows the library's candidates are tried beside it, on numbers of
 * our own, and the first that has the same bits is taken, else that one itself: slower, with the
 * same bits. Matrices that are no multiple of 16 bytes are the kernel's, whatever their rows. */
#ifndef PTD_CUDA_PRODUCT_H
#define PTD_CUDA_PRODUCT_H
#include "compute/cuda/driver.h"

/* D [m, n] = alpha op(A) op(B) + beta D + bias, as cuBLAS sees matrices: entry (i, j) of D lies at
 * i + j ldd, so that rows of ours are its columns. op(A) [m, k] has its entry (i, l) at i + l lda,
 * or if turn_a at l + i lda; op(B) [k, n] has (l, j) at l + j ldb, or if turn_b at j + l ldb. */
struct product {
    int turn_a, turn_b;
    int64_t m, n, k;
    const void *A, *B;
    int64_t lda, ldb;
    void *D;
    int64_t ldd;
    int in, out; /* formats of A and B, and of D and the bias: PTD_BF16 or PTD_F32 */
    float alpha, beta;
    const void *bias; /* [m]; NULL: none */
    int alone;        /* 1: a column of D has the same bits whatever n is, and the other columns */
};
void cuda_product(struct ptd_device *d, const struct product *p);
#endif
