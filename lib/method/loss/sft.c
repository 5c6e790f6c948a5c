/* sft: supervised fine-tuning, the cross-entropy of given responses.
 *
 *     L = -1/N sum logp */
#include "method/loss/loss.h"

static void value(const void *own, const struct ptd_tokens *t, long first, long n,
                  const struct ptd_token_losses *out)
{
    for (long i = first; i < first + n; i++) {
        out->loss[i] = -t->logp[i] / t->n;
        out->dlogp[i] = -1.0 / t->n;
    }
}

const struct ptd_loss ptd_loss_sft = {
    .is.name = "sft",
    .is.formula = "-logp, by token",
    .is.paper = "arXiv:2203.02155",
    .supervised = 1,
    .value = value,
};
