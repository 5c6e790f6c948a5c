/* history: what each step asked and how it was answered, kept in the store, so that a run that goes
 * on asks what it would have asked.
 *
 *     struct ptd_history h;
 *     if (ptd_history_open(&h, store, rows, head, head * P)) ptd_die_last();
 *     ... step s asks the prompts at h.position and after, and rows[] in all ...
 *     if (ptd_history_add(&h, s, &told)) ptd_die_last();
 *
 * Under "asked/STEP" in the store's state (store.h) lies, for each step,
 *
 *     {"position": 48, "kept": 24, "rows": [7, 2, ...], "accuracy": [0.25, 1, ...]}
 *
 * position being that of the data set's order where the next step begins. It is there before the
 * step's last frame is written, so before its generation can be published: whatever is killed
 * whenever, the store that holds generation s holds what steps 1 to s asked. What it says of later
 * steps is of an attempt that came to nothing; it is not read, and the next attempt writes it
 * anew.
 *
 * past[row] is the mean of a row's accuracies in which each counts half as much as the one after
 * it: the first time the accuracy, then (past + accuracy) / 2. */
#ifndef PTD_HISTORY_H
#define PTD_HISTORY_H
#include "store/store.h"

struct ptd_history {
    struct ptd_store *store;
    int rows;
    double *past;     /* [rows]; -1: not asked yet */
    int64_t position; /* where the next step begins */
};

struct ptd_told { /* of one step */
    int64_t position;
    int64_t kept;
    const int *rows;        /* [n] */
    const double *accuracy; /* [n] */
    int n;
};
/* Of steps 1 to `head`; without a record of the last of them the next begins at `position`. store:
 * opened for more than reading. -1: 65 a record that is none, or of another data set. */
int ptd_history_open(struct ptd_history *h, struct ptd_store *store, int rows, int64_t head,
                     int64_t position) PTD_MUST_CHECK;
/* Keeps and counts it. -1: 74, 77. */
int ptd_history_add(struct ptd_history *h, int64_t step, const struct ptd_told *t) PTD_MUST_CHECK;
void ptd_history_clear(struct ptd_history *h);

/* Which rows to ask again: n of them at most, each once, into again[]; their number. They are drawn
 * without replacement with weights 1 - past; not those that were never asked, those that are
 * always right, nor those with a mark in taken[rows], which is set for what is drawn. Draw number
 * `first` + i of a step has the random number of (seed, step, first + i). */
int ptd_history_again(const struct ptd_history *h, uint64_t seed, int64_t step, int first, int n,
                      uint8_t *taken, int *again);
#endif
