/* test-vec: exp, tanh and sigmoid against libm in units of the last place, sums and maxima of every
 * length and alignment, and loops shared out by the pool: each item once, also when the pool
 * slept. */
#include "test.h"
#include "base/rng.h"
#include "base/threads.h"
#include "compute/cpu/vec.h"
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

static double uniform(uint32_t a, uint32_t b)
{
    return ptd_uniform(41, PTD_RNG_TEST, a, b, 0);
}

static double ulps(float got, double want)
{
    float size = fabsf((float)want);
    return fabs(got - want) / (nextafterf(size, INFINITY) - size);
}

static __attribute__((noinline)) void run(int which, const float *x, float *y)
{
    vec_f v = vec_load(x);
    vec_store(y, which == 0   ? vec_exp(v)
                 : which == 1 ? vec_tanh(v)
                 : which == 2 ? vec_sigmoid(v)
                              : vec_exp_down(v));
}

static void run_all(int which, const float *x, float *y) /* [16] */
{
    for (int i = 0; i < 16; i += VEC) run(which, x + i, y + i);
}

static double exact(int which, double x)
{
    return which % 3 == 0 ? exp(x) : which == 1 ? tanh(x) : 1 / (1 + exp(-x));
}

static void functions_are_accurate(void **state)
{
    (void)state;
    const double low[] = {-87, -10, -80, -87}, high[] = {88, 10, 80, 0}, most[] = {2, 2, 2.5, 2};
    for (uint32_t which = 0; which < 4; which++)
        for (uint32_t i = 0; i < 100000; i += VEC) {
            float x[VEC], y[VEC];
            for (uint32_t j = 0; j < VEC; j++) {
                double width = j < 4 ? 1e-3 : j < 8 ? 0.02 : 1; /* some close to the middle */
                x[j] = (float)(width *
                               (low[which] + (high[which] - low[which]) * uniform(which, i + j)));
            }
            run((int)which, x, y);
            for (int j = 0; j < VEC; j++)
                assert_close(ulps(y[j], exact((int)which, x[j])), 0, most[which]);
        }
}

static void functions_at_the_edges(void **state)
{
    (void)state;
    float x[16] = {-INFINITY, INFINITY, NAN,   0,         -0.0f,    -88,
                   89,        -1e30f,   1e30f, -87.3365f, 88.72283f},
          y[16];
    run_all(0, x, y);
    assert_true(y[0] == 0 && y[1] == INFINITY && isnan(y[2]) && y[3] == 1 && y[4] == 1);
    assert_true(y[5] == 0 && y[6] == INFINITY && y[7] == 0 && y[8] == INFINITY && y[9] > 0 &&
                isfinite(y[10]));
    run_all(3, x, y);
    assert_true(y[0] == 0 && isnan(y[2]) && y[3] == 1 && y[4] == 1 && y[5] == 0 && y[7] == 0);
    run_all(1, x, y);
    assert_true(y[0] == -1 && y[1] == 1 && isnan(y[2]) && y[3] == 0 && y[4] == 0 && y[7] == -1 &&
                y[8] == 1);
    run_all(2, x, y);
    assert_true(y[0] == 0 && y[1] == 1 && isnan(y[2]) && y[3] == 0.5f && y[7] == 0 && y[8] == 1);
}

static void logarithms_keep_their_digits(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 200000; i++) {
        /* some close to 0 */
        float x = (float)(2 * uniform(7, i) - 1) * ldexpf(1, -(int)(i % 4 ? 0 : i % 60));
        if (i % 5 == 1) x = -1 + ldexpf(1, -(int)(i % 25)); /* to -1 */
        if (x == -1) continue;
        assert_close(vec_log1p(vec_set(x))[i % VEC], log1p(x), 2e-7 * fabs(log1p(x)));
    }
    assert_true(vec_log1p(vec_set(0))[3] == 0 && isnan(vec_log1p(vec_set(NAN))[5]));
    assert_true(isfinite(vec_log1p(vec_set(-1))[7]));
}

static void sums_of_every_length(void **state)
{
    (void)state;
    float a[200], b[200], moved[208];
    for (int n = 0; n <= 190; n++) {
        double dot = 0, sum = 0, most = -INFINITY;
        for (int i = 0; i < n; i++) {
            a[i] = (float)uniform(5, (uint32_t)(200 * n + i)) - 0.5f,
            b[i] = (float)uniform(6, (uint32_t)(200 * n + i));
            dot += (double)a[i] * b[i], sum += a[i], most = fmax(most, a[i]);
        }
        assert_close(vec_dot(a, b, n), dot, 1e-5);
        assert_close(vec_sum(a, n), sum, 1e-5);
        assert_true(vec_max(a, n) == (float)most);
        for (int shift = 1; shift < 8; shift += 3) { /* where an array lies changes no bit */
            memcpy(moved + shift, a, sizeof a);
            assert_true(vec_dot(moved + shift, b, n) == vec_dot(a, b, n) &&
                        vec_sum(moved + shift, n) == vec_sum(a, n));
        }
    }
}

