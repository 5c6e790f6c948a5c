/* test-tutoring: every way in which tutored tokens can learn, on a small network: its loss against
 * the same in double, its gradient against finite differences; who loses the reference; lambda over
 * a run. */
#include "base/half.h"
#include "methods.h"
#include "plain.h"
#include "tiny.h"
#include "compute/cpu/support.h"
#include "method/learn.h"
#include "method/tutoring.h"
#include "test.h"

enum { VOCAB = 64, K = 5, OWN = 3, N = 6, GAMMA = 3, HIDDEN = 40 };
#define LAMBDA      1.5
#define TEMPERATURE 1.2

static struct ptd_model *model, *teacher;
static struct ptd_lm_head *head; /* the teacher's */
static struct ptd_score *scratch;
static uint8_t *banned;
static double *weights;
static float *grads, *teacher_head;
static struct ptd_group group, *groups[1] = {&group};
static const int32_t prompt[9] = {7, 3, 11, 5, 9, 13, 2, 17, 21};

static struct ptd_model *small_model(const char *noise)
{
    struct ptd_config c = tiny_config(1);
    c.layers = 1;
    c.v_depth = 1;
    c.n_deepstack = 1;
    c.deepstack[0] = 0;
    struct ptd_model *m = tiny_model_of(&c);
    float *w = tiny_weights(m);
    for (size_t i = 0; i < m->n_weights && *noise; i++)
        w[i] *= (float)(1 + 0.3 * tiny_uniform(noise, i));
    tiny_put_weights(m, w);
    free(w);
    return m;
}

static int setup(void **state)
{
    (void)state;
    model = small_model("");
    teacher = small_model("teacher");
    ptd_model_train(model);
    scratch = ptd_score_new(model, 1);
    banned = ptd_model_banned(model, 63);
    weights = plain_weights(model);
    grads = ptd_array(model->n_weights, sizeof *grads);
    head = ptd_lm_head_new(the_device(), ptd_model_head(teacher), NULL, NULL);
    teacher_head = read_nums(the_device(), ptd_model_head(teacher)->blocks->at, VOCAB * HIDDEN);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ptd_group_clear(&group);
    ptd_lm_head_free(head);
    ptd_score_free(scratch);
    ptd_model_free(model);
    ptd_model_free(teacher);
    free(banned), free(weights), free(grads), free(teacher_head);
    return 0;
}

/* ---- a group: tutored, tutored, not ---- */

static void *take(size_t n, size_t size)
{
    return ptd_group_alloc(&group, n * size);
}

/* logp [VOCAB] of logits. */
static void log_softmax(double *z)
{
    double sum = 0;
    for (int v = 0; v < VOCAB; v++) sum += banned[v] ? 0 : exp(z[v] / TEMPERATURE);
    for (int v = 0; v < VOCAB; v++) z[v] = banned[v] ? -INFINITY : z[v] / TEMPERATURE - log(sum);
}

static void best_of(const double *logp, int k, int32_t *ids)
{
    for (int i = 0; i < k; i++) {
        int best = -1;
        for (int v = 0; v < VOCAB; v++) {
            int known = 0;
            for (int j = 0; j < i; j++) known |= ids[j] == v;
            if (!known && (best < 0 || logp[v] > logp[best])) best = v;
        }
        ids[i] = best;
    }
}

/* logp [n][VOCAB] of the words of y under weights w of model m. */
static void plain_read(struct ptd_model *m, const double *w, const struct ptd_rollout *y,
                       double (*logp)[VOCAB], double *hidden)
{
    struct plain p = {m, w};
    int32_t ids[32];
    memcpy(ids, prompt, sizeof prompt);
    memcpy(ids + 9, y->ids, y->n * sizeof *ids);
    const double *x = plain_hidden(&p, ids, 9 + y->n, NULL, 0);
    for (int j = 0; j < y->n; j++) {
        if (hidden) memcpy(hidden + j * HIDDEN, x + (8 + j) * HIDDEN, HIDDEN * sizeof *hidden);
        plain_logits(&p, x + (8 + j) * HIDDEN, logp[j]);
        log_softmax(logp[j]);
    }
}

