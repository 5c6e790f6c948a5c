/* pairs: products on one thread of numbers in bfloat16, multiplied two by two and added up in
 * float32 (vdpbf16ps). A is rounded to bfloat16 on the way, and so is B where it is float32: to
 * nearest, ties to even.
 *
 *     C [m, n] (+)= A B row-major; added to C if add
 *
 *     nt   A [m, k], B [n, k]: rows by rows     nn   A [m, k], B [k, n]     tn   A [k, m], B [k, n]
 *
 * A sum gets the pairs in their order, of each the product of the second numbers and then that of
 * the first: products are exact, each sum is rounded to nearest, and what is smaller than the
 * smallest normal number counts as zero. So in pieces of PTD_PAIRS_PIECE numbers, piece after
 * piece: an entry's bits depend on its row of A, its numbers of B and k alone, whatever rows are
 * beside it. ldc, lda, ldb: numbers from row to row; dtype: of B, PTD_F32 or PTD_BF16.
 *
 * A device for such products is not there (69) where the instruction is not. */
#ifndef PTD_PAIRS_H
#define PTD_PAIRS_H
#include "base/dtype.h"

/* Raised with every change that alters last bits of runs on cpu:bf16 alone; the others are
 * PTD_ARITHMETIC's. */
#define PTD_PAIRS_ARITHMETIC 2

#define PTD_PAIRS_PIECE 1024
#define PTD_PAIRS_ROWS  192 /* of A, from which on the making of panels of B is a small part */

/* Status 69 after ptd_fail, which names what is missing for `device`, or 0. */
int ptd_pairs_check(const char *device);
void ptd_pairs_nt(float *C, long ldc, int add, const float *A, long lda, const void *B, int dtype,
                  long ldb, long m, long n, long k);
void ptd_pairs_nn(float *C, long ldc, int add, const float *A, long lda, const void *B, int dtype,
                  long ldb, long m, long n, long k);
void ptd_pairs_tn(float *C, long ldc, int add, const float *A, long lda, const void *B, int dtype,
                  long ldb, long m, long n, long k);
#endif
