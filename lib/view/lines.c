/* lines: see lines.h. */
#include "view/lines.h"
#include "base/json.h"
#include "flow/stream.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_LIMIT ((size_t)1 << 20)
#define BLOCK      65536

/* What the first look found of a line. */
struct seen {
    int64_t step;
    double seconds, time;
    int kind, gone; /* gone: a later one counts */
};

struct ptd_lines {
    char *path;
    int fd, regular;
    off_t at; /* bytes that were read, of a file */
    dev_t dev;
    ino_t ino;
    char *held; /* read, and not yet given: [n] */
    size_t n, cap;
    long number;
    struct seen *seen; /* [n_seen], of lines 1 .. n_seen */
    long n_seen;
    json_t *object;
};

const char *ptd_lines_name(const struct ptd_lines *l)
{
    return strcmp(l->path, "-") ? l->path : "standard input";
}

/* ---- bytes ---- */

/* 1: more is there; 0: nothing more for now; -1. */
static int read_more(struct ptd_lines *l)
{
    ssize_t got;
    if (l->n + BLOCK > l->cap) l->held = ptd_realloc(l->held, l->cap = l->n + 2 * BLOCK);
    do
        got = l->regular ? pread(l->fd, l->held + l->n, BLOCK, l->at)
                         : read(l->fd, l->held + l->n, BLOCK);
    while (got < 0 && errno == EINTR && l->regular);
    if (got < 0 && errno == EINTR) return 0;
    if (got < 0)
        return ptd_fail(errno == EISDIR ? PTD_NOINPUT : PTD_IOERR, "%s:", ptd_lines_name(l));
    l->n += (size_t)got;
    l->at += got;
    return got > 0;
}

/* Bytes of the next line, its newline with it; 0: there is none for now; -1. */
static ssize_t find_line(struct ptd_lines *l, int last)
{
    for (size_t from = 0;;) {
        char *end = memchr(l->held + from, '\n', l->n - from);
        if (end) return end + 1 - l->held;
        if (l->n > LINE_LIMIT) return (ssize_t)l->n;
        from = l->n;
        int got = read_more(l);
        if (got < 0) return -1;
        if (!got) return last ? (ssize_t)l->n : 0;
    }
}

static void drop(struct ptd_lines *l, size_t n)
{
    memmove(l->held, l->held + n, l->n -= n);
}

/* ---- lines ---- */

int ptd_lines_refuse(const char *path, long number, const char *line, size_t len)
{
    if (number == 1 && ptd_stream_begins(line, len))
        return ptd_fail(PTD_DATAERR,
                        "%s: a stream, expected metrics, one JSON object a line; streams are read "
                        "by ptd-metrics --groups, ptd-plot --hint, ptd-stat and ptd-dump",
                        path);
    return ptd_fail(PTD_DATAERR,
                    "%s:%ld: expected metrics, one JSON object of at most 1 MiB a line", path,
                    number);
}

static int kind_of(const json_t *o)
{
    const char *key;
    json_t *v;
    int val = 0;
    json_object_foreach ((json_t *)o, key, v) {
        if (strcmp(key, "step") == 0) continue;
        if (strncmp(key, "val/", 4) != 0) return PTD_LINE_RUN;
        val = 1;
    }
    return val ? PTD_LINE_VAL : PTD_LINE_RUN;
}

