/* ranks: several ranks as child processes of a test, which talk through sockets: an engine
 * (compute/engine.h) that needs no MPI.
 *
 *     static int f(struct ptd_comm *c, void *ctx) { ...; return 0; }    // runs in each rank
 *     ranks_run(3, 10, f, ctx, statuses);                               // what each ended with
 *
 * What ranks find out goes into memory that they share with the test (ranks_shared). */
#ifndef PTD_TESTS_RANKS_H
#define PTD_TESTS_RANKS_H
#include "compute/comm.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define RANKS_MOST 8

struct ranks_message {
    struct {
        uint64_t n;
        int32_t tag;
    } head;
    char *bytes;
    size_t at; /* of head and bytes */
    int done, ticket;
    struct ranks_message *after;
};

struct ranks_peer {
    int fd, gone;
    struct ranks_message *out, *in, *wanted; /* going, come and not asked for, asked for */
    struct ranks_message coming;
};

static struct {
    struct ranks_peer peers[RANKS_MOST];
    struct ranks_message *tickets[1 << 16];
    int n;
} ranks;

static inline void ranks_append(struct ranks_message **list, struct ranks_message *m)
{
    while (*list) list = &(*list)->after;
    *list = m;
}

static inline void ranks_push(struct ranks_peer *p)
{
    while (p->out) {
        struct ranks_message *m = p->out;
        size_t head = sizeof m->head;
        const char *from = m->at < head ? (char *)&m->head + m->at : m->bytes + (m->at - head);
        size_t left = (m->at < head ? head : head + m->head.n) - m->at;
        ssize_t n = left ? send(p->fd, from, left, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
        if (n < 0) {
            p->gone |= errno != EAGAIN;
            return;
        }
        m->at += (size_t)n;
        if (m->at < head + m->head.n) continue;
        m->done = 1;
        p->out = m->after;
    }
}

/* What is asked for and what has come, in their order. */
static inline void ranks_match(struct ranks_peer *p)
{
    for (struct ranks_message **w = &p->wanted; *w;) {
        struct ranks_message **i = &p->in, *got, *m = *w;
        while (*i && (*i)->head.tag != m->head.tag) i = &(*i)->after;
        if (!*i) {
            w = &m->after;
            continue;
        }
        got = *i;
        *i = got->after;
        if (got->head.n != m->head.n) abort();
        memcpy(m->bytes, got->bytes, got->head.n);
        free(got->bytes), free(got);
        *w = m->after;
        m->done = 1;
    }
}

static inline void ranks_pull(struct ranks_peer *p)
{
    struct ranks_message *m = &p->coming;
    size_t head = sizeof m->head;
    for (ssize_t n = 1; n > 0;) {
        char *to = m->at < head ? (char *)&m->head + m->at : m->bytes + (m->at - head);
        size_t left = (m->at < head ? head : head + m->head.n) - m->at;
        n = left ? recv(p->fd, to, left, MSG_DONTWAIT) : 0;
        if (left && n <= 0) {
            p->gone |= n == 0 || errno != EAGAIN;
            return;
        }
        m->at += (size_t)n;
        n = 1;
        if (m->at == head) m->bytes = malloc(m->head.n + 1);
        if (m->at < head + m->head.n || m->at < head) continue;
        struct ranks_message *whole = malloc(sizeof *whole);
        *whole = *m;
        whole->after = NULL;
        ranks_append(&p->in, whole);
        *m = (struct ranks_message){0};
    }
}

static inline void ranks_progress(void)
{
    for (int i = 0; i < ranks.n; i++) {
        struct ranks_peer *p = &ranks.peers[i];
        if (p->fd < 0) continue;
        ranks_push(p);
        ranks_pull(p);
        ranks_match(p);
    }
}

static inline struct ranks_message *ranks_new(size_t n, int tag)
{
    int t = 0;
    while (ranks.tickets[t]) t++;
    struct ranks_message *m = ranks.tickets[t] = calloc(1, sizeof *m);
    m->head.n = n;
    m->head.tag = tag;
    m->ticket = t;
    return m;
}

static inline int ranks_send(struct ptd_engine *e, const void *bytes, size_t n, int to, int tag)
{
    struct ranks_message *m = ranks_new(n, tag);
    (void)e;
    m->bytes = (char *)(uintptr_t)bytes;
    ranks_append(&ranks.peers[to].out, m);
    return m->ticket;
}

static inline int ranks_receive(struct ptd_engine *e, void *bytes, size_t n, int from, int tag)
{
    struct ranks_message *m = ranks_new(n, tag);
    (void)e;
    m->bytes = bytes;
    ranks_append(&ranks.peers[from].wanted, m);
    return m->ticket;
}

static inline int ranks_done(struct ptd_engine *e, int ticket)
{
    struct ranks_message *m = ranks.tickets[ticket];
    (void)e;
    ranks_progress();
    if (!m->done) return 0;
    ranks.tickets[ticket] = NULL;
    free(m);
    return 1;
}

static inline int ranks_peek(struct ptd_engine *e, int tag, int *from)
{
    (void)e;
    ranks_progress();
    for (int i = 0; i < ranks.n; i++)
        for (struct ranks_message *m = ranks.peers[i].in; m; m = m->after)
            if (m->head.tag == tag) return *from = i, 1;
    return 0;
}

static inline void ranks_close(struct ptd_engine *e)
{
    (void)e;
}

static const struct ptd_engine_ops ranks_ops = {ranks_send, ranks_receive, ranks_done, ranks_peek,
                                                ranks_close};

static inline void *ranks_shared(size_t n)
{
    return mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

typedef int ranks_fn(struct ptd_comm *c, void *ctx);

static inline _Noreturn void ranks_be(int rank, int n, double patience, ranks_fn *f, void *ctx)
{
    struct ptd_engine e = {.rank = rank, .ranks = n, .ops = &ranks_ops};
    struct ptd_comm *c = ptd_comm_begin(&e, patience);
    if (!c) _exit(99);
    int status = f(c, ctx);
    if (!status && ptd_comm_close(c)) status = 98;
    fflush(NULL);
    exit(status);
}

/* pids: NULL, or where they are while f of the test itself runs between. */
static inline void ranks_run_with(int n, double patience, ranks_fn *f, void *ctx, int *statuses,
                                  void (*meanwhile)(pid_t *pids))
{
    int fd[RANKS_MOST][RANKS_MOST], status;
    pid_t pids[RANKS_MOST];
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++) {
            int pair[2];
            if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) abort();
            fd[i][k] = pair[0], fd[k][i] = pair[1];
        }
    fflush(NULL);
    for (int i = 0; i < n; i++) {
        if ((pids[i] = fork())) continue;
        ranks.n = n;
        for (int k = 0; k < n; k++) ranks.peers[k].fd = k == i ? -1 : fd[i][k];
        for (int k = 0; k < n; k++)
            for (int l = 0; l < n; l++)
                if (k != i && k != l) close(fd[k][l]);
        ranks_be(i, n, patience, f, ctx);
    }
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++)
            if (i != k) close(fd[i][k]);
    if (meanwhile) meanwhile(pids);
    for (int i = 0; i < n; i++) {
        waitpid(pids[i], &status, 0);
        statuses[i] = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
}

static inline void ranks_run(int n, double patience, ranks_fn *f, void *ctx, int *statuses)
{
    ranks_run_with(n, patience, f, ctx, statuses, NULL);
}
#endif
