/* test-refer: the frozen reference on a small real store: its log-probs and the teacher's
 * distribution against the network in double; a teacher under the student's own prompt teaches
 * nothing, one that sees another picture something else; the cache; who is tutored. */
#include "base/half.h"
#include "device.h"
#include "plain.h"
#include "tiny.h"
#include "data/prompt.h"
#include "data/token.h"
#include "method/learn.h"
#include "method/refer.h"
#include "test.h"
#include <unistd.h>

#define VOCAB 640
#define TOP_K 4

static char folder[] = "/tmp/test-refer-XXXXXX", run[64], teacher_run[64];
static struct ptd_model *model;
static struct ptd_tokenizer *tokenizer;
static double *weights;
static uint8_t *banned;
static struct ptd_group groups[2], *both[2] = {&groups[0], &groups[1]};

/* ---- stores ---- */

static struct ptd_model *builtin_model(void)
{
    struct ptd_config c;
    struct ptd_image_rules r;
    struct ptd_model *m;
    if (ptd_config_parse(&c, ptd_builtin("tiny/config.json", NULL),
                         ptd_builtin("tiny/generation_config.json", NULL)))
        ptd_die_last();
    if (ptd_image_rules_parse(&r, ptd_builtin("tiny/preprocessor_config.json", NULL)))
        ptd_die_last();
    m = ptd_model_new(&c, &r, the_device());
    for (int i = 0; i < m->n_params; i++) tiny_fill_param(m, &m->params[i]);
    return m;
}

static void publish(struct ptd_store *s, struct ptd_model *m, int64_t generation)
{
    int n;
    struct ptd_tensor_view *v = ptd_model_views(m, &n);
    struct ptd_publication p = {
        .generation = generation, .weights = v, .n = n, .keep = 1, .pin = generation == 0};
    if (ptd_store_publish(s, &p)) ptd_die_last();
    free(v);
}

static struct ptd_store *create(const char *dir, const char *config)
{
    static const char *const files[] = {"preprocessor_config.json", "generation_config.json",
                                        "tokenizer.json"};
    struct ptd_store *s;
    char path[64];
    size_t len;
    if (ptd_store_open(&s, dir, PTD_STORE_CREATE) ||
        ptd_store_put_meta(s, "config.json", config, strlen(config)))
        ptd_die_last();
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "tiny/%s", files[i]);
        const char *text = ptd_builtin(path, &len);
        if (ptd_store_put_meta(s, files[i], text, len)) ptd_die_last();
    }
    return s;
}

/* The run's weights have moved on since generation 0; the other store's generation 1 differs from
 * its 0. */
/* Each weight moved by up to a fifth of it, by the numbers of that name; NULL: as they were. */
static void move(const char *name)
{
    float *w = tiny_weights(model);
    for (size_t i = 0; i < model->n_weights; i++)
        w[i] = name ? w[i] * (float)(1 + 0.2 * tiny_uniform(name, i)) : (float)weights[i];
    tiny_put_weights(model, w);
    free(w);
}

