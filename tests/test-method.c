/* test-method: walks the tables of losses, advantages and divergences: each value against a plain
 * form in double, each gradient against its finite differences. An entry without a plain form here
 * fails. Then one more of each, added through the same contract. */
#include "methods.h"
#include "base/err.h"
#include "base/rng.h"
#include "method/advantage/advantage.h"
#include "method/loss/kl.h"
#include "method/loss/ppo.h"
#include <stdio.h>
#include <stdlib.h>

static double normal(int which, int i)
{
    return ptd_normal(12, PTD_RNG_TEST, (uint32_t)which, (uint32_t)i, 0);
}

/* ---- advantages ---- */

static double mean_of(const double *x, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    return sum / n;
}

static double plain_grpo(const double *r, int n, int i)
{
    double mean = mean_of(r, n), square = 0;
    for (int j = 0; j < n; j++) square += (r[j] - mean) * (r[j] - mean);
    return n > 1 ? (r[i] - mean) / (sqrt(square / (n - 1)) + 1e-6) : 0;
}

static double plain_dr_grpo(const double *r, int n, int i)
{
    return r[i] - mean_of(r, n);
}

static double plain_rloo(const double *r, int n, int i)
{
    double others = 0;
    for (int j = 0; j < n; j++) others += j == i ? 0 : r[j];
    return n > 1 ? r[i] - others / (n - 1) : 0;
}

static double plain_none(const double *r, int n, int i)
{
    return 0;
}

static double plain_rank(const double *r, int n, int i)
{
    double beaten = 0;
    for (int j = 0; j < n; j++) beaten += (r[i] > r[j]) - (r[i] < r[j]);
    return beaten / n;
}

static const struct {
    const char *name;
    double (*of)(const double *r, int n, int i);
} plain_advantages[] = {{"grpo", plain_grpo},
                        {"dr-grpo", plain_dr_grpo},
                        {"rloo", plain_rloo},
                        {"none", plain_none},
                        {"rank", plain_rank}};

static void check_advantage(const struct ptd_advantage *a)
{
    size_t which = 0, n_forms = sizeof plain_advantages / sizeof *plain_advantages;
    while (which < n_forms && strcmp(plain_advantages[which].name, a->is.name)) which++;
    if (which == n_forms) fail_msg("advantage %s is in the table and not in this test", a->is.name);
    for (int n = 1; n <= 9; n++)
        for (int kind = 0; kind < 4; kind++) {
            double r[9], got[9];
            for (int i = 0; i < n; i++)
                got[i] = 7, r[i] = kind == 0   ? normal(n, i)
                                   : kind == 1 ? (normal(n, i) > 0) * 0.9 + 0.1
                                   : kind == 2 ? 1e6 + normal(n, i)
                                               : 0.1 * n; /* equal: exactly 0 */
            a->value(a->is.own, r, n, got);
            for (int i = 0; i < n; i++) {
                double want = plain_advantages[which].of(r, n, i);
                if (kind == 3 || n == 1) assert_true(got[i] == 0);
                if (kind != 3) assert_close(got[i], want, kind == 2 ? 1e-8 : 1e-12);
            }
        }
}

static void advantages_are_their_formulas(void **state)
{
    (void)state;
    for (int i = 0; ptd_advantages[i]; i++)
        check_advantage((const struct ptd_advantage *)ptd_advantages[i]);
}

/* ---- divergences ---- */

enum { BUCKETS = 40, ROOM = BUCKETS + VEC };

/* Sum 1, with `zeros` of them 0; then zeros to the end of a vector. */
static void masses(int which, int n, int zeros, float *s)
{
    double sum = 0;
    memset(s, 0, ROOM * sizeof *s);
    for (int b = zeros; b < n; b++) sum += exp(1.5 * normal(which, b));
    for (int b = zeros; b < n; b++) s[b] = (float)(exp(1.5 * normal(which, b)) / sum);
}

