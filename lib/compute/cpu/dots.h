/* dots: products of rows with rows on one thread, C [m, n] (+)= A [m, k] B [n, k]^T, where B is
 * weights as they lie, in float32 or in bfloat16; added to C if add. Both factors lie along k, and
 * so do the vectors: nothing is packed, bfloat16 is widened in registers.
 *
 * An entry is always summed in the same order, which depends on k alone: by pieces of PTD_DOTS_DEEP
 * words, in a piece lane by lane and then over the lanes, then piece after piece. Neither the rows
 * beside it, nor how B is cut, nor the format of numbers that both formats hold changes a bit. */
#ifndef PTD_DOTS_H
#define PTD_DOTS_H
#include "base/dtype.h"

#define PTD_DOTS_DEEP 1024

/* lda, ldb, ldc: numbers from one row to the next; dtype: of B, PTD_F32 or PTD_BF16 */
void ptd_dots(float *C, long ldc, int add, const float *A, long lda, const void *B, int dtype,
              long ldb, long m, long n, long k);
#endif
