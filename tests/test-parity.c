/* test-parity: the network against what the reference implementation computed for the same weights,
 * pictures and prompts: positions, every stage, logits, loss, every gradient, greedy replies,
 * decoding from the cache. tests/vectors/make-parity.py made the numbers. */
#include "net/sample.h"
#include "tiny.h"
#include "test.h"
#include <jansson.h>
#include <zlib.h>

#define LOGITS 2e-5 /* of the largest, or of the norm for sums under random signs */
#define STAGE  2e-5
#define ANGLES 2e-6
#define GRAD   1e-4
#define CACHE  1e-5
#define DOTS   4

struct parity {
    const char *name;
    json_t *file;
    struct ptd_model *m;
    struct ptd_batch *b; /* of the prompt */
    int32_t *ids;
    int n, n_pictures;
    struct ptd_picture pictures[4];
};

/* share of what is allowed that was used: stages, logits, gradients, cache, angles */
static double worst[5];
static double *used; /* the one in question */

static json_t *at(json_t *object, const char *key)
{
    json_t *v = json_object_get(object, key);
    if (!v) fail_msg("vector without \"%s\"", key);
    return v;
}

static double real_at(json_t *object, const char *key)
{
    return json_number_value(at(object, key));
}

static void within(const char *what, const char *part, double got, double want, double allowed)
{
    double off = fabs(got - want);
    if (!(off <= allowed))
        fail_msg("%s, %s: %.9g, expected %.9g within %.3g", what, part, got, want, allowed);
    if (off > *used * allowed) *used = off / allowed;
}

/* An array against what is known of it. */
static void check_array(const char *name, const float *x, size_t n, json_t *s, double tolerance)
{
    json_t *shape = at(s, "shape"), *entry;
    double norm = real_at(s, "norm"), largest = real_at(s, "largest"), sum = 0, dots[DOTS] = {0};
    size_t i, size = 1;
    char signs[160];
    uint64_t h;
    json_array_foreach(shape, i, entry) size *= json_integer_value(entry);
    if (size != n) fail_msg("%s: %zu entries, expected %zu", name, n, size);
    snprintf(signs, sizeof signs, "signs of %s", name);
    h = tiny_seed(signs);
    for (i = 0; i < n; i++) {
        uint64_t z = tiny_mix(h, i);
        sum += (double)x[i] * x[i];
        for (int d = 0; d < DOTS; d++) dots[d] += z >> (60 + d) & 1 ? -x[i] : x[i];
    }
    within(name, "norm", sqrt(sum), norm, tolerance * norm);
    for (int d = 0; d < DOTS; d++)
        within(name, "sum under signs", dots[d],
               json_number_value(json_array_get(at(s, "dots"), d)), tolerance * norm);
    json_array_foreach(at(s, "at"), i, entry)
        within(name, "entry", x[json_integer_value(json_array_get(entry, 0))],
               json_number_value(json_array_get(entry, 1)), tolerance * largest);
}

/* ---- a case ---- */

static json_t *read_case(const char *name)
{
    static char text[1 << 20];
    char path[128];
    json_error_t e;
    json_t *file;
    gzFile f;
    int n;
    snprintf(path, sizeof path, "tests/vectors/parity/%s.json.gz", name);
    f = gzopen(path, "r");
    n = f ? gzread(f, text, sizeof text - 1) : -1;
    if (f) gzclose(f);
    if (n < 0) fail_msg("%s: cannot be read", path);
    file = json_loadb(text, n, 0, &e);
    if (!file) fail_msg("%s: %s", path, e.text);
    return file;
}

static struct ptd_model *model_of(json_t *config)
{
    char *text = json_dumps(config, 0);
    struct ptd_config c;
    if (ptd_config_parse(&c, text, NULL)) ptd_die_last();
    free(text);
    return tiny_model_of(&c);
}

static int setup(void **state)
{
    struct parity *p = ptd_alloc(sizeof *p);
    json_t *list, *v;
    size_t i;
    p->name = *state;
    p->file = read_case(p->name);
    p->m = model_of(at(p->file, "config"));
    list = at(p->file, "ids");
    p->n = (int)json_array_size(list);
    p->ids = ptd_array(p->n, sizeof *p->ids);
    json_array_foreach(list, i, v) p->ids[i] = (int32_t)json_integer_value(v);
    json_array_foreach(at(p->file, "pictures"), i, v) p->pictures[p->n_pictures++] =
        tiny_picture_of(json_string_value(json_array_get(v, 0)),
                        json_integer_value(json_array_get(v, 1)),
                        json_integer_value(json_array_get(v, 2)));
    p->b = ptd_batch_new(p->m);
    if (ptd_batch_prompt(p->b, p->ids, p->n, p->pictures, p->n_pictures)) ptd_die_last();
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct parity *p = *state;
    if (getenv("PTD_PARITY_REPORT"))
        printf("# %s: of what is allowed, used: stages %.3f, logits %.3f, gradients %.3f, cache "
               "%.3f, angles "
               "%.3f\n",
               p->name, worst[0], worst[1], worst[2], worst[3], worst[4]);
    memset(worst, 0, sizeof worst);
    for (int i = 0; i < p->n_pictures; i++) free((void *)p->pictures[i].pixels);
    ptd_batch_free(p->b);
    ptd_model_free(p->m);
    json_decref(p->file);
    free(p->ids);
    free(p);
    return 0;
}

