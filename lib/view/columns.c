/* columns: see columns.h. */
#include "view/columns.h"
#include "base/output.h"
#include "method/glossary.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cell {
    double x;
    int there;
};
struct row {
    int64_t step;
    struct cell *cell; /* [n] of the first columns */
    int n;
};
struct column {
    char *name, *ours; /* ours: what the lines call it */
    struct cell latest;
};

struct ptd_columns {
    enum ptd_names names;
    int keeps;
    struct column *column;
    int n_columns;
    json_t *index; /* name: its column */
    struct row *row;
    long n_rows, cap;
    int64_t step, run_step; /* of the latest line; of the latest that is the run's own */
};

struct ptd_columns *ptd_columns_new(enum ptd_names names, int rows)
{
    struct ptd_columns *t = ptd_alloc(sizeof *t);
    t->names = names;
    t->keeps = rows;
    t->index = json_object();
    t->step = t->run_step = INT64_MIN;
    return t;
}

void ptd_columns_free(struct ptd_columns *t)
{
    for (int i = 0; i < t->n_columns; i++) free(t->column[i].name), free(t->column[i].ours);
    for (long i = 0; i < t->n_rows; i++) free(t->row[i].cell);
    free(t->column);
    free(t->row);
    json_decref(t->index);
    free(t);
}

static int column_of(struct ptd_columns *t, const char *ours)
{
    char name[512];
    const json_t *known = json_object_get(t->index, ptd_name_in(t->names, ours, name, sizeof name));
    if (known) return (int)json_integer_value(known);
    t->column = ptd_realloc(t->column, (size_t)(t->n_columns + 1) * sizeof *t->column);
    t->column[t->n_columns] = (struct column){.name = ptd_strdup(name), .ours = ptd_strdup(ours)};
    json_object_set_new(t->index, name, json_integer(t->n_columns));
    return t->n_columns++;
}

