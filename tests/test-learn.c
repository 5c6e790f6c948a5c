/* test-learn: one update's loss and gradient on made-up groups, against the same loss worked out in
 * double with the plain network; counts, micro-batches, the state before the first update, values
 * that are not finite, and which tokens get which term. */
#include "base/half.h"
#include "losses.h"
#include "methods.h"
#include "plain.h"
#include "tiny.h"
#include "compute/cpu/support.h"
#include "method/learn.h"
#include "net/head.h"
#include "net/sample.h"
#include "test.h"

#define GROUPS    3
#define TEACHER_K 6
#define TOP_K     4
#define VOCAB     64

static struct ptd_model *model;
static struct ptd_score *scratch;
static uint8_t *banned;
static double *weights; /* of the model */
static struct ptd_picture pictures[2];
static struct ptd_group group[GROUPS];
static struct ptd_group *groups[GROUPS] = {&group[0], &group[1], &group[2]};

/* ---- groups ---- */

static struct ptd_model *small_model(double noise)
{
    struct ptd_config c = tiny_config(1);
    struct ptd_model *m;
    c.layers = 2;
    c.v_depth = 2;
    c.n_deepstack = 1;
    c.deepstack[0] = 0;
    m = tiny_model_of(&c);
    float *w = tiny_weights(m);
    for (size_t i = 0; i < m->n_weights; i++) w[i] *= (float)(1 + noise * tiny_uniform("noise", i));
    tiny_put_weights(m, w);
    free(w);
    return m;
}

struct reading {
    double temperature;
    float *logp;
    int32_t *ids, *own;
    uint16_t *half, *on_own; /* on_own: of the words in own; NULL: own is asked for */
};

/* What model m says about a response to a prompt. */
static void read_response(struct ptd_model *m, const struct ptd_group *g, const int32_t *prompt,
                          int n, const struct ptd_rollout *y, const struct reading *r)
{
    struct ptd_score *s = ptd_score_new(m, 0);
    struct ptd_score_reply reply = {y->ids, y->n, NULL};
    int each = 1 + (r->on_own ? TOP_K : 0);
    int32_t *first = ptd_array(y->n + 1, sizeof *first), *id = ptd_array(each * y->n, sizeof *id),
            *top = ptd_array(TEACHER_K * y->n, sizeof *top);
    double *logp = ptd_array(each * y->n, sizeof *logp);
    float *top_logp = ptd_array(TEACHER_K * y->n, sizeof *top_logp);
    struct ptd_ask_score ask = {
        .rules.temperature = (float)r->temperature, .words = {first, id}, .top_k = TEACHER_K};
    struct ptd_got_score got = {.logp = logp, .top_id = top, .top_logp = top_logp};
    for (int j = 0; j < y->n; j++) {
        first[j + 1] = first[j] + each;
        id[first[j]] = y->ids[j];
        for (int i = 1; i < each; i++) id[first[j] + i] = r->own[j * TOP_K + i - 1];
    }
    assert_int_equal(ptd_score_add(s, prompt, n, g->pictures, g->n_pictures, &reply, 1), 0);
    ptd_score_forward(s);
    ptd_lm_head_score(ptd_score_head(s, banned), s->X, s->rows, &ask, &got);
    for (int j = 0; j < y->n; j++) {
        if (r->logp) r->logp[j] = (float)logp[first[j]];
        for (int i = 1; i < each; i++)
            r->on_own[j * TOP_K + i - 1] = ptd_half((float)logp[first[j] + i]);
        for (int i = 0; r->own && !r->on_own && i < TOP_K; i++)
            r->own[j * TOP_K + i] = top[j * TEACHER_K + i];
        for (int i = 0; r->ids && i < TEACHER_K; i++) {
            r->ids[j * TEACHER_K + i] = top[j * TEACHER_K + i];
            r->half[j * TEACHER_K + i] = ptd_half(top_logp[j * TEACHER_K + i]);
        }
    }
    free(first), free(id), free(top), free(logp), free(top_logp);
    ptd_score_free(s);
}

static void *take(struct ptd_group *g, size_t n, size_t size)
{
    return ptd_group_alloc(g, n * size);
}

/* n words of a response, its log-probs when sampled (off by up to `off` from today's, so that some
 * clip), its advantage. */
static void respond(struct ptd_group *g, int n, double advantage, double off)
{
    struct ptd_rollout *y = &g->rollouts[g->n_rollouts++];
    int32_t *ids = take(g, n, sizeof *ids), *own = take(g, n * TOP_K, sizeof *own);
    float *logp = take(g, n, sizeof *logp), *ref = take(g, n, sizeof *ref);
    for (int j = 0; j < n; j++) ids[j] = (int32_t)(tiny_hash(g->uid, 100 * g->n_rollouts + j) % 58);
    *y = (struct ptd_rollout){.ids = ids,
                              .n = n,
                              .logp = logp,
                              .top_ids = own,
                              .top_k = TOP_K,
                              .advantage = advantage,
                              .ref_logp = ref,
                              .stop = "eos"};
    read_response(model, g, g->prompt_ids, g->n_prompt, y,
                  &(struct reading){.temperature = 1.2, .logp = logp, .own = own});
    for (int j = 0; j < n; j++) {
        ref[j] = logp[j] + (float)(0.7 * tiny_uniform("ref", 100 * g->n_rollouts + j));
        logp[j] += (float)(off * tiny_uniform("old", 100 * g->n_rollouts + j));
    }
}

