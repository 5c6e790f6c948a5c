/* dr-grpo: GRPO without the deviation, which favours questions that are nearly always, or nearly
 * never, answered.
 *
 *     A = R - mean */
#include "method/advantage/advantage.h"

static void value(const void *own, const struct ptd_rewarded *g, int n)
{
    for (int k = 0; k < n; k++) ptd_centred(g[k].reward, g[k].n, 1, g[k].advantage);
}

const struct ptd_advantage ptd_advantage_dr_grpo = {
    .is = {.name = "dr-grpo", .formula = "R - mean", .paper = "arXiv:2503.20783"},
    .value = value,
};
