/* filter: the loop that every middle stage shares: read the head, note this stage in it, hand each
 * group to `process`, pass step frames on, write the end only after a verified end, and close with
 * one counting line on stderr.
 *
 *     static int process(struct ptd_group *g, void *ctx) { ...; return PTD_CHANGED; }
 *     int main(int argc, char **argv)
 *     {
 *         struct ptd_filter f = {.usage = &usage, .begin = begin, .process = process, .step =
 *             NULL};
 *         return ptd_filter_main(&f, argc, argv);
 *     }
 *
 * Input: the operand or standard input ("-"); output: standard output. A terminal at either end is
 * misuse (status 2), but for that of a rank (terminal.h). */
#ifndef PTD_FILTER_H
#define PTD_FILTER_H
#include "base/opt.h"
#include "compute/fingerprint.h"
#include "flow/record.h"
#include "flow/stream.h"

enum ptd_verb { PTD_FAILED = -1, PTD_PASS = 0, PTD_CHANGED = 1, PTD_DROP = 2, PTD_HOLD = 3 };

struct ptd_filter {
    const struct ptd_usage *usage;
    void *ctx;
    struct ptd_device *device; /* that computes; NULL: nothing does; begin sets it */
    /* identity of what else decides its numbers, for the head, such as the store of a teacher;
     * begin sets it */
    const char *reads;
    /* after parsing, before anything is read: is the command line right? May be NULL; -1 fails */
    int (*options)(void *ctx);
    /* after reading the head, before writing it; may be NULL; -1 fails */
    int (*begin)(struct ptd_head *h, void *ctx);
    /* an enum ptd_verb; may be NULL if `batch` is set */
    int (*process)(struct ptd_group *g, void *ctx);
    /* at each step frame, before it is passed on; may be NULL */
    int (*step)(int64_t step, void *ctx);
    /* Stages that work on a whole step at once (ptd-ref) set batch instead of process: all groups
     * of the step, decoded; verbs[n] filled in. -1 fails: if for one group, its verb is
     * PTD_FAILED. */
    int (*batch)(struct ptd_group **g, int n, int *verbs, void *ctx);
    /* 1: so many groups, of which this is the last one's frame, are enough for a batch, the step's
     * end need not be waited for; -1 fails; may be NULL */
    int (*enough)(int n, const struct ptd_frame *last, void *ctx);
    /* Groups that a batch says PTD_HOLD of wait in memory; at the step's end all of them, in order,
     * are given to this, and then written as changed. -1 fails. */
    int (*whole)(struct ptd_group **g, int n, void *ctx);
    int (*finish)(void *ctx); /* after the last frame, before the end frame; may be NULL */
    /* words for the closing line, e.g. "31 hints, 2 dropped"; may be NULL */
    const char *(*summary)(void *ctx);
};
/* Returns the exit status; dies with one line on failure. */
int ptd_filter_main(struct ptd_filter *f, int argc, char **argv);
/* The same in two halves, for programs that are a filter only sometimes: parse gives the operand or
 * NULL, and the command line in *command (malloc'd), which run takes. */
const char *ptd_filter_parse(struct ptd_filter *f, int argc, char **argv, char **command);
int ptd_filter_run(struct ptd_filter *f, const char *operand, char *command);
/* Reading end for programs that are no filter (ptd-update, ptd-stat): opens operand or stdin (NULL
 * or "-"), refuses terminals, reads the head. Dies on failure, so never NULL. */
struct ptd_reader *ptd_input_open(const char *operand, struct ptd_head *h);
/* While streams are waited for, others may have the device (device.h, by turns); filters, and
 * whoever has ptd_output_open open one, do so anyway. NULL: nothing. */
void ptd_streams_leave(struct ptd_device *d);
/* Writing end for programs that start a stream: stdout, refuses a terminal, writes the head with
 * this stage noted. Dies on failure. */
struct ptd_writer *ptd_output_open(struct ptd_head *h, const char *name, struct ptd_device *device,
                                   int argc, char **argv);
#endif
