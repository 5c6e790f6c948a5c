/* learn: see learn.h. A token's loss is lib/method/loss, logits are head.c's, packing score.c's. */
#include "method/learn.h"
#include "method/objective.h"
#include "base/signals.h"
#include "compute/comm.h"
#include "net/net.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of tutored tokens, and of those with masked pictures; all [tokens]. */
struct taught {
    double *weight, *tutor; /* w; the tutor's log-prob of the word */
    const float **hidden;   /* the tutor's row, NULL: it has none */
    double *masked, *extra; /* log-prob with masked pictures, and what it adds to L */
};

struct work {
    struct ptd_score *score;
    const struct ptd_loss_rules *r;
    struct ptd_learned *sum;
    struct ptd_tokens t; /* the arrays below */
    struct ptd_sequence *sequence;
    int32_t *of, *id; /* [tokens] index of its response, and which word it is */
    double *logp, *old, *ref, *total, *entropy, *jsd; /* [tokens] */
    double *advantage, *weight;                       /* [tokens] */
    double *dentropy;          /* [tokens], NULL: entropy has no part in the loss */
    struct ptd_lesson *lesson; /* [tokens], NULL: none is tutored */
    struct taught taught;
    struct ptd_parts p;
    double n_all, n_ptd, n_pictures; /* of the whole update: tokens, tutored tokens, pictures */
    long done;                       /* tokens before the micro-batch at hand */
    int learns;                      /* 0: tokens are only scored */
};

#define TOO_MANY -2 /* tokens for one micro-batch */

const void *ptd_loss_own(const struct ptd_loss_rules *r)
{
    return r->own ? r->own : r->loss->is.own;
}

double ptd_loss_reference(const struct ptd_loss_rules *r)
{
    return r->loss->supervised || r->kl_in_reward ? 0 : r->beta;
}

static int masks(const struct ptd_loss_rules *r)
{
    return r->top_entropy > 0 && r->top_entropy < 1;
}

/* Does the loss need all tokens scored before it is asked? */
static int needs_scores(const struct ptd_loss_rules *r)
{
    return r->loss->sequences || masks(r);
}

/* ---- the tokens of an update ---- */

static int is_tutored(const struct ptd_loss_rules *r, const struct ptd_group *g,
                      const struct ptd_rollout *y)
{
    return !r->loss->supervised && ptd_rollout_taught(y) && g->group_accuracy < r->tau;
}

int ptd_learn_tutors(const struct ptd_loss_rules *r, const struct ptd_group *g)
{
    for (int i = 0; i < g->n_rollouts; i++)
        if (is_tutored(r, g, &g->rollouts[i])) return 1;
    return 0;
}

int ptd_learn_lifts(const struct ptd_loss_rules *r, const struct ptd_group *g)
{
    if (r->tutoring.lift == PTD_LIFT_NONE) return 0;
    if (r->tutoring.lift == PTD_LIFT_ACTIVE)
        return g->group_accuracy >= 0 && g->group_accuracy < r->tau;
    return ptd_learn_tutors(r, g);
}

static void count(struct work *w, struct ptd_group **groups, int n)
{
    struct ptd_learned *s = w->sum;
    memset(s, 0, sizeof *s);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < groups[i]->n_rollouts; j++) {
            const struct ptd_rollout *y = &groups[i]->rollouts[j];
            w->t.n_sequences++;
            s->tokens += y->n;
            if (!is_tutored(w->r, groups[i], y)) continue;
            s->tutored++;
            s->tutored_tokens += y->n;
        }
    w->n_all = s->tokens;
    w->n_ptd = s->tutored_tokens ? s->tutored_tokens : 1;
}

static double count_responses(struct ptd_group **groups, int n)
{
    double responses = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < groups[i]->n_rollouts; j++) responses += groups[i]->rollouts[j].n > 0;
    return responses;
}

/* The counts become those of all ranks. */
static int count_all(struct work *w, struct ptd_group **groups, int n)
{
    double x[] = {(double)w->sum->tokens, count_responses(groups, n),
                  (double)w->sum->tutored_tokens, w->n_pictures};
    if (ptd_comm_ranks(w->r->comm) == 1) return 0;
    if (ptd_comm_sum(w->r->comm, x, 4)) return -1;
    w->n_all = w->t.all_tokens = x[0];
    w->t.all_responses = x[1];
    w->n_ptd = x[2] > 0 ? x[2] : 1;
    w->n_pictures = x[3];
    return 0;
}

