/* head: the vocabulary head, fused and chunked. Logits exist for one chunk of rows at a time; a
 * [tokens, vocabulary] array never does.
 *
 *     struct ptd_lm_head *h = ptd_lm_head_new(device, &W, dW, banned);
 *     ptd_lm_head_score(h, X, n, &ask, &got);   // or _draw
 *     ptd_lm_head_learn(h, X, n, &lesson, dX);
 *     ptd_lm_head_free(h);
 *
 * Chunk by chunk: logits = X W^T, and then what rows.h says of them, with the head's banned words.
 * What is asked and what is answered are arrays by row of X. The memory of a chunk and the list of
 * banned words are kept from call to call. */
#ifndef PTD_HEAD_H
#define PTD_HEAD_H
#include "compute/ops.h"

struct ptd_lm_head;
/* W [V, H], which is copied; dW [V, H] accumulates what is learned (NULL: not wanted); dW and W's
 * blocks must outlive the head. banned [V] 1: never drawn, never scored; NULL: none. */
struct ptd_lm_head *ptd_lm_head_new(struct ptd_device *d, const struct ptd_matrix *W, ptd_acc *dW,
                                    const uint8_t *banned);
void ptd_lm_head_free(struct ptd_lm_head *h);
/* Of the logits of a chunk, when there are n rows. */
size_t ptd_lm_head_bytes(const struct ptd_device *d, int V, long n);

/* X [n, H]: hidden rows, already normalised. */
void ptd_lm_head_score(struct ptd_lm_head *h, const ptd_num *X, long n,
                       const struct ptd_ask_score *ask, const struct ptd_got_score *got);
void ptd_lm_head_draw(struct ptd_lm_head *h, const ptd_num *X, long n,
                      const struct ptd_ask_draw *ask, const struct ptd_got_draw *got);

/* A loss and its gradient: rows are scored, `loss` makes of the scores what `gradient` reads
 * (dlogp), and the gradient is taken. shares, total and rules are set here; words are those of
 * `score`. */
struct ptd_head_lesson {
    struct ptd_ask_score score;
    struct ptd_got_score scored; /* total is needed */
    /* Of rows first .. first + n - 1; called from several threads, once for each row. NULL: what
     * gradient reads is there already. */
    void (*loss)(void *ctx, long first, long n);
    void *ctx;
    struct ptd_ask_gradient gradient;
    double *value; /* [n] of the divergence, or NULL */
    /* The tutor's head, of the same vocabulary, where lessons may be whole: its logits are made
     * beside the student's, chunk by chunk, of its hidden rows, which lie on the host. hidden [n]:
     * the row that is the lesson, NULL: gradient.lesson says it. */
    struct ptd_lm_head *tutor;
    const float *const *hidden;
};
/* dX [n, H] is overwritten; NULL: not wanted. */
void ptd_lm_head_learn(struct ptd_lm_head *h, const ptd_num *X, long n,
                       const struct ptd_head_lesson *l, ptd_num *dX);
#endif
