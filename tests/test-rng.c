/* Random numbers: Random123's published vectors, ranges, moments, and shuffles that are
 * permutations. Leaves to others: which counters they use. */
#include "base/rng.h"
#include "test.h"

static void same(const uint32_t *got, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    const uint32_t wanted[4] = {a, b, c, d};
    assert_memory_equal(got, wanted, sizeof wanted);
}

/* philox4x32, 10 rounds: zeros, ones, and the digits of pi (counter, then key). */
static void test_known_answers(void **state)
{
    (void)state;
    uint32_t r[4];
    ptd_random(r, 0, 0, 0, 0, 0);
    same(r, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
    ptd_random(r, UINT64_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX);
    same(r, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
    ptd_random(r, 0x299f31d0a4093822, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344);
    same(r, 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1);
}

static void test_uniform(void **state)
{
    (void)state;
    enum { N = 100000 };
    double sum = 0, squares = 0;
    for (uint32_t i = 0; i < N; i++) {
        double u = ptd_uniform(7, PTD_RNG_TEST, i, 0, 0);
        assert_true(u >= 0 && u < 1);
        sum += u;
        squares += u * u;
    }
    assert_close(sum / N, 0.5, 0.005);
    assert_close(squares / N, 1 / 3.0, 0.005);
}

static void test_normal(void **state)
{
    (void)state;
    enum { N = 100000 };
    double sum = 0, squares = 0, fourth = 0;
    for (uint32_t i = 0; i < N; i++) {
        double x = ptd_normal(7, PTD_RNG_TEST, 0, i, 0);
        assert_true(isfinite(x));
        sum += x;
        squares += x * x;
        fourth += x * x * x * x;
    }
    assert_close(sum / N, 0, 0.015);
    assert_close(squares / N, 1, 0.02);
    assert_close(fourth / N, 3, 0.15);
}

static void test_below(void **state)
{
    (void)state;
    long seen[6] = {0};
    for (uint32_t i = 0; i < 60000; i++) seen[ptd_below(6, 1, PTD_RNG_TEST, 0, 0, i)]++;
    for (int i = 0; i < 6; i++) assert_in_range(seen[i], 9600, 10400);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(ptd_below(1, 1, PTD_RNG_TEST, 1, 0, i), 0);
        uint32_t r[4];
        ptd_random(r, 1, PTD_RNG_TEST, 2, 0, i);
        assert_int_equal(ptd_below(1u << 31, 1, PTD_RNG_TEST, 2, 0, i), r[0] >> 1);
    }
}

static void test_shuffle(void **state)
{
    (void)state;
    enum { N = 1000 };
    int p[N], q[N], seen[N] = {0}, kept = 0;
    ptd_shuffle(p, N, 3, PTD_RNG_SHUFFLE, 0);
    ptd_shuffle(q, N, 3, PTD_RNG_SHUFFLE, 0);
    assert_memory_equal(p, q, sizeof p);
    ptd_shuffle(q, N, 3, PTD_RNG_SHUFFLE, 1);
    for (int i = 0; i < N; i++) seen[p[i]]++, kept += p[i] == q[i];
    for (int i = 0; i < N; i++) assert_int_equal(seen[i], 1);
    assert_in_range(kept, 0, 8);
}

/* All orders of three things come about equally often. */
static void test_shuffle_is_fair(void **state)
{
    (void)state;
    long seen[27] = {0};
    int p[3], orders = 0;
    for (uint32_t i = 0; i < 12000; i++) {
        ptd_shuffle(p, 3, 5, PTD_RNG_SHUFFLE, i);
        seen[9 * p[0] + 3 * p[1] + p[2]]++;
    }
    for (int i = 0; i < 27; i++) {
        if (seen[i]) assert_in_range(seen[i], 1800, 2200);
        orders += seen[i] > 0;
    }
    assert_int_equal(orders, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers), cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_normal),        cmocka_unit_test(test_below),
        cmocka_unit_test(test_shuffle),       cmocka_unit_test(test_shuffle_is_fair),
    };
    return cmocka_run_group_tests_name("rng", tests, NULL, NULL);
}
