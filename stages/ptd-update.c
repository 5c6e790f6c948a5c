/* ptd-update: the gradient step. Reads scored groups; at each verified step frame updates the
 * weights, which are the next generation, and publishes it, with optimizer and counters in one
 * transaction; or, with --publish-every, each K-th, and shares those between through memory.
 * Metrics go to standard output, one JSON object a step, once the step is published: what was told
 * is kept.
 *
 *     ptd-ref < hinted.rec | ptd-update >> metrics.jsonl
 *
 * --loss ppo: PPO clip, k3 KL where nothing is tutored, and the divergence from the tutor on
 * tutored responses (lib/method: learn.h, loss, kl, divergence). --method names what others are
 * made of (preset.h).
 * --loss sft: cross-entropy of the responses, under the hinted prompt where there is a hint. */
#include "update/update.h"
#include "base/command.h"
#include "base/launched.h"
#include "base/output.h"
#include "base/signals.h"
#include "base/threads.h"
#include "method/metrics.h"
#include "method/preset.h"
#include "method/trained.h"
#include <stdio.h>
#include <stdlib.h>

struct options opt = {
    .ranks = PTD_RANKS,
    .loss = "ppo",
    .recompute = "auto",
    .divergence = "jsd",
    .schedule = "constant",
    .moments = "f32",
    .master = "f32",
    .apply = "whole",
    .kl = "k3",
    .kl_in = "loss",
    .support = "union",
    .tutor_weight = "none",
    .tutor_as = "divergence",
    .kl_lift = "tutored",
    .lambda_schedule = "constant",
    .tail = 1,
    .lambda = {.from = 0.5},
    .clip = {-1, -1, -1},
    .updates = 1,
    .epochs = 1,
    .micro = 512,
    .max_bad = 3,
    .grace = 30,
    .rules = {.tau = 1, .beta = 0.01, .top_entropy = 1},
    .steered = {.horizon = 10000},
    .train = {.optimizer =
                  {.adamw = {.lr = 1e-6, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .decay = 0.01},
                   .clip = 1},
              .floor = 0.05,
              .keep = 3,
              .every = 1}};

