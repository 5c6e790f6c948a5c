/* vec: short loops over floats in vectors of VEC lanes (GCC vector extensions): as many as a
 * register of the machine holds, 16 with AVX-512, else 8, since GCC 12 keeps wider ones in memory
 * and compares them lane by lane. Loads are unaligned, so results do not depend on where an array
 * lies; no dependence on -ffast-math.
 *
 * vec_dot, vec_axpy ... take arrays of any length; vec_exp, vec_tanh, vec_sigmoid take one vector.
 * Sums use a fixed order, which depends only on the length. For a last piece shorter than a vector:
 * vec_load_part, vec_store_part.
 *
 *     for (i = 0; i + VEC <= n; i += VEC) vec_store(y + i, vec_exp(vec_load(x + i)));
 *     if (i < n) vec_store_part(y + i, vec_exp(vec_load_part(x + i, n - i, 0)), n - i); */
#ifndef PTD_VEC_H
#define PTD_VEC_H
#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined __AVX512F__ || defined __AVX2__
#include <immintrin.h>
#endif

/* Where registers are narrower GCC notes that vectors as arguments have no fixed ABI; all these
 * functions are inlined. */
#pragma GCC diagnostic ignored "-Wpsabi"

#ifdef __AVX512F__
#define VEC       16
#define VEC_LANES 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 /* their numbers */
#else
#define VEC       8
#define VEC_LANES 0, 1, 2, 3, 4, 5, 6, 7
#endif
#define VEC_INLINE static inline __attribute__((always_inline, unused))
typedef float vec_f __attribute__((vector_size(4 * VEC)));
typedef int32_t vec_i __attribute__((vector_size(4 * VEC)));
typedef uint32_t vec_u __attribute__((vector_size(4 * VEC)));
typedef double vec_d __attribute__((vector_size(4 * VEC))); /* VEC / 2 lanes */
typedef float vec_half __attribute__((vector_size(2 * VEC)));
typedef uint16_t vec_h __attribute__((vector_size(2 * VEC)));

VEC_INLINE vec_f vec_load(const float *p)
{
    vec_f v;
    memcpy(&v, p, sizeof v);
    return v;
}

VEC_INLINE void vec_store(float *p, vec_f v)
{
    memcpy(p, &v, sizeof v);
}

VEC_INLINE vec_f vec_set(float x)
{
    return x - (vec_f){0};
}

#ifdef __AVX512F__
VEC_INLINE __mmask16 vec_first(long n)
{
    return (__mmask16)(n > 0 ? (1u << n) - 1 : 0);
}
#endif

/* The first n <= VEC entries (none if n is negative); the other lanes are `fill`. */
VEC_INLINE vec_f vec_load_part(const float *p, long n, float fill)
{
#ifdef __AVX512F__
    return (vec_f)_mm512_mask_loadu_ps(_mm512_set1_ps(fill), vec_first(n), p);
#elif defined __AVX2__
    vec_i first = (vec_i){VEC_LANES} < (int32_t)n;
    return (vec_f)_mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, (__m256i)first),
                                   (__m256)first);
#else
    float t[VEC];
    for (int i = 0; i < VEC; i++) t[i] = i < n ? p[i] : fill;
    return vec_load(t);
#endif
}

/* v, kept in a register: GCC would load what it multiplies with anew for each product, and melts a
 * product into the addition behind it. */
VEC_INLINE vec_f vec_held(vec_f v)
{
#if defined __AVX512F__ || defined __AVX2__
    __asm__("" : "+v"(v));
#endif
    return v;
}

/* VEC bfloat16 numbers, widened; of them the first n <= VEC, zeros behind. */
VEC_INLINE vec_f vec_load_bf16(const uint16_t *p)
{
#ifdef __AVX512F__
    return (vec_f)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i_u *)p)),
                                    16);
#elif defined __AVX2__
    return (vec_f)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i_u *)p)),
                                    16);
#else
    vec_u u;
    for (int i = 0; i < VEC; i++) u[i] = (uint32_t)p[i] << 16;
    return (vec_f)u;
#endif
}

VEC_INLINE vec_f vec_load_bf16_part(const uint16_t *p, long n)
{
    uint16_t t[VEC] = {0};
    for (int i = 0; i < VEC && i < n; i++) t[i] = p[i];
    return vec_load_bf16(t);
}