static void take_taught(struct work *w, size_t n)
{
    struct taught *t = &w->taught;
    if (w->lesson) {
        t->weight = ptd_array(n, sizeof *t->weight);
        t->tutor = ptd_array(n, sizeof *t->tutor);
        t->hidden = ptd_array(n, sizeof *t->hidden);
    }
    if (w->r->tutoring.masked > 0) {
        t->masked = ptd_array(n, sizeof *t->masked);
        t->extra = ptd_array(n, sizeof *t->extra);
    }
}

static void take(struct work *w)
{
    size_t n = w->sum->tokens + 1;
    double **arrays[] = {&w->logp,   &w->old,     &w->ref,          &w->total,     &w->entropy,
                         &w->jsd,    &w->p.part,  &w->p.loss.dlogp, &w->p.loss.pg, &w->p.kl,
                         &w->weight, &w->p.count, &w->p.loss.ratio, &w->advantage};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        *arrays[i] = ptd_array(n, sizeof **arrays[i]);
    w->p.loss.side = ptd_array(n, sizeof *w->p.loss.side);
    w->of = ptd_array(n, sizeof *w->of);
    w->id = ptd_array(n, sizeof *w->id);
    w->sequence = ptd_array(w->t.n_sequences + 1, sizeof *w->sequence);
    if (w->sum->tutored_tokens) w->lesson = ptd_array(n, sizeof *w->lesson);
    if (w->r->bonus != 0) w->dentropy = ptd_array(n, sizeof *w->dentropy);
    take_taught(w, n);
    w->t.n = w->sum->tokens;
    w->t.clip = w->r->clip;
    w->t.logp = w->logp, w->t.old = w->old, w->t.ref = w->ref;
    w->t.advantage = w->advantage, w->t.weight = w->weight;
    w->t.sequence = w->of, w->t.sequences = w->sequence;
}

static void give_back(struct work *w)
{
    void *arrays[] = {w->logp,   w->old,     w->ref,          w->total,     w->entropy,
                      w->jsd,    w->p.part,  w->p.loss.dlogp, w->p.loss.pg, w->p.kl,
                      w->weight, w->p.count, w->p.loss.ratio, w->advantage, w->of,
                      w->id,     w->lesson,  w->p.loss.side,  w->sequence,  w->dentropy};
    struct taught *t = &w->taught;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
    free(t->weight), free(t->tutor), free(t->hidden), free(t->masked), free(t->extra);
}

static void list_lesson(struct work *w, const struct ptd_rollout *y, int j, long i)
{
    struct taught *t = &w->taught;
    w->lesson[i] = ptd_tutoring_lesson(&w->r->tutoring, y, w->r->top_k, j);
    t->weight[i] = ptd_tutoring_weight(&w->r->tutoring, y, j);
    t->tutor[i] = y->teacher_on_ids ? y->teacher_on_ids[j] : NAN;
    if (w->r->tutoring.as_advantage) w->advantage[i] += w->r->lambda * (t->tutor[i] - w->old[i]);
    t->hidden[i] = y->teacher_rows ? y->teacher_rows + (size_t)j * y->teacher_width : NULL;
}

static void list_tokens(struct work *w, const struct ptd_rollout *y, long sequence)
{
    const struct ptd_sequence *q = &w->sequence[sequence];
    const struct ptd_known *k = &w->r->known;
    for (int j = 0; j < y->n; j++) {
        long i = q->first + j;
        w->of[i] = (int32_t)sequence;
        w->id[i] = y->ids[j];
        w->advantage[i] = k->advantage ? k->advantage[i] : y->advantage;
        w->weight[i] = k->weight ? k->weight[i] : 1;
        w->old[i] = k->old ? k->old[i] : y->logp ? y->logp[j] : NAN; /* until it is scored */
        w->ref[i] = q->reference && !w->r->reference ? y->ref_logp[j] : 0;
        if (q->tutored) list_lesson(w, y, j, i);
        if (w->taught.masked) w->taught.masked[i] = y->masked_logp ? y->masked_logp[j] : NAN;
    }
}

