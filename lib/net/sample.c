/* sample: see sample.h. How words are drawn from logits is the device's (rows.h), where keys lie is
 * kv.c's. */
#include "net/sample.h"
#include "base/half.h"
#include "base/rng.h"
#include "base/signals.h"
#include "net/head.h"
#include "net/net.h"
#include <stdlib.h>
#include <string.h>

#define SLICE 512 /* first tokens that are drawn at once */

/* A question that is being answered. */
struct asked {
    struct ptd_question q;
    struct ptd_kv_list keys;
    int row;                 /* of its last hidden row in prefill->last */
    int32_t next;            /* the position behind the prompt */
    int limit;               /* most tokens of a reply: prompt and reply have to fit the context */
    int started, ended;      /* of its replies */
    struct ptd_reply *reply; /* [group_size] */
    struct asked *after;
};

/* A reply that is being written. */
struct line {
    struct asked *of;
    int r; /* of the group */
    struct ptd_kv_list keys;
    int *stop_at; /* how much of each stop text it ends with */
};

struct state {
    struct ptd_model *m;
    const struct ptd_sampling *s;
    const struct ptd_questions *from;
    uint32_t round; /* the training step */
    struct ptd_kv *kv;
    struct ptd_prefill *prefill;
    struct ptd_lm_head *head;
    struct ptd_batch *step;
    struct asked *oldest, *newest; /* those whose prompt has room, in order */
    struct asked *ahead;           /* the next one, which has none yet */
    int exhausted;                 /* there is no next one */
    struct line *line;             /* [n_lines] in order */
    int n_lines, lines_cap;
    struct { /* of the tokens that are drawn together, [cap] but for best */
        double *u;
        int32_t *id, *best; /* best [cap, best_of] */
        float *logp;
        int cap;
    } drawn;
    struct {                            /* of the same, with `record`, [cap] but for the last */
        int32_t *first;                 /* [cap + 1] of a draw's best words */
        double *total, *entropy, *logp; /* logp [cap, top_logprobs] */
        int cap;
    } closer;
};

/* ---- replies ---- */

static struct ptd_reply *reply_of(const struct line *l)
{
    return &l->of->reply[l->r];
}

static void want_token(struct ptd_reply *y, const struct ptd_sampling *s)
{
    int k = s->top_logprobs;
    if (y->n < y->cap) return;
    y->cap = y->cap ? 2 * y->cap : 32;
    y->ids = ptd_realloc(y->ids, (size_t)y->cap * sizeof *y->ids);
    y->logp = ptd_realloc(y->logp, (size_t)y->cap * sizeof *y->logp);
    if (k) y->top_ids = ptd_realloc(y->top_ids, (size_t)y->cap * k * sizeof *y->top_ids);
    if (!s->record) return;
    if (k) y->top_logp = ptd_realloc(y->top_logp, (size_t)y->cap * k * sizeof *y->top_logp);
    y->entropy = ptd_realloc(y->entropy, (size_t)y->cap * sizeof *y->entropy);
}

static void clear_replies(struct ptd_reply *r, int n)
{
    for (int i = 0; r && i < n; i++) {
        free(r[i].ids);
        free(r[i].logp);
        free(r[i].top_ids);
        free(r[i].top_logp);
        free(r[i].entropy);
    }
}

void ptd_replies_free(struct ptd_reply *r, int n)
{
    clear_replies(r, n);
    free(r);
}

/* ---- drawing ---- */

/* How a reply ends with this token; PTD_REPLY_CUT: it does not. */
static int ending(const struct state *st, const struct line *l, int32_t id)
{
    const struct ptd_sampling *s = st->s;
    for (int i = 0; i < s->n_stop; i++)
        if (s->stop[i] == id) return PTD_REPLY_ID;
    return s->stop_text && ptd_stop_feed(s->stop_text, l->stop_at, id) ? PTD_REPLY_TEXT
                                                                       : PTD_REPLY_CUT;
}

/* Best words that are named with each draw. */
static int best_of(const struct ptd_sampling *s)
{
    return s->beside && !s->top_logprobs ? 1 : s->top_logprobs;
}