static void axpy_and_scale_stay_inside(void **state)
{
    (void)state;
    for (int n = 0; n < 70; n++) {
        float x[80], y[80];
        for (int i = 0; i < 80; i++) x[i] = (float)i, y[i] = 1;
        vec_axpy(y, 2, x, n);
        vec_scale(x, 0.5f, n);
        for (int i = 0; i < 80; i++)
            assert_true(y[i] == (i < n ? 1 + 2.0f * (float)i : 1) &&
                        x[i] == (float)i * (i < n ? 0.5f : 1));
    }
}

enum { ITEMS = 1003 };
static int count[ITEMS], shares;

static void visit(void *ctx, long first, long last)
{
    (void)ctx;
    for (long i = first; i < last; i++) count[i]++;
    __atomic_add_fetch(&shares, 1, __ATOMIC_SEQ_CST);
}

static void check_loop(long n, long grain, int want_shares)
{
    memset(count, 0, sizeof count);
    shares = 0;
    ptd_parallel(n, grain, visit, NULL);
    for (long i = 0; i < ITEMS; i++) assert_int_equal(count[i], i < n);
    assert_int_equal(shares, want_shares);
}

static void loops_run_inline_without_a_pool(void **state)
{
    (void)state;
    check_loop(ITEMS, 1, 1);
    check_loop(0, 1, 0);
}

static void nested(void *ctx, long first, long last)
{
    (void)ctx;
    ptd_parallel(last - first, 1, visit, NULL);
}

static int confined,
    /* shares run by threads that may not run everywhere, and by others than the caller */
    elsewhere;
static pthread_t caller;

static void look_where(void *ctx, long first, long last)
{
    const struct timespec nap = {0, 2000000}; /* so that those who wake find shares left */
    cpu_set_t may;
    (void)first, (void)last;
    nanosleep(&nap, NULL);
    if (!pthread_equal(pthread_self(), caller)) __atomic_add_fetch(&elsewhere, 1, __ATOMIC_SEQ_CST);
    if (sched_getaffinity(0, sizeof may, &may) != 0 || !CPU_EQUAL(&may, (cpu_set_t *)ctx))
        __atomic_add_fetch(&confined, 1, __ATOMIC_SEQ_CST);
}

/* Threads are woken on processors of their own, and free to leave them then. */
static void woken_threads_may_run_everywhere(void **state)
{
    cpu_set_t may;
    (void)state;
    caller = pthread_self();
    assert_int_equal(sched_getaffinity(0, sizeof may, &may), 0);
    for (int repeat = 0; repeat < 100; repeat++) {
        const struct timespec nap = {0, 1000000};
        nanosleep(&nap, NULL);
        ptd_parallel(4, 1, look_where, &may);
    }
    assert_int_equal(confined, 0);
    assert_true(elsewhere > 0);
}

static void loops_visit_each_item_once(void **state)
{
    (void)state;
    ptd_threads_start(4);
    for (int repeat = 0; repeat < 2000; repeat++) check_loop(ITEMS, 1, 4);
    check_loop(3, 1, 3);
    check_loop(ITEMS, 400, 2); /* no share below the grain */
    check_loop(ITEMS, ITEMS, 1);
    check_loop(0, 1, 0);
    for (int repeat = 0; repeat < 100; repeat++) {
        const struct timespec nap = {0, 1000000}; /* long enough for the pool to fall asleep */
        nanosleep(&nap, NULL);
        check_loop(ITEMS, 1, 4);
    }
    shares = 0;
    ptd_parallel(4, 1, nested, NULL); /* not meant to nest, but must not lock up */
    assert_int_equal(shares, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_accurate),
        cmocka_unit_test(functions_at_the_edges),
        cmocka_unit_test(logarithms_keep_their_digits),
        cmocka_unit_test(sums_of_every_length),
        cmocka_unit_test(axpy_and_scale_stay_inside),
        cmocka_unit_test(loops_run_inline_without_a_pool),
        cmocka_unit_test(loops_visit_each_item_once),
        cmocka_unit_test(woken_threads_may_run_everywhere),
    };
    return cmocka_run_group_tests_name("vec", tests, NULL, NULL);
}
