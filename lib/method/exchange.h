/* exchange: brings the rounds of all ranks together while ptd-update reads and learns (relay.h).
 *
 *     struct ptd_exchange *e = ptd_exchange_begin(&head, comm);   // NULL: nothing to bring
 *     ... the stream is cut ...
 *     if (ptd_exchange_failed(e)) ptd_die_last();                 // that is why
 *     ptd_exchange_end(e);                                        // before the ranks part
 *
 * A thread on a line of its own (comm.h) takes one share after the other from ptd-rollout, gathers
 * those of all ranks, and gives them back. When ptd-rollout has gone (that of a saved stream has
 * from the start), or is not listened to any more, it says so to the others in the place of a
 * share, and all of them end: so each message that is waited for comes. A rank that does not come
 * within comm.h's patience, or asks something else, fails: ptd-rollout then is told nothing more,
 * and ends, and so does the stream. */
#ifndef PTD_EXCHANGE_H
#define PTD_EXCHANGE_H
#include "compute/comm.h"
#include "flow/record.h"

struct ptd_exchange;
/* comm NULL: one rank. Ends the program where there is no thread to be had (71). */
struct ptd_exchange *ptd_exchange_begin(const struct ptd_head *h, struct ptd_comm *c);
/* 1: with ptd_fail: 69 a rank did not come; 78 one asks other prompts; 65 what ptd-rollout gives is
 * none. NULL: 0. */
int ptd_exchange_failed(struct ptd_exchange *e);
/* 1: it is over since that of another rank is. NULL: 0. */
int ptd_exchange_over(struct ptd_exchange *e);
/* All ranks must come to this, or have ended. NULL: nothing. */
void ptd_exchange_end(struct ptd_exchange *e);
#endif
