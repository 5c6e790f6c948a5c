/* reinforce++: no groups: rewards standardised over all tokens of the step, each response counting
 * as often as it has tokens.
 *
 *     A = (R - mean of the step) / (std of the step + eps), std with tokens - 1
 *
 * With a KL in the reward each token has a return of its own, what is earned from it on without
 * discount, and mean and std are of those. A group of equal rewards is not at 0 here, a step of
 * equal rewards is. Hu 2025. */
#include "method/advantage/advantage.h"
#include "base/err.h"
#include <stdlib.h>

static long count(const struct ptd_rewarded *g, int n)
{
    long all = 0;
    for (int k = 0; k < n; k++)
        for (int i = 0; i < g[k].n; i++) all += g[k].returns ? g[k].tokens[i] : 1;
    return all;
}

static struct ptd_spread spread_of(const struct ptd_rewarded *g, int n)
{
    long at = 0, all = count(g, n);
    struct ptd_counted *x = ptd_array(all + 1, sizeof *x);
    for (int k = 0; k < n; k++)
        for (int i = 0; i < g[k].n; i++)
            if (!g[k].returns)
                x[at++] = (struct ptd_counted){g[k].reward[i], g[k].tokens[i]};
            else
                for (int t = 0; t < g[k].tokens[i]; t++)
                    x[at++] = (struct ptd_counted){g[k].returns[i][t], 1};
    struct ptd_spread s = ptd_spread_of(x, at);
    free(x);
    return s;
}

static void value(const void *own, const struct ptd_rewarded *g, int n)
{
    struct ptd_spread s = spread_of(g, n);
    double scale = s.flat ? 0 : 1 / (s.deviation + *(const double *)own);
    for (int k = 0; k < n; k++)
        for (int i = 0; i < g[k].n; i++) {
            g[k].advantage[i] = s.flat ? 0 : (g[k].reward[i] - s.mean) * scale;
            for (int t = 0; g[k].returns && t < g[k].tokens[i]; t++)
                g[k].returns[i][t] = s.flat ? 0 : (g[k].returns[i][t] - s.mean) * scale;
        }
}

const struct ptd_advantage ptd_advantage_reinforce = {
    .is = {.name = "reinforce++",
           .formula = "(R - mean) / (std + eps), over the tokens of the step",
           .paper = "arXiv:2501.03262",
           .options = ptd_eps_options,
           .own = &ptd_eps},
    .step = 1,
    .tokens = 1,
    .value = value,
};
