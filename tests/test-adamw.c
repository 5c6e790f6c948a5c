/* test-adamw: a step by hand, several against a plain double implementation, and a norm that is the
 * same with any number of threads and does not hide what is not finite; the shorter forms: every
 * code, every kind of bit pattern, means of what is rounded at random. */
#include "forms.h"
#include "host-ops.h"
#include "test.h"
#include "base/rng.h"
#include "base/threads.h"
#include "compute/cpu/eight.h"
#include "compute/cpu/halves.h"
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

/* ---- 8 bits ---- */

/* A block of all codes comes back as it was. */
static void codes_are_the_map(void **state)
{
    (void)state;
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        uint8_t code[PTD_BLOCK], again[PTD_BLOCK];
        float x[PTD_BLOCK], scale = 0.37f;
        for (int i = 0; i < PTD_BLOCK; i++) code[i] = (uint8_t)i;
        ptd_eight_read(x, code, scale, is_signed);
        for (int i = 0; i < PTD_BLOCK; i++) {
            double want = scale * form_unit(i, is_signed);
            assert_close(x[i], want, 1e-6 * fabs(want));
            assert_true(i == 0 || !is_signed ? x[i] >= 0 : (x[i] < 0) == (i > 128));
        }
        assert_close(ptd_eight_write(again, x, is_signed), scale, 1e-7);
        if (is_signed) again[128] = 128; /* its other zero */
        assert_memory_equal(code, again, PTD_BLOCK);
    }
}

/* Numbers over nine decades, in blocks of any size of largest number. */
static void numbers_go_to_the_nearest(void **state)
{
    (void)state;
    for (int block = 0; block < 200; block++) {
        int is_signed = block % 2;
        uint8_t code[PTD_BLOCK];
        float x[PTD_BLOCK], y[PTD_BLOCK], largest = 0;
        for (int i = 0; i < PTD_BLOCK; i++) {
            double u = ptd_uniform(3, PTD_RNG_TEST, block, (uint32_t)i, 0);
            x[i] = (float)(ldexp(1, block - 120) * pow(10, -9 * u));
            if (is_signed && i % 3 == 0) x[i] = -x[i];
            largest = fmaxf(largest, fabsf(x[i]));
        }
        float scale = ptd_eight_write(code, x, is_signed);
        ptd_eight_read(y, code, scale, is_signed);
        for (int i = 0; i < PTD_BLOCK; i++) {
            double off = form_off(x[i] / (double)scale, is_signed), slack = scale * 2e-7;
            if (!is_signed) assert_true(y[i] > 0);
            if (!is_signed && code[i] == 1) continue;
            assert_close(y[i], x[i], scale * off + slack);
            if (fabsf(x[i]) == largest) assert_close(y[i], x[i], 3e-7 * largest);
        }
    }
}

static void blocks_at_the_edges(void **state)
{
    uint8_t code[PTD_BLOCK];
    float x[PTD_BLOCK] = {0}, y[PTD_BLOCK];
    (void)state;
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        memset(x, 0, sizeof x);
        assert_true(ptd_eight_write(code, x, is_signed) == 0);
        for (int i = 0; i < PTD_BLOCK; i++) assert_int_equal(code[i], 0);
        x[3] = 3e-42f, x[200] = 1e-44f;
        float scale = ptd_eight_write(code, x, is_signed);
        ptd_eight_read(y, code, scale, is_signed);
        assert_close(y[3], 3e-42, 2e-44);
        assert_true(y[0] == 0 && (y[200] > 0 || scale > 0));
        x[3] = 3.3e38f;
        scale = ptd_eight_write(code, x, is_signed);
        assert_true(isfinite(scale));
        x[255] = NAN;
        assert_true(isnan(ptd_eight_write(code, x, is_signed)));
        x[255] = is_signed ? -INFINITY : INFINITY;
        assert_true(isinf(ptd_eight_write(code, x, is_signed)));
    }
}

/* ---- halves ---- */

static double nearest_high(uint32_t u)
{
    double x = form_float(u), a = form_float(u & 0xffff0000),
           b = form_float((u & 0xffff0000) + 0x10000);
    if ((u & 0x7fff0000) == 0x7f7f0000) b = copysign(0x1p128, x); /* where infinity begins */
    return fabs(x - a) < fabs(b - x) ? a : b;
}

