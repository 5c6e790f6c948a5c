/* digits: composes pictures of coloured handwriting and asks questions about them, with solutions
 * and hints. Files and formats are left to ptd-data; the handwriting itself lies in
 * digitsdata.c. */
#include "data/digits.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const ptd_split_name[2] = {"train", "test"};
const char *const ptd_kind_name[PTD_KINDS] = {"csum", "cmax",     "nbr",  "colsum", "rowsum",
                                              "diff", "describe", "read", "find"};
const char *const ptd_cell_name[PTD_CELLS] = {"a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2", "c3"};
const char *const ptd_colour_name[4] = {"red", "green", "blue", "yellow"};

/* per cent */
static const int tint[4][3] = {{100, 20, 20}, {20, 100, 20}, {30, 40, 100}, {100, 90, 10}};
static const struct {
    const char *words;
    int row, column;
} directions[4] = {{"left of", 0, -1}, {"right of", 0, 1}, {"above", -1, 0}, {"below", 1, 0}};

enum op { ADD, MAX, SUBTRACT, READ };
static const char *const op_name[] = {"add", "max", "subtract", "read"};

/* How a question is solved: from the hop (a cell to find first, or -1) to the cells to look at, to
 * the operation. */
struct plan {
    int hop, colours[2], n_colours;
    int cells[PTD_CELLS], n_cells;
    enum op op;
};

struct text {
    char *p;
    size_t len, cap;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    t->len += vsnprintf(t->p + t->len, t->cap - t->len, fmt, ap);
    va_end(ap);
    if (t->len >= t->cap) ptd_die(PTD_BUG, "digits: a text is longer than its %zu bytes", t->cap);
}

/* ---- handwriting ---- */

extern const uint8_t ptd_digits_train_images[], ptd_digits_train_images_end[],
    ptd_digits_train_labels[], ptd_digits_train_labels_end[], ptd_digits_test_images[],
    ptd_digits_test_images_end[], ptd_digits_test_labels[], ptd_digits_test_labels_end[];

static const uint8_t *const embedded[2][4] = {{ptd_digits_train_images, ptd_digits_train_images_end,
                                               ptd_digits_train_labels,
                                               ptd_digits_train_labels_end},
                                              {ptd_digits_test_images, ptd_digits_test_images_end,
                                               ptd_digits_test_labels, ptd_digits_test_labels_end}};

/* Each byte holds two rows' levels, the upper row in the high half. */
static void unpack(uint8_t *pixels, const uint8_t *packed, long n)
{
    for (long k = 0; k < n * 14; k++, packed += 28, pixels += 56)
        for (int x = 0; x < 28; x++) {
            pixels[x] = (packed[x] >> 4) * 17;
            pixels[28 + x] = (packed[x] & 15) * 17;
        }
}

static int check_labels(const struct ptd_idx *labels)
{
    for (long i = 0; i < labels->dims[0]; i++)
        if (labels->data[i] > 9)
            return ptd_fail(PTD_BUG, "embedded digits: label %d", labels->data[i]);
    return 0;
}

int ptd_digits_open(struct ptd_digits *d, enum ptd_split split)
{
    const uint8_t *const *e = embedded[split];
    struct ptd_idx images = {0};
    int status = -1;
    memset(d, 0, sizeof *d);
    if (ptd_idx_load(&images, e[0], e[1] - e[0], "embedded digits") < 0 ||
        ptd_idx_load(&d->labels, e[2], e[3] - e[2], "embedded labels") < 0 ||
        check_labels(&d->labels) < 0)
        goto out;
    if (images.dims[0] != d->labels.dims[0] || images.dims[1] != 14 || images.dims[2] != 28) {
        ptd_fail(PTD_BUG, "embedded digits: expected %ld x 14 x 28 bytes", d->labels.dims[0]);
        goto out;
    }
    d->n = images.dims[0];
    d->pixels = ptd_array(d->n, PTD_CELL_SIDE * PTD_CELL_SIDE);
    unpack(d->pixels, images.data, d->n);
    status = 0;
out:
    ptd_idx_clear(&images);
    if (status < 0) ptd_digits_close(d);
    return status;
}