static const struct ptd_opt options[] = {
    {"store", 's', PTD_OPT_STR, &opt.store, "DIR", "run directory (default: the stream's)", 0, 0},
    {"method", 0, PTD_OPT_PRESET, &opt.method, "NAME", PTD_PRESET_HELP, 0, 0, 1},
    {"loss", 0, PTD_OPT_STR, &opt.loss, "KIND", "%s", 0, 0},
    {"clip-low", 0, PTD_OPT_DOUBLE, &opt.clip.low, "X",
     "ratios below 1 - X gain nothing (default: 0.2; gspo, gspo-token 3e-4; gmpo 0.4, of the "
     "logarithm)",
     0, 100},
    {"clip-high", 0, PTD_OPT_DOUBLE, &opt.clip.high, "X",
     "ratios above 1 + X gain nothing (default: 0.28; gspo, gspo-token 4e-4; gmpo 0.4, of the "
     "logarithm; cispo 4)",
     0, 1e6},
    {"clip-dual", 0, PTD_OPT_DOUBLE, &opt.clip.dual, "X",
     "bound on the loss of bad tokens, as a ratio; 0: none (default: 3; gspo, gspo-token 0)", 0,
     1000},
    {"aggregate", 0, PTD_OPT_STR, &opt.aggregate, "HOW",
     "one vote for each token, or sequence: for each response, or constant: all are divided by "
     "--length (default: token; sapo, gspo, gspo-token, gmpo sequence)",
     0, 0},
    {"length", 0, PTD_OPT_LONG, &opt.length, "N",
     "of --aggregate constant; 0: the limit of responses", 0, 1e9},
    {"beta", 0, PTD_OPT_DOUBLE, &opt.rules.beta, "X", "weight of the KL to the reference", 0, 100},
    {"kl", 0, PTD_OPT_STR, &opt.kl, "KIND", "how that is estimated: %s", 0, 0},
    {"kl-in", 0, PTD_OPT_STR, &opt.kl_in, "WHERE",
     "loss, or reward: responses earn so much less, and advantages are worked out anew", 0, 0},
    {"kl-target", 0, PTD_OPT_DOUBLE, &opt.steered.target, "X",
     "beta moves so that the KL comes to X (0: it stays)", 0, 1e6},
    {"kl-horizon", 0, PTD_OPT_DOUBLE, &opt.steered.horizon, "N",
     "responses in which beta can move by a fifth", 1, 1e12},
    {"entropy-bonus", 0, PTD_OPT_DOUBLE, &opt.rules.bonus, "X",
     "weight of the mean entropy, which becomes larger", -100, 100},
    {"top-entropy", 0, PTD_OPT_DOUBLE, &opt.rules.top_entropy, "SHARE",
     "the policy gradient sees this share of tokens, those of most entropy (1: all)", 1e-6, 1},
    {"tis", 0, PTD_OPT_DOUBLE, &opt.tis, "C",
     "ratios compare with the weights at the step's begin, and tokens count as often as these "
     "would have sampled them, at most C times; for ptd-rollout --lag (0: neither)",
     0, 1e6},
    {"train", 0, PTD_OPT_STR, &opt.train.trained, "WHAT", PTD_TRAINED_HELP, 0, 0},
    {"lr", 0, PTD_OPT_DOUBLE, &opt.train.optimizer.adamw.lr, "X", "peak learning rate", 0, 1},
    {"warmup", 0, PTD_OPT_LONG, &opt.train.warmup, "N", "steps of linear warm-up", 0, 1e9},
    {"schedule", 0, PTD_OPT_STR, &opt.schedule, "KIND", "after it: constant, cosine, linear", 0, 0},
    {"floor", 0, PTD_OPT_DOUBLE, &opt.train.floor, "X",
     "share of the learning rate that cosine and linear end at", 0, 1},
    {"lambda", 0, PTD_OPT_DOUBLE, &opt.lambda.from, "X", "weight of the divergence from the tutor",
     0, 1000},
    {"lambda-schedule", 0, PTD_OPT_STR, &opt.lambda_schedule, "KIND", "over the run: %s", 0, 0},
    {"lambda-end", 0, PTD_OPT_DOUBLE, &opt.lambda.end, "X",
     "share of lambda that linear and cosine end at", 0, 1000},
    {"tau", 0, PTD_OPT_DOUBLE, &opt.rules.tau, "T", "groups below this accuracy are tutored", 0, 2},
    {"top-k", 'k', PTD_OPT_INT, &opt.rules.top_k, "K",
     "at most this many of the tutor's ids (0: all in the stream)", 0, 256},
    {"divergence", 0, PTD_OPT_STR, &opt.divergence, "KIND",
     "%s; gjsd=B is short for both its options", 0, 0},
    {"support", 0, PTD_OPT_STR, &opt.support, "WHOSE",
     "words at which student and tutor are compared: %s (all where ptd-ref has -k full)", 0, 0},
    {"tail", 0, PTD_OPT_FLAG, &opt.tail, NULL,
     "all other words are one more (--no-tail: they are left out on both sides)", 0, 0},
    {"tutor-weight", 0, PTD_OPT_STR, &opt.tutor_weight, "KIND",
     "what a tutored token counts: %s: 1, the student's entropy, the tutor's best probability, the "
     "ratio up to 2",
     0, 0},
    {"tutor-as", 0, PTD_OPT_STR, &opt.tutor_as, "WHAT",
     "%s: lambda times the log-ratio of tutor and student joins each token's advantage", 0, 0},
    {"kl-lift", 0, PTD_OPT_STR, &opt.kl_lift, "WHICH",
     "groups without a KL to the reference: %s: those with a tutored response, all below tau, none",
     0, 0},
    {"masked-kl", 0, PTD_OPT_DOUBLE, &opt.rules.tutoring.masked, "X",
     "weight of the distance from what is said with masked pictures, which becomes larger (PAPO; "
     "needs ptd-ref --mask-picture)",
     0, 100},
    {"ema", 0, PTD_OPT_DOUBLE, &opt.train.ema, "D",
     "keeps the running mean of the weights, which moves by 1 - D a step, for ptd-ref --teacher "
     "ema (0: none)",
     0, 0.9999999},
    {"picture-words", 0, PTD_OPT_DOUBLE, &opt.words, "X",
     "sft: weight of picture tokens naming what they show (needs objects in the data)", 0, 1000},
    {"updates", 'u', PTD_OPT_INT, &opt.updates, "N",
     "optimizer steps per step: the groups in N parts", 1, 1024},
    {"epochs", 0, PTD_OPT_INT, &opt.epochs, "N", "times that a step's groups are learned from", 1,
     1024},
    {"micro", 0, PTD_OPT_LONG, &opt.micro, "N",
     "packed tokens of a micro-batch; changes memory, not results beyond rounding", 1, 1e8},
    {"recompute", 0, PTD_OPT_STR, &opt.recompute, "KIND",
     "activations that backward makes again, to the same bits: none, layer (all but each layer's "
     "input, a quarter more time), N (those of N layers), auto (of as few as leaves them half of "
     "the memory there is)",
     0, 0, 1},
    PTD_PLAN_OPTIONS(opt.plan),
    {"beta1", 0, PTD_OPT_DOUBLE, &opt.train.optimizer.adamw.beta1, "X", "AdamW", 0, 0.99999},
    {"beta2", 0, PTD_OPT_DOUBLE, &opt.train.optimizer.adamw.beta2, "X", "AdamW", 0, 0.9999999},
    {"weight-decay", 0, PTD_OPT_DOUBLE, &opt.train.optimizer.adamw.decay, "X",
     "AdamW, matrices only", 0, 10},
    {"clip-grad", 0, PTD_OPT_DOUBLE, &opt.train.optimizer.clip, "X",
     "global norm of the gradient (0: no clipping)", 0, 1e6},
    {"moments", 0, PTD_OPT_STR, &opt.moments, "FORM", "the optimizer's moments: %s", 0, 0},
    {"master", 0, PTD_OPT_STR, &opt.master, "FORM",
     "the weights it moves: %s; split, none: a network in bf16 (ptd-init --dtype bf16)", 0, 0},
    {"apply", 0, PTD_OPT_STR, &opt.apply, "HOW",
     "gradients: whole, or layer: as soon as a layer's is there, without memory for all; an update "
     "is one micro-batch, and computed twice if it clips",
     0, 0},
    {"keep", 0, PTD_OPT_INT, &opt.train.keep, "N",
     "newest generations to keep; the first stays anyway", 2, 1 << 20},
    {"publish-every", 0, PTD_OPT_INT, &opt.train.every, "K",
     "publish each K-th generation and the last; those between are shared through memory, and made "
     "again after a kill",
     1, 1 << 20, 1},
    {"trace", 0, PTD_OPT_STR, &opt.trace, "FILE",
     "for people: the groups with divergence, entropy and advantage of each token, as a stream "
     "(ptd-dump --html shows them); a run that goes on goes on with it",
     0, 0, 1},
    {"max-bad-steps", 0, PTD_OPT_INT, &opt.max_bad, "N",
     "refused steps in a row that end the run with status 79", 1, 1 << 20},
    {"grace", 0, PTD_OPT_INT, &opt.grace, "S",
     "on SIGTERM, SIGHUP, SIGUSR1: the step in flight is dropped if not done after S seconds", 1,
     86400},
    {"change", 0, PTD_OPT_STR, &opt.train.change, "NAME,...",
     "these settings may differ from here on, as lr or steps; what they were is kept in the store",
     0, 0, 1},
    PTD_RANKS_OPTIONS(opt.ranks),
    {"resume-anyway", 0, PTD_OPT_FLAG, &opt.anyway, NULL,
     "resume although the result will not be exact", 0, 0},
    {"device", 0, PTD_OPT_STR, &opt.device, "NAME", PTD_DEVICE_HELP, 0, 0, 1},
    {"threads", 'j', PTD_OPT_INT, &opt.threads, "N", "0: as many as there are cores", 0, 256},
    {0}};
