/* ptd-run: runs a pipe of these programs as one of several ranks, or starts all ranks.
 *
 *     ptd-run -n 4 -s run.ptd -- 'ptd-rollout $D | ptd-verify | ptd-hint | ptd-ref | ptd-update'
 *     mpirun -n 4 --bind-to none ptd-run -s run.ptd -- '...'       the same
 *     srun -K1 -N 2 --ntasks-per-node 8 ptd-run -s run.ptd -- '...' under Slurm
 *
 * Each rank has a store of its own: rank 0 the one that is named, rank R that with .R behind it,
 * made as a copy where it is not there. Programs get it, their share of the cores, and where their
 * messages come from, through the environment (launched.h); bash runs the pipe. ptd-update alone
 * talks to other ranks (comm.h).
 *
 * Signals: SIGTERM, SIGHUP and SIGUSR1 have ptd-update stop after the step, as it does alone; from
 * mpirun under ptd-run SIGTERM is the end. Status: that of the program that ended by itself first,
 * not of those that ended since their neighbours did. */
#include "base/launched.h"
#include "base/mpirun.h"
#include "base/opt.h"
#include "base/rank.h"
#include "base/shell.h"
#include "store/share.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *store, *from, *hosts, *mpirun;
    int ranks;
    struct ptd_rank rank;
    char host[64];
} opt = {.store = "run.ptd", .mpirun = "mpirun"};

static const struct ptd_opt options[] = {
    {"ranks", 'n', PTD_OPT_INT, &opt.ranks, "N",
     "start so many, by mpirun (0: this is one, which mpirun or srun started, or the only one)", 0,
     4096},
    {"hosts", 'H', PTD_OPT_STR, &opt.hosts, "LIST",
     "machines to start them on, by comma, HOST:N for N ranks each (default: this one)", 0, 0},
    {"mpirun", 0, PTD_OPT_STR, &opt.mpirun, "FILE", "Open MPI's launcher", 0, 0},
    {"store", 's', PTD_OPT_STR, &opt.store, "DIR", "rank 0's run directory; rank R has DIR.R", 0,
     0},
    {"from", 0, PTD_OPT_STR, &opt.from, "DIR",
     "store of which a rank's is made a copy where it has none (default: rank 0's)", 0, 0},
    {0}};
static const struct ptd_usage usage = {
    "ptd-run",
    "-- 'PROGRAM ... | PROGRAM ...'",
    "run a pipe as ranks that train together, each with its share of every step",
    "ptd-run -n 2 -s run.ptd -- 'ptd-rollout train.jsonl | ptd-verify | ptd-hint | ptd-ref | "
    "ptd-update'\n"
    "srun -K1 -N 2 ptd-run -s /local/run.ptd -- 'ptd-rollout $D | ptd-verify | ptd-update'",
    options,
    "0 done, 2 misuse, 66 no store, 69 no MPI or a rank lost, 74 nobody takes the metrics, 75 "
    "stopped, else that of the program that ended first"};

/* ---- all ranks ---- */

/* Variables of ours, and those that the pipe names, as -x wants them. */
static const char **exported(const char *text)
{
    extern char **environ;
    const char **list = ptd_array(2, sizeof *list);
    int n = 0;
    for (char **e = environ; *e; e++) {
        char *name = ptd_format("%.*s", (int)strcspn(*e, "="), *e);
        char *plain = ptd_format("$%s", name), *braced = ptd_format("${%s", name);
        if (!strncmp(name, "PTD_", 4) || !strcmp(name, "PATH") ||
            !strcmp(name, "LD_LIBRARY_PATH") || strstr(text, plain) || strstr(text, braced)) {
            list = ptd_realloc(list, ((size_t)n + 2) * sizeof *list);
            list[n++] = name;
        } else
            free(name);
        free(plain);
        free(braced);
    }
    list[n] = NULL;
    return list;
}

/* This very program, without what says how many. */
static int start_all(const char *text)
{
    char self[4096], *command[16];
    ssize_t got = readlink("/proc/self/exe", self, sizeof self - 1);
    int n = 0;
    if (got < 0) ptd_die(PTD_OSERR, "/proc/self/exe:");
    self[got] = 0;
    command[n++] = self;
    command[n++] = "--store", command[n++] = (char *)(uintptr_t)opt.store;
    if (opt.from) command[n++] = "--from", command[n++] = (char *)(uintptr_t)opt.from;
    if (ptd_is_quiet()) command[n++] = "-q";
    command[n++] = "--", command[n++] = (char *)(uintptr_t)text, command[n] = NULL;
    return ptd_mpirun(&(struct ptd_mpirun){opt.mpirun, opt.hosts, exported(text), opt.ranks},
                      command);
}

