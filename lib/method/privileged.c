/* privileged: see privileged.h. How replies come about is net/sample.c's. */
#include "method/privileged.h"
#include "compute/device.h"
#include <stdlib.h>
#include <string.h>

#define ROUNDING   1e-9
#define PRIVILEGED (3ll << 30) /* numbers from here on key these prompts, within a step */

static int is_right(const struct ptd_rollout *y)
{
    return y->outcome == PTD_RIGHT;
}

int ptd_privileged_wanted(const struct ptd_group *g)
{
    if (g->group_accuracy < 0 || !g->hint.text || !g->hint.prompt_ids) return 0;
    for (int i = 0; i < g->n_rollouts; i++)
        if (is_right(&g->rollouts[i])) return 0;
    return 1;
}

int ptd_privileged_is(const struct ptd_group *g)
{
    if (g->group_accuracy < 0 || !g->hint.text) return 0;
    for (int i = 0; i < g->n_rollouts; i++)
        if (g->rollouts[i].outcome != PTD_UNJUDGED) return 0;
    return 1;
}

int ptd_privileged_given(const struct ptd_group *g)
{
    double accuracy = 0;
    if (g->group_accuracy < 0 || !g->hint.text) return 0;
    for (int i = 0; i < g->n_rollouts; i++) {
        if (!is_right(&g->rollouts[i]) || g->rollouts[i].advantage != 0) return 0;
        accuracy += g->rollouts[i].accuracy;
    }
    return g->group_accuracy * g->n_rollouts < accuracy - ROUNDING;
}

int ptd_privileged_noted(const struct ptd_head *h)
{
    for (int i = 0; i < h->n_stages; i++) {
        const struct ptd_stage_note *s = &h->stages[i];
        if (s->name && s->decided && !strcmp(s->name, "ptd-rollout") &&
            strstr(s->decided, " --privileged"))
            return 1;
    }
    return 0;
}

int ptd_privileged_keep(struct ptd_group *g)
{
    int n = 0;
    for (int i = 0; i < g->n_rollouts; i++)
        if (is_right(&g->rollouts[i])) g->rollouts[n++] = g->rollouts[i];
    for (int i = 0; i < n; i++) g->rollouts[i].advantage = 0;
    return g->n_rollouts = n;
}

/* ---- sampling ---- */

struct asking {
    struct ptd_privileged *p;
    struct ptd_group **g;
    uint8_t *changed;
    int n, next, done; /* groups; the next to ask, the next to be answered */
};

static int ask_next(void *ctx, struct ptd_question *q)
{
    struct asking *a = ctx;
    while (a->next < a->n && !ptd_privileged_wanted(a->g[a->next])) a->next++;
    if (a->next == a->n) return 0;
    const struct ptd_group *g = a->g[a->next];
    if (ptd_sample_check(a->p->model, &a->p->sampling, g->hint.n_prompt)) return -1;
    *q = (struct ptd_question){g->hint.prompt_ids, g->hint.n_prompt, g->pictures, g->n_pictures,
                               PRIVILEGED + a->next++};
    return 1;
}

static void put_reply(const struct ptd_privileged *p, struct ptd_group *g, struct ptd_rollout *y,
                      const struct ptd_reply *r)
{
    static const char *const endings[] = {
        [PTD_REPLY_CUT] = "length", [PTD_REPLY_ID] = "eos", [PTD_REPLY_TEXT] = "text"};
    const size_t n = (size_t)r->n, k = r->top_ids ? (size_t)p->sampling.top_logprobs : 0;
    char *text = ptd_tokenizer_decode(p->tokenizer, r->ids, r->n, 1);
    if (r->stopped == PTD_REPLY_TEXT) text[ptd_stop_end(p->sampling.stop_text, text)] = 0;
    int32_t *ids = ptd_group_alloc(g, n * sizeof *ids), *top = NULL;
    float *logp = ptd_group_alloc(g, n * sizeof *logp);
    memcpy(ids, r->ids, n * sizeof *ids);
    memcpy(logp, r->logp, n * sizeof *logp);
    if (k) top = memcpy(ptd_group_alloc(g, n * k * sizeof *top), r->top_ids, n * k * sizeof *top);
    uint16_t *top_logp = r->top_logp ? ptd_group_alloc(g, n * k * sizeof *top_logp) : NULL;
    float *entropy = r->entropy ? ptd_group_alloc(g, n * sizeof *entropy) : NULL;
    if (top_logp) memcpy(top_logp, r->top_logp, n * k * sizeof *top_logp);
    if (entropy) memcpy(entropy, r->entropy, n * sizeof *entropy);
    *y = (struct ptd_rollout){.ids = ids,
                              .n = r->n,
                              .logp = logp,
                              .top_ids = top,
                              .top_k = (int)k,
                              .top_logp = top_logp,
                              .entropy = entropy,
                              .text = ptd_group_text(g, "%s", text),
                              .stop = endings[r->stopped]};
    free(text);
}

static int answer(void *ctx, struct ptd_reply *replies)
{
    struct asking *a = ctx;
    while (!ptd_privileged_wanted(a->g[a->done])) a->done++;
    struct ptd_group *g = a->g[a->done];
    const int n = a->p->sampling.group_size;
    if (ptd_device_wait(a->p->model->device)) return -1;
    struct ptd_rollout *y = ptd_group_alloc(g, (size_t)n * sizeof *y);
    for (int i = 0; i < n; i++) put_reply(a->p, g, &y[i], &replies[i]);
    g->rollouts = y;
    g->n_rollouts = n;
    a->changed[a->done++] = 1;
    a->p->groups++;
    a->p->responses += n;
    return 0;
}

int ptd_privileged_step(struct ptd_privileged *p, struct ptd_group **g, int n, uint8_t *changed)
{
    struct asking a = {.p = p, .g = g, .changed = changed, .n = n};
    struct ptd_questions all = {&a, ask_next, answer};
    memset(changed, 0, (size_t)n);
    return n ? ptd_sample_all(p->model, &p->sampling, g[0]->step, &all) : 0;
}
