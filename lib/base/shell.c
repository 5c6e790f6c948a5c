/* shell: see shell.h. */
#include "base/shell.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHELL    "ptd-run-shell" /* what bash calls itself */
#define TRAINER  "ptd-update"
#define PATIENCE 2              /* seconds that the others have once the trainer has gone */
#define OURS     (SIGRTMAX - 1) /* ends them: nobody else uses it, so their status says who did */
#define LONGEST  65536

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t); /* that of /proc */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- lines ---- */

/* "ptd-run-shell: line 1:  4711 Killed   ptd-rollout", and behind it for the rest of the pipe
 * "      4712      | ptd-verify": what became of them is ours to say. */
static int is_obituary(struct ptd_shell *s, const char *line)
{
    int used = 0, was = s->obituary;
    s->obituary = sscanf(line, SHELL ": line %*d: %*d %n", &used) == 0 && used > 0;
    if (was && !s->obituary)
        s->obituary = sscanf(line, "      %*d %n", &used) == 0 && used > 0 && strchr(line, '|');
    return s->obituary;
}

static void keep_last(struct ptd_shell *s, const char *line)
{
    char *end;
    long status = strtol(line, &end, 10);
    if (end == line) {
        s->told = 1;
        return;
    }
    if (s->n_last == PTD_SHELL_MOST) return;
    s->last_status[s->n_last] = (int)status;
    s->last[s->n_last++] = ptd_strdup(end + (*end == ' '));
}

/* "[node7:4711] Read -1, expected 149568": what Open MPI says in our programs' place when another
 * rank has gone. Kept, in case that nobody says more. */
static int is_engines(struct ptd_shell *s, const char *line)
{
    int used = 0;
    if (sscanf(line, "[%*[^]:]:%*d] %n", &used) != 0 || !used) return 0;
    if (!s->engines) s->engines = ptd_strdup(line);
    return 1;
}

/* "ptd-run-shell: line 1: ptd-update: command not found" */
static int is_of_no_trainer(const char *line)
{
    return !strncmp(line, SHELL ": ", sizeof SHELL + 1) && strstr(line, TRAINER ": ");
}

static void take_line(struct ptd_shell *s, const char *line)
{
    if (is_of_no_trainer(line)) s->trained = 1, s->seen = now();
    if (*line == PTD_LAST_WORDS)
        keep_last(s, line + 1);
    else if (is_engines(s, line))
        return;
    else if (!is_obituary(s, line))
        s->line(s->ctx, line);
}

/* Whole lines, and what is longer than any of ours. */
static void take_bytes(struct ptd_shell *s, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        s->buffer[s->n_buffer++] = bytes[i] ? bytes[i] : '?';
        if (bytes[i] != '\n' && s->n_buffer < LONGEST) continue;
        s->buffer[s->n_buffer] = 0;
        s->n_buffer = 0;
        take_line(s, s->buffer);
    }
}

/* 0: there are no more. */
static int read_lines(struct ptd_shell *s)
{
    char bytes[4096];
    ssize_t n = read(s->err, bytes, sizeof bytes);
    if (n > 0) take_bytes(s, bytes, (size_t)n);
    if (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN))) return 1;
    if (s->n_buffer) take_bytes(s, "\n", 1);
    return 0;
}

/* ---- processes ---- */

struct process {
    char name[32];
    int group;
    double born; /* as now() */
};

