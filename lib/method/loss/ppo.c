/* ppo: the clipped policy gradient with its dual clip, token by token; what GRPO, DAPO and Dr.GRPO
 * learn by.
 *
 *     r = exp(logp - old);  L1 = max(-A r, -A clip(r, 1 - low, 1 + high))
 *     pg = L1 for A >= 0, min(L1, -A dual) for A < 0
 *
 * Schulman 2017 (clip), Ye 2020 (dual clip), Yu 2025 (low and high apart). */
#include "method/loss/loss.h"
#include <math.h>

static void value(const void *own, const struct ptd_tokens *t, long first, long n,
                  const struct ptd_token_losses *out)
{
    for (long i = first; i < first + n; i++) {
        double slope;
        int side;
        out->ratio[i] = exp(t->logp[i] - t->old[i]);
        out->pg[i] = ptd_clipped(out->ratio[i], t->advantage[i], &t->clip, &slope, &side);
        out->side[i] = (int8_t)side;
        out->dlogp[i] = t->weight[i] * slope;
    }
}

const struct ptd_loss ptd_loss_ppo = {
    .is.name = "ppo",
    .is.formula = "max(-A r, -A clip(r)), by token",
    .is.paper = "arXiv:1707.06347, arXiv:1912.09729",
    .clip = {0.2, 0.28, 3},
    .clips = PTD_CLIP_ALL,
    .value = value,
};
