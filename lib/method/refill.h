/* refill: a step whose prompts depend on how earlier ones were answered: asked in rounds until as
 * many groups are kept as it shall have (ptd-rollout --refill), some of them again since they are
 * hard (--curriculum).
 *
 *     struct ptd_refill f = {.rollouts = &r, .verdicts = v, .wanted = P, .more = 10, .seed = seed,
 *         .idle = idle, .ctx = ...};
 *     if (ptd_history_open(&f.history, ...)) ptd_die_last();
 *     if (ptd_refill_step(&f, step)) ptd_die_last();
 *
 * A round asks n prompts: round(share * n) of rows that were asked before (history.h), as far as
 * there are some, the others next in the data set's order, which goes on from step to step. Then
 * all is flushed, and ptd-verify's verdicts are waited for (verdicts.h). The first round has P
 * prompts; as long as fewer than P groups are kept there is another one (ptd_round_size), at most
 * `more` of them. Where that was not enough, the step goes on with the groups it has, after a
 * warning.
 *
 * Of several ranks each asks its share of a round, and all hear the verdicts of the others
 * (relay.h) before they choose the next one, so that together they ask what one would.
 *
 * What a step asks is a function of the seed, the options and the verdicts of the steps before, all
 * of which the store holds; so a run that was killed anywhere asks the same again. */
#ifndef PTD_REFILL_H
#define PTD_REFILL_H
#include "method/history.h"
#include "method/relay.h"
#include "method/rollouts.h"
#include "method/verdicts.h"

struct ptd_refill {
    struct ptd_rollouts *rollouts;
    struct ptd_verdicts *verdicts;
    struct ptd_relay *relay; /* NULL: no other rank */
    struct ptd_history history;
    int wanted;   /* groups of a step */
    int more;     /* rounds beside the first, at most */
    double share; /* of prompts that are asked again */
    uint64_t seed;
    /* While verdicts of a step are waited for: may end the program; called every few ms. */
    void (*idle)(void *ctx, int64_t step);
    void *ctx;
    /* so far */
    int64_t asked, again, refilled, short_of; /* prompts, of them again; steps refilled; not full */
    int no_keep;                              /* 1: it was told that nothing is dropped */
};
/* The step, with its frame. -1: what asking and writing say; 76 ptd-verify or the other ranks have
 * gone; 74, 77 the store. */
int ptd_refill_step(struct ptd_refill *f, int64_t step) PTD_MUST_CHECK;
void ptd_refill_clear(struct ptd_refill *f); /* verdicts and relay, too */
#endif
