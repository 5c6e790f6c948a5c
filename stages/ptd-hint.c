/* ptd-hint: writes a hint for prompts whose responses failed, and the prompt with the hint in it,
 * for the teacher alone. Reads question, answer, solution, steps, regions, pictures, prompt_ids,
 * group_accuracy, and the rollouts' text, outcome and accuracy; adds hint or hint_drop, hint_gain,
 * hint_refused; with --record map and hint_dropped. Changes no rollout.
 *
 * With --audit it writes no stream: it measures on a sample, of a stream or of a data set, whether
 * hints tell (audit.h). */
#include "base/output.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/signals.h"
#include "base/threads.h"
#include "compute/device.h"
#include "flow/filter.h"
#include "method/hint/audit.h"
#include "method/hint/forced.h"
#include "method/hint/spoiler.h"
#include "method/hint/weigh.h"
#include "method/source.h"
#include "net/sample.h"
#include "view/audit.h"
#include "view/show.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define RULES_MAX 16
#define SAMPLE    200 /* groups, and answers to each */
#define ANSWERS   4

static struct {
    const char *store, *model, *from, *device, *judge, *weigh;
    struct ptd_hint_options hint;
    double tau, share;
    int always, audit, answers, max_tokens;
    const char *system;
    int64_t sample, audit_seed, max_pixels, min_pixels;
    double temperature;
    struct ptd_dataset_places places;
    uint64_t seed;
    struct ptd_hint_tools tools;
    struct ptd_hints *hints;
    struct ptd_plan_asked plan;
    long given, dropped[RULES_MAX], bare;
    struct ptd_hints_gate gated;
} opt = {.from = "data,attention",
         .weigh = "reply",
         .hint = {.grid = "3x3",
                  .mass = 1.2,
                  .sink = 4,
                  .first = 1,
                  .candidates = 256,
                  .sure = 0.5,
                  .gate_right = 0.5,
                  .gate_source = 0.5,
                  .weigh = {.samples = 8,
                            .replies = 1,
                            .answer_template = "\\boxed{ANSWER}",
                            .judge = "auto"},
                  .exec_timeout = 10,
                  .exec_start = 300},
         .tau = 1,
         .share = 1,
         .judge = "auto",
         .sample = SAMPLE,
         .answers = ANSWERS};

