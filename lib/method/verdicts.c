/* verdicts: see verdicts.h. What is kept is keep.c's, what is asked refill.c's. */
#include "method/verdicts.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0x3154434944524556ll /* "VERDICT1", little-endian */

struct hello {
    int64_t magic, keeps;
};

struct ptd_verdicts {
    int in, out; /* ends of the pipe; -1: not ours, or not any more */
    int heard;   /* of ptd_verdicts_heard */
    char address[80];
    struct hello hello;
    size_t got; /* bytes of hello and of the list at hand */
};

static struct ptd_verdicts *with_ends(int in, int out)
{
    struct ptd_verdicts *v = ptd_alloc(sizeof *v);
    v->in = in;
    v->out = out;
    return v;
}

void ptd_verdicts_close(struct ptd_verdicts *v)
{
    if (!v) return;
    if (v->in >= 0) close(v->in);
    if (v->out >= 0) close(v->out);
    free(v);
}

/* ---- ptd-rollout ---- */

struct ptd_verdicts *ptd_verdicts_new(void)
{
    int ends[2];
    struct stat st;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0 || fstat(ends[1], &st) < 0) {
        ptd_fail(PTD_OSERR, "a pipe for verdicts:");
        return NULL;
    }
    struct ptd_verdicts *v = with_ends(ends[0], ends[1]);
    snprintf(v->address, sizeof v->address, "/proc/%ld/fd/%d pipe:[%llu]", (long)getpid(), ends[1],
             (unsigned long long)st.st_ino);
    return v;
}

const char *ptd_verdicts_address(const struct ptd_verdicts *v)
{
    return v->address;
}

int ptd_verdicts_heard(const struct ptd_verdicts *v)
{
    return v->heard;
}

void ptd_verdicts_wait(struct ptd_verdicts *v, int milliseconds)
{
    struct pollfd p = {.fd = v->in, .events = POLLIN};
    poll(&p, 1, milliseconds);
}

/* Bytes first .. last of what comes into `to`; 1: they are all there. */
static int fill(struct ptd_verdicts *v, size_t first, size_t last, char *to)
{
    while (v->got < last) {
        ssize_t n = read(v->in, to + (v->got - first), last - v->got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return 0;
        if (n < 0) return ptd_fail(PTD_IOERR, "the verdicts of ptd-verify:");
        if (!n) return ptd_fail(PTD_CUT, "ptd-verify has gone while its verdicts were waited for");
        v->got += (size_t)n;
    }
    return 1;
}

/* From now on the pipe ends with ptd-verify. */
static int meet(struct ptd_verdicts *v)
{
    int got = v->heard ? 1 : fill(v, 0, sizeof v->hello, (char *)&v->hello);
    if (got <= 0 || v->heard) return got;
    if (v->hello.magic != MAGIC)
        return ptd_fail(PTD_DATAERR, "what came for verdicts of ptd-verify is none");
    v->heard = 1 + !!v->hello.keeps;
    close(v->out);
    v->out = -1;
    return 1;
}

static int check(const struct ptd_verdict *list, int n)
{
    for (int i = 0; i < n; i++)
        if (!(list[i].accuracy >= 0 && list[i].accuracy <= 1) || (list[i].kept & ~1))
            return ptd_fail(PTD_DATAERR, "verdict %d of %d is none: accuracy %g, kept %lld", i + 1,
                            n, list[i].accuracy, (long long)list[i].kept);
    return 1;
}

int ptd_verdicts_take(struct ptd_verdicts *v, struct ptd_verdict *list, int n)
{
    const size_t head = sizeof v->hello;
    int got = meet(v);
    if (got > 0) got = fill(v, head, head + (size_t)n * sizeof *list, (char *)list);
    if (got <= 0) return got;
    v->got = head;
    return check(list, n);
}

/* ---- ptd-verify ---- */

static int give(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n) {
        ssize_t wrote = write(fd, at, n);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return ptd_fail(PTD_IOERR, "verdicts for ptd-rollout:");
        at += wrote;
        n -= (size_t)wrote;
    }
    return 0;
}

/* The process may be another by now, and its files anything: the pipe's own number decides. */
static int open_pipe(const char *address)
{
    char path[80], is[80];
    const char *pipe = strchr(address, ' ');
    if (!pipe || pipe - address >= (int)sizeof path || strncmp(address, "/proc/", 6)) return -1;
    snprintf(path, sizeof path, "%.*s", (int)(pipe - address), address);
    ssize_t n = readlink(path, is, sizeof is - 1);
    if (n < 0) return -1;
    is[n] = 0;
    return strcmp(is, pipe + 1) ? -1 : open(path, O_WRONLY | O_CLOEXEC);
}

struct ptd_verdicts *ptd_verdicts_reach(const struct ptd_head *h, int keeps)
{
    struct hello hello = {MAGIC, keeps};
    int fd = h->verdicts ? open_pipe(h->verdicts) : -1;
    if (fd < 0) return NULL;
    if (give(fd, &hello, sizeof hello) == 0) return with_ends(-1, fd);
    close(fd);
    return NULL;
}

int ptd_verdicts_give(struct ptd_verdicts *v, const struct ptd_verdict *list, int n)
{
    return v ? give(v->out, list, (size_t)n * sizeof *list) : 0;
}

/* ---- both ---- */

int ptd_round_size(int wanted, int64_t asked, int64_t kept)
{
    int64_t missing = wanted - kept;
    if (missing <= 0) return 0;
    if (!kept) return wanted;
    int64_t n = (missing * asked + kept - 1) / kept;
    return (int)(n < wanted ? n : wanted);
}
