/* eight: moments of 8 bits on the device, as cpu/eight.h defines them. */
#ifndef PTD_CUDA_EIGHT_H
#define PTD_CUDA_EIGHT_H
#include "compute/cuda/gpu.h"

/* By decade k, for positions of b bits: the number of position p is from[k] + step[k] p, the
 * position of y the whole part of y per[k] + off[k]; least[k]: where decade k begins. */
struct decades {
    float from[8], step[8], per[8], off[8], least[8], top;
};

/* 10^(k - b + 1) */
constexpr double decade_tenth(int b, int k)
{
    double x = 1;
    for (; k < b - 1; k++) x /= 10;
    return x;
}
constexpr double decade_first(int b, int k)
{
    return decade_tenth(b, k) * (0.1 + 0.45 / (1 << k));
}
constexpr double decade_last(int b, int k)
{
    return decade_tenth(b, k) * (1 - 0.45 / (1 << k));
}
constexpr struct decades decades_of(int b)
{
    struct decades d = {};
    for (int k = 0; k < 8; k++) {
        double step = decade_tenth(b, k) * 0.9 / (1 << k),
               from = decade_tenth(b, k) * (0.1 + 0.45 / (1 << k) - 0.9);
        d.from[k] = (float)from, d.step[k] = (float)step;
        d.per[k] = (float)(1 / step), d.off[k] = (float)(0.5 - from / step);
        d.least[k] = (float)((decade_first(b, k) + (k ? decade_last(b, k - 1) : 0)) / 2);
    }
    d.top = (float)decade_last(b, b - 1);
    return d;
}
/* Without a sign, and with one. */
GPU_CONSTANT struct decades eight_decades[2] = {decades_of(8), decades_of(7)};

GPU_INLINE float eight_number(uint32_t code, float scale, int is_signed)
{
    const struct decades &d = eight_decades[is_signed];
    uint32_t p = is_signed ? code & 127 : code;
    int k = 31 - __clz((int)p | 1);
    float y = p ? d.from[k] + d.step[k] * (float)p : 0; /* NaN where the scale is */
    return (is_signed && code & 128 ? -y : y) * scale;
}

/* Such that the largest of a block is kept as it is. */
GPU_INLINE float eight_scale(float largest, int is_signed)
{
    return largest / eight_decades[is_signed].top;
}

/* The position of y >= 0, held within its decade. */
GPU_INLINE int eight_position(const struct decades &d, float y, int bits)
{
    int k = -1;
    for (int j = 0; j < bits; j++) k += y >= d.least[j];
    if (k < 0) return 0;
    float first = (float)(1 << k);
    return (int)fminf(fmaxf(y * d.per[k] + d.off[k], first), 2 * first - 0.5f);
}

GPU_INLINE uint8_t eight_code(float x, float scale, int is_signed)
{
    float up = scale < 7.888609e-31f ? 1.2676506e30f : 1; /* the inverse of so little is none */
    float y = fabsf(x) * up * (1 / (scale * up));         /* NaN in a block of zeros: position 0 */
    int p = eight_position(eight_decades[is_signed], y, is_signed ? 7 : 8);
    if (is_signed) return (uint8_t)(p | (int)(__float_as_uint(x) >> 31 << 7));
    return (uint8_t)(p == 0 && x != 0 ? 1 : p);
}
#endif
