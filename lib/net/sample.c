/* sample: prefill, then one decode step for all unfinished replies at a time, with keys and values
 * of prompts shared. How words are drawn from logits is the device's (rows.h). */
#include "net/sample.h"
#include "base/rng.h"
#include "base/signals.h"
#include "net/head.h"
#include "net/net.h"
#include <stdlib.h>
#include <string.h>

struct state {
    struct ptd_model *m;
    struct ptd_lm_head *head;
    struct ptd_batch *prompts, *step;
    const struct ptd_sampling *s;
    struct ptd_reply *replies;
    int *stop_at; /* how much of each stop text a reply ends with, [replies, texts] */
    const int64_t *which;
    uint32_t round; /* the training step */
    int *active;    /* replies still being written */
    int n_active;
    struct { /* of the tokens that are drawn together, [replies] but for best */
        double *u;
        int32_t *id, *best; /* best [replies, top_logprobs] */
        float *logp;
    } drawn;
};

/* How reply r ends with this token; PTD_REPLY_CUT: it does not. */
static int ending(const struct state *st, int r, int32_t id)
{
    const struct ptd_sampling *s = st->s;
    for (int i = 0; i < s->n_stop; i++)
        if (s->stop[i] == id) return PTD_REPLY_ID;
    int *at = st->stop_at + (size_t)r * ptd_stop_places(s->stop_text);
    return s->stop_text && ptd_stop_feed(s->stop_text, at, id) ? PTD_REPLY_TEXT : PTD_REPLY_CUT;
}

/* Most tokens of reply r: its prompt and it have to fit the context. */
static int limit(const struct state *st, int r)
{
    const struct ptd_sampling *s = st->s;
    int context = st->m->config.positions,
        room = context - st->prompts->segments[r / s->group_size].n;
    return context && room < s->max_tokens ? room : s->max_tokens;
}

/* The random number of reply r's next token. */
static double uniform(const struct state *st, int r)
{
    const struct ptd_sampling *s = st->s;
    uint32_t prompt = (uint32_t)st->which[r / s->group_size], rollout = r % s->group_size;
    return ptd_uniform(s->seed, PTD_RNG_SAMPLE, st->round, prompt,
                       rollout << 20 | st->replies[r].n);
}

/* Draw number i, from row `row`, is the next token of reply r. */
static void append(const struct state *st, int r, int i, int row)
{
    const struct ptd_sampling *s = st->s;
    struct ptd_reply *y = &st->replies[r];
    size_t k = s->top_logprobs;
    if (k) memcpy(y->top_ids + y->n * k, st->drawn.best + row * k, k * sizeof *st->drawn.best);
    y->logp[y->n] = st->drawn.logp[i];
    y->ids[y->n++] = st->drawn.id[i];
    y->stopped = ending(st, r, st->drawn.id[i]);
}

/* The next token of each active reply; rows of X [n, hidden] stand for n_active / n neighbours. */
static void draw(struct state *st, const ptd_num *X, int n)
{
    const struct ptd_sampling *s = st->s;
    int each = st->n_active / n;
    struct ptd_ask_draw ask = {.rules.temperature = (float)s->temperature,
                               .draws = each,
                               .u = st->drawn.u,
                               .top_k = s->greedy ? 1 : s->top_k,
                               .top_p = s->top_p,
                               .best = s->top_logprobs};
    struct ptd_got_draw got = {
        .id = st->drawn.id, .logp = st->drawn.logp, .best_id = st->drawn.best};
    for (int i = 0; i < st->n_active; i++) st->drawn.u[i] = uniform(st, st->active[i]);
    ptd_lm_head_draw(st->head, X, n, &ask, &got);
    for (int i = 0; i < st->n_active; i++) append(st, st->active[i], i, i / each);
}

static struct ptd_reply *new_replies(const struct ptd_sampling *s, int n)
{
    struct ptd_reply *r = ptd_array(n, sizeof *r);
    for (int i = 0; i < n; i++) {
        r[i].ids = ptd_array(s->max_tokens, sizeof *r[i].ids);
        r[i].logp = ptd_array(s->max_tokens, sizeof *r[i].logp);
        if (s->top_logprobs)
            r[i].top_ids = ptd_array((size_t)s->max_tokens * s->top_logprobs, sizeof *r[i].top_ids);
    }
    return r;
}

