/* Frames in and out: prefix, sequence, digests, and the state machine head, groups, steps, end.
 * Leaves to record.c: what head and group bodies say. */
#include "flow/stream.h"
#include "base/progress.h"
#include "base/signals.h"
#include "flow/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define BLOCK       ((size_t)1 << 20)
#define MARKS       3  /* numbers in a step or end body */
#define MARKS_BYTES 64 /* room for such a body */

enum { BEFORE_HEAD, RUNNING, ENDED, DONE, FAILED };

/* What reader and writer both count, so that both can fill or check step and end frames. */
struct tally {
    uint64_t seq, step_groups, groups, steps;
    XXH3_state_t *run;  /* digests of all frames so far */
    XXH3_state_t *work; /* one frame at a time */
};

struct ptd_reader {
    int fd, watched, terminal, state, status, eof;
    char *name, *message;
    char *buf;
    size_t start, end, cap; /* unread bytes are buf[start .. end) */
    uint64_t offset;        /* of buf[start] in the stream */
    struct tally t;
};

struct ptd_writer {
    int fd, state, status;
    char *name, *message;
    char *buf;
    size_t len;
    struct tally t;
};

static const char *const step_names[MARKS] = {"step", "count", "digest"};
static const char *const end_names[MARKS] = {"count", "steps", "digest"};

/* ---- numbers in bytes ---- */

static void put_big(char *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) p[i] = (char)(v >> 8 * (bytes - 1 - i));
}

static uint64_t get_big(const char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++) v = v << 8 | (unsigned char)p[i];
    return v;
}

static void put_little(char *p, uint64_t v)
{
    for (int i = 0; i < 8; i++) p[i] = (char)(v >> 8 * i);
}

static void put_prefix(char p[PTD_FRAME_PREFIX], int kind, uint64_t seq, uint64_t digest,
                       size_t len)
{
    p[0] = (char)0x94;
    p[1] = (char)kind;
    p[2] = (char)0xcf;
    put_big(p + 3, seq, 8);
    p[11] = (char)0xcf;
    put_big(p + 12, digest, 8);
    p[20] = (char)0xc6;
    put_big(p + 21, len, 4);
}

int ptd_stream_begins(const char *bytes, size_t n)
{
    return n > 2 && memcmp(bytes, "\x94\1\xcf", 3) == 0;
}

/* A step or end body: a map of three names to uint64. */
static size_t put_marks(char out[MARKS_BYTES], const char *const names[MARKS],
                        const uint64_t v[MARKS])
{
    size_t n = 0;
    out[n++] = (char)(0x80 | MARKS);
    for (int i = 0; i < MARKS; i++) {
        size_t len = strlen(names[i]);
        out[n++] = (char)(0xa0 | len);
        memcpy(out + n, names[i], len);
        n += len;
        out[n++] = (char)0xcf;
        put_big(out + n, v[i], 8);
        n += 8;
    }
    return n;
}

/* A number in its place in v; -1: no whole number from 0 on, or of no name that is still missing.
 */
