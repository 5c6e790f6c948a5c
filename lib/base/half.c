/* IEEE half precision to float and back, by the processor where it can. */
#include "base/half.h"

#include <string.h>
#ifdef __F16C__
#include <immintrin.h>
#endif

#ifdef __F16C__

uint16_t ptd_half(float x)
{
    return (uint16_t)_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT);
}

float ptd_unhalf(uint16_t h)
{
    return _cvtsh_ss(h);
}

void ptd_halves(uint16_t *h, const float *x, long n)
{
    long i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(h + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
    for (; i < n; i++) h[i] = ptd_half(x[i]);
}

void ptd_unhalves(float *x, const uint16_t *h, long n)
{
    long i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(x + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(h + i))));
    for (; i < n; i++) x[i] = ptd_unhalf(h[i]);
}

#else

uint16_t ptd_half(float x)
{
    return ptd_half_portable(x);
}

float ptd_unhalf(uint16_t h)
{
    return ptd_unhalf_portable(h);
}

void ptd_halves(uint16_t *h, const float *x, long n)
{
    for (long i = 0; i < n; i++) h[i] = ptd_half(x[i]);
}

void ptd_unhalves(float *x, const uint16_t *h, long n)
{
    for (long i = 0; i < n; i++) x[i] = ptd_unhalf(h[i]);
}

#endif

/* Drops `shift` bits of v, to nearest, ties to even. */
static uint32_t round_off(uint32_t v, int shift)
{
    uint32_t kept = v >> shift, rest = v & ((1u << shift) - 1), half = 1u << (shift - 1);
    return kept + (rest > half || (rest == half && (kept & 1)));
}

uint16_t ptd_half_portable(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, mantissa = bits & 0x7fffff;
    int exponent = (int)(bits >> 23 & 0xff) - 127 + 15;
    if (exponent == 0xff - 127 + 15)
        return (uint16_t)(sign | 0x7c00 | (mantissa ? 0x200 | mantissa >> 13 : 0));
    if (exponent >= 31) return (uint16_t)(sign | 0x7c00);
    if (exponent > 0)
        return (uint16_t)(sign | (((uint32_t)exponent << 10) + round_off(mantissa, 13)));
    if (exponent < -10) return (uint16_t)sign;
    return (uint16_t)(sign | round_off(mantissa | 0x800000, 14 - exponent));
}

float ptd_unhalf_portable(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 0x3ff,
             bits;
    if (exponent == 31)
        bits = sign | 0x7f800000 | mantissa << 13 | (mantissa ? 0x400000 : 0);
    else if (exponent)
        bits = sign | (exponent + 112) << 23 | mantissa << 13;
    else {
        float small = (float)mantissa * 0x1p-24f;
        memcpy(&bits, &small, sizeof bits);
        bits |= sign;
    }
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
