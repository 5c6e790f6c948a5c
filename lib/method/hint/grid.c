/* grid: see grid.h. How a cell is named is cell.c's. */
#include "method/hint/grid.h"
#include "judge/number.h"
#include "method/hint/cell.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_BYTES 64 /* that are read of a number */

int ptd_hint_number(const char **s, int most)
{
    char *end;
    long n = isdigit((unsigned char)**s) ? strtol(*s, &end, 10) : -1;
    if (n < 0 || n > most) return -1;
    *s = end;
    return (int)n;
}

int ptd_hint_grid_parse(struct ptd_hint_grid *g, const char *text)
{
    const char *s = text;
    g->rows = ptd_hint_number(&s, PTD_HINT_ROWS);
    g->columns = *s++ == 'x' ? ptd_hint_number(&s, PTD_HINT_COLUMNS) : -1;
    if (g->rows >= 1 && g->columns >= 1 && !*s) return 0;
    return ptd_fail(PTD_USAGE, "--grid \"%s\": expected ROWSxCOLUMNS, at most %dx%d", text,
                    PTD_HINT_ROWS, PTD_HINT_COLUMNS);
}

/* ---- what a response names ---- */

static int index_of(const struct ptd_hint_grid *g, const char *name)
{
    return (name[0] - 'a') * g->columns + atoi(name + 1) - 1;
}

/* Something is said of the place whose name ends at s. */
static int is_read(const char *s)
{
    size_t blanks = strspn(s, " \t");
    return blanks && isalnum((unsigned char)s[blanks]);
}

/* The number behind the place whose name ends at s; NAN: there is none. */
static double value_at(const char *s)
{
    struct ptd_rational r;
    s += strspn(s, " \t");
    return ptd_number_scan(s, strnlen(s, NUMBER_BYTES), &r) ? (double)r.num / (double)r.den : NAN;
}

static void add(struct ptd_hint_named *out, int cell, double value)
{
    int i = 0;
    while (i < out->n && out->cell[i] != cell) i++;
    if (i == PTD_HINT_PLACES) return;
    if (i == out->n) {
        out->cell[out->n++] = cell;
        out->value[i] = NAN;
    }
    if (isnan(out->value[i])) out->value[i] = value;
}

void ptd_hint_named(struct ptd_hint_named *out, const struct ptd_hint_grid *g, const char *text)
{
    out->start = -1;
    out->n = 0;
    for (const char *s = text; s && (s = ptd_hint_cell_from(s, text, g->rows, g->columns));) {
        int cell = index_of(g, s);
        s += 1 + strspn(s + 1, "0123456789");
        if (is_read(s))
            add(out, cell, value_at(s));
        else if (out->start < 0 && out->n == 0)
            out->start = cell;
    }
}

static int has(const struct ptd_hint_named *p, int cell)
{
    for (int i = 0; i < p->n; i++)
        if (p->cell[i] == cell) return 1;
    return 0;
}

int ptd_hint_same_places(const struct ptd_hint_named *a, const struct ptd_hint_named *b)
{
    if (a->start != b->start || a->n != b->n) return 0;
    for (int i = 0; i < a->n; i++)
        if (!has(b, a->cell[i])) return 0;
    return 1;
}

int ptd_hint_start(const struct ptd_hint_grid *grid, const struct ptd_group *g)
{
    int votes[PTD_HINT_ROWS * PTD_HINT_COLUMNS] = {0};
    for (int i = 0; i < g->n_rollouts; i++) {
        struct ptd_hint_named p;
        ptd_hint_named(&p, grid, g->rollouts[i].text);
        if (p.start >= 0 && 2 * ++votes[p.start] > g->n_rollouts) return p.start;
    }
    return -1;
}

/* ---- as a hint ---- */

static const char *name_of(const struct ptd_hint_grid *grid, struct ptd_group *g, int cell)
{
    return ptd_hint_cell_name(g, cell / grid->columns, cell % grid->columns);
}

int ptd_hint_place_steps(const struct ptd_hint_grid *grid, struct ptd_group *g,
                         const struct ptd_hint_named *p, const char **steps)
{
    const char *words[1 + PTD_HINT_PLACES] = {"look at"};
    int used = 0;
    if (p->start >= 0) steps[used++] = ptd_group_text(g, "first %s", name_of(grid, g, p->start));
    for (int i = 0; i < p->n; i++) words[1 + i] = name_of(grid, g, p->cell[i]);
    if (p->n) steps[used++] = ptd_group_join(g, " ", words, 1 + p->n);
    return used;
}

static struct ptd_region box_of(const struct ptd_hint_grid *grid, struct ptd_group *g, int cell)
{
    float w = 1.0f / (float)grid->columns, h = 1.0f / (float)grid->rows;
    float x = (float)(cell % grid->columns), y = (float)(cell / grid->columns);
    return (struct ptd_region){name_of(grid, g, cell), {x * w, y * h, (x + 1) * w, (y + 1) * h}};
}

struct ptd_region *ptd_hint_place_regions(const struct ptd_hint_grid *grid, struct ptd_group *g,
                                          const struct ptd_hint_named *p, int *n)
{
    struct ptd_region *r = ptd_group_alloc(g, (size_t)(p->n + 1) * sizeof *r);
    *n = 0;
    if (p->start >= 0 && !has(p, p->start)) r[(*n)++] = box_of(grid, g, p->start);
    for (int i = 0; i < p->n; i++) r[(*n)++] = box_of(grid, g, p->cell[i]);
    for (int i = 0; i < *n; i++)
        for (int k = 0; k < 4; k++)
            if (r[i].box[k] > 1) r[i].box[k] = 1;
    return r;
}
