/* plot_private: what the files of the plot share. */
#ifndef PTD_PLOT_PRIVATE_H
#define PTD_PLOT_PRIVATE_H
#include "base/err.h"
#include <jansson.h>

/* Gives each line of a metrics file ("-": standard input, which can be read again) as an object;
 * -1 ends it. */
typedef int ptd_line_fn(void *to, const char *where, long line, const json_t *o);
int ptd_metrics_file(const char *path, ptd_line_fn *take, void *to) PTD_MUST_CHECK;
#endif
