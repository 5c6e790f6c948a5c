/* coprocess: commands that run beside a program and answer a line with a line.
 *
 * Several processes of each command are asked at once, each one line at a time. Which answer comes
 * first does not matter to who asks: each is told with the number of its question.
 *
 *     struct ptd_coprocesses *c = ptd_coprocesses_new(commands, n_commands, jobs, seconds);
 *     if (ptd_coprocesses_ask(c, &(struct ptd_asking){n, line, answer, &all}) < 0) ...
 *     if (ptd_coprocesses_end(c) > 0) ...
 *     ptd_coprocesses_close(c);
 *
 * A command is what `sh -c` takes. It reads lines on its standard input, must write one line for
 * each and flush it, and has the program's standard error. It starts when it is first asked, and
 * again when it has ended; one that ends instead of answering is asked the same once more.
 * Whatever the sizes of pipes and lines are, no two wait for each other. What runs leads a process
 * group of its own, and all of that group ends with the program, however the program ends (of
 * SIGKILL only the command itself, others when they notice that their input has). */
#ifndef PTD_COPROCESS_H
#define PTD_COPROCESS_H
#include "base/err.h"

#define PTD_COPROCESS_LINE 65536 /* bytes of an answer */
#define PTD_COPROCESS_MAX  1024  /* processes at once, of all commands */

struct ptd_coprocesses;

enum ptd_answered {
    PTD_ANSWERED,
    PTD_ENDED,    /* twice, before it answered */
    PTD_LATE,     /* not within the time limit: it was ended */
    PTD_UNREAD,   /* one that was started has not begun to read within its time: it was ended */
    PTD_TOO_LONG, /* more than PTD_COPROCESS_LINE without an end of line */
    PTD_EARLY,    /* it answered before it had read a byte of the question */
    PTD_UNASKED   /* more than one line for one */
};

struct ptd_asking {
    int n; /* questions, each to every command */
    /* The line of question i, '\n' at its end and nowhere else, malloc'd. */
    char *(*line)(void *ctx, int command, int i, size_t *len);
    /* What came: a line without its end, in memory that is the callee's for the call; NULL unless
     * PTD_ANSWERED. `ended` (of PTD_ENDED): its wait status. -1 ends the asking. */
    int (*answer)(void *ctx, int command, int i, const char *line, size_t len,
                  enum ptd_answered how, int ended);
    void *ctx;
};

/* Seconds; 0: no limit. What a process does before it reads its first byte is its start. */
struct ptd_coprocess_limits {
    double answer, start;
};

/* jobs processes of each command. n * jobs is at most PTD_COPROCESS_MAX. Commands must live as
 * long. */
struct ptd_coprocesses *ptd_coprocesses_new(const char *const *commands, int n, int jobs,
                                            struct ptd_coprocess_limits limits);
/* All questions to all commands. -1: a process could not be started (71), or `answer` said so. */
int ptd_coprocesses_ask(struct ptd_coprocesses *c, const struct ptd_asking *a) PTD_MUST_CHECK;
/* Ends their input, waits a second for them, and ends those that are still there. 0, or 1 + the
 * number of a command that wrote more than it was asked for: some of its lines may have been taken
 * for answers to other questions. What is asked afterwards starts anew. */
int ptd_coprocesses_end(struct ptd_coprocesses *c) PTD_MUST_CHECK;
/* The same, and forgets all. NULL: nothing. */
void ptd_coprocesses_close(struct ptd_coprocesses *c);
#endif