static void check_divergence(const struct ptd_divergence *d, int which, int n)
{
    double (*plain)(double, double) = plain_divergence_of(d->is.name), want = 0;
    float s[ROOM], t[ROOM], g[ROOM];
    masses(2 * which, n, 0, s);
    masses(2 * which + 1, n, 0, t);
    for (int b = 0; b < n; b++) want += plain(s[b], t[b]);
    assert_close(d->value(d->is.own, s, t, n, g), want, 1e-6 * (1 + want));
    for (int b = 0; b < n; b++) {
        double h = 1e-4 * s[b];
        if (!plain_learns(d))
            assert_true(g[b] == 0);
        else
            assert_close(g[b], s[b] * (plain(s[b] + h, t[b]) - plain(s[b] - h, t[b])) / (2 * h),
                         1e-6 * (s[b] + t[b]) + 1e-8);
    }
    assert_true(!d->most || want <= d->most);
}

/* Masses of 0, and what is not finite. */
static void check_divergence_at_the_edges(const struct ptd_divergence *d)
{
    float s[ROOM], t[ROOM], g[ROOM];
    masses(1, 9, 3, s);
    masses(2, 9, 5, t);
    assert_true(isfinite(d->value(d->is.own, s, t, 9, g)));
    for (int b = 0; b < 9; b++) assert_true(isfinite(g[b]));
    assert_close(d->value(d->is.own, s, s, 9, g), 0, 1e-6);
    for (int side = 0; side < 2; side++)
        for (int b = 0; b < 9; b++) {
            float *x = side ? s : t, saved = x[b];
            x[b] = NAN;
            assert_true(isnan(d->value(d->is.own, s, t, 9, g)));
            x[b] = saved;
        }
}

static void divergences_are_their_formulas(void **state)
{
    (void)state;
    for (int i = 0; divergence_number(i); i++) {
        for (int which = 0; which < 20; which++)
            check_divergence(divergence_number(i), which, 1 + 2 * which);
        check_divergence_at_the_edges(divergence_number(i));
    }
}

/* The option of gjsd in both spellings, and its ends. */
static void gjsd_lies_between_the_two(void **state)
{
    static const char *const names[] = {"gjsd=0", "gjsd=0.1", "gjsd=0.75", "gjsd=1"};
    float s[ROOM], t[ROOM], g[2][ROOM];
    (void)state;
    for (int i = 0; i < 4; i++) {
        const struct ptd_divergence *d = ptd_divergence_named(names[i]);
        assert_non_null(d);
        for (int which = 0; which < 20; which++) check_divergence(d, which, 1 + 2 * which);
        check_divergence_at_the_edges(d);
    }
    masses(3, 30, 0, s);
    masses(4, 30, 0, t);
    const struct ptd_divergence *d = ptd_divergence_named("gjsd=0.5"),
                                *jsd = ptd_divergence_named("jsd");
    assert_close(d->value(d->is.own, s, t, 30, g[0]), jsd->value(NULL, s, t, 30, g[1]), 1e-7);
    for (int b = 0; b < 30; b++) assert_close(g[0][b], g[1][b], 1e-8);
    for (const char *const *bad =
             (const char *const[]){"gjsd=2", "gjsd=", "gjsd=x", "jsd=0.5", "gjsd=nan", NULL};
         *bad; bad++)
        assert_null(ptd_divergence_named(*bad));
}

/* Over all words, each as often as the student says it, the mean of what the sampled word gives is
 * KL(S||T), and that of its gradient is that of KL(S||T). */
