/* The advantages that there are. */
#include "method/advantage/advantage.h"

extern const struct ptd_advantage ptd_advantage_grpo, ptd_advantage_dr_grpo, ptd_advantage_rloo,
    ptd_advantage_reinforce, ptd_advantage_reinforce_baseline, ptd_advantage_batch,
    ptd_advantage_gdpo, ptd_advantage_pass, ptd_advantage_remax, ptd_advantage_none;

ptd_method_table ptd_advantages = {
    &ptd_advantage_grpo.is,
    &ptd_advantage_dr_grpo.is,
    &ptd_advantage_rloo.is,
    &ptd_advantage_reinforce.is,
    &ptd_advantage_reinforce_baseline.is,
    &ptd_advantage_batch.is,
    &ptd_advantage_gdpo.is,
    &ptd_advantage_pass.is,
    &ptd_advantage_remax.is,
    &ptd_advantage_none.is,
    NULL,
};

const struct ptd_advantage *ptd_advantage_named(const char *name)
{
    return (const struct ptd_advantage *)ptd_method_named(ptd_advantages, "advantage", name);
}
