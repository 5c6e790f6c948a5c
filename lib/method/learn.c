/* learn: see learn.h. One token's loss is policy.c, the vocabulary head.c, packing score.c. */
#include "method/learn.h"
#include "base/signals.h"
#include "compute/cpu/row.h"
#include "compute/cpu/vec.h"
#include "net/head.h"
#include "net/net.h"
#include "net/score.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct token {
    double loss, pg, kl, jsd, entropy, logp, ratio;
    int side;
};

struct answer {
    const struct ptd_rollout *y;
    int group, tutored, kl;
};

struct work {
    struct ptd_model *m;
    const struct ptd_loss_rules *r;
    struct ptd_score *score;
    struct token *token; /* [score->rows] of the micro-batch */
    long token_cap;
    double n, n_ptd, n_pictures;
    struct ptd_learned *sum;
};

static int is_tutored(const struct ptd_loss_rules *r, const struct ptd_group *g,
                      const struct ptd_rollout *y)
{
    return r->loss == PTD_LOSS_POLICY && y->teacher_ids && g->group_accuracy < r->tau;
}

/* e [V], shares times their sum total, becomes c p + lambda/N_ptd dJ/dz. */
static double divergence(const struct work *w, const struct ptd_target *t, float *e, int V,
                         double total, double c)
{
    const struct ptd_rollout *y = ((const struct answer *)t->reply)->y;
    int k = w->r->top_k && w->r->top_k < y->teacher_k ? w->r->top_k : y->teacher_k;
    struct ptd_support u;
    ptd_support_join(&u, y->teacher_ids + t->token * y->teacher_k,
                     y->teacher_logp + t->token * y->teacher_k, k, y->top_ids + t->token * y->top_k,
                     y->teacher_on_top + t->token * y->top_k, y->teacher_on_top ? y->top_k : 0);
    return ptd_divergence(w->r->divergence, &u, e, V, total, w->r->lambda / w->n_ptd, c);
}

/* Returns dL/dlogp; what the divergence adds is not in it. */
static double policy_token(const struct work *w, const struct ptd_target *t, struct token *k)
{
    const struct answer *a = t->reply;
    double dpg, dkl = 0, old = a->y->logp ? a->y->logp[t->token] : k->logp;
    k->ratio = exp(k->logp - old);
    k->pg = ptd_pg(k->logp, old, a->y->advantage, &w->r->clip, &dpg, &k->side);
    if (a->kl) k->kl = ptd_k3(k->logp, a->y->ref_logp[t->token], &dkl);
    k->loss = (k->pg + w->r->beta * k->kl) / w->n;
    return (dpg + w->r->beta * dkl) / w->n;
}

/* z becomes shares, and these the gradient: -dL/dlogp (p - onehot) and the divergence's. */
static void on_row(void *ctx, long row, float *z, int V)
{
    const struct work *w = ctx;
    const struct ptd_target *t = &w->score->target[row];
    const struct answer *a = t->reply;
    struct token *k = &w->token[row];
    struct ptd_shares s;
    double own = z[t->id], c = 1 / w->n;
    ptd_row_shares(z, V, &s);
    memset(k, 0, sizeof *k);
    k->logp = own - s.lse;
    k->loss = -k->logp / w->n;
    k->entropy = s.entropy;
    if (w->r->loss == PTD_LOSS_POLICY) c = -policy_token(w, t, k);
    if (a->tutored) {
        k->jsd = divergence(w, t, z, V, s.total, c);
        k->loss += w->r->lambda * k->jsd / w->n_ptd;
    } else
        vec_scale(z, (float)(c / s.total), V);
    z[t->id] -= (float)c;
}

/* What the loss reads of the stream at a token may be clipped to something finite, and is refused
 * nevertheless. */
static double read_from_stream(const struct answer *a, int token)
{
    return (a->y->logp ? a->y->logp[token] : 0) + (a->kl ? a->y->ref_logp[token] : 0);
}

static void add_up(struct work *w, int *bad)
{
    struct ptd_learned *s = w->sum;
    for (long i = 0; i < w->score->rows; i++) {
        const struct token *k = &w->token[i];
        const struct answer *a = w->score->target[i].reply;
        double off = fabs(k->ratio - 1),
               old = a->y->logp ? a->y->logp[w->score->target[i].token] : k->logp;
        double given =
            w->r->loss == PTD_LOSS_POLICY ? read_from_stream(a, w->score->target[i].token) : 0;
        if (*bad < 0 && !isfinite(k->loss + k->entropy + given)) *bad = a->group;
        s->loss += k->loss;
        s->pg += k->pg;
        s->kl += k->kl;
        s->jsd += k->jsd;
        s->entropy += k->entropy;
        s->logp += k->logp;
        s->ppo_kl += old - k->logp;
        s->clipped_high += k->side > 0;
        s->clipped_dual += k->side < 0;
        if (w->r->loss == PTD_LOSS_POLICY && off > s->max_ratio_error) s->max_ratio_error = off;
    }
}

