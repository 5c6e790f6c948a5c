/* watch_text: a run as lines for a terminal: what it is, who does what, curves, answers. */
#include "base/printable.h"
#include "base/progress.h"
#include "base/size.h"
#include "view/watch_private.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CURVE_HEIGHT 5
#define CURVE_WIDTH  38 /* least columns of a curve */
#define ACROSS       4  /* most curves side by side */
#define LINE         1024

struct out {
    const struct ptd_watch_form *form;
    void (*put)(void *ctx, const char *line, int strength);
    void *ctx;
    int lines;
};

static int room_left(const struct out *o)
{
    return o->form->height - o->lines;
}

/* The beginning of a text that takes at most `width` columns. */
static char *cut_behind(const char *text, int width)
{
    char *all = ptd_printable(text);
    for (size_t n = strlen(all); n && ptd_printable_width(all) > width; all[n] = 0)
        while (n && (all[--n] & 0xc0) == 0x80) continue;
    return all;
}

static void put(struct out *o, int strength, const char *text)
{
    if (room_left(o) <= 0) return;
    char *cut = cut_behind(text, o->form->width);
    o->put(o->ctx, cut, strength);
    o->lines++;
    free(cut);
}

/* ---- words ---- */

static void span(char *out, size_t cap, double seconds)
{
    long s = (long)(seconds + 0.5);
    if (seconds < 0)
        snprintf(out, cap, "-");
    else if (s < 3600)
        snprintf(out, cap, "%ld:%02ld", s / 60, s % 60);
    else
        snprintf(out, cap, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

static void put_head(struct out *o, const struct ptd_watch *w)
{
    char line[LINE], rest[128], eta[32], of[32] = "";
    span(eta, sizeof eta, w->eta);
    if (w->steps) snprintf(of, sizeof of, " of %lld", (long long)w->steps);
    int n = snprintf(line, sizeof line, "%.200s  generation %lld%s", w->dir,
                     (long long)w->generation, of);
    snprintf(rest, sizeof rest, "%s  ETA %s  memory left %s",
             w->trained ? "training" : "nobody trains", eta, ptd_size((double)w->left).text);
    int fits = n + 2 + (int)strlen(rest) <= o->form->width;
    if (fits) snprintf(line + n, sizeof line - (size_t)n, "  %s", rest);
    put(o, PTD_WATCH_STRONG, line);
    if (!fits) put(o, PTD_WATCH_STRONG, rest);
}

static void now_text(char *out, size_t cap, const struct ptd_watch *w, const struct ptd_post *p)
{
    const char *whom = ptd_progress_awaits(p, w->post, w->n_posts);
    if (whom)
        snprintf(out, cap, "waits for %s", whom);
    else if (p->total)
        snprintf(out, cap, "%s %lld/%lld", p->what, (long long)p->done, (long long)p->total);
    else
        snprintf(out, cap, "works");
}

/* Of the table of programs; least: columns of a terminal that has room for it. */
static const struct {
    const char *heading;
    int width, least;
} columns[] = {{"program", -12, 0}, {"a step", 9, 0},  {"busy", 6, 72},   {"tokens/s", 8, 72},
               {"queue", 9, 92},    {"memory", 9, 72}, {"groups", 8, 92}, {" now", 0, 0}};
enum { COLUMNS = sizeof columns / sizeof *columns };

static void put_cells(struct out *o, int strength, char cell[COLUMNS][64])
{
    char line[LINE];
    int n = 0;
    for (int i = 0; i < COLUMNS; i++)
        if (o->form->width >= columns[i].least)
            n += snprintf(line + n, sizeof line - (size_t)n, "%s%*s", i ? " " : "",
                          columns[i].width, cell[i]);
    put(o, strength, line);
}

static void put_headings(struct out *o)
{
    char cell[COLUMNS][64];
    for (int i = 0; i < COLUMNS; i++) snprintf(cell[i], sizeof *cell, "%s", columns[i].heading);
    put_cells(o, PTD_WATCH_STRONG, cell);
}

static void put_program(struct out *o, const struct ptd_watch *w, int i)
{
    const struct ptd_post *p = &w->post[i];
    char cell[COLUMNS][64] = {"", "-"}, now[60];
    now_text(now, sizeof now, w, p);
    snprintf(cell[0], sizeof *cell, "%s", p->name);
    if (p->step) snprintf(cell[1], sizeof *cell, "%.2f s", p->step_work);
    snprintf(cell[2], sizeof *cell, "%.0f%%", 100 * ptd_watch_busy(p));
    snprintf(cell[3], sizeof *cell, "%.0f", ptd_watch_speed(p));
    snprintf(cell[4], sizeof *cell, "%s", ptd_size((double)p->queued).text);
    snprintf(cell[5], sizeof *cell, "%s", ptd_size((double)w->memory[i]).text);
    snprintf(cell[6], sizeof *cell, "%lld", (long long)p->groups);
    snprintf(cell[7], sizeof *cell, " %s", now);
    put_cells(o, PTD_WATCH_PLAIN, cell);
}

static void put_programs(struct out *o, const struct ptd_watch *w)
{
    put(o, PTD_WATCH_PLAIN, "");
    if (!w->n_posts) {
        put(o, PTD_WATCH_PLAIN, "no program works on it here");
        return;
    }
    put_headings(o);
    for (int i = 0; i < w->n_posts; i++) put_program(o, w, i);
}

/* ---- curves ---- */

struct canvas {
    int width, height; /* columns, lines */
    uint8_t *dots;     /* [height][width], a bit a dot */
};

static void dot(struct canvas *c, int x, int y)
{
    static const uint8_t bit[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    if (x < 0 || y < 0 || x >= 2 * c->width || y >= 4 * c->height) return;
    c->dots[(y / 4) * c->width + x / 2] |= bit[y % 4][x % 2];
}

struct bounds {
    double x0, x1, y0, y1;
};

static struct bounds bounds_of(const struct ptd_watch_series *s)
{
    struct bounds b = {s->x[0], s->x[s->n - 1], INFINITY, -INFINITY};
    for (long i = 0; i < s->n; i++) b.y0 = fmin(b.y0, s->y[i]), b.y1 = fmax(b.y1, s->y[i]);
    return b;
}

/* Dots of the line between two points. */
static void stroke(struct canvas *c, double x0, double y0, double x1, double y1)
{
    int n = (int)fmax(fabs(x1 - x0), fabs(y1 - y0)) + 1;
    for (int i = 0; i <= n; i++)
        dot(c, (int)lround(x0 + (x1 - x0) * i / n), (int)lround(y0 + (y1 - y0) * i / n));
}

static void draw(struct canvas *c, const struct ptd_watch_series *s)
{
    struct bounds b = bounds_of(s);
    double w = 2 * c->width - 1, h = 4 * c->height - 1, before_x = 0, before_y = 0;
    for (long i = 0; i < s->n; i++) {
        double x = b.x1 > b.x0 ? (s->x[i] - b.x0) / (b.x1 - b.x0) * w : 0;
        double y = b.y1 > b.y0 ? h - (s->y[i] - b.y0) / (b.y1 - b.y0) * h : h / 2;
        if (i)
            stroke(c, before_x, before_y, x, y);
        else
            dot(c, (int)lround(x), (int)lround(y));
        before_x = x, before_y = y;
    }
}

/* A line of a canvas, with `width` columns. */
static void add_canvas(char *out, const struct canvas *c, int line, int braille)
{
    for (int i = 0; i < c->width; i++) {
        uint8_t d = c->dots[line * c->width + i];
        if (!braille || !d)
            *out++ = d ? '*' : ' ';
        else
            *out++ = (char)0xe2, *out++ = (char)(0xa0 | d >> 6), *out++ = (char)(0x80 | (d & 63));
    }
    *out = 0;
}

/* A name and its last value. */
static void title_of(char *out, size_t cap, const struct ptd_watch_series *s, const char *name,
                     int width)
{
    char text[LINE], last[32] = "none yet";
    if (s && s->n) snprintf(last, sizeof last, "%.4g", s->y[s->n - 1]);
    int room = width - (int)strlen(last) - 1;
    if (room < 1) room = 1;
    snprintf(text, sizeof text, "%.*s %s", room < 60 ? room : 60, name, last);
    snprintf(out, cap, "%-*.*s", width, width, text);
}

/* ---- axes ---- */

/* A curve with what stands left of its lines and below them. */
struct graph {
    struct canvas canvas;
    char label[CURVE_HEIGHT][16], steps[32], last[32]; /* steps: the first one */
    int left;                                          /* columns of the labels */
};

/* Most and least; one label where all are the same. */
static void label_values(struct graph *g, const struct bounds *b)
{
    int top = b->y1 > b->y0 ? 0 : CURVE_HEIGHT / 2;
    snprintf(g->label[top], sizeof *g->label, "%.4g", b->y1);
    if (b->y1 > b->y0) snprintf(g->label[CURVE_HEIGHT - 1], sizeof *g->label, "%.4g", b->y0);
    for (int k = 0; k < CURVE_HEIGHT; k++)
        if ((int)strlen(g->label[k]) > g->left) g->left = (int)strlen(g->label[k]);
    g->left++;
}

static void label_steps(struct graph *g, const struct bounds *b)
{
    snprintf(g->steps, sizeof g->steps, "step %.0f", b->x0);
    if (b->x1 > b->x0) snprintf(g->last, sizeof g->last, "%.0f", b->x1);
}

static struct graph graph_of(const struct ptd_watch_series *s, int width)
{
    struct graph g = {.canvas.height = CURVE_HEIGHT};
    if (s && s->n) {
        struct bounds b = bounds_of(s);
        label_values(&g, &b);
        label_steps(&g, &b);
        if (g.left > width / 2) g.left = 0; /* no room for labels */
    }
    g.canvas.width = width - g.left;
    g.canvas.dots = ptd_array((size_t)g.canvas.width * CURVE_HEIGHT, 1);
    if (s && s->n) draw(&g.canvas, s);
    return g;
}

static char *line_of(const struct graph *g, int line, int braille)
{
    char piece[LINE];
    add_canvas(piece, &g->canvas, line, braille);
    return g->left ? ptd_format("%*s %s", g->left - 1, g->label[line], piece) : ptd_strdup(piece);
}

static char *steps_of(const struct graph *g)
{
    int room = g->canvas.width - (int)strlen(g->steps);
    if (room < (int)strlen(g->last) + 1)
        return ptd_format("%*s%-*.*s", g->left, "", g->canvas.width, g->canvas.width, g->steps);
    return ptd_format("%*s%s%*s", g->left, "", g->steps, room, g->last);
}

/* line, with a piece behind it; malloc'd, all three. */
static char *joined(char *line, char *piece)
{
    char *longer = ptd_format("%s%s%s", line, *line ? "  " : "", piece);
    free(line);
    free(piece);
    return longer;
}

static void put_joined(struct out *o, int strength, char *line)
{
    put(o, strength, line);
    free(line);
}

/* Curves side by side: titles, lines, steps. */
static void put_row(struct out *o, const struct ptd_watch *w, const char *const *names, int n,
                    int width)
{
    char title[LINE], *line = ptd_strdup("");
    struct graph g[ACROSS];
    for (int i = 0; i < n; i++) {
        const struct ptd_watch_series *s = ptd_watch_find(w, names[i]);
        title_of(title, sizeof title, s, names[i], width);
        line = joined(line, ptd_strdup(title));
        g[i] = graph_of(s, width);
    }
    put_joined(o, PTD_WATCH_STRONG, line);
    for (int k = 0; k <= CURVE_HEIGHT; k++) {
        line = ptd_strdup("");
        for (int i = 0; i < n; i++)
            line = joined(line,
                          k < CURVE_HEIGHT ? line_of(&g[i], k, o->form->braille) : steps_of(&g[i]));
        put_joined(o, k < CURVE_HEIGHT ? PTD_WATCH_CURVE : PTD_WATCH_PLAIN, line);
    }
    for (int i = 0; i < n; i++) free(g[i].canvas.dots);
}

/* As many as there is room for, of all that are chosen, above the answers. */
static void put_curves(struct out *o, const struct ptd_watch *w, int answers)
{
    const char *names[PTD_WATCH_FIELDS];
    int n = ptd_watch_choice(w, names), all = o->form->width > 300 ? 300 : o->form->width;
    int across = (all + 2) / (CURVE_WIDTH + 2), width;
    if (across < 1) across = 1;
    if (across > ACROSS) across = ACROSS;
    width = (all + 2) / across - 2;
    if (!n) put(o, PTD_WATCH_PLAIN, "");
    if (!n) put(o, PTD_WATCH_PLAIN, "no metrics yet");
    for (int i = 0; i < n && room_left(o) > CURVE_HEIGHT + 2 + answers; i += across) {
        put(o, PTD_WATCH_PLAIN, "");
        put_row(o, w, names + i, n - i < across ? n - i : across, width < 8 ? 8 : width);
    }
}

/* ---- answers ---- */

static void put_answers(struct out *o, const struct ptd_watch *w)
{
    if (w->n_said) put(o, PTD_WATCH_PLAIN, "");
    if (w->n_said) put(o, PTD_WATCH_STRONG, "last answers");
    for (int i = 0; i < w->n_said; i++) {
        char *part[4], *line;
        ptd_watch_split(w->said[i], part);
        line = ptd_format("%-10s %s | %s | %s", part[2], part[0], part[1], part[3]);
        put(o, PTD_WATCH_PLAIN, line);
        free(line);
        for (int k = 0; k < 4; k++) free(part[k]);
    }
}

void ptd_watch_text(const struct ptd_watch *w, const struct ptd_watch_form *f,
                    void (*put_line)(void *ctx, const char *line, int strength), void *ctx)
{
    struct out o = {.form = f, .put = put_line, .ctx = ctx};
    put_head(&o, w);
    put_programs(&o, w);
    put_curves(&o, w, w->n_said ? w->n_said + 2 : 0);
    put_answers(&o, w);
}
