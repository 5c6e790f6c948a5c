/* round: float32 as bfloat16, to nearest, ties to even; NaN stays NaN, as dtype.h has it, but in
 * vectors. */
#ifndef PTD_ROUND_H
#define PTD_ROUND_H
#include <stdint.h>

void ptd_round(uint16_t *to, const float *x, long n);
void ptd_unround(float *to, const uint16_t *x, long n); /* widened, which is exact */
#endif
