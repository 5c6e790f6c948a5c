/* events: see events.h. */
#include "view/events.h"
#include "base/crc32c.h"
#include "flow/record.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define PREFIX     "events.out.tfevents."
#define SUFFIX     ".ptd"
#define AROUND     16 /* bytes of a record besides its own */
#define RECORD_MAX ((uint64_t)1 << 30)
#define BUCKETS    30

struct said {
    int64_t step;
    uint64_t digest; /* of its summary */
};

struct ptd_events {
    char *path; /* of the file */
    int fd;
    off_t end;
    int begun; /* there is a START, which the first one is for TensorBoard: later ones forget */
    struct ptd_buf summary, event, record;
    struct said *said; /* by step, what TensorBoard does not forget */
    int n, cap;
};

/* ---- protocol buffers ---- */

enum wire { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static void put_varint(struct ptd_buf *b, uint64_t x)
{
    uint8_t byte[10];
    int n = 0;
    do byte[n++] = (uint8_t)(x & 127) | (x > 127 ? 128 : 0);
    while (x >>= 7);
    ptd_buf_add(b, byte, (size_t)n);
}

static void put_key(struct ptd_buf *b, int field, enum wire w)
{
    put_varint(b, (uint64_t)field << 3 | w);
}

static void put_number(struct ptd_buf *b, int field, uint64_t x)
{
    put_key(b, field, VARINT);
    put_varint(b, x);
}

static void put_double(struct ptd_buf *b, int field, double x)
{
    put_key(b, field, FIXED64);
    ptd_buf_add(b, &x, sizeof x);
}

static void put_float(struct ptd_buf *b, int field, float x)
{
    put_key(b, field, FIXED32);
    ptd_buf_add(b, &x, sizeof x);
}

static void put_bytes(struct ptd_buf *b, int field, const void *p, size_t n)
{
    put_key(b, field, BYTES);
    put_varint(b, n);
    ptd_buf_add(b, p, n);
}

static int take_varint(const char **at, const char *end, uint64_t *x)
{
    *x = 0;
    for (int shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = (uint8_t) * (*at)++;
        *x |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return 0;
    }
    return -1;
}

struct field {
    int number, wire;
    uint64_t value;   /* of a varint */
    const char *data; /* of bytes */
    size_t len;
};

/* 1: a field in *f; 0: the end; -1: malformed. */
static int take_field(const char **at, const char *end, struct field *f)
{
    uint64_t key, n = 0;
    if (*at == end) return 0;
    if (take_varint(at, end, &key)) return -1;
    f->number = (int)(key >> 3), f->wire = (int)(key & 7);
    if (f->wire == VARINT) return take_varint(at, end, &f->value) ? -1 : 1;
    if (f->wire == BYTES && take_varint(at, end, &n)) return -1;
    f->len = f->wire == FIXED64 ? 8 : f->wire == FIXED32 ? 4 : n;
    if (f->wire > FIXED32 || f->wire == 3 || f->wire == 4 || f->len > (size_t)(end - *at))
        return -1;
    f->data = *at;
    *at += f->len;
    return 1;
}

/* ---- what was said ---- */

int64_t ptd_events_last(const struct ptd_events *e)
{
    return e->n ? e->said[e->n - 1].step : INT64_MIN;
}

static int place_of(const struct ptd_events *e, int64_t step)
{
    int lo = 0, hi = e->n;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (e->said[mid].step < step)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void forget_from(struct ptd_events *e, int64_t step)
{
    e->n = place_of(e, step);
}

static void remember(struct ptd_events *e, int64_t step, const void *summary, size_t n)
{
    forget_from(e, step);
    if (e->n == e->cap)
        e->said = ptd_realloc(e->said, (size_t)(e->cap = 2 * e->cap + 64) * sizeof *e->said);
    e->said[e->n++] = (struct said){step, XXH3_64bits(summary, n)};
}

/* An event of a file. */
static int learn(struct ptd_events *e, const char *at, size_t len)
{
    const char *end = at + len;
    struct field f = {0}, summary = {0};
    int64_t step = 0;
    int got, begins = 0;
    while ((got = take_field(&at, end, &f)) > 0) {
        if (f.number == 2 && f.wire == VARINT) step = (int64_t)f.value;
        if (f.number == 5 && f.wire == BYTES) summary = f;
        begins |= f.number == 7;
    }
    if (begins) forget_from(e, step);
    e->begun |= begins;
    if (summary.data) remember(e, step, summary.data, summary.len);
    return got;
}

/* ---- records ---- */

static uint32_t masked(const void *p, size_t n)
{
    uint32_t c = ptd_crc32c(p, n);
    return (c >> 15 | c << 17) + 0xa282ead8u;
}

enum { DAMAGED = -1, CUT = -2 };

/* 1: a record of f in b; 0: nothing more; DAMAGED; CUT: the last one, of which a part is there or
 * half written. `left`: bytes of the file. */
static int next_record(FILE *f, struct ptd_buf *b, uint64_t left)
{
    char head[12];
    uint64_t len;
    uint32_t sum;
    if (!left) return 0;
    if (left < AROUND) return CUT;
    if (fread(head, 1, sizeof head, f) != sizeof head) return DAMAGED;
    memcpy(&len, head, 8);
    memcpy(&sum, head + 8, 4);
    if (sum != masked(head, 8) || len > RECORD_MAX) return DAMAGED;
    if (len > left - AROUND) return CUT;
    if (b->cap < len + 4) b->data = ptd_realloc(b->data, b->cap = len + 4);
    if (fread(b->data, 1, len + 4, f) != len + 4) return DAMAGED;
    memcpy(&sum, b->data + len, 4);
    b->len = len;
    return sum == masked(b->data, len) ? 1 : len == left - AROUND ? CUT : DAMAGED;
}

/* Reads a file; *whole: bytes of its whole records. The newest may end in a part of one. */
static int read_file(struct ptd_events *e, const char *path, int newest, off_t *whole)
{
    FILE *f = fopen(path, "re");
    struct stat st;
    int got;
    *whole = 0;
    if (!f || fstat(fileno(f), &st)) {
        if (f) fclose(f);
        return ptd_fail(PTD_NOINPUT, "%s:", path);
    }
    while ((got = next_record(f, &e->record, (uint64_t)(st.st_size - *whole))) > 0) {
        if (learn(e, e->record.data, e->record.len)) break;
        *whole += (off_t)(e->record.len + AROUND);
    }
    fclose(f);
    if (got == 0 || (got == CUT && newest)) return 0;
    return ptd_fail(PTD_DATAERR, "%s: byte %lld: expected a record of an event file", path,
                    (long long)*whole);
}

/* ---- files ---- */

static int is_ours(const struct dirent *d)
{
    size_t n = strlen(d->d_name), m = strlen(SUFFIX);
    return !strncmp(d->d_name, PREFIX, strlen(PREFIX)) && n > m &&
           !strcmp(d->d_name + n - m, SUFFIX);
}

static char *new_name(const char *dir)
{
    char host[65] = "";
    gethostname(host, sizeof host - 1);
    for (char *p = host; *p; p++)
        if (*p == '/') *p = '-';
    return ptd_format("%s/%s%010lld.%s%s", dir, PREFIX, (long long)time(NULL),
                      *host ? host : "localhost", SUFFIX);
}

/* Opens e->path to write, alone. */
static int take_file(struct ptd_events *e)
{
    e->fd = open(e->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (e->fd < 0) return ptd_fail(PTD_CANTCREAT, "%s:", e->path);
    if (flock(e->fd, LOCK_EX | LOCK_NB) == 0) return 0;
    return ptd_fail(PTD_NOPERM, "%s: another program writes it", e->path);
}

static int put_record(struct ptd_events *e, const struct ptd_buf *event)
{
    struct ptd_buf *r = &e->record;
    uint64_t len = event->len;
    uint32_t sum = masked(&len, 8);
    r->len = 0;
    ptd_buf_add(r, &len, 8);
    ptd_buf_add(r, &sum, 4);
    ptd_buf_add(r, event->data, event->len);
    sum = masked(event->data, event->len);
    ptd_buf_add(r, &sum, 4);
    for (size_t at = 0; at < r->len;) {
        ssize_t put = pwrite(e->fd, r->data + at, r->len - at, e->end + (off_t)at);
        if (put < 0 && errno == EINTR) continue;
        if (put > 0) at += (size_t)put;
        if (put > 0) continue;
        int why = errno;
        if (ftruncate(e->fd, e->end)) why = errno;
        errno = why;
        return ptd_fail(PTD_IOERR, "%s:", e->path);
    }
    e->end += (off_t)r->len;
    return 0;
}

static void begin_event(struct ptd_events *e, double time)
{
    e->event.len = 0;
    put_double(&e->event, 1, time);
}

static int put_version(struct ptd_events *e)
{
    begin_event(e, (double)time(NULL));
    put_bytes(&e->event, 3, "brain.Event:2", 13);
    return put_record(e, &e->event);
}

/* Has TensorBoard forget that step and those behind it. */
static int put_start(struct ptd_events *e, int64_t step, double time)
{
    const char start[] = {1 << 3 | VARINT, 1};
    begin_event(e, time);
    put_number(&e->event, 2, (uint64_t)step);
    put_bytes(&e->event, 7, start, sizeof start);
    return put_record(e, &e->event);
}

/* Reads what is there, all files of it locked by the newest. */
static int read_folder(struct ptd_events *e, const char *dir)
{
    struct dirent **list;
    int n = scandir(dir, &list, is_ours, alphasort), rc = 0;
    if (n < 0) return ptd_fail(PTD_CANTCREAT, "%s:", dir);
    e->path = n ? ptd_format("%s/%s", dir, list[n - 1]->d_name) : new_name(dir);
    rc = take_file(e);
    for (int i = 0; i < n; i++) {
        char *path = ptd_format("%s/%s", dir, list[i]->d_name);
        if (rc == 0) rc = read_file(e, path, i == n - 1, &e->end);
        free(path);
        free(list[i]);
    }
    free(list);
    if (rc == 0 && ftruncate(e->fd, e->end)) rc = ptd_fail(PTD_IOERR, "%s:", e->path);
    return rc;
}

static int make_folders(const char *dir)
{
    char *path = ptd_strdup(dir);
    int rc = 0;
    for (char *p = path + 1; rc == 0 && *path; p++) {
        if (*p != '/' && *p) continue;
        char behind = *p;
        *p = 0;
        if (mkdir(path, 0777) && errno != EEXIST) rc = ptd_fail(PTD_CANTCREAT, "%s:", path);
        if (!(*p = behind)) break;
    }
    free(path);
    return rc;
}

struct ptd_events *ptd_events_open(const char *dir)
{
    struct ptd_events *e = ptd_alloc(sizeof *e);
    e->fd = -1;
    int rc = make_folders(dir);
    if (rc == 0) rc = read_folder(e, dir);
    if (rc == 0 && e->end == 0) rc = put_version(e);
    if (rc == 0 && !e->begun)
        rc = put_start(e, e->n ? ptd_events_last(e) + 1 : 0, (double)time(NULL));
    if (rc == 0) return e;
    ptd_events_close(e);
    return NULL;
}

void ptd_events_close(struct ptd_events *e)
{
    if (!e) return;
    if (e->fd >= 0) close(e->fd);
    free(e->summary.data);
    free(e->event.data);
    free(e->record.data);
    free(e->said);
    free(e->path);
    free(e);
}

/* ---- saying ---- */

/* One value of the summary: its tag, and a field of it that is written already. */
static void put_value(struct ptd_events *e, const char *tag, const struct ptd_buf *field)
{
    struct ptd_buf v = {0};
    put_bytes(&v, 1, tag, strlen(tag));
    ptd_buf_add(&v, field->data, field->len);
    put_bytes(&e->summary, 1, v.data, v.len);
    free(v.data);
}

void ptd_events_scalar(struct ptd_events *e, const char *tag, double x)
{
    struct ptd_buf b = {0};
    put_float(&b, 2, (float)x);
    put_value(e, tag, &b);
    free(b.data);
}

void ptd_events_picture(struct ptd_events *e, const char *tag, const void *png, size_t len,
                        int height, int width)
{
    struct ptd_buf image = {0}, field = {0};
    put_number(&image, 1, (uint64_t)height);
    put_number(&image, 2, (uint64_t)width);
    put_number(&image, 3, 3);
    put_bytes(&image, 4, png, len);
    put_bytes(&field, 4, image.data, image.len);
    put_value(e, tag, &field);
    free(image.data);
    free(field.data);
}

/* Markdown that begins a line with four spaces shows it as it is. */
static void put_lines(struct ptd_buf *b, const char *text)
{
    for (size_t n; *text; text += n) {
        n = strcspn(text, "\n");
        n += text[n] == '\n';
        ptd_buf_add(b, "    ", 4);
        ptd_buf_add(b, text, n);
    }
}

void ptd_events_text(struct ptd_events *e, const char *tag, const char *text)
{
    static const char metadata[] = "\n\6\n\4text"; /* {plugin_data: {plugin_name: "text"}} */
    struct ptd_buf words = {0}, tensor = {0}, field = {0};
    put_lines(&words, text);
    put_number(&tensor, 1, 7);
    put_bytes(&tensor, 8, words.data, words.len);
    put_bytes(&field, 8, tensor.data, tensor.len);
    put_bytes(&field, 9, metadata, sizeof metadata - 1);
    put_value(e, tag, &field);
    free(words.data);
    free(tensor.data);
    free(field.data);
}

/* Buckets of equal width from the least on; each holds what lies below its limit, the last also
 * what is at it. */
struct buckets {
    double first, width;
    int n;
};

static struct buckets buckets_for(const double *x, size_t n, double least, double most)
{
    int whole = most - least < 512;
    for (size_t i = 0; whole && i < n; i++) whole = x[i] == floor(x[i]);
    if (whole) return (struct buckets){least, 1, (int)(most - least) + 1};
    double width = (most - least) / BUCKETS;
    return (struct buckets){least, width > 0 ? width : 1, width > 0 ? BUCKETS : 1};
}

static void put_doubles(struct ptd_buf *b, int field, const double *x, int n)
{
    put_bytes(b, field, x, (size_t)n * sizeof *x);
}

void ptd_events_histogram(struct ptd_events *e, const char *tag, const double *x, size_t n)
{
    double least = x[0], most = x[0], sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        least = fmin(least, x[i]), most = fmax(most, x[i]);
        sum += x[i], squares += x[i] * x[i];
    }
    struct buckets k = buckets_for(x, n, least, most);
    double *limit = ptd_array((size_t)k.n, sizeof *limit),
           *count = ptd_array((size_t)k.n, sizeof *count);
    for (int i = 0; i < k.n; i++) limit[i] = k.first + k.width * (i + 1);
    for (size_t i = 0; i < n; i++) {
        int at = (int)((x[i] - k.first) / k.width);
        count[at < k.n ? at : k.n - 1]++;
    }
    struct ptd_buf h = {0}, field = {0};
    const double about[] = {least, most, (double)n, sum, squares};
    for (int i = 0; i < 5; i++) put_double(&h, i + 1, about[i]);
    put_doubles(&h, 6, limit, k.n);
    put_doubles(&h, 7, count, k.n);
    put_bytes(&field, 5, h.data, h.len);
    put_value(e, tag, &field);
    free(h.data);
    free(field.data);
    free(limit);
    free(count);
}

static int put_step(struct ptd_events *e, int64_t step, double time)
{
    const struct ptd_buf *s = &e->summary;
    int at = place_of(e, step), there = at < e->n;
    if (there && e->said[at].step == step && e->said[at].digest == XXH3_64bits(s->data, s->len))
        return 0;
    if (there && put_start(e, step, time)) return -1;
    begin_event(e, time);
    put_number(&e->event, 2, (uint64_t)step);
    put_bytes(&e->event, 5, s->data, s->len);
    if (put_record(e, &e->event)) return -1;
    remember(e, step, s->data, s->len);
    return 1;
}

int ptd_events_step(struct ptd_events *e, int64_t step, double time)
{
    int rc = e->summary.len ? put_step(e, step, time) : 0;
    e->summary.len = 0;
    return rc;
}
