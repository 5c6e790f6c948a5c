/* comm: see comm.h. Messages, patience and ends; sums are comm_sum.c's. */
#include "compute/comm_private.h"
#include "base/signals.h"
#include "compute/plugin.h"
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SPINS 2000 /* looks before a waiting rank leaves the core to others */

static struct ptd_comm *present; /* the one that the end of the program tells */

/* Between ranks' looks at what has come, the main thread does what a waiting program does. */
static void answer(const struct ptd_comm *c)
{
    if (pthread_equal(c->main, pthread_self())) ptd_asked_answer();
}

double ptd_comm_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void rest(long *looks)
{
    struct timespec nap = {.tv_nsec = 50000};
    if (++*looks < SPINS)
        sched_yield();
    else
        nanosleep(&nap, NULL);
}

/* ---- messages ---- */

static int fail(struct ptd_comm *c)
{
    return ptd_fail(PTD_UNAVAILABLE, "ranks cannot talk any more: %s", c->engine.words);
}

static struct ptd_message *add_message(struct ptd_comm *c)
{
    if (c->n_messages == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 64;
        c->messages = ptd_realloc(c->messages, (size_t)c->cap * sizeof *c->messages);
    }
    return &c->messages[c->n_messages++];
}

/* One message; its ticket is waited for. */
static int post(struct ptd_comm *c, void *bytes, size_t n, int peer, int receives)
{
    struct ptd_engine *e = &c->engine;
    pthread_mutex_lock(&c->trunk->lock);
    int ticket = receives ? e->ops->receive(e, bytes, n, peer, c->tag)
                          : e->ops->send(e, bytes, n, peer, c->tag);
    pthread_mutex_unlock(&c->trunk->lock);
    if (ticket < 0) return fail(c);
    *add_message(c) = (struct ptd_message){ticket, peer, 0, receives};
    if (!receives) c->sent += n;
    return 0;
}

static int post_all(struct ptd_comm *c, void *bytes, size_t n, int peer, int receives)
{
    int rc = 0;
    for (size_t at = 0, part; at < n && !rc; at += part) {
        part = n - at < PTD_MESSAGE_MAX ? n - at : PTD_MESSAGE_MAX;
        rc = post(c, (char *)bytes + at, part, peer, receives);
    }
    return rc;
}

int ptd_comm_send(struct ptd_comm *c, const void *bytes, size_t n, int to)
{
    return post_all(c, (void *)(uintptr_t)bytes, n, to, 0);
}

int ptd_comm_receive(struct ptd_comm *c, void *bytes, size_t n, int from)
{
    return post_all(c, bytes, n, from, 1);
}

/* ---- ends of others ---- */

int ptd_comm_look_for_ends(struct ptd_comm *c)
{
    struct ptd_engine *e = &c->engine;
    int from, ticket, got = 0;
    int32_t status;
    c = c->trunk;
    pthread_mutex_lock(&c->lock);
    if (e->ops->peek(e, TAG_END, &from) > 0 &&
        (ticket = e->ops->receive(e, &status, sizeof status, from, TAG_END)) >= 0) {
        while (!(got = e->ops->done(e, ticket))) sched_yield();
    }
    if (got > 0) c->ended = status;
    got = c->ended >= 0;
    pthread_mutex_unlock(&c->lock);
    return got;
}

int ptd_comm_heed(struct ptd_comm *c, int rc)
{
    if (rc != PTD_COMM_ENDED || c->trunk != c) return rc;
    if (c->on_end && !c->ends) {
        c->ends = 1;
        c->on_end(c->ctx, c->ended);
    }
    ptd_leave(c->ended);
}

static int lock_soon(struct ptd_comm *c)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    return pthread_mutex_timedlock(&c->lock, &until);
}

/* At the program's end: the others hear of it, as far as they still listen. */
static void tell_ends(int status)
{
    struct ptd_comm *c = present;
    if (!c || c->closed || c->ended >= 0) return;
    struct ptd_engine *e = &c->engine;
    static int32_t said;
    said = status;
    c->closed = 1;
    if (lock_soon(c)) return; /* the thread that sums is in there for good */
    int *tickets = calloc((size_t)c->ranks, sizeof *tickets), left = 1;
    for (int r = 0; tickets && r < c->ranks; r++)
        tickets[r] = r == c->rank ? -1 : e->ops->send(e, &said, sizeof said, r, TAG_END);
    double since = ptd_comm_now();
    while (tickets && left && ptd_comm_now() - since < 1) {
        left = 0;
        for (int r = 0; r < c->ranks; r++) {
            if (tickets[r] >= 0 && e->ops->done(e, tickets[r])) tickets[r] = -1;
            left += tickets[r] >= 0;
        }
        sched_yield();
    }
    pthread_mutex_unlock(&c->lock);
}

