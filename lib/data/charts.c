/* charts: see charts.h. What a data set of them is made like is digits_set.c's. */
#include "data/charts.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEASURES PTD_MEASURES
#define COLUMNS  8 /* of the table; the measures are columns 2 to 5 */
#define FIRST    2
#define HELD_OUT 5 /* every fifth bird */
#define WIDTH    16

/* The table as it came: lib/builtin/charts/penguins.csv. */
__asm__(".pushsection .rodata\n"
        ".balign 16\n"
        ".globl ptd_penguins\nptd_penguins:\n"
        ".incbin \"lib/builtin/charts/penguins.csv\"\n"
        ".globl ptd_penguins_end\nptd_penguins_end:\n"
        ".byte 0\n"
        ".popsection\n");
extern const char ptd_penguins[], ptd_penguins_end[];

static const char *const kind_name[] = {"rowtop", "coltop",   "peaks", "spread", "chain",
                                        "hops",   "describe", "read",  "find"};
static const char *const line_name[2] = {"row", "column"};
static const uint8_t tint[MEASURES][3] = {
    {255, 51, 51}, {51, 255, 51}, {77, 102, 255}, {255, 230, 26}};

/* ---- the table ---- */

static int is_bird(int bird, enum ptd_split split)
{
    return (bird % HELD_OUT == HELD_OUT - 1) == (split == PTD_TEST);
}

/* A line's measures, where they are known. */
static void read_line(struct ptd_bars *b, const char *line, size_t n, int mine)
{
    char copy[160], *rest = copy, *field, *end;
    snprintf(copy, sizeof copy, "%.*s", (int)n, line);
    for (int c = 0; c < COLUMNS && (field = strsep(&rest, ",")); c++) {
        int m = c - FIRST;
        double value = strtod(field, &end);
        if (m < 0 || m >= MEASURES || end == field) continue;
        if (value < b->least[m]) b->least[m] = value;
        if (value > b->most[m]) b->most[m] = value;
        if (mine) b->bar[b->n++] = (struct ptd_bar){m, value, 0};
    }
}

int ptd_bars_open(struct ptd_bars *b, enum ptd_split split)
{
    const char *line = strchr(ptd_penguins, '\n'), *next;
    int bird = 0;
    size_t lines = (size_t)(ptd_penguins_end - ptd_penguins);
    *b = (struct ptd_bars){.bar = ptd_array(lines, sizeof *b->bar)};
    for (int m = 0; m < MEASURES; m++) b->least[m] = INFINITY, b->most[m] = -INFINITY;
    for (; line && line[1]; line = next, bird++) {
        next = strchr(line + 1, '\n');
        size_t n = next ? (size_t)(next - line - 1) : strlen(line + 1);
        read_line(b, line + 1, n, is_bird(bird, split));
    }
    for (int i = 0; i < b->n; i++) {
        struct ptd_bar *at = &b->bar[i];
        double least = b->least[at->measure];
        at->share = (at->value - least) / (b->most[at->measure] - least);
    }
    return b->n ? 0 : ptd_fail(PTD_BUG, "the table of penguins holds no birds");
}

void ptd_bars_close(struct ptd_bars *b)
{
    free(b->bar);
    *b = (struct ptd_bars){0};
}

/* ---- pictures ---- */

int ptd_bar_height(double share)
{
    return 2 + (int)(24 * share + 0.5);
}

int ptd_bar_count(int height)
{
    return (height - 2) * 10 / 25;
}

void ptd_chart_draw(struct ptd_grid *g, const struct ptd_bars *b, struct ptd_draw *draw)
{
    for (int i = 0; i < PTD_CELLS; i++) {
        g->glyph[i] = (int)ptd_draw_below(draw, (uint32_t)b->n);
        g->colour[i] = b->bar[g->glyph[i]].measure;
        g->digit[i] = ptd_bar_count(ptd_bar_height(b->bar[g->glyph[i]].share));
    }
}

