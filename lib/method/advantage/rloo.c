/* rloo: the baseline of each response is the mean of the others.
 *
 *     A = R - mean of the others = n / (n - 1) (R - mean) */
#include "method/advantage/advantage.h"

static void value(const void *own, const double *reward, int n, double *advantage)
{
    ptd_centred(reward, n, n > 1 ? n / (n - 1.0) : 0, advantage);
}

const struct ptd_advantage ptd_advantage_rloo = {
    .is = {.name = "rloo", .formula = "R - mean of the others", .paper = "arXiv:2402.14740"},
    .value = value,
};
