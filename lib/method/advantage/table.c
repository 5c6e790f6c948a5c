/* The advantages that there are. */
#include "method/advantage/advantage.h"

extern const struct ptd_advantage ptd_advantage_grpo, ptd_advantage_dr_grpo, ptd_advantage_rloo,
    ptd_advantage_none;

ptd_method_table ptd_advantages = {
    &ptd_advantage_grpo.is,
    &ptd_advantage_dr_grpo.is,
    &ptd_advantage_rloo.is,
    &ptd_advantage_none.is,
    NULL,
};

const struct ptd_advantage *ptd_advantage_named(const char *name)
{
    return (const struct ptd_advantage *)ptd_method_named(ptd_advantages, "advantage", name);
}

void ptd_centred(const double *reward, int n, double scale, double *advantage)
{
    double mean = 0;
    int differ = 0;
    for (int i = 0; i < n; i++) mean += reward[i] / n;
    for (int i = 1; i < n; i++) differ |= reward[i] != reward[0];
    for (int i = 0; i < n; i++) advantage[i] = differ ? scale * (reward[i] - mean) : 0;
}
