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
#include "rollout/rollout.h"
#include "base/launched.h"
#include "base/output.h"
#include "base/signals.h"
#include "base/threads.h"
#include <stdlib.h>
#include <string.h>

#define PART 65536

struct options opt = {.store = "run.ptd",
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

static int do_step(struct run *r, int64_t step)
{
    if (waits_for_verdicts()) return ptd_refill_step(&r->refill, step);
    return ptd_rollouts_step(&r->rollouts, step, (step - 1) * opt.step_groups, opt.step_groups);
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
        return answer_anew(&usage, argc, argv, first);
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