static int get_mark(const msgpack_object_kv *kv, const char *const names[MARKS], uint64_t v[MARKS],
                    unsigned *seen)
{
    const msgpack_object_str *key = &kv->key.via.str;
    if (kv->key.type != MSGPACK_OBJECT_STR || kv->val.type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return -1;
    for (int i = 0; i < MARKS; i++)
        if (key->size == strlen(names[i]) && !memcmp(key->ptr, names[i], key->size)) {
            if (*seen & 1u << i) return -1;
            *seen |= 1u << i;
            v[i] = kv->val.via.u64;
            return 0;
        }
    return -1;
}

/* The numbers of such a body in any encoding and order, or -1. */
static int get_marks(const char *body, size_t len, const char *const names[MARKS],
                     uint64_t v[MARKS])
{
    msgpack_unpacked u;
    unsigned seen = 0;
    memset(v, 0, MARKS * sizeof *v);
    if (ptd_pack_open(&u, body, len) < 0) return -1;
    const msgpack_object_map *m = &u.data.via.map;
    int rc = u.data.type == MSGPACK_OBJECT_MAP && m->size == MARKS ? 0 : -1;
    for (int i = 0; i < MARKS && rc == 0; i++) rc = get_mark(&m->ptr[i], names, v, &seen);
    msgpack_unpacked_destroy(&u);
    return rc;
}

/* ---- tally ---- */

static void tally_open(struct tally *t)
{
    t->run = XXH3_createState();
    t->work = XXH3_createState();
    if (!t->run || !t->work) ptd_die(PTD_OSERR, "out of memory");
    XXH3_64bits_reset(t->run);
}

static void tally_close(struct tally *t)
{
    XXH3_freeState(t->run);
    XXH3_freeState(t->work);
}

static void begin_digest(struct tally *t, int kind, uint64_t seq)
{
    char fixed[16];
    put_little(fixed, (uint64_t)kind);
    put_little(fixed + 8, seq);
    XXH3_64bits_reset(t->work);
    XXH3_64bits_update(t->work, fixed, sizeof fixed);
}

static uint64_t frame_digest(struct tally *t, int kind, uint64_t seq, const void *body, size_t len)
{
    begin_digest(t, kind, seq);
    XXH3_64bits_update(t->work, body, len);
    return XXH3_64bits_digest(t->work);
}

static void tally_add(struct tally *t, int kind, uint64_t digest)
{
    char bytes[8];
    put_little(bytes, digest);
    XXH3_64bits_update(t->run, bytes, sizeof bytes);
    t->seq++;
    if (kind == PTD_GROUP) t->groups++, t->step_groups++;
    if (kind == PTD_STEP) t->steps++, t->step_groups = 0;
}

/* ---- both ends ---- */

static void widen_pipe(int fd)
{
#ifdef F_SETPIPE_SZ
    if (fcntl(fd, F_SETPIPE_SZ, PTD_PIPE_SIZE) < 0) errno = 0;
#else
    (void)fd;
#endif
}

static struct {
    void (*call)(void *ctx);
    void *ctx;
} idle;

void ptd_stream_idle(void (*call)(void *ctx), void *ctx)
{
    idle.call = call;
    idle.ctx = ctx;
}

static void before_waiting(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    if (idle.call && poll(&p, 1, 0) == 0) idle.call(idle.ctx);
}

/* After EAGAIN on a descriptor that somebody made non-blocking. */
static void wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int got;
    while ((got = poll(&p, 1, ptd_progress_patience())) == 0 || (got < 0 && errno == EINTR)) {
        ptd_asked_answer();
        ptd_progress_tick();
    }
}

static int keep_failure(int *state, int *status, char **message)
{
    *state = FAILED;
    *status = ptd_failed_status();
    free(*message);
    *message = ptd_strdup(ptd_failed_message());
    return -1;
}

/* ---- reader ---- */

struct ptd_reader *ptd_reader_open(int fd, const char *name)
{
    struct ptd_reader *r = ptd_alloc(sizeof *r);
    r->fd = fd;
    r->watched = -1;
    r->terminal = isatty(fd);
    r->name = ptd_strdup(strcmp(name, "-") == 0 ? "standard input" : name);
    tally_open(&r->t);
    widen_pipe(fd);
    return r;
}

const char *ptd_reader_name(const struct ptd_reader *r)
{
    return r->name;
}

void ptd_reader_watch(struct ptd_reader *r, int fd)
{
    r->watched = fd;
}

int ptd_reader_blame(struct ptd_reader *r, const struct ptd_frame *f)
{
    int status = ptd_failed_status();
    ptd_fail(status, "%s: record %llu, byte %llu: %s", r->name, (unsigned long long)f->seq,
             (unsigned long long)f->offset, ptd_failed_message());
    return keep_failure(&r->state, &r->status, &r->message);
}

static int refuse(struct ptd_reader *r, int status, size_t at, const char *what)
{
    ptd_fail(status, "%s: record %llu, byte %llu: %s", r->name, (unsigned long long)r->t.seq,
             (unsigned long long)(r->offset + at), what);
    return keep_failure(&r->state, &r->status, &r->message);
}

/* Room for at least 64 KiB behind the unread bytes; the buffer grows only when it is full of bytes
 * that came. */
static void make_room(struct ptd_reader *r)
{
    if (r->cap - r->end >= BLOCK / 16) return;
    if (r->start) memmove(r->buf, r->buf + r->start, r->end - r->start);
    r->end -= r->start;
    r->start = 0;
    if (r->cap - r->end >= BLOCK / 16) return;
    r->cap = r->cap ? 2 * r->cap : BLOCK;
    r->buf = ptd_realloc(r->buf, r->cap);
}

/* Until there is something to read; ends the program if the reader of the watched output leaves
 * meanwhile. */
static void await_input(const struct ptd_reader *r)
{
    struct pollfd p[2] = {{.fd = r->fd, .events = POLLIN}, {.fd = r->watched}};
    do {
        if (poll(p, 2, ptd_progress_patience()) < 0 && errno != EINTR) return;
        ptd_asked_answer();
        ptd_progress_tick();
        /* HUP: of a socket or a terminal */
        if (p[1].revents & (POLLERR | POLLHUP)) ptd_die_of_pipe();
    } while (!p[0].revents && !p[1].revents);
}

