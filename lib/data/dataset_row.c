/* dataset_row: one line of a data set as a group, strictly; line and field of what is wrong are
 * said. What the texts mean, prompts and hints, is left to others. */
#include "base/below.h"
#include "data/dataset_private.h"
#include "data/image.h"
#include "flow/stream.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define MARK "<image>"

struct row { /* one row while it is read */
    struct ptd_dataset *d;
    const struct ptd_line *line;
    struct ptd_group *g;
    json_t *json;
    int faults, status; /* of the fault that is the failure, and its text: */
    char *text;
    /* NULL: the row is to be used, and its pictures are kept */
    void (*report)(void *ctx, const char *message);
    void *ctx;
};

/* ---- faults ---- */

static int is_about_data(int status)
{
    return status == PTD_DATAERR || status == PTD_NOINPUT;
}

/* Keeps the row's first fault as the failure, but one that is not the data's before all others, and
 * hands every other one to the report, if there is one. */
static void tell(struct row *r, int status, const char *where, const char *what)
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

__attribute__((format(printf, 4, 5))) static int fault(struct row *r, int status, const char *key,
                                                       const char *fmt, ...)
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

/* The last failure as a fault. */
static int failed(struct row *r, const char *key)
{
    return fault(r, ptd_failed_status(), key, "%s", ptd_failed_message());
}

/* Ends a fault's text: "expected WHAT". */
static int wrong(struct row *r, const char *key, const json_t *v, const char *expected)
{
    static const char *const kinds[] = {"an object", "a list", "text",  "a whole number",
                                        "a number",  "true",   "false", "null"};
    return fault(r, PTD_DATAERR, key, "%s, expected %s", v ? kinds[json_typeof(v)] : "missing",
                 expected);
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

static int parse_json(struct row *r, const char *text)
{
    json_error_t e;
    if (too_deep(text, r->line->len))
        return fault(r, PTD_DATAERR, NULL, "nested deeper than %d, expected less",
                     PTD_DATASET_DEPTH);
    r->json = ptd_json_load(text, r->line->len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (!r->json)
        return fault(r, PTD_DATAERR, NULL, "column %d: %s; expected one JSON object in UTF-8",
                     e.column < 0 ? 0 : e.column, e.text);
    if (!json_is_object(r->json)) return wrong(r, NULL, r->json, "one JSON object");
    return 0;
}

/* Has another file its name, or were bytes written to it since? What is put back in time shows in
 * the line's digest. */
static int check_file(struct row *r)
{
    const struct stat *was = &r->d->opened;
    struct stat now, named;
    if (stat(r->d->path, &named) < 0) {
        ptd_fail(PTD_NOINPUT, "the file went while it was read:");
        return failed(r, NULL);
    }
    if (fstat(r->d->fd, &now) < 0 || named.st_dev != was->st_dev || named.st_ino != was->st_ino ||
        now.st_size != was->st_size || memcmp(&now.st_mtim, &was->st_mtim, sizeof now.st_mtim) != 0)
        return fault(r, PTD_DATAERR, NULL, "the file was changed while it was read");
    return 0;
}

/* The line's bytes, malloc'd, with a NUL behind them; NULL: a fault. */
static char *load_text(struct row *r)
{
    if (r->line->len > PTD_DATASET_LINE)
        return fault(r, PTD_DATAERR, NULL, "a line of %lld bytes, expected at most %d",
                     (long long)r->line->len, PTD_DATASET_LINE),
               NULL;
    if (check_file(r) < 0) return NULL;
    char *text = ptd_alloc(r->line->len + 1);
    ssize_t got = pread(r->d->fd, text, r->line->len, r->line->at);
    if (got < 0)
        ptd_fail(PTD_IOERR, "read:"), failed(r, NULL);
    else if (got != r->line->len)
        fault(r, PTD_IOERR, NULL, "read: too few bytes");
    else if (XXH3_64bits(text, got) != r->line->digest)
        fault(r, PTD_DATAERR, NULL, "the line was changed while the file was read");
    if (!r->faults) return text;
    free(text);
    return NULL;
}

static int load_line(struct row *r)
{
    char *text = load_text(r);
    int status = text ? parse_json(r, text) : -1;
    free(text);
    return status;
}

/* The value of the first of two keys that is there and not null; *key says which. */
static json_t *value_of(struct row *r, const char *first, const char *second, const char **key)
{
    const char *names[] = {first, second};
    for (int i = 0; i < 2; i++) {
        json_t *v = names[i] ? json_object_get(r->json, names[i]) : NULL;
        if (v && !json_is_null(v)) {
            *key = names[i];
            return v;
        }
    }
    *key = first;
    return NULL;
}

static char *keep(struct row *r, const char *s)
{
    return ptd_group_text(r->g, "%s", s);
}

static int is_empty(const char *s)
{
    return s[strspn(s, " \t\r\n")] == 0;
}

/* ---- fields ---- */

static const char *read_text(struct row *r, const char *name)
{
    const char *key;
    json_t *v = value_of(r, name, NULL, &key);
    if (v && !json_is_string(v)) wrong(r, key, v, "text");
    return json_is_string(v) ? keep(r, json_string_value(v)) : NULL;
}

static char *number_text(const json_t *v)
{
    char text[40];
    if (json_is_integer(v)) return ptd_format("%lld", (long long)json_integer_value(v));
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, json_real_value(v));
        if (strtod(text, NULL) == json_real_value(v)) break;
    }
    return ptd_strdup(text);
}

