/* Tests of ptd-stat's figures: pass@k, maj@k and McNemar against sums over all choices, ranges
 * against known values and a plain bootstrap, counting, answers, calibration. */
#include "base/bootstrap.h"
#include "base/chance.h"
#include "base/rng.h"
#include "test.h"
#include "view/calibration.h"
#include "view/tally.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
                assert_close(ptd_pass_at_k(n, c, k), 1 - choose(n - c, k) / choose(n, k), 1e-12);
    assert_close(ptd_pass_at_k(100000, 1, 1), 1e-5, 1e-15);
}

/* of[n]: the answer of each try, -1 none; over all subsets of k of them. */
static double majority_by_subsets(const int *of, int n, int m, int right, int k)
{
    double sum = 0, subsets = 0;
    for (int set = 0; set < 1 << n; set++) {
        int votes[16] = {0}, most = 0, as_many = 0;
        if (__builtin_popcount((unsigned)set) != k) continue;
        for (int i = 0; i < n; i++)
            if (set >> i & 1 && of[i] >= 0) votes[of[i]]++;
        for (int i = 0; i < m; i++) most = votes[i] > most ? votes[i] : most;
        for (int i = 0; i < m; i++) as_many += votes[i] == most;
        subsets++;
        if (most && right >= 0 && votes[right] == most) sum += 1. / as_many;
    }
    return sum / subsets;
}

static void majority_is_that_of_all_subsets(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        int n = 1 + (int)ptd_below(9, 5, PTD_RNG_TEST, (uint32_t)round, 0, 0), m = 4;
        int of[10], votes[4] = {0},
                    right = (int)ptd_below(5, 5, PTD_RNG_TEST, (uint32_t)round, 0, 1) - 1;
        for (int i = 0; i < n; i++) {
            of[i] = (int)ptd_below(6, 5, PTD_RNG_TEST, (uint32_t)round, 1, (uint32_t)i) - 2;
            if (of[i] < 0) of[i] = of[i] == -1 ? 0 : -1;
            if (of[i] >= 0) votes[of[i]]++;
        }
        for (int k = 1; k <= n; k++)
            assert_close(ptd_maj_at_k(votes, m, right, n, k),
                         majority_by_subsets(of, n, m, right, k), 1e-11);
    }
    assert_close(ptd_maj_at_k((int[]){3000, 1000}, 2, 0, 4096, 1), 3000. / 4096, 1e-9);
    assert_close(ptd_maj_at_k((int[]){2, 2}, 2, 1, 4, 4), 0.5, 0);
}

