/* test-pairs: products by pairs, bit for bit beside the sums that pairs.h describes, on every edge
 * of tiles and panels; how far they are from float32; the operations of cpu:bf16. Where the
 * processor has no such instruction there is nothing to test but the refusal. */
#include "test.h"
#include "base/dtype.h"
#include "base/err.h"
#include "base/rng.h"
#include "base/threads.h"
#include "compute/cpu/pairs.h"
#include "device.h"
#include <stdlib.h>
#include <string.h>

enum { M = 540, N = 71, K = 2100 };
enum form { NN, NT, TN, FORMS };

static float *A, *rounded; /* [M, K]; the same rounded */
static uint16_t *B;        /* [K, K], read as [n, k] and as [k, n] */
static float *raw, *wide;  /* B before it was rounded, and widened; of TN its first M columns are A,
                            * and those behind them B */

static float number(uint32_t which, uint32_t i)
{
    return (float)ptd_normal(11, PTD_RNG_TEST, which, i, 0);
}

static int setup(void **state)
{
    (void)state;
    A = ptd_array(M * K, sizeof *A), rounded = ptd_array(M * K, sizeof *A);
    B = ptd_array(K * K, sizeof *B), wide = ptd_array(K * K, sizeof *wide);
    raw = ptd_array(K * K, sizeof *raw);
    for (uint32_t i = 0; i < M * K; i++) A[i] = number(0, i);
    for (uint32_t i = 0; i < K * K; i++) raw[i] = number(1, i);
    ptd_dtype_from_float(B, PTD_BF16, A, M * K);
    ptd_dtype_to_float(rounded, B, PTD_BF16, M * K);
    ptd_dtype_from_float(B, PTD_BF16, raw, K * K);
    ptd_dtype_to_float(wide, B, PTD_BF16, K * K);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(A), free(rounded), free(B), free(raw), free(wide);
    return 0;
}

/* As the header says; numbers of a and b that follow each other are s and t apart. */
static float plain(float c, int add, const float *a, long s, const float *b, long t, long k)
{
    for (long first = 0; first == 0 || first < k; first += PTD_PAIRS_PIECE, add = 1) {
        long last = first + PTD_PAIRS_PIECE < k ? first + PTD_PAIRS_PIECE : k;
        float sum = 0;
        for (long p = first; p < last; p += 2) {
            if (p + 1 < last) sum = fmaf(a[(p + 1) * s], b[(p + 1) * t], sum);
            sum = fmaf(a[p * s], b[p * t], sum);
        }
        c = add ? c + sum : sum;
    }
    return c;
}

/* B in either format: float32 is rounded on the way. */
static int dtype = PTD_BF16;

static const void *columns_of_B(long first)
{
    return dtype == PTD_BF16 ? (const void *)(B + first) : raw + first;
}

static void multiply(enum form form, float *C, long ldc, int add, long row, long m, long n, long k)
{
    if (form == NT)
        ptd_pairs_nt(C, ldc, add, A + row * K, K, columns_of_B(0), dtype, K, m, n, k);
    else if (form == NN)
        ptd_pairs_nn(C, ldc, add, A + row * K, K, columns_of_B(0), dtype, K, m, n, k);
    else
        ptd_pairs_tn(C, ldc, add, raw + row, K, columns_of_B(M), dtype, K, m, n, k);
}

static float entry(enum form form, float was, int add, long i, long j, long k)
{
    if (form == NT) return plain(was, add, rounded + i * K, 1, wide + j * K, 1, k);
    if (form == NN) return plain(was, add, rounded + i * K, 1, wide + j, K, k);
    return plain(was, add, wide + i, K, wide + M + j, K, k);
}

