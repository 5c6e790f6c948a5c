/* ptd-rollout: samples a group of responses to each prompt with the newest weights.
 * Starts a stream: reads a data set and a store; writes groups with prompt_ids, pictures and
 * rollouts (ids, logp, top_ids, text, stop).
 *
 *     ptd-rollout -s run.ptd train.jsonl | ptd-verify | ptd-hint | ptd-ref | ptd-update
 *
 * Training: step s samples from generation s - 1 - lag and waits until the store holds it.
 * Evaluation (--greedy or --generation): one pass over the data set with fixed weights. */
#include "base/progress.h"
#include "base/signals.h"
#include "base/threads.h"
#include "compute/device.h"
#include "flow/filter.h"
#include "method/source.h"
#include "net/sample.h"
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PART 65536

static struct {
    const char *store, *generation, *stop, *system, *device;
    struct ptd_opt_list stop_text;
    int group_size, step_groups, max_tokens, max_prompt, top_k, top_logprobs, greedy, lag, threads;
    int eos;
    int64_t steps, seed, part, max_pixels, min_pixels, skip_bad;
    double temperature, top_p;
    struct ptd_dataset_places places;
} opt = {.store = "run.ptd",
         .group_size = 8,
         .step_groups = 24,
         .max_tokens = 64,
         .top_logprobs = 16,
         .temperature = 1,
         .top_p = 1,
         .eos = 1,
         .steps = 150,
         .part = PART};

static const struct ptd_opt options[] = {
    {"store", 's', PTD_OPT_STR, &opt.store, "DIR", "run directory", 0, 0},
    {"group-size", 'G', PTD_OPT_INT, &opt.group_size, "N", "responses to each prompt", 1, 4096},
    {"prompts", 'P', PTD_OPT_INT, &opt.step_groups, "N", "prompts in a step", 1, 65536},
    {"steps", 'n', PTD_OPT_LONG, &opt.steps, "N",
     "steps of the whole run, those already done included", 0, 1e9},
    {"max-tokens", 'm', PTD_OPT_INT, &opt.max_tokens, "N", "limit of a response", 1, 1 << 20},
    {"temperature", 't', PTD_OPT_DOUBLE, &opt.temperature, "T",
     "divides the logits, here and in all later log-probs", 1e-3, 100},
    {"top-p", 0, PTD_OPT_DOUBLE, &opt.top_p, "P", "sample from the smallest set of this mass", 1e-6,
     1},
    {"top-k", 0, PTD_OPT_INT, &opt.top_k, "N", "sample from the N most probable words (0: all)", 0,
     1 << 20},
    {"system", 0, PTD_OPT_STR, &opt.system, "TEXT", "system message that every prompt begins with",
     0, 0},
    {"max-prompt", 0, PTD_OPT_INT, &opt.max_prompt, "N",
     "refuse prompts of more tokens; none is cut (0: as many as the model takes)", 0, 1 << 24},
    {"max-pixels", 0, PTD_OPT_LONG, &opt.max_pixels, "N",
     "shrink pictures to so many pixels (0: the model's own limit)", 0, 1e12},
    {"min-pixels", 0, PTD_OPT_LONG, &opt.min_pixels, "N",
     "enlarge pictures to so many pixels (0: the model's own limit)", 0, 1e12},
    {"skip-bad", 0, PTD_OPT_LONG, &opt.skip_bad, "N",
     "leave out up to N rows that cannot be used; each is named", 0, 1e9, 1},
    {"eos", 0, PTD_OPT_FLAG, &opt.eos, NULL, "the model's own end of a turn ends a response", 0, 0},
    {"stop-text", 0, PTD_OPT_LIST, &opt.stop_text, "TEXT",
     "ends a response, too, wherever its tokens end; may be given again", 0, 0},
    {"stop", 0, PTD_OPT_STR, &opt.stop, "LIST", "the same for several, by comma", 0, 0},
    {"top-logprobs", 'k', PTD_OPT_INT, &opt.top_logprobs, "K",
     "most probable ids to record for each token", 0, 256},
    {"part", 0, PTD_OPT_LONG, &opt.part, "N",
     "what is sampled at once: tokens of prompts, patches of pictures, -m of each response", 1,
     1e9},
    {"greedy", 0, PTD_OPT_FLAG, &opt.greedy, NULL,
     "evaluation: the most probable word, one response to each prompt", 0, 0},
    {"generation", 'g', PTD_OPT_STR, &opt.generation, "G",
     "evaluation with these weights: a number or 'latest'", 0, 0},
    {"lag", 0, PTD_OPT_INT, &opt.lag, "N",
     "sample N generations behind (0: on-policy; 1: while the update runs)", 0, 1},
    PTD_DATASET_OPTIONS(opt.places),
    {"seed", 0, PTD_OPT_LONG, &opt.seed, "N", "of order and sampling", 0, 9e15},
    {"device", 0, PTD_OPT_STR, &opt.device, "NAME", PTD_DEVICE_HELP, 0, 0, 1},
    {"threads", 'j', PTD_OPT_INT, &opt.threads, "N", "0: as many as there are cores", 0, 256},
    {0}};