static void paint_bar(uint8_t *corner, int height, const uint8_t *rgb)
{
    const int side = PTD_CELL_SIDE, at = (PTD_CELL_SIDE - WIDTH) / 2;
    for (int y = side - 1 - height; y < side - 1; y++)
        for (int x = at; x < at + WIDTH; x++)
            memcpy(corner + (y * PTD_DIGITS_SIDE + x) * 3, rgb, 3);
    memset(corner + (side - 1) * PTD_DIGITS_SIDE * 3, 128, (size_t)side * 3);
}

void ptd_chart_paint(const struct ptd_grid *g, const struct ptd_bars *b, struct ptd_image *im)
{
    im->height = im->width = PTD_DIGITS_SIDE;
    im->pixels = ptd_array(PTD_DIGITS_SIDE * PTD_DIGITS_SIDE, 3);
    for (int i = 0; i < PTD_CELLS; i++) {
        uint8_t *corner = im->pixels + (i / 3 * PTD_DIGITS_SIDE + i % 3) * PTD_CELL_SIDE * 3;
        paint_bar(corner, ptd_bar_height(b->bar[g->glyph[i]].share), tint[g->colour[i]]);
    }
}

/* ---- words ---- */

struct words {
    struct ptd_task *task;
    const struct ptd_grid *g;
    size_t len;             /* of the solution */
    char seen[PTD_CELLS];   /* cells that are listed */
    int results[PTD_CELLS]; /* of the lists so far */
    int n_results;
};

__attribute__((format(printf, 2, 3))) static void say(struct words *w, const char *fmt, ...)
{
    const size_t cap = sizeof w->task->solution;
    va_list ap;
    va_start(ap, fmt);
    w->len += (size_t)vsnprintf(w->task->solution + w->len, cap - w->len, fmt, ap);
    va_end(ap);
    if (w->len >= cap) ptd_die(PTD_BUG, "charts: a solution is longer than its %zu bytes", cap);
}

__attribute__((format(printf, 2, 3))) static void ask_words(struct words *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->task->question, sizeof w->task->question, fmt, ap);
    va_end(ap);
}

__attribute__((format(printf, 2, 3))) static void step(struct words *w, const char *fmt, ...)
{
    va_list ap;
    if (w->task->n_steps == PTD_TASK_STEPS) ptd_die(PTD_BUG, "charts: too many steps");
    va_start(ap, fmt);
    vsnprintf(w->task->steps[w->task->n_steps++], sizeof w->task->steps[0], fmt, ap);
    va_end(ap);
}

static void see(struct words *w, int cell)
{
    if (w->seen[cell]) return;
    w->seen[cell] = 1;
    w->task->cells[w->task->n_cells++] = cell;
}

enum op { ADD, MAX, SUBTRACT };
static const char *const op_name[] = {"add", "max", "subtract"};

static int apply(enum op op, int a, int b)
{
    return op == ADD ? a + b : op == SUBTRACT ? abs(a - b) : a > b ? a : b;
}

/* "a1 3, a2 4 = 7, a3 2 = 9." behind what was said; and the step that says where to look. */
static int list(struct words *w, const int *cells, int n, enum op op)
{
    char look[48];
    size_t at = (size_t)snprintf(look, sizeof look, "look at");
    int result = 0;
    for (int i = 0; i < n; i++) {
        int count = w->g->digit[cells[i]];
        result = i ? apply(op, result, count) : count;
        say(w, "%s %s %d", i ? "," : "", ptd_cell_name[cells[i]], count);
        if (i) say(w, " = %d", result);
        at += (size_t)snprintf(look + at, sizeof look - at, " %s", ptd_cell_name[cells[i]]);
        see(w, cells[i]);
    }
    say(w, ".");
    step(w, "%s then %s", look, op_name[op]);
    return w->results[w->n_results++] = result;
}

