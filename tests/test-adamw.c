/* test-adamw: a step by hand, several against a plain double implementation, and a norm that is the
 * same with any number of threads and does not hide what is not finite. */
#include "host-ops.h"
#include "test.h"
#include "base/rng.h"
#include "base/threads.h"
#include <stdlib.h>
#include <string.h>

static double normal(uint32_t a, uint32_t b)
{
    return ptd_normal(31, PTD_RNG_TEST, a, b, 0);
}

/* w = 1, g = 1/2: m = .05, v = .00025, both corrected to g and g^2, so w loses lr (1 + decay). */
static void one_step_by_hand(void **state)
{
    (void)state;
    const struct ptd_adamw a = {
        .lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0.01};
    float w = 1, m = 0, v = 0, g = 0.5f;
    host_adamw(&a, 1, 1, &w, &m, &v, &g, 1);
    assert_close(w, 0.899, 1e-6);
    assert_close(m, 0.05, 1e-8);
    assert_close(v, 0.00025, 1e-10);
}

static void clipping_scales_the_gradient(void **state)
{
    (void)state;
    const struct ptd_adamw a = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0};
    float w = 1, m = 0, v = 0, g = 4;
    host_adamw(&a, 1, 0.125, &w, &m, &v, &g, 1);
    assert_close(m, 0.05, 1e-8);
    assert_close(v, 0.00025, 1e-10);
    assert_true(g == 4);
}

/* eps stands outside the root and after the correction: with g = eps the first step is half of lr.
 */
static void eps_is_added_to_the_corrected_root(void **state)
{
    (void)state;
    const struct ptd_adamw a = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-3, .decay = 0};
    float w = 1, m = 0, v = 0, g = 1e-3f;
    host_adamw(&a, 1, 1, &w, &m, &v, &g, 1);
    assert_close(w, 0.95, 1e-6);
}

enum { MANY = 40003 };

static void steps_match_double(void **state)
{
    (void)state;
    const struct ptd_adamw a = {.lr = 3e-3, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .decay = 0.1};
    float *w = calloc(MANY, 4), *m = calloc(MANY, 4), *v = calloc(MANY, 4), *g = calloc(MANY, 4);
    double *ww = calloc(MANY, 8), *mm = calloc(MANY, 8), *vv = calloc(MANY, 8);
    for (int i = 0; i < MANY; i++) ww[i] = w[i] = (float)normal(0, (uint32_t)i);
    for (int t = 1; t <= 6; t++) {
        double scale = t % 2 ? 1 : 0.3;
        for (int i = 0; i < MANY; i++) {
            g[i] = (float)(normal((uint32_t)t, (uint32_t)i) * exp2(i % 20 - 10));
            double d = scale * g[i];
            mm[i] = a.beta1 * mm[i] + (1 - a.beta1) * d;
            vv[i] = a.beta2 * vv[i] + (1 - a.beta2) * d * d;
            double mh = mm[i] / (1 - pow(a.beta1, t)), vh = vv[i] / (1 - pow(a.beta2, t));
            ww[i] -= a.lr * (mh / (sqrt(vh) + a.eps) + a.decay * ww[i]);
        }
        host_adamw(&a, t, scale, w, m, v, g, MANY);
    }
    for (int i = 0; i < MANY; i++) {
        assert_close(w[i], ww[i], 2e-6);
        assert_close(v[i], vv[i], 2e-6 * vv[i]);
    }
    free(w), free(m), free(v), free(g), free(ww), free(mm), free(vv);
}

static void norm_is_right(void **state)
{
    (void)state;
    float *g = malloc(4 * MANY);
    double sum = 0;
    for (int i = 0; i < MANY; i++)
        g[i] = (float)normal(9, (uint32_t)i) * 1e-25f,
        sum += (double)g[i] * g[i]; /* squares vanish in float */
    assert_close(host_norm(g, PTD_ACCS, MANY) / sqrt(sum), 1, 1e-12);
    assert_true(host_norm(g, PTD_ACCS, 0) == 0);
    const float two[] = {3e30f, 4e30f}; /* and overflow there */
    assert_close(host_norm(two, PTD_ACCS, 2) / 5e30, 1, 1e-6);
    for (int n = 1; n < 20; n++) {
        double want = 0;
        for (int i = 0; i < n; i++) g[i + 1] = (float)i, want += i * i;
        assert_close(host_norm(g + 1, PTD_ACCS, (size_t)n), sqrt(want), 1e-12);
    }
    free(g);
}

static void norm_shows_what_is_not_finite(void **state)
{
    (void)state;
    const int places[] = {0, 7, 16383, 16384, MANY - 1};
    float *g = malloc(4 * MANY);
    for (int i = 0; i < MANY; i++) g[i] = 1;
    for (int k = 0; k < 5; k++) {
        g[places[k]] = NAN;
        assert_true(isnan(host_norm(g, PTD_ACCS, MANY)));
        g[places[k]] = -INFINITY;
        assert_false(isfinite(host_norm(g, PTD_ACCS, MANY)));
        g[places[k]] = 1;
        assert_true(isfinite(host_norm(g, PTD_ACCS, MANY)));
    }
    free(g);
}

/* Many threads, few threads: not one bit differs, in the norm and in the weights. */
static void threads_change_no_bit(void **state)
{
    (void)state;
    enum { N = 200001 };
    const struct ptd_adamw a = {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .decay = 0.1};
    float *x[2][4];
    double norm[2];
    for (int side = 0; side < 2; side++) {
        if (side == 1) ptd_threads_start(3);
        for (int k = 0; k < 4; k++) {
            x[side][k] = malloc(4 * N);
            for (int i = 0; i < N; i++)
                x[side][k][i] = fabsf((float)normal(20 + (uint32_t)k, (uint32_t)i));
        }
        norm[side] = host_norm(x[side][3], PTD_ACCS, N);
        host_adamw(&a, 3, 0.7, x[side][0], x[side][1], x[side][2], x[side][3], N);
    }
    assert_int_equal(ptd_threads_count(), 3);
    assert_true(norm[0] == norm[1]);
    for (int k = 0; k < 3; k++) assert_memory_equal(x[0][k], x[1][k], 4 * N);
    for (int k = 0; k < 8; k++) free(x[k / 4][k % 4]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_step_by_hand),
        cmocka_unit_test(clipping_scales_the_gradient),
        cmocka_unit_test(eps_is_added_to_the_corrected_root),
        cmocka_unit_test(steps_match_double),
        cmocka_unit_test(norm_is_right),
        cmocka_unit_test(norm_shows_what_is_not_finite),
        cmocka_unit_test(threads_change_no_bit), /* from here on with threads */
        cmocka_unit_test(norm_shows_what_is_not_finite),
    };
    return cmocka_run_group_tests_name("adamw", tests, NULL, NULL);
}
