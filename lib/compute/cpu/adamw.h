/* adamw: AdamW (Loshchilov and Hutter, 2019) on flat arrays, decay on matrices only, after clipping
 * by the global norm.
 *   m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; w -= lr (m^ / (sqrt(v^) + eps) + decay w), m^ =
 *       m/(1-b1^t), v^ = v/(1-b2^t) */
#ifndef PTD_ADAMW_H
#define PTD_ADAMW_H
#include <stddef.h>
#include <stdint.h>

struct ptd_adamw {
    double lr, beta1, beta2, eps, decay;
};

/* Euclidean norm of g [n], summed in double in a fixed order whatever the thread count; NaN or Inf
 * if any entry is not finite. */
double ptd_norm(const float *g, size_t n);
/* One step (t counts from 1) on w, m, v, g [n]; g is scaled by `scale` first (clipping). decay
 * applies where decayed[i] of the tensor holds: the caller calls once per tensor with decay set or
 * 0. */
void ptd_adamw_step(const struct ptd_adamw *a, int64_t t, double scale, float *w, float *m,
                    float *v, const float *g, size_t n);
#endif