void ptd_digits_close(struct ptd_digits *d)
{
    ptd_idx_clear(&d->labels);
    free(d->pixels);
    memset(d, 0, sizeof *d);
}

/* ---- pictures ---- */

uint32_t ptd_draw_below(struct ptd_draw *draw, uint32_t n)
{
    return ptd_below(n, draw->seed, PTD_RNG_DATA, draw->row, draw->split, draw->count++);
}

static void draw_order(int *p, int n, struct ptd_draw *draw)
{
    for (int i = 0; i < n; i++) p[i] = i;
    for (int i = n - 1; i > 0; i--) {
        int j = ptd_draw_below(draw, i + 1), x = p[i];
        p[i] = p[j];
        p[j] = x;
    }
}

void ptd_grid_draw(struct ptd_grid *g, const struct ptd_digits *d, struct ptd_draw *draw)
{
    int order[PTD_CELLS], n = 5 + ptd_draw_below(draw, 4);
    draw_order(order, PTD_CELLS, draw);
    for (int i = 0; i < PTD_CELLS; i++) {
        int cell = order[i];
        g->colour[cell] = i < n ? (int)ptd_draw_below(draw, 4) : -1;
        g->glyph[cell] = ptd_draw_below(draw, d->n);
        g->digit[cell] = d->labels.data[g->glyph[cell]];
    }
}

static void paint_cell(uint8_t *pixels, const uint8_t *grey, const int *rgb)
{
    for (int y = 0; y < PTD_CELL_SIDE; y++, pixels += PTD_DIGITS_SIDE * 3)
        for (int x = 0; x < PTD_CELL_SIDE; x++, grey++)
            for (int c = 0; c < 3; c++) pixels[3 * x + c] = (*grey * rgb[c] + 50) / 100;
}

void ptd_grid_paint(const struct ptd_grid *g, const struct ptd_digits *d, struct ptd_image *im)
{
    im->height = im->width = PTD_DIGITS_SIDE;
    im->pixels = ptd_array(PTD_DIGITS_SIDE * PTD_DIGITS_SIDE, 3);
    for (int i = 0; i < PTD_CELLS; i++) {
        if (g->colour[i] < 0) continue;
        uint8_t *corner = im->pixels + (i / 3 * PTD_DIGITS_SIDE + i % 3) * PTD_CELL_SIDE * 3;
        paint_cell(corner, d->pixels + (size_t)g->glyph[i] * PTD_CELL_SIDE * PTD_CELL_SIDE,
                   tint[g->colour[i]]);
    }
}

void ptd_cell_box(int cell, float box[4])
{
    box[0] = cell % 3 / 3.0f;
    box[1] = cell / 3 / 3.0f;
    box[2] = (cell % 3 + 1) / 3.0f;
    box[3] = (cell / 3 + 1) / 3.0f;
}

/* ---- questions ---- */

static int cells_of(const struct ptd_grid *g, int colour, int *cells)
{
    int n = 0;
    for (int i = 0; i < PTD_CELLS; i++)
        if (g->colour[i] == colour) cells[n++] = i;
    return n;
}

/* The colours that occur between lo and hi times. */
static int colours_with(const struct ptd_grid *g, int lo, int hi, int *colours)
{
    int n = 0, cells[PTD_CELLS];
    for (int c = 0; c < 4; c++) {
        int k = cells_of(g, c, cells);
        if (k >= lo && k <= hi) colours[n++] = c;
    }
    return n;
}

static int ask_colour(struct text *q, struct plan *p, enum ptd_kind kind, const struct ptd_grid *g,
                      struct ptd_draw *draw)
{
    int colours[4], n = colours_with(g, 2, 3, colours);
    if (!n) return 0;
    p->colours[p->n_colours++] = colours[ptd_draw_below(draw, n)];
    p->n_cells = cells_of(g, p->colours[0], p->cells);
    p->op = kind == PTD_CSUM ? ADD : MAX;
    put(q, "%s of the %s digits", kind == PTD_CSUM ? "sum" : "largest",
        ptd_colour_name[p->colours[0]]);
    return 1;
}

