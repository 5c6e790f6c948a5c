/* pool: bump memory of a device: everything is released at once by reset; chunks are merged so that
 * a steady state allocates nothing. What comes from it is not zeroed. */
#ifndef PTD_POOL_H
#define PTD_POOL_H
#include "compute/device.h"

struct ptd_pool {
    struct ptd_device *device;
    void **chunk;
    size_t *size;
    int n;
    size_t used;
};
ptd_num *ptd_pool_nums(struct ptd_pool *a, size_t n); /* 64-byte aligned */
ptd_stat *ptd_pool_stats(struct ptd_pool *a, size_t n);
/* What the host has, on the device; where that is the host, the same memory, which must stay as it
 * is until the pool is reset. */
const ptd_num *ptd_pool_put_nums(struct ptd_pool *a, const float *host, size_t n);
const ptd_stat *ptd_pool_put_stats(struct ptd_pool *a, const float *host, size_t n);
const ptd_int *ptd_pool_put_ints(struct ptd_pool *a, const int32_t *host, size_t n);
void ptd_pool_reset(struct ptd_pool *a);
void ptd_pool_free(struct ptd_pool *a);
#endif
