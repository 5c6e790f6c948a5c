/* test-lora: adapters: what options and PEFT's files say of them, their product in the network
 * against the merged matrices, their gradients against differences, and the logits that PEFT itself
 * computes with folders that it wrote (vectors/make-lora.py). */
#include "base/json.h"
#include "checkpoint/peft.h"
#include "data/lora.h"
#include "net/adapter.h"
#include "tiny.h"
#include "test.h"
#include <jansson.h>

#define EACH(i, a) (size_t i = 0; i < sizeof(a) / sizeof *(a); i++)

/* ---- settings ---- */

static void options_are_read(void **state)
{
    struct ptd_lora l;
    (void)state;
    assert_int_equal(ptd_lora_parse(&l, ""), 0);
    assert_int_equal(l.rank, 16);
    assert_close(l.alpha, 32, 0);
    assert_int_equal(l.n_names, 7);
    assert_close(ptd_lora_scale(&l), 2, 0);
    ptd_lora_clear(&l);
    assert_int_equal(ptd_lora_parse(&l, "rank=4,rslora,alpha=6,targets=q_proj,v_proj"), 0);
    assert_close(ptd_lora_scale(&l), 3, 1e-12);
    assert_int_equal(ptd_lora_wants(&l, "model.x.q_proj", 1), 1);
    assert_int_equal(ptd_lora_wants(&l, "q_proj", 1), 1);
    assert_int_equal(ptd_lora_wants(&l, "model.x.eq_proj", 1), 0);
    assert_int_equal(ptd_lora_wants(&l, "model.x.q_proj.y", 1), 0);
    ptd_lora_clear(&l);
    assert_int_equal(ptd_lora_parse(&l, "targets=.*\\.(q|v)_proj"), 0);
    assert_int_equal(ptd_lora_wants(&l, "model.x.v_proj", 1), 1);
    assert_int_equal(ptd_lora_wants(&l, "model.x.v_proj.z", 1), 0);
    ptd_lora_clear(&l);
    assert_int_equal(ptd_lora_parse(&l, "targets=all-linear"), 0);
    assert_int_equal(ptd_lora_wants(&l, "anything", 1), 1);
    assert_int_equal(ptd_lora_wants(&l, "anything", 0), 0);
    ptd_lora_clear(&l);
}

static void bad_options_are_refused(void **state)
{
    static const char *const bad[][2] = {{"rank=0", "rank \"0\""},
                                         {"rank=1.5", "rank \"1.5\""},
                                         {"alpha=x", "alpha \"x\""},
                                         {"rank=2000", "1024"},
                                         {"dora", "DoRA"},
                                         {"dropout=0.1", "dropout"},
                                         {"colour=red", "\"colour\""},
                                         {"alpha=0", "above 0"},
                                         {"targets=", "names none"},
                                         {"targets=(q_proj", "missing"},
                                         {"rslora=2", "0 or 1"},
                                         {"q_proj", "\"q_proj\""}};
    (void)state;
    for
        EACH (i, bad) {
            struct ptd_lora l;
            assert_int_equal(ptd_lora_parse(&l, bad[i][0]), -1);
            assert_int_equal(ptd_failed_status(), PTD_USAGE);
            if (!strstr(ptd_failed_message(), bad[i][1]))
                fail_msg("%s: %s", bad[i][0], ptd_failed_message());
        }
}

