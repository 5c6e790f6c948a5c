/* engine: the network's works on the shapes of the table: a training step, sampling, scoring, the
 * whole GRPO and PTD-PO steps. torch_peer.py does the same works with the same weights; the
 * channel's and the store's are parts.c. */
#include "../device.h"
#include "bench.h"
#include "base/half.h"
#include "base/threads.h"
#include "method/advantage/advantage.h"
#include "method/learn.h"
#include "method/train.h"
#include "net/head.h"
#include "net/net.h"
#include "net/sample.h"
#include <math.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PROMPTS = 8, GROUP = 8, PROMPT = 64, REPLY = 64, HINT = 32, TOP_K = 100 };
enum { ROWS = PROMPTS * GROUP * (PROMPT + REPLY), MICRO = 512 /* as ptd-update and ptd-ref */ };

struct shape {
    const char *name;
    int layers, hidden, heads, kv_heads, ffn, vocab;
    int sequences, length; /* of a training step */
};
static const struct shape shapes[] = {
    {"tiny", 4, 128, 4, 2, 320, 640, 32, 128}, /* the demo's decoder */
    {"small", 4, 128, 4, 2, 352, 512, 32, 128},
    {"medium", 12, 512, 8, 4, 1408, 8192, 4, 256},
};

/* One shape's model with everything its works need; made when first asked for. */
static struct bed {
    const struct shape *shape;
    struct ptd_train train;
    struct ptd_model *reference;
    struct ptd_score *learning, *reading;
    double loss; /* of the last gradient */
} beds[3];

static struct ptd_model *new_model(const struct shape *s)
{
    int half = s->hidden / s->heads / 2;
    struct ptd_config c = {.vocab = s->vocab,
                           .hidden = s->hidden,
                           .layers = s->layers,
                           .heads = s->heads,
                           .kv_heads = s->kv_heads,
                           .head_dim = 2 * half,
                           .intermediate = s->ffn,
                           .rms_eps = 1e-6,
                           .rope_theta = 1e4,
                           .mrope_section = {half, 0, 0},
                           .tied = 1,
                           .init_std = 0.02,
                           .v_depth = 1,
                           .v_hidden = 16,
                           .v_heads = 1,
                           .v_intermediate = 16,
                           .v_channels = 3,
                           .v_patch = 2,
                           .v_temporal = 1,
                           .v_merge = 1,
                           .v_positions = 4,
                           .v_out = s->hidden,
                           .image_token = -1,
                           .video_token = -1};
    struct ptd_image_rules r = {.patch = 2, .merge = 1, .temporal = 1};
    struct ptd_model *m = ptd_model_new(&c, &r, the_device());
    ptd_model_init(m, 1);
    return m;
}

static struct bed *bed_of(const char *name)
{
    int i = 0;
    while (strcmp(shapes[i].name, name)) i++;
    struct bed *b = &beds[i];
    if (b->shape) return b;
    b->shape = &shapes[i];
    b->train.model = new_model(b->shape);
    const struct ptd_optimizer_rules rules = {.adamw = {1e-5, 0.9, 0.999, 1e-8, 0.01}, .clip = 1};
    b->train.optimizer = ptd_optimizer_new(b->train.model, &rules);
    b->reference = new_model(b->shape);
    b->learning = ptd_score_new(b->train.model, 1);
    b->reading = ptd_score_new(b->reference, 0);
    return b;
}

/* The weights, for torch_peer.py: argument SHAPE:FILE. */
static double weights(const char *argument)
{
    char name[16];
    const char *path = strchr(argument, ':') + 1;
    snprintf(name, sizeof name, "%.*s", (int)(path - argument - 1), argument);
    const struct ptd_model *m = bed_of(name)->reference;
    size_t first = 0;
    for (int i = 0; i < m->n_params; i++)
        if (strstr(m->params[i].name, "embed_tokens")) first = m->params[i].offset;
    size_t n = m->n_weights - first;
    float *w = read_nums(m->device, ptd_at(m->device, m->weights, first), n);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(w, sizeof *w, n, f) < n || fclose(f)) exit(1);
    free(w);
    return 0;
}

