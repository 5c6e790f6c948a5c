/* dataset: reads questions with pictures from JSON lines, strictly, and says line and field of what is wrong.
 * What the texts mean, prompts and hints, is left to others. */
#include "dataset.h"
#include "image.h"
#include "json.h"
#include "rng.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define BLOCK       (1 << 20)
#define PICTURE_MAX (64l << 20)
#define MARK        "<image>"

struct line {
    int64_t at;
    int64_t len, number;
};

struct order { /* the epoch at hand */
    uint64_t seed;
    int64_t epoch;
    int *rows;
};

struct ptd_dataset {
    char *path;
    int fd, folder;
    struct stat opened;
    struct line *lines;
    int n, cap;
    uint64_t digest;
    struct order *order;
};

struct row { /* one row while it is read */
    struct ptd_dataset *d;
    const struct line *line;
    struct ptd_group *g;
    json_t *json;
    int faults;
    void (*report)(void *ctx, const char *message);
    void *ctx;
};

/* ---- lines ---- */

struct scan { /* the line that the next byte belongs to */
    int64_t at, number;
    int blank;
};

static void end_line(struct ptd_dataset *d, struct scan *s, int64_t end)
{
    if (!s->blank) {
        if (d->n == d->cap) d->lines = ptd_realloc(d->lines, (d->cap = 2 * d->cap + 1024) * sizeof *d->lines);
        d->lines[d->n++] = (struct line){s->at, end - s->at, s->number};
    }
    s->at = end + 1;
    s->number++;
    s->blank = 1;
}

static int is_blank(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r", p[i]) || !p[i]) return 0;
    return 1;
}

static int scan_block(struct ptd_dataset *d, struct scan *s, int64_t at, const char *p, int64_t n)
{
    for (int64_t i = 0; i < n;) {
        const char *end = memchr(p + i, '\n', n - i);
        int64_t stop = end ? end - p : n;
        if (s->blank && !is_blank(p + i, stop - i)) s->blank = 0;
        if (end) end_line(d, s, at + stop);
        if (d->n > INT32_MAX / 4)
            return ptd_fail(PTD_DATAERR, "%s: expected at most %d rows", d->path, INT32_MAX / 4);
        i = stop + 1;
    }
    return 0;
}