/* 1: a line in l->object; 0: white space, or the beginning of one; -1. */
static int parse(struct ptd_lines *l, size_t len, struct ptd_line *line)
{
    size_t white = 0;
    while (white < len && strchr(" \t\r\n", l->held[white]) && l->held[white]) white++;
    if (white == len) return 0;
    json_decref(l->object);
    l->object =
        len <= LINE_LIMIT ? ptd_json_load(l->held, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    int begun = l->held[white] == '{' && l->held[len - 1] != '\n' && len <= LINE_LIMIT;
    if (!l->object && begun) return 0;
    if (!json_is_object(l->object))
        return ptd_lines_refuse(ptd_lines_name(l), l->number, l->held, len);
    const json_t *step = json_object_get(l->object, "step");
    double x = json_number_value(step);
    if (!json_is_number(step) || !(x > -9e15 && x < 9e15))
        return ptd_fail(PTD_DATAERR, "%s:%ld: field \"step\": expected a number", ptd_lines_name(l),
                        l->number);
    *line = (struct ptd_line){
        .number = l->number, .step = (int64_t)x, .kind = kind_of(l->object), .object = l->object};
    return 1;
}

/* The next line that is one, whatever counts. */
static int take(struct ptd_lines *l, int last, struct ptd_line *line)
{
    ssize_t len;
    while ((len = find_line(l, last)) > 0) {
        l->number++;
        int got = parse(l, (size_t)len, line);
        drop(l, (size_t)len);
        if (got) return got;
    }
    return (int)len;
}

/* ---- the first look ---- */

static int note_all(struct ptd_lines *l)
{
    struct ptd_line line;
    int got;
    while ((got = take(l, 0, &line)) > 0) {
        l->seen = ptd_realloc(l->seen, (size_t)l->number * sizeof *l->seen);
        for (; l->n_seen < l->number; l->n_seen++) l->seen[l->n_seen] = (struct seen){.gone = 1};
        l->seen[l->number - 1] = (struct seen){
            .step = line.step,
            .kind = line.kind,
            .seconds = json_number_value(json_object_get(line.object, "timing_s/step"))};
    }
    return got;
}

/* A line counts if no later one of its kind has its step or an earlier one. */
static void judge(struct ptd_lines *l, double changed)
{
    int64_t least[PTD_LINE_KINDS] = {INT64_MAX, INT64_MAX};
    for (long i = l->n_seen - 1; i >= 0; i--) {
        struct seen *s = &l->seen[i];
        s->time = changed;
        if (s->gone || s->step >= least[s->kind]) {
            s->gone = 1;
            continue;
        }
        least[s->kind] = s->step;
        if (s->seconds > 0 && s->seconds < changed) changed -= s->seconds;
    }
}

static void rewind_to_start(struct ptd_lines *l)
{
    l->at = 0;
    l->n = 0;
    l->number = 0;
}

static int look(struct ptd_lines *l)
{
    struct stat st;
    if (fstat(l->fd, &st)) return ptd_fail(PTD_IOERR, "%s:", ptd_lines_name(l));
    l->regular = S_ISREG(st.st_mode);
    l->dev = st.st_dev, l->ino = st.st_ino;
    l->n_seen = 0;
    rewind_to_start(l);
    if (!l->regular) return 0;
    if (note_all(l)) return -1;
    judge(l, (double)st.st_mtim.tv_sec + 1e-9 * (double)st.st_mtim.tv_nsec);
    rewind_to_start(l);
    return 0;
}

/* ---- all ---- */

static int open_path(const char *path)
{
    return strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : 0;
}

struct ptd_lines *ptd_lines_open(const char *path)
{
    struct ptd_lines *l = ptd_alloc(sizeof *l);
    l->path = ptd_strdup(path);
    l->held = ptd_malloc(l->cap = 2 * BLOCK);
    l->fd = open_path(path);
    if (l->fd >= 0 ? look(l) == 0 : (ptd_fail(PTD_NOINPUT, "%s:", path), 0)) return l;
    ptd_lines_close(l);
    return NULL;
}

/* The path may name another file by now, or the file may have lost what was read of it. */
static int follow(struct ptd_lines *l)
{
    struct stat st;
    if (!l->regular || strcmp(l->path, "-") == 0 || stat(l->path, &st)) return 0;
    if (st.st_dev == l->dev && st.st_ino == l->ino && st.st_size >= l->at) return 0;
    int fd = open_path(l->path);
    if (fd < 0) return 0;
    close(l->fd);
    l->fd = fd;
    return look(l) ? -1 : 1;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int ptd_lines_next(struct ptd_lines *l, int last, struct ptd_line *line)
{
    for (;;) {
        int got = take(l, last, line);
        if (got == 0 && (got = follow(l)) > 0) continue;
        if (got <= 0) return got;
        const struct seen *s = line->number <= l->n_seen ? &l->seen[line->number - 1] : NULL;
        if (s && s->gone) continue;
        line->time = s ? s->time : now();
        return 1;
    }
}

void ptd_lines_close(struct ptd_lines *l)
{
    if (l->fd > 0) close(l->fd);
    json_decref(l->object);
    free(l->seen);
    free(l->held);
    free(l->path);
    free(l);
}
