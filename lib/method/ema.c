/* ema: see ema.h. Who reads it is teacher.c's. */
#include "method/ema.h"
#include "base/dtype.h"
#include "base/threads.h"
#include <stdlib.h>
#include <string.h>

#define PIECE ((size_t)1 << 20) /* numbers at a time */

struct ptd_ema {
    float own;                               /* what a step's weights count: 1 - decay */
    struct ptd_tensor_view *weights, *means; /* [n] */
    int n;
    float *mean; /* of all of them, one behind the other */
    float *now;  /* [PIECE] weights of this step */
};

struct ptd_ema *ptd_ema_new(struct ptd_model *m, double decay)
{
    struct ptd_ema *e = ptd_alloc(sizeof *e);
    size_t all = 0;
    e->own = (float)(1 - decay);
    e->weights = ptd_model_views(m, &e->n);
    e->means = ptd_array(e->n + 1, sizeof *e->means);
    for (int i = 0; i < e->n; i++) all += e->weights[i].n;
    e->mean = ptd_array(all + 1, sizeof *e->mean);
    e->now = ptd_array(PIECE, sizeof *e->now);
    all = 0;
    for (int i = 0; i < e->n; i++) {
        const struct ptd_tensor_view *w = &e->weights[i];
        e->means[i] = (struct ptd_tensor_view){.name = ptd_format(PTD_AVERAGE "%s", w->name),
                                               .n_dims = w->n_dims,
                                               .data = e->mean + all,
                                               .n = w->n};
        memcpy(e->means[i].dims, w->dims, sizeof w->dims);
        all += w->n;
    }
    return e;
}

size_t ptd_ema_bytes(const struct ptd_model *m)
{
    return m->n_weights * sizeof(float);
}

/* n weights from number `first` on, as floats. */
static const float *weights_at(struct ptd_ema *e, int i, size_t first, size_t n)
{
    const struct ptd_tensor_view *w = &e->weights[i];
    if (w->dtype != PTD_BF16) {
        w->give(w, first, n, e->now);
        return e->now;
    }
    uint16_t *half = (uint16_t *)e->now + n; /* widened in their place, from the front */
    w->give(w, first, n, (float *)(void *)half);
    ptd_dtype_to_float(e->now, half, PTD_BF16, n);
    return e->now;
}

struct part {
    float *mean, own;
    const float *now;
};

static void move(void *ctx, long first, long last)
{
    const struct part *p = ctx;
    for (long i = first; i < last; i++) p->mean[i] += p->own * (p->now[i] - p->mean[i]);
}

/* Each mean goes as far towards its weight as `own` says. */
static void approach(struct ptd_ema *e, float own)
{
    for (int i = 0; i < e->n; i++)
        for (size_t at = 0, n; at < e->means[i].n; at += n) {
            n = e->means[i].n - at < PIECE ? e->means[i].n - at : PIECE;
            struct part p = {e->means[i].data + at, own, weights_at(e, i, at, n)};
            ptd_parallel((long)n, 65536, move, &p);
        }
}

void ptd_ema_step(struct ptd_ema *e)
{
    approach(e, e->own);
}

int ptd_ema_load(struct ptd_ema *e, struct ptd_store *s, int64_t generation)
{
    if (e->n && s && ptd_store_holds(s, generation, e->means[0].name))
        return ptd_store_load(s, generation, e->means, e->n);
    size_t all = 0;
    for (int i = 0; i < e->n; i++) all += e->means[i].n;
    memset(e->mean, 0, all * sizeof *e->mean);
    approach(e, 1);
    return 0;
}

void ptd_ema_publish(const struct ptd_ema *e, struct ptd_publication *p)
{
    p->weights = ptd_realloc(p->weights, (p->n + e->n + 1) * sizeof *p->weights);
    memcpy(p->weights + p->n, e->means, e->n * sizeof *e->means);
    p->n += e->n;
}

void ptd_ema_free(struct ptd_ema *e)
{
    if (!e) return;
    for (int i = 0; i < e->n; i++) free((char *)(uintptr_t)e->means[i].name);
    free(e->weights);
    free(e->means);
    free(e->mean);
    free(e->now);
    free(e);
}