static void teach(struct ptd_rollout *y, double (*s)[VOCAB], int whole)
{
    double t[N][VOCAB], x[N * HIDDEN], *w = plain_weights(teacher);
    int32_t *ids = take(y->n * K, sizeof *ids), *own = take(y->n * OWN, sizeof *own);
    uint16_t *logp = take(y->n * K, sizeof *logp), *on_own = take(y->n * OWN, sizeof *on_own);
    float *on_ids = take(y->n, sizeof *on_ids), *rows = take(y->n * HIDDEN, sizeof *rows);
    plain_read(teacher, w, y, t, x);
    free(w);
    for (int j = 0; j < y->n; j++) {
        best_of(t[j], K, ids + j * K);
        best_of(s[j], OWN, own + j * OWN);
        for (int k = 0; k < K; k++) logp[j * K + k] = ptd_half((float)t[j][ids[j * K + k]]);
        for (int k = 0; k < OWN; k++) on_own[j * OWN + k] = ptd_half((float)t[j][own[j * OWN + k]]);
        on_ids[j] = (float)t[j][y->ids[j]];
    }
    for (int i = 0; i < y->n * HIDDEN; i++) rows[i] = (float)x[i];
    y->top_ids = own, y->top_k = OWN;
    y->teacher_on_ids = on_ids;
    if (whole)
        y->teacher_rows = rows, y->teacher_width = HIDDEN;
    else
        y->teacher_ids = ids, y->teacher_logp = logp, y->teacher_on_top = on_own, y->teacher_k = K;
}

static void make_group(int whole)
{
    ptd_group_clear(&group);
    group.uid = "one";
    group.prompt_ids = prompt;
    group.n_prompt = 9;
    group.group_accuracy = 0.5;
    group.n_rollouts = 3;
    group.rollouts = take(3, sizeof *group.rollouts);
    for (int k = 0; k < 3; k++) {
        struct ptd_rollout *y = &group.rollouts[k];
        double s[N][VOCAB];
        int32_t *ids = take(N, sizeof *ids);
        float *logp = take(N, sizeof *logp), *ref = take(N, sizeof *ref),
              *masked = take(N, sizeof *masked);
        *y = (struct ptd_rollout){.ids = ids, .n = N - k, .logp = logp, .stop = "eos"};
        for (int j = 0; j < y->n; j++) ids[j] = (int32_t)(tiny_hash("ids", 10 * k + j) % 58);
        plain_read(model, weights, y, s, NULL);
        for (int j = 0; j < y->n; j++) {
            logp[j] = (float)(s[j][ids[j]] + 0.5 * tiny_uniform("old", 10 * k + j));
            masked[j] = (float)(s[j][ids[j]] + tiny_uniform("masked", 10 * k + j));
            ref[j] = (float)s[j][ids[j]];
        }
        y->masked_logp = masked;
        y->ref_logp = ref;
        if (k < 2) teach(y, s, whole);
    }
}

/* ---- the loss in double ---- */

static struct ptd_loss_rules rules;

/* What does not move while weights do: w_t, and what the sampled word gives. */
static double held_weight[3][N], held_word[3][N];

static void student_masses(const struct ptd_support *u, const double *logp, int no_tail, double *s)
{
    double inside = 0;
    for (int b = 0; b < u->n; b++) inside += s[b] = exp(logp[u->id[b]]);
    s[u->n] = no_tail ? 0 : 1 - inside;
    for (int b = 0; b < u->n && no_tail; b++) s[b] /= inside;
}

static double plain_far(const struct ptd_rollout *y, int j, const double *logp)
{
    double (*part)(double, double) = plain_divergence_of(rules.divergence->is.name), sum = 0;
    double s[PTD_SUPPORT_MAX], z[VOCAB] = {0};
    const struct ptd_tutoring *t = &rules.tutoring;
    if (y->teacher_rows) {
        for (int v = 0; v < VOCAB; v++)
            for (int i = 0; i < HIDDEN; i++)
                z[v] += (double)y->teacher_rows[j * HIDDEN + i] * teacher_head[v * HIDDEN + i];
        log_softmax(z);
        for (int v = 0; v < VOCAB; v++) sum += banned[v] ? 0 : part(exp(logp[v]), exp(z[v]));
        return sum;
    }
    struct ptd_lesson l = {.ids = y->teacher_ids + j * K,
                           .logp = y->teacher_logp + j * K,
                           .k = t->support == PTD_SUPPORT_STUDENT ? 0 : K,
                           .top_ids = y->top_ids + j * OWN,
                           .on_top = y->teacher_on_top + j * OWN,
                           .top_k = t->support == PTD_SUPPORT_TEACHER ? 0 : OWN};
    struct ptd_support u;
    ptd_support_join(&u, &l, t->no_tail);
    student_masses(&u, logp, t->no_tail, s);
    for (int b = 0; b < u.n + !t->no_tail; b++) sum += part(s[b], u.t[b]);
    return sum;
}

