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
#include "base/command.h"
#include "base/launched.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/threads.h"
#include "compute/device.h"
#include "flow/filter.h"
#include "method/before.h"
#include "method/gradients.h"
#include "method/learn.h"
#include "method/metrics.h"
#include "method/preset.h"
#include "method/privileged.h"
#include "method/ranks.h"
#include "method/settings.h"
#include "method/shares.h"
#include "method/source.h"
#include "method/steered.h"
#include "method/teacher.h"
#include "method/trace.h"
#include "method/train.h"
#include "net/plan.h"
#include "method/trained.h"
#include "method/worth.h"
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    const char *store, *loss, *divergence, *schedule, *device, *recompute, *moments, *master,
        *apply, *trace, *method, *aggregate, *kl, *kl_in, *support, *tutor_weight, *tutor_as,
        *kl_lift, *lambda_schedule;
    int tail;
    struct ptd_lambda lambda;
    struct ptd_clip clip; /* below 0: as the loss has it */
    struct ptd_loss_rules rules;
    struct ptd_steered steered;
    struct ptd_train_rules train;
    double words;
    int updates, epochs, anyway, threads, max_bad, grace;
    int64_t micro, length;
    double tis;
    struct ptd_plan_asked plan;
    struct ptd_ranks ranks;
} opt = {
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
     "would "
     "have sampled them, at most C times; for ptd-rollout --lag (0: neither)",
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
     "activations that backward makes again, to the same bits: none, layer (all but a layer's "
     "input, "
     "a quarter more time), auto (layer where they would take half of the memory there is)",
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

/* untold: a step is published, its metrics are not out; ahead: steps are done that are not
 * published; moved: the step in flight has changed the weights; over: the time of grace is */
static volatile sig_atomic_t begun, stop_asked, untold, ahead, moved, over;

/* From a handler, at any moment: the store bears it. */
static void leave(const char *words)
{
    ssize_t ignored = write(2, words, strlen(words));
    (void)ignored;
    _exit(PTD_STOPPED);
}

static void on_stop(int sig)
{
    (void)sig;
    if (!begun)
        leave("ptd-update: stopped on request before it began; the same command line goes on\n");
    if (!stop_asked) alarm(opt.grace);
    stop_asked = 1;
}

static void on_grace_over(int sig)
{
    (void)sig;
    if (ahead && !moved) {
        over = 1;
        ptd_ask(); /* drop_step */
        return;
    }
    if (ahead)
        leave("ptd-update: stopped on request; the steps since the last published one are dropped; "
              "the same command line goes on\n");
    if (untold)
        leave("ptd-update: stopped on request; the last step is published, but nobody took its "
              "metrics; the "
              "same "
              "command line goes on\n");
    leave("ptd-update: stopped on request; the step in flight is dropped; the same command line "
          "goes on\n");
}

static void heed_signals(void)
{
    struct sigaction alarmed = {.sa_handler = on_grace_over}; /* ends waiting */
    signal(SIGTERM, on_stop);
    if (signal(SIGHUP, on_stop) == SIG_IGN) signal(SIGHUP, SIG_IGN); /* nohup */
    signal(SIGUSR1, on_stop);
    sigaction(SIGALRM, &alarmed, NULL);
}

struct held {
    struct ptd_group group;
    char *body;
    struct ptd_frame frame; /* where it came from; its bytes are gone */
};                          /* a group that outlives the reader's buffer */

struct step {
    struct held *held;
    struct ptd_group **groups;
    int n, cap;
    double wait; /* when the last step ended */
};

struct run {
    struct ptd_head head;
    struct ptd_reader *in;
    struct ptd_device *device;
    struct ptd_train *train;
    struct ptd_score *score;
    struct ptd_tokenizer *tokenizer;
    struct ptd_ground ground;
    struct step step;
    struct ptd_before before;        /* the step */
    struct ptd_before whole;         /* of all ranks, for metrics */
    struct ptd_comm *comm;           /* NULL: one rank */
    struct ptd_gradients *gradients; /* NULL: one rank */
    struct ptd_cards *cards;         /* NULL: sums go through the host */
    struct ptd_shares shares;
    int64_t given;                         /* groups of the step that the stream had, ours or not */
    const struct ptd_advantage *advantage; /* of a KL in the reward */
    struct ptd_teacher *frozen; /* of a KL over all words; NULL: nobody reads beside the student */
    struct ptd_reference reference;
    struct ptd_teacher *teacher; /* whose hidden rows the stream has; NULL: none yet */
    struct ptd_trace *trace;     /* NULL: none is kept */
    struct ptd_progress progress;
    int64_t first;  /* generation at start */
    size_t left;    /* memory for all but weights, gradients, moments */
    char *lines;    /* metrics of steps that are not published */
    size_t n_lines; /* bytes */
};

static int schedule_named(const char *name)
{
    static const char *const names[] = {"constant", "cosine", "linear"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(name, names[i])) return i;
    ptd_misuse("--schedule \"%s\": expected one of constant, cosine, linear", name);
}

static double given(double x, double own)
{
    return x < 0 ? own : x;
}

/* What the loss is made of: its own where nothing is given. */
static void settle_loss(void)
{
    struct ptd_loss_rules *r = &opt.rules;
    if (!(r->loss = ptd_loss_named(opt.loss)) || !(r->kl = ptd_kl_named(opt.kl)))
        ptd_misuse("%s", ptd_failed_message());
    const char *wrong = r->loss->wrong ? r->loss->wrong(r->loss->is.own) : NULL,
               *aggregate = opt.aggregate        ? opt.aggregate
                            : r->loss->aggregate ? r->loss->aggregate
                                                 : "token";
    if (wrong) ptd_misuse("%s", wrong);
    if ((r->aggregate = ptd_aggregate_named(aggregate)) < 0) ptd_misuse("%s", ptd_failed_message());
    r->clip = (struct ptd_clip){given(opt.clip.low, r->loss->clip.low),
                                given(opt.clip.high, r->loss->clip.high),
                                given(opt.clip.dual, r->loss->clip.dual)};
    r->kl_in_reward = !r->loss->supervised && !strcmp(opt.kl_in, "reward");
    if (strcmp(opt.kl_in, "reward") && strcmp(opt.kl_in, "loss"))
        ptd_misuse("--kl-in \"%s\": expected loss or reward", opt.kl_in);
    if (r->kl_in_reward && !r->kl->value)
        ptd_misuse("--kl %s: in the loss alone, expected another for --kl-in reward",
                   r->kl->is.name);
    if (r->clip.dual > 0 && r->clip.dual <= 1)
        ptd_misuse("--clip-dual %g: expected more than 1, or 0 for none", r->clip.dual);
    if (opt.steered.target > 0 && !(r->beta > 0))
        ptd_misuse("--kl-target %g: expected a --beta above 0 to begin with", opt.steered.target);
}

/* Does a frozen model read beside the student? */
static int reads_reference(void)
{
    return !opt.rules.kl->value && ptd_loss_reference(&opt.rules) > 0;
}

static int named(ptd_method_table table, const char *option, const char *name)
{
    int code = ptd_coded_named(table, option, name);
    if (code < 0) ptd_misuse("%s", ptd_failed_message());
    return code;
}

static void settle_tutoring(void)
{
    struct ptd_tutoring *t = &opt.rules.tutoring;
    t->support = named(ptd_supports, "support", opt.support);
    t->weigh = named(ptd_weighings, "tutor-weight", opt.tutor_weight);
    t->lift = named(ptd_lifts, "kl-lift", opt.kl_lift);
    t->as_advantage = named(ptd_tutor_uses, "tutor-as", opt.tutor_as);
    t->no_tail = !opt.tail;
    opt.lambda.schedule = named(ptd_lambda_schedules, "lambda-schedule", opt.lambda_schedule);
    opt.rules.lambda = opt.lambda.from;
    if (t->as_advantage && t->weigh != PTD_WEIGH_NONE)
        ptd_misuse("--tutor-weight %s: the divergence has weights, and --tutor-as advantage none",
                   opt.tutor_weight);
}

/* What a supervised loss does not look at. */
static const char *const of_rewards[] = {
    "beta",      "kl",         "kl-in",        "kl-target",       "kl-horizon",
    "tis",       "lambda",     "tau",          "lambda-schedule", "lambda-end",
    "top-k",     "divergence", "gjsd",         "support",         "tail",
    "masked-kl", "tutor-as",   "tutor-weight", "kl-lift",         NULL};

/* What was given and cannot have an effect is a mistake. */
static void refuse_idle(void)
{
    const struct ptd_loss *loss = opt.rules.loss;
    for (const char *const *o = of_rewards; *o; o++)
        ptd_opt_needs(*o, !loss->supervised, "a --loss of rewards");
    ptd_opt_needs("picture-words", loss->supervised, "--loss sft");
    ptd_opt_needs("clip-low", loss->clips & PTD_CLIP_LOW, "a --loss that has such a clip");
    ptd_opt_needs("clip-high", loss->clips & PTD_CLIP_HIGH, "a --loss that has such a clip");
    ptd_opt_needs("clip-dual", loss->clips & PTD_CLIP_DUAL, "a --loss that has such a clip");
    ptd_opt_needs("length", opt.rules.aggregate == PTD_BY_CONSTANT, "--aggregate constant");
    ptd_opt_needs("kl-horizon", opt.steered.target > 0, "--kl-target");
    ptd_opt_needs("lambda-end", strcmp(opt.lambda_schedule, "constant"), "--lambda-schedule");
    ptd_opt_needs("gjsd", !strchr(opt.divergence, '='), "a --divergence that does not set it");
    ptd_method_refuse_others(ptd_losses, "loss", &loss->is);
    ptd_method_refuse_others(ptd_divergences, "divergence", &opt.rules.divergence->is);
}

static void settle_options(void)
{
    settle_loss();
    settle_tutoring();
    if (!(opt.rules.divergence = ptd_divergence_named(opt.divergence)))
        ptd_misuse("%s", ptd_failed_message());
    refuse_idle();
    if (!(opt.train.optimizer.moments = ptd_moments_named(opt.moments)) ||
        !(opt.train.optimizer.master = ptd_master_named(opt.master)))
        ptd_misuse("%s", ptd_failed_message());
    opt.train.by_part = opt.rules.whole = !strcmp(opt.apply, "layer");
    if (!opt.train.by_part && strcmp(opt.apply, "whole") != 0)
        ptd_misuse("--apply \"%s\": expected whole or layer", opt.apply);
    opt.train.schedule = schedule_named(opt.schedule);
    opt.rules.micro_tokens = opt.micro;
    if (opt.ranks.share && opt.train.by_part)
        ptd_misuse("--shard-optimizer: with --apply whole alone");
    ptd_plan_read(&opt.plan);
    if (strcmp(opt.recompute, "auto") && strcmp(opt.recompute, "none") &&
        strcmp(opt.recompute, "layer"))
        ptd_misuse("--recompute \"%s\": expected one of auto, none, layer", opt.recompute);
}

/* ---- memory ---- */

#define BEYOND                                                                                     \
    "more memory, a smaller model, or fewer parameters that are trained (--train, ptd-init "       \
    "--lora)"

/* What --recompute says of micro-batches like these, when so much is left. */
static int keep_of(struct ptd_model *m, const struct ptd_shape *s, size_t left)
{
    if (!strcmp(opt.recompute, "none")) return PTD_KEEP_ALL;
    if (!strcmp(opt.recompute, "layer")) return PTD_KEEP_INPUTS;
    return ptd_plan_pool(m, PTD_KEEP_ALL, s) > left / 2 ? PTD_KEEP_INPUTS : PTD_KEEP_ALL;
}

static void add_micro(void *ctx, int64_t micro, struct ptd_plan *p)
{
    struct ptd_shape s;
    ptd_plan_pack(&opt.plan.expected, (long)micro, ctx, &s);
    ptd_plan_activations(p, ctx, PTD_KEEP_INPUTS, &s);
}

/* What the teacher's head will take; one that does not move is mapped. */
static size_t teacher_bytes(struct ptd_device *d, const struct ptd_teacher *t)
{
    return ptd_lm_head_bytes(d, t->vocab, LONG_MAX) +
           (t->moves ? (size_t)t->vocab * t->hidden * sizeof(float) : 0);
}

/* Where the stream that is planned for has hidden rows: their bytes a number, and the head. */
static size_t plan_teacher(struct run *r, struct ptd_train *t, struct ptd_plan *p)
{
    if (!ptd_teacher_rows_noted(&r->head)) return PTD_PLAN_TOKEN(PTD_PLAN_IDS, PTD_PLAN_IDS);
    struct ptd_teacher *teacher = ptd_teacher_noted(t->store, &r->head, r->device);
    if (!teacher) ptd_die_last();
    size_t row = teacher->hidden * sizeof(float);
    ptd_plan_add(p, "teacher's head", teacher_bytes(r->device, teacher));
    ptd_teacher_close(teacher);
    return PTD_PLAN_TOKEN(PTD_PLAN_IDS, 0) + row;
}

/* Prints the plan of the whole command and ends the program. */
static _Noreturn void tell_plan(struct run *r, struct ptd_train *t, struct ptd_plan *fixed,
                                size_t room)
{
    const struct ptd_expected *e = &opt.plan.expected;
    const struct ptd_plan_choice choices[] = {{"--recompute layer --micro", opt.micro,
                                               (e->prompt + e->answer + 1) / 2, add_micro,
                                               t->model},
                                              {0}};
    struct ptd_shape s;
    ptd_plan_groups(fixed, e, plan_teacher(r, t, fixed));
    struct ptd_plan all = *fixed;
    size_t sum = ptd_plan_sum(fixed), left = room > sum ? room - sum : 0;
    ptd_plan_pack(e, opt.micro, t->model, &s);
    ptd_plan_activations(&all, t->model, keep_of(t->model, &s, left), &s);
    ptd_plan_tell(&all, fixed, &opt.plan, choices, BEYOND);
}

/* Before anything large is taken: what is certain must fit. */
static int before_memory(void *ctx, struct ptd_train *t)
{
    struct run *r = ctx;
    struct ptd_plan p = {0};
    size_t room = ptd_plan_room(&opt.plan), fixed;
    ptd_plan_program(&p, &t->model->config, ptd_threads_count());
    if (ptd_train_plan(t, &p)) return -1;
    if (reads_reference() && ptd_plan_weights(&p, t->model, t->store, 0)) return -1;
    if (opt.plan.print) tell_plan(r, t, &p, room);
    fixed = ptd_plan_sum(&p);
    if (ptd_plan_check(&p, room, BEYOND)) return -1;
    r->left = room == SIZE_MAX ? SIZE_MAX : room - fixed;
    return 0;
}

/* What is left once the rest is there decides what is recomputed. */
static void bound_activations(const struct run *r)
{
    struct ptd_score *s = r->score;
    if (!strcmp(opt.recompute, "layer")) s->batch->keep = PTD_KEEP_INPUTS;
    if (!strcmp(opt.recompute, "auto")) s->keep_most = r->left / 2;
    if (opt.plan.room) s->room = r->left;
}

/* --plan: of a stream that is named only the head is read. */
static _Noreturn void plan_alone(struct run *r, const char *operand)
{
    struct ptd_train_rules rules = opt.train;
    struct ptd_rank launched;
    if (ptd_rank_read(opt.ranks.which, &launched)) ptd_die_last();
    if (opt.ranks.share)
        rules.optimizer.rank = launched.rank, rules.optimizer.ranks = launched.ranks;
    rules.before = before_memory;
    rules.ctx = r;
    rules.plans = 1;
    rules.waits = 1;
    if (operand) r->in = ptd_input_open(operand, &r->head);
    const char *store = opt.store ? opt.store : r->head.store;
    if (!store) ptd_misuse("--plan: expected --store, which says what the model is");
    if (!(r->device = ptd_device_open(opt.device))) ptd_die_last();
    if (!ptd_train_open(store, &rules, "{}", 0, r->device)) ptd_die_last();
    ptd_die(PTD_BUG, "a plan that was not told");
}

/* A method is half of ptd-verify's. */
static void compare_method(const struct ptd_head *h)
{
    const char *wants = opt.method ? ptd_preset(opt.method, "advantage") : NULL;
    const struct ptd_advantage *a = wants ? ptd_worth_noted(h) : NULL;
    if (a && strcmp(a->is.name, wants) != 0)
        ptd_warn("--method %s goes with ptd-verify --method %s, whose --advantage is %s; the "
                 "stream's is %s",
                 opt.method, opt.method, wants, a->is.name);
}

/* Advantages that compare a whole step are made anew by those who have all of it. */
static void take_advantage(struct run *r)
{
    const struct ptd_advantage *a =
        r->comm && !opt.rules.loss->supervised ? ptd_worth_noted(&r->head) : NULL;
    if (!a || !a->step) return;
    if (a->parts || ptd_worth_leaves_cut(&r->head))
        ptd_die(PTD_CONFIG,
                "--advantage %s compares all responses of a step, and rank %d of %d cannot: %s",
                a->is.name, ptd_comm_rank(r->comm), ptd_comm_ranks(r->comm),
                a->parts ? "the parts of rewards are not in the stream"
                         : "ptd-verify --overlong-filter has left some out of the stream");
    r->advantage = a;
}

/* What the loss needs to know of it. */
static void read_head(struct run *r)
{
    if (!opt.rules.loss->supervised) compare_method(&r->head);
    take_advantage(r);
    opt.rules.length = opt.length ? opt.length : r->head.max_tokens;
    if (opt.rules.aggregate == PTD_BY_CONSTANT && !(opt.rules.length > 0))
        ptd_misuse("--aggregate constant: the stream names no limit of responses: give --length");
    if (opt.rules.kl_in_reward && !(r->advantage = ptd_worth_noted(&r->head))) ptd_die_last();
    if (opt.rules.kl_in_reward && ptd_privileged_noted(&r->head))
        ptd_misuse("--kl-in reward: responses of ptd-rollout --privileged have no advantage that "
                   "could be worked out anew: expected --kl-in loss");
    if (opt.rules.kl_in_reward && r->advantage->parts)
        ptd_misuse("--kl-in reward: --advantage %s of ptd-verify needs the parts of rewards, which "
                   "are not in the stream: expected another, or --kl-in loss",
                   r->advantage->is.name);
}

static void open_reference(struct run *r)
{
    if (!reads_reference()) return;
    if (!(r->frozen = ptd_teacher_open(r->train->store, "frozen", r->device)) ||
        ptd_teacher_seek(r->frozen, 0) || ptd_teacher_load(r->frozen, &opt.plan))
        ptd_die_last();
    r->reference.score = r->frozen->score;
    opt.rules.reference = &r->reference;
}

/* ---- ranks ---- */

static void on_others_end(void *ctx, int status);

/* The other ranks, and the generation to go on from, before any program of the pipe asks for it. */
static void open_ranks(struct run *r)
{
    const char *store = opt.store ? opt.store : ptd_launched_store(NULL);
    if (ptd_ranks_open(&opt.ranks)) ptd_die_last();
    r->comm = opt.ranks.comm;
    ptd_comm_on_end(r->comm, on_others_end, r);
    if (ptd_ranks_agree(&opt.ranks, store)) ptd_die_last();
    ptd_gate_open();
    opt.train.can_go_back = r->comm != NULL;
    if (!r->comm || !opt.ranks.share) return;
    opt.train.optimizer.rank = ptd_comm_rank(r->comm);
    opt.train.optimizer.ranks = ptd_comm_ranks(r->comm);
}

/* Our share, if the stream is one, is that of our rank. */
static void check_share(const struct run *r)
{
    const struct ptd_head *h = &r->head;
    int rank = ptd_comm_rank(r->comm), ranks = ptd_comm_ranks(r->comm);
    if (h->shares < 2 || (h->share == rank && h->shares == ranks)) return;
    ptd_die(PTD_CONFIG, "%s: has share %d of %d of each step, expected that of rank %d of %d",
            ptd_reader_name(r->in), h->share, h->shares, rank, ranks);
}

/* What learning does goes over all ranks. */
static void join_sums(struct run *r)
{
    if (!r->comm) return;
    opt.rules.comm = r->comm;
    opt.rules.last = opt.train.by_part ? NULL : ptd_gradients_last;
    opt.rules.last_ctx = r->gradients;
}

/* The cards find each other. */
static void open_cards(struct run *r)
{
    if (!r->comm || !ptd_ranks_on_cards(&opt.ranks, r->device)) return;
    if (!(r->cards = ptd_cards_open(r->comm))) ptd_die_last();
}

/* The ranks must be the same. */
static void join_ranks(struct run *r)
{
    struct ptd_ranks_own own = {r->train->store, r->train->generation, r->train->settings};
    struct ptd_optimizer_rules *rules = ptd_optimizer_rules(r->train->optimizer);
    if (!r->comm) return;
    if (ptd_ranks_compare(&opt.ranks, &own)) ptd_die_last();
    r->gradients = ptd_gradients_new(r->train->model, r->comm, opt.ranks.form, opt.ranks.share);
    ptd_gradients_on_cards(r->gradients, r->cards);
    rules->total = ptd_gradients_total;
    rules->spread = ptd_gradients_spread;
    ptd_worth_over(r->comm);
    rules->order = ptd_gradients_order(r->gradients);
    rules->sum_ctx = r->gradients;
    if (opt.train.by_part) rules->sum = ptd_gradients_part;
    join_sums(r);
}

static void open_run(struct run *r, const char *operand)
{
    const char *store;
    char *settings;
    struct ptd_tokenizer *tok;
    ptd_progress_join();
    open_ranks(r);
    r->in = ptd_input_open(operand, &r->head);
    if (!r->head.mode || strcmp(r->head.mode, "train"))
        ptd_die(
            PTD_CONFIG,
            "%s: an evaluation stream (--greedy or --generation): expected one made for training",
            ptd_reader_name(r->in));
    if (ptd_head_check_temperature(&r->head))
        ptd_die(PTD_DATAERR, "%s: %s", ptd_reader_name(r->in), ptd_failed_message());
    store = opt.store ? opt.store : ptd_launched_store(r->head.store);
    if (!store) ptd_misuse("the stream names no store: give one with --store");
    ptd_board_store(store);
    check_share(r);
    read_head(r);
    if (!(r->device = ptd_device_open(opt.device))) ptd_die_last();
    open_cards(r);
    settings = ptd_settings_text(&(struct ptd_settings){.head = &r->head,
                                                        .device = r->device,
                                                        .rules = &opt.rules,
                                                        .train = &opt.train,
                                                        .schedule = opt.schedule,
                                                        .words = opt.words,
                                                        .updates = opt.updates,
                                                        .epochs = opt.epochs,
                                                        .steered = &opt.steered,
                                                        .lambda = &opt.lambda,
                                                        .tis = opt.tis,
                                                        .ranks = ptd_comm_ranks(r->comm),
                                                        .on_cards = r->cards != NULL,
                                                        .reduce = opt.ranks.reduce});
    opt.train.optimizer.seed = (uint64_t)r->head.seed;
    opt.train.before = before_memory;
    opt.train.ctx = r;
    opt.train.waits = r->head.waits;
    opt.train.base = getenv("PTD_STORES");
    r->train = ptd_train_open(store, &opt.train, settings, opt.anyway, r->device);
    free(settings);
    if (!r->train || !(tok = ptd_source_tokenizer(r->train->store))) ptd_die_last();
    r->train->method = opt.method;
    if (opt.steered.target <= 0)
        r->train->kl_coef = -1;
    else if (r->train->kl_coef >= 0)
        opt.rules.beta = r->train->kl_coef;
    opt.rules.banned = ptd_model_banned(r->train->model, ptd_tokenizer_size(tok));
    opt.rules.temperature = r->head.temperature;
    r->score = ptd_score_new(r->train->model, PTD_KEEP_ALL);
    open_reference(r);
    bound_activations(r);
    r->tokenizer = tok;
    r->ground =
        (struct ptd_ground){.tokenizer = tok, .banned = opt.rules.banned, .weight = opt.words};
    if (opt.words > 0 && opt.rules.loss->supervised) opt.rules.ground = &r->ground;
    r->first = r->train->generation;
    if (r->head.first_step != r->first + 1)
        ptd_die(PTD_CONFIG, "%s: stream starts at step %lld, expected %lld, the next of %s",
                ptd_reader_name(r->in), (long long)r->head.first_step, (long long)r->first + 1,
                store);
    join_ranks(r);
}

/* ---- what is done ---- */

static void put_out_lines(struct run *r)
{
    untold = 1;
    ahead = 0;
    fwrite(r->lines, 1, r->n_lines, stdout);
    if (fflush(stdout)) ptd_die(PTD_IOERR, "standard output:");
    untold = 0;
    r->n_lines = 0;
}

/* Publishes what is done, before the program ends for what was kept by ptd_fail, if anything. */
static void settle(struct run *r)
{
    int status = ptd_failed_status();
    char *words = ptd_strdup(ptd_failed_message());
    if (ptd_train_publish(r->train)) ptd_die_last();
    put_out_lines(r);
    if (status) ptd_fail(status, "%s", words);
    free(words);
}

/* Another rank has ended, and so does this one, with what is done published. */
static void on_others_end(void *ctx, int status)
{
    struct run *r = ctx;
    if (r->train && begun && !moved) settle(r);
}

/* All ranks end for what ptd_fail kept, which rank 0 says. */
static _Noreturn void end_together(struct run *r)
{
    if (r->comm) ptd_ranks_end(&opt.ranks, !ptd_comm_rank(r->comm));
    ptd_die_last();
}

static _Noreturn void die_settled(struct run *r)
{
    ptd_progress_clear(&r->progress);
    settle(r);
    ptd_die_last();
}

/* The time of grace is over, and nothing of the step in flight is applied. */
static _Noreturn void drop_step(struct run *r)
{
    settle(r);
    ptd_progress_clear(&r->progress);
    ptd_die(PTD_STOPPED,
            "stopped on request after step %lld; the step in flight is dropped; the same command "
            "line goes on",
            (long long)r->train->generation);
}

/* ---- a step ---- */

/* What a loss of rewards needs: a program left out of the pipe is not taken for zeros. */
static int check_group(const struct ptd_group *g)
{
    if (opt.rules.loss->supervised) return 0;
    if (g->group_accuracy < 0)
        return ptd_fail(
            PTD_DATAERR,
            "group \"%s\" was not judged: expected the output of ptd-verify (or --loss sft)",
            g->uid);
    for (int i = 0; i < g->n_rollouts; i++) {
        const struct ptd_rollout *y = &g->rollouts[i];
        if (y->n && !y->logp)
            return ptd_fail(
                PTD_DATAERR,
                "group \"%s\" has no log-probs of when it was sampled: expected responses of "
                "ptd-rollout (or --loss sft)",
                g->uid);
        if (opt.rules.beta > 0 && !opt.rules.reference && y->n && !y->ref_logp)
            return ptd_fail(PTD_DATAERR,
                            "group \"%s\" has no reference log-probs: expected the output of "
                            "ptd-ref (or --beta 0)",
                            g->uid);
        if (opt.rules.tutoring.masked > 0 && y->n && !y->masked_logp)
            return ptd_fail(PTD_DATAERR,
                            "group \"%s\" has no log-probs with masked pictures: expected the "
                            "output of ptd-ref --mask-picture (or --masked-kl 0)",
                            g->uid);
    }
    return 0;
}

/* What the teacher's head will take, of what --memory leaves to activations. */
static int take_teacher(struct run *r)
{
    const struct ptd_teacher *t = r->teacher;
    size_t bytes = teacher_bytes(r->device, t);
    if (!opt.plan.room) return 0;
    if (bytes > r->left)
        return ptd_fail(
            PTD_OSERR,
            "the teacher's head takes %.1f MiB, and --memory leaves %.1f: expected more, "
            "or ptd-ref -k K",
            bytes / 1048576.0, r->left / 1048576.0);
    r->left -= bytes;
    r->score->room = r->left;
    return 0;
}

static int open_teacher(struct run *r)
{
    r->teacher = ptd_teacher_noted(r->train->store, &r->head, r->device);
    return r->teacher ? take_teacher(r) : -1;
}

/* A rollout's hidden rows must be such that the teacher's head makes logits of. */
static int check_rows(struct run *r, const struct ptd_rollout *y)
{
    if (!r->teacher && open_teacher(r)) return -1;
    if (r->teacher->vocab != r->train->model->config.vocab)
        return ptd_fail(PTD_CONFIG, "teacher has a vocabulary of %d, expected the student's %d",
                        r->teacher->vocab, r->train->model->config.vocab);
    if (r->teacher->hidden == y->teacher_width) return 0;
    return ptd_fail(PTD_DATAERR, "field \"teacher_width\": %d, expected the teacher's %d",
                    y->teacher_width, r->teacher->hidden);
}

/* What tutored responses need. */
static int check_tutored(struct run *r, const struct ptd_group *g)
{
    int word = opt.rules.divergence->word != NULL;
    if (opt.rules.loss->supervised || g->group_accuracy >= opt.rules.tau) return 0;
    for (int i = 0; i < g->n_rollouts; i++) {
        const struct ptd_rollout *y = &g->rollouts[i];
        if (!ptd_rollout_taught(y)) continue;
        const char *lack = ptd_tutoring_lacks(&opt.rules.tutoring, word, y);
        if (lack) return ptd_fail(PTD_DATAERR, "group \"%s\" has %s", g->uid, lack);
        if (y->teacher_rows && check_rows(r, y)) return -1;
    }
    return 0;
}

static void hold(struct run *r, const struct ptd_frame *f)
{
    struct step *s = &r->step;
    struct held *h;
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->held = ptd_realloc(s->held, s->cap * sizeof *s->held);
        s->groups = ptd_realloc(s->groups, s->cap * sizeof *s->groups);
    }
    h = &s->held[s->n++];
    *h = (struct held){.frame = *f};
    h->body = ptd_alloc(f->body_len + 1);
    memcpy(h->body, f->body, f->body_len);
    if (ptd_group_read(&h->group, h->body, f->body_len) || check_group(&h->group) ||
        check_tutored(r, &h->group) ||
        ptd_group_check_words(&h->group, r->train->model->config.vocab)) {
        ptd_reader_blame(r->in, f);
        die_settled(r);
    }
}

