/* wire: a pipe between two programs of a pipeline that are not neighbours. It has no name, is left
 * behind by nobody, and ends with the program at its other end, whatever is between the two (tee,
 * pv). One of them makes it; the other finds it by an address, which the head of the stream between
 * them carries: "/proc/PID/fd/N pipe:[INODE]", of which it opens the first if it is the second. So
 * both must run on one machine, as one user, in one container; and the address in a stream that was
 * saved names a process that has gone.
 *
 *     int ends[2];
 *     char address[PTD_WIRE_ADDRESS];
 *     if (ptd_wire_new(ends, address)) ...
 *     while (!(got = ptd_wire_take(&w, fd, bytes, n, &at))) ... // 1: all n are there
 *
 *     int fd = ptd_wire_reach(address, O_WRONLY);             // -1: nobody is there
 *     if (ptd_wire_give(&w, fd, bytes, n)) ... */
#ifndef PTD_WIRE_H
#define PTD_WIRE_H
#include "base/err.h"
#include <stddef.h>

#define PTD_WIRE_ADDRESS 80

struct ptd_wire_words {
    const char *what; /* "verdicts of ptd-verify": what goes over it */
    const char *gone; /* "ptd-verify has gone while ...": said once the other end has */
};

/* ends[0] is read, ends[1] is written; neither waits. -1: 71 */
int ptd_wire_new(int ends[2], const struct ptd_wire_words *w,
                 char address[PTD_WIRE_ADDRESS]) PTD_MUST_CHECK;
/* flags: O_RDONLY or O_WRONLY, whose descriptor waits. -1: the address names no pipe that is there.
 */
int ptd_wire_reach(const char *address, int flags);
/* All n bytes. -1: 74 */
int ptd_wire_give(const struct ptd_wire_words *w, int fd, const void *bytes,
                  size_t n) PTD_MUST_CHECK;
/* Bytes *at to n - 1 of those at `to`, as far as there are some; *at counts. 1: all are there; 0:
 * not yet; -1: 74; 76 the other end has gone. */
int ptd_wire_take(const struct ptd_wire_words *w, int fd, void *to, size_t n,
                  size_t *at) PTD_MUST_CHECK;
void ptd_wire_wait(int fd, int milliseconds); /* until something comes */
#endif