static void read_question(struct row *r)
{
    const char *key, *other;
    json_t *v = value_of(r, "prompt", "problem", &key);
    if (!v && (v = value_of(r, "question", NULL, &other))) key = other;
    if (!json_is_string(v))
        wrong(r, key, v, "text (or field \"problem\" or \"question\")");
    else if (is_empty(json_string_value(v)))
        fault(r, PTD_DATAERR, key, "empty, expected a question");
    else
        r->g->question = keep(r, json_string_value(v));
}

static void read_answer(struct row *r)
{
    const char *key;
    json_t *v = value_of(r, "answer", NULL, &key);
    char *number = json_is_number(v) ? number_text(v) : NULL;
    const char *s = number ? number : json_string_value(v);
    if (!s)
        wrong(r, key, v, "text or a number");
    else if (is_empty(s))
        fault(r, PTD_DATAERR, key, "empty, expected text or a number");
    else
        r->g->answer = keep(r, s);
    free(number);
}

static void read_id(struct row *r)
{
    const char *key;
    json_t *v = value_of(r, "id", NULL, &key);
    if (!v)
        r->g->uid = ptd_group_text(r->g, "line-%lld", (long long)r->line->number);
    else if (json_is_integer(v))
        r->g->uid = ptd_group_text(r->g, "%lld", (long long)json_integer_value(v));
    else if (!json_is_string(v))
        wrong(r, key, v, "text or a whole number");
    else if (is_empty(json_string_value(v)))
        fault(r, PTD_DATAERR, key, "empty, expected text or a whole number");
    else
        r->g->uid = keep(r, json_string_value(v));
}

/* The list under a key; *n is 0 if it is missing or wrong. */
static json_t *read_list(struct row *r, const char *name, int *n)
{
    const char *key;
    json_t *v = value_of(r, name, NULL, &key);
    *n = 0;
    if (v && !json_is_array(v)) return wrong(r, key, v, "a list"), NULL;
    if (json_array_size(v) > PTD_DATASET_LIST)
        return fault(r, PTD_DATAERR, key, "%zu items, expected at most %d", json_array_size(v),
                     PTD_DATASET_LIST),
               NULL;
    *n = json_array_size(v);
    return v;
}

static void read_steps(struct row *r)
{
    int n;
    json_t *list = read_list(r, "steps", &n);
    const char **steps = ptd_group_alloc(r->g, (n + 1) * sizeof *steps);
    for (int i = 0; i < n; i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (!s || is_empty(s))
            fault(r, PTD_DATAERR, "steps", "item %d: %s, expected text", i + 1,
                  s ? "empty" : "no text");
        else
            steps[i] = keep(r, s);
    }
    r->g->steps = steps;
    r->g->n_steps = n;
}

static int read_box(struct row *r, const char *key, int i, const json_t *box, float out[4])
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
    return fault(
        r, PTD_DATAERR, key,
        "item %d: \"box\": expected [x0, y0, x1, y1] with 0 <= x0 < x1 <= 1 and the same for y",
        i + 1);
}