static const struct ptd_opt options[] = {
    {"from", 'f', PTD_OPT_STR, &opt.from, "LIST", "sources, the first hint wins: %s", 0, 0},
    {"gate", 0, PTD_OPT_FLAG, &opt.hint.gate, NULL,
     "drop hints under which the right answer has no more log-prob than without, or is not what "
     "the model replies",
     0, 0},
    {"weigh", 0, PTD_OPT_STR, &opt.weigh, "BY",
     "gate, search: what stands for the right answer: replies of the model, right responses of "
     "the group, or the bare answer: reply, right, answer",
     0, 0},
    {"samples", 0, PTD_OPT_INT, &opt.hint.weigh.samples, "N",
     "gate by reply: replies with the hint, and without", 1, 256},
    {"gate-right", 0, PTD_OPT_DOUBLE, &opt.hint.gate_right, "P",
     "gate by reply: the least share of right ones among those with the hint", 0, 1},
    {"gate-source", 0, PTD_OPT_DOUBLE, &opt.hint.gate_source, "P",
     "gate: the share of a source's hints in a step that must pass for any of them to", 0, 1},
    {"answer-template", 0, PTD_OPT_STR, &opt.hint.weigh.answer_template, "TEXT",
     "gate, search by answer: what the answer is written in, with ANSWER in it", 0, 0},
    {"model", 0, PTD_OPT_STR, &opt.model, "WHO",
     "who looks and weighs in place of the reference: old, the weights that sampled, or DIR, "
     "another store's newest",
     0, 0, 1},
    {"tau", 't', PTD_OPT_DOUBLE, &opt.tau, "T", "hint groups with an accuracy below T", 0, 2},
    {"always", 'a', PTD_OPT_FLAG, &opt.always, NULL, "hint every group, judged or not (warm start)",
     0, 0},
    {"share", 0, PTD_OPT_DOUBLE, &opt.share, "S", "share of the prompts that may get one, by uid",
     0, 1},
    {"store", 's', PTD_OPT_STR, &opt.store, "DIR", "run directory (default: from the stream)", 0, 0,
     1},
    {"device", 0, PTD_OPT_STR, &opt.device, "NAME", PTD_DEVICE_HELP, 0, 0, 1},
    {"layers", 0, PTD_OPT_STR, &opt.hint.layers, "LIST",
     "attention: layers, such as 0,2-3 (default: all)", 0, 0},
    {"heads", 0, PTD_OPT_STR, &opt.hint.heads, "LIST", "attention: heads (default: all)", 0, 0},
    {"mass", 0, PTD_OPT_DOUBLE, &opt.hint.mass, "M", "attention: places above M times the mean", 0,
     1e6},
    {"sink", 0, PTD_OPT_DOUBLE, &opt.hint.sink, "K",
     "attention: sink if always above K even shares", 0, 1e6},
    {"grid", 0, PTD_OPT_STR, &opt.hint.grid, "RxC", "attention: rows and columns of place names", 0,
     0},
    {"first", 0, PTD_OPT_FLAG, &opt.hint.first, NULL,
     "attention: name the first place if the steps do", 0, 0},
    {"neutral", 0, PTD_OPT_STR, &opt.hint.neutral, "TEXT",
     "attention: relative to that while TEXT is asked, such as \"describe the picture\"", 0, 0},
    {"blank", 0, PTD_OPT_FLAG, &opt.hint.blank, NULL,
     "attention: what the right answer's log-prob loses without each cell, in its place", 0, 0},
    {"gradient", 0, PTD_OPT_FLAG, &opt.hint.gradient, NULL,
     "attention: times the gradient of the right answer's log-prob by it", 0, 0},
    {"methods", 0, PTD_OPT_STR, &opt.hint.methods, "LIST",
     "search: words for how to go on, of one place/of several: read/add,max", 0, 0},
    {"candidates", 0, PTD_OPT_INT, &opt.hint.candidates, "N", "search: most hints tried", 1, 4096},
    {"sure", 0, PTD_OPT_DOUBLE, &opt.hint.sure, "P",
     "search by reply: the best one's least share among the ways to the right answer", 0, 1},
    {"replies", 0, PTD_OPT_INT, &opt.hint.weigh.replies, "N",
     "search by reply: replies to each hint, the greedy one and others that are drawn", 1, 256},
    {"exec-timeout", 0, PTD_OPT_DOUBLE, &opt.hint.exec_timeout, "S",
     "exec: seconds that it may take for a group", 1e-3, 86400},
    {"exec-start", 0, PTD_OPT_DOUBLE, &opt.hint.exec_start, "S",
     "exec: seconds that it may take before it reads its first line", 1e-3, 86400, 1},
    {"tell-the-answer", 0, PTD_OPT_FLAG, &opt.hint.tell, NULL,
     "let --from answer show the answer to the teacher: baselines only, no rule looks at it", 0, 0},
    {"audit", 0, PTD_OPT_FLAG, &opt.audit, NULL,
     "measure whether hints tell, on FILE, a stream or a data set, or stdin; write no stream", 0, 0,
     1},
    {"sample", 'n', PTD_OPT_LONG, &opt.sample, "N",
     "audit: groups: of a stream the first, of a data set any", 1, 1e9, 1},
    {"group-size", 'G', PTD_OPT_INT, &opt.answers, "N",
     "audit: answers to each group, with and without hint and picture", 1, 256, 1},
    {"max-tokens", 'm', PTD_OPT_INT, &opt.max_tokens, "N",
     "audit: limit of an answer (0: that of the stream; of a data set 64)", 0, 1 << 20, 1},
    {"temperature", 0, PTD_OPT_DOUBLE, &opt.temperature, "T",
     "audit: of sampling (0: that of the stream; of a data set 1)", 0, 100, 1},
    {"system", 0, PTD_OPT_STR, &opt.system, "TEXT",
     "audit of a data set: system message that every prompt begins with", 0, 0, 1},
    {"max-pixels", 0, PTD_OPT_LONG, &opt.max_pixels, "N",
     "audit of a data set: shrink pictures to so many pixels (0: the model's own limit)", 0, 1e12,
     1},
    {"min-pixels", 0, PTD_OPT_LONG, &opt.min_pixels, "N",
     "audit of a data set: enlarge pictures to so many pixels (0: the model's own limit)", 0, 1e12,
     1},
    PTD_PLAN_OPTIONS(opt.plan),
    {"record", 0, PTD_OPT_FLAG, &opt.hint.record, NULL,
     "for people: keep where a model looked and what a dropped hint said; ptd-dump --html shows it",
     0, 0, 1},
    {"judge", 0, PTD_OPT_STR, &opt.judge, "RULE",
     "audit, gate and search by reply: rule of ptd-verify --judge", 0, 0},
    {"seed", 0, PTD_OPT_LONG, &opt.audit_seed, "N", "audit: of choice and sampling", 0, 9e15, 1},
    PTD_DATASET_OPTIONS(opt.places),
    {0}};
