/* Damages a stream in every way and reads it again, in process: cut, bits flipped, frames dropped,
 * doubled, swapped, spliced. Counts what was refused, with which status, and how many steps were
 * let through before. Leaves whole pipelines to torture-streams.sh. */
#include "flow/stream.h"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FRAMES_MAX = 64, LENGTH_AT = 21 };

struct span {
    int kind;
    size_t at, end;
};
struct stream {
    char *bytes;
    size_t len;
    int n;
    struct span frames[FRAMES_MAX];
};
struct count {
    long tried, wrong, cut, damaged;
};

static int memory;

static _Noreturn void stop(const char *why)
{
    fprintf(stderr, "torture-streams: %s\n", why);
    exit(1);
}

/* ---- the streams, taken apart without the library ---- */

static size_t body_len(const char *prefix)
{
    const unsigned char *p = (const unsigned char *)prefix + LENGTH_AT;
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

static struct stream load(const char *path)
{
    struct stream s = {0};
    struct stat st;
    FILE *f = fopen(path, "r");
    if (!f || fstat(fileno(f), &st) < 0) stop("cannot open a stream");
    s.len = (size_t)st.st_size;
    s.bytes = malloc(s.len);
    if (fread(s.bytes, 1, s.len, f) != s.len) stop("cannot read a stream");
    fclose(f);
    for (size_t at = 0; at < s.len; at = s.frames[s.n++].end) {
        if (s.n == FRAMES_MAX || s.len - at < PTD_FRAME_PREFIX) stop("not a stream to work with");
        s.frames[s.n] =
            (struct span){s.bytes[at + 1], at, at + PTD_FRAME_PREFIX + body_len(s.bytes + at)};
    }
    return s;
}

/* Steps that lie wholly within the first n bytes. */
static int steps_within(const struct stream *s, size_t n)
{
    int steps = 0;
    for (int i = 0; i < s->n; i++) steps += s->frames[i].kind == PTD_STEP && s->frames[i].end <= n;
    return steps;
}

/* ---- one trial ---- */

static void put(const char *bytes, size_t n, size_t at)
{
    if (pwrite(memory, bytes, n, (off_t)at) != (ssize_t)n) stop("cannot write to memory");
}

static void put_all(const struct stream *s)
{
    if (ftruncate(memory, 0) < 0) stop("cannot empty the memory");
    put(s->bytes, s->len, 0);
}

/* Reads what is in memory to the end: status, and how many steps were verified. */
static int read_all(int *steps)
{
    struct ptd_frame f;
    int got;
    lseek(memory, 0, SEEK_SET);
    struct ptd_reader *r = ptd_reader_open(dup(memory), "-");
    for (*steps = 0; (got = ptd_reader_next(r, &f)) > 0;) *steps += f.kind == PTD_STEP;
    int status = got < 0 ? ptd_failed_status() : 0;
    if (ptd_reader_close(r) != got) stop("reading and closing disagree");
    return status;
}

/* Expects the status, and no step but the given number let through. */
static void judge(struct count *c, int status, int steps, const char *what, size_t at)
{
    int seen, found = read_all(&seen);
    c->tried++;
    c->cut += found == PTD_CUT;
    c->damaged += found == PTD_DATAERR;
    if (found == status && seen == steps) return;
    if (c->wrong++ < 5)
        printf("# %s %zu: status %d, %d steps; expected %d, %d\n", what, at, found, seen, status,
               steps);
}

static int report(int number, const char *what, const struct count *c)
{
    printf("%sok %d - %s: %ld tried, %ld refused as cut or out of order (76), %ld as damaged (65), "
           "%ld "
           "otherwise; no step of theirs let through\n",
           c->wrong || !c->tried ? "not " : "", number, what, c->tried, c->cut, c->damaged,
           c->tried - c->cut - c->damaged);
    return c->wrong != 0;
}

/* ---- the ways to damage ---- */

static struct count every_cut(const struct stream *s)
{
    struct count c = {0};
    for (size_t n = s->len; n-- > 0;) {
        if (ftruncate(memory, (off_t)n) < 0) stop("cannot cut");
        judge(&c, PTD_CUT, steps_within(s, n), "cut at byte", n);
    }
    put_all(s);
    return c;
}

/* A bit of a length may also ask for more bytes than there are, which is a cut; everything else is
 * damage. */
static int status_of_bit(const struct stream *s, const struct span *f, size_t bit)
{
    char prefix[PTD_FRAME_PREFIX];
    size_t at = bit / 8 - f->at;
    if (at < LENGTH_AT || at >= PTD_FRAME_PREFIX) return PTD_DATAERR;
    memcpy(prefix, s->bytes + f->at, sizeof prefix);
    prefix[at] ^= (char)(1 << bit % 8);
    return body_len(prefix) <= PTD_FRAME_MAX && body_len(prefix) > s->len - f->at - sizeof prefix
               ? PTD_CUT
               : PTD_DATAERR;
}

static struct count every_bit(const struct stream *s, size_t stride)
{
    struct count c = {0};
    int i = 0;
    for (size_t bit = 0; bit < 8 * s->len; bit += stride) {
        char byte = (char)(s->bytes[bit / 8] ^ 1 << bit % 8);
        while (bit / 8 >= s->frames[i].end) i++;
        put(&byte, 1, bit / 8);
        judge(&c, status_of_bit(s, &s->frames[i], bit), steps_within(s, s->frames[i].at), "bit",
              bit);
        put(s->bytes + bit / 8, 1, bit / 8);
    }
    return c;
}

static void add_frame(size_t *at, const struct stream *s, int i)
{
    put(s->bytes + s->frames[i].at, s->frames[i].end - s->frames[i].at, *at);
    *at += s->frames[i].end - s->frames[i].at;
}

/* Frames from .. to of s give way to frames first .. last of t. */
struct change {
    int from, to, first, last, status, steps;
};

static void rearrange(struct count *c, const struct stream *s, const struct stream *t,
                      struct change x)
{
    size_t at = 0;
    if (ftruncate(memory, 0) < 0) stop("cannot empty the memory");
    for (int i = 0; i < x.from; i++) add_frame(&at, s, i);
    for (int i = x.first; i < x.last; i++) add_frame(&at, t, i);
    for (int i = x.to; i < s->n; i++) add_frame(&at, s, i);
    judge(c, x.status, x.steps, "from frame", (size_t)x.from);
}

static void swap(struct count *c, const struct stream *s, int a, int b)
{
    size_t at = 0;
    if (ftruncate(memory, 0) < 0) stop("cannot empty the memory");
    for (int i = 0; i < s->n; i++) add_frame(&at, s, i == a ? b : i == b ? a : i);
    judge(c, PTD_CUT, steps_within(s, s->frames[a].at), "frames swapped with", (size_t)a);
}

/* What follows a verified end is damage; anything else that is not in its place is out of order. */
static struct count every_order(const struct stream *s)
{
    struct count c = {0};
    for (int i = 0; i < s->n; i++) {
        int before = steps_within(s, s->frames[i].at), with = steps_within(s, s->frames[i].end);
        rearrange(&c, s, s, (struct change){i, i + 1, 0, 0, PTD_CUT, before});
        rearrange(&c, s, s,
                  (struct change){i, i, i, i + 1, i == s->n - 1 ? PTD_DATAERR : PTD_CUT, with});
        for (int j = i + 1; j < s->n; j++) swap(&c, s, i, j);
    }
    return c;
}

/* One frame of another stream in the place of each, and each beginning of one stream with each end
 * of the other. */
static struct count every_splice(const struct stream *s, const struct stream *t)
{
    struct count c = {0};
    for (int i = 0; i < s->n; i++)
        for (int j = 0; j < t->n; j++) {
            int before = steps_within(s, s->frames[i].at);
            rearrange(&c, s, t, (struct change){i, i + 1, j, j + 1, PTD_CUT, before});
            if (i && j) rearrange(&c, s, t, (struct change){i, s->n, j, t->n, PTD_CUT, before});
        }
    return c;
}

static void print_frames(const struct stream *s)
{
    for (int i = 0; i < s->n; i++)
        printf("%d %zu %zu\n", s->frames[i].kind, s->frames[i].at, s->frames[i].end);
}

int main(int argc, char **argv)
{
    int steps, wrong = 0;
    if (argc != 3 && argc != 4)
        stop("usage: torture-streams --frames STREAM | STRIDE STREAM OTHER");
    struct stream s = load(argv[2]);
    if (argc == 3) return print_frames(&s), 0;
    struct stream t = load(argv[3]);
    memory = memfd_create("stream", 0);
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    put_all(&s);
    if (read_all(&steps) || steps != steps_within(&s, s.len) || steps < 2)
        stop("the stream is not whole to begin with");
    struct count cuts = every_cut(&s), bits = every_bit(&s, strtoul(argv[1], NULL, 10)),
                 orders = every_order(&s), splices = every_splice(&s, &t);
    wrong |= report(1, "a stream cut at each of its bytes", &cuts);
    wrong |= report(2, "single bits of it flipped", &bits);
    wrong |= report(3, "each frame dropped, doubled, swapped with each other", &orders);
    wrong |= report(4, "frames and ends of another stream spliced in", &splices);
    return wrong;
}
