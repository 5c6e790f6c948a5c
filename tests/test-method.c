/* test-method: walks the tables of losses, advantages and divergences: each value against a plain
 * form in double, each gradient against its finite differences. An entry without a plain form here
 * fails. Then one more of each, added through the same contract. */
#include "methods.h"
#include "base/err.h"
#include "base/rng.h"
#include "losses.h"
#include "method/advantage/advantage.h"
#include "method/learn.h"
#include "method/objective.h"
#include "method/preset.h"
#include <stdio.h>
#include <stdlib.h>

static double normal(int which, int i)
{
    return ptd_normal(12, PTD_RNG_TEST, (uint32_t)which, (uint32_t)i, 0);
}

/* ---- advantages: of a step of groups ---- */

enum { STEP = 5, MOST = 9, PARTS = 3 };

static struct judged {
    double reward[MOST], part[PARTS * MOST], weight[PARTS], baseline, got[MOST];
    int tokens[MOST];
} judged[STEP];
static struct ptd_rewarded step[STEP];

static double mean_of(const double *x, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    return sum / n;
}

static double deviation_of(const double *x, int n)
{
    double mean = mean_of(x, n), square = 0;
    for (int i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean);
    return n > 1 ? sqrt(square / (n - 1)) : 0;
}

static double plain_grpo(int g, int i)
{
    const double *r = step[g].reward;
    return (r[i] - mean_of(r, step[g].n)) / (deviation_of(r, step[g].n) + 1e-6);
}

static double plain_dr_grpo(int g, int i)
{
    return step[g].reward[i] - mean_of(step[g].reward, step[g].n);
}

static double plain_rloo(int g, int i)
{
    double others = 0;
    for (int j = 0; j < step[g].n; j++) others += j == i ? 0 : step[g].reward[j];
    return step[g].n > 1 ? step[g].reward[i] - others / (step[g].n - 1) : 0;
}

/* f of all responses of the step, one after the other; each as often as it has tokens. */
static double over_step(double (*f)(int g, int i), int by_token, double (*of)(const double *, int))
{
    static double all[STEP * MOST * 10];
    int n = 0;
    for (int g = 0; g < STEP; g++)
        for (int i = 0; i < step[g].n; i++)
            for (int k = 0; k < (by_token ? step[g].tokens[i] : 1); k++) all[n++] = f(g, i);
    return of(all, n);
}

static double reward_of(int g, int i)
{
    return step[g].reward[i];
}

static double plain_batch(int g, int i)
{
    return plain_dr_grpo(g, i) / (over_step(reward_of, 0, deviation_of) + 1e-6);
}

static double plain_reinforce_step(int g, int i)
{
    return (step[g].reward[i] - over_step(reward_of, 1, mean_of)) /
           (over_step(reward_of, 1, deviation_of) + 1e-6);
}

static double plain_reinforce_baseline(int g, int i)
{
    return plain_dr_grpo(g, i) / (over_step(plain_dr_grpo, 0, deviation_of) + 1e-6);
}

static double plain_parts(int g, int i)
{
    double sum = 0;
    int n = step[g].n;
    for (int k = 0; k < PARTS; k++) {
        const double *x = step[g].part + k * n;
        sum += step[g].weight[k] * (x[i] - mean_of(x, n)) / (deviation_of(x, n) + 1e-6);
    }
    return sum;
}

static double plain_gdpo(int g, int i)
{
    double mean = over_step(plain_parts, 0, mean_of);
    return (plain_parts(g, i) - mean) / (over_step(plain_parts, 0, deviation_of) + 1e-6);
}

static double plain_pass(int g, int i)
{
    const double *r = step[g].reward;
    double second = -INFINITY;
    if (step[g].n < 2) return 0;
    for (int j = 0; j < step[g].n; j++) {
        if (j != i && r[j] >= r[i]) return 0;
        if (j != i) second = fmax(second, r[j]);
    }
    return (r[i] - second) / (deviation_of(r, step[g].n) + 1e-6);
}

static double plain_remax(int g, int i)
{
    return step[g].reward[i] - *step[g].baseline;
}

static double plain_none(int g, int i)
{
    return 0;
}

static double plain_rank(int g, int i)
{
    const double *r = step[g].reward;
    double beaten = 0;
    for (int j = 0; j < step[g].n; j++) beaten += (r[i] > r[j]) - (r[i] < r[j]);
    return beaten / step[g].n;
}

