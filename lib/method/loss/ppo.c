/* ppo: see ppo.h.
 *
 *     r = exp(logp - old);  L1 = max(-A r, -A clip(r, 1 - low, 1 + high))
 *     pg = L1 for A >= 0, min(L1, -A dual) for A < 0
 *     L = 1/N sum pg + beta/N sum over tokens with a reference k3(logp, ref)
 *
 * Schulman 2017 (clip), Ye 2020 (dual clip), Yu 2025 (low and high apart), Schulman 2020 (k3:
 * kl.h).
 */
#include "method/loss/ppo.h"
#include "method/loss/kl.h"
#include <math.h>

static struct ptd_ppo own = {.clip = {0.2, 0.28, 3}, .beta = 0.01};

static const struct ptd_opt options[] = {
    {"beta", 0, PTD_OPT_DOUBLE, &own.beta, "X", "weight of the KL to the reference", 0, 100},
    {"clip-low", 0, PTD_OPT_DOUBLE, &own.clip.low, "X", "ratios below 1 - X gain nothing", 0, 1},
    {"clip-high", 0, PTD_OPT_DOUBLE, &own.clip.high, "X", "ratios above 1 + X gain nothing", 0,
     100},
    {"clip-dual", 0, PTD_OPT_DOUBLE, &own.clip.dual, "X",
     "bound on the loss of bad tokens (0: none)", 0, 1000},
    {0}};

double ptd_pg(double logp, double old_logp, double advantage, const struct ptd_clip *c,
              double *dlogp, int *side)
{
    double r = exp(logp - old_logp), near = fmin(fmax(r, 1 - c->low), 1 + c->high);
    double plain = -advantage * r, clipped = -advantage * near, ceiling = -advantage * c->dual;
    double loss = plain < clipped ? clipped : plain;
    *side = plain < clipped;
    *dlogp = *side ? 0 : plain;
    if (advantage < 0 && c->dual > 0 && loss > ceiling) {
        loss = ceiling;
        *side = -1;
        *dlogp = 0;
    }
    return loss;
}

static double reference(const void *given)
{
    return ((const struct ptd_ppo *)given)->beta;
}

static void value(const void *given, const struct ptd_tokens *t, long first, long n,
                  const struct ptd_token_losses *out)
{
    const struct ptd_ppo *o = given;
    for (long i = first; i < first + n; i++) {
        const struct ptd_sequence *q = &t->sequences[t->sequence[i]];
        double dpg, dkl = 0;
        int side;
        out->ratio[i] = exp(t->logp[i] - t->old[i]);
        out->pg[i] = ptd_pg(t->logp[i], t->old[i], q->advantage, &o->clip, &dpg, &side);
        if (q->reference) out->kl[i] = ptd_k3(t->logp[i], t->ref[i], &dkl);
        out->side[i] = (int8_t)side;
        out->loss[i] = (out->pg[i] + o->beta * out->kl[i]) / t->n;
        out->dlogp[i] = (dpg + o->beta * dkl) / t->n;
    }
}

const struct ptd_loss ptd_loss_ppo = {
    .is.name = "ppo",
    .is.formula = "max(-A r, -A clip(r)) + beta k3, by token",
    .is.paper = "arXiv:1707.06347, arXiv:1912.09729",
    .is.options = options,
    .is.own = &own,
    .reference = reference,
    .value = value,
};
