/* product: see product.h. Small networks live on products of a few hundred words: there OpenBLAS
 * spends a tenth of its time on clearing C, packing both factors and choosing a kernel. Here only B
 * is packed, one panel of two vectors' columns at a time, and ROWS x COLS entries of C stay in
 * registers over the whole of k: 24 multiply-adds for 14 loads with 512-bit registers, 12 for 8
 * with 256-bit ones, which the caches feed as long as ROWS rows of A and the panel fit the first
 * one. For deep products OpenBLAS's blocks are better. */
#include "compute/cpu/product.h"
#include "compute/cpu/blas.h"
#include "compute/cpu/narrow.h"
#include "compute/cpu/vec.h"

#define OURS_TN(k, lda) ((k) <= PTD_PRODUCT_DEEP_TN && (lda) % 1024)

/* Of C at once: of 32 registers 24 hold sums, of 16 the half; two hold the panel's row, the rest
 * what comes next. EACH rows of A are reached from one pointer. */
#ifdef __AVX512F__
#define ROWS 12
#define EACH 4
#else
#define ROWS 6
#define EACH 3
#endif
#define COLS   (2 * VEC)         /* a panel's width */
#define DEPTH  PTD_PRODUCT_PIECE /* of a panel: 64 KiB and 12 rows of A of 24, or 32 and 12 */
#define DIRECT 128 /* rows of B that need no packing: 16 KiB of them stay in the first cache */
#define BLOCK  64  /* of k between two looks ahead */
#define APART  (DEPTH + 16) /* of rows that are copied, from one to the next */
#define NEAR   96           /* rows of A that are copied: 192 KiB */

/* What lies ahead: lines of the next panel's rows, fetched while this one is used. Weights beyond
 * the caches would otherwise be waited for when packed. */
struct ahead {
    const float *at; /* NULL: nothing */
    long ld;
    int rows;
};

/* C [rows, cols] (+)= alpha A P: entry (r, p) of A is A[r * s + p * step], rows of P [k, COLS] are
 * ldp apart. */