/* "9, 12 = 12, 5 = 12." of the lists' results; the answer. */
static void conclude(struct words *w, enum op op)
{
    int result = w->results[0];
    for (int i = 0; i < w->n_results; i++) {
        say(w, "%s %d", i ? "," : "", w->results[i]);
        if (i) say(w, " = %d", result = apply(op, result, w->results[i]));
    }
    say(w, ". ");
    step(w, "%s", op_name[op]);
    w->results[0] = result;
}

static void box(struct words *w)
{
    snprintf(w->task->answer, sizeof w->task->answer, "%d", w->results[0]);
    say(w, "\\boxed{ %d }", w->results[0]);
}

/* ---- questions ---- */

static void line_cells(int column, int line, int cells[3])
{
    for (int i = 0; i < 3; i++) cells[i] = column ? i * 3 + line : line * 3 + i;
}

static void put_line(struct words *w, int column, int line, enum op op)
{
    int cells[3];
    line_cells(column, line, cells);
    if (column)
        say(w, "%scolumn %d:", w->len ? " " : "", line + 1);
    else
        say(w, "%srow %c:", w->len ? " " : "", 'a' + line);
    list(w, cells, 3, op);
}

static int ask_lines(struct words *w, int kind)
{
    int column = kind == PTD_COLTOP, peaks = kind == PTD_PEAKS;
    if (peaks)
        ask_words(w, "sum of the largest in each row");
    else
        ask_words(w, "largest sum of a %s", line_name[column]);
    for (int line = 0; line < 3; line++) put_line(w, column, line, peaks ? MAX : ADD);
    conclude(w, peaks ? ADD : MAX);
    return 1;
}

static int cells_of(const struct ptd_grid *g, int colour, int *cells)
{
    int n = 0;
    for (int i = 0; i < PTD_CELLS; i++)
        if (g->colour[i] == colour) cells[n++] = i;
    return n;
}

static int ask_spread(struct words *w, struct ptd_draw *draw)
{
    int cells[2][PTD_CELLS], n[2], colour[2];
    colour[0] = (int)ptd_draw_below(draw, MEASURES);
    colour[1] = (colour[0] + 1 + (int)ptd_draw_below(draw, MEASURES - 1)) % MEASURES;
    for (int i = 0; i < 2; i++) {
        n[i] = cells_of(w->g, colour[i], cells[i]);
        if (n[i] < 2 || n[i] > 4) return 0;
    }
    ask_words(w, "difference of the sum of the %s and the sum of the %s cells",
              ptd_colour_name[colour[0]], ptd_colour_name[colour[1]]);
    for (int i = 0; i < 2; i++) {
        say(w, "%s%s", i ? " " : "", ptd_colour_name[colour[i]]);
        list(w, cells[i], n[i], ADD);
    }
    conclude(w, SUBTRACT);
    return 1;
}

/* The one cell of a row that is the largest; -1: there is more than one. */
static int largest_in(const struct ptd_grid *g, int row)
{
    int best = row * 3, n = 1;
    for (int cell = row * 3 + 1; cell < row * 3 + 3; cell++) {
        if (g->digit[cell] == g->digit[best]) n++;
        if (g->digit[cell] > g->digit[best]) best = cell, n = 1;
    }
    return n == 1 ? best : -1;
}

static int ask_chain(struct words *w, struct ptd_draw *draw)
{
    int row = (int)ptd_draw_below(draw, 3), hop = largest_in(w->g, row), cells[3];
    if (hop < 0) return 0;
    ask_words(w, "sum of the column of the largest in row %c", 'a' + row);
    put_line(w, 0, row, MAX);
    w->n_results = 0;
    say(w, " column %s:", ptd_cell_name[hop]);
    line_cells(1, hop % 3, cells);
    list(w, cells, 3, ADD);
    say(w, " ");
    return 1;
}