static struct ptd_usage usage = {
    "ptd-hint",
    "[FILE]",
    "hint at where to look and how to go on, never at the answer",
    "ptd-rollout -s run.ptd train.jsonl | ptd-verify | ptd-hint | ptd-ref | ptd-update\n"
    "ptd-hint --from attention --mass 1.3 < verified.rec > hinted.rec\n"
    "ptd-hint --from search --gate < verified.rec > hinted.rec\n"
    "ptd-hint --audit --store run.ptd train.jsonl",
    options,
    "0 done, 1 a source of hints tells (--audit), 2 misuse, 65 bad data or answer of exec, 66 no "
    "input, 69 exec does not answer, 71 no memory, 74 i/o, 76 cut, 77 no permission, 78 config"};

/* Who looks, if --model says it. */
static int open_eye(void)
{
    opt.tools.old = opt.model && strcmp(opt.model, "old") == 0;
    return opt.model && !opt.tools.old ? ptd_hint_model_open(&opt.tools, opt.model) : 0;
}

/* ---- memory ---- */

#define BEYOND "--from data, more memory, or a smaller model"

/* What an audit's answers take: under each view of a group, with one hint of each source. */
static void add_answers(void *model, int64_t answers, struct ptd_plan *p)
{
    struct ptd_sampling s = {.group_size = (int)answers,
                             .max_tokens = opt.max_tokens ? opt.max_tokens : 64};
    struct ptd_expected e = opt.plan.expected;
    e.prompts = 2 + 2 * ptd_hints_count(opt.hints);
    ptd_sample_plan(p, model, &s, &e);
}

/* Replies of the search or the gate, or given texts, whichever are wanted. */
static void plan_weighing(struct ptd_hint_tools *eye, struct ptd_plan *p)
{
    int search = ptd_hints_have(opt.hints, "search");
    struct ptd_expected e = opt.plan.expected;
    struct ptd_sampling s = {.group_size = search ? opt.hint.weigh.replies : opt.hint.weigh.samples,
                             .max_tokens = e.answer > 0 ? (int)e.answer : 64};
    struct ptd_model *m = search || opt.hint.gate ? ptd_model_open(eye->store, eye->device) : NULL;
    if (!search && !opt.hint.gate) return;
    if (!m) ptd_die_last();
    e.prompts = search ? opt.hint.candidates : 2;
    if (opt.hint.weigh.by == PTD_BY_REPLY)
        ptd_sample_plan(p, m, &s, &e);
    else
        ptd_plan_add(p, "texts", ptd_plan_pool(m, 0, &(struct ptd_shape){.rows = PTD_FORCED_ROWS}));
    ptd_model_free(m);
}

static void plan_model(struct ptd_plan *p)
{
    struct ptd_expected e = opt.plan.expected;
    ptd_threads_start(0);
    if (!(opt.tools.device = ptd_device_open(opt.device)) ||
        ptd_hint_plan(ptd_hint_eye(&opt.tools), &e, p) < 0)
        ptd_die_last();
    plan_weighing(ptd_hint_eye(&opt.tools), p);
}

