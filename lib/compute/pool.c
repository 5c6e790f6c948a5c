/* pool: see pool.h. */
#include "compute/pool.h"
#include "base/err.h"
#include "compute/ops.h"
#include <stdlib.h>
#include <string.h>

static void add_chunk(struct ptd_pool *a, size_t size)
{
    a->chunk = ptd_realloc(a->chunk, (a->n + 1) * sizeof *a->chunk);
    a->size = ptd_realloc(a->size, (a->n + 1) * sizeof *a->size);
    a->chunk[a->n] = ptd_device_alloc(a->device, size, "activations");
    a->size[a->n++] = size;
}

/* While nothing is taken it is nobody's loss. */
static void rests(struct ptd_pool *a, enum ptd_resting how)
{
    for (int i = 0; i < a->n; i++) ptd_device_resting(a->device, a->chunk[i], how);
}

/* The next chunk that has room is filled. */
static void go_on(struct ptd_pool *a, size_t bytes)
{
    if (a->n) a->at++;
    while (a->at < a->n && a->size[a->at] < bytes) a->at++;
    if (a->at == a->n) add_chunk(a, bytes > PTD_POOL_LEAST ? bytes : PTD_POOL_LEAST);
    a->used = 0;
}

static void *take(struct ptd_pool *a, size_t bytes)
{
    bytes = (bytes + 63) & ~(size_t)63;
    a->taken += bytes;
    if (a->taken > a->peak) a->peak = a->taken;
    if (a->counts) return NULL;
    if (a->taken == bytes) rests(a, PTD_RESTS_SAVED);
    if (!a->n || a->used + bytes > a->size[a->at]) go_on(a, bytes);
    a->used += bytes;
    return (char *)a->chunk[a->at] + a->used - bytes;
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

struct ptd_pool_mark ptd_pool_mark(const struct ptd_pool *a)
{
    return (struct ptd_pool_mark){a->at, a->used, a->taken};
}

void ptd_pool_release(struct ptd_pool *a, struct ptd_pool_mark m)
{
    a->at = m.at;
    a->used = m.used;
    a->taken = m.taken;
}

static void free_chunks(struct ptd_pool *a)
{
    for (int i = 0; i < a->n; i++) ptd_device_free(a->device, a->chunk[i]);
    a->n = 0;
}

void ptd_pool_reset(struct ptd_pool *a)
{
    size_t most = a->peak;
    a->at = 0;
    a->used = a->taken = a->peak = 0;
    if (a->n > 1) ptd_pool_want(a, most);
    rests(a, PTD_RESTS_FORGOTTEN);
}

void ptd_pool_want(struct ptd_pool *a, size_t bytes)
{
    size_t room = ptd_pool_room(a);
    if (a->n == 1 && room >= bytes) return;
    free_chunks(a);
    if (room) bytes += bytes / 8;
    add_chunk(a, bytes > PTD_POOL_LEAST ? bytes : PTD_POOL_LEAST);
}

size_t ptd_pool_room(const struct ptd_pool *a)
{
    size_t sum = 0;
    for (int i = 0; i < a->n; i++) sum += a->size[i];
    return sum;
}

void ptd_pool_free(struct ptd_pool *a)
{
    free_chunks(a);
    free(a->chunk);
    free(a->size);
    memset(a, 0, sizeof *a);
}
