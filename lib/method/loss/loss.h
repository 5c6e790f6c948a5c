/* loss: what is learned from responses, as a function of the log-probs of their tokens. A loss
 * never sees logits: it gets the token arrays of an update and gives each token's pg and the
 * derivative by its log-prob. How tokens come together as L is aggregate.h's, the divergence from
 * the reference is method/kl's; learn.c does the rest.
 *
 *     L = sum over tokens of (weight pg + beta kl) / count
 *
 * A loss is one file, ppo.c say, which ends in its row, and a line in table.c. */
#ifndef PTD_LOSS_H
#define PTD_LOSS_H
#include "base/method.h"
#include <stdint.h>

/* How far the ratio r of the new probability to the old may go: below 1 - low and above 1 + high
 * there is nothing to gain; dual bounds the loss of bad tokens (0: it does not). */
struct ptd_clip {
    double low, high, dual;
};

enum ptd_clips { PTD_CLIP_LOW = 1, PTD_CLIP_HIGH = 2, PTD_CLIP_DUAL = 4, PTD_CLIP_ALL = 7 };

/* One response of the update. */
struct ptd_sequence {
    long first; /* of its tokens in the arrays */
    int n;      /* tokens */
    int group;  /* index; those of one group are neighbours */
    double advantage;
    int has_old;   /* 1: the stream has its log-probs of when it was sampled */
    int reference; /* 1: ref holds its log-probs */
    int tutored;   /* 1: the divergence from its tutor is learned beside this loss */
};

struct ptd_tokens {
    long n; /* of the whole update */
    /* [n] natural log-probs, divided by the temperature: under the weights that learn, under those
     * that the ratio compares with (the same as logp where nothing is known), under the reference
     */
    const double *logp, *old, *ref;
    const double *advantage; /* [n] of the token: its response's, unless a KL is in the reward */
    const double *weight;    /* [n] of pg in L, beside its count: 1 but for --tis, --top-entropy */
    const int32_t *sequence; /* [n] index of each token's response */
    const struct ptd_sequence *sequences;
    long n_sequences;
    /* tokens, and responses that have some, of an update that these are a rank's share of; 0: they
     * are all of it */
    double all_tokens, all_responses;
    struct ptd_clip clip;
};

/* All [n], zero before the loss is asked. */
struct ptd_token_losses {
    double *pg;    /* this token's value, weight and count left out */
    double *dlogp; /* the derivative by logp of the sum of weight pg, the count left out */
    double *ratio; /* of the new probability to the old */
    int8_t *side;  /* +1 a clip chose the value, -1 the bound of bad tokens did */
};

struct ptd_loss {
    struct ptd_method is;
    int supervised; /* 1: answers are given: no rewards, no tutor; hinted groups read the hint */
    /* 1: value is asked once, for all tokens of the update, and may look at all of them; 0: for
     * some at a time, by several threads, and looks at these alone */
    int sequences;
    struct ptd_clip clip;  /* its own, where the command line gives none */
    int clips;             /* which of them it looks at: enum ptd_clips, together */
    const char *aggregate; /* the same, of aggregate.h; NULL: "token" */
    /* What is wrong with its options, NULL: nothing; may be NULL. */
    const char *(*wrong)(const void *own);
    /* Fills entries first .. first + n - 1. NaN in the input must come out as NaN. */
    void (*value)(const void *own, const struct ptd_tokens *t, long first, long n,
                  const struct ptd_token_losses *out);
};

extern ptd_method_table ptd_losses;
/* By name ("policy" is ppo, as it once was called); NULL, 2: none, and what there is. */
const struct ptd_loss *ptd_loss_named(const char *name);

/* For rows: the clipped objective of one ratio r.
 *
 *     L1 = max(-A r, -A clip(r, 1 - low, 1 + high));  L1 for A >= 0, min(L1, -A dual) for A < 0
 *
 * *slope is its derivative by log r. *side: +1 the clip chose the value (r too high with A > 0, too
 * low with A < 0), -1 the dual clip did, 0 neither; the slope is 0 for +1 and -1. Shares of them
 * are EasyR1's pg_clipfrac_higher and _lower. */
double ptd_clipped(double r, double advantage, const struct ptd_clip *c, double *slope, int *side);
#endif
