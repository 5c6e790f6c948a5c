/* whitened: reinforce++-baseline and gdpo: something whose mean is 0 in each group, over its
 * deviation in the step.
 *
 *     reinforce++-baseline   B = R - mean of the group
 *     gdpo                   B = sum over parts of weight (part - mean) / (std + eps), in the group
 *     A = B / (std of B in the step + eps), std with n - 1
 *
 * Hu 2025; Liu 2026. The mean of B in the step is 0, so it is not taken off, and a group of equal
 * rewards stays at exactly 0. verl takes mean and deviation over tokens in place of responses:
 * there such a group is off 0. Of gdpo what matters is that a part of small spread counts as much
 * as another, by its weight alone. */
#include "method/advantage/advantage.h"
#include "base/err.h"
#include <stdlib.h>

static void whiten(double eps, const struct ptd_rewarded *g, int n)
{
    long all = 0, at = 0;
    for (int k = 0; k < n; k++) all += g[k].n;
    struct ptd_counted *x = ptd_array(all, sizeof *x);
    for (int k = 0; k < n; k++)
        for (int i = 0; i < g[k].n; i++) x[at++] = (struct ptd_counted){g[k].advantage[i], 1};
    double deviation = ptd_spread_of(x, all).deviation + eps;
    for (int k = 0; k < n; k++)
        for (int i = 0; i < g[k].n; i++)
            if (g[k].advantage[i] != 0) g[k].advantage[i] /= deviation;
    free(x);
}

static void baseline(const void *own, const struct ptd_rewarded *g, int n)
{
    for (int k = 0; k < n; k++) ptd_centred(g[k].reward, g[k].n, 1, g[k].advantage);
    whiten(*(const double *)own, g, n);
}

static void add_part(double eps, const struct ptd_rewarded *g, int part, double *room)
{
    const double *x = g->part + part * g->n;
    double deviation = ptd_spread_in(x, g->n).deviation + eps;
    ptd_centred(x, g->n, 1, room);
    for (int i = 0; i < g->n; i++)
        if (room[i] != 0) g->advantage[i] += g->weight[part] * room[i] / deviation;
}

static void parts(const void *own, const struct ptd_rewarded *g, int n)
{
    double eps = *(const double *)own;
    for (int k = 0; k < n; k++) {
        double *room = ptd_array(g[k].n, sizeof *room);
        for (int i = 0; i < g[k].n; i++) g[k].advantage[i] = 0;
        for (int part = 0; part < g[k].n_parts; part++) add_part(eps, &g[k], part, room);
        free(room);
    }
    whiten(eps, g, n);
}

const struct ptd_advantage ptd_advantage_reinforce_baseline = {
    .is = {.name = "reinforce++-baseline",
           .formula = "(R - mean) / (std of that in the step + eps)",
           .paper = "arXiv:2501.03262",
           .options = ptd_eps_options,
           .own = &ptd_eps},
    .step = 1,
    .value = baseline,
};

const struct ptd_advantage ptd_advantage_gdpo = {
    .is = {.name = "gdpo",
           .formula = "each part of R by itself as grpo, summed by weight, over the step's std",
           .paper = "arXiv:2601.05242",
           .options = ptd_eps_options,
           .own = &ptd_eps},
    .step = 1,
    .parts = 1,
    .value = parts,
};