static int setup(void **state)
{
    struct ptd_store *s;
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(run, sizeof run, "%s/run.ptd", folder);
    snprintf(teacher_run, sizeof teacher_run, "%s/teacher.ptd", folder);
    model = builtin_model();
    weights = plain_weights(model);
    tokenizer =
        ptd_tokenizer_new(ptd_builtin("tiny/tokenizer.json", NULL),
                          strlen(ptd_builtin("tiny/tokenizer.json", NULL)), "tokenizer.json");
    banned = ptd_model_banned(model, ptd_tokenizer_size(tokenizer));
    s = create(run, ptd_builtin("tiny/config.json", NULL));
    publish(s, model, 0);
    move("moved");
    publish(s, model, 1);
    ptd_store_close(s);
    s = create(teacher_run, ptd_builtin("tiny/config.json", NULL));
    publish(s, model, 0);
    move(NULL);
    publish(s, model, 1);
    ptd_store_close(s);
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    for (int i = 0; i < 2; i++) ptd_group_clear(&groups[i]);
    ptd_tokenizer_free(tokenizer);
    ptd_model_free(model);
    free(weights);
    free(banned);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void assert_failed(int status, const char *words)
{
    if (ptd_failed_status() != status || !strstr(ptd_failed_message(), words))
        fail_msg("%d: %s; expected %d: %s", ptd_failed_status(), ptd_failed_message(), status,
                 words);
}

/* ---- groups ---- */

static void *take(struct ptd_group *g, size_t n, size_t size)
{
    return ptd_group_alloc(g, n * size);
}

static void see(struct ptd_group *g, const char *name)
{
    struct ptd_picture p = tiny_picture_of(name, 84, 84);
    uint8_t *kept = take(g, 3 * 84 * 84, 1);
    memcpy(kept, p.pixels, 3 * 84 * 84);
    free((void *)p.pixels);
    p.pixels = kept;
    g->pictures = take(g, 1, sizeof p);
    g->pictures[0] = p;
    g->n_pictures = 1;
}

static const int32_t *render(struct ptd_group *g, const char *hint, int *n)
{
    int32_t *ids, *kept;
    *n = ptd_prompt_render(tokenizer, &model->config, g, hint, &ids);
    assert_true(*n > 0);
    kept = take(g, *n, sizeof *kept);
    memcpy(kept, ids, *n * sizeof *kept);
    free(ids);
    return kept;
}

static void hint(struct ptd_group *g, const char *text)
{
    g->hint.text = text;
    g->hint.prompt_ids = render(g, text, &g->hint.n_prompt);
}

/* A response of n made-up words with the student's made-up favourites. */
static void respond(struct ptd_group *g, int n, double accuracy, const char *stop)
{
    struct ptd_rollout *y = &g->rollouts[g->n_rollouts++];
    int32_t *ids = take(g, n, sizeof *ids), *own = take(g, n * TOP_K, sizeof *own);
    float *logp = take(g, n, sizeof *logp);
    for (int j = 0; j < n; j++)
        ids[j] = (int32_t)(tiny_hash(g->uid, 100 * g->n_rollouts + j) % 600);
    for (int j = 0; j < n * TOP_K; j++)
        own[j] =
            (int32_t)(tiny_hash("own", 1000 * g->n_rollouts + j / TOP_K) % 150 + 150 * (j % TOP_K));
    *y = (struct ptd_rollout){.ids = ids,
                              .n = n,
                              .logp = logp,
                              .top_ids = own,
                              .top_k = TOP_K,
                              .accuracy = accuracy,
                              .stop = stop,
                              .advantage = -1};
}

/* An active group: right, wrong, cut, wrong; and one without a hint. */
static int make_groups(void **state)
{
    static const char *const words[] = {"first", "second"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct ptd_group *g = &groups[i];
        ptd_group_clear(g);
        g->uid = words[i];
        g->question = "<image>sum of the red digits";
        see(g, words[i]);
        g->prompt_ids = render(g, NULL, &g->n_prompt);
        g->rollouts = take(g, 4, sizeof *g->rollouts);
        respond(g, 5, 1, "eos");
        respond(g, 3, 0, "eos");
        respond(g, 6, 0, "length");
        respond(g, 1, 0.5, "eos");
        g->group_accuracy = 0.375;
    }
    hint(&groups[0], "first c3 then look at a3 b3 c3 then add");
    return 0;
}

static struct ptd_refer_rules usual(void)
{
    return (struct ptd_refer_rules){
        .tau = 1, .temperature = 1.1, .top_k = 6, .reference = 1, .micro_tokens = 4096};
}

static struct ptd_refer_counts refer(const struct ptd_refer_rules *r, const char *teacher,
                                     int cache, int n)
{
    struct ptd_refer *f = ptd_refer_open(run, teacher, cache, r, the_device());
    struct ptd_refer_counts c;
    int culprit;
    assert_non_null(f);
    if (ptd_refer_score(f, both, n, &culprit)) fail_msg("%s", ptd_failed_message());
    c = ptd_refer_counted(f);
    ptd_refer_close(f);
    return c;
}

/* ---- in double ---- */

/* logp [VOCAB] of every word at the place of token j. */
static void plain_row(const double *w, const struct ptd_group *g, int hinted,
                      const struct ptd_rollout *y, int j, double *logp)
{
    struct plain p = {model, w};
    int n = hinted ? g->hint.n_prompt : g->n_prompt;
    int32_t ids[128];
    double most = -INFINITY, sum = 0;
    memcpy(ids, hinted ? g->hint.prompt_ids : g->prompt_ids, n * sizeof *ids);
    memcpy(ids + n, y->ids, j * sizeof *ids);
    const double *x = plain_hidden(&p, ids, n + j, g->pictures, g->n_pictures);
    plain_logits(&p, x + (n + j - 1) * model->config.hidden, logp);
    for (int v = 0; v < VOCAB; v++) {
        logp[v] = banned[v] ? -INFINITY : logp[v] / 1.1;
        most = fmax(most, logp[v]);
    }
    for (int v = 0; v < VOCAB; v++) sum += exp(logp[v] - most);
    for (int v = 0; v < VOCAB; v++) logp[v] -= most + log(sum);
}

/* A float16 of a log-prob: half a unit in its last place, and the network's own rounding. */
static void assert_half(uint16_t got, double want)
{
    assert_close(ptd_unhalf(got), want, fabs(want) / 2048 + 1e-4);
}

static void check_teacher(const double *w, const struct ptd_group *g, const struct ptd_rollout *y,
                          int j)
{
    double logp[VOCAB];
    plain_row(w, g, 1, y, j, logp);
    for (int i = 0; i < 6; i++) {
        int id = y->teacher_ids[6 * j + i], better = 0;
        for (int v = 0; v < VOCAB; v++) better += logp[v] > logp[id] + 1e-4;
        assert_in_range(better, 0, i);
        assert_half(y->teacher_logp[6 * j + i], logp[id]);
        for (int k = 0; k < i; k++) assert_true(y->teacher_ids[6 * j + k] != id);
    }
    for (int i = 0; i < TOP_K; i++)
        assert_half(y->teacher_on_top[TOP_K * j + i], logp[y->top_ids[TOP_K * j + i]]);
}

static void what_is_said_is_right(void **state)
{
    struct ptd_refer_rules r = usual();
    double logp[VOCAB];
    (void)state;
    refer(&r, NULL, 0, 2);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 4; k++) {
            const struct ptd_rollout *y = &groups[i].rollouts[k];
            plain_row(weights, &groups[i], 0, y, y->n - 1, logp);
            assert_close(y->ref_logp[y->n - 1], logp[y->ids[y->n - 1]], 1e-4);
            plain_row(weights, &groups[i], 0, y, 0, logp);
            assert_close(y->ref_logp[0], logp[y->ids[0]], 1e-4);
        }
    for (int j = 0; j < 3; j++) check_teacher(weights, &groups[0], &groups[0].rollouts[1], j);
    check_teacher(weights, &groups[0], &groups[0].rollouts[3], 0);
    assert_int_equal(groups[0].rollouts[1].teacher_k, 6);
}

