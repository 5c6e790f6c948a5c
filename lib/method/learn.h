/* learn: the gradient of one update over groups: packs them into micro-batches, has every token
 * scored and its loss differentiated, and sums with counts of the whole update, so that
 * micro-batching changes nothing beyond rounding. What a token's loss is says lib/method/loss, how
 * far a tutored token is from its tutor lib/method/divergence; the optimizer is an operation
 * (ops.h).
 *
 *     L = sum of the loss over all tokens + lambda/N_ptd sum over tutored tokens of the divergence
 *
 * N_ptd: tokens of tutored responses, those with teacher_ids in a group below tau. Groups that have
 * one give no token a reference (it would hold the student where it fails). Without a hint the
 * student's prompt is read; a supervised loss reads the hinted prompt of a hinted group, knows no
 * tutor, and may have weight * L_words of ground.h beside it.
 *
 * A micro-batch is run once it has micro_tokens, and never has twice as many, unless one prompt
 * with one response has: a group is cut between its responses where they would be more, and its
 * prompt is then computed for each piece. */
#ifndef PTD_LEARN_H
#define PTD_LEARN_H
#include "flow/record.h"
#include "method/divergence/divergence.h"
#include "method/ground.h"
#include "method/loss/loss.h"
#include "net/model.h"
#include "net/score.h"

struct ptd_loss_rules {
    const struct ptd_loss *loss;
    const void *own; /* its options; NULL: as the command line left them */
    double lambda, tau;
    int top_k; /* at most this many of the teacher's ids (0: all there are) */
    const struct ptd_divergence *divergence;
    double temperature;
    long micro_tokens; /* packed tokens of a micro-batch */
    /* 1: an update is one micro-batch, which may not have more than twice as many (78 if it has);
     * and where its loss is not finite there is no backward pass */
    int whole;
    const uint8_t *banned; /* [vocab] */
    struct ptd_ground
        *ground; /* supervised: picture tokens name what they show (ground.h), or NULL */
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
 * the group that failed or first has a value that is not finite, else -1 (also for 78). */
int ptd_learn(struct ptd_score *s, struct ptd_group **groups, int n, const struct ptd_loss_rules *r,
              struct ptd_learned *out, int *bad) PTD_MUST_CHECK;
/* The options that the loss is asked with. */
const void *ptd_loss_own(const struct ptd_loss_rules *r);
/* Weight of the divergence from the reference; 0: none is read. */
double ptd_loss_reference(const struct ptd_loss_rules *r);
#endif