static void the_sampled_word_gives_the_reverse_on_average(void **state)
{
    enum { WORDS = 7 };
    const struct ptd_divergence *d = ptd_divergence_named("sampled");
    double z[WORDS], t[WORDS], value = 0, slope[WORDS] = {0};
    (void)state;
    for (int v = 0; v < WORDS; v++) z[v] = normal(61, v), t[v] = normal(62, v);
    plain_softmax(t, WORDS);
    double s[WORDS];
    memcpy(s, z, sizeof s);
    plain_softmax(s, WORDS);
    for (int y = 0; y < WORDS; y++) {
        double dlogp;
        value += s[y] * d->word(d->is.own, log(s[y]), log(t[y]), &dlogp);
        for (int v = 0; v < WORDS; v++) slope[v] += s[y] * dlogp * ((v == y) - s[v]);
    }
    for (int v = 0; v < WORDS; v++) {
        double h = 1e-5, kl[2] = {0};
        for (int up = 0; up < 2; up++) {
            double x[WORDS];
            memcpy(x, z, sizeof x);
            x[v] += up ? h : -h;
            plain_softmax(x, WORDS);
            for (int y = 0; y < WORDS; y++) kl[up] += plain_reverse(x[y], t[y]);
        }
        assert_close(slope[v], (kl[1] - kl[0]) / (2 * h), 1e-8);
        assert_close(value, (kl[0] + kl[1]) / 2, 1e-8);
    }
}

/* ---- losses: the whole of an update, as a function of its tokens' log-probs ---- */

enum { RESPONSES = 12, TOKENS = 5 * RESPONSES };

static struct update {
    double logp[TOKENS], old[TOKENS], ref[TOKENS];
    int32_t sequence[TOKENS];
    struct ptd_sequence sequences[RESPONSES];
    struct ptd_tokens t;
} update;

static void make_update(void)
{
    struct update *u = &update;
    u->t = (struct ptd_tokens){.n = 0,
                               .logp = u->logp,
                               .old = u->old,
                               .ref = u->ref,
                               .sequence = u->sequence,
                               .sequences = u->sequences,
                               .n_sequences = RESPONSES};
    for (int k = 0; k < RESPONSES; k++) {
        struct ptd_sequence *q = &u->sequences[k];
        *q = (struct ptd_sequence){.first = u->t.n,
                                   .n = 1 + k % 5,
                                   .group = k / 4,
                                   .advantage = normal(1, k),
                                   .has_old = 1,
                                   .reference = k / 4 != 1,
                                   .tutored = k == 5};
        for (int j = 0; j < q->n; j++, u->t.n++) {
            long i = u->t.n;
            u->sequence[i] = k;
            u->logp[i] = -1 - fabs(normal(2, (int)i));
            u->old[i] = u->logp[i] + normal(3, (int)i);
            u->ref[i] = u->logp[i] + 0.5 * normal(4, (int)i);
        }
    }
}

static double plain_ppo(const struct ptd_tokens *t)
{
    double sum = 0;
    for (long i = 0; i < t->n; i++) {
        const struct ptd_sequence *q = &t->sequences[t->sequence[i]];
        double A = q->advantage, r = exp(t->logp[i] - t->old[i]), d = t->ref[i] - t->logp[i],
               near = r < 0.8    ? 0.8
                      : r > 1.28 ? 1.28
                                 : r,
               pg = fmax(-A * r, -A * near);
        if (A < 0) pg = fmin(pg, -3 * A);
        sum += pg + (q->reference ? 0.01 * (exp(d) - d - 1) : 0);
    }
    return sum / t->n;
}

static double plain_sft(const struct ptd_tokens *t)
{
    double sum = 0;
    for (long i = 0; i < t->n; i++) sum -= t->logp[i];
    return sum / t->n;
}

/* Squared log-ratio, each response the mean of its tokens. */
static double plain_squared(const struct ptd_tokens *t)
{
    double sum = 0;
    for (long i = 0; i < t->n; i++) {
        double d = t->logp[i] - t->old[i] - 2 * t->sequences[t->sequence[i]].advantage;
        sum += d * d / t->sequences[t->sequence[i]].n;
    }
    return sum / t->n_sequences;
}

