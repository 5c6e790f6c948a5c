/* wire: see wire.h. What goes over it is verdicts.c's and relay.c's. */
#include "flow/wire.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int ptd_wire_new(int ends[2], const struct ptd_wire_words *w, char address[PTD_WIRE_ADDRESS])
{
    struct stat st;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0 || fstat(ends[1], &st) < 0)
        return ptd_fail(PTD_OSERR, "a pipe for %s:", w->what);
    snprintf(address, PTD_WIRE_ADDRESS, "/proc/%ld/fd/%d pipe:[%llu]", (long)getpid(), ends[1],
             (unsigned long long)st.st_ino);
    return 0;
}

/* The process may be another by now, and its files anything: the pipe's own number decides. */
int ptd_wire_reach(const char *address, int flags)
{
    char path[PTD_WIRE_ADDRESS], is[PTD_WIRE_ADDRESS];
    const char *pipe = strchr(address, ' ');
    if (!pipe || pipe - address >= (int)sizeof path || strncmp(address, "/proc/", 6)) return -1;
    snprintf(path, sizeof path, "%.*s", (int)(pipe - address), address);
    ssize_t n = readlink(path, is, sizeof is - 1);
    if (n < 0) return -1;
    is[n] = 0;
    return strcmp(is, pipe + 1) ? -1 : open(path, flags | O_CLOEXEC);
}

int ptd_wire_give(const struct ptd_wire_words *w, int fd, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n) {
        ssize_t wrote = write(fd, at, n);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return ptd_fail(PTD_IOERR, "%s:", w->what);
        at += wrote;
        n -= (size_t)wrote;
    }
    return 0;
}

int ptd_wire_take(const struct ptd_wire_words *w, int fd, void *to, size_t n, size_t *at)
{
    while (*at < n) {
        ssize_t got = read(fd, (char *)to + *at, n - *at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return 0;
        if (got < 0) return ptd_fail(PTD_IOERR, "%s:", w->what);
        if (!got) return ptd_fail(PTD_CUT, "%s", w->gone);
        *at += (size_t)got;
    }
    return 1;
}

void ptd_wire_wait(int fd, int milliseconds)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    poll(&p, 1, milliseconds);
}