static void tutor(struct ptd_group *g, int k)
{
    struct ptd_model *teacher = small_model(0.2);
    struct ptd_rollout *y = &g->rollouts[k];
    int32_t *ids = take(g, y->n * TEACHER_K, sizeof *ids);
    uint16_t *half = take(g, y->n * TEACHER_K, sizeof *half),
             *on_own = take(g, y->n * TOP_K, sizeof *on_own);
    struct reading r = {.temperature = 1.2,
                        .ids = ids,
                        .half = half,
                        .own = (int32_t *)y->top_ids,
                        .on_own = on_own};
    read_response(teacher, g, g->hint.prompt_ids, g->hint.n_prompt, y, &r);
    y->teacher_ids = ids, y->teacher_logp = half, y->teacher_on_top = on_own,
    y->teacher_k = TEACHER_K;
    ptd_model_free(teacher);
}

static void begin(struct ptd_group *g, const char *uid, const int32_t *ids, int n, int n_pictures,
                  double accuracy)
{
    ptd_group_clear(g);
    g->uid = uid;
    g->prompt_ids = ids;
    g->n_prompt = n;
    g->pictures = pictures;
    g->n_pictures = n_pictures;
    g->group_accuracy = accuracy;
    g->rollouts = take(g, 8, sizeof *g->rollouts);
}

static void hint(struct ptd_group *g)
{
    int32_t *ids = take(g, g->n_prompt + 2, sizeof *ids);
    memcpy(ids, g->prompt_ids, g->n_prompt * sizeof *ids);
    ids[g->n_prompt] = 33, ids[g->n_prompt + 1] = 41;
    g->hint = (struct ptd_hint){.text = "look", .prompt_ids = ids, .n_prompt = g->n_prompt + 2};
}

/* Active with two tutored responses; failed without a hint; solved, where a teacher's word does not
 * count. */
static int make_groups(void **state)
{
    static const int32_t text[9] = {7, 3, 11, 5, 9, 13, 2, 17, 21};
    (void)state;
    begin(&group[0], "active", tiny_ids, 22, 2, 0.25);
    respond(&group[0], 5, 1.3, 0.4);
    respond(&group[0], 1, -0.6, 0.4);
    respond(&group[0], 7, -0.6, 2);
    respond(&group[0], 3, -0.1, 0.4);
    hint(&group[0]);
    tutor(&group[0], 1);
    tutor(&group[0], 2);
    begin(&group[1], "failed", text, 9, 0, 0);
    respond(&group[1], 4, 0, 0.1);
    respond(&group[1], 6, 0.5, 0.5);
    begin(&group[2], "solved", tiny_ids, 12, 1, 1);
    respond(&group[2], 2, -2, 1.5);
    respond(&group[2], 8, 0.8, 0.3);
    hint(&group[2]);
    tutor(&group[2], 0);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) pictures[i] = tiny_picture(i);
    model = small_model(0);
    ptd_model_train(model);
    scratch = ptd_score_new(model, 1);
    banned = ptd_model_banned(model, 63);
    weights = plain_weights(model);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < GROUPS; i++) ptd_group_clear(&group[i]);
    for (int i = 0; i < 2; i++) free((void *)pictures[i].pixels);
    ptd_score_free(scratch);
    ptd_model_free(model);
    free(banned);
    free(weights);
    return 0;
}

static struct ptd_loss_rules rules(double beta, double lambda)
{
    return (struct ptd_loss_rules){.loss = ptd_loss_named("ppo"),
                                   .clip = {0.2, 0.28, 3},
                                   .kl = ptd_kl_named("k3"),
                                   .beta = beta,
                                   .lambda = lambda,
                                   .tau = 1,
                                   .divergence = ptd_divergence_named("jsd"),
                                   .temperature = 1.2,
                                   .micro_tokens = 1 << 20,
                                   .banned = banned};
}

/* The gradients as they are now. */
static float *grads;
static void look(void)
{
    free(grads);
    grads = tiny_gradients(model);
}

static struct ptd_learned learn(const struct ptd_loss_rules *r)
{
    struct ptd_learned out;
    int bad;
    tiny_zero_gradients(model);
    assert_int_equal(ptd_learn(scratch, groups, GROUPS, r, &out, &bad), 0);
    assert_int_equal(bad, -1);
    look();
    return out;
}

/* ---- the loss in double ---- */

static void plain_row(const struct plain *p, const double *hidden, double temperature, double *logp)
{
    double most = -INFINITY, sum = 0;
    plain_logits(p, hidden, logp);
    for (int v = 0; v < VOCAB; v++) {
        logp[v] = banned[v] ? -INFINITY : logp[v] / temperature;
        most = fmax(most, logp[v]);
    }
    for (int v = 0; v < VOCAB; v++) sum += exp(logp[v] - most);
    for (int v = 0; v < VOCAB; v++) logp[v] -= most + log(sum);
}

static double plain_divergence(const char *name, const struct ptd_rollout *y, int j, int top_k,
                               const double *logp)
{
    double (*part)(double, double) = plain_divergence_of(name);
    struct ptd_support u;
    double s[PTD_SUPPORT_MAX + 1], sum = 0, tail = 1;
    ptd_support_join(&u,
                     &(struct ptd_lesson){y->teacher_ids + j * TEACHER_K,
                                          y->teacher_logp + j * TEACHER_K,
                                          top_k ? top_k : TEACHER_K, y->top_ids + j * TOP_K,
                                          y->teacher_on_top + j * TOP_K, TOP_K},
                     0);
    for (int b = 0; b < u.n; b++) tail -= s[b] = exp(logp[u.id[b]]);
    s[u.n] = tail;
    for (int b = 0; b <= u.n; b++) sum += part(s[b], u.t[b]);
    return sum;
}

static int plain_tutored(const struct ptd_loss_rules *r, const struct ptd_group *g,
                         const struct ptd_rollout *y)
{
    return g->group_accuracy < r->tau && y->teacher_ids;
}

