/* grpo: rewards standardised within the group.
 *
 *     A = (R - mean) / (std + eps), std with n - 1 */
#include "method/advantage/advantage.h"
#include <math.h>

static double eps = 1e-6;
static const struct ptd_opt options[] = {
    {"eps", 0, PTD_OPT_DOUBLE, &eps, "E", "added to the deviation", 0, 1}, {0}};

static int all_equal(const double *x, int n)
{
    for (int i = 1; i < n; i++)
        if (x[i] != x[0]) return 0;
    return 1;
}

static void value(const void *own, const double *reward, int n, double *advantage)
{
    double mean = 0, square = 0;
    for (int i = 0; i < n; i++) mean += reward[i] / n;
    for (int i = 0; i < n; i++) square += (reward[i] - mean) * (reward[i] - mean);
    double deviation = n > 1 ? sqrt(square / (n - 1)) : 0;
    /* the mean of equal rewards may be off by a rounding, so ask them */
    int flat = all_equal(reward, n);
    for (int i = 0; i < n; i++)
        advantage[i] = flat ? 0 : (reward[i] - mean) / (deviation + *(const double *)own);
}

const struct ptd_advantage ptd_advantage_grpo = {
    .is = {.name = "grpo",
           .formula = "(R - mean) / (std + eps)",
           .paper = "arXiv:2402.03300",
           .options = options,
           .own = &eps},
    .value = value,
};
