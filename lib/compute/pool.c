/* pool: see pool.h. */
#include "compute/pool.h"
#include "base/err.h"
#include <stdlib.h>
#include <string.h>

#define CHUNK_MIN ((size_t)4 << 20)

float *ptd_pool_floats(struct ptd_pool *a, size_t n)
{
    size_t bytes = (n * sizeof(float) + 63) & ~(size_t)63;
    if (!a->n || a->used + bytes > a->size[a->n - 1]) {
        size_t size = bytes > CHUNK_MIN ? bytes : CHUNK_MIN;
        a->chunk = ptd_realloc(a->chunk, (a->n + 1) * sizeof *a->chunk);
        a->size = ptd_realloc(a->size, (a->n + 1) * sizeof *a->size);
        if (posix_memalign((void **)&a->chunk[a->n], 64, size))
            ptd_die(PTD_OSERR, "out of memory asking for %zu bytes", size);
        a->size[a->n++] = size;
        a->used = 0;
    }
    a->used += bytes;
    return (float *)(void *)(a->chunk[a->n - 1] + a->used - bytes);
}

void ptd_pool_reset(struct ptd_pool *a)
{
    size_t total = 0;
    a->used = 0;
    if (a->n < 2) return;
    for (int i = 0; i < a->n; i++) {
        total += a->size[i];
        free(a->chunk[i]);
    }
    a->n = 0;
    ptd_pool_floats(a, total / sizeof(float));
    a->used = 0;
}

void ptd_pool_free(struct ptd_pool *a)
{
    for (int i = 0; i < a->n; i++) free(a->chunk[i]);
    free(a->chunk);
    free(a->size);
    memset(a, 0, sizeof *a);
}
