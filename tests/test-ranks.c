/* test-ranks: a step of which each rank has a share is the step that one rank has: its gradient,
 * in whole and part by part, its counts, its updates, its metrics, its advantages; and what is not
 * finite on one rank is refused by all. */
#include "base/half.h"
#include "tiny.h"
#include "ranks.h"
#include "method/gradients.h"
#include "method/learn.h"
#include "method/optimizer.h"
#include "method/shares.h"
#include "net/score.h"
#include "test.h"

#define GROUPS    5
#define TEACHER_K 4
#define MOST      (1 << 20)

static struct ptd_model *model;
static struct ptd_score *scratch;
static uint8_t *banned;
static struct ptd_picture pictures[2];
static struct ptd_group group[GROUPS];
static struct ptd_group *groups[GROUPS];

static struct shared {
    float gradient[RANKS_MOST][MOST];
    struct ptd_learned learned[RANKS_MOST];
    double number[RANKS_MOST][64];
} * shared;
static int statuses[RANKS_MOST];

/* ---- made-up groups ---- */

static void respond(struct ptd_group *g, int n, double advantage, int taught)
{
    struct ptd_rollout *y = &g->rollouts[g->n_rollouts++];
    int32_t *ids = ptd_group_alloc(g, n * sizeof *ids),
            *teacher = ptd_group_alloc(g, n * TEACHER_K * sizeof *teacher);
    float *logp = ptd_group_alloc(g, n * sizeof *logp), *ref = ptd_group_alloc(g, n * sizeof *ref);
    uint16_t *half = ptd_group_alloc(g, n * TEACHER_K * sizeof *half);
    for (int j = 0; j < n; j++) {
        ids[j] = (int32_t)(tiny_hash(g->uid, 100 * g->n_rollouts + j) % 58);
        logp[j] = -4.1f + (float)(0.3 * tiny_uniform("old", 100 * g->n_rollouts + j));
        ref[j] = logp[j] + (float)(0.3 * tiny_uniform("ref", 100 * g->n_rollouts + j));
        for (int k = 0; k < TEACHER_K; k++) {
            teacher[j * TEACHER_K + k] = (int32_t)((j * 7 + 3 * k) % 58);
            half[j * TEACHER_K + k] = ptd_half(-1.5f - (float)k);
        }
    }
    *y = (struct ptd_rollout){.ids = ids,
                              .n = n,
                              .logp = logp,
                              .ref_logp = ref,
                              .advantage = advantage,
                              .reward = advantage,
                              .masked_logp = ref,
                              .stop = "eos"};
    if (taught) y->teacher_ids = teacher, y->teacher_logp = half, y->teacher_k = TEACHER_K;
}

static void begin(struct ptd_group *g, const char *uid, const int32_t *ids, int n, int n_pictures)
{
    ptd_group_clear(g);
    g->uid = uid;
    g->prompt_ids = ids;
    g->n_prompt = n;
    g->pictures = pictures;
    g->n_pictures = n_pictures;
    g->group_accuracy = 0.5;
    g->rollouts = ptd_group_alloc(g, 8 * sizeof *g->rollouts);
}

/* Of different lengths, with and without pictures, so that every share is another. */
static int make_groups(void **state)
{
    static const int32_t text[9] = {7, 3, 11, 5, 9, 13, 2, 17, 21};
    (void)state;
    begin(&group[0], "a", tiny_ids, 22, 2);
    respond(&group[0], 5, 1.3, 0);
    respond(&group[0], 1, -0.6, 1);
    begin(&group[1], "b", text, 9, 0);
    respond(&group[1], 4, 0, 0);
    respond(&group[1], 6, 0.5, 1);
    respond(&group[1], 0, 0.5, 0);
    begin(&group[2], "c", tiny_ids, 12, 1);
    respond(&group[2], 8, -2, 0);
    begin(&group[3], "d", text, 7, 0);
    respond(&group[3], 3, 0.8, 1);
    begin(&group[4], "e", text + 1, 8, 0);
    respond(&group[4], 7, 0.1, 0);
    respond(&group[4], 2, -0.3, 0);
    for (int i = 0; i < GROUPS; i++) group[i].place = i + 1;
    return 0;
}

