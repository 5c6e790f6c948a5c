/* batch: rewards less the mean of their group, over one deviation for all rewards of the step, so
 * that groups of little spread are not blown up.
 *
 *     A = (R - mean of the group) / (std of the step + eps), std with n - 1
 *
 * Liu 2025 (Lite PPO). */
#include "method/advantage/advantage.h"
#include "base/err.h"
#include <stdlib.h>

static double deviation_of(const struct ptd_rewarded *g, int n)
{
    long all = 0, at = 0;
    for (int k = 0; k < n; k++) all += g[k].n;
    struct ptd_counted *x = ptd_array(all, sizeof *x);
    for (int k = 0; k < n; k++)
        for (int i = 0; i < g[k].n; i++) x[at++] = (struct ptd_counted){g[k].reward[i], 1};
    double deviation = ptd_spread_of(x, all).deviation;
    free(x);
    return deviation;
}

static void value(const void *own, const struct ptd_rewarded *g, int n)
{
    double deviation = deviation_of(g, n) + *(const double *)own;
    for (int k = 0; k < n; k++) {
        ptd_centred(g[k].reward, g[k].n, 1, g[k].advantage);
        for (int i = 0; i < g[k].n; i++)
            if (g[k].advantage[i] != 0) g[k].advantage[i] /= deviation;
    }
}

const struct ptd_advantage ptd_advantage_batch = {
    .is = {.name = "batch",
           .formula = "(R - mean) / (std of the step + eps)",
           .paper = "arXiv:2508.08221",
           .options = ptd_eps_options,
           .own = &ptd_eps},
    .step = 1,
    .value = value,
};
