/* none: no response is worth more than another; for streams that are only judged.
 *
 *     A = 0 */
#include "method/advantage/advantage.h"

static void value(const void *own, const double *reward, int n, double *advantage)
{
    for (int i = 0; i < n; i++) advantage[i] = 0;
}

const struct ptd_advantage ptd_advantage_none = {
    .is = {.name = "none", .formula = "0", .paper = ""},
    .value = value,
};
