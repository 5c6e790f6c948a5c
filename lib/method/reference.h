/* reference: the frozen model that reads beside the student, micro-batch by micro-batch, for a KL
 * over the whole vocabulary (--kl full). It costs its weights in memory, a forward pass, and the
 * vocabulary head once more.
 *
 *     struct ptd_reference r = {.score = teacher->score};
 *     ptd_reference_learn(&r, score, &ask, dX);          // after the student's forward pass
 *     ... both are given the same prompts, run forward, and reset ...
 *     ptd_reference_clear(&r);
 *
 * The gradient is rows_gradient's of the reverse divergence, of rows that are whole: exact, as the
 * value is. */
#ifndef PTD_REFERENCE_H
#define PTD_REFERENCE_H
#include "net/score.h"

struct ptd_reference {
    struct ptd_score *score; /* of the frozen model; stays the caller's */
    /* its own */
    float *hidden; /* [rows, width] on the host */
    const float **row;
    struct ptd_lesson *lesson;
    int32_t *none;
    double *total;
    long cap;
};

struct ptd_reference_ask {
    double temperature;
    const uint8_t *banned;
    const double *weight; /* [rows] of each token's divergence in L; 0: it is not asked */
    double *value;        /* [rows] the divergence, 0 where it is not asked */
};
/* The rows are those of the student's score, which has run forward; what is learned is added to
 * the student's gradients and to dX. */
void ptd_reference_learn(struct ptd_reference *r, struct ptd_score *student,
                         const struct ptd_reference_ask *ask, ptd_num *dX);
void ptd_reference_clear(struct ptd_reference *r);
#endif