/* The first row of that step or a later one. */
static long place_of(const struct ptd_columns *t, int64_t step)
{
    long lo = 0, hi = t->n_rows;
    while (lo < hi) {
        long mid = (lo + hi) / 2;
        if (t->row[mid].step < step)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void drop_from(struct ptd_columns *t, long at)
{
    while (t->n_rows > at) free(t->row[--t->n_rows].cell);
}

static struct row *insert(struct ptd_columns *t, long at, int64_t step)
{
    if (t->n_rows == t->cap)
        t->row = ptd_realloc(t->row, (size_t)(t->cap = 2 * t->cap + 64) * sizeof *t->row);
    memmove(t->row + at + 1, t->row + at, (size_t)(t->n_rows++ - at) * sizeof *t->row);
    t->row[at] = (struct row){.step = step};
    return &t->row[at];
}

/* The row of a line: a new one, or, where lines of both kinds are of its step, the one that is
 * there. */
static struct row *row_of(struct ptd_columns *t, const struct ptd_line *line)
{
    long at = place_of(t, line->step);
    if (line->kind == PTD_LINE_RUN && line->step <= t->run_step) drop_from(t, at);
    int there = at < t->n_rows && t->row[at].step == line->step;
    return there ? &t->row[at] : insert(t, at, line->step);
}

static void put(struct row *r, int column, struct cell c)
{
    if (column >= r->n) {
        r->cell = ptd_realloc(r->cell, (size_t)(column + 1) * sizeof *r->cell);
        for (; r->n <= column; r->n++) r->cell[r->n] = (struct cell){0};
    }
    r->cell[column] = c;
}

void ptd_columns_add(struct ptd_columns *t, const struct ptd_line *line)
{
    struct row *r = t->keeps ? row_of(t, line) : NULL;
    const char *key;
    json_t *v;
    if (line->kind == PTD_LINE_RUN) t->run_step = line->step;
    if (line->kind == PTD_LINE_RUN || t->step < line->step) t->step = line->step;
    json_object_foreach (line->object, key, v) {
        if (strcmp(key, "step") == 0 || (!json_is_number(v) && !json_is_null(v))) continue;
        struct cell c = {json_is_null(v) ? NAN : json_number_value(v), 1};
        int column = column_of(t, key);
        t->column[column].latest = c;
        if (r) put(r, column, c);
    }
}

const char *ptd_number_text(double x, char out[32])
{
    if (isnan(x)) return strcpy(out, "NaN");
    if (isinf(x)) return strcpy(out, x > 0 ? "+Inf" : "-Inf");
    for (int digits = 9; digits <= 17; digits++) {
        snprintf(out, 32, "%.*g", digits, x);
        if (strtod(out, NULL) == x) break;
    }
    return out;
}

/* ---- CSV ---- */

static void put_text(const char *s, FILE *f)
{
    if (!strpbrk(s, ",\"\r\n")) {
        fputs(s, f);
        return;
    }
    putc('"', f);
    for (; *s; s++) {
        if (*s == '"') putc('"', f);
        putc(*s, f);
    }
    putc('"', f);
}

void ptd_columns_csv(const struct ptd_columns *t, FILE *f)
{
    char text[32];
    fputs("step", f);
    for (int i = 0; i < t->n_columns; i++) putc(',', f), put_text(t->column[i].name, f);
    putc('\n', f);
    for (long k = 0; k < t->n_rows; k++) {
        const struct row *r = &t->row[k];
        fprintf(f, "%lld", (long long)r->step);
        for (int i = 0; i < t->n_columns; i++)
            fprintf(f, ",%s",
                    i < r->n && r->cell[i].there ? ptd_number_text(r->cell[i].x, text) : "");
        putc('\n', f);
    }
}

/* ---- Prometheus ---- */

/* ptd_ and the name with '_' for what it may not hold; `often` were called so before. */
static char *gauge_name(const char *name, int often)
{
    char *g = often ? ptd_format("ptd_%s_%d", name, often + 1) : ptd_format("ptd_%s", name);
    for (char *p = g; *p; p++)
        if (!isalnum((unsigned char)*p) || (unsigned char)*p > 127) *p = '_';
    return g;
}

static void put_label(FILE *f, const char *s)
{
    for (; *s; s++) {
        if (*s == '\n')
            fputs("\\n", f);
        else if (*s == '"' || *s == '\\')
            fprintf(f, "\\%c", *s);
        else
            putc(*s, f);
    }
}

/* What is known of a metric, or its name. */
static void put_help(FILE *f, const char *name, const char *ours)
{
    const struct ptd_metric *m = ptd_metric_named(ours);
    put_label(f, name);
    if (m) fputs(": ", f), put_label(f, m->meaning);
    if (m && *m->unit) fprintf(f, " (%s)", m->unit);
}

static void put_gauge(FILE *f, const char *gauge, const struct column *c, const char *run,
                      const char *value)
{
    fprintf(f, "# HELP %s ", gauge);
    put_help(f, c->name, c->ours);
    fprintf(f, "\n# TYPE %s gauge\n%s{run=\"", gauge, gauge);
    put_label(f, run);
    fprintf(f, "\"} %s\n", value);
}

static void put_gauges(const struct ptd_columns *t, const char *run, FILE *f)
{
    char text[32];
    json_t *met = json_object();
    snprintf(text, sizeof text, "%lld", (long long)t->step);
    if (t->step != INT64_MIN) put_gauge(f, "ptd_step", &(struct column){"step", "step"}, run, text);
    json_object_set_new(met, "ptd_step", json_integer(1));
    for (int i = 0; i < t->n_columns; i++) {
        char *plain = gauge_name(t->column[i].name, 0);
        int often = (int)json_integer_value(json_object_get(met, plain));
        json_object_set_new(met, plain, json_integer(often + 1));
        char *gauge = gauge_name(t->column[i].name, often);
        put_gauge(f, gauge, &t->column[i], run, ptd_number_text(t->column[i].latest.x, text));
        free(gauge);
        free(plain);
    }
    json_decref(met);
}

int ptd_columns_prometheus(const struct ptd_columns *t, const char *run, const char *path)
{
    char *part = ptd_format("%s.ptd-part", path);
    FILE *f = ptd_file_create(part);
    int rc = f ? 0 : ptd_fail(PTD_CANTCREAT, "%s:", part);
    if (f) put_gauges(t, run, f);
    if (f && (ferror(f) | fclose(f))) rc = ptd_fail(PTD_IOERR, "%s:", part);
    if (rc == 0 && rename(part, path)) rc = ptd_fail(PTD_CANTCREAT, "%s:", path);
    if (f && rc) unlink(part);
    free(part);
    return rc;
}