/* The tokens of an update as losses see them, and what the plain network says of them. */
enum { MOST = 64 };
static struct {
    double logp[MOST], old[MOST], ref[MOST], advantage[MOST], weight[MOST], entropy[MOST],
        far[MOST], full[MOST];
    int32_t sequence[MOST];
    struct ptd_sequence sequences[16];
    struct ptd_tokens t;
} seen;
/* The frozen model of a KL over all words, and its weights. */
static struct ptd_model *frozen;
static double *frozen_weights;
/* As the weights were before they were moved: what has no gradient. */
static double fixed_logp[MOST], fixed_entropy[MOST];

static void see_token(const struct ptd_loss_rules *r, const struct ptd_group *g,
                      const struct ptd_rollout *y, int j, const double *logp)
{
    long i = seen.t.n++;
    const struct ptd_known *k = &r->known;
    seen.sequence[i] = (int32_t)seen.t.n_sequences;
    seen.logp[i] = logp[y->ids[j]];
    seen.old[i] = k->old ? k->old[i] : y->logp[j];
    seen.ref[i] = y->ref_logp[j];
    seen.advantage[i] = k->advantage ? k->advantage[i] : y->advantage;
    seen.weight[i] = k->weight ? k->weight[i] : 1;
    seen.entropy[i] = seen.far[i] = 0;
    for (int v = 0; v < VOCAB; v++)
        seen.entropy[i] -= exp(logp[v]) > 0 ? exp(logp[v]) * logp[v] : 0;
    if (!r->loss->supervised && plain_tutored(r, g, y))
        seen.far[i] = plain_divergence(r->divergence->is.name, y, j, r->top_k, logp);
}

static double seen_logp[MOST][VOCAB];

/* KL(student||reference) over all words at the tokens that were seen last. */
static void see_reference(const struct ptd_loss_rules *r, const struct ptd_group *g,
                          const struct ptd_rollout *y, const int32_t *ids, int n)
{
    struct plain p = {frozen, frozen_weights};
    double ref[VOCAB];
    const double *x = plain_hidden(&p, ids, n + y->n, g->pictures, g->n_pictures);
    for (int j = 0; j < y->n; j++) {
        long i = seen.t.n - y->n + j;
        plain_row(&p, x + (n - 1 + j) * model->config.hidden, r->temperature, ref);
        seen.full[i] = 0;
        for (int v = 0; v < VOCAB; v++)
            if (!banned[v]) seen.full[i] += exp(seen_logp[i][v]) * (seen_logp[i][v] - ref[v]);
    }
}

static void see_response(const struct ptd_loss_rules *r, const struct ptd_group *g,
                         const struct ptd_rollout *y)
{
    struct plain p = {model, weights};
    int hinted = r->loss->supervised && g->hint.text, n = hinted ? g->hint.n_prompt : g->n_prompt,
        kl = !r->loss->supervised && r->beta != 0;
    double logp[VOCAB];
    int32_t ids[64];
    for (int k = 0; k < g->n_rollouts; k++) kl &= !plain_tutored(r, g, &g->rollouts[k]);
    seen.sequences[seen.t.n_sequences] =
        (struct ptd_sequence){.first = seen.t.n,
                              .n = y->n,
                              .reference = kl,
                              .tutored = !r->loss->supervised && plain_tutored(r, g, y)};
    memcpy(ids, hinted ? g->hint.prompt_ids : g->prompt_ids, n * sizeof *ids);
    memcpy(ids + n, y->ids, y->n * sizeof *ids);
    const double *x = plain_hidden(&p, ids, n + y->n, g->pictures, g->n_pictures);
    for (int j = 0; j < y->n; j++) {
        plain_row(&p, x + (n - 1 + j) * model->config.hidden, r->temperature, logp);
        see_token(r, g, y, j, logp);
        memcpy(seen_logp[seen.t.n - 1], logp, sizeof logp);
    }
    if (r->reference) see_reference(r, g, y, ids, n);
    seen.t.n_sequences++;
}

/* Every response read by itself, its prompt again each time. */
static void see(const struct ptd_loss_rules *r)
{
    seen.t = (struct ptd_tokens){.logp = seen.logp,
                                 .old = seen.old,
                                 .ref = seen.ref,
                                 .advantage = seen.advantage,
                                 .weight = seen.weight,
                                 .sequence = seen.sequence,
                                 .sequences = seen.sequences,
                                 .clip = r->clip};
    for (int i = 0; i < GROUPS; i++)
        for (int k = 0; k < group[i].n_rollouts; k++)
            see_response(r, &group[i], &group[i].rollouts[k]);
}

/* What is clipped: +1, by the dual clip -1. */
static int plain_side(const struct ptd_loss_rules *r, long i)
{
    double A = seen.advantage[i], x = exp(seen.logp[i] - seen.old[i]),
           near = fmin(fmax(x, 1 - r->clip.low), 1 + r->clip.high), pg = fmax(-A * x, -A * near);
    if (A < 0 && r->clip.dual > 0 && pg > -A * r->clip.dual) return -1;
    return -A * near > -A * x;
}

static void plain_sums(const struct ptd_loss_rules *r, struct ptd_learned *out)
{
    for (long i = 0; i < seen.t.n; i++) {
        const struct ptd_sequence *q = &seen.sequences[seen.sequence[i]];
        double gap = fabs(seen.old[i] - seen.logp[i]), x = exp(seen.logp[i] - seen.old[i]);
        out->tokens++;
        out->logp += seen.logp[i];
        out->entropy += seen.entropy[i];
        out->ppo_kl += seen.old[i] - seen.logp[i];
        out->gap += gap;
        out->max_gap = fmax(out->max_gap, gap);
        out->jsd += seen.far[i];
        if (r->loss->supervised) continue;
        out->max_ratio_error = fmax(out->max_ratio_error, fabs(x - 1));
        out->tutored_tokens += q->tutored;
        out->kl_tokens += q->reference;
        out->clipped_high += plain_side(r, i) > 0;
        out->clipped_dual += plain_side(r, i) < 0;
    }
    for (long k = 0; k < seen.t.n_sequences; k++) out->tutored += seen.sequences[k].tutored;
}

