/* eight: moments of the optimizer in 8 bits: blocks of PTD_BLOCK numbers with one float32 scale
 * each, under the non-linear map of Dettmers et al., "8-bit Optimizers via Block-wise
 * Quantization", ICLR 2022 (dynamic tree quantization).
 *
 * A code's position p in binary: its leading one tells the decade, the bits behind it count off the
 * decade from a tenth to one in equal cells, each of which stands for its middle. With b bits for p
 * and 2^k <= p < 2^(k + 1), k < b:
 *
 *     unit(p) = 10^(k - b + 1) (0.1 + 0.9 (p - 2^k + 1/2) / 2^k), unit(0) = 0
 *
 * so that the largest numbers have 6 to 7 bits, and 7 decades follow. Signed (m): the highest bit
 * is the sign, b = 7. Unsigned (v): b = 8. A number is scale unit(p), and the scale is such that
 * the largest of its block is kept as it is (the paper has a code for exactly 1 instead). To the
 * nearest, but for one rule of our own: of an unsigned block no number but 0 becomes 0, since a v
 * of 0 would make a step of any size. */
#ifndef PTD_EIGHT_H
#define PTD_EIGHT_H
#include "compute/ops.h"

void ptd_eight_read(float x[PTD_BLOCK], const uint8_t code[PTD_BLOCK], float scale, int is_signed);
/* Returns the scale; NaN or Inf if any number is not finite, and then codes are of no use. */
float ptd_eight_write(uint8_t code[PTD_BLOCK], const float x[PTD_BLOCK], int is_signed);
#endif
