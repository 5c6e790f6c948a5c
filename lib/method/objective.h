/* objective: from the log-probs of an update's tokens to their parts of L and the derivatives: the
 * loss, its weights and counts, and the KL to the reference. learn.c has the tokens scored before
 * and takes the derivatives down into the network; tests call this alone.
 *
 *     part = (weight pg + beta kl) / count      L = sum of parts + what learn.h adds */
#ifndef PTD_OBJECTIVE_H
#define PTD_OBJECTIVE_H
#include "method/loss/loss.h"

struct ptd_loss_rules;

/* All [n] of the update, zero at first. */
struct ptd_parts {
    struct ptd_token_losses loss; /* in the end dlogp is dL/dlogp */
    double *kl;                   /* at tokens that have a reference */
    double *count;                /* from ptd_aggregate_counts */
    double *part;
};

/* Tokens first .. first + n - 1; all of them at once if the loss looks at sequences. Several
 * threads may call it for tokens of their own. */
void ptd_objective(const struct ptd_loss_rules *r, const struct ptd_tokens *t, long first, long n,
                   const struct ptd_parts *out);
/* weight becomes 0 where the entropy is below its quantile 1 - share, linear between two tokens
 * (Wang 2025, arXiv 2506.01939: the fork tokens). KL and count stay as they are. */
void ptd_objective_mask(const double *entropy, long n, double share, double *weight);
#endif
