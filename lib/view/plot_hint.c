/* plot_hint: one group's picture with its hint drawn over it.
 * Leaves gnuplot's handling to gnuplot.c. */
#include "base/printable.h"
#include "flow/record.h"
#include "flow/stream.h"
#include "view/gnuplot.h"
#include "view/plot.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIDE      512 /* a smaller picture is enlarged towards it */
#define WIDTH_MIN 420
#define SIDE_MAX  1024 /* a larger one is drawn coarser */
#define COLUMNS   100  /* of a line of words */
#define ROOM      64   /* for words above and below */
#define EDGE      8    /* beside it, for its frame */

/* ---- finding the group ---- */

static int wanted(const struct ptd_group *g, const char *uid)
{
    return g->n_pictures > 0 && (uid ? strcmp(g->uid, uid) == 0 : g->hint.text != NULL);
}

static int check_head(const struct ptd_frame *f)
{
    struct ptd_head h;
    if (ptd_head_decode(&h, f->body, f->body_len) < 0) return -1;
    ptd_head_clear(&h);
    return 0;
}

/* Leaves the group in g; its pixels live until the reader goes on. */
static int find_group(struct ptd_reader *r, const char *uid, struct ptd_group *g)
{
    struct ptd_frame f;
    int got;
    while ((got = ptd_reader_next(r, &f)) > 0) {
        if (f.kind == PTD_HEAD && check_head(&f) < 0) return ptd_reader_blame(r, &f);
        if (f.kind != PTD_GROUP) continue;
        if (ptd_group_read(g, f.body, f.body_len) < 0) return ptd_reader_blame(r, &f);
        if (wanted(g, uid)) return 0;
    }
    if (got < 0) return -1;
    if (uid)
        return ptd_fail(PTD_DATAERR, "%s: no group \"%.64s\" with a picture", ptd_reader_name(r),
                        uid);
    return ptd_fail(PTD_DATAERR, "%s: no group with a hint: expected the output of ptd-hint",
                    ptd_reader_name(r));
}

/* ---- drawing ---- */

/* Where the picture is drawn, in pixels. Enlarged by a whole number it stays sharp, each pixel
 * becoming a square of them; of one that is too large every so manyth is drawn. */
struct canvas {
    int w, h;          /* of the picture */
    int width, height; /* of all */
};

static int shrunk(int side, int larger)
{
    int n = (int)((int64_t)side * SIDE_MAX / larger);
    return n ? n : 1;
}

static struct canvas lay_out(const struct ptd_picture *p)
{
    int larger = p->width > p->height ? p->width : p->height,
        scale = larger < SIDE ? SIDE / larger : 1;
    struct canvas c = {.w = p->width * scale, .h = p->height * scale};
    if (larger > SIDE_MAX) c.w = shrunk(p->width, larger), c.h = shrunk(p->height, larger);
    c.width = c.w + 2 * EDGE < WIDTH_MIN ? WIDTH_MIN : c.w + 2 * EDGE;
    c.height = c.h + 2 * ROOM;
    return c;
}

static void put_pixels(FILE *f, const struct ptd_picture *p, const struct canvas *c)
{
    fputs("$picture << EOD\n", f);
    for (int y = 0; y < c->h; y++)
        for (int x = 0; x < c->w; x++) {
            size_t row = (size_t)((int64_t)y * p->height / c->h),
                   column = (size_t)((int64_t)x * p->width / c->w);
            const uint8_t *v = p->pixels + 3 * (row * (size_t)p->width + column);
            fprintf(f, "%d %d %d %d %d\n", x, y, v[0], v[1], v[2]);
        }
    fputs("EOD\n", f);
}