static struct ptd_loss_rules rules(const char *loss)
{
    return (struct ptd_loss_rules){.loss = ptd_loss_named(loss),
                                   .clip = {0.2, 0.28, 3},
                                   .kl = ptd_kl_named("k3"),
                                   .beta = 0.3,
                                   .lambda = 0.7,
                                   .tau = 1,
                                   .bonus = 0.1,
                                   .top_entropy = 1,
                                   .divergence = ptd_divergence_named("jsd"),
                                   .tutoring.masked = 0.2,
                                   .temperature = 1.2,
                                   .micro_tokens = 1 << 20,
                                   .banned = banned};
}

/* ---- the gradient ---- */

struct task {
    struct ptd_loss_rules rules;
    enum ptd_comm_form form;
    int shared, spoilt; /* shared: each keeps a share of the optimizer; spoilt: the rank whose loss
                           is not finite; -1: none */
};

/* Prompts as they are dealt. */
static int deal(struct ptd_comm *c, struct ptd_group **mine)
{
    int n = 0;
    for (int i = ptd_comm_rank(c); i < GROUPS; i += ptd_comm_ranks(c)) mine[n++] = &group[i];
    return n;
}

static void keep_gradient(int rank)
{
    float *g = tiny_gradients(model);
    memcpy(shared->gradient[rank], g, model->n_grads * sizeof *g);
    free(g);
}

static int learn_share(struct ptd_comm *c, void *ctx)
{
    struct task *t = ctx;
    struct ptd_group *mine[GROUPS];
    struct ptd_gradients *g = ptd_gradients_new(model, c, t->form, 0);
    int n = deal(c, mine), bad, rank = ptd_comm_rank(c);
    t->rules.comm = c;
    t->rules.last = ptd_gradients_last;
    t->rules.last_ctx = g;
    tiny_zero_gradients(model);
    ptd_gradients_begin(g);
    if (ptd_learn(scratch, mine, n, &t->rules, &shared->learned[rank], &bad)) return 1;
    if (ptd_gradients_end(g, bad >= 0 || t->spoilt == rank)) return 2;
    keep_gradient(rank);
    ptd_gradients_free(g);
    return 0;
}

/* Of one rank, into the last place. */
static void learn_alone(const struct ptd_loss_rules *r)
{
    int bad;
    tiny_zero_gradients(model);
    assert_int_equal(ptd_learn(scratch, groups, GROUPS, r, &shared->learned[RANKS_MOST - 1], &bad),
                     0);
    assert_int_equal(bad, -1);
    keep_gradient(RANKS_MOST - 1);
}

static double norm_of(const float *a, const float *b)
{
    double sum = 0;
    for (size_t i = 0; i < model->n_grads; i++) {
        double x = (double)a[i] - (b ? b[i] : 0);
        sum += x * x;
    }
    return sqrt(sum);
}

static void is_the_gradient_of_one(const struct task *t, int n, double within)
{
    const float *alone = shared->gradient[RANKS_MOST - 1];
    struct ptd_learned sum = {0};
    struct task copy = *t;
    learn_alone(&t->rules);
    ranks_run(n, 30, learn_share, &copy, statuses);
    for (int r = 0; r < n; r++) {
        assert_int_equal(statuses[r], 0);
        assert_memory_equal(shared->gradient[r], shared->gradient[0],
                            model->n_grads * sizeof(float));
        sum.loss += shared->learned[r].loss;
        sum.tokens += shared->learned[r].tokens;
        sum.entropy_loss += shared->learned[r].entropy_loss;
    }
    assert_true(norm_of(alone, NULL) > 1e-3);
    assert_close(norm_of(shared->gradient[0], alone) / norm_of(alone, NULL), 0, within);
    assert_close(sum.loss, shared->learned[RANKS_MOST - 1].loss, 1e-5);
    assert_close(sum.entropy_loss, shared->learned[RANKS_MOST - 1].entropy_loss, 1e-6);
    assert_int_equal(sum.tokens, shared->learned[RANKS_MOST - 1].tokens);
}

static void ranks_have_the_gradient_of_one(void **state)
{
    (void)state;
    for (int l = 0; ptd_losses[l]; l++)
        for (int n = 1; n <= 3; n++)
            is_the_gradient_of_one(&(struct task){rules(ptd_losses[l]->name), PTD_COMM_F32, 0, -1},
                                   n, 1e-6);
}

