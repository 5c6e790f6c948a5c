/* rows: what rows of logits are asked, and what comes out: the arguments of ops.h's rows_score,
 * rows_draw and rows_gradient. Only the logits themselves are the device's; lists and answers are
 * arrays of the host, by row. NULL: not wanted. */
#ifndef PTD_ROWS_H
#define PTD_ROWS_H
#include "compute/device.h"
#include "compute/divergence.h"
#include <stdint.h>

/* How logits are read: divided by the temperature; banned words have share 0. */
struct ptd_row_rules {
    float temperature;
    const int32_t *banned; /* [n_banned] */
    int n_banned;
};

/* Row r has the words id[first[r]] .. id[first[r + 1] - 1]; first NULL: id[r] alone. What is no
 * word of the vocabulary has log-prob -inf, and no gradient. */
struct ptd_row_words {
    const int32_t *first, *id;
};

struct ptd_ask_score {
    struct ptd_row_rules rules;
    struct ptd_row_words words;
    int top_k;  /* best words that are named, 0: none */
    int shares; /* z becomes what rows_gradient reads: the words' shares times their sum, total */
};
struct ptd_got_score {
    double *lse;             /* [n] log sum exp z */
    double *total, *entropy; /* [n] with shares only; the entropy in nats */
    double *logp;            /* of each of the words */
    int32_t *top_id;         /* [n, top_k] best first, ties by smaller id; -1 beyond V */
    float *top_logp;         /* [n, top_k] */
};

struct ptd_ask_draw {
    struct ptd_row_rules rules;
    int draws;       /* of each row */
    const double *u; /* [n, draws] uniform in [0,1) */
    int top_k;       /* drawn from the best k (0: all; 1: the best word), */
    double top_p;    /* and of these from the fewest that hold this share (1: all) */
    int best;        /* best words that are named, 0: none */
    double min_p; /* drawn from words whose share is at least so much of the best one's (0: all) */
};
struct ptd_got_draw {
    int32_t *id;      /* [n, draws] */
    float *logp;      /* [n, draws] under the whole distribution, whatever top_k and top_p left */
    int32_t *best_id; /* [n, best] */
};

/* What a tutor says at one token: of some words, log-probs in float16, or of all. */
struct ptd_lesson {
    const int32_t *ids;
    const uint16_t *logp;
    int k;
    const int32_t *top_ids; /* the student's best words, and the tutor's log-probs there */
    const uint16_t *on_top;
    int top_k;
    long whole; /* 1 + the row of `tutor` that has its logits; 0: none has */
};
static inline int ptd_lesson_says(const struct ptd_lesson *l)
{
    return l->k || l->top_k || l->whole;
}

/* A loss of the logits, by row: the sum over its words of what dlogp is the derivative by the
 * word's log-prob of, what dentropy is the derivative by the row's entropy of, and weight times the
 * divergence from its lesson. */
struct ptd_ask_gradient {
    struct ptd_row_rules rules; /* as in rows_score */
    const double *total;        /* [n] from rows_score */
    struct ptd_row_words words;
    const double *dlogp;                     /* of each of the words */
    const struct ptd_lesson *lesson;         /* [n]; NULL: none */
    const struct ptd_divergence *divergence; /* of rows with a lesson */
    double weight;
    const double *weights; /* [n] weight times this, by row; NULL: 1 */
    /* 1: words beyond the support are nobody's: both sides are masses of the support alone */
    int no_tail;
    /* The device's: rows of V logits as a network gives them, of lessons that are whole; they are
     * changed. Read by the same rules. */
    ptd_stat *tutor;
    const double *dentropy; /* [n]; NULL: none */
    const double *entropy;  /* [n] from rows_score, where there is dentropy */
};
#endif