static void on_exit_told(int status, void *ctx)
{
    (void)ctx;
    tell_ends(status);
}

static void on_quick_exit(void)
{
    tell_ends(PTD_OSERR);
}

void ptd_comm_on_end(struct ptd_comm *c, void (*f)(void *ctx, int status), void *ctx)
{
    if (!c) return;
    c->on_end = f;
    c->ctx = ctx;
}

/* ---- waiting ---- */

/* "rank 2 on host7" and so on, of those that a message is still expected of, or that take none. */
static int blame(struct ptd_comm *c)
{
    char *who = ptd_strdup("");
    int last = -1, n = 0;
    for (int r = 0; r < c->ranks; r++)
        for (int i = 0; i < c->n_messages; i++) {
            const struct ptd_message *m = &c->messages[i];
            if (m->done || m->peer != r || last == r) continue;
            last = r;
            if (++n > 8) break;
            char *more =
                ptd_format("%s%srank %d on %s", who, n > 1 ? ", " : "", r, ptd_comm_host(c, r));
            free(who);
            who = more;
        }
    ptd_fail(PTD_UNAVAILABLE, "%s did not come within %g s (--comm-timeout)", who, c->patience);
    free(who);
    return -1;
}

/* How many are left; -1: the engine says that one never comes. */
static int look(struct ptd_comm *c)
{
    struct ptd_engine *e = &c->engine;
    int left = 0, rc = 0;
    pthread_mutex_lock(&c->trunk->lock);
    for (int i = 0; i < c->n_messages && rc >= 0; i++) {
        struct ptd_message *m = &c->messages[i];
        if (!m->done && (rc = e->ops->done(e, m->ticket)) > 0) m->done = 1;
        left += !m->done;
    }
    pthread_mutex_unlock(&c->trunk->lock);
    return rc < 0 ? -1 : left;
}

int ptd_comm_wait(struct ptd_comm *c)
{
    double since = ptd_comm_now();
    long looks = 0;
    int left;
    while ((left = look(c)) > 0) {
        if (ptd_comm_look_for_ends(c)) return PTD_COMM_ENDED;
        if (ptd_comm_now() - since > c->patience) return blame(c);
        answer(c);
        rest(&looks);
    }
    c->n_messages = 0;
    if (left < 0) return ptd_comm_look_for_ends(c) ? PTD_COMM_ENDED : fail(c);
    return 0;
}

/* ---- who is there ---- */

int ptd_comm_rank(const struct ptd_comm *c)
{
    return c ? c->rank : 0;
}

int ptd_comm_ranks(const struct ptd_comm *c)
{
    return c ? c->ranks : 1;
}

const char *ptd_comm_host(const struct ptd_comm *c, int rank)
{
    return c && *c->hosts[rank] ? c->hosts[rank] : "an unknown host";
}

uint64_t ptd_comm_sent(const struct ptd_comm *c)
{
    return c ? c->sent : 0;
}

int ptd_comm_gather(struct ptd_comm *c, const void *mine, size_t n, void *all)
{
    char *at = all;
    int rc = 0;
    memmove(at + n * (size_t)ptd_comm_rank(c), mine, n);
    if (!c) return 0;
    for (int r = 0; r < c->ranks && !rc; r++)
        if (r != c->rank) rc = ptd_comm_receive(c, at + n * (size_t)r, n, r);
    for (int r = 0; r < c->ranks && !rc; r++)
        if (r != c->rank) rc = ptd_comm_send(c, at + n * (size_t)c->rank, n, r);
    return rc ? rc : ptd_comm_heed(c, ptd_comm_wait(c));
}

int ptd_comm_gather_all(struct ptd_comm *c, const void *mine, size_t bytes, void **all, size_t *n)
{
    int ranks = ptd_comm_ranks(c), rank = ptd_comm_rank(c), rc;
    uint64_t *sizes = ptd_array((size_t)ranks, sizeof *sizes), own = bytes;
    size_t sum = 0, first = 0;
    *all = NULL;
    memset(n, 0, (size_t)ranks * sizeof *n);
    if ((rc = ptd_comm_gather(c, &own, sizeof own, sizes))) return rc; /* sizes: the engine's */
    for (int r = 0; r < ranks; r++) {
        if (r < rank) first += sizes[r];
        n[r] = sizes[r];
        sum += n[r];
    }
    char *at = *all = ptd_alloc(sum + 1);
    memcpy(at + first, mine, bytes);
    for (int r = 0; r < ranks && !rc; at += n[r++])
        if (r != rank) rc = ptd_comm_receive(c, at, n[r], r);
    for (int r = 0; r < ranks && !rc; r++)
        if (r != rank) rc = ptd_comm_send(c, (char *)*all + first, bytes, r);
    free(sizes);
    return rc || !c ? rc : ptd_comm_heed(c, ptd_comm_wait(c));
}

