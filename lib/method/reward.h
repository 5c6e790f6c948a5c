/* reward: what each response of a group earns. The answer is found (judge/extract.h), judged
 * against the gold (judge/judge.h), the form of the response looked at (judge/form.h), and the
 * user's own judges are asked (method/checker.h):
 *
 *     R = format_weight * format + accuracy_weight * accuracy + sum of weight * reward of commands
 *         - overlong_penalty * overlong
 *
 * Accuracy is 0 or 1 under most rules, and may lie between under iou, point, f1 and commands. A
 * response is right from `right_from` on (0: where its rule says so, 1 under point, else 0.5). With
 * `form_needs_right` a group in which nothing is right teaches no form: there R is without it.
 *
 * Overlong is the soft punishment of DAPO (arXiv 2503.14476, eq. 13): 0 for responses of at most
 * L - B tokens, (n - (L - B)) / B for n tokens up to L, 1 beyond, L being overlong_limit and B
 * overlong; it is a part of the rollout by that name. With overlong_filter a response that was cut
 * (stop "length") counts in its group's advantages and accuracy, and then leaves the group: none of
 * its tokens is trained or counted by what comes after.
 *
 * Which rule judges: the one asked for; under auto the one that the row names (`judge`), and
 * without one the gold decides. */
#ifndef PTD_REWARD_H
#define PTD_REWARD_H
#include "base/err.h"
#include "flow/record.h"
#include "judge/judge.h"
#include "method/checker.h"

#define PTD_RESPONSE_MAX ((size_t)16 << 20) /* bytes of a response */
#define PTD_ANSWER_MAX   ((size_t)1 << 20)  /* of an answer that is right */

struct ptd_reward_rules {
    int extract, format; /* of the enums of extract.h and form.h */
    const struct ptd_judge *judge;
    struct ptd_judge_settings set;
    double format_weight, accuracy_weight, right_from;
    int form_needs_right;          /* where no response of a group is right, form earns nothing */
    int overlong, overlong_limit;  /* tokens; overlong 0: no length is punished */
    double overlong_penalty;       /* what a response of the whole length loses */
    int overlong_filter;           /* 1: what was cut is left out */
    int thought_open;              /* by the chat template, before the response began */
    struct ptd_checkers *checkers; /* NULL: none */
};
/* Rules by name ("auto", "boxed", "answer-tag", ...); -1 with status 2 names the ones there are.
 * All else is left alone. */
int ptd_reward_rules_parse(struct ptd_reward_rules *r, const char *extract, const char *judge,
                           const char *format) PTD_MUST_CHECK;
/* Settings by word; -1 with status 2. Units: auto, drop, keep, convert. Tolerance: "1%" of the gold
 * (at most 50 %), "0.01" on either side (at most 1e6), both as "1%,0.01", "chart" for 5 %. */
int ptd_reward_units_parse(struct ptd_judge_settings *s, const char *units) PTD_MUST_CHECK;
int ptd_reward_tolerance_parse(struct ptd_judge_settings *s, const char *tolerance) PTD_MUST_CHECK;
/* Fills every rollout's outcome, extracted, reason, accuracy, format, parts and reward; texts live
 * in g's arena. -1 (65), and nothing is filled: no answer or one that the rule cannot read, a rule
 * that is none, or a rollout without text, which is no empty response, since nobody knows what was
 * said; or what ptd_checkers_ask says. */
int ptd_reward_score(const struct ptd_reward_rules *r, struct ptd_group *g) PTD_MUST_CHECK;
/* The same for n groups at once, so that all processes of the user's judges have work; *failed: the
 * group that it failed for, -1: none. */
int ptd_reward_score_all(const struct ptd_reward_rules *r, struct ptd_group *const *g, int n,
                         int *failed) PTD_MUST_CHECK;
/* After advantages and accuracy are there: with overlong_filter, what was cut leaves the group,
 * which may be left without any; how many. */
int ptd_reward_leave_cut(const struct ptd_reward_rules *r, struct ptd_group *g);
#endif