static void read_region(struct row *r, const char *key, int i, const json_t *v,
                        struct ptd_region *region)
{
    const json_t *label = json_object_get(v, "label");
    region->label = "";
    if (!json_is_object(v)) {
        fault(r, PTD_DATAERR, key, "item %d: expected {\"label\": text, \"box\": [x0, y0, x1, y1]}",
              i + 1);
        return;
    }
    if (json_is_string(label))
        region->label = keep(r, json_string_value(label));
    else if (label && !json_is_null(label))
        fault(r, PTD_DATAERR, key, "item %d: \"label\": expected text", i + 1);
    read_box(r, key, i, json_object_get(v, "box"), region->box);
}

static const struct ptd_region *read_regions(struct row *r, const char *key, int *n)
{
    json_t *list = read_list(r, key, n);
    struct ptd_region *regions = ptd_group_alloc(r->g, (*n + 1) * sizeof *regions);
    for (int i = 0; i < *n; i++) read_region(r, key, i, json_array_get(list, i), &regions[i]);
    return regions;
}

/* ---- pictures ---- */

/* The size that the model sees; pixels are made so only where they are kept. */
static int fit(struct row *r, struct ptd_image *im, const struct ptd_image_rules *rules,
               struct ptd_picture *p)
{
    p->height = im->height;
    p->width = im->width;
    if (!rules) return ptd_image_ratio(im->height, im->width);
    if (ptd_image_target(im->height, im->width, rules, &p->height, &p->width) < 0) return -1;
    if (!r->report) ptd_image_resize(im, p->height, p->width, rules->resample);
    return 0;
}

static void keep_picture(struct row *r, const struct ptd_image *im, struct ptd_picture *p)
{
    size_t n = (size_t)im->height * im->width * 3;
    if (r->report) return;
    uint8_t *pixels = ptd_group_alloc(r->g, n);
    memcpy(pixels, im->pixels, n);
    p->pixels = pixels;
    ptd_picture_hash(pixels, p->height, p->width, p->hash);
}

static int read_picture(struct row *r, const char *key, const char *path,
                        const struct ptd_image_rules *rules, struct ptd_picture *p)
{
    struct ptd_image im = {0};
    size_t n = 0;
    int status = -1;
    char *bytes = ptd_below_read(r->d->folder, path, &n);
    if (!bytes)
        failed(r, key);
    else if (r->d->pictures && ptd_pictures_changed(r->d->pictures, path, bytes, n))
        fault(r, PTD_DATAERR, key, "%.300s: was changed while the data set was read", path);
    else if (ptd_image_decode(&im, bytes, n, path) < 0)
        fault(r, PTD_DATAERR, key, "%s", ptd_failed_message());
    else if (fit(r, &im, rules, p) < 0)
        fault(r, PTD_DATAERR, key, "%.300s: %s", path, ptd_failed_message());
    else {
        keep_picture(r, &im, p);
        status = 0;
    }
    ptd_image_clear(&im);
    free(bytes);
    return status;
}

static int count_marks(const char *s)
{
    int n = 0;
    for (; s && (s = strstr(s, MARK)); s += strlen(MARK)) n++;
    return n;
}

/* The path of picture i of n, which v names; NULL: it is no text. */
static const char *path_of(const json_t *v, int i)
{
    return json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
}

/* Which of the pictures before i is the same one; -1: none. */
static int same_before(const json_t *v, int i)
{
    int k = 0;
    while (k < i && (!path_of(v, k) || strcmp(path_of(v, k), path_of(v, i)))) k++;
    return k < i ? k : -1;
}

/* A record holds each picture as often as it is named. */
static int check_room(struct row *r, const char *key, const struct ptd_image_rules *rules,
                      long long bytes)
{
    if (!rules || bytes <= (long long)PTD_FRAME_MAX) return 0;
    return fault(r, PTD_DATAERR, key,
                 "%lld bytes of pixels, expected at most %u, which a record may have", bytes,
                 PTD_FRAME_MAX);
}

