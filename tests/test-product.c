/* test-product: the forms of products beside plain sums in double, on every edge of tiles and
 * panels. */
#include "test.h"
#include "compute/cpu/product.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { M = 37, N = 70, K = 1100, LD = 1200 };

static float *A, *B;

static float number(uint32_t i)
{
    return (float)(i * 2654435761u >> 8) * 0x1p-24f - 0.5f;
}

static int setup(void **state)
{
    (void)state;
    A = malloc(sizeof *A * LD * LD), B = malloc(sizeof *B * LD * LD);
    for (uint32_t i = 0; i < LD * LD; i++) A[i] = number(i), B[i] = number(i + 77777777);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(A);
    free(B);
    return 0;
}

/* t n T: nt nn tn; r s: nt and nn by rows. */
static int is_rows(char form)
{
    return form == 't' || form == 'r';
}

static void multiply_strided(char form, float *C, long ldc, int add, float alpha, const float *a,
                             long lda, const float *b, long ldb, long m, long n, long k)
{
    if (form == 'r') ptd_product_rows_nt(C, ldc, add, alpha, a, lda, b, ldb, m, n, k);
    if (form == 's') ptd_product_rows_nn(C, ldc, add, alpha, a, lda, b, ldb, m, n, k);
    if (form == 't') ptd_product_nt(C, ldc, add, alpha, a, lda, b, ldb, m, n, k);
    if (form == 'n') ptd_product_nn(C, ldc, add, alpha, a, lda, b, ldb, m, n, k);
    if (form == 'T') ptd_product_tn(C, ldc, add, alpha, a, lda, b, ldb, m, n, k);
}

static void multiply(char form, float *C, long ldc, int add, float alpha, const float *a,
                     const float *b, long m, long n, long k)
{
    multiply_strided(form, C, ldc, add, alpha, a, LD, b, LD, m, n, k);
}

/* The sum in double, and what its terms' sizes allow float32 to be off. */
static double expected(char form, long i, long j, long k, double *slack)
{
    double sum = 0, size = 0;
    for (long p = 0; p < k; p++) {
        double term = (double)(form == 'T' ? A[p * LD + i] : A[i * LD + p]) *
                      (is_rows(form) ? B[j * LD + p] : B[p * LD + j]);
        sum += term;
        size += fabs(term);
    }
    *slack = 2e-7 * size * sqrt((double)k) + 1e-7;
    return sum;
}

static void check(char form, long m, long n, long k)
{
    static float C[M + 1][N + 3];
    for (int add = 0; add < 2; add++) {
        float alpha = add ? -0.75f : 1;
        for (int i = 0; i <= M; i++)
            for (int j = 0; j < N + 3; j++) C[i][j] = add ? 2 : NAN;
        multiply(form, C[0], N + 3, add, alpha, A, B, m, n, k);
        for (long i = 0; i <= M; i++)
            for (long j = 0; j < N + 3; j++)
                if (i < m && j < n) {
                    double slack, sum = alpha * expected(form, i, j, k, &slack);
                    if (!(fabs(C[i][j] - (add ? 2 + sum : sum)) <= slack + 3e-7 * add))
                        fail_msg("%c %ld x %ld x %ld, add %d: C[%ld][%ld] is %.9g, expected %.9g",
                                 form, m, n, k, add, i, j, C[i][j], add ? 2 + sum : sum);
                } else
                    assert_true(add ? C[i][j] == 2 : isnan(C[i][j])); /* nothing else is touched */
    }
}

