/* rollouts: see rollouts.h. Which weights and which steps is the program's, how replies come about
 * net/sample.c's. */
#include "method/rollouts.h"
#include "base/progress.h"
#include "base/rank.h"
#include "base/size.h"
#include "compute/device.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN (1ll << 31) /* numbers from here on key what is asked again, within a step */

struct ptd_waiting {
    struct ptd_group g;
    struct ptd_waiting *after;
};

/* ---- groups out ---- */

/* A text ends where its stop text does; the ids stay what was sampled. */
static void put_reply(struct ptd_rollouts *r, struct ptd_group *g, struct ptd_rollout *y,
                      const struct ptd_reply *a)
{
    static const char *const endings[] = {
        [PTD_REPLY_CUT] = "length", [PTD_REPLY_ID] = "eos", [PTD_REPLY_TEXT] = "text"};
    char *text = ptd_tokenizer_decode(r->src->tokenizer, a->ids, a->n, 1);
    if (a->stopped == PTD_REPLY_TEXT) text[ptd_stop_end(r->sampling.stop_text, text)] = 0;
    y->ids = a->ids;
    y->logp = a->logp;
    y->n = a->n;
    y->top_ids = a->top_ids;
    y->top_k = a->top_ids ? r->sampling.top_logprobs : 0;
    y->top_logp = a->top_logp;
    y->entropy = a->entropy;
    y->text = ptd_group_text(g, "%s", text);
    y->stop = endings[a->stopped];
    free(text);
}

static int put_group(struct ptd_rollouts *r, struct ptd_group *g, const struct ptd_reply *replies)
{
    int n = r->sampling.group_size;
    g->generation = r->generation;
    g->rollouts = ptd_group_alloc(g, n * sizeof *g->rollouts);
    g->n_rollouts = n;
    for (int i = 0; i < n; i++) put_reply(r, g, &g->rollouts[i], &replies[i]);
    if (r->sampling.beside) g->rollouts[n - 1].greedy = 1, g->rollouts[n - 1].logp = NULL;
    int64_t tokens = 0;
    for (int i = 0; i < n; i++) tokens += g->rollouts[i].n;
    ptd_board_count(1, tokens);
    ptd_progress_tick();
    ptd_group_encode(g, &r->buf);
    return ptd_writer_put(r->out, PTD_GROUP, r->buf.data, r->buf.len);
}

static void drop_oldest(struct ptd_rollouts *r)
{
    struct ptd_waiting *w = r->oldest;
    r->oldest = w->after;
    if (!r->oldest) r->newest = NULL;
    ptd_group_clear(&w->g);
    free(w);
}

/* The replies to the oldest prompt are there. */
static int write_oldest(void *ctx, struct ptd_reply *replies)
{
    struct ptd_rollouts *r = ctx;
    if (ptd_device_wait(r->model->device)) return -1;
    int rc = put_group(r, &r->oldest->g, replies);
    drop_oldest(r);
    return rc;
}

/* ---- prompts in ---- */

/* Before anything is sampled: will the group fit into a frame, whatever is answered? */
static int check_frame(struct ptd_rollouts *r, const struct ptd_group *g)
{
    ptd_group_encode(g, &r->buf);
    if ((double)r->buf.len + r->reply_bytes <= PTD_FRAME_MAX) return 0;
    return ptd_fail(PTD_CONFIG,
                    "pictures and texts of %s and up to %s of responses are over the %s that a "
                    "frame holds: expected a smaller -G, -m or -k",
                    ptd_size((double)r->buf.len).text, ptd_size(r->reply_bytes).text,
                    ptd_size(PTD_FRAME_MAX).text);
}

/* May this prompt be answered here? */
static int check_prompt(struct ptd_rollouts *r, const struct ptd_group *g)
{
    if (check_frame(r, g) == 0 && ptd_sample_check(r->model, &r->sampling, g->n_prompt) == 0)
        return 0;
    return ptd_dataset_blame(r->src->data, (int)g->index);
}

static struct ptd_waiting *wait_for_replies(struct ptd_rollouts *r)
{
    struct ptd_waiting *w = ptd_alloc(sizeof *w);
    *(r->newest ? &r->newest->after : &r->oldest) = w;
    return r->newest = w;
}

static void note_row(struct ptd_rollouts *r, const struct ptd_group *g)
{
    if (r->n_rows == r->cap_rows) {
        r->cap_rows = r->cap_rows ? 2 * r->cap_rows : 64;
        r->rows = ptd_realloc(r->rows, (size_t)r->cap_rows * sizeof *r->rows);
    }
    r->rows[r->n_rows++] = (int)g->index;
}

