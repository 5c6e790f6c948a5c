/* discrete: functions of whole numbers that are worked out as they are read: gcd, lcm, max and min
 * of a list, floor and ceiling, sums and products over an index. Constants only. */
#ifndef PTD_DISCRETE_H
#define PTD_DISCRETE_H
#include "judge/expr.h"

/* What of the pool's nodes is written into `out`; 0: not constant, or it does not fit. */
int ptd_fold_list(const char *name, size_t n, const struct ptd_expr *const *of, int count,
                  struct ptd_expr *out);
/* up: the ceiling, else the floor. */
int ptd_fold_round(const struct ptd_expr *e, int up, struct ptd_expr *out);
/* The sum, or the product, of body for index = from..to (at most 1,000 terms). The nodes of body
 * are the pool's, from `first` on; each index in them is a number while this runs. */
int ptd_fold_series(struct ptd_pool *p, int first, const struct ptd_expr *body,
                    const struct ptd_expr *index, const struct ptd_expr *from,
                    const struct ptd_expr *to, int product, struct ptd_expr *out);
#endif