static const struct ptd_usage usage = {
    "ptd-rollout", "DATA.jsonl", "sample a group of responses to each prompt",
    "ptd-rollout -s run.ptd train.jsonl | ptd-verify | ptd-hint | ptd-ref | ptd-update\n"
    "ptd-rollout -s run.ptd --greedy test.jsonl | ptd-verify | ptd-stat",
    options};

struct run {
    struct ptd_device *device;
    struct ptd_source src;
    struct ptd_model *model;
    struct ptd_batch *batch;
    struct ptd_writer *out;
    struct ptd_sampling sampling;
    struct ptd_stop *stop_text;
    struct ptd_group *groups; /* [of a part] */
    int64_t *which, loaded;
    double reply_bytes; /* most that a group's rollouts can take */
    struct ptd_buf buf;
    int eval, trained; /* a trainer was seen */
    struct ptd_progress progress;
    const char *doing;
};

#define PATIENCE 5 /* seconds */

static void load(struct run *r, int64_t generation)
{
    if (generation == r->loaded) return;
    if (ptd_model_load(r->model, r->src.store, generation)) ptd_die_last();
    r->loaded = generation;
}

static void look_downstream(struct run *r, int64_t generation)
{
    struct pollfd p = {.fd = ptd_writer_fd(r->out)};
    if (poll(&p, 1, 0) > 0 && p.revents & (POLLERR | POLLHUP | POLLNVAL))
        ptd_die(PTD_CUT, "the reader of this stream has gone while generation %lld was waited for",
                (long long)generation);
}

/* Behind a program that does not tell (tee), a trainer that never came to train is missed only by
 * the time it takes. */
static void tell_of_wait(const struct run *r, time_t since, int64_t generation)
{
    static int told;
    if (told || r->trained || time(NULL) - since < PATIENCE) return;
    ptd_warn("waiting for generation %lld, but no ptd-update has %s open for training",
             (long long)generation, ptd_store_path(r->src.store));
    told = 1;
}

/* Until the store holds `generation`. Leaves when whoever reads us has gone, or the trainer behind
 * programs that do not tell (tee, pv). */
static void wait_for(struct run *r, int64_t generation)
{
    struct timespec nap = {.tv_nsec = 500000};
    time_t since = time(NULL);
    int64_t head;
    for (;;) {
        int trained = ptd_store_trained(
            r->src.store); /* before the head: what a trainer published before it went counts */
        if (ptd_store_head(r->src.store, &head)) ptd_die_last();
        if (head >= generation) return;
        if (r->trained && !trained)
            ptd_die(PTD_CUT, "the trainer has gone while generation %lld was waited for",
                    (long long)generation);
        r->trained |= trained;
        tell_of_wait(r, since, generation);
        look_downstream(r, generation);
        ptd_asked_answer();
        nanosleep(&nap, NULL);
    }
}

/* A text ends where its stop text does; the ids stay what was sampled. */
static void put_reply(struct run *r, struct ptd_group *g, struct ptd_rollout *y,
                      const struct ptd_reply *a)
{
    static const char *const endings[] = {
        [PTD_REPLY_CUT] = "length", [PTD_REPLY_ID] = "eos", [PTD_REPLY_TEXT] = "text"};
    char *text = ptd_tokenizer_decode(r->src.tokenizer, a->ids, a->n, 1);
    if (a->stopped == PTD_REPLY_TEXT) text[ptd_stop_end(r->stop_text, text)] = 0;
    y->ids = a->ids;
    y->logp = a->logp;
    y->n = a->n;
    y->top_ids = a->top_ids;
    y->top_k = a->top_ids ? r->sampling.top_logprobs : 0;
    y->text = ptd_group_text(g, "%s", text);
    y->stop = endings[a->stopped];
    free(text);
}

