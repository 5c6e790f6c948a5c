/* learn: the gradient of one update over groups: packs them into micro-batches, has every token
 * scored and its loss differentiated, and sums with counts of the whole update, so that
 * micro-batching changes nothing beyond rounding. What a token's loss is says lib/method/loss, how
 * far it is from the reference lib/method/kl, how far a tutored token is from its tutor
 * lib/method/divergence; the optimizer is an operation (ops.h).
 *
 *     L = sum over tokens of (weight pg + beta kl) / count
 *       - bonus/N sum over tokens of H
 *       + lambda/N_ptd sum over tutored tokens of w times the divergence
 *       - gamma/N sum over tokens of the distance from their log-probs with masked pictures
 *
 * count: of aggregate.h. weight: 1, but 0 for tokens that top_entropy leaves out, and what is known
 * beforehand (ptd_known). H: the entropy of the student's whole distribution at the token, in nats;
 * L is made smaller, so a bonus above 0 makes it larger; its mean is over all N tokens, whatever
 * aggregates. N_ptd: tokens of tutored responses, those of which a teacher said something in a
 * group below tau. Which groups give no token a reference (it would hold the student where it
 * fails), w and gamma: tutoring.h. Without a hint the student's prompt is read; a supervised loss
 * reads the hinted prompt of a hinted group, knows no tutor, and may have weight * L_words of
 * ground.h beside it.
 *
 * A micro-batch is run once it has micro_tokens, and never has twice as many, unless one prompt
 * with one response has: a group is cut between its responses where they would be more, and its
 * prompt is then computed for each piece. */
#ifndef PTD_LEARN_H
#define PTD_LEARN_H
#include "flow/record.h"
#include "method/divergence/divergence.h"
#include "method/ground.h"
#include "method/kl/kl.h"
#include "method/loss/aggregate.h"
#include "method/reference.h"
#include "method/tutoring.h"
#include "net/model.h"
#include "net/score.h"

/* What is known of the tokens of an update before it, in the order of its groups; each NULL: what
 * the stream says. */
struct ptd_known {
    const double *old;       /* log-probs that ratios compare with */
    const double *weight;    /* of pg */
    const double *advantage; /* of each token */
};

/* Where what is seen of an update's tokens is left, in the same order; each NULL: nowhere. NaN: a
 * token has none. */
struct ptd_traced {
    float *entropy, *divergence; /* divergence: before its weight, of tutored tokens */
    float *advantage;            /* as it was learned with */
};

struct ptd_comm;
struct ptd_loss_rules {
    const struct ptd_loss *loss;
    const void *own;      /* its options; NULL: as the command line left them */
    struct ptd_clip clip; /* of ratios */
    int aggregate;        /* enum ptd_aggregate */
    double length;        /* of PTD_BY_CONSTANT */
    const struct ptd_kl *kl;
    struct ptd_reference *reference; /* of a KL over the whole vocabulary; NULL: of the word */
    double beta;                     /* of the KL to the reference */
    int kl_in_reward;                /* 1: it is in the advantages (worth.h), and not in L */
    double bonus;                    /* of the entropy */
    double top_entropy; /* pg is learned from this share of tokens, those of most entropy (0, 1:
                           all) */
    struct ptd_known known;
    struct ptd_traced traced;
    double lambda, tau;
    int top_k; /* at most this many of the teacher's ids (0: all there are) */
    const struct ptd_divergence *divergence;
    struct ptd_tutoring tutoring;
    double temperature;
    long micro_tokens; /* packed tokens of a micro-batch */
    /* 1: an update is one micro-batch, which may not have more than twice as many (78 if it has);
     * and where its loss is not finite there is no backward pass */
    int whole;
    struct ptd_comm *comm; /* ranks that have a share of the update each; NULL: it is all here */
    /* told before the last micro-batch; NULL: nobody is */
    void (*last)(void *ctx);
    void *last_ctx;
    const uint8_t *banned; /* [vocab] */
    struct ptd_ground
        *ground; /* supervised: picture tokens name what they show (ground.h), or NULL */
};

/* sums over tokens unless said otherwise */
struct ptd_learned {
    long tokens, kl_tokens, tutored_tokens, tutored, packed; /* packed: rows the network computed */
    /* L_words of ground.h, its weight left out */
    double words;
    double loss; /* the L above */
    /* parts of it; beta and bonus are left out, lambda is not */
    double pg_loss, kl_loss, entropy_loss, far_loss;
    double pg, kl, jsd, entropy, logp, ppo_kl; /* ppo_kl: sum of old - new log-prob */
    double gap, max_gap;                       /* of their distances: the sum, and the largest */
    double clipped_high, clipped_dual;
    double max_ratio_error; /* largest |ratio - 1| */
    double masked_loss;     /* the part of L that masked pictures have */
};

/* With ranks, counts are those of the whole update, so that the gradients of all sum to its own;
 * out is of this rank's share.
 *
 * s: scratch made with ptd_score_new(m, 1), reused from step to step. Adds dL/dweights to m->grads
 * (the caller zeroes them). out is overwritten. -1: 65 with the group named. *bad is the index of
 * the group that failed or first has a value that is not finite, else -1 (also for 78). */
int ptd_learn(struct ptd_score *s, struct ptd_group **groups, int n, const struct ptd_loss_rules *r,
              struct ptd_learned *out, int *bad) PTD_MUST_CHECK;
/* Log-probs of all tokens as they are now, in the groups' order; otherwise as ptd_learn. */
int ptd_learn_look(struct ptd_score *s, struct ptd_group **groups, int n,
                   const struct ptd_loss_rules *r, double *logp, int *bad) PTD_MUST_CHECK;
/* 1: a response of the group is tutored: a teacher said something of it, and it is below tau. */
int ptd_learn_tutors(const struct ptd_loss_rules *r, const struct ptd_group *g);
/* 1: the group's tokens have no reference, by the rules of tutoring.h. */
int ptd_learn_lifts(const struct ptd_loss_rules *r, const struct ptd_group *g);
/* The options that the loss is asked with. */
const void *ptd_loss_own(const struct ptd_loss_rules *r);
/* Weight of the KL to the reference in L; 0: it is not there. */
double ptd_loss_reference(const struct ptd_loss_rules *r);
#endif