static void mcnemar_sums_the_tails(void **state)
{
    (void)state;
    for (int a = 0; a <= 12; a++)
        for (int b = 0; b <= 12; b++) {
            double p = 0; /* of all splits as uneven as this one or more */
            for (int i = 0; i <= a + b; i++)
                if (abs(2 * i - a - b) >= abs(a - b)) p += choose(a + b, i) / pow(2, a + b);
            assert_close(ptd_mcnemar(a, b), p, 1e-12);
        }
    assert_true(ptd_mcnemar(900, 1100) < 1e-5 && ptd_mcnemar(900, 1100) > 1e-6);
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The ends at 2.5 and 97.5 % of 1000 resamples of N clusters, one draw at a time. */
static struct ptd_range plain_bootstrap(const double *sum, const double *n, int N, uint64_t seed)
{
    double ratio[1000];
    for (uint32_t b = 0; b < 1000; b++) {
        double s = 0, m = 0;
        for (uint32_t i = 0; i < (uint32_t)N; i++) {
            uint32_t r[4];
            ptd_random(r, seed, PTD_RNG_BOOTSTRAP, b, 0, i / 4);
            int at = (int)((double)r[i % 4] / 4294967296. * N);
            s += sum[at], m += n[at];
        }
        ratio[b] = s / m;
    }
    qsort(ratio, 1000, sizeof *ratio, rising);
    return (struct ptd_range){0, ratio[24] + 0.975 * (ratio[25] - ratio[24]),
                              ratio[974] + 0.025 * (ratio[975] - ratio[974])};
}

static void bootstrap_draws_clusters(void **state)
{
    (void)state;
    enum { N = 1500 };
    static double sum[N], n[N];
    for (int i = 0; i < N; i++) {
        n[i] = 1 + i % 3;
        sum[i] = n[i] * ptd_uniform(3, PTD_RNG_TEST, (uint32_t)i, 0, 0);
    }
    for (int clusters = 2; clusters <= N; clusters += 749) {
        struct ptd_range got, want = plain_bootstrap(sum, n, clusters, 9);
        ptd_bootstrap(&(struct ptd_clusters){clusters, 1, sum, n, NULL}, 1000, 9, &got);
        assert_close(got.lo, want.lo, 1e-12);
        assert_close(got.hi, want.hi, 1e-12);
        assert_true(got.lo <= got.value && got.value <= got.hi);
    }
    struct ptd_range one;
    ptd_bootstrap(&(struct ptd_clusters){1, 1, sum, n, NULL}, 1000, 9, &one);
    assert_true(isnan(one.lo) && isnan(one.hi) && !isnan(one.value));
}

/* ---- tallies ---- */

static struct ptd_tally_rules rules(int group, int k)
{
    return (struct ptd_tally_rules){
        .ks = {1, k}, .n_ks = k > 1 ? 2 : 1, .group = group, .resamples = 2000, .seed = 1};
}

/* A group of n responses, of which the first `right` are right. */
static void add(struct ptd_tallies *t, const char *uid, int n, int right)
{
    struct ptd_rollout y[16] = {{0}};
    struct ptd_group g = {
        .uid = uid, .category = "a", .answer = "1", .rollouts = y, .n_rollouts = n};
    for (int i = 0; i < n; i++) {
        y[i].outcome = i < right ? PTD_RIGHT : PTD_WRONG;
        y[i].accuracy = i < right;
        y[i].extracted = i < right ? "1" : "2";
    }
    assert_int_equal(ptd_tallies_add(t, &g), 0);
}

static void wilson_for_single_responses(void **state)
{
    (void)state;
    struct ptd_tally_rules r = rules(1, 1);
    struct ptd_tallies t;
    struct ptd_range out[PTD_FIGURES_MAX];
    char uid[8];
    ptd_tallies_init(&t, &r);
    for (int i = 0; i < 100; i++) snprintf(uid, sizeof uid, "%d", i), add(&t, uid, 1, i < 50);
    ptd_tally_ranges(&t.total, &r, out);
    assert_close(out[0].lo, 0.403832, 1e-6);
    assert_close(out[0].hi, 0.596168, 1e-6);
    ptd_tallies_clear(&t);
    ptd_tallies_init(&t, &r);
    for (int i = 0; i < 10; i++) snprintf(uid, sizeof uid, "%d", i), add(&t, uid, 1, 0);
    ptd_tally_ranges(&t.total, &r, out);
    assert_close(out[0].lo, 0, 0);
    assert_close(out[0].hi, 0.277533, 1e-6);
    ptd_tallies_clear(&t);
}

static void prompts_are_drawn_otherwise(void **state)
{
    (void)state;
    struct ptd_tally_rules r = rules(8, 8);
    struct ptd_tallies t;
    struct ptd_range out[PTD_FIGURES_MAX];
    double sum[40], n[40];
    char uid[8];
    ptd_tallies_init(&t, &r);
    for (int i = 0; i < 40; i++) {
        snprintf(uid, sizeof uid, "%d", i);
        add(&t, uid, 8, i % 9);
        sum[i] = (i % 9) / 8., n[i] = 1;
    }
    r.resamples = 1000, r.seed = 4;
    ptd_tally_ranges(&t.total, &r, out);
    struct ptd_range want = plain_bootstrap(sum, n, 40, 4);
    assert_close(out[0].lo, want.lo, 1e-12);
    assert_close(out[0].hi, want.hi, 1e-12);
    ptd_tallies_clear(&t);
    ptd_tallies_init(&t, &r); /* one prompt says nothing of spread; prompts alike are Wilson's */
    add(&t, "x", 8, 4);
    ptd_tally_ranges(&t.total, &r, out);
    assert_true(isnan(out[0].lo) && isnan(out[0].hi));
    for (int i = 0; i < 99; i++) snprintf(uid, sizeof uid, "%d", i), add(&t, uid, 8, 4);
    ptd_tally_ranges(&t.total, &r, out);
    assert_close(out[0].lo, 0.403832, 1e-6);
    ptd_tallies_clear(&t);
}

/* Ten steps that ask the same two prompts say as much as two prompts do. */
static void a_prompt_asked_again_is_no_other(void **state)
{
    (void)state;
    struct ptd_tally_rules r = rules(4, 4);
    struct ptd_tallies t;
    struct ptd_range out[PTD_FIGURES_MAX];
    ptd_tallies_init(&t, &r);
    for (int i = 0; i < 10; i++) add(&t, "x", 4, 4), add(&t, "y", 4, 0);
    ptd_tally_ranges(&t.total, &r, out);
    assert_int_equal(t.total.prompts, 20);
    assert_close(out[0].value, 0.5, 0);
    assert_close(out[0].lo, 0, 0);
    assert_close(out[0].hi, 1, 0);
    ptd_tallies_clear(&t);
    r = rules(1, 1);
    ptd_tallies_init(&t, &r);
    for (int i = 0; i < 10; i++) add(&t, "x", 1, 1), add(&t, "y", 1, 0);
    ptd_tally_ranges(&t.total, &r, out);
    assert_close(out[0].lo, 0, 0); /* not Wilson's of twenty */
    assert_close(out[0].hi, 1, 0);
    ptd_tallies_clear(&t);
}

static void counts_a_group(void **state)
{
    (void)state;
    struct ptd_rollout y[4] = {
        {.outcome = PTD_RIGHT, .accuracy = 1, .format = 1, .n = 10, .stop = "eos"},
        {.outcome = PTD_WRONG, .format = 1, .n = 20, .stop = "eos", .extracted = "7"},
        {.outcome = PTD_UNPARSABLE, .n = 30, .stop = "length"},
        {.outcome = PTD_RIGHT, .accuracy = 1, .format = 1, .n = 10, .stop = "eos"}};
    struct ptd_group g = {
        .uid = "x", .category = "a", .rollouts = y, .n_rollouts = 4, .group_accuracy = 0.5};
    struct ptd_tally_rules r = rules(4, 2);
    struct ptd_tallies table;
    ptd_tallies_init(&table, &r);
    assert_int_equal(ptd_tallies_add(&table, &g), 0);
    g.n_rollouts = 1;
    g.uid = "y";
    assert_int_equal(ptd_tallies_add(&table, &g), 0);
    assert_int_equal(table.n, 1);
    const struct ptd_tally *t = &table.row[0];
    assert_int_equal(t->prompts, 2);
    assert_int_equal(t->n, 5);
    assert_int_equal(t->right, 3);
    assert_int_equal(t->form, 4);
    assert_int_equal(t->unparsable, 1);
    assert_int_equal(t->cut, 1);
    assert_int_equal(t->tokens, 80);
    assert_int_equal(t->all_pass, 1);
    assert_int_equal(t->all_fail, 0);
    assert_int_equal(t->graded, 0);
    assert_string_equal(r.figure[0].name, "pass@1");
    assert_string_equal(r.figure[1].name, "pass@2");
    assert_string_equal(r.figure[2].name, "mean@4");
    assert_string_equal(r.figure[3].name, "maj@2");
    assert_close(t->sum[0] + t->sum[4], 1.5, 0);
    assert_close(t->sum[1], 1 - 1. / 6, 1e-12); /* of pass@2 */
    assert_close(t->tried[5], 0, 0);            /* the second prompt has too few responses for it */
    /* right beats nothing and itself, ties with 7: both right 1, right with 7 twice a half, right
     * with none twice 1, 7 with none 0, of 6 */
    assert_close(t->sum[3], (1 + 2 * 0.5 + 2) / 6, 1e-12);
    g.group_accuracy = -1;
    assert_int_equal(ptd_tallies_add(&table, &g), -1);
    ptd_tallies_clear(&table);
}

/* Linear, or this test is ended. */
static void finds_its_row_among_many(void **state)
{
    (void)state;
    const int n = 400000;
    char name[16];
    struct ptd_rollout y = {.outcome = PTD_RIGHT, .accuracy = 1};
    struct ptd_group g = {
        .uid = name, .category = name, .rollouts = &y, .n_rollouts = 1, .group_accuracy = 1};
    struct ptd_tally_rules r = rules(1, 1);
    struct ptd_tallies table;
    ptd_tallies_init(&table, &r);
    alarm(60);
    for (int i = 0; i < 2 * n; i++) {
        snprintf(name, sizeof name, "k%d", i % n);
        assert_int_equal(ptd_tallies_add(&table, &g), 0);
    }
    alarm(0);
    assert_int_equal(table.n, n);
    assert_int_equal(table.row[7].prompts, 2);
    assert_string_equal(table.row[7].name, "k7");
    ptd_tallies_clear(&table);
}

static void different_names_have_different_keys(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"caf\xe9", "caf\\xe9"}, {"caf\xff", "caf\\xff"},    {"caf\xef\xbf\xbd", "caf\xef\xbf\xbd"},
        {"a\\b", "a\\b"},        {"caf\\xe9", "caf\\\\xe9"}, {"\\\xe9", "\\\\\\xe9"}};
    const int n = sizeof names / sizeof *names;
    struct ptd_rollout y = {.outcome = PTD_RIGHT, .accuracy = 1};
    struct ptd_group g = {.uid = "x", .rollouts = &y, .n_rollouts = 1, .group_accuracy = 1};
    struct ptd_tally_rules r = rules(1, 1);
    struct ptd_tallies table;
    ptd_tallies_init(&table, &r);
    for (int i = 0; i < 2 * n; i++) {
        g.category = names[i % n][0];
        assert_int_equal(ptd_tallies_add(&table, &g), 0);
    }
    assert_int_equal(table.n, n);
    for (int i = 0; i < n; i++) assert_string_equal(table.row[i].name, names[i][1]);
    ptd_tallies_clear(&table);
}

