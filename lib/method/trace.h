/* trace: what an update saw of each token, as a stream beside it: the groups as they came, with
 * divergence and advantages, and entropy where they had none; for people (ptd-dump --html).
 *
 *     struct ptd_trace *t = ptd_trace_open("trace.rec", &head, command);
 *     ptd_trace_begin(t, groups, n);                    // of a step
 *     rules.traced = ptd_trace_from(t, groups, at);     // of an update that begins with group `at`
 *     if (ptd_trace_step(t, groups, n, step)) ...       // 74
 *     if (ptd_trace_close(t)) ...                       // its end
 *
 * A run that goes on goes on with its file: steps that come again replace those of the file, and
 * those before them stay. A file without an end, of a run that was stopped, is taken as far as its
 * last whole step. */
#ifndef PTD_TRACE_H
#define PTD_TRACE_H
#include "flow/record.h"
#include "method/learn.h"

struct ptd_trace;
/* NULL: 73 it cannot be created; 65 a file is there that is no stream. command: this program's, for
 * the head. */
struct ptd_trace *ptd_trace_open(const char *path, const struct ptd_head *h, const char *command);
/* t NULL, here and below: nothing is traced. */
void ptd_trace_begin(struct ptd_trace *t, struct ptd_group **g, int n);
struct ptd_traced ptd_trace_from(struct ptd_trace *t, struct ptd_group **g, struct ptd_group **at);
int ptd_trace_step(struct ptd_trace *t, struct ptd_group **g, int n, int64_t step) PTD_MUST_CHECK;
int ptd_trace_close(struct ptd_trace *t) PTD_MUST_CHECK;
#endif