static void list(struct work *w, struct ptd_group **groups, int n)
{
    long first = 0, s = 0;
    for (int i = 0; i < n; i++) {
        int reads = ptd_loss_reference(w->r) != 0 && !ptd_learn_lifts(w->r, groups[i]);
        for (int j = 0; j < groups[i]->n_rollouts; j++, s++) {
            const struct ptd_rollout *y = &groups[i]->rollouts[j];
            w->sequence[s] =
                (struct ptd_sequence){.first = first,
                                      .n = y->n,
                                      .group = i,
                                      .advantage = y->advantage,
                                      .reference = reads && (y->ref_logp || w->r->reference),
                                      .has_old = y->logp || w->r->known.old,
                                      .tutored = is_tutored(w->r, groups[i], y)};
            if (w->sequence[s].reference) w->sum->kl_tokens += y->n;
            list_tokens(w, y, s);
            first += y->n;
        }
    }
    ptd_aggregate_counts(&w->t, w->r->aggregate, w->r->length, w->p.count);
    for (long i = 0; w->dentropy && i < w->t.n; i++) w->dentropy[i] = -w->r->bonus / w->n_all;
}

/* ---- a micro-batch ---- */

/* Where nothing is known of when a token was sampled, it is taken as it is now. */
static void complete(struct work *w, long first, long n)
{
    for (long i = first; i < first + n; i++)
        if (!w->sequence[w->of[i]].has_old) w->old[i] = w->logp[i];
}

static void ask_loss(void *ctx, long first, long n)
{
    struct work *w = ctx;
    complete(w, w->done + first, n);
    ptd_objective(w->r, &w->t, w->done + first, n, &w->p);
}

/* 1: the tutor is asked of the sampled word alone, so no row of logits is compared. */
static int by_word(const struct work *w)
{
    return w->r->divergence->word || w->r->tutoring.as_advantage;
}

static void tutor_token(struct work *w, long i)
{
    const struct ptd_divergence *d = w->r->divergence;
    struct taught *t = &w->taught;
    double ratio = exp(w->logp[i] - w->old[i]), dlogp;
    t->weight[i] = ptd_tutoring_weighed(&w->r->tutoring, t->weight[i], w->entropy[i], ratio);
    if (w->r->tutoring.as_advantage) w->jsd[i] = w->old[i] - t->tutor[i];
    if (w->r->tutoring.as_advantage || !d->word) return;
    w->jsd[i] = d->word(d->is.own, w->logp[i], t->tutor[i], &dlogp);
    w->p.loss.dlogp[i] += w->r->lambda / w->n_ptd * t->weight[i] * dlogp;
}

/* What is known once a token is scored, beside its loss. */
static void tutor(struct work *w, long first, long n)
{
    struct taught *t = &w->taught;
    double dlogp;
    for (long i = first; i < first + n; i++) {
        if (w->lesson && w->sequence[w->of[i]].tutored) tutor_token(w, i);
        if (!t->masked) continue;
        t->extra[i] =
            ptd_masked_term(w->r->tutoring.masked, w->logp[i], t->masked[i], &dlogp) / w->n_all;
        w->p.loss.dlogp[i] += dlogp / w->n_all;
    }
}

/* Some rows of a micro-batch are scored. */
static void on_scored(void *ctx, long first, long n)
{
    struct work *w = ctx;
    if (!needs_scores(w->r)) ask_loss(ctx, first, n);
    tutor(w, w->done + first, n);
}

static void ground(struct work *w)
{
    struct ptd_batch *b = w->score->batch;
    ptd_num *dimage = ptd_score_nums(w->score, b->n_image_rows * w->score->m->config.hidden);
    double sum = ptd_ground_backward(w->r->ground, w->score, w->n_pictures, dimage);
    w->sum->words += sum / w->n_pictures;
    w->sum->loss += w->r->ground->weight * sum / w->n_pictures;
    b->dimage = dimage;
}

static struct ptd_ask_score asked(const struct work *w)
{
    return (struct ptd_ask_score){.rules.temperature = (float)w->r->temperature,
                                  .words.id = w->id + w->done};
}

