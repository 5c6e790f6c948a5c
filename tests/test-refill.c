/* What a step asks: how large its rounds are, what is asked again and how often, verdicts that come
 * back, and those that are none. Real pipelines are refill.bats's. */
#include "store.h"
#include "method/history.h"
#include "method/keep.h"
#include <math.h>

static void test_rounds(void **state)
{
    (void)state;
    assert_int_equal(ptd_round_size(24, 0, 0), 24);
    assert_int_equal(ptd_round_size(24, 24, 24), 0);
    assert_int_equal(ptd_round_size(24, 24, 12), 24); /* 12 are missing, one of two is kept */
    assert_int_equal(ptd_round_size(24, 24, 18), 8);
    assert_int_equal(ptd_round_size(24, 48, 23), 3);
    assert_int_equal(ptd_round_size(24, 24, 0), 24);
    assert_int_equal(ptd_round_size(65536, 1ll << 40, 65535), 65536);
    for (int kept = 1; kept < 24; kept++) {
        int n = ptd_round_size(24, 24, kept);
        assert_true(n >= 1 && n <= 24 && (n == 24 || n * kept >= (24 - kept) * 24));
    }
}

static void test_ranges(void **state)
{
    (void)state;
    struct ptd_kept k = {0};
    struct ptd_rollout y = {.n = 1};
    struct ptd_group g = {.rollouts = &y, .n_rollouts = 1};
    static const struct {
        const char *range;
        int none, some, all;
    } c[] = {{"0.01:0.99", 0, 1, 0}, {"0:0.99", 1, 1, 0}, {"0.01:1", 0, 1, 1}, {"0:1", 1, 1, 1}};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ptd_keep_parse(&k, c[i].range), 0);
        g.group_accuracy = 0;
        assert_int_equal(ptd_keep_judged(&k, &g), c[i].none);
        g.group_accuracy = 0.5;
        assert_int_equal(ptd_keep_judged(&k, &g), c[i].some);
        g.group_accuracy = 1;
        assert_int_equal(ptd_keep_judged(&k, &g), c[i].all);
        ptd_keep_step(&k);
    }
    g.n_rollouts = 0;
    assert_int_equal(ptd_keep_judged(&k, &g), 0); /* nothing is left of it */
}

static void test_surplus(void **state)
{
    (void)state;
    struct ptd_kept k = {0};
    struct ptd_rollout y = {.n = 1};
    struct ptd_group g = {.rollouts = &y, .n_rollouts = 1, .group_accuracy = 0.5};
    struct ptd_head h = {.step_groups = 2};
    assert_int_equal(ptd_keep_parse(&k, "0:1"), 0);
    assert_int_equal(ptd_keep_begin(&k, &h), 0);
    for (int step = 0; step < 2; step++) {
        for (int i = 0; i < 4; i++) assert_int_equal(ptd_keep_judged(&k, &g), i < 2);
        ptd_keep_step(&k);
    }
    assert_true(k.surplus == 4 && k.dropped == 0);
}

static void test_verdicts(void **state)
{
    (void)state;
    struct ptd_verdicts *v = ptd_verdicts_new();
    struct ptd_head h = {.verdicts = ptd_verdicts_address(v)};
    struct ptd_verdict sent[3] = {{0.5, 1}, {0, 0}, {1, 0}}, got[3];
    assert_int_equal(ptd_verdicts_take(v, got, 3), 0);
    struct ptd_verdicts *to = ptd_verdicts_reach(&h, 1);
    assert_non_null(to);
    assert_int_equal(ptd_verdicts_give(to, sent, 2), 0);
    assert_int_equal(ptd_verdicts_take(v, got, 3), 0);
    assert_int_equal(ptd_verdicts_heard(v), 2);
    assert_int_equal(ptd_verdicts_give(to, sent + 2, 1), 0);
    assert_int_equal(ptd_verdicts_take(v, got, 3), 1);
    assert_memory_equal(got, sent, sizeof sent);
    sent[0].accuracy = NAN;
    assert_int_equal(ptd_verdicts_give(to, sent, 1), 0);
    assert_int_equal(ptd_verdicts_take(v, got, 1), -1);
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    ptd_verdicts_close(to);
    assert_int_equal(ptd_verdicts_take(v, got, 1), -1);
    assert_int_equal(ptd_failed_status(), PTD_CUT);
    ptd_verdicts_close(v);
}