/* ---- the gradient ---- */

static void update(struct bed *b, struct ptd_group **g, int n, const struct ptd_loss_rules *r)
{
    struct ptd_learned sum;
    double norm;
    int bad;
    ptd_optimizer_zero(b->train.optimizer);
    if (ptd_learn(b->learning, g, n, r, &sum, &bad) < 0) ptd_die_last();
    if (ptd_optimizer_step(b->train.optimizer, 1e-5, &norm))
        ptd_die(PTD_DIVERGED, "the gradient is not finite");
    b->loss = sum.loss;
}

/* Sequences of length + 1 tokens; each is read behind its first one. */
static double step(const char *name)
{
    struct bed *b = bed_of(name);
    const struct shape *s = b->shape;
    struct ptd_loss_rules r = {
        .loss = ptd_loss_named("sft"), .temperature = 1, .micro_tokens = MICRO};
    struct ptd_group *g[64] = {0}, groups[64];
    struct ptd_rollout y[64];
    int32_t *ids = ptd_array(s->sequences * (s->length + 1), sizeof *ids), *at = ids;
    for (int i = 0; i < s->sequences; i++, at += s->length + 1) {
        for (int t = 0; t <= s->length; t++) at[t] = bench_id(1, i * (s->length + 1) + t, s->vocab);
        y[i] = (struct ptd_rollout){.ids = at + 1, .n = s->length};
        groups[i] =
            (struct ptd_group){.prompt_ids = at, .n_prompt = 1, .rollouts = &y[i], .n_rollouts = 1};
        g[i] = &groups[i];
    }
    double start = bench_now();
    update(b, g, s->sequences, &r);
    double seconds = bench_now() - start;
    free(ids);
    return seconds;
}

static double loss(const char *name)
{
    return bed_of(name)->loss;
}

