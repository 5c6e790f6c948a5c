/* check_row: one row of a data set, looked at in every way that does not need the others. */
#ifndef PTD_CHECK_ROW_H
#define PTD_CHECK_ROW_H
#include "data/dataset_check.h"

struct ptd_look_fault {
    char *kind, *message; /* message: with file and line */
};

struct ptd_look {
    struct ptd_group g; /* without pixels; nothing in it after a fault of the reader's */
    int sound;          /* the reader took it */
    int status; /* of the reader's first fault; if it is not the data's, `why` says what it is */
    char *why;
    struct ptd_look_fault *faults;
    int n_faults, cap;
    int notes[PTD_CHECK_NOTES];    /* 1: it is one of those */
    int tokens[PTD_CHECK_LENGTHS]; /* -1: not known */
};

/* Reads row i and holds it against the model. May be called from several threads. */
void ptd_look_at(struct ptd_look *l, struct ptd_dataset *d, int i, const struct ptd_check *c);
/* Its gold answer against the judge; from one thread at a time. */
void ptd_look_judge(struct ptd_look *l, struct ptd_dataset *d, int i, const struct ptd_check *c);
/* The last failure as a fault of row i. */
void ptd_look_blame(struct ptd_look *l, struct ptd_dataset *d, int i, const char *kind);
/* How its gold answer is judged: by the rule asked for, or that the row names; under auto by what
 * it is: "number", "choice", ... */
const char *ptd_look_answer_kind(const struct ptd_group *g, const struct ptd_check *c);
void ptd_look_clear(struct ptd_look *l);
#endif