/* One rank has nothing at all then. */
static void more_ranks_than_groups(void **state)
{
    (void)state;
    is_the_gradient_of_one(&(struct task){rules("ppo"), PTD_COMM_F32, 0, -1}, 6, 1e-6);
}

static void every_way_to_count(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct ptd_loss_rules r = rules("ppo");
        r.aggregate = how;
        r.length = 20;
        is_the_gradient_of_one(&(struct task){r, PTD_COMM_F32, 0, -1}, 3, 1e-6);
        r.top_entropy = 0.4; /* its border is the whole step's */
        is_the_gradient_of_one(&(struct task){r, PTD_COMM_F32, 0, -1}, 3, 1e-6);
        r.micro_tokens = 12;
        is_the_gradient_of_one(&(struct task){r, PTD_COMM_F32, 0, -1}, 2, 1e-6);
    }
}

static void half_the_bytes_are_near(void **state)
{
    (void)state;
    is_the_gradient_of_one(&(struct task){rules("ppo"), PTD_COMM_BF16, 0, -1}, 3, 4e-3);
}

static void what_is_not_finite_on_one_rank_is_on_all(void **state)
{
    struct task t = {rules("ppo"), PTD_COMM_F32, 0, 1};
    (void)state;
    ranks_run(3, 30, learn_share, &t, statuses);
    for (int r = 0; r < 3; r++) {
        assert_int_equal(statuses[r], 0);
        assert_true(isnan(norm_of(shared->gradient[r], NULL)));
    }
}

/* ---- part by part ---- */

static int learn_by_part(struct ptd_comm *c, void *ctx)
{
    struct task *t = ctx;
    struct ptd_group *mine[GROUPS];
    struct ptd_gradients *g = ptd_gradients_new(model, c, t->form, t->shared);
    struct ptd_optimizer_rules o = {.adamw = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8},
                                    .total = ptd_gradients_total,
                                    .spread = ptd_gradients_spread};
    if (t->shared) o.rank = ptd_comm_rank(c), o.ranks = ptd_comm_ranks(c);
    if (c) o.sum = ptd_gradients_part, o.sum_ctx = g, o.order = ptd_gradients_order(g);
    struct ptd_optimizer *optimizer = ptd_optimizer_new(model, &o);
    int n = deal(c, mine), bad, rank = ptd_comm_rank(c);
    double norm;
    t->rules.comm = c;
    ptd_optimizer_watch(optimizer, 0, 0, 1);
    if (ptd_learn(scratch, mine, n, &t->rules, &shared->learned[rank], &bad)) return 1;
    if (bad >= 0 || t->spoilt == rank) ptd_optimizer_spoil(optimizer);
    int refused = ptd_optimizer_end(optimizer, &norm);
    shared->number[rank][0] = norm;
    shared->number[rank][1] = refused;
    return 0;
}

static void sum_parts(int shared_out)
{
    struct task t = {rules("ppo"), PTD_COMM_F32, shared_out, -1};
    learn_alone(&t.rules);
    double want = norm_of(shared->gradient[RANKS_MOST - 1], NULL);
    for (int n = 2; n <= 6; n += 2) {
        struct task copy = t;
        ranks_run(n, 30, learn_by_part, &copy, statuses);
        for (int r = 0; r < n; r++) {
            assert_int_equal(statuses[r], 0);
            assert_close(shared->number[r][0], want, 1e-5 * want);
            assert_true(shared->number[r][1] == 0);
        }
    }
    t.spoilt = 1;
    ranks_run(3, 30, learn_by_part, &t, statuses);
    for (int r = 0; r < 3; r++) {
        assert_int_equal(statuses[r], 0);
        assert_true(shared->number[r][1] == 1); /* refused */
    }
}

static void parts_are_summed_in_one_order(void **state)
{
    (void)state;
    sum_parts(0);
}

static void so_they_are_in_shares(void **state)
{
    (void)state;
    sum_parts(1);
}

/* ---- a step ---- */

/* Which groups an update has, as a sum of numbers that name them. */
static int cut_updates(struct ptd_comm *c, void *ctx)
{
    struct ptd_group *mine[GROUPS];
    struct ptd_shares s = {0};
    int updates = *(int *)ctx, n = deal(c, mine), from, to;
    if (ptd_comm_rank(c) == 1 && n) n--; /* one was dropped on the way */
    if (ptd_shares_order(&s, c, mine, n)) return 1;
    for (int u = 0; u < updates; u++) {
        double *sum = &shared->number[ptd_comm_rank(c)][u];
        *sum = 0;
        if (ptd_shares_part(&s, u, updates, &from, &to)) continue;
        for (int i = from; i < to; i++) *sum += pow(10, (double)mine[i]->place);
    }
    ptd_shares_clear(&s);
    return 0;
}