/* Bytes in memory now; from here on the peak counts anew. */
static double resident(void)
{
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r"), *refs = fopen("/proc/self/clear_refs", "w");
    if (!statm || fscanf(statm, "%*d %ld", &pages) != 1 || !refs || fputs("5", refs) < 0) exit(1);
    fclose(statm);
    if (fclose(refs)) exit(1);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* MiB that a training step takes beyond weights, gradients and moments, in a fresh process: of the
 * model that learns, and the weights of the one that is read. */
static double memory(const char *name)
{
    struct rusage after;
    double empty = resident(), states = 5.0 * sizeof(float) * bed_of(name)->train.model->n_weights;
    resident();
    step(name);
    step(name);
    getrusage(RUSAGE_SELF, &after);
    return (after.ru_maxrss * 1024.0 - empty - states) / 1048576.0;
}

/* ---- sampling ---- */

static struct ptd_reply *sample(struct bed *b)
{
    struct ptd_sampling s = {
        .temperature = 1, .top_p = 1, .group_size = GROUP, .max_tokens = REPLY, .seed = 1};
    struct ptd_question q[PROMPTS];
    int32_t ids[PROMPTS][PROMPT];
    for (int p = 0; p < PROMPTS; p++) {
        for (int t = 0; t < PROMPT; t++) ids[p][t] = bench_id(2, p * PROMPT + t, b->shape->vocab);
        q[p] = (struct ptd_question){.ids = ids[p], .n = PROMPT, .number = p};
    }
    struct ptd_reply *r = ptd_sample(b->train.model, q, PROMPTS, &s, 1);
    if (!r) ptd_die_last();
    return r;
}

static double sampling(const char *name)
{
    struct bed *b = bed_of(name);
    double start = bench_now();
    struct ptd_reply *r = sample(b);
    double seconds = bench_now() - start;
    ptd_replies_free(r, PROMPTS * GROUP);
    return seconds;
}

/* ---- answers of ragged lengths ---- */

#define RAGGED 8   /* prompts */
#define PLACES 8   /* answers at once */
#define STOPS  256 /* most words that end one: one in 64 */

static void ask(struct bed *b, const struct ptd_question *q, int n)
{
    static int stop[STOPS];
    struct ptd_sampling s = {.temperature = 1,
                             .top_p = 1,
                             .group_size = GROUP,
                             .max_tokens = 4 * REPLY,
                             .stop = stop,
                             .n_stop = b->shape->vocab / 64,
                             .seed = 1,
                             .batch = PLACES};
    for (int i = 0; i < s.n_stop; i++) stop[i] = 64 * i;
    struct ptd_reply *r = ptd_sample(b->train.model, q, n, &s, 1);
    if (!r) ptd_die_last();
    ptd_replies_free(r, n * GROUP);
}

/* Of RAGGED prompts, `each` at a time: the next ones begin when all of these have ended. */
static double ragged(const char *name, int each)
{
    struct bed *b = bed_of(name);
    struct ptd_question q[RAGGED];
    int32_t ids[RAGGED][PROMPT];
    double start = bench_now();
    for (int p = 0; p < RAGGED; p++) {
        for (int t = 0; t < PROMPT; t++) ids[p][t] = bench_id(6, p * PROMPT + t, b->shape->vocab);
        q[p] = (struct ptd_question){.ids = ids[p], .n = PROMPT, .number = p};
    }
    for (int p = 0; p < RAGGED; p += each) ask(b, q + p, each);
    return bench_now() - start;
}

static double refilled(const char *name)
{
    return ragged(name, RAGGED);
}

static double waves(const char *name)
{
    return ragged(name, PLACES / GROUP);
}

/* ---- reading by the reference: one log-prob a token, and the best words where a tutor is asked
 * ---- */

struct reading {
    const struct ptd_score *score;
    float *logp;      /* [rows] */
    int32_t *top_ids; /* [rows, TOP_K] or NULL */
    uint16_t *top_logp;
};

static void read_replies(struct bed *b, struct reading *r)
{
    struct ptd_score *s = b->reading;
    int k = r->top_ids ? TOP_K : 0;
    int32_t *id = ptd_array(s->rows, sizeof *id);
    double *logp = ptd_array(s->rows, sizeof *logp);
    float *top_logp = ptd_array(s->rows * k + 1, sizeof *top_logp);
    for (long i = 0; i < s->rows; i++) id[i] = s->target[i].id;
    r->score = s;
    ptd_score_forward(s);
    ptd_lm_head_score(
        ptd_score_head(s, NULL), s->X, s->rows,
        &(struct ptd_ask_score){.rules.temperature = 1, .words.id = id, .top_k = k},
        &(struct ptd_got_score){.logp = logp, .top_id = r->top_ids, .top_logp = top_logp});
    for (long i = 0; i < s->rows; i++) r->logp[i] = (float)logp[i];
    if (k) ptd_halves(r->top_logp, top_logp, s->rows * k);
    free(id);
    free(logp);
    free(top_logp);
}

/* Behind what was read. */
static void go_on(struct reading *r)
{
    long n = r->score->rows;
    r->logp += n;
    if (r->top_ids) r->top_ids += n * TOP_K, r->top_logp += n * TOP_K;
    ptd_score_reset((struct ptd_score *)(uintptr_t)r->score);
}

static struct reading new_reading(int top)
{
    struct reading r = {.logp = ptd_array(ROWS, sizeof *r.logp)};
    if (top) r.top_ids = ptd_array(ROWS * TOP_K, sizeof *r.top_ids);
    if (top) r.top_logp = ptd_array(ROWS * TOP_K, sizeof *r.top_logp);
    return r;
}

static void free_reading(struct reading *r)
{
    free(r->logp);
    free(r->top_ids);
    free(r->top_logp);
}

/* 64 sequences of 128 tokens, nothing shared. */
static double scoring(const char *name)
{
    struct bed *b = bed_of(name);
    struct reading r = new_reading(1), part = r;
    int32_t ids[PROMPT + REPLY];
    double start = bench_now();
    for (int i = 0; i < PROMPTS * GROUP; i++) {
        for (int t = 0; t < PROMPT + REPLY; t++)
            ids[t] = bench_id(3, i * (PROMPT + REPLY) + t, b->shape->vocab);
        struct ptd_score_reply y = {ids + 1, PROMPT + REPLY - 1, NULL};
        if (ptd_score_add(b->reading, ids, 1, NULL, 0, &y, 1) < 0) ptd_die_last();
        if (ptd_score_tokens(b->reading) < MICRO && i < PROMPTS * GROUP - 1) continue;
        read_replies(b, &part);
        go_on(&part);
    }
    double seconds = bench_now() - start;
    free_reading(&r);
    return seconds;
}

/* ---- whole steps: sample, read, learn; every second answer of a group failed ---- */

struct round {
    struct ptd_group group[PROMPTS];
    struct ptd_rollout y[PROMPTS * GROUP];
    int32_t prompt[PROMPTS][HINT + PROMPT]; /* the hint first; the student reads from HINT on */
};

static void judge(struct round *w, struct ptd_reply *r, const struct shape *s)
{
    static const double reward[GROUP] = {1, 0, 1, 0, 1, 0, 1, 0};
    double advantage[GROUP];
    const struct ptd_advantage *a = ptd_advantage_named("grpo");
    struct ptd_rewarded one = {.n = GROUP, .reward = reward, .advantage = advantage};
    a->value(a->is.own, &one, 1);
    for (int p = 0; p < PROMPTS; p++) {
        for (int t = 0; t < HINT; t++) w->prompt[p][t] = bench_id(4, p * HINT + t, s->vocab);
        for (int t = 0; t < PROMPT; t++)
            w->prompt[p][HINT + t] = bench_id(2, p * PROMPT + t, s->vocab);
        w->group[p] = (struct ptd_group){.uid = "p",
                                         .prompt_ids = w->prompt[p] + HINT,
                                         .n_prompt = PROMPT,
                                         .rollouts = w->y + p * GROUP,
                                         .n_rollouts = GROUP,
                                         .group_accuracy = 0.5};
    }
    for (int i = 0; i < PROMPTS * GROUP; i++)
        w->y[i] = (struct ptd_rollout){.ids = r[i].ids,
                                       .n = r[i].n,
                                       .logp = r[i].logp,
                                       .accuracy = reward[i % GROUP],
                                       .advantage = advantage[i % GROUP]};
}

/* What was read belongs to the answers; targets of one are neighbours. */
static void attach(const struct reading *r, int tutor)
{
    for (long i = 0; i < r->score->rows; i++) {
        struct ptd_rollout *y = r->score->target[i].reply;
        if (r->score->target[i].token) continue;
        if (!tutor) y->ref_logp = r->logp + i;
        if (!tutor) continue;
        y->teacher_ids = r->top_ids + i * TOP_K;
        y->teacher_logp = r->top_logp + i * TOP_K;
        y->teacher_k = TOP_K;
    }
}

/* Log-probs of all answers under the plain prompts, or the tutor's best words for the failed ones
 * under the hinted prompts. */
static void refer(struct bed *b, struct round *w, int tutor, struct reading part)
{
    ptd_score_reset(b->reading);
    for (int p = 0; p < PROMPTS; p++) {
        struct ptd_score_reply y[GROUP];
        int n = 0;
        for (int i = p * GROUP; i < (p + 1) * GROUP; i++)
            if (!tutor || w->y[i].accuracy < 1)
                y[n++] = (struct ptd_score_reply){w->y[i].ids, w->y[i].n, &w->y[i]};
        if (ptd_score_add(b->reading, w->prompt[p] + (tutor ? 0 : HINT),
                          PROMPT + (tutor ? HINT : 0), NULL, 0, y, n) < 0)
            ptd_die_last();
        if (ptd_score_tokens(b->reading) < MICRO && p < PROMPTS - 1) continue;
        read_replies(b, &part);
        attach(&part, tutor);
        go_on(&part);
    }
}

static double whole(const char *name, int tutored)
{
    struct bed *b = bed_of(name);
    struct round *w = ptd_alloc(sizeof *w);
    struct ptd_group *g[PROMPTS];
    struct reading plain = new_reading(0), tutor = new_reading(1);
    struct ptd_loss_rules r = {.loss = ptd_loss_named("ppo"),
                               .clip = {0.2, 0.28, 3},
                               .kl = ptd_kl_named("k3"),
                               .beta = 0.01,
                               .lambda = 0.5,
                               .tau = 1,
                               .divergence = ptd_divergence_named("jsd"),
                               .temperature = 1,
                               .micro_tokens = MICRO};
    for (int i = 0; i < PROMPTS; i++) g[i] = &w->group[i];
    double start = bench_now();
    struct ptd_reply *replies = sample(b);
    judge(w, replies, b->shape);
    refer(b, w, 0, plain);
    if (tutored) refer(b, w, 1, tutor);
    update(b, g, PROMPTS, &r);
    double seconds = bench_now() - start;
    ptd_replies_free(replies, PROMPTS * GROUP);
    free_reading(&plain);
    free_reading(&tutor);
    free(w);
    return seconds;
}

static double grpo(const char *name)
{
    return whole(name, 0);
}

static double ptd(const char *name)
{
    return whole(name, 1);
}

/* Gradient of 8 groups of 8 answers, each prompt computed once for its group or once for each
 * answer. */
static float *gradient_of(struct bed *b, int together)
{
    struct ptd_loss_rules r = {
        .loss = ptd_loss_named("sft"), .temperature = 1, .micro_tokens = MICRO};
    struct round *w = ptd_alloc(sizeof *w);
    struct ptd_group groups[PROMPTS * GROUP], *g[PROMPTS * GROUP];
    static int32_t ids[PROMPTS * GROUP][REPLY];
    struct ptd_reply answers[PROMPTS * GROUP];
    struct ptd_learned sum;
    int bad, size = together ? GROUP : 1;
    for (int i = 0; i < PROMPTS * GROUP; i++) {
        for (int t = 0; t < REPLY; t++) ids[i][t] = bench_id(5, i * REPLY + t, b->shape->vocab);
        answers[i] = (struct ptd_reply){.ids = ids[i], .n = REPLY};
    }
    judge(w, answers, b->shape);
    for (int i = 0; i < PROMPTS * GROUP / size; i++) {
        groups[i] = w->group[i * size / GROUP];
        groups[i].rollouts = w->y + i * size;
        groups[i].n_rollouts = size;
        g[i] = &groups[i];
    }
    ptd_optimizer_zero(b->train.optimizer);
    if (ptd_learn(b->learning, g, PROMPTS * GROUP / size, &r, &sum, &bad) < 0) ptd_die_last();
    free(w);
    size_t n = b->train.model->n_weights;
    float *gradient = ptd_array(n, sizeof *gradient);
    the_device()->ops->get_accs(the_device(), gradient, b->train.model->grads, n);
    return gradient;
}

static double norm_of(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
    return sqrt(sum);
}

/* How far the two gradients are apart, over their norm. */
static double sharing(const char *name)
{
    struct bed *b = bed_of(name);
    size_t n = b->train.model->n_weights;
    float *shared = gradient_of(b, 1), *plain = gradient_of(b, 0);
    double norm = norm_of(plain, n);
    for (size_t i = 0; i < n; i++) shared[i] -= plain[i];
    double apart = norm_of(shared, n) / norm;
    free(shared);
    free(plain);
    return apart;
}

int main(void)
{
    static const struct bench_work works[] = {
        {"weights", weights}, {"step", step},         {"loss", loss},   {"memory", memory},
        {"sample", sampling}, {"score", scoring},     {"grpo", grpo},   {"ptd", ptd},
        {"sharing", sharing}, {"refilled", refilled}, {"waves", waves}, {0}};
    ptd_program("bench");
    ptd_threads_start(0);
    return bench_serve(works);
}
