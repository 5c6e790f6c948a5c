/* test-network: the whole tiny network with pictures on the GPU's code (cuda where there is a card,
 * the emulator where it is built) beside the CPU's: updates, recomputation, greedy and sampled
 * words, and what scoring says of them. Operations alone are test-ops.c's, a network's rows and
 * gradients test-device.c's. */
#include "../tiny.h"
#include "../test.h"
#include "method/learn.h"
#include "method/optimizer.h"
#include "net/head.h"
#include "net/sample.h"
#include "net/score.h"

enum { GROUPS = 2, GROUP = 3, LONGEST = 9, UPDATES = 2 };

static struct ptd_picture pictures[2];
static const int stop[2] = {13, 32};
static const struct ptd_question questions[GROUPS] = {
    {.ids = tiny_ids, .n = 22, .pictures = pictures, .n_pictures = 2, .number = 0},
    {.ids = tiny_ids, .n = 12, .pictures = pictures, .n_pictures = 1, .number = 1}};

static int rounds(void)
{
    return chosen_device->num != PTD_F32;
}

/* ---- on one device ---- */

/* Words of the answers that are learned, below the marks of pictures. */
static struct ptd_rollout *answers(void)
{
    static struct ptd_rollout y[GROUPS * GROUP];
    static int32_t ids[GROUPS * GROUP][LONGEST];
    for (int i = 0; i < GROUPS * GROUP; i++) {
        for (int t = 0; t < LONGEST; t++)
            ids[i][t] = (int32_t)(tiny_hash("answer", i * 97 + t) % 50);
        y[i] = (struct ptd_rollout){.ids = ids[i], .n = LONGEST - i};
    }
    return y;
}

static void learn(struct ptd_score *s, struct ptd_learned *sum)
{
    struct ptd_group group[GROUPS] = {0}, *g[GROUPS];
    struct ptd_loss_rules r = {.loss = ptd_loss_named("sft"), .temperature = 1, .micro_tokens = 40};
    int bad;
    for (int i = 0; i < GROUPS; i++) {
        group[i].uid = "g", group[i].prompt_ids = questions[i].ids;
        group[i].n_prompt = questions[i].n, group[i].n_rollouts = GROUP;
        group[i].pictures = pictures, group[i].n_pictures = questions[i].n_pictures;
        group[i].rollouts = answers() + i * GROUP;
        g[i] = &group[i];
    }
    if (ptd_learn(s, g, GROUPS, &r, sum, &bad)) ptd_die_last();
}

struct trained {
    double loss[UPDATES], norm[UPDATES];
    float *weights; /* malloc'd */
    size_t n;
};

static struct trained train(const char *moments)
{
    struct trained t = {.weights = NULL};
    struct ptd_optimizer_rules rules = {
        .adamw = {1e-3, 0.9, 0.95, 1e-8, 0.1}, .clip = 1, .moments = ptd_moments_named(moments)};
    struct ptd_model *m = tiny_model(1);
    struct ptd_optimizer *o = ptd_optimizer_new(m, &rules);
    struct ptd_score *s = ptd_score_new(m, 1);
    for (int i = 0; i < UPDATES; i++) {
        struct ptd_learned sum;
        ptd_optimizer_zero(o);
        learn(s, &sum);
        t.loss[i] = sum.loss;
        assert_int_equal(ptd_optimizer_step(o, 1e-3, &t.norm[i]), 0);
    }
    assert_int_equal(ptd_device_wait(m->device), 0);
    t.n = m->n_weights;
    t.weights = tiny_weights(m);
    ptd_score_free(s);
    ptd_optimizer_free(o);
    ptd_model_free(m);
    return t;
}

static float *gradient(size_t keep_most, size_t *n)
{
    struct ptd_model *m = tiny_model(1);
    struct ptd_score *s = ptd_score_new(m, 1);
    struct ptd_learned sum;
    ptd_model_train(m);
    s->keep_most = keep_most;
    learn(s, &sum);
    assert_int_equal(ptd_device_wait(m->device), 0);
    float *g = tiny_gradients(m);
    *n = m->n_weights;
    ptd_score_free(s);
    ptd_model_free(m);
    return g;
}

static struct ptd_reply *sampled(struct ptd_model *m, int greedy)
{
    uint8_t *banned = ptd_model_banned(m, 63);
    struct ptd_sampling s = {.temperature = 1.3,
                             .top_p = 1,
                             .greedy = greedy,
                             .group_size = GROUP,
                             .max_tokens = LONGEST,
                             .top_logprobs = 5,
                             .stop = stop,
                             .n_stop = 2,
                             .banned = banned,
                             .seed = 7};
    struct ptd_reply *r = ptd_sample(m, questions, GROUPS, &s, 1);
    if (!r) ptd_die_last();
    free(banned);
    return r;
}

/* ---- beside the CPU ---- */

static double apart(const float *x, const float *y, size_t n)
{
    double off = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        off += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
        all += (double)x[i] * x[i];
    }
    return sqrt(off / all);
}

static struct ptd_device *cpu, *other;

/* The emulator takes a minute for what a card does at once. */
static int is_slow(void)
{
    return !strncmp(other->name, "sim", 3);
}