static const struct ptd_method_choice choices[] = {{"method", ptd_presets},
                                                   {"loss", ptd_losses},
                                                   {"kl", ptd_kls},
                                                   {"lambda-schedule", ptd_lambda_schedules},
                                                   {"divergence", ptd_divergences},
                                                   {"support", ptd_supports},
                                                   {"tutor-weight", ptd_weighings},
                                                   {"tutor-as", ptd_tutor_uses},
                                                   {"kl-lift", ptd_lifts},
                                                   {"moments", ptd_moment_forms},
                                                   {"master", ptd_masters},
                                                   {0}};
static struct ptd_usage usage = {
    "ptd-update",
    "[FILE]",
    "one gradient step for each step of the stream, published as a generation",
    "ptd-rollout -s run.ptd train.jsonl | ptd-verify | ptd-hint | ptd-ref | ptd-update\n"
    "ptd-gold -s base.ptd warm.jsonl | ptd-hint --always | ptd-update --loss sft --lr 3e-3",
    options,
    "0 done, 2 misuse, 65 bad data, 66 no input, 71 no memory, 74 i/o, 75 stopped, 76 cut, "
    "77 no permission or taken, 78 config, 79 diverged",
    ptd_preset};

static void tell(const void *ctx)
{
    struct run *r = (struct run *)(uintptr_t)ctx;
    char words[256], note[64];
    if (over) drop_step(r);
    if (!begun) {
        ptd_tell("starting");
        return;
    }
    snprintf(note, sizeof note, "%d groups of step %lld read", r->step.n,
             (long long)r->train->generation + 1);
    ptd_progress_words(&r->progress, note, words, sizeof words);
    ptd_tell("%s", words);
}