/* ---- two streams ---- */

static void pairs_go_by_prompt(void **state)
{
    (void)state;
    struct ptd_tally_rules r = rules(1, 1);
    struct ptd_tallies here, there;
    struct ptd_paired p;
    char uid[8];
    ptd_tallies_init(&here, &r);
    ptd_tallies_init(&there, &r);
    for (int i = 0; i < 20; i++) snprintf(uid, sizeof uid, "%d", i), add(&here, uid, 1, i < 12);
    for (int i = 22; i >= 2; i--) snprintf(uid, sizeof uid, "%d", i), add(&there, uid, 1, i % 2);
    assert_int_equal(ptd_tally_pair(&here.total, &there.total, &r, &p), 0);
    assert_int_equal(p.prompts, 18);
    assert_int_equal(p.only_here, 2);
    assert_int_equal(p.only_there, 3);
    /* here 2..11, there 3 5 7 ... 19 */
    assert_int_equal(p.right_both, 5);
    assert_int_equal(p.right_here, 5);
    assert_int_equal(p.right_there, 4);
    assert_int_equal(p.wrong_both, 4);
    assert_close(p.more[0].value, 1. / 18, 1e-12);
    assert_close(p.p, 1, 1e-12);
    struct ptd_pairs plain = {0};
    for (int i = 2; i < 20; i++) ptd_pairs_add(&plain, i % 2, i < 12);
    assert_close(p.more[0].lo, ptd_pairs_range(&plain).lo, 1e-12);
    ptd_tallies_clear(&there);
    ptd_tallies_init(&there, &r);
    add(&there, "elsewhere", 1, 1);
    assert_int_equal(ptd_tally_pair(&here.total, &there.total, &r, &p), -1);
    ptd_tallies_clear(&there);
    ptd_tallies_clear(&here);
}

