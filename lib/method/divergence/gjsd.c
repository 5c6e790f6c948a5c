/* gjsd: the generalised Jensen-Shannon divergence, between covering the tutor and keeping to it.
 *
 *     m = B t + (1 - B) s;  D = B KL(T||M) + (1 - B) KL(S||M)
 *     s dD/ds = (1 - B) s ln(s/m)
 *
 * What m moves cancels, as in jsd, which is B = 1/2. At the ends, where D would be 0, it is what
 * D/B and D/(1 - B) tend to, as others have it: B = 0 is KL(T||S), B = 1 is KL(S||T). */
#include "compute/cpu/vec.h"
#include "method/divergence/divergence.h"
#include <float.h>

struct own {
    double B;
};
static struct own given = {0.5};

static const struct ptd_opt options[] = {
    {"gjsd", 0, PTD_OPT_DOUBLE, &given.B, "B",
     "the tutor's share of the mixture: 0 is forward, 0.5 jsd, 1 reverse", 0, 1},
    {0}};

/* With d = (s - t)/m it is s/m = 1 + B d, t/m = 1 - (1 - B) d: near equality nothing cancels. */
static double mixed(float B, const float *s, const float *t, int n, float *g)
{
    const float A = 1 - B;
    vec_f sum = {0};
    for (int b = 0; b < n; b += VEC) {
        vec_f S = vec_load(s + b), T = vec_load(t + b);
        vec_f d = (S - T) / vec_larger(vec_set(FLT_MIN), A * S + B * T), x[2], y[2];
        x[0] = vec_larger(vec_set(-1), B * d);
        x[1] = vec_larger(vec_set(-1), -A * d);
        vec_log1p_each(y, x, 2);
        vec_f own = A * S * y[0];
        vec_store(g + b, own);
        sum += own + B * T * y[1];
    }
    return vec_lanes_sum_d(vec_widen(sum));
}

static double value(const void *own, const float *s, const float *t, int n, float *g)
{
    double B = ((const struct own *)own)->B;
    if (B <= 0) return ptd_divergence_forward.value(NULL, s, t, n, g);
    if (B >= 1) return ptd_divergence_reverse.value(NULL, s, t, n, g);
    return mixed((float)B, s, t, n, g);
}

const struct ptd_divergence ptd_divergence_gjsd = {
    .is = {.name = "gjsd",
           .formula = "B KL(T||M) + (1 - B) KL(S||M), m = B t + (1 - B) s",
           .paper = "arXiv:2306.13649",
           .options = options,
           .own = &given},
    .value = value,
};
