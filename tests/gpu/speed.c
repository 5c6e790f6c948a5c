/* speed: works on the device that PTD_DEVICE names, for gpu.py, served as in tests/bench/bench.h:
 * seconds, the median of several (the program's argument, 7) after one that does not count, and
 * always until the device has done what it was asked. peer.py does the same works with PyTorch.
 * Arguments are numbers with colons between:
 *
 *     copy NUMBERS                        from memory of the device to memory of the device
 *     product ROWS:IN:OUT
 *     attention PROMPT:ANSWERS:ANSWER:HEADS:KV:DIM:CAUSAL     answers read the prompt's keys, too
 *     backward  the same
 *     score ROWS:WIDTH:VOCABULARY         log-probs and the 100 best words of hidden rows
 *     learn ROWS:WIDTH:VOCABULARY         the same rows' gradient of a JSD on 100 words
 *     model NAME:MASTER:MOMENTS           built-in shape, random weights; "read": weights alone
 *     read PROMPTS:PROMPT:ANSWERS:ANSWER  log-probs of given answers (after model)
 *     step PROMPTS:PROMPT:ANSWERS:ANSWER  their gradient, by layer, and the optimizer's step
 *     decode PROMPTS:PROMPT:ANSWERS:TOKENS     one token of each answer, behind so many words
 *     memory -                            not seconds: bytes that are allocated now */
#include "../device.h"
#include "../bench/bench.h"
#include "base/half.h"
#include "base/threads.h"
#include "method/learn.h"
#include "method/optimizer.h"
#include "net/head.h"
#include "net/net.h"
#include "net/sample.h"
#include "net/score.h"

enum { MOST_TIMES = 99, TOP_K = 100, SPARE = 1 << 20 };
static int times = 7;

/* ---- arguments, memory, time ---- */

static void numbers(const char *argument, long *n, int most)
{
    for (int i = 0; i < most; i++) n[i] = 0;
    for (int i = 0; i < most && argument; i++, argument = strchr(argument, ':')) {
        if (i) argument++;
        n[i] = atol(argument);
    }
}

static void wait(void)
{
    if (ptd_device_wait(the_device())) ptd_die_last();
}