/* --plan: no stream is read. */
static _Noreturn void tell_plan(void)
{
    struct ptd_plan fixed = {0}, all;
    struct ptd_plan_choice choices[2] = {{0}};
    int computes;
    if (!opt.store) ptd_misuse("--plan: expected --store, which says what the model is");
    if (ptd_hint_tools_open(&opt.tools, opt.store) < 0 || open_eye() < 0 ||
        !(opt.hints = ptd_hints_open(&opt.tools, opt.from, &opt.hint)))
        ptd_die_last();
    computes = opt.audit || ptd_hints_compute(opt.hints);
    ptd_plan_program(&fixed, &opt.tools.config, computes ? ptd_threads_count() : 0);
    if (computes) plan_model(&fixed);
    all = fixed;
    if (opt.audit) {
        choices[0] = (struct ptd_plan_choice){"--group-size", opt.answers, 1, add_answers,
                                              ptd_model_open(opt.tools.store, opt.tools.device)};
        add_answers(choices[0].ctx, opt.answers, &all);
    }
    ptd_plan_tell(&all, &fixed, &opt.plan, choices, BEYOND);
}

/* What was given and cannot have an effect is a mistake. */
static void refuse_idle_scores(int attention, int search)
{
    int blank = opt.hint.blank, gradient = opt.hint.gradient, read = attention && !blank;
    static const char *const of_attention[] = {"mass",  "first",    "neutral",
                                               "blank", "gradient", NULL};
    for (const char *const *o = of_attention; *o; o++)
        ptd_opt_needs(*o, attention, "--from attention");
    ptd_opt_needs("blank", !blank || !gradient, "no --gradient");
    ptd_opt_needs("neutral", read && !gradient, "neither --blank nor --gradient");
    ptd_opt_needs("layers", search || read, "--from search, or attention without --blank");
    ptd_opt_needs("heads", search || (read && !gradient),
                  "--from search, or attention with neither --blank nor --gradient");
    ptd_opt_needs("sink", search || (read && !gradient),
                  "--from search, or attention with neither --blank nor --gradient");
    ptd_opt_needs("grid", attention || search || ptd_hints_named(opt.from, "siblings"),
                  "--from attention, siblings or search");
}

static void refuse_idle_weights(int search)
{
    int given = opt.hint.blank || opt.hint.gradient, weighs = opt.hint.gate || search,
        reply = opt.hint.weigh.by == PTD_BY_REPLY;
    ptd_opt_needs("methods", search, "--from search");
    ptd_opt_needs("candidates", search, "--from search");
    ptd_opt_needs("sure", search && reply, "--from search and --weigh reply");
    ptd_opt_needs("replies", search && reply, "--from search and --weigh reply");
    ptd_opt_needs("samples", opt.hint.gate && reply, "--gate and --weigh reply");
    ptd_opt_needs("gate-source", opt.hint.gate, "--gate");
    ptd_opt_needs("gate-right", opt.hint.gate && reply, "--gate and --weigh reply");
    ptd_opt_needs("weigh", weighs || given, "--gate, --blank, --gradient or --from search");
    ptd_opt_needs("answer-template", given || (weighs && !reply),
                  "--weigh answer or right and --gate or --from search, or --blank or --gradient");
    ptd_opt_needs("judge", (weighs && reply) || opt.audit,
                  "--audit, or --weigh reply and --gate or --from search");
}

static void refuse_idle(void)
{
    int attention = ptd_hints_named(opt.from, "attention"),
        search = ptd_hints_named(opt.from, "search"), exec = ptd_hints_named(opt.from, "exec");
    refuse_idle_scores(attention, search);
    refuse_idle_weights(search);
    ptd_opt_needs("model", attention || search || opt.hint.gate,
                  "--gate or --from attention or search");
    ptd_opt_needs("exec-timeout", exec, "--from exec:CMD");
    ptd_opt_needs("exec-start", exec, "--from exec:CMD");
    ptd_opt_needs("tau", !opt.always && !opt.audit, "neither --always nor --audit");
    ptd_opt_needs("always", !opt.audit, "no --audit");
    ptd_opt_needs("record", !opt.audit, "no --audit");
}

