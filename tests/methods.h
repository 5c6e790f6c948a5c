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

/* With the B that is set. */
static inline double plain_gjsd(double s, double t)
{
    double B = *(const double *)ptd_divergence_gjsd.is.own, m = B * t + (1 - B) * s;
    if (B == 0) return plain_part(t, s);
    if (B == 1) return plain_part(s, t);
    return B * plain_part(t, m) + (1 - B) * plain_part(s, m);
}

/* z [n] becomes probabilities. */
static inline void plain_softmax(double *z, int n)
{
    double sum = 0;
    for (int v = 0; v < n; v++) sum += z[v] = exp(z[v]);
    for (int v = 0; v < n; v++) z[v] /= sum;
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
    } forms[] = {{"jsd", plain_jsd},   {"forward", plain_forward},  {"reverse", plain_reverse},
                 {"gjsd", plain_gjsd}, {"jsd-detached", plain_jsd}, {"hellinger", plain_hellinger}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (!strcmp(forms[i].name, name)) return forms[i].of;
    fail_msg("divergence %s is in the table and has no plain form in tests/methods.h", name);
    return NULL;
}

/* The squared Hellinger distance: s dD/ds = (s - sqrt(s t)) / 2. */
static inline double hellinger_value(const void *own, const float *s, const float *t, int n,
                                     float *g)
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

/* 0: its gradient is 0, whatever its value does. */
static inline int plain_learns(const struct ptd_divergence *d)
{
    return strcmp(d->is.name, "jsd-detached") != 0;
}

/* Those of the table that look at masses, then the one that is added; NULL behind them. */
static inline const struct ptd_divergence *divergence_number(int i)
{
    for (int n = 0; ptd_divergences[n]; n++) {
        const struct ptd_divergence *d = (const struct ptd_divergence *)ptd_divergences[n];
        if (d->value && i-- == 0) return d;
    }
    return i ? NULL : &hellinger;
}
#endif
