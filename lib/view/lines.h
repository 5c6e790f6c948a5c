/* lines: metrics as they are written, one JSON object with "step" a line, from a file that may
 * still grow.
 *
 *     struct ptd_lines *l = ptd_lines_open("metrics.jsonl");   // "-": standard input
 *     while ((got = ptd_lines_next(l, &line)) > 0) ...          // 0: no more for now
 *     ptd_lines_close(l);
 *
 * Of a file, all that is there when it is opened is looked at first: where steps go back, a run
 * began anew in it, and the earlier lines are left out. The same cannot be done for a pipe, nor for
 * what is written later: there a step that goes back is for the caller to see. Lines whose names
 * all begin with "val/" are of an examination beside the run, and go forth and back on their own. A
 * file that becomes shorter, or another one, is read from its beginning. */
#ifndef PTD_LINES_H
#define PTD_LINES_H
#include "base/err.h"
#include <jansson.h>
#include <stdint.h>

enum ptd_line_kind { PTD_LINE_RUN, PTD_LINE_VAL, PTD_LINE_KINDS };

struct ptd_line {
    long number; /* from 1 */
    int64_t step;
    int kind; /* enum ptd_line_kind */
    /* seconds since 1970 at which it was written: of what was there at the start an estimate, from
     * the file's time of change and the seconds that steps took ("timing_s/step") */
    double time;
    json_t *object; /* until the next call */
};

struct ptd_lines;
/* NULL: 66, or 65 as ptd_lines_next. */
struct ptd_lines *ptd_lines_open(const char *path);
/* 1, 0 or -1: 65 naming the line, 74. At the end of a pipe, and of a file, a last line without a
 * newline counts if `last` and it is whole. */
int ptd_lines_next(struct ptd_lines *l, int last, struct ptd_line *line) PTD_MUST_CHECK;
/* Fails (65) of what should be a line, of `path`, and is no JSON object; a stream is named as such.
 * Returns -1. */
int ptd_lines_refuse(const char *path, long number, const char *line, size_t len);
const char *ptd_lines_name(const struct ptd_lines *l);
void ptd_lines_close(struct ptd_lines *l);
#endif
