/* Tests of ptd-stat's figures: pass@k against binomials, intervals against known values, counting.
 */
#define main ptd_stat_main
#include "../stages/ptd-stat.c"
#undef main
#include "test.h"
#include <unistd.h>

static double choose(int n, int k)
{
    double c = 1;
    for (int i = 1; i <= k; i++) c = c * (n - k + i) / i;
    return k > n ? 0 : c;
}

static void pass_at_k_is_unbiased(void **state)
{
    (void)state;
    for (int n = 1; n <= 12; n++)
        for (int c = 0; c <= n; c++)
            for (int k = 1; k <= n; k++)
                assert_close(pass_at_k(n, c, k), 1 - choose(n - c, k) / choose(n, k), 1e-12);
    assert_close(pass_at_k(100000, 1, 1), 1e-5, 1e-15);
}

static void wilson_for_single_responses(void **state)
{
    (void)state;
    double lo, hi;
    struct tally t = {.prompts = 100, .n = 100, .sum = 50, .squares = 50, .single = 1};
    interval(&t, &lo, &hi);
    assert_close(lo, 0.403832, 1e-6);
    assert_close(hi, 0.596168, 1e-6);
    t = (struct tally){.prompts = 10, .n = 10, .single = 1};
    interval(&t, &lo, &hi);
    assert_close(lo, 0, 0);
    assert_close(hi, 0.277533, 1e-6);
}

static void normal_over_prompts_otherwise(void **state)
{
    (void)state;
    double lo, hi; /* means 0, 0.5, 0.5, 1: sd 0.408248, standard error 0.204124 */
    struct tally t = {.prompts = 4, .n = 32, .sum = 2, .squares = 1.5};
    interval(&t, &lo, &hi);
    assert_close(lo, 0.5 - 1.959964 * 0.204124, 1e-5);
    assert_close(hi, 0.5 + 1.959964 * 0.204124, 1e-5);
    t = (struct tally){.prompts = 1, .n = 8, .sum = 0.5, .squares = 0.25};
    interval(&t, &lo, &hi);
    assert_true(isnan(lo) && isnan(hi));
}

static void counts_a_group(void **state)
{
    (void)state;
    struct ptd_rollout y[4] = {{.outcome = PTD_RIGHT, .format = 1, .n = 10, .stop = "eos"},
                               {.outcome = PTD_WRONG, .format = 1, .n = 20, .stop = "eos"},
                               {.outcome = PTD_UNPARSABLE, .n = 30, .stop = "length"},
                               {.outcome = PTD_RIGHT, .format = 1, .n = 10, .stop = "eos"}};
    struct ptd_group g = {
        .uid = "x", .category = "a", .rollouts = y, .n_rollouts = 4, .group_accuracy = 0.5};
    struct table table = {0};
    struct tally total = {0};
    opt.k = 2;
    assert_int_equal(add_group(&table, &total, &g), 0);
    g.n_rollouts = 1;
    assert_int_equal(add_group(&table, &total, &g), 0);
    assert_int_equal(table.n, 1);
    const struct tally *t = &table.row[0];
    assert_int_equal(t->prompts, 2);
    assert_int_equal(t->n, 5);
    assert_int_equal(t->right, 3);
    assert_int_equal(t->form, 4);
    assert_int_equal(t->unparsable, 1);
    assert_int_equal(t->cut, 1);
    assert_int_equal(t->tokens, 80);
    assert_int_equal(t->all_pass, 1);
    assert_int_equal(t->all_fail, 0);
    assert_int_equal(t->single, 0);
    assert_int_equal(t->tried, 1); /* the second prompt has too few responses for pass@2 */
    assert_close(t->sum, 1.5, 0);
    assert_close(t->pass, 1 - 1. / 6, 1e-12);
    g.group_accuracy = -1;
    assert_int_equal(add_group(&table, &total, &g), -1);
    clear_table(&table);
}

/* Linear, or this test is ended. */
static void finds_its_row_among_many(void **state)
{
    (void)state;
    const int n = 400000;
    char name[16];
    struct ptd_rollout y = {.outcome = PTD_RIGHT};
    struct ptd_group g = {
        .uid = "x", .category = name, .rollouts = &y, .n_rollouts = 1, .group_accuracy = 1};
    struct table table = {0};
    struct tally total = {0};
    alarm(60);
    for (int i = 0; i < 2 * n; i++) {
        snprintf(name, sizeof name, "k%d", i % n);
        assert_int_equal(add_group(&table, &total, &g), 0);
    }
    alarm(0);
    assert_int_equal(table.n, n);
    assert_int_equal(table.row[7].prompts, 2);
    assert_string_equal(table.row[7].name, "k7");
    clear_table(&table);
}

static void different_names_have_different_keys(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"caf\xe9", "caf\\xe9"}, {"caf\xff", "caf\\xff"},    {"caf\xef\xbf\xbd", "caf\xef\xbf\xbd"},
        {"a\\b", "a\\b"},        {"caf\\xe9", "caf\\\\xe9"}, {"\\\xe9", "\\\\\\xe9"}};
    const int n = sizeof names / sizeof *names;
    struct ptd_rollout y = {.outcome = PTD_RIGHT};
    struct ptd_group g = {.uid = "x", .rollouts = &y, .n_rollouts = 1, .group_accuracy = 1};
    struct table table = {0};
    struct tally total = {0};
    for (int i = 0; i < 2 * n; i++) {
        g.category = names[i % n][0];
        assert_int_equal(add_group(&table, &total, &g), 0);
    }
    assert_int_equal(table.n, n);
    for (int i = 0; i < n; i++) assert_string_equal(table.row[i].name, names[i][1]);
    clear_table(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pass_at_k_is_unbiased),
                                       cmocka_unit_test(wilson_for_single_responses),
                                       cmocka_unit_test(normal_over_prompts_otherwise),
                                       cmocka_unit_test(counts_a_group),
                                       cmocka_unit_test(finds_its_row_among_many),
                                       cmocka_unit_test(different_names_have_different_keys)};
    return cmocka_run_group_tests_name("stat", tests, NULL, NULL);
}
