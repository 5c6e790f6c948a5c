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

/* How far Wilson's ends are from p: rounding leaves no crumb of what is nothing. */
struct reach {
    double down, up;
};

static struct reach reach_of(double p, double n)
{
    double below = 1 + Z * Z / n, shift = Z * Z / n * (0.5 - p) / below,
           half = Z / below * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n));
    return (struct reach){p > 0 ? fmin(p, half - shift) : 0, p < 1 ? fmin(1 - p, half + shift) : 0};
}

struct ptd_range ptd_wilson(double p, double n)
{
    struct reach r = reach_of(p, n);
    return (struct ptd_range){p, p - r.down, p + r.up};
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
    return sqrt((a - b) * (a - b) + 2 * (1 - r) * a * b);
}

/* Sums of n values of at most 1 each: what is left where they cancel is nothing. */
static double difference(const struct ptd_pairs *p)
{
    double n = (double)p->n, d = p->y - p->x;
    return fabs(d) <= n * 0x1p-50 ? 0 : d / n;
}

struct ptd_range ptd_pairs_range(const struct ptd_pairs *p)
{
    if (p->n < 1) return nothing;
    double n = (double)p->n;
    struct reach x = reach_of(within(p->x / n, 0, 1), n), y = reach_of(within(p->y / n, 0, 1), n);
    double d = difference(p), r = correlation(p);
    return (struct ptd_range){d, d - together(y.down, x.up, r), d + together(y.up, x.down, r)};
}