/* Entropies below the quantile, which are learned from by nothing but the KL. */
static double plain_border(double share)
{
    double x[MOST], at;
    memcpy(x, fixed_entropy, sizeof x);
    for (long i = 0; i < seen.t.n; i++)
        for (long k = i + 1; k < seen.t.n; k++)
            if (x[k] < x[i]) at = x[i], x[i] = x[k], x[k] = at;
    at = (1 - share) * (seen.t.n - 1);
    if (fabs(at - round(at)) < 1e-9) return x[(int)round(at)];
    return x[(int)at] + (at - (int)at) * (x[(int)at + 1] - x[(int)at]);
}

static struct ptd_learned plain_learn_as(const struct ptd_loss_rules *r, int learned)
{
    struct ptd_learned out = {0};
    struct plain_update u = {&seen.t, fixed_logp};
    double (*pg)(const struct plain_update *, long) = plain_loss_of(r->loss->is.name), border = 0;
    see(r);
    plain_sums(r, &out);
    if (r->top_entropy > 0) border = plain_border(r->top_entropy);
    for (long i = 0; i < seen.t.n; i++) {
        double count = plain_count(&seen.t, i, r->aggregate, r->length), kl = 0,
               weight = fixed_entropy[i] < border ? 0 : seen.weight[i];
        if (seen.sequences[seen.sequence[i]].reference)
            kl = r->reference
                     ? seen.full[i]
                     : plain_kl(r->kl->is.name, seen.logp[i], seen.old[i], seen.ref[i], learned);
        out.pg += pg(&u, i);
        out.kl += kl;
        out.pg_loss += weight * pg(&u, i) / count;
        out.kl_loss += kl / count;
        out.entropy_loss += seen.entropy[i] / seen.t.n;
    }
    if (out.tutored_tokens) out.far_loss = r->lambda * out.jsd / out.tutored_tokens;
    out.loss = out.pg_loss + r->beta * (r->kl_in_reward ? 0 : out.kl_loss) -
               r->bonus * out.entropy_loss + out.far_loss;
    return out;
}

static struct ptd_learned plain_learn(const struct ptd_loss_rules *r)
{
    see(r);
    memcpy(fixed_logp, seen.logp, sizeof fixed_logp);
    memcpy(fixed_entropy, seen.entropy, sizeof fixed_entropy);
    return plain_learn_as(r, 0);
}

static double loss_of_weights(const void *rules)
{
    return plain_learn_as(rules, 1).loss;
}

/* Along a random direction in entries first .. last of the weights. */
static void check_slope_of(const char *name, size_t first, size_t last,
                           double (*loss)(const void *), const void *ctx)
{
    const double h = 1e-4, norm = sqrt((double)(last - first) / 3);
    double slope = 0, length = 0, value[2], *saved = ptd_array(last - first, sizeof *saved);
    memcpy(saved, weights + first, (last - first) * sizeof *saved);
    for (int up = 0; up < 2; up++) {
        for (size_t i = first; i < last; i++)
            weights[i] = saved[i - first] + (up ? h : -h) * tiny_uniform(name, i) / norm;
        value[up] = loss(ctx);
    }
    memcpy(weights + first, saved, (last - first) * sizeof *saved);
    free(saved);
    for (size_t i = first; i < last; i++) {
        slope += grads[i] * tiny_uniform(name, i) / norm;
        length += (double)grads[i] * grads[i];
    }
    value[1] = (value[1] - value[0]) / (2 * h);
    if (!(fabs(slope - value[1]) <= 2e-4 * (fabs(slope) + sqrt(length) / norm) + 1e-6))
        fail_msg("%s: the gradient says %.8g, differences %.8g", name, slope, value[1]);
}

static void check_slope(const struct ptd_loss_rules *r, const char *name, size_t first, size_t last)
{
    check_slope_of(name, first, last, loss_of_weights, r);
}

/* ---- losses ---- */

static void check_sums(const struct ptd_loss_rules *r)
{
    struct ptd_learned got = learn(r), want = plain_learn(r);
    assert_int_equal(got.tokens, want.tokens);
    assert_int_equal(got.kl_tokens, want.kl_tokens);
    assert_int_equal(got.tutored_tokens, !r->loss->supervised ? want.tutored_tokens : 0);
    assert_int_equal(got.tutored, !r->loss->supervised ? want.tutored : 0);
    assert_close(got.loss, want.loss, 1e-5);
    assert_close(got.pg_loss, want.pg_loss, 1e-5);
    assert_close(got.kl_loss, want.kl_loss, 1e-5);
    assert_close(got.far_loss, want.far_loss, 1e-5);
    assert_close(got.entropy_loss, want.entropy_loss, 1e-5);
    assert_close(got.pg, want.pg, 3e-4);
    assert_close(got.gap, want.gap, 3e-4);
    assert_close(got.max_gap, want.max_gap, 1e-5);
    assert_close(got.kl, want.kl, 1e-4);
    assert_close(got.jsd, want.jsd, 1e-4);
    assert_close(got.entropy, want.entropy, 1e-4);
    assert_close(got.logp, want.logp, 3e-4);
    assert_close(got.ppo_kl, want.ppo_kl, 3e-4);
    assert_close(got.clipped_high, want.clipped_high, 0);
    assert_close(got.clipped_dual, want.clipped_dual, 0);
    assert_close(got.max_ratio_error, want.max_ratio_error, 1e-4);
}

static void check_loss(const struct ptd_loss_rules *r)
{
    check_sums(r);
    check_slope(r, "everything", 0, model->n_weights);
    for (int i = 0; i < model->n_params; i += 7)
        check_slope(r, model->params[i].name, model->params[i].offset,
                    model->params[i].offset + model->params[i].n);
}