/* Of a stream that is all ranks' the groups are dealt as ptd-rollout deals prompts. */
static int is_ours(struct run *r)
{
    return !r->comm || r->head.shares ||
           r->given % ptd_comm_ranks(r->comm) == ptd_comm_rank(r->comm);
}

static void take_group(struct run *r, const struct ptd_frame *f)
{
    if (is_ours(r)) {
        hold(r, f);
        if (r->comm && !r->head.shares) r->step.held[r->step.n - 1].group.place = r->given + 1;
    }
    r->given++;
}

static void let_go(struct step *s)
{
    for (int i = 0; i < s->n; i++) {
        ptd_group_clear(&s->held[i].group);
        free(s->held[i].body);
    }
    s->n = 0;
}

/* Which group first gives a gradient that is not finite; its uid, or "" if only their sum does. */
static const char *culprit(struct run *r, struct ptd_group **g, int n, int bad)
{
    struct ptd_learned one;
    if (bad >= 0) return g[bad]->uid;
    opt.rules.comm = NULL; /* they look at their own */
    opt.rules.last = NULL;
    for (int i = 0; i < n; i++) {
        ptd_optimizer_zero(r->train->optimizer);
        opt.rules.known = ptd_before_from(&r->before, r->step.groups, g + i);
        opt.rules.traced = (struct ptd_traced){0};
        if (ptd_learn(r->score, g + i, 1, &opt.rules, &one, &bad)) ptd_die_last();
        if (bad >= 0 || !isfinite(ptd_optimizer_norm(r->train->optimizer))) return g[i]->uid;
    }
    return "";
}