static int check_options(void *ctx)
{
    (void)ctx;
    if (ptd_hints_check(opt.from, &opt.hint) < 0 || ptd_device_check(opt.device) < 0 ||
        (opt.hint.weigh.by = ptd_weigh_by_name(opt.weigh)) < 0)
        return -1;
    refuse_idle();
    opt.hint.weigh.judge = opt.judge;
    ptd_plan_read(&opt.plan);
    if (opt.plan.print) tell_plan();
    return 0;
}

/* Who decides what hints say, for the head. */
static int tell_reads(struct ptd_filter *filter)
{
    static char reads[120];
    char id[17];
    const struct ptd_hint_tools *m = opt.tools.model;
    if (ptd_store_identity(opt.tools.store, 0, id) < 0) return -1;
    int n = snprintf(reads, sizeof reads, "reference %s%s", id, opt.tools.old ? "; model old" : "");
    if (m && ptd_store_identity(m->store, m->generation, id) < 0) return -1;
    if (m)
        snprintf(reads + n, sizeof reads - (size_t)n, "; model generation %lld %s",
                 (long long)m->generation, id);
    filter->reads = reads;
    return 0;
}

static int begin(struct ptd_head *h, void *ctx)
{
    struct ptd_filter *filter = ctx;
    opt.seed = opt.hint.weigh.seed = (uint64_t)h->seed;
    if (ptd_hint_tools_open(&opt.tools, opt.store ? opt.store : h->store) < 0) return -1;
    opt.tools.memory = opt.plan.room;
    opt.tools.data = h->data;
    opt.tools.data_digest = h->data_digest;
    opt.tools.max_tokens = h->max_tokens;
    opt.tools.temperature = h->temperature;
    if (open_eye() < 0) return -1;
    opt.hints = ptd_hints_open(&opt.tools, opt.from, &opt.hint);
    if (!opt.hints || tell_reads(filter) < 0) return -1;
    if (!ptd_hints_compute(opt.hints)) return 0;
    ptd_threads_start(0);
    opt.tools.device = filter->device = ptd_device_open(opt.device);
    ptd_hint_eye(&opt.tools);
    return filter->device ? 0 : -1;
}

static int chosen(const struct ptd_group *g)
{
    uint64_t key = XXH3_64bits(g->uid, strlen(g->uid));
    return ptd_uniform(opt.seed, PTD_RNG_SHARE, (uint32_t)key, (uint32_t)(key >> 32), 0) <
           opt.share;
}

/* 1: hint it, 0: leave it, -1: nobody judged it. */
static int needs_hint(const struct ptd_group *g)
{
    if (opt.always) return chosen(g);
    if (g->group_accuracy < 0)
        return ptd_fail(
            PTD_DATAERR,
            "group \"%s\" was not judged: expected the output of ptd-verify (or --always)", g->uid);
    if (g->group_accuracy >= opt.tau) return 0;
    for (int i = 0; i < g->n_rollouts; i++)
        if (!ptd_rollout_right(&g->rollouts[i])) return chosen(g);
    return 0;
}

static void count(const struct ptd_group *g, int given)
{
    if (given) opt.given++;
    if (!given && !g->hint_drop) opt.bare++;
    for (int i = 0; i < RULES_MAX && ptd_spoiler_rules[i].name && g->hint_drop; i++)
        opt.dropped[i] += strcmp(ptd_spoiler_rules[i].name, g->hint_drop) == 0;
}

/* Of a step, or of one group. */
static int hint_all(struct ptd_group **g, int n, int *verbs, void *ctx)
{
    (void)ctx;
    struct ptd_group **asked = ptd_array((size_t)n, sizeof *asked);
    int *at = ptd_array((size_t)n, sizeof *at), *given = ptd_array((size_t)n, sizeof *given);
    int m = 0, rc = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        int needed = needs_hint(g[i]), had = g[i]->hint.text || g[i]->hint_drop || g[i]->map.score;
        verbs[i] = needed < 0 ? PTD_FAILED : had ? PTD_CHANGED : PTD_PASS;
        rc = needed < 0 ? -1 : 0;
        if (needed > 0) asked[m] = g[i], at[m++] = i;
        if (needed == 0) ptd_hint_clear(g[i]);
    }
    if (rc == 0) rc = ptd_hints_give(opt.hints, asked, m, given);
    for (int k = 0; k < m; k++) {
        if (given[k] < 0) verbs[at[k]] = PTD_FAILED;
        if (rc < 0) continue;
        count(asked[k], given[k]);
        if (given[k] || asked[k]->hint_drop) verbs[at[k]] = PTD_CHANGED;
    }
    free(asked);
    free(at);
    free(given);
    return rc;
}