static int ask_difference(struct text *q, struct plan *p, const struct ptd_grid *g,
                          struct ptd_draw *draw)
{
    int colours[4], order[4], n = colours_with(g, 1, 1, colours);
    if (n < 2) return 0;
    draw_order(order, n, draw);
    for (int i = 0; i < 2; i++) {
        p->colours[p->n_colours++] = colours[order[i]];
        p->n_cells += cells_of(g, p->colours[i], p->cells + i);
    }
    p->op = SUBTRACT;
    put(q, "difference of the %s and the %s digit", ptd_colour_name[p->colours[0]],
        ptd_colour_name[p->colours[1]]);
    return 1;
}

/* Chooses a colour that occurs once; its cell is where the two-hop families start. */
static int choose_hop(struct plan *p, const struct ptd_grid *g, struct ptd_draw *draw)
{
    int colours[4], n = colours_with(g, 1, 1, colours);
    if (!n) return 0;
    p->colours[p->n_colours++] = colours[ptd_draw_below(draw, n)];
    cells_of(g, p->colours[0], &p->hop);
    return 1;
}

static int ask_neighbour(struct text *q, struct plan *p, const struct ptd_grid *g,
                         struct ptd_draw *draw)
{
    int possible[4], cell[4], n = 0;
    if (!choose_hop(p, g, draw)) return 0;
    for (int i = 0; i < 4; i++) {
        int row = p->hop / 3 + directions[i].row, column = p->hop % 3 + directions[i].column;
        if (row < 0 || row > 2 || column < 0 || column > 2 || g->colour[row * 3 + column] < 0)
            continue;
        possible[n] = i;
        cell[n++] = row * 3 + column;
    }
    if (!n) return 0;
    int k = ptd_draw_below(draw, n);
    p->cells[p->n_cells++] = cell[k];
    p->op = READ;
    put(q, "digit %s the %s digit", directions[possible[k]].words, ptd_colour_name[p->colours[0]]);
    return 1;
}

static int ask_line(struct text *q, struct plan *p, enum ptd_kind kind, const struct ptd_grid *g,
                    struct ptd_draw *draw)
{
    int row = kind == PTD_ROWSUM;
    if (!choose_hop(p, g, draw)) return 0;
    for (int i = 0; i < 3; i++) {
        int cell = row ? p->hop / 3 * 3 + i : i * 3 + p->hop % 3;
        if (g->colour[cell] >= 0) p->cells[p->n_cells++] = cell;
    }
    if (p->n_cells < 2) return 0;
    p->op = ADD;
    put(q, "sum of the %s of the %s digit", row ? "row" : "column", ptd_colour_name[p->colours[0]]);
    return 1;
}

static int ask(struct text *q, struct plan *p, enum ptd_kind kind, const struct ptd_grid *g,
               struct ptd_draw *draw)
{
    switch (kind) {
    case PTD_CSUM:
    case PTD_CMAX:
        return ask_colour(q, p, kind, g, draw);
    case PTD_DIFF:
        return ask_difference(q, p, g, draw);
    case PTD_NBR:
        return ask_neighbour(q, p, g, draw);
    default:
        return ask_line(q, p, kind, g, draw);
    }
}

/* ---- solutions and hints ---- */

static int apply(enum op op, int a, int b)
{
    return op == ADD ? a + b : op == SUBTRACT ? abs(a - b) : a > b ? a : b;
}

static int solve(struct text *s, const struct plan *p, const struct ptd_grid *g)
{
    int result = 0;
    if (p->hop >= 0) put(s, "%s %s:", ptd_colour_name[p->colours[0]], ptd_cell_name[p->hop]);
    for (int i = 0; i < p->n_cells; i++) {
        int cell = p->cells[i], digit = g->digit[cell];
        if (i) put(s, ",");
        if (p->hop < 0 && i < p->n_colours)
            put(s, "%s%s", i ? " " : "", ptd_colour_name[p->colours[i]]);
        put(s, " %s %d", ptd_cell_name[cell], digit);
        result = i ? apply(p->op, result, digit) : digit;
        if (i) put(s, " = %d", result);
    }
    put(s, ". \\boxed{ %d }", result);
    return result;
}