/* Every high half with low ones around all that happens. */
static void split_is_exact(void **state)
{
    static const uint16_t lows[] = {0,      1,      2,      0x7ffe, 0x7fff,
                                    0x8000, 0x8001, 0xaaaa, 0xfffe, 0xffff};
    (void)state;
    for (uint32_t high = 0; high < 0x10000; high++)
        for (int i = 0; i < 10; i++) {
            uint32_t u = high << 16 | lows[i];
            float x = form_float(u), y, h;
            uint16_t half;
            int16_t low;
            ptd_halves_split(&half, &low, &x, 1);
            ptd_halves_join(&y, &half, &low, 1);
            ptd_halves_join(&h, &half, NULL, 1);
            if (isnan(x)) {
                assert_true(isnan(y) && isnan(h) && !signbit(y) == !signbit(x));
                continue;
            }
            assert_int_equal(form_bits(y), u);
            double want = isinf(x) ? x : nearest_high(u);
            assert_true(fabs(want) == 0x1p128 ? isinf(h) && (h > 0) == (x > 0) : h == want);
        }
}

/* Of all draws as many go up as the mean asks for. */
static void draws_have_the_right_mean(void **state)
{
    static const uint32_t bits[] = {0x3f800000, 0x3f800001, 0x3f80ffff, 0xbf804000, 0xc1230123,
                                    0x00008000, 0x80000001, 0x7f7effff, 0x7f7f0000};
    (void)state;
    for (size_t k = 0; k < sizeof bits / sizeof *bits; k++) {
        float x = form_float(bits[k]);
        double sum = 0, unit = form_float((bits[k] & 0xffff0000) + 0x10000) -
                               (double)form_float(bits[k] & 0xffff0000);
        if (bits[k] == 0x7f7f0000) unit = 0;
        for (uint32_t r = 0; r < 0x10000; r++) {
            uint16_t random = (uint16_t)r, half;
            ptd_halves_draw(&half, &x, &random, 1);
            float y = form_float((uint32_t)half << 16);
            assert_true(fabs((double)y - x) <= fabs(unit) &&
                        (fabs((double)y - x) < fabs(unit) || !unit));
            sum += y;
        }
        assert_close(sum / 0x10000, x, 1e-9 * fabs((double)x));
    }
}

static void draws_keep_what_is_no_number(void **state)
{
    const float x[] = {
        NAN, -NAN, INFINITY, -INFINITY, form_float(0x7fffffff), form_float(0xffffffff)};
    (void)state;
    for (int i = 0; i < 6; i++)
        for (int r = 0; r < 2; r++) {
            uint16_t random = r ? 0xffff : 0, half;
            ptd_halves_draw(&half, &x[i], &random, 1);
            float y = form_float((uint32_t)half << 16);
            assert_true(isnan(x[i]) ? isnan(y) : y == x[i]);
        }
}

/* ---- steps in each form ---- */

enum { SOME = 3 * 16384 + 77 };

static void start_form(struct ptd_slot *s)
{
    for (size_t i = 0; i < s->n; i++) form_set_weight(s, i, (float)normal(40, (uint32_t)i));
}

static float *gradient(int t, size_t n)
{
    float *g = ptd_array(n, sizeof *g);
    for (size_t i = 0; i < n; i++)
        g[i] = (float)(normal(50 + (uint32_t)t, (uint32_t)i) * exp2((double)(i % 12) - 12));
    return g;
}

static const struct ptd_adamw usual = {
    .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .decay = 0.1};

static void run_form(struct ptd_slot *s, int steps)
{
    for (int t = 1; t <= steps; t++) {
        float *g = gradient(t, s->n);
        host_adamw_slot(&usual, t, 0.7, *s, g);
        free(g);
    }
}

/* The split master is the float32 one, bit for bit, whatever the moments are. */
static void split_steps_are_those_of_float(void **state)
{
    (void)state;
    for (int eight = 0; eight < 2; eight++) {
        struct ptd_slot a = form_slot(3 * eight, SOME), b = form_slot(3 * eight + 1, SOME);
        start_form(&a), start_form(&b);
        run_form(&a, 5), run_form(&b, 5);
        for (size_t i = 0; i < SOME; i++)
            assert_int_equal(form_bits(form_weight(&a, i)), form_bits(form_weight(&b, i)));
        assert_memory_equal(a.m, b.m, SOME * (eight ? 1 : 4));
        form_free(&a), form_free(&b);
    }
}