static void updates_are_cut_as_one_rank_cuts_them(void **state)
{
    (void)state;
    for (int n = 2; n <= 3; n++)
        for (int updates = 1; updates < 8; updates++) {
            int left[GROUPS] = {0}, all = 0,
                dropped = n == 2 ? 3 : 4; /* rank 1's last, by place - 1 */
            for (int i = 0; i < GROUPS; i++)
                if (i != dropped) left[all++] = i;
            ranks_run(n, 30, cut_updates, &updates, statuses);
            for (int u = 0; u < updates; u++) {
                double want = 0, got = 0;
                for (int i = all * u / updates; i < all * (u + 1) / updates; i++)
                    want += pow(10, left[i] + 1);
                for (int r = 0; r < n; r++) got += shared->number[r][u];
                assert_close(got, want, 0);
            }
        }
}

/* The first of a step, in the order of all ranks: how many are ours. */
static int limit_step(struct ptd_comm *c, void *ctx)
{
    struct ptd_group *mine[GROUPS];
    struct ptd_shares s = {0};
    int most = *(int *)ctx, n = deal(c, mine), from, to;
    if (ptd_shares_order(&s, c, mine, n)) return 1;
    double *sum = &shared->number[ptd_comm_rank(c)][0];
    *sum = ptd_shares_limit(&s, most);
    if (s.n != *sum || ptd_shares_part(&s, 0, 1, &from, &to) != !most) return 2;
    if (from != 0 || to != s.n) return 3;
    for (int i = 0; i < s.n; i++)
        if (mine[i]->place > most) return 4;
    ptd_shares_clear(&s);
    return 0;
}

static void what_is_surplus_is_left_out(void **state)
{
    (void)state;
    for (int n = 1; n <= 3; n++)
        for (int most = 0; most <= GROUPS + 1; most++) {
            double all = 0;
            ranks_run(n, 30, limit_step, &most, statuses);
            for (int r = 0; r < n; r++) {
                assert_int_equal(statuses[r], 0);
                all += shared->number[r][0];
            }
            assert_true(all == (most < GROUPS ? most : GROUPS));
        }
}

static int make_metrics(struct ptd_comm *c, void *ctx)
{
    static struct ptd_before nothing;
    struct ptd_before whole;
    struct ptd_loss_rules *r = ctx;
    struct ptd_metrics m = {.step = 3, .rules = r, .before = &nothing, .epochs = 1};
    struct ptd_group *mine[GROUPS];
    int n = deal(c, mine), bad;
    r->comm = c;
    tiny_zero_gradients(model);
    struct ptd_learned learned;
    if (ptd_learn(scratch, mine, n, r, &learned, &bad)) return 1;
    ptd_metrics_add(&m, &learned, 2.5, 1);
    ptd_metrics_groups(&m, mine, n);
    if (ptd_shares_metrics(c, &m, &whole)) return 2;
    char *line = ptd_metrics_line(&m);
    snprintf((char *)shared->gradient[ptd_comm_rank(c)], sizeof shared->gradient[0], "%s", line);
    free(line);
    return 0;
}

/* Each number of the line, but what is a rounding apart. */
static void same_line(const char *got, const char *want)
{
    for (; *got && *want; got++, want++) {
        if (*got == *want && *got != ':') continue;
        if (*got != *want) fail_msg("%s\nexpected\n%s", got, want);
        char *a, *b;
        double x = strtod(got + 1, &a), y = strtod(want + 1, &b);
        if (a == got + 1) continue;
        assert_close(x, y, 1e-6 + 1e-6 * fabs(y));
        got = a - 1, want = b - 1;
    }
    assert_int_equal(*got, *want);
}

static void metrics_are_of_the_whole_step(void **state)
{
    static char alone[10000];
    struct ptd_loss_rules r = rules("ppo");
    (void)state;
    ranks_run(1, 30, make_metrics, &r, statuses);
    assert_int_equal(statuses[0], 0);
    strcpy(alone, (char *)shared->gradient[0]);
    for (int n = 2; n <= 3; n++) {
        ranks_run(n, 30, make_metrics, &r, statuses);
        for (int k = 0; k < n; k++) {
            assert_int_equal(statuses[k], 0);
            same_line((char *)shared->gradient[k], alone);
        }
    }
}