/* As the nearest bfloat16, ties to even; NaN stays NaN. */
VEC_INLINE vec_f vec_rounded(vec_f v)
{
    vec_u u = (vec_u)v, near = u + 0x7fff + (u >> 16 & 1), nan = u | 0x400000;
    vec_u is_number = (vec_u)(v == v);
    return (vec_f)(((near & is_number) | (nan & ~is_number)) & 0xffff0000u);
}

VEC_INLINE void vec_store_bf16(uint16_t *p, vec_f v)
{
    vec_h h = __builtin_convertvector((vec_u)vec_rounded(v) >> 16, vec_h);
    memcpy(p, &h, sizeof h);
}

VEC_INLINE void vec_store_part(float *p, vec_f v, long n)
{
#ifdef __AVX512F__
    _mm512_mask_storeu_ps(p, vec_first(n), (__m512)v);
#else
    for (int i = 0; i < VEC && i < n; i++) p[i] = v[i];
#endif
}

/* The first n entries (at most a vector's, none if n is negative) become v, or get it added; v has
 * been rounded then, whatever it is made of. */
VEC_INLINE void vec_put(float *p, vec_f v, long n, int add)
{
    v = vec_held(v);
    if (n >= VEC)
        vec_store(p, add ? vec_load(p) + v : v);
    else if (n > 0)
        vec_store_part(p, add ? vec_load_part(p, n, 0) + v : v, n);
}

/* Lanes of a where mask is set (-1), else of b. */
VEC_INLINE vec_f vec_pick(vec_i mask, vec_f a, vec_f b)
{
    return (vec_f)(((vec_i)a & mask) | ((vec_i)b & ~mask));
}

/* b where one is NaN. The same on all machines, but GCC 12 does not find the one instruction for it
 * by itself. */
VEC_INLINE vec_f vec_larger(vec_f a, vec_f b)
{
#ifdef __AVX512F__
    return (vec_f)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined __AVX2__
    return (vec_f)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return vec_pick(a > b, a, b);
#endif
}

/* Lane i gets lane (i + h) of v, h = 8, 4, 2, 1 in turn: the folding steps of a reduction. */
#if VEC == 16
#define VEC_FOLD_8 ((vec_i){8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7})
#define VEC_FOLD_4 ((vec_i){4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3})
#define VEC_FOLD_2 ((vec_i){2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1})
#define VEC_FOLD_1 ((vec_i){1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0})
#else
#define VEC_FOLD_4 ((vec_i){4, 5, 6, 7, 0, 1, 2, 3})
#define VEC_FOLD_2 ((vec_i){2, 3, 0, 1, 2, 3, 0, 1})
#define VEC_FOLD_1 ((vec_i){1, 0, 1, 0, 1, 0, 1, 0})
#endif

/* Sum and maximum of the lanes. */
VEC_INLINE float vec_lanes_sum(vec_f v)
{
#if VEC == 16
    v += __builtin_shuffle(v, VEC_FOLD_8);
#endif
    v += __builtin_shuffle(v, VEC_FOLD_4);
    v += __builtin_shuffle(v, VEC_FOLD_2);
    v += __builtin_shuffle(v, VEC_FOLD_1);
    return v[0];
}

VEC_INLINE float vec_lanes_max(vec_f v)
{
#if VEC == 16
    v = vec_larger(__builtin_shuffle(v, VEC_FOLD_8), v);
#endif
    v = vec_larger(__builtin_shuffle(v, VEC_FOLD_4), v);
    v = vec_larger(__builtin_shuffle(v, VEC_FOLD_2), v);
    v = vec_larger(__builtin_shuffle(v, VEC_FOLD_1), v);
    return v[0];
}

VEC_INLINE double vec_lanes_sum_d(vec_d v)
{
#if VEC == 16
    return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7]));
#else
    return (v[0] + v[1]) + (v[2] + v[3]);
#endif
}

/* The lanes as half as many sums of two, in double. (GCC 12 goes by way of halves of halves, hence
 * the first forms.) */
VEC_INLINE vec_d vec_widen(vec_f v)
{
#ifdef __AVX512F__
    __m256 high = (__m256)_mm512_extractf64x4_pd((__m512d)v, 1);
    return (vec_d)(_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)v)) + _mm512_cvtps_pd(high));
#elif defined __AVX2__
    return (vec_d)(_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)v)) +
                   _mm256_cvtps_pd(_mm256_extractf128_ps((__m256)v, 1)));
#else
    vec_half a, b;
    memcpy(&a, &v, sizeof a);
    memcpy(&b, (const char *)&v + sizeof a, sizeof b);
    return __builtin_convertvector(a, vec_d) + __builtin_convertvector(b, vec_d);