/* Of token i what the divergence adds to L. */
static double far_of(const struct work *w, long i)
{
    if (!w->lesson || w->r->tutoring.as_advantage) return 0;
    return w->r->lambda * w->taught.weight[i] * w->jsd[i] / w->n_ptd;
}

/* Of token i. */
static double loss_of(const struct work *w, long i)
{
    double bonus = w->dentropy ? w->dentropy[i] * w->entropy[i] : 0;
    double extra = w->taught.extra ? w->taught.extra[i] : 0;
    double kl = w->r->reference ? ptd_loss_reference(w->r) * w->p.kl[i] / w->p.count[i] : 0;
    return w->p.part[i] + bonus + kl + extra + far_of(w, i);
}

/* What the loss reads of the stream may be clipped to something finite, and is refused
 * nevertheless.
 */
static int is_finite(const struct work *w, long i)
{
    double given = w->r->loss->supervised ? 0 : w->old[i] + w->ref[i];
    double loss = loss_of(w, i);
    if (w->taught.masked) given += w->taught.masked[i];
    return isfinite(loss + w->entropy[i] + given);
}

/* The group of the first token that gives no finite loss, or -1. */
static int first_bad(const struct work *w)
{
    for (long i = 0; i < w->t.n; i++)
        if (!is_finite(w, i)) return w->sequence[w->of[i]].group;
    return -1;
}

/* The KL over all words, of tokens that have a reference. */
static void refer(struct work *w, ptd_num *dX)
{
    struct ptd_score *s = w->score;
    double *weight = ptd_array(s->rows, sizeof *weight), beta = ptd_loss_reference(w->r);
    for (long i = 0; i < s->rows; i++)
        if (w->sequence[w->of[w->done + i]].reference) weight[i] = beta / w->p.count[w->done + i];
    ptd_reference_learn(w->r->reference, s,
                        &(struct ptd_reference_ask){.temperature = w->r->temperature,
                                                    .banned = w->r->banned,
                                                    .weight = weight,
                                                    .value = w->p.kl + w->done},
                        dX);
    free(weight);
}

static void learn_micro(struct work *w)
{
    struct ptd_score *s = w->score;
    long at = w->done;
    struct ptd_head_lesson l = {
        .score = asked(w),
        .scored = {.total = w->total + at, .entropy = w->entropy + at, .logp = w->logp + at},
        .loss = on_scored,
        .ctx = w,
        .gradient = {.dlogp = w->p.loss.dlogp + at,
                     .dentropy = w->dentropy ? w->dentropy + at : NULL,
                     .divergence = w->r->divergence,
                     .weight = w->r->lambda / w->n_ptd,
                     .no_tail = w->r->tutoring.no_tail},
    };
    if (w->lesson && !by_word(w)) {
        l.gradient.lesson = w->lesson + at;
        l.gradient.weights = w->taught.weight + at;
        l.hidden = w->taught.hidden + at;
        l.tutor = w->r->tutoring.head;
        l.value = w->jsd + at;
    }
    ptd_num *dX = ptd_score_nums(s, s->rows * s->m->config.hidden);
    ptd_lm_head_learn(ptd_score_head(s, w->r->banned), s->X, s->rows, &l, dX);
    if (w->r->reference) refer(w, dX);
    w->sum->packed += ptd_score_tokens(s);
    if (w->r->whole && first_bad(w) >= 0) return;
    if (w->r->ground && s->batch->n_image_rows && w->r->ground->n) ground(w);
    ptd_score_backward(s, dX);
}

static void score_micro(struct work *w)
{
    struct ptd_score *s = w->score;
    struct ptd_ask_score ask = asked(w);
    struct ptd_got_score got = {
        .total = w->total + w->done, .entropy = w->entropy + w->done, .logp = w->logp + w->done};
    ask.shares = masks(w->r);
    ptd_lm_head_score(ptd_score_head(s, w->r->banned), s->X, s->rows, &ask, &got);
}

static void run_micro(struct work *w)
{
    if (!w->score->rows) return;
    ptd_score_forward(w->score);
    if (w->r->reference && w->learns) ptd_score_forward(w->r->reference->score);
    if (w->learns)
        learn_micro(w);
    else
        score_micro(w);
    w->done += w->score->rows;
    ptd_score_reset(w->score);
    if (w->r->reference) ptd_score_reset(w->r->reference->score);
}

