/* share: memory of one card that several programs have in common: the weights of a frozen model,
 * which its trainer, ptd-ref, ptd-hint and ptd-rollout would each have a copy of.
 *
 * Who comes first makes it, fills it and lends it; the others map it and may not write. Memory has
 * a name that says what is in it (weights.c: digests), and with the card and the user that is the
 * name of a socket (abstract: it goes with its process). Whoever gets that name is the lender: a
 * thread of its own hands the memory's descriptor to each that connects and is the same user's,
 * once it is filled. The memory itself is the driver's (cuMemCreate): it goes when the last program
 * that maps it does, however that ends, so a lender that is killed leaves those that borrowed as
 * they are, and those that waited find no lender and become one.
 *
 * What does not work out, for whatever reason, is memory of one's own: a lender that does not
 * answer in time, a driver without such memory, a sandbox without such sockets. PTD_SHARE in the
 * environment: seconds to wait for a lender (120); 0: nobody is asked, and nothing is lent. */
#ifndef PTD_CUDA_SHARE_H
#define PTD_CUDA_SHARE_H
#include "compute/cuda/driver.h"

/* As ops.h has them. */
extern "C" void *cuda_share(struct ptd_device *d, const char *name, size_t bytes, int *filled);
extern "C" void cuda_filled(struct ptd_device *d, void *p);
/* 1: p was such memory, and is none of this program's any more. */
int cuda_share_free(struct ptd_device *d, void *p);
void cuda_share_close(struct ptd_device *d); /* all of it */
#endif