/* ---- what the student learns from it ---- */

static struct ptd_learned learn(double *norm)
{
    struct ptd_loss_rules r = {.loss = ptd_loss_named("ppo"),
                               .clip = {0.2, 0.28, 3},
                               .kl = ptd_kl_named("k3"),
                               .lambda = 1,
                               .tau = 1,
                               .divergence = ptd_divergence_named("jsd"),
                               .temperature = 1.1,
                               .micro_tokens = 4096,
                               .banned = banned};
    struct ptd_score *s = ptd_score_new(model, 1);
    struct ptd_learned out;
    int bad;
    for (int k = 0; k < 4; k++) groups[0].rollouts[k].advantage = 0;
    ptd_model_train(model);
    tiny_zero_gradients(model);
    assert_int_equal(ptd_learn(s, both, 1, &r, &out, &bad), 0);
    assert_int_equal(bad, -1);
    *norm = model->device->ops->norm(model->device, model->grads, PTD_ACCS, model->n_weights);
    ptd_score_free(s);
    return out;
}

/* The model is generation 0: under one and the same prompt student and teacher are one. */
static void equal_prompts_teach_nothing(void **state)
{
    struct ptd_refer_rules r = usual();
    struct ptd_learned hinted, equal;
    double norm, small;
    (void)state;
    refer(&r, NULL, 0, 1);
    hinted = learn(&norm);
    assert_int_equal(hinted.tutored_tokens, 4);
    assert_true(hinted.jsd / 4 > 1e-3 && norm > 1e-2);
    groups[0].hint.prompt_ids = groups[0].prompt_ids;
    groups[0].hint.n_prompt = groups[0].n_prompt;
    refer(&r, NULL, 0, 1);
    equal = learn(&small);
    assert_int_equal(equal.tutored_tokens, 4);
    if (!(equal.jsd / 4 <= 1e-6)) fail_msg("divergence under equal prompts is %g", equal.jsd / 4);
    if (!(small <= 5e-3 * norm)) fail_msg("gradient under equal prompts is %g of %g", small, norm);
}

static double largest_change(const struct ptd_rollout *a, const uint16_t *before)
{
    double most = 0;
    for (int i = 0; i < a->n * TOP_K; i++)
        most = fmax(most, fabs(ptd_unhalf(a->teacher_on_top[i]) - ptd_unhalf(before[i])));
    return most;
}

/* The same words and the same hint, another picture: a teacher that does not look would say the
 * same. */
static void the_teacher_sees_the_picture(void **state)
{
    struct ptd_refer_rules r = usual();
    struct ptd_rollout *y = &groups[0].rollouts[1];
    uint16_t before[3 * TOP_K];
    float ref[3];
    (void)state;
    for (int cache = 0; cache < 2; cache++) {
        see(&groups[0], "first");
        refer(&r, NULL, cache, 1);
        memcpy(before, y->teacher_on_top, sizeof before);
        memcpy(ref, y->ref_logp, sizeof ref);
        see(&groups[0], "another");
        refer(&r, NULL, cache, 1);
        assert_true(largest_change(y, before) > 0.05);
        assert_true(fabsf(ref[2] - y->ref_logp[2]) > 0.01);
        for (int j = 0; j < 3; j++) check_teacher(weights, &groups[0], y, j);
    }
}