/* The random number of a reply's next token. */
static double uniform(const struct state *st, const struct line *l)
{
    return ptd_uniform(st->s->seed, PTD_RNG_SAMPLE, st->round, (uint32_t)l->of->q.number,
                       (uint32_t)l->r << 20 | (uint32_t)reply_of(l)->n);
}

static void note(const struct state *st, struct ptd_reply *y, int i)
{
    int k = st->s->top_logprobs;
    if (!st->s->record) return;
    y->entropy[y->n] = (float)st->closer.entropy[i];
    for (int j = 0; j < k; j++)
        y->top_logp[y->n * k + j] = ptd_half((float)st->closer.logp[(size_t)i * k + j]);
}

/* Draw number i is a reply's next token; of the greedy one beside others it is the best word. */
static void append(const struct state *st, const struct line *l, int i)
{
    struct ptd_reply *y = reply_of(l);
    size_t k = st->s->top_logprobs;
    const int32_t *best = st->drawn.best + (size_t)i * best_of(st->s);
    int greedy = st->s->beside && l->r == st->s->group_size - 1;
    want_token(y, st->s);
    note(st, y, i);
    if (k) memcpy(y->top_ids + y->n * k, best, k * sizeof *best);
    y->logp[y->n] = greedy ? 0 : st->drawn.logp[i];
    y->ids[y->n] = greedy ? *best : st->drawn.id[i];
    y->stopped = ending(st, l, y->ids[y->n++]);
}

static void want_draws(struct state *st, int n)
{
    size_t k = best_of(st->s);
    if (n <= st->drawn.cap) return;
    st->drawn.cap = n;
    st->drawn.u = ptd_realloc(st->drawn.u, (size_t)n * sizeof *st->drawn.u);
    st->drawn.id = ptd_realloc(st->drawn.id, (size_t)n * sizeof *st->drawn.id);
    st->drawn.logp = ptd_realloc(st->drawn.logp, (size_t)n * sizeof *st->drawn.logp);
    st->drawn.best = ptd_realloc(st->drawn.best, ((size_t)n * k + 1) * sizeof *st->drawn.best);
}

static void want_closer(struct state *st, int n)
{
    int k = st->s->top_logprobs;
    if (n <= st->closer.cap) return;
    st->closer.cap = n;
    st->closer.first = ptd_realloc(st->closer.first, ((size_t)n + 1) * sizeof(int32_t));
    st->closer.total = ptd_realloc(st->closer.total, (size_t)n * sizeof(double));
    st->closer.entropy = ptd_realloc(st->closer.entropy, (size_t)n * sizeof(double));
    st->closer.logp = ptd_realloc(st->closer.logp, ((size_t)n * k + 1) * sizeof(double));
    for (int i = 0; i <= n; i++) st->closer.first[i] = i * k;
}

/* Entropy and best words of rows that were drawn from. */
static void look_closer(struct state *st, const ptd_num *X, int n)
{
    if (!st->s->record) return;
    want_closer(st, n);
    struct ptd_ask_score ask = {.rules.temperature = (float)st->s->temperature,
                                .words = {st->closer.first, st->drawn.best},
                                .shares = 1};
    struct ptd_got_score got = {
        .total = st->closer.total, .entropy = st->closer.entropy, .logp = st->closer.logp};
    ptd_lm_head_score(st->head, X, n, &ask, &got);
}

/* The next token of each of n replies; rows of X [n, hidden]. */
static void draw(struct state *st, const struct line *l, const ptd_num *X, int n)
{
    const struct ptd_sampling *s = st->s;
    want_draws(st, n);
    struct ptd_ask_draw ask = {.rules.temperature = (float)s->temperature,
                               .draws = 1,
                               .u = st->drawn.u,
                               .top_k = s->greedy ? 1 : s->top_k,
                               .top_p = s->top_p,
                               .min_p = s->min_p,
                               .best = best_of(s)};
    struct ptd_got_draw got = {
        .id = st->drawn.id, .logp = st->drawn.logp, .best_id = st->drawn.best};
    for (int i = 0; i < n; i++) st->drawn.u[i] = uniform(st, &l[i]);
    ptd_lm_head_draw(st->head, X, n, &ask, &got);
    ptd_device_play(st->m->device);
    look_closer(st, X, n);
    for (int i = 0; i < n; i++) append(st, &l[i], i);
}