/* Losses and norms update by update, then all weights; by moments of 32 bits and of 8. */
static void updates_go_the_same_way(void **state)
{
    (void)state;
    for (int eight = 0; eight < (is_slow() ? 1 : 2); eight++) {
        const char *moments = eight ? "8bit" : "f32";
        chosen_device = cpu;
        struct trained want = train(moments);
        chosen_device = other;
        struct trained got = train(moments);
        double within = rounds() ? 0.04 : 1e-4;
        for (int i = 0; i < UPDATES; i++) {
            assert_close(got.loss[i], want.loss[i], within * fabs(want.loss[i]));
            assert_close(got.norm[i], want.norm[i], within * want.norm[i]);
        }
        assert_true(want.loss[UPDATES - 1] < want.loss[0]);
        assert_close(apart(want.weights, got.weights, want.n), 0, rounds() ? 0.01 : 1e-4);
        free(want.weights), free(got.weights);
    }
}

static void recomputed_gradients_have_the_same_bits(void **state)
{
    size_t n;
    float *kept = gradient(0, &n), *again = gradient(1, &n);
    (void)state;
    assert_memory_equal(kept, again, n * sizeof *kept);
    free(kept), free(again);
}

static void each_run_has_the_same_bits(void **state)
{
    (void)state;
    if (is_slow()) skip(); /* the kernels' tests look at that, in every order of threads */
    struct trained a = train("f32"), b = train("f32");
    assert_memory_equal(a.weights, b.weights, a.n * sizeof *a.weights);
    free(a.weights), free(b.weights);
}

/* In float32: the same words, greedy and sampled; bfloat16 may choose another. */
static void words_are_the_same(void **state)
{
    (void)state;
    for (int greedy = 0; greedy < 2; greedy++) {
        chosen_device = cpu;
        struct ptd_model *m = tiny_model(0);
        struct ptd_reply *want = sampled(m, greedy);
        ptd_model_free(m);
        chosen_device = other;
        m = tiny_model(0);
        struct ptd_reply *got = sampled(m, greedy);
        ptd_model_free(m);
        for (int i = 0; !rounds() && i < GROUPS * GROUP; i++) {
            assert_int_equal(got[i].n, want[i].n);
            assert_int_equal(got[i].stopped, want[i].stopped);
            assert_memory_equal(got[i].ids, want[i].ids, want[i].n * sizeof *want[i].ids);
            for (int t = 0; t < want[i].n; t++) assert_close(got[i].logp[t], want[i].logp[t], 1e-4);
        }
        for (int i = 0; rounds() && i < GROUPS * GROUP; i++)
            if (got[i].ids[0] == want[i].ids[0]) assert_close(got[i].logp[0], want[i].logp[0], 0.2);
        ptd_replies_free(want, GROUPS * GROUP);
        ptd_replies_free(got, GROUPS * GROUP);
    }
}

/* The mean distance of what sampling said of its words and what scoring says. */
static void scoring_says_the_same(void **state)
{
    struct ptd_model *m = tiny_model(0);
    uint8_t *banned = ptd_model_banned(m, 63);
    struct ptd_reply *r = sampled(m, 0);
    struct ptd_score *s = ptd_score_new(m, 0);
    double gap = 0;
    (void)state;
    for (int i = 0; i < GROUPS; i++) {
        struct ptd_score_reply y[GROUP];
        for (int k = 0; k < GROUP; k++) {
            struct ptd_reply *one = &r[i * GROUP + k];
            y[k] = (struct ptd_score_reply){one->ids, one->n, one};
        }
        if (ptd_score_add(s, questions[i].ids, questions[i].n, pictures, questions[i].n_pictures, y,
                          GROUP))
            ptd_die_last();
    }
    int32_t *id = ptd_array((size_t)s->rows, sizeof *id);
    double *logp = ptd_array((size_t)s->rows, sizeof *logp);
    for (long i = 0; i < s->rows; i++) id[i] = s->target[i].id;
    ptd_score_forward(s);
    ptd_lm_head_score(ptd_score_head(s, banned), s->X, s->rows,
                      &(struct ptd_ask_score){.rules.temperature = 1.3f, .words.id = id},
                      &(struct ptd_got_score){.logp = logp});
    assert_int_equal(ptd_device_wait(m->device), 0);
    for (long i = 0; i < s->rows; i++) {
        const struct ptd_reply *y = s->target[i].reply;
        gap += fabs(logp[i] - y->logp[s->target[i].token]) / (double)s->rows;
    }
    assert_close(gap, 0, rounds() ? 0.01 : 1e-5);
    free(id), free(logp), free(banned);
    ptd_score_free(s);
    ptd_replies_free(r, GROUPS * GROUP);
    ptd_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_go_the_same_way),
        cmocka_unit_test(recomputed_gradients_have_the_same_bits),
        cmocka_unit_test(each_run_has_the_same_bits),
        cmocka_unit_test(words_are_the_same),
        cmocka_unit_test(scoring_says_the_same),
    };
    int failed = 0;
    ptd_threads_start(1);
    for (int i = 0; i < 2; i++) pictures[i] = tiny_picture(i);
    if (!(cpu = ptd_device_open("cpu"))) ptd_die_last();
    for (int i = 0; ptd_device_name(i); i++) {
        if (strncmp(ptd_device_name(i), "cuda", 4) && strncmp(ptd_device_name(i), "sim", 3))
            continue;
        if (!open_row(i)) continue;
        other = chosen_device;
        failed += cmocka_run_group_tests_name(ptd_device_name(i), tests, NULL, NULL);
        ptd_device_close(other);
    }
    for (int i = 0; i < 2; i++) free((void *)(uintptr_t)pictures[i].pixels);
    ptd_device_close(cpu);
    return failed;
}
