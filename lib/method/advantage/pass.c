/* pass@k: only the best response of a group is worth something, by how far it is ahead: what a
 * group of k answers is judged by is that one is right.
 *
 *     A = (R - second best) / (std + eps) for the best response, 0 for all others; std with n - 1
 *
 * Tang 2025. Two that are best are none. */
#include "method/advantage/advantage.h"
#include <math.h>

static void value_of(double eps, const struct ptd_rewarded *g)
{
    int best = 0;
    double second = -INFINITY;
    for (int i = 0; i < g->n; i++) {
        g->advantage[i] = 0;
        if (g->reward[i] > g->reward[best]) best = i;
    }
    for (int i = 0; i < g->n; i++)
        if (i != best && g->reward[i] > second) second = g->reward[i];
    if (g->n < 2 || second == g->reward[best]) return;
    double deviation = ptd_spread_in(g->reward, g->n).deviation;
    g->advantage[best] = (g->reward[best] - second) / (deviation + eps);
}

static void value(const void *own, const struct ptd_rewarded *g, int n)
{
    for (int k = 0; k < n; k++) value_of(*(const double *)own, &g[k]);
}

const struct ptd_advantage ptd_advantage_pass = {
    .is = {.name = "pass@k",
           .formula = "(R - second best) / (std + eps) of the best, 0 of others",
           .paper = "arXiv:2503.19595",
           .options = ptd_eps_options,
           .own = &ptd_eps},
    .value = value,
};
