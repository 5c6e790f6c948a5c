/* gnuplot: one figure through the gnuplot program: data inline, output under a temporary name until
 * all is well.
 *
 *     // .svg .png .pdf; .gp keeps the script instead
 *     struct ptd_gnuplot *p = ptd_gnuplot_open("curves.svg", 900, 600);
 *     FILE *f = ptd_gnuplot_script(p);
 *     fprintf(f, "set title "), ptd_gnuplot_quote(f, title), fprintf(f, "\n");
 *     if (ptd_gnuplot_close(p) < 0) ptd_die_last(); */
#ifndef PTD_GNUPLOT_H
#define PTD_GNUPLOT_H
#include "base/err.h"
#include <stdio.h>

struct ptd_gnuplot;
/* NULL on failure: 2 another ending, 69 no gnuplot, 73 the folder cannot be written to. Text is
 * never read as markup. */
struct ptd_gnuplot *ptd_gnuplot_open(const char *path, int width, int height);
FILE *ptd_gnuplot_script(struct ptd_gnuplot *p);
/* Writes s as one string constant, whatever it holds, and that it holds no markup: for titles and
 * labels. */
void ptd_gnuplot_quote(FILE *f, const char *s);
/* Waits for gnuplot and renames; -1 (74) if it failed, and then no file is left. Frees p. */
int ptd_gnuplot_close(struct ptd_gnuplot *p) PTD_MUST_CHECK;
#endif