static double weight_of(const struct ptd_rollout *y, int j, const double *logp)
{
    double entropy = 0;
    for (int v = 0; v < VOCAB; v++) entropy -= banned[v] ? 0 : exp(logp[v]) * logp[v];
    switch (rules.tutoring.weigh) {
    case PTD_WEIGH_ENTROPY:
        return entropy;
    case PTD_WEIGH_CONFIDENCE:
        return exp(ptd_unhalf(y->teacher_logp[j * K]));
    case PTD_WEIGH_RATIO:
        return fmin(exp(logp[y->ids[j]] - y->logp[j]), 2);
    default:
        return 1;
    }
}

/* Of the clipped objective, the tutor being the reward of each token. */
static double plain_reward(int k, int j, double own)
{
    const struct ptd_rollout *y = &group.rollouts[k];
    double A = k < 2 ? LAMBDA * (y->teacher_on_ids[j] - (double)y->logp[j]) : 0,
           r = exp(own - y->logp[j]), pg = fmax(-A * r, -A * fmin(fmax(r, 0.8), 1.28));
    return A < 0 ? fmin(pg, -A * 3) : pg;
}

static double plain_token(int k, int j, const double *logp, int hold, double *masked)
{
    const struct ptd_rollout *y = &group.rollouts[k];
    double d = y->masked_logp[j] - logp[y->ids[j]], own = logp[y->ids[j]];
    *masked = exp(d) - d - 1;
    if (rules.tutoring.as_advantage) return plain_reward(k, j, own);
    if (k == 2) return 0;
    if (hold) {
        held_weight[k][j] = weight_of(y, j, logp);
        held_word[k][j] = own - y->teacher_on_ids[j];
    }
    if (rules.divergence->word) return held_weight[k][j] * held_word[k][j] * own;
    return held_weight[k][j] * plain_far(y, j, logp);
}

/* L; of the sampled word what has its gradient. hold: these weights are where the gradient is. */
static double plain_loss(int hold)
{
    double far = 0, masked = 0, one, logp[N][VOCAB];
    int tutored = 0, all = 0;
    for (int k = 0; k < 3; k++) {
        plain_read(model, weights, &group.rollouts[k], logp, NULL);
        for (int j = 0; j < group.rollouts[k].n; j++) {
            far += plain_token(k, j, logp[j], hold, &one);
            masked += one;
            tutored += k < 2;
            all++;
        }
    }
    if (rules.tutoring.as_advantage) return far / all;
    return LAMBDA * far / tutored - rules.tutoring.masked * masked / all;
}

static struct ptd_learned learn(void)
{
    struct ptd_learned out;
    int bad;
    tiny_zero_gradients(model);
    assert_int_equal(ptd_learn(scratch, groups, 1, &rules, &out, &bad), 0);
    assert_int_equal(bad, -1);
    model->device->ops->get_accs(model->device, grads, model->grads, model->n_weights);
    return out;
}

static void check_slope(const char *name)
{
    const double h = 1e-4, norm = sqrt((double)model->n_weights / 3);
    double slope = 0, length = 0, value[2];
    double *saved = ptd_array(model->n_weights, sizeof *saved);
    memcpy(saved, weights, model->n_weights * sizeof *saved);
    for (int up = 0; up < 2; up++) {
        for (size_t i = 0; i < model->n_weights; i++)
            weights[i] = saved[i] + (up ? h : -h) * tiny_uniform(name, i) / norm;
        value[up] = plain_loss(0);
    }
    memcpy(weights, saved, model->n_weights * sizeof *saved);
    free(saved);
    for (size_t i = 0; i < model->n_weights; i++) {
        slope += grads[i] * tiny_uniform(name, i) / norm;
        length += (double)grads[i] * grads[i];
    }
    assert_true(length > 1e-6);
    assert_close(slope, (value[1] - value[0]) / (2 * h),
                 3e-4 * (fabs(slope) + sqrt(length) / norm) + 1e-6);
}

static void check(void)
{
    struct ptd_learned got = learn();
    double want = plain_loss(1);
    assert_int_equal(got.tutored_tokens, 2 * N - 1);
    if (!rules.divergence->word) assert_close(got.loss, want, 2e-5 * (1 + fabs(want)));
    check_slope("first");
    check_slope("second");
}

