/* test-ground: the words of picture tokens: which token gets which words, and the supervised loss
 * with them and its gradient against the network in double, in one micro-batch and in many. */
#include "plain.h"
#include "tiny.h"
#include "method/learn.h"
#include "test.h"

#define GROUPS 4
#define VOCAB  640
#define WEIGHT 0.7

static struct ptd_model *model;
static struct ptd_tokenizer *tokenizer;
static struct ptd_score *scratch;
static struct ptd_ground ground;
static uint8_t *banned;
static double *weights;
static struct ptd_picture pictures[2];
static struct ptd_group group[GROUPS],
    *groups[GROUPS] = {&group[0], &group[1], &group[2], &group[3]};

/* 2 x 3 picture tokens; the second box lies over the first, the third between centres. */
static const struct ptd_region objects[3] = {{"a1 red 4", {0, 0, 0.6f, 0.5f}},
                                             {"b2 none", {0.4f, 0.2f, 1, 1}},
                                             {"c3 blue 7", {0.55f, 0, 0.8f, 0.2f}}};
/* of each token; the first box that holds its centre */
static const int object_at[6] = {0, 0, 1, -1, 1, 1};

static const int32_t prompt[16] = {7, 636, 636, 636, 636, 636, 636, 5,
                                   9, 636, 636, 636, 13,  2,   17,  21};
static const int32_t answer[5] = {90, 91, 200, 300, 450};

static int setup(void **state)
{
    struct ptd_config c = tiny_config(1);
    const char *json = ptd_builtin("tiny/tokenizer.json", NULL);
    (void)state;
    c.layers = c.v_depth = 2;
    c.n_deepstack = 1;
    c.deepstack[0] = 0;
    c.vocab = VOCAB;
    c.image_token = 636, c.video_token = 637, c.vision_start = 633, c.vision_end = 634;
    model = tiny_model_of(&c);
    ptd_model_train(model);
    scratch = ptd_score_new(model, 1);
    weights = plain_weights(model);
    for (int i = 0; i < 2; i++) pictures[i] = tiny_picture(i);
    tokenizer = ptd_tokenizer_new(json, strlen(json), "tokenizer.json");
    assert_non_null(tokenizer);
    banned = ptd_model_banned(model, ptd_tokenizer_size(tokenizer));
    ground = (struct ptd_ground){.tokenizer = tokenizer, .banned = banned, .weight = WEIGHT};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < GROUPS; i++) ptd_group_clear(&group[i]);
    for (int i = 0; i < 2; i++) free((void *)pictures[i].pixels);
    ptd_score_free(scratch);
    ptd_model_free(model);
    ptd_tokenizer_free(tokenizer);
    free(ground.words);
    free(banned);
    free(weights);
    return 0;
}

/* With objects and two pictures; without objects; text only; with objects and one picture. */
static int make_groups(void **state)
{
    static const char *const uids[GROUPS] = {"two", "none", "text", "one"};
    (void)state;
    for (int i = 0; i < GROUPS; i++) {
        struct ptd_group *g = &group[i];
        ptd_group_clear(g);
        g->uid = uids[i];
        g->prompt_ids = i == 2 ? answer : prompt;
        g->n_prompt = i == 0 ? 16 : i == 2 ? 4 : 9;
        g->pictures = pictures;
        g->n_pictures = i == 0 ? 2 : i == 2 ? 0 : 1;
        g->objects = objects;
        g->n_objects = i == 1 ? 0 : 3;
        g->rollouts = ptd_group_alloc(g, sizeof *g->rollouts);
        g->rollouts[0] = (struct ptd_rollout){.ids = answer, .n = 5 - i};
        g->n_rollouts = 1;
    }
    return 0;
}

static struct ptd_loss_rules rules(long micro)
{
    return (struct ptd_loss_rules){.loss = ptd_loss_named("sft"),
                                   .temperature = 1,
                                   .micro_tokens = micro,
                                   .banned = banned,
                                   .ground = &ground};
}