/* An address of a process that has gone, of another file of ours, and of none. */
static void test_nobody_waits(void **state)
{
    (void)state;
    char address[80];
    struct ptd_head h = {.verdicts = address};
    static const char *const bad[] = {"", "/proc/0/fd/1 pipe:[1]", "/etc/passwd pipe:[1]",
                                      "/proc/self/fd/1 pipe:[1]", "pipe:[1]"};
    for (int i = 0; i < 5; i++) {
        snprintf(address, sizeof address, "%s", bad[i]);
        assert_null(ptd_verdicts_reach(&h, 1));
    }
    h.verdicts = NULL;
    assert_null(ptd_verdicts_reach(&h, 1));
}

static struct ptd_store *new_store(void)
{
    struct ptd_store *s;
    assert_int_equal(ptd_store_open(&s, dir, PTD_STORE_CREATE), 0);
    assert_int_equal(publish(s, 0, 2, 1), 0);
    ptd_store_close(s);
    assert_int_equal(ptd_store_open(&s, dir, PTD_STORE_CACHE), 0);
    return s;
}

static void test_history(void **state)
{
    (void)state;
    struct ptd_store *s = new_store();
    struct ptd_history h, again;
    int rows[] = {3, 0, 3};
    double accuracy[] = {1, 0.25, 0.3};
    assert_int_equal(ptd_history_open(&h, s, 5, 0, 0), 0);
    assert_true(h.position == 0 && h.past[3] == -1);
    for (int step = 1; step <= 3; step++)
        assert_int_equal(
            ptd_history_add(&h, step, &(struct ptd_told){7 * step, 1, rows, accuracy, 3}), 0);
    assert_int_equal(ptd_history_open(&again, s, 5, 3, 99), 0);
    assert_true(again.position == 21);
    assert_memory_equal(again.past, h.past, 5 * sizeof(double));
    ptd_history_clear(&again);
    /* what was asked after the head does not count, nor do steps without a record */
    assert_int_equal(ptd_history_open(&again, s, 5, 1, 99), 0);
    assert_true(again.position == 7 && again.past[3] == (1 + 0.3) / 2 && again.past[0] == 0.25);
    ptd_history_clear(&again);
    assert_int_equal(ptd_history_open(&again, s, 5, 4, 99), 0);
    assert_true(again.position == 99 && again.past[1] == -1);
    ptd_history_clear(&again);
    assert_int_equal(ptd_history_open(&again, s, 3, 3, 99), -1); /* row 3 of 3 */
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    ptd_history_clear(&again);
    static const char *const bad[] = {"[]",
                                      "{",
                                      "{\"position\":-1,\"rows\":[],\"accuracy\":[]}",
                                      "{\"position\":1,\"rows\":[1],\"accuracy\":[]}",
                                      "{\"position\":1,\"rows\":[1],\"accuracy\":[2]}",
                                      "{\"position\":1,\"rows\":[\"a\"],\"accuracy\":[1]}"};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(ptd_store_put_asked(s, 1, bad[i]), 0);
        assert_int_equal(ptd_history_open(&again, s, 5, 1, 0), -1);
        assert_int_equal(ptd_failed_status(), PTD_DATAERR);
        ptd_history_clear(&again);
    }
    ptd_history_clear(&h);
    ptd_store_close(s);
}

/* The share of draws that hit a row is that of its weight; nothing is drawn twice. */
static void test_again(void **state)
{
    (void)state;
    double past[] = {0, -1, 0.5, 1, 0.75, 0.25};
    struct ptd_history h = {.rows = 6, .past = past};
    int first[6] = {0}, again[6], n = 20000;
    for (int step = 1; step <= n; step++) {
        uint8_t taken[6] = {0};
        assert_int_equal(ptd_history_again(&h, 5, step, 0, 6, taken, again), 4);
        first[again[0]]++;
        assert_int_equal(taken[0] + taken[2] + taken[4] + taken[5], 4);
    }
    assert_true(!first[1] && !first[3]);
    double within = 5 * sqrt(0.25 / n);
    assert_true(fabs(first[0] / (double)n - 1 / 2.5) < within);
    assert_true(fabs(first[2] / (double)n - 0.5 / 2.5) < within);
    assert_true(fabs(first[4] / (double)n - 0.25 / 2.5) < within);
    assert_true(fabs(first[5] / (double)n - 0.75 / 2.5) < within);
    uint8_t taken[6] = {1, 0, 0, 0, 1, 1};
    assert_int_equal(ptd_history_again(&h, 5, 1, 3, 6, taken, again), 1);
    assert_int_equal(again[0], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_surplus),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_nobody_waits),
        cmocka_unit_test_setup_teardown(test_history, setup, teardown),
        cmocka_unit_test(test_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
