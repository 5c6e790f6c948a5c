/* none: no response is worth more than another; for streams that are only judged.
 *
 *     A = 0 */
#include "method/advantage/advantage.h"

static void value(const void *own, const struct ptd_rewarded *g, int n)
{
    for (int k = 0; k < n; k++)
        for (int i = 0; i < g[k].n; i++) g[k].advantage[i] = 0;
}

const struct ptd_advantage ptd_advantage_none = {
    .is = {.name = "none", .formula = "0", .paper = ""},
    .value = value,
};
