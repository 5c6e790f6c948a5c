/* plot: figures: learning curves of several runs, and a hint over its picture. Both are drawn by
 * gnuplot (gnuplot.h).
 *
 * Curves: one panel a field, one line a run, told apart by colour (safe for colour-blind eyes),
 * lightness and dashes; the running mean is drawn over the raw values. Metrics are printed after
 * their step was published, so a kill may lose a line but never repeat one. Where steps go back (a
 * run begun anew in the same file), the later lines count. */
#ifndef PTD_PLOT_H
#define PTD_PLOT_H
#include "base/err.h"

struct ptd_series {
    double *x, *y;
    int n, cap;
}; /* one field of one run, by step */

struct ptd_run_metrics {
    char *name;                /* for the key; malloc'd */
    struct ptd_series *series; /* [n_fields] */
    int n_series;
};
/* Reads "step" and the fields (numbers; absent or null is fine) of every line of a JSON-lines file
 * ("-": standard input). r->name stays. -1: 66, or 65 naming the line. A last line without a
 * newline that is no JSON is a run still writing: ignored. */
int ptd_run_read(struct ptd_run_metrics *r, const char *path, char *const *fields,
                 int n_fields) PTD_MUST_CHECK;
void ptd_run_clear(struct ptd_run_metrics *r); /* name too */

struct ptd_curves {
    char *const *fields;
    int n_fields;
    struct ptd_run_metrics *runs;
    int n_runs, smooth; /* smooth: points of the running mean */
    const char *title;  /* or NULL */
};
int ptd_curves_draw(const struct ptd_curves *c, const char *path) PTD_MUST_CHECK;

/* The picture of a group of the stream, enlarged, with its hint's regions as boxes and the words
 * beneath. uid NULL: the first group with a hint. */
int ptd_hint_draw(const char *stream, const char *uid, const char *path) PTD_MUST_CHECK;
#endif