static double (*plain_advantage_of(const char *name))(int g, int i)
{
    static const struct {
        const char *name;
        double (*of)(int g, int i);
    } forms[] = {{"grpo", plain_grpo},
                 {"dr-grpo", plain_dr_grpo},
                 {"rloo", plain_rloo},
                 {"reinforce++", plain_reinforce_step},
                 {"reinforce++-baseline", plain_reinforce_baseline},
                 {"batch", plain_batch},
                 {"gdpo", plain_gdpo},
                 {"pass@k", plain_pass},
                 {"remax", plain_remax},
                 {"none", plain_none},
                 {"rank", plain_rank}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (!strcmp(forms[i].name, name)) return forms[i].of;
    fail_msg("advantage %s is in the table and not in this test", name);
    return NULL;
}

/* n responses each. kind 0: any rewards; 1: few that differ; 2: large ones; 3: all equal, to a
 * number that is not exact, with their parts and the greedy answer's. */
static void make_step(int n, int kind)
{
    for (int g = 0; g < STEP; g++) {
        struct judged *j = &judged[g];
        for (int k = 0; k < PARTS; k++) j->weight[k] = 0.5 + k;
        for (int i = 0; i < n; i++) {
            double sum = 0;
            for (int k = 0; k < PARTS; k++) {
                double *x = &j->part[k * n + i], z = normal(10 * n + g, i * PARTS + k);
                *x = kind == 0 ? z : kind == 1 ? z > 0 : kind == 2 ? 1e6 + z : 0.1;
                sum += j->weight[k] * *x;
            }
            j->reward[i] = sum;
            j->tokens[i] = 1 + (g + i) % 7;
            j->got[i] = 7;
        }
        j->baseline = kind == 3 ? j->reward[0] : normal(99, g);
        step[g] = (struct ptd_rewarded){n,     j->reward,    j->tokens, j->part, j->weight,
                                        PARTS, &j->baseline, NULL,      j->got};
    }
}

static void ask_step(const struct ptd_advantage *a)
{
    if (a->step)
        a->value(a->is.own, step, STEP);
    else
        for (int g = 0; g < STEP; g++) a->value(a->is.own, step + g, 1);
}

static void check_advantage(const struct ptd_advantage *a)
{
    double (*want)(int, int) = plain_advantage_of(a->is.name);
    for (int n = 1; n <= MOST; n++)
        for (int kind = 0; kind < 4; kind++) {
            make_step(n, kind);
            ask_step(a);
            for (int g = 0; g < STEP; g++)
                for (int i = 0; i < n; i++) {
                    double x = want(g, i);
                    if (kind == 3) assert_true(judged[g].got[i] == 0);
                    if (kind != 3)
                        assert_close(judged[g].got[i], x,
                                     (kind == 2 ? 1e-5 : 1e-9) * (1 + fabs(x)));
                }
        }
}

static void advantages_are_their_formulas(void **state)
{
    (void)state;
    for (int i = 0; ptd_advantages[i]; i++)
        check_advantage((const struct ptd_advantage *)ptd_advantages[i]);
}

/* Groups in any order: the same, to the bit. */
static void the_order_of_groups_is_no_part(void **state)
{
    (void)state;
    for (int k = 0; ptd_advantages[k]; k++) {
        const struct ptd_advantage *a = (const struct ptd_advantage *)ptd_advantages[k];
        double kept[STEP][MOST];
        if (!a->step) continue;
        make_step(MOST, 0);
        ask_step(a);
        for (int g = 0; g < STEP; g++) memcpy(kept[g], judged[g].got, sizeof kept[g]);
        for (int turn = 1; turn < STEP; turn++) {
            make_step(MOST, 0);
            struct ptd_rewarded all[STEP];
            for (int g = 0; g < STEP; g++) all[(g * 2 + turn) % STEP] = step[g];
            memcpy(step, all, sizeof step);
            ask_step(a);
            for (int g = 0; g < STEP; g++)
                assert_memory_equal(kept[g], judged[g].got, sizeof kept[g]);
        }
    }
}

/* Where a whole step compares, one group of equal rewards among others is at exactly 0; not with
 * reinforce++, which knows no groups, nor against a greedy answer that earns something else. */
static void equal_rewards_are_worth_exactly_nothing(void **state)
{
    (void)state;
    for (int k = 0; ptd_advantages[k]; k++) {
        const struct ptd_advantage *a = (const struct ptd_advantage *)ptd_advantages[k];
        make_step(MOST, 0);
        for (int i = 0; i < MOST; i++) {
            judged[2].reward[i] = 0.9;
            for (int part = 0; part < PARTS; part++) judged[2].part[part * MOST + i] = 0.3;
        }
        judged[2].baseline = 0.9;
        ask_step(a);
        for (int i = 0; i < MOST && strcmp(a->is.name, "reinforce++"); i++)
            assert_true(judged[2].got[i] == 0);
        assert_true(!strcmp(a->is.name, "none") || judged[0].got[0] != 0 || judged[0].got[1] != 0 ||
                    !strcmp(a->is.name, "pass@k"));
    }
}

/* With eps 0 no 0/0 comes out. */
static void a_deviation_of_nothing_divides_nothing(void **state)
{
    (void)state;
    for (int k = 0; ptd_advantages[k]; k++) {
        make_step(MOST, 3);
        ptd_eps = 0;
        ask_step((const struct ptd_advantage *)ptd_advantages[k]);
        ptd_eps = 1e-6;
        for (int g = 0; g < STEP; g++)
            for (int i = 0; i < MOST; i++) assert_true(judged[g].got[i] == 0);
    }
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
    double logp[TOKENS], old[TOKENS], ref[TOKENS], advantage[TOKENS], weight[TOKENS], fixed[TOKENS];
    int32_t sequence[TOKENS];
    struct ptd_sequence sequences[RESPONSES];
    struct ptd_tokens t;
} update;

/* uneven: advantages and weights differ within a response. */
static void make_update(const struct ptd_clip *clip, int uneven)
{
    struct update *u = &update;
    u->t = (struct ptd_tokens){.n = 0,
                               .logp = u->logp,
                               .old = u->old,
                               .ref = u->ref,
                               .advantage = u->advantage,
                               .weight = u->weight,
                               .sequence = u->sequence,
                               .sequences = u->sequences,
                               .n_sequences = RESPONSES,
                               .clip = *clip};
    for (int k = 0; k < RESPONSES; k++) {
        struct ptd_sequence *q = &u->sequences[k];
        *q = (struct ptd_sequence){.first = u->t.n,
                                   .n = k == 7 ? 0 : 1 + k % 5,
                                   .group = k / 4,
                                   .advantage = normal(1, k),
                                   .has_old = 1,
                                   .reference = k / 4 != 1,
                                   .tutored = k == 5};
        for (int j = 0; j < q->n; j++, u->t.n++) {
            long i = u->t.n;
            u->sequence[i] = k;
            u->fixed[i] = u->logp[i] = -1 - fabs(normal(2, (int)i));
            u->old[i] = u->logp[i] + normal(3, (int)i);
            u->ref[i] = u->logp[i] + 0.5 * normal(4, (int)i);
            u->advantage[i] = q->advantage + (uneven ? 0.3 * normal(5, (int)i) : 0);
            u->weight[i] = uneven ? fabs(normal(6, (int)i)) * (i % 4 != 1) : 1;
        }
    }
}

static double plain_sum(const struct ptd_loss_rules *r, int learned)
{
    struct plain_update u = {&update.t, update.fixed};
    double (*pg)(const struct plain_update *, long) = plain_loss_of(r->loss->is.name), sum = 0;
    for (long i = 0; i < update.t.n; i++) {
        double part = update.weight[i] * pg(&u, i);
        if (update.sequences[update.sequence[i]].reference && !r->loss->supervised && r->kl->value)
            part += r->beta *
                    plain_kl(r->kl->is.name, update.logp[i], update.old[i], update.ref[i], learned);
        sum += part / plain_count(&update.t, i, r->aggregate, r->length);
    }
    return sum;
}

struct asked {
    double pg[TOKENS], dlogp[TOKENS], kl[TOKENS], ratio[TOKENS], count[TOKENS], part[TOKENS];
    int8_t side[TOKENS];
};

/* `some` tokens at a time, as if by several threads: the last first. */
static double ask(const struct ptd_loss_rules *r, long some, struct asked *a)
{
    struct ptd_parts out = {{a->pg, a->dlogp, a->ratio, a->side}, a->kl, a->count, a->part};
    double sum = 0;
    memset(a, 0, sizeof *a);
    ptd_aggregate_counts(&update.t, r->aggregate, r->length, a->count);
    for (long first = (update.t.n - 1) / some * some; first >= 0; first -= some)
        ptd_objective(r, &update.t, first, update.t.n - first < some ? update.t.n - first : some,
                      &out);
    for (long i = 0; i < update.t.n; i++) sum += a->part[i];
    return sum;
}

static void check_slopes(const struct ptd_loss_rules *r, const struct asked *a)
{
    const double h = 1e-6;
    for (long i = 0; i < update.t.n; i++) {
        double kept = update.logp[i], side[2];
        for (int up = 0; up < 2; up++) {
            update.logp[i] = kept + (up ? h : -h);
            side[up] = plain_sum(r, 1);
        }
        update.logp[i] = kept;
        assert_close(a->dlogp[i], (side[1] - side[0]) / (2 * h), 1e-7);
    }
}

static void check_loss_under(const struct ptd_loss_rules *r, int uneven)
{
    static struct asked one, some;
    make_update(&r->clip, uneven);
    assert_close(ask(r, update.t.n, &one), plain_sum(r, 0), 1e-12);
    check_slopes(r, &one);
    if (!r->loss->sequences) ask(r, 7, &some);
    if (!r->loss->sequences) assert_memory_equal(&one, &some, sizeof one);
    update.logp[3] = NAN;
    assert_true(isnan(ask(r, update.t.n, &one)));
}

/* Under each aggregate, each estimate of the KL, clips that bind and its own. */
static void check_loss(const struct ptd_loss *l)
{
    for (int how = 0; ptd_aggregate_names[how]; how++)
        for (int k = 0; ptd_kls[k]; k++)
            for (int uneven = 0; uneven < 4; uneven++) {
                struct ptd_loss_rules r = {.loss = l,
                                           .clip = l->clip,
                                           .aggregate = how,
                                           .length = 17,
                                           .kl = (const struct ptd_kl *)ptd_kls[k],
                                           .beta = 0.1 * k};
                if (uneven > 1) r.clip = (struct ptd_clip){0.3, 0.2, uneven > 2 ? 1.5 : 0};
                check_loss_under(&r, uneven % 2);
            }
}

static void losses_are_their_formulas(void **state)
{
    (void)state;
    for (int i = 0; ptd_losses[i]; i++) check_loss((const struct ptd_loss *)ptd_losses[i]);
}

/* Before anything has moved, all losses of rewards pull the same way: as plain policy gradient. */
static void at_ratio_one_all_are_the_plain_policy_gradient(void **state)
{
    static struct asked a;
    (void)state;
    for (int k = 0; ptd_losses[k]; k++) {
        const struct ptd_loss *l = (const struct ptd_loss *)ptd_losses[k];
        struct ptd_loss_rules r = {.loss = l, .clip = l->clip, .kl = ptd_kl_named("k3")};
        if (l->supervised) continue;
        make_update(&r.clip, 0);
        memcpy(update.old, update.logp, sizeof update.old);
        ask(&r, update.t.n, &a);
        for (long i = 0; i < update.t.n; i++) {
            assert_true(a.ratio[i] == 1 && a.side[i] == 0);
            assert_close(a.dlogp[i], -update.advantage[i] / update.t.n, 1e-15);
        }
    }
}

/* TRL's cap is high itself: 1+high of 4 is high of 5. */
static void the_cap_of_cispo_has_two_forms(void **state)
{
    static struct asked plus, plain;
    const struct ptd_loss *l = ptd_loss_named("cispo");
    struct ptd_loss_rules r = {.loss = l, .clip = {0, 0.3, 0}, .kl = ptd_kl_named("k3")};
    const char *high = "high", *none = "low";
    int capped = 0;
    (void)state;
    make_update(&r.clip, 0);
    ask(&r, update.t.n, &plus);
    r.own = &high;
    r.clip.high = update.t.clip.high = 1.3;
    ask(&r, update.t.n, &plain);
    assert_memory_equal(&plus, &plain, sizeof plus);
    for (long i = 0; i < update.t.n; i++) capped += plus.side[i];
    assert_in_range(capped, 5, update.t.n - 5);
    assert_null(l->wrong(&high));
    assert_non_null(l->wrong(&none));
}

/* ---- counts ---- */

static void counts_are_those_of_the_update(void **state)
{
    double count[TOKENS];
    (void)state;
    make_update(&(struct ptd_clip){0}, 0);
    assert_int_equal(update.t.n, 30); /* 1 2 3 4 5 1 2 - 4 5 1 2 */
    for (int how = 0; ptd_aggregate_names[how]; how++) {
        ptd_aggregate_counts(&update.t, how, 40, count);
        for (long i = 0; i < update.t.n; i++) {
            int n = update.sequences[update.sequence[i]].n;
            double want = how == 0 ? update.t.n : how == 1 ? 11 * n : 11 * 40;
            assert_close(count[i], want, 0);
        }
        assert_int_equal(ptd_aggregate_named(ptd_aggregate_names[how]), how);
    }
    assert_int_equal(ptd_aggregate_named("tokens"), -1);
    assert_int_equal(ptd_failed_status(), PTD_USAGE);
}

/* The quantile is linear between two tokens; what is equal to it stays. */
static void entropy_masks_the_lower_share(void **state)
{
    static const double entropy[] = {0.5, 0.1, 0.4, 0.2, 0.3};
    static const struct {
        double share;
        int kept[5];
    } cases[] = {{0.2, {1, 0, 0, 0, 0}},  /* border 0.42 */
                 {0.5, {1, 0, 1, 0, 1}},  /* the middle one: 0.3 */
                 {0.75, {1, 0, 1, 1, 1}}, /* 0.2 */
                 {0.76, {1, 0, 1, 1, 1}}, {1e-6, {1, 0, 0, 0, 0}}, {1, {1, 1, 1, 1, 1}}};
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        double weight[5] = {2, 2, 2, 2, 2};
        ptd_objective_mask(entropy, 5, cases[k].share, weight);
        for (int i = 0; i < 5; i++) assert_true(weight[i] == 2 * cases[k].kept[i]);
    }
    ptd_objective_mask(NULL, 0, 0.2, NULL);
}

