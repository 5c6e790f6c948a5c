/* prefill: see prefill.h. Which prompts come is the sampler's. */
#include "net/prefill.h"
#include "net/net.h"
#include <stdlib.h>

struct ptd_prefill *ptd_prefill_new(struct ptd_model *m, struct ptd_kv *kv, int rows)
{
    struct ptd_prefill *p = ptd_alloc(sizeof *p);
    p->m = m;
    p->kv = kv;
    p->rows = rows ? rows : PTD_PREFILL_ROWS;
    p->prompts = ptd_batch_new(m);
    p->chunk = ptd_batch_new(m);
    p->prompts->keep = p->chunk->keep = 0;
    p->chunk->kv = kv;
    p->last = ptd_device_nums(m->device, (size_t)(1 + PTD_PREFILL_PROMPTS) * m->config.hidden,
                              "activations");
    return p;
}

void ptd_prefill_free(struct ptd_prefill *p)
{
    if (!p) return;
    ptd_batch_free(p->prompts);
    ptd_batch_free(p->chunk);
    ptd_device_free(p->m->device, p->last);
    free(p);
}

void ptd_prefill_reset(struct ptd_prefill *p)
{
    ptd_batch_reset(p->prompts);
    p->n = 0;
}

int ptd_prefill_full(const struct ptd_prefill *p)
{
    return p->n == PTD_PREFILL_PROMPTS || p->prompts->n + p->prompts->n_patches >= PTD_PREFILL_MOST;
}

int ptd_prefill_add(struct ptd_prefill *p, const struct ptd_question *q, struct ptd_kv_list *keys)
{
    if (ptd_batch_prompt(p->prompts, q->ids, q->n, q->pictures, q->n_pictures) < 0) return -1;
    ptd_kv_grow(p->kv, keys, q->n);
    p->keys[p->n++] = keys;
    return p->n;
}

int32_t ptd_prefill_next(const struct ptd_prefill *p, int i)
{
    return p->prompts->segments[i - 1].next;
}

/* ---- chunks ---- */

static void run_chunk(struct ptd_prefill *p)
{
    struct ptd_batch *b = p->chunk;
    struct ptd_device *d = p->m->device;
    int H = p->m->config.hidden;
    ptd_batch_ask(b, p->from, p->n_ends);
    ptd_forward(p->m, b);
    d->ops->copy_rows(d, p->last, H, ptd_pool_put_ints(&b->pool, p->to, (size_t)p->n_ends),
                      b->hidden, H, NULL, p->n_ends, H);
    p->n_ends = 0;
    ptd_batch_reset(b);
}

/* As much of prompt i from row `first` on as the chunk takes: whole prompts as long as they fit,
 * a longer one in parts. Returns the row to go on from. */
static int add_rows(struct ptd_prefill *p, int i, int first)
{
    struct ptd_batch *b = p->chunk;
    int left = p->prompts->segments[i].n - first, room = p->rows - (int)b->n;
    if (left > room && b->n) {
        run_chunk(p);
        return first;
    }
    if (left > room) left = room;
    ptd_batch_piece(b, p->prompts, i, first, left, p->keys[i]);
    return first + left;
}

static void add_prompt(struct ptd_prefill *p, int i)
{
    int n = p->prompts->segments[i].n;
    for (int first = 0; first < n;) first = add_rows(p, i, first);
    p->from[p->n_ends] = (int32_t)p->chunk->n - 1;
    p->to[p->n_ends++] = i + 1;
}

void ptd_prefill_run(struct ptd_prefill *p)
{
    struct ptd_batch *b = p->prompts;
    ptd_batch_reset(p->chunk);
    if (b->n_image_rows) ptd_see(p->m, b);
    for (int i = 0; i < p->n; i++) add_prompt(p, i);
    if (p->chunk->n) run_chunk(p);
}

void ptd_prefill_keep(struct ptd_prefill *p, int i)
{
    struct ptd_device *d = p->m->device;
    int H = p->m->config.hidden;
    if (i) d->ops->copy_rows(d, p->last, H, NULL, ptd_at(d, p->last, (size_t)i * H), H, NULL, 1, H);
}
