/* store_fill: numbers into the pieces that a transaction has reserved. Generations and who may
 * write are left to store_publish.c. */
#include "base/threads.h"
#include "store/store_private.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* A large value has pages of its own. They stay where LMDB reserved them while others are reserved,
 * unless the transaction has almost 128 Ki dirty pages (a large value counts as one): then LMDB
 * writes some of them out. */
#define STAYS (64u << 10)
/* pages written, of which ptd_store.written counts each: no piece waits from here on */
#define DIRTY 100000

/* Values smaller than a page lie anywhere in it; fill wants its place aligned. */
static int fill_aligned(const struct ptd_filling *f, int i, size_t first, size_t n, char *out,
                        size_t bytes)
{
    if ((uintptr_t)out % 8 == 0) return f->fill(f->ctx, i, first, n, out);
    char *copy = ptd_alloc(bytes);
    int rc = f->fill(f->ctx, i, first, n, copy);
    memcpy(out, copy, bytes);
    free(copy);
    return rc;
}

static void fill_from_view(const struct ptd_tensor_view *v, const struct ptd_waiting_piece *p,
                           char *out, size_t bytes)
{
    if (v->data) {
        memcpy(out, ptd_store_place(v, p->first), bytes);
        return;
    }
    if ((uintptr_t)out % sizeof(float) == 0) {
        v->give(v, p->first, p->n, (float *)(void *)out);
        return;
    }
    float *copy = ptd_alloc(bytes);
    v->give(v, p->first, p->n, copy);
    memcpy(out, copy, bytes);
    free(copy);
}

/* Its numbers and then its header to the piece's place. An LMDB code or KEPT. */
static int fill_piece(const struct ptd_waiting_piece *p)
{
    const struct ptd_tensor_about *t = &p->w->f.tensors[p->i];
    size_t bytes = p->n * ptd_dtype_size(t->dtype),
           head = p->w->rows ? PTD_ROWS_HEAD : PTD_TENSOR_HEAD;
    char *data = p->place + head;
    if (p->w->views)
        fill_from_view(&p->w->views[p->i], p, data, bytes);
    else if (fill_aligned(&p->w->f, p->i, p->first, p->n, data, bytes) < 0)
        return KEPT;
    memset(data + bytes, 0, p->len - head - bytes);
    ptd_store_seal_piece(p->place, t, p->first / ptd_store_cut(t, p->w->rows), p->w->rows, p->len);
    return 0;
}

static void fill_pieces(void *ctx, long first, long last)
{
    struct ptd_waiting *w = ctx;
    (void)first, (void)last; /* pieces differ in size: whoever is ready takes the next */
    for (int i; (i = w->next++) < w->n;) {
        int rc = fill_piece(&w->pieces[i]);
        (void)rc; /* copying does not fail */
    }
}

void ptd_store_fill_waiting(struct ptd_waiting *waiting)
{
    ptd_parallel(waiting->n, 1, fill_pieces, waiting);
    waiting->n = 0;
    waiting->next = 0;
}

/* Bytes of the value of n numbers. A matrix has pages of its own, however small: what lies in a
 * leaf is not aligned. */
static size_t value_size(struct ptd_store *s, const struct ptd_writing *w,
                         const struct ptd_tensor_about *t, size_t n)
{
    size_t len = (w->rows ? PTD_ROWS_HEAD : PTD_TENSOR_HEAD) + n * ptd_dtype_size(t->dtype),
           least = ptd_store_page(s) - PAGE_HEAD;
    return w->rows && t->n_dims > 1 && len < least ? least : len;
}

int ptd_store_put_piece(struct ptd_store *s, MDB_txn *txn, const struct ptd_writing *w, int i,
                        size_t first, size_t *n, struct ptd_waiting *waiting)
{
    const struct ptd_tensor_about *t = &w->f.tensors[i];
    size_t most = ptd_store_cut(t, w->rows);
    *n = t->n - first < most ? t->n - first : most;
    MDB_val v = {value_size(s, w, t, *n), NULL};
    char key[KEY_MAX + 1];
    int few = s->written / 4096 < DIRTY,
        wait = few && w->views && w->views[i].data && v.mv_size >= STAYS;
    ptd_store_piece_key(key, w->prefix, t->name, first / most);
    if (!few) ptd_store_fill_waiting(waiting);
    size_t len = v.mv_size;
    int rc = ptd_store_put(s, txn, w->db, key, &v, MDB_RESERVE | (w->views ? MDB_NOOVERWRITE : 0));
    if (rc) return rc;
    struct ptd_waiting_piece p = {w, i, first, *n, len, v.mv_data};
    if (!wait) return fill_piece(&p);
    waiting->pieces[waiting->n++] = p;
    if (waiting->n == PTD_WAITING) ptd_store_fill_waiting(waiting);
    return 0;
}
