/* halves: see halves.h. Loops without branches, of which the compiler makes vectors. */
#include "compute/cpu/halves.h"
#include <string.h>

static uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static uint32_t is_nan(uint32_t u)
{
    return (u & 0x7fffffff) > 0x7f800000;
}

static uint32_t quiet(uint32_t u)
{
    return (u >> 16 & 0x8000) | 0x7fc0;
}

void ptd_halves_join(float *x, const uint16_t *high, const int16_t *low, int n)
{
    for (int i = 0; i < n; i++) {
        uint32_t u = ((uint32_t)high[i] << 16) + (low ? (uint32_t)(int32_t)low[i] : 0);
        memcpy(x + i, &u, sizeof u);
    }
}

void ptd_halves_split(uint16_t *high, int16_t *low, const float *x, int n)
{
    for (int i = 0; i < n; i++) {
        uint32_t u = bits_of(x[i]), nan = is_nan(u);
        high[i] = (uint16_t)(nan ? quiet(u) : (u + 0x8000) >> 16);
        low[i] = (int16_t)(nan ? 0 : u);
    }
}

void ptd_halves_draw(uint16_t *high, const float *x, const uint16_t *random, int n)
{
    for (int i = 0; i < n; i++) {
        uint32_t u = bits_of(x[i]);
        high[i] = (uint16_t)(is_nan(u) ? quiet(u) : (u + random[i]) >> 16);
    }
}
