/* verdicts: the way back from ptd-verify to ptd-rollout, where the next prompts depend on how the
 * last ones were answered (ptd-rollout --refill, --curriculum). Weights come back through the
 * store, one generation a step; verdicts are wanted several times a step, by one living process
 * from another, and are worth nothing once either has gone. So they come through a wire (wire.h)
 * that ptd-rollout makes and that ends with ptd-verify. What must outlive them, ptd-rollout keeps
 * in the store (history.h).
 *
 *     struct ptd_verdicts *v = ptd_verdicts_new();          // ptd-rollout
 *     head.verdicts = ptd_verdicts_address(v);
 *     ... n groups, flushed ...
 *     while (!(got = ptd_verdicts_take(v, list, n))) ...    // 1: all n are there
 *
 *     struct ptd_verdicts *v = ptd_verdicts_reach(&head, 1); // ptd-verify; NULL: nobody waits
 *     ptd_verdicts_give(v, list, n);                         // once all n groups are judged
 *
 * The verdicts on a stream that was saved go nowhere, and the same groups are kept.
 *
 * Of several ranks each judges its share of a round; how many groups that are, the groups say
 * (record.h's `round`), and relay.h brings all ranks' together.
 *
 * Who waits for a ptd-verify that never comes would wait for ever, so ptd-verify says that it is
 * there before it hands the head on: as soon as a trainer has come, ptd-rollout knows that there is
 * none, or one that cannot reach it, and ends.
 *
 * No circle can close: ptd-rollout waits only when all it has written is flushed, ptd-verify gives
 * a round's verdicts at once, when ptd-rollout has nothing left to write, and all programs behind
 * it read on until a step is whole. */
#ifndef PTD_VERDICTS_H
#define PTD_VERDICTS_H
#include "flow/record.h"

struct ptd_verdict {
    double accuracy; /* of the group */
    int64_t kept;    /* 1: it goes on */
};

struct ptd_verdicts;
struct ptd_verdicts *ptd_verdicts_new(void); /* NULL: 71 */
/* For the head; lives as long as v. */
const char *ptd_verdicts_address(const struct ptd_verdicts *v);
/* Those of the n groups that were written last. 1: they are there; 0: not yet, nothing is waited
 * for; -1 (76): ptd-verify has gone; 65 they are none. */
int ptd_verdicts_take(struct ptd_verdicts *v, struct ptd_verdict *list, int n) PTD_MUST_CHECK;
/* 1: ptd-verify is there, 2: and drops groups (--keep). */
int ptd_verdicts_heard(const struct ptd_verdicts *v);
/* Waits until something comes, or so many milliseconds. */
void ptd_verdicts_wait(struct ptd_verdicts *v, int milliseconds);

struct ptd_verdicts *ptd_verdicts_reach(const struct ptd_head *h, int keeps);
int ptd_verdicts_give(struct ptd_verdicts *v, const struct ptd_verdict *list, int n) PTD_MUST_CHECK;
void ptd_verdicts_close(struct ptd_verdicts *v); /* NULL: nothing */

/* How many prompts a step's next round asks, on both sides: after `asked` prompts of which `kept`
 * were kept, of the `wanted`. As many as would fill the step if as many of them are kept as
 * before, at most `wanted`; 0: it is full. */
int ptd_round_size(int wanted, int64_t asked, int64_t kept);
#endif