/* ---- packing ---- */

/* Of replies first .. n - 1 behind a prompt of n_prompt tokens, the first that has no room any
 * more: there is always room for one where none is yet. */
static int fitting(const struct work *w, const struct ptd_group *g, int n_prompt, int first)
{
    long tokens = ptd_score_tokens(w->score), room = 2 * w->r->micro_tokens;
    int i = first, empty = !w->score->rows;
    tokens += n_prompt;
    for (; i < g->n_rollouts; i++, empty = 0) {
        int n = g->rollouts[i].n;
        tokens += n > 1 ? n - 1 : 0;
        if (tokens > room && !empty) break;
    }
    return i;
}

/* Replies first .. last - 1 behind the prompt. */
static int add_piece(struct work *w, const struct ptd_group *g, int first, int last)
{
    struct ptd_score_reply *replies = ptd_array(last - first + 1, sizeof *replies);
    int hinted = w->r->loss->supervised && g->hint.text, r;
    int image = (int)w->score->batch->n_image_rows;
    for (int i = first; i < last; i++)
        replies[i - first] = (struct ptd_score_reply){g->rollouts[i].ids, g->rollouts[i].n, NULL};
    r = ptd_score_add(w->score, hinted ? g->hint.prompt_ids : g->prompt_ids,
                      hinted ? g->hint.n_prompt : g->n_prompt, g->pictures, g->n_pictures, replies,
                      last - first);
    if (!r && w->r->reference && w->learns)
        r = ptd_score_add(w->r->reference->score, g->prompt_ids, g->n_prompt, g->pictures,
                          g->n_pictures, replies, last - first);
    free(replies);
    if (!r && !first && w->r->ground && w->learns)
        r = ptd_ground_add(w->r->ground, w->score->m, g, image);
    return r ? ptd_fail(ptd_failed_status(), "group \"%s\": %s", g->uid, ptd_failed_message()) : 0;
}

static int too_many(const struct work *w)
{
    ptd_fail(PTD_CONFIG,
             "an update of more than %ld packed tokens: --apply layer computes it as one "
             "micro-batch, of at most twice --micro: expected a larger --micro or more --updates",
             2 * w->r->micro_tokens);
    return TOO_MANY;
}

static int add_group(struct work *w, const struct ptd_group *g)
{
    int n_prompt = w->r->loss->supervised && g->hint.text ? g->hint.n_prompt : g->n_prompt;
    for (int first = 0, last;; first = last) {
        last = fitting(w, g, n_prompt, first);
        if ((last > first || !g->n_rollouts) && add_piece(w, g, first, last)) return -1;
        if (last == g->n_rollouts) return 0;
        if (w->r->whole && w->learns) return too_many(w);
        run_micro(w);
    }
}

/* All tokens are scored, or learned, in micro-batches. */
static int pass(struct work *w, struct ptd_group **groups, int n, int learns, int *bad)
{
    w->learns = learns;
    w->done = 0;
    ptd_score_reset(w->score);
    if (w->r->reference) ptd_score_reset(w->r->reference->score);
    if (w->r->ground) w->r->ground->n = 0;
    for (int i = 0; i < n; i++) {
        ptd_asked_answer();
        int r = add_group(w, groups[i]);
        if (r) {
            *bad = r == TOO_MANY ? -1 : i;
            return -1;
        }
        int full = ptd_score_tokens(w->score) >= w->r->micro_tokens;
        if (i == n - 1 && learns && w->r->last) w->r->last(w->r->last_ctx);
        if ((full && !(w->r->whole && learns)) || i == n - 1) run_micro(w);
    }
    return 0;
}

