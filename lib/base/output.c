/* Writers for stdio that go on after interrupted and short writes; stdout that ends the program
 * when it fails. Leaves to stream.c: frames, which do not go through stdio. */
#include "base/output.h"
#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
    int open, used, lost;
} out;

/* 0, or -1 with errno. */
static int write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t got = write(fd, p, n);
        if (got >= 0)
            p += got, n -= (size_t)got;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        else if (errno != EINTR)
            return -1;
    }
    return 0;
}

/* ---- stdout ---- */

static _Noreturn void lose(void)
{
    out.lost = 1; /* what leaving flushes is not written */
    if (errno == EPIPE || errno == ECONNRESET) ptd_die_of_pipe();
    ptd_die(PTD_IOERR, "standard output:");
}

static ssize_t put_out(void *cookie, const char *p, size_t n)
{
    (void)cookie;
    out.used = 1;
    if (!out.lost && write_all(1, p, n) < 0) lose();
    return (ssize_t)n;
}

static void close_out(void)
{
    if (out.lost) return;
    fflush(stdout);
    if (out.used && close(1) < 0 && errno != EINTR) lose();
}

void ptd_stdout_open(void)
{
    FILE *f = out.open ? NULL : fopencookie(NULL, "w", (cookie_io_functions_t){.write = put_out});
    if (!f) return;
    out.open = 1;
    fflush(stdout);
    stdout = f;
    if (isatty(1)) setvbuf(f, NULL, _IOLBF, BUFSIZ);
    atexit(close_out);
}

void ptd_stdout_flush(void)
{
    fflush(stdout);
}

/* ---- files ---- */

static ssize_t put_file(void *cookie, const char *p, size_t n)
{
    return write_all((int)(intptr_t)cookie, p, n) < 0 ? 0 : (ssize_t)n;
}

static int close_file(void *cookie)
{
    int fd = (int)(intptr_t)cookie;
    int rc = fsync(fd) < 0 && errno != EINVAL ? -1 : 0;
    return close(fd) < 0 && errno != EINTR ? -1 : rc;
}

FILE *ptd_file_on(int fd)
{
    FILE *f = fd < 0 ? NULL
                     : fopencookie((void *)(intptr_t)fd, "w",
                                   (cookie_io_functions_t){.write = put_file, .close = close_file});
    if (fd >= 0 && !f) close(fd);
    return f;
}

FILE *ptd_file_create(const char *path)
{
    return ptd_file_on(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
}
