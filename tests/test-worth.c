/* test-worth: advantages of whole groups: with a KL in the reward, token by token; what ptd-verify
 * noted; where updates of a step begin; a beta that follows its target. */
#include "base/err.h"
#include "base/rng.h"
#include "method/before.h"
#include "method/steered.h"
#include "method/worth.h"
#include "test.h"
#include <math.h>
#include <string.h>

enum { GROUPS = 3, ANSWERS = 4, MOST = 5, TOKENS = GROUPS * ANSWERS * MOST };

static struct ptd_rollout y[GROUPS][ANSWERS];
static float logp[GROUPS][ANSWERS][MOST], ref[GROUPS][ANSWERS][MOST];
static struct ptd_group group[GROUPS], *groups[GROUPS];
static double advantage[TOKENS], returns[TOKENS];

static double normal(int which, int i)
{
    return ptd_normal(15, PTD_RNG_TEST, (uint32_t)which, (uint32_t)i, 0);
}

static int make(void **state)
{
    (void)state;
    for (int g = 0; g < GROUPS; g++) {
        for (int i = 0; i < ANSWERS; i++) {
            int at = (g * ANSWERS + i) * MOST;
            for (int t = 0; t < MOST; t++) {
                logp[g][i][t] = (float)(-1 - fabs(normal(1, at + t)));
                ref[g][i][t] = logp[g][i][t] + (float)(0.4 * normal(2, at + t));
            }
            y[g][i] = (struct ptd_rollout){.n = (g + 2 * i) % (MOST + 1), /* some have none */
                                           .logp = logp[g][i],
                                           .ref_logp = ref[g][i],
                                           .reward = normal(3, at),
                                           .advantage = 77};
        }
        group[g] = (struct ptd_group){.uid = "g", .rollouts = y[g], .n_rollouts = ANSWERS};
        groups[g] = &group[g];
    }
    return 0;
}

/* ---- a KL in the reward ---- */

static int second(const void *ctx, const struct ptd_group *g)
{
    return g == ctx;
}

/* What is earned from token t on. */
static double plain_return(int g, int i, int t, double beta)
{
    double earned = y[g][i].reward;
    for (; g != 1 && t < y[g][i].n; t++) earned -= beta * ((double)logp[g][i][t] - ref[g][i][t]);
    return earned;
}

static void each_token_has_its_return(void **state)
{
    struct ptd_less less = {ptd_kl_named("k1"), 0.3, second, &group[1]};
    long at = 0;
    double all[TOKENS], mean = 0, square = 0;
    (void)state;
    assert_int_equal(ptd_worth_less_kl(ptd_advantage_named("reinforce++"), groups, GROUPS, &less,
                                       advantage, returns),
                     0);
    for (int g = 0; g < GROUPS; g++)
        for (int i = 0; i < ANSWERS; i++)
            for (int t = 0; t < y[g][i].n; t++, at++) {
                assert_close(returns[at], plain_return(g, i, t, 0.3), 1e-12);
                mean += all[at] = plain_return(g, i, t, 0.3);
            }
    assert_in_range(at, 10, TOKENS - 1);
    mean /= at;
    for (long k = 0; k < at; k++) square += (all[k] - mean) * (all[k] - mean);
    for (long k = 0; k < at; k++)
        assert_close(advantage[k], (all[k] - mean) / (sqrt(square / (at - 1)) + 1e-6), 1e-9);
}

/* Rows that compare responses: R less all of its KL, the same for each token. */
static void other_rows_compare_what_is_left(void **state)
{
    struct ptd_less less = {ptd_kl_named("k3"), 0.5, NULL, NULL};
    double ignored;
    long at = 0;
    (void)state;
    assert_int_equal(ptd_worth_less_kl(ptd_advantage_named("dr-grpo"), groups, GROUPS, &less,
                                       advantage, returns),
                     0);
    for (int g = 0; g < GROUPS; g++) {
        double left[ANSWERS], mean = 0;
        for (int i = 0; i < ANSWERS; i++) {
            left[i] = y[g][i].reward;
            for (int t = 0; t < y[g][i].n; t++)
                left[i] -=
                    0.5 * less.kl->value(logp[g][i][t], logp[g][i][t], ref[g][i][t], &ignored);
            mean += left[i] / ANSWERS;
        }
        for (int i = 0; i < ANSWERS; i++) {
            assert_close(y[g][i].advantage, left[i] - mean, 1e-12);
            for (int t = 0; t < y[g][i].n; t++) assert_true(advantage[at++] == y[g][i].advantage);
        }
    }
    less.beta = 0; /* then what ptd_worth gives */
    assert_int_equal(
        ptd_worth_less_kl(ptd_advantage_named("batch"), groups, GROUPS, &less, advantage, returns),
        0);
    double kept = y[2][1].advantage;
    assert_int_equal(ptd_worth(ptd_advantage_named("batch"), groups, GROUPS), 0);
    assert_true(y[2][1].advantage == kept);
}

