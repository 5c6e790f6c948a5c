/* attended: what each picture token's attention, times the gradient by it of the right answer's
 * log-prob, comes to (ptd_batch_attended of model.h).
 *
 *     struct ptd_attended *a = ptd_attended_open(tools);   // before the tools' model is loaded
 *     int n = ptd_weigh_texts(w, g, text);
 *     ptd_attended_sums(a, g, text, n, layers, sum);
 *     ptd_attended_close(a); */
#ifndef PTD_HINT_ATTENDED_H
#define PTD_HINT_ATTENDED_H
#include "method/hint/forced.h"

struct ptd_attended;
struct ptd_attended *ptd_attended_open(struct ptd_hint_tools *tools);
/* sum [picture tokens of g]: the gradient is that of the mean over texts [n] of the log-prob of
 * their counted tokens; layers: flags, NULL: all. -1: 65, or 71 if it does not fit in memory. */
int ptd_attended_sums(struct ptd_attended *a, struct ptd_group *g,
                      const struct ptd_forced_text *text, int n, const uint8_t *layers,
                      double *sum) PTD_MUST_CHECK;
void ptd_attended_close(struct ptd_attended *a); /* NULL: nothing */
#endif
