/* digits_set: what kinds of questions a data set has that is made here, and its making, row by row.
 * What a picture and a question are is digits.c's and charts.c's. */
#include "data/digits_set.h"
#include "base/progress.h"
#include "data/dataset_write.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX   PTD_DATASET_PICTURES
#define KINDS_MAX  64
#define ANY_FAMILY PTD_SCENE_KINDS

struct kind {
    int kind, hinted, count;
};

struct maker {
    const struct ptd_digits_set *set;
    void *material; /* the scene's */
    struct ptd_grid grid;
    char asked[PTD_DIGITS_SHARE][PTD_TASK_QUESTION]; /* about the picture at hand */
    int n_asked;
    int *order; /* [rows] of the set's rows */
    struct ptd_dataset_out *out;
};

static int find_kind(const struct ptd_scene *scene, const char *name, struct kind *k)
{
    k->hinted = strcmp(name, "all") == 0 || strcmp(name, "hinted") == 0;
    k->kind = k->hinted || strcmp(name, "all-plain") == 0 ? ANY_FAMILY : -1;
    for (int i = 0; i < scene->n_kinds && k->kind < 0; i++)
        if (strcmp(name, scene->kinds[i]) == 0) k->kind = i;
    return k->kind < 0 ? -1 : 0;
}

static int parse_kind(const struct ptd_scene *scene, const char *word, struct kind *k)
{
    char name[32], *end;
    size_t n = strcspn(word, ":");
    snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), word);
    if (find_kind(scene, name, k) < 0)
        return ptd_fail(PTD_USAGE, "option --kinds: unknown kind \"%s\"", name);
    k->count = -1;
    if (!word[n]) return 0;
    long count = strtol(word + n + 1, &end, 10);
    if (!isdigit((unsigned char)word[n + 1]) || *end || count < 1 || count > ROWS_MAX)
        return ptd_fail(PTD_USAGE, "option --kinds: \"%s\": expected a count of 1 to %d", word,
                        ROWS_MAX);
    k->count = (int)count;
    return 0;
}

/* Their number; -1 on failure. */
static int parse_kinds(const struct ptd_scene *scene, const char *text,
                       struct kind kinds[KINDS_MAX])
{
    int n = 0, bad = 0;
    char *list = ptd_strdup(text), *rest = list;
    for (char *word; !bad && (word = strsep(&rest, ","));)
        bad = n == KINDS_MAX
                  ? ptd_fail(PTD_USAGE, "option --kinds: expected at most %d kinds", KINDS_MAX)
                  : parse_kind(scene, word, &kinds[n++]);
    free(list);
    return bad ? -1 : n;
}

/* Gives the kinds without a count their shares of `count`; returns the number of rows. */
static long share_out(struct kind *kinds, int n, int count)
{
    long total = 0;
    int open = 0, given = 0;
    for (int i = 0; i < n; i++) open += kinds[i].count < 0;
    for (int i = 0; i < n; i++) {
        if (kinds[i].count < 0) {
            kinds[i].count = count / open + (given < count % open);
            given++;
        }
        total += kinds[i].count;
    }
    return total;
}

int ptd_digits_wish(struct ptd_digits_set *s, const char *text, int count)
{
    struct kind kinds[KINDS_MAX];
    int n = parse_kinds(s->scene, text, kinds);
    if (n < 0) return -1;
    s->rows = share_out(kinds, n, count);
    if (s->rows > ROWS_MAX)
        return ptd_fail(PTD_USAGE, "%ld rows, expected at most %d", s->rows, ROWS_MAX);
    struct ptd_digits_row *w = s->row = ptd_array(s->rows, sizeof *w);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < kinds[i].count; k++)
            *w++ = (struct ptd_digits_row){kinds[i].kind == ANY_FAMILY ? k % s->scene->families
                                                                       : kinds[i].kind,
                                           kinds[i].hinted};
    return 0;
}

void ptd_digits_forget(struct ptd_digits_set *s)
{
    free(s->row);
    s->row = NULL;
    s->rows = 0;
}

/* ---- rows ---- */

static int paint(struct maker *m)
{
    struct ptd_image im = {0};
    m->set->scene->paint(&m->grid, m->material, &im);
    int bad = ptd_dataset_picture(m->out, &im);
    ptd_image_clear(&im);
    m->n_asked = 0;
    return bad;
}

static int is_new(const struct maker *m, const struct ptd_task *t)
{
    for (int i = 0; i < m->n_asked; i++)
        if (strcmp(m->asked[i], t->question) == 0) return 0;
    return 1;
}