static const struct {
    const char *name;
    double (*of)(const struct ptd_tokens *);
} plain_losses[] = {{"ppo", plain_ppo}, {"sft", plain_sft}, {"squared", plain_squared}};

struct asked {
    double loss[TOKENS], dlogp[TOKENS], pg[TOKENS], kl[TOKENS], ratio[TOKENS];
    int8_t side[TOKENS];
};

/* `step` tokens at a time, as if by several threads: the last first. */
static double ask(const struct ptd_loss *l, long step, struct asked *a)
{
    struct ptd_token_losses out = {a->loss, a->dlogp, a->pg, a->kl, a->ratio, a->side};
    double sum = 0;
    memset(a, 0, sizeof *a);
    for (long first = (update.t.n - 1) / step * step; first >= 0; first -= step)
        l->value(l->is.own, &update.t, first, update.t.n - first < step ? update.t.n - first : step,
                 &out);
    for (long i = 0; i < update.t.n; i++) sum += a->loss[i];
    return sum;
}

static void check_loss(const struct ptd_loss *l)
{
    static struct asked one, some;
    size_t which = 0, n_forms = sizeof plain_losses / sizeof *plain_losses;
    const double h = 1e-6;
    while (which < n_forms && strcmp(plain_losses[which].name, l->is.name)) which++;
    if (which == n_forms) fail_msg("loss %s is in the table and not in this test", l->is.name);
    make_update();
    assert_close(ask(l, update.t.n, &one), plain_losses[which].of(&update.t), 1e-12);
    for (long i = 0; i < update.t.n; i++) {
        double kept = update.logp[i], side[2];
        for (int up = 0; up < 2; up++) {
            update.logp[i] = kept + (up ? h : -h);
            side[up] = plain_losses[which].of(&update.t);
        }
        update.logp[i] = kept;
        assert_close(one.dlogp[i], (side[1] - side[0]) / (2 * h), 1e-8);
    }
    if (!l->sequences) ask(l, 7, &some);
    if (!l->sequences) assert_memory_equal(&one, &some, sizeof one);
    update.logp[3] = NAN;
    assert_true(isnan(ask(l, update.t.n, &one)));
}

static void losses_are_their_formulas(void **state)
{
    (void)state;
    for (int i = 0; ptd_losses[i]; i++) check_loss((const struct ptd_loss *)ptd_losses[i]);
}

/* ---- clipped objective and k3 ---- */

struct pg_case {
    double log_ratio, advantage, dual;
    int side;
    double loss;
};

static const struct pg_case pg_cases[] = {
    {0, 1.5, 3, 0, -1.5},
    {0, -1.5, 3, 0, 1.5},
    {0.1, 2, 3, 0, -2 * 1.1051709180756477},
    {0.4, 2, 3, 1, -2 * 1.28},                 /* risen too far: clipped */
    {-0.5, 2, 3, 0, -2 * 0.60653065971263342}, /* fallen, should rise: not clipped */
    {-0.5, -2, 3, 1, 2 * 0.8},                 /* fallen too far: clipped */
    {0.4, -2, 3, 0, 2 * 1.4918246976412703},   /* risen, should fall: not clipped */
    {1.5, -2, 3, -1, 6},                       /* the dual clip bounds it */
    {1.5, -2, 0, 0, 2 * 4.4816890703380645},   /* dual off */
    {1.5, 2, 3, 1, -2 * 1.28},                 /* the dual clip leaves good tokens alone */
    {0.3, 0, 3, 0, 0},
};

static void pg_slopes_match(void **state)
{
    (void)state;
    const double old = -1.7, h = 1e-6;
    for (size_t i = 0; i < sizeof pg_cases / sizeof *pg_cases; i++) {
        const struct pg_case *c = &pg_cases[i];
        struct ptd_clip clip = {0.2, 0.28, c->dual};
        double d, none, x = old + c->log_ratio;
        int side, ignored;
        assert_close(ptd_pg(x, old, c->advantage, &clip, &d, &side), c->loss, 1e-12);
        assert_int_equal(side, c->side);
        double up = ptd_pg(x + h, old, c->advantage, &clip, &none, &ignored);
        double down = ptd_pg(x - h, old, c->advantage, &clip, &none, &ignored);
        assert_close(d, (up - down) / (2 * h), 1e-6 * (1 + fabs(d)));
    }
}