static int find_lines(struct ptd_dataset *d)
{
    struct scan s = {.number = 1, .blank = 1};
    char *block = ptd_alloc(BLOCK);
    XXH3_state_t *hash = XXH3_createState();
    int64_t at = 0;
    ssize_t n;
    int status = 0;
    if (!hash) ptd_die(PTD_OSERR, "out of memory for a hash");
    XXH3_64bits_reset(hash);
    while (status == 0 && (n = read(d->fd, block, BLOCK)) > 0) {
        int bom = at == 0 && n >= 3 && memcmp(block, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        if (bom) s.at = bom;
        XXH3_64bits_update(hash, block, n);
        status = scan_block(d, &s, at + bom, block + bom, n - bom);
        at += n;
    }
    if (status == 0 && n < 0) status = ptd_fail(PTD_IOERR, "%s: read:", d->path);
    end_line(d, &s, at);
    d->digest = XXH3_64bits_digest(hash);
    XXH3_freeState(hash);
    free(block);
    if (status == 0 && !d->n)
        status = ptd_fail(PTD_DATAERR, "%s: no rows, expected one JSON object a line", d->path);
    return status;
}

static int open_file(struct ptd_dataset *d)
{
    const char *slash = strrchr(d->path, '/');
    char *folder = slash ? ptd_format("%.*s", (int)(slash - d->path + 1), d->path) : ptd_strdup(".");
    d->fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    d->folder = d->fd < 0 ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (d->fd < 0 || d->folder < 0 || fstat(d->fd, &d->opened) < 0)
        return ptd_fail(PTD_NOINPUT, "%s: cannot open data set:", d->path);
    if (!S_ISREG(d->opened.st_mode))
        return ptd_fail(PTD_NOINPUT, "%s: expected a regular file of JSON lines", d->path);
    return 0;
}

struct ptd_dataset *ptd_dataset_open(const char *path)
{
    struct ptd_dataset *d = ptd_alloc(sizeof *d);
    d->path = ptd_strdup(path);
    d->fd = d->folder = -1;
    d->order = ptd_alloc(sizeof *d->order);
    if (open_file(d) < 0 || find_lines(d) < 0) {
        ptd_dataset_close(d);
        return NULL;
    }
    return d;
}

void ptd_dataset_close(struct ptd_dataset *d)
{
    if (!d) return;
    if (d->fd >= 0) close(d->fd);
    if (d->folder >= 0) close(d->folder);
    free(d->order->rows);
    free(d->order);
    free(d->lines);
    free(d->path);
    free(d);
}

int ptd_dataset_rows(const struct ptd_dataset *d)
{
    return d->n;
}

long ptd_dataset_line(const struct ptd_dataset *d, int i)
{
    return d->lines[i].number;
}

int ptd_dataset_blame(const struct ptd_dataset *d, int i)
{
    return ptd_fail(ptd_failed_status(), "%s:%ld: %s", d->path, ptd_dataset_line(d, i), ptd_failed_message());
}

uint64_t ptd_dataset_digest(const struct ptd_dataset *d)
{
    return d->digest;
}

int ptd_dataset_order(const struct ptd_dataset *d, uint64_t seed, int64_t position)
{
    struct order *o = d->order;
    int64_t epoch = position / d->n;
    if (!o->rows || o->seed != seed || o->epoch != epoch) {
        if (!o->rows) o->rows = ptd_array(d->n, sizeof *o->rows);
        ptd_shuffle(o->rows, d->n, seed, PTD_RNG_SHUFFLE, (uint32_t)epoch);
        o->seed = seed;
        o->epoch = epoch;
    }
    return o->rows[position % d->n];
}

/* ---- faults ---- */

/* Keeps the row's first fault as the failure and hands every one to the report, if there is one. */
static void tell(struct row *r, int status, const char *where, const char *what)
{
    char *text = ptd_format("%s:%lld: %s%s", r->d->path, (long long)r->line->number, where, what);
    if (!r->faults++) ptd_fail(status, "%s", text);
    if (r->report) r->report(r->ctx, text);
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

/* Ends a fault's text: "expected WHAT". */
static int wrong(struct row *r, const char *key, const json_t *v, const char *expected)
{
    static const char *const kinds[] = {"an object", "a list", "text",  "a whole number",
                                        "a number",  "true",   "false", "null"};
    return fault(r, PTD_DATAERR, key, "%s, expected %s", v ? kinds[json_typeof(v)] : "missing", expected);
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
        return fault(r, PTD_DATAERR, NULL, "nested deeper than %d, expected less", PTD_DATASET_DEPTH);
    r->json = ptd_json_load(text, r->line->len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (!r->json)
        return fault(r, PTD_DATAERR, NULL, "column %d: %s; expected one JSON object in UTF-8",
                     e.column < 0 ? 0 : e.column, e.text);
    if (!json_is_object(r->json)) return wrong(r, NULL, r->json, "one JSON object");
    return 0;
}

static int load_line(struct row *r)
{
    struct stat now;
    int status = -1;
    if (r->line->len > PTD_DATASET_LINE)
        return fault(r, PTD_DATAERR, NULL, "a line of %lld bytes, expected at most %d",
                     (long long)r->line->len, PTD_DATASET_LINE);
    if (fstat(r->d->fd, &now) < 0 || now.st_size != r->d->opened.st_size ||
        memcmp(&now.st_mtim, &r->d->opened.st_mtim, sizeof now.st_mtim) != 0)
        return fault(r, PTD_DATAERR, NULL, "the file was changed while it was read");
    char *text = ptd_alloc(r->line->len + 1);
    ssize_t got = pread(r->d->fd, text, r->line->len, r->line->at);
    if (got != r->line->len)
        fault(r, PTD_IOERR, NULL, "read: %s", got < 0 ? strerror(errno) : "too few bytes");
    else
        status = parse_json(r, text);
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
            fault(r, PTD_DATAERR, "steps", "item %d: %s, expected text", i + 1, s ? "empty" : "no text");
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
    if (good && x[0] >= 0 && x[1] >= 0 && x[0] < x[2] && x[1] < x[3] && x[2] <= 1 && x[3] <= 1) return 0;
    return fault(r, PTD_DATAERR, key,
                 "item %d: \"box\": expected [x0, y0, x1, y1] with 0 <= x0 < x1 <= 1 and the same for y",
                 i + 1);
}

static void read_region(struct row *r, const char *key, int i, const json_t *v, struct ptd_region *region)
{
    const json_t *label = json_object_get(v, "label");
    region->label = "";
    if (!json_is_object(v)) {
        fault(r, PTD_DATAERR, key, "item %d: expected {\"label\": text, \"box\": [x0, y0, x1, y1]}", i + 1);
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

/* Opens path below folder, one component after the other, never through a link. -1: *why says what is wrong.
 */
static int open_below(int folder, const char *path, const char **why)
{
    char part[256];
    int fd = folder;
    errno = 0;
    if (!*path || *path == '/' || strlen(path) > 4095)
        return *why = "expected a path inside the data set's folder", -1;
    while (*path) {
        size_t n = strcspn(path, "/"), skip = n + strspn(path + n, "/");
        int last = !path[skip];
        *why = NULL;
        if (n >= sizeof part) *why = "a name in it is too long";
        if (n == 2 && memcmp(path, "..", 2) == 0)
            *why = "expected a path inside the data set's folder, without \"..\"";
        snprintf(part, sizeof part, "%.*s", (int)n, path);
        int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (last ? O_NONBLOCK | O_NOCTTY : O_DIRECTORY);
        int next = *why ? -1 : openat(fd, part, flags);
        if (next < 0 && !*why)
            *why = errno == ELOOP     ? "is a symbolic link, expected a regular file"
                   : errno == ENOTDIR ? "a part of the path is no folder (links are not followed)"
                                      : strerror(errno);
        if (fd != folder) close(fd);
        if (next < 0) return -1;
        fd = next;
        path += skip;
    }
    return fd;
}

/* All bytes of a regular file; NULL: *why says what is wrong. */
static char *slurp(int fd, size_t *n, const char **why)
{
    struct stat st;
    if (fstat(fd, &st) < 0) return *why = strerror(errno), NULL;
    if (!S_ISREG(st.st_mode)) return *why = "expected a regular file", NULL;
    if (st.st_size > PICTURE_MAX) return *why = "expected at most 64 MiB", NULL;
    char *bytes = ptd_alloc(st.st_size + 1);
    for (*n = 0; *n < (size_t)st.st_size;) {
        ssize_t got = read(fd, bytes + *n, st.st_size - *n);
        if (got > 0) {
            *n += got;
            continue;
        }
        *why = got < 0 ? strerror(errno) : "ends early";
        free(bytes);
        return NULL;
    }
    return bytes;
}

static int fit(struct ptd_image *im, const struct ptd_image_rules *rules)
{
    int height, width;
    if (!rules) return 0;
    if (ptd_image_target(im->height, im->width, rules, &height, &width) < 0) return -1;
    ptd_image_resize(im, height, width, rules->resample);
    return 0;
}

static void keep_picture(struct row *r, const struct ptd_image *im, struct ptd_picture *p)
{
    size_t n = (size_t)im->height * im->width * 3;
    uint8_t *pixels = ptd_group_alloc(r->g, n);
    memcpy(pixels, im->pixels, n);
    p->height = im->height;
    p->width = im->width;
    p->pixels = pixels;
    ptd_image_hash(pixels, p->height, p->width, p->hash);
}

static int read_picture(struct row *r, const char *key, const char *path, const struct ptd_image_rules *rules,
                        struct ptd_picture *p)
{
    struct ptd_image im = {0};
    const char *why = NULL;
    size_t n = 0;
    int status = -1, fd = open_below(r->d->folder, path, &why), missing = fd < 0 && errno == ENOENT;
    char *bytes = fd < 0 ? NULL : slurp(fd, &n, &why);
    if (!bytes)
        fault(r, missing ? PTD_NOINPUT : PTD_DATAERR, key, "%.300s: %s", path, why);
    else if (ptd_image_decode(&im, bytes, n, path) < 0 || fit(&im, rules) < 0)
        fault(r, PTD_DATAERR, key, "%s", ptd_failed_message());
    else {
        keep_picture(r, &im, p);
        status = 0;
    }
    ptd_image_clear(&im);
    free(bytes);
    if (fd >= 0) close(fd);
    return status;
}

static int count_marks(const char *s)
{
    int n = 0;
    for (; s && (s = strstr(s, MARK)); s += strlen(MARK)) n++;
    return n;
}

static void read_pictures(struct row *r, const struct ptd_image_rules *rules)
{
    const char *key;
    json_t *v = value_of(r, "images", "image", &key);
    int n = json_is_array(v) ? (int)json_array_size(v) : v != NULL, marks = count_marks(r->g->question);
    if (v && !json_is_array(v) && !json_is_string(v)) {
        wrong(r, key, v, "a path or a list of paths");
        return;
    }
    if (n > PTD_DATASET_LIST) {
        fault(r, PTD_DATAERR, key, "%d pictures, expected at most %d", n, PTD_DATASET_LIST);
        return;
    }
    if (marks && marks != n)
        fault(r, PTD_DATAERR, key, "%d pictures, expected %d as the question has " MARK " marks", n, marks);
    r->g->pictures = ptd_group_alloc(r->g, (n + 1) * sizeof *r->g->pictures);
    for (int i = 0; i < n; i++) {
        const char *path = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
        if (!path)
            fault(r, PTD_DATAERR, key, "item %d: expected a path", i + 1);
        else
            read_picture(r, key, path, rules, &r->g->pictures[i]);
    }
    r->g->n_pictures = n;
}

/* ---- a row ---- */

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
    if (r->faults) ptd_group_clear(r->g);
    return r->faults ? -1 : 0;
}

int ptd_dataset_read(struct ptd_dataset *d, int i, const struct ptd_image_rules *rules, struct ptd_group *g)
{
    struct row r = {.d = d, .g = g};
    return read_row(&r, i, rules);
}

int ptd_dataset_check(struct ptd_dataset *d, int i, struct ptd_group *g,
                      void (*report)(void *ctx, const char *message), void *ctx)
{
    struct row r = {.d = d, .g = g, .report = report, .ctx = ctx};
    return read_row(&r, i, NULL);
}