static void check(enum form form, int add, long m, long n, long k)
{
    enum { LDC = N + 3 };
    float *C = ptd_array(m * LDC, sizeof *C);
    for (long i = 0; i < m * LDC; i++) C[i] = (float)(i % 7) - 3;
    multiply(form, C, LDC, add, 0, m, n, k);
    for (long i = 0; i < m; i++)
        for (long j = 0; j < LDC; j++) {
            float was = (float)((i * LDC + j) % 7) - 3,
                  want = j < n ? entry(form, was, add, i, j, k) : was;
            if (C[i * LDC + j] != want)
                fail_msg("%.2s %ld x %ld x %ld%s: entry %ld, %ld is %.9g, expected %.9g",
                         "nnnttn" + 2 * form, m, n, k, add ? ", added" : "", i, j, C[i * LDC + j],
                         want);
        }
    free(C);
}

static void sums_are_those_of_the_header(void **state)
{
    static const long ms[] = {1, 2, 5, 11, 12, 13, 24, 26, 191, 516, 530},
                      ns[] = {1, 15, 16, 17, 31, 32, 33, 71},
                      ks[] = {0, 1, 2, 3, 30, 31, 32, 33, 64, 65, 1023, 1024, 1025, 2047, 2100};
    (void)state;
    for (int i = 0; i < 11; i++)
        for (int j = 0; j < 8; j++)
            for (int l = 0; l < 15; l++)
                for (int way = 0; way < 4 * FORMS; way++) {
                    dtype = way & 2 ? PTD_F32 : PTD_BF16;
                    if ((i + j + l + way) % (ms[i] < 100 ? 5 : 17) == 0)
                        check(way / 4, way & 1, ms[i], ns[j], ks[l]);
                }
    dtype = PTD_BF16;
}

static void no_row_depends_on_its_neighbours(void **state)
{
    float *all = ptd_array(M * N, sizeof *all), *some = ptd_array(M * N, sizeof *some);
    (void)state;
    for (int way = 0; way < 2 * FORMS; way++) {
        dtype = way & 1 ? PTD_F32 : PTD_BF16;
        multiply(way / 2, all, N, 0, 0, M, N, K);
        for (long n = 1; n < M; n += n < 30 ? 1 : 61) {
            long at = n * 5 % (M - n);
            multiply(way / 2, some, N, 0, at, n, N, K);
            assert_memory_equal(some, all + at * N, n * N * sizeof *some);
        }
    }
    dtype = PTD_BF16;
    free(all), free(some);
}

/* A number that is rounded is off by 2^-9 of itself at most. */
static void error_beside_float32(void **state)
{
    float *C = ptd_array(64 * N, sizeof *C);
    double off = 0, size = 0;
    (void)state;
    multiply(NT, C, N, 0, 0, 64, N, 2048);
    for (long i = 0; i < 64; i++)
        for (long j = 0; j < N; j++) {
            double want = 0, terms = 0;
            for (long p = 0; p < 2048; p++) {
                want += (double)A[i * K + p] * wide[j * K + p];
                terms += fabs((double)A[i * K + p] * wide[j * K + p]);
            }
            assert_close(C[i * N + j], want, terms * 0x1p-9);
            off += (C[i * N + j] - want) * (C[i * N + j] - want);
            size += want * want;
        }
    print_message("root of the mean square error: %.2g of the result's\n", sqrt(off / size));
    assert_in_range((long)(1e5 * sqrt(off / size)), 100, 250);
    free(C);
}

/* NaN and infinity come through; what is smaller than normal numbers are counts as zero. */
static void edges_of_numbers(void **state)
{
    float a[4] = {1, NAN, 1, 1}, c[1];
    uint16_t b[4] = {0x3f80, 0x3f80, 0x3f80, 0x3f80}, tiny[2] = {0x0001, 0x0001};
    (void)state;
    ptd_pairs_nt(c, 1, 0, a, 4, b, PTD_BF16, 4, 1, 1, 4);
    assert_true(isnan(c[0]));
    a[1] = INFINITY;
    ptd_pairs_nt(c, 1, 0, a, 4, b, PTD_BF16, 4, 1, 1, 4);
    assert_true(isinf(c[0]));
    a[0] = a[1] = 1;
    ptd_pairs_nt(c, 1, 0, a, 2, tiny, PTD_BF16, 2, 1, 1, 2);
    assert_true(c[0] == 0);
}