/* 0: there is none that lives. */
static int living(pid_t pid, struct process *p)
{
    char path[64], text[1024] = "", state;
    unsigned long long ticks;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    char *open = strchr(text, '('), *end = strrchr(text, ')');
    if (n <= 0 || !open || !end) return 0;
    if (sscanf(end + 1,
               " %c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &state, &p->group, &ticks) != 3)
        return 0;
    snprintf(p->name, sizeof p->name, "%.*s", (int)(end - open - 1), open + 1);
    p->born = (double)ticks / (double)sysconf(_SC_CLK_TCK);
    return state != 'Z' && state != 'X';
}

/* A program of ours: of our group, but for the shell and the guard, or a trainer that has another,
 * as below timeout(1). */
static int is_ours(const struct ptd_shell *s, pid_t pid, struct process *p)
{
    if (pid <= 0 || pid == s->pid || pid == s->guard || !living(pid, p)) return 0;
    return p->group == s->pid || (pid == s->trainer && !strcmp(p->name, TRAINER));
}

/* To those of this name, NULL: to all, that began before this moment; how many. */
static int signal_all(const struct ptd_shell *s, const char *wanted, double before, int signal)
{
    DIR *d = opendir("/proc");
    struct process p;
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        pid_t pid = (pid_t)atoi(e->d_name);
        if (!is_ours(s, pid, &p) || (wanted && strcmp(p.name, wanted)) || p.born > before) continue;
        n++;
        if (signal) kill(pid, signal);
    }
    if (d) closedir(d);
    return n;
}

int ptd_shell_signal(struct ptd_shell *s, const char *wanted, int signal)
{
    return signal_all(s, wanted, HUGE_VAL, signal);
}

void ptd_shell_end(struct ptd_shell *s)
{
    ptd_shell_signal(s, TRAINER, SIGKILL);
    kill(-s->pid, SIGKILL);
}

/* Notes a trainer that has said that it is there, who being what the system says of who sent it. */
static void hear_of_trainer(struct ptd_shell *s)
{
    char byte, control[CMSG_SPACE(sizeof(struct ucred))];
    struct iovec v = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct ucred who = {0};
    if (recvmsg(s->here, &m, MSG_DONTWAIT) <= 0) return;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_type == SCM_CREDENTIALS) memcpy(&who, CMSG_DATA(c), sizeof who);
    if (who.pid <= 0) return; /* we cannot see it */
    s->trainer = who.pid;
    s->trained = 1;
    s->seen = now();
}

/* Programs before the trainer may compute for long before they notice that it has gone. What began
 * later is another command's. */
static void look_for_trainer(struct ptd_shell *s)
{
    hear_of_trainer(s);
    int there = ptd_shell_signal(s, TRAINER, 0);
    s->trained |= there > 0;
    if (there) s->seen = now();
    if (!s->trained || there) {
        s->alone = 0;
        return;
    }
    if (!s->alone) s->alone = now();
    double since = now() - s->alone;
    if (since <= PATIENCE) return;
    signal_all(s, NULL, s->seen, since <= 2 * PATIENCE ? OURS : SIGKILL);
    signal_all(s, NULL, s->seen, SIGCONT); /* what is stopped takes no other */
}

/* Holds the group, and ends it when the other end of the pipe is closed: when we are gone. */
static _Noreturn void guard(int hold, pid_t group)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};
    char c;
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
    for (int fd = 0; fd < 1024; fd++)
        if (fd != hold) close(fd);
    while (read(hold, &c, 1) < 0 && errno == EINTR) {
    }
    kill(-group, SIGKILL);
    _exit(0);
}

static void free_signals(void)
{
    static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};
    sigset_t none;
    sigemptyset(&none);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) signal(ours[i], SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void run_shell(const char *text, int err, int end, int here)
{
    char number[16];
    /* a launcher may signal all processes of a task: then the shell waits for its programs */
    char *script = ptd_format(
        "trap : TERM HUP USR1 USR2; %s\nprintf '%%s ' \"${PIPESTATUS[@]}\" >&%d\n", text, end);
    setpgid(0, 0);
    free_signals();
    dup2(err, 2);
    fcntl(end, F_SETFD, 0);
    fcntl(here, F_SETFD, 0);
    snprintf(number, sizeof number, "%d", here);
    setenv("PTD_HERE", number, 1);
    execlp("bash", SHELL, "-c", script, SHELL, NULL);
    ptd_die(PTD_UNAVAILABLE, "bash:");
}

int ptd_shell_start(struct ptd_shell *s, const char *text)
{
    int err[2], end[2], hold[2], here[2], yes = 1;
    if (pipe2(err, O_CLOEXEC) || pipe2(end, O_CLOEXEC) || pipe2(hold, O_CLOEXEC) ||
        socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, here) ||
        setsockopt(here[0], SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes))
        return ptd_fail(PTD_OSERR, "pipes for the programs' messages:");
    s->text = ptd_strdup(text);
    s->buffer = ptd_alloc(LONGEST + 2);
    s->pid = fork();
    if (s->pid == 0) run_shell(text, err[1], end[1], here[1]);
    if (s->pid < 0) return ptd_fail(PTD_OSERR, "a process for the programs:");
    setpgid(s->pid, s->pid);
    s->guard = fork();
    if (s->guard == 0) {
        setpgid(0, s->pid);
        guard(hold[0], s->pid);
    }
    if (s->guard > 0) setpgid(s->guard, s->pid);
    close(err[1]), close(end[1]), close(hold[0]), close(here[1]);
    fcntl(err[0], F_SETFL, O_NONBLOCK); /* what left the group may hold the other ends */
    fcntl(end[0], F_SETFL, O_NONBLOCK);
    s->err = err[0];
    s->end = end[0];
    s->hold = hold[1];
    s->here = here[0];
    return 0;
}