static void policy_gradient_alone(void **state)
{
    struct ptd_loss_rules r = rules(0, 0);
    (void)state;
    assert_true(plain_learn(&r).clipped_high > 3);
    check_loss(&r);
    r.clip.dual = 1.5;
    assert_true(plain_learn(&r).clipped_dual > 0);
    check_loss(&r);
}

static void with_the_reference(void **state)
{
    struct ptd_loss_rules r = rules(0.5, 0);
    (void)state;
    check_loss(&r);
}

static void with_the_teacher(void **state)
{
    (void)state;
    for (int d = 0; divergence_number(d); d++) {
        struct ptd_loss_rules r = rules(0.3, 2);
        r.divergence = divergence_number(d);
        if (!plain_learns(r.divergence)) {
            check_sums(&r); /* and then the gradients of the rest */
            r.lambda = 0;
            check_slope(&r, "everything", 0, model->n_weights);
            continue;
        }
        check_loss(&r);
        if (strcmp(r.divergence->is.name, "jsd")) continue;
        for (int i = 0; i < model->n_params; i++)
            check_slope(&r, model->params[i].name, model->params[i].offset,
                        model->params[i].offset + model->params[i].n);
        r.top_k = 2;
        check_loss(&r);
    }
}

static void supervised(void **state)
{
    struct ptd_loss_rules r = rules(0.3, 2);
    (void)state;
    r.loss = ptd_loss_named("sft");
    r.temperature = 1;
    check_loss(&r);
    group[2].hint.text = NULL; /* then its own prompt */
    check_loss(&r);
}

/* ---- every loss there is ---- */

/* Rows when each response has a prompt to itself. */
static long packed_alone(void)
{
    long rows = 0;
    for (int i = 0; i < GROUPS; i++)
        for (int k = 0; k < group[i].n_rollouts; k++)
            rows += group[i].n_prompt + group[i].rollouts[k].n - 1;
    return rows;
}

/* In one micro-batch and in one for each response. */
static void check_whole(struct ptd_loss_rules *r)
{
    struct ptd_learned want = plain_learn(r);
    for (int small = 0; small < 2; small++) {
        r->micro_tokens = small ? 1 : 1 << 20;
        struct ptd_learned got = learn(r);
        assert_close(got.loss, want.loss, 1e-5);
        assert_close(got.pg_loss, want.pg_loss, 1e-5);
        assert_int_equal(got.packed, small ? packed_alone() : 71);
        assert_int_equal(got.tutored, 2); /* whose divergence is learned beside it */
        check_slope(r, "everything", 0, model->n_weights);
        for (int i = 3; i < model->n_params; i += 17)
            check_slope(r, model->params[i].name, model->params[i].offset,
                        model->params[i].offset + model->params[i].n);
    }
}

static void all_losses_learn(void **state)
{
    (void)state;
    for (int k = 0; ptd_losses[k]; k++) {
        struct ptd_loss_rules r = rules(0.2, 1);
        r.loss = (const struct ptd_loss *)ptd_losses[k];
        if (r.loss->supervised) continue;
        r.kl = (const struct ptd_kl *)ptd_kls[k % 4];
        r.clip = (struct ptd_clip){0.2, 0.2, 0};
        r.aggregate = k % 3;
        r.length = 9;
        check_whole(&r);
    }
}

static void all_estimates_learn(void **state)
{
    (void)state;
    for (int k = 0; ptd_kls[k]; k++) {
        struct ptd_loss_rules r = rules(0.7, 0);
        r.kl = (const struct ptd_kl *)ptd_kls[k];
        if (!r.kl->value) continue;
        check_loss(&r);
        r.kl_in_reward = 1; /* then it is not here */
        assert_int_equal(learn(&r).kl_tokens, 0);
        assert_close(learn(&r).loss, learn(&r).pg_loss, 1e-12);
    }
}

/* The divergence itself, beside a tutor, under each aggregate, cut in any way; and nothing at all
 * where the frozen model is the student. */
static void all_words_learn(void **state)
{
    struct ptd_loss_rules r = rules(0.7, 1);
    (void)state;
    frozen = small_model(0.2);
    frozen_weights = plain_weights(frozen);
    struct ptd_reference ref = {.score = ptd_score_new(frozen, 0)};
    r.kl = ptd_kl_named("full");
    r.reference = &ref;
    for (r.aggregate = 0; ptd_aggregate_names[r.aggregate]; r.aggregate++) {
        r.length = 5;
        check_whole(&r);
    }
    r.aggregate = PTD_BY_TOKEN;
    check_loss(&r);
    r.top_entropy = 0.4;
    r.bonus = 0.1;
    check_whole(&r);
    assert_true(learn(&r).kl > 1e-2);
    ptd_score_free(ref.score);
    ptd_reference_clear(&ref);
    ptd_model_free(frozen);
    free(frozen_weights);
    frozen = small_model(0);
    ref.score = ptd_score_new(frozen, 0);
    assert_true(learn(&r).kl == 0);
    ptd_score_free(ref.score);
    ptd_reference_clear(&ref);
    ptd_model_free(frozen);
}

/* A bonus pulls entropy up: along the gradient L falls, so against it H rises. */
static void entropy_is_a_bonus(void **state)
{
    struct ptd_loss_rules r = rules(0.1, 1);
    const double h = 1e-3;
    double before, after, norm = 0;
    (void)state;
    r.bonus = 0.3;
    check_loss(&r);
    check_whole(&r);
    r.aggregate = PTD_BY_SEQUENCE;
    check_loss(&r);
    r = rules(0, 0);
    r.tau = 0;
    for (int i = 0; i < GROUPS; i++)
        for (int k = 0; k < group[i].n_rollouts; k++) group[i].rollouts[k].advantage = 0;
    r.bonus = 1;
    before = learn(&r).entropy;
    for (size_t i = 0; i < model->n_weights; i++) norm += (double)grads[i] * grads[i];
    for (size_t i = 0; i < model->n_weights; i++) weights[i] -= h * grads[i] / sqrt(norm);
    after = plain_learn(&r).entropy;
    for (size_t i = 0; i < model->n_weights; i++) weights[i] += h * grads[i] / sqrt(norm);
    assert_true(after > before + 1e-4);
}

