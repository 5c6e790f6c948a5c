/* product: see product.h. Small networks live on products of a few hundred words: there OpenBLAS
 * spends a tenth of its time on clearing C, packing both factors and choosing a kernel. Here only B
 * is packed, one panel of 32 columns at a time, and 12 x 32 entries of C stay in registers over the
 * whole of k: 24 multiply-adds for 14 loads, which the caches feed as long as 12 rows of A fit the
 * first one. For deep products OpenBLAS's blocks are better. */
#include "compute/cpu/product.h"
#include "compute/cpu/blas.h"
#include "compute/cpu/vec.h"

#ifdef __AVX512F__
#define OURS(k, lda) ((k) <= PTD_PRODUCT_DEEP && (lda) % 1024)
#else
#define OURS(k, lda) 0
#endif

/* Of C at once: 24 of 32 registers hold sums, two the panel's row, the rest what comes next. */
#define ROWS   12
#define COLS   (2 * VEC) /* a panel's width */
#define DEPTH  512       /* of a panel: 64 KiB, and 12 rows of A of 24 KiB */
#define DIRECT 128 /* rows of B that need no packing: 16 KiB of them stay in the first cache */
#define BLOCK  64  /* of k between two looks ahead */

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
    const float *a[ROWS / 4] = {A, A + 4 * s, A + 8 * s}; /* few enough for registers */
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
                vec_f x = vec_set(a[r / 4][r % 4 * s]);
                sum[r][0] += x * p0;
                sum[r][1] += x * p1;
            }
            a[0] += step, a[1] += step, a[2] += step;
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
        for (int h = 0; h < 2; h++) {
            float *c = C + r * ldc + h * VEC;
            int n = cols - h * VEC;
            vec_f x = alpha * sum[r][h];
            if (n >= VEC)
                vec_store(c, add ? vec_load(c) + x : x);
            else if (n > 0)
                vec_store_part(c, add ? vec_load_part(c, n, 0) + x : x, n);
        }
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
        TILE(2) TILE(3) TILE(4) TILE(5) TILE(6) TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
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

/* Rows and columns of 16 x 16 floats change places: each round exchanges the off-diagonal quarters
 * of all blocks of 2h x 2h. */
#define LANES(f, h)                                                                                \
    ((vec_i){f(0, h), f(1, h), f(2, h), f(3, h), f(4, h), f(5, h), f(6, h), f(7, h), f(8, h),      \
             f(9, h), f(10, h), f(11, h), f(12, h), f(13, h), f(14, h), f(15, h)})
#define LOW(i, h)  ((i) & (h) ? (i) - (h) + VEC : (i))
#define HIGH(i, h) ((i) & (h) ? (i) + VEC : (i) + (h))
#define EXCHANGE(to, from, h)                                                                      \
    _Pragma("GCC unroll 16") for (int i = 0; i < VEC; i++) if (!(i & h))                           \
    {                                                                                              \
        to[i] = __builtin_shuffle(from[i], from[i + h], LANES(LOW, h));                            \
        to[i + h] = __builtin_shuffle(from[i], from[i + h], LANES(HIGH, h));                       \
    }

VEC_INLINE void transpose(vec_f *x)
{
    vec_f y[VEC];
    EXCHANGE(y, x, 8)
    EXCHANGE(x, y, 4)
    EXCHANGE(y, x, 2)
    EXCHANGE(x, y, 1)
}

/* 16 columns of P [n, COLS] from B [cols, n], n <= 16. */
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

struct factors {
    const float *A, *B;
    long s, step; /* of A: from row to row, from p to p + 1 */
    long ldb;
    int transposed; /* B is [n, k] */
};

static void product(float *C, long ldc, int add, float alpha, const struct factors *f, long m,
                    long n, long k)
{
    static _Thread_local float P[DEPTH * COLS] __attribute__((aligned(64)));
    /* of the next panel, for a tile to fetch */
    int share = m > 0 ? (int)((COLS * ROWS + m - 1) / m) : 0;
    for (long p = 0; p == 0 || p < k; p += DEPTH)
        for (long j = 0; j < n; j += COLS) {
            long depth = k - p < DEPTH ? k - p : DEPTH;
            int cols = n - j < COLS ? (int)(n - j) : COLS;
            const float *B = f->transposed ? f->B + j * f->ldb + p : f->B + p * f->ldb + j,
                        *used = P;
            long ldp = COLS;
            if (f->transposed)
                pack_transposed(P, B, f->ldb, depth, cols);
            else if (cols == COLS && depth <= DIRECT)
                used = B, ldp = f->ldb;
            else
                pack(P, B, f->ldb, depth, cols);
            for (long i = 0; i < m; i += ROWS) {
                struct ahead next = {.at = f->B + (j + COLS + i / ROWS * share) * f->ldb + p,
                                     .ld = f->ldb};
                if (f->transposed && j + COLS + (i / ROWS + 1) * share <= n) next.rows = share;
                tile_of(m - i < ROWS ? (int)(m - i) : ROWS, C + i * ldc + j, ldc, cols, add || p,
                        alpha, f->A + i * f->s + p * f->step, f->s, f->step, used, ldp, depth,
                        &next);
            }
        }
}

void ptd_product_nt(float *C, long ldc, int add, float alpha, const float *A, long lda,
                    const float *B, long ldb, long m, long n, long k)
{
    if (OURS(k, lda))
        product(C, ldc, add, alpha, &(struct factors){A, B, lda, 1, ldb, 1}, m, n, k);
    else
        ptd_blas_sgemm(0, 1, m, n, k, alpha, A, lda, B, ldb, (float)add, C, ldc);
}

void ptd_product_nn(float *C, long ldc, int add, float alpha, const float *A, long lda,
                    const float *B, long ldb, long m, long n, long k)
{
    if (OURS(k, lda))
        product(C, ldc, add, alpha, &(struct factors){A, B, lda, 1, ldb, 0}, m, n, k);
    else
        ptd_blas_sgemm(0, 0, m, n, k, alpha, A, lda, B, ldb, (float)add, C, ldc);
}

void ptd_product_tn(float *C, long ldc, int add, float alpha, const float *A, long lda,
                    const float *B, long ldb, long m, long n, long k)
{
    if (OURS(k, lda))
        product(C, ldc, add, alpha, &(struct factors){A, B, 1, lda, ldb, 0}, m, n, k);
    else
        ptd_blas_sgemm(1, 0, m, n, k, alpha, A, lda, B, ldb, (float)add, C, ldc);
}
