/* The losses that there are. */
#include "method/loss/loss.h"
#include <string.h>

extern const struct ptd_loss ptd_loss_ppo, ptd_loss_gspo, ptd_loss_gspo_token, ptd_loss_cispo,
    ptd_loss_sapo, ptd_loss_gmpo, ptd_loss_reinforce, ptd_loss_sft;

ptd_method_table ptd_losses = {
    &ptd_loss_ppo.is,       &ptd_loss_gspo.is, &ptd_loss_gspo_token.is,
    &ptd_loss_cispo.is,     &ptd_loss_sapo.is, &ptd_loss_gmpo.is,
    &ptd_loss_reinforce.is, &ptd_loss_sft.is,  NULL,
};

const struct ptd_loss *ptd_loss_named(const char *name)
{
    if (!strcmp(name, "policy")) name = "ppo";
    return (const struct ptd_loss *)ptd_method_named(ptd_losses, "loss", name);
}
