/* ops: attention on the CPU, in a file of its own; see compute/ops.h for the contract. */
#ifndef PTD_OPS_CPU_H
#define PTD_OPS_CPU_H
#include "compute/ops.h"

void ptd_cpu_attention(struct ptd_device *d, const struct ptd_attention *a, float *o, float *lse,
                       const float *q, const float *k, const float *v);
void ptd_cpu_attention_backward(struct ptd_device *d, const struct ptd_attention *a, float *dq,
                                float *dk, float *dv, const float *dout, const float *o,
                                const float *lse, const float *q, const float *k, const float *v);
#endif