#endif
}

/* e^x = m 2^n, for n as a float: returns m, between sqrt(1/2) and sqrt 2. */
VEC_INLINE vec_f vec_exp_mantissa(vec_f x, vec_f n)
{
    vec_f r = x - n * 0.693145752f; /* ln 2 in two parts; n times the first is exact */
    r = r - n * 1.42860677e-6f;
    vec_f p = r * 0.00139261836f + 0.00836317905f;
    p = p * r + 0.0416665546f;
    p = p * r + 0.16666577f;
    p = p * r + 0.5f;
    return p * (r * r) + r + 1.0f;
}

/* e^x within 1.5 ulp where the result is a normal number; 0 below -87.33 (-inf too), inf above
 * 88.72, NaN stays NaN. */
VEC_INLINE vec_f vec_exp(vec_f x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
    vec_f t = x * 1.44269504f + magic, m = vec_exp_mantissa(x, t - magic);
    vec_u e = (vec_u)t << 23; /* the low bits of t are n */
    vec_f y = (vec_f)((vec_u)m + e);
    y = vec_pick(x < -87.33654f, (vec_f){0}, y);
    y = vec_pick(x > 88.72283f, vec_set(INFINITY), y);
    return vec_pick(x == x, y, x);
}

/* Steps on n vectors side by side: one chain of steps after the other would wait for the result of
 * each, where a processor looks ahead over few instructions. */
#define VEC_EACH _Pragma("GCC unroll 8") for (int i = 0; i < n; i++)

/* y[i] = e^x[i] for x from -88 to 88 (or NaN) in fewer steps, which is worth it over a vocabulary;
 * 0 below -87.69, where n is -127. */
VEC_INLINE void vec_exp_near(vec_f *y, const vec_f *x, int n)
{
    const float magic = 12582912.0f + 127; /* so the low bits of t are the exponent of 2^n */
    vec_f t[8], r[8], p[8], q[8];
    VEC_EACH t[i] = x[i] * 1.44269504f + magic;
    VEC_EACH r[i] = t[i] - magic;
    VEC_EACH p[i] = x[i] - r[i] * 0.693145752f;
    VEC_EACH r[i] = p[i] - r[i] * 1.42860677e-6f;
    VEC_EACH q[i] = r[i] * r[i];
    VEC_EACH p[i] =
        (r[i] * 0.00139261836f + 0.00836317905f) * q[i] + (r[i] * 0.0416665546f + 0.16666577f);
    VEC_EACH p[i] = p[i] * r[i] + 0.5f;
    VEC_EACH p[i] = p[i] * q[i] + r[i];
    VEC_EACH p[i] = p[i] + 1.0f;
    VEC_EACH y[i] = p[i] * (vec_f)((vec_u)t[i] << 23);
}

VEC_INLINE vec_f vec_exp_down(vec_f x)
{
    vec_f y;
    x = vec_larger(vec_set(-88), x);
    vec_exp_near(&y, &x, 1);
    return y;
}

/* y[i] = ln(1 + x[i]) to a relative 2e-7 for x > -1, also where x is small; some finite number at
 * -1; NaN stays NaN. */
VEC_INLINE void vec_log1p_each(vec_f *y, const vec_f *x, int n)
{
    vec_f u[8], lost[8], r[8], p[8], q[8];
    vec_i e[8];
    VEC_EACH u[i] = 1.0f + x[i];
    VEC_EACH lost[i] = x[i] - (u[i] - 1.0f);            /* what rounding took */
    VEC_EACH e[i] = ((vec_i)u[i] - 0x3f3504f3) >> 23;   /* u = m 2^e, m from sqrt(1/2) to sqrt 2 */
    VEC_EACH q[i] = (vec_f)((vec_u)(127 - e[i]) << 23); /* 2^-e */
    VEC_EACH r[i] = (u[i] * q[i] - 1.0f) + lost[i] * q[i];
    VEC_EACH q[i] = r[i] * r[i];
    VEC_EACH u[i] =
        (r[i] * 0.333339502f - 0.499999916f) + q[i] * (r[i] * 0.19962072f - 0.250017553f);
    VEC_EACH p[i] =
        (r[i] * 0.149179746f - 0.165705076f) + q[i] * (r[i] * 0.087348467f - 0.14307527f);
    VEC_EACH p[i] = u[i] + q[i] * q[i] * p[i];
    VEC_EACH y[i] = __builtin_convertvector(e[i], vec_f) * 0.693147182f + (p[i] * q[i] + r[i]);
}

