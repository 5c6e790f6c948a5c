/* rloo: the baseline of each response is the mean of the others.
 *
 *     A = R - mean of the others = n / (n - 1) (R - mean) */
#include "method/advantage/advantage.h"

static void value(const void *own, const struct ptd_rewarded *g, int n)
{
    for (int k = 0; k < n; k++)
        ptd_centred(g[k].reward, g[k].n, g[k].n > 1 ? g[k].n / (g[k].n - 1.0) : 0, g[k].advantage);
}

const struct ptd_advantage ptd_advantage_rloo = {
    .is = {.name = "rloo", .formula = "R - mean of the others", .paper = "arXiv:2402.14740"},
    .value = value,
};
