/* refer_read: one micro-batch of responses read, and what was read put into its places. What is
 * read with what, and what is kept of it, is refer.c's. */
#include "method/refer_private.h"
#include "base/half.h"
#include "net/head.h"
#include <stdlib.h>
#include <string.h>

const int32_t *ptd_refer_prompt(const struct ptd_refer_rules *r, const struct ptd_refer_task *t,
                                int *n)
{
    int hinted = t->kind == PTD_REFER_TEACH && !r->plain;
    *n = hinted ? t->g->hint.n_prompt : t->g->n_prompt;
    return hinted ? t->g->hint.prompt_ids : t->g->prompt_ids;
}

/* What was read of the tokens of one micro-batch, whose tasks are of one kind. */
struct reading {
    int32_t *id, *first; /* the words whose log-probs are wanted; token r's begin at first[r] */
    double *logp;        /* of each of them */
    int32_t *top_id;     /* [rows, k] */
    float *top_logp;
    float *hidden; /* [rows, width] */
    int k, width;
};

/* Of the student's own, beside the one that was sampled. */
static int n_own(const struct ptd_refer_task *t)
{
    return t->kind == PTD_REFER_TEACH && t->y->teacher_on_top ? t->y->top_k : 0;
}

static void list_words(const struct ptd_score *s, struct reading *r)
{
    size_t n = 0;
    for (long i = 0; i < s->rows; i++) n += 1 + n_own(s->target[i].reply);
    r->first = ptd_array(s->rows + 1, sizeof *r->first);
    r->id = ptd_array(n + 1, sizeof *r->id);
    r->logp = ptd_array(n + 1, sizeof *r->logp);
    for (long i = 0; i < s->rows; i++) {
        const struct ptd_refer_task *t = s->target[i].reply;
        int own = n_own(t);
        int32_t *id = r->id + r->first[i];
        r->first[i + 1] = r->first[i] + 1 + own;
        *id = s->target[i].id;
        if (own) memcpy(id + 1, t->y->top_ids + (size_t)s->target[i].token * own, own * sizeof *id);
    }
}

static void hand_out_lesson(const struct reading *r, long i, struct ptd_rollout *y, size_t at)
{
    const double *own = r->logp + r->first[i] + 1;
    int k = r->k;
    if (r->width)
        memcpy((float *)y->teacher_rows + at * r->width, r->hidden + i * r->width,
               r->width * sizeof *r->hidden);
    if (!k) return;
    memcpy((int32_t *)y->teacher_ids + at * k, r->top_id + i * k, k * sizeof *r->top_id);
    ptd_halves((uint16_t *)y->teacher_logp + at * k, r->top_logp + i * k, k);
    for (int j = 0; y->teacher_on_top && j < y->top_k; j++)
        ((uint16_t *)y->teacher_on_top)[at * y->top_k + j] = ptd_half((float)own[j]);
}

/* Row i's answer to its place in the task's value. */
static void hand_out(const struct ptd_score *s, const struct reading *r, long i)
{
    const struct ptd_refer_task *t = s->target[i].reply;
    size_t at = s->target[i].token;
    ((float *)t->value)[at] = (float)r->logp[r->first[i]];
    if (t->kind == PTD_REFER_TEACH) hand_out_lesson(r, i, t->y, at);
}

static void free_reading(struct reading *r)
{
    free(r->id);
    free(r->first);
    free(r->logp);
    free(r->top_id);
    free(r->top_logp);
    free(r->hidden);
}

void ptd_refer_run(const struct ptd_refer_rules *rules, struct ptd_teacher *d)
{
    struct ptd_score *s = d->score;
    struct reading r = {0};
    if (!s->rows) return;
    if (((const struct ptd_refer_task *)s->target[0].reply)->kind == PTD_REFER_TEACH)
        r.k = rules->top_k, r.width = rules->whole ? d->hidden : 0;
    list_words(s, &r);
    r.top_id = ptd_array(s->rows * r.k + 1, sizeof *r.top_id);
    r.top_logp = ptd_array(s->rows * r.k + 1, sizeof *r.top_logp);
    r.hidden = ptd_array((size_t)s->rows * r.width + 1, sizeof *r.hidden);
    struct ptd_ask_score ask = {
        .rules.temperature = (float)rules->temperature, .words = {r.first, r.id}, .top_k = r.k};
    struct ptd_got_score got = {.logp = r.logp, .top_id = r.top_id, .top_logp = r.top_logp};
    ptd_score_forward(s);
    ptd_lm_head_score(ptd_score_head(s, d->banned), s->X, s->rows, &ask, &got);
    if (r.width) d->device->ops->get_nums(d->device, r.hidden, s->X, (size_t)s->rows * r.width);
    for (long i = 0; i < s->rows; i++) hand_out(s, &r, i);
    ptd_score_reset(s);
    free_reading(&r);
}

/* tasks[0 .. n) share prompt and kind. */
int ptd_refer_add(const struct ptd_refer_rules *rules, struct ptd_teacher *d,
                  struct ptd_refer_task *const *t, int n)
{
    const struct ptd_group *g = t[0]->g;
    struct ptd_score_reply *replies = ptd_array(n, sizeof *replies);
    int n_prompt, r;
    const int32_t *prompt = ptd_refer_prompt(rules, t[0], &n_prompt);
    for (int i = 0; i < n; i++)
        replies[i] = (struct ptd_score_reply){t[i]->y->ids, t[i]->y->n, t[i]};
    r = ptd_score_add(d->score, prompt, n_prompt, t[0]->pictures, g->n_pictures, replies, n);
    free(replies);
    return r ? ptd_fail(ptd_failed_status(), "group \"%s\": %s", g->uid, ptd_failed_message()) : 0;
}
