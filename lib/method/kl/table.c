/* The estimates that there are. */
#include "method/kl/kl.h"

extern const struct ptd_kl ptd_kl_k1, ptd_kl_k2, ptd_kl_k3, ptd_kl_k3_unbiased, ptd_kl_full;

ptd_method_table ptd_kls = {
    &ptd_kl_k3.is, &ptd_kl_k1.is, &ptd_kl_k2.is, &ptd_kl_k3_unbiased.is, &ptd_kl_full.is, NULL,
};

const struct ptd_kl *ptd_kl_named(const char *name)
{
    return (const struct ptd_kl *)ptd_method_named(ptd_kls, "kl", name);
}
