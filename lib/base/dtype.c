/* dtype: arrays of bfloat16, IEEE half and float, one into the other.
 * Where they lie and whose they are is left to callers. */
#include "base/dtype.h"
#include "base/half.h"
#include "base/threads.h"
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define BLOCK 4096 /* numbers converted at a time */

static const struct {
    const char *name;
    size_t size;
} formats[] = {{"?", 0}, {"f32", 4}, {"bf16", 2}, {"f16", 2}, {"u8", 1}, {"i16", 2}};

#define N_FORMATS (int)(sizeof formats / sizeof *formats)

size_t ptd_dtype_size(int dtype)
{
    return dtype > 0 && dtype < N_FORMATS ? formats[dtype].size : 0;
}

const char *ptd_dtype_name(int dtype)
{
    return formats[dtype > 0 && dtype < N_FORMATS ? dtype : 0].name;
}

int ptd_dtype_from_name(const char *name)
{
    for (int i = PTD_F32; i <= PTD_F16; i++)
        if (!strcasecmp(name, formats[i].name)) return i;
    return 0;
}

static uint16_t short_at(const void *in, size_t i)
{
    uint16_t h;
    memcpy(&h, (const char *)in + 2 * i, sizeof h);
    return h;
}

void ptd_dtype_to_float(float *out, const void *in, int dtype, size_t n)
{
    if (dtype == PTD_F32) {
        memcpy(out, in, n * sizeof *out);
    } else if (dtype == PTD_BF16) {
        for (size_t i = 0; i < n; i++) {
            uint32_t bits = (uint32_t)short_at(in, i) << 16;
            memcpy(&out[i], &bits, sizeof bits);
        }
    } else if (dtype == PTD_F16) {
        for (size_t i = 0; i < n; i++) out[i] = ptd_unhalf(short_at(in, i));
    } else if (dtype == PTD_I16) {
        for (size_t i = 0; i < n; i++) out[i] = (int16_t)short_at(in, i);
    } else
        for (size_t i = 0; i < n; i++) out[i] = ((const uint8_t *)in)[i];
}

static uint16_t to_bf16(float x)
{
    uint32_t bits, rounded;
    memcpy(&bits, &x, sizeof bits);
    rounded = bits + 0x7fff + (bits >> 16 & 1);
    return (bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded >> 16;
}

void ptd_dtype_from_float(void *out, int dtype, const float *in, size_t n)
{
    if (dtype == PTD_F32) {
        memcpy(out, in, n * sizeof *in);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint16_t h = dtype == PTD_BF16 ? to_bf16(in[i]) : ptd_half(in[i]);
        memcpy((char *)out + 2 * i, &h, sizeof h);
    }
}

struct conversion {
    char *out;
    const char *in;
    int to, from;
    size_t n;
};

static void convert_blocks(void *ctx, long first, long last)
{
    const struct conversion *c = ctx;
    size_t in = ptd_dtype_size(c->from), out = ptd_dtype_size(c->to);
    float x[BLOCK];
    for (long b = first; b < last; b++) {
        size_t at = (size_t)b * BLOCK, n = c->n - at < BLOCK ? c->n - at : BLOCK;
        ptd_dtype_to_float(x, c->in + at * in, c->from, n);
        ptd_dtype_from_float(c->out + at * out, c->to, x, n);
    }
}

void ptd_dtype_convert(void *out, int to, const void *in, int from, size_t n)
{
    struct conversion c = {out, in, to, from, n};
    ptd_parallel((long)((n + BLOCK - 1) / BLOCK), 16, convert_blocks, &c);
}

/* A block at a time without a branch inside, so that the compiler makes vectors of it. */
static int all_finite_short(const void *in, uint16_t exponent, size_t n)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++) bad |= (short_at(in, i) & exponent) == exponent;
    return !bad;
}

static int all_finite_float(const void *in, size_t n)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, (const char *)in + 4 * i, sizeof bits);
        bad |= (bits & 0x7f800000) == 0x7f800000;
    }
    return !bad;
}

static int all_finite(const void *in, int dtype, size_t n)
{
    if (dtype == PTD_F32) return all_finite_float(in, n);
    return all_finite_short(in, dtype == PTD_BF16 ? 0x7f80 : 0x7c00, n);
}

long ptd_dtype_not_finite(const void *in, int dtype, size_t n)
{
    size_t size = ptd_dtype_size(dtype);
    for (size_t i = 0; i < n; i += 4096) {
        size_t m = n - i < 4096 ? n - i : 4096;
        if (all_finite((const char *)in + i * size, dtype, m)) continue;
        while (all_finite((const char *)in + i * size, dtype, 1)) i++;
        return (long)i;
    }
    return -1;
}
