/* keep: which groups go on from ptd-verify: those from which something can be learned, as many as a
 * step shall have (dynamic sampling, DAPO, arXiv 2503.14476).
 *
 *     struct ptd_kept k = {0};
 *     if (ptd_keep_parse(&k, "0.01:0.99") || ptd_keep_begin(&k, &head)) ...
 *     goes_on = ptd_keep_judged(&k, &group);       // of each group, in order
 *     ptd_keep_step(&k);                           // at each step's end
 *
 * A group is kept if LOW <= its accuracy <= HIGH; of graded accuracies it is their mean. Under
 * 0.01:0.99 groups of which all answers are right or all are wrong are dropped, whose advantages
 * would be 0; under 0:0.99 those that failed as a whole stay, which a tutor teaches. Of those that
 * are in the range the first P of a step are kept, P being the stream's, and what comes behind is
 * surplus. Of several ranks each keeps its own, P at most, and ptd-update leaves out what is
 * surplus among all of them (shares.h). */
#ifndef PTD_KEEP_H
#define PTD_KEEP_H
#include "method/verdicts.h"

struct ptd_kept {
    int on; /* a range was given */
    double low, high;
    long dropped, surplus; /* groups so far */
    /* its own */
    struct ptd_verdicts *back; /* whoever waits, or NULL */
    struct ptd_verdict *round; /* [n], of the round at hand */
    int wanted, n, due;        /* groups of a step; verdicts so far, and when they are given */
    int shares;                /* above 1: our share of a round is what its groups say */
    int64_t asked, kept;       /* of the step, in rounds that are over and in this one */
};
/* "LOW:HIGH", each 0 to 1; -1: 2. */
int ptd_keep_parse(struct ptd_kept *k, const char *range) PTD_MUST_CHECK;
/* -1: 65 rounds of no size. */
int ptd_keep_begin(struct ptd_kept *k, const struct ptd_head *h) PTD_MUST_CHECK;
/* How many more groups make the round whole; 0: rounds do not matter. */
int ptd_keep_due(const struct ptd_kept *k);
/* Of several ranks: a group of the round that begins, which says how many there are. -1: 65 */
int ptd_keep_round(struct ptd_kept *k, const struct ptd_group *g) PTD_MUST_CHECK;
/* 1: the group goes on, 0: it does not, or has no response left; -1: 65, 74. */
int ptd_keep_judged(struct ptd_kept *k, const struct ptd_group *g) PTD_MUST_CHECK;
void ptd_keep_step(struct ptd_kept *k);
void ptd_keep_end(struct ptd_kept *k);
#endif
