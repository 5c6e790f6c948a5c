/* head: see head.h. What rows are asked is row.c, what a row's loss is the callers'. */
#include "net/head.h"
#include "base/err.h"
#include "base/threads.h"
#include "compute/cpu/vec.h"
#include <stdlib.h>

#define CHUNK_FLOATS (1L << 21) /* logits of one chunk: 8 MiB stay in the last cache */
#define CHUNK_LEAST  64         /* fewer rows are slower products */
#define CHUNK_MOST   512
#define SHARE_FLOATS 8192 /* smallest piece of work worth another thread */

/* ---- chunks ---- */

struct chunk {
    const struct ptd_head_job *job;
    const int32_t *banned;
    int n_banned, backward;
    float *z; /* [rows, V] */
    long first;
};

static void run_rows(void *ctx, long first, long last)
{
    const struct chunk *c = ctx;
    const struct ptd_head_job *job = c->job;
    float inverse = 1 / job->temperature;
    for (long r = first; r < last; r++) {
        float *z = c->z + r * job->V;
        for (int i = 0; i < c->n_banned; i++) z[c->banned[i]] = -INFINITY;
        if (inverse != 1) vec_scale(z, inverse, job->V);
        job->row(job->ctx, c->first + r, z, job->V);
        if (!c->backward) continue;
        for (int i = 0; i < c->n_banned; i++) z[c->banned[i]] = 0;
        if (inverse != 1) vec_scale(z, inverse, job->V);
    }
}

static int32_t *list_banned(const struct ptd_head_job *job, int *n)
{
    int32_t *ids = ptd_array((size_t)job->V + 1, sizeof *ids);
    *n = 0;
    for (int v = 0; job->banned && v < job->V; v++)
        if (job->banned[v]) ids[(*n)++] = v;
    return ids;
}

static long chunk_rows(int V, long n)
{
    long rows = CHUNK_FLOATS / V;
    if (rows < CHUNK_LEAST) rows = CHUNK_LEAST;
    if (rows > CHUNK_MOST) rows = CHUNK_MOST;
    return rows < n ? rows : n;
}

static void run(const struct ptd_head_job *job, const float *X, long n, float *dX, float *dW)
{
    struct ptd_device *d = job->device;
    int V = job->V, H = job->H;
    long rows = chunk_rows(V, n), grain = SHARE_FLOATS / V + 1;
    struct chunk c = {.job = job, .backward = dX || dW};
    int32_t *banned = list_banned(job, &c.n_banned);
    c.banned = banned;
    c.z = ptd_array((size_t)rows + 1, sizeof(float) * (size_t)V);
    for (c.first = 0; c.first < n; c.first += rows) {
        long k = n - c.first < rows ? n - c.first : rows;
        const float *x = X + c.first * H;
        d->ops->logits(d, c.z, x, job->W, k, H, V);
        ptd_parallel(k, grain, run_rows, &c);
        if (c.backward)
            d->ops->logits_backward(d, dX ? dX + c.first * H : NULL, dW, c.z, x, job->W, k, H, V);
    }
    free(c.z);
    free(banned);
}

void ptd_head_forward(const struct ptd_head_job *job, const float *X, long n)
{
    run(job, X, n, NULL, NULL);
}

void ptd_head_backward(const struct ptd_head_job *job, const float *X, long n, float *dX, float *dW)
{
    run(job, X, n, dX, dW);
}
