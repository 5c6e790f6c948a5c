/* mpirun: see mpirun.h. */
#include "base/mpirun.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONGEST  65536
#define PATIENCE 8    /* seconds from a rank's last words to mpirun's end */
#define KEPT     8192 /* bytes of mpirun's own words */

static pid_t child;
static volatile sig_atomic_t stopping, broken;

static void on_stop(int number)
{
    stopping = 1;
    if (child > 0) kill(child, number == SIGUSR2 ? SIGUSR2 : SIGUSR1);
}

static void on_break(int number)
{
    broken = number;
    if (child > 0) kill(child, SIGTERM);
}

static void heed_signals(void)
{
    static const struct {
        int number;
        void (*f)(int);
    } all[] = {{SIGTERM, on_stop}, {SIGHUP, on_stop}, {SIGUSR1, on_stop}, {SIGINT, on_break}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct sigaction a = {.sa_handler = all[i].f, .sa_flags = SA_RESTART}, was;
        sigaction(all[i].number, &a, &was);
        if (was.sa_handler == SIG_IGN) signal(all[i].number, SIG_IGN);
    }
}

/* ---- its command line ---- */

struct words {
    char **at;
    int n;
};

static void add(struct words *w, const char *word)
{
    w->at = ptd_realloc(w->at, ((size_t)w->n + 2) * sizeof *w->at);
    w->at[w->n++] = ptd_strdup(word);
    w->at[w->n] = NULL;
}

static void add_all(struct words *w, const char *const *list)
{
    for (; list && *list; list++) add(w, *list);
}

static struct words command_of(const struct ptd_mpirun *m, char *const *command)
{
    static const char *const always[] = {"--bind-to", "none", "--oversubscribe", NULL};
    struct words w = {0};
    char ranks[16];
    snprintf(ranks, sizeof ranks, "%d", m->ranks);
    add(&w, m->program);
    add(&w, "-n");
    add(&w, ranks);
    add_all(&w, always);
    if (!geteuid()) add(&w, "--allow-run-as-root");
    if (m->hosts) add(&w, "-H"), add(&w, m->hosts);
    add(&w, "-x"), add(&w, PTD_RUN_OUTER);
    for (const char *const *x = m->exported; x && *x; x++) add(&w, "-x"), add(&w, *x);
    add_all(&w, (const char *const *)command);
    return w;
}

static _Noreturn void become(struct words w, int out, int err)
{
    setpgid(0, 0); /* a terminal's signals come to us alone */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGTERM, SIG_DFL), signal(SIGHUP, SIG_DFL), signal(SIGUSR1, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    setenv(PTD_RUN_OUTER, "1", 1);
    int none = open("/dev/null", O_RDONLY);
    dup2(none, 0);
    dup2(out, 1);
    dup2(err, 2);
    execvp(w.at[0], w.at);
    ptd_die(PTD_UNAVAILABLE, "%s: %s: expected Open MPI's launcher (Debian: openmpi-bin)", w.at[0],
            strerror(errno));
}

/* ---- its words ---- */

struct heard {
    char line[LONGEST + 2], own[KEPT + 1];
    size_t n, n_own;
    int spoken, status; /* a rank said why, and its status */
    double since;       /* when it did */
    int stuck;          /* mpirun did not end then, and was ended */
    int lost;           /* errno: what ranks print goes nowhere */
};

static void put(const char *line)
{
    ssize_t ignored = write(2, line, strlen(line));
    (void)ignored;
}

