/* spread: mean and deviation, for rows that divide by one. */
#include "method/advantage/advantage.h"
#include "base/err.h"
#include <math.h>
#include <stdlib.h>

double ptd_eps = 1e-6;
const struct ptd_opt ptd_eps_options[] = {
    {"eps", 0, PTD_OPT_DOUBLE, &ptd_eps, "E", "added to the deviation", 0, 1}, {0}};

static int ascending(const void *a, const void *b)
{
    const struct ptd_counted *x = a, *y = b;
    if (x->x != y->x) return x->x < y->x ? -1 : 1;
    return (x->weight > y->weight) - (x->weight < y->weight);
}

struct ptd_spread ptd_spread_of(struct ptd_counted *x, long n)
{
    struct ptd_spread s = {.flat = 1};
    double weights = 0, square = 0;
    qsort(x, n, sizeof *x, ascending);
    for (long i = 0; i < n; i++) weights += x[i].weight;
    for (long i = 0; i < n; i++) s.mean += x[i].x * x[i].weight / weights;
    for (long i = 0; i < n; i++) square += x[i].weight * (x[i].x - s.mean) * (x[i].x - s.mean);
    for (long i = 1; i < n; i++) s.flat &= x[i].x == x[0].x;
    s.deviation = weights > 1 ? sqrt(square / (weights - 1)) : 0;
    return s;
}

struct ptd_spread ptd_spread_in(const double *reward, int n)
{
    struct ptd_counted *x = ptd_array(n, sizeof *x);
    for (int i = 0; i < n; i++) x[i] = (struct ptd_counted){reward[i], 1};
    struct ptd_spread s = ptd_spread_of(x, n);
    free(x);
    return s;
}
