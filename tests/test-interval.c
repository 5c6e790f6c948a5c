/* Tests of interval: known values, the edges, and how often a range misses what it should hold. */
#include "base/interval.h"
#include "base/rng.h"
#include "test.h"

static void wilson_is_known(void **state)
{
    (void)state;
    struct ptd_range r = ptd_wilson(0.5, 100);
    assert_close(r.lo, 0.403832, 1e-6);
    assert_close(r.hi, 0.596168, 1e-6);
    r = ptd_wilson(0, 10);
    assert_close(r.lo, 0, 0);
    assert_close(r.hi, 0.277533, 1e-6);
    r = ptd_wilson(1, 10);
    assert_close(r.hi, 1, 0);
    assert_close(r.lo, 1 - 0.277533, 1e-6);
}

/* a pairs of 1 and 1, b of 0 and 1, c of 1 and 0, d of 0 and 0 */
static struct ptd_pairs table(int a, int b, int c, int d)
{
    struct ptd_pairs p = {0};
    for (int i = 0; i < a; i++) ptd_pairs_add(&p, 1, 1);
    for (int i = 0; i < b; i++) ptd_pairs_add(&p, 0, 1);
    for (int i = 0; i < c; i++) ptd_pairs_add(&p, 1, 0);
    for (int i = 0; i < d; i++) ptd_pairs_add(&p, 0, 0);
    return p;
}

/* Newcombe's own examples, of n 50: 36, 12, 2, 0 and so on. */
static void paired_ranges_are_those_of_the_paper(void **state)
{
    (void)state;
    struct ptd_pairs p = table(36, 12, 2, 0);
    struct ptd_range r = ptd_pairs_range(&p);
    assert_close(r.value, 0.2, 1e-12);
    assert_close(r.lo, 0.0569, 1e-4);
    assert_close(r.hi, 0.3404, 1e-4);
    p = table(36, 14, 0, 0);
    r = ptd_pairs_range(&p);
    assert_close(r.lo, 0.1528, 1e-4);
    assert_close(r.hi, 0.4167, 1e-4);
}

static void edges_are_calm(void **state)
{
    (void)state;
    struct ptd_pairs p = {0};
    assert_true(isnan(ptd_pairs_range(&p).lo));
    p = table(0, 0, 0, 200); /* nothing is ever right */
    struct ptd_range r = ptd_pairs_range(&p);
    assert_close(r.value, 0, 0);
    assert_true(r.lo < 0 && r.lo > -0.03 && r.hi > 0);
    p = table(1, 0, 0, 0);
    assert_true(ptd_pairs_range(&p).lo < 0);
    p = table(0, 1, 0, 0); /* one pair proves nothing */
    assert_true(ptd_pairs_range(&p).lo <= 0);
    p = table(50, 4, 0, 146); /* nor do four, as the sign test has it: 2 / 2^4 */
    assert_true(ptd_pairs_range(&p).lo <= 0);
    p = table(0, 200, 0, 0);
    r = ptd_pairs_range(&p);
    assert_close(r.hi, 1, 1e-9);
    assert_true(r.lo > 0.95);
}

/* Nothing is 0, not what rounding leaves of it. */
static void what_cancels_is_nothing(void **state)
{
    (void)state;
    for (int n = 1; n < 60; n++) { /* half of them right, the same ones in both */
        struct ptd_pairs p = table(n, 0, 0, n);
        struct ptd_range r = ptd_pairs_range(&p);
        assert_true(r.value == 0 && r.lo == 0 && r.hi == 0);
    }
    struct ptd_pairs p = {0};
    for (int i = 0; i < 30; i++) ptd_pairs_add(&p, 1. / 6, i % 3 ? 0 : 0.5);
    assert_true(ptd_pairs_range(&p).value == 0);
    ptd_pairs_add(&p, 0, 1e-12);
    assert_close(ptd_pairs_range(&p).value, 1e-12 / 31, 1e-16);
}

static int draws(double p, int tries, uint32_t a, uint32_t b)
{
    int n = 0;
    for (int i = 0; i < tries; i++) n += ptd_uniform(1, PTD_RNG_TEST, a, b, (uint32_t)i) < p;
    return n;
}

/* Of 2,000 sources whose hints change nothing, how many are called telling. */
static int called_telling(int tries)
{
    const uint32_t groups = 60;
    int called = 0;
    for (uint32_t round = 0; round < 2000; round++) {
        struct ptd_pairs p = {0};
        for (uint32_t g = 0; g < groups; g++) {
            double share = ptd_uniform(2, PTD_RNG_TEST, round, g, 0) / 4;
            uint32_t at = round * groups + g;
            ptd_pairs_add(&p, draws(share, tries, at, 0) / (double)tries,
                          draws(share, tries, at, 1) / (double)tries);
        }
        called += ptd_pairs_range(&p).lo > 0;
    }
    return called;
}

/* One in 40, roughly, where a thing is tried once; hardly any where it is tried several times. */
static void honest_differences_are_rarely_called_so(void **state)
{
    (void)state;
    assert_in_range(called_telling(1), 20, 80);
    assert_in_range(called_telling(4), 0, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wilson_is_known),
        cmocka_unit_test(paired_ranges_are_those_of_the_paper),
        cmocka_unit_test(edges_are_calm),
        cmocka_unit_test(what_cancels_is_nothing),
        cmocka_unit_test(honest_differences_are_rarely_called_so),
    };
    return cmocka_run_group_tests_name("interval", tests, NULL, NULL);
}