static void what_is_not_done_is_refused(void **state)
{
    static const struct {
        const char *field;
        int status;
        const char *words;
    } bad[] = {{"\"use_dora\":true", PTD_CONFIG, "DoRA"},
               {"\"bias\":\"all\"", PTD_CONFIG, "bias"},
               {"\"rank_pattern\":{\"q_proj\":2}", PTD_CONFIG, "rank_pattern"},
               {"\"modules_to_save\":[\"lm_head\"]", PTD_CONFIG, "modules_to_save"},
               {"\"init_lora_weights\":\"pissa\"", PTD_CONFIG, "pissa"},
               {"\"peft_type\":\"IA3\"", PTD_CONFIG, "IA3"},
               {"\"r\":0", PTD_DATAERR, "\"r\""},
               {"\"lora_alpha\":\"8\"", PTD_DATAERR, "lora_alpha"},
               {"\"use_rslora\":\"yes\"", PTD_DATAERR, "use_rslora"},
               {"\"target_modules\":[1]", PTD_DATAERR, "target_modules"},
               {"\"target_modules\":\"(\"", PTD_DATAERR, "character"}};
    (void)state;
    for
        EACH (i, bad) {
            struct ptd_lora l;
            char *json = ptd_format("{\"peft_type\":\"LORA\",\"r\":4,\"lora_alpha\":8,"
                                    "\"target_modules\":[\"q_proj\"],%s}",
                                    bad[i].field);
            assert_int_equal(ptd_lora_read(&l, json, strlen(json), "f.json"), -1);
            assert_int_equal(ptd_failed_status(), bad[i].status);
            if (!strstr(ptd_failed_message(), bad[i].words)) fail_msg("%s", ptd_failed_message());
            free(json);
        }
}

/* What is written is read as what it was. */
static void settings_come_back(void **state)
{
    static const char *const all[] = {"", "rank=3,alpha=2.5,rslora,targets=all-linear",
                                      "targets=.*q_proj", "alpha=7,targets=mlp.up_proj,o_proj"};
    (void)state;
    for
        EACH (i, all) {
            struct ptd_lora a, b;
            assert_int_equal(ptd_lora_parse(&a, all[i]), 0);
            char *text = ptd_lora_text(&a), *again;
            assert_int_equal(ptd_lora_read(&b, text, strlen(text), "f.json"), 0);
            again = ptd_lora_text(&b);
            assert_string_equal(text, again);
            assert_int_equal(a.rank, b.rank);
            assert_close(ptd_lora_scale(&a), ptd_lora_scale(&b), 0);
            free(text);
            free(again);
            ptd_lora_clear(&a);
            ptd_lora_clear(&b);
        }
}

/* ---- in the network ---- */

static struct ptd_model *planned(void)
{
    struct ptd_config c = tiny_config(1);
    struct ptd_image_rules r = {.patch = c.v_patch,
                                .merge = c.v_merge,
                                .temporal = c.v_temporal,
                                .min_pixels = 64,
                                .max_pixels = 1 << 20,
                                .mean = {.5f, .5f, .5f},
                                .std = {.5f, .5f, .5f}};
    return ptd_model_plan(&c, &r, the_device());
}

/* tiny's weights, and for the adapter numbers of about the same size. */
static struct ptd_model *filled(struct ptd_model *m)
{
    ptd_model_init(m, 1);
    for (int i = 0; i < m->n_params; i++) tiny_fill_param(m, &m->params[i]);
    return m;
}

static struct ptd_model *adapted(const char *option)
{
    struct ptd_model *m = planned();
    struct ptd_lora l;
    assert_int_equal(ptd_lora_parse(&l, option), 0);
    assert_int_equal(ptd_model_adapt(m, &l), 0);
    return filled(m);
}

static void targets_mean_matrices(void **state)
{
    static const struct {
        const char *option, *words;
    } bad[] = {{"targets=q_proj,r_proj", "\"r_proj\""}, {"targets=embed_tokens", "embed_tokens"},
               {"targets=.*nothing.*", "matches no"},   {"targets=.*", "too"},
               {"targets=lm_head", "lm_head"},          {"targets=.*visual.*proj", "patch_embed"}};
    (void)state;
    for
        EACH (i, bad) {
            struct ptd_model *m = planned();
            struct ptd_lora l;
            assert_int_equal(ptd_lora_parse(&l, bad[i].option), 0);
            assert_int_equal(ptd_model_adapt(m, &l), -1);
            assert_int_equal(ptd_failed_status(), PTD_USAGE);
            if (!strstr(ptd_failed_message(), bad[i].words)) fail_msg("%s", ptd_failed_message());
            ptd_lora_clear(&l);
            ptd_model_free(m);
        }
    struct ptd_model *m = adapted("rank=2,targets=v_proj,gate_proj");
    assert_int_equal(m->adapters->n, 2 * m->config.layers);
    assert_string_equal(m->params[m->n_params - 1].name,
                        "model.language_model.layers.2.mlp.gate_proj.lora_B.weight");
    ptd_model_free(m);
}