/* The update's gradient; dies if one of its groups cannot be read. Returns the first that gives no
 * finite loss, or -1. */
static int learn(struct run *r, struct ptd_group **g, int n, struct ptd_learned *sum)
{
    int bad;
    if (!ptd_learn(r->score, g, n, &opt.rules, sum, &bad)) return bad;
    if (bad >= 0) ptd_reader_blame(r->in, &r->step.held[g + bad - r->step.groups].frame);
    ptd_die_last();
}

/* A backward pass that measures each part or moves it. 1: refused; *bad as of learn. */
static int pass(struct run *r, struct ptd_group **g, int n, double lr, double scale, int measures,
                struct ptd_learned *sum, double *norm, int *bad)
{
    struct ptd_optimizer *o = r->train->optimizer;
    int was = moved;
    ptd_optimizer_watch(o, lr, scale, measures);
    if (!measures) moved = 1;
    *bad = learn(r, g, n, sum);
    if (*bad >= 0 && r->comm) ptd_optimizer_spoil(o);
    int refused = *bad < 0 || r->comm ? ptd_optimizer_end(o, norm) : 1;
    if (refused < 0 && ptd_train_back(r->train)) ptd_die_last();
    if (*bad >= 0) ptd_optimizer_drop(o);
    if (refused) moved = was;
    return refused;
}

