/* real: works at real size, on a run's store as the programs use it: weights in the store's format,
 * mapped, an adapter if it has one. real_peer.py does the same works with transformers and peft,
 * llama_peer.py with llama.cpp. */
#include "../device.h"
#include "bench.h"
#include "base/half.h"
#include "base/threads.h"
#include "method/learn.h"
#include "method/optimizer.h"
#include "method/trained.h"
#include "net/sample.h"
#include <sys/resource.h>

enum { MOST = 8, TOP_K = 16 };

static struct bed {
    struct ptd_store *store;
    struct ptd_model *model;
    struct ptd_optimizer *optimizer;
    struct ptd_score *reading, *learning;
    int learns;
    size_t keep_most; /* of activations; else layers are recomputed */
} bed = {.keep_most = 1};

/* A work's argument: "SEQUENCES:WORDS OF THE PROMPT:TOKENS:WIDTH:HEIGHT", the picture left out or
 * not. */
struct size {
    int sequences, prompt, tokens, width, height;
};

static struct size size_of(const char *argument)
{
    struct size s = {0};
    sscanf(argument, "%d:%d:%d:%d:%d", &s.sequences, &s.prompt, &s.tokens, &s.width, &s.height);
    return s;
}

/* A store to read, and the weights of its newest generation, as ptd-rollout and ptd-ref have them.
 */
static double load(const char *path)
{
    int64_t newest;
    double start = bench_now();
    if (ptd_store_open(&bed.store, path, PTD_STORE_READ) ||
        ptd_store_head(bed.store, &newest) < 0 ||
        !(bed.model = ptd_model_open(bed.store, the_device())))
        ptd_die_last();
    ptd_model_choose(bed.model, NULL, NULL);
    if ((bed.learns && !ptd_trained_choose(bed.model, NULL)) ||
        ptd_model_load(bed.model, bed.store, newest))
        ptd_die_last();
    return bench_now() - start;
}

/* The same as ptd-update has them: an adapter's, or all, can be learned. */
static double load_to_learn(const char *path)
{
    bed.learns = 1;
    return load(path);
}

/* Below the marks of pictures. */
static int32_t word(uint32_t stream, long i)
{
    return bench_id(stream, (uint32_t)i, bed.model->config.vision_start);
}

/* ---- prompts: a picture, if it has a size, and then words ---- */

struct prompt {
    struct ptd_picture picture;
    int32_t *ids;
    int n;
};

static struct prompt new_prompt(const struct size *s)
{
    int side = bed.model->rules.patch * bed.model->rules.merge;
    int pads = s->width / side * (s->height / side);
    size_t bytes = (size_t)s->width * s->height * 3;
    struct prompt p = {.ids = ptd_array(s->prompt + pads + 2, sizeof *p.ids)};
    uint8_t *pixels = ptd_alloc(bytes + 1);
    for (size_t i = 0; i < bytes; i++) pixels[i] = (uint8_t)bench_id(9, (uint32_t)i, 256);
    p.picture = (struct ptd_picture){"", s->height, s->width, pixels};
    snprintf(p.picture.hash, sizeof p.picture.hash, "%08x%08x", s->width, s->height);
    if (pads) p.ids[p.n++] = bed.model->config.vision_start;
    for (int i = 0; i < pads; i++) p.ids[p.n++] = bed.model->config.image_token;
    if (pads) p.ids[p.n++] = bed.model->config.vision_end;
    for (int i = 0; i < s->prompt; i++) p.ids[p.n++] = word(2, i);
    return p;
}

static void free_prompt(struct prompt *p)
{
    free((void *)(uintptr_t)p->picture.pixels);
    free(p->ids);
}

/* ---- sampling ---- */

/* A prompt, and so many answers of so many words: of 1 it is the prompt alone. */
static double sample(const char *argument)
{
    struct size z = size_of(argument);
    struct prompt p = new_prompt(&z);
    struct ptd_question q = {p.ids, p.n, &p.picture, z.width > 0, 0};
    struct ptd_sampling s = {
        .temperature = 1, .top_p = 1, .group_size = z.sequences, .max_tokens = z.tokens, .seed = 1};
    double start = bench_now();
    struct ptd_reply *r = ptd_sample(bed.model, &q, 1, &s, 1);
    double seconds = bench_now() - start;
    if (!r) ptd_die_last();
    ptd_replies_free(r, z.sequences);
    free_prompt(&p);
    return seconds;
}

/* ---- scoring: log-probs and the best words of each token of given answers ---- */

