/* greedy: see greedy.h. Drawing and many replies to one prompt are sample.c's. */
#include "method/hint/greedy.h"
#include "base/signals.h"
#include "net/head.h"
#include "net/net.h"
#include <stdlib.h>
#include <string.h>

struct line { /* a reply that is being written */
    const struct ptd_forced_prompt *prompt;
    struct ptd_reply *reply;
    struct ptd_kv_list keys; /* of the prompt's own end, and of the reply */
    int past;                /* rows in them */
};

struct state {
    struct ptd_model *m;
    const struct ptd_sampling *s;
    int common;   /* tokens that all prompts begin with */
    int32_t next; /* the position behind them */
    struct ptd_kv *kv;
    struct ptd_kv_list shared;
    struct ptd_batch *step;
    struct ptd_lm_head *head;
    struct line *line; /* [n_lines] */
    int n_lines;
    int32_t *row; /* [n_lines] of a step, those that draw */
};

/* Most tokens of a reply: prompt and reply have to fit the context. */
static int limit_of(const struct state *st, const struct ptd_forced_prompt *p)
{
    int context = st->m->config.positions, most = st->s->max_tokens;
    return context && context - p->n < most ? context - p->n : most;
}

/* ---- what all begin with ---- */

static int read_common(struct state *st, const struct ptd_group *g, const int32_t *ids)
{
    struct ptd_prefill *p = ptd_prefill_new(st->m, st->kv, 0);
    struct ptd_question q = {ids, st->common, g->pictures, g->n_pictures, 0};
    ptd_kv_promise(st->kv, &st->shared, st->common);
    int row = ptd_prefill_add(p, &q, &st->shared);
    if (row >= 0) {
        st->next = ptd_prefill_next(p, row);
        ptd_prefill_run(p);
    }
    ptd_prefill_free(p);
    return row < 0 ? -1 : 0;
}

/* ---- a step ---- */

static int32_t token_at(const struct state *st, const struct line *l)
{
    int own = l->prompt->n - st->common;
    return l->past < own ? l->prompt->ids[st->common + l->past] : l->reply->ids[l->past - own];
}

/* The next row of each line; those whose row predicts a token of the reply, in st->row. */
static int fill_step(struct state *st)
{
    struct ptd_batch *b = st->step;
    int draws = 0;
    ptd_batch_reset(b);
    long shared = ptd_batch_blocks(b, &st->shared);
    for (int i = 0; i < st->n_lines; i++) {
        struct line *l = &st->line[i];
        ptd_kv_grow(st->kv, &l->keys, l->past + 1L);
        struct ptd_span span = {.n = 1,
                                .own = ptd_batch_blocks(b, &l->keys),
                                .past = l->past,
                                .shared = shared,
                                .n_shared = st->common};
        ptd_batch_step(b, token_at(st, l), st->next + l->past, ptd_kv_slot(&l->keys, l->past),
                       span);
        if (++l->past >= l->prompt->n - st->common) st->row[draws++] = i;
    }
    return draws;
}

static void append(const struct state *st, struct ptd_reply *y, int32_t id, float logp)
{
    y->ids[y->n] = id;
    y->logp[y->n++] = logp;
    for (int i = 0; i < st->s->n_stop; i++)
        if (st->s->stop[i] == id) y->stopped = PTD_REPLY_ID;
}

static void draw(struct state *st, int n)
{
    struct ptd_device *d = st->m->device;
    struct ptd_pool *pool = &st->step->pool;
    int H = st->m->config.hidden;
    double *u = ptd_array((size_t)n, sizeof *u);
    int32_t *id = ptd_array((size_t)n, sizeof *id);
    float *logp = ptd_array((size_t)n, sizeof *logp);
    struct ptd_ask_draw ask = {
        .rules.temperature = (float)st->s->temperature, .draws = 1, .u = u, .top_k = 1, .top_p = 1};
    struct ptd_got_draw got = {.id = id, .logp = logp};
    ptd_num *X = ptd_pool_nums(pool, (size_t)n * H);
    d->ops->copy_rows(d, X, H, NULL, st->step->hidden, H,
                      ptd_pool_put_ints(pool, st->row, (size_t)n), n, H);
    ptd_lm_head_draw(st->head, X, n, &ask, &got);
    for (int i = 0; i < n; i++) append(st, st->line[st->row[i]].reply, id[i], logp[i]);
    free(u);
    free(id);
    free(logp);
}

static void drop_finished(struct state *st)
{
    int kept = 0;
    for (int i = 0; i < st->n_lines; i++) {
        struct line *l = &st->line[i];
        if (!l->reply->stopped && l->reply->n < limit_of(st, l->prompt))
            st->line[kept++] = *l;
        else
            ptd_kv_release(st->kv, &l->keys);
    }
    st->n_lines = kept;
}

/* ---- the whole ---- */

static void begin_lines(struct state *st, const struct ptd_forced_prompt *p, int n,
                        struct ptd_reply *reply)
{
    long most = ptd_kv_blocks(st->common);
    for (int i = 0; i < n; i++) most += ptd_kv_blocks(p[i].n - st->common + st->s->max_tokens);
    st->kv = ptd_kv_new(st->m, most);
    st->line = ptd_array((size_t)n, sizeof *st->line);
    st->row = ptd_array((size_t)n, sizeof *st->row);
    for (int i = 0; i < n; i++) {
        reply[i].ids = ptd_array((size_t)st->s->max_tokens + 1, sizeof *reply->ids);
        reply[i].logp = ptd_array((size_t)st->s->max_tokens + 1, sizeof *reply->logp);
        st->line[i] = (struct line){.prompt = &p[i], .reply = &reply[i]};
        ptd_kv_promise(st->kv, &st->line[i].keys, p[i].n - st->common + st->s->max_tokens);
    }
    st->n_lines = n;
    st->step = ptd_batch_new(st->m);
    st->step->keep = PTD_KEEP_NOTHING;
    st->step->kv = st->kv;
    st->head = ptd_lm_head_new(st->m->device, ptd_model_head(st->m), NULL, st->s->banned);
}

static void finish(struct state *st)
{
    for (int i = 0; i < st->n_lines; i++) ptd_kv_release(st->kv, &st->line[i].keys);
    ptd_kv_release(st->kv, &st->shared);
    ptd_batch_free(st->step);
    ptd_lm_head_free(st->head);
    ptd_kv_free(st->kv);
    free(st->line);
    free(st->row);
}

static int write_all(struct state *st)
{
    drop_finished(st);
    while (st->n_lines) {
        ptd_asked_answer();
        int draws = fill_step(st);
        ptd_forward(st->m, st->step);
        if (draws) draw(st, draws);
        drop_finished(st);
    }
    return ptd_device_wait(st->m->device);
}

struct ptd_reply *ptd_greedy_replies(struct ptd_model *m, const struct ptd_sampling *s,
                                     const struct ptd_group *g, const struct ptd_forced_prompt *p,
                                     int n)
{
    struct state st = {.m = m, .s = s, .common = ptd_forced_common(p, n)};
    struct ptd_reply *reply = ptd_array((size_t)n + 1, sizeof *reply);
    begin_lines(&st, p, n, reply);
    int rc = read_common(&st, g, p[0].ids);
    if (rc == 0) rc = write_all(&st);
    finish(&st);
    if (rc == 0) return reply;
    ptd_replies_free(reply, n);
    return NULL;
}
