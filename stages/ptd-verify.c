/* ptd-verify: finds each response's answer, judges it by rule or by the user's own commands, and
 * gives rewards and advantages. Reads answer, answers, judge, question and rollouts' text; adds
 * outcome, extracted, reason, accuracy, format, parts, reward, advantage, group_accuracy; of a
 * greedy answer beside the group baseline remains. Needs no weights. With --keep, groups from which
 * nothing can be learned stay behind (keep.h), and ptd-rollout --refill is told.
 *
 * Advantages that compare a whole step wait for it: its groups are then in memory at once, as they
 * are in ptd-update. */
#include "flow/filter.h"
#include "method/keep.h"
#include "method/preset.h"
#include "method/privileged.h"
#include "method/reward.h"
#include "method/worth.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REASONS 32

static struct {
    const char *extract, *judge, *format, *advantage, *method, *units, *tolerance, *keep;
    const struct ptd_advantage *kind;
    struct ptd_reward_rules rules;
    struct ptd_opt_list commands;
    struct ptd_checker_limits limits;
    struct ptd_kept kept;
    int explain;
    int anew; /* 1: by other rules than those that took greedy answers out */
    long right, judged, cut;
    struct {
        const char *reason;
        long n;
    } unparsable[REASONS];
} opt = {.extract = "auto",
         .judge = "auto",
         .format = "boxed",
         .advantage = "grpo",
         .units = "auto",
         .tolerance = "0",
         .rules = {.format_weight = 0.1,
                   .accuracy_weight = 0.9,
                   .overlong_penalty = 1,
                   .set = {.iou = 0.5}},
         .limits = {.jobs = 1, .answer = 10, .start = 300}};

static const struct ptd_opt options[] = {
    {"extract", 'e', PTD_OPT_STR, &opt.extract, "RULE",
     "where the answer is: auto, boxed, tag, last", 0, 0},
    {"judge", 'j', PTD_OPT_STR, &opt.judge, "RULE",
     "how it is compared: %s; auto: as the row says, or the gold", 0, 0},
    {"units", 0, PTD_OPT_STR, &opt.units, "WHAT",
     "units of numbers: drop, keep, convert; auto: drop if the gold has none, else convert", 0, 0},
    {"tolerance", 0, PTD_OPT_STR, &opt.tolerance, "T",
     "of numbers: 1% of the gold, 0.01 on either side, 1%,0.01 both, chart (5%)", 0, 0},
    {"iou", 0, PTD_OPT_DOUBLE, &opt.rules.set.iou, "T",
     "iou: boxes are right from T on; 0: their iou is the accuracy; labels count if they differ", 0,
     1},
    {"right-from", 0, PTD_OPT_DOUBLE, &opt.rules.right_from, "A",
     "a response is right from this accuracy on; 0: from 0.5, under point 1", 0, 1},
    {"format", 'f', PTD_OPT_STR, &opt.format, "RULE", "form that earns: boxed, think, answer-tag",
     0, 0},
    {"format-weight", 0, PTD_OPT_DOUBLE, &opt.rules.format_weight, "W", "reward for the form", 0,
     1e6},
    {"form-only-if-some-right", 0, PTD_OPT_FLAG, &opt.rules.form_needs_right, NULL,
     "where no response of a group is right, form earns nothing", 0, 0},
    {"accuracy-weight", 0, PTD_OPT_DOUBLE, &opt.rules.accuracy_weight, "W",
     "reward for the right answer", 0, 1e6},
    {"exec", 0, PTD_OPT_LIST, &opt.commands, "CMD",
     "a judge of your own, [NAME[:WEIGHT]=]CMD, as often as wanted: a line of JSON for a line", 0,
     0},
    {"exec-jobs", 0, PTD_OPT_INT, &opt.limits.jobs, "N",
     "processes of each --exec, for all groups of a step at once", 1, PTD_CHECKER_JOBS, 1},
    {"exec-timeout", 0, PTD_OPT_DOUBLE, &opt.limits.answer, "S",
     "seconds that --exec may take for a response", 1e-3, 86400},
    {"exec-start", 0, PTD_OPT_DOUBLE, &opt.limits.start, "S",
     "seconds that --exec may take before it reads its first line", 1e-3, 86400, 1},
    {"overlong", 0, PTD_OPT_INT, &opt.rules.overlong, "B",
     "over the last B tokens before the limit the reward falls by --overlong-penalty (0: not)", 0,
     1 << 20},
    {"overlong-limit", 0, PTD_OPT_INT, &opt.rules.overlong_limit, "N",
     "that limit, in tokens (0: the -m of ptd-rollout)", 0, 1 << 20},
    {"overlong-penalty", 0, PTD_OPT_DOUBLE, &opt.rules.overlong_penalty, "X",
     "what a response that reaches it loses", 0, 1e6},
    {"overlong-filter", 0, PTD_OPT_FLAG, &opt.rules.overlong_filter, NULL,
     "responses that the limit cut count among the others' rewards, but are not trained", 0, 0},
    {"keep", 0, PTD_OPT_STR, &opt.keep, "LOW:HIGH",
     "drop groups whose accuracy lies outside, 0.01:0.99 those in which all are right or wrong", 0,
     0},
    {"method", 0, PTD_OPT_PRESET, &opt.method, "NAME", PTD_PRESET_HELP, 0, 0, 1},
    {"advantage", 'a', PTD_OPT_STR, &opt.advantage, "KIND", "%s", 0, 0},
    {"explain", 'x', PTD_OPT_FLAG, &opt.explain, NULL,
     "say on stderr what was found in each response", 0, 0, 1},
    {0}};
