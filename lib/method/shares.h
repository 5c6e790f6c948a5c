/* shares: a step of which each rank has a share, as one.
 *
 *     if (ptd_shares_order(&s, comm, groups, n)) ...            // all ranks have read the step
 *     ptd_shares_part(&s, u, updates, &from, &to);              // our groups of an update
 *     if (ptd_shares_metrics(comm, &metrics)) ...               // of the whole step
 *
 * Prompts are dealt to ranks one by one, so groups of one rank lie apart in the step's order;
 * record.h's `place` says where. Updates of a step are cut as one rank would cut them. */
#ifndef PTD_SHARES_H
#define PTD_SHARES_H
#include "compute/comm.h"
#include "method/advantage/advantage.h"
#include "method/metrics.h"

struct ptd_shares {
    long all;     /* groups of the whole step */
    long *number; /* [n] of ours in the step's order, ascending */
    int n;
};
/* comm NULL: ours are all there are. */
int ptd_shares_order(struct ptd_shares *s, struct ptd_comm *c, struct ptd_group *const *g,
                     int n) PTD_MUST_CHECK;
/* Of update u of so many, 1: there is none; our groups from *from to *to, which may be none. */
int ptd_shares_part(const struct ptd_shares *s, int u, int updates, int *from, int *to);
/* The step is its first `most` groups: how many of ours they are, ours in order. */
int ptd_shares_limit(struct ptd_shares *s, int most);
void ptd_shares_clear(struct ptd_shares *s);

/* Metrics become those of the whole step. `sum` takes what was worked out before, and stays as
 * long as they do. */
int ptd_shares_metrics(struct ptd_comm *c, struct ptd_metrics *m,
                       struct ptd_before *sum) PTD_MUST_CHECK;
/* Advantages of a whole step of which these n groups are ours. */
int ptd_shares_worth(struct ptd_comm *c, const struct ptd_advantage *a,
                     const struct ptd_rewarded *g, int n) PTD_MUST_CHECK;
#endif