static void pg_at_ratio_one_is_plain_policy_gradient(void **state)
{
    (void)state;
    const struct ptd_clip clip = {0.2, 0.28, 3};
    double d;
    int side;
    assert_true(ptd_pg(-3.25, -3.25, 0.7, &clip, &d, &side) == -0.7);
    assert_true(d == -0.7 && side == 0);
    ptd_pg(NAN, -1, 0.7, &clip, &d, &side);
    assert_true(d != d); /* a broken log-prob must not look like a clipped one */
}

static void k3_slopes_match(void **state)
{
    (void)state;
    const double h = 1e-6, refs[] = {-9, -4, -2.5, -2.0, -1.9, -1, -0.1};
    double d, none;
    for (int i = 0; i < 7; i++) {
        double k = ptd_k3(-2, refs[i], &d);
        assert_close(k, exp(refs[i] + 2) - (refs[i] + 2) - 1, 1e-12);
        assert_true(k >= 0);
        double up = ptd_k3(-2 + h, refs[i], &none), down = ptd_k3(-2 - h, refs[i], &none);
        assert_close(d, (up - down) / (2 * h), 1e-6 * (1 + fabs(d)));
    }
    assert_true(ptd_k3(-2, -2, &d) == 0 && d == 0);
}

static void k3_is_bounded(void **state)
{
    (void)state;
    double d;
    assert_true(ptd_k3(-30, -1, &d) == 10 && d == 0); /* e^20 and more: clamped */
    assert_true(ptd_k3(-5, -1, &d) == 10 && d == 0);
    assert_true(ptd_k3(-1, -100, &d) == 10 && d == 0);
    ptd_k3(NAN, -1, &d);
    assert_true(d != d);
}

/* ---- tables ---- */

/* What was kept names the option, the name that is none, and all rows of the table. */
static void check_refusal(const char *option, const char *name, const struct ptd_method *const *m)
{
    char want[1000];
    int at = snprintf(want, sizeof want, "--%s \"%s\": expected one of ", option, name);
    for (int i = 0; m[i] && at < (int)sizeof want; i++)
        at += snprintf(want + at, sizeof want - at, "%s%s", i ? ", " : "", m[i]->name);
    assert_true(at < (int)sizeof want);
    assert_int_equal(ptd_failed_status(), PTD_USAGE);
    assert_string_equal(ptd_failed_message(), want);
}

static void names_are_found_or_told(void **state)
{
    (void)state;
    assert_ptr_equal(ptd_loss_named("ppo"), &ptd_loss_ppo);
    assert_ptr_equal(ptd_loss_named("policy"), &ptd_loss_ppo);
    assert_null(ptd_loss_named("ppo "));
    check_refusal("loss", "ppo ", ptd_losses);
    assert_null(ptd_advantage_named(""));
    check_refusal("advantage", "", ptd_advantages);
    assert_null(ptd_divergence_named("j"));
    check_refusal("divergence", "j", ptd_divergences);
}

static void rows_are_complete(void **state)
{
    static const struct ptd_method *const *tables[] = {ptd_losses, ptd_advantages, ptd_divergences};
    (void)state;
    for (int k = 0; k < 3; k++)
        for (const struct ptd_method *const *m = tables[k]; *m; m++) {
            assert_true(*(*m)->name && *(*m)->formula && (*m)->paper);
            assert_true(!(*m)->options == !(*m)->own);
        }
}

/* ---- one more of each ---- */

