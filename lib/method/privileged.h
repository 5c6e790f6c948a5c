/* privileged: answers of the student to prompts that it failed as a whole, given with what it does
 * not see (HDPO, arXiv 2603.23871): sampled under the hinted prompt, in place of the failed ones,
 * to be judged, and the right ones taught back without the hint.
 *
 *     struct ptd_privileged p = {.model = m, .tokenizer = t, .sampling = s};
 *     if (ptd_privileged_step(&p, groups, n, verbs)) ...
 *
 * A group takes part if it was judged, no response of it is right, and it has a hint: who gets one
 * is ptd-hint's matter (--tau). Its new responses are unjudged, its accuracy stays that of the
 * student's own, by which the next ptd-verify knows it (ptd_privileged_is): there the wrong ones
 * leave, and those that stay have no advantage. Their log-probs are those of sampling, under the
 * hint, and no policy gradient looks at them. The random number of a token is that of (seed, step,
 * place of the group in the step, response, token). */
#ifndef PTD_PRIVILEGED_H
#define PTD_PRIVILEGED_H
#include "data/token.h"
#include "flow/record.h"
#include "net/sample.h"

struct ptd_privileged {
    struct ptd_model *model; /* with the weights that sampled the step */
    struct ptd_tokenizer *tokenizer;
    struct ptd_sampling sampling;
    long groups, responses; /* so far */
};
/* Whether it is one to be sampled. */
int ptd_privileged_wanted(const struct ptd_group *g);
/* Samples for those of a step's groups that are; changed[i]: 1 if group i was. */
int ptd_privileged_step(struct ptd_privileged *p, struct ptd_group **g, int n,
                        uint8_t *changed) PTD_MUST_CHECK;
/* Whether all its responses were given so and wait to be judged. */
int ptd_privileged_is(const struct ptd_group *g);
/* Whether its responses are such that were given so and were right: the accuracy is of others. */
int ptd_privileged_given(const struct ptd_group *g);
/* 1: a stream's head notes that such are in it. */
int ptd_privileged_noted(const struct ptd_head *h);
/* After they were judged: the wrong ones leave, the others get no advantage; their number. */
int ptd_privileged_keep(struct ptd_group *g);
#endif
