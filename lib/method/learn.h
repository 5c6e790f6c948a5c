/* learn: the gradient of one update over groups: packs them into micro-batches, asks the head for
 * every token's loss, and sums with counts of the whole update, so that micro-batching changes
 * nothing beyond rounding. The formulas are policy.h's; the optimizer is adamw.h's.
 *
 *     L = 1/N sum_tokens pg + beta/N sum_{tokens of groups without tutored responses} k3 +
 *         lambda/N_ptd sum_{tutored tokens} J (PTD_LOSS_POLICY)
 *     L = -1/N sum_tokens logp (PTD_LOSS_SFT; plus weight * L_words of ground.h)
 *
 * N: response tokens of the update; N_ptd: tokens of tutored responses (those with teacher_ids in a
 * group below tau). Without a hint the student's prompt is read; in SFT a hinted group is trained
 * under its hinted prompt. */
#ifndef PTD_LEARN_H
#define PTD_LEARN_H
#include "flow/record.h"
#include "method/ground.h"
#include "method/policy.h"
#include "net/model.h"
#include "net/score.h"

enum ptd_loss { PTD_LOSS_POLICY, PTD_LOSS_SFT };

struct ptd_loss_rules {
    int loss; /* enum ptd_loss */
    double beta, lambda, tau;
    int top_k;       /* at most this many of the teacher's ids (0: all there are) */
    char divergence; /* 'j' JSD, 'f' forward KL, 'r' reverse KL */
    struct ptd_clip clip;
    double temperature;
    long micro_tokens;         /* packed tokens of a micro-batch */
    const uint8_t *banned;     /* [vocab] */
    struct ptd_ground *ground; /* SFT: picture tokens name what they show (ground.h), or NULL */
};

/* sums over tokens unless said otherwise */
struct ptd_learned {
    long tokens, kl_tokens, tutored_tokens, tutored, packed; /* packed: rows the network computed */
    /* L_words of ground.h, its weight left out */
    double words;
    double loss;                               /* the L above */
    double pg, kl, jsd, entropy, logp, ppo_kl; /* ppo_kl: sum of old - new log-prob */
    double clipped_high, clipped_dual;
    double max_ratio_error; /* largest |ratio - 1| */
};

/* s: scratch made with ptd_score_new(m, 1), reused from step to step. Adds dL/dweights to m->grads
 * (the caller zeroes them). out is overwritten. -1: 65 with the group named. *bad is the index of
 * the group that failed or first has a value that is not finite, else -1. */
int ptd_learn(struct ptd_score *s, struct ptd_group **groups, int n, const struct ptd_loss_rules *r,
              struct ptd_learned *out, int *bad) PTD_MUST_CHECK;
#endif