static void the_teacher_reads_the_hint(void **state)
{
    struct ptd_refer_rules r = usual();
    struct ptd_rollout *y = &groups[0].rollouts[1];
    uint16_t before[3 * TOP_K];
    (void)state;
    refer(&r, NULL, 1, 1);
    memcpy(before, y->teacher_on_top, sizeof before);
    hint(&groups[0], "first a1 then look at b1 c1 then add");
    refer(&r, NULL, 1, 1);
    assert_true(largest_change(y, before) > 0.01);
}

/* ---- the cache ---- */

struct copy {
    float ref[2][4][6];
    int32_t ids[4][36];
    uint16_t logp[4][36], on_top[4][24];
};

static void copy_of(struct copy *c)
{
    memset(c, 0, sizeof *c);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 4; k++) {
            const struct ptd_rollout *y = &groups[i].rollouts[k];
            memcpy(c->ref[i][k], y->ref_logp, y->n * sizeof(float));
            if (i || !y->teacher_ids) continue;
            memcpy(c->ids[k], y->teacher_ids, y->n * 6 * sizeof(int32_t));
            memcpy(c->logp[k], y->teacher_logp, y->n * 6 * sizeof(uint16_t));
            memcpy(c->on_top[k], y->teacher_on_top, y->n * TOP_K * sizeof(uint16_t));
        }
}

static void assert_counts(struct ptd_refer_counts c, long tutored, long cached, long computed)
{
    if (c.tutored != tutored || c.cached != cached || c.computed != computed)
        fail_msg("%ld tutored, %ld cached, %ld computed; expected %ld, %ld, %ld", c.tutored,
                 c.cached, c.computed, tutored, cached, computed);
}

static void the_second_pass_is_the_first(void **state)
{
    static struct copy first, second;
    struct ptd_refer_rules r = usual();
    struct ptd_refer *f;
    int culprit;
    (void)state;
    r.temperature = 1.3; /* no other test has been here */
    assert_counts(refer(&r, NULL, 0, 2), 2, 0, 10);
    assert_counts(refer(&r, NULL, 0, 2), 2, 0, 10); /* nothing was kept */
    assert_counts(refer(&r, NULL, 1, 2), 2, 0, 10);
    copy_of(&first);
    make_groups(NULL);
    assert_counts(refer(&r, NULL, 1, 2), 2, 10, 0);
    copy_of(&second);
    assert_memory_equal(&first, &second, sizeof first);
    assert_int_equal(strlen(groups[0].rollouts[1].teacher_key), 32);
    make_groups(NULL);
    f = ptd_refer_open(run, NULL, 1, &r, the_device());
    /* what is read beside it decides last bits: only the lessons are the same */
    groups[1].rollouts[0].n--;
    assert_int_equal(ptd_refer_score(f, both, 2, &culprit), 0);
    assert_counts(ptd_refer_counted(f), 2, 2, 8);
    assert_int_equal(ptd_refer_score(f, both, 2, &culprit), 0);
    assert_counts(ptd_refer_counted(f), 4, 12, 8);
    ptd_refer_close(f);
}

/* Each group by itself: where one is new, the other is still known. */
static void micro_batches_are_found_one_by_one(void **state)
{
    struct ptd_refer_rules r = usual();
    (void)state;
    r.temperature = 1.35;
    r.micro_tokens = 1;
    assert_counts(refer(&r, NULL, 1, 2), 2, 0, 10);
    groups[1].rollouts[0].n--;
    assert_counts(refer(&r, NULL, 1, 2), 2, 9, 1);
}

/* A part of what was cached is lost: what is computed again has the bits of before, with whatever
 * it is computed. */
static void values_are_the_same_found_or_computed(void **state)
{
    static struct copy first, again;
    struct ptd_refer_rules r = usual();
    (void)state;
    r.temperature = 1.36;
    refer(&r, NULL, 0, 2);
    copy_of(&first);
    /* lessons of another key beside known readings, and then beside lessons of the first key */
    r.top_k = 5;
    make_groups(NULL);
    refer(&r, NULL, 1, 2);
    r.top_k = 6;
    make_groups(NULL);
    assert_counts(refer(&r, NULL, 1, 2), 2, 8, 2);
    copy_of(&again);
    assert_memory_equal(&first, &again, sizeof first);
}

/* Equal responses of a group have one value, computed once, whatever rounding a second computation
 * would have. */
static void twins_share_a_value(void **state)
{
    struct ptd_refer_rules r = usual();
    struct ptd_rollout *y = groups[0].rollouts;
    (void)state;
    r.temperature = 1.7;
    y[3] = y[1];
    assert_counts(refer(&r, NULL, 1, 1), 2, 0, 4); /* three reference readings, one lesson */
    assert_memory_equal(y[3].ref_logp, y[1].ref_logp, 3 * sizeof(float));
    assert_memory_equal(y[3].teacher_logp, y[1].teacher_logp, 3 * 6 * sizeof(uint16_t));
    assert_true(y[3].ref_logp != y[1].ref_logp && y[3].ref_logp[0] < 0);
    assert_counts(refer(&r, NULL, 1, 1), 2, 4, 0);
}