static int update_by_layer(struct run *r, struct ptd_group **g, int n, double lr,
                           struct ptd_learned *sum, double *norm, int *bad)
{
    double scale = 1;
    if (opt.train.optimizer.clip > 0) {
        if (pass(r, g, n, 0, 0, 1, sum, norm, bad)) return 1;
        scale = ptd_optimizer_scale(r->train->optimizer, *norm);
    }
    return pass(r, g, n, lr, scale, 0, sum, norm, bad);
}

/* Once the step begins, the weights are no step's. */
static int update_whole(struct run *r, struct ptd_group **g, int n, double lr,
                        struct ptd_learned *sum, double *norm, int *bad)
{
    int was = moved;
    ptd_optimizer_zero(r->train->optimizer);
    if (r->comm) ptd_gradients_begin(r->gradients);
    *bad = learn(r, g, n, sum);
    if (r->comm && ptd_gradients_end(r->gradients, *bad >= 0)) ptd_die_last();
    if (*bad >= 0) return 1;
    moved = 1;
    int refused = ptd_optimizer_step(r->train->optimizer, lr, norm);
    if (refused) moved = was;
    return refused;
}

/* Ranks that find nothing at fault with them leave it to the one that does, or to rank 0. */
static void tell_refused(struct run *r, const char *uid)
{
    double found[1] = {*uid != 0};
    join_sums(r);
    if (ptd_comm_sum(r->comm, found, 1)) ptd_die_last();
    if (!*uid && (found[0] > 0 || ptd_comm_rank(r->comm))) return;
    ptd_warn("step %lld: loss or gradient is not finite, first in record \"%s\"; step refused, "
             "weights unchanged",
             (long long)r->train->generation + 1, uid);
}

