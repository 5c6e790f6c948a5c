/* forward: the Kullback-Leibler divergence of the student from its tutor, which covers all that the
 * tutor says.
 *
 *     KL(T||S) = sum t ln(t/s);  s dKL/ds = -t */
#include "method/divergence/divergence.h"
#include <math.h>

static double value(const void *own, const float *s, const float *t, int n, float *g)
{
    double sum = 0;
    for (int b = 0; b < n; b++) {
        double S = s[b], T = t[b];
        g[b] = -t[b];
        sum += T > 0 ? T * log(T / ptd_mass_floored(S)) : T + 0 * S;
    }
    return sum;
}

const struct ptd_divergence ptd_divergence_forward = {
    .is = {.name = "forward", .formula = "sum t ln(t/s)", .paper = "arXiv:1503.02531"},
    .value = value,
};