/* Whatever decides the numbers is in the key. */
static void another_question_is_computed(void **state)
{
    struct ptd_refer_rules r = usual();
    (void)state;
    r.temperature = 1.4;
    assert_counts(refer(&r, NULL, 1, 1), 2, 0, 6);
    assert_counts(refer(&r, NULL, 1, 1), 2, 6, 0);
    r.top_k = 5;
    assert_counts(refer(&r, NULL, 1, 1), 2, 4, 2);
    r.temperature = 1.45;
    assert_counts(refer(&r, NULL, 1, 1), 2, 0, 6);
    ((int32_t *)groups[0].rollouts[1].top_ids)[2] = 77;
    assert_counts(refer(&r, NULL, 1, 1), 2, 5, 1);
    ((int32_t *)groups[0].rollouts[1].ids)[1] = 77;
    assert_counts(refer(&r, NULL, 1, 1), 2, 0, 6);
    /* a teacher that holds what the reference holds */
    assert_counts(refer(&r, teacher_run, 1, 1), 2, 6, 0);
    hint(&groups[0], "look at b2");
    assert_counts(refer(&r, NULL, 1, 1), 2, 4, 2);
    see(&groups[0], "third");
    assert_counts(refer(&r, NULL, 1, 1), 2, 0, 6);
}

static void micro_batches_change_nothing(void **state)
{
    static struct copy one, many;
    struct ptd_refer_rules r = usual();
    (void)state;
    refer(&r, NULL, 0, 2);
    copy_of(&one);
    make_groups(NULL);
    r.micro_tokens = 1;
    refer(&r, NULL, 0, 2);
    copy_of(&many);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 4; k++)
            for (int j = 0; j < 6; j++) assert_close(one.ref[i][k][j], many.ref[i][k][j], 2e-5);
    for (int k = 0; k < 4; k++)
        for (int j = 0; j < 24; j++) assert_half(one.on_top[k][j], ptd_unhalf(many.on_top[k][j]));
}

/* A group that is larger than a micro-batch is cut between its responses: here each has its own, so
 * that one more beside it changes no key but its own. */
static void large_groups_are_cut(void **state)
{
    struct ptd_refer_rules r = usual();
    (void)state;
    r.temperature = 1.9;
    r.micro_tokens =
        (groups[1].n_prompt + 4 + 2) / 2; /* room for the first response, not for two */
    groups[1].n_rollouts = 2;
    assert_counts(refer(&r, NULL, 1, 2), 2, 0, 8);
    make_groups(NULL);
    assert_counts(refer(&r, NULL, 1, 2), 2, 8, 2);
    make_groups(NULL);
    r.micro_tokens = 2 * (groups[1].n_prompt + 12); /* room for all */
    assert_counts(refer(&r, NULL, 1, 2), 2, 0, 10);
}

/* ---- who is tutored ---- */

static void assert_tutored(const struct ptd_refer_rules *r, const char *want)
{
    char got[5] = "----";
    make_groups(NULL);
    refer(r, NULL, 1, 1);
    for (int k = 0; k < 4; k++)
        if (groups[0].rollouts[k].teacher_ids) got[k] = 'T';
    assert_string_equal(got, want);
}

static void rules_choose_the_tutored(void **state)
{
    struct ptd_refer_rules r = usual();
    (void)state;
    assert_tutored(&r, "-T-T"); /* right, wrong, cut, half right */
    r.truncated = 1;
    assert_tutored(&r, "-TTT");
    r.scope = PTD_SCOPE_ALL;
    assert_tutored(&r, "TTTT");
    r.truncated = 0;
    assert_tutored(&r, "TT-T");
    r.scope = PTD_SCOPE_RIGHT;
    assert_tutored(&r, "T---");
    r.truncated = 1;
    assert_tutored(&r, "T---");
    r = usual();
    r.tau = 0.375; /* the group's accuracy is not below it */
    assert_tutored(&r, "----");
    r.tau = 0.376;
    assert_tutored(&r, "-T-T");
    r.tau = 1;
    groups[0].rollouts[1].teacher_ids = NULL;
    groups[0].rollouts[3].teacher_ids = NULL;
    groups[0].group_accuracy = -1; /* never judged */
    assert_counts(refer(&r, NULL, 1, 1), 0, 4, 0);
    groups[0].group_accuracy = 0.375;
    groups[0].hint.text = NULL;
    assert_counts(refer(&r, NULL, 1, 1), 0, 4, 0);
    r.plain = 1; /* it needs none */
    assert_counts(refer(&r, NULL, 1, 1), 2, 4, 2);
    assert_non_null(groups[0].rollouts[1].teacher_ids);
    r.plain = 0; /* and what an earlier one said is gone */
    assert_counts(refer(&r, NULL, 1, 1), 0, 4, 0);
    assert_false(ptd_rollout_taught(&groups[0].rollouts[1]));
    assert_null(groups[0].rollouts[1].teacher_key);
}