/* A question about the picture at hand if that may be shared and allows one, else about a new
 * picture. */
static int ask(struct maker *m, int kind, struct ptd_draw *draw, struct ptd_task *t)
{
    const struct ptd_scene *scene = m->set->scene;
    int open = m->n_asked && m->n_asked < m->set->share;
    if (!open || !scene->ask(t, kind, &m->grid, draw) || !is_new(m, t)) {
        do scene->draw(&m->grid, m->material, draw);
        while (!scene->ask(t, kind, &m->grid, draw));
        if (paint(m) < 0) return -1;
    }
    memcpy(m->asked[m->n_asked++], t->question, sizeof t->question);
    return 0;
}

static void add_hints(struct ptd_group *g, const struct ptd_task *t)
{
    const char **steps = ptd_group_alloc(g, t->n_steps * sizeof *steps);
    struct ptd_region *regions = ptd_group_alloc(g, t->n_cells * sizeof *regions);
    for (int i = 0; i < t->n_steps; i++) steps[i] = t->steps[i];
    for (int i = 0; i < t->n_cells; i++) {
        regions[i].label = ptd_cell_name[t->cells[i]];
        ptd_cell_box(t->cells[i], regions[i].box);
    }
    g->steps = steps;
    g->n_steps = t->n_steps;
    g->regions = regions;
    g->n_regions = t->n_cells;
}

/* Every cell with its name and what it holds: "b2 red 4", "c1 none". */
static void add_objects(struct ptd_group *g, const struct ptd_grid *grid)
{
    struct ptd_region *o = ptd_group_alloc(g, PTD_CELLS * sizeof *o);
    for (int i = 0; i < PTD_CELLS; i++) {
        o[i].label = grid->colour[i] < 0
                         ? ptd_group_text(g, "%s none", ptd_cell_name[i])
                         : ptd_group_text(g, "%s %s %d", ptd_cell_name[i],
                                          ptd_colour_name[grid->colour[i]], grid->digit[i]);
        ptd_cell_box(i, o[i].box);
    }
    g->objects = o;
    g->n_objects = PTD_CELLS;
}

static int make_row(struct maker *m, long row)
{
    const struct ptd_digits_row *w = &m->set->row[m->order[row]];
    struct ptd_draw draw = {.seed = m->set->seed, .split = m->set->split, .row = row};
    struct ptd_group g = {0};
    struct ptd_task t;
    if (ask(m, w->kind, &draw, &t) < 0) return -1;
    g.category = m->set->scene->kinds[w->kind];
    g.uid = ptd_group_text(&g, "%s-%06ld", g.category, row + 1);
    g.question = ptd_group_text(&g, "<image>%s", t.question);
    g.answer = t.answer;
    g.solution = t.solution;
    if (w->hinted) add_hints(&g, &t);
    if (m->set->objects) add_objects(&g, &m->grid);
    int bad = ptd_dataset_write(m->out, &g);
    ptd_group_clear(&g);
    return bad;
}

static int make_rows(struct maker *m)
{
    struct ptd_progress progress;
    const struct ptd_digits_set *s = m->set;
    int bad = 0;
    m->order = ptd_array(s->rows, sizeof *m->order);
    ptd_shuffle(m->order, s->rows, s->seed, PTD_RNG_SHUFFLE, s->split);
    ptd_progress_start(&progress, "rows", 0, s->rows);
    for (long i = 0; i < s->rows && !bad; i++) {
        bad = s->stop && *s->stop ? ptd_fail(PTD_IOERR, "stopped") : make_row(m, i);
        ptd_progress_set(&progress, i + 1, NULL);
    }
    ptd_progress_clear(&progress);
    free(m->order);
    return bad;
}

/* After the unfinished data set is removed, the failure that it is unfinished for. */
static void end(struct maker *m, int bad)
{
    int status = ptd_failed_status();
    char *message = bad ? ptd_strdup(ptd_failed_message()) : NULL;
    ptd_dataset_end(m->out);
    m->set->scene->close(m->material);
    if (bad) ptd_fail(status, "%s", message);
    free(message);
}

long ptd_digits_write(const struct ptd_digits_set *s, const char *file)
{
    struct maker m = {.set = s, .out = ptd_dataset_create(file)};
    if (!m.out) return -1;
    int bad = !(m.material = s->scene->open(s->split)) || make_rows(&m) < 0 ||
              ptd_dataset_publish(m.out) < 0;
    long pictures = ptd_dataset_pictures(m.out);
    end(&m, bad);
    return bad ? -1 : pictures;
}
