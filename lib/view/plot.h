/* plot: figures: learning curves of several runs, and a hint over its picture. Both are drawn by
 * gnuplot (gnuplot.h).
 *
 * Curves: one panel a field, one line a run, told apart by colour (safe for colour-blind eyes),
 * lightness and dashes; the running mean is drawn over the raw values, and a line below says so.
 * Where runs are short, each step is a mark. What fields are is said by glossary.h. Metrics are
 * printed after their step was published, so a kill may lose a line but never repeat one. Where
 * steps go back (a run begun anew in the same file), the later lines count.
 *
 * Bands: runs of one name are seeds of one; in their place stands the mean of their running means,
 * at the steps that all have, in a band of its 95 % interval (Student's t), as far as the field can
 * go: a share from 0 to 1. */
#ifndef PTD_PLOT_H
#define PTD_PLOT_H
#include "base/err.h"
#include "base/names.h"

struct ptd_series {
    double *x, *y;
    double *low, *high; /* a band around y; NULL: none */
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

/* What numbers files have. */
struct ptd_fields {
    struct ptd_names names;
    struct ptd_field {
        long points;
        double first, last;
    } * at; /* [names.n] */
    int cap;
};
/* Adds those of one more file: what is a number in a line that has a step, but that. -1 as above.
 * What cannot be read again, a pipe, is kept for ptd_run_read. */
int ptd_fields_read(struct ptd_fields *f, const char *path) PTD_MUST_CHECK;
/* What is worth a look, by comma, malloc'd: of training by rewards, of evaluation, of supervised
 * training; else the first fields there are. NULL: there are none. */
char *ptd_fields_chosen(const struct ptd_fields *f);
void ptd_fields_list(const struct ptd_fields *f); /* as a table on stdout */
void ptd_fields_clear(struct ptd_fields *f);
void ptd_metrics_list(void); /* all of glossary.h, as a table on stdout */

struct ptd_curves {
    char *const *fields;
    int n_fields;
    struct ptd_run_metrics *runs;
    int n_runs, smooth; /* smooth: points of the running mean; 0: ten, of short series one */
    const char *title;  /* or NULL */
    int joined;         /* 1: runs were joined to bands, and are smooth */
};
/* Points of the running mean of a series. */
int ptd_curves_width(const struct ptd_curves *c, const struct ptd_series *s);
void ptd_curves_band(struct ptd_curves *c); /* joins runs of one name; clears the others */
void ptd_series_smooth(struct ptd_series *s, int width); /* y becomes its running mean */
int ptd_curves_draw(const struct ptd_curves *c, const char *path) PTD_MUST_CHECK;

/* The picture of a group of the stream, enlarged, with its hint's regions as boxes and the words
 * beneath. uid NULL: the first group with a hint. */
int ptd_hint_draw(const char *stream, const char *uid, const char *path) PTD_MUST_CHECK;
#endif
