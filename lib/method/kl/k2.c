/* k2: half the squared log-ratio.
 *
 *     (logp - ref)^2 / 2;  derivative logp - ref */
#include "method/kl/kl.h"

static double value(double logp, double old, double ref, double *dlogp)
{
    *dlogp = logp - ref;
    return (logp - ref) * (logp - ref) / 2;
}

const struct ptd_kl ptd_kl_k2 = {
    .is = {.name = "k2",
           .formula = "(logp - ref)^2 / 2",
           .paper = "http://joschu.net/blog/kl-approx.html"},
    .value = value,
};