static struct ptd_batch *batch_of(struct ptd_model *m)
{
    struct ptd_picture pictures[2] = {tiny_picture(0), tiny_picture(1)};
    struct ptd_batch *b = ptd_batch_new(m);
    assert_int_equal(ptd_batch_prompt(b, tiny_ids, 22, pictures, 2), 0);
    b->keep = 1;
    for (int i = 0; i < 2; i++) free((void *)(uintptr_t)pictures[i].pixels);
    return b;
}

/* Sum over logits of their hash: what gradients are tested with. */
static double loss(struct ptd_model *m, struct ptd_batch *b)
{
    double sum = 0;
    ptd_forward(m, b);
    float *z = tiny_logits(m, b->hidden, b->n);
    for (long i = 0; i < b->n * m->config.vocab; i++) sum += z[i] * tiny_uniform("dz", i);
    free(z);
    return sum;
}

static const char everything[] = "rank=3,alpha=2,targets=all-linear";

/* Directions in one parameter after the other. */
static void gradients_are_exact(void **state)
{
    struct ptd_model *m = adapted(everything);
    (void)state;
    ptd_model_train(m);
    struct ptd_batch *b = batch_of(m);
    long n = b->n * m->config.vocab;
    float *dz = ptd_array((size_t)n, sizeof *dz), *w = tiny_weights(m);
    for (long i = 0; i < n; i++) dz[i] = (float)tiny_uniform("dz", i);
    loss(m, b);
    tiny_zero_gradients(m);
    tiny_backward(m, b, dz);
    float *g = tiny_gradients(m), *moved = ptd_array(m->n_weights, sizeof *moved);
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        double want[2], slope = 0, h = 4e-3;
        if (!p->adapter && !tiny_ends(p->name, "patch_embed.proj.weight") &&
            !tiny_ends(p->name, "embed_tokens.weight"))
            continue;
        for (size_t k = 0; k < p->n; k++)
            slope += g[p->offset + k] * tiny_uniform("way", k) / sqrt((double)p->n);
        for (int side = 0; side < 2; side++) {
            memcpy(moved, w, m->n_weights * sizeof *w);
            for (size_t k = 0; k < p->n; k++)
                moved[p->offset + k] +=
                    (float)((side ? h : -h) * tiny_uniform("way", k) / sqrt((double)p->n));
            tiny_put_weights(m, moved);
            want[side] = loss(m, b);
        }
        double got = (want[1] - want[0]) / (2 * h);
        if (fabs(got - slope) > 2e-2 * (1 + fabs(slope)))
            fail_msg("%s: slope %g, differences say %g", p->name, slope, got);
    }
    free(dz), free(w), free(g), free(moved);
    ptd_batch_free(b);
    ptd_model_free(m);
}

static const struct ptd_param *param(const struct ptd_model *m, const char *name)
{
    for (int i = 0; i < m->n_params; i++)
        if (!strcmp(m->params[i].name, name)) return &m->params[i];
    fail_msg("no parameter %s", name);
    return NULL;
}

/* W + scale B A into w, for one site that has an adapter. */
static void merge(const struct ptd_model *m, const float *from, float *w, const struct ptd_site *s)
{
    char name[128];
    const struct ptd_param *part[3];
    static const char *const ends[] = {"weight", "lora_A.weight", "lora_B.weight"};
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s.%s", s->name, ends[i]);
        part[i] = param(m, name);
    }
    long in = part[0]->dims[1], r = part[1]->dims[0];
    double scale = ptd_lora_scale(&m->adapters->lora);
    for (long o = 0; o < part[0]->dims[0]; o++)
        for (long c = 0; c < in; c++) {
            double sum = 0;
            for (long k = 0; k < r; k++)
                sum +=
                    (double)from[part[2]->offset + o * r + k] * from[part[1]->offset + k * in + c];
            w[part[0]->offset + o * in + c] += (float)(scale * sum);
        }
}

