/* rows: the row operations of the CPU's table; what they do is said in compute/ops.h. */
#ifndef PTD_CPU_ROWS_H
#define PTD_CPU_ROWS_H
#include "compute/ops.h"

#define PTD_CPU_ROWS_NEAR 6144 /* rows_near: 24 KiB, and a row more */
void ptd_cpu_rows_score(struct ptd_device *d, ptd_stat *z, long n, int V,
                        const struct ptd_ask_score *ask, const struct ptd_got_score *got);
void ptd_cpu_rows_draw(struct ptd_device *d, ptd_stat *z, long n, int V,
                       const struct ptd_ask_draw *ask, const struct ptd_got_draw *got);
void ptd_cpu_rows_gradient(struct ptd_device *d, ptd_stat *z, long n, int V,
                           const struct ptd_ask_gradient *ask, double *value);
#endif