static int process(struct ptd_group *g, void *ctx)
{
    int verb;
    return hint_all(&g, 1, &verb, ctx) < 0 ? PTD_FAILED : verb;
}

/* After the first step: if no prompt that needs a hint had anything to make one of, there will be
 * no tutor, and somebody should know. */
static int look_at_step(int64_t step, void *ctx)
{
    static int looked;
    (void)ctx;
    long dropped = 0;
    for (int i = 0; i < RULES_MAX; i++) dropped += opt.dropped[i];
    if (!looked++ && opt.bare && !opt.given && !dropped)
        ptd_warn("step %lld: %ld prompts need a hint, and none brings what one is made of (steps, "
                 "regions or a solution, or --from another source): responses are not tutored, as "
                 "in plain GRPO",
                 (long long)step, opt.bare);
    return 0;
}

static int finish(void *ctx)
{
    (void)ctx;
    if (ptd_hints_end(opt.hints) < 0) return -1;
    opt.gated = ptd_hints_gated(opt.hints);
    ptd_hints_close(opt.hints);
    ptd_hint_tools_close(&opt.tools);
    ptd_device_close(opt.tools.device);
    return 0;
}

/* ", gate: 31 of 40 passed (77.5 %), gain 1.83 each, of the others -0.20" */
static void add_gate(char *words, size_t room)
{
    const struct ptd_hints_gate *g = &opt.gated;
    long n = g->passed + g->dropped;
    snprintf(words, room, ", gate: %ld of %ld passed (%.1f %%), gain %.3g each, of the others %.3g",
             g->passed, n, n ? 100.0 * (double)g->passed / (double)n : 0.0,
             g->passed ? g->gain_passed / (double)g->passed : 0.0,
             g->dropped ? g->gain_dropped / (double)g->dropped : 0.0);
}

/* "31 hints, 2 dropped (answer-number 2), 1 prompt without material" */
static const char *summary(void *ctx)
{
    (void)ctx;
    static char words[512];
    char rules[400] = "";
    long dropped = 0;
    for (int i = 0; i < RULES_MAX && ptd_spoiler_rules[i].name; i++) {
        size_t used = strlen(rules);
        dropped += opt.dropped[i];
        if (opt.dropped[i])
            snprintf(rules + used, sizeof rules - used, "%s%s %ld", used ? ", " : " (",
                     ptd_spoiler_rules[i].name, opt.dropped[i]);
    }
    int n =
        snprintf(words, sizeof words, "%ld hint%s, %ld dropped%s%s, %ld without material",
                 opt.given, ptd_plural(opt.given), dropped, rules, dropped ? ")" : "", opt.bare);
    if (opt.hint.gate) add_gate(words + n, sizeof words - (size_t)n);
    return words;
}

/* ---- audit ---- */

static struct ptd_progress progress;
static struct ptd_audit *the_audit;

static void tell(const void *ctx)
{
    char words[256];
    ptd_progress_words(&progress, NULL, words, sizeof words);
    ptd_tell("%s", progress.what ? words : "starting");
}