static const struct ptd_method_choice choices[] = {
    {"method", ptd_presets}, {"advantage", ptd_advantages}, {0}};
static struct ptd_usage usage = {
    "ptd-verify",
    "[FILE]",
    "judge responses by rule: rewards and advantages",
    "ptd-rollout -s run.ptd train.jsonl | ptd-verify | ptd-hint | ptd-ref | ptd-update\n"
    "ptd-verify --explain < rollouts.rec > verified.rec\n"
    "ptd-verify --exec 'style:0.2=python3 style.py' < rollouts.rec > verified.rec",
    options,
    "0 done, 2 misuse, 65 bad data or answer of --exec, 66 no input, 69 --exec does not answer, "
    "71 no memory, 74 i/o, 76 cut, 77 no permission, 78 config",
    ptd_preset};

/* What was given and cannot have an effect is a mistake. */
static void refuse_idle(void)
{
    int boxes = !strcmp(opt.judge, "iou"), points = !strcmp(opt.judge, "point");
    ptd_method_refuse_others(ptd_advantages, "advantage", &opt.kind->is);
    ptd_opt_needs("overlong-limit", opt.rules.overlong > 0, "--overlong");
    ptd_opt_needs("overlong-penalty", opt.rules.overlong > 0, "--overlong");
    ptd_opt_needs("iou", boxes || !strcmp(opt.judge, "auto"), "--judge iou or auto");
    ptd_opt_needs("units", !boxes && !points, "a --judge of numbers");
    ptd_opt_needs("tolerance", !boxes, "a --judge of numbers or points");
    ptd_opt_needs("form-only-if-some-right", opt.rules.format_weight > 0,
                  "a --format-weight above 0");
    ptd_opt_needs("exec-jobs", opt.commands.n > 0, "--exec");
    ptd_opt_needs("exec-timeout", opt.commands.n > 0, "--exec");
    ptd_opt_needs("exec-start", opt.commands.n > 0, "--exec");
}

static int check_options(void *ctx)
{
    (void)ctx;
    if (!(opt.kind = ptd_advantage_named(opt.advantage))) return -1;
    refuse_idle();
    if (ptd_reward_rules_parse(&opt.rules, opt.extract, opt.judge, opt.format) < 0 ||
        ptd_reward_units_parse(&opt.rules.set, opt.units) < 0 ||
        ptd_reward_tolerance_parse(&opt.rules.set, opt.tolerance) < 0 ||
        (opt.keep && ptd_keep_parse(&opt.kept, opt.keep) < 0))
        return -1;
    if (opt.commands.n == 0) return 0;
    opt.rules.checkers = ptd_checkers_new(&opt.commands, &opt.limits);
    return opt.rules.checkers ? 0 : -1;
}

/* "right, accuracy 0.7: found "4", expected "3" or "three", form good, style 0.2" */
static void explain(struct ptd_group *g, int i)
{
    const struct ptd_rollout *y = &g->rollouts[i];
    const char *quote = y->extracted ? "\"" : "", *found = y->extracted ? y->extracted : "nothing",
               *expected = g->answer, *parts = "", *accuracy = "";
    for (int k = 0; k < g->n_answers; k++)
        expected = ptd_group_text(g, "%s\" or \"%.200s", expected, g->answers[k]);
    for (int k = 0; k < y->n_parts; k++)
        parts = ptd_group_text(g, "%s, %s %g", parts, y->parts[k].name, y->parts[k].value);
    if (y->accuracy > 0 && y->accuracy < 1)
        accuracy = ptd_group_text(g, ", accuracy %.3g", y->accuracy);
    ptd_tell("%.200s #%d: %s%s: found %s%.999s%s%s%s%s, expected \"%.999s\", form %s%.400s", g->uid,
             i, ptd_outcome_name[y->outcome], accuracy, quote, found, quote, y->reason ? " (" : "",
             y->reason ? y->reason : "", y->reason ? ")" : "", expected,
             y->format > 0 ? "good" : "bad", parts);
}

