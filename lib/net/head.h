/* head: the vocabulary head, fused and chunked. Logits exist for one chunk of rows at a time; a
 * [tokens, vocabulary] array never does.
 *
 * For each chunk: logits = X W^T / temperature (banned words set to -inf), then `row` is called for
 * every row with its logits;
 * it takes what it needs (log-sum-exp, entropy, top-k) and, in the backward form, overwrites the
 * row with dL/dlogits (of the temperature-divided logits). Then dX = dlogits W, dW += dlogits^T X
 * (both through the same 1/temperature). Rows are called from several threads, each row once. */
#ifndef PTD_HEAD_H
#define PTD_HEAD_H
#include "compute/ops.h"
#include <stdint.h>

/* z [V] logits (banned: -INFINITY). In backward the row must leave dL/dz in z (0 for banned words,
 * which the head enforces). */
typedef void ptd_head_row(void *ctx, long row, float *z, int V);

struct ptd_head_job {
    const struct ptd_ops *ops;
    const float *W; /* [V, H] */
    int V, H;
    float temperature;
    const uint8_t *banned; /* [V] 1: never sampled, never scored; NULL: none */
    ptd_head_row *row;
    void *ctx;
};
/* X [n, H] (already normalised hidden rows). */
void ptd_head_forward(const struct ptd_head_job *job, const float *X, long n);
/* dX [n, H] is overwritten, dW [V, H] accumulates; either may be NULL, not both. */
void ptd_head_backward(const struct ptd_head_job *job, const float *X, long n, float *dX,
                       float *dW);

/* ---- what rows are usually asked ----
 * Banned words (-inf) have share 0; NaN among the logits makes sums NaN and counts as -inf where
 * words are chosen. */
double ptd_row_lse(const float *z, int V); /* log sum exp z */
struct ptd_shares {
    double lse, total, entropy; /* entropy: -sum p ln p in nats, p = shares */
};
/* z becomes the words' shares times *total, which is their sum: e^z relative to the largest word,
 * so that exponentials are taken once, and whoever scales the row next divides by the total in the
 * same pass. */
void ptd_row_shares(float *z, int V, struct ptd_shares *s);
/* The k largest entries, best first, ties by smaller id: ids[k], and their log-probs z - lse in
 * logp[k] (NULL: not wanted). Places beyond V get id -1. */
void ptd_row_topk(const float *z, int V, double lse, int k, int32_t *ids, float *logp);
/* One sample with uniform u in [0,1): top_k (0: all), then top_p of what is left (1: all): the
 * fewest best words that hold that share. Greedy if top_k == 1 (ties by smaller id). Words of share
 * 0 never come. */
int32_t ptd_row_sample(const float *z, int V, double lse, int top_k, double top_p, double u);
#endif