static void write_steps(struct ptd_task *t, const struct plan *p)
{
    struct text look = {.cap = sizeof t->steps[0]};
    if (p->hop >= 0)
        snprintf(t->steps[t->n_steps++], sizeof t->steps[0], "first %s", ptd_cell_name[p->hop]);
    look.p = t->steps[t->n_steps++];
    put(&look, "look at");
    for (int i = 0; i < p->n_cells; i++) put(&look, " %s", ptd_cell_name[p->cells[i]]);
    snprintf(t->steps[t->n_steps++], sizeof t->steps[0], "%s", op_name[p->op]);
}

static void list_cells(struct ptd_task *t, const struct plan *p)
{
    if (p->hop >= 0) t->cells[t->n_cells++] = p->hop;
    for (int i = 0; i < p->n_cells; i++)
        if (p->cells[i] != p->hop) t->cells[t->n_cells++] = p->cells[i];
}

/* ---- tasks that teach seeing ---- */

static void put_cell(struct text *s, const struct ptd_grid *g, int cell)
{
    put(s, "%s ", ptd_cell_name[cell]);
    if (g->colour[cell] < 0)
        put(s, "none");
    else
        put(s, "%s %d", ptd_colour_name[g->colour[cell]], g->digit[cell]);
}

static void describe(struct text *q, struct text *s, const struct ptd_grid *g,
                     struct ptd_draw *draw)
{
    int order[PTD_CELLS];
    draw_order(order, PTD_CELLS, draw);
    put(q, "describe");
    for (int i = 0; i < PTD_CELLS; i++) {
        if (i) put(s, ", ");
        put_cell(s, g, order[i]);
    }
}

static void read_cell(struct text *q, struct text *s, const struct ptd_grid *g,
                      struct ptd_draw *draw)
{
    int cell = ptd_draw_below(draw, PTD_CELLS);
    put(q, "read %s", ptd_cell_name[cell]);
    put_cell(s, g, cell);
}

static void find_colour(struct text *q, struct text *s, const struct ptd_grid *g,
                        struct ptd_draw *draw)
{
    int cells[PTD_CELLS], colour = ptd_draw_below(draw, 4), n = cells_of(g, colour, cells);
    put(q, "look at the %s digits", ptd_colour_name[colour]);
    put(s, "%s", ptd_colour_name[colour]);
    for (int i = 0; i < n; i++) put(s, " %s", ptd_cell_name[cells[i]]);
    if (!n) put(s, " none");
}

static void see(struct ptd_task *t, struct text *q, struct text *s, const struct ptd_grid *g,
                struct ptd_draw *draw)
{
    if (t->kind == PTD_DESCRIBE)
        describe(q, s, g, draw);
    else if (t->kind == PTD_READ)
        read_cell(q, s, g, draw);
    else
        find_colour(q, s, g, draw);
    snprintf(t->answer, sizeof t->answer, "%s", t->solution);
}

int ptd_task_ask(struct ptd_task *t, int kind, const struct ptd_grid *g, struct ptd_draw *draw)
{
    struct text q = {.p = t->question, .cap = sizeof t->question},
                s = {.p = t->solution, .cap = sizeof t->solution};
    struct plan p = {.hop = -1};
    memset(t, 0, sizeof *t);
    t->kind = kind;
    if (kind >= PTD_FAMILIES) {
        see(t, &q, &s, g, draw);
        return 1;
    }
    if (!ask(&q, &p, kind, g, draw)) return 0;
    snprintf(t->answer, sizeof t->answer, "%d", solve(&s, &p, g));
    write_steps(t, &p);
    list_cells(t, &p);
    return 1;
}

/* ---- as a scene ---- */

static void *open_digits(enum ptd_split split)
{
    struct ptd_digits *d = ptd_alloc(sizeof *d);
    if (ptd_digits_open(d, split) == 0) return d;
    free(d);
    return NULL;
}

static void close_digits(void *d)
{
    if (d) ptd_digits_close(d);
    free(d);
}

static void draw_digits(struct ptd_grid *g, const void *d, struct ptd_draw *draw)
{
    ptd_grid_draw(g, d, draw);
}

static void paint_digits(const struct ptd_grid *g, const void *d, struct ptd_image *im)
{
    ptd_grid_paint(g, d, im);
}

const struct ptd_scene ptd_scene_digits = {ptd_kind_name, PTD_KINDS,   PTD_FAMILIES, open_digits,
                                           close_digits,  draw_digits, paint_digits, ptd_task_ask};
