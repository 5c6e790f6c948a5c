/* ptd-verify: finds each response's answer, judges it by rule, and gives rewards and advantages.
 * Reads answer and rollouts' text; adds outcome, extracted, accuracy, format, reward, advantage,
 * group_accuracy. Needs no weights. */
#include "flow/filter.h"
#include "method/advantage/advantage.h"
#include "method/reward.h"
#include <stdio.h>
#include <string.h>

static struct {
    const char *extract, *judge, *format, *advantage;
    const struct ptd_advantage *kind;
    struct ptd_reward_rules rules;
    int explain;
    long right, judged;
} opt = {.extract = "auto",
         .judge = "auto",
         .format = "boxed",
         .advantage = "grpo",
         .rules = {.format_weight = 0.1, .accuracy_weight = 0.9}};

static const struct ptd_opt options[] = {
    {"extract", 'e', PTD_OPT_STR, &opt.extract, "RULE", "where the answer is: auto, boxed, tag", 0,
     0},
    {"judge", 'j', PTD_OPT_STR, &opt.judge, "RULE",
     "how it is compared: auto, exact, number, choice", 0, 0},
    {"format", 'f', PTD_OPT_STR, &opt.format, "RULE", "form that earns: boxed, think, answer-tag",
     0, 0},
    {"format-weight", 0, PTD_OPT_DOUBLE, &opt.rules.format_weight, "W", "reward for the form", 0,
     1e6},
    {"accuracy-weight", 0, PTD_OPT_DOUBLE, &opt.rules.accuracy_weight, "W",
     "reward for the right answer", 0, 1e6},
    {"advantage", 'a', PTD_OPT_STR, &opt.advantage, "KIND", "%s", 0, 0},
    {"explain", 'x', PTD_OPT_FLAG, &opt.explain, NULL,
     "say on stderr what was found in each response", 0, 0, 1},
    {0}};
static const struct ptd_method_choice choices[] = {{"advantage", ptd_advantages}, {0}};
static struct ptd_usage usage = {
    "ptd-verify", "[FILE]", "judge responses by rule: rewards and advantages",
    "ptd-rollout -s run.ptd train.jsonl | ptd-verify | ptd-hint | ptd-ref | ptd-update\n"
    "ptd-verify --explain < rollouts.rec > verified.rec",
    options};

static int begin(struct ptd_head *h, void *ctx)
{
    (void)h, (void)ctx;
    if (!(opt.kind = ptd_advantage_named(opt.advantage))) return -1;
    return ptd_reward_rules_parse(&opt.rules, opt.extract, opt.judge, opt.format);
}

static void explain(const struct ptd_group *g, int i)
{
    const struct ptd_rollout *y = &g->rollouts[i];
    const char *quote = y->extracted ? "\"" : "", *found = y->extracted ? y->extracted : "nothing";
    ptd_tell("%.200s #%d: %s: found %s%.999s%s, expected \"%.999s\", form %s", g->uid, i,
             ptd_outcome_name[y->outcome], quote, found, quote, g->answer,
             y->format > 0 ? "good" : "bad");
}

static int process(struct ptd_group *g, void *ctx)
{
    (void)ctx;
    const int n = g->n_rollouts;
    if (n == 0)
        return ptd_fail(PTD_DATAERR, "group \"%.200s\": expected at least one rollout", g->uid);
    if (ptd_reward_score(&opt.rules, g) < 0) return PTD_FAILED;
    double *reward = ptd_group_alloc(g, n * sizeof *reward),
           *advantage = ptd_group_alloc(g, n * sizeof *advantage);
    double right = 0;
    for (int i = 0; i < n; i++) {
        reward[i] = g->rollouts[i].reward;
        right += g->rollouts[i].accuracy;
        if (opt.explain) explain(g, i);
    }
    opt.kind->value(opt.kind->is.own, reward, n, advantage);
    for (int i = 0; i < n; i++) g->rollouts[i].advantage = advantage[i];
    g->group_accuracy = right / n;
    opt.right += (long)right;
    opt.judged += n;
    return PTD_CHANGED;
}

static const char *summary(void *ctx)
{
    (void)ctx;
    static char words[64];
    snprintf(words, sizeof words, "%ld of %ld responses right", opt.right, opt.judged);
    return words;
}

int main(int argc, char **argv)
{
    usage.options = ptd_method_options(options, choices);
    struct ptd_filter f = {.usage = &usage, .begin = begin, .process = process, .summary = summary};
    return ptd_filter_main(&f, argc, argv);
}