static int is_mark(const struct ptd_config *c, int id)
{
    return id == c->image_token || id == c->video_token || id == c->vision_start ||
           id == c->vision_end;
}

/* Mean over the words that follow another and are no marks of pictures; dz is its gradient. */
static double cross_entropy(const struct parity *p, const float *z, float *dz)
{
    int V = p->m->config.vocab, n = 0;
    double loss = 0;
    for (int i = 1; i < p->n; i++) n += !is_mark(&p->m->config, p->ids[i]);
    for (int i = 0; i + 1 < p->n; i++, z += V, dz += V) {
        double top = z[0], sum = 0;
        int target = p->ids[i + 1];
        if (is_mark(&p->m->config, target)) continue;
        for (int v = 0; v < V; v++) top = z[v] > top ? z[v] : top;
        for (int v = 0; v < V; v++) sum += exp(z[v] - top);
        loss -= (z[target] - top - log(sum)) / n;
        for (int v = 0; v < V; v++) dz[v] = (float)((exp(z[v] - top) / sum - (v == target)) / n);
    }
    return loss;
}

/* ---- forward ---- */

static struct parity *probed;
static size_t stages_seen;

static void on_stage(const char *stage, const float *x, long n, int w)
{
    used = &worst[0];
    check_array(stage, x, n * w, at(at(probed->file, "stages"), stage), STAGE);
    stages_seen++;
}

/* Cosines and sines are held to less than other stages: at far positions angles magnify how their
 * frequency was rounded. */
static void check_angles(const struct parity *p)
{
    const struct ptd_config *c = &p->m->config;
    float *const *x = p->b->angles;
    static const char *const name[] = {"text cosine", "text sine", "vision cosine", "vision sine"};
    used = &worst[4];
    for (int i = 0; i < (p->n_pictures ? 4 : 2); i++, stages_seen++)
        check_array(name[i], x[i],
                    i < 2 ? (size_t)p->n * c->head_dim / 2
                          : (size_t)p->b->n_patches * c->v_hidden / c->v_heads / 2,
                    at(at(p->file, "stages"), name[i]), ANGLES);
}

static void check_logits(struct parity *p)
{
    json_t *s = at(p->file, "logits"), *row, *v;
    double largest = real_at(s, "largest");
    float *z = tiny_logits(p->m, p->b->hidden, p->n);
    int V = p->m->config.vocab;
    size_t i, k;
    used = &worst[1];
    check_array("logits", z, (size_t)p->n * V, s, LOGITS);
    json_array_foreach(at(p->file, "logit_rows"), i, row)
    {
        const float *got = z + json_integer_value(at(row, "row")) * V;
        assert_int_equal(json_array_size(at(row, "values")), V);
        json_array_foreach(at(row, "values"), k, v)
            within("logits", "whole row", got[k], json_number_value(v), LOGITS * largest);
    }
    free(z);
}

static void check_positions(struct parity *p)
{
    json_t *axes = at(p->file, "positions"), *v;
    size_t i;
    for (int axis = 0; axis < 3; axis++) {
        assert_int_equal(json_array_size(json_array_get(axes, axis)), p->n);
        json_array_foreach(json_array_get(axes, axis), i, v)
            assert_int_equal(p->b->pos[3 * i + axis], json_integer_value(v));
    }
    assert_int_equal(p->b->segments[0].next - p->n, json_integer_value(at(p->file, "delta")));
}

static void forward(void **state)
{
    struct parity *p = *state;
    check_positions(p);
    for (p->b->keep = 1; p->b->keep >= 0; p->b->keep--) {
        probed = p;
        stages_seen = 0;
        ptd_model_probe = on_stage;
        ptd_forward(p->m, p->b);
        ptd_model_probe = NULL;
        check_angles(p);
        assert_int_equal(stages_seen, json_object_size(at(p->file, "stages")));
        check_logits(p);
    }
}

/* ---- backward ---- */

static void gradients(void **state)
{
    struct parity *p = *state;
    float *dz = ptd_array((size_t)p->n * p->m->config.vocab, sizeof *dz), *z, *grads;
    json_t *want = at(p->file, "gradients");
    double loss = real_at(p->file, "loss");
    ptd_model_train(p->m);
    ptd_forward(p->m, p->b);
    z = tiny_logits(p->m, p->b->hidden, p->n);
    used = &worst[1];
    within("loss", "value", cross_entropy(p, z, dz), loss, LOGITS * loss);
    tiny_backward(p->m, p->b, dz);
    grads = tiny_gradients(p->m);
    used = &worst[2];
    for (int i = 0; i < p->m->n_params; i++) {
        const struct ptd_param *q = &p->m->params[i];
        check_array(q->name, grads + q->offset, q->n, at(want, q->name), GRAD);
    }
    assert_int_equal(p->m->n_params, json_object_size(want));
    free(z);
    free(dz);
    free(grads);
}