/* ---- the device ---- */

/* y, then dx and dW, of W [N, K] in blocks of 5 rows and the rest. */
static void on_device(int format, float *y, float *dx, float *dW, long n)
{
    struct ptd_device *d = ptd_device_open("cpu:bf16");
    const void *w = format == PTD_BF16 ? (const void *)B : raw;
    struct ptd_block blocks[] = {
        {(const ptd_num *)w, 5},
        {(const ptd_num *)((const char *)w + 5 * K * ptd_dtype_size(format)), N - 5}};
    struct ptd_matrix W = {blocks, 2, N, K, format};
    assert_non_null(d);
    chosen_device = d;
    d->ops->linear(d, nums(y, n * N), in_nums(A, n * K), &W, NULL, NULL, n);
    d->ops->linear_backward(d, nums(dx, n * K), 0, accs(dW, N * K), NULL, in_nums(A, n * N),
                            in_nums(A, n * K), &W, n);
    back();
    ptd_device_close(d);
    chosen_device = NULL;
}

static void the_device_multiplies_so(void **state)
{
    enum { ROWS = 40 };
    float *y = ptd_array(ROWS * N, sizeof *y), *dx = ptd_array(ROWS * K, sizeof *dx), *z, *dz,
          *dW = ptd_array(N * K, sizeof *dW);
    (void)state;
    on_device(PTD_BF16, y, dx, dW, ROWS);
    for (long i = 0; i < ROWS; i++)
        for (long j = 0; j < N; j++) assert_true(y[i * N + j] == entry(NT, 0, 0, i, j, K));
    for (long i = 0; i < ROWS; i++)
        for (long j = 0; j < K; j += 13) {
            float want = plain(0, 0, rounded + i * N, 1, wide + j, K, 5);
            want = plain(want, 1, rounded + i * N + 5, 1, wide + 5 * K + j, K, N - 5);
            assert_true(dx[i * K + j] == want);
        }
    for (long o = 0; o < N; o++)
        for (long j = 0; j < K; j += 13)
            assert_true(dW[o * K + j] == plain(0, 1, rounded + o, N, rounded + j, K, ROWS));
    z = ptd_array(ROWS * N, sizeof *z), dz = ptd_array(ROWS * K, sizeof *dz);
    on_device(PTD_F32, z, dz, dW, ROWS);
    assert_memory_equal(y, z, ROWS * N * sizeof *y);
    assert_memory_equal(dx, dz, ROWS * K * sizeof *dx);
    free(y), free(dx), free(z), free(dz), free(dW);
}

static void refused_where_it_is_not_there(void **state)
{
    (void)state;
    assert_null(ptd_device_open("cpu:bf16"));
    assert_int_equal(ptd_failed_status(), PTD_UNAVAILABLE);
    assert_non_null(strstr(ptd_failed_message(), "device cpu:bf16: expected "));
    assert_non_null(strstr(ptd_failed_message(), "AVX512_BF16"));
}

int main(void)
{
    const struct CMUnitTest refused[] = {cmocka_unit_test(refused_where_it_is_not_there)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_the_header),
        cmocka_unit_test(no_row_depends_on_its_neighbours),
        cmocka_unit_test(error_beside_float32),
        cmocka_unit_test(edges_of_numbers),
        cmocka_unit_test(the_device_multiplies_so),
    };
    const struct CMUnitTest again[] = {cmocka_unit_test(the_device_multiplies_so)};
    ptd_program("test-pairs");
    if (ptd_pairs_check("cpu:bf16"))
        return cmocka_run_group_tests_name("refused", refused, NULL, NULL);
    int failed = cmocka_run_group_tests_name("one thread", tests, setup, teardown);
    ptd_threads_start(2);
    return failed + cmocka_run_group_tests_name("two threads", again, setup, teardown);
}