/* ---- clipped objective ---- */

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

static void clipped_slopes_match(void **state)
{
    (void)state;
    const double h = 1e-6;
    for (size_t i = 0; i < sizeof pg_cases / sizeof *pg_cases; i++) {
        const struct pg_case *c = &pg_cases[i];
        struct ptd_clip clip = {0.2, 0.28, c->dual};
        double d, none, x = c->log_ratio;
        int side, ignored;
        assert_close(ptd_clipped(exp(x), c->advantage, &clip, &d, &side), c->loss, 1e-12);
        assert_int_equal(side, c->side);
        double up = ptd_clipped(exp(x + h), c->advantage, &clip, &none, &ignored);
        double down = ptd_clipped(exp(x - h), c->advantage, &clip, &none, &ignored);
        assert_close(d, (up - down) / (2 * h), 1e-6 * (1 + fabs(d)));
    }
}

static void clipped_at_ratio_one_is_plain_policy_gradient(void **state)
{
    (void)state;
    const struct ptd_clip clip = {0.2, 0.28, 3};
    double d;
    int side;
    assert_true(ptd_clipped(1, 0.7, &clip, &d, &side) == -0.7);
    assert_true(d == -0.7 && side == 0);
    ptd_clipped(NAN, 0.7, &clip, &d, &side);
    assert_true(d != d); /* a broken log-prob must not look like a clipped one */
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
    assert_ptr_equal(ptd_loss_named("ppo"), ptd_losses[0]);
    assert_ptr_equal(ptd_loss_named("policy"), ptd_losses[0]);
    assert_null(ptd_loss_named("ppo "));
    check_refusal("loss", "ppo ", ptd_losses);
    assert_null(ptd_advantage_named(""));
    check_refusal("advantage", "", ptd_advantages);
    assert_null(ptd_kl_named("k4"));
    check_refusal("kl", "k4", ptd_kls);
    assert_null(ptd_preset("GRPO", NULL));
    check_refusal("method", "GRPO", ptd_presets);
    assert_null(ptd_divergence_named("j"));
    check_refusal("divergence", "j", ptd_divergences);
}

