/* refill: see refill.h. */
#include "method/refill.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAP 20 /* ms between two calls of idle */

struct step {
    int64_t number, kept;
    int n_again; /* draws so far */
    uint8_t *taken;
    double *accuracy; /* [rollouts->n_rows] */
};

/* ---- a round ---- */

static void take(struct step *s, const struct ptd_rollouts *r)
{
    for (int i = 0; i < r->n_rows; i++) s->taken[r->rows[i]] = 1;
}

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

static int ask(struct ptd_refill *f, struct step *s, int n)
{
    int *again = ptd_array((size_t)n, sizeof *again), first = s->n_again;
    int many = f->share > 0 ? choose_again(f, s, n, again) : 0;
    struct ptd_round round = {f->history.position, n - many, again, many, first};
    int rc = ptd_rollouts_ask(f->rollouts, s->number, &round);
    free(again);
    f->history.position += n - many;
    f->asked += n;
    f->again += many;
    take(s, f->rollouts);
    return rc;
}

/* ---- its verdicts ---- */

static void tell_of_no_keep(struct ptd_refill *f)
{
    if (f->no_keep || !f->more || ptd_verdicts_heard(f->verdicts) != 1) return;
    ptd_warn("--refill: ptd-verify keeps all groups, expected its --keep LOW:HIGH; nothing is "
             "refilled");
    f->no_keep = 1;
}

static int hear(struct ptd_refill *f, struct step *s, struct ptd_verdict *list, int n)
{
    int got;
    while (!(got = ptd_verdicts_take(f->verdicts, list, n))) {
        ptd_verdicts_wait(f->verdicts, NAP);
        f->idle(f->ctx, s->number);
    }
    if (got < 0) return -1;
    tell_of_no_keep(f);
    s->accuracy = ptd_realloc(s->accuracy, (size_t)f->rollouts->n_rows * sizeof *s->accuracy);
    for (int i = 0; i < n; i++) {
        s->accuracy[f->rollouts->n_rows - n + i] = list[i].accuracy;
        s->kept += list[i].kept;
    }
    return 0;
}

static int do_round(struct ptd_refill *f, struct step *s, int n)
{
    struct ptd_verdict *list = ptd_array((size_t)n, sizeof *list);
    int rc = ask(f, s, n);
    if (!rc) rc = ptd_writer_flush(f->rollouts->out);
    if (!rc) rc = hear(f, s, list, n);
    free(list);
    return rc;
}

/* ---- the step ---- */

static int do_rounds(struct ptd_refill *f, struct step *s)
{
    int n = f->wanted, rounds = 0;
    for (; n && rounds <= f->more; rounds++) {
        if (do_round(f, s, n) < 0) return -1;
        n = ptd_round_size(f->wanted, f->rollouts->n_rows, s->kept);
    }
    f->refilled += rounds > 1;
    if (!n || !f->more) return 0;
    f->short_of++;
    ptd_warn("step %lld: %lld of %d groups kept after %d prompts, as many rounds as --refill %d "
             "allows; it goes on with them",
             (long long)s->number, (long long)s->kept, f->wanted, f->rollouts->n_rows, f->more);
    return 0;
}

static int keep(struct ptd_refill *f, const struct step *s)
{
    const struct ptd_rollouts *r = f->rollouts;
    return ptd_history_add(
        &f->history, s->number,
        &(struct ptd_told){f->history.position, s->kept, r->rows, s->accuracy, r->n_rows});
}

int ptd_refill_step(struct ptd_refill *f, int64_t step)
{
    struct step s = {.number = step, .taken = ptd_alloc((size_t)f->history.rows + 1)};
    ptd_rollouts_begin(f->rollouts);
    int rc = do_rounds(f, &s) || keep(f, &s) || ptd_writer_step(f->rollouts->out, step) ? -1 : 0;
    free(s.taken);
    free(s.accuracy);
    return rc;
}

void ptd_refill_clear(struct ptd_refill *f)
{
    ptd_history_clear(&f->history);
    ptd_verdicts_close(f->verdicts);
    *f = (struct ptd_refill){0};
}
