/* ptd-only: lets groups of one category through: a filter of one's own, built outside of ptd's sources.
 *
 *     ptd-rollout -s run.ptd -g latest --greedy test.jsonl | ptd-verify | ptd-only --category chart | ptd-stat */
#include "flow/filter.h"
#include <stdio.h>
#include <string.h>

static struct {
    const char *category;
    long seen, kept;
} opt;

static const struct ptd_opt options[] = {
    {"category", 'c', PTD_OPT_STR, &opt.category, "NAME", "the one to keep", 0, 0}, {0}};
static const struct ptd_usage usage = {"ptd-only", "[FILE]", "let groups of one category through",
                                       "ptd-only --category chart < judged.rec > charts.rec", options, NULL};

static int check(void *ctx)
{
    return opt.category ? 0 : ptd_fail(PTD_USAGE, "expected --category");
}

static int process(struct ptd_group *g, void *ctx)
{
    int keep = g->category && strcmp(g->category, opt.category) == 0;
    opt.seen++;
    opt.kept += keep;
    return keep ? PTD_PASS : PTD_DROP;
}

static const char *summary(void *ctx)
{
    static char words[64];
    snprintf(words, sizeof words, "kept %ld of %ld", opt.kept, opt.seen);
    return words;
}

int main(int argc, char **argv)
{
    struct ptd_filter f = {.usage = &usage, .options = check, .process = process, .summary = summary};
    return ptd_filter_main(&f, argc, argv);
}