/* Makes n unread bytes available: 1, 0 at end of file, -1 on a read error. */
static int fill(struct ptd_reader *r, size_t n)
{
    while (r->end - r->start < n && !r->eof) {
        make_room(r);
        ptd_asked_answer();
        ptd_board_doing(PTD_READS);
        before_waiting(r->fd, POLLIN);
        if (r->watched >= 0)
            await_input(r);
        else if (ptd_progress_patience() >= 0)
            wait_for(r->fd, POLLIN);
        ssize_t got = read(r->fd, r->buf + r->end, r->cap - r->end);
        int why = errno;
        ptd_board_doing(PTD_WORKS);
        errno = why;
        if (got > 0) r->end += (size_t)got;
        /* EIO: whoever held its other end has gone */
        else if (got == 0 || (errno == EIO && r->terminal))
            r->eof = 1;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            wait_for(r->fd, POLLIN);
        else if (errno != EINTR) {
            ptd_fail(PTD_IOERR, "%s: read:", r->name);
            return keep_failure(&r->state, &r->status, &r->message);
        }
    }
    return r->end - r->start >= n;
}

static int at_end_of_file(struct ptd_reader *r)
{
    size_t left = r->end - r->start;
    if (r->state == ENDED && !left) {
        r->state = DONE;
        return 0;
    }
    if (r->state == ENDED) return refuse(r, PTD_DATAERR, 0, "bytes after the end frame");
    if (left) return refuse(r, PTD_CUT, left, "stream is cut in the middle of a frame");
    if (r->state == BEFORE_HEAD)
        return refuse(r, PTD_CUT, 0, "stream is empty, expected a head frame");
    return refuse(r, PTD_CUT, 0, "stream ended without its end frame");
}

static int check_prefix(struct ptd_reader *r, const char *p)
{
    static const struct {
        unsigned char at, byte;
    } fixed[] = {{0, 0x94}, {2, 0xcf}, {11, 0xcf}, {20, 0xc6}};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if ((unsigned char)p[fixed[i].at] != fixed[i].byte)
            return refuse(r, PTD_DATAERR, fixed[i].at,
                          r->state == BEFORE_HEAD ? "not a ptd stream" : "damaged frame prefix");
    if (p[1] < PTD_HEAD || p[1] > PTD_END)
        return refuse(r, PTD_DATAERR, 1, "unknown kind of frame, expected 1 to 4");
    if (get_big(p + 21, 4) > PTD_FRAME_MAX)
        return refuse(r, PTD_DATAERR, 21, "frame body over the limit of 1 GiB");
    return 0;
}

static int check_order(struct ptd_reader *r, const struct ptd_frame *f)
{
    if (f->seq != r->t.seq)
        return refuse(r, PTD_CUT, 3, "frames out of order: one is missing, doubled or moved");
    if (r->state == BEFORE_HEAD && f->kind != PTD_HEAD)
        return refuse(r, PTD_CUT, 1, "expected a head frame first");
    if (r->state == RUNNING && f->kind == PTD_HEAD)
        return refuse(r, PTD_CUT, 1, "a second head frame");
    return 0;
}

static int check_step(struct ptd_reader *r, const struct ptd_frame *f)
{
    uint64_t v[MARKS];
    if (get_marks(f->body, f->body_len, step_names, v) < 0 || v[0] > INT64_MAX)
        return refuse(r, PTD_DATAERR, PTD_FRAME_PREFIX, "malformed step frame");
    if (v[1] != r->t.step_groups || v[2] != XXH3_64bits_digest(r->t.run))
        return refuse(r, PTD_CUT, 0, "step frame disagrees with the frames before it");
    return 0;
}

static int check_end(struct ptd_reader *r, const struct ptd_frame *f)
{
    uint64_t v[MARKS];
    if (get_marks(f->body, f->body_len, end_names, v) < 0)
        return refuse(r, PTD_DATAERR, PTD_FRAME_PREFIX, "malformed end frame");
    if (v[0] != r->t.groups || v[1] != r->t.steps || v[2] != XXH3_64bits_digest(r->t.run))
        return refuse(r, PTD_CUT, 0, "end frame disagrees with the frames before it");
    return 0;
}