VEC_INLINE void tile(int rows, float *C, long ldc, int cols, int add, float alpha, const float *A,
                     long s, long step, const float *P, long ldp, long k, const struct ahead *next)
{
    vec_f sum[ROWS][2];
    const float *a[ROWS / EACH]; /* few enough for registers */
#pragma GCC unroll 3
    for (int i = 0; i < ROWS / EACH; i++) a[i] = A + i * EACH * s;
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = (vec_f){0};
    for (long first = 0; first < k; first += BLOCK) {
        long last = first + BLOCK < k ? first + BLOCK : k;
        for (int i = 0; i < next->rows; i++)
            for (long p = first; p < last; p += VEC)
                __builtin_prefetch(next->at + i * next->ld + p);
        for (long p = first; p < last; p++, P += ldp) {
            vec_f p0 = vec_load(P), p1 = vec_load(P + VEC);
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++) {
                vec_f x = vec_set(a[r / EACH][r % EACH * s]);
                sum[r][0] += x * p0;
                sum[r][1] += x * p1;
            }
#pragma GCC unroll 3
            for (int i = 0; i < ROWS / EACH; i++) a[i] += step;
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
        for (int h = 0; h < 2; h++)
            vec_put(C + r * ldc + h * VEC, alpha * sum[r][h], cols - h * VEC, add);
}

static void tile_of(int rows, float *C, long ldc, int cols, int add, float alpha, const float *A,
                    long s, long step, const float *P, long ldp, long k, const struct ahead *next)
{
#define TILE(n)                                                                                    \
    case n:                                                                                        \
        tile(n, C, ldc, cols, add, alpha, A, s, step, P, ldp, k, next);                            \
        break;
    switch (rows) { /* the compiler keeps sums in registers only if their number is known */
        TILE(1)
        TILE(2)
        TILE(3)
        TILE(4)
        TILE(5)
        TILE(6)
#if ROWS > 6
        TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
#endif
    }
#undef TILE
}

/* P [k, COLS] from B [k, cols], zeros behind. */
static void pack(float *P, const float *B, long ldb, long k, int cols)
{
    for (long p = 0; p < k; p++, P += COLS, B += ldb)
        for (int h = 0; h < COLS; h += VEC)
            vec_store(P + h, cols - h >= VEC ? vec_load(B + h) : vec_load_part(B + h, cols - h, 0));
}

/* Rows and columns of VEC x VEC floats change places: each round exchanges the off-diagonal
 * quarters of all blocks of 2h x 2h. */
#define LOW(i, h)  ((i) & (h) ? (i) - (h) + VEC : (i))
#define HIGH(i, h) ((i) & (h) ? (i) + VEC : (i) + (h))
#define EIGHT(f, h, i)                                                                             \
    f(i, h), f(i + 1, h), f(i + 2, h), f(i + 3, h), f(i + 4, h), f(i + 5, h), f(i + 6, h),         \
        f(i + 7, h)
#if VEC == 16
#define LANES(f, h) ((vec_i){EIGHT(f, h, 0), EIGHT(f, h, 8)})
#else
#define LANES(f, h) ((vec_i){EIGHT(f, h, 0)})
#endif
#define EXCHANGE(to, from, h)                                                                      \
    _Pragma("GCC unroll 16") for (int i = 0; i < VEC; i++) if (!(i & h))                           \
    {                                                                                              \
        to[i] = __builtin_shuffle(from[i], from[i + h], LANES(LOW, h));                            \
        to[i + h] = __builtin_shuffle(from[i], from[i + h], LANES(HIGH, h));                       \
    }

VEC_INLINE void transpose(vec_f *x)
{
    vec_f y[VEC];
#if VEC == 16
    EXCHANGE(y, x, 8)
    EXCHANGE(x, y, 4)
    EXCHANGE(y, x, 2)
    EXCHANGE(x, y, 1)
#else
    EXCHANGE(y, x, 4)
    EXCHANGE(x, y, 2)
    EXCHANGE(y, x, 1)
    memcpy(x, y, sizeof y);
#endif
}

/* VEC columns of P [n, COLS] from B [cols, n], n <= VEC. */
VEC_INLINE void pack_square(float *P, const float *B, long ldb, int n, int cols)
{
    vec_f x[VEC];
#pragma GCC unroll 16
    for (int j = 0; j < VEC; j++)
        x[j] = j >= cols  ? (vec_f){0}
               : n == VEC ? vec_load(B + j * ldb)
                          : vec_load_part(B + j * ldb, n, 0);
    transpose(x);
#pragma GCC unroll 16
    for (int j = 0; j < VEC; j++)
        if (j < n) vec_store(P + j * COLS, x[j]);
}

/* P [k, COLS] from B [cols, k] transposed, zeros behind. */
static void pack_transposed(float *P, const float *B, long ldb, long k, int cols)
{
    long p = 0;
    for (; p + VEC <= k; p += VEC)
        for (int h = 0; h < COLS; h += VEC) {
            if (cols - h >= VEC)
                pack_square(P + p * COLS + h, B + h * ldb + p, ldb, VEC, VEC);
            else
                pack_square(P + p * COLS + h, B + h * ldb + p, ldb, VEC, cols - h);
        }
    for (int h = 0; h < COLS && p < k; h += VEC)
        pack_square(P + p * COLS + h, B + h * ldb + p, ldb, (int)(k - p), cols - h);
}

/* The same from bfloat16, widened. */
static void pack_bf16(float *P, const uint16_t *B, long ldb, long k, int cols)
{
    for (long p = 0; p < k; p++, P += COLS, B += ldb)
        for (int h = 0; h < COLS; h += VEC)
            vec_store(P + h,
                      cols - h >= VEC ? vec_load_bf16(B + h) : vec_load_bf16_part(B + h, cols - h));
}

struct factors {
    const float *A, *B;
    long s, step; /* of A: from row to row, from p to p + 1 */
    long ldb;
    int transposed;       /* B is [n, k] */
    const uint16_t *half; /* in place of a B that is not transposed */
};

/* Columns of a piece of k, from number `first` on, `add` on. */
static void piece(float *C, long ldc, int add, float alpha, const struct factors *f, long first,
                  long m, long n, long k)
{
    static _Thread_local float P[DEPTH * COLS] __attribute__((aligned(64)));
    /* of the next panel, for a tile to fetch */
    int share = m > 0 ? (int)((COLS * ROWS + m - 1) / m) : 0;
    for (long j = first; j < n; j += COLS) {
        int cols = n - j < COLS ? (int)(n - j) : COLS;
        const float *B = f->half ? NULL : f->transposed ? f->B + j * f->ldb : f->B + j, *used = P;
        long ldp = COLS;
        if (f->half)
            pack_bf16(P, f->half + j, f->ldb, k, cols);
        else if (f->transposed)
            pack_transposed(P, B, f->ldb, k, cols);
        else if (cols == COLS && (k <= DIRECT || m <= PTD_NARROW))
            used = B, ldp = f->ldb;
        else
            pack(P, B, f->ldb, k, cols);
        for (long i = 0; i < m; i += ROWS) {
            struct ahead next = {.ld = f->ldb};
            if (f->transposed && j + COLS + (i / ROWS + 1) * share <= n) {
                next.at = f->B + (j + COLS + i / ROWS * share) * f->ldb;
                next.rows = share;
            }
            tile_of(m - i < ROWS ? (int)(m - i) : ROWS, C + i * ldc + j, ldc, cols, add, alpha,
                    f->A + i * f->s, f->s, f->step, used, ldp, k, &next);
        }
    }
}

/* The same factors from p on. */
static struct factors behind(const struct factors *f, long p)
{
    struct factors from = *f;
    from.A += p * f->step;
    if (f->half)
        from.half += p * f->ldb;
    else
        from.B += f->transposed ? p : p * f->ldb;
    return from;
}

static void product(float *C, long ldc, int add, float alpha, const struct factors *f, long m,
                    long n, long k)
{
    for (long p = 0; p == 0 || p < k; p += DEPTH) {
        struct factors from = behind(f, p);
        long depth = k - p < DEPTH ? k - p : DEPTH, first = 0;
        if (f->transposed && f->step == 1 && m <= PTD_NARROW)
            first =
                ptd_narrow_nt(C, ldc, add || p, alpha, from.A, f->s, from.B, f->ldb, m, n, depth);
        piece(C, ldc, add || p, alpha, &from, first, m, n, depth);
    }
}

/* Rows of A are brought near, so many as stay in the second cache; DEPTH words of them at a time,
 * as product itself would take them. */
static void product_near(float *C, long ldc, int add, float alpha, const struct factors *f, long m,
                         long n, long k)
{
    static _Thread_local float near[NEAR * APART] __attribute__((aligned(64)));
    for (long i = 0; i < m; i += NEAR)
        for (long p = 0; p == 0 || p < k; p += DEPTH) {
            struct factors from = behind(f, p);
            long rows = m - i < NEAR ? m - i : NEAR, depth = k - p < DEPTH ? k - p : DEPTH;
            for (long r = 0; r < rows; r++)
                memcpy(near + r * APART, from.A + (i + r) * f->s, depth * sizeof *near);
            from.A = near;
            from.s = APART;
            product(C + i * ldc, ldc, add || p, alpha, &from, rows, n, depth);
        }
}

/* Ours in any case. */
static void by_rows(float *C, long ldc, int add, float alpha, const struct factors *f, long m,
                    long n, long k)
{
    if (f->s % 1024 || m <= PTD_NARROW)
        product(C, ldc, add, alpha, f, m, n, k);
    else
        product_near(C, ldc, add, alpha, f, m, n, k);
}

void ptd_product_rows_nt(float *C, long ldc, int add, float alpha, const float *A, long lda,
                         const float *B, long ldb, long m, long n, long k)
{
    by_rows(C, ldc, add, alpha, &(struct factors){A, B, lda, 1, ldb, 1}, m, n, k);
}

void ptd_product_rows_nn(float *C, long ldc, int add, float alpha, const float *A, long lda,
                         const float *B, long ldb, long m, long n, long k)
{
    by_rows(C, ldc, add, alpha, &(struct factors){A, B, lda, 1, ldb, 0}, m, n, k);
}

void ptd_product_nt(float *C, long ldc, int add, float alpha, const float *A, long lda,
                    const float *B, long ldb, long m, long n, long k)
{
    if (PTD_PRODUCT_OURS(k, lda))
        product(C, ldc, add, alpha, &(struct factors){A, B, lda, 1, ldb, 1}, m, n, k);
    else
        ptd_blas_sgemm(0, 1, m, n, k, alpha, A, lda, B, ldb, (float)add, C, ldc);
}

void ptd_product_nn(float *C, long ldc, int add, float alpha, const float *A, long lda,
                    const float *B, long ldb, long m, long n, long k)
{
    if (PTD_PRODUCT_OURS(k, lda))
        product(C, ldc, add, alpha, &(struct factors){A, B, lda, 1, ldb, 0}, m, n, k);
    else
        ptd_blas_sgemm(0, 0, m, n, k, alpha, A, lda, B, ldb, (float)add, C, ldc);
}

void ptd_product_nn_bf16(float *C, long ldc, int add, const float *A, long lda, const void *B,
                         long ldb, long m, long n, long k)
{
    product_near(C, ldc, add, 1, &(struct factors){A, NULL, lda, 1, ldb, 0, B}, m, n, k);
}

void ptd_product_tn(float *C, long ldc, int add, float alpha, const float *A, long lda,
                    const float *B, long ldb, long m, long n, long k)
{
    if (OURS_TN(k, lda))
        product(C, ldc, add, alpha, &(struct factors){A, B, 1, lda, ldb, 0}, m, n, k);
    else
        ptd_blas_sgemm(1, 0, m, n, k, alpha, A, lda, B, ldb, (float)add, C, ldc);
}