/* The gradients as they are now. */
static float *grads;
static void look(void)
{
    free(grads);
    grads = tiny_gradients(model);
}

static struct ptd_learned learn(long micro)
{
    struct ptd_loss_rules r = rules(micro);
    struct ptd_learned out;
    int bad;
    tiny_zero_gradients(model);
    assert_int_equal(ptd_learn(scratch, groups, GROUPS, &r, &out, &bad), 0);
    assert_int_equal(bad, -1);
    look();
    return out;
}

/* ---- in double ---- */

static double plain_logp(const struct plain *p, const double *hidden, int32_t id)
{
    double z[VOCAB], most = -INFINITY, sum = 0;
    plain_logits(p, hidden, z);
    for (int v = 0; v < VOCAB; v++) most = banned[v] ? most : fmax(most, z[v]);
    for (int v = 0; v < VOCAB; v++) sum += banned[v] ? 0 : exp(z[v] - most);
    return z[id] - most - log(sum);
}

/* Sum over the words of the first picture's tokens. */
static double plain_words(const struct plain *p, const struct ptd_group *g)
{
    const struct ptd_config *c = &model->config;
    double sum = 0;
    plain_used = 0;
    struct plain_rows rows = plain_vision(p, g->pictures, g->n_pictures);
    const double *x = plain_rmsnorm(rows.x, plain_weight(p, "model.language_model.norm.weight"),
                                    rows.n, c->hidden, c->rms_eps);
    for (int i = 0; i < 6; i++) {
        char label[32];
        int32_t *ids;
        if (object_at[i] < 0) continue;
        snprintf(label, sizeof label, " %s", objects[object_at[i]].label);
        int n = ptd_tokenizer_encode(tokenizer, label, strlen(label), &ids);
        assert_true(n > 1);
        for (int k = 0; k < n; k++) sum -= plain_logp(p, x + i * c->hidden, ids[k]);
        free(ids);
    }
    return sum;
}

static double plain_loss(double *words)
{
    struct plain p = {model, weights};
    double logp = 0;
    int n = 0;
    *words = 0;
    for (int i = 0; i < GROUPS; i++) {
        const struct ptd_group *g = &group[i];
        int32_t ids[32];
        memcpy(ids, g->prompt_ids, g->n_prompt * sizeof *ids);
        memcpy(ids + g->n_prompt, answer, g->rollouts[0].n * sizeof *ids);
        const double *x =
            plain_hidden(&p, ids, g->n_prompt + g->rollouts[0].n, g->pictures, g->n_pictures);
        for (int j = 0; j < g->rollouts[0].n; j++, n++)
            logp += plain_logp(&p, x + (g->n_prompt - 1 + j) * model->config.hidden, answer[j]);
        /* two groups of 6 tokens */
        if (g->n_objects && g->n_pictures) *words += plain_words(&p, g) / 12;
    }
    return -logp / n + WEIGHT * *words;
}