/* Of a colour that is in two cells, of different rows. */
static int ask_hops(struct words *w, struct ptd_draw *draw)
{
    int cells[PTD_CELLS], colour = (int)ptd_draw_below(draw, MEASURES);
    if (cells_of(w->g, colour, cells) != 2 || cells[0] / 3 == cells[1] / 3) return 0;
    ask_words(w, "sum of the rows of the %s cells", ptd_colour_name[colour]);
    say(w, "%s %s %s.", ptd_colour_name[colour], ptd_cell_name[cells[0]], ptd_cell_name[cells[1]]);
    for (int i = 0; i < 2; i++) see(w, cells[i]);
    step(w, "first %s %s", ptd_cell_name[cells[0]], ptd_cell_name[cells[1]]);
    for (int i = 0; i < 2; i++) put_line(w, 0, cells[i] / 3, ADD);
    conclude(w, ADD);
    return 1;
}

/* ---- what teaches to see ---- */

static void say_cell(struct words *w, int cell)
{
    say(w, "%s%s %s %d", w->len ? ", " : "", ptd_cell_name[cell],
        ptd_colour_name[w->g->colour[cell]], w->g->digit[cell]);
}

static void describe(struct words *w, struct ptd_draw *draw)
{
    int order[PTD_CELLS];
    for (int i = 0; i < PTD_CELLS; i++) {
        int j = (int)ptd_draw_below(draw, (uint32_t)i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    ask_words(w, "describe");
    for (int i = 0; i < PTD_CELLS; i++) say_cell(w, order[i]);
}

static void find(struct words *w, struct ptd_draw *draw)
{
    int cells[PTD_CELLS], colour = (int)ptd_draw_below(draw, MEASURES),
                          n = cells_of(w->g, colour, cells);
    ask_words(w, "look at the %s cells", ptd_colour_name[colour]);
    say(w, "%s", ptd_colour_name[colour]);
    for (int i = 0; i < n; i++) say(w, " %s", ptd_cell_name[cells[i]]);
    if (!n) say(w, " none");
}

static int ask_to_see(struct words *w, int kind, struct ptd_draw *draw)
{
    if (kind == PTD_CHART_DESCRIBE)
        describe(w, draw);
    else if (kind == PTD_CHART_FIND)
        find(w, draw);
    else {
        int cell = (int)ptd_draw_below(draw, PTD_CELLS);
        ask_words(w, "read %s", ptd_cell_name[cell]);
        say_cell(w, cell);
    }
    memcpy(w->task->answer, w->task->solution, sizeof w->task->answer);
    return 1;
}

int ptd_chart_ask(struct ptd_task *t, int kind, const struct ptd_grid *g, struct ptd_draw *draw)
{
    struct words w = {.task = t, .g = g};
    memset(t, 0, sizeof *t);
    t->kind = kind;
    if (kind >= PTD_CHART_DESCRIBE) return ask_to_see(&w, kind, draw);
    int possible = kind == PTD_SPREAD  ? ask_spread(&w, draw)
                   : kind == PTD_CHAIN ? ask_chain(&w, draw)
                   : kind == PTD_HOPS  ? ask_hops(&w, draw)
                                       : ask_lines(&w, kind);
    if (possible) box(&w);
    return possible;
}

/* ---- as a scene ---- */

static void *open_bars(enum ptd_split split)
{
    struct ptd_bars *b = ptd_alloc(sizeof *b);
    if (ptd_bars_open(b, split) == 0) return b;
    free(b);
    return NULL;
}

static void close_bars(void *b)
{
    if (b) ptd_bars_close(b);
    free(b);
}

static void draw_chart(struct ptd_grid *g, const void *b, struct ptd_draw *draw)
{
    ptd_chart_draw(g, b, draw);
}

static void paint_chart(const struct ptd_grid *g, const void *b, struct ptd_image *im)
{
    ptd_chart_paint(g, b, im);
}

const struct ptd_scene ptd_scene_charts = {kind_name,   PTD_CHART_KINDS, PTD_CHART_DESCRIBE,
                                           open_bars,   close_bars,      draw_chart,
                                           paint_chart, ptd_chart_ask};
