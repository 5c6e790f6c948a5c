/* dots: see dots.h. TALL x WIDE entries of C stay in registers over a piece of k, 12 multiply-adds
 * for 7 loads with 16 registers, 24 for 10 with 32. A group of WIDE rows of B is used for all rows
 * of A before the next one comes, from the first cache; of A as many rows at a time as stay in the
 * second one. */
#include "compute/cpu/dots.h"
#include "compute/cpu/vec.h"

#define WIDE 4
#if defined __AVX512F__
#define TALL 6
#elif defined __AVX2__
#define TALL 3
#else
#define TALL 2
#endif
#define DEEP PTD_DOTS_DEEP
#define APART                                                                                      \
    (DEEP +                                                                                        \
     16) /* of rows brought near: rows 4 KiB apart drive each other out of a cache of 8 ways */
#define ROWS     72   /* of A: 288 KiB of a piece */
#define OUTPUTS  256  /* for which these rows stay, piece by piece */
#define SHORT    2048 /* bytes: memory foresees such rows only as one stream with those behind */
#define SOME     (2 * TALL) /* of A, between two looks ahead */
#define FEW_ROWS 12 /* for these a group of B is read to its end first, so that memory streams */

typedef float four __attribute__((vector_size(16)));

struct rows {
    const char *B;
    long ldb; /* bytes */
    const float *A;
    long lda;
    float *C;
    long ldc;
    long k;
    int add;
};

/* Lanes that two vectors' neighbours lie in: even ones, odd ones, by quarters or halves. */
#if VEC == 16
#define EVEN ((vec_i){0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30})
#define ODD  ((vec_i){1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31})
#else
#define EVEN ((vec_i){0, 2, 8, 10, 4, 6, 12, 14})
#define ODD  ((vec_i){1, 3, 9, 11, 5, 7, 13, 15})
#endif

VEC_INLINE vec_f pairs(vec_f a, vec_f b)
{
    return __builtin_shuffle(a, b, EVEN) + __builtin_shuffle(a, b, ODD);
}

/* The sums over the lanes of four vectors; of one it is the same sum wherever it stands. */
VEC_INLINE four sums(vec_f a, vec_f b, vec_f c, vec_f d)
{
    four y;
    vec_f v = pairs(pairs(a, b), pairs(c, d));
#if VEC == 16
    v += __builtin_shuffle(v, VEC_FOLD_8);
#endif
    v += __builtin_shuffle(v, VEC_FOLD_4);
    memcpy(&y, &v, sizeof y);
    return y;
}

VEC_INLINE vec_f weights(const char *B, int bf16, long p)
{
    return bf16 ? vec_load_bf16((const uint16_t *)B + p) : vec_load((const float *)B + p);
}

VEC_INLINE vec_f weights_part(const char *B, int bf16, long p, long n)
{
    return bf16 ? vec_load_bf16_part((const uint16_t *)B + p, n)
                : vec_load_part((const float *)B + p, n, 0);
}

VEC_INLINE void put(float *c, const vec_f *s, int cols, int add)
{
    four y;
    if (cols == 1) {
        y = sums(s[0], (vec_f){0}, (vec_f){0}, (vec_f){0});
        *c = add ? *c + y[0] : y[0];
        return;
    }
#pragma GCC unroll 2
    for (int i = 0; i < cols; i += 4) {
        y = sums(s[i], s[i + 1], s[i + 2], s[i + 3]);
        if (add) {
            four was;
            memcpy(&was, c + i, sizeof was);
            y = was + y;
        }
        memcpy(c + i, &y, sizeof y);
    }
}

/* rows x cols entries; cols is 1, 4 or 8. Of bfloat16, which comes from memory as it lies, the
 * words at the same place of the rows behind these are asked for, since memory foresees no more
 * than a page: into the second cache, whose waiting places are more than the first one's. */
VEC_INLINE void tile(int rows, int cols, int bf16, const struct rows *t)
{
    vec_f s[TALL][2 * WIDE];
    long p = 0;
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int c = 0; c < cols; c++) s[r][c] = (vec_f){0};
    for (; p + VEC <= t->k; p += VEC) {
        vec_f w[2 * WIDE];
#pragma GCC unroll 8
        for (int c = 0; c < cols; c++) {
            w[c] = weights(t->B + c * t->ldb, bf16, p);
            if (bf16) __builtin_prefetch(t->B + (cols + c) * t->ldb + 2 * p, 0, 2);
        }
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            vec_f x = vec_held(vec_load(t->A + r * t->lda + p));
#pragma GCC unroll 8
            for (int c = 0; c < cols; c++) s[r][c] += x * w[c];
        }
    }
    if (p < t->k)
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            vec_f x = vec_load_part(t->A + r * t->lda + p, t->k - p, 0);
#pragma GCC unroll 8
            for (int c = 0; c < cols; c++)
                s[r][c] += x * weights_part(t->B + c * t->ldb, bf16, p, t->k - p);
        }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) put(t->C + r * t->ldc, s[r], cols, t->add);
}