/* One optimizer step on n groups, which are seen for the first time or not. Returns 1 if it was
 * refused. */
static int update(struct run *r, struct ptd_group **g, int n, double lr, int first,
                  struct ptd_learned *sum, double *norm)
{
    int bad;
    opt.rules.known = ptd_before_from(&r->before, r->step.groups, g);
    opt.rules.traced = ptd_trace_from(first ? r->trace : NULL, r->step.groups, g);
    if (!(opt.train.by_part ? update_by_layer : update_whole)(r, g, n, lr, sum, norm, &bad))
        return 0;
    tell_refused(r, culprit(r, g, n, bad));
    *norm = NAN;
    return 1;
}

/* The step's weights, to whoever waits for them; published, too, if it is their turn. */
static void hand_on(struct run *r)
{
    if (ptd_train_step_done(r->train)) ptd_die_last();
    untold = r->train->generation == r->train->published;
    ahead = !untold;
    moved = 0;
}

static void add_line(struct run *r, const struct ptd_metrics *m)
{
    char *line = ptd_metrics_line(m);
    size_t n = ptd_comm_rank(r->comm) ? 0 : strlen(line); /* rank 0 prints */
    r->lines = ptd_realloc(r->lines, r->n_lines + n);
    memcpy(r->lines + r->n_lines, line, n);
    r->n_lines += n;
    free(line);
    if (r->train->generation == r->train->published) put_out_lines(r);
}

