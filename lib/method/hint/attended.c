/* attended: see attended.h. The sums are backward's, of lm.c. */
#include "method/hint/attended.h"
#include "data/prompt.h"
#include "net/net.h"
#include "net/score.h"
#include <stdlib.h>
#include <string.h>

struct ptd_attended {
    struct ptd_hint_tools *tools;
    struct ptd_score *score; /* NULL until needed */
    uint8_t *banned;
};

struct ptd_attended *ptd_attended_open(struct ptd_hint_tools *tools)
{
    struct ptd_attended *a = ptd_alloc(sizeof *a);
    a->tools = tools;
    tools->backward = 1;
    return a;
}

void ptd_attended_close(struct ptd_attended *a)
{
    if (!a) return;
    ptd_score_free(a->score);
    free(a->banned);
    free(a);
}

static int load(struct ptd_attended *a)
{
    struct ptd_model *m = ptd_hint_reference(a->tools);
    if (!m || a->score) return m ? 0 : -1;
    a->score = ptd_score_new(m, PTD_KEEP_ALL);
    a->banned = ptd_model_banned(m, ptd_tokenizer_size(a->tools->tokenizer));
    return 0;
}

/* dX: the gradient of the mean over the texts of their log-probs. */
static void learn(struct ptd_attended *a, int texts, ptd_num *dX)
{
    struct ptd_score *s = a->score;
    size_t n = (size_t)s->rows + 1;
    int32_t *id = ptd_array(n, sizeof *id);
    double *logp = ptd_array(n, sizeof *logp), *total = ptd_array(n, sizeof *total),
           *dlogp = ptd_array(n, sizeof *dlogp);
    struct ptd_head_lesson l = {.score = {.rules.temperature = 1, .words = {NULL, id}},
                                .scored = {.total = total, .logp = logp},
                                .gradient = {.dlogp = dlogp}};
    for (long i = 0; i < s->rows; i++) {
        const struct ptd_forced_text *of = s->target[i].reply;
        id[i] = s->target[i].id;
        dlogp[i] = s->target[i].token < of->from ? 0 : 1.0 / texts;
    }
    ptd_lm_head_learn(ptd_score_head(s, a->banned), s->X, s->rows, &l, dX);
    free(id);
    free(logp);
    free(total);
    free(dlogp);
}

/* The prompt as the one who looks reads it: *ids is malloc'd if it is another. */
static int prompt_of(const struct ptd_attended *a, const struct ptd_group *g, int32_t **ids)
{
    *ids = NULL;
    if (!a->tools->foreign) return g->n_prompt;
    return ptd_prompt_render(a->tools->tokenizer, &a->tools->config, g, NULL, ids);
}

static int add(struct ptd_attended *a, const struct ptd_group *g,
               const struct ptd_forced_text *text, int n)
{
    int32_t *ids;
    int len = prompt_of(a, g, &ids);
    struct ptd_score_reply *reply = ptd_array((size_t)n, sizeof *reply);
    for (int i = 0; i < n; i++)
        reply[i] = (struct ptd_score_reply){text[i].ids, text[i].n, (void *)(uintptr_t)&text[i]};
    int rc = len < 0 ? -1
                     : ptd_score_add(a->score, ids ? ids : g->prompt_ids, len, g->pictures,
                                     g->n_pictures, reply, n);
    free(reply);
    free(ids);
    return rc;
}

int ptd_attended_sums(struct ptd_attended *a, struct ptd_group *g,
                      const struct ptd_forced_text *text, int n, const uint8_t *layers, double *sum)
{
    if (load(a) < 0) return -1;
    struct ptd_score *s = a->score;
    ptd_score_reset(s);
    if (add(a, g, text, n) < 0) return -1;
    s->batch->targets = s->rows;
    if (ptd_batch_check(s->batch, a->tools->memory ? a->tools->left : 0,
                        "--from data, smaller pictures or more memory"))
        return -1;
    ptd_score_forward(s);
    ptd_num *dX = ptd_score_nums(s, (size_t)s->rows * s->m->config.hidden);
    learn(a, n, dX);
    ptd_batch_attended(s->batch, layers, sum);
    ptd_score_backward(s, dX);
    return ptd_device_wait(s->m->device);
}
