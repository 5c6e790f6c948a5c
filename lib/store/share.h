/* share: stores of ranks that keep a share each of moments and low halves: which share, and where
 * the others' are.
 *
 *     // state/run says "share": [R, N]
 *     struct ptd_shared *s = ptd_shared_open(store, base, own, wanted, &rc);
 *
 * A share is a tensor of one axis, the numbers from ptd_share_first(n, R, N) on. The store of rank
 * 0 is `base`, those of other ranks lie beside it under base.R, on this machine. They must be of
 * one generation. */
#ifndef PTD_SHARE_H
#define PTD_SHARE_H
#include "compute/ops.h"
#include "store/store.h"

struct ptd_share {
    int rank, ranks; /* ranks 0, 1: all there is */
};
struct ptd_shared {
    struct ptd_shared_store {
        struct ptd_store *store;
        struct ptd_share share;
    } * list;
    int n, own; /* own: index of the one that is the caller's to close */
};

/* The first number of n that is rank's own: shares are whole blocks of 8-bit moments. */
static inline size_t ptd_share_first(size_t n, int rank, int ranks)
{
    size_t blocks = ptd_blocks(n), at;
    if (ranks < 2) return rank ? n : 0;
    at = (blocks / (size_t)ranks * (size_t)rank +
          blocks % (size_t)ranks * (size_t)rank / (size_t)ranks) *
         PTD_BLOCK;
    return at < n ? at : n;
}

/* Where rank's store lies, rank 0's being base, with a slash behind it or without; malloc'd. */
char *ptd_share_path(const char *base, int rank);
/* What state/run's text says; NULL: all. */
struct ptd_share ptd_share_read(const char *run);
/* Where what `wanted` has is to be taken from, the store having `own`. NULL, *rc 0: the store as it
 * is; NULL, *rc -1: 66 a share is not there, 78 it is of another run. base NULL: as the store's own
 * path says, of which .R is cut off. */
struct ptd_shared *ptd_shared_open(struct ptd_store *store, const char *base, struct ptd_share own,
                                   struct ptd_share wanted, int *rc);
/* All shares of a store's run, NULL if it has none. -1: as above. */
int ptd_shared_of(struct ptd_store *store, struct ptd_shared **s) PTD_MUST_CHECK;
void ptd_shared_close(struct ptd_shared *s); /* NULL: nothing */
/* What a tensor of `all` numbers in bfloat16 leaves out, as ptd_store_read_low. */
int ptd_shared_low(const struct ptd_shared *s, int64_t generation, const char *name, size_t all,
                   size_t first, size_t n, int16_t *out) PTD_MUST_CHECK;
#endif