static int upwards(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double repeated(void (*once)(void *), void *what)
{
    double t[MOST_TIMES];
    once(what);
    wait();
    for (int i = 0; i < times; i++) {
        double start = bench_now();
        once(what);
        wait();
        t[i] = bench_now() - start;
    }
    qsort(t, (size_t)times, sizeof *t, upwards);
    return t[times / 2];
}

/* n numbers of the device, from -scale to scale; the same million again and again. */
static ptd_num *random_nums(size_t n, float scale)
{
    struct ptd_device *d = the_device();
    static float *some;
    ptd_num *x = ptd_device_nums(d, n, "numbers");
    if (!some) some = ptd_array(SPARE, sizeof *some);
    for (int i = 0; i < SPARE; i++)
        some[i] = scale * ((float)bench_id(3, (uint32_t)i, 1 << 16) / (1 << 15) - 1);
    for (size_t i = 0; i < n; i += SPARE)
        d->ops->put_nums(d, ptd_at(d, x, i), some, n - i < SPARE ? n - i : SPARE);
    return x;
}

/* ---- the two ceilings ---- */

struct copying {
    ptd_num *to, *from;
    long n;
};

static void copy_once(void *what)
{
    const struct copying *c = what;
    const int w = 8192;
    the_device()->ops->copy_rows(the_device(), c->to, w, NULL, c->from, w, NULL, c->n / w, w);
}

static double copy(const char *argument)
{
    struct copying c = {.n = 0};
    numbers(argument, &c.n, 1);
    c.to = random_nums((size_t)c.n, 1), c.from = random_nums((size_t)c.n, 1);
    double t = repeated(copy_once, &c);
    ptd_device_free(the_device(), c.to), ptd_device_free(the_device(), c.from);
    return t;
}

struct product {
    ptd_num *y, *x, *w;
    struct ptd_block block;
    struct ptd_matrix W;
    long n;
};

static void product_once(void *what)
{
    const struct product *p = what;
    the_device()->ops->linear(the_device(), p->y, p->x, &p->W, NULL, NULL, p->n);
}

static double product(const char *argument)
{
    long n[3];
    numbers(argument, n, 3);
    struct product p = {.y = random_nums((size_t)(n[0] * n[2]), 1),
                        .x = random_nums((size_t)(n[0] * n[1]), 1),
                        .w = random_nums((size_t)(n[1] * n[2]), 1),
                        .n = n[0]};
    p.block = (struct ptd_block){p.w, (int)n[2]};
    p.W = (struct ptd_matrix){&p.block, 1, (int)n[2], (int)n[1], PTD_F32};
    double t = repeated(product_once, &p);
    ptd_device_free(the_device(), p.y), ptd_device_free(the_device(), p.x);
    ptd_device_free(the_device(), p.w);
    return t;
}

/* ---- attention ---- */

struct looking {
    struct ptd_attention_plan *plan;
    ptd_num *q, *k, *v, *o, *dout, *dq, *dk, *dv;
    ptd_stat *lse;
};

static void look_once(void *what)
{
    const struct looking *l = what;
    the_device()->ops->attention(the_device(), l->plan, l->o, l->lse, l->q, l->k, l->v);
}

static void look_back(void *what)
{
    const struct looking *l = what;
    the_device()->ops->attention_backward(the_device(), l->plan, l->dq, l->dk, l->dv, l->dout, l->o,
                                          l->lse, l->q, l->k, l->v);
}

/* The prompt's rows, then those of each answer. */
static struct looking new_look(const long n[7])
{
    struct ptd_span *span = ptd_array((size_t)n[1] + 1, sizeof *span);
    long rows = n[0] + n[1] * n[2], q = n[3] * n[5], kv = n[4] * n[5];
    span[0] = (struct ptd_span){.n = (int)n[0]};
    for (long i = 0; i < n[1]; i++)
        span[i + 1] = (struct ptd_span){
            .row = n[0] + i * n[2], .n = (int)n[2], .own = n[0] + i * n[2], .n_shared = (int)n[0]};
    struct ptd_attention a = {.heads = (int)n[3],
                              .kv_heads = (int)n[4],
                              .dim = (int)n[5],
                              .causal = (int)n[6],
                              .q_stride = q,
                              .k_stride = kv,
                              .v_stride = kv,
                              .o_stride = q,
                              .spans = span,
                              .n_spans = (int)n[1] + 1};
    struct looking l = {the_device()->ops->attention_plan(the_device(), &a)};
    ptd_num **wide[] = {&l.q, &l.o, &l.dout, &l.dq}, **narrow[] = {&l.k, &l.v, &l.dk, &l.dv};
    for (int i = 0; i < 4; i++) *wide[i] = random_nums((size_t)(rows * q), 1);
    for (int i = 0; i < 4; i++) *narrow[i] = random_nums((size_t)(rows * kv), 1);
    l.lse = ptd_device_stats(the_device(), (size_t)(rows * n[3]), "sums");
    free(span);
    return l;
}

static double look(const char *argument, void (*once)(void *))
{
    long n[7];
    numbers(argument, n, 7);
    struct looking l = new_look(n);
    look_once(&l);
    double t = repeated(once, &l);
    the_device()->ops->attention_plan_free(the_device(), l.plan);
    void *all[] = {l.q, l.k, l.v, l.o, l.dout, l.dq, l.dk, l.dv, l.lse};
    for (int i = 0; i < 9; i++) ptd_device_free(the_device(), all[i]);
    return t;
}

static double attention(const char *argument)
{
    return look(argument, look_once);
}

static double backward(const char *argument)
{
    return look(argument, look_back);
}

/* ---- the vocabulary head ---- */

struct head {
    struct product p; /* x the hidden rows, w the head */
    struct ptd_lm_head *head;
    ptd_num *dx;
    ptd_acc *dw;
    int32_t *id, *top;
    double *logp, *total, *dlogp;
    float *top_logp;
    struct ptd_lesson *lesson;
    uint16_t *said;
};

static void score_once(void *what)
{
    const struct head *h = what;
    ptd_lm_head_score(
        h->head, h->p.x, h->p.n,
        &(struct ptd_ask_score){.rules.temperature = 1, .words.id = h->id, .top_k = TOP_K},
        &(struct ptd_got_score){.logp = h->logp, .top_id = h->top, .top_logp = h->top_logp});
}

static void learn_once(void *what)
{
    const struct head *h = what;
    const struct ptd_divergence *jsd = ptd_divergence_named("jsd");
    struct ptd_head_lesson l = {.score = {.rules.temperature = 1, .words.id = h->id},
                                .scored = {.logp = h->logp, .total = h->total},
                                .gradient = {.rules.temperature = 1,
                                             .words.id = h->id,
                                             .dlogp = h->dlogp,
                                             .lesson = h->lesson,
                                             .divergence = jsd,
                                             .weight = 1e-4}};
    ptd_lm_head_learn(h->head, h->p.x, h->p.n, &l, h->dx);
}

/* What a tutor says: TOP_K words a row, one of them the next. */
static void teach(struct head *h, int V)
{
    float logp[TOP_K];
    for (int k = 0; k < TOP_K; k++) logp[k] = -5.0f - 0.01f * (float)k;
    h->said = ptd_array(TOP_K, sizeof *h->said);
    ptd_halves(h->said, logp, TOP_K);
    for (long i = 0; i < h->p.n; i++) {
        h->id[i] = bench_id(5, (uint32_t)i, V);
        h->dlogp[i] = -1e-4;
        for (int k = 0; k < TOP_K; k++) h->top[i * TOP_K + k] = (int32_t)((h->id[i] + k * 7L) % V);
        h->lesson[i] = (struct ptd_lesson){.ids = h->top + i * TOP_K, .logp = h->said, .k = TOP_K};
    }
}

static double at_head(const char *argument, void (*once)(void *), int learns)
{
    long n[3];
    numbers(argument, n, 3);
    struct ptd_device *d = the_device();
    size_t rows = (size_t)n[0], w = (size_t)(n[1] * n[2]);
    struct head h = {.p = {.x = random_nums(rows * (size_t)n[1], 1), .w = random_nums(w, 0.1f)}};
    h.p.n = n[0];
    h.p.block = (struct ptd_block){h.p.w, (int)n[2]};
    h.p.W = (struct ptd_matrix){&h.p.block, 1, (int)n[2], (int)n[1], PTD_F32};
    h.dx = ptd_device_nums(d, rows * (size_t)n[1], "gradient");
    h.dw = learns ? ptd_device_accs(d, w, "gradient") : NULL;
    h.head = ptd_lm_head_new(d, &h.p.W, h.dw, NULL);
    h.id = ptd_array(rows, sizeof *h.id), h.top = ptd_array(rows * TOP_K, sizeof *h.top);
    h.logp = ptd_array(rows, sizeof *h.logp), h.total = ptd_array(rows, sizeof *h.total);
    h.dlogp = ptd_array(rows, sizeof *h.dlogp);
    h.top_logp = ptd_array(rows * TOP_K, sizeof *h.top_logp);
    h.lesson = ptd_array(rows, sizeof *h.lesson);
    teach(&h, (int)n[2]);
    double t = repeated(once, &h);
    ptd_lm_head_free(h.head);
    void *on_device[] = {h.p.x, h.p.w, h.dx, h.dw};
    for (int i = 0; i < 4; i++) ptd_device_free(d, on_device[i]);
    void *on_host[] = {h.id, h.top, h.logp, h.total, h.dlogp, h.top_logp, h.lesson, h.said};
    for (int i = 0; i < 8; i++) free(on_host[i]);
    return t;
}

static double score(const char *argument)
{
    return at_head(argument, score_once, 0);
}

static double learn(const char *argument)
{
    return at_head(argument, learn_once, 1);
}

/* ---- whole networks ---- */

static struct bed {
    struct ptd_model *m;
    struct ptd_optimizer *o;
    struct ptd_score *s;
} bed;

static void clear_bed(void)
{
    ptd_score_free(bed.s);
    ptd_optimizer_free(bed.o);
    ptd_model_free(bed.m);
    bed = (struct bed){NULL};
}

/* Gains 1, all else small, whatever it is. */
static void fill_param(const struct ptd_model *m, const struct ptd_param *p, const float *some,
                       const uint16_t *half)
{
    struct ptd_device *d = m->device;
    int plain = p->dtype != PTD_BF16 || d->num == PTD_BF16, gain = p->n_dims == 1;
    float *ones = ptd_array(p->n < SPARE ? p->n : SPARE, sizeof *ones);
    for (size_t i = 0; i < p->n && i < SPARE; i++) ones[i] = 1;
    for (size_t i = 0; i < p->n; i += SPARE) {
        size_t n = p->n - i < SPARE ? p->n - i : SPARE;
        char *at = (char *)(uintptr_t)p->blocks->at;
        if (plain)
            d->ops->put_nums(d, ptd_at(d, (ptd_num *)at, i), gain ? ones : some, n);
        else
            d->ops->put(d, at + 2 * i, half, 2 * n);
    }
    free(ones);
}

static void fill(const struct ptd_model *m)
{
    float *some = ptd_array(SPARE, sizeof *some);
    uint16_t *half = ptd_array(SPARE, sizeof *half);
    for (int i = 0; i < SPARE; i++)
        some[i] = 0.02f * ((float)bench_id(3, (uint32_t)i, 1 << 16) / (1 << 15) - 1);
    ptd_dtype_from_float(half, PTD_BF16, some, SPARE);
    for (int i = 0; i < m->n_params; i++) fill_param(m, &m->params[i], some, half);
    free(some), free(half);
}

static struct ptd_config config_of(const char *name, struct ptd_image_rules *r)
{
    struct ptd_config c;
    char path[80];
    size_t n;
    snprintf(path, sizeof path, "%s/config.json", name);
    const char *text = ptd_builtin(path, &n);
    if (!text) ptd_die(PTD_USAGE, "no built-in model \"%s\"", name);
    char *json = ptd_format("%.*s", (int)n, text);
    if (ptd_config_parse(&c, json, NULL)) ptd_die_last();
    *r = (struct ptd_image_rules){.patch = c.v_patch,
                                  .merge = c.v_merge,
                                  .temporal = c.v_temporal,
                                  .min_pixels = 64,
                                  .max_pixels = 1 << 22};
    free(json);
    return c;
}

static double model(const char *argument)
{
    char name[64], master[16] = "", moments[16] = "";
    struct ptd_image_rules r;
    double start = bench_now();
    if (sscanf(argument, "%63[^:]:%15[^:]:%15s", name, master, moments) < 2) exit(2);
    clear_bed();
    struct ptd_config c = config_of(name, &r);
    int learns = strcmp(master, "read");
    struct ptd_optimizer_rules rules = {.adamw = {1e-5, 0.9, 0.999, 1e-8, 0.01}, .clip = 1};
    if (learns) rules.master = ptd_master_named(master), rules.moments = ptd_moments_named(moments);
    bed.m = ptd_model_plan(&c, &r, the_device());
    bed.m->narrow = learns && rules.master->code != PTD_MASTER_F32;
    ptd_weights_take(bed.m);
    fill(bed.m);
    if (learns) bed.o = ptd_optimizer_new(bed.m, &rules);
    bed.s = ptd_score_new(bed.m, learns);
    bed.s->keep_most = 1; /* by layer, always */
    wait();
    return bench_now() - start;
}

/* Words below the marks of pictures. */
static int32_t *words(long stream, long n)
{
    int32_t *id = ptd_array((size_t)n + 1, sizeof *id);
    int most = bed.m->config.vision_start > 0 ? bed.m->config.vision_start : bed.m->config.vocab;
    for (long i = 0; i < n; i++) id[i] = bench_id((uint32_t)stream, (uint32_t)i, most);
    return id;
}

struct reading {
    long n[4];
    int32_t **ids; /* a prompt and its answers, one behind the other, [n[0]] */
};

static void read_once(void *what)
{
    const struct reading *r = what;
    struct ptd_score *s = bed.s;
    ptd_score_reset(s);
    for (long p = 0; p < r->n[0]; p++) {
        struct ptd_score_reply *y = ptd_array((size_t)r->n[2], sizeof *y);
        for (long i = 0; i < r->n[2]; i++)
            y[i] = (struct ptd_score_reply){r->ids[p] + r->n[1] + i * r->n[3], (int)r->n[3], NULL};
        if (ptd_score_add(s, r->ids[p], (int)r->n[1], NULL, 0, y, (int)r->n[2])) ptd_die_last();
        free(y);
    }
    int32_t *id = ptd_array((size_t)s->rows, sizeof *id);
    double *logp = ptd_array((size_t)s->rows, sizeof *logp);
    for (long i = 0; i < s->rows; i++) id[i] = s->target[i].id;
    ptd_score_forward(s);
    ptd_lm_head_score(ptd_score_head(s, NULL), s->X, s->rows,
                      &(struct ptd_ask_score){.rules.temperature = 1, .words.id = id},
                      &(struct ptd_got_score){.logp = logp});
    free(id), free(logp);
}

static void step_once(void *what)
{
    const struct reading *r = what;
    struct ptd_loss_rules rules = {
        .loss = ptd_loss_named("sft"), .temperature = 1, .micro_tokens = 1 << 30};
    struct ptd_group *group = ptd_array((size_t)r->n[0], sizeof *group),
                     **g = ptd_array((size_t)r->n[0], sizeof *g);
    struct ptd_rollout *y = ptd_array((size_t)(r->n[0] * r->n[2]), sizeof *y);
    struct ptd_learned sum;
    double norm;
    int bad;
    for (long p = 0; p < r->n[0]; p++) {
        for (long i = 0; i < r->n[2]; i++)
            y[p * r->n[2] + i] =
                (struct ptd_rollout){.ids = r->ids[p] + r->n[1] + i * r->n[3], .n = (int)r->n[3]};
        group[p] = (struct ptd_group){.uid = "p",
                                      .prompt_ids = r->ids[p],
                                      .n_prompt = (int)r->n[1],
                                      .rollouts = y + p * r->n[2],
                                      .n_rollouts = (int)r->n[2]};
        g[p] = &group[p];
    }
    ptd_optimizer_zero(bed.o);
    if (ptd_learn(bed.s, g, (int)r->n[0], &rules, &sum, &bad) < 0) ptd_die_last();
    if (ptd_optimizer_step(bed.o, 1e-5, &norm)) ptd_die(PTD_DIVERGED, "the gradient is not finite");
    free(group), free(g), free(y);
}

static double on_words(const char *argument, void (*once)(void *))
{
    struct reading r;
    numbers(argument, r.n, 4);
    r.ids = ptd_array((size_t)r.n[0], sizeof *r.ids);
    for (long p = 0; p < r.n[0]; p++) r.ids[p] = words(p, r.n[1] + r.n[2] * r.n[3]);
    double t = repeated(once, &r);
    for (long p = 0; p < r.n[0]; p++) free(r.ids[p]);
    free(r.ids);
    return t;
}

static double read_answers(const char *argument)
{
    return on_words(argument, read_once);
}

static double step(const char *argument)
{
    return on_words(argument, step_once);
}

/* Seconds until all answers have so many tokens. */
static double sampled(const struct reading *r, int tokens)
{
    struct ptd_question *q = ptd_array((size_t)r->n[0], sizeof *q);
    struct ptd_sampling s = {.temperature = 1,
                             .top_p = 1,
                             .group_size = (int)r->n[2],
                             .max_tokens = tokens,
                             .seed = 1,
                             .kv_rows = r->n[0] * (r->n[1] + 64 + r->n[2] * (tokens + 64L))};
    for (long p = 0; p < r->n[0]; p++)
        q[p] = (struct ptd_question){.ids = r->ids[p], .n = (int)r->n[1], .number = p};
    double start = bench_now();
    struct ptd_reply *y = ptd_sample(bed.m, q, (int)r->n[0], &s, 1);
    double t = bench_now() - start;
    if (!y) ptd_die_last();
    ptd_replies_free(y, (int)(r->n[0] * r->n[2]));
    free(q);
    return t;
}

static double decode(const char *argument)
{
    struct reading r;
    double t[MOST_TIMES];
    numbers(argument, r.n, 4);
    int tokens = (int)r.n[3];
    r.ids = ptd_array((size_t)r.n[0], sizeof *r.ids);
    for (long p = 0; p < r.n[0]; p++) r.ids[p] = words(p, r.n[1]);
    sampled(&r, 2);
    for (int i = 0; i < times; i++) t[i] = (sampled(&r, tokens) - sampled(&r, 1)) / (tokens - 1);
    qsort(t, (size_t)times, sizeof *t, upwards);
    for (long p = 0; p < r.n[0]; p++) free(r.ids[p]);
    free(r.ids);
    return t[times / 2];
}

static double memory(const char *argument)
{
    (void)argument;
    return (double)the_device()->used;
}

int main(int argc, char **argv)
{
    static const struct bench_work works[] = {
        {"copy", copy},   {"product", product}, {"attention", attention}, {"backward", backward},
        {"score", score}, {"learn", learn},     {"model", model},         {"read", read_answers},
        {"step", step},   {"decode", decode},   {"memory", memory},       {0}};
    ptd_program("speed");
    if (argc > 1) times = atoi(argv[1]);
    if (times < 1 || times > MOST_TIMES) ptd_die(PTD_USAGE, "expected 1 to %d times", MOST_TIMES);
    ptd_threads_start(0);
    return bench_serve(works);
}