static void no_reference_when_none_is_wanted(void **state)
{
    struct ptd_refer_rules r = usual();
    (void)state;
    r.reference = 0;
    assert_counts(refer(&r, NULL, 0, 2), 2, 0, 2);
    for (int k = 0; k < 4; k++) assert_null(groups[0].rollouts[k].ref_logp);
    assert_non_null(groups[0].rollouts[1].teacher_ids);
    assert_null(groups[1].rollouts[1].teacher_ids);
}

static void students_without_favourites(void **state)
{
    struct ptd_refer_rules r = usual();
    const struct ptd_rollout *y = &groups[0].rollouts[1];
    int32_t ids[18];
    uint16_t logp[18];
    (void)state;
    refer(&r, NULL, 0, 1);
    memcpy(ids, y->teacher_ids, sizeof ids);
    memcpy(logp, y->teacher_logp, sizeof logp);
    make_groups(NULL);
    y = &groups[0].rollouts[1];
    for (int k = 0; k < 4; k++)
        groups[0].rollouts[k].top_ids = NULL, groups[0].rollouts[k].top_k = 0;
    for (int pass = 0; pass < 2; pass++) {
        refer(&r, NULL, 1, 1);
        assert_null(y->teacher_on_top);
        assert_memory_equal(ids, y->teacher_ids, sizeof ids);
        assert_memory_equal(logp, y->teacher_logp, sizeof logp);
    }
}

/* ---- another teacher ---- */

static void another_store_teaches(void **state)
{
    struct ptd_refer_rules r = usual();
    struct ptd_store *s;
    struct ptd_rollout *y = &groups[0].rollouts[1];
    double logp[VOCAB], *other;
    (void)state;
    refer(&r, teacher_run, 1, 1); /* its generation 1 is the run's generation 0 */
    for (int j = 0; j < 3; j++) check_teacher(weights, &groups[0], y, j);
    assert_int_equal(ptd_store_open(&s, teacher_run, PTD_STORE_TRAIN), 0);
    move("another");
    publish(s, model, 2);
    ptd_store_close(s);
    other = plain_weights(model);
    move(NULL);
    make_groups(NULL);
    y = &groups[0].rollouts[1];
    assert_counts(refer(&r, teacher_run, 1, 1), 2, 4, 2);
    for (int j = 0; j < 3; j++) check_teacher(other, &groups[0], y, j);
    plain_row(weights, &groups[0], 0, y, 2, logp); /* the reference is the run's own */
    assert_close(y->ref_logp[2], logp[y->ids[2]], 1e-4);
    free(other);
}

/* ---- who teaches ---- */

/* Generation 1 has other weights than 0, and beside them averages that are others again. */
static double *publish_averages(void)
{
    struct ptd_store *s;
    int n;
    struct ptd_tensor_view *v;
    move(NULL), move("average");
    double *averages = plain_weights(model);
    v = ptd_model_views(model, &n);
    struct ptd_tensor_view *all = ptd_array(2 * n, sizeof *all);
    char(*names)[128] = ptd_array(n, sizeof *names);
    for (int i = 0; i < n; i++) {
        all[i] = all[n + i] = v[i];
        snprintf(names[i], sizeof names[i], PTD_AVERAGE "%s", v[i].name);
        all[n + i].name = names[i];
    }
    struct ptd_publication p = {.generation = 2, .weights = all, .n = 2 * n, .keep = 3};
    if (ptd_store_open(&s, run, PTD_STORE_TRAIN) || ptd_store_publish(s, &p)) ptd_die_last();
    p = (struct ptd_publication){.generation = 3, .weights = v, .n = n, .keep = 3};
    move(NULL), move("newest");
    if (ptd_store_publish(s, &p)) ptd_die_last();
    ptd_store_close(s);
    move(NULL);
    free(names);
    free(all);
    free(v);
    return averages;
}