static void open_audit(struct ptd_audit_view *v)
{
    ptd_threads_start(0);
    opt.tools.memory = opt.plan.room;
    opt.tools.data = v->data;
    opt.tools.max_tokens = v->max_tokens;
    opt.tools.temperature = v->temperature;
    opt.hint.weigh.seed = (uint64_t)opt.audit_seed;
    if (open_eye() < 0) ptd_die_last();
    struct ptd_audit_options o = {
        .answers = v->answers = opt.answers,
        .max_tokens = v->max_tokens,
        .temperature = v->temperature,
        .seed = (uint64_t)(v->seed = opt.audit_seed),
        .rules = {.set = ptd_judge_defaults, .thought_open = opt.tools.config.thinking}};
    if (ptd_reward_rules_parse(&o.rules, "auto", opt.judge, "boxed") < 0) ptd_die_last();
    opt.hints = ptd_hints_open(&opt.tools, opt.from, &opt.hint);
    if (!opt.hints || !(opt.tools.device = ptd_device_open(opt.device))) ptd_die_last();
    ptd_hint_eye(&opt.tools);
    the_audit = ptd_audit_open(&opt.tools, opt.hints, &o);
    if (!the_audit) ptd_die_last();
}

/* 1: there may be more to measure, 0: enough, -1 failure. */
static int audit_group(struct ptd_group *g)
{
    if (progress.done >= opt.sample) return 0;
    int added = chosen(g) ? ptd_audit_add(the_audit, g) : 0;
    if (added > 0) ptd_progress_set(&progress, progress.done + 1, NULL);
    return added < 0 ? -1 : 1;
}

static int of_data_set(void)
{
    return opt.system || opt.max_pixels || opt.min_pixels;
}

static void audit_stream(const char *operand, struct ptd_audit_view *v)
{
    if (of_data_set())
        ptd_misuse("--system, --max-pixels and --min-pixels go with a data set: a stream has its "
                   "prompts and pictures");
    static struct ptd_head h;
    struct ptd_group g = {0};
    struct ptd_frame f;
    int got;
    struct ptd_reader *r = ptd_input_open(operand, &h);
    v->store = opt.store ? opt.store : h.store;
    v->data = h.data;
    v->max_tokens = opt.max_tokens ? opt.max_tokens : h.max_tokens > 0 ? h.max_tokens : 64;
    v->temperature = opt.temperature > 0 ? opt.temperature : h.temperature > 0 ? h.temperature : 1;
    if (ptd_hint_tools_open(&opt.tools, v->store) < 0) ptd_die_last();
    open_audit(v);
    ptd_progress_start(&progress, "groups", 0, (long)opt.sample);
    while ((got = ptd_reader_next(r, &f)) > 0)
        if (f.kind == PTD_GROUP &&
            (ptd_group_read(&g, f.body, f.body_len) < 0 || audit_group(&g) < 0)) {
            ptd_reader_blame(r, &f);
            ptd_die_last();
        }
    if (got < 0 || ptd_reader_close(r) < 0) ptd_die_last();
    ptd_group_clear(&g);
}

static void audit_data(const char *path, struct ptd_audit_view *v)
{
    static struct ptd_source src;
    struct ptd_group g = {0};
    if (!opt.store) ptd_misuse("--audit of a data set: expected --store too");
    if (ptd_source_open(&src, opt.store, path, &opt.places) < 0 ||
        ptd_source_system(&src, opt.system) < 0 ||
        ptd_source_pixels(&src, opt.max_pixels, opt.min_pixels) < 0)
        ptd_die_last();
    v->store = opt.store;
    v->data = path;
    v->max_tokens = opt.max_tokens ? opt.max_tokens : 64;
    v->temperature = opt.temperature > 0 ? opt.temperature : 1;
    opt.tools = (struct ptd_hint_tools){
        .store = src.store, .config = src.config, .tokenizer = src.tokenizer};
    open_audit(v);
    long rows = ptd_dataset_rows(src.data);
    ptd_progress_start(&progress, "groups", 0, opt.sample < rows ? (long)opt.sample : rows);
    for (long i = 0, more = 1; i < rows && more; i++) {
        int row = ptd_dataset_order(src.data, (uint64_t)opt.audit_seed, i);
        if (ptd_source_group(&src, row, 1, &g) < 0) ptd_die_last();
        if ((more = audit_group(&g)) < 0) ptd_dataset_blame(src.data, row), ptd_die_last();
    }
    ptd_group_clear(&g);
    ptd_dataset_close(src.data);
}

