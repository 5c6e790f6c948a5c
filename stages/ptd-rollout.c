/* ptd-rollout: samples a group of responses to each prompt with the newest weights.
 * Starts a stream: reads a data set and a store; writes groups with prompt_ids, pictures and
 * rollouts (ids, logp, top_ids, text, stop; with --record top_logp and entropy).
 *
 *     ptd-rollout -s run.ptd train.jsonl | ptd-verify | ptd-hint | ptd-ref | ptd-update
 *
 * Training: step s samples from generation s - 1 - lag and waits until the trainer has made it,
 * which shares it through memory or publishes it in the store. Evaluation (--greedy or
 * --generation): one pass over the data set with fixed weights.
 *
 * As a filter, --privileged: other responses to what failed as a whole, given with the hint
 * (privileged.h).
 *
 * With --refill or --curriculum a step's prompts depend on ptd-verify's verdicts, which come back
 * through a pipe of our own (verdicts.h); what was asked and how it went lies in the store
 * (history.h), so that a resume asks the same (refill.h). Those of other ranks come by way of
 * ptd-update (relay.h). */
#include "base/command.h"
#include "base/launched.h"
#include "base/opt_value.h"
#include "base/progress.h"
#include "base/rank.h"
#include "base/signals.h"
#include "base/threads.h"
#include "compute/device.h"
#include "flow/filter.h"
#include "method/privileged.h"
#include "method/refill.h"
#include "method/rollouts.h"
#include "method/stops.h"
#include "store/live.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PART 65536

static struct {
    const char *store, *generation, *stop, *system, *device, *share;
    struct ptd_rank rank;
    struct ptd_opt_list stop_text;
    int group_size, step_groups, max_tokens, max_prompt, top_k, top_logprobs, greedy, lag, threads;
    int beside;
    int eos, batch, refill, privileged, record;
    int64_t steps, seed, part, kv_max, max_pixels, min_pixels, skip_bad;
    double temperature, top_p, min_p, curriculum;
    struct ptd_dataset_places places;
    struct ptd_plan_asked plan;
} opt = {.store = "run.ptd",
         .group_size = 8,
         .step_groups = 24,
         .share = "auto",
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
    {"prompts", 'P', PTD_OPT_INT, &opt.step_groups, "N", "prompts in a step", 1,
     PTD_STEP_GROUPS_MAX},
    {"steps", 'n', PTD_OPT_LONG, &opt.steps, "N",
     "training: steps of the whole run, those already done included", 0, 1e9},
    {"max-tokens", 'm', PTD_OPT_INT, &opt.max_tokens, "N", "limit of a response", 1, 1 << 20},
    {"temperature", 't', PTD_OPT_DOUBLE, &opt.temperature, "T",
     "divides the logits, here and in all later log-probs", 1e-3, 100},
    {"top-p", 0, PTD_OPT_DOUBLE, &opt.top_p, "P", "sample from the smallest set of this mass", 1e-6,
     1},
    {"min-p", 0, PTD_OPT_DOUBLE, &opt.min_p, "P",
     "sample from words of at least this part of the best one's share", 0, 1},
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
    {"record", 0, PTD_OPT_FLAG, &opt.record, NULL,
     "for people: their log-probs, too, and each token's entropy (ptd-dump --html shows them)", 0,
     0, 1},
    {"kv-max", 0, PTD_OPT_LONG, &opt.kv_max, "BYTES",
     "room for keys and values; responses begin as there is some for all of theirs (0: --part "
     "says)",
     0, 1e15, 1},
    {"batch", 0, PTD_OPT_INT, &opt.batch, "N",
     "responses that are written at once (0: as many as there is room for)", 0, 1 << 24, 1},
    {"part", 0, PTD_OPT_LONG, &opt.part, "N",
     "room without --kv-max: tokens of prompts and -m of each response, and one of each at least",
     1, 1e9, 1},
    PTD_PLAN_OPTIONS(opt.plan),
    {"greedy", 0, PTD_OPT_FLAG, &opt.greedy, NULL,
     "evaluation: the most probable word, one response to each prompt", 0, 0},
    {"greedy-baseline", 0, PTD_OPT_FLAG, &opt.beside, NULL,
     "one more response to each prompt, of the most probable words: what ptd-verify --advantage "
     "remax compares with; it is not trained",
     0, 0},
    {"generation", 'g', PTD_OPT_STR, &opt.generation, "G",
     "evaluation with these weights: a number or 'latest'", 0, 0},
    {"lag", 0, PTD_OPT_INT, &opt.lag, "N",
     "sample N generations behind (0: on-policy; 1: while the update runs)", 0, 1},
    {"refill", 0, PTD_OPT_INT, &opt.refill, "N",
     "ask more prompts, up to N rounds of them, until ptd-verify --keep has kept -P groups", 0,
     1000},
    {"curriculum", 0, PTD_OPT_DOUBLE, &opt.curriculum, "SHARE",
     "share of a step's prompts that are asked again, drawn by 1 - their past accuracy", 0, 1},
    {"privileged", 0, PTD_OPT_FLAG, &opt.privileged, NULL,
     "filter: groups that failed and have a hint are answered anew, with it; as the stream's head "
     "says how",
     0, 0},
    {"shard", 0, PTD_OPT_STR, &opt.share, "WHICH",
     "of each step's prompts: auto, this rank's share where a launcher (mpirun, srun, ptd-run) "
     "started several; one: all; R/N: each N-th from number R on",
     0, 0, 1},
    PTD_DATASET_OPTIONS(opt.places),
    {"seed", 0, PTD_OPT_LONG, &opt.seed, "N", "of order and sampling", 0, 9e15},
    {"device", 0, PTD_OPT_STR, &opt.device, "NAME", PTD_DEVICE_HELP, 0, 0, 1},
    {"threads", 'j', PTD_OPT_INT, &opt.threads, "N", "0: as many as there are cores", 0, 256},
    {0}};