static void the_old_policy_and_averages_teach(void **state)
{
    struct ptd_refer_rules r = usual();
    struct ptd_refer *f;
    int culprit;
    double logp[VOCAB];
    (void)state;
    move("moved");
    double *first = plain_weights(model);
    move(NULL), move("newest");
    double *newest = plain_weights(model);
    double *averages = publish_averages();
    const struct {
        const char *who;
        int64_t generation;
        const double *weights;
    } cases[] = {{"old", 1, first},     {"old", 3, newest}, {"old", 1, first},
                 {"ema", 2, averages},  {"ema", 3, newest}, {"ema", 2, averages},
                 {"frozen", 3, weights}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make_groups(NULL);
        groups[0].generation = groups[1].generation = cases[i].generation;
        refer(&r, cases[i].who, 1, 1);
        const struct ptd_rollout *y = &groups[0].rollouts[1];
        for (int j = 0; j < 3; j++) check_teacher(cases[i].weights, &groups[0], y, j);
        plain_row(weights, &groups[0], 0, y, 2, logp); /* the reference does not move */
        assert_close(y->ref_logp[2], logp[y->ids[2]], 1e-4);
    }
    make_groups(NULL); /* groups of two generations at once */
    hint(&groups[1], "look at b2");
    groups[0].generation = 3, groups[1].generation = 1;
    refer(&r, "old", 0, 2);
    check_teacher(newest, &groups[0], &groups[0].rollouts[1], 0);
    check_teacher(first, &groups[1], &groups[1].rollouts[1], 0);
    groups[1].generation = 9;
    f = ptd_refer_open(run, "old", 0, &r, the_device());
    assert_int_equal(ptd_refer_score(f, both, 2, &culprit), -1);
    assert_failed(PTD_NOINPUT, "--teacher old reads it from the store");
    assert_int_equal(culprit, 1);
    ptd_refer_close(f);
    free(first), free(newest), free(averages);
}

static void the_head_says_who_taught(void **state)
{
    static const char *const who[] = {NULL, "frozen", "old", "ema", teacher_run};
    struct ptd_refer_rules r = usual();
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct ptd_refer *f = ptd_refer_open(run, who[i], 0, &r, the_device());
        struct ptd_head h = {0};
        assert_non_null(f);
        ptd_refer_note(f, &h);
        if (i < 2) assert_null(h.teacher);
        if (i >= 2) assert_string_equal(h.teacher, who[i]);
        assert_true((h.teacher_generation > 0) == (i == 4));
        assert_true(!strstr(ptd_refer_reads(f), "; teacher") == (i < 2));
        ptd_refer_close(f);
        ptd_head_clear(&h);
    }
}

/* ---- all words, and only one ---- */

static void check_on_ids(const struct ptd_rollout *y)
{
    double logp[VOCAB];
    for (int j = 0; j < y->n; j++) {
        plain_row(weights, &groups[0], 1, y, j, logp);
        assert_close(y->teacher_on_ids[j], logp[y->ids[j]], 1e-4);
    }
}

static void one_word_or_all(void **state)
{
    struct ptd_refer_rules r = usual();
    int H = model->config.hidden;
    const struct plain p = {model, weights};
    double logp[VOCAB], x[1024], z[VOCAB];
    (void)state;
    refer(&r, NULL, 0, 1);
    check_on_ids(&groups[0].rollouts[1]);
    r.top_k = 0;
    for (int pass = 0; pass < 2; pass++) {
        refer(&r, NULL, 1, 1);
        const struct ptd_rollout *y = &groups[0].rollouts[1];
        assert_true(!y->teacher_ids && !y->teacher_on_top && !y->teacher_k && !y->teacher_rows);
        check_on_ids(y);
    }
    r.whole = 1;
    for (int pass = 0; pass < 2; pass++) {
        refer(&r, NULL, 1, 1);
        const struct ptd_rollout *y = &groups[0].rollouts[1];
        assert_int_equal(y->teacher_width, H);
        assert_true(!y->teacher_ids && y->teacher_rows && y->teacher_key);
        check_on_ids(y);
        for (int j = 0; j < y->n; j++) {
            double sum = 0;
            plain_row(weights, &groups[0], 1, y, j, logp);
            for (int i = 0; i < H; i++) x[i] = y->teacher_rows[j * H + i];
            plain_logits(&p, x, z);
            for (int v = 0; v < VOCAB; v++) sum += banned[v] ? 0 : exp(z[v] / 1.1);
            for (int v = 0; v < VOCAB; v++)
                if (!banned[v]) assert_close(z[v] / 1.1 - log(sum), logp[v], 2e-4);
        }
    }
}

/* ---- masked pictures ---- */

/* What is read of the first group through pictures of which so much is black. */
static void read_masked(double share, uint64_t seed, int64_t step, float *logp)
{
    struct ptd_refer_rules r = usual();
    make_groups(NULL);
    groups[0].step = step;
    r.masked = share;
    r.seed = seed;
    refer(&r, NULL, 1, 1);
    memcpy(logp, groups[0].rollouts[2].masked_logp, 6 * sizeof *logp);
}

static void masked_pictures_are_not_seen(void **state)
{
    float half[6], again[6], other[6], none[6];
    double logp[VOCAB];
    uint8_t *black;
    (void)state;
    read_masked(0.5, 1, 1, half);
    read_masked(0.5, 1, 1, again);
    assert_memory_equal(half, again, sizeof half);
    read_masked(0.5, 2, 1, other);
    assert_true(memcmp(half, other, sizeof half) != 0);
    read_masked(0.5, 1, 2, other);
    assert_true(memcmp(half, other, sizeof half) != 0);
    read_masked(1, 1, 1, none);
    assert_true(fabsf(none[5] - half[5]) > 1e-3);
    struct ptd_rollout *y = &groups[0].rollouts[2];
    assert_true(fabsf(y->ref_logp[5] - none[5]) > 1e-3);
    plain_row(weights, &groups[0], 0, y, 5, logp); /* the stream keeps its picture */
    assert_close(y->ref_logp[5], logp[y->ids[5]], 1e-4);
    black = take(&groups[0], 3 * 84 * 84, 1);
    groups[0].pictures[0].pixels = black;
    plain_row(weights, &groups[0], 0, y, 5, logp);
    assert_close(none[5], logp[y->ids[5]], 1e-4);
}

