/* methods: the divergences once more, in double and as their formulas read, by name; and one that
 * is not shipped, which shows what adding one takes. */
#ifndef PTD_TESTS_METHODS_H
#define PTD_TESTS_METHODS_H
#include "test.h"
#include "compute/cpu/vec.h"
#include "method/divergence/divergence.h"
#include <string.h>

static inline double plain_part(double a, double b)
{
    return a > 0 ? a * log(a / b) : 0;
}

static inline double plain_jsd(double s, double t)
{
    return (plain_part(s, (s + t) / 2) + plain_part(t, (s + t) / 2)) / 2;
}

static inline double plain_forward(double s, double t)
{
    return plain_part(t, s);
}

static inline double plain_reverse(double s, double t)
{
    return plain_part(s, t);
}

static inline double plain_hellinger(double s, double t)
{
    return (sqrt(s) - sqrt(t)) * (sqrt(s) - sqrt(t)) / 2;
}

/* The summand of a divergence; fails for one that has no plain form here. */
static inline double (*plain_divergence_of(const char *name))(double s, double t)
{
    static const struct {
        const char *name;
        double (*of)(double s, double t);
    } forms[] = {{"jsd", plain_jsd},
                 {"forward", plain_forward},
                 {"reverse", plain_reverse},
                 {"hellinger", plain_hellinger}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (!strcmp(forms[i].name, name)) return forms[i].of;
    fail_msg("divergence %s is in the table and has no plain form in tests/methods.h", name);
    return NULL;
}

/* The squared Hellinger distance: s dD/ds = (s - sqrt(s t)) / 2. */
static inline double hellinger_value(const float *s, const float *t, int n, float *g)
{
    double sum = 0;
    for (int b = 0; b < n; b++) {
        double near = sqrt((double)s[b] * t[b]);
        sum += (s[b] + t[b]) / 2.0 - near;
        g[b] = (float)((s[b] - near) / 2);
    }
    return sum;
}

static const struct ptd_divergence hellinger = {
    .is = {.name = "hellinger", .formula = "1/2 sum (sqrt s - sqrt t)^2", .paper = ""},
    .value = hellinger_value};

/* Those of the table, then the one that is added; NULL behind them. */
static inline const struct ptd_divergence *divergence_number(int i)
{
    int n = 0;
    while (ptd_divergences[n]) n++;
    return i < n ? (const struct ptd_divergence *)ptd_divergences[i] : i == n ? &hellinger : NULL;
}
#endif
