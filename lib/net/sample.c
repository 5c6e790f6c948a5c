/* sample: prefill, then one decode step for all unfinished replies at a time, with keys and values
 * of prompts shared. What a distribution is asked (top-k, sampling) is head.c. */
#include "net/sample.h"
#include "base/rng.h"
#include "base/signals.h"
#include "compute/cpu/row.h"
#include "net/head.h"
#include "net/net.h"
#include <stdlib.h>
#include <string.h>

struct state {
    struct ptd_model *m;
    struct ptd_batch *prompts, *step;
    const struct ptd_sampling *s;
    struct ptd_reply *replies;
    const int64_t *which;
    uint32_t round; /* the training step */
    int *active;    /* replies still being written */
    int n_active;
    int first; /* rows are prompts: each draws for its whole group */
};

static int stops(const struct ptd_sampling *s, int32_t id)
{
    for (int i = 0; i < s->n_stop; i++)
        if (s->stop[i] == id) return 1;
    return 0;
}

/* Draws the next token of reply r from the row z. */
static void draw(const struct state *st, int r, const float *z, int V, double lse)
{
    const struct ptd_sampling *s = st->s;
    struct ptd_reply *y = &st->replies[r];
    uint32_t prompt = (uint32_t)st->which[r / s->group_size], rollout = r % s->group_size;
    double u = ptd_uniform(s->seed, PTD_RNG_SAMPLE, st->round, prompt, rollout << 20 | y->n);
    int32_t id = ptd_row_sample(z, V, lse, s->greedy ? 1 : s->top_k, s->top_p, u);
    if (s->top_logprobs)
        ptd_row_topk(z, V, lse, s->top_logprobs, y->top_ids + y->n * s->top_logprobs, NULL);
    y->logp[y->n] = (float)(z[id] - lse);
    y->ids[y->n++] = id;
    y->stopped = stops(s, id);
}

static void on_row(void *ctx, long row, float *z, int V)
{
    const struct state *st = ctx;
    double lse = ptd_row_lse(z, V);
    if (!st->first) {
        draw(st, st->active[row], z, V, lse);
        return;
    }
    for (int g = 0; g < st->s->group_size; g++)
        draw(st, (int)row * st->s->group_size + g, z, V, lse);
}

static void run_head(struct state *st, const float *X, long n)
{
    const struct ptd_config *c = &st->m->config;
    struct ptd_head_job job = {.device = st->m->device,
                               .W = ptd_model_head(st->m),
                               .V = c->vocab,
                               .H = c->hidden,
                               .temperature = (float)st->s->temperature,
                               .banned = st->s->banned,
                               .row = on_row,
                               .ctx = st};
    ptd_head_forward(&job, X, n);
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
    d->ops->gather(d, X, b->hidden, ptd_pool_put_ints(&b->pool, last, (size_t)n), n, H);
    st->first = 1;
    run_head(st, X, b->n_segments);
    st->first = 0;
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
        const struct ptd_reply *y = &st->replies[st->active[i]];
        if (!y->stopped && y->n < st->s->max_tokens) st->active[kept++] = st->active[i];
    }
    st->n_active = kept;
}

struct ptd_reply *ptd_sample(struct ptd_model *m, struct ptd_batch *prompts,
                             const struct ptd_sampling *s, int64_t step, const int64_t *which)
{
    int n = prompts->n_segments * s->group_size;
    struct state st = {.m = m,
                       .prompts = prompts,
                       .step = ptd_batch_new(m),
                       .s = s,
                       .which = which,
                       .round = (uint32_t)step};
    struct ptd_kv *kv = ptd_kv_new(m, prompts->n + (long)n * s->max_tokens);
    st.replies = new_replies(s, n);
    st.active = ptd_array(n, sizeof *st.active);
    for (st.n_active = 0; st.n_active < n; st.n_active++) st.active[st.n_active] = st.n_active;
    prompts->keep = st.step->keep = 0;
    prompts->kv = st.step->kv = kv;
    ptd_forward(m, prompts);
    first_tokens(&st);
    for (drop_finished(&st); st.n_active; drop_finished(&st)) {
        ptd_asked_answer();
        fill_step(&st);
        ptd_forward(m, st.step);
        run_head(&st, st.step->hidden, st.n_active);
    }
    prompts->kv = NULL;
    ptd_batch_free(st.step);
    ptd_kv_free(kv);
    free(st.active);
    return st.replies;
}
