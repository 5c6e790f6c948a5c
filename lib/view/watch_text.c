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
    char line[LINE], eta[32], of[32] = "";
    span(eta, sizeof eta, w->eta);
    if (w->steps) snprintf(of, sizeof of, " of %lld", (long long)w->steps);
    snprintf(line, sizeof line, "%.200s  generation %lld%s  %s  ETA %s  memory left %s", w->dir,
             (long long)w->generation, of, w->trained ? "training" : "nobody trains", eta,
             ptd_size((double)w->left).text);
    put(o, PTD_WATCH_STRONG, line);
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

static void put_program(struct out *o, const struct ptd_watch *w, int i)
{
    const struct ptd_post *p = &w->post[i];
    char line[LINE], now[64], step[32] = "-";
    now_text(now, sizeof now, w, p);
    if (p->step) snprintf(step, sizeof step, "%.2f s", p->step_work);
    snprintf(line, sizeof line, "%-12s %9s %5.0f%% %8.0f %9s %9s %8lld  %s", p->name, step,
             100 * ptd_watch_busy(p), ptd_watch_speed(p), ptd_size((double)p->queued).text,
             ptd_size((double)w->memory[i]).text, (long long)p->groups, now);
    put(o, PTD_WATCH_PLAIN, line);
}

static void put_programs(struct out *o, const struct ptd_watch *w)
{
    put(o, PTD_WATCH_PLAIN, "");
    if (!w->n_posts) {
        put(o, PTD_WATCH_PLAIN, "no program works on it here");
        return;
    }
    put(o, PTD_WATCH_STRONG,
        "program         a step   busy tokens/s     queue    memory   groups  now");
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

/* A name, its last value and, where there is room, the range of all. */
static void title_of(char *out, size_t cap, const struct ptd_watch_series *s, const char *name,
                     int width)
{
    char text[LINE], last[32], range[64];
    if (!s || !s->n) {
        snprintf(text, sizeof text, "%.60s  none yet", name);
        snprintf(out, cap, "%-*.*s", width, width, text);
        return;
    }
    struct bounds b = bounds_of(s);
    snprintf(last, sizeof last, "%.4g", s->y[s->n - 1]);
    snprintf(range, sizeof range, "  (%.4g to %.4g)", b.y0, b.y1);
    int room = width - (int)strlen(last) - 1;
    if (room < 1) room = 1;
    int fits = (int)(strlen(name) + strlen(range)) <= room;
    snprintf(text, sizeof text, "%.*s %s%s", room < 60 ? room : 60, name, last, fits ? range : "");
    snprintf(out, cap, "%-*.*s", width, width, text);
}

static struct canvas canvas_of(const struct ptd_watch_series *s, int width)
{
    struct canvas c = {.width = width, .height = CURVE_HEIGHT};
    c.dots = ptd_array((size_t)c.width * CURVE_HEIGHT, 1);
    if (s && s->n) draw(&c, s);
    return c;
}

/* line, malloc'd, with a piece behind it. */
static char *joined(char *line, const char *piece)
{
    char *longer = ptd_format("%s%s%s", line, *line ? "  " : "", piece);
    free(line);
    return longer;
}

static void put_joined(struct out *o, int strength, char *line)
{
    put(o, strength, line);
    free(line);
}

/* Curves side by side: titles, then lines. */
static void put_row(struct out *o, const struct ptd_watch *w, const char *const *names, int n,
                    int width)
{
    char piece[2 * LINE], *line = ptd_strdup("");
    struct canvas c[ACROSS];
    for (int i = 0; i < n; i++) {
        const struct ptd_watch_series *s = ptd_watch_find(w, names[i]);
        title_of(piece, sizeof piece, s, names[i], width);
        line = joined(line, piece);
        c[i] = canvas_of(s, width);
    }
    put_joined(o, PTD_WATCH_STRONG, line);
    for (int k = 0; k < CURVE_HEIGHT; k++) {
        line = ptd_strdup("");
        for (int i = 0; i < n; i++) {
            add_canvas(piece, &c[i], k, o->form->braille);
            line = joined(line, piece);
        }
        put_joined(o, PTD_WATCH_CURVE, line);
    }
    for (int i = 0; i < n; i++) free(c[i].dots);
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
    for (int i = 0; i < n && room_left(o) > CURVE_HEIGHT + 1 + answers; i += across) {
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
