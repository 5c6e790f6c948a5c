/* plot: metrics in, panels of curves out.
 * Leaves gnuplot's handling to gnuplot.c, and hints to plot_hint.c. */
#include "view/plot.h"
#include "base/json.h"
#include "method/glossary.h"
#include "view/gnuplot.h"
#include "view/lines.h"
#include "view/plot_private.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LINE_LIMIT ((size_t)1 << 20)
#define POINTS_MAX 1000000

/* ---- reading ---- */

static int add_point(struct ptd_series *s, double x, double y)
{
    while (s->n > 0 && s->x[s->n - 1] >= x) s->n--; /* resumed */
    if (s->n == POINTS_MAX) return -1;
    if (s->n == s->cap) {
        s->cap = 2 * s->cap + 256;
        s->x = ptd_realloc(s->x, (size_t)s->cap * sizeof *s->x);
        s->y = ptd_realloc(s->y, (size_t)s->cap * sizeof *s->y);
    }
    s->x[s->n] = x;
    s->y[s->n++] = y;
    return 0;
}

/* Where values of fields go. */
struct taking {
    struct ptd_run_metrics *run;
    char *const *fields;
};

static int read_line(void *to, const char *where, long line, const json_t *o)
{
    struct ptd_run_metrics *r = ((struct taking *)to)->run;
    char *const *fields = ((struct taking *)to)->fields;
    const json_t *step = json_object_get(o, "step");
    if (!json_is_number(step))
        return ptd_fail(PTD_DATAERR, "%s:%ld: field \"step\": expected a number", where, line);
    for (int i = 0; i < r->n_series; i++) {
        const json_t *v = json_object_get(o, fields[i]);
        if (v && !json_is_null(v) && !json_is_number(v))
            return ptd_fail(PTD_DATAERR, "%s:%ld: field \"%.64s\": expected a number", where, line,
                            fields[i]);
        if (json_is_number(v) &&
            add_point(&r->series[i], json_number_value(step), json_number_value(v)) < 0)
            return ptd_fail(PTD_DATAERR, "%s:%ld: more than %d steps", where, line, POINTS_MAX);
    }
    return 0;
}

struct lines {
    FILE *f, *copy; /* copy: gets what is read; NULL: nobody does */
};

/* The next line, of which no more than one byte over the limit is kept; its length, 0 at the
 * end. */
static size_t next_line(struct lines *l, char text[LINE_LIMIT + 2])
{
    size_t n = 0;
    int c = 0;
    while (n <= LINE_LIMIT && c != '\n' && (c = getc_unlocked(l->f)) != EOF) text[n++] = (char)c;
    text[n] = '\0';
    if (l->copy) fwrite(text, 1, n, l->copy);
    return n;
}

