/* sft: supervised fine-tuning, the cross-entropy of given responses.
 *
 *     pg = -logp */
#include "method/loss/loss.h"

static void value(const void *own, const struct ptd_tokens *t, long first, long n,
                  const struct ptd_token_losses *out)
{
    for (long i = first; i < first + n; i++) {
        out->pg[i] = -t->logp[i];
        out->dlogp[i] = -t->weight[i];
    }
}

const struct ptd_loss ptd_loss_sft = {
    .is.name = "sft",
    .is.formula = "-logp, by token",
    .is.paper = "arXiv:2203.02155",
    .supervised = 1,
    .value = value,
};
