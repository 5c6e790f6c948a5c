/* jsd: the Jensen-Shannon divergence, which is bounded: 0 <= J <= ln 2.
 *
 *     m = (s + t)/2;  J = 1/2 sum s ln(s/m) + 1/2 sum t ln(t/m)
 *     s dJ/ds = s/2 ln(s/m)
 *
 * jsd-detached is the fault of the code released with the paper, under a name of its own, so that
 * its effect can be measured. That writes the first term as w ln(s/m), w = s cut off from the
 * gradient while m is not; then for every bucket
 *
 *     dJ/ds = 1/2 [w/s - w/(2m) - t/(2m)] = 1/2 [1 - (s + t)/(2m)] = 0
 *
 * The value is J, the gradient exactly 0. */
#include "compute/cpu/vec.h"
#include "method/divergence/divergence.h"
#include <float.h>

/* The sum over n buckets in whole vectors (empty ones add nothing); g[b] = s dJ/ds. With d = (s -
 * t)/(s + t) it is s/m = 1 + d, t/m = 1 - d: where s is near t, their difference is exact, and
 * float32 keeps its digits. A mass of 0 has a finite logarithm here, and adds 0. */
static double value(const void *own, const float *s, const float *t, int n, float *g)
{
    vec_f sum = {0};
    for (int b = 0; b < n; b += VEC) {
        vec_f S = vec_load(s + b), T = vec_load(t + b);
        vec_f d = (S - T) / vec_larger(vec_set(FLT_MIN), S + T), x[2] = {d, -d}, y[2];
        vec_log1p_each(y, x, 2);
        vec_f own = 0.5f * S * y[0];
        vec_store(g + b, own);
        sum += own + 0.5f * T * y[1];
    }
    return vec_lanes_sum_d(vec_widen(sum));
}

const struct ptd_divergence ptd_divergence_jsd = {
    .is = {.name = "jsd",
           .formula = "1/2 sum s ln(s/m) + 1/2 sum t ln(t/m), m = (s + t)/2",
           .paper = "doi:10.1109/18.61115"},
    .value = value,
    .most = M_LN2,
};

/* ---- the same, and nothing is learned from it ---- */

static double detached(const void *own, const float *s, const float *t, int n, float *g)
{
    double sum = value(own, s, t, n, g);
    for (int b = 0; b < n; b++) g[b] *= 0; /* NaN stays */
    return sum;
}

const struct ptd_divergence ptd_divergence_jsd_detached = {
    .is = {.name = "jsd-detached",
           .formula = "jsd with the gradient of its released code, which is 0: for ablations",
           .paper = "arXiv:2606.07000, its code"},
    .value = detached,
    .most = M_LN2,
};
