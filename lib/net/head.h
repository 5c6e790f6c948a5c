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
    struct ptd_device *device;
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
#endif