/* Tiles of `cols` columns for all rows; the compiler keeps sums in registers only if their number
 * is known. */
VEC_INLINE void column(int cols, int bf16, struct rows t, long m)
{
    for (; m >= TALL; m -= TALL, t.A += TALL * t.lda, t.C += TALL * t.ldc)
        tile(TALL, cols, bf16, &t);
    switch (m) {
#if TALL > 3
    case 5:
        tile(5, cols, bf16, &t);
        break;
    case 4:
        tile(4, cols, bf16, &t);
        break;
    case 3:
        tile(3, cols, bf16, &t);
        break;
#endif
#if TALL > 2
    case 2:
        tile(2, cols, bf16, &t);
        break;
#endif
    case 1:
        tile(1, cols, bf16, &t);
    }
}

#define COLUMN(name, cols, bf16)                                                                   \
    static void name(const struct rows *t, long m)                                                 \
    {                                                                                              \
        column(cols, bf16, *t, m);                                                                 \
    }
COLUMN(group_f32, WIDE, 0)
COLUMN(group_bf16, WIDE, 1)
COLUMN(single_f32, 1, 0)
COLUMN(single_bf16, 1, 1)

/* m rows, n outputs, a piece of k: B as it lies, in groups unless `lone`. */
static void piece(struct rows t, int bf16, long m, long n, int lone)
{
    void (*group)(const struct rows *, long) = bf16 ? group_bf16 : group_f32,
                                       (*single)(const struct rows *, long) =
                                           bf16 ? single_bf16 : single_f32;
    for (; n >= WIDE && !lone; n -= WIDE, t.B += WIDE * t.ldb, t.C += WIDE) group(&t, m);
    for (; n > 0; n--, t.B += t.ldb, t.C++) single(&t, m);
}

/* Lines of the WIDE rows behind those at B: part number i of n is asked of memory. */
static void fetch(const struct rows *t, int dtype, long i, long n)
{
    long bytes = t->k * (long)ptd_dtype_size(dtype), first = bytes * i / n,
         last = bytes * (i + 1) / n;
    for (int c = 0; c < WIDE; c++)
        for (long p = first; p < last; p += 64) __builtin_prefetch(t->B + (WIDE + c) * t->ldb + p);
}

/* The same for many rows, which are brought near; bfloat16 is widened once for all of them. While a
 * group is multiplied, the next one is on its way. */
static void piece_near(struct rows t, int dtype, long m, long n)
{
    static _Thread_local float A[ROWS * APART] __attribute__((aligned(64))),
        B[WIDE * APART] __attribute__((aligned(64)));
    long parts = (m + SOME - 1) / SOME;
    for (long i = 0; i < m; i++) memcpy(A + i * APART, t.A + i * t.lda, t.k * sizeof *A);
    for (; n > 0; n -= WIDE, t.B += WIDE * t.ldb, t.C += WIDE) {
        struct rows near = {t.B, t.ldb, A, APART, t.C, t.ldc, t.k, t.add};
        if (dtype == PTD_BF16) near.B = (const char *)B, near.ldb = APART * 4;
        for (int c = 0; dtype == PTD_BF16 && c < WIDE && c < n; c++)
            ptd_dtype_to_float(B + c * APART, t.B + c * t.ldb, dtype, (size_t)t.k);
        for (long i = 0; i < parts; i++, near.A += SOME * APART, near.C += SOME * t.ldc) {
            if (n >= 2 * WIDE) fetch(&t, dtype, i, parts);
            piece(near, 0, m - i * SOME < SOME ? m - i * SOME : SOME, n < WIDE ? n : WIDE, 0);
        }
    }
}

static void pieces(struct rows t, int dtype, long m, long n)
{
    long size = (long)ptd_dtype_size(dtype), k = t.k;
    for (long p = 0; p == 0 || p < k; p += DEEP, t.A += DEEP, t.B += DEEP * size, t.add = 1) {
        t.k = k - p < DEEP ? k - p : DEEP;
        if (m > FEW_ROWS)
            piece_near(t, dtype, m, n);
        else
            piece(t, dtype == PTD_BF16, m, n, t.ldb <= SHORT);
    }
}

void ptd_dots(float *C, long ldc, int add, const float *A, long lda, const void *B, int dtype,
              long ldb, long m, long n, long k)
{
    long row = ldb * (long)ptd_dtype_size(dtype), outputs = m <= FEW_ROWS ? WIDE : OUTPUTS;
    for (long i = 0; i < m; i += ROWS)
        for (long j = 0; j < n; j += outputs) {
            struct rows t = {(const char *)B + j * row, row, A + i * lda, lda,
                             C + i * ldc + j,           ldc, k,           add};
            pieces(t, dtype, m - i < ROWS ? m - i : ROWS, n - j < outputs ? n - j : outputs);
        }
}