static double weight = 2;
static const struct ptd_opt squared_options[] = {
    {"squared-weight", 0, PTD_OPT_DOUBLE, &weight, "X", "of the advantage", 0, 9}, {0}};

static void squared_value(const void *own, const struct ptd_tokens *t, long first, long n,
                          const struct ptd_token_losses *out)
{
    for (long i = first; i < first + n; i++) {
        const struct ptd_sequence *q = &t->sequences[t->sequence[i]];
        double d = t->logp[i] - t->old[i] - *(const double *)own * q->advantage;
        out->loss[i] = d * d / q->n / t->n_sequences;
        out->dlogp[i] = 2 * d / q->n / t->n_sequences;
    }
}

static const struct ptd_loss squared = {.is = {.name = "squared",
                                               .formula = "(log r - w A)^2",
                                               .paper = "",
                                               .options = squared_options,
                                               .own = &weight},
                                        .value = squared_value};

static void rank_value(const void *own, const double *reward, int n, double *advantage)
{
    for (int i = 0; i < n; i++) {
        advantage[i] = 0;
        for (int j = 0; j < n; j++)
            advantage[i] += ((reward[i] > reward[j]) - (reward[i] < reward[j])) / (double)n;
    }
}

static const struct ptd_advantage rank = {
    .is = {.name = "rank", .formula = "share of the group that is worse, less that is better"},
    .value = rank_value};

/* A file with a row, and the row's line in a table: all that it takes to be named, told, configured
 * and tested. (A divergence is added in methods.h, and in test-rows on logits.) */
static void one_more_is_a_row(void **state)
{
    static ptd_method_table losses = {&ptd_loss_ppo.is, &squared.is, NULL},
                            advantages = {&rank.is, NULL};
    static const char *chosen;
    static const struct ptd_opt program[] = {
        {"loss", 0, PTD_OPT_STR, &chosen, "KIND", "%s: what is learned", 0, 0},
        {"other", 0, PTD_OPT_FLAG, &chosen, NULL, "something", 0, 0},
        {0}};
    static const struct ptd_method_choice choices[] = {{"loss", losses}, {0}};
    struct ptd_opt *all = ptd_method_options(program, choices);
    int at = 1; /* of the option that squared brings, behind those of ppo */
    (void)state;
    while (ptd_loss_ppo.is.options[at - 1].name) at++;
    assert_ptr_equal(ptd_method_named(losses, "loss", "squared"), &squared.is);
    assert_ptr_equal(ptd_method_named(advantages, "advantage", "rank"), &rank.is);
    assert_string_equal(all[0].help, "ppo, squared: what is learned");
    assert_string_equal(all[1].name, ptd_loss_ppo.is.options[0].name);
    assert_string_equal(all[at].name, "squared-weight");
    assert_string_equal(all[at].help, "squared: of the advantage");
    assert_string_equal(all[at + 1].name, "other");
    assert_null(all[at + 2].name);
    *(double *)all[at].value = 2;
    check_loss(&squared);
    check_advantage(&rank);
    check_divergence(&hellinger, 3, 7);
    for (int i = 0; i <= at; i++) free((char *)all[i].help);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(advantages_are_their_formulas),
        cmocka_unit_test(divergences_are_their_formulas),
        cmocka_unit_test(gjsd_lies_between_the_two),
        cmocka_unit_test(the_sampled_word_gives_the_reverse_on_average),
        cmocka_unit_test(losses_are_their_formulas),
        cmocka_unit_test(pg_slopes_match),
        cmocka_unit_test(pg_at_ratio_one_is_plain_policy_gradient),
        cmocka_unit_test(k3_slopes_match),
        cmocka_unit_test(k3_is_bounded),
        cmocka_unit_test(names_are_found_or_told),
        cmocka_unit_test(rows_are_complete),
        cmocka_unit_test(one_more_is_a_row),
    };
    return cmocka_run_group_tests_name("method", tests, NULL, NULL);
}
