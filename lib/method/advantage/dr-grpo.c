/* dr-grpo: GRPO without the deviation, which favours questions that are nearly always, or nearly
 * never, answered.
 *
 *     A = R - mean */
#include "method/advantage/advantage.h"

static void value(const void *own, const double *reward, int n, double *advantage)
{
    ptd_centred(reward, n, 1, advantage);
}

const struct ptd_advantage ptd_advantage_dr_grpo = {
    .is = {.name = "dr-grpo", .formula = "R - mean", .paper = "arXiv:2503.20783"},
    .value = value,
};
