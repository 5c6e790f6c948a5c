/* eight: see eight.h. All in vectors; which block a number is in decides its bits, never a thread.
 */
#include "compute/cpu/eight.h"
#include "compute/cpu/vec.h"

/* By decade k, that of b bits in column b - 7: unit(p) = from[k] + step[k] p; p for y: the whole
 * part of y per[k] + off[k]; least[k]: where decade k begins; first[k]: its first p. The eight
 * stand twice: a vector of 16 is loaded as a whole. */
struct map {
    float from[16], step[16], per[16], off[16], least[32], first[16];
};

#define TENTH(b, k)                                                                                \
    ((k) == (b)-1   ? 1.0                                                                          \
     : (k) == (b)-2 ? 1e-1                                                                         \
     : (k) == (b)-3 ? 1e-2                                                                         \
     : (k) == (b)-4 ? 1e-3                                                                         \
     : (k) == (b)-5 ? 1e-4                                                                         \
     : (k) == (b)-6 ? 1e-5                                                                         \
     : (k) == (b)-7 ? 1e-6                                                                         \
                    : 1e-7)
#define TWO(k)      ((double)(1 << (k)))
#define STEP(b, k)  (TENTH(b, k) * 0.9 / TWO(k))
#define FROM(b, k)  (TENTH(b, k) * (0.1 + 0.45 / TWO(k) - 0.9))
#define UNIT(b, k)  (TENTH(b, k) * (0.1 + 0.45 / TWO(k))) /* the first of decade k */
#define LAST(b, k)  (TENTH(b, k) * (1 - 0.45 / TWO(k)))   /* and the last */
#define BELOW(k)    ((k) ? (k)-1 : 0)
#define LEAST(b, k) ((k) < (b) ? (UNIT(b, k) + ((k) ? LAST(b, BELOW(k)) : 0)) / 2 : INFINITY)
#define EACH_DECADE(f, b)                                                                          \
    {                                                                                              \
        f(b, 0), f(b, 1), f(b, 2), f(b, 3), f(b, 4), f(b, 5), f(b, 6), f(b, 7), f(b, 0), f(b, 1),  \
            f(b, 2), f(b, 3), f(b, 4), f(b, 5), f(b, 6), f(b, 7)                                   \
    }
#define FIRST(b, k) TWO(k)
#define PER(b, k)   (1 / STEP(b, k))
#define OFF(b, k)   (0.5 - FROM(b, k) / STEP(b, k))

#define MAP(b)                                                                                     \
    {                                                                                              \
        EACH_DECADE(FROM, b), EACH_DECADE(STEP, b), EACH_DECADE(PER, b), EACH_DECADE(OFF, b),      \
            EACH_DECADE(LEAST, b), EACH_DECADE(FIRST, b)                                           \
    }

static const struct map maps[2] = {MAP(8), MAP(7)};

/* One of the eight for each lane. */
VEC_INLINE vec_f pick(const float *twice, vec_i k)
{
    return __builtin_shuffle(vec_load(twice), k);
}

VEC_INLINE vec_i load_ints(const int32_t *p)
{
    vec_i v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* unit(p), with the sign of bit 7 if there is one. */
VEC_INLINE vec_f unit(const struct map *m, vec_i code, int is_signed)
{
    vec_i p = is_signed ? code & 127 : code, sign = is_signed ? (code & 128) << 24 : (vec_i){0};
    vec_f whole = __builtin_convertvector(p, vec_f);
    vec_i k = ((vec_i)whole >> 23) - 127;
    vec_f y = pick(m->from, k) + pick(m->step, k) * whole;
    return (vec_f)(((vec_i)y & (p != 0)) | sign);
}

VEC_INLINE void read_codes(float *x, const int32_t *code, float scale, int is_signed)
{
    for (int i = 0; i < PTD_BLOCK; i += VEC)
        vec_store(x + i, unit(&maps[is_signed], load_ints(code + i), is_signed) * scale);
}

void ptd_eight_read(float x[PTD_BLOCK], const uint8_t code[PTD_BLOCK], float scale, int is_signed)
{
    int32_t wide[PTD_BLOCK];
    for (int i = 0; i < PTD_BLOCK; i++) wide[i] = code[i];
    if (is_signed)
        read_codes(x, wide, scale, 1);
    else
        read_codes(x, wide, scale, 0);
}

/* Of the bits without the sign, among which NaN is above infinity and that above all else. */
static float largest(const float x[PTD_BLOCK])
{
    int32_t most = 0;
    float y;
    for (int i = 0; i < PTD_BLOCK; i++) {
        int32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits &= INT32_MAX;
        most = bits > most ? bits : most;
    }
    memcpy(&y, &most, sizeof y);
    return y;
}

/* The decade of y, 0 for what is below them all: three bits of it from the highest on. */
VEC_INLINE vec_i decade(const struct map *m, vec_f y)
{
    vec_i k = (y >= m->least[4]) & 4;
    k += (y >= pick(m->least + 2, k)) & 2;
    k += (y >= pick(m->least + 1, k)) & 1;
    return k;
}

/* p of y >= 0. Held within its decade before it is cut to a whole number. */
VEC_INLINE vec_i position(const struct map *m, vec_f y)
{
    vec_i k = decade(m, y);
    vec_f first = pick(m->first, k), p;
    p = vec_larger(first, y * pick(m->per, k) + pick(m->off, k));
    p = -vec_larger(0.5f - 2 * first, -p);
    return __builtin_convertvector(p, vec_i) & (y >= m->least[0]);
}

VEC_INLINE void write_codes(int32_t *code, const float *x, float up, float inverse, int is_signed)
{
    const struct map *m = &maps[is_signed];
    for (int i = 0; i < PTD_BLOCK; i += VEC) {
        vec_f y = vec_load(x + i), size = (vec_f)((vec_i)y & INT32_MAX);
        vec_i p = position(m, size * up * inverse);
        p |= is_signed ? (vec_i)((vec_u)(vec_i)y >> 31 << 7) : (p == 0) & (y != 0) & 1;
        memcpy(code + i, &p, sizeof p);
    }
}

float ptd_eight_write(uint8_t code[PTD_BLOCK], const float x[PTD_BLOCK], int is_signed)
{
    float most = largest(x), top = (float)(is_signed ? LAST(7, 6) : LAST(8, 7)), up = 1;
    float scale = most / top, inverse;
    int32_t wide[PTD_BLOCK];
    if (scale < 0x1p-100f) up = 0x1p100f; /* the inverse of so little is none */
    inverse = scale > 0 ? 1 / (scale * up) : 0;
    if (is_signed)
        write_codes(wide, x, up, inverse, 1);
    else
        write_codes(wide, x, up, inverse, 0);
    for (int i = 0; i < PTD_BLOCK; i++) code[i] = (uint8_t)wide[i];
    return scale;
}
