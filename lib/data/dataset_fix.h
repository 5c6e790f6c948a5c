/* dataset_fix: the good rows of a data set as a data set of their own.
 *
 *     struct ptd_fix *f = ptd_fix_open("good.jsonl", "train.jsonl");
 *     ptd_fix_row(f, d, row, &g); ...
 *     ptd_fix_publish(f);
 *     ptd_fix_end(f);
 *
 * Rows are the bytes that they were (one that goes over several lines becomes one line). They are
 * written into good.jsonl.ptd-part, which becomes good.jsonl when it is whole; the data set itself
 * is never written to. Pictures stay where they are, so that rows which name some by paths that
 * begin in the data set's folder need a file in the same one. */
#ifndef PTD_DATASET_FIX_H
#define PTD_DATASET_FIX_H
#include "data/dataset.h"

struct ptd_fix;
/* NULL on failure: 2 if it is the data set itself, 73, 77 where another program writes it. */
struct ptd_fix *ptd_fix_open(const char *path, const char *data,
                             const struct ptd_dataset_places *places);
/* -1: 2 for a row with such pictures and another folder, 74, or the row was changed. */
int ptd_fix_row(struct ptd_fix *f, struct ptd_dataset *d, int row,
                const struct ptd_group *g) PTD_MUST_CHECK;
int ptd_fix_publish(struct ptd_fix *f) PTD_MUST_CHECK;
void ptd_fix_end(struct ptd_fix *f); /* frees; what was not published is removed */
#endif
