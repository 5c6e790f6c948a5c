/* sample_plan: the memory of sampling, from the model's shape and the options; see sample.h. */
#include "net/head.h"
#include "net/sample.h"

static long least(long a, long b)
{
    return a < b ? a : b;
}

/* Replies that are written at once, at most. */
static long lines(const struct ptd_sampling *s, const struct ptd_expected *e)
{
    long all = (e->prompts ? e->prompts : 1) * s->group_size;
    return s->batch ? least(all, s->batch) : all;
}

size_t ptd_sample_keys(const struct ptd_model *m, const struct ptd_sampling *s,
                       const struct ptd_expected *e)
{
    long rows = s->max_tokens > 1 ? s->max_tokens - 1 : 0, n = lines(s, e);
    size_t block = ptd_kv_block_bytes(m);
    long prompts = (n + s->group_size - 1) / s->group_size;
    size_t all = (size_t)(prompts * ptd_kv_blocks(e->prompt) + n * ptd_kv_blocks(rows)) * block;
    size_t one = (size_t)(ptd_kv_blocks(e->prompt) + ptd_kv_blocks(rows)) * block;
    size_t most = s->kv_max ? (size_t)s->kv_max
                            : ptd_kv_blocks(s->kv_rows ? s->kv_rows : PTD_SAMPLE_KV_ROWS) * block;
    if (most < one) most = one;
    return all < most ? all : most;
}

/* The pictures of prompts that are run together. */
static struct ptd_shape pictures_of(const struct ptd_model *m, const struct ptd_expected *e)
{
    struct ptd_shape s = {0};
    ptd_plan_see(e, 1, m, &s);
    long prompts = 1 + PTD_PREFILL_MOST / (s.patches + e->prompt + 1);
    prompts = least(prompts, e->prompts ? e->prompts : 1);
    ptd_plan_see(e, least(prompts, PTD_PREFILL_PROMPTS), m, &s);
    return s;
}

void ptd_sample_plan(struct ptd_plan *p, struct ptd_model *m, const struct ptd_sampling *s,
                     const struct ptd_expected *e)
{
    const struct ptd_config *c = &m->config;
    long chunk = s->chunk ? s->chunk : PTD_PREFILL_ROWS, n = lines(s, e);
    struct ptd_shape seen = pictures_of(m, e), step = {.rows = n}, rows = {.rows = chunk};
    if (e->prompts && e->prompt) rows.rows = least(chunk, e->prompts * e->prompt);
    ptd_plan_take(p, m->device, "keys and values", ptd_sample_keys(m, s, e));
    ptd_plan_take(p, m->device, "prompts", ptd_plan_pool(m, 0, &seen) + ptd_plan_pool(m, 0, &rows));
    ptd_plan_pictures(p, m, &seen);
    ptd_plan_take(p, m->device, "responses", ptd_plan_pool(m, 0, &step));
    ptd_plan_take(p, m->device, "logits", ptd_lm_head_bytes(m->device, c->vocab, n));
    ptd_plan_operations(p, m, 0, &rows);
}
