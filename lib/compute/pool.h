/* pool: bump memory of a device: what was taken last is released first, or everything at once by
 * reset. What comes from it is not zeroed.
 *
 * Chunks are merged at a reset, so that a steady state allocates nothing; who knows what will be
 * taken asks for it (ptd_pool_want), and there is one chunk from the beginning. A pool that only
 * counts says what that is: the same calls, without memory.
 *
 *     struct ptd_pool p = {.device = d};
 *     struct ptd_pool_mark before = ptd_pool_mark(&p);
 *     ptd_num *scratch = ptd_pool_nums(&p, n);
 *     ptd_pool_release(&p, before);
 *     ptd_pool_reset(&p), ptd_pool_free(&p); */
#ifndef PTD_POOL_H
#define PTD_POOL_H
#include "compute/device.h"

#define PTD_POOL_LEAST ((size_t)4 << 20) /* bytes of a chunk */

struct ptd_pool {
    struct ptd_device *device;
    int counts; /* 1: nothing is allocated; what is taken is NULL */
    void **chunk;
    size_t *size;
    int n, at;          /* chunks; the one that is filled now */
    size_t used;        /* bytes of that one */
    size_t taken, peak; /* bytes in all chunks, now and at most since the last reset */
};
struct ptd_pool_mark {
    int at;
    size_t used, taken;
};
ptd_num *ptd_pool_nums(struct ptd_pool *a, size_t n); /* 64-byte aligned */
ptd_stat *ptd_pool_stats(struct ptd_pool *a, size_t n);
/* What the host has, on the device; where that is the host, the same memory, which must stay as it
 * is until the pool is reset. */
const ptd_num *ptd_pool_put_nums(struct ptd_pool *a, const float *host, size_t n);
const ptd_stat *ptd_pool_put_stats(struct ptd_pool *a, const float *host, size_t n);
const ptd_int *ptd_pool_put_ints(struct ptd_pool *a, const int32_t *host, size_t n);

struct ptd_pool_mark ptd_pool_mark(const struct ptd_pool *a);
void ptd_pool_release(struct ptd_pool *a, struct ptd_pool_mark m); /* what was taken since */
void ptd_pool_reset(struct ptd_pool *a);
/* After a reset: room for so many bytes in one chunk, and for what is a little more next time. */
void ptd_pool_want(struct ptd_pool *a, size_t bytes);
size_t ptd_pool_room(const struct ptd_pool *a); /* bytes of all its chunks */
void ptd_pool_free(struct ptd_pool *a);
#endif