static void rows_are_complete(void **state)
{
    static const struct ptd_method *const *tables[] = {ptd_losses, ptd_advantages, ptd_divergences,
                                                       ptd_kls, ptd_presets};
    (void)state;
    for (int k = 0; k < 5; k++)
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
        double d = t->logp[i] - t->old[i] - *(const double *)own * t->advantage[i];
        out->pg[i] = d * d;
        out->dlogp[i] = t->weight[i] * 2 * d;
    }
}

static const struct ptd_loss squared = {.is = {.name = "squared",
                                               .formula = "(log r - w A)^2",
                                               .paper = "",
                                               .options = squared_options,
                                               .own = &weight},
                                        .value = squared_value};

static void rank_value(const void *own, const struct ptd_rewarded *g, int n)
{
    for (int k = 0; k < n; k++)
        for (int i = 0; i < g[k].n; i++) {
            const double *r = g[k].reward;
            g[k].advantage[i] = 0;
            for (int j = 0; j < g[k].n; j++)
                g[k].advantage[i] += ((r[i] > r[j]) - (r[i] < r[j])) / (double)g[k].n;
        }
}

static const struct ptd_advantage rank = {
    .is = {.name = "rank", .formula = "share of the group that is worse, less that is better"},
    .value = rank_value};

/* A file with a row, and the row's line in a table: all that it takes to be named, told, configured
 * and tested. (A divergence is added in methods.h, and in test-rows on logits.) */