/* ---- advantages ---- */

static struct ptd_rewarded rewarded(const struct ptd_group *g, double *reward, int *tokens,
                                    double *advantage, double **returns, double *each)
{
    static double base = 0.25;
    for (int i = 0; i < g->n_rollouts; i++) {
        reward[i] = g->rollouts[i].reward;
        tokens[i] = g->rollouts[i].n;
        returns[i] = each;
        for (int k = 0; k < tokens[i]; k++) *each++ = reward[i] - 0.01 * k;
    }
    return (struct ptd_rewarded){.n = g->n_rollouts,
                                 .reward = reward,
                                 .tokens = tokens,
                                 .baseline = &base,
                                 .returns = returns,
                                 .advantage = advantage};
}

/* Ours of all ranks' groups, in number[rank]: of each response, then of its tokens. */
static int give_worth(struct ptd_comm *c, void *ctx)
{
    const struct ptd_advantage *a = ctx;
    static double reward[GROUPS][8], advantage[GROUPS][8], each[GROUPS][64], *returns[GROUPS][8];
    static int tokens[GROUPS][8];
    struct ptd_rewarded r[GROUPS];
    struct ptd_group *mine[GROUPS];
    int n = deal(c, mine);
    for (int i = 0; i < n; i++)
        r[i] = rewarded(mine[i], reward[i], tokens[i], advantage[i], returns[i], each[i]);
    if (ptd_comm_ranks(c) == 1)
        a->value(a->is.own, r, n);
    else if (ptd_shares_worth(c, a, r, n))
        return 1;
    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int k = 0; k < r[i].n; k++) {
            sum += (k + 1) * advantage[i][k];
            for (int t = 0; t < tokens[i][k]; t++) sum += (t + 3) * returns[i][k][t];
        }
        shared->number[0][10 + mine[i]->place] = sum;
    }
    return 0;
}

static void advantages_of_a_step_are_those_of_one_rank(void **state)
{
    (void)state;
    int seen = 0;
    for (int t = 0; ptd_advantages[t]; t++) {
        const struct ptd_advantage *a = (const struct ptd_advantage *)ptd_advantages[t];
        double alone[64];
        if (!a->step || a->parts) continue;
        seen++;
        ranks_run(1, 30, give_worth, (void *)(uintptr_t)a, statuses);
        assert_int_equal(statuses[0], 0);
        memcpy(alone, shared->number[0], sizeof alone);
        for (int n = 2; n <= 6; n += 2) {
            memset(shared->number[0], 0, sizeof shared->number[0]);
            ranks_run(n, 30, give_worth, (void *)(uintptr_t)a, statuses);
            for (int r = 0; r < n; r++) assert_int_equal(statuses[r], 0);
            assert_memory_equal(shared->number[0] + 10, alone + 10, (GROUPS + 1) * sizeof *alone);
        }
    }
    assert_true(seen >= 2);
}

#define TEST(f) cmocka_unit_test_setup(f, make_groups)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ranks_have_the_gradient_of_one),
        TEST(more_ranks_than_groups),
        TEST(every_way_to_count),
        TEST(half_the_bytes_are_near),
        TEST(what_is_not_finite_on_one_rank_is_on_all),
        TEST(parts_are_summed_in_one_order),
        TEST(so_they_are_in_shares),
        TEST(updates_are_cut_as_one_rank_cuts_them),
        TEST(what_is_surplus_is_left_out),
        TEST(metrics_are_of_the_whole_step),
        TEST(advantages_of_a_step_are_those_of_one_rank),
    };
    shared = ranks_shared(sizeof *shared);
    for (int i = 0; i < 2; i++) pictures[i] = tiny_picture(i);
    for (int i = 0; i < GROUPS; i++) groups[i] = &group[i];
    model = tiny_model(1);
    ptd_model_train(model);
    if (model->n_grads > MOST) return 1;
    scratch = ptd_score_new(model, 1);
    banned = ptd_model_banned(model, 63);
    return cmocka_run_group_tests_name("ranks", tests, NULL, NULL);
}