static void count(const struct ptd_rollout *y)
{
    int k = 0;
    opt.judged++;
    opt.right += y->outcome == PTD_RIGHT;
    if (!y->reason) return;
    while (k < REASONS - 1 && opt.unparsable[k].n && strcmp(opt.unparsable[k].reason, y->reason))
        k++;
    opt.unparsable[k].reason = y->reason;
    opt.unparsable[k].n++;
}

/* ---- the greedy answer beside a group ---- */

static int greedy_of(const struct ptd_group *g, int *at)
{
    int n = 0;
    for (int i = 0; i < g->n_rollouts; i++)
        if (g->rollouts[i].greedy) *at = i, n++;
    if (n > 1 || (n && g->n_rollouts == 1))
        return ptd_fail(PTD_DATAERR,
                        "group \"%.200s\": %d greedy answers among %d responses, expected at most "
                        "one, and others",
                        g->uid, n, g->n_rollouts);
    return n;
}

/* What it earned is the group's baseline; it is no response any more, and cannot be judged again.
 */
static int take_greedy_out(struct ptd_group *g)
{
    int at = 0, n = greedy_of(g, &at);
    if (opt.anew) g->has_baseline = 0, g->baseline = 0;
    if (n <= 0) return n;
    g->has_baseline = 1;
    g->baseline = g->rollouts[at].reward;
    g->n_rollouts--;
    for (int i = at; i < g->n_rollouts; i++) g->rollouts[i] = g->rollouts[i + 1];
    return 0;
}

static int uncut(const struct ptd_group *g)
{
    int n = 0;
    for (int i = 0; i < g->n_rollouts; i++)
        n += !g->rollouts[i].stop || strcmp(g->rollouts[i].stop, "length") != 0;
    return opt.rules.overlong_filter ? n : g->n_rollouts;
}

/* Of responses that were given with a hint the right ones go on. */
static int finish_given(struct ptd_group *g)
{
    for (int i = 0; i < g->n_rollouts; i++) count(&g->rollouts[i]);
    return ptd_privileged_keep(g) ? PTD_CHANGED : PTD_DROP;
}

/* Whether the group goes on, as a verb; PTD_HOLD: once the step is complete. given: it waited to be
 * judged again. */
static int finish_group(struct ptd_group *g, int given)
{
    if (given) return finish_given(g);
    double accuracy = 0;
    for (int i = 0; opt.explain && i < g->n_rollouts; i++) explain(g, i);
    if (take_greedy_out(g)) return PTD_FAILED;
    for (int i = 0; i < g->n_rollouts; i++) {
        accuracy += g->rollouts[i].accuracy;
        count(&g->rollouts[i]);
    }
    g->group_accuracy = accuracy / g->n_rollouts;
    if (!opt.kind->step && ptd_worth(opt.kind, &g, 1)) return PTD_FAILED;
    struct ptd_group seen = *g;
    seen.n_rollouts = uncut(g);
    int kept = ptd_keep_judged(&opt.kept, &seen);
    if (!kept || !opt.kind->step) opt.cut += ptd_reward_leave_cut(&opt.rules, g);
    return kept < 0 ? PTD_FAILED : !kept ? PTD_DROP : opt.kind->step ? PTD_HOLD : PTD_CHANGED;
}

/* Advantages of a step that is complete; what was cut is compared, too. */
static int whole(struct ptd_group **g, int n, void *ctx)
{
    (void)ctx;
    if (ptd_worth(opt.kind, g, n)) return -1;
    for (int k = 0; k < n; k++) opt.cut += ptd_reward_leave_cut(&opt.rules, g[k]);
    return 0;
}

static int process(struct ptd_group *g, void *ctx)
{
    (void)ctx;
    int given = ptd_privileged_is(g);
    if (ptd_reward_score(&opt.rules, g) < 0) return PTD_FAILED;
    return finish_group(g, given);
}

/* A step's groups at once: several processes of a judge have work even if each group has one
 * response. */
