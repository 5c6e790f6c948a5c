/* before: what is worked out of a step's groups before its first update, token by token: log-probs
 * of the weights that are about to learn, the importance weights that follow, and advantages with
 * the KL in the reward.
 *
 *     if (ptd_before_look(&b, score, groups, n, &rules, tis, &bad)) ...
 *     if (ptd_before_worth(&b, groups, n, advantage, &less)) ...
 *     rules.known = ptd_before_from(&b, groups, at); // of an update that begins with group `at`
 *     ptd_before_clear(&b);
 *
 * Words that other weights sampled (--lag, or another arithmetic) are drawn from mu, not from the
 * weights pi_0 at the step's begin. Truncated importance sampling counts each as often as pi_0
 * would have drawn it, at most tis times, and lets the ratio of clips compare with pi_0:
 *
 *     weight = min(e^(log pi_0 - log mu), tis);  old = log pi_0
 *
 * (Ionides 2008; Yao 2025 for samplers that differ.) The gap is |log pi_0 - log mu|. It costs one
 * more forward pass over the step. */
#ifndef PTD_BEFORE_H
#define PTD_BEFORE_H
#include "method/learn.h"
#include "method/worth.h"

struct ptd_before {
    long tokens;
    double *old, *weight;                /* [tokens], NULL: not looked */
    double *advantage, *returns;         /* [tokens], NULL: as the stream says */
    double gap, max_gap, weights, least; /* sum, largest; sum of weights, smallest */
    long truncated;                      /* weights at tis */
    double kl;                           /* in the reward: its sum over tokens that have it */
    long kl_tokens;
};

/* -1, and *bad: as ptd_learn. */
int ptd_before_look(struct ptd_before *b, struct ptd_score *s, struct ptd_group **g, int n,
                    const struct ptd_loss_rules *r, double tis, int *bad) PTD_MUST_CHECK;
/* -1: as ptd_worth_less_kl. */
int ptd_before_worth(struct ptd_before *b, struct ptd_group **g, int n,
                     const struct ptd_advantage *a, const struct ptd_less *less) PTD_MUST_CHECK;
/* From group `at` of the step's groups g on. */
struct ptd_known ptd_before_from(const struct ptd_before *b, struct ptd_group **g,
                                 struct ptd_group **at);
void ptd_before_clear(struct ptd_before *b);
#endif
