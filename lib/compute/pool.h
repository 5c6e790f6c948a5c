/* pool: bump memory: everything is released at once by reset; chunks are merged so that a steady
 * state allocates nothing. */
#ifndef PTD_POOL_H
#define PTD_POOL_H
#include <stddef.h>

struct ptd_pool {
    char **chunk;
    size_t *size;
    int n;
    size_t used;
};
float *ptd_pool_floats(struct ptd_pool *a, size_t n); /* 64-byte aligned, not zeroed */
void ptd_pool_reset(struct ptd_pool *a);
void ptd_pool_free(struct ptd_pool *a);
#endif