static void read_rows(struct ptd_score *s)
{
    int32_t *id = ptd_array(s->rows, sizeof *id), *top = ptd_array(s->rows * TOP_K, sizeof *top);
    double *logp = ptd_array(s->rows, sizeof *logp);
    float *top_logp = ptd_array(s->rows * TOP_K, sizeof *top_logp);
    for (long i = 0; i < s->rows; i++) id[i] = s->target[i].id;
    ptd_score_forward(s);
    ptd_lm_head_score(
        ptd_score_head(s, NULL), s->X, s->rows,
        &(struct ptd_ask_score){.rules.temperature = 1, .words.id = id, .top_k = TOP_K},
        &(struct ptd_got_score){.logp = logp, .top_id = top, .top_logp = top_logp});
    free(id);
    free(top);
    free(logp);
    free(top_logp);
}

static double score(const char *argument)
{
    struct size z = size_of(argument);
    struct prompt p = new_prompt(&z);
    int32_t *ids = ptd_array(z.tokens, sizeof *ids);
    if (!bed.reading) bed.reading = ptd_score_new(bed.model, 0);
    double start = bench_now();
    ptd_score_reset(bed.reading);
    for (int i = 0; i < z.tokens; i++) ids[i] = word(5, i);
    struct ptd_score_reply y = {ids, z.tokens, NULL};
    if (ptd_score_add(bed.reading, p.ids, p.n, &p.picture, z.width > 0, &y, 1) < 0) ptd_die_last();
    read_rows(bed.reading);
    double seconds = bench_now() - start;
    free(ids);
    free_prompt(&p);
    return seconds;
}

/* ---- learning: answers that share a prompt, or have none but one word each ---- */

static void learn_from(struct ptd_group **g, int n, long micro)
{
    static const struct ptd_optimizer_rules rules = {.adamw = {1e-5, 0.9, 0.999, 1e-8, 0.01},
                                                     .clip = 1};
    struct ptd_loss_rules r = {
        .loss = ptd_loss_named("sft"), .temperature = 1, .micro_tokens = micro};
    struct ptd_learned sum;
    double norm;
    int bad;
    if (!bed.optimizer) {
        bed.optimizer = ptd_optimizer_new(bed.model, &rules);
        bed.learning = ptd_score_new(bed.model, 1);
    }
    bed.learning->keep_most = bed.keep_most;
    ptd_optimizer_zero(bed.optimizer);
    if (ptd_learn(bed.learning, g, n, &r, &sum, &bad) < 0) ptd_die_last();
    if (ptd_optimizer_step(bed.optimizer, 1e-5, &norm))
        ptd_die(PTD_DIVERGED, "the gradient is not finite");
}

static double step(const char *argument)
{
    struct size z = size_of(argument);
    int shared = z.prompt > 0 || z.width, groups = shared ? 1 : z.sequences;
    struct prompt p = new_prompt(&z);
    struct ptd_group group[MOST] = {0}, *g[MOST];
    struct ptd_rollout y[MOST] = {0};
    int32_t *ids = ptd_array((long)z.sequences * (z.tokens + 1), sizeof *ids);
    for (long i = 0; i < (long)z.sequences * (z.tokens + 1); i++) ids[i] = word(1, i);
    for (int i = 0; i < z.sequences; i++)
        y[i] = (struct ptd_rollout){.ids = ids + i * (z.tokens + 1) + 1, .n = z.tokens};
    for (int i = 0; i < groups; i++) {
        group[i] = (struct ptd_group){.uid = "p",
                                      .prompt_ids = shared ? p.ids : ids + i * (z.tokens + 1),
                                      .n_prompt = shared ? p.n : 1,
                                      .pictures = &p.picture,
                                      .n_pictures = z.width > 0,
                                      .rollouts = y + i,
                                      .n_rollouts = z.sequences / groups};
        g[i] = &group[i];
    }
    double start = bench_now();
    learn_from(g, groups, 4096);
    double seconds = bench_now() - start;
    free(ids);
    free_prompt(&p);
    return seconds;
}

/* Bytes that activations of the steps to come may take, as --recompute auto finds them. */
static double keep(const char *argument)
{
    bed.keep_most = (size_t)atof(argument);
    return 0;
}

/* Most memory so far, GB; pages of the store's file included. */
static double memory(const char *argument)
{
    struct rusage u;
    (void)argument;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss * 1024 / 1e9;
}

static const struct bench_work works[] = {
    {"load", load}, {"learn", load_to_learn}, {"sample", sample}, {"score", score},
    {"keep", keep}, {"step", step},           {"memory", memory}, {0}};

int main(void)
{
    ptd_threads_start(0);
    return bench_serve(works);
}
