/* dataset_check: a whole data set, row by row. What is wrong with one is check_row.c's, counting
 * check_tally.c's; printing is left to the caller. */
#include "data/dataset_check.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/threads.h"
#include "data/check_row.h"
#include "data/check_tally.h"

#include <stdlib.h>
#include <string.h>

#define SHOWN 12 /* categories in a summary */
#define SHARE 16 /* rows that a thread reads before others are waited for */

struct tally {
    const struct ptd_check *check;
    struct ptd_dataset *d;
    struct ptd_checked *out;
    struct ptd_tally_ids *ids;
    json_t *categories, *answers;
    struct ptd_tally_ints tokens[PTD_CHECK_LENGTHS];
    struct ptd_look *looks; /* of the rows from `first` on */
    int first;
    struct ptd_progress progress;
};

/* ---- a row ---- */

static void look(void *ctx, long first, long last)
{
    struct tally *t = ctx;
    for (long i = first; i < last; i++)
        ptd_look_at(&t->looks[i], t->d, t->first + (int)i, t->check);
}

static void look_for_twin(struct tally *t, struct ptd_look *l, int row)
{
    long earlier = ptd_tally_id(t->ids, l->g.uid, ptd_dataset_line(t->d, row));
    if (!earlier) return;
    ptd_fail(PTD_DATAERR, "field \"id\": \"%.200s\" is line %ld's too, expected another", l->g.uid,
             earlier);
    ptd_look_blame(l, t->d, row, "id twice");
}

static void count_row(struct tally *t, const struct ptd_look *l)
{
    const struct ptd_group *g = &l->g;
    struct ptd_checked *out = t->out;
    ptd_tally_name(t->categories, g->category && *g->category ? g->category : "(none)");
    ptd_tally_name(t->answers, ptd_look_answer_kind(g, t->check));
    for (int k = 0; k < PTD_CHECK_LENGTHS; k++)
        if (l->tokens[k] >= 0) ptd_tally_int(&t->tokens[k], l->tokens[k]);
    out->pictures += g->n_pictures;
    out->steps += g->n_steps > 0;
    out->regions += g->n_regions > 0;
    out->objects += g->n_objects > 0;
    out->solutions += g->solution != NULL;
    out->bare += !g->n_steps && !g->n_regions && !g->solution;
}

static void tell_faults(struct tally *t, const struct ptd_look *l, int row)
{
    for (int i = 0; i < l->n_faults; i++) {
        ptd_tally_fault(t->out, l->faults[i].kind, ptd_dataset_line(t->d, row));
        t->check->report(t->check->ctx, l->faults[i].kind, l->faults[i].message);
    }
    if (l->n_faults && (l->sound || l->status == PTD_DATAERR)) t->out->status = PTD_DATAERR;
    if (l->n_faults && !t->out->status) t->out->status = PTD_NOINPUT;
}

/* -1: the row cannot be judged, for a cause that is not the data. */
static int add_row(struct tally *t, struct ptd_look *l, int row)
{
    if (l->sound) {
        ptd_look_judge(l, t->d, row, t->check);
        look_for_twin(t, l, row);
        count_row(t, l);
        for (int k = 0; k < PTD_CHECK_NOTES; k++)
            if (l->notes[k]) ptd_tally_line(&t->out->notes[k], ptd_dataset_line(t->d, row));
    }
    tell_faults(t, l, row);
    if (!l->sound && l->status != PTD_DATAERR && l->status != PTD_NOINPUT)
        return ptd_fail(l->status, "%s", l->why);
    if (l->n_faults) return 0;
    t->out->usable++;
    return t->check->usable ? t->check->usable(t->check->ctx, t->d, row, &l->g) : 0;
}

/* ---- all of them ---- */

static int check_block(struct tally *t, int n)
{
    int rc = 0;
    ptd_parallel(n, 1, look, t);
    for (int i = 0; i < n; i++) {
        if (rc == 0) rc = add_row(t, &t->looks[i], t->first + i);
        ptd_look_clear(&t->looks[i]);
    }
    return rc;
}

static void tell(const void *ctx)
{
    const struct ptd_progress *p = ctx;
    char words[256];
    ptd_progress_words(p, NULL, words, sizeof words);
    ptd_tell("%s", p->what ? words : "finding rows");
}

static int check_rows(struct tally *t)
{
    int rows = ptd_dataset_rows(t->d), block = SHARE * ptd_threads_count(), rc = 0;
    t->looks = ptd_array(block, sizeof *t->looks);
    ptd_progress_start(&t->progress, "rows", 0, rows);
    for (; t->first < rows && rc == 0; t->first += block) {
        int n = rows - t->first < block ? rows - t->first : block;
        rc = check_block(t, n);
        ptd_progress_set(&t->progress, t->first + n, NULL);
        ptd_asked_answer();
    }
    ptd_progress_clear(&t->progress);
    free(t->looks);
    return rc;
}

static void end_tally(struct tally *t)
{
    struct ptd_checked *out = t->out;
    out->categories = ptd_tally_names(t->categories, SHOWN, &out->n_categories);
    out->answers = ptd_tally_names(t->answers, 0, &out->n_answers);
    for (int k = 0; k < PTD_CHECK_LENGTHS; k++) out->tokens[k] = ptd_tally_ints_end(&t->tokens[k]);
    ptd_tally_ids_free(t->ids);
}

int ptd_dataset_check_all(const char *file, const struct ptd_check *c, struct ptd_checked *out)
{
    struct tally t = {.check = c, .out = out};
    memset(out, 0, sizeof *out);
    ptd_asked_heed(tell, &t.progress);
    if (!(t.d = ptd_dataset_open_at(file, c->places))) return -1;
    out->rows = ptd_dataset_rows(t.d);
    t.ids = ptd_tally_ids_new();
    t.categories = json_object();
    t.answers = json_object();
    int rc = check_rows(&t);
    ptd_asked_heed(NULL, NULL);
    end_tally(&t);
    ptd_dataset_close(t.d);
    return rc;
}

void ptd_checked_clear(struct ptd_checked *r)
{
    for (int i = 0; i < r->n_kinds; i++) free(r->kinds[i].name);
    for (int i = 0; i < r->n_categories; i++) free(r->categories[i].name);
    for (int i = 0; i < r->n_answers; i++) free(r->answers[i].name);
    free(r->kinds);
    free(r->categories);
    free(r->answers);
    memset(r, 0, sizeof *r);
}
