/* attention: what the plan of an attention on the CPU is made of (ops.h: ptd_cpu_attention_plan).
 */
#ifndef PTD_CPU_ATTENTION_H
#define PTD_CPU_ATTENTION_H
#include "compute/ops.h"

/* A run: neighbouring spans with one shared prompt and consecutive rows (or a single span without).
 */
struct run {
    int first, n;
};
/* Runs that share their keys' gradients, a prompt's own and those of its replies, are a family:
 * family[i] is the first run of family i. */
struct ptd_attention_plan {
    struct ptd_attention shape;
    struct run *runs;
    int n_runs;
    int *family;
    int n_families;
};
#endif
