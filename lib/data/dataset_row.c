/* dataset_row: one row of a data set as a group, strictly; row and field of what is wrong are said.
 * Prompts, options, answers, hints and pictures have files of their own; what the texts mean is
 * left to others. */
#include "data/dataset_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

/* ---- faults ---- */

static int is_about_data(int status)
{
    return status == PTD_DATAERR || status == PTD_NOINPUT;
}

/* Keeps the row's first fault as the failure, but one that is not the data's before all others, and
 * hands every other one to the report, if there is one. */
static void tell(struct ptd_row *r, int status, const char *where, const char *what)
{
    char *text = ptd_format("%s:%lld: %s%s", r->d->path, (long long)r->line->number, where, what);
    r->faults++;
    if (r->report && is_about_data(status)) r->report(r->ctx, text);
    if (!r->text || (is_about_data(r->status) && !is_about_data(status))) {
        free(r->text);
        r->text = text;
        r->status = status;
    } else
        free(text);
}

int ptd_row_fault(struct ptd_row *r, int status, const char *key, const char *fmt, ...)
{
    char what[1024], where[128] = "";
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (key) snprintf(where, sizeof where, "field \"%s\": ", key);
    tell(r, status, where, what);
    return -1;
}

int ptd_row_failed(struct ptd_row *r, const char *key)
{
    return ptd_row_fault(r, ptd_failed_status(), key, "%s", ptd_failed_message());
}

const char *ptd_json_kind(const json_t *v)
{
    static const char *const kinds[] = {"an object", "a list", "text",  "a whole number",
                                        "a number",  "true",   "false", "null"};
    return v ? kinds[json_typeof(v)] : "missing";
}

int ptd_row_wrong(struct ptd_row *r, const char *key, const json_t *v, const char *expected)
{
    return ptd_row_fault(r, PTD_DATAERR, key, "%s, expected %s", ptd_json_kind(v), expected);
}

/* ---- one row's JSON ---- */

static int too_deep(const char *p, size_t n)
{
    int depth = 0, quoted = 0;
    for (size_t i = 0; i < n; i++) {
        if (quoted && p[i] == '\\')
            i++;
        else if (p[i] == '"')
            quoted = !quoted;
        else if (!quoted && (p[i] == '{' || p[i] == '[') && ++depth > PTD_DATASET_DEPTH)
            return 1;
        else if (!quoted && (p[i] == '}' || p[i] == ']'))
            depth--;
    }
    return 0;
}