static void ground(struct work *w)
{
    struct ptd_batch *b = w->score->batch;
    ptd_num *dimage = ptd_score_nums(w->score, b->n_image_rows * w->m->config.hidden);
    double sum = ptd_ground_backward(w->r->ground, w->m, b, w->n_pictures, dimage);
    w->sum->words += sum / w->n_pictures;
    w->sum->loss += w->r->ground->weight * sum / w->n_pictures;
    b->dimage = dimage;
}

static void run_micro(struct work *w, int *bad)
{
    struct ptd_score *s = w->score;
    const struct ptd_config *c = &w->m->config;
    struct ptd_head_job job = {.device = w->m->device,
                               .W = ptd_model_head(w->m),
                               .V = c->vocab,
                               .H = c->hidden,
                               .temperature = (float)w->r->temperature,
                               .banned = w->r->banned,
                               .row = on_row,
                               .ctx = w};
    ptd_num *dX;
    if (!s->rows) return;
    if (s->rows > w->token_cap)
        w->token = ptd_realloc(w->token, (w->token_cap = s->rows) * sizeof *w->token);
    ptd_score_forward(s);
    dX = ptd_score_nums(s, s->rows * c->hidden);
    ptd_head_backward(&job, s->X, s->rows, dX, ptd_model_dhead(w->m));
    if (w->r->ground && s->batch->n_image_rows && w->r->ground->n) ground(w);
    ptd_score_backward(s, dX);
    add_up(w, bad);
    w->sum->packed += ptd_score_tokens(s);
    ptd_score_reset(s);
}

static int add_group(struct work *w, const struct ptd_group *g, struct answer *a, int index)
{
    struct ptd_score_reply *replies = ptd_array(g->n_rollouts, sizeof *replies);
    int hinted = w->r->loss == PTD_LOSS_SFT && g->hint.text, any = 0, r;
    int first = (int)w->score->batch->n_image_rows;
    for (int i = 0; i < g->n_rollouts; i++) any |= is_tutored(w->r, g, &g->rollouts[i]);
    for (int i = 0; i < g->n_rollouts; i++) {
        const struct ptd_rollout *y = &g->rollouts[i];
        a[i] = (struct answer){.y = y,
                               .group = index,
                               .tutored = is_tutored(w->r, g, y),
                               .kl = w->r->loss == PTD_LOSS_POLICY && !any && y->ref_logp &&
                                     w->r->beta != 0};
        replies[i] = (struct ptd_score_reply){y->ids, y->n, &a[i]};
        if (a[i].kl) w->sum->kl_tokens += y->n;
    }
    r = hinted ? ptd_score_add(w->score, g->hint.prompt_ids, g->hint.n_prompt, g->pictures,
                               g->n_pictures, replies, g->n_rollouts)
               : ptd_score_add(w->score, g->prompt_ids, g->n_prompt, g->pictures, g->n_pictures,
                               replies, g->n_rollouts);
    free(replies);
    if (!r && w->r->ground) r = ptd_ground_add(w->r->ground, w->m, g, first);
    return r ? ptd_fail(ptd_failed_status(), "group \"%s\": %s", g->uid, ptd_failed_message()) : 0;
}

static int count(struct ptd_group **groups, int n, const struct ptd_loss_rules *r,
                 struct ptd_learned *out)
{
    int answers = 0;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < groups[i]->n_rollouts; j++, answers++) {
            const struct ptd_rollout *y = &groups[i]->rollouts[j];
            out->tokens += y->n;
            if (!is_tutored(r, groups[i], y)) continue;
            out->tutored++;
            out->tutored_tokens += y->n;
        }
    return answers;
}

int ptd_learn(struct ptd_score *s, struct ptd_group **groups, int n, const struct ptd_loss_rules *r,
              struct ptd_learned *out, int *bad)
{
    struct work w = {.m = s->m, .r = r, .sum = out, .score = s};
    struct answer *a = ptd_array(count(groups, n, r, out) + 1, sizeof *a), *next = a;
    int result = 0;
    ptd_score_reset(s);
    if (r->ground) r->ground->n = 0;
    *bad = -1;
    w.n = out->tokens;
    w.n_ptd = out->tutored_tokens ? out->tutored_tokens : 1;
    for (int i = 0; r->ground && i < n; i++) w.n_pictures += ptd_ground_count(s->m, groups[i]);
    for (int i = 0; i < n && !result; i++) {
        ptd_asked_answer();
        if ((result = add_group(&w, groups[i], next, i))) *bad = i;
        next += groups[i]->n_rollouts;
        if (!result && (ptd_score_tokens(w.score) >= r->micro_tokens || i == n - 1))
            run_micro(&w, bad);
    }
    free(w.token);
    free(a);
    return result;
}
