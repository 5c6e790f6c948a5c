/* relay: the verdicts of a round of which each rank has a share, for ptd-rollout --refill and
 * --curriculum on several ranks: what is asked next follows from all of them.
 *
 *     struct ptd_relay *r = ptd_relay_new(rank, ranks);
 *     head.relay = ptd_relay_address(r);
 *     ... all[q] filled in where prompt q of the round is ours ...
 *     while (!(got = ptd_relay_bring(r, &round, all))) ...      // 1: all[] is whole
 *
 * Prompts of a step are dealt one by one: number q of a round, before which the step had `before`
 * prompts, is of rank (before + q) % ranks. Only ptd-update talks to other ranks. So each
 * ptd-rollout gives its share to the ptd-update at the end of its own pipe, which gathers those of
 * all ranks (exchange.h) and gives them back, over two wires (wire.h). All ranks then have the same
 * verdicts in the same order, keep the same history, and choose the same next round.
 *
 * No circle can close: ptd-rollout waits when all it has written is flushed and judged, and
 * ptd-update gathers in a thread of its own, whatever the update waits for. */
#ifndef PTD_RELAY_H
#define PTD_RELAY_H
#include "base/err.h"
#include <stdint.h>

struct ptd_asked { /* a prompt and its verdict */
    int64_t row;
    double accuracy;
    int64_t kept; /* 1: it is in the range that is kept */
};

struct ptd_relay_round { /* the same on all ranks, or they are refused */
    int64_t step, before, n;
    int64_t position; /* of the data set's order, where the step's next round begins */
    uint64_t again;   /* XXH3-64 of the rows that it asks again, int32 */
};

/* What goes to ptd-update, the n_ours verdicts behind it; n come back. */
#define PTD_RELAY_HELLO 0x3159414c4552ll /* "RELAY1", little-endian; comes first */
struct ptd_relay_turn {
    struct ptd_relay_round round;
    int64_t n_ours;
    int64_t over; /* between ranks: 1: there are no more rounds */
};

struct ptd_relay;
struct ptd_relay *ptd_relay_new(int rank, int ranks); /* NULL: 71 */
/* For the head; lives as long as r. */
const char *ptd_relay_address(const struct ptd_relay *r);
/* Those of all ranks, in the round's order. 1: all[n] has them; 0: not yet, nothing is waited for;
 * -1: 76 ptd-update has gone, or a rank; 65 they are none. */
int ptd_relay_bring(struct ptd_relay *r, const struct ptd_relay_round *round,
                    struct ptd_asked *all) PTD_MUST_CHECK;
int ptd_relay_met(const struct ptd_relay *r); /* 1: ptd-update is there */
/* Waits until something comes, or so many milliseconds. */
void ptd_relay_wait(struct ptd_relay *r, int milliseconds);
void ptd_relay_close(struct ptd_relay *r); /* NULL: nothing */
#endif
