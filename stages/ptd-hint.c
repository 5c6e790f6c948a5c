/* ptd-hint: writes a hint for prompts whose responses failed, and the prompt with the hint in it,
 * for the teacher alone. Reads question, answer, solution, steps, regions, pictures, prompt_ids,
 * group_accuracy, and the rollouts' text, outcome and accuracy; adds hint or hint_drop, hint_gain,
 * hint_refused; with --record map and hint_dropped. Changes no rollout.
 *
 * With --audit it writes no stream: it measures on a sample, of a stream or of a data set, whether
 * hints tell (audit.h). */
#include "hint/hint.h"
#include "base/output.h"
#include "base/rng.h"
#include "base/threads.h"
#include "method/hint/forced.h"
#include "method/hint/spoiler.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define SAMPLE  200 /* groups, and answers to each */
#define ANSWERS 4

struct options opt = {.from = "data,attention",
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
     "let --from answer or response show the answer to the teacher: baselines only, no rule "
     "looks at it",
     0, 0},
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

int open_eye(void)
{
    opt.tools.old = opt.model && strcmp(opt.model, "old") == 0;
    return opt.model && !opt.tools.old ? ptd_hint_model_open(&opt.tools, opt.model) : 0;
}

int check_options(void *ctx)
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

int chosen(const struct ptd_group *g)
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

int finish(void *ctx)
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
