/* working: see working.h. */
#include "method/hint/working.h"
#include "judge/number.h"
#include <math.h>
#include <string.h>

#define NEAR 1e-9

static double first_of(const double *x, int n)
{
    return n == 1 ? x[0] : NAN;
}

static double sum_of(const double *x, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    return n > 1 ? sum : NAN;
}

static double largest_of(const double *x, int n)
{
    double most = n > 1 ? x[0] : NAN;
    for (int i = 1; i < n; i++) most = x[i] > most ? x[i] : most;
    return most;
}

static double smallest_of(const double *x, int n)
{
    double least = n > 1 ? x[0] : NAN;
    for (int i = 1; i < n; i++) least = x[i] < least ? x[i] : least;
    return least;
}

static double difference_of(const double *x, int n)
{
    return n == 2 ? fabs(x[0] - x[1]) : NAN;
}

static double product_of(const double *x, int n)
{
    double product = 1;
    for (int i = 0; i < n; i++) product *= x[i];
    return n > 1 ? product : NAN;
}

static const struct {
    const char *word;
    double (*of)(const double *x, int n); /* NAN: not of so many */
} ways[] = {{"read", first_of},          {"add", sum_of},
            {"max", largest_of},         {"min", smallest_of},
            {"subtract", difference_of}, {"multiply", product_of}};
#define WAYS ((int)(sizeof ways / sizeof *ways))

/* NAN: it is no number. */
static double number_of(const char *text)
{
    struct ptd_rational r;
    if (!text || !ptd_number_parse(text, strlen(text), &r)) return NAN;
    return (double)r.num / (double)r.den;
}

static double result_of(const struct ptd_group *g, const struct ptd_rollout *y)
{
    return number_of(ptd_rollout_right(y) ? g->answer : y->extracted);
}

/* The ways from these numbers to this result, as bits; 0 where one of them is missing. */
static unsigned ways_to(const struct ptd_hint_named *p, double result)
{
    unsigned found = 0;
    for (int i = 0; i < WAYS; i++) {
        double x = p->n ? ways[i].of(p->value, p->n) : NAN;
        if (fabs(x - result) <= NEAR * fmax(1, fabs(result))) found |= 1u << i;
    }
    return found;
}

/* Those of `among` that most responses went; more than one bit: as many. */
static unsigned most_gone(const struct ptd_group *g, const struct ptd_hint_named *named,
                          unsigned among)
{
    int votes[WAYS] = {0}, most = 0;
    unsigned best = 0;
    for (int i = 0; i < g->n_rollouts; i++) {
        unsigned gone = ways_to(&named[i], result_of(g, &g->rollouts[i]));
        for (int k = 0; k < WAYS; k++) votes[k] += gone >> k & 1;
    }
    for (int k = 0; k < WAYS; k++) {
        if (!(among >> k & 1) || votes[k] < most) continue;
        best = votes[k] > most ? 1u << k : best | 1u << k;
        most = votes[k];
    }
    return best;
}

const char *ptd_hint_working(const struct ptd_group *g, const struct ptd_hint_named *named,
                             const struct ptd_hint_named *p)
{
    unsigned all = (1u << WAYS) - 1;
    for (int i = 0; i < g->n_rollouts; i++)
        if (ptd_rollout_right(&g->rollouts[i]) && ptd_hint_same_places(&named[i], p))
            all &= ways_to(&named[i], result_of(g, &g->rollouts[i]));
    if (all & (all - 1)) all = most_gone(g, named, all);
    for (int k = 0; k < WAYS; k++)
        if (all == 1u << k) return ways[k].word;
    return NULL;
}
