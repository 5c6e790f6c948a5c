/* sapo: a soft gate in place of the clip; at r = 1 its slope is 1, and far from there it fades.
 *
 *     f(r) = 4/tau sigmoid(tau (r - 1));  pg = -A f(r)
 *     tau = pos for A > 0, neg for others
 *
 * Gao 2025. */
#include "method/loss/loss.h"
#include <math.h>

static struct own {
    double pos, neg;
} own = {1, 1.05};

static const struct ptd_opt options[] = {
    {"sapo-pos", 0, PTD_OPT_DOUBLE, &own.pos, "TAU", "steepness of the gate for good tokens", 1e-6,
     1e6},
    {"sapo-neg", 0, PTD_OPT_DOUBLE, &own.neg, "TAU", "the same for bad ones", 1e-6, 1e6},
    {0}};

static void value(const void *given, const struct ptd_tokens *t, long first, long n,
                  const struct ptd_token_losses *out)
{
    const struct own *o = given;
    for (long i = first; i < first + n; i++) {
        double A = t->advantage[i], tau = A > 0 ? o->pos : o->neg, r = exp(t->logp[i] - t->old[i]),
               gate = 1 / (1 + exp(-tau * (r - 1)));
        out->ratio[i] = r;
        out->pg[i] = -A * 4 / tau * gate;
        out->dlogp[i] = -t->weight[i] * A * (isinf(r) ? 0 : 4 * gate * (1 - gate) * r);
    }
}

const struct ptd_loss ptd_loss_sapo = {
    .is.name = "sapo",
    .is.formula = "-A 4/tau sigmoid(tau (r - 1)), by token",
    .is.paper = "arXiv:2511.20347",
    .is.options = options,
    .is.own = &own,
    .aggregate = "sequence",
    .value = value,
};