/* ---- one of them ---- */

static int is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static volatile sig_atomic_t asked[NSIG];
static volatile int stop; /* any but SIGUSR2 */

static void on_signal(int number)
{
    asked[number] = 1;
    stop |= number != SIGUSR2;
}

static void heed_signals(void)
{
    static const int heeded[] = {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGINT};
    for (size_t i = 0; i < sizeof heeded / sizeof *heeded; i++) {
        struct sigaction a = {.sa_handler = on_signal}, was;
        sigaction(heeded[i], &a, &was);
        if (was.sa_handler == SIG_IGN) signal(heeded[i], SIG_IGN);
    }
}

/* Before there are programs to pass it on to. */
static void heed_stop(void)
{
    if (!stop) return;
    if (!asked[SIGINT])
        ptd_die(PTD_STOPPED, "stopped on request before it began; the same command line goes on");
    signal(SIGINT, SIG_DFL);
    raise(SIGINT);
}

/* A rank without a store gets a copy of the one that all begin with. */
static void make_store(const char *own)
{
    const char *from = opt.from ? opt.from : opt.store;
    struct ptd_store *s;
    if (is_there(own)) return;
    if (!strcmp(own, from))
        ptd_die(PTD_NOINPUT, "%s: is not there: expected a store that ptd-init has made", own);
    if (!is_there(from))
        ptd_die(PTD_NOINPUT,
                "%s: is not there, and neither is %s, of which it would be a copy: "
                "expected --from, a store that %s sees",
                own, from, opt.host);
    if (ptd_store_open(&s, from, PTD_STORE_READ)) ptd_die_last();
    int rc = ptd_store_copy(s, own, &stop);
    heed_stop();
    if (rc) ptd_die_last();
    ptd_store_close(s);
}

/* Cores of this machine for each of its ranks. Open MPI binds one or two ranks to a core each
 * unless told otherwise: that is undone, as far as the machine lets us. What Slurm bound a task to
 * is the task's. */
static int share_cores(void)
{
    cpu_set_t mine, all;
    const char *given = getenv("SLURM_CPUS_PER_TASK");
    int locals = opt.rank.locals ? opt.rank.locals : 1, most = given ? atoi(given) : 0;
    if (sched_getaffinity(0, sizeof mine, &mine)) return 1;
    if (opt.rank.locals && CPU_COUNT(&mine) == 1) {
        memset(&all, 0xff, sizeof all);
        sched_setaffinity(0, sizeof all, &all);
        sched_getaffinity(0, sizeof mine, &mine);
    }
    int cores = CPU_COUNT(&mine) / locals;
    if (most > 0 && most < cores) cores = most;
    return cores > 1 ? cores : 1;
}

static void set_number(const char *name, int value)
{
    char text[16];
    snprintf(text, sizeof text, "%d", value);
    setenv(name, text, 1);
}

/* The programs beside this one come first. */
static void put_path(void)
{
    char self[4096];
    const char *was = getenv("PATH");
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    char *slash = strrchr(self, '/');
    if (!slash) return;
    *slash = 0;
    char *path = ptd_format("%s%s%s", self, was ? ":" : "", was ? was : "");
    setenv("PATH", path, 1);
    free(path);
}

static void set_environment(const char *store, const char *text)
{
    char ranked[100];
    put_path();
    setenv("PTD_STORE", store, 1);
    setenv("PTD_STORES", opt.store, 1);
    if (!getenv("PTD_THREADS")) set_number("PTD_THREADS", share_cores());
    if (!opt.rank.launched) return;
    snprintf(ranked, sizeof ranked, "rank %d on %s", opt.rank.rank, opt.host);
    setenv(PTD_RANKED, ranked, 1);
    if (opt.rank.ranks == 1) return;
    if (strstr(text, "ptd-update") || strstr(text, "ptd update"))
        set_number("PTD_GATE", eventfd(0, 0));
}

/* Passes on what was asked: to the trainer, or to all where there is none. 1: it is the end. */
static int pass_signals(struct ptd_shell *s)
{
    static const int passed[] = {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
    if (asked[SIGINT] || (asked[SIGTERM] && getenv(PTD_RUN_OUTER))) {
        ptd_shell_end(s);
        return 1;
    }
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
        if (!asked[passed[i]]) continue;
        asked[passed[i]] = 0;
        if (!ptd_shell_signal(s, "ptd-update", passed[i]) && passed[i] != SIGUSR2)
            ptd_shell_signal(s, NULL, passed[i] == SIGUSR1 ? SIGTERM : passed[i]);
    }
    return 0;
}