/* Refused steps change nothing, so the newest weights are those of the last good step. */
static _Noreturn void die_diverged(struct run *r)
{
    int bad = r->train->bad_in_row;
    int64_t good = r->train->generation - bad;
    settle(r);
    ptd_fail(PTD_DIVERGED,
             "%d refused steps in a row; the last good weights are those of generation %lld", bad,
             (long long)(opt.train.every > 1 ? r->train->generation : good));
    end_together(r);
}

static int tutors(const void *rules, const struct ptd_group *g)
{
    return ptd_learn_lifts(rules, g);
}

/* Tokens that a prompt may have: --max-prompt of ptd-rollout, or the model's context; 0: any. */
static int max_prompt(const struct run *r)
{
    static const char mark[] = "; max-prompt ";
    const char *at = r->head.sampling ? strstr(r->head.sampling, mark) : NULL;
    return at ? atoi(at + sizeof mark - 1) : r->train->model->config.positions;
}

/* What is worked out before the first update. */
static void look_before(struct run *r)
{
    struct step *s = &r->step;
    struct ptd_less less = {opt.rules.kl, opt.rules.beta, tutors, &opt.rules};
    int bad;
    opt.rules.known = (struct ptd_known){0};
    ptd_before_clear(&r->before);
    if (r->comm && r->advantage && !opt.rules.kl_in_reward &&
        ptd_worth(r->advantage, s->groups, s->n))
        die_settled(r);
    if (opt.rules.kl_in_reward &&
        ptd_before_worth(&r->before, s->groups, s->n, r->advantage, &less))
        die_settled(r);
    if (!(opt.tis > 0) || opt.rules.loss->supervised) return;
    if (!ptd_before_look(&r->before, r->score, s->groups, s->n, &opt.rules, opt.tis, &bad)) return;
    if (bad >= 0) ptd_reader_blame(r->in, &s->held[bad].frame);
    die_settled(r);
}

