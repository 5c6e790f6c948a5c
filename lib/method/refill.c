/* refill: see refill.h. */
#include "method/refill.h"
#include "base/rank.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define NAP 20 /* ms between two calls of idle */

struct step {
    int64_t number, kept;
    int n_again; /* draws so far */
    int n;       /* prompts so far, of all ranks, and what became of them: */
    int *rows;
    double *accuracy;
    uint8_t *taken;
};

static int is_ours(const struct ptd_refill *f, int64_t number)
{
    const struct ptd_rollouts *r = f->rollouts;
    return !r->shares || number % r->shares == r->share;
}

/* Of all ranks one says what all know. */
static int speaks(const struct ptd_refill *f)
{
    return !f->rollouts->share;
}

/* ---- a round ---- */

/* Of n prompts those that are asked again; no more than there are. */
static int choose_again(struct ptd_refill *f, struct step *s, int n, int *again)
{
    const struct ptd_source *src = f->rollouts->src;
    int many = (int)floor(f->share * n + 0.5);
    for (int i = 0; i < n - many; i++)
        s->taken[ptd_dataset_order(src->data, f->seed, f->history.position + i)] = 1;
    many = ptd_history_again(&f->history, f->seed, s->number, s->n_again, many, s->taken, again);
    s->n_again += many;
    return many;
}

/* Our share of n prompts; *told: what it asks. */
static int ask(struct ptd_refill *f, struct step *s, int n, struct ptd_relay_round *told)
{
    int *again = ptd_array((size_t)n, sizeof *again), first = s->n_again;
    int many = f->share > 0 ? choose_again(f, s, n, again) : 0;
    struct ptd_round round = {f->history.position, n - many, again, many, first, s->n};
    int rc = ptd_rollouts_ask(f->rollouts, s->number, &round);
    f->history.position += n - many;
    f->asked += n;
    f->again += many;
    *told = (struct ptd_relay_round){s->number, s->n, n, f->history.position,
                                     XXH3_64bits(again, (size_t)many * sizeof *again)};
    free(again);
    return rc;
}

/* ---- its verdicts ---- */

static void tell_of_no_keep(struct ptd_refill *f)
{
    if (f->no_keep || !f->more || !speaks(f) || ptd_verdicts_heard(f->verdicts) != 1) return;
    ptd_warn("--refill: ptd-verify keeps all groups, expected its --keep LOW:HIGH; nothing is "
             "refilled");
    f->no_keep = 1;
}

/* Those of the round's prompts that are ours, each in its place in all[n]. */
static int hear_ours(struct ptd_refill *f, const struct step *s, int n, struct ptd_asked *all)
{
    const struct ptd_rollouts *r = f->rollouts;
    int many = (int)ptd_rank_share(s->n, n, r->share, r->shares ? r->shares : 1), got = !many;
    const int *row = r->rows + r->n_rows - many;
    struct ptd_verdict *list = ptd_array((size_t)many + 1, sizeof *list), *at = list;
    while (!got && !(got = ptd_verdicts_take(f->verdicts, list, many))) {
        ptd_verdicts_wait(f->verdicts, NAP);
        f->idle(f->ctx, s->number);
    }
    for (int q = 0; q < n && got > 0; q++)
        if (is_ours(f, s->n + q)) all[q] = (struct ptd_asked){*row++, at->accuracy, at->kept}, at++;
    free(list);
    return got < 0 ? -1 : 0;
}

/* And those of the other ranks. */
static int hear_all(struct ptd_refill *f, const struct step *s, const struct ptd_relay_round *told,
                    struct ptd_asked *all)
{
    int got = !f->relay;
    while (!got && !(got = ptd_relay_bring(f->relay, told, all))) {
        /* whoever had nothing to judge is there, too */
        if (ptd_verdicts_take(f->verdicts, NULL, 0) < 0) return -1;
        ptd_relay_wait(f->relay, NAP);
        f->idle(f->ctx, s->number);
    }
    for (int64_t q = 0; q < told->n && got > 0; q++)
        if (all[q].row >= f->history.rows)
            return ptd_fail(PTD_DATAERR, "another rank asked row %lld of a data set of %d",
                            (long long)all[q].row, f->history.rows);
    return got < 0 ? -1 : 0;
}

/* The first that are kept fill the step; what is behind them is surplus. */
static void count(struct ptd_refill *f, struct step *s, const struct ptd_asked *all, int n)
{
    s->rows = ptd_realloc(s->rows, ((size_t)s->n + (size_t)n) * sizeof *s->rows);
    s->accuracy = ptd_realloc(s->accuracy, ((size_t)s->n + (size_t)n) * sizeof *s->accuracy);
    for (int q = 0; q < n; q++) {
        s->taken[all[q].row] = 1;
        s->rows[s->n] = (int)all[q].row;
        s->accuracy[s->n++] = all[q].accuracy;
        s->kept += s->kept < f->wanted && all[q].kept;
    }
}

static int do_round(struct ptd_refill *f, struct step *s, int n)
{
    struct ptd_asked *all = ptd_array((size_t)n, sizeof *all);
    struct ptd_relay_round told;
    int rc = ask(f, s, n, &told) || ptd_writer_flush(f->rollouts->out) || hear_ours(f, s, n, all) ||
                     hear_all(f, s, &told, all)
                 ? -1
                 : 0;
    if (!rc) tell_of_no_keep(f);
    if (!rc) count(f, s, all, n);
    free(all);
    return rc;
}

/* ---- the step ---- */

static int do_rounds(struct ptd_refill *f, struct step *s)
{
    int n = f->wanted, rounds = 0;
    for (; n && rounds <= f->more; rounds++) {
        if (do_round(f, s, n) < 0) return -1;
        n = ptd_round_size(f->wanted, s->n, s->kept);
    }
    f->refilled += rounds > 1;
    if (!n || !f->more) return 0;
    f->short_of++;
    if (!speaks(f)) return 0;
    ptd_warn("step %lld: %lld of %d groups kept after %d prompts, as many rounds as --refill %d "
             "allows; it goes on with them",
             (long long)s->number, (long long)s->kept, f->wanted, s->n, f->more);
    return 0;
}

static int keep(struct ptd_refill *f, const struct step *s)
{
    return ptd_history_add(
        &f->history, s->number,
        &(struct ptd_told){f->history.position, s->kept, s->rows, s->accuracy, s->n});
}

int ptd_refill_step(struct ptd_refill *f, int64_t step)
{
    struct step s = {.number = step, .taken = ptd_alloc((size_t)f->history.rows + 1)};
    ptd_rollouts_begin(f->rollouts);
    int rc = do_rounds(f, &s) || keep(f, &s) || ptd_writer_step(f->rollouts->out, step) ? -1 : 0;
    free(s.taken);
    free(s.rows);
    free(s.accuracy);
    return rc;
}

void ptd_refill_clear(struct ptd_refill *f)
{
    ptd_history_clear(&f->history);
    ptd_verdicts_close(f->verdicts);
    ptd_relay_close(f->relay);
    *f = (struct ptd_refill){0};
}
