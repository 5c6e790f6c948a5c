/* score: prompts with given replies packed into micro-batches, and the hidden rows that predict
 * each reply token brought together for the head.
 *
 *     struct ptd_score *s = ptd_score_new(m);
 *     // one prompt, its replies
 *     ptd_score_add(s, prompt_ids, n, pictures, n_pictures, replies, n_replies, tag);
 *     ptd_score_forward(s); // s->rows targets, their hidden rows in s->X [rows, hidden]
 *     ... ptd_score_head over s->X, using s->target[i] (reply, token, id) ...
 *     ptd_score_backward(s, dX);               // gradients of the network accumulate
 *     ptd_score_reset(s);
 *
 * The prompt of replies is computed once. Logits of a reply's first token come from the prompt's
 * last row, of token j from row j-1 of the reply. What a row gives does not depend on what else is
 * packed beside it, or in which order. */
#ifndef PTD_SCORE_H
#define PTD_SCORE_H
#include "net/head.h"
#include "net/model.h"

struct ptd_target {
    int32_t id;
    int token;
    void *reply; /* what the caller gave */
};
struct ptd_score_reply {
    const int32_t *ids;
    int n;
    void *tag;
};

struct ptd_score {
    struct ptd_model *m;
    struct ptd_batch *batch;
    struct ptd_target *target; /* [rows] */
    int32_t *from;             /* [rows] packed row whose hidden state predicts the target */
    const ptd_int *on_device;  /* the same, after ptd_score_forward */
    long rows, cap;
    ptd_num *X; /* [rows, hidden] after ptd_score_forward */
    struct ptd_lm_head *head;
    const uint8_t *banned;  /* those that head was made with, */
    struct ptd_matrix read; /* and its words */
    /* what the activations of a micro-batch may take before layers of them are recomputed, as few
     * as need be; 0: as the batch's `keep` says */
    size_t keep_most;
    size_t room; /* the most they may take at all (71); 0: what there is */
};
struct ptd_score *ptd_score_new(struct ptd_model *m, int keep /* 1: backward follows */);
/* -1: 65 ids out of range, pads and pictures disagree */
int ptd_score_add(struct ptd_score *s, const int32_t *prompt, int n_prompt,
                  const struct ptd_picture *pictures, int n_pictures,
                  const struct ptd_score_reply *replies, int n_replies) PTD_MUST_CHECK;
/* packed rows so far: the size of the micro-batch */
long ptd_score_tokens(const struct ptd_score *s);
void ptd_score_forward(struct ptd_score *s);
/* not zeroed; valid until the next forward */
ptd_num *ptd_score_nums(struct ptd_score *s, size_t n);
void ptd_score_backward(struct ptd_score *s, const ptd_num *dX); /* dX [rows, hidden] */
void ptd_score_reset(struct ptd_score *s);
/* The model's head, kept from call to call; where backward follows it learns. It lives as long as
 * s, or until another list of banned words is given, or its words lie elsewhere. */
struct ptd_lm_head *ptd_score_head(struct ptd_score *s, const uint8_t *banned);
void ptd_score_free(struct ptd_score *s);
#endif