/* All updates of one pass over the step. */
static void do_epoch(struct run *r, struct ptd_metrics *m, int first)
{
    struct step *s = &r->step;
    for (int u = 0; u < opt.updates; u++) {
        int from, to;
        struct ptd_learned part;
        double norm = 0;
        if (ptd_shares_part(&r->shares, u, opt.updates, &from, &to)) continue;
        m->refused += update(r, s->groups + from, to - from, m->lr, first, &part, &norm);
        ptd_metrics_add(m, &part, norm, first);
    }
}

/* beta of the next step. */
static void steer(struct run *r, const struct ptd_metrics *m)
{
    if (!(opt.steered.target > 0) || m->refused) return;
    opt.rules.beta =
        ptd_steered(&opt.steered, opt.rules.beta, ptd_metrics_kl(m), (double)m->group.responses);
    r->train->kl_coef = opt.rules.beta;
}

/* The head of the teacher whose hidden rows this step has. One that moves is of one generation. */
static void load_teacher(struct run *r)
{
    const struct step *s = &r->step;
    if (!r->teacher || !s->n) return;
    for (int i = 1; i < s->n && r->teacher->moves; i++)
        if (s->groups[i]->generation != s->groups[0]->generation) {
            ptd_fail(PTD_DATAERR,
                     "group \"%s\" was sampled by generation %lld, and the step before it by %lld: "
                     "expected one, since --teacher %s is it",
                     s->groups[i]->uid, (long long)s->groups[i]->generation,
                     (long long)s->groups[0]->generation, r->teacher->who);
            die_settled(r);
        }
    if (ptd_teacher_seek(r->teacher, s->groups[0]->generation) ||
        !(opt.rules.tutoring.head = ptd_teacher_head(r->teacher)))
        die_settled(r);
}

