/* launched: what ptd-run tells the programs of a rank through their environment.
 *
 *     PTD_STORE   the rank's own store, for programs that begin a stream and are given no --store
 *     PTD_STORES  that of rank 0, beside which those of the others lie
 *     PTD_GATE    a descriptor (eventfd): readable once ptd-update and those of the other ranks
 *                 have agreed on the generation that they go on from, and each store is there
 *     PTD_HERE    a descriptor (socket) to which ptd-update says as it begins that it is there:
 *                 ptd-run knows then who it is, however soon it goes
 *     PTD_RANKED  err.h */
#ifndef PTD_LAUNCHED_H
#define PTD_LAUNCHED_H
#include "base/err.h"

/* PTD_STORE, unless --store is on the command line; else as it is. */
const char *ptd_launched_store(const char *store);
/* Until the gate is open, if there is one. -1, 76: who reads descriptor `out` has gone. */
int ptd_gate_wait(int out) PTD_MUST_CHECK;
void ptd_gate_open(void);
void ptd_here_tell(void); /* first thing */
#endif