static const struct ptd_usage usage = {
    "ptd-rollout", "DATA.jsonl", "sample a group of responses to each prompt",
    "ptd-rollout -s run.ptd train.jsonl | ptd-verify | ptd-hint | ptd-ref | ptd-update\n"
    "ptd-rollout -s run.ptd --greedy test.jsonl | ptd-verify | ptd-stat\n"
    "ptd-hint --from answer --tell-the-answer < verified.rec | ptd-rollout --privileged | "
    "ptd-verify",
    options};

struct run {
    struct ptd_device *device;
    struct ptd_source src;
    struct ptd_model *model;
    struct ptd_live *live;
    struct ptd_writer *out;
    struct ptd_rollouts rollouts;
    struct ptd_refill refill;
    struct ptd_stops stops;
    int64_t loaded;
    int eval, trained; /* a trainer was seen */
    int64_t patience;  /* seconds */
    struct ptd_progress progress;
    const char *doing;
};

#define PATIENCE 5   /* seconds */
#define VERDICTS 120 /* seconds */

static void load(struct run *r, int64_t generation)
{
    if (generation == r->loaded) return;
    if (ptd_model_load(r->model, r->src.store, generation)) ptd_die_last();
    r->loaded = r->rollouts.generation = generation;
}

static void look_downstream(struct run *r, const char *what, int64_t number)
{
    struct pollfd p = {.fd = ptd_writer_fd(r->out)};
    if (poll(&p, 1, 0) > 0 && p.revents & (POLLERR | POLLHUP | POLLNVAL))
        ptd_die(PTD_CUT, "the reader of this stream has gone while %s %lld %s waited for", what,
                (long long)number, *what == 'g' ? "was" : "were");
}