/* ---- how it ended ---- */

static void read_statuses(struct ptd_shell *s, int status)
{
    char text[1024] = "", *at = text, *next;
    ssize_t n = read(s->end, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    for (; s->n < PTD_SHELL_MOST; at = next) {
        long x = strtol(at, &next, 10);
        if (next == at) break;
        s->statuses[s->n++] = (int)x;
    }
    if (!s->n)
        s->statuses[s->n++] = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* It ended because another did. */
static int follows(int status)
{
    return !status || status == PTD_CUT || status == 128 + SIGPIPE || status == 128 + OURS;
}

/* What a trainer that stopped as asked says counts for all; else the first that ended by itself. */
static int first_cause(const struct ptd_shell *s)
{
    int last = s->n - 1;
    if (s->statuses[last] == PTD_STOPPED) return last;
    for (int i = 0; i <= last; i++)
        if (!follows(s->statuses[i])) return i;
    for (int i = last; i >= 0; i--)
        if (s->statuses[i] && s->statuses[i] != 128 + OURS) return i;
    while (last > 0 && s->statuses[last]) last--; /* one that did well */
    return last;
}

static void conclude(struct ptd_shell *s)
{
    s->cause = s->told ? s->n - 1 : first_cause(s);
    s->status = s->statuses[s->cause];
    for (int i = 0; i < s->n_last && !s->words; i++)
        if (s->last_status[i] == s->status) s->words = ptd_strdup(s->last[i]);
}

int ptd_shell_step(struct ptd_shell *s)
{
    struct pollfd p = {.fd = s->err, .events = POLLIN};
    int status, n = poll(&p, 1, 250);
    if (n > 0) read_lines(s);
    look_for_trainer(s);
    if (waitpid(s->pid, &status, WNOHANG) != s->pid) return 1;
    ptd_shell_end(s); /* what the shell leaves behind, and the guard */
    close(s->hold);
    if (s->guard > 0) waitpid(s->guard, NULL, 0);
    while (poll(&p, 1, 0) > 0 && read_lines(s)) {
    }
    read_statuses(s, status);
    conclude(s);
    return 0;
}

char *ptd_shell_culprit(const struct ptd_shell *s)
{
    int at = s->cause, bars = 0;
    const char *from = s->text;
    for (const char *c = s->text; *c; c++) /* of the last pipe alone */
        if (*c == ';' || *c == '\n') from = c + 1;
    for (const char *c = from; *c; c++) bars += *c == '|';
    if (bars != s->n - 1) return ptd_format("program %d of the pipe", at + 1);
    for (int i = 0; i < at; i++) from = strchr(from, '|') + 1;
    from += strspn(from, " \t\n");
    return ptd_format("%.*s", (int)strcspn(from, " \t\n|"), from);
}

void ptd_shell_clear(struct ptd_shell *s)
{
    for (int i = 0; i < s->n_last; i++) free(s->last[i]);
    free(s->words);
    free(s->engines);
    free(s->text);
    free(s->buffer);
}
