/* groups: what a stream says of its groups, step by step, in event files (events.h): histograms of
 * the lengths of responses and prompts and of rewards, and pictures of hints with their boxes, and
 * their words. */
#ifndef PTD_GROUPS_H
#define PTD_GROUPS_H
#include "flow/record.h"
#include "view/events.h"

struct ptd_groups; /* of one step */
/* pictures: most pictures of hints of a step */
struct ptd_groups *ptd_groups_new(int pictures);
/* Looks at a group, which may go then. -1: a picture that cannot be written as PNG (65). */
int ptd_groups_add(struct ptd_groups *s, const struct ptd_group *g) PTD_MUST_CHECK;
/* Says it all as of a step, and is empty again. 1, 0 or -1 as ptd_events_step. */
int ptd_groups_step(struct ptd_groups *s, struct ptd_events *e, int64_t step,
                    double time) PTD_MUST_CHECK;
void ptd_groups_free(struct ptd_groups *s);
#endif
