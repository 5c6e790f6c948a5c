/* reward: what each response of a group earns. The answer is found (judge/extract.h), judged
 * against the gold (judge/judge.h), the form of the response looked at (judge/form.h), and the
 * user's own judges are asked (method/checker.h):
 *
 *     R = format_weight * format + accuracy_weight * accuracy + sum of weight * reward of commands
 *
 * Accuracy is 0 or 1 under most rules, and may lie between under iou, point, f1 and commands. A
 * response is right from `right_from` on (0: where its rule says so, 1 under point, else 0.5). With
 * `form_needs_right` a group in which nothing is right teaches no form: there R is without it.
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
#endif
