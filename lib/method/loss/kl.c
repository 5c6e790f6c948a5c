/* kl: see kl.h. */
#include "method/loss/kl.h"
#include <math.h>

double ptd_k3(double logp, double ref_logp, double *dlogp)
{
    const double far = 20, most = 10;
    double d = ref_logp - logp, inside = fmin(fmax(d, -far), far), k3;
    if (d != d) return *dlogp = d;
    k3 = expm1(inside) - inside;
    *dlogp = d != inside || k3 > most ? 0 : -expm1(inside);
    return k3 > most ? most : k3;
}