/* A regular file that begins as rows of a data set do: no stream begins so. */
static int is_data(const char *path)
{
    unsigned char first[64];
    struct stat st;
    if (!path || stat(path, &st) < 0 || !S_ISREG(st.st_mode)) return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, first, sizeof first), i = 0;
    if (fd >= 0) close(fd);
    while (i < n && strchr(" \t\r\n", first[i]) && first[i]) i++;
    return i < n && (first[i] == '{' || first[i] == '[' || first[i] == 0xef);
}

/* A reference that knows nothing proves nothing. */
static void warn_of_nothing_right(void)
{
    double right = 0;
    for (int i = 0; i < ptd_audit_rows(the_audit); i++) {
        const struct ptd_audit_row *r = ptd_audit_row(the_audit, i);
        right += r->kept.blind.x + r->kept.blind.y + r->kept.seeing.x + r->kept.seeing.y +
                 r->told.blind.x + r->told.blind.y + r->told.seeing.x + r->told.seeing.y;
    }
    if (right <= 0)
        ptd_warn("no answer of the reference is right under any view: nothing can be seen to tell");
}

static int audit_end(const struct ptd_audit_view *v)
{
    int telling = 0;
    struct ptd_audit_counts n = ptd_audit_counted(the_audit);
    ptd_progress_clear(&progress);
    if (n.groups == 0)
        ptd_die(PTD_DATAERR,
                "nothing to measure: %ld groups without a picture, %ld without an answer: expected "
                "groups with both",
                n.without_picture, n.without_answer);
    if (!ptd_is_quiet()) ptd_audit_show_table(stderr, the_audit, v);
    warn_of_nothing_right();
    ptd_show_json(ptd_audit_show_json(the_audit, v), JSON_COMPACT | JSON_REAL_PRECISION(9));
    ptd_stdout_flush();
    for (int i = 0; i < ptd_audit_rows(the_audit); i++)
        telling += ptd_audit_tells(ptd_audit_row(the_audit, i)) > 0;
    ptd_info(
        "%ld groups measured, %ld without a picture, %ld without an answer, %d of %d sources tell, "
        "%.1f s",
        n.groups, n.without_picture, n.without_answer, telling, ptd_audit_rows(the_audit),
        ptd_now() - progress.started);
    ptd_audit_close(the_audit);
    finish(NULL);
    return telling ? PTD_VERDICT : PTD_OK;
}

static int audit(const char *operand)
{
    struct ptd_audit_view v = {0};
    if (check_options(NULL)) ptd_die_last();
    if (opt.hint.gate) ptd_misuse("--gate: --audit measures all that a source says, without it");
    if (opt.model && strcmp(opt.model, "old") == 0)
        ptd_misuse("--model old: --audit asks the reference, expected another store or no --model");
    ptd_asked_heed(tell, NULL);
    if (is_data(operand))
        audit_data(operand, &v);
    else
        audit_stream(operand, &v);
    return audit_end(&v);
}

static void refuse_options_of_audit(void)
{
    static const char *const all[] = {"sample",    "group-size",    "max-tokens", "temperature",
                                      "system",    "max-pixels",    "min-pixels", "seed",
                                      "image-dir", "allow-outside", NULL};
    for (const char *const *o = all; *o; o++) ptd_opt_needs(*o, 0, "--audit");
}

/* The options, with the names of the sources there are. */
static const struct ptd_opt *named_options(void)
{
    static struct ptd_opt all[sizeof options / sizeof *options];
    char *names = ptd_hint_names();
    memcpy(all, options, sizeof all);
    for (struct ptd_opt *o = all; o->name; o++)
        if (strcmp(o->name, "from") == 0) o->help = ptd_format(o->help, names);
    free(names);
    return all;
}

int main(int argc, char **argv)
{
    char *command;
    usage.options = named_options();
    struct ptd_filter f = {.usage = &usage,
                           .ctx = &f,
                           .options = check_options,
                           .begin = begin,
                           .process = process,
                           .step = look_at_step,
                           .finish = finish,
                           .summary = summary};
    const char *operand = ptd_filter_parse(&f, argc, argv, &command);
    if (!opt.audit) refuse_options_of_audit();
    if (opt.hint.gate) f.batch = hint_all;
    return opt.audit ? audit(operand) : ptd_filter_run(&f, operand, command);
}