static int usual(void **state)
{
    (void)state;
    make_group(0);
    rules = (struct ptd_loss_rules){.loss = ptd_loss_named("ppo"),
                                    .clip = {0.2, 0.28, 3},
                                    .kl = ptd_kl_named("k3"),
                                    .beta = 0.01,
                                    .lambda = LAMBDA,
                                    .tau = 1,
                                    .divergence = ptd_divergence_named("jsd"),
                                    .tutoring.lift = PTD_LIFT_TUTORED,
                                    .temperature = TEMPERATURE,
                                    .micro_tokens = 4096,
                                    .banned = banned};
    return 0;
}

static void every_support_with_and_without_a_tail(void **state)
{
    (void)state;
    for (int i = 0; divergence_number(i); i++)
        for (int support = 0; support < 3; support++)
            for (int no_tail = 0; no_tail < 2; no_tail++) {
                rules.divergence = divergence_number(i);
                rules.tutoring.support = support;
                rules.tutoring.no_tail = no_tail;
                if (plain_learns(rules.divergence)) check();
            }
}

static void all_words(void **state)
{
    (void)state;
    make_group(1);
    rules.tutoring.head = head;
    for (int i = 0; divergence_number(i); i++) {
        rules.divergence = divergence_number(i);
        if (plain_learns(rules.divergence)) check();
    }
    rules.divergence = ptd_divergence_named("jsd");
    struct ptd_learned one = learn(), many;
    rules.micro_tokens = 1;
    many = learn();
    assert_close(one.loss, many.loss, 1e-6);
}

static void the_sampled_word(void **state)
{
    (void)state;
    rules.divergence = ptd_divergence_named("sampled");
    for (int whole = 0; whole < 2; whole++) {
        make_group(whole);
        check();
        double sum = 0;
        for (int k = 0; k < 2; k++)
            for (int j = 0; j < group.rollouts[k].n; j++) sum += held_word[k][j];
        struct ptd_learned got = learn();
        assert_close(got.jsd, sum, 1e-4);
        assert_close(got.loss, LAMBDA * sum / (2 * N - 1), 1e-4);
    }
}

static void every_weight(void **state)
{
    (void)state;
    for (int weigh = 0; weigh < 4; weigh++)
        for (int kind = 0; kind < 3; kind++) {
            if (kind == 2 && weigh == PTD_WEIGH_CONFIDENCE) continue; /* needs words */
            make_group(kind == 2);
            rules.tutoring.head = kind == 2 ? head : NULL;
            rules.tutoring.weigh = weigh;
            rules.divergence = ptd_divergence_named(kind == 1 ? "sampled" : "jsd");
            check();
        }
}

static void masked_pictures(void **state)
{
    (void)state;
    rules.tutoring.masked = GAMMA;
    check();
    struct ptd_learned got = learn();
    assert_true(got.masked_loss < -0.1);
    rules.lambda = 0;
    got = learn();
    assert_close(got.loss, got.masked_loss, 1e-6);
    double dlogp; /* held, and beyond */
    assert_close(ptd_masked_term(2, -1, -25, &dlogp), -20, 1e-12);
    assert_true(dlogp == 0);
    assert_true(ptd_masked_term(2, -1, -1, &dlogp) == 0 && dlogp == 0);
    assert_true(isnan(ptd_masked_term(2, -1, NAN, &dlogp)) && isnan(dlogp));
}

static void the_tutor_is_a_reward(void **state)
{
    (void)state;
    rules.tutoring.as_advantage = 1;
    check();
    double sum = 0;
    for (int k = 0; k < 2; k++)
        for (int j = 0; j < group.rollouts[k].n; j++)
            sum += group.rollouts[k].logp[j] - group.rollouts[k].teacher_on_ids[j];
    struct ptd_learned got = learn();
    assert_close(got.jsd, sum, 1e-4);
    assert_true(got.far_loss == 0);
    assert_close(got.loss, got.pg_loss, 1e-6);
}

/* The released form changes nothing but what it takes away: the reference. */
static void the_detached_form_has_no_gradient(void **state)
{
    (void)state;
    rules.divergence = ptd_divergence_named("jsd-detached");
    struct ptd_learned got = learn();
    assert_true(got.jsd > 0.1);
    for (size_t i = 0; i < model->n_weights; i++) assert_true(grads[i] == 0);
    make_group(1);
    rules.tutoring.head = head;
    got = learn();
    assert_true(got.jsd > 0.1);
    for (size_t i = 0; i < model->n_weights; i++) assert_true(grads[i] == 0);
}

/* ---- who loses the reference ---- */

