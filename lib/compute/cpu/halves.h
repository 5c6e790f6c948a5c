/* halves: float32 numbers as bfloat16 that a network computes with, and what that leaves out.
 *
 * Split: the high half is the nearest bfloat16, (bits + 0x8000) >> 16, the low half a signed 16-bit
 * number, bits - (high << 16): together the number itself, in the room of one float32. Away from
 * zero at a tie; beyond the largest bfloat16 the high half is infinite, and the two together still
 * are the number. NaN is 0x7fc0 with its sign, and nothing in the low half.
 *
 * Drawn: one of the two neighbours, by 16 random bits, with the number as its mean (stochastic
 * rounding). Infinity and NaN stay; NaN as above. */
#ifndef PTD_HALVES_H
#define PTD_HALVES_H
#include "compute/ops.h"

void ptd_halves_join(float *x, const uint16_t *high, const int16_t *low /* NULL: none */, int n);
void ptd_halves_split(uint16_t *high, int16_t *low, const float *x, int n);
void ptd_halves_draw(uint16_t *high, const float *x, const uint16_t *random, int n);
#endif
