/* reinforce: the policy gradient of one step as it is, without a ratio: nothing is clipped, and
 * what was sampled by other weights counts as if by these.
 *
 *     pg = -A logp
 *
 * Williams 1992; Ahmadian 2024 for language models. */
#include "method/loss/loss.h"
#include <math.h>

static void value(const void *own, const struct ptd_tokens *t, long first, long n,
                  const struct ptd_token_losses *out)
{
    for (long i = first; i < first + n; i++) {
        out->ratio[i] = exp(t->logp[i] - t->old[i]);
        out->pg[i] = -t->advantage[i] * t->logp[i];
        out->dlogp[i] = -t->weight[i] * t->advantage[i];
    }
}

const struct ptd_loss ptd_loss_reinforce = {
    .is.name = "reinforce",
    .is.formula = "-A logp, by token",
    .is.paper = "doi:10.1007/BF00992696, arXiv:2402.14740",
    .value = value,
};