static int read_lines(struct lines *l, const char *where, ptd_line_fn *take, void *to)
{
    char *text = ptd_malloc(LINE_LIMIT + 2);
    size_t len;
    int rc = 0;
    for (long line = 1; rc == 0 && (len = next_line(l, text)); line++) {
        if (text[strspn(text, " \t\r\n")] == '\0' && !memchr(text, '\0', len)) continue;
        json_t *o =
            len <= LINE_LIMIT ? ptd_json_load(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
        if (json_is_object(o))
            rc = take(to, where, line, o);
        else if (text[strspn(text, " \t\r\n")] != '{' || text[len - 1] == '\n' || o ||
                 len > LINE_LIMIT)
            rc = ptd_lines_refuse(where, line, text, len);
        json_decref(o);
    }
    if (rc == 0 && !feof(l->f))
        rc = ptd_fail(errno == EISDIR ? PTD_NOINPUT : PTD_IOERR, "%s:", where);
    if (rc == 0 && l->copy && (fflush(l->copy) || ferror(l->copy)))
        rc = ptd_fail(PTD_IOERR, "%s: a temporary copy: write:", where);
    free(text);
    return rc;
}

/* What cannot be read again, pipes mostly, is kept the first time: path i's bytes in kept[i]. */
static struct ptd_names paths;
static FILE **kept;

static FILE *keep(const char *path)
{
    int at = ptd_names_add(&paths, path);
    kept = ptd_realloc(kept, (size_t)paths.n * sizeof *kept);
    return kept[at] = tmpfile();
}

static FILE *kept_of(const char *path)
{
    int at = ptd_names_find(&paths, path);
    if (at >= 0) rewind(kept[at]);
    return at < 0 ? NULL : kept[at];
}

/* Reads what is open as f, and keeps it if need be. */
static int read_open(FILE *f, const char *path, const char *where, ptd_line_fn *take, void *to)
{
    struct stat st;
    int regular = fstat(fileno(f), &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
    FILE *copy = regular ? NULL : keep(path);
    if (!regular && !copy) return ptd_fail(PTD_IOERR, "%s: a temporary file:", where);
    return read_lines(&(struct lines){f, copy}, where, take, to);
}

int ptd_metrics_file(const char *path, ptd_line_fn *take, void *to)
{
    int standard = strcmp(path, "-") == 0;
    const char *where = standard ? "standard input" : path;
    FILE *f = kept_of(path);
    if (f) return read_lines(&(struct lines){f, NULL}, where, take, to);
    f = standard ? stdin : fopen(path, "re");
    if (!f) return ptd_fail(PTD_NOINPUT, "%s:", path);
    int rc = read_open(f, path, where, take, to);
    if (!standard) fclose(f);
    return rc;
}

int ptd_run_read(struct ptd_run_metrics *r, const char *path, char *const *fields, int n_fields)
{
    r->n_series = n_fields;
    r->series = ptd_array((size_t)n_fields, sizeof *r->series);
    return ptd_metrics_file(path, read_line, &(struct taking){r, fields});
}

void ptd_run_clear(struct ptd_run_metrics *r)
{
    for (int i = 0; i < r->n_series; i++) {
        free(r->series[i].x);
        free(r->series[i].y);
        free(r->series[i].low);
        free(r->series[i].high);
    }
    free(r->series);
    free(r->name);
    memset(r, 0, sizeof *r);
}

/* ---- drawing ---- */

/* Okabe and Ito's colours in an order of alternating lightness, each with its own dashes. */
static const struct {
    const char *colour, *dash;
} styles[] = {{"0072B2", "1"}, {"D55E00", "(14,6)"}, {"009E73", "(4,4)"}, {"CC79A7", "(18,5,4,5)"},
              {"E69F00", "1"}, {"000000", "(9,9)"},  {"56B4E9", "(6,3)"}};
#define STYLES ((int)(sizeof styles / sizeof *styles))

/* How a panel is called, and what its values can be. */
static char *title_of(const char *field)
{
    const struct ptd_metric *m = ptd_metric_named(field);
    if (m && m->title) return ptd_strdup(m->title);
    return m && *m->unit ? ptd_format("%s (%s)", field, m->unit) : ptd_strdup(field);
}

static int range_of(const char *field)
{
    const struct ptd_metric *m = ptd_metric_named(field);
    return m ? m->range : PTD_METRIC_ANY;
}

/* mean[i] of the last `width` of y[0..i], or of all of them: of each block of so many, sums from
 * its begin and sums to its end, which meet. */
static void running_mean(const double *y, int n, int width, double *mean)
{
    double head = 0, *tail = ptd_array((size_t)n + 1, sizeof *tail);
    for (int i = n - 1; i >= 0; i--) tail[i] = y[i] + ((i + 1) % width ? tail[i + 1] : 0);
    for (int i = 0; i < n; i++) {
        int first = i < width ? 0 : i - width + 1;
        head = i % width ? head + y[i] : y[i];
        mean[i] = (head + (first % width ? tail[first] : 0)) / (i - first + 1);
    }
    free(tail);
}

#define SHORT 40 /* points, each of which can be seen */

int ptd_curves_width(const struct ptd_curves *c, const struct ptd_series *s)
{
    return c->smooth ? c->smooth : s->n > SHORT ? 10 : 1;
}

void ptd_series_smooth(struct ptd_series *s, int width)
{
    double *mean = ptd_array((size_t)s->n + 1, sizeof *mean);
    running_mean(s->y, s->n, width, mean);
    memcpy(s->y, mean, (size_t)s->n * sizeof *mean);
    free(mean);
}

/* An end of a band, within what the field can be. */
static double bound(double y, int range)
{
    if (range != PTD_METRIC_ANY && y < 0) return 0;
    return range == PTD_METRIC_SHARE && y > 1 ? 1 : y;
}

static void put_data(FILE *f, const struct ptd_curves *c, int field, int run)
{
    const struct ptd_series *s = &c->runs[run].series[field];
    int range = range_of(c->fields[field]);
    double *mean = ptd_array((size_t)s->n, sizeof *mean);
    running_mean(s->y, s->n, c->joined ? 1 : ptd_curves_width(c, s), mean);
    fprintf(f, "$d%d_%d << EOD\n", field, run);
    for (int i = 0; i < s->n; i++)
        fprintf(f, "%.9g %.9g %.9g %.9g %.9g\n", s->x[i], s->y[i], mean[i],
                s->low ? bound(s->low[i], range) : s->y[i],
                s->high ? bound(s->high[i], range) : s->y[i]);
    fputs("EOD\n", f);
    free(mean);
}

static const char *dash_of(int run)
{
    return styles[(run + run / STYLES) % STYLES].dash;
}

/* Bands, below all else; what is to be put before the next curve. */
static const char *put_bands(FILE *f, const struct ptd_curves *c, int field)
{
    const char *comma = "plot ";
    for (int r = 0; r < c->n_runs; r++) {
        const struct ptd_series *s = &c->runs[r].series[field];
        if (!s->low || s->n == 0) continue;
        fprintf(f, "%s$d%d_%d using 1:4:5 with filledcurves fs solid noborder fc rgb '#D0%s'",
                comma, field, r, styles[r % STYLES].colour);
        comma = ", \\\n";
    }
    return comma;
}

/* Raw values, faint, below all running means. */
static void put_lines(FILE *f, const struct ptd_curves *c, int field)
{
    const char *comma = put_bands(f, c, field);
    for (int k = 0; k < 2; k++)
        for (int r = 0; r < c->n_runs; r++) {
            const struct ptd_series *s = &c->runs[r].series[field];
            if (s->n == 0 || (!k && (c->joined || ptd_curves_width(c, s) == 1))) continue;
            fprintf(f, "%s$d%d_%d using 1:%d with %s lc rgb '#%s%s'", comma, field, r, 2 + k,
                    k && s->n <= SHORT ? "linespoints pt 7 ps 0.5" : "lines", k ? "" : "A0",
                    styles[r % STYLES].colour);
            fprintf(f, k ? " lw 2.4 dt %s" : " lw 1", dash_of(r));
            comma = ", \\\n";
        }
    fputc('\n', f);
}

/* What the lines are, below all panels. */
static void put_note(FILE *f, const struct ptd_curves *c, double height)
{
    int most = 1, bands = 0;
    for (int r = 0; r < c->n_runs; r++)
        for (int i = 0; i < c->n_fields; i++) {
            const struct ptd_series *s = &c->runs[r].series[i];
            int width = ptd_curves_width(c, s);
            if (s->n && width > most) most = width;
            bands |= s->n && s->low;
        }
    if (most == 1 && !bands) return;
    fputs("set label 1000 \"", f);
    if (bands) fputs("lines: means of seeds, in bands of the 95 % interval", f);
    if (most > 1)
        fprintf(f, "%s running means over %d points%s", bands ? ", of" : "lines:", most,
                bands ? "" : "; faint: each point");
    fprintf(f, "\" at screen 0.99, screen %.4f right font ',9' tc rgb '#606060' noenhanced\n",
            9 / height);
}

static int has_data(const struct ptd_curves *c, int field)
{
    for (int r = 0; r < c->n_runs; r++)
        if (c->runs[r].series[field].n > 0) return 1;
    return 0;
}

static double last_step(const struct ptd_curves *c, int field)
{
    double last = 0;
    for (int r = 0; r < c->n_runs; r++) {
        const struct ptd_series *s = &c->runs[r].series[field];
        if (s->n && s->x[s->n - 1] > last) last = s->x[s->n - 1];
    }
    return last;
}

static void put_panel(FILE *f, const struct ptd_curves *c, int field, int last_row)
{
    char *title = title_of(c->fields[field]);
    fputs("set title ", f);
    ptd_gnuplot_quote(f, title);
    free(title);
    fprintf(f, "\nset yrange [%s]\n", range_of(c->fields[field]) ? "*<0:*" : "*:*");
    fprintf(f, "set xlabel %s\n", last_row ? "'step' offset 0,0.4" : "''");
    fprintf(f, "set xtics %s\n", last_step(c, field) <= 10 ? "1" : "autofreq");
    put_lines(f, c, field);
}

static int check_fields(const struct ptd_curves *c)
{
    for (int i = 0; i < c->n_fields; i++)
        if (!has_data(c, i))
            return ptd_fail(PTD_DATAERR,
                            "field \"%.64s\": expected it in at least one of the files (--list "
                            "shows what they have)",
                            c->fields[i]);
    return 0;
}

#define NOTE 16 /* pixels below all panels */

/* The grid of panels, and above it room for the title and the key: `per_row` names of `item`
 * pixels. All in pixels. */
struct layout {
    int rows, columns, width, height, title, item, per_row, key;
};

static struct layout lay_out(const struct ptd_curves *c)
{
    struct layout l = {.title = c->title ? 30 : 6};
    size_t longest = 0;
    for (int r = 0; r < c->n_runs; r++)
        if (strlen(c->runs[r].name) > longest) longest = strlen(c->runs[r].name);
    l.columns = c->n_fields == 1 ? 1 : c->n_fields == 2 || c->n_fields == 4 ? 2 : 3;
    l.rows = (c->n_fields + l.columns - 1) / l.columns;
    l.width = l.columns == 1 ? 640 : l.columns == 2 ? 960 : 1280;
    l.item = 70 + 8 * (int)(longest < 100 ? longest : 100);
    l.per_row = l.width / l.item > 0 ? l.width / l.item : 1;
    l.key = 20 * ((c->n_runs + l.per_row - 1) / l.per_row) + 6;
    l.height = l.title + l.key + 56 + NOTE + 270 * l.rows;
    return l;
}

/* Names and samples of the lines, centred row by row. Drawn with the first panel, then taken away
 * again. */
static void put_key(FILE *f, const struct ptd_curves *c, const struct layout *l)
{
    for (int r = 0; r < c->n_runs; r++) {
        int row = r / l->per_row, column = r % l->per_row, left = c->n_runs - row * l->per_row;
        int in_row = left < l->per_row ? left : l->per_row;
        double x = (l->width - in_row * l->item) / 2. + column * l->item + 8,
               y = l->height - l->title - 12 - 20 * row;
        fprintf(f,
                "set arrow %d from screen %.5f,%.5f to screen %.5f,%.5f nohead lw 2.4 dt %s lc rgb "
                "'#%s'\n",
                r + 1, x / l->width, y / l->height, (x + 40) / l->width, y / l->height, dash_of(r),
                styles[r % STYLES].colour);
        fprintf(f, "set label %d ", r + 2);
        ptd_gnuplot_quote(f, c->runs[r].name);
        fprintf(f, " at screen %.5f,%.5f left\n", (x + 48) / l->width, y / l->height);
    }
}

static void put_layout(FILE *f, const struct ptd_curves *c, const struct layout *l)
{
    const double w = l->width, h = l->height;
    fputs("set encoding utf8\nunset key\nset border 3 lc rgb '#404040'\nset tics nomirror out "
          "scale 0.6 tc "
          "rgb '#202020'\n"
          "set grid lc rgb '#DDDDDD' lt 1 lw 0.7\nset xrange [0:*] noextend\nset format y '%g'\n"
          "set ytics font ',10'\nset xtics font ',10'\nset title offset 0,-0.6\n",
          f);
    fprintf(
        f, "set multiplot layout %d,%d margins screen %.4f, screen %.4f, screen %.4f, screen %.4f",
        l->rows, l->columns, 66 / w, 1 - 20 / w, (52 + NOTE) / h, 1 - (l->title + l->key + 26) / h);
    fprintf(f, " spacing screen %.4f, screen %.4f\n", 72 / w, 64 / h);
    put_key(f, c, l);
    put_note(f, c, h);
    if (!c->title) return;
    fputs("set label 1 ", f);
    ptd_gnuplot_quote(f, c->title);
    fprintf(f, " at screen 0.5, screen %.4f center font ',14'\n", 1 - 16 / h);
}

int ptd_curves_draw(const struct ptd_curves *c, const char *path)
{
    struct layout l = lay_out(c);
    if (check_fields(c) < 0) return -1;
    struct ptd_gnuplot *p = ptd_gnuplot_open(path, l.width, l.height);
    if (!p) return -1;
    FILE *f = ptd_gnuplot_script(p);
    for (int i = 0; i < c->n_fields; i++)
        for (int r = 0; r < c->n_runs; r++) put_data(f, c, i, r);
    put_layout(f, c, &l);
    for (int i = 0; i < c->n_fields; i++) {
        if (i == 1) fputs("unset label\nunset arrow\n", f);
        put_panel(f, c, i, i + l.columns >= c->n_fields);
    }
    fputs("unset multiplot\n", f);
    return ptd_gnuplot_close(p);
}
