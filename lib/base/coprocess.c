/* coprocess: processes, their pipes, and one loop that waits for all of them; see coprocess.h.
 * Leaves to callers: what lines say. */
#include "base/coprocess.h"
#include "base/progress.h"
#include "base/signals.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GRACE 1.0  /* seconds to end in, when the input has ended */
#define LOOK  0.05 /* seconds between looks at whether one that starts has begun to read */

struct process {
    pid_t pid; /* 0: does not run */
    int to, from;
    int question, tries;         /* question: -1 if it is asked nothing */
    int starting;                /* it may not have read anything yet */
    double deadline, started_by; /* deadline of a starting one: the next look at it */
    char *line;                  /* what it is asked */
    size_t len, sent, before;    /* before: bytes of earlier questions that it left unread */
    char *got;                   /* what it answered so far, room for PTD_COPROCESS_LINE */
    size_t n_got;
};

struct ptd_coprocesses {
    const char *const *commands;
    int n_commands, jobs;
    struct ptd_coprocess_limits limits;
    struct process *all; /* [command][job] */
    int *next;           /* [command] the question to put next */
    struct pollfd *poll;
};

/* ---- what runs, for those who end everything ---- */

static volatile pid_t running[PTD_COPROCESS_MAX];

static void end_all(void)
{
    for (int i = 0; i < PTD_COPROCESS_MAX; i++)
        if (running[i]) kill(-running[i], SIGKILL);
}

static void end_and_reap_all(void)
{
    end_all();
    for (int i = 0; i < PTD_COPROCESS_MAX; i++)
        if (running[i]) waitpid(running[i], NULL, 0);
}

static void heed_ends(void)
{
    static int done;
    if (done) return;
    done = 1;
    ptd_stop_before(end_all);
    atexit(end_and_reap_all);
    at_quick_exit(end_and_reap_all);
}

/* ---- one process ---- */

static _Noreturn void become(const char *command, int in, int out, pid_t parent)
{
    sigset_t none;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int s = 1; s < NSIG; s++) signal(s, SIG_DFL);
    if (dup2(in, 0) == 0 && dup2(out, 1) == 1) execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static void remember(pid_t pid, pid_t instead)
{
    for (int i = 0; i < PTD_COPROCESS_MAX; i++)
        if (running[i] == instead) {
            running[i] = pid;
            return;
        }
}

/* No signal comes between a process and its being remembered. */
static pid_t fork_remembered(const char *command, int in, int out)
{
    sigset_t all, before;
    pid_t parent = getpid();
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) become(command, in, out, parent);
    if (pid > 0) setpgid(pid, pid), remember(pid, 0);
    int reason = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = reason;
    return pid;
}

static int start(struct process *p, const char *command)
{
    int in[2], out[2];
    heed_ends();
    if (pipe2(in, O_CLOEXEC) < 0) return ptd_fail(PTD_OSERR, "a pipe to \"%.100s\":", command);
    if (pipe2(out, O_CLOEXEC) < 0) {
        ptd_fail(PTD_OSERR, "a pipe from \"%.100s\":", command);
        close(in[0]), close(in[1]);
        return -1;
    }
    p->pid = fork_remembered(command, in[0], out[1]);
    if (p->pid < 0) p->pid = 0, ptd_fail(PTD_OSERR, "starting \"%.100s\":", command);
    close(in[0]), close(out[1]);
    p->to = in[1], p->from = out[0];
    p->n_got = 0;
    if (p->pid && fcntl(p->to, F_SETFL, O_NONBLOCK) == 0 &&
        fcntl(p->from, F_SETFL, O_NONBLOCK) == 0)
        return 0;
    close(p->to), close(p->from);
    return -1;
}

/* Its wait status. Whatever is left of its group ends. */
static int reap(struct process *p)
{
    int status = 0;
    if (p->to >= 0) close(p->to);
    close(p->from);
    kill(-p->pid, SIGKILL);
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR) continue;
    remember(0, p->pid);
    p->pid = 0;
    return status;
}

/* As write, without SIGPIPE. */
static ssize_t write_quietly(int fd, const char *s, size_t n)
{
    sigset_t pipe, before, pending;
    const struct timespec now = {0};
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    sigprocmask(SIG_BLOCK, &pipe, &before);
    ssize_t done = write(fd, s, n);
    int reason = errno;
    if (done < 0 && reason == EPIPE && !sigismember(&pending, SIGPIPE))
        while (sigtimedwait(&pipe, NULL, &now) < 0 && errno == EINTR) continue;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = reason;
    return done;
}