/* ---- opening and closing ---- */

static int learn_hosts(struct ptd_comm *c)
{
    char own[HOST_MAX] = "";
    if (gethostname(own, sizeof own - 1)) *own = 0;
    c->hosts = ptd_array((size_t)c->ranks, sizeof *c->hosts);
    return ptd_comm_gather(c, own, sizeof own, c->hosts);
}

struct ptd_comm *ptd_comm_begin(const struct ptd_engine *e, double patience)
{
    struct ptd_comm *c = present = ptd_alloc(sizeof *c);
    *c = (struct ptd_comm){.engine = *e,
                           .rank = e->rank,
                           .ranks = e->ranks,
                           .tag = TAG_DATA,
                           .patience = patience,
                           .main = pthread_self(),
                           .ended = -1};
    c->trunk = c;
    pthread_mutex_init(&c->lock, NULL);
    on_exit(on_exit_told, NULL);
    at_quick_exit(on_quick_exit);
    return learn_hosts(c) ? NULL : c;
}

/* An engine's own beginning waits for all ranks, for ever: a thread that ends the program then. */
struct watch {
    const struct ptd_rank *rank;
    double patience;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t change;
    int came;
};

static void *watch(void *own)
{
    struct watch *w = own;
    struct timespec until;
    int rc = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)ceil(w->patience);
    pthread_mutex_lock(&w->lock);
    while (!w->came && !rc) rc = pthread_cond_timedwait(&w->change, &w->lock, &until);
    int came = w->came;
    pthread_mutex_unlock(&w->lock);
    if (!came)
        ptd_die(PTD_UNAVAILABLE, "rank %d of %d: not all others began within %g s (--comm-timeout)",
                w->rank->rank, w->rank->ranks, w->patience);
    return NULL;
}

/* Signals are the main thread's. */
static void watch_begin(struct watch *w, const struct ptd_rank *r, double patience)
{
    sigset_t all, was;
    *w = (struct watch){.rank = r, .patience = patience};
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->change, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &was);
    if (pthread_create(&w->thread, NULL, watch, w)) ptd_die(PTD_OSERR, "a thread that waits:");
    pthread_sigmask(SIG_SETMASK, &was, NULL);
}

static void watch_end(struct watch *w)
{
    pthread_mutex_lock(&w->lock);
    w->came = 1;
    pthread_cond_signal(&w->change);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->change);
}

struct ptd_comm *ptd_comm_open(const struct ptd_rank *r, double patience)
{
    struct ptd_engine e = {.rank = r->rank, .ranks = r->ranks};
    struct watch w;
    ptd_engine_door *door =
        (ptd_engine_door *)(uintptr_t)ptd_plugin_door("mpi", "ptd_engine_plugin");
    if (!door) {
        ptd_fail(PTD_UNAVAILABLE, "rank %d of %d: %s", r->rank, r->ranks, ptd_failed_message());
        return NULL;
    }
    watch_begin(&w, r, patience);
    int rc = door(&e);
    watch_end(&w);
    if (rc) {
        ptd_fail(PTD_UNAVAILABLE, "rank %d of %d: %s", r->rank, r->ranks, e.words);
        return NULL;
    }
    if (e.rank != r->rank || e.ranks != r->ranks) {
        ptd_fail(PTD_CONFIG,
                 "the launcher says rank %d of %d, and MPI rank %d of %d: expected a launcher of "
                 "this MPI",
                 r->rank, r->ranks, e.rank, e.ranks);
        return NULL;
    }
    return ptd_comm_begin(&e, patience);
}

struct ptd_comm *ptd_comm_line(struct ptd_comm *c)
{
    struct ptd_comm *l = ptd_alloc(sizeof *l);
    *l = (struct ptd_comm){.engine = c->engine,
                           .trunk = c,
                           .rank = c->rank,
                           .ranks = c->ranks,
                           .tag = TAG_LINE,
                           .patience = c->patience,
                           .hosts = c->hosts,
                           .main = c->main};
    return l;
}

void ptd_comm_line_end(struct ptd_comm *l)
{
    if (!l) return;
    free(l->messages);
    free(l);
}

int ptd_comm_close(struct ptd_comm *c)
{
    char here = 1;
    if (!c) return 0;
    char *all = ptd_alloc((size_t)c->ranks);
    int rc = ptd_comm_gather(c, &here, 1, all);
    free(all);
    if (rc) return -1;
    ptd_comm_thread_end(c);
    c->closed = 1;
    if (present == c) present = NULL;
    c->engine.ops->close(&c->engine);
    pthread_mutex_destroy(&c->lock);
    free(c->messages);
    free(c->hosts);
    free(c);
    return 0;
}