static void entropy_masks(void **state)
{
    struct ptd_loss_rules r = rules(0.1, 1);
    (void)state;
    r.top_entropy = 0.3;
    check_whole(&r);
    double some = learn(&r).pg_loss;
    r.top_entropy = 1;
    assert_true(fabs(learn(&r).pg_loss - some) > 1e-3);
    r.bonus = 0.1;
    r.top_entropy = 0.6;
    check_whole(&r);
}

/* What is known before takes the place of what the stream says; the same numbers change nothing. */
static void what_is_known_before_counts(void **state)
{
    double old[MOST], weight[MOST], advantage[MOST];
    struct ptd_loss_rules r = rules(0.1, 1);
    struct ptd_learned stream, same;
    (void)state;
    stream = learn(&r);
    plain_learn(&r);
    memcpy(old, seen.old, sizeof old);
    memcpy(advantage, seen.advantage, sizeof advantage);
    for (int i = 0; i < MOST; i++) weight[i] = 1;
    r.known = (struct ptd_known){old, weight, advantage};
    same = learn(&r);
    assert_memory_equal(&stream, &same, sizeof same);
    for (int i = 0; i < MOST; i++) {
        old[i] += 0.2 * tiny_uniform("known", i);
        advantage[i] += tiny_uniform("earned", i);
        weight[i] = 1 + tiny_uniform("weight", i);
    }
    check_whole(&r);
    r.loss = ptd_loss_named("gmpo");
    r.clip = r.loss->clip;
    check_whole(&r);
}

static void tokens_are_looked_at(void **state)
{
    double logp[MOST];
    int bad;
    struct ptd_loss_rules r = rules(0.1, 1);
    (void)state;
    plain_learn(&r);
    for (int small = 0; small < 2; small++) {
        r.micro_tokens = small ? 1 : 1 << 20;
        assert_int_equal(ptd_learn_look(scratch, groups, GROUPS, &r, logp, &bad), 0);
        for (long i = 0; i < seen.t.n; i++) assert_close(logp[i], seen.logp[i], 1e-5);
    }
    group[1].rollouts[0].ids = (const int32_t[]){1, 2, VOCAB, 3};
    assert_int_equal(ptd_learn_look(scratch, groups, GROUPS, &r, logp, &bad), -1);
    assert_int_equal(bad, 1);
}

/* ---- which tokens get which term ---- */

static void groups_with_tutored_responses_drop_the_reference(void **state)
{
    struct ptd_loss_rules r = rules(0.5, 1);
    struct ptd_learned out = learn(&r);
    (void)state;
    assert_int_equal(out.tokens, 36);
    assert_int_equal(out.tutored, 2);
    assert_int_equal(out.tutored_tokens, 8);
    assert_int_equal(out.kl_tokens, 20); /* of "failed" and "solved" */
    r.tau = 0.25;                        /* no group's accuracy is below: nothing is tutored */
    out = learn(&r);
    assert_int_equal(out.tutored, 0);
    assert_int_equal(out.kl_tokens, 36);
    assert_close(out.jsd, 0, 0);
    r.tau = 1.1; /* the solved group is active too */
    out = learn(&r);
    assert_int_equal(out.tutored, 3);
    assert_int_equal(out.tutored_tokens, 10);
    assert_int_equal(out.kl_tokens, 10);
    group[0].rollouts[1].teacher_ids = group[0].rollouts[2].teacher_ids =
        NULL; /* a hint whose responses nobody scored */
    r.tau = 1;
    out = learn(&r);
    assert_int_equal(out.tutored, 0);
    assert_int_equal(out.kl_tokens, 36);
    r.beta = 0;
    assert_int_equal(learn(&r).kl_tokens, 0);
}

static void nothing_to_learn(void **state)
{
    struct ptd_loss_rules r = rules(0, 1);
    struct ptd_learned out;
    int bad;
    (void)state;
    r.tau = 0;
    for (int i = 0; i < GROUPS; i++)
        for (int k = 0; k < group[i].n_rollouts; k++) group[i].rollouts[k].advantage = 0;
    out = learn(&r);
    assert_close(out.loss, 0, 0);
    for (size_t i = 0; i < model->n_weights; i++) assert_true(grads[i] == 0);
    assert_int_equal(ptd_learn(scratch, groups, 0, &r, &out, &bad), 0);
    assert_int_equal(out.tokens, 0);
    for (int i = 0; i < GROUPS; i++) group[i].n_rollouts = 0;
    assert_int_equal(ptd_learn(scratch, groups, GROUPS, &r, &out, &bad), 0);
    assert_int_equal(out.tokens, 0);
    assert_true(out.loss == 0);
    look();
    for (size_t i = 0; i < model->n_weights; i++) assert_true(grads[i] == 0);
}

static void empty_responses_count_nothing(void **state)
{
    struct ptd_loss_rules r = rules(0.5, 1);
    struct ptd_learned with, without;
    float *kept = ptd_array(model->n_weights, sizeof *kept);
    (void)state;
    without = learn(&r);
    memcpy(kept, grads, model->n_weights * sizeof *kept);
    group[1].rollouts[group[1].n_rollouts++] = (struct ptd_rollout){.advantage = 1};
    with = learn(&r);
    assert_memory_equal(&with, &without, sizeof with);
    assert_memory_equal(kept, grads, model->n_weights * sizeof *kept);
    free(kept);
}

