/* reverse: the Kullback-Leibler divergence of the tutor from the student, which keeps to what the
 * tutor says.
 *
 *     KL(S||T) = sum s ln(s/t);  s dKL/ds = s (ln(s/t) + 1) */
#include "method/divergence/divergence.h"
#include <math.h>

static double value(const void *own, const float *s, const float *t, int n, float *g)
{
    double sum = 0;
    for (int b = 0; b < n; b++) {
        double S = s[b], T = t[b], part = S > 0 ? S * log(S / ptd_mass_floored(T)) : S + 0 * T;
        g[b] = (float)(part + S);
        sum += part;
    }
    return sum;
}

const struct ptd_divergence ptd_divergence_reverse = {
    .is = {.name = "reverse", .formula = "sum s ln(s/t)", .paper = "arXiv:2306.08543"},
    .value = value,
};