/* Sixths and a half, thirds and pairs: as much is right in both, prompt by prompt or not. */
static void what_cancels_is_nothing(void **state)
{
    (void)state;
    for (int prompts = 3; prompts < 60; prompts += 3) {
        struct ptd_tally_rules r = rules(6, 6);
        struct ptd_tallies here, there;
        struct ptd_paired p;
        char uid[8];
        r.resamples = 100;
        ptd_tallies_init(&here, &r);
        ptd_tallies_init(&there, &r);
        for (int i = 0; i < prompts; i++) {
            snprintf(uid, sizeof uid, "%d", i);
            add(&here, uid, 6, 1);
            add(&there, uid, 6, i % 3 ? 0 : 3);
        }
        assert_int_equal(ptd_tally_pair(&here.total, &there.total, &r, &p), 0);
        assert_true(p.more[0].value == 0 && p.more[2].value == 0); /* pass@1, mean@6 */
        assert_true(p.more[0].lo < -0.05 && p.more[0].hi > 0.05);
        ptd_tallies_clear(&here);
        ptd_tallies_clear(&there);
    }
}

/* Three prompts that nobody answers right prove nothing. */
static void no_difference_is_no_point(void **state)
{
    (void)state;
    struct ptd_tally_rules r = rules(6, 6);
    struct ptd_tallies here, there;
    struct ptd_paired p;
    r.resamples = 100;
    ptd_tallies_init(&here, &r);
    ptd_tallies_init(&there, &r);
    for (char uid[] = "a"; *uid < 'd'; ++*uid) add(&here, uid, 6, 0), add(&there, uid, 6, 0);
    assert_int_equal(ptd_tally_pair(&here.total, &there.total, &r, &p), 0);
    assert_true(p.more[0].value == 0 && p.more[0].lo < -0.3 && p.more[0].hi > 0.3);
    ptd_tallies_clear(&here);
    ptd_tallies_clear(&there);
}

