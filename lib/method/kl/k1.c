/* k1: the log-ratio, with the derivative that makes it smaller in the mean (kl.h).
 *
 *     logp - ref;  derivative logp - ref */
#include "method/kl/kl.h"

static double value(double logp, double old, double ref, double *dlogp)
{
    return *dlogp = logp - ref;
}

const struct ptd_kl ptd_kl_k1 = {
    .is = {.name = "k1",
           .formula = "logp - ref, with the gradient of k2",
           .paper = "http://joschu.net/blog/kl-approx.html"},
    .value = value,
};