/* Bytes that are written to it, and not read. */
static size_t unread(const struct process *p)
{
    int n = 0;
    return p->to >= 0 && ioctl(p->to, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

/* Of what it is asked it has read nothing. */
static int is_untouched(const struct process *p)
{
    return p->sent == 0 || unread(p) >= p->before + p->sent;
}

/* ---- questions ---- */

struct loop {
    struct ptd_coprocesses *c;
    const struct ptd_asking *a;
    int left; /* answers to come */
};

static int told(struct loop *l, struct process *p, const char *line, size_t len,
                enum ptd_answered how, int ended)
{
    int command = (int)(p - l->c->all) / l->c->jobs, question = p->question;
    free(p->line);
    p->line = NULL;
    p->question = -1;
    p->n_got = 0;
    l->left--;
    return l->a->answer(l->a->ctx, command, question, line, len, how, ended);
}

static int fails(struct loop *l, struct process *p, enum ptd_answered how)
{
    int ended = reap(p);
    return told(l, p, NULL, 0, how, ended);
}

static double after(double seconds)
{
    return seconds > 0 ? ptd_now() + seconds : INFINITY;
}

static int put(struct loop *l, struct process *p)
{
    int command = (int)(p - l->c->all) / l->c->jobs;
    p->starting = !p->pid;
    if (!p->pid && start(p, l->c->commands[command]) < 0) return -1;
    p->sent = 0;
    p->before = unread(p);
    p->tries++;
    p->started_by = after(l->c->limits.start);
    p->deadline = p->starting ? after(LOOK) : after(l->c->limits.answer);
    return 0;
}

/* The time to answer runs from when one that starts has begun to read. */
static int is_due(struct loop *l, struct process *p)
{
    if (!p->starting) return fails(l, p, PTD_LATE);
    if (!is_untouched(p)) {
        p->starting = 0;
        p->deadline = after(l->c->limits.answer);
    } else if (ptd_now() >= p->started_by)
        return fails(l, p, PTD_UNREAD);
    else
        p->deadline = after(LOOK);
    return 0;
}

/* 0: nothing came from one that was asked nothing, 1: it has ended, -1: a line came. */
static int idle_state(const struct process *p)
{
    char byte;
    ssize_t n;
    do n = read(p->from, &byte, 1);
    while (n < 0 && errno == EINTR);
    return n > 0 ? -1 : n == 0;
}

static int give(struct loop *l, struct process *p, int command)
{
    int state = p->pid ? idle_state(p) : 0;
    if (state > 0) reap(p);
    p->question = l->c->next[command]++;
    p->tries = 0;
    if (state < 0) return fails(l, p, PTD_UNASKED);
    p->line = l->a->line(l->a->ctx, command, p->question, &p->len);
    return put(l, p);
}

static int give_all(struct loop *l)
{
    for (int k = 0; k < l->c->n_commands; k++)
        for (int j = 0; j < l->c->jobs && l->c->next[k] < l->a->n; j++) {
            struct process *p = &l->c->all[k * l->c->jobs + j];
            if (p->question < 0 && give(l, p, k) < 0) return -1;
        }
    return 0;
}

/* One that does not read all of its line may answer all the same. */
static void send_more(struct process *p)
{
    ssize_t n = write_quietly(p->to, p->line + p->sent, p->len - p->sent);
    if (n > 0) p->sent += (size_t)n;
    if (n < 0 && errno != EAGAIN && errno != EINTR) close(p->to), p->to = -1;
}

/* Ended: what it wrote before counts as a line, and one that wrote nothing is asked once more. */
static int has_ended(struct loop *l, struct process *p)
{
    int status = reap(p);
    if (p->n_got) return told(l, p, p->got, p->n_got, PTD_ANSWERED, status);
    return p->tries < 2 ? put(l, p) : told(l, p, NULL, 0, PTD_ENDED, status);
}

static int has_answered(struct loop *l, struct process *p, const char *end)
{
    size_t len = (size_t)(end - p->got);
    if (len + 1 < p->n_got) return fails(l, p, PTD_UNASKED);
    int rc = told(l, p, p->got, len, PTD_ANSWERED, 0);
    if (p->to < 0 || p->sent < p->len) reap(p); /* the rest of its line would be another one */
    return rc;
}

static int receive(struct loop *l, struct process *p)
{
    ssize_t n = read(p->from, p->got + p->n_got, PTD_COPROCESS_LINE + 1 - p->n_got);
    if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : has_ended(l, p);
    if (n == 0) return has_ended(l, p);
    if (p->n_got == 0 && is_untouched(p)) return fails(l, p, PTD_EARLY);
    char *end = memchr(p->got + p->n_got, '\n', (size_t)n);
    p->n_got += (size_t)n;
    if (end) return has_answered(l, p, end);
    return p->n_got > PTD_COPROCESS_LINE ? fails(l, p, PTD_TOO_LONG) : 0;
}

/* ---- the loop ---- */

/* Milliseconds until the first deadline; -1: none. */
static int patience(const struct ptd_coprocesses *c)
{
    double first = INFINITY, now = ptd_now();
    for (int i = 0; i < c->n_commands * c->jobs; i++)
        if (c->all[i].question >= 0) first = fmin(first, c->all[i].deadline);
    if (isinf(first)) return -1;
    return first <= now ? 0 : (int)fmin(ceil((first - now) * 1000), 1e6);
}

static void look_at(struct pollfd *poll, const struct process *p)
{
    int asked = p->question >= 0;
    poll[0] = (struct pollfd){.fd = asked ? p->from : -1, .events = POLLIN};
    poll[1] = (struct pollfd){.fd = asked && p->sent < p->len ? p->to : -1, .events = POLLOUT};
}

/* What it says is looked at first: it may say it before it is asked. */
static int serve(struct loop *l, struct process *p, const struct pollfd *poll)
{
    if (p->question < 0) return 0;
    if (poll[0].revents) return receive(l, p);
    if (poll[1].revents) send_more(p);
    return ptd_now() >= p->deadline ? is_due(l, p) : 0;
}

static int wait_and_serve(struct loop *l)
{
    struct ptd_coprocesses *c = l->c;
    int n = c->n_commands * c->jobs;
    for (int i = 0; i < n; i++) look_at(&c->poll[2 * i], &c->all[i]);
    int ready = poll(c->poll, (nfds_t)(2 * n), patience(c));
    if (ready < 0 && errno != EINTR) return ptd_fail(PTD_OSERR, "poll:");
    if (ready < 0) return ptd_asked_answer(), 0;
    for (int i = 0; i < n; i++)
        if (serve(l, &c->all[i], &c->poll[2 * i]) < 0) return -1;
    return 0;
}

/* Questions that are not answered are forgotten, with those who were asked. */
static void give_up(struct ptd_coprocesses *c)
{
    for (int i = 0; i < c->n_commands * c->jobs; i++) {
        struct process *p = &c->all[i];
        if (p->question >= 0 && p->pid) reap(p);
        free(p->line);
        p->line = NULL;
        p->question = -1;
    }
}

int ptd_coprocesses_ask(struct ptd_coprocesses *c, const struct ptd_asking *a)
{
    struct loop l = {.c = c, .a = a, .left = a->n * c->n_commands};
    int rc = 0;
    memset(c->next, 0, (size_t)c->n_commands * sizeof *c->next);
    while (l.left && rc == 0) {
        rc = give_all(&l);
        if (rc == 0 && l.left) rc = wait_and_serve(&l);
    }
    if (rc < 0) give_up(c);
    return rc;
}

struct ptd_coprocesses *ptd_coprocesses_new(const char *const *commands, int n, int jobs,
                                            struct ptd_coprocess_limits limits)
{
    struct ptd_coprocesses *c = ptd_alloc(sizeof *c);
    size_t all = (size_t)n * (size_t)jobs;
    *c = (struct ptd_coprocesses){commands, n, jobs, limits};
    c->all = ptd_array(all, sizeof *c->all);
    c->next = ptd_array((size_t)n, sizeof *c->next);
    c->poll = ptd_array(2 * all, sizeof *c->poll);
    for (size_t i = 0; i < all; i++) {
        c->all[i].question = -1;
        c->all[i].got = ptd_alloc(PTD_COPROCESS_LINE + 1);
    }
    return c;
}

static int has_gone(const struct process *p)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
}

/* 1: it wrote something; 0 where there is nothing to read, yet or any more. */
static int reads_rest(const struct process *p)
{
    char rest[4096];
    return read(p->from, rest, sizeof rest) > 0;
}

static int wait_for_end(struct process *p, double until)
{
    struct timespec nap = {.tv_nsec = 2000000};
    int wrote = 0;
    while (!has_gone(p) && ptd_now() < until)
        if (reads_rest(p))
            wrote = 1;
        else
            nanosleep(&nap, NULL);
    return wrote | reads_rest(p);
}

int ptd_coprocesses_end(struct ptd_coprocesses *c)
{
    int n = c->n_commands * c->jobs, wordy = 0;
    double until = ptd_now() + GRACE;
    for (int i = 0; i < n; i++)
        if (c->all[i].pid && c->all[i].to >= 0) close(c->all[i].to), c->all[i].to = -1;
    for (int i = 0; i < n; i++) {
        struct process *p = &c->all[i];
        if (!p->pid) continue;
        if (wait_for_end(p, until)) wordy = i / c->jobs + 1;
        reap(p);
    }
    return wordy;
}

void ptd_coprocesses_close(struct ptd_coprocesses *c)
{
    if (!c) return;
    (void)!ptd_coprocesses_end(c);
    for (int i = 0; i < c->n_commands * c->jobs; i++) {
        free(c->all[i].line);
        free(c->all[i].got);
    }
    free(c->all);
    free(c->next);
    free(c->poll);
    free(c);
}
