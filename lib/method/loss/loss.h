/* loss: what is learned from responses, as a function of the log-probs of their tokens. A loss
 * never sees logits: it gets the token arrays of an update and gives each token's part of L and the
 * derivative of L by its log-prob; learn.c does the rest.
 *
 * A loss is one file, ppo.c say, which ends in its row, and a line in table.c. */
#ifndef PTD_LOSS_H
#define PTD_LOSS_H
#include "base/method.h"
#include <stdint.h>

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
    long n; /* of the whole update: the count that losses divide by */
    /* [n] natural log-probs, divided by the temperature: under the weights that learn, under those
     * that sampled (the same as logp where the stream has none), under the reference */
    const double *logp, *old, *ref;
    const int32_t *sequence; /* [n] index of each token's response */
    const struct ptd_sequence *sequences;
    long n_sequences;
};

/* All [n], zero before the loss is asked. */
struct ptd_token_losses {
    double *loss;    /* this token's part of L: L is their sum */
    double *dlogp;   /* dL/dlogp */
    double *pg, *kl; /* parts for the metrics, weights and counts left out */
    double *ratio;   /* of the new probability to the old */
    int8_t *side;    /* +1 a clip chose the value, -1 the bound of bad tokens did */
};

struct ptd_loss {
    struct ptd_method is;
    int supervised; /* 1: answers are given: no rewards, no tutor; hinted groups read the hint */
    /* 1: value is asked once, for all tokens of the update, and may look at all of them; 0: for
     * some at a time, by several threads, and looks at these alone */
    int sequences;
    /* Weight of the divergence from the reference, 0: ref is not read; NULL: never. */
    double (*reference)(const void *own);
    /* Fills entries first .. first + n - 1. NaN in the input must come out as NaN. */
    void (*value)(const void *own, const struct ptd_tokens *t, long first, long n,
                  const struct ptd_token_losses *out);
};

extern ptd_method_table ptd_losses;
/* By name ("policy" is ppo, as it once was called); NULL, 2: none, and what there is. */
const struct ptd_loss *ptd_loss_named(const char *name);
#endif
