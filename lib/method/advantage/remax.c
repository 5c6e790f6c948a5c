/* remax: the baseline is what the greedy answer earns, which stands beside the group (ptd-rollout
 * --greedy-baseline).
 *
 *     A = R - R of the greedy answer
 *
 * Li 2023. Exactly 0 where a response earns what the greedy answer does. */
#include "method/advantage/advantage.h"

static void value(const void *own, const struct ptd_rewarded *g, int n)
{
    for (int k = 0; k < n; k++)
        for (int i = 0; i < g[k].n; i++) g[k].advantage[i] = g[k].reward[i] - *g[k].baseline;
}

const struct ptd_advantage ptd_advantage_remax = {
    .is = {.name = "remax", .formula = "R - R of the greedy answer", .paper = "arXiv:2310.10505"},
    .baseline = 1,
    .value = value,
};