static int parse_json(struct ptd_row *r)
{
    json_error_t e;
    if (too_deep(r->raw, r->line->len))
        return ptd_row_fault(r, PTD_DATAERR, NULL, "nested deeper than %d, expected less",
                             PTD_DATASET_DEPTH);
    r->json = ptd_json_load(r->raw, r->line->len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (!r->json)
        return ptd_row_fault(r, PTD_DATAERR, NULL,
                             "column %d: %s; expected one JSON object in UTF-8",
                             e.column < 0 ? 0 : e.column, e.text);
    if (!json_is_object(r->json)) return ptd_row_wrong(r, NULL, r->json, "one JSON object");
    return 0;
}

void ptd_row_changed(struct ptd_row *r)
{
    __atomic_store_n(&r->d->changed, 1, __ATOMIC_RELAXED); /* rows are read by several threads */
}

/* Has another file its name, or were bytes written to it since? What is put back in time shows in
 * the line's digest. */
static int check_file(struct ptd_row *r)
{
    const struct stat *was = &r->d->opened;
    struct stat now, named;
    if (stat(r->d->path, &named) < 0) {
        ptd_row_changed(r);
        ptd_fail(PTD_NOINPUT, "the file went while it was read:");
        return ptd_row_failed(r, NULL);
    }
    if (fstat(r->d->fd, &now) < 0 || named.st_dev != was->st_dev || named.st_ino != was->st_ino ||
        now.st_size != was->st_size ||
        memcmp(&now.st_mtim, &was->st_mtim, sizeof now.st_mtim) != 0) {
        ptd_row_changed(r);
        return ptd_row_fault(r, PTD_DATAERR, NULL, "the file was changed while it was read");
    }
    return 0;
}

/* r->raw: the row's bytes with a NUL behind them. */
static int load_bytes(struct ptd_row *r)
{
    if (r->line->len > PTD_DATASET_LINE)
        return ptd_row_fault(r, PTD_DATAERR, NULL, "%lld bytes, expected at most %d",
                             (long long)r->line->len, PTD_DATASET_LINE);
    if (check_file(r) < 0) return -1;
    r->raw = ptd_malloc(r->line->len + 1);
    ssize_t got = pread(r->d->fd, r->raw, r->line->len, r->line->at);
    if (got < 0) {
        ptd_fail(PTD_IOERR, "read:");
        return ptd_row_failed(r, NULL);
    }
    if (got != r->line->len) return ptd_row_fault(r, PTD_IOERR, NULL, "read: too few bytes");
    if (XXH3_64bits(r->raw, got) != r->line->digest) {
        ptd_row_changed(r);
        return ptd_row_fault(r, PTD_DATAERR, NULL, "the %s was changed while the file was read",
                             r->d->listed ? "row" : "line");
    }
    r->raw[got] = 0;
    return 0;
}

static int load_line(struct ptd_row *r)
{
    return load_bytes(r) < 0 ? -1 : parse_json(r);
}

/* Whether or not it could be read. */
static void unload(struct ptd_row *r)
{
    json_decref(r->json);
    json_decref(r->digits);
    free(r->raw);
}

const json_t *ptd_row_digits(struct ptd_row *r)
{
    if (!r->digits) r->digits = ptd_json_load_digits(r->raw, r->line->len, 0, NULL);
    return r->digits;
}

json_t *ptd_row_value(const struct ptd_row *r, const char *const *keys, const char **key)
{
    *key = keys[0];
    for (; *keys; keys++) {
        json_t *v = json_object_get(r->json, *keys);
        if (!v || json_is_null(v)) continue;
        *key = *keys;
        return v;
    }
    return NULL;
}

/* The value of the one key, NULL if it is missing or null. */
static json_t *value_of(const struct ptd_row *r, const char *key)
{
    return ptd_row_value(r, (const char *const[]){key, NULL}, &key);
}

const char *ptd_row_trimmed(struct ptd_row *r, const char *key, const char *s, size_t n)
{
    while (n && strchr(" \t\r\n", s[n - 1])) n--;
    while (n && strchr(" \t\r\n", *s)) s++, n--;
    if (n > PTD_DATASET_TEXT) {
        ptd_row_fault(r, PTD_DATAERR, key, "%zu bytes of text, expected at most %d", n,
                      PTD_DATASET_TEXT);
        return "";
    }
    char *kept = ptd_group_alloc(r->g, n + 1);
    return memcpy(kept, s, n);
}

const char *ptd_row_keep(struct ptd_row *r, const char *key, const char *s)
{
    size_t n = strlen(s);
    if (n > PTD_DATASET_TEXT) return ptd_row_trimmed(r, key, s, n);
    return memcpy(ptd_group_alloc(r->g, n + 1), s, n);
}

int ptd_blank_text(const char *s)
{
    return s[strspn(s, " \t\r\n")] == 0;
}

int ptd_json_has_real(const json_t *v)
{
    const char *key;
    json_t *item;
    if (json_is_real(v)) return 1;
    for (size_t i = 0; i < json_array_size(v); i++)
        if (ptd_json_has_real(json_array_get(v, i))) return 1;
    if (json_is_object(v))
        json_object_foreach ((json_t *)v, key, item)
            if (ptd_json_has_real(item)) return 1;
    return 0;
}

char *ptd_row_number(const json_t *v, const json_t *twin)
{
    if (json_is_integer(v)) return ptd_format("%lld", (long long)json_integer_value(v));
    if (json_is_string(twin)) return ptd_strdup(json_string_value(twin));
    return ptd_format("%.17g", json_real_value(v));
}

/* ---- fields ---- */

static const char *read_text(struct ptd_row *r, const char *key)
{
    json_t *v = value_of(r, key);
    if (v && !json_is_string(v)) ptd_row_wrong(r, key, v, "text");
    return json_is_string(v) ? ptd_row_keep(r, key, json_string_value(v)) : NULL;
}

static void read_category(struct ptd_row *r)
{
    const json_t *source = value_of(r, "data_source");
    r->g->category = read_text(r, "category");
    if (!r->g->category && json_is_string(source))
        r->g->category = ptd_row_keep(r, "data_source", json_string_value(source));
}

static void read_id(struct ptd_row *r)
{
    json_t *v = value_of(r, "id");
    if (!v)
        r->g->uid = ptd_group_text(r->g, "%s-%lld", r->d->listed ? "row" : "line",
                                   (long long)r->line->number);
    else if (json_is_integer(v))
        r->g->uid = ptd_group_text(r->g, "%lld", (long long)json_integer_value(v));
    else if (!json_is_string(v))
        ptd_row_wrong(r, "id", v, "text or a whole number");
    else if (ptd_blank_text(json_string_value(v)))
        ptd_row_fault(r, PTD_DATAERR, "id", "empty, expected text or a whole number");
    else
        r->g->uid = ptd_row_keep(r, "id", json_string_value(v));
}

/* The list under a key; *n is 0 if it is missing or wrong. */
static json_t *read_list(struct ptd_row *r, const char *key, int *n)
{
    json_t *v = value_of(r, key);
    *n = 0;
    if (v && !json_is_array(v)) return ptd_row_wrong(r, key, v, "a list"), NULL;
    if (json_array_size(v) > PTD_DATASET_LIST)
        return ptd_row_fault(r, PTD_DATAERR, key, "%zu items, expected at most %d",
                             json_array_size(v), PTD_DATASET_LIST),
               NULL;
    *n = json_array_size(v);
    return v;
}

/* A list of steps, or one text, which is one step. */
static void read_steps(struct ptd_row *r)
{
    int n;
    const json_t *v = value_of(r, "steps");
    if (json_is_string(v) && !ptd_blank_text(json_string_value(v))) {
        const char **one = ptd_group_alloc(r->g, sizeof *one);
        *one = ptd_row_keep(r, "steps", json_string_value(v));
        r->g->steps = one;
        r->g->n_steps = 1;
        return;
    }
    json_t *list = read_list(r, "steps", &n);
    const char **steps = ptd_group_alloc(r->g, (n + 1) * sizeof *steps);
    for (int i = 0; i < n; i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (!s || ptd_blank_text(s))
            ptd_row_fault(r, PTD_DATAERR, "steps", "item %d: %s, expected text", i + 1,
                          s ? "empty" : "no text");
        else
            steps[i] = ptd_row_keep(r, "steps", s);
    }
    r->g->steps = steps;
    r->g->n_steps = n;
}

static int read_box(struct ptd_row *r, const char *key, int i, const json_t *box, float out[4])
{
    double x[4] = {0};
    int good = json_is_array(box) && json_array_size(box) == 4;
    for (int k = 0; good && k < 4; k++) {
        const json_t *v = json_array_get(box, k);
        if (!json_is_number(v)) good = 0;
        out[k] = x[k] = json_number_value(v);
    }
    if (good && x[0] >= 0 && x[1] >= 0 && x[0] < x[2] && x[1] < x[3] && x[2] <= 1 && x[3] <= 1)
        return 0;
    return ptd_row_fault(
        r, PTD_DATAERR, key,
        "item %d: \"box\": expected [x0, y0, x1, y1] with 0 <= x0 < x1 <= 1 and the same for y",
        i + 1);
}

static void read_region(struct ptd_row *r, const char *key, int i, const json_t *v,
                        struct ptd_region *region)
{
    const json_t *label = json_object_get(v, "label");
    region->label = "";
    if (!json_is_object(v)) {
        ptd_row_fault(r, PTD_DATAERR, key,
                      "item %d: expected {\"label\": text, \"box\": [x0, y0, x1, y1]}", i + 1);
        return;
    }
    if (json_is_string(label))
        region->label = ptd_row_keep(r, key, json_string_value(label));
    else if (label && !json_is_null(label))
        ptd_row_fault(r, PTD_DATAERR, key, "item %d: \"label\": expected text", i + 1);
    read_box(r, key, i, json_object_get(v, "box"), region->box);
}

static const struct ptd_region *read_regions(struct ptd_row *r, const char *key, int *n)
{
    json_t *list = read_list(r, key, n);
    struct ptd_region *regions = ptd_group_alloc(r->g, (*n + 1) * sizeof *regions);
    for (int i = 0; i < *n; i++) read_region(r, key, i, json_array_get(list, i), &regions[i]);
    return regions;
}

/* ---- a row ---- */

char *ptd_dataset_bytes(struct ptd_dataset *d, int i, size_t *n)
{
    struct ptd_row r = {.d = d, .line = &d->lines[i]};
    if (load_bytes(&r) < 0) {
        ptd_fail(r.status, "%s", r.text);
        free(r.text);
        free(r.raw);
        return NULL;
    }
    *n = (size_t)r.line->len;
    for (size_t k = 0; d->listed && k < *n; k++) /* between values only: no text holds one */
        if (r.raw[k] == '\n' || r.raw[k] == '\r') r.raw[k] = ' ';
    return r.raw;
}

static void read_fields(struct ptd_row *r, const struct ptd_image_rules *rules)
{
    read_id(r);
    read_category(r);
    ptd_row_sources(r);
    ptd_row_prompt(r);
    ptd_row_options(r);
    ptd_row_marks(r);
    r->g->solution = read_text(r, "solution");
    ptd_row_gold(r);
    read_steps(r);
    ptd_row_hint(r);
    r->g->regions = read_regions(r, "regions", &r->g->n_regions);
    r->g->objects = read_regions(r, "objects", &r->g->n_objects);
    ptd_row_pictures(r, rules);
    ptd_row_blind(r);
}

static int read_row(struct ptd_row *r, int i, const struct ptd_image_rules *rules)
{
    ptd_group_clear(r->g);
    r->line = &r->d->lines[i];
    if (load_line(r) == 0) {
        r->g->index = i;
        read_fields(r, rules);
    }
    unload(r);
    if (!r->faults) return 0;
    ptd_group_clear(r->g);
    ptd_fail(r->status, "%s", r->text);
    free(r->text);
    return -1;
}

int ptd_dataset_read(struct ptd_dataset *d, int i, const struct ptd_image_rules *rules,
                     struct ptd_group *g)
{
    struct ptd_row r = {.d = d, .g = g};
    return read_row(&r, i, rules);
}

int ptd_dataset_check(struct ptd_dataset *d, int i, const struct ptd_image_rules *rules,
                      struct ptd_group *g, void (*report)(void *ctx, const char *message),
                      void *ctx)
{
    struct ptd_row r = {.d = d, .g = g, .report = report, .ctx = ctx};
    return read_row(&r, i, rules);
}

/* ---- the paths that a row names ---- */

static int call(struct ptd_row *r, const struct ptd_picture_source *s,
                int (*f)(struct ptd_pictures *p, const char *path))
{
    const char *path = ptd_picture_path(s);
    if (!path || f(r->d->pictures, path) == 0) return 0;
    return ptd_fail(ptd_failed_status(), "%s:%lld: field \"%s\": %s", r->d->path,
                    (long long)r->line->number, s->key, ptd_failed_message());
}

static int call_all(struct ptd_row *r, int (*f)(struct ptd_pictures *p, const char *path))
{
    int rc = 0;
    ptd_row_sources(r);
    ptd_row_prompt(r);
    ptd_row_options(r);
    ptd_row_marks(r);
    for (int i = 0; i < r->n_shown && rc == 0; i++) rc = call(r, r->shown[i], f);
    return rc;
}

int ptd_dataset_paths(struct ptd_dataset *d, int i,
                      int (*f)(struct ptd_pictures *p, const char *path))
{
    struct ptd_group g = {0};
    struct ptd_row r = {.d = d, .g = &g, .line = &d->lines[i]};
    int rc = 0;
    ptd_group_clear(&g);
    if (load_line(&r) == 0)
        rc = call_all(&r, f);
    else if (!is_about_data(r.status))
        rc = ptd_fail(r.status, "%s", r.text);
    unload(&r);
    free(r.text);
    ptd_group_clear(&g);
    return rc;
}