static int check_frame(struct ptd_reader *r, const struct ptd_frame *f)
{
    if (XXH3_64bits_digest(r->t.work) != f->digest)
        return refuse(r, PTD_DATAERR, 0, "damaged frame: its digest does not fit");
    if (check_order(r, f) < 0) return -1;
    if (f->kind == PTD_STEP) return check_step(r, f);
    return f->kind == PTD_END ? check_end(r, f) : 0;
}

static void point_frame(const struct ptd_reader *r, struct ptd_frame *f)
{
    const char *p = r->buf + r->start;
    f->kind = p[1];
    f->seq = get_big(p + 3, 8);
    f->digest = get_big(p + 12, 8);
    f->offset = r->offset;
    f->body_len = get_big(p + 21, 4);
    f->body = p + PTD_FRAME_PREFIX;
    f->raw = p;
    f->raw_len = PTD_FRAME_PREFIX + f->body_len;
}

/* Waits for a frame of `whole` bytes, and takes what came into its digest while the writer fills
 * the pipe again. As fill. */
static int fill_frame(struct ptd_reader *r, size_t whole)
{
    size_t done = PTD_FRAME_PREFIX;
    begin_digest(&r->t, r->buf[r->start + 1], get_big(r->buf + r->start + 3, 8));
    while (done < whole) {
        int got = fill(r, done + 1);
        if (got <= 0) return got;
        size_t there = r->end - r->start < whole ? r->end - r->start : whole;
        XXH3_64bits_update(r->t.work, r->buf + r->start + done, there - done);
        done = there;
    }
    return 1;
}

int ptd_reader_next(struct ptd_reader *r, struct ptd_frame *f)
{
    int got;
    if (r->state == DONE) return 0;
    if (r->state == FAILED) return ptd_fail(r->status, "%s", r->message);
    if ((got = fill(r, r->state == ENDED ? 1 : PTD_FRAME_PREFIX)) < 0) return -1;
    if (!got || r->state == ENDED) return at_end_of_file(r);
    if (check_prefix(r, r->buf + r->start) < 0) return -1;
    size_t whole = PTD_FRAME_PREFIX + get_big(r->buf + r->start + 21, 4);
    if ((got = fill_frame(r, whole)) < 0) return -1;
    if (!got) return at_end_of_file(r);
    point_frame(r, f);
    if (check_frame(r, f) < 0) return -1;
    tally_add(&r->t, f->kind, f->digest);
    r->state = f->kind == PTD_END ? ENDED : RUNNING;
    r->start += whole;
    r->offset += whole;
    return 1;
}

int ptd_reader_close(struct ptd_reader *r)
{
    struct ptd_frame f;
    if (r->state == ENDED && ptd_reader_next(r, &f) < 0) r->state = FAILED;
    int rc = r->state == DONE ? 0 : -1;
    if (r->state == FAILED)
        ptd_fail(r->status, "%s", r->message);
    else if (rc < 0)
        ptd_fail(PTD_CUT, "%s: not read to its end frame", r->name);
    close(r->fd);
    tally_close(&r->t);
    free(r->buf);
    free(r->message);
    free(r->name);
    free(r);
    return rc;
}

int ptd_frame_step(const struct ptd_frame *f, int64_t *step)
{
    uint64_t v[MARKS];
    if (f->kind != PTD_STEP || get_marks(f->body, f->body_len, step_names, v) < 0 ||
        v[0] > INT64_MAX)
        return ptd_fail(PTD_DATAERR, "record %llu, byte %llu: not a step frame",
                        (unsigned long long)f->seq, (unsigned long long)f->offset);
    *step = (int64_t)v[0];
    return 0;
}

/* ---- writer ---- */

struct ptd_writer *ptd_writer_open(int fd, const char *name)
{
    struct ptd_writer *w = ptd_alloc(sizeof *w);
    w->fd = fd;
    w->name = ptd_strdup(strcmp(name, "-") == 0 ? "standard output" : name);
    w->buf = ptd_alloc(BLOCK);
    tally_open(&w->t);
    widen_pipe(fd);
    return w;
}

int ptd_writer_fd(const struct ptd_writer *w)
{
    return w->fd;
}

static int write_error(struct ptd_writer *w)
{
    if (errno == EPIPE || errno == ECONNRESET) ptd_die_of_pipe();
    ptd_fail(PTD_IOERR, "%s: write:", w->name);
    return keep_failure(&w->state, &w->status, &w->message);
}