/* A line of one rank, which mpirun's listener can tell from its own. */
static void put_line(void *mark, const char *line)
{
    char *text = ptd_format("%s%s", (const char *)mark, line);
    ssize_t ignored = write(2, text, strlen(text));
    (void)ignored;
    free(text);
}

/* How the program that decides ended, which said nothing itself; malloc'd. */
static char *verdict_on(const struct ptd_shell *s)
{
    char how[80], *who = ptd_shell_culprit(s);
    if (s->status > 128)
        snprintf(how, sizeof how, "was ended by signal %d (%s)", s->status - 128,
                 strsignal(s->status - 128));
    else
        snprintf(how, sizeof how, "ended with status %d", s->status);
    char *line = ptd_format("%s: %s %s\n", ptd_program_name(), who, how);
    free(who);
    return line;
}

/* The one line that says why it ended; nothing where it was asked for. Where no launcher is,
 * whoever called has the status, and its programs' own lines. */
static void tell_end(const struct ptd_shell *s, const char *mark, int ended)
{
    int silent = !s->status || ended || s->told;
    int unsaid = s->status > 128 || (opt.rank.launched && !s->engines);
    char *last = *mark ? ptd_format("%s%c%d ", mark, PTD_LAST_WORDS, s->status) : ptd_strdup(""),
         *own = !silent && unsaid ? verdict_on(s) : NULL;
    const char *line = s->words ? s->words : silent ? NULL : own ? own : s->engines;
    if (line) put_line(last, line);
    free(own);
    free(last);
}

#define PATIENCE 3 /* seconds */

/* A rank that only follows lets the one that did not say why: mpirun ends all others once one has
 * left, and asks them to go a moment before. 1: it did. */
static int let_others_speak(const struct ptd_shell *s)
{
    struct timespec nap = {.tv_nsec = 50000000};
    if (opt.rank.ranks == 1 || s->status != PTD_CUT) return 0;
    for (int i = 0; i < PATIENCE * 20 && !asked[SIGTERM]; i++) nanosleep(&nap, NULL);
    return asked[SIGTERM] != 0;
}

static int run_one(const char *text)
{
    char mark[2] = {getenv(PTD_RUN_OUTER) ? PTD_RUN_MARK : 0, 0};
    struct ptd_shell s = {.line = put_line, .ctx = mark};
    int ended = 0;
    if (opt.rank.ranks > 1) {
        /* rank 0 alone would have something to read; it stays open, for mpirun 4.1.4 dies of a
         * rank that closes it */
        int none = open("/dev/null", O_RDONLY | O_CLOEXEC), kept = fcntl(0, F_DUPFD_CLOEXEC, 3);
        if (none >= 0 && kept >= 0) dup2(none, 0);
    }
    heed_stop();
    if (ptd_shell_start(&s, text)) ptd_die_last();
    while (ptd_shell_step(&s)) ended |= pass_signals(&s);
    ended |= let_others_speak(&s);
    tell_end(&s, mark, ended);
    int status = ended ? 128 + (asked[SIGINT] ? SIGINT : SIGTERM) : s.status;
    ptd_shell_clear(&s);
    return status;
}

/* Lines of our own name the rank, too. */
static void name_rank(void)
{
    char name[64];
    if (gethostname(opt.host, sizeof opt.host - 1)) strcpy(opt.host, "an unknown host");
    if (!opt.rank.launched) return;
    snprintf(name, sizeof name, "ptd-run (rank %d on %.36s)", opt.rank.rank, opt.host);
    ptd_program(name);
}

int main(int argc, char **argv)
{
    int first = ptd_opt_parse(&usage, argc, argv);
    if (argc - first != 1) ptd_misuse("expected one pipe of programs, in quotes");
    if (ptd_rank_launched(&opt.rank)) ptd_die_last();
    if (opt.ranks && opt.rank.launched)
        ptd_misuse("--ranks %d: a launcher has started this one already", opt.ranks);
    ptd_opt_needs("hosts", opt.ranks > 0, "--ranks");
    ptd_opt_needs("mpirun", opt.ranks > 0, "--ranks");
    if (opt.ranks) return start_all(argv[first]);
    name_rank();
    heed_signals();
    char *store = ptd_share_path(opt.store, opt.rank.rank);
    make_store(store);
    set_environment(store, argv[first]);
    int status = run_one(argv[first]);
    free(store);
    return status;
}
