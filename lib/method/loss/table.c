/* The losses that there are. */
#include "method/loss/loss.h"
#include <string.h>

extern const struct ptd_loss ptd_loss_ppo, ptd_loss_sft;

ptd_method_table ptd_losses = {
    &ptd_loss_ppo.is,
    &ptd_loss_sft.is,
    NULL,
};

const struct ptd_loss *ptd_loss_named(const char *name)
{
    if (!strcmp(name, "policy")) name = "ppo";
    return (const struct ptd_loss *)ptd_method_named(ptd_losses, "loss", name);
}