/* ---- beginning ---- */

/* Most tokens of a reply: prompt and reply have to fit the context. */
static int limit_behind(const struct ptd_model *m, const struct ptd_sampling *s, int prompt)
{
    int context = m->config.positions;
    return context && context - prompt < s->max_tokens ? context - prompt : s->max_tokens;
}

/* Rows of keys that a reply comes to: its last token is not read. */
static long own_rows(int limit)
{
    return limit > 1 ? limit - 1 : 0;
}

/* Blocks that a prompt and one reply come to. */
static long least_blocks(const struct ptd_model *m, const struct ptd_sampling *s, int prompt)
{
    return ptd_kv_blocks(prompt) + ptd_kv_blocks(own_rows(limit_behind(m, s, prompt)));
}

int ptd_sample_check(const struct ptd_model *m, const struct ptd_sampling *s, int prompt)
{
    long need = least_blocks(m, s, prompt);
    long long bytes = need * (long long)ptd_kv_block_bytes(m);
    if (!s->kv_max || bytes <= s->kv_max) return 0;
    return ptd_fail(PTD_CONFIG,
                    "a prompt of %d token%s and a response of up to %d take %lld bytes of keys and "
                    "values, over the %lld of --kv-max: expected at least %lld, or a smaller -m",
                    prompt, prompt == 1 ? "" : "s", limit_behind(m, s, prompt), bytes,
                    (long long)s->kv_max, bytes);
}

/* There is room for a question and one reply, whatever else has to wait. */
static int make_room(struct state *st, const struct asked *a)
{
    long need = least_blocks(st->m, st->s, a->q.n);
    if (ptd_sample_check(st->m, st->s, a->q.n)) return -1;
    if (need > st->kv->most) st->kv->most = need;
    return 0;
}

/* The next question, read but not begun. 1; 0: there is none; -1: failed. */
static int look_ahead(struct state *st)
{
    struct ptd_question q;
    int got;
    if (st->ahead) return 1;
    if (st->exhausted) return 0;
    if ((got = st->from->next(st->from->ctx, &q)) <= 0) {
        st->exhausted = 1;
        return got;
    }
    struct asked *a = st->ahead = ptd_alloc(sizeof *a);
    a->q = q;
    a->limit = limit_behind(st->m, st->s, q.n);
    a->reply = ptd_array(st->s->group_size, sizeof *a->reply);
    return make_room(st, a) ? -1 : 1;
}

/* The question ahead is begun if there is room for it and its first reply's keys. */
static int begin_question(struct state *st, struct ptd_kv_list *first)
{
    struct asked *a = st->ahead;
    if (!ptd_kv_promise(st->kv, &a->keys, a->q.n)) return 0;
    if (!ptd_kv_promise(st->kv, first, own_rows(a->limit))) {
        ptd_kv_release(st->kv, &a->keys);
        return 0;
    }
    if (!st->oldest) st->oldest = a;
    if (st->newest) st->newest->after = a;
    st->newest = a;
    st->ahead = NULL;
    a->row = ptd_prefill_add(st->prefill, &a->q, &a->keys);
    if (a->row < 0) return -1;
    a->next = ptd_prefill_next(st->prefill, a->row);
    return 1;
}

static void add_line(struct state *st, struct ptd_kv_list keys)
{
    if (st->n_lines == st->lines_cap) {
        st->lines_cap = st->lines_cap ? 2 * st->lines_cap : 64;
        st->line = ptd_realloc(st->line, (size_t)st->lines_cap * sizeof *st->line);
    }
    st->line[st->n_lines++] =
        (struct line){.of = st->newest,
                      .r = st->newest->started++,
                      .keys = keys,
                      .stop_at = ptd_array((size_t)ptd_stop_places(st->s->stop_text) + 1,
                                           sizeof *st->line->stop_at)};
}

