/* interval: see interval.h for the formulas. */
#include "base/interval.h"
#include <math.h>

#define Z 1.959964 /* 95 % of a normal lie within */

static const struct ptd_range nothing = {NAN, NAN, NAN};

void ptd_pairs_add(struct ptd_pairs *p, double x, double y)
{
    p->n++;
    p->x += x;
    p->y += y;
    p->xx += x * x;
    p->yy += y * y;
    p->xy += x * y;
}

struct ptd_range ptd_wilson(double p, double n)
{
    double below = 1 + Z * Z / n, centre = (p + Z * Z / (2 * n)) / below,
           half = Z / below * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n));
    /* rounding must not leave a crumb */
    return (struct ptd_range){p, p > 0 ? fmax(0, centre - half) : 0,
                              p < 1 ? fmin(1, centre + half) : 1};
}

static double within(double x, double lo, double hi)
{
    return x > hi ? hi : x > lo ? x : lo; /* NAN: lo */
}

/* 0 where one side does not vary. */
static double correlation(const struct ptd_pairs *p)
{
    double n = (double)p->n, x = p->xx - p->x * p->x / n, y = p->yy - p->y * p->y / n;
    return x < 1e-9 || y < 1e-9 ? 0 : within((p->xy - p->x * p->y / n) / sqrt(x * y), -1, 1);
}

static double together(double a, double b, double r)
{
    return sqrt(fmax(0, a * a - 2 * r * a * b + b * b));
}

struct ptd_range ptd_pairs_range(const struct ptd_pairs *p)
{
    if (p->n < 1) return nothing;
    double n = (double)p->n;
    struct ptd_range x = ptd_wilson(within(p->x / n, 0, 1), n),
                     y = ptd_wilson(within(p->y / n, 0, 1), n);
    double d = y.value - x.value, r = correlation(p);
    return (struct ptd_range){d, d - together(y.value - y.lo, x.hi - x.value, r),
                              d + together(y.hi - y.value, x.value - x.lo, r)};
}
