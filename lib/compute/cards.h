/* cards: sums over ranks on the cards themselves, by NVIDIA's NCCL, so that gradients do not go
 * through the host. libnccl.so.2 is opened at run time, where it is; nothing is linked.
 *
 *     struct ptd_cards *k = ptd_cards_open(comm);             // NULL: 69
 *     if (ptd_device_wait(d) || ptd_cards_sum(k, x, n)) ...    // done when it returns
 *     ptd_cards_close(k);
 *
 * One rank a card: the device that this program opened last in this thread. Algorithm and protocol
 * of NCCL are pinned (ring, simple), unless the environment has them otherwise, so that the same
 * ranks on the same cards add in the same order each time; the order is the ring's, not that of
 * comm.h. While a sum runs, ranks that end are heard and patience is that of comm.h.
 *
 * PTD_NCCL in the environment names another library. */
#ifndef PTD_CARDS_H
#define PTD_CARDS_H
#include "compute/comm.h"
#include "compute/device.h"

struct ptd_cards;
int ptd_cards_are_there(void); /* 1: there is an NCCL */
struct ptd_cards *ptd_cards_open(struct ptd_comm *c);
/* n float32 on the card become the sum of all ranks'. */
int ptd_cards_sum(struct ptd_cards *k, ptd_acc *x, size_t n) PTD_MUST_CHECK;
void ptd_cards_close(struct ptd_cards *k); /* NULL: nothing */
#endif
