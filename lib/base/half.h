/* half: IEEE half precision to float and back. */
#ifndef PTD_HALF_H
#define PTD_HALF_H
#include <stdint.h>

uint16_t ptd_half(float x); /* round to nearest even */
float ptd_unhalf(uint16_t h);
void ptd_halves(uint16_t *h, const float *x, long n); /* arrays */
void ptd_unhalves(float *x, const uint16_t *h, long n);
uint16_t ptd_half_portable(float x); /* the same without the processor's help */
float ptd_unhalf_portable(uint16_t h);
#endif
