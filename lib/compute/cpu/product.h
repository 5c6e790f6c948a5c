/* product: matrix products on one thread; who shares a large one out over threads gives each of
 * them a block of C.
 *
 *     C [m, n] (+)= alpha A B row-major; ldc, lda, ldb: floats from one row to the next; added to C
 *         if add
 *
 *     nt   A [m, k], B [n, k]: rows by rows nn A [m, k], B [k, n] tn A [k, m], B [k, n]
 *
 * By rows, an entry of C is summed in an order that depends on k alone, in pieces of
 * PTD_PRODUCT_PIECE words, one word after the other, so that a row's result depends neither on the
 * rows beside it nor on their number. Such products are our own on all machines: what is forward.
 * With AVX-512 or AVX2 the others are, too, for k up to PTD_PRODUCT_DEEP (tn:
 * PTD_PRODUCT_DEEP_TN). The rest is OpenBLAS: deep products, where its blocks pay, and those of
 * rows of A that lie a multiple of 4 KiB apart, which drive each other out of the first cache
 * unless they are packed. */
#ifndef PTD_PRODUCT_H
#define PTD_PRODUCT_H

#define PTD_PRODUCT_PIECE 512

#if defined __AVX512F__
#define PTD_PRODUCT_DEEP    1536
#define PTD_PRODUCT_DEEP_TN 1536
#elif defined __AVX2__ && defined __FMA__
#define PTD_PRODUCT_DEEP    768
#define PTD_PRODUCT_DEEP_TN 64
#else
#define PTD_PRODUCT_DEEP    -1
#define PTD_PRODUCT_DEEP_TN -1
#endif
#define PTD_PRODUCT_OURS(k, lda) ((k) <= PTD_PRODUCT_DEEP && (lda) % 1024) /* nt and nn */

void ptd_product_rows_nt(float *C, long ldc, int add, float alpha, const float *A, long lda,
                         const float *B, long ldb, long m, long n, long k);
void ptd_product_rows_nn(float *C, long ldc, int add, float alpha, const float *A, long lda,
                         const float *B, long ldb, long m, long n, long k);

void ptd_product_nt(float *C, long ldc, int add, float alpha, const float *A, long lda,
                    const float *B, long ldb, long m, long n, long k);
void ptd_product_nn(float *C, long ldc, int add, float alpha, const float *A, long lda,
                    const float *B, long ldb, long m, long n, long k);
/* B in bfloat16, A of any width: always our own */
void ptd_product_nn_bf16(float *C, long ldc, int add, const float *A, long lda, const void *B,
                         long ldb, long m, long n, long k);
void ptd_product_tn(float *C, long ldc, int add, float alpha, const float *A, long lda,
                    const float *B, long ldb, long m, long n, long k);
#endif