/* ---- micro-batches ---- */

static void assert_same_gradients(const float *kept)
{
    for (int i = 0; i < model->n_params; i++) {
        const struct ptd_param *p = &model->params[i];
        double off = 0, norm = 0;
        for (size_t k = p->offset; k < p->offset + p->n; k++) {
            off += ((double)kept[k] - grads[k]) * ((double)kept[k] - grads[k]);
            norm += (double)kept[k] * kept[k];
        }
        if (!(sqrt(off) <= 1e-5 * sqrt(norm) + 1e-9))
            fail_msg("%s: gradients differ by %g of %g", p->name, sqrt(off), sqrt(norm));
    }
}

static void micro_batches_change_nothing(void **state)
{
    static const long sizes[] = {1, 40, 50};
    struct ptd_loss_rules r = rules(0.5, 1);
    struct ptd_learned one = learn(&r), many;
    float *kept = ptd_array(model->n_weights, sizeof *kept);
    (void)state;
    memcpy(kept, grads, model->n_weights * sizeof *kept);
    for (int i = 0; i < 3; i++) {
        r.micro_tokens = sizes[i];
        many = learn(&r);
        assert_same_gradients(kept);
        assert_close(many.loss, one.loss, 1e-6);
        assert_int_equal(many.packed, sizes[i] > 1 ? one.packed : packed_alone());
        assert_int_equal(many.kl_tokens, one.kl_tokens);
        assert_int_equal(many.tutored_tokens, one.tutored_tokens);
    }
    groups[0] = &group[2], groups[2] = &group[0]; /* nor does the order of groups */
    many = learn(&r);
    groups[0] = &group[0], groups[2] = &group[2];
    assert_same_gradients(kept);
    free(kept);
}

static double apart(const float *kept)
{
    double off = 0, norm = 0;
    for (size_t i = 0; i < model->n_weights; i++) {
        off += ((double)kept[i] - grads[i]) * ((double)kept[i] - grads[i]);
        norm += (double)kept[i] * kept[i];
    }
    return sqrt(off / norm);
}

/* A group that is larger than a micro-batch is cut between its responses: the first here, of 34
 * rows with a prompt of 22, into two pieces and into four. */
static void large_groups_are_cut(void **state)
{
    static const struct {
        long micro, packed;
    } cuts[] = {{17, 34 + 17 + 20}, {16, 34 + 22 + 17 + 20}, {10, 34 + 3 * 22 + 17 + 20}};
    struct ptd_loss_rules r = rules(0.5, 1);
    struct ptd_learned one, many;
    float *kept = ptd_array(model->n_weights, sizeof *kept);
    (void)state;
    for (int i = 0; i < 3; i++) {
        r.micro_tokens = cuts[i].micro;
        many = learn(&r);
        assert_int_equal(many.packed, cuts[i].packed);
        if (!i) memcpy(kept, grads, model->n_weights * sizeof *kept), one = many;
        if (!(apart(kept) < 1e-6)) fail_msg("micro %ld: %g", cuts[i].micro, apart(kept));
        assert_close(many.loss, one.loss, 1e-7);
        assert_close(many.jsd, one.jsd, 1e-6);
        assert_int_equal(many.tutored_tokens, one.tutored_tokens);
    }
    free(kept);
}

/* The prompt computed once for all its responses, or again for each. */
static void shared_prompts_change_nothing(void **state)
{
    struct ptd_loss_rules r = rules(0, 1);
    struct ptd_group single[4], *each[6];
    struct ptd_learned one = learn(&r), many;
    float *kept = ptd_array(model->n_weights, sizeof *kept);
    int bad;
    (void)state;
    memcpy(kept, grads, model->n_weights * sizeof *kept);
    tiny_zero_gradients(model);
    for (int i = 0; i < 4; i++) {
        single[i] = group[0];
        single[i].rollouts = &group[0].rollouts[i];
        single[i].n_rollouts = 1;
        each[i] = &single[i];
    }
    each[4] = &group[1], each[5] = &group[2];
    assert_int_equal(ptd_learn(scratch, each, 6, &r, &many, &bad), 0);
    look();
    assert_same_gradients(kept);
    assert_close(many.loss, one.loss, 1e-6);
    assert_int_equal(many.packed, one.packed + 3 * 22);
    free(kept);
}

static void gradients_are_added(void **state)
{
    struct ptd_loss_rules r = rules(0.5, 1);
    struct ptd_learned out;
    float *kept = ptd_array(model->n_weights, sizeof *kept);
    int bad;
    (void)state;
    learn(&r);
    for (size_t i = 0; i < model->n_weights; i++) kept[i] = 2 * grads[i];
    assert_int_equal(ptd_learn(scratch, groups, GROUPS, &r, &out, &bad), 0);
    look();
    assert_same_gradients(kept);
    free(kept);
}

/* ---- before the first update ---- */

