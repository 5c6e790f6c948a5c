/* pairs: see pairs.h. A word is two numbers that follow each other along k. B is packed, a panel of
 * COLS columns at a time, so that a vector holds the same word of VEC columns; ROWS x COLS entries
 * of C stay in registers over a piece of k. While a panel is used, the lines of the next one are on
 * their way from memory. */
#include "compute/cpu/pairs.h"
#include "base/err.h"
#include "compute/cpu/vec.h"
#include <stdlib.h>

#ifdef __AVX512BF16__

#define ROWS  12
#define COLS  (2 * VEC)
#define DEPTH (PTD_PAIRS_PIECE / 2) /* words of a panel: 64 KiB, and 12 rows of A of 24 */
#define APART                                                                                      \
    (DEPTH + 16) /* of rows of A: not 4 KiB, or they drive each other out of the cache             \
                  */
/* Rows of A that are rounded at a time: 1.5 MiB of them, which go by from the last cache while each
 * panel of B is made but once; fewer that fit the second one were slower. */
#define NEAR (64 * ROWS)
#define FEW  ROWS /* rows of A for which B is not worth packing */
#define SOME 4    /* rows of B that are read at once; COLS and VEC are multiples */
#define STEP 64   /* words between two looks ahead */
#define LINE 64

int ptd_pairs_check(const char *device)
{
    if (__builtin_cpu_supports("avx512bf16")) return 0;
    return ptd_fail(PTD_UNAVAILABLE, "device %s: expected a processor with AVX512_BF16", device);
}

/* Lines of the next panel, and how many of them each step of a tile asks for. */
struct ahead {
    const char *row;
    long ld;           /* bytes from row to row */
    int line, per_row; /* the next one of this row, of so many */
    long left, share;  /* lines in all, and of a step */
};

static struct ahead nothing_ahead(void)
{
    return (struct ahead){.left = 0};
}

VEC_INLINE void look_ahead(struct ahead *a)
{
    long n = a->share < a->left ? a->share : a->left;
    for (a->left -= n; n > 0; n--) {
        __builtin_prefetch(a->row + a->line * LINE);
        if (++a->line == a->per_row) a->line = 0, a->row += a->ld;
    }
}

VEC_INLINE vec_u words_at(const void *p)
{
    return (vec_u)_mm512_loadu_si512(p);
}

/* The first n numbers there, at most 32, zeros behind; none if n is negative. */
VEC_INLINE vec_u words_part(const char *p, int wide, long n)
{
    uint32_t mask = n >= 32 ? ~0u : n > 0 ? ~0u >> (32 - n) : 0;
    if (!wide) return (vec_u)_mm512_maskz_loadu_epi16(mask, p);
    return (vec_u)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps((uint16_t)(mask >> 16), p + LINE),
                                      _mm512_maskz_loadu_ps((uint16_t)mask, p));
}

/* 32 numbers. */
VEC_INLINE vec_u words_of(const char *p, int wide)
{
    if (!wide) return words_at(p);
    return (vec_u)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(p + LINE), _mm512_loadu_ps(p));
}

VEC_INLINE vec_f times_pairs(vec_f sum, vec_u a, vec_u b)
{
    return (vec_f)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}

