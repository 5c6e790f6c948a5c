/* initial: random weights by (seed, number of the parameter, place in it), so any piece can be made
 * at any time, on any thread, and is the same.
 *
 * floats: ptd_normal of each place; exact to the last bit what earlier programs made. bf16: a
 * 16-bit number u of Philox4x32-10, eight to a block, picks the quantile (u + 1/2) / 65536 of the
 * normal law, rounded to bfloat16 (8 bits of mantissa need no more): a billion numbers in a few
 * seconds. */
#ifndef PTD_INITIAL_H
#define PTD_INITIAL_H
#include <stddef.h>
#include <stdint.h>

struct ptd_law {
    float value;
    double std;
    double reach;
}; /* std 0: all are `value`; else normal with mean 0; reach: uniform between -reach and reach */

/* n numbers of parameter `which` from place `first` on, made on all threads. */
void ptd_initial_floats(struct ptd_law law, uint64_t seed, int which, size_t first, size_t n,
                        float *out);
/* The same in bf16; out aligned to 2 bytes. */
void ptd_initial_bf16(struct ptd_law law, uint64_t seed, int which, size_t first, size_t n,
                      uint16_t *out);
#endif