static int batch(struct ptd_group **g, int n, int *verbs, void *ctx)
{
    (void)ctx;
    int failed, rc = 0;
    uint8_t *given = ptd_array((size_t)n, sizeof *given);
    for (int k = 0; k < n; k++) given[k] = (uint8_t)ptd_privileged_is(g[k]);
    if (ptd_reward_score_all(&opt.rules, g, n, &failed) < 0) {
        if (failed >= 0) verbs[failed] = PTD_FAILED;
        rc = -1;
    }
    for (int k = 0; k < n && rc == 0; k++) {
        verbs[k] = finish_group(g[k], given[k]);
        if (verbs[k] == PTD_FAILED) rc = -1;
    }
    free(given);
    return rc;
}

/* Of several ranks: how large the round is that this group begins. */
static int begin_round(const struct ptd_frame *f)
{
    struct ptd_group g = {0};
    int rc = ptd_group_decode(&g, f->body, f->body_len) || ptd_keep_round(&opt.kept, &g) ? -1 : 0;
    ptd_group_clear(&g);
    return rc;
}

/* A round that ptd-rollout waits for is judged before the step is over. */
static int enough(int n, const struct ptd_frame *last, void *ctx)
{
    (void)ctx;
    if (opt.kept.shares > 1 && n == 1 && begin_round(last)) return -1;
    return n == ptd_keep_due(&opt.kept);
}

static int step(int64_t number, void *ctx)
{
    (void)number;
    (void)ctx;
    ptd_keep_step(&opt.kept);
    return 0;
}

static int begin(struct ptd_head *h, void *ctx)
{
    struct ptd_filter *f = ctx;
    opt.rules.thought_open = h->thought_open;
    opt.anew = !ptd_worth_judged_so(h, ptd_opt_decided());
    if (!opt.rules.overlong_limit) opt.rules.overlong_limit = h->max_tokens;
    if ((opt.rules.checkers && opt.limits.jobs > 1) || opt.kind->step) f->batch = batch;
    if (opt.kind->step) f->whole = whole;
    if (opt.rules.overlong > opt.rules.overlong_limit)
        return ptd_fail(PTD_CONFIG, "--overlong %d: expected at most the limit, %d tokens",
                        opt.rules.overlong, opt.rules.overlong_limit);
    return ptd_keep_begin(&opt.kept, h);
}

static int finish(void *ctx)
{
    (void)ctx;
    return opt.rules.checkers ? ptd_checkers_end(opt.rules.checkers) : 0;
}

/* ", 12 groups out of range, 3 surplus, 5 cut responses left out" */
static int put_left_out(char *words, size_t size)
{
    int n = 0;
    if (opt.kept.on)
        n = snprintf(words, size, ", %ld groups out of range, %ld surplus", opt.kept.dropped,
                     opt.kept.surplus);
    if (opt.rules.overlong_filter)
        n += snprintf(words + n, size - (size_t)n, ", %ld cut responses left out", opt.cut);
    return n;
}

/* "66 of 320 responses right, unparsable: no box 12, cut 3, style: 2 without an answer" */
static const char *summary(void *ctx)
{
    (void)ctx;
    static char words[500];
    size_t n =
        (size_t)snprintf(words, sizeof words, "%ld of %ld responses right", opt.right, opt.judged);
    n += (size_t)put_left_out(words + n, sizeof words - n);
    for (int k = 0; k < REASONS && opt.unparsable[k].n && n < sizeof words; k++)
        n += (size_t)snprintf(words + n, sizeof words - n, "%s %s %ld",
                              k ? "," : ", unparsable:", opt.unparsable[k].reason,
                              opt.unparsable[k].n);
    const char *missing = opt.rules.checkers ? ptd_checkers_summary(opt.rules.checkers) : "";
    if (*missing && n < sizeof words) snprintf(words + n, sizeof words - n, ", %s", missing);
    return words;
}

/* The options, with the names of the rules there are. */
static const struct ptd_opt *named_options(void)
{
    struct ptd_opt *all = ptd_method_options(options, choices);
    char *rules = ptd_judge_names();
    for (struct ptd_opt *o = all; o->name; o++)
        if (strcmp(o->name, "judge") == 0) o->help = ptd_format(o->help, rules);
    free(rules);
    return all;
}

int main(int argc, char **argv)
{
    usage.options = named_options();
    struct ptd_filter f = {.usage = &usage,
                           .options = check_options,
                           .begin = begin,
                           .process = process,
                           .step = step,
                           .enough = enough,
                           .finish = finish,
                           .summary = summary};
    f.ctx = &f;
    int status = ptd_filter_main(&f, argc, argv);
    ptd_checkers_close(opt.rules.checkers);
    ptd_keep_end(&opt.kept);
    return status;
}