/* C [rows, cols] (+)= A P, cols in so many vectors; lda, of A [rows, words], in words. */
VEC_INLINE void tile(int rows, int vecs, float *C, long ldc, int cols, int add, const uint32_t *A,
                     long lda, const uint32_t *P, long words, struct ahead *next)
{
    vec_f sum[ROWS][2];
    const uint32_t *a[3] = {A, A + 4 * lda, A + 8 * lda}; /* few enough for registers */
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = (vec_f){0};
    for (long first = 0; first < words; first += STEP) {
        long last = first + STEP < words ? first + STEP : words;
        look_ahead(next);
        for (long p = first; p < last; p++, P += COLS) {
            vec_u p0 = words_at(P), p1 = vecs > 1 ? words_at(P + VEC) : p0;
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++) {
                vec_u x = a[r / 4][r % 4 * lda + p] - (vec_u){0};
                sum[r][0] = times_pairs(sum[r][0], x, p0);
                if (vecs > 1) sum[r][1] = times_pairs(sum[r][1], x, p1);
            }
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
        for (int h = 0; h < vecs; h++)
            vec_put(C + r * ldc + h * VEC, sum[r][h], cols - h * VEC, add);
}

static void tile_of(int rows, float *C, long ldc, int cols, int add, const uint32_t *A, long lda,
                    const uint32_t *P, long words, struct ahead *next)
{
#define TILE(n)                                                                                    \
    case n:                                                                                        \
        if (cols > VEC)                                                                            \
            tile(n, 2, C, ldc, cols, add, A, lda, P, words, next);                                 \
        else                                                                                       \
            tile(n, 1, C, ldc, cols, add, A, lda, P, words, next);                                 \
        break;
    switch (rows) { /* the compiler keeps sums in registers only if their number is known */
        TILE(1)
        TILE(2)
        TILE(3)
        TILE(4)
        TILE(5)
        TILE(6)
        TILE(7)
        TILE(8)
        TILE(9)
        TILE(10)
        TILE(11)
        TILE(12)
    }
#undef TILE
}

/* ---- panels ---- */

/* Words and rows of VEC x VEC change places: each round exchanges quarters of blocks of 2h x 2h. */
#define LOW(i, h)  ((i) & (h) ? (i) - (h) + VEC : (i))
#define HIGH(i, h) ((i) & (h) ? (i) + VEC : (i) + (h))
#define EIGHT(f, h, i)                                                                             \
    f(i, h), f(i + 1, h), f(i + 2, h), f(i + 3, h), f(i + 4, h), f(i + 5, h), f(i + 6, h),         \
        f(i + 7, h)
#define LANES(f, h) ((vec_i){EIGHT(f, h, 0), EIGHT(f, h, 8)})
#define EXCHANGE(to, from, h)                                                                      \
    _Pragma("GCC unroll 16") for (int i = 0; i < VEC; i++) if (!(i & h))                           \
    {                                                                                              \
        to[i] = __builtin_shuffle(from[i], from[i + h], LANES(LOW, h));                            \
        to[i + h] = __builtin_shuffle(from[i], from[i + h], LANES(HIGH, h));                       \
    }

VEC_INLINE void transpose(vec_u *x)
{
    vec_u y[VEC];
    EXCHANGE(y, x, 8)
    EXCHANGE(x, y, 4)
    EXCHANGE(y, x, 2)
    EXCHANGE(x, y, 1)
}

/* VEC columns of P from rows of B that are near, a vector of words along k or what there is of one.
 */
VEC_INLINE void pack_square(uint32_t *P, const uint32_t *near, long words, int cols)
{
    vec_u x[VEC];
#pragma GCC unroll 16
    for (int j = 0; j < VEC; j++) x[j] = j < cols ? words_at(near + j * APART) : (vec_u){0};
    transpose(x);
#pragma GCC unroll 16
    for (int j = 0; j < VEC; j++)
        if (j < words) memcpy(P + j * COLS, &x[j], sizeof x[j]);
}

/* Of B, and behind each other: [COLS, APART]. */
static _Thread_local uint32_t rows_near[COLS * APART] __attribute__((aligned(64)));

/* Rows of B near each other, SOME at a time: memory gives more than one stream at once, but not as
 * many as there are columns, each on a page of its own. The last vector is filled with zeros. */
VEC_INLINE void bring_rows(uint32_t *near, const char *B, int wide, long ldb, long k, int rows)
{
    for (int j = 0; j < rows; j += SOME, near += SOME * APART, B += SOME * ldb)
        for (long p = 0; p < k; p += 2 * VEC)
#pragma GCC unroll 4
            for (int i = 0; i < SOME; i++) {
                const char *b = B + i * ldb + p * (wide ? 4 : 2);
                long n = j + i < rows ? k - p : 0;
                vec_u x = n >= 2 * VEC ? words_of(b, wide) : words_part(b, wide, n);
                memcpy(near + i * APART + p / 2, &x, sizeof x);
            }
}

/* P [words, COLS] from B [cols, k]. */
VEC_INLINE void pack_rows(uint32_t *P, const char *B, int wide, long ldb, long k, int cols)
{
    uint32_t *near = rows_near;
    bring_rows(near, B, wide, ldb, k, cols);
    for (long w = 0; w < (k + 1) / 2; w += VEC, P += VEC * COLS)
        for (int h = 0; h < COLS; h += VEC)
            pack_square(P + h, near + h * APART + w, (k + 1) / 2 - w, cols - h);
}

/* The same from B [k, cols]: numbers of two rows take turns. */
VEC_INLINE void pack_columns(uint32_t *P, const char *B, int wide, long ldb, long k, int cols)
{
    static const uint16_t first[32] = {0,  32, 1,  33, 2,  34, 3,  35, 4,  36, 5,
                                       37, 6,  38, 7,  39, 8,  40, 9,  41, 10, 42,
                                       11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
    __m512i low = _mm512_loadu_si512(first), high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    for (long p = 0; p < k; p += 2, P += COLS, B += 2 * ldb) {
        __m512i a = (__m512i)words_part(B, wide, cols),
                b = (__m512i)words_part(B + ldb, wide, p + 1 < k ? cols : 0);
        _mm512_storeu_si512(P, _mm512_permutex2var_epi16(a, low, b));
        _mm512_storeu_si512(P + VEC, _mm512_permutex2var_epi16(a, high, b));
    }
}

/* ---- products ---- */

struct factors {
    const float *A;
    const char *B;
    long lda, ldb; /* of B in bytes */
    int by_rows;   /* B is [n, k] */
    int wide;      /* float32 */
    int turned;    /* A is [k, m] */
};

static struct factors factors_of(const float *A, long lda, const void *B, int dtype, long ldb)
{
    long size = (long)ptd_dtype_size(dtype);
    return (struct factors){A, B, lda, ldb * size, .wide = dtype == PTD_F32};
}

static const char *place(const struct factors *f, long p, long j)
{
    long size = f->wide ? 4 : 2;
    return f->B + (f->by_rows ? j * f->ldb + p * size : p * f->ldb + j * size);
}

/* Rows of A from number p of k on, rounded, zeros behind the last one up to a whole vector. */
static void round_rows(uint32_t *near, long apart, const struct factors *f, long p, long m, long k)
{
    for (long i = 0; i < m; i++) {
        const char *a = (const char *)(f->A + i * f->lda + p);
        uint32_t *to = near + i * apart;
        for (long left = k; left > 0; left -= 2 * VEC, a += 2 * LINE, to += VEC) {
            vec_u x = left >= 2 * VEC ? words_of(a, 1) : words_part(a, 1, left);
            memcpy(to, &x, sizeof x);
        }
    }
}

/* The first n numbers there, at most VEC, in the lower halves of words. */
VEC_INLINE vec_u halves_of(const float *a, long n)
{
    return (vec_u)_mm512_cvtepu16_epi32(
        (__m256i)_mm512_cvtneps_pbh((__m512)vec_load_part(a, n, 0)));
}

/* The same as rows, of columns of A. */
static void turn_columns(uint32_t *near, long apart, const struct factors *f, long p, long m,
                         long k)
{
    for (long i = 0; i < m; i += VEC)
        for (long w = 0; w < (k + 1) / 2; w += VEC) {
            const float *a = f->A + (p + 2 * w) * f->lda + i;
            long n = m - i < VEC ? m - i : VEC, left = k - 2 * w;
            vec_u x[VEC];
#pragma GCC unroll 16
            for (int t = 0; t < VEC; t++, a += 2 * f->lda)
                x[t] = halves_of(a, 2 * t < left ? n : 0) |
                       halves_of(a + f->lda, 2 * t + 1 < left ? n : 0) << 16;
            transpose(x);
#pragma GCC unroll 16
            for (int j = 0; j < VEC; j++)
                if (j < n) memcpy(near + (i + j) * apart + w, &x[j], sizeof x[j]);
        }
}

/* Of the panel behind the one at column j, m rows being about to use that. */
static struct ahead behind(const struct factors *f, long p, long j, long m, long n, long k)
{
    long cols = n - j - COLS < COLS ? n - j - COLS : COLS,
         steps = (k + 2 * STEP - 1) / (2 * STEP) * ((m + ROWS - 1) / ROWS);
    struct ahead a = {.row = place(f, p, j + COLS), .ld = f->ldb};
    if (cols <= 0 || !steps) return nothing_ahead();
    a.per_row = (int)(((f->by_rows ? k : cols) * (f->wide ? 4 : 2) + LINE - 1) / LINE);
    a.left = (f->by_rows ? cols : k) * a.per_row;
    a.share = (a.left + steps - 1) / steps;
    return a;
}

/* Columns j .. j + cols of m rows, a piece of k from p on. */
static void panel(float *C, long ldc, int add, const struct factors *f, const uint32_t *near,
                  long apart, long p, long j, int cols, long m, long k, struct ahead next)
{
    static _Thread_local uint32_t P[DEPTH * COLS] __attribute__((aligned(64)));
    const char *b = place(f, p, j);
    if (f->by_rows && f->wide)
        pack_rows(P, b, 1, f->ldb, k, cols);
    else if (f->by_rows)
        pack_rows(P, b, 0, f->ldb, k, cols);
    else if (f->wide)
        pack_columns(P, b, 1, f->ldb, k, cols);
    else
        pack_columns(P, b, 0, f->ldb, k, cols);
    for (long i = 0; i < m; i += ROWS)
        tile_of(m - i < ROWS ? (int)(m - i) : ROWS, C + i * ldc + j, ldc, cols, add,
                near + i * apart, apart, P, (k + 1) / 2, &next);
}

static void panels(float *C, long ldc, int add, const struct factors *f, const uint32_t *near,
                   long apart, long p, long m, long n, long k)
{
    for (long j = 0; j < n; j += COLS)
        panel(C, ldc, add, f, near, apart, p, j, n - j < COLS ? (int)(n - j) : COLS, m, k,
              behind(f, p, j, m, n, k));
}

static long piece_of(long p, long k)
{
    return k - p < PTD_PAIRS_PIECE ? k - p : PTD_PAIRS_PIECE;
}

/* Room for rows of A, kept from call to call; a stack of threads.h has none for it. */
static uint32_t *room_for(long words)
{
    static _Thread_local uint32_t *near;
    static _Thread_local long room;
    if (words <= room) return near;
    free(near);
    if (posix_memalign((void **)&near, LINE, (size_t)words * sizeof *near))
        ptd_die(PTD_OSERR, "out of memory asking for %zu bytes", (size_t)words * sizeof *near);
    room = words;
    return near;
}

/* Words from w on of VEC rows of B, as they lie; the same ones of the rows behind these are asked
 * for, as in dots.c. */
VEC_INLINE void words_there(vec_u *x, const struct factors *f, const char *B, long w)
{
#pragma GCC unroll 16
    for (int j = 0; j < VEC; j++) {
        x[j] = words_at(B + j * f->ldb + w * 4);
        __builtin_prefetch(B + (VEC + j) * f->ldb + w * 4, 0, 2);
    }
}

/* The same of `cols` rows that are near. */
VEC_INLINE void words_near(vec_u *x, const uint32_t *near, int cols, long w)
{
#pragma GCC unroll 16
    for (int j = 0; j < VEC; j++) x[j] = j < cols ? words_at(near + j * APART + w) : (vec_u){0};
}

/* C [rows, cols] (+)= A B^T over a piece of k, for cols up to VEC: words change places in
 * registers. */
VEC_INLINE void few_columns(int rows, const struct factors *f, float *C, long ldc, int cols,
                            int add, const uint32_t *A, long lda, const char *B, long k)
{
    int there = !f->wide && cols == VEC && k % (2 * VEC) == 0;
    long words = (k + 1) / 2;
    vec_f sum[FEW];
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) sum[r] = (vec_f){0};
    if (!there && f->wide)
        bring_rows(rows_near, B, 1, f->ldb, k, cols);
    else if (!there)
        bring_rows(rows_near, B, 0, f->ldb, k, cols);
    for (long w = 0; w < words; w += VEC) {
        vec_u x[VEC];
        if (there)
            words_there(x, f, B, w);
        else
            words_near(x, rows_near, cols, w);
        transpose(x);
#pragma GCC unroll 16
        for (int i = 0; i < VEC; i++)
            if (w + i < words)
#pragma GCC unroll 12
                for (int r = 0; r < rows; r++)
                    sum[r] = times_pairs(sum[r], A[r * lda + w + i] - (vec_u){0}, x[i]);
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) vec_put(C + r * ldc, sum[r], cols, add);
}

static void few_of(int rows, const struct factors *f, float *C, long ldc, int cols, int add,
                   const uint32_t *A, long lda, const char *B, long k)
{
#define FEW_ROWS(n)                                                                                \
    case n:                                                                                        \
        few_columns(n, f, C, ldc, cols, add, A, lda, B, k);                                        \
        break;
    switch (rows) {
        FEW_ROWS(1)
        FEW_ROWS(2)
        FEW_ROWS(3)
        FEW_ROWS(4)
        FEW_ROWS(5)
        FEW_ROWS(6)
        FEW_ROWS(7)
        FEW_ROWS(8)
        FEW_ROWS(9)
        FEW_ROWS(10)
        FEW_ROWS(11)
        FEW_ROWS(12)
    }
#undef FEW_ROWS
}

/* Few rows: all of k, some columns after the others. */
static void few(float *C, long ldc, int add, const struct factors *f, long m, long n, long k)
{
    long apart = (k + 1) / 2 / 1024 * 1024 + 1024 + 16;
    uint32_t *near = room_for(m * apart);
    round_rows(near, apart, f, 0, m, k);
    for (long j = 0; j < n; j += VEC)
        for (long p = 0; p == 0 || p < k; p += PTD_PAIRS_PIECE)
            few_of((int)m, f, C + j, ldc, n - j < VEC ? (int)(n - j) : VEC, add || p, near + p / 2,
                   apart, place(f, p, j), piece_of(p, k));
}

static void bring_A(uint32_t *near, const struct factors *f, long p, long m, long k)
{
    if (f->turned)
        turn_columns(near, APART, f, p, m, k);
    else
        round_rows(near, APART, f, p, m, k);
}

/* Rows of A at a time, so that the last ones are not few: whole tiles. */
static long even_share(long m)
{
    long times = (m + NEAR - 1) / NEAR, rows = times ? (m + times - 1) / times : 0;
    return (rows + ROWS - 1) / ROWS * ROWS;
}

static void product(float *C, long ldc, int add, struct factors f, long m, long n, long k)
{
    if (m <= FEW && f.by_rows) {
        few(C, ldc, add, &f, m, n, k);
        return;
    }
    uint32_t *near = room_for(NEAR * APART);
    long most = even_share(m);
    for (long i = 0; i < m; i += most, f.A += most * (f.turned ? 1 : f.lda), C += most * ldc)
        for (long p = 0; p == 0 || p < k; p += PTD_PAIRS_PIECE) {
            long rows = m - i < most ? m - i : most;
            bring_A(near, &f, p, rows, piece_of(p, k));
            panels(C, ldc, add || p, &f, near, APART, p, rows, n, piece_of(p, k));
        }
}

void ptd_pairs_nt(float *C, long ldc, int add, const float *A, long lda, const void *B, int dtype,
                  long ldb, long m, long n, long k)
{
    struct factors f = factors_of(A, lda, B, dtype, ldb);
    f.by_rows = 1;
    product(C, ldc, add, f, m, n, k);
}

void ptd_pairs_nn(float *C, long ldc, int add, const float *A, long lda, const void *B, int dtype,
                  long ldb, long m, long n, long k)
{
    product(C, ldc, add, factors_of(A, lda, B, dtype, ldb), m, n, k);
}

void ptd_pairs_tn(float *C, long ldc, int add, const float *A, long lda, const void *B, int dtype,
                  long ldb, long m, long n, long k)
{
    struct factors f = factors_of(A, lda, B, dtype, ldb);
    f.turned = 1;
    product(C, ldc, add, f, m, n, k);
}

#else

int ptd_pairs_check(const char *device)
{
    return ptd_fail(
        PTD_UNAVAILABLE,
        "device %s: expected a build for processors with AVX512_BF16, which this is not", device);
}

/* Nobody has a device that calls them. */
void ptd_pairs_nt(float *C, long ldc, int add, const float *A, long lda, const void *B, int dtype,
                  long ldb, long m, long n, long k)
{
    ptd_die(PTD_BUG, "products of pairs are not there");
}

void ptd_pairs_nn(float *C, long ldc, int add, const float *A, long lda, const void *B, int dtype,
                  long ldb, long m, long n, long k)
{
    ptd_die(PTD_BUG, "products of pairs are not there");
}

void ptd_pairs_tn(float *C, long ldc, int add, const float *A, long lda, const void *B, int dtype,
                  long ldb, long m, long n, long k)
{
    ptd_die(PTD_BUG, "products of pairs are not there");
}
#endif