/* A difference that is small, but there. */
static void small_differences_stay(void **state)
{
    (void)state;
    double sum[3] = {1, 1e-13, -1}, n[3] = {1, 1, 1}, crumb = 3 * 0x1p-50;
    struct ptd_range out;
    ptd_bootstrap(&(struct ptd_clusters){3, 1, sum, n, &crumb}, 100, 1, &out);
    assert_close(out.value, 1e-13 / 3, 1e-28);
    sum[1] = 1e-16;
    ptd_bootstrap(&(struct ptd_clusters){3, 1, sum, n, &crumb}, 100, 1, &out);
    assert_true(out.value == 0);
}

/* ---- answers ---- */

static void answers_are_told_apart(void **state)
{
    (void)state;
    struct ptd_rollout y[7] = {{.outcome = PTD_RIGHT, .extracted = "1/2"},
                               {.outcome = PTD_RIGHT, .extracted = "0.50"},
                               {.outcome = PTD_WRONG, .extracted = "7"},
                               {.outcome = PTD_WRONG, .extracted = "7.0"},
                               {.outcome = PTD_WRONG, .extracted = "A dog."},
                               {.outcome = PTD_WRONG, .extracted = "a dog"},
                               {.outcome = PTD_UNPARSABLE}};
    struct ptd_group g = {.uid = "x", .answer = "0.5", .rollouts = y, .n_rollouts = 7};
    struct ptd_answers a = {0};
    struct ptd_votes v;
    int which[2];
    ptd_answers_count(&a, &g);
    assert_int_equal(a.given, 6);
    assert_int_equal(ptd_answers_different(&a), 3);
    assert_int_equal(ptd_answers_wanted(&a), 1);
    assert_string_equal(a.at[ptd_answers_best_guess(&a)].as, "0.5");
    y[4].extracted = "7";
    ptd_answers_count(&a, &g);
    assert_int_equal(ptd_answers_frequent(&a, which, 2), 2);
    assert_string_equal(a.at[which[0]].as, "7");
    assert_int_equal(a.at[which[0]].times, 5);
    assert_int_equal(a.at[which[1]].right, 4);
    ptd_votes_count(&v, &g);
    assert_int_equal(v.n, 3);
    assert_int_equal(v.votes[v.right], 2);
    assert_int_equal(v.of[6], -1);
    ptd_votes_clear(&v);
    g.answer = "B"; /* letters, in any dress */
    y[0] = (struct ptd_rollout){.outcome = PTD_RIGHT, .extracted = "(B) 12 cm"};
    y[1] = (struct ptd_rollout){.outcome = PTD_WRONG, .extracted = "\\text{(C)}"};
    y[2] = (struct ptd_rollout){.outcome = PTD_WRONG, .extracted = "C"};
    g.n_rollouts = 3;
    ptd_votes_count(&v, &g);
    assert_int_equal(v.n, 2);
    ptd_votes_clear(&v);
    ptd_answers_clear(&a);
}