/* The next reply in order begins: 1; it has to wait, or there is none: 0; -1: failed. */
static int begin_reply(struct state *st)
{
    const struct ptd_sampling *s = st->s;
    struct ptd_kv_list keys = {0};
    int got;
    if (s->batch && st->n_lines == s->batch) return 0;
    if (st->newest && st->newest->started < s->group_size)
        got = ptd_kv_promise(st->kv, &keys, own_rows(st->newest->limit));
    else if (ptd_prefill_full(st->prefill))
        got = 0;
    else if ((got = look_ahead(st)) > 0)
        got = begin_question(st, &keys);
    if (got > 0) add_line(st, keys);
    return got;
}

/* The first tokens of the replies from number `first` on come from their prompts' last rows. */
static void first_tokens(struct state *st, int first)
{
    struct ptd_device *d = st->m->device;
    struct ptd_pool *pool = &st->step->pool;
    int H = st->m->config.hidden;
    int32_t rows[SLICE];
    for (int n; first < st->n_lines; first += n) {
        n = st->n_lines - first < SLICE ? st->n_lines - first : SLICE;
        for (int i = 0; i < n; i++) rows[i] = st->line[first + i].of->row;
        ptd_pool_reset(pool);
        ptd_num *X = ptd_pool_nums(pool, (size_t)n * H);
        d->ops->copy_rows(d, X, H, NULL, st->prefill->last, H,
                          ptd_pool_put_ints(pool, rows, (size_t)n), n, H);
        draw(st, &st->line[first], X, n);
    }
}

/* A prompt of which some replies have yet to begin keeps its last row. */
static void keep_row(struct state *st)
{
    struct asked *a = st->newest;
    if (!a || a->started == st->s->group_size) return;
    ptd_prefill_keep(st->prefill, a->row);
    a->row = 0;
}

/* Begins what prompts are run together; returns how many replies that were, -1: failed. */
static int begin_some(struct state *st)
{
    int first = st->n_lines, got;
    while ((got = begin_reply(st)) > 0) {
    }
    if (got < 0) return -1;
    if (first == st->n_lines) return 0;
    ptd_prefill_run(st->prefill);
    first_tokens(st, first);
    keep_row(st);
    ptd_prefill_reset(st->prefill);
    return st->n_lines - first;
}

/* ---- going on ---- */

/* Rows of the next decode step: the last token of each reply. */
static void fill_step(struct state *st)
{
    struct ptd_batch *b = st->step;
    const struct asked *before = NULL;
    long shared = 0;
    ptd_batch_reset(b);
    for (int i = 0; i < st->n_lines; i++) {
        struct line *l = &st->line[i];
        int past = reply_of(l)->n - 1;
        ptd_kv_grow(st->kv, &l->keys, past + 1L);
        if (l->of != before) shared = ptd_batch_blocks(b, &l->of->keys);
        before = l->of;
        struct ptd_span span = {.n = 1,
                                .own = ptd_batch_blocks(b, &l->keys),
                                .past = past,
                                .shared = shared,
                                .n_shared = l->of->q.n};
        ptd_batch_step(b, reply_of(l)->ids[past], l->of->next + past, ptd_kv_slot(&l->keys, past),
                       span);
    }
}

static void end_line(struct state *st, struct line *l)
{
    struct asked *a = l->of;
    ptd_kv_release(st->kv, &l->keys);
    free(l->stop_at);
    if (++a->ended == st->s->group_size) ptd_kv_release(st->kv, &a->keys);
}

static void drop_finished(struct state *st)
{
    int kept = 0;
    for (int i = 0; i < st->n_lines; i++) {
        struct line *l = &st->line[i];
        const struct ptd_reply *y = reply_of(l);
        if (!y->stopped && y->n < l->of->limit)
            st->line[kept++] = *l;
        else
            end_line(st, l);
    }
    st->n_lines = kept;
}

static void free_asked(struct state *st, struct asked *a)
{
    if (!a) return;
    ptd_kv_release(st->kv, &a->keys);
    ptd_replies_free(a->reply, st->s->group_size);
    free(a);
}