/* A white line within a dark one is seen on any ground. */
static void put_region(FILE *f, int width, int height, const struct ptd_region *r, int i)
{
    const double inset = 3;
    double x0 = r->box[0] * width + inset, y0 = r->box[1] * height + inset;
    double x1 = r->box[2] * width - inset, y1 = r->box[3] * height - inset;
    for (int k = 0; k < 2; k++)
        fprintf(f,
                "set object %d rectangle from %.4f,%.4f to %.4f,%.4f front fs empty border rgb "
                "'%s' lw %d\n",
                2 * i + k + 1, x0, y0, x1, y1, k ? "#FFFFFF" : "#000000", k ? 2 : 5);
    fputs("set label ", f);
    ptd_gnuplot_quote(f, r->label ? r->label : "");
    fprintf(
        f, " at %.4f,%.4f left offset character 0.6,-0.9 front boxed tc rgb '#FFFFFF' font ',13'\n",
        x0, y0);
}

static void put_text(FILE *f, const char *what, const char *text, double y, int height)
{
    char *line = ptd_format("%s%s", what, text ? text : "");
    for (char *p = line; *p; p++)
        if (*p == '\n' || *p == '\t') *p = ' ';
    char *cut = ptd_printable_cut(line, COLUMNS);
    fputs("set label ", f);
    ptd_gnuplot_quote(f, cut);
    fprintf(f, " at screen 0.5, screen %.4f center font ',11'\n", y / height);
    free(cut);
    free(line);
}

static void put_words(FILE *f, const struct ptd_group *g, int height)
{
    const char *question = g->question ? g->question : "";
    while (strncmp(question, "<image>", 7) == 0) question += 7;
    put_text(f, "", g->uid, height - 20, height);
    put_text(f, "", question, height - 44, height);
    put_text(f, g->hint.text ? "hint: " : "no hint", g->hint.text ? g->hint.text : "", 40, height);
    put_text(f, g->hint.text ? "from " : "",
             g->hint.text   ? g->hint.source
             : g->hint_drop ? g->hint_drop
                            : "",
             16, height);
}

static int draw(const struct ptd_group *g, const char *path)
{
    const struct ptd_picture *p = &g->pictures[0];
    if (p->width < 1 || p->height < 1 || !p->pixels)
        return ptd_fail(PTD_DATAERR,
                        "group \"%.200s\": a picture of %d x %d, expected at least 1 x 1", g->uid,
                        p->width, p->height);
    struct canvas c = lay_out(p);
    struct ptd_gnuplot *plot = ptd_gnuplot_open(path, c.width, c.height);
    if (!plot) return -1;
    FILE *f = ptd_gnuplot_script(plot);
    double left = (c.width - c.w) / 2. / c.width, below = (double)ROOM / c.height;
    put_pixels(f, p, &c);
    fprintf(
        f,
        "set encoding utf8\nunset key\nset style textbox opaque noborder fillcolor rgb '#303030' "
        "margins 1.2,1.2\nset border 15 lw 1 lc rgb '#808080'\nunset tics\nset "
        "xrange [-0.5:%d.5]\nset "
        "yrange "
        "[%d.5:-0.5]\n",
        c.w - 1, c.h - 1);
    fprintf(f,
            "set lmargin at screen %.5f\nset rmargin at screen %.5f\nset bmargin at screen "
            "%.5f\nset tmargin "
            "at screen %.5f\n",
            left, 1 - left, below, 1 - below);
    for (int i = 0; i < g->hint.n_regions; i++) put_region(f, c.w, c.h, &g->hint.regions[i], i);
    put_words(f, g, c.height);
    fputs("plot $picture using 1:2:3:4:5 with rgbimage\n", f);
    return ptd_gnuplot_close(plot);
}

int ptd_hint_draw(const char *stream, const char *uid, const char *path)
{
    int fd = strcmp(stream, "-") == 0 ? 0 : open(stream, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return ptd_fail(PTD_NOINPUT, "%s:", stream);
    struct ptd_reader *r = ptd_reader_open(fd, stream);
    struct ptd_group g = {0};
    int rc = find_group(r, uid, &g);
    if (rc == 0) rc = draw(&g, path);
    ptd_group_clear(&g);
    int status = ptd_failed_status();
    char *why = rc ? ptd_strdup(ptd_failed_message()) : NULL;
    /* the rest of the stream is not looked at, so what closing says counts for nothing */
    if (ptd_reader_close(r) < 0 && rc) ptd_fail(status, "%s", why);
    free(why);
    return rc;
}