/* The bits are those of (seed, step, number of the parameter, place), so a resume repeats them. */
static void rounding_is_of_its_counter(void **state)
{
    (void)state;
    struct ptd_slot s = form_slot(2, SOME), exact = form_slot(0, SOME);
    float *g = gradient(3, SOME);
    start_form(&s);
    for (size_t i = 0; i < SOME; i++) form_set_weight(&exact, i, form_weight(&s, i));
    host_adamw_slot(&usual, 3, 1, s, g), host_adamw_slot(&usual, 3, 1, exact, g);
    for (size_t i = 0; i < SOME; i++)
        assert_true(form_weight(&s, i) == form_drawn(form_weight(&exact, i), &s, 3, i));
    form_free(&s), form_free(&exact), free(g);
}

/* Steps far below half a unit of bfloat16 move the weights all the same, as far as they should on
 * the mean: 64 steps of 1e-4 from 1, where a unit is 2^-7. */
static void small_steps_are_not_lost(void **state)
{
    const struct ptd_adamw a = {.lr = 1e-4, .beta1 = 0, .beta2 = 0, .eps = 0, .decay = 0};
    struct ptd_slot s = form_slot(2, SOME);
    float *g = ptd_array(SOME, sizeof *g);
    double sum = 0;
    (void)state;
    for (size_t i = 0; i < SOME; i++) form_set_weight(&s, i, 1), g[i] = -1;
    for (int t = 1; t <= 64; t++) host_adamw_slot(&a, t, 1, s, g);
    for (size_t i = 0; i < SOME; i++) sum += form_weight(&s, i) - 1;
    double moved = sum / SOME / 64e-4, error = sqrt(64e-4 * 0x1p-7 / SOME) / 64e-4;
    assert_close(moved, 1, 5 * error);
    form_free(&s), free(g);
}

static void a_row_of_numbers_is_one_by_one(void **state)
{
    uint32_t row[77][4], one[4];
    (void)state;
    ptd_random_row(row, 77, 0x123456789abcdefull, PTD_RNG_TEST, 5, 6, 0xfffffff0u);
    for (uint32_t i = 0; i < 77; i++) {
        ptd_random(one, 0x123456789abcdefull, PTD_RNG_TEST, 5, 6, 0xfffffff0u + i);
        assert_memory_equal(row[i], one, sizeof one);
    }
}

/* After the threads have started: the same steps with one and with three. */
static struct ptd_slot alone[sizeof forms / sizeof *forms];

static void one_thread_steps(void **state)
{
    (void)state;
    for (int f = 0; f < N_FORMS; f++) {
        alone[f] = form_slot(f, SOME);
        start_form(&alone[f]);
        run_form(&alone[f], 3);
    }
}

static void threads_change_no_bit_of_a_form(void **state)
{
    (void)state;
    assert_int_equal(ptd_threads_count(), 3);
    for (int f = 0; f < N_FORMS; f++) {
        struct ptd_slot s = form_slot(f, SOME);
        start_form(&s);
        run_form(&s, 3);
        assert_memory_equal(s.w, alone[f].w, SOME * (s.master ? 2 : 4));
        if (s.low) assert_memory_equal(s.low, alone[f].low, SOME * 2);
        assert_memory_equal(s.m, alone[f].m, SOME * (s.eight ? 1 : 4));
        assert_memory_equal(s.v, alone[f].v, SOME * (s.eight ? 1 : 4));
        assert_memory_equal(s.vs, alone[f].vs, ptd_blocks(SOME) * 4);
        form_free(&s), form_free(&alone[f]);
    }
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
        cmocka_unit_test(codes_are_the_map),
        cmocka_unit_test(numbers_go_to_the_nearest),
        cmocka_unit_test(blocks_at_the_edges),
        cmocka_unit_test(split_is_exact),
        cmocka_unit_test(draws_have_the_right_mean),
        cmocka_unit_test(draws_keep_what_is_no_number),
        cmocka_unit_test(split_steps_are_those_of_float),
        cmocka_unit_test(rounding_is_of_its_counter),
        cmocka_unit_test(small_steps_are_not_lost),
        cmocka_unit_test(a_row_of_numbers_is_one_by_one),
        cmocka_unit_test(one_thread_steps),
        cmocka_unit_test(threads_change_no_bit), /* from here on with threads */
        cmocka_unit_test(norm_shows_what_is_not_finite),
        cmocka_unit_test(threads_change_no_bit_of_a_form),
    };
    return cmocka_run_group_tests_name("adamw", tests, NULL, NULL);
}
