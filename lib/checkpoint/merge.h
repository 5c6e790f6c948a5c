/* merge: an adapter made a part of the matrices that it belongs to: W + scale B A in float32.
 *
 *     struct ptd_merge *g = ptd_merge_open(store, generation);
 *     if (ptd_merge_changes(g, name)) ptd_merge_add(g, &tensor, first, n, x); // x: n numbers of W
 *     ptd_merge_close(g); */
#ifndef PTD_MERGE_H
#define PTD_MERGE_H
#include "store/store.h"

struct ptd_merge;
/* NULL: 78 the store has no adapter, 65 its settings are damaged */
struct ptd_merge *ptd_merge_open(struct ptd_store *s, int64_t generation);
int ptd_merge_is_part(const char *tensor); /* 1 for an A or a B */
int ptd_merge_changes(const struct ptd_merge *g, const char *tensor);
/* x: numbers first .. first + n of tensor t, as floats. -1: 65 A or B is missing or damaged */
int ptd_merge_add(struct ptd_merge *g, const struct ptd_tensor_about *t, size_t first, size_t n,
                  float *x) PTD_MUST_CHECK;
void ptd_merge_close(struct ptd_merge *g); /* NULL is fine */
#endif
