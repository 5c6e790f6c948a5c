/* verdicts: see verdicts.h. What is kept is keep.c's, what is asked refill.c's. */
#include "method/verdicts.h"
#include "flow/wire.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC 0x3154434944524556ll /* "VERDICT1", little-endian */

struct hello {
    int64_t magic, keeps;
};

struct ptd_verdicts {
    int in, out; /* ends of the pipe; -1: not ours, or not any more */
    int heard;   /* of ptd_verdicts_heard */
    char address[PTD_WIRE_ADDRESS];
    struct hello hello;
    size_t got; /* bytes of what is read: hello, then each list */
};

static const struct ptd_wire_words words = {
    "verdicts of ptd-verify", "ptd-verify has gone while its verdicts were waited for"};

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
    char address[PTD_WIRE_ADDRESS];
    if (ptd_wire_new(ends, &words, address)) return NULL;
    struct ptd_verdicts *v = with_ends(ends[0], ends[1]);
    memcpy(v->address, address, sizeof address);
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
    ptd_wire_wait(v->in, milliseconds);
}

/* n bytes into `to`; 1: they are all there, and the next are others. */
static int fill(struct ptd_verdicts *v, void *to, size_t n)
{
    int got = ptd_wire_take(&words, v->in, to, n, &v->got);
    if (got > 0) v->got = 0;
    return got;
}

/* From now on the pipe ends with ptd-verify. */
static int meet(struct ptd_verdicts *v)
{
    int got = v->heard ? 1 : fill(v, &v->hello, sizeof v->hello);
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
    int got = meet(v);
    if (got > 0) got = fill(v, list, (size_t)n * sizeof *list);
    return got > 0 ? check(list, n) : got;
}

/* ---- ptd-verify ---- */

struct ptd_verdicts *ptd_verdicts_reach(const struct ptd_head *h, int keeps)
{
    struct hello hello = {MAGIC, keeps};
    int fd = h->verdicts ? ptd_wire_reach(h->verdicts, O_WRONLY) : -1;
    if (fd < 0) return NULL;
    if (ptd_wire_give(&words, fd, &hello, sizeof hello) == 0) return with_ends(-1, fd);
    close(fd);
    return NULL;
}

int ptd_verdicts_give(struct ptd_verdicts *v, const struct ptd_verdict *list, int n)
{
    return v ? ptd_wire_give(&words, v->out, list, (size_t)n * sizeof *list) : 0;
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