/* ---- refusals ---- */

static void stores_that_do_not_serve(void **state)
{
    struct ptd_refer_rules r = usual();
    struct ptd_refer *f;
    int culprit;
    char path[96], *config = ptd_strdup(ptd_builtin("tiny/config.json", NULL)),
                   *vocab = strstr(config, "640");
    (void)state;
    for (r.top_k = -1; r.top_k <= 257; r.top_k += 258) {
        assert_null(ptd_refer_open(run, NULL, 1, &r, the_device()));
        assert_failed(PTD_USAGE, "expected 0 to 256");
    }
    r = usual();
    assert_null(ptd_refer_open(NULL, NULL, 1, &r, the_device()));
    assert_failed(PTD_USAGE, "--store");
    snprintf(path, sizeof path, "%s/none", folder);
    assert_null(ptd_refer_open(path, NULL, 1, &r, the_device()));
    assert_failed(PTD_NOINPUT, "none");
    assert_null(ptd_refer_open(run, path, 1, &r, the_device()));
    assert_failed(PTD_NOINPUT, "none");
    snprintf(path, sizeof path, "%s/./run.ptd", folder);
    assert_null(ptd_refer_open(run, path, 1, &r, the_device()));
    assert_failed(PTD_CONFIG, "is the run's own store");
    memcpy(vocab, "656", 3);
    snprintf(path, sizeof path, "%s/wide", folder);
    struct ptd_config c;
    assert_int_equal(ptd_config_parse(&c, config, NULL), 0);
    struct ptd_model *wide = ptd_model_new(&c, &model->rules, the_device());
    struct ptd_store *s = create(path, config);
    publish(s, wide, 0);
    ptd_store_close(s);
    f = ptd_refer_open(run, path, 1, &r, the_device());
    assert_int_equal(ptd_refer_score(f, both, 1, &culprit), -1);
    assert_int_equal(culprit, -1);
    assert_failed(PTD_CONFIG, "vocabulary of 656, expected the student's 640");
    ptd_refer_close(f);
    ptd_model_free(wide);
    free(config);
}

static void groups_that_cannot_be_read(void **state)
{
    struct ptd_refer_rules r = usual();
    struct ptd_refer *f = ptd_refer_open(run, NULL, 0, &r, the_device());
    int culprit;
    (void)state;
    groups[0].hint.n_prompt -= 12; /* pads of the picture are missing */
    groups[0].hint.prompt_ids += 12;
    assert_int_equal(ptd_refer_score(f, both, 2, &culprit), -1);
    assert_failed(PTD_DATAERR, "group \"first\": ");
    assert_int_equal(culprit, 0);
    ptd_refer_close(f);
    make_groups(NULL);
    f = ptd_refer_open(run, NULL, 0, &r, the_device());
    ((int32_t *)groups[1].rollouts[2].ids)[5] = VOCAB;
    assert_int_equal(ptd_refer_score(f, both, 2, &culprit), -1);
    assert_failed(PTD_DATAERR, "field \"rollouts[2].ids\": an id above 639");
    assert_int_equal(culprit, 1);
    ptd_refer_close(f);
}

#define TEST(f) cmocka_unit_test_setup(f, make_groups)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_said_is_right),
        TEST(equal_prompts_teach_nothing),
        TEST(the_teacher_sees_the_picture),
        TEST(the_teacher_reads_the_hint),
        TEST(the_second_pass_is_the_first),
        TEST(twins_share_a_value),
        TEST(micro_batches_are_found_one_by_one),
        TEST(values_are_the_same_found_or_computed),
        TEST(another_question_is_computed),
        TEST(micro_batches_change_nothing),
        TEST(large_groups_are_cut),
        TEST(rules_choose_the_tutored),
        TEST(no_reference_when_none_is_wanted),
        TEST(students_without_favourites),
        TEST(another_store_teaches),
        TEST(the_old_policy_and_averages_teach),
        TEST(the_head_says_who_taught),
        TEST(one_word_or_all),
        TEST(masked_pictures_are_not_seen),
        TEST(stores_that_do_not_serve),
        TEST(groups_that_cannot_be_read),
    };
    ptd_program("test-refer");
    ptd_threads_start(2);
    return cmocka_run_group_tests_name("refer", tests, setup, teardown);
}