/* Words of mpirun's own, on one line, without its rulers. */
static void keep(struct heard *h, const char *line)
{
    if (!strncmp(line, "-----", 5) || !strncmp(line, "*****", 5)) return;
    for (const char *c = line; *c && h->n_own < KEPT; c++) {
        int space = isspace((unsigned char)*c) != 0;
        if (space && (!h->n_own || h->own[h->n_own - 1] == ' ')) continue;
        h->own[h->n_own++] = space ? ' ' : *c;
    }
    h->own[h->n_own] = 0;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Of last words, behind their status, the first are said: other ranks may have had the same. */
static void take_last(struct heard *h, const char *line)
{
    char *text;
    long status = strtol(line, &text, 10);
    if (h->spoken++) return;
    h->status = (int)status;
    h->since = now();
    put(text + (text > line && *text == ' '));
}

static void take_line(struct heard *h)
{
    const char *line = h->line;
    int own = !strncmp(line, "ptd-run", 7); /* before it had programs to speak of */
    if (*line != PTD_RUN_MARK && !own) {
        keep(h, line);
        return;
    }
    if (own || *++line == PTD_LAST_WORDS)
        take_last(h, line + !own);
    else
        put(line);
}

/* Where the network is cut, mpirun waits for what it cannot reach. */
static void end_if_stuck(struct heard *h)
{
    if (!h->spoken || h->stuck || now() - h->since < PATIENCE) return;
    h->stuck = 1;
    kill(child, SIGKILL);
}

static void take_words(struct heard *h, const char *bytes, ssize_t n)
{
    for (ssize_t i = 0; i < n; i++) {
        h->line[h->n++] = bytes[i];
        if (bytes[i] != '\n' && h->n < LONGEST) continue;
        h->line[h->n] = 0;
        h->n = 0;
        take_line(h);
    }
}

/* What ranks print. mpirun would lose what cannot be written, and end well; here it is the end. */
static void pass_on(struct heard *h, const char *bytes, ssize_t n)
{
    for (ssize_t done = 0, got; done < n && !h->lost; done += got) {
        got = write(1, bytes + done, (size_t)(n - done));
        if (got < 0 && errno != EINTR) h->lost = errno, kill(child, SIGTERM);
        if (got < 0) got = 0;
    }
}

/* fd: -1 from its end on */
static void read_from(struct heard *h, int *fd, void (*f)(struct heard *, const char *, ssize_t))
{
    char bytes[4096];
    ssize_t n = read(*fd, bytes, sizeof bytes);
    if (n > 0)
        f(h, bytes, n);
    else if (n == 0 || errno != EINTR)
        *fd = -1;
}

/* Until mpirun has closed both. */
static void hear(struct heard *h, int out, int err)
{
    struct pollfd p[2] = {{.fd = out, .events = POLLIN}, {.fd = err, .events = POLLIN}};
    while (p[0].fd >= 0 || p[1].fd >= 0) {
        int n = poll(p, 2, 500);
        end_if_stuck(h);
        if (h->stuck && n == 0) return;
        if (n > 0 && p[0].revents) read_from(h, &p[0].fd, pass_on);
        if (n > 0 && p[1].revents) read_from(h, &p[1].fd, take_words);
    }
}

/* A rank of which nobody is left to say so. */
static int tell_of_killed(const char *own)
{
    const char *at = strstr(own, "noticed that process rank ");
    char host[128];
    int rank, number;
    if (!at || sscanf(at,
                      "noticed that process rank %d with PID %*d on node %127s exited on "
                      "signal %d",
                      &rank, host, &number) != 3)
        return 0;
    ptd_tell("rank %d on %s was ended by signal %d (%s)", rank, host, number, strsignal(number));
    return 1;
}

/* A rank of which mpirun alone has the status. */
static int tell_of_ended(const char *own)
{
    const char *at = strstr(own, "Process name: [[");
    int rank, status;
    if (!at || sscanf(at, "Process name: [[%*d,%*d],%d] Exit code: %d", &rank, &status) != 2)
        return 0;
    ptd_tell("rank %d ended with status %d", rank, status);
    return 1;
}

/* Where no rank said why it ended; returns the status. */
static int tell_of(const struct heard *h, int status, int signal)
{
    if (!status || h->spoken || stopping || broken || tell_of_killed(h->own)) return status;
    if (signal) ptd_tell("mpirun was ended by signal %d (%s)", signal, strsignal(signal));
    if (signal || tell_of_ended(h->own)) return status;
    if (h->n_own)
        ptd_tell("mpirun: %.400s", h->own);
    else
        ptd_tell("mpirun ended with status %d, and said nothing", status);
    return PTD_UNAVAILABLE;
}

int ptd_mpirun(const struct ptd_mpirun *m, char *const *command)
{
    static struct heard h;
    struct words w = command_of(m, command);
    int out[2], err[2], status;
    if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
        ptd_die(PTD_OSERR, "pipes for what mpirun prints:");
    heed_signals();
    child = fork();
    if (child < 0) ptd_die(PTD_OSERR, "a process for mpirun:");
    if (child == 0) become(w, out[1], err[1]);
    close(out[1]), close(err[1]);
    hear(&h, out[0], err[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if ((errno = h.lost)) ptd_die(PTD_IOERR, "standard output:");
    int signal_was = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    status = signal_was ? 128 + signal_was : WEXITSTATUS(status);
    /* 1 is what it says where it was busy with something else */
    if (h.stuck || (status == 1 && h.spoken && h.status)) status = h.status;
    if (stopping && status == 128 + SIGUSR1) status = PTD_STOPPED; /* it had not begun */
    status = tell_of(&h, status, signal_was);
    if (broken) {
        signal(broken, SIG_DFL);
        raise(broken);
    }
    return status;
}