/* Memory is taken for one picture at a time and for what is kept of those before. */
static void load_pictures(struct row *r, const char *key, const json_t *v, int n,
                          const struct ptd_image_rules *rules)
{
    struct ptd_picture *all = ptd_group_alloc(r->g, (n + 1) * sizeof *all);
    long long bytes = 0;
    for (int i = 0; i < n; i++) {
        const char *path = path_of(v, i);
        int same = path ? same_before(v, i) : -1;
        if (!path)
            fault(r, PTD_DATAERR, key, "item %d: expected a path", i + 1);
        else if (same >= 0)
            all[i] = all[same];
        else
            read_picture(r, key, path, rules, &all[i]);
        bytes += 3ll * all[i].height * all[i].width;
        if (check_room(r, key, rules, bytes) < 0) break;
    }
    r->g->pictures = all;
    r->g->n_pictures = n;
}

static json_t *find_pictures(struct row *r, const char **key, int *n)
{
    json_t *v = value_of(r, "images", "image", key);
    *n = json_is_array(v) ? (int)json_array_size(v) : v != NULL;
    return v;
}

static void read_pictures(struct row *r, const struct ptd_image_rules *rules)
{
    const char *key;
    int n, marks = count_marks(r->g->question);
    json_t *v = find_pictures(r, &key, &n);
    if (v && !json_is_array(v) && !json_is_string(v)) {
        wrong(r, key, v, "a path or a list of paths");
        return;
    }
    if (n > PTD_DATASET_LIST) {
        fault(r, PTD_DATAERR, key, "%d pictures, expected at most %d", n, PTD_DATASET_LIST);
        return;
    }
    if (marks && marks != n)
        fault(r, PTD_DATAERR, key, "%d pictures, expected %d as the question has " MARK " marks", n,
              marks);
    load_pictures(r, key, v, n, rules);
}

/* ---- a row ---- */

char *ptd_dataset_bytes(struct ptd_dataset *d, int i, size_t *n)
{
    struct row r = {.d = d, .line = &d->lines[i]};
    char *text = load_text(&r);
    if (!text) ptd_fail(r.status, "%s", r.text);
    free(r.text);
    *n = (size_t)r.line->len;
    return text;
}

static int read_row(struct row *r, int i, const struct ptd_image_rules *rules)
{
    ptd_group_clear(r->g);
    r->line = &r->d->lines[i];
    if (load_line(r) == 0) {
        r->g->index = i;
        read_id(r);
        read_question(r);
        read_answer(r);
        r->g->category = read_text(r, "category");
        r->g->solution = read_text(r, "solution");
        read_steps(r);
        r->g->regions = read_regions(r, "regions", &r->g->n_regions);
        r->g->objects = read_regions(r, "objects", &r->g->n_objects);
        read_pictures(r, rules);
    }
    json_decref(r->json);
    if (!r->faults) return 0;
    ptd_group_clear(r->g);
    ptd_fail(r->status, "%s", r->text);
    free(r->text);
    return -1;
}

int ptd_dataset_read(struct ptd_dataset *d, int i, const struct ptd_image_rules *rules,
                     struct ptd_group *g)
{
    struct row r = {.d = d, .g = g};
    return read_row(&r, i, rules);
}

int ptd_dataset_check(struct ptd_dataset *d, int i, const struct ptd_image_rules *rules,
                      struct ptd_group *g, void (*report)(void *ctx, const char *message),
                      void *ctx)
{
    struct row r = {.d = d, .g = g, .report = report, .ctx = ctx};
    return read_row(&r, i, rules);
}

int ptd_dataset_paths(struct ptd_dataset *d, int i,
                      int (*f)(struct ptd_pictures *p, const char *path))
{
    struct row r = {.d = d, .line = &d->lines[i]};
    const char *key;
    int n = 0,
        rc = load_line(&r) == 0 || is_about_data(r.status) ? 0 : ptd_fail(r.status, "%s", r.text);
    json_t *v = json_is_object(r.json) ? find_pictures(&r, &key, &n) : NULL;
    for (int k = 0; k < n && n <= PTD_DATASET_LIST && rc == 0; k++)
        if (path_of(v, k) && f(d->pictures, path_of(v, k)) < 0)
            rc = ptd_fail(ptd_failed_status(), "%s:%lld: field \"%s\": %s", d->path,
                          (long long)d->lines[i].number, key, ptd_failed_message());
    json_decref(r.json);
    free(r.text);
    return rc;
}
