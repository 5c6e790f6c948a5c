/* exact: expressions that are rational numbers, by FLINT. */
#ifndef PTD_EXACT_H
#define PTD_EXACT_H
#include "judge/expr.h"
#include <flint/fmpq.h>

/* Before anything else of FLINT's: its memory and GMP's are ours, so that want of it ends the
 * program as everywhere. */
void ptd_exact_ready(void);
/* 1 and q: e is a rational of a size that is computed with. 0: q means nothing. */
int ptd_exact(const struct ptd_expr *e, fmpq_t q);
#endif
