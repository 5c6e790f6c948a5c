/* pool: see pool.h. */
#include "compute/pool.h"
#include "base/err.h"
#include "compute/ops.h"
#include <stdlib.h>
#include <string.h>

#define CHUNK_MIN ((size_t)4 << 20)

static void *take(struct ptd_pool *a, size_t bytes)
{
    bytes = (bytes + 63) & ~(size_t)63;
    if (!a->n || a->used + bytes > a->size[a->n - 1]) {
        size_t size = bytes > CHUNK_MIN ? bytes : CHUNK_MIN;
        a->chunk = ptd_realloc(a->chunk, (a->n + 1) * sizeof *a->chunk);
        a->size = ptd_realloc(a->size, (a->n + 1) * sizeof *a->size);
        a->chunk[a->n] = ptd_device_alloc(a->device, size, "activations");
        a->size[a->n++] = size;
        a->used = 0;
    }
    a->used += bytes;
    return (char *)a->chunk[a->n - 1] + a->used - bytes;
}

ptd_num *ptd_pool_nums(struct ptd_pool *a, size_t n)
{
    return take(a, n * a->device->num_size);
}

ptd_stat *ptd_pool_stats(struct ptd_pool *a, size_t n)
{
    return take(a, n * sizeof(float));
}

/* ---- from the host ---- */

const ptd_num *ptd_pool_put_nums(struct ptd_pool *a, const float *host, size_t n)
{
    if (a->device->is_host) return (const ptd_num *)host;
    ptd_num *p = ptd_pool_nums(a, n);
    a->device->ops->put_nums(a->device, p, host, n);
    return p;
}

static const void *put(struct ptd_pool *a, const void *host, size_t bytes)
{
    if (a->device->is_host) return host;
    void *p = take(a, bytes);
    a->device->ops->put(a->device, p, host, bytes);
    return p;
}

const ptd_stat *ptd_pool_put_stats(struct ptd_pool *a, const float *host, size_t n)
{
    return put(a, host, n * sizeof *host);
}

const ptd_int *ptd_pool_put_ints(struct ptd_pool *a, const int32_t *host, size_t n)
{
    return put(a, host, n * sizeof *host);
}

/* ---- release ---- */

void ptd_pool_reset(struct ptd_pool *a)
{
    size_t total = 0;
    a->used = 0;
    if (a->n < 2) return;
    for (int i = 0; i < a->n; i++) {
        total += a->size[i];
        ptd_device_free(a->device, a->chunk[i]);
    }
    a->n = 0;
    take(a, total);
    a->used = 0;
}

void ptd_pool_free(struct ptd_pool *a)
{
    for (int i = 0; i < a->n; i++) ptd_device_free(a->device, a->chunk[i]);
    free(a->chunk);
    free(a->size);
    memset(a, 0, sizeof *a);
}