/* Is prompt q of the round ours? */
static int is_ours(const struct ptd_rollouts *r, int64_t q)
{
    return !r->shares || (r->round->asked + q) % r->shares == r->share;
}

static void put_place(const struct ptd_rollouts *r, struct ptd_group *g, int64_t q)
{
    if (!r->shares) return;
    g->place = r->round->asked + q + 1;
    if (r->rounds) g->round = r->ours;
}

/* The next row of the order that is not left out; 0: that was all. */
static int take_in_order(struct ptd_rollouts *r, struct ptd_group *g)
{
    for (int out; r->at < r->end; r->at++) {
        struct ptd_place place = {r->at, r->seed, !r->eval};
        if (!is_ours(r, r->at - r->round->first)) continue;
        if ((out = ptd_source_take(r->src, place, r->step, g)) < 0) return -1;
        /* the position, not the row: it may come twice in a step that crosses epochs */
        r->number = r->at;
        if (out) continue;
        put_place(r, g, r->at - r->round->first);
        return r->at++, 1;
    }
    return 0;
}

/* The next row of those that are asked again. */
static int take_again(struct ptd_rollouts *r, struct ptd_group *g)
{
    const struct ptd_round *round = r->round;
    for (; r->asked_again < round->n_again; r->asked_again++) {
        if (!is_ours(r, round->n + r->asked_again)) continue;
        r->number = AGAIN + round->before + r->asked_again;
        if (ptd_source_group(r->src, round->again[r->asked_again], r->step, g)) return -1;
        put_place(r, g, round->n + r->asked_again);
        return r->asked_again++, 1;
    }
    return 0;
}

/* 1: it is there, 0: that was all. */
static int take_next(struct ptd_rollouts *r, struct ptd_group *g)
{
    int got = take_in_order(r, g);
    return got ? got : take_again(r, g);
}

/* The prompt of the next row. */
static int read_next(void *ctx, struct ptd_question *q)
{
    struct ptd_rollouts *r = ctx;
    struct ptd_group g = {0};
    int got = take_next(r, &g);
    if (got <= 0) return got;
    struct ptd_group *kept = &wait_for_replies(r)->g;
    *kept = g;
    note_row(r, kept);
    *q = (struct ptd_question){kept->prompt_ids, kept->n_prompt, kept->pictures, kept->n_pictures,
                               r->number};
    return check_prompt(r, kept) ? -1 : 1;
}

/* ---- steps ---- */

int ptd_rollouts_check(struct ptd_rollouts *r, const struct ptd_head *h)
{
    struct ptd_head all = *h;
    all.group_size = r->sampling.group_size;
    r->reply_bytes = ptd_head_rollout_bytes(&all, 0);
    if (r->reply_bytes <= PTD_FRAME_MAX) return ptd_sample_check(r->model, &r->sampling, 1);
    return ptd_fail(PTD_CONFIG,
                    "%d responses (-G) of up to %d tokens (-m) with %d ids each (-k) can take "
                    "%s, and a frame holds %s: expected -m of at most %.0f, or a smaller -G or -k",
                    h->group_size, h->max_tokens, h->top_logprobs, ptd_size(r->reply_bytes).text,
                    ptd_size(PTD_FRAME_MAX).text,
                    floor(h->max_tokens * (PTD_FRAME_MAX / r->reply_bytes)));
}

void ptd_rollouts_begin(struct ptd_rollouts *r)
{
    r->n_rows = 0;
}

int ptd_rollouts_ask(struct ptd_rollouts *r, int64_t step, const struct ptd_round *round)
{
    struct ptd_questions all = {r, read_next, write_oldest};
    r->step = step;
    r->round = round;
    r->ours = (int)ptd_rank_share(round->asked, round->n + round->n_again, r->share,
                                  r->shares ? r->shares : 1);
    r->at = round->first;
    r->end = round->first + round->n;
    r->asked_again = 0;
    /* in evaluation random numbers are the same whatever the steps are */
    return ptd_sample_all(r->model, &r->sampling, r->eval ? 0 : step, &all);
}

int ptd_rollouts_step(struct ptd_rollouts *r, int64_t step, int64_t first, int64_t n)
{
    struct ptd_round round = {.first = first, .n = n};
    ptd_rollouts_begin(r);
    return ptd_rollouts_ask(r, step, &round) ? -1 : ptd_writer_step(r->out, step);
}

void ptd_rollouts_clear(struct ptd_rollouts *r)
{
    while (r->oldest) drop_oldest(r);
    free(r->buf.data);
    free(r->rows);
    memset(r, 0, sizeof *r);
}