static void put_group(struct run *r, struct ptd_group *g, const struct ptd_reply *replies)
{
    int n = r->sampling.group_size;
    g->generation = r->loaded;
    g->rollouts = ptd_group_alloc(g, n * sizeof *g->rollouts);
    g->n_rollouts = n;
    for (int i = 0; i < n; i++) put_reply(r, g, &g->rollouts[i], &replies[i]);
    ptd_group_encode(g, &r->buf);
    if (ptd_writer_put(r->out, PTD_GROUP, r->buf.data, r->buf.len)) ptd_die_last();
}

/* Before anything is sampled: will the group fit into a frame, whatever is answered? */
static int check_frame(struct run *r, const struct ptd_group *g)
{
    ptd_group_encode(g, &r->buf);
    if ((double)r->buf.len + r->reply_bytes <= PTD_FRAME_MAX) return 0;
    return ptd_fail(PTD_CONFIG,
                    "pictures and texts of %zu bytes and up to %.0f of responses are over the 1 "
                    "GiB that a frame "
                    "holds: expected a smaller -G, -m or -k",
                    r->buf.len, r->reply_bytes);
}

/* Reads the prompt at a position as number i of a part into groups and batch; returns what it takes
 * of the part, 0 if it was left out. */
static long read_prompt(struct run *r, int64_t step, int64_t position, int i)
{
    struct ptd_group *g = &r->groups[i];
    struct ptd_place place = {position, opt.seed, !r->eval};
    int out = ptd_source_take(&r->src, place, step, g);
    if (out < 0) ptd_die_last();
    if (out) return 0;
    if (check_frame(r, g) < 0 ||
        ptd_batch_prompt(r->batch, g->prompt_ids, g->n_prompt, g->pictures, g->n_pictures) < 0)
        ptd_dataset_blame(r->src.data, (int)g->index), ptd_die_last();
    r->which[i] = position; /* not the row: it may come twice in a step that crosses epochs */
    long patches = 0, side = r->model->config.v_patch;
    for (int k = 0; k < g->n_pictures; k++)
        patches += g->pictures[k].height / side * (g->pictures[k].width / side);
    return g->n_prompt + patches + (long)r->sampling.group_size * opt.max_tokens;
}

/* Samples the prompts of a part, which are read, and writes their groups. */
static void sample_part(struct run *r, int64_t step, int n)
{
    if (!n) return;
    struct ptd_reply *replies = ptd_sample(r->model, r->batch, &r->sampling, r->eval ? 0 : step,
                                           r->which); /* evaluation: whatever -P is */
    if (ptd_device_wait(r->device)) ptd_die_last();
    for (int i = 0; i < n; i++) {
        put_group(r, &r->groups[i], replies + i * r->sampling.group_size);
        ptd_group_clear(&r->groups[i]);
    }
    ptd_replies_free(replies, n * r->sampling.group_size);
}

/* Samples as many of n prompts as a part may hold, at least one, and writes their groups; returns
 * how many positions that were. */
static int do_part(struct run *r, int64_t step, int64_t first, int n)
{
    int taken = 0, read = 0;
    ptd_batch_reset(r->batch);
    for (long rows = 0; taken < n && rows < opt.part; taken++) {
        long more = read_prompt(r, step, first + taken, read);
        rows += more;
        read += more > 0;
    }
    sample_part(r, step, read);
    return taken;
}

/* Prompts first .. first+n-1 of the order, written as one step. */
static void do_step(struct run *r, int64_t step, int64_t first, int n)
{
    for (int done = 0; done < n;) done += do_part(r, step, first + done, n - done);
    if (ptd_writer_step(r->out, step)) ptd_die_last();
}

static void tell(const void *ctx)
{
    const struct run *r = ctx;
    char words[256];
    ptd_progress_words(&r->progress, r->doing, words, sizeof words);
    ptd_tell("%s", r->progress.what ? words : "starting");
}

static void train(struct run *r, int64_t done)
{
    ptd_progress_start(&r->progress, "steps", done, opt.steps);
    for (int64_t s = done + 1; s <= opt.steps; s++) {
        int64_t generation = s - 1 - opt.lag > 0 ? s - 1 - opt.lag : 0;
        r->doing = "waiting for weights";
        wait_for(r, generation);
        r->doing = "sampling";
        load(r, generation);
        do_step(r, s, (s - 1) * opt.step_groups, opt.step_groups);
        r->progress.done = s;
    }
}

