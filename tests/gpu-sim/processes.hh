/* processes: what a program has of the emulator and of the system, before and after; and other
 * programs, forked, that end at a call of the driver's, or whose call fails. */
#ifndef GPU_SIM_PROCESSES_HH
#define GPU_SIM_PROCESSES_HH
#include "card.h"
#include "forms.hh"
#include <dirent.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int entries(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n;
}

struct holdings {
    int files, threads;
    long memories, mappings;
    size_t free; /* of the card */
};
static struct holdings held_now(void)
{
    size_t free = card_free(); /* which opens its file */
    return {entries("/proc/self/fd"), entries("/proc/self/task"), sim_memories, sim_mappings, free};
}
static void nothing_is_left(const struct holdings &before)
{
    struct holdings now = held_now();
    assert_int_equal(now.files, before.files);
    assert_int_equal(now.threads, before.threads);
    assert_int_equal(now.memories, before.memories);
    assert_int_equal(now.mappings, before.mappings);
    assert_int_equal(now.free, before.free);
}

/* Calls of the driver so far; the one that ends this process, and the one that fails. */
static int calls, fatal, failing;

static int die_there(const char *)
{
    if (++calls == fatal) raise(SIGKILL);
    return calls == failing;
}

/* A process of its own, whose call number `at` ends it, and which ends with what work() returns. It
 * has so many seconds. */
template <class W> static pid_t start(int at, unsigned seconds, W work)
{
    pid_t pid = fork();
    if (pid) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    calls = 0, fatal = at, sim_point = die_there;
    alarm(seconds);
    _exit(work());
}
#endif
