/* Terminals of people, and those that launchers of parallel jobs put in place of pipes.
 * Leaves to filter.c: what is said to people. */
#include "base/terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

/* Open MPI; MPICH, Intel MPI, MVAPICH2 and their like; PMIx; Cray; Slurm. */
static const char *const ranks[] = {"OMPI_COMM_WORLD_RANK", "PMI_RANK",
                                    "MV2_COMM_WORLD_RANK",  "PMIX_RANK",
                                    "PALS_RANKID",          "SLURM_PROCID"};

/* As they were, and a descriptor of their own, since the program closes 0 and 1 itself. */
static struct {
    int fd, changed;
    struct termios was;
} ends[2];

static int is_rank(void)
{
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        if (getenv(ranks[i])) return 1;
    return 0;
}

/* Also from the background of a job. */
static int set(int fd, const struct termios *t)
{
    sigset_t stop, before;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &stop, &before);
    int rc = tcsetattr(fd, TCSADRAIN, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

/* In reverse, since both may be one terminal. */
static void restore(void)
{
    for (int i = 1; i >= 0; i--)
        if (ends[i].changed) set(ends[i].fd, &ends[i].was);
}

static void pass_bytes(int fd)
{
    struct termios t;
    int copy = ends[fd].changed ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0 || tcgetattr(copy, &t) < 0) return;
    if (!ends[0].changed && !ends[1].changed) {
        atexit(restore);
        at_quick_exit(restore);
    }
    ends[fd].fd = copy;
    ends[fd].was = t;
    if (fd == 1)
        t.c_oflag &= ~(tcflag_t)OPOST;
    else {
        tcflag_t out = t.c_oflag;
        cfmakeraw(&t);
        t.c_oflag = out;
    }
    ends[fd].changed = set(copy, &t) == 0;
}

int ptd_terminal(int fd)
{
    if (!isatty(fd)) return 0;
    if (!is_rank()) return 1;
    pass_bytes(fd);
    return 0;
}