static void both(void **state)
{
    forward(state);
    ((struct parity *)*state)->b->keep = 1;
    gradients(state);
}

/* ---- decoding ---- */

static void greedy(void **state)
{
    struct parity *p = *state;
    struct ptd_question q = {p->ids, p->n, p->pictures, p->n_pictures, 0};
    json_t *want = at(at(p->file, "greedy"), "ids"), *v;
    uint8_t *banned = ptd_model_banned(p->m, p->m->config.vocab);
    struct ptd_sampling s = {.temperature = 1,
                             .top_p = 1,
                             .greedy = 1,
                             .group_size = 1,
                             .max_tokens = (int)json_array_size(want),
                             .banned = banned};
    struct ptd_reply *r = ptd_sample(p->m, &q, 1, &s, 1);
    size_t i;
    assert_int_equal(r->n, 64);
    json_array_foreach(want, i, v) assert_int_equal(r->ids[i], json_integer_value(v));
    ptd_replies_free(r, 1);
    free(banned);
}

/* Of n rows of a batch from row `first` on. */
static float *last_logits(const struct parity *p, const struct ptd_batch *b, long first, int n)
{
    size_t H = (size_t)p->m->config.hidden;
    return tiny_logits(p->m, ptd_at(p->m->device, b->hidden, (size_t)first * H), n);
}

/* The logits [n, V] of the words of the reply y, from the cache. */
static float *cached_logits(struct parity *p, const int32_t *y, int n)
{
    int V = p->m->config.vocab, next = p->b->segments[0].next;
    float *z = ptd_array((size_t)n * V, sizeof *z), *row;
    struct ptd_kv *kv = ptd_kv_new(p->m, ptd_kv_blocks(p->n + n));
    struct ptd_kv_list rows = {0}; /* in order, so that each row is itself */
    struct ptd_batch *step = ptd_batch_new(p->m);
    p->b->kv = step->kv = kv;
    assert_true(ptd_kv_promise(kv, &rows, p->n + n));
    ptd_kv_grow(kv, &rows, p->n + n);
    ptd_forward(p->m, p->b);
    row = last_logits(p, p->b, p->n - 1, 1);
    memcpy(z, row, V * sizeof *z);
    free(row);
    for (int i = 0; i + 1 < n; i++) {
        ptd_batch_reset(step);
        ptd_batch_step(step, y[i], next + i, p->n + i,
                       (struct ptd_span){.n = 1, .own = 0, .past = p->n + i});
        ptd_forward(p->m, step);
        row = last_logits(p, step, 0, 1);
        memcpy(z + (size_t)(i + 1) * V, row, V * sizeof *z);
        free(row);
    }
    p->b->kv = NULL;
    ptd_batch_free(step);
    ptd_kv_release(kv, &rows);
    ptd_kv_free(kv);
    return z;
}

/* From the cache, in one pass, and as a reply behind its prompt. */
static void cache(void **state)
{
    struct parity *p = *state;
    json_t *want = at(p->file, "greedy"), *list = at(want, "ids"), *v;
    int n = (int)json_array_size(list), V = p->m->config.vocab;
    double largest = real_at(at(want, "logits"), "largest");
    int32_t *all = ptd_array(p->n + n, sizeof *all);
    size_t i;
    memcpy(all, p->ids, p->n * sizeof *all);
    json_array_foreach(list, i, v) all[p->n + i] = (int32_t)json_integer_value(v);
    float *z = cached_logits(p, all + p->n, n);
    used = &worst[1];
    check_array("greedy logits", z, (size_t)n * V, at(want, "logits"), LOGITS);
    used = &worst[3];
    for (int shared = 0; shared < 2; shared++) {
        struct ptd_batch *b = ptd_batch_new(p->m);
        assert_int_equal(
            ptd_batch_prompt(b, all, shared ? p->n : p->n + n - 1, p->pictures, p->n_pictures), 0);
        if (shared) ptd_batch_reply(b, 0, all + p->n, n - 1);
        ptd_forward(p->m, b);
        float *whole = last_logits(p, b, p->n - 1, n);
        for (int k = 0; k < n * V; k++)
            within("cached logits", "entry", z[k], whole[k], CACHE * largest);
        free(whole);
        ptd_batch_free(b);
    }
    free(all);
    free(z);
}

#define TEST(name, what)                                                                           \
    {                                                                                              \
        name ": " #what, what, setup, teardown, (void *)(uintptr_t)name                            \
    }
#define CASE(name) TEST(name, forward), TEST(name, gradients), TEST(name, greedy), TEST(name, cache)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE("tiny"),           CASE("tied"),           CASE("untied"), CASE("three"),
        CASE("words"),          CASE("blocks"),         CASE("long"),   TEST("width-2b", both),
        TEST("width-4b", both), TEST("width-8b", both),
    };
    ptd_program("test-parity");
    ptd_threads_start(2);
    return cmocka_run_group_tests_name("parity", tests, NULL, NULL);
}