static void test_edges(void **state)
{
    static const long rows[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 24, 37},
                      columns[] = {1, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 48, 70},
                      depths[] = {1,  2,  7,  8,   9,   15,  16,  17,  31,
                                  63, 64, 65, 129, 512, 513, 768, 769, 1100};
    (void)state;
    for (const char *form = "tnTrs"; *form; form++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            for (size_t j = 0; j < sizeof columns / sizeof *columns; j++)
                for (size_t k = 0; k < sizeof depths / sizeof *depths; k++)
                    if (depths[k] < 100 || (rows[i] > 10 && columns[j] > 30))
                        check(*form, rows[i], columns[j], depths[k]);
}

/* Nothing to multiply is a sum of nothing; nothing to write is nothing written. */
static void test_empty(void **state)
{
    float c[2] = {3, 4};
    (void)state;
    ptd_product_nt(c, 2, 1, 1, A, LD, B, LD, 1, 2, 0);
    assert_true(c[0] == 3 && c[1] == 4);
    ptd_product_nn(c, 2, 0, 1, A, LD, B, LD, 0, 2, 5);
    ptd_product_tn(c, 2, 0, 1, A, LD, B, LD, 1, 0, 5);
    assert_true(c[0] == 3 && c[1] == 4);
    ptd_product_nn(c, 2, 0, 1, A, LD, B, LD, 1, 2, 0);
    assert_true(c[0] == 0 && c[1] == 0);
}

/* NaN and Inf stay in their row and column. */
static void test_not_finite(void **state)
{
    float C[20 * 40], a = A[3 * LD + 5], b = B[7 * LD + 5];
    (void)state;
    A[3 * LD + 5] = NAN, B[7 * LD + 5] = INFINITY;
    ptd_product_nt(C, 40, 0, 1, A, LD, B, LD, 20, 40, 33);
    A[3 * LD + 5] = a, B[7 * LD + 5] = b;
    for (int i = 0; i < 20; i++)
        for (int j = 0; j < 40; j++) {
            assert_int_equal(isfinite(C[i * 40 + j]), i != 3 && j != 7);
            assert_int_equal(isnan(C[i * 40 + j]), i == 3);
        }
}

/* By rows, a row's result is that of the row alone, whatever the depth, also where rows lie 4 KiB
 * apart. */
static void test_rows(void **state)
{
    static const long depths[] = {1, 3, 16, 63, 128, 512, 515, 1024};
    static float all[M * N], alone[N];
    (void)state;
    for (const char *form = "rs"; *form; form++)
        for (long lda = 1024; lda <= LD; lda += LD - 1024)
            for (int d = 0; d < 8; d++)
                for (long m = 1; m <= M; m += m < 14 ? 1 : 23) {
                    for (int i = 0; i < M * N; i++) all[i] = 0.3f;
                    multiply_strided(*form, all, N, d % 2, -0.7f, A, lda, B, LD, m, N, depths[d]);
                    for (long r = 0; r < m; r++) {
                        for (int i = 0; i < N; i++) alone[i] = 0.3f;
                        multiply_strided(*form, alone, N, d % 2, -0.7f, A + r * lda, lda, B, LD, 1,
                                         N, depths[d]);
                        assert_memory_equal(alone, all + r * N, sizeof alone);
                    }
                }
}

#if PTD_PRODUCT_DEEP > 0
/* The deepest product of a form that is our own, as far as there are numbers. */
static long deepest(char form)
{
    long k = form == 'T' ? PTD_PRODUCT_DEEP_TN : PTD_PRODUCT_DEEP;
    return k < K ? k : K;
}

/* A row's result does not depend on how many rows stand beside it, nor a column's on its place. */
static void test_place(void **state)
{
    static float all[M * N], part[M * N];
    (void)state;
    for (const char *form = "tnT"; *form; form++) {
        long k = deepest(*form);
        multiply(*form, all, N, 0, 1, A, B, M, N, k);
        for (long i = 0; i < M; i += 5)
            for (long j = 0; j < N; j += 7) {
                long m = M - i < 5 ? M - i : 5, n = N - j < 7 ? N - j : 7;
                multiply(*form, part, n, 0, 1, A + (*form == 'T' ? i : i * LD),
                         B + (*form == 't' ? j * LD : j), m, n, k);
                for (long r = 0; r < m; r++)
                    assert_memory_equal(part + r * n, all + (i + r) * N + j, n * sizeof *part);
            }
    }
}

static float *moved(const float *from, long rows, long columns, long ld)
{
    float *to = malloc((size_t)(rows * ld + 1) * sizeof *to);
    for (long r = 0; r < rows; r++) memcpy(to + 1 + r * ld, from + r * LD, columns * sizeof *to);
    return to;
}

/* Nor on where factors and C lie, and how far apart their rows. */
static void test_moved(void **state)
{
    static float C[M * N], D[1 + M * (N + 5)];
    (void)state;
    for (const char *form = "tnT"; *form; form++) {
        long k = deepest(*form), a_rows = *form == 'T' ? k : M, a_columns = *form == 'T' ? M : k,
             b_rows = *form == 't' ? N : k, b_columns = *form == 't' ? k : N;
        float *a = moved(A, a_rows, a_columns, a_columns + 1),
              *b = moved(B, b_rows, b_columns, b_columns + 3);
        for (int add = 0; add < 2; add++) {
            for (int i = 0; i < M * N; i++) C[i] = 2;
            for (int i = 0; i < 1 + M * (N + 5); i++) D[i] = 2;
            multiply(*form, C, N, add, 0.3f, A, B, M, N, k);
            multiply_strided(*form, D + 1, N + 5, add, 0.3f, a + 1, a_columns + 1, b + 1,
                             b_columns + 3, M, N, k);
            for (int r = 0; r < M; r++)
                assert_memory_equal(C + r * N, D + 1 + r * (N + 5), N * sizeof *C);
        }
        free(a);
        free(b);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_rows),
#if PTD_PRODUCT_DEEP > 0
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_moved),
#endif
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