/* Which tokens have most entropy says the whole update. */
static int mask(struct work *w)
{
    int ranks = ptd_comm_ranks(w->r->comm), rank = ptd_comm_rank(w->r->comm);
    size_t *bytes = ptd_array(ranks, sizeof *bytes), before = 0, sum = 0;
    double *all;
    int rc =
        ptd_comm_gather_all(w->r->comm, w->entropy, w->t.n * sizeof *all, (void **)&all, bytes);
    for (int r = 0; r < ranks; r++) before += r < rank ? bytes[r] : 0, sum += bytes[r];
    double *weight = ptd_array(sum / sizeof *all + 1, sizeof *weight);
    for (size_t i = 0; i < sum / sizeof *all; i++) weight[i] = 1;
    if (!rc) ptd_objective_mask(all, sum / sizeof *all, w->r->top_entropy, weight);
    for (long i = 0; i < w->t.n; i++)
        if (weight[before / sizeof *all + i] == 0) w->weight[i] = 0;
    free(weight);
    free(all);
    free(bytes);
    return rc;
}

/* For losses that look at whole responses, or at all of them. */
static int score_all(struct work *w, struct ptd_group **groups, int n, int *bad)
{
    if (pass(w, groups, n, 0, bad)) return -1;
    w->done = 0;
    int rc = masks(w->r) ? mask(w) : 0;
    ask_loss(w, 0, w->t.n);
    return rc;
}

/* ---- sums ---- */

static void leave(float *to, long i, double x)
{
    if (to) to[i] = (float)x;
}

static void trace(const struct work *w)
{
    const struct ptd_traced *t = &w->r->traced;
    for (long i = 0; t->entropy && i < w->t.n; i++) {
        int tutored = w->sequence[w->of[i]].tutored, pays = !w->r->loss->supervised;
        leave(t->entropy, i, w->entropy[i]);
        leave(t->divergence, i, tutored ? w->jsd[i] : NAN);
        leave(t->advantage, i, pays ? w->advantage[i] : NAN);
    }
}

static void add_up(struct work *w, int *bad)
{
    struct ptd_learned *s = w->sum;
    *bad = first_bad(w);
    for (long i = 0; i < w->t.n; i++) {
        double off = fabs(w->p.loss.ratio[i] - 1), gap = fabs(w->old[i] - w->logp[i]);
        s->loss += loss_of(w, i);
        s->pg_loss += w->weight[i] * w->p.loss.pg[i] / w->p.count[i];
        s->kl_loss += w->p.kl[i] / w->p.count[i];
        s->entropy_loss += w->entropy[i] / w->n_all;
        s->far_loss += far_of(w, i);
        s->pg += w->p.loss.pg[i];
        s->kl += w->p.kl[i];
        s->jsd += w->jsd[i];
        s->gap += gap;
        if (gap > s->max_gap) s->max_gap = gap;
        if (w->taught.extra) s->masked_loss += w->taught.extra[i];
        s->entropy += w->entropy[i];
        s->logp += w->logp[i];
        s->ppo_kl += w->old[i] - w->logp[i];
        s->clipped_high += w->p.loss.side[i] > 0;
        s->clipped_dual += w->p.loss.side[i] < 0;
        if (!w->r->loss->supervised && off > s->max_ratio_error) s->max_ratio_error = off;
    }
}

int ptd_learn(struct ptd_score *s, struct ptd_group **groups, int n, const struct ptd_loss_rules *r,
              struct ptd_learned *out, int *bad)
{
    struct work w = {.score = s, .r = r, .sum = out};
    int result = 0;
    *bad = -1;
    count(&w, groups, n);
    for (int i = 0; r->ground && i < n; i++) w.n_pictures += ptd_ground_count(s->m, groups[i]);
    if (count_all(&w, groups, n)) return -1;
    take(&w);
    list(&w, groups, n);
    if (needs_scores(r)) result = score_all(&w, groups, n, bad);
    if (!result) result = pass(&w, groups, n, 1, bad);
    if (!result) add_up(&w, bad), trace(&w);
    give_back(&w);
    return result;
}

int ptd_learn_look(struct ptd_score *s, struct ptd_group **groups, int n,
                   const struct ptd_loss_rules *r, double *logp, int *bad)
{
    struct ptd_learned sum;
    struct work w = {.score = s, .r = r, .sum = &sum};
    *bad = -1;
    count(&w, groups, n);
    take(&w);
    list(&w, groups, n);
    int result = pass(&w, groups, n, 0, bad);
    memcpy(logp, w.logp, w.t.n * sizeof *logp);
    give_back(&w);
    return result;
}