static void what_lacks_is_named(void **state)
{
    struct ptd_less less = {ptd_kl_named("k1"), 0.3, NULL, NULL};
    (void)state;
    assert_int_equal(ptd_worth(ptd_advantage_named("remax"), groups, GROUPS), -1);
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    assert_non_null(strstr(ptd_failed_message(), "--greedy-baseline"));
    for (int g = 0; g < GROUPS; g++) group[g].has_baseline = 1, group[g].baseline = 0.25;
    assert_int_equal(ptd_worth(ptd_advantage_named("remax"), groups, GROUPS), 0);
    assert_true(y[1][2].advantage == y[1][2].reward - 0.25);
    assert_int_equal(
        ptd_worth_less_kl(ptd_advantage_named("gdpo"), groups, GROUPS, &less, advantage, returns),
        -1);
    assert_int_equal(ptd_failed_status(), PTD_USAGE);
}

/* ---- what was noted ---- */

static void rows_are_those_that_verify_noted(void **state)
{
    static const struct {
        const char *decided, *name;
        double eps;
    } cases[] = {{"ptd-verify", "grpo", 1e-6},
                 {"ptd-verify --advantage rloo", "rloo", 1e-6},
                 {"ptd-verify --judge number --advantage reinforce++-baseline --eps 0.25",
                  "reinforce++-baseline", 0.25},
                 {"ptd-verify --exec 'a --advantage none b' --eps 0.5", "grpo", 0.5}};
    struct ptd_stage_note notes[3] = {
        {.name = "ptd-rollout"}, {.name = "ptd-verify"}, {.name = "ptd-ref", .decided = "ptd-ref"}};
    struct ptd_head h = {.stages = notes, .n_stages = 3};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        notes[1].decided = cases[i].decided;
        ptd_eps = 1e-6;
        const struct ptd_advantage *a = ptd_worth_noted(&h);
        assert_string_equal(a->is.name, cases[i].name);
        if (a->is.options) assert_true(ptd_eps == cases[i].eps);
    }
    ptd_eps = 1e-6;
    notes[1].decided = "ptd-verify --advantage of-tomorrow";
    assert_null(ptd_worth_noted(&h));
    h.n_stages = 1;
    assert_null(ptd_worth_noted(&h));
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
}

/* ---- where updates begin ---- */

static void updates_begin_with_their_first_token(void **state)
{
    struct ptd_before b = {0};
    struct ptd_less less = {ptd_kl_named("k1"), 0.3, second, &group[1]};
    long first = 0;
    (void)state;
    assert_int_equal(ptd_before_worth(&b, groups, GROUPS, ptd_advantage_named("grpo"), &less), 0);
    for (int g = 0; g < GROUPS; g++) {
        struct ptd_known k = ptd_before_from(&b, groups, groups + g);
        assert_ptr_equal(k.advantage, b.advantage + first);
        assert_null(k.old);
        for (int i = 0; i < ANSWERS; i++) first += y[g][i].n;
    }
    assert_int_equal(b.tokens, first);
    long with = 0;
    double kl = 0;
    for (int g = 0; g < GROUPS; g += 2)
        for (int i = 0; i < ANSWERS; i++)
            for (int t = 0; t < y[g][i].n; t++, with++) kl += (double)logp[g][i][t] - ref[g][i][t];
    assert_int_equal(b.kl_tokens, with);
    assert_close(b.kl, kl, 1e-9);
    ptd_before_clear(&b);
    assert_null(b.advantage);
}

/* ---- a beta that is steered ---- */

static void beta_follows_its_target(void **state)
{
    const struct ptd_steered s = {0.1, 1000}, off = {0, 1000};
    (void)state;
    assert_close(ptd_steered(&s, 0.5, 0.11, 100), 0.5 * (1 + 0.1 * 100 / 1000), 1e-12);
    assert_close(ptd_steered(&s, 0.5, 9, 100), 0.5 * (1 + 0.2 * 100 / 1000), 1e-12);
    assert_close(ptd_steered(&s, 0.5, 0, 100), 0.5 * (1 - 0.2 * 100 / 1000), 1e-12);
    assert_true(ptd_steered(&s, 0.5, 0.1, 100) == 0.5);
    assert_true(ptd_steered(&s, 0.5, NAN, 100) == 0.5);
    assert_true(ptd_steered(&s, 0.5, INFINITY, 100) == 0.5);
    assert_true(ptd_steered(&s, 0.5, 0, 1e9) == 0.5); /* never below 0 */
    assert_true(ptd_steered(&off, 0.5, 9, 100) == 0.5);
}

#define TEST(f) cmocka_unit_test_setup(f, make)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_token_has_its_return),
        TEST(other_rows_compare_what_is_left),
        TEST(what_lacks_is_named),
        TEST(rows_are_those_that_verify_noted),
        TEST(updates_begin_with_their_first_token),
        TEST(beta_follows_its_target),
    };
    return cmocka_run_group_tests_name("worth", tests, NULL, NULL);
}