/* 1: some rank says so. */
static int anyone(struct run *r, int says)
{
    double sum[1] = {says != 0};
    if (ptd_comm_sum(r->comm, sum, 1)) ptd_die_last();
    return sum[0] > 0;
}

/* The stream failed, maybe since what writes it was stopped as we were. */
static int status_of_cut(void)
{
    return stop_asked && ptd_failed_status() == PTD_CUT ? PTD_STOPPED : ptd_failed_status();
}

/* Was our stream cut for what another rank is about to say, or as we were asked to stop? Else it
 * ends us at once, and the launcher the others, which may wait for their shares for long. */
static int follows(int status)
{
    return status == PTD_STOPPED || ptd_exchange_over(opt.ranks.exchange);
}

/* All ranks have read this step, or the end of their streams (0), which were cut if there is a
 * status: then the rank that knows why says so. */
static void meet(struct run *r, int64_t step, int status)
{
    int ranks = ptd_comm_ranks(r->comm), rank = ptd_comm_rank(r->comm), behind = -1, failed = -1;
    int64_t mine[2] = {step, status}, *all = ptd_array((size_t)ranks, sizeof mine);
    if (ptd_comm_gather(r->comm, mine, sizeof mine, all)) ptd_die_last();
    for (int i = ranks - 1; i >= 0; i--) {
        if (all[2 * i + 1] && (failed < 0 || all[2 * i + 1] != PTD_CUT)) failed = i;
        if (!all[2 * i]) behind = i;
    }
    if (failed >= 0 && failed != rank) settle(r);
    if (failed >= 0 && failed != rank) ptd_leave((int)all[2 * failed + 1]);
    for (int i = 0; i < ranks && failed < 0 && behind >= 0; i++) {
        if (!all[2 * i]) continue;
        ptd_fail(PTD_CUT, "%s: ends before step %lld, which rank %d has", ptd_reader_name(r->in),
                 (long long)all[2 * i], i);
        settle(r);
        ptd_ranks_end(&opt.ranks, rank == behind);
    }
    free(all);
}

static void train(struct run *r)
{
    struct ptd_progress *p = &r->progress;
    struct ptd_frame f;
    int64_t number;
    int got;
    char note[96];
    ptd_progress_start(p, "steps", r->first, r->head.steps);
    begun = 1;
    r->step.wait = ptd_now();
    while ((got = ptd_reader_next(r->in, &f)) > 0) {
        if (f.kind == PTD_GROUP) take_group(r, &f);
        if (f.kind != PTD_STEP) continue;
        if (ptd_frame_step(&f, &number)) ptd_die_last();
        meet(r, number, 0);
        r->given = 0;
        do_step(r, number);
        ptd_progress_set(p, number, ptd_metrics_note(note, sizeof note));
        let_go(&r->step, 0);
        if (anyone(r, stop_asked)) {
            ptd_progress_clear(p);
            settle(r);
            if (ptd_trace_close(r->trace)) ptd_die_last();
            ptd_fail(PTD_STOPPED,
                     "stopped on request after step %lld; the same command line goes on",
                     (long long)number);
            end_together(r);
        }
    }
    ptd_progress_clear(p);
    if (got < 0 && ptd_exchange_failed(opt.ranks.exchange)) die_settled(r);
    if (got < 0 && r->comm && !follows(status_of_cut())) die_settled(r);
    meet(r, 0, got < 0 ? status_of_cut() : 0);
    settle(r);
    if (got < 0 && status_of_cut() == PTD_STOPPED)
        ptd_die(PTD_STOPPED,
                "stopped on request after step %lld, and so was what writes the stream; the same "
                "command line goes on",
                (long long)r->train->generation);
    if (got < 0) ptd_die_last();
}

int main(int argc, char **argv)
{
    ptd_here_tell();
    usage.options = ptd_method_options(options, choices);
    int first = ptd_opt_parse(&usage, argc, argv);
    struct run r = {0};
    double started = ptd_now();
    if (argc - first > 1) ptd_misuse("expected one stream");
    settle_options();
    ptd_threads_start(opt.threads);
    if (opt.plan.print) plan_alone(&r, argv[first]);
    heed_signals();
    ptd_asked_heed(tell, &r);
    open_run(&r, argv[first], argc, argv);
    train(&r);
    close_run(&r);
    if (!opt.ranks.launched.rank)
        ptd_info("%lld step%s, now generation %lld, %.1f s",
                 (long long)(r.train->generation - r.first),
                 ptd_plural(r.train->generation - r.first), (long long)r.train->generation,
                 ptd_now() - started);
    clear_run(&r);
    return 0;
}