void ptd_replies_free(struct ptd_reply *r, int n)
{
    for (int i = 0; r && i < n; i++) {
        free(r[i].ids);
        free(r[i].logp);
        free(r[i].top_ids);
    }
    free(r);
}

/* The first token of every reply comes from its prompt's last row. */
static void first_tokens(struct state *st)
{
    struct ptd_batch *b = st->prompts;
    struct ptd_device *d = st->m->device;
    int H = st->m->config.hidden, n = b->n_segments;
    ptd_num *X = ptd_pool_nums(&b->pool, (size_t)n * H);
    int32_t *last = ptd_array((size_t)n + 1, sizeof *last);
    for (int i = 0; i < n; i++) last[i] = (int32_t)(b->segments[i].row + b->segments[i].n - 1);
    d->ops->copy_rows(d, X, H, NULL, b->hidden, H, ptd_pool_put_ints(&b->pool, last, (size_t)n), n,
                      H);
    if (n) draw(st, X, n);
    free(last);
}

/* Rows of the next decode step: the last token of each active reply. */
static void fill_step(struct state *st)
{
    const struct ptd_sampling *s = st->s;
    ptd_batch_reset(st->step);
    for (int i = 0; i < st->n_active; i++) {
        int r = st->active[i], past = st->replies[r].n - 1;
        const struct ptd_segment *p = &st->prompts->segments[r / s->group_size];
        long own = st->prompts->n + (long)r * s->max_tokens;
        struct ptd_span span = {
            .n = 1, .own = own, .past = past, .shared = p->row, .n_shared = p->n};
        ptd_batch_step(st->step, st->replies[r].ids[past], p->next + past, own + past, span);
    }
}

static void drop_finished(struct state *st)
{
    int kept = 0;
    for (int i = 0; i < st->n_active; i++) {
        int r = st->active[i];
        const struct ptd_reply *y = &st->replies[r];
        if (!y->stopped && y->n < limit(st, r)) st->active[kept++] = r;
    }
    st->n_active = kept;
}

/* Room for n replies, all active. */
static void start(struct state *st, int n)
{
    st->step = ptd_batch_new(st->m);
    st->head = ptd_lm_head_new(st->m->device, ptd_model_head(st->m), NULL, st->s->banned);
    st->replies = new_replies(st->s, n);
    st->active = ptd_array(n, sizeof *st->active);
    for (st->n_active = 0; st->n_active < n; st->n_active++)
        st->active[st->n_active] = st->n_active;
    st->stop_at = ptd_array((size_t)n * ptd_stop_places(st->s->stop_text) + 1, sizeof(int));
    st->drawn.u = ptd_array(n, sizeof *st->drawn.u);
    st->drawn.id = ptd_array(n, sizeof *st->drawn.id);
    st->drawn.logp = ptd_array(n, sizeof *st->drawn.logp);
    st->drawn.best = ptd_array((size_t)n * st->s->top_logprobs + 1, sizeof *st->drawn.best);
}

static void finish(struct state *st)
{
    ptd_batch_free(st->step);
    ptd_lm_head_free(st->head);
    free(st->active);
    free(st->stop_at);
    free(st->drawn.u);
    free(st->drawn.id);
    free(st->drawn.logp);
    free(st->drawn.best);
}

struct ptd_reply *ptd_sample(struct ptd_model *m, struct ptd_batch *prompts,
                             const struct ptd_sampling *s, int64_t step, const int64_t *which)
{
    int n = prompts->n_segments * s->group_size;
    struct state st = {.m = m, .prompts = prompts, .s = s, .which = which, .round = (uint32_t)step};
    struct ptd_kv *kv = ptd_kv_new(m, prompts->n + (long)n * s->max_tokens);
    start(&st, n);
    prompts->keep = st.step->keep = 0;
    prompts->kv = st.step->kv = kv;
    ptd_forward(m, prompts);
    first_tokens(&st);
    for (drop_finished(&st); st.n_active; drop_finished(&st)) {
        ptd_asked_answer();
        fill_step(&st);
        ptd_forward(m, st.step);
        draw(&st, st.step->hidden, st.n_active);
    }
    prompts->kv = NULL;
    ptd_kv_free(kv);
    finish(&st);
    return st.replies;
}
