/* shell: a pipe of programs, as a command line of bash, run as a job: what its programs say on
 * stderr line by line, which of them ended how, and signals to one of them.
 *
 *     struct ptd_shell s = {.line = line, .ctx = x};
 *     if (ptd_shell_start(&s, "ptd-rollout D | ptd-update")) ptd_die_last();
 *     while (ptd_shell_step(&s)) ...                   // a second at most
 *     s.statuses[0], s.words ...
 *
 * The trainer, ptd-update, is looked for: once it has gone, those before it in the pipe may compute
 * for long before they notice, and are ended. That it was there it says itself (launched.h), or the
 * shell, which could not start it.
 *
 * The programs are a process group of their own, which goes when this program does, however that
 * ends. Last words (err.h) are kept until all is over: programs that end since their neighbours did
 * have some, too. */
#ifndef PTD_SHELL_H
#define PTD_SHELL_H
#include "base/err.h"
#include <sys/types.h>

#define PTD_SHELL_MOST 64 /* programs of a pipe */

struct ptd_shell {
    void (*line)(void *ctx, const char *line); /* of stderr, with its newline */
    void *ctx;
    /* once it is over */
    int statuses[PTD_SHELL_MOST], n; /* of the last pipe, as a shell says them: 128 + signal */
    int status;                      /* the one that says why it ended; 0: all did well */
    int cause;                       /* which program's that is */
    char *words;                     /* last words that go with it, with their newline; or NULL */
    char *engines;                   /* the first that MPI itself had to say; or NULL */
    int told;                        /* 1: another rank says why */
    /* its own */
    pid_t pid, guard;
    int err, end, hold, here; /* descriptors */
    char *text, *buffer, *last[PTD_SHELL_MOST];
    int last_status[PTD_SHELL_MOST], n_last;
    size_t n_buffer;
    int obituary;  /* 1: the last line was the shell's on who was killed */
    int trained;   /* 1: a trainer was there */
    pid_t trainer; /* the last that said so, in our group or not; 0: none */
    double seen;   /* when it was, last */
    double alone;  /* since when it is not any more; 0: it is */
};

int ptd_shell_start(struct ptd_shell *s, const char *text) PTD_MUST_CHECK;
int ptd_shell_step(struct ptd_shell *s); /* 0: it is over */
/* To all programs of this name; returns how many. NULL: to all, but not to the shell. */
int ptd_shell_signal(struct ptd_shell *s, const char *name, int signal);
void ptd_shell_end(struct ptd_shell *s); /* at once, the shell too */
/* "ptd-verify", "program 2 of the pipe": the one that ended it; malloc'd */
char *ptd_shell_culprit(const struct ptd_shell *s);
void ptd_shell_clear(struct ptd_shell *s);
#endif
