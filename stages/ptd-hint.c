/* ptd-hint: writes a hint for prompts whose responses failed, and the prompt with the hint in it,
 * for the teacher alone. Reads answer, solution, steps, regions, pictures, prompt_ids,
 * group_accuracy, accuracy; adds hint or hint_drop. Changes no rollout. */
#include "base/rng.h"
#include "base/threads.h"
#include "compute/device.h"
#include "flow/filter.h"
#include "method/hint/hint.h"
#include "method/hint/spoiler.h"
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#define RULES_MAX 16

static struct {
    const char *store, *from, *device;
    struct ptd_hint_options hint;
    double tau, share;
    int always;
    uint64_t seed;
    struct ptd_hint_tools tools;
    struct ptd_hints *hints;
    long given, dropped[RULES_MAX], bare;
} opt = {.from = "data,attention",
         .hint = {.grid = "3x3", .mass = 1.2, .sink = 4, .first = 1},
         .tau = 1,
         .share = 1};

static const struct ptd_opt options[] = {
    {"from", 'f', PTD_OPT_STR, &opt.from, "LIST", "sources, the first hint wins: data, attention",
     0, 0},
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
    {0}};
static const struct ptd_usage usage = {
    "ptd-hint", "[FILE]", "hint at where to look and how to go on, never at the answer",
    "ptd-rollout -s run.ptd train.jsonl | ptd-verify | ptd-hint | ptd-ref | ptd-update\n"
    "ptd-hint --from attention --mass 1.3 < verified.rec > hinted.rec",
    options};

static int begin(struct ptd_head *h, void *ctx)
{
    static char reads[40];
    struct ptd_filter *filter = ctx;
    char id[17];
    opt.seed = (uint64_t)h->seed;
    if (ptd_device_check(opt.device) < 0) return -1;
    if (ptd_hint_tools_open(&opt.tools, opt.store ? opt.store : h->store) < 0) return -1;
    opt.hints = ptd_hints_open(&opt.tools, opt.from, &opt.hint);
    if (!opt.hints || ptd_store_identity(opt.tools.store, 0, id) < 0) return -1;
    snprintf(reads, sizeof reads, "reference %s", id);
    filter->reads = reads;
    if (!ptd_hints_compute(opt.hints)) return 0;
    ptd_threads_start(0);
    opt.tools.device = filter->device = ptd_device_open(opt.device);
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

static int process(struct ptd_group *g, void *ctx)
{
    (void)ctx;
    int needed = needs_hint(g), had = g->hint.text || g->hint_drop;
    if (needed < 0) return PTD_FAILED;
    if (!needed) {
        memset(&g->hint, 0, sizeof g->hint);
        g->hint_drop = NULL;
        return had ? PTD_CHANGED : PTD_PASS;
    }
    int given = ptd_hints_give(opt.hints, g);
    if (given < 0) return PTD_FAILED;
    count(g, given);
    return given || g->hint_drop || had ? PTD_CHANGED : PTD_PASS;
}

static int finish(void *ctx)
{
    (void)ctx;
    ptd_hints_close(opt.hints);
    ptd_hint_tools_close(&opt.tools);
    ptd_device_close(opt.tools.device);
    return 0;
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
    snprintf(words, sizeof words, "%ld hints, %ld dropped%s%s, %ld without material", opt.given,
             dropped, rules, dropped ? ")" : "", opt.bare);
    return words;
}

int main(int argc, char **argv)
{
    struct ptd_filter f = {.usage = &usage,
                           .ctx = &f,
                           .begin = begin,
                           .process = process,
                           .finish = finish,
                           .summary = summary};
    return ptd_filter_main(&f, argc, argv);
}