static int write_all(struct ptd_writer *w, const char *p, size_t n)
{
    while (n) {
        ptd_board_doing(PTD_WRITES);
        before_waiting(w->fd, POLLOUT);
        /* a pipe that takes anything takes so much */
        ssize_t put = write(w->fd, p, idle.call && n > PIPE_BUF ? PIPE_BUF : n);
        int why = errno;
        ptd_board_doing(PTD_WORKS);
        errno = why;
        if (put >= 0)
            p += put, n -= (size_t)put;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            wait_for(w->fd, POLLOUT);
        else if (errno != EINTR)
            return write_error(w);
        else
            ptd_asked_answer();
    }
    return 0;
}

int ptd_writer_flush(struct ptd_writer *w)
{
    if (w->state == FAILED) return ptd_fail(w->status, "%s", w->message);
    size_t n = w->len;
    w->len = 0;
    return write_all(w, w->buf, n);
}

static int append(struct ptd_writer *w, const char *p, size_t n)
{
    if (n > BLOCK - w->len && ptd_writer_flush(w) < 0) return -1;
    if (n > BLOCK) return write_all(w, p, n);
    memcpy(w->buf + w->len, p, n);
    w->len += n;
    return 0;
}

static int check_writer(struct ptd_writer *w, int kind, size_t len)
{
    if (w->state == FAILED) return ptd_fail(w->status, "%s", w->message);
    if (len > PTD_FRAME_MAX)
        return ptd_fail(PTD_DATAERR,
                        "%s: record %llu: body of %zu bytes is over the limit of 1 GiB", w->name,
                        (unsigned long long)w->t.seq, len);
    if (w->state == (kind == PTD_HEAD ? BEFORE_HEAD : RUNNING)) return 0;
    return ptd_fail(PTD_BUG, "%s: frame of kind %d written out of order", w->name, kind);
}

static int put_frame(struct ptd_writer *w, int kind, const char *body, size_t len)
{
    char prefix[PTD_FRAME_PREFIX];
    if (check_writer(w, kind, len) < 0) return -1;
    uint64_t digest = frame_digest(&w->t, kind, w->t.seq, body, len);
    put_prefix(prefix, kind, w->t.seq, digest, len);
    if (append(w, prefix, sizeof prefix) < 0 || append(w, body, len) < 0) return -1;
    tally_add(&w->t, kind, digest);
    w->state = kind == PTD_END ? ENDED : RUNNING;
    return 0;
}

int ptd_writer_put(struct ptd_writer *w, int kind, const void *body, size_t len)
{
    if (kind != PTD_HEAD && kind != PTD_GROUP)
        return ptd_fail(PTD_BUG, "frame of kind %d put by hand", kind);
    return put_frame(w, kind, body, len);
}

int ptd_writer_pass(struct ptd_writer *w, const struct ptd_frame *f)
{
    int64_t step = 0;
    if (f->kind == PTD_STEP) return ptd_frame_step(f, &step) < 0 ? -1 : ptd_writer_step(w, step);
    if (f->kind == PTD_END) return ptd_writer_end(w);
    if (f->seq != w->t.seq) return put_frame(w, f->kind, f->body, f->body_len);
    if (check_writer(w, f->kind, f->body_len) < 0 || append(w, f->raw, f->raw_len) < 0) return -1;
    tally_add(&w->t, f->kind, f->digest);
    w->state = RUNNING;
    return 0;
}

int ptd_writer_step(struct ptd_writer *w, int64_t step)
{
    char body[MARKS_BYTES];
    if (step < 0) return ptd_fail(PTD_BUG, "%s: step %lld is negative", w->name, (long long)step);
    uint64_t v[MARKS] = {(uint64_t)step, w->t.step_groups, XXH3_64bits_digest(w->t.run)};
    if (put_frame(w, PTD_STEP, body, put_marks(body, step_names, v)) < 0) return -1;
    return ptd_writer_flush(w);
}

int ptd_writer_end(struct ptd_writer *w)
{
    char body[MARKS_BYTES];
    uint64_t v[MARKS] = {w->t.groups, w->t.steps, XXH3_64bits_digest(w->t.run)};
    if (put_frame(w, PTD_END, body, put_marks(body, end_names, v)) < 0) return -1;
    return ptd_writer_flush(w);
}

int ptd_writer_close(struct ptd_writer *w)
{
    int rc = 0;
    if (w->state == FAILED) rc = ptd_fail(w->status, "%s", w->message);
    if (close(w->fd) < 0 && errno != EINTR && rc == 0)
        rc = ptd_fail(PTD_IOERR, "%s: close:", w->name);
    tally_close(&w->t);
    free(w->message);
    free(w->name);
    free(w->buf);
    free(w);
    return rc;
}