static void one_more_is_a_row(void **state)
{
    const struct ptd_loss *sapo = ptd_loss_named("sapo");
    ptd_method_table losses = {&sapo->is, &squared.is, NULL}, advantages = {&rank.is, NULL};
    static const char *chosen;
    static const struct ptd_opt program[] = {
        {"loss", 0, PTD_OPT_STR, &chosen, "KIND", "%s: what is learned", 0, 0},
        {"other", 0, PTD_OPT_FLAG, &chosen, NULL, "something", 0, 0},
        {0}};
    const struct ptd_method_choice choices[] = {{"loss", losses}, {0}};
    struct ptd_opt *all = ptd_method_options(program, choices);
    int at = 1; /* of the option that squared brings, behind those of sapo */
    (void)state;
    while (sapo->is.options[at - 1].name) at++;
    assert_ptr_equal(ptd_method_named(losses, "loss", "squared"), &squared.is);
    assert_ptr_equal(ptd_method_named(advantages, "advantage", "rank"), &rank.is);
    assert_string_equal(all[0].help, "sapo, squared: what is learned");
    assert_string_equal(all[1].name, sapo->is.options[0].name);
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

/* An option that rows share is there once, and says whose it is. */
static void rows_share_options(void **state)
{
    static const char *chosen;
    static const struct ptd_opt program[] = {
        {"advantage", 0, PTD_OPT_STR, &chosen, "KIND", "%s", 0, 0}, {0}};
    static const struct ptd_method_choice choices[] = {{"advantage", ptd_advantages}, {0}};
    struct ptd_opt *all = ptd_method_options(program, choices);
    int n = 0;
    (void)state;
    for (int i = 0; all[i].name; i++) n += !strcmp(all[i].name, "eps");
    assert_int_equal(n, 1);
    assert_string_equal(all[1].help,
                        "grpo, reinforce++, reinforce++-baseline, batch, gdpo, pass@k: "
                        "added to the deviation");
    for (int i = 0; i < 2; i++) free((char *)all[i].help);
    free(all);
}

/* ---- presets ---- */

/* Each names what there is, and losses with their own clips. */
static void presets_name_what_there_is(void **state)
{
    (void)state;
    for (int k = 0; ptd_presets[k]; k++) {
        const char *name = ptd_presets[k]->name;
        assert_non_null(ptd_preset(name, NULL));
        assert_non_null(ptd_advantage_named(ptd_preset(name, "advantage")));
        assert_non_null(ptd_loss_named(ptd_preset(name, "loss")));
        assert_true(ptd_aggregate_named(ptd_preset(name, "aggregate")) >= 0);
        if (ptd_preset(name, "kl")) assert_non_null(ptd_kl_named(ptd_preset(name, "kl")));
        assert_non_null(ptd_preset(name, "beta"));
        assert_null(ptd_preset(name, "no-such-option"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(advantages_are_their_formulas),
        cmocka_unit_test(the_order_of_groups_is_no_part),
        cmocka_unit_test(equal_rewards_are_worth_exactly_nothing),
        cmocka_unit_test(a_deviation_of_nothing_divides_nothing),
        cmocka_unit_test(divergences_are_their_formulas),
        cmocka_unit_test(gjsd_lies_between_the_two),
        cmocka_unit_test(the_sampled_word_gives_the_reverse_on_average),
        cmocka_unit_test(losses_are_their_formulas),
        cmocka_unit_test(at_ratio_one_all_are_the_plain_policy_gradient),
        cmocka_unit_test(the_cap_of_cispo_has_two_forms),
        cmocka_unit_test(counts_are_those_of_the_update),
        cmocka_unit_test(entropy_masks_the_lower_share),
        cmocka_unit_test(clipped_slopes_match),
        cmocka_unit_test(clipped_at_ratio_one_is_plain_policy_gradient),
        cmocka_unit_test(names_are_found_or_told),
        cmocka_unit_test(rows_are_complete),
        cmocka_unit_test(one_more_is_a_row),
        cmocka_unit_test(rows_share_options),
        cmocka_unit_test(presets_name_what_there_is),
    };
    return cmocka_run_group_tests_name("method", tests, NULL, NULL);
}
