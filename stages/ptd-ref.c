/* ptd-ref: scores responses with the frozen reference model (generation 0 of the run's store). Adds
 * ref_logp to every rollout; to failed rollouts of groups below tau that have a hint, what a
 * teacher says under the hinted prompt, pictures included: teacher_on_ids (its log-prob of each
 * word), teacher_ids and teacher_logp (its top K), teacher_on_top (its exact log-probs of the
 * student's top ids), or with -k full teacher_rows, which its head makes all logits of. --teacher
 * says who teaches, --reads what it reads, --scope what is tutored.
 *
 *     ptd-hint < verified.rec | ptd-ref > scored.rec
 *
 * --mask-picture adds masked_logp, log-probs of the teacher's model when a part of the pictures is
 * black. What was computed is cached in the store by content, so that a second pass computes
 * nothing; --cache-max bounds the cache. */
#include "base/opt_value.h"
#include "base/size.h"
#include "base/threads.h"
#include "compute/device.h"
#include "flow/filter.h"
#include "method/refer.h"
#include "method/source.h"
#include <stdio.h>
#include <string.h>

static struct {
    const char *store, *teacher, *top_k, *scope, *reads, *device;
    struct ptd_refer_rules rules;
    int cache, threads;
    int64_t cache_max;
    struct ptd_plan_asked plan;
    struct ptd_refer *refer;
} opt = {.teacher = "frozen",
         .top_k = "16",
         .scope = "failed",
         .reads = "hint",
         .rules = {.tau = 1, .reference = 1, .micro_tokens = 512, .plan = &opt.plan},
         .cache = 1,
         .cache_max = -1};

static const struct ptd_opt options[] = {
    {"store", 's', PTD_OPT_STR, &opt.store, "DIR", "run directory (default: the stream's)", 0, 0,
     1},
    {"teacher", 0, PTD_OPT_STR, &opt.teacher, "WHO",
     "who teaches: frozen (the reference), old (the weights that sampled), ema (their running "
     "mean, "
     "ptd-update --ema), or DIR, another store's newest weights",
     0, 0, 1},
    {"reads", 0, PTD_OPT_STR, &opt.reads, "WHAT",
     "what the teacher reads: hint (groups without one are not tutored), question (as the student "
     "does)",
     0, 0},
    {"top-k", 'k', PTD_OPT_STR, &opt.top_k, "K",
     "ids of the teacher's distribution to keep for each token, up to 256; 0: only what it says of "
     "the sampled one; full: hidden rows that give all of it",
     0, 0},
    {"tau", 0, PTD_OPT_DOUBLE, &opt.rules.tau, "T", "groups below this accuracy are tutored", 0, 2},
    {"scope", 0, PTD_OPT_STR, &opt.scope, "WHICH", "responses to tutor in them: failed, right, all",
     0, 0},
    {"truncated", 0, PTD_OPT_FLAG, &opt.rules.truncated, NULL,
     "tutor responses cut at the length limit too", 0, 0},
    {"reference", 0, PTD_OPT_FLAG, &opt.rules.reference, NULL,
     "reference log-probs of all responses (--no-reference: none)", 0, 0},
    {"mask-picture", 0, PTD_OPT_DOUBLE, &opt.rules.masked, "X",
     "the teacher's log-probs of all responses with this share of each picture black (0: none; 1: "
     "no picture)",
     0, 1},
    {"cache", 0, PTD_OPT_FLAG, &opt.cache, NULL,
     "keep what was computed in the store (--no-cache: do not)", 0, 0, 1},
    {"cache-max", 0, PTD_OPT_LONG, &opt.cache_max, "SIZE",
     "bytes that it may take there, the oldest goes first; -1: an eighth of the store's limit", -1,
     1e15, 1},
    {"micro", 0, PTD_OPT_LONG, &opt.rules.micro_tokens, "N", "packed tokens of a micro-batch", 1,
     1e8},
    PTD_PLAN_OPTIONS(opt.plan),
    {"device", 0, PTD_OPT_STR, &opt.device, "NAME", PTD_DEVICE_HELP, 0, 0, 1},
    {"threads", 'j', PTD_OPT_INT, &opt.threads, "N", "0: as many as there are cores", 0, 256, 1},
    {0}};
static const struct ptd_usage usage = {
    "ptd-ref", "[FILE]", "score responses with the frozen reference, and tutor the failed ones",
    "ptd-rollout -s run.ptd train.jsonl | ptd-verify | ptd-hint | ptd-ref | ptd-update\n"
    "ptd-ref -k 100 < hinted.rec > scored.rec",
    options};

/* What rollout and teacher write of a group must fit into a frame: told before anything is scored.
 */
