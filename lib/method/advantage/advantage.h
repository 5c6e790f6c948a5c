/* advantage: what a response is worth beside those of its group, made of their rewards. Equal
 * rewards give exactly 0.
 *
 * An advantage is one file, grpo.c say, which ends in its row, and a line in table.c. */
#ifndef PTD_ADVANTAGE_H
#define PTD_ADVANTAGE_H
#include "base/method.h"

struct ptd_advantage {
    struct ptd_method is;
    /* reward, advantage [n] of one group; sums in double */
    void (*value)(const void *own, const double *reward, int n, double *advantage);
};

extern ptd_method_table ptd_advantages;
const struct ptd_advantage *ptd_advantage_named(const char *name); /* NULL, 2: none */

/* For rows: scale (R - mean); equal rewards give exactly 0, though their mean may be off by a
 * rounding. */
void ptd_centred(const double *reward, int n, double scale, double *advantage);
#endif
