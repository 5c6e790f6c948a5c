/* score: see score.h. Packing is batch.c; what is asked of the vocabulary is the caller's, through
 * head.h. */
#include "net/score.h"
#include "net/net.h"
#include <stdlib.h>
#include <string.h>

struct ptd_score *ptd_score_new(struct ptd_model *m, int keep)
{
    struct ptd_score *s = ptd_alloc(sizeof *s);
    s->m = m;
    s->batch = ptd_batch_new(m);
    s->batch->keep = keep;
    return s;
}

static void add_target(struct ptd_score *s, long from, int32_t id, int token, void *reply)
{
    if (s->rows == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 1024;
        s->target = ptd_realloc(s->target, s->cap * sizeof *s->target);
        s->from = ptd_realloc(s->from, s->cap * sizeof *s->from);
    }
    s->from[s->rows] = (int32_t)from;
    s->target[s->rows++] = (struct ptd_target){id, token, reply};
}

int ptd_score_add(struct ptd_score *s, const int32_t *prompt, int n_prompt,
                  const struct ptd_picture *pictures, int n_pictures,
                  const struct ptd_score_reply *replies, int n_replies)
{
    int p = ptd_batch_prompt(s->batch, prompt, n_prompt, pictures, n_pictures);
    if (p < 0) return -1;
    if (!n_prompt) return ptd_fail(PTD_DATAERR, "empty prompt");
    for (int r = 0; r < n_replies; r++) {
        const struct ptd_score_reply *y = &replies[r];
        long row = ptd_batch_rows(s->batch), last = ptd_batch_row(s->batch, p) + n_prompt - 1;
        for (int j = 0; j < y->n; j++) {
            if (y->ids[j] < 0 || y->ids[j] >= s->m->config.vocab)
                return ptd_fail(PTD_DATAERR, "reply %d, token %d: id %d, expected 0..%d", r, j,
                                y->ids[j], s->m->config.vocab - 1);
            add_target(s, j ? row + j - 1 : last, y->ids[j], j, y->tag);
        }
        if (y->n > 1) ptd_batch_reply(s->batch, p, y->ids, y->n - 1);
    }
    return 0;
}

long ptd_score_tokens(const struct ptd_score *s)
{
    return ptd_batch_rows(s->batch);
}

/* Kept or recomputed: the bits are the same. */
static void choose_keep(struct ptd_score *s)
{
    if (s->keep_most && s->batch->keep) ptd_batch_fit(s->batch, s->keep_most);
}

/* Before it is taken: a micro-batch that cannot fit ends the program in one line. */
static void check_room(const struct ptd_score *s)
{
    const char *instead = s->batch->keep != PTD_KEEP_INPUTS
                              ? "--recompute layer or a smaller --micro"
                              : "a smaller --micro";
    if (ptd_batch_check(s->batch, s->room, instead))
        ptd_die(PTD_OSERR, "a micro-batch: %s", ptd_failed_message());
}

void ptd_score_forward(struct ptd_score *s)
{
    struct ptd_device *d = s->m->device;
    int H = s->m->config.hidden;
    s->batch->targets = s->rows;
    choose_keep(s);
    if (!s->batch->keep) ptd_batch_ask(s->batch, s->from, s->rows);
    check_room(s);
    ptd_forward(s->m, s->batch);
    if (s->batch->asked) {
        s->X = ptd_batch_hidden(s->batch);
        return;
    }
    s->on_device = ptd_pool_put_ints(&s->batch->pool, s->from, (size_t)s->rows);
    s->X = ptd_pool_nums(&s->batch->pool, s->rows * H);
    d->ops->copy_rows(d, s->X, H, NULL, ptd_batch_hidden(s->batch), H, s->on_device, s->rows, H);
}

ptd_num *ptd_score_nums(struct ptd_score *s, size_t n)
{
    return ptd_pool_nums(&s->batch->pool, n);
}

void ptd_score_backward(struct ptd_score *s, const ptd_num *dX)
{
    struct ptd_device *d = s->m->device;
    int H = s->m->config.hidden;
    size_t n = (size_t)ptd_batch_rows(s->batch) * H;
    ptd_num *dhidden = ptd_pool_nums(&s->batch->pool, n);
    d->ops->zero(d, dhidden, n * d->num_size);
    d->ops->scatter_add(d, dhidden, dX, s->on_device, s->rows, H);
    ptd_backward(s->m, s->batch, dhidden);
}

void ptd_score_reset(struct ptd_score *s)
{
    ptd_batch_reset(s->batch);
    s->rows = 0;
}

struct ptd_lm_head *ptd_score_head(struct ptd_score *s, const uint8_t *banned)
{
    struct ptd_model *m = s->m;
    const struct ptd_matrix *W = ptd_model_head(m);
    if (s->head && s->banned == banned && !memcmp(&s->read, W, sizeof *W)) return s->head;
    ptd_lm_head_free(s->head);
    s->banned = banned;
    s->read = *W;
    return s->head =
               ptd_lm_head_new(m->device, W, s->batch->keep ? ptd_model_dhead(m) : NULL, banned);
}

void ptd_score_free(struct ptd_score *s)
{
    if (!s) return;
    ptd_lm_head_free(s->head);
    ptd_batch_free(s->batch);
    free(s->target);
    free(s->from);
    free(s);
}
