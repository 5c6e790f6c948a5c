/* plot_band: several seeds of one run as one curve with a band. See plot.h. */
#include "view/plot.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Student's t at 97.5 % for 1 to 30 degrees of freedom. */
static const double t975[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306,
                              2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
                              2.110,  2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064,
                              2.060,  2.056, 2.052, 2.048, 2.045, 2.042};
#define DEGREES ((int)(sizeof t975 / sizeof *t975))

static double half_width(const double *y, int n, double mean)
{
    double squares = 0;
    for (int i = 0; i < n; i++) squares += (y[i] - mean) * (y[i] - mean);
    if (n < 2) return 0;
    double t = n - 1 <= DEGREES ? t975[n - 2] : 1.96;
    return t * sqrt(squares / (n - 1) / n);
}

/* The value at x of a series whose x rise, from *at on; NAN: there is none. */
static double value_at(const struct ptd_series *s, int *at, double x)
{
    while (*at < s->n && s->x[*at] < x) ++*at;
    return *at < s->n && s->x[*at] == x ? s->y[*at] : NAN;
}

/* The first of the runs becomes the mean of all, where all have a value. */
static void join(struct ptd_run_metrics *const *runs, int n, int field)
{
    struct ptd_series *first = &runs[0]->series[field];
    int *at = ptd_array((size_t)n, sizeof *at), points = 0;
    double *y = ptd_array((size_t)n, sizeof *y);
    first->low = ptd_array((size_t)first->n + 1, sizeof(double));
    first->high = ptd_array((size_t)first->n + 1, sizeof(double));
    for (int i = 0; i < first->n; i++) {
        double sum = 0, x = first->x[i];
        y[0] = first->y[i];
        for (int k = 1; k < n; k++) y[k] = value_at(&runs[k]->series[field], &at[k], x);
        for (int k = 0; k < n; k++) sum += y[k];
        if (isnan(sum)) continue;
        double mean = sum / n, half = half_width(y, n, mean);
        first->x[points] = x;
        first->low[points] = mean - half;
        first->high[points] = mean + half;
        first->y[points++] = mean;
    }
    first->n = points;
    free(at);
    free(y);
}

/* Those of runs[from..] that are called as runs[from] is; the others move up behind it. */
static int gather(struct ptd_curves *c, int from, struct ptd_run_metrics *same,
                  struct ptd_run_metrics **list)
{
    int n = 0, left = from + 1, end = c->n_runs;
    list[n++] = &c->runs[from];
    for (int r = from + 1; r < end; r++)
        if (strcmp(c->runs[r].name, c->runs[from].name) == 0) {
            same[n] = c->runs[r];
            list[n] = &same[n];
            n++;
        } else
            c->runs[left++] = c->runs[r];
    c->n_runs = left;
    return n;
}

void ptd_curves_band(struct ptd_curves *c)
{
    struct ptd_run_metrics *same = ptd_array((size_t)c->n_runs, sizeof *same), **list;
    list = ptd_array((size_t)c->n_runs, sizeof(struct ptd_run_metrics *));
    for (int r = 0; r < c->n_runs; r++)
        for (int i = 0; i < c->n_fields; i++) {
            struct ptd_series *s = &c->runs[r].series[i];
            ptd_series_smooth(s, ptd_curves_width(c, s));
        }
    for (int from = 0; from < c->n_runs; from++) {
        int n = gather(c, from, same, list);
        for (int i = 0; i < c->n_fields; i++) join(list, n, i);
        for (int k = 1; k < n; k++) ptd_run_clear(list[k]);
    }
    c->joined = 1;
    free(same);
    free(list);
}
