/* reward: what each response of a group earns: the answer is found (judge/extract.h), judged
 * against the gold (judge/judge.h), and the form of the response looked at (judge/form.h). */
#ifndef PTD_REWARD_H
#define PTD_REWARD_H
#include "base/err.h"
#include "flow/record.h"
#include "judge/judge.h"

struct ptd_reward_rules {
    int extract, format; /* of the enums of extract.h and form.h */
    const struct ptd_judge *judge;
    double format_weight, accuracy_weight;
};
/* Rules by name ("auto", "boxed", "answer-tag", ...); -1 with status 2 names the ones there are.
 * Weights are left alone. */
int ptd_reward_rules_parse(struct ptd_reward_rules *r, const char *extract, const char *judge,
                           const char *format) PTD_MUST_CHECK;
/* Fills every rollout's outcome, extracted, accuracy, format and reward; the text of `extracted`
 * lives in g's arena. -1 (65), and nothing is filled: no answer or one that the rule cannot read,
 * or a rollout without text, which is no empty response, since nobody knows what was said. */
int ptd_reward_score(const struct ptd_reward_rules *r, struct ptd_group *g) PTD_MUST_CHECK;
#endif