/* The network with an adapter is that of the merged matrices, with B = 0. */
static void a_product_is_that_of_the_merged(void **state)
{
    struct ptd_model *m = adapted(everything);
    struct ptd_batch *b = batch_of(m);
    int n;
    (void)state;
    ptd_forward(m, b);
    float *with = tiny_logits(m, b->hidden, b->n), *w = tiny_weights(m), *from = tiny_weights(m);
    struct ptd_site *s = ptd_model_sites(m, &n);
    for (int i = 0; i < n; i++) merge(m, from, w, &s[i]);
    for (int i = 0; i < m->n_params; i++)
        if (tiny_ends(m->params[i].name, "lora_B.weight"))
            memset(w + m->params[i].offset, 0, m->params[i].n * sizeof *w);
    tiny_put_weights(m, w);
    ptd_forward(m, b);
    float *merged = tiny_logits(m, b->hidden, b->n);
    for (long i = 0; i < b->n * m->config.vocab; i++)
        assert_close(merged[i], with[i], 2e-4 * (1 + fabs(with[i])));
    free(with), free(merged), free(w), free(from), free(s);
    ptd_batch_free(b);
    ptd_model_free(m);
}

/* ---- PEFT's folders ---- */

static json_t *logits_file(void)
{
    json_error_t e;
    json_t *file = json_load_file("tests/vectors/lora/logits.json", 0, &e);
    if (!file) fail_msg("logits.json: %s", e.text);
    return file;
}

static void put_adapter(struct ptd_model *m, const struct ptd_peft *p)
{
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *q = &m->params[i];
        if (!q->adapter) continue;
        float *x = ptd_array(q->n, sizeof *x);
        assert_int_equal(ptd_peft_read(p, q->name, 0, q->n, x), 0);
        m->device->ops->put_nums(m->device, ptd_at(m->device, m->weights, q->offset), x, q->n);
        free(x);
    }
}

static void logits_are_those_of_peft(const char *name)
{
    char dir[64];
    struct ptd_peft *p;
    struct ptd_model *m = planned();
    json_t *file = logits_file(), *want = json_object_get(file, name), *row, *v;
    size_t i, c;
    snprintf(dir, sizeof dir, "tests/vectors/lora/%s", name);
    assert_int_equal(ptd_peft_open(&p, dir), 0);
    if (ptd_peft_adapt(p, m)) fail_msg("%s", ptd_failed_message());
    put_adapter(filled(m), p);
    assert_int_equal(ptd_peft_close(p), 0);
    struct ptd_batch *b = batch_of(m);
    ptd_forward(m, b);
    float *z = tiny_logits(m, b->hidden, b->n);
    double largest = json_number_value(json_object_get(want, "largest")), norm = 0;
    json_array_foreach(json_object_get(want, "rows"), i, row)
    {
        long at = json_integer_value(json_object_get(row, "row")) * m->config.vocab;
        json_array_foreach(json_object_get(row, "values"), c, v)
            assert_close(z[at + (long)c], json_number_value(v), 2e-5 * largest);
    }
    for (long k = 0; k < b->n * m->config.vocab; k++) norm += (double)z[k] * z[k];
    assert_close(sqrt(norm), json_number_value(json_object_get(want, "norm")), 2e-5 * sqrt(norm));
    free(z);
    ptd_batch_free(b);
    ptd_model_free(m);
    json_decref(file);
}

static void peft_folders_give_peft_logits(void **state)
{
    (void)state;
    logits_are_those_of_peft("names");
    logits_are_those_of_peft("all");
    logits_are_those_of_peft("pattern");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_read),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(what_is_not_done_is_refused),
        cmocka_unit_test(settings_come_back),
        cmocka_unit_test(targets_mean_matrices),
        cmocka_unit_test(gradients_are_exact),
        cmocka_unit_test(a_product_is_that_of_the_merged),
        cmocka_unit_test(peft_folders_give_peft_logits),
    };
    ptd_program("test-lora");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