static int check_frame(const struct ptd_head *h)
{
    double bytes = ptd_head_rollout_bytes(h, ptd_refer_token_bytes(opt.refer, h->top_logprobs));
    if (bytes <= PTD_FRAME_MAX) return 0;
    return ptd_fail(
        PTD_CONFIG,
        "%d responses of up to %d tokens with %d ids each, and %s words of the teacher, can take "
        "%s, and a frame holds %s: expected a smaller -k here, or -G, -m or -k of ptd-rollout",
        h->group_size, h->max_tokens, h->top_logprobs, opt.rules.whole ? "all" : opt.top_k,
        ptd_size(bytes).text, ptd_size(PTD_FRAME_MAX).text);
}

#define BEYOND "more memory, or a smaller model"

static void add_micro(void *refer, int64_t micro, struct ptd_plan *p)
{
    ptd_refer_plan_micro(refer, micro, p);
}

/* --plan: no stream is read. */
static _Noreturn void tell_plan(void)
{
    const struct ptd_expected *e = &opt.plan.expected;
    struct ptd_plan fixed = {0}, all;
    struct ptd_device *device;
    if (!opt.store) ptd_misuse("--plan: expected --store, which says what the model is");
    ptd_threads_start(opt.threads);
    if (!(device = ptd_device_open(opt.device)) ||
        !(opt.refer = ptd_refer_open(opt.store, opt.teacher, 0, &opt.rules, device)) ||
        ptd_refer_plan(opt.refer, &fixed))
        ptd_die_last();
    const struct ptd_plan_choice choices[] = {
        {"--micro", opt.rules.micro_tokens, (e->prompt + e->answer + 1) / 2, add_micro, opt.refer},
        {0}};
    all = fixed;
    ptd_refer_plan_micro(opt.refer, opt.rules.micro_tokens, &all);
    ptd_plan_tell(&all, &fixed, &opt.plan, choices, BEYOND);
}

static int read_top_k(void)
{
    int64_t k;
    opt.rules.whole = !strcmp(opt.top_k, "full");
    if (opt.rules.whole) return 0;
    if (ptd_whole_number(opt.top_k, &k) || k < 0 || k > 256)
        return ptd_fail(PTD_USAGE, "--top-k \"%s\": expected 0 to 256, or full", opt.top_k);
    opt.rules.top_k = (int)k;
    return 0;
}

static int read_scope(void)
{
    static const char *const names[] = {"failed", "right", "all"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(opt.scope, names[i])) {
            opt.rules.scope = i;
            return 0;
        }
    return ptd_fail(PTD_USAGE, "--scope \"%s\": expected failed, right or all", opt.scope);
}

static int check_options(void *ctx)
{
    (void)ctx;
    opt.rules.plain = !strcmp(opt.reads, "question");
    if (!opt.rules.plain && strcmp(opt.reads, "hint") != 0)
        return ptd_fail(PTD_USAGE, "--reads \"%s\": expected hint or question", opt.reads);
    if (read_top_k() || read_scope()) return -1;
    ptd_opt_needs("cache-max", opt.cache, "no --no-cache");
    if (ptd_device_check(opt.device)) return -1;
    ptd_plan_read(&opt.plan);
    if (opt.plan.print) tell_plan();
    return 0;
}

static int begin(struct ptd_head *h, void *ctx)
{
    struct ptd_filter *filter = ctx;
    if (ptd_head_check_temperature(h) < 0) return -1;
    opt.rules.temperature = h->temperature;
    opt.rules.seed = (uint64_t)h->seed;
    ptd_threads_start(opt.threads);
    if (!(filter->device = ptd_device_open(opt.device))) return -1;
    opt.refer = ptd_refer_open(opt.store ? opt.store : h->store, opt.teacher, opt.cache, &opt.rules,
                               filter->device);
    if (!opt.refer || check_frame(h) < 0) return -1;
    ptd_refer_note(opt.refer, h);
    filter->reads = ptd_refer_reads(opt.refer);
    return ptd_refer_cache_max(opt.refer, opt.cache_max);
}

static int batch(struct ptd_group **g, int n, int *verbs, void *ctx)
{
    int culprit;
    (void)ctx;
    for (int i = 0; i < n; i++) verbs[i] = PTD_CHANGED;
    if (ptd_refer_score(opt.refer, g, n, &culprit) == 0) return 0;
    if (culprit >= 0) verbs[culprit] = PTD_FAILED;
    return -1;
}

static const char *summary(void *ctx)
{
    static char words[160];
    struct ptd_refer_counts c = ptd_refer_counted(opt.refer);
    (void)ctx;
    snprintf(words, sizeof words, "%ld response%s tutored, %ld from the cache, %ld scored",
             c.tutored, ptd_plural(c.tutored), c.cached, c.computed);
    return words;
}

int main(int argc, char **argv)
{
    struct ptd_filter f = {.usage = &usage,
                           .ctx = &f,
                           .options = check_options,
                           .begin = begin,
                           .batch = batch,
                           .summary = summary};
    int status = ptd_filter_main(&f, argc, argv);
    ptd_refer_close(opt.refer);
    ptd_device_close(f.device);
    return status;
}
