/* forms: a parameter in each form that the optimizer keeps it in, on the host, and what these forms
 * hold, by the formulas of cpu/eight.h and cpu/halves.h in double. */
#ifndef PTD_TESTS_FORMS_H
#define PTD_TESTS_FORMS_H
#include "base/err.h"
#include "base/rng.h"
#include "compute/ops.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    int master, eight;
} forms[] = {{PTD_MASTER_F32, 0}, {PTD_MASTER_SPLIT, 0}, {PTD_MASTER_NONE, 0},
             {PTD_MASTER_F32, 1}, {PTD_MASTER_SPLIT, 1}, {PTD_MASTER_NONE, 1}};
#define N_FORMS (int)(sizeof forms / sizeof *forms)

static inline struct ptd_slot form_slot(int form, size_t n)
{
    struct ptd_slot s = {
        .n = n, .master = forms[form].master, .eight = forms[form].eight, .seed = 77, .number = 5};
    s.w = ptd_alloc(n * 4);
    s.low = ptd_alloc(n * 2);
    s.m = ptd_alloc(n * 4), s.v = ptd_alloc(n * 4);
    s.ms = ptd_alloc(ptd_blocks(n) * 4), s.vs = ptd_alloc(ptd_blocks(n) * 4);
    if (s.master != PTD_MASTER_SPLIT) free(s.low), s.low = NULL;
    return s;
}

static inline void form_free(struct ptd_slot *s)
{
    void *all[] = {s->w, s->low, s->m, s->v, s->ms, s->vs};
    for (int i = 0; i < 6; i++) free(all[i]);
}

static inline uint32_t form_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float form_float(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static inline float form_weight(const struct ptd_slot *s, size_t i)
{
    if (s->master == PTD_MASTER_F32) return ((const float *)s->w)[i];
    uint32_t high = (uint32_t)((const uint16_t *)s->w)[i] << 16;
    return form_float(high + (s->low ? (uint32_t)(int32_t)((const int16_t *)s->low)[i] : 0));
}

static inline void form_set_weight(struct ptd_slot *s, size_t i, float x)
{
    uint32_t u = form_bits(x), high = (u + 0x8000) >> 16;
    if (s->master == PTD_MASTER_F32) {
        ((float *)s->w)[i] = x;
        return;
    }
    ((uint16_t *)s->w)[i] = (uint16_t)high;
    if (s->low) ((int16_t *)s->low)[i] = (int16_t)(u - (high << 16));
}

static inline double form_unit(int code, int is_signed)
{
    int b = is_signed ? 7 : 8, p = is_signed ? code & 127 : code, k = 0;
    if (!p) return 0;
    while (p >> (k + 1)) k++;
    double y = pow(10, k - b + 1) * (0.1 + 0.9 * (p - (1 << k) + 0.5) / (1 << k));
    return is_signed && code & 128 ? -y : y;
}

static inline double form_moment(const struct ptd_slot *s, int is_v, size_t i)
{
    const void *at = is_v ? s->v : s->m;
    const float *scale = (const float *)(is_v ? s->vs : s->ms);
    if (!s->eight) return ((const float *)at)[i];
    return (double)scale[i / PTD_BLOCK] * form_unit(((const uint8_t *)at)[i], !is_v);
}

/* How far x scale is from the nearest number that a block of this scale may hold, in scales. */
static inline double form_off(double x, int is_signed)
{
    double best = INFINITY;
    for (int c = 0; c < 256; c++) best = fmin(best, fabs(form_unit(c, is_signed) - x));
    return best;
}

/* The bfloat16 that 16 bits draw, as a float. */
static inline float form_drawn(float x, const struct ptd_slot *s, int64_t step, size_t i)
{
    uint32_t r[4];
    ptd_random(r, s->seed, PTD_RNG_ROUND, (uint32_t)step, s->number, (uint32_t)(i / 8));
    return form_float((form_bits(x) + (r[i % 8 / 2] >> (i % 2 * 16) & 0xffff)) & 0xffff0000);
}
#endif
