/* columns: metrics by step and name, as a spreadsheet or a monitor wants them.
 *
 * A step that goes back is of a run that began anew: the rows from there on are dropped. Lines of
 * one step share a row. Numbers are written with as many digits as bring the same double back. */
#ifndef PTD_COLUMNS_H
#define PTD_COLUMNS_H
#include "view/lines.h"
#include "view/names.h"
#include <stdio.h>

struct ptd_columns;
/* rows: 0 keeps the latest value of each name only */
struct ptd_columns *ptd_columns_new(enum ptd_names names, int rows);
void ptd_columns_add(struct ptd_columns *t, const struct ptd_line *line);
/* RFC 4180: a header of the names, "step" first, then a line a step; null is NaN, absent empty. */
void ptd_columns_csv(const struct ptd_columns *t, FILE *f);
/* The latest of each, as node_exporter's textfile collector reads it: gauges ptd_NAME{run="RUN"}
 * and ptd_step, in a file that appears whole. -1: 73, 74. */
int ptd_columns_prometheus(const struct ptd_columns *t, const char *run,
                           const char *path) PTD_MUST_CHECK;
void ptd_columns_free(struct ptd_columns *t);
/* The shortest text that reads back as x; "NaN", "+Inf", "-Inf". */
const char *ptd_number_text(double x, char out[32]);
#endif
