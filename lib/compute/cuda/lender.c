/* lender: see lender.h. Sockets in the abstract namespace: a name is free again when its process
 * has ended. The thread is C of the host's, which the emulator of the chip does not watch. */
#include "compute/cuda/lender.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct message {
    char magic[8];
    uint64_t number;
};
#define MAGIC "PTDLEND1"

enum { MOST_WAITING = 64 }; /* what connects beyond that finds nobody */
struct lender {
    int door, tell[2]; /* tell: a byte is the order to lend, its end that to stop */
    pthread_t thread;
    int fd; /* of what is lent; -1: nothing yet */
    uint64_t number;
    struct pollfd at[2 + MOST_WAITING]; /* the thread's: door, orders, those that wait */
    int n;
};

/* ---- what both sides share ---- */

/* Its bytes; 0: the name is too long. */
static socklen_t address_of(const char *name, struct sockaddr_un *at)
{
    size_t n = strlen(name);
    *at = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (n + 1 > sizeof at->sun_path) return 0;
    memcpy(at->sun_path + 1, name, n);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n);
}

static int is_ours(int connection)
{
    struct ucred who;
    socklen_t n = sizeof who;
    return !getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &who, &n) && who.uid == geteuid();
}

union with_descriptor {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
};

/* A message, with room for a descriptor. */
struct parcel {
    struct message message;
    union with_descriptor control;
    struct iovec part;
    struct msghdr all;
};

static void wrap(struct parcel *p)
{
    memset(p, 0, sizeof *p);
    p->part = (struct iovec){&p->message, sizeof p->message};
    p->all = (struct msghdr){.msg_iov = &p->part,
                             .msg_iovlen = 1,
                             .msg_control = &p->control,
                             .msg_controllen = sizeof p->control};
}

/* ---- the lender ---- */

static void send_to(const struct lender *l, int connection)
{
    struct parcel p;
    wrap(&p);
    memcpy(p.message.magic, MAGIC, sizeof p.message.magic);
    p.message.number = l->number;
    p.control.head = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&p.control.head), &l->fd, sizeof l->fd);
    while (sendmsg(connection, &p.all, MSG_NOSIGNAL) < 0 && errno == EINTR) continue;
}

/* Those that wait get what they came for, if it is there, and are seen off. */
static void see_off(struct lender *l)
{
    for (; l->n > 2; l->n--) {
        int connection = l->at[l->n - 1].fd;
        if (l->fd >= 0) send_to(l, connection);
        close(connection);
    }
}

static void let_in(struct lender *l)
{
    int connection = accept4(l->door, NULL, NULL, SOCK_CLOEXEC);
    if (connection < 0) return;
    if (l->n < 2 + MOST_WAITING && is_ours(connection))
        l->at[l->n++] = (struct pollfd){.fd = connection, .events = POLLIN};
    else
        close(connection);
}

/* They have nothing to say: a word, or an end, is that they went. */
static void forget_gone(struct lender *l)
{
    for (int i = l->n - 1; i >= 2; i--)
        if (l->at[i].revents) {
            close(l->at[i].fd);
            l->at[i] = l->at[--l->n];
        }
}

static void *serve(void *what)
{
    struct lender *l = what;
    int lends = 0, knocks;
    char order;
    for (;;) {
        int got = poll(l->at, (nfds_t)l->n, -1);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) break;
        if (l->at[1].revents) {
            if (read(l->tell[0], &order, 1) != 1) break;
            lends = 1;
        }
        knocks = l->at[0].revents;
        forget_gone(l);
        if (knocks) let_in(l);
        if (lends) see_off(l);
    }
    while (l->n > 2) close(l->at[--l->n].fd);
    return NULL;
}

static void close_all(struct lender *l)
{
    const int fds[] = {l->door, l->tell[0], l->tell[1], l->fd};
    for (int i = 0; i < 4; i++)
        if (fds[i] >= 0) close(fds[i]);
    free(l);
}

static int open_door(struct lender *l, const char *name, int *taken)
{
    struct sockaddr_un at;
    socklen_t n = address_of(name, &at);
    l->door = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (!n || l->door < 0) return -1;
    if (bind(l->door, (const struct sockaddr *)&at, n) < 0) {
        *taken = errno == EADDRINUSE;
        return -1;
    }
    return listen(l->door, 16);
}

/* Signals are the program's own threads'. */
static int start(struct lender *l)
{
    sigset_t all, before;
    l->at[0] = (struct pollfd){.fd = l->door, .events = POLLIN};
    l->at[1] = (struct pollfd){.fd = l->tell[0], .events = POLLIN};
    l->n = 2;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int bad = pthread_create(&l->thread, NULL, serve, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return bad ? -1 : 0;
}

struct lender *ptd_lender_open(const char *name, int *taken)
{
    struct lender *l = calloc(1, sizeof *l);
    *taken = 0;
    if (!l) return NULL;
    l->door = l->tell[0] = l->tell[1] = l->fd = -1;
    if (open_door(l, name, taken) || pipe2(l->tell, O_CLOEXEC) || start(l)) {
        close_all(l);
        return NULL;
    }
    return l;
}

void ptd_lender_lend(struct lender *l, int fd, uint64_t number)
{
    l->number = number;
    l->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    while (l->fd >= 0 && write(l->tell[1], "l", 1) < 0 && errno == EINTR) continue;
}

void ptd_lender_close(struct lender *l)
{
    if (!l) return;
    close(l->tell[1]);
    l->tell[1] = -1;
    pthread_join(l->thread, NULL);
    close_all(l);
}

/* ---- who asks ---- */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static int connected(const char *name)
{
    struct sockaddr_un at;
    socklen_t n = address_of(name, &at);
    int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s >= 0 && n && !connect(s, (const struct sockaddr *)&at, n)) return s;
    if (s >= 0) close(s);
    return -1;
}

/* 1: there is something to read, or an end; 0: it is late. */
static int is_answered(int s, int64_t until)
{
    struct pollfd p = {.fd = s, .events = POLLIN};
    for (;;) {
        int64_t left = until - now_ms();
        int got = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (got >= 0 || errno != EINTR) return got > 0;
    }
}

static int received(int s, uint64_t *number)
{
    struct parcel p;
    int fd = PTD_LENDER_NONE;
    wrap(&p);
    ssize_t n = recvmsg(s, &p.all, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *head = n > 0 ? CMSG_FIRSTHDR(&p.all) : NULL;
    if (head && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(head), sizeof fd);
    if (fd < 0) return PTD_LENDER_NONE;
    *number = p.message.number;
    if (n == sizeof p.message && !memcmp(p.message.magic, MAGIC, sizeof p.message.magic)) return fd;
    close(fd);
    return PTD_LENDER_LATE;
}

int ptd_lender_ask(const char *name, int seconds, uint64_t *number)
{
    int64_t until = now_ms() + seconds * 1000LL;
    int s = connected(name), fd;
    if (s < 0) return PTD_LENDER_NONE;
    fd = is_ours(s) && is_answered(s, until) ? received(s, number) : PTD_LENDER_LATE;
    close(s);
    return fd;
}