static void check_slope(const char *name, size_t first, size_t last)
{
    const double h = 1e-4, norm = sqrt((double)(last - first) / 3);
    double slope = 0, length = 0, value[2], words, *saved = ptd_array(last - first, sizeof *saved);
    memcpy(saved, weights + first, (last - first) * sizeof *saved);
    for (int up = 0; up < 2; up++) {
        for (size_t i = first; i < last; i++)
            weights[i] = saved[i - first] + (up ? h : -h) * tiny_uniform(name, i) / norm;
        value[up] = plain_loss(&words);
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

/* ---- tests ---- */

static void tokens_get_the_words_at_their_centre(void **state)
{
    int seen = 0;
    (void)state;
    assert_int_equal(ptd_ground_count(model, &group[0]), 6);
    assert_int_equal(ptd_ground_count(model, &group[1]), 0);
    assert_int_equal(ptd_ground_count(model, &group[2]), 0);
    assert_int_equal(ptd_ground_count(model, &group[3]), 6);
    assert_int_equal(ptd_ground_add(&ground, model, &group[0], 100), 0);
    for (int i = 0; i < 6; i++) {
        int32_t ids[16];
        int n = 0;
        for (; seen < ground.n && ground.words[seen].row == 100 + i; seen++)
            ids[n++] = ground.words[seen].id;
        char *text = ptd_tokenizer_decode(tokenizer, ids, n, 0);
        assert_string_equal(text, object_at[i] < 0 ? "" : object_at[i] ? " b2 none" : " a1 red 4");
        free(text);
    }
    assert_int_equal(seen, ground.n);
    ground.n = 0;
}

static void the_loss_and_its_gradient(void **state)
{
    struct ptd_learned got = learn(1 << 20);
    double words, loss = plain_loss(&words);
    (void)state;
    assert_close(got.words, words, 1e-5);
    assert_close(got.loss, loss, 1e-5);
    check_slope("everything", 0, model->n_weights);
    for (int i = 0; i < model->n_params; i += 2)
        check_slope(model->params[i].name, model->params[i].offset,
                    model->params[i].offset + model->params[i].n);
}

static void micro_batches_change_nothing(void **state)
{
    struct ptd_learned one = learn(1 << 20), many;
    float *kept = ptd_array(model->n_weights, sizeof *kept);
    (void)state;
    memcpy(kept, grads, model->n_weights * sizeof *kept);
    for (long micro = 1; micro <= 25; micro += 24) {
        double off = 0, norm = 0;
        many = learn(micro);
        assert_close(many.words, one.words, 1e-6);
        assert_close(many.loss, one.loss, 1e-6);
        for (size_t i = 0; i < model->n_weights; i++) {
            off += ((double)kept[i] - grads[i]) * ((double)kept[i] - grads[i]);
            norm += (double)kept[i] * kept[i];
        }
        assert_true(norm > 0 && sqrt(off) <= 1e-5 * sqrt(norm));
    }
    free(kept);
}

/* A picture that is computed for each piece of a group is asked for its words once. */
static void pieces_of_a_group_have_its_words_once(void **state)
{
    struct ptd_learned one, many;
    (void)state;
    group[0].rollouts = ptd_group_alloc(&group[0], 3 * sizeof *group[0].rollouts);
    for (int i = 0; i < 3; i++)
        group[0].rollouts[i] = (struct ptd_rollout){.ids = answer, .n = 5 - i};
    group[0].n_rollouts = 3;
    one = learn(1 << 20);
    many = learn(10);
    assert_int_equal(many.packed, one.packed + 2 * group[0].n_prompt);
    assert_close(many.words, one.words, 1e-6);
    assert_close(many.loss, one.loss, 1e-6);
}

/* Without objects anywhere it is plain supervised learning, to the bit. */
static void no_objects_no_words(void **state)
{
    struct ptd_loss_rules r = rules(1 << 20);
    struct ptd_learned with, without;
    float *kept = ptd_array(model->n_weights, sizeof *kept);
    int bad;
    (void)state;
    for (int i = 0; i < GROUPS; i++) group[i].n_objects = 0;
    with = learn(1 << 20);
    memcpy(kept, grads, model->n_weights * sizeof *kept);
    tiny_zero_gradients(model);
    r.ground = NULL;
    assert_int_equal(ptd_learn(scratch, groups, GROUPS, &r, &without, &bad), 0);
    look();
    assert_memory_equal(&with, &without, sizeof with);
    assert_memory_equal(kept, grads, model->n_weights * sizeof *kept);
    assert_true(with.words == 0);
    free(kept);
}

#define TEST(f) cmocka_unit_test_setup(f, make_groups)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tokens_get_the_words_at_their_centre),
        TEST(the_loss_and_its_gradient),
        TEST(micro_batches_change_nothing),
        TEST(pieces_of_a_group_have_its_words_once),
        TEST(no_objects_no_words),
    };
    ptd_program("test-ground");
    ptd_threads_start(2);
    return cmocka_run_group_tests_name("ground", tests, setup, teardown);
}