/* ---- calibration ---- */

static void calibration_by_hand(void **state)
{
    (void)state;
    float sure[] = {logf(0.9f), logf(0.9f)}, torn[] = {logf(0.25f), logf(0.16f)};
    struct ptd_rollout y[3] = {{.outcome = PTD_RIGHT, .n = 2, .logp = sure},
                               {.outcome = PTD_WRONG, .n = 2, .logp = torn},
                               {.outcome = PTD_WRONG, .n = 2, .logp = sure}};
    struct ptd_group g = {.uid = "x", .answer = "1", .rollouts = y, .n_rollouts = 3};
    struct ptd_calibration c = {.by = PTD_SURE_TOKENS}, whole = {.by = PTD_SURE_RESPONSE};
    struct ptd_calibrated out;
    assert_int_equal(ptd_calibration_add(&c, &g), 0);
    ptd_calibration_find(&c, 100, 0, &out);
    assert_close(out.confidence, (0.9 + 0.2 + 0.9) / 3, 1e-6);
    assert_close(out.right, 1. / 3, 1e-12);
    assert_close(out.brier, (0.01 + 0.04 + 0.81) / 3, 1e-6);
    assert_close(out.ece, (2 * 0.4 + 0.2) / 3,
                 1e-6);                   /* 0.9 twice, half of them right; 0.2, wrong */
    assert_close(out.auroc, 0.75, 1e-12); /* above one wrong, level with the other */
    assert_int_equal(out.bin[2].n + out.bin[1].n, 1);
    assert_int_equal(ptd_calibration_add(&whole, &g), 0);
    ptd_calibration_find(&whole, 100, 0, &out);
    assert_close(out.confidence, (0.81 + 0.04 + 0.81) / 3, 1e-6);
    y[0].logp = NULL;
    assert_int_equal(ptd_calibration_add(&c, &g), -1);
    ptd_calibration_clear(&c);
    ptd_calibration_clear(&whole);
}

/* As sure as it is right: of six votes one is right, six times. */
static void votes_are_sure_to_the_last_digit(void **state)
{
    (void)state;
    struct ptd_calibration c = {.by = PTD_SURE_VOTES};
    struct ptd_calibrated out;
    struct ptd_rollout y[6] = {{.outcome = PTD_RIGHT}};
    char said[6][2];
    for (int i = 1; i < 6; i++) {
        snprintf(said[i], 2, "%d", i + 1);
        y[i] = (struct ptd_rollout){.outcome = PTD_WRONG, .extracted = said[i]};
    }
    struct ptd_group g = {.uid = "x", .answer = "1", .rollouts = y, .n_rollouts = 6};
    for (int i = 0; i < 7; i++) assert_int_equal(ptd_calibration_add(&c, &g), 0);
    ptd_calibration_find(&c, 100, 0, &out);
    assert_true(out.ece == 0);
    assert_close(out.confidence, out.right, 1e-15);
    ptd_calibration_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pass_at_k_is_unbiased),
                                       cmocka_unit_test(majority_is_that_of_all_subsets),
                                       cmocka_unit_test(mcnemar_sums_the_tails),
                                       cmocka_unit_test(bootstrap_draws_clusters),
                                       cmocka_unit_test(wilson_for_single_responses),
                                       cmocka_unit_test(prompts_are_drawn_otherwise),
                                       cmocka_unit_test(a_prompt_asked_again_is_no_other),
                                       cmocka_unit_test(counts_a_group),
                                       cmocka_unit_test(finds_its_row_among_many),
                                       cmocka_unit_test(different_names_have_different_keys),
                                       cmocka_unit_test(pairs_go_by_prompt),
                                       cmocka_unit_test(what_cancels_is_nothing),
                                       cmocka_unit_test(no_difference_is_no_point),
                                       cmocka_unit_test(small_differences_stay),
                                       cmocka_unit_test(answers_are_told_apart),
                                       cmocka_unit_test(calibration_by_hand),
                                       cmocka_unit_test(votes_are_sure_to_the_last_digit)};
    return cmocka_run_group_tests_name("stat", tests, NULL, NULL);
}
