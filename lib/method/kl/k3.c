/* k3: the estimate of low variance, d = ref - logp, held within +-20.
 *
 *     e^d - d - 1, held below 10;  derivative 1 - e^d, 0 where it is held
 *
 * k3-unbiased weights it by the ratio r = e^(logp - old), which is differentiated, too: the product
 * is the unbiased estimate under old, and its derivative is -r d. */
#include "method/kl/kl.h"
#include <math.h>

static double value(double logp, double old, double ref, double *dlogp)
{
    const double far = 20, most = 10;
    double d = ref - logp, inside = fmin(fmax(d, -far), far), k3;
    if (d != d) return *dlogp = d;
    k3 = expm1(inside) - inside;
    *dlogp = d != inside || k3 > most ? 0 : -expm1(inside);
    return k3 > most ? most : k3;
}

/* The derivative stays true where k3 is held: r k3' + r k3. */
static double weighted(double logp, double old, double ref, double *dlogp)
{
    double r = exp(logp - old), slope, k3 = value(logp, old, ref, &slope);
    *dlogp = r * (slope + k3);
    return r * k3;
}

const struct ptd_kl ptd_kl_k3 = {
    .is = {.name = "k3",
           .formula = "e^d - d - 1, d = ref - logp",
           .paper = "http://joschu.net/blog/kl-approx.html"},
    .value = value,
};

const struct ptd_kl ptd_kl_k3_unbiased = {
    .is = {.name = "k3-unbiased",
           .formula = "r (e^d - d - 1)",
           .paper = "arXiv:2506.09477, arXiv:2512.02556"},
    .value = weighted,
};