VEC_INLINE vec_f vec_log1p(vec_f x)
{
    vec_f y;
    vec_log1p_each(&y, &x, 1);
    return y;
}

/* 1 / (1 + e^-x). What is held at -87 is lost beside the 1, and e^89 has the exponent of infinity.
 */
VEC_INLINE vec_f vec_sigmoid(vec_f x)
{
    const float magic = 12582912.0f + 127; /* as in vec_exp_down */
    vec_f y = vec_larger(vec_set(-87), -x);
    y = vec_pick(y > 89.0f, vec_set(89), y);
    vec_f t = y * 1.44269504f + magic;
    return 1.0f / (1.0f + vec_exp_mantissa(y, t - magic) * (vec_f)((vec_u)t << 23));
}

VEC_INLINE vec_f vec_tanh(vec_f x)
{
    vec_i sign = (vec_i)x & INT32_MIN;
    vec_f a = (vec_f)((vec_i)x & INT32_MAX), e = vec_exp(-2.0f * a), u = x * x;
    vec_f big = (vec_f)((vec_i)((1.0f - e) / (1.0f + e)) | sign);
    vec_f p = u * -0.00593706277f + 0.0208833474f; /* odd polynomial where 1 - e would cancel */
    p = p * u - 0.0538260069f;
    p = p * u + 0.133325997f;
    p = p * u - 0.333333272f;
    return vec_pick(a < 0.64f, x + x * u * p, big);
}

/* y = x, for so few that a call would take longer */
VEC_INLINE void vec_copy(float *y, const float *x, long n)
{
    long i = 0;
    for (; i + VEC <= n; i += VEC) vec_store(y + i, vec_load(x + i));
    if (i < n) vec_store_part(y + i, vec_load_part(x + i, n - i, 0), n - i);
}

/* sum a[i] b[i] */
VEC_INLINE float vec_dot(const float *a, const float *b, long n)
{
    vec_f s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    long i = 0;
    for (; i + 4 * VEC <= n; i += 4 * VEC) {
        s0 += vec_load(a + i) * vec_load(b + i);
        s1 += vec_load(a + i + VEC) * vec_load(b + i + VEC);
        s2 += vec_load(a + i + 2 * VEC) * vec_load(b + i + 2 * VEC);
        s3 += vec_load(a + i + 3 * VEC) * vec_load(b + i + 3 * VEC);
    }
    for (; i + VEC <= n; i += VEC) s0 += vec_load(a + i) * vec_load(b + i);
    if (i < n) s1 += vec_load_part(a + i, n - i, 0) * vec_load_part(b + i, n - i, 0);
    return vec_lanes_sum((s0 + s1) + (s2 + s3));
}

/* y += c x */
VEC_INLINE void vec_axpy(float *y, float c, const float *x, long n)
{
    long i = 0;
    for (; i + VEC <= n; i += VEC) vec_store(y + i, vec_load(y + i) + c * vec_load(x + i));
    for (; i < n; i++) y[i] += c * x[i];
}

/* x *= c */
VEC_INLINE void vec_scale(float *x, float c, long n)
{
    long i = 0;
    for (; i + VEC <= n; i += VEC) vec_store(x + i, c * vec_load(x + i));
    for (; i < n; i++) x[i] *= c;
}

VEC_INLINE float vec_sum(const float *x, long n)
{
    vec_f s0 = {0}, s1 = {0};
    long i = 0;
    for (; i + 2 * VEC <= n; i += 2 * VEC) {
        s0 += vec_load(x + i);
        s1 += vec_load(x + i + VEC);
    }
    if (i + VEC <= n) s0 += vec_load(x + i), i += VEC;
    if (i < n) s1 += vec_load_part(x + i, n - i, 0);
    return vec_lanes_sum(s0 + s1);
}

/* Largest entry, NaN passed over; -inf if there is none. */
VEC_INLINE float vec_max(const float *x, long n)
{
    vec_f m0 = vec_set(-INFINITY), m1 = m0;
    long i = 0;
    for (; i + 2 * VEC <= n; i += 2 * VEC) {
        m0 = vec_larger(vec_load(x + i), m0);
        m1 = vec_larger(vec_load(x + i + VEC), m1);
    }
    if (i + VEC <= n) m0 = vec_larger(vec_load(x + i), m0), i += VEC;
    if (i < n) m1 = vec_larger(vec_load_part(x + i, n - i, -INFINITY), m1);
    return vec_lanes_max(vec_larger(m0, m1));
}
#endif