static void do_step(struct run *r, int64_t number)
{
    struct step *s = &r->step;
    struct ptd_metrics m = {.step = number,
                            .wait = ptd_now() - s->wait,
                            .rules = &opt.rules,
                            .beta = opt.rules.beta,
                            .tis = opt.tis,
                            .before = &r->before,
                            .epochs = opt.epochs,
                            .ranks = ptd_comm_ranks(r->comm),
                            .max_prompt = max_prompt(r)};
    double started = ptd_now(), sent = (double)ptd_comm_sent(r->comm);
    if (number != r->train->generation + 1) {
        ptd_fail(PTD_CUT, "%s: step %lld, expected %lld", ptd_reader_name(r->in), (long long)number,
                 (long long)r->train->generation + 1);
        die_settled(r);
    }
    for (int i = 0; i < s->n; i++) s->groups[i] = &s->held[i].group;
    if (ptd_shares_order(&r->shares, r->comm, s->groups, s->n)) ptd_die_last();
    m.lr = ptd_train_lr(&opt.train, number, r->head.steps);
    opt.rules.lambda = ptd_lambda_at(&opt.lambda, number, r->head.steps);
    load_teacher(r);
    look_before(r);
    ptd_trace_begin(r->trace, s->groups, s->n);
    for (int e = 0; e < opt.epochs; e++) do_epoch(r, &m, !e);
    ptd_metrics_groups(&m, s->groups, s->n);
    m.update = ptd_now() - started;
    m.sent = (double)ptd_comm_sent(r->comm) - sent;
    if (ptd_shares_metrics(r->comm, &m, &r->whole)) ptd_die_last();
    steer(r, &m);
    r->train->bad_in_row = m.refused ? r->train->bad_in_row + 1 : 0;
    m.update = ptd_now() - started;
    hand_on(r);
    m.publish = ptd_now() - started - m.update;
    add_line(r, &m);
    ptd_board_count(s->n, (int64_t)m.group.length);
    ptd_board_step(number);
    ptd_metrics_clear(&m);
    if (ptd_trace_step(r->trace, s->groups, s->n, number)) die_settled(r);
    s->wait = ptd_now();
    if (r->train->bad_in_row >= opt.max_bad) die_diverged(r);
}

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

/* All ranks have read this step, or the end of their streams (0), which failed if there is a
 * status: then the rank that knows why says so. */
static void meet(struct run *r, int64_t step, int status)
{
    int ranks = ptd_comm_ranks(r->comm), rank = ptd_comm_rank(r->comm), behind = -1, failed = -1;
    int64_t mine[2] = {step, status}, *all = ptd_array((size_t)ranks, sizeof mine);
    if (ptd_comm_gather(r->comm, mine, sizeof mine, all)) ptd_die_last();
    for (int i = ranks - 1; i >= 0; i--) {
        if (all[2 * i + 1]) failed = i;
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
        let_go(&r->step);
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
    meet(r, 0, got < 0 ? status_of_cut() : 0);
    settle(r);
    if (got < 0 && status_of_cut() == PTD_STOPPED)
        ptd_die(PTD_STOPPED,
                "stopped on request after step %lld, and so was what writes the stream; the same "
                "command "
                "line goes on",
                (long long)r->train->generation);
    if (got < 0) ptd_die_last();
}

/* Is path the file that is read, by its name or as standard input? */
static int is_input(const char *path, const char *operand)
{
    struct stat x, y;
    int got = operand && strcmp(operand, "-") ? stat(operand, &y) : fstat(0, &y);
    return got == 0 && stat(path, &x) == 0 && S_ISREG(x.st_mode) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

static void open_trace(struct run *r, const char *operand, int argc, char **argv)
{
    if (!opt.trace) return;
    if (is_input(opt.trace, operand))
        ptd_misuse("--trace %.64s is the stream that is read: expected another file", opt.trace);
    char *command = ptd_command_line(argc, argv);
    int rank = ptd_comm_rank(r->comm); /* each traces its own share */
    char *path = rank ? ptd_format("%s.%d", opt.trace, rank) : ptd_strdup(opt.trace);
    if (!(r->trace = ptd_trace_open(path, &r->head, command))) ptd_die_last();
    free(path);
    free(command);
}

int main(int argc, char **argv)
{
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
    open_run(&r, argv[first]);
    open_trace(&r, argv[first], argc, argv);
    train(&r);
    ptd_cards_close(r.cards);
    if (ptd_reader_close(r.in) || ptd_trace_close(r.trace) || ptd_comm_close(r.comm))
        ptd_die_last();
    if (!opt.ranks.launched.rank)
        ptd_info("%lld steps, now generation %lld, %.1f s",
                 (long long)(r.train->generation - r.first), (long long)r.train->generation,
                 ptd_now() - started);
    ptd_shares_clear(&r.shares);
    ptd_gradients_free(r.gradients);
    ptd_score_free(r.score);
    ptd_reference_clear(&r.reference);
    ptd_teacher_close(r.frozen);
    ptd_teacher_close(r.teacher);
    ptd_tokenizer_free(r.tokenizer);
    free(r.ground.words);
    ptd_train_close(r.train);
    ptd_device_close(r.device);
    ptd_head_clear(&r.head);
    free((void *)opt.rules.banned);
    free(r.lines);
    ptd_before_clear(&r.before);
    free(r.step.held);
    free(r.step.groups);
    return 0;
}