/* --generation as a number; `head` where it is 'latest' or not given. */
static int64_t chosen_generation(int64_t head)
{
    const char *g = opt.generation;
    if (!g || !strcmp(g, "latest")) return head;
    if (!*g || g[strspn(g, "0123456789")] || strlen(g) > 18)
        ptd_misuse("--generation \"%s\": expected a number or 'latest'", g);
    return strtoll(g, NULL, 10);
}

static void evaluate(struct run *r)
{
    struct ptd_progress *p = &r->progress;
    int64_t rows = ptd_dataset_rows(r->src.data), step = 1;
    ptd_progress_start(p, "prompts", 0, rows);
    for (int64_t at = 0; at < rows; at += opt.step_groups, step++) {
        int64_t n = rows - at < opt.step_groups ? rows - at : opt.step_groups;
        do_step(r, step, at, (int)n);
        ptd_progress_set(p, at + n, NULL);
    }
    ptd_progress_clear(p);
}

/* ---- what ends a response ---- */

#define STOPS_MAX 64

static struct {
    const char *names[STOPS_MAX], *texts[STOPS_MAX];
    int ids[PTD_STOP_MAX + STOPS_MAX], n, n_texts, n_ids;
} stops;

static void name_stop(const struct run *r, const char *name)
{
    int32_t *ids;
    if (stops.n == STOPS_MAX) ptd_misuse("expected at most %d stop texts", STOPS_MAX);
    if (!*name) ptd_misuse("a stop text is empty, expected a byte or more");
    if (ptd_tokenizer_encode_data(r->src.tokenizer, name, strlen(name), &ids) < 0)
        ptd_misuse("a stop text: %s", ptd_failed_message());
    free(ids);
    stops.names[stops.n++] = name;
}

/* A control token, which has no text, ends a response as a token, all else as text. */
static void add_stop(const struct run *r, const char *name)
{
    size_t len = 1;
    int id = ptd_tokenizer_id(r->src.tokenizer, name);
    if (id >= 0) ptd_tokenizer_bytes(r->src.tokenizer, id, &len);
    if (len)
        stops.texts[stops.n_texts++] = name;
    else
        stops.ids[stops.n_ids++] = id;
}

/* The model's own, and what --stop-text and --stop name. */
static void read_stops(struct run *r)
{
    const struct ptd_config *c = &r->model->config;
    char *rest = opt.stop ? ptd_strdup(opt.stop) : NULL, *name;
    for (int i = 0; opt.eos && i < c->n_eos; i++) stops.ids[stops.n_ids++] = c->eos[i];
    for (int i = 0; i < opt.stop_text.n; i++) name_stop(r, opt.stop_text.at[i]);
    while ((name = strsep(&rest, ","))) name_stop(r, name);
    for (int i = 0; i < stops.n; i++) add_stop(r, stops.names[i]);
    if (stops.n_texts) r->stop_text = ptd_stop_new(r->src.tokenizer, stops.texts, stops.n_texts);
    r->sampling.stop = stops.ids;
    r->sampling.n_stop = stops.n_ids;
    r->sampling.stop_text = r->stop_text;
}

/* For the head: `model, "}"`. */
static char *stop_words(void)
{
    char *words = ptd_strdup(opt.eos ? "model" : "none");
    for (int i = 0; i < stops.n; i++) {
        char *before = words;
        words = ptd_format("%s, \"%s\"", before, stops.names[i]);
        free(before);
    }
    return words;
}

