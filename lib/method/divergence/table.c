/* The divergences that there are. */
#include "method/divergence/divergence.h"

extern const struct ptd_divergence ptd_divergence_jsd, ptd_divergence_forward,
    ptd_divergence_reverse;

ptd_method_table ptd_divergences = {
    &ptd_divergence_jsd.is,
    &ptd_divergence_forward.is,
    &ptd_divergence_reverse.is,
    NULL,
};

const struct ptd_divergence *ptd_divergence_named(const char *name)
{
    return (const struct ptd_divergence *)ptd_method_named(ptd_divergences, "divergence", name);
}
