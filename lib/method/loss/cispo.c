/* cispo: REINFORCE with importance weights that are capped and cut off from the gradient, so that
 * no token is left out.
 *
 *     w = min(r, cap), without gradient;  pg = -w A logp
 *
 * MiniMax 2025. Only the top is capped, as published: some code lifts ratios below a lower bound to
 * it as well, which makes rare tokens count more than they were drawn. cap is 1 + high, or high
 * itself (--cispo-cap high), as TRL reads its epsilon_high: 4 here and 5 there are the same. */
#include "method/loss/loss.h"
#include <math.h>
#include <string.h>

static const char *cap = "1+high";
static const struct ptd_opt options[] = {
    {"cispo-cap", 0, PTD_OPT_STR, &cap, "FORM",
     "importance weights end at 1+high or at high, of --clip-high", 0, 0},
    {0}};

static const char *wrong(const void *own)
{
    const char *form = *(const char *const *)own;
    return strcmp(form, "1+high") && strcmp(form, "high") ? "--cispo-cap: expected 1+high or high"
                                                          : NULL;
}

static void value(const void *own, const struct ptd_tokens *t, long first, long n,
                  const struct ptd_token_losses *out)
{
    double most = t->clip.high + (strcmp(*(const char *const *)own, "high") != 0);
    for (long i = first; i < first + n; i++) {
        double r = out->ratio[i] = exp(t->logp[i] - t->old[i]), w = r > most ? most : r;
        out->pg[i] = -w * t->advantage[i] * t->logp[i];
        out->dlogp[i] = -t->weight[i] * w * t->advantage[i];
        out->side[i] = r > most;
    }
}

const struct ptd_loss ptd_loss_cispo = {
    .is.name = "cispo",
    .is.formula = "-min(r, cap) A logp, the weight without gradient, by token",
    .is.paper = "arXiv:2506.13585",
    .is.options = options,
    .is.own = &cap,
    .clip = {0, 4, 0},
    .clips = PTD_CLIP_HIGH,
    .wrong = wrong,
    .value = value,
};