static void the_lift_is_a_switch(void **state)
{
    static const struct {
        int lift, tutored;
        double accuracy;
        int kept;
    } cases[] = {{PTD_LIFT_TUTORED, 1, 0.5, 0}, {PTD_LIFT_TUTORED, 0, 0.5, 1},
                 {PTD_LIFT_ACTIVE, 1, 0.5, 0},  {PTD_LIFT_ACTIVE, 0, 0.5, 0},
                 {PTD_LIFT_ACTIVE, 0, 1, 1},    {PTD_LIFT_ACTIVE, 0, -1, 1},
                 {PTD_LIFT_NONE, 1, 0.5, 1},    {PTD_LIFT_NONE, 0, 0.5, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make_group(0);
        group.group_accuracy = cases[i].accuracy;
        for (int k = 0; k < 2 && !cases[i].tutored; k++) {
            group.rollouts[k].teacher_ids = NULL;
            group.rollouts[k].teacher_on_ids = NULL;
        }
        rules.tutoring.lift = cases[i].lift;
        struct ptd_learned got = learn();
        assert_int_equal(got.kl_tokens, cases[i].kept ? 3 * N - 3 : 0);
        assert_int_equal(got.tutored, cases[i].tutored ? 2 : 0);
    }
}

/* ---- what is missing ---- */

static void what_is_missing_is_named(void **state)
{
    struct ptd_rollout *y = &group.rollouts[0];
    struct ptd_tutoring t = {0};
    (void)state;
    assert_null(ptd_tutoring_lacks(&t, 0, y));
    assert_null(ptd_tutoring_lacks(&t, 1, y));
    t.support = PTD_SUPPORT_STUDENT;
    assert_null(ptd_tutoring_lacks(&t, 0, y));
    y->teacher_on_top = NULL;
    assert_non_null(strstr(ptd_tutoring_lacks(&t, 0, y), "ptd-rollout -k"));
    t = (struct ptd_tutoring){.weigh = PTD_WEIGH_CONFIDENCE};
    make_group(1);
    y = &group.rollouts[0];
    assert_non_null(strstr(ptd_tutoring_lacks(&t, 0, y), "ptd-ref -k K"));
    t.weigh = PTD_WEIGH_NONE;
    assert_null(ptd_tutoring_lacks(&t, 0, y));
    y->teacher_rows = NULL;
    assert_non_null(strstr(ptd_tutoring_lacks(&t, 0, y), "-k full"));
    y->teacher_on_ids = NULL;
    assert_non_null(ptd_tutoring_lacks(&t, 1, y));
}

/* ---- lambda ---- */

static void lambda_goes_over_a_run(void **state)
{
    static const struct {
        int schedule;
        double end;
        int64_t step, total;
        double want;
    } cases[] = {{0, 0, 7, 10, 2},       {1, 0, 1, 11, 2},    {1, 0, 11, 11, 0},
                 {1, 0.5, 6, 11, 1.5},   {1, 0.5, 99, 11, 1}, {2, 0, 1, 11, 2},
                 {2, 0, 6, 11, 1},       {2, 0, 11, 11, 0},   {2, 3, 11, 11, 6},
                 {2, 0.25, 6, 11, 1.25}, {1, 0, 5, 0, 2},     {1, 0, 1, 1, 2}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ptd_lambda l = {cases[i].schedule, 2, cases[i].end};
        assert_close(ptd_lambda_at(&l, cases[i].step, cases[i].total), cases[i].want, 1e-12);
    }
    assert_int_equal(ptd_coded_named(ptd_lambda_schedules, "lambda-schedule", "cosine"), 2);
    assert_int_equal(ptd_coded_named(ptd_supports, "support", "teacher"), PTD_SUPPORT_TEACHER);
    assert_int_equal(ptd_coded_named(ptd_lifts, "kl-lift", "always"), -1);
    assert_non_null(strstr(ptd_failed_message(), "tutored, active, none"));
}

#define TEST(f) cmocka_unit_test_setup(f, usual)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_support_with_and_without_a_tail),
        TEST(all_words),
        TEST(the_sampled_word),
        TEST(every_weight),
        TEST(masked_pictures),
        TEST(the_tutor_is_a_reward),
        TEST(the_detached_form_has_no_gradient),
        TEST(the_lift_is_a_switch),
        TEST(what_is_missing_is_named),
        TEST(lambda_goes_over_a_run),
    };
    ptd_program("test-tutoring");
    ptd_threads_start(2);
    return cmocka_run_group_tests_name("tutoring", tests, setup, teardown);
}