/* Gives away the groups that are whole, in order. */
static int give(struct state *st)
{
    while (st->oldest && st->oldest->ended == st->s->group_size) {
        struct asked *a = st->oldest;
        st->oldest = a->after;
        if (st->newest == a) st->newest = NULL;
        int rc = st->from->done(st->from->ctx, a->reply);
        free_asked(st, a);
        if (rc) return -1;
    }
    return 0;
}

/* One token for each reply; before it, others take the places of those that have ended. */
static int go_on(struct state *st)
{
    int begun;
    do {
        if ((begun = begin_some(st)) < 0) return -1;
        drop_finished(st);
        if (give(st)) return -1;
    } while (begun);
    if (!st->n_lines) return 0;
    ptd_asked_answer();
    fill_step(st);
    ptd_device_record(st->m->device, st->n_lines);
    ptd_forward(st->m, st->step);
    draw(st, st->line, st->step->hidden, st->n_lines);
    drop_finished(st);
    return give(st) ? -1 : 1;
}

/* ---- the whole ---- */

static long kv_blocks(const struct ptd_model *m, const struct ptd_sampling *s)
{
    if (!s->kv_max) return ptd_kv_blocks(s->kv_rows ? s->kv_rows : PTD_SAMPLE_KV_ROWS);
    return (long)((uint64_t)s->kv_max / ptd_kv_block_bytes(m));
}

static void start(struct state *st)
{
    st->kv = ptd_kv_new(st->m, kv_blocks(st->m, st->s));
    st->prefill = ptd_prefill_new(st->m, st->kv, st->s->chunk);
    st->step = ptd_batch_new(st->m);
    st->step->keep = 0;
    st->step->kv = st->kv;
    st->head = ptd_lm_head_new(st->m->device, ptd_model_head(st->m), NULL, st->s->banned);
}

static void finish(struct state *st)
{
    for (int i = 0; i < st->n_lines; i++) end_line(st, &st->line[i]);
    for (struct asked *a = st->oldest, *after; a; a = after) {
        after = a->after;
        free_asked(st, a);
    }
    free_asked(st, st->ahead);
    ptd_batch_free(st->step);
    ptd_lm_head_free(st->head);
    ptd_prefill_free(st->prefill);
    ptd_kv_free(st->kv);
    free(st->line);
    free(st->drawn.u);
    free(st->drawn.id);
    free(st->drawn.logp);
    free(st->drawn.best);
    free(st->closer.first);
    free(st->closer.total);
    free(st->closer.entropy);
    free(st->closer.logp);
}

int ptd_sample_all(struct ptd_model *m, const struct ptd_sampling *s, int64_t step,
                   const struct ptd_questions *q)
{
    struct state st = {.m = m, .s = s, .from = q, .round = (uint32_t)step};
    int more;
    start(&st);
    while ((more = go_on(&st)) > 0) {
    }
    finish(&st);
    return more;
}

/* ---- all at once ---- */

struct list {
    const struct ptd_question *questions;
    int n, at, group_size;
    struct ptd_reply *replies, *to;
};

static int next_of_list(void *ctx, struct ptd_question *q)
{
    struct list *l = ctx;
    if (l->at == l->n) return 0;
    *q = l->questions[l->at++];
    return 1;
}

static int keep_replies(void *ctx, struct ptd_reply *r)
{
    struct list *l = ctx;
    memcpy(l->to, r, (size_t)l->group_size * sizeof *r);
    memset(r, 0, (size_t)l->group_size * sizeof *r);
    l->to += l->group_size;
    return 0;
}

struct ptd_reply *ptd_sample(struct ptd_model *m, const struct ptd_question *questions, int n,
                             const struct ptd_sampling *s, int64_t step)
{
    struct list l = {.questions = questions, .n = n, .group_size = s->group_size};
    struct ptd_questions all = {&l, next_of_list, keep_replies};
    l.to = l.replies = ptd_array((size_t)n * s->group_size + 1, sizeof *l.replies);
    if (ptd_sample_all(m, s, step, &all) == 0) return l.replies;
    ptd_replies_free(l.replies, n * s->group_size);
    return NULL;
}
