/* dataset_check: looks at every row and picture of a data set and says all that is wrong with it.
 */
#ifndef PTD_DATASET_CHECK_H
#define PTD_DATASET_CHECK_H
#include "base/err.h"

/* Reports every fault of every row (see ptd_dataset_check) and ids that occur twice. Returns one
 * line to print, malloc'd:
 * "train.jsonl: 4096 rows, 4096 pictures: csum 683, ..." (of more than 12 categories the largest,
 * and how many others with how many rows); *faults is their
 * number, *status what they are: 65, or 66 where pictures are missing and nothing else is wrong (0:
 * no fault). NULL if the file, or a row of it, cannot be judged for a cause that is not the data
 * (status 66, 71, 74, 77). */
char *ptd_dataset_check_all(const char *file, void (*report)(void *ctx, const char *message),
                            void *ctx, long *faults, int *status);
#endif