static void look_for_trainer(struct run *r, const char *what, int64_t number, int trained)
{
    if (r->trained && !trained)
        ptd_die(PTD_CUT, "the trainer has gone while %s %lld %s waited for", what,
                (long long)number, *what == 'g' ? "was" : "were");
    r->trained |= trained;
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

/* Loads `generation`, if it is there: 1. The head is asked for first: what was in the trainer's
 * memory before a later one was published still is. */
static int find(struct run *r, int64_t generation)
{
    int64_t head;
    if (generation == r->loaded) return 1;
    if (ptd_store_head(r->src.store, &head)) ptd_die_last();
    int got = ptd_model_load_live(r->model, r->live, generation);
    if (got < 0 && head < generation) ptd_die_last();
    if (got > 0) r->loaded = r->rollouts.generation = generation;
    if (got <= 0 && head >= generation) load(r, generation);
    return r->loaded == generation;
}

/* Until `generation` is there and loaded. Leaves when whoever reads us has gone, or the trainer
 * behind programs that do not tell (tee, pv). */
static void wait_for(struct run *r, int64_t generation)
{
    struct timespec nap = {.tv_nsec = 500000};
    time_t since = time(NULL);
    ptd_board_doing(PTD_WAITS);
    for (;;) {
        /* before it is looked for: what a trainer published before it went counts */
        int trained = ptd_store_trained(r->src.store);
        if (find(r, generation)) break;
        look_for_trainer(r, "generation", generation, trained);
        tell_of_wait(r, since, generation);
        look_downstream(r, "generation", generation);
        ptd_asked_answer();
        ptd_progress_tick();
        ptd_device_rest(r->device);
        nanosleep(&nap, NULL);
    }
    ptd_board_doing(PTD_WORKS);
}

/* ---- verdicts ---- */

static int waits_for_verdicts(void)
{
    return opt.refill || opt.curriculum > 0;
}

/* Seconds that a ptd-verify may take to come where no trainer shows that none will. */
static int64_t longest_wait(void)
{
    const char *text = getenv("PTD_VERDICTS");
    int64_t n = VERDICTS;
    if (!text || !*text) return n;
    if (ptd_whole_number(text, &n) || n < 1)
        ptd_die(PTD_CONFIG, "PTD_VERDICTS: found \"%.64s\", expected a number of seconds", text);
    return n;
}

/* A trainer reads what has come through all programs before it, and a ptd-verify says that it is
 * there before it hands anything on: where there is a trainer and no ptd-verify, none will come. */
static void miss_verify(const struct run *r, time_t since)
{
    static const char *const expected =
        "--refill and --curriculum need its verdicts: expected ptd-verify behind this program, on "
        "the same machine, as the same user and in the same container";
    static time_t trainer;
    time_t now = time(NULL);
    if (r->trained && !trainer) trainer = now;
    if (trainer && now - trainer >= PATIENCE)
        ptd_die(PTD_UNAVAILABLE, "ptd-update has come, and no ptd-verify: %s", expected);
    if (now - since >= r->patience)
        ptd_die(PTD_UNAVAILABLE, "no ptd-verify has come within %lld s: %s", (long long)r->patience,
                expected);
}

/* The verdicts of other ranks come by way of the trainer. */
static void miss_trainer(const struct run *r, time_t since)
{
    if (r->trained || time(NULL) - since < r->patience) return;
    ptd_die(PTD_UNAVAILABLE,
            "no ptd-update has come within %lld s: --refill and --curriculum need the verdicts of "
            "the other ranks, which it brings",
            (long long)r->patience);
}

static void tell_of_absent(const struct run *r, const char *who)
{
    static int told;
    if (told || r->trained) return;
    ptd_warn("waiting for verdicts, but no %s has come for them: expected one behind this "
             "program, on the same machine, as the same user and in the same container",
             who);
    told = 1;
}

/* While the verdicts of a step are waited for, behind programs that may not tell. */
static void wait_for_verdicts(void *ctx, int64_t step)
{
    struct run *r = ctx;
    static time_t since;
    ptd_device_rest(r->device);
    if (!since) since = time(NULL);
    r->doing = "waiting for verdicts";
    look_for_trainer(r, "the verdicts of step", step, ptd_store_trained(r->src.store));
    look_downstream(r, "the verdicts of step", step);
    ptd_asked_answer();
    ptd_board_doing(PTD_WAITS);
    ptd_progress_tick();
    const struct ptd_refill *f = &r->refill;
    int heard = ptd_verdicts_heard(f->verdicts);
    if (heard && (!f->relay || ptd_relay_met(f->relay))) return;
    if (heard)
        miss_trainer(r, since);
    else
        miss_verify(r, since);
    if (time(NULL) - since >= PATIENCE) tell_of_absent(r, heard ? "ptd-update" : "ptd-verify");
}

static void open_refill(struct run *r, int64_t done)
{
    struct ptd_refill *f = &r->refill;
    if (!waits_for_verdicts()) return;
    r->patience = longest_wait();
    *f = (struct ptd_refill){.rollouts = &r->rollouts,
                             .verdicts = ptd_verdicts_new(),
                             .wanted = opt.step_groups,
                             .more = opt.refill,
                             .share = opt.curriculum,
                             .seed = (uint64_t)opt.seed,
                             .idle = wait_for_verdicts,
                             .ctx = r};
    if (opt.rank.ranks > 1 && !(f->relay = ptd_relay_new(opt.rank.rank, opt.rank.ranks)))
        ptd_die_last();
    if (!f->verdicts || ptd_history_open(&f->history, r->src.store, ptd_dataset_rows(r->src.data),
                                         done, done * opt.step_groups))
        ptd_die_last();
}

static int do_step(struct run *r, int64_t step)
{
    if (waits_for_verdicts()) return ptd_refill_step(&r->refill, step);
    return ptd_rollouts_step(&r->rollouts, step, (step - 1) * opt.step_groups, opt.step_groups);
}

static void tell_of_refill(const struct run *r)
{
    const struct ptd_refill *f = &r->refill;
    if (waits_for_verdicts() && !opt.rank.rank)
        ptd_info("%lld prompts asked, %lld of them again; %lld steps refilled, %lld not full",
                 (long long)f->asked, (long long)f->again, (long long)f->refilled,
                 (long long)f->short_of);
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
    if (done >= opt.steps)
        ptd_info("%s: step %lld is done, and -n %lld is the number of steps of the whole run: "
                 "nothing to do; a larger -n goes on",
                 opt.store, (long long)done, (long long)opt.steps);
    ptd_progress_start(&r->progress, "steps", done, opt.steps);
    ptd_board_store(opt.store);
    for (int64_t s = done + 1; s <= opt.steps; s++) {
        int64_t generation = s - 1 - opt.lag > 0 ? s - 1 - opt.lag : 0;
        r->doing = "waiting for weights";
        wait_for(r, generation);
        r->doing = "sampling";
        if (do_step(r, s)) ptd_die_last();
        ptd_board_doing(PTD_WORKS);
        ptd_board_step(s);
        r->progress.done = s;
        ptd_board_progress("steps", done, s, opt.steps, NULL);
        ptd_progress_tick();
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
    ptd_board_store(opt.store);
    for (int64_t at = 0; at < rows; at += opt.step_groups, step++) {
        int64_t n = rows - at < opt.step_groups ? rows - at : opt.step_groups;
        if (ptd_rollouts_step(&r->rollouts, step, at, n)) ptd_die_last();
        ptd_progress_set(p, at + n, NULL);
    }
    ptd_progress_clear(p);
}

/* What ends a response: the model's own, and what --stop-text and --stop name. */
static void read_stops(struct run *r)
{
    const struct ptd_tokenizer *t = r->src.tokenizer;
    int rc = 0;
    if (opt.eos) ptd_stops_model(&r->stops, &r->model->config);
    for (int i = 0; i < opt.stop_text.n && rc == 0; i++)
        rc = ptd_stops_add(&r->stops, t, opt.stop_text.at[i]);
    if (rc || ptd_stops_list(&r->stops, t, opt.stop)) ptd_die_last();
    ptd_stops_set(&r->stops, t, &r->rollouts.sampling);
}

static struct ptd_sampling sampling_of(void)
{
    return (struct ptd_sampling){.temperature = opt.temperature,
                                 .top_p = opt.top_p,
                                 .min_p = opt.min_p,
                                 .top_k = opt.top_k,
                                 .greedy = opt.greedy,
                                 .beside = opt.beside,
                                 .group_size = opt.greedy ? 1 : opt.group_size + opt.beside,
                                 .max_tokens = opt.max_tokens,
                                 .top_logprobs = opt.top_logprobs,
                                 .record = opt.record,
                                 .seed = opt.seed,
                                 .batch = opt.batch,
                                 .kv_max = opt.kv_max,
                                 .kv_rows = opt.part};
}

/* Of a store with an adapter: what its trainer has in memory between two publications. One
 * generation is read as it lies in the store, all of it. */
static int moves(void *ctx, const struct ptd_param *p)
{
    (void)ctx;
    return p->adapter;
}

static void open_model(struct run *r, struct ptd_store *store)
{
    if (!(r->device = ptd_device_open(opt.device))) ptd_die_last();
    r->model = ptd_model_open(store, r->device);
    if (!r->model) ptd_die_last();
    if (opt.greedy || opt.generation)
        ptd_model_choose(r->model, NULL, NULL);
    else if (r->model->adapters)
        ptd_model_choose(r->model, moves, NULL);
}

/* ---- memory ---- */

#define BEYOND "more memory, a smaller model, or one with an adapter (ptd-init --lora)"

/* What the options say of groups. */
static void expect_options(struct ptd_expected *e)
{
    if (!e->prompts) e->prompts = opt.step_groups;
    e->answers = opt.greedy ? 1 : opt.group_size + opt.beside;
    e->answer = opt.max_tokens;
}

static void add_sampling(struct ptd_model *m, const struct ptd_sampling *s, struct ptd_plan *p)
{
    ptd_sample_plan(p, m, s, &opt.plan.expected);
}

static void add_kv(void *model, int64_t n, struct ptd_plan *p)
{
    struct ptd_sampling s = sampling_of();
    s.kv_max = n;
    add_sampling(model, &s, p);
}

static void add_batch(void *model, int64_t n, struct ptd_plan *p)
{
    struct ptd_sampling s = sampling_of();
    s.batch = (int)n;
    add_sampling(model, &s, p);
}

/* Options that would make it fit: fewer keys and values, no fewer than one prompt and a response
 * to it take; fewer responses at once. */
static void list_choices(struct ptd_model *m, struct ptd_plan_choice list[3])
{
    struct ptd_sampling s = sampling_of(), one = s;
    int64_t most = 1;
    one.kv_max = 1;
    size_t keys = ptd_sample_keys(m, &s, &opt.plan.expected);
    while ((uint64_t)most * 2 < keys) most *= 2;
    list[0] = (struct ptd_plan_choice){
        "--kv-max", most, (int64_t)ptd_sample_keys(m, &one, &opt.plan.expected), add_kv, m};
    list[1] = (struct ptd_plan_choice){"--batch", (int64_t)opt.step_groups * opt.group_size, 1,
                                       add_batch, m};
    list[2] = (struct ptd_plan_choice){0};
}

static size_t token_bytes(void)
{
    size_t recorded = opt.record ? 4 + 2 * (size_t)opt.top_logprobs : 0;
    return PTD_PLAN_TOKEN(opt.top_logprobs, 0) + recorded;
}

/* Before anything large is taken. Where neither --memory nor --kv-max is given, all that responses
 * may come to is told, and what is certain must fit. */
static void plan(struct run *r, struct ptd_store *store)
{
    struct ptd_plan fixed = {0}, all;
    struct ptd_plan_choice choices[3];
    size_t room = ptd_plan_room(&opt.plan);
    struct ptd_sampling s = sampling_of();
    ptd_plan_program(&fixed, &r->model->config, ptd_threads_count());
    if (ptd_plan_weights(&fixed, r->model, store, 0)) ptd_die_last();
    ptd_plan_groups(&fixed, &opt.plan.expected, token_bytes());
    list_choices(r->model, choices);
    all = fixed;
    add_sampling(r->model, &s, &all);
    if (opt.plan.print) ptd_plan_tell(&all, &fixed, &opt.plan, choices, BEYOND);
    if (!ptd_plan_judge(&all, &fixed, room, choices, BEYOND)) return;
    if (opt.plan.room || opt.kv_max) ptd_die_last();
    ptd_warn("if all responses come to -m tokens, %s", ptd_failed_message());
    all = fixed;
    add_kv(r->model, 1, &all);
    if (ptd_plan_judge(&all, &fixed, room, choices, BEYOND)) ptd_die_last();
}

/* --plan without a data set. */
static _Noreturn void plan_alone(struct run *r)
{
    struct ptd_store *store;
    if (ptd_store_open(&store, opt.store, PTD_STORE_READ)) ptd_die_last();
    open_model(r, store);
    plan(r, store);
    ptd_die(PTD_BUG, "a plan that was not told");
}

static void open_run(struct run *r, const char *data)
{
    opt.places.may_lack = opt.skip_bad > 0;
    int mode = waits_for_verdicts() ? PTD_STORE_CACHE : PTD_STORE_READ;
    if (ptd_source_open_as(&r->src, opt.store, mode, data, &opt.places) ||
        ptd_source_system(&r->src, opt.system) ||
        ptd_source_pixels(&r->src, opt.max_pixels, opt.min_pixels))
        ptd_die_last();
    r->src.max_prompt = opt.max_prompt;
    r->src.skip_bad = opt.skip_bad;
    open_model(r, r->src.store);
    plan(r, r->src.store);
    r->live = ptd_live_open(r->src.store, 0);
    r->loaded = -1;
    r->eval = opt.greedy || opt.generation;
    r->rollouts = (struct ptd_rollouts){.src = &r->src,
                                        .model = r->model,
                                        .sampling = sampling_of(),
                                        .seed = opt.seed,
                                        .eval = r->eval};
    if (opt.rank.ranks > 1) r->rollouts.share = opt.rank.rank, r->rollouts.shares = opt.rank.ranks;
    r->rollouts.rounds = waits_for_verdicts();
    r->rollouts.sampling.banned = ptd_model_banned(r->model, ptd_tokenizer_size(r->src.tokenizer));
    read_stops(r);
    if (opt.top_logprobs > r->model->config.vocab)
        ptd_misuse("--top-logprobs %d: expected at most the vocabulary, %d", opt.top_logprobs,
                   r->model->config.vocab);
}

/* What is asked for by options of its own. */
static void asked_words(char *out, size_t size)
{
    char refill[40] = "", again[60] = "", strong[40] = "";
    if (opt.refill) snprintf(refill, sizeof refill, "; refill %d", opt.refill);
    if (opt.curriculum > 0) snprintf(again, sizeof again, "; curriculum %.17g", opt.curriculum);
    if (opt.min_p > 0) snprintf(strong, sizeof strong, "; min-p %.17g", opt.min_p);
    snprintf(out, size, "%s%s%s", refill, again, strong);
}

static char *sampling_words(const struct run *r)
{
    char asked[160], *stop = ptd_stops_words(&r->stops), *prompts = ptd_source_words(&r->src);
    asked_words(asked, sizeof asked);
    char *words =
        ptd_format("top-p %g; top-k %d; stop %s; lag %d%s%s%s", opt.top_p, opt.top_k, stop, opt.lag,
                   asked, opt.beside ? "; a greedy one beside" : "", prompts);
    free(prompts);
    free(stop);
    return words;
}

static void fill_head(struct run *r, const char *data, int64_t done, struct ptd_head *h)
{
    int64_t rows = ptd_dataset_rows(r->src.data);
    char *words = sampling_words(r);
    ptd_source_head(&r->src, data, h);
    h->mode = r->eval ? "eval" : "train";
    h->seed = opt.seed;
    h->steps = r->eval ? (rows + opt.step_groups - 1) / opt.step_groups : opt.steps;
    h->first_step = r->eval ? 1 : done + 1;
    h->group_size = r->rollouts.sampling.group_size - opt.beside;
    h->step_groups = opt.step_groups;
    h->max_tokens = opt.max_tokens;
    h->temperature = opt.temperature;
    h->top_logprobs = opt.top_logprobs;
    h->recorded = opt.record;
    h->waits = r->eval ? 0 : 1 + opt.lag;
    h->share = r->rollouts.share;
    h->shares = r->rollouts.shares;
    if (waits_for_verdicts())
        h->verdicts = ptd_head_text(h, ptd_verdicts_address(r->refill.verdicts));
    if (r->refill.relay) h->relay = ptd_head_text(h, ptd_relay_address(r->refill.relay));
    h->sampling = ptd_head_text(h, words);
    free(words);
}

static void close_run(struct run *r)
{
    if (ptd_writer_end(r->out) || ptd_writer_close(r->out)) ptd_die_last();
    if (r->src.n_bad) ptd_info("%d bad row%s left out", r->src.n_bad, r->src.n_bad == 1 ? "" : "s");
    tell_of_refill(r);
    free((void *)r->rollouts.sampling.banned);
    ptd_refill_clear(&r->refill);
    ptd_rollouts_clear(&r->rollouts);
    ptd_stops_clear(&r->stops);
    ptd_live_close(r->live);
    ptd_model_free(r->model);
    ptd_device_close(r->device);
    ptd_source_close(&r->src);
}

/* ---- as a filter ---- */

struct filtered {
    struct run run;
    struct ptd_privileged given;
    struct ptd_filter filter;
};

static int begin_filter(struct ptd_head *h, void *ctx)
{
    struct filtered *f = ctx;
    struct run *r = &f->run;
    if (!h->store || ptd_head_check_temperature(h))
        return ptd_fail(PTD_DATAERR, "the stream names no store, or no temperature: expected one "
                                     "that ptd-rollout began");
    if (ptd_source_model(&r->src, h->store)) return -1;
    open_model(r, r->src.store);
    f->filter.device = r->device;
    r->live = ptd_live_open(r->src.store, 0);
    r->loaded = -1;
    opt.temperature = h->temperature;
    opt.group_size = h->group_size;
    opt.max_tokens = h->max_tokens;
    opt.top_logprobs = h->top_logprobs;
    opt.record = h->recorded;
    opt.seed = h->seed;
    r->rollouts.sampling = sampling_of();
    r->rollouts.sampling.banned = ptd_model_banned(r->model, ptd_tokenizer_size(r->src.tokenizer));
    read_stops(r);
    f->given = (struct ptd_privileged){r->model, r->src.tokenizer, r->rollouts.sampling};
    return 0;
}

static int answer_step(struct ptd_group **g, int n, int *verbs, void *ctx)
{
    struct filtered *f = ctx;
    int64_t generation = g[0]->generation;
    uint8_t *changed = ptd_array((size_t)n, sizeof *changed);
    int rc =
        find(&f->run, generation)
            ? ptd_privileged_step(&f->given, g, n, changed)
            : ptd_fail(PTD_NOINPUT, "%s: generation %lld, which sampled step %lld, is not there",
                       ptd_store_path(f->run.src.store), (long long)generation,
                       (long long)g[0]->step);
    for (int i = 0; i < n; i++) verbs[i] = changed[i] ? PTD_CHANGED : PTD_PASS;
    free(changed);
    return rc;
}

static const char *tell_given(void *ctx)
{
    const struct filtered *f = ctx;
    static char words[80];
    snprintf(words, sizeof words, "%ld response%s to %ld prompt%s given with the hint",
             f->given.responses, ptd_plural(f->given.responses), f->given.groups,
             ptd_plural(f->given.groups));
    return words;
}

static int filter(int argc, char **argv, int first)
{
    static struct filtered f;
    if (argc - first > 1) ptd_misuse("--privileged: expected at most one stream");
    if (opt.greedy || opt.generation || waits_for_verdicts())
        ptd_misuse("--privileged goes with neither --greedy, --generation, --refill nor "
                   "--curriculum");
    f.filter = (struct ptd_filter){.usage = &usage,
                                   .ctx = &f,
                                   .begin = begin_filter,
                                   .batch = answer_step,
                                   .summary = tell_given};
    int status =
        ptd_filter_run(&f.filter, first < argc ? argv[first] : NULL, ptd_command_line(argc, argv));
    free((void *)f.run.rollouts.sampling.banned);
    ptd_stops_clear(&f.run.stops);
    ptd_live_close(f.run.live);
    ptd_model_free(f.run.model);
    ptd_device_close(f.run.device);
    ptd_source_close(&f.run.src);
    return status;
}

/* What was given and cannot have an effect is a mistake. */
static void refuse_idle_filter(void)
{
    static const char *const of_head[] = {
        "store",         "group-size",  "prompts",         "steps",
        "max-tokens",    "temperature", "system",          "max-prompt",
        "max-pixels",    "min-pixels",  "skip-bad",        "top-logprobs",
        "record",        "lag",         "shard",           "image-dir",
        "allow-outside", "seed",        "greedy-baseline", NULL};
    for (const char *const *o = of_head; *o; o++)
        ptd_opt_needs(*o, !opt.privileged, "no --privileged");
}

static void refuse_idle(void)
{
    static const char *const of_draws[] = {"group-size", "top-p", "min-p", "top-k", NULL};
    int eval = opt.greedy || opt.generation;
    refuse_idle_filter();
    for (const char *const *o = of_draws; *o; o++) ptd_opt_needs(*o, !opt.greedy, "no --greedy");
    ptd_opt_needs("lag", !eval, "neither --greedy nor --generation");
    ptd_opt_needs("part", !opt.kv_max, "no --kv-max");
}

/* Which share, of which store. */
static void read_rank(void)
{
    if (ptd_rank_read(opt.share, &opt.rank)) ptd_die_last();
    opt.store = ptd_launched_store(opt.store);
}

int main(int argc, char **argv)
{
    int first = ptd_opt_parse(&usage, argc, argv);
    struct run r = {0};
    struct ptd_head h = {0};
    int64_t done;
    refuse_idle();
    read_rank();
    if (opt.greedy && opt.beside) ptd_misuse("--greedy-baseline: without --greedy");
    if ((opt.greedy || opt.generation) && ptd_opt_given("steps"))
        ptd_misuse("--steps: --greedy and --generation ask each prompt of the data set once; for "
                   "the first N alone, give the first N lines of it (head -n N)");
    if (opt.privileged) {
        ptd_threads_start(opt.threads);
        return filter(argc, argv, first);
    }
    ptd_plan_read(&opt.plan);
    expect_options(&opt.plan.expected);
    if (argc - first != 1 && !(opt.plan.print && argc == first))
        ptd_misuse("expected one data set");
    ptd_threads_start(opt.threads);
    if (opt.plan.print) plan_alone(&r);
    ptd_asked_heed(tell, &r);
    if (!opt.greedy && !opt.generation && ptd_gate_wait(1)) ptd_die_last();
    open_run(&r, argv[first]);
    if (ptd_store_head(r.src.store, &done)) ptd_die_last();
    int64_t generation = chosen_generation(done);
    if (r.eval && waits_for_verdicts())
        ptd_misuse("--refill and --curriculum are for training, not with --greedy or --generation");
    if (r.eval) load(&r, generation);
    open_refill(&r, done);
    fill_head(&r, argv[first], done, &h);
    if (ptd_rollouts_check(&r.rollouts, &h)) ptd_die_last();
    r.out = r.rollouts.out = ptd_output_open(&h, usage.name, r.device, argc, argv);
    if (r.eval)
        evaluate(&r);
    else
        train(&r, done);
    close_run(&r);
    ptd_head_clear(&h);
    return 0;
}