/* Responses sampled by these weights, the reference read with these weights: nothing has moved. */
static void ratio_is_one_and_divergence_zero(void **state)
{
    static const int stop = 2;
    const struct ptd_sampling s = {.temperature = 1.2,
                                   .top_p = 1,
                                   .group_size = 4,
                                   .max_tokens = 9,
                                   .stop = &stop,
                                   .n_stop = 1,
                                   .banned = banned,
                                   .seed = 3};
    struct ptd_loss_rules r = rules(1, 0);
    struct ptd_question q[GROUPS];
    struct ptd_learned out;
    (void)state;
    for (int i = 0; i < GROUPS; i++)
        q[i] = (struct ptd_question){group[i].prompt_ids, group[i].n_prompt, pictures,
                                     group[i].n_pictures, i};
    struct ptd_reply *reply = ptd_sample(model, q, GROUPS, &s, 1);
    assert_non_null(reply);
    for (int i = 0; i < GROUPS; i++) {
        struct ptd_group *g = &group[i];
        for (g->n_rollouts = 0; g->n_rollouts < 4; g->n_rollouts++) {
            struct ptd_reply *y = &reply[4 * i + g->n_rollouts];
            float *ref = take(g, y->n, sizeof *ref);
            g->rollouts[g->n_rollouts] = (struct ptd_rollout){
                .ids = y->ids, .n = y->n, .logp = y->logp, .ref_logp = ref, .advantage = 1};
            read_response(model, g, g->prompt_ids, g->n_prompt, &g->rollouts[g->n_rollouts],
                          &(struct reading){.temperature = 1.2, .logp = ref});
        }
    }
    out = learn(&r);
    assert_true(out.tokens > 50);
    assert_int_equal(out.kl_tokens, out.tokens);
    if (!(out.max_ratio_error < 1e-5)) fail_msg("ratio is off by %g", out.max_ratio_error);
    if (!(out.kl < 1e-10 * out.tokens)) fail_msg("divergence is %g", out.kl);
    assert_close(out.loss, -1, 1e-5);
    assert_close(out.clipped_high + out.clipped_dual, 0, 0);
    ptd_replies_free(reply, 12);
}

/* ---- what is not finite ---- */

static void assert_bad(const struct ptd_loss_rules *r, int want)
{
    struct ptd_learned out;
    for (int small = 0; small < 2; small++) {
        struct ptd_loss_rules k = *r;
        int bad = 77;
        k.micro_tokens = small ? 1 : 1 << 20;
        assert_int_equal(ptd_learn(scratch, groups, GROUPS, &k, &out, &bad), 0);
        assert_int_equal(bad, want);
    }
}

static void values_that_are_not_finite_name_their_group(void **state)
{
    static const double worst[] = {NAN, INFINITY, -INFINITY};
    struct ptd_loss_rules r = rules(0.5, 1);
    (void)state;
    for (int i = 0; i < GROUPS; i++)
        for (int k = 0; k < 3; k++) {
            double *a = &group[i].rollouts[1].advantage, saved = *a;
            *a = worst[k];
            assert_bad(&r, i);
            *a = saved;
        }
    for (int i = 0; i < GROUPS; i++) {
        float *old = (float *)group[i].rollouts[1].logp,
              *ref = (float *)group[i].rollouts[1].ref_logp, saved = *old;
        *old = NAN;
        assert_bad(&r, i);
        *old = saved;
        saved = *ref;
        *ref = NAN;
        assert_bad(&r, i ? i : -1); /* the tutored group does not look at it */
        *ref = saved;
    }
    ((uint16_t *)group[0].rollouts[2].teacher_logp)[TEACHER_K * 3] = 0x7e00;
    assert_bad(&r, 0);
    r.tau = 0; /* nor does an untutored one at its teacher */
    assert_bad(&r, -1);
}

static void the_first_of_several_is_named(void **state)
{
    struct ptd_loss_rules r = rules(0.5, 1);
    struct ptd_device *d = model->device;
    float *saved = tiny_weights(model);
    size_t at = plain_param(model, "model.language_model.norm.weight")->offset;
    (void)state;
    assert_bad(&r, -1);
    group[2].rollouts[0].advantage = group[1].rollouts[0].advantage = NAN;
    assert_bad(&r, 1);
    d->ops->put_nums(d, ptd_at(d, model->weights, at), &(float){NAN}, 1);
    assert_bad(&r, 0);
    tiny_put_weights(model, saved);
    free(saved);
}

static void words_beyond_the_vocabulary_are_refused(void **state)
{
    static const int32_t worst[] = {-1, VOCAB, INT32_MAX};
    struct ptd_loss_rules r = rules(0.5, 1);
    struct ptd_learned out;
    int bad;
    (void)state;
    for (int i = 0; i < 3; i++) {
        int32_t *id = (int32_t *)&group[1].rollouts[1].ids[4], saved = *id;
        *id = worst[i];
        assert_int_equal(ptd_learn(scratch, groups, GROUPS, &r, &out, &bad), -1);
        assert_int_equal(ptd_failed_status(), PTD_DATAERR);
        assert_non_null(strstr(ptd_failed_message(), "group \"failed\": reply 1, token 4: id "));
        assert_int_equal(bad, 1);
        *id = saved;
        learn(&r); /* the scratch is as good as new */
    }
    group[2].n_pictures = 0;
    assert_int_equal(ptd_learn(scratch, groups, GROUPS, &r, &out, &bad), -1);
    assert_non_null(strstr(ptd_failed_message(), "group \"solved\": "));
    assert_int_equal(bad, 2);
}

#define TEST(f) cmocka_unit_test_setup(f, make_groups)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(policy_gradient_alone),
        TEST(with_the_reference),
        TEST(with_the_teacher),
        TEST(supervised),
        TEST(all_losses_learn),
        TEST(all_estimates_learn),
        TEST(all_words_learn),
        TEST(entropy_is_a_bonus),
        TEST(entropy_masks),
        TEST(what_is_known_before_counts),
        TEST(tokens_are_looked_at),
        TEST(groups_with_tutored_responses_drop_the_reference),
        TEST(nothing_to_learn),
        TEST(empty_responses_count_nothing),
        TEST(micro_batches_change_nothing),
        TEST(large_groups_are_cut),
        TEST(shared_prompts_change_nothing),
        TEST(gradients_are_added),
        TEST(ratio_is_one_and_divergence_zero),
        TEST(values_that_are_not_finite_name_their_group),
        TEST(the_first_of_several_is_named),
        TEST(words_beyond_the_vocabulary_are_refused),
    };
    ptd_program("test-learn");
    ptd_threads_start(2);
    return cmocka_run_group_tests_name("learn", tests, setup, teardown);
}
