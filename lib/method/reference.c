/* reference: see reference.h. */
#include "method/reference.h"
#include "method/divergence/divergence.h"
#include "net/net.h"
#include <stdlib.h>
#include <string.h>

static void want_rows(struct ptd_reference *r, long n)
{
    size_t width = r->score->m->config.hidden;
    if (n <= r->cap) return;
    r->cap = n;
    r->hidden = ptd_realloc(r->hidden, (size_t)n * width * sizeof *r->hidden);
    r->row = ptd_realloc(r->row, (size_t)n * sizeof *r->row);
    r->lesson = ptd_realloc(r->lesson, (size_t)n * sizeof *r->lesson);
    r->none = ptd_realloc(r->none, ((size_t)n + 1) * sizeof *r->none);
    r->total = ptd_realloc(r->total, (size_t)n * sizeof *r->total);
}

/* Its hidden rows, to be lessons where they are asked. */
static void list_rows(struct ptd_reference *r, const struct ptd_reference_ask *ask)
{
    struct ptd_score *s = r->score;
    struct ptd_device *d = s->m->device;
    size_t width = s->m->config.hidden;
    d->ops->get_nums(d, r->hidden, s->X, (size_t)s->rows * width);
    memset(r->lesson, 0, (size_t)s->rows * sizeof *r->lesson);
    memset(r->none, 0, ((size_t)s->rows + 1) * sizeof *r->none);
    for (long i = 0; i < s->rows; i++)
        r->row[i] = ask->weight[i] != 0 ? r->hidden + (size_t)i * width : NULL;
}

void ptd_reference_learn(struct ptd_reference *r, struct ptd_score *student,
                         const struct ptd_reference_ask *ask, ptd_num *dX)
{
    struct ptd_device *d = student->m->device;
    size_t n = (size_t)student->rows * student->m->config.hidden;
    ptd_num *more = ptd_score_nums(student, n);
    want_rows(r, student->rows);
    list_rows(r, ask);
    struct ptd_head_lesson l = {
        .score = {.rules.temperature = (float)ask->temperature, .words.first = r->none},
        .scored.total = r->total,
        .gradient = {.lesson = r->lesson,
                     .divergence = &ptd_divergence_reverse,
                     .weight = 1,
                     .weights = ask->weight},
        .value = ask->value,
        .tutor = ptd_score_head(r->score, ask->banned),
        .hidden = r->row};
    ptd_lm_head_learn(ptd_score_head(student, ask->banned), student->X, student->rows, &l, more);
    d->ops->add(d, dX, more, (long)n);
}

void ptd_reference_clear(struct ptd_reference *r)
{
    free(r->hidden);
    free(r->row);
    free(r->lesson);
    free(r->none);
    free(r->total);
    memset(r, 0, sizeof *r);
}
