/* grpo: rewards standardised within the group.
 *
 *     A = (R - mean) / (std + eps), std with n - 1 */
#include "method/advantage/advantage.h"
#include <math.h>

static void value_of(double eps, const double *reward, int n, double *advantage)
{
    double mean = 0, square = 0;
    for (int i = 0; i < n; i++) mean += reward[i] / n;
    for (int i = 0; i < n; i++) square += (reward[i] - mean) * (reward[i] - mean);
    double deviation = n > 1 ? sqrt(square / (n - 1)) : 0;
    ptd_centred(reward, n, 1, advantage);
    for (int i = 0; i < n; i++)
        if (advantage[i] != 0) advantage[i] /= deviation + eps;
}

static void value(const void *own, const struct ptd_rewarded *g, int n)
{
    for (int k = 0; k < n; k++) value_of(*(const double *)own, g[k].reward, g[k].n, g[k].advantage);
}

const struct ptd_advantage ptd_advantage_grpo = {
    .is = {.name = "grpo",
           .formula = "(R - mean) / (std + eps)",
           .paper = "arXiv:2402.03300",
           .options = ptd_eps_options,
           .own = &ptd_eps},
    .value = value,
};