static void open_run(struct run *r, const char *data)
{
    struct ptd_config *c;
    opt.places.may_lack = opt.skip_bad > 0;
    if (ptd_source_open(&r->src, opt.store, data, &opt.places) ||
        ptd_source_system(&r->src, opt.system) ||
        ptd_source_pixels(&r->src, opt.max_pixels, opt.min_pixels))
        ptd_die_last();
    r->src.max_prompt = opt.max_prompt;
    r->src.skip_bad = opt.skip_bad;
    if (!(r->device = ptd_device_open(opt.device))) ptd_die_last();
    r->model = ptd_model_open(r->src.store, r->device);
    if (!r->model) ptd_die_last();
    r->batch = ptd_batch_new(r->model);
    r->loaded = -1;
    c = &r->model->config;
    r->eval = opt.greedy || opt.generation;
    r->sampling = (struct ptd_sampling){
        .temperature = opt.temperature,
        .top_p = opt.top_p,
        .top_k = opt.top_k,
        .greedy = opt.greedy,
        .group_size = opt.greedy ? 1 : opt.group_size,
        .max_tokens = opt.max_tokens,
        .top_logprobs = opt.top_logprobs,
        .seed = opt.seed,
        .banned = ptd_model_banned(r->model, ptd_tokenizer_size(r->src.tokenizer))};
    int64_t most = opt.part / ((int64_t)r->sampling.group_size * opt.max_tokens) + 1;
    int prompts = most < opt.step_groups ? (int)most : opt.step_groups;
    r->groups = ptd_array(prompts, sizeof *r->groups);
    r->which = ptd_array(prompts, sizeof *r->which);
    read_stops(r);
    if (r->sampling.top_logprobs > c->vocab)
        ptd_misuse("--top-logprobs %d: expected at most the vocabulary, %d", opt.top_logprobs,
                   c->vocab);
}

static char *sampling_words(const struct run *r)
{
    char part[40] = "", *stop = stop_words(), *prompts = ptd_source_words(&r->src);
    if (opt.part != PART) snprintf(part, sizeof part, "; parts of %lld", (long long)opt.part);
    char *words = ptd_format("top-p %g; top-k %d; stop %s; lag %d%s%s", opt.top_p, opt.top_k, stop,
                             opt.lag, part, prompts);
    free(prompts);
    free(stop);
    return words;
}

static void check_limits(struct run *r, const struct ptd_head *h)
{
    r->reply_bytes = ptd_head_rollout_bytes(h, 0);
    if (r->reply_bytes <= PTD_FRAME_MAX) return;
    ptd_die(PTD_CONFIG,
            "%d responses (-G) of up to %d tokens (-m) with %d ids each (-k) can take %.1f GiB, "
            "and a frame "
            "holds "
            "1: expected -m of at most %.0f, or a smaller -G or -k",
            h->group_size, h->max_tokens, h->top_logprobs, r->reply_bytes / PTD_FRAME_MAX,
            floor(h->max_tokens * (PTD_FRAME_MAX / r->reply_bytes)));
}

int main(int argc, char **argv)
{
    int first = ptd_opt_parse(&usage, argc, argv);
    struct run r = {0};
    struct ptd_head h = {0};
    int64_t done, generation;
    char *words;
    if (argc - first != 1) ptd_misuse("expected one data set");
    ptd_threads_start(opt.threads);
    ptd_asked_heed(tell, &r);
    open_run(&r, argv[first]);
    if (ptd_store_head(r.src.store, &done)) ptd_die_last();
    generation = chosen_generation(done);
    if (r.eval) load(&r, generation);
    ptd_source_head(&r.src, argv[first], &h);
    h.mode = r.eval ? "eval" : "train";
    h.seed = opt.seed;
    h.steps =
        r.eval ? (ptd_dataset_rows(r.src.data) + opt.step_groups - 1) / opt.step_groups : opt.steps;
    h.first_step = r.eval ? 1 : done + 1;
    h.group_size = r.sampling.group_size;
    h.step_groups = opt.step_groups;
    h.max_tokens = opt.max_tokens;
    h.temperature = opt.temperature;
    h.top_logprobs = opt.top_logprobs;
    check_limits(&r, &h);
    h.sampling = ptd_head_text(&h, words = sampling_words(&r));
    free(words);
    r.out = ptd_output_open(&h, usage.name, r.device, argc, argv);
    if (r.eval)
        evaluate(&r);
    else
        train(&r, done);
    if (ptd_writer_end(r.out) || ptd_writer_close(r.out)) ptd_die_last();
    if (r.src.n_bad) ptd_info("%d bad row%s left out", r.src.n_bad, r.src.n_bad == 1 ? "" : "s");
    free((void *)r.sampling.banned);
    ptd_stop_free(r.stop_text);
    free(r.groups);
    free(r.buf.data);
    free(r.which);
    ptd_batch_free(r.batch);
    ptd_model_free(r.model);
    ptd_device_close(r.device);
    ptd_source_close(&r.src);
    ptd_head_clear(&h);
    return 0;
}
