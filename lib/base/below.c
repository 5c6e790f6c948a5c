/* below: see below.h. What is in the files is left to the caller. */
#include "base/below.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int cannot_open(const char *path)
{
    if (errno == ELOOP)
        return ptd_fail(PTD_DATAERR, "%.300s: is a symbolic link, expected a regular file", path);
    if (errno == ENOTDIR)
        return ptd_fail(PTD_DATAERR,
                        "%.300s: a part of the path is no folder (links are not followed)", path);
    return ptd_fail(PTD_NOINPUT, "%.300s:", path);
}

/* One component after the other. */
static int open_path(int folder, const char *path)
{
    char part[256];
    int fd = folder;
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/"), skip = n + strspn(p + n, "/");
        int flags =
                O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (p[skip] ? O_DIRECTORY : O_NONBLOCK | O_NOCTTY),
            next;
        snprintf(part, sizeof part, "%.*s", (int)n, p);
        if (n >= sizeof part)
            next = ptd_fail(PTD_DATAERR, "%.300s: a name in it is too long", path);
        else if (strcmp(part, "..") == 0)
            next = ptd_fail(PTD_DATAERR,
                            "%.300s: expected a path inside the data set's folder, without \"..\" "
                            "(or --image-dir, --allow-outside)",
                            path);
        else if ((next = openat(fd, part, flags)) < 0)
            cannot_open(path);
        if (fd != folder) close(fd);
        if (next < 0) return -1;
        fd = next;
        p += skip;
    }
    return fd;
}

static int check(int fd, const char *path, struct stat *st)
{
    if (fstat(fd, st) < 0) return ptd_fail(PTD_NOINPUT, "%.300s:", path);
    if (!S_ISREG(st->st_mode))
        return ptd_fail(PTD_DATAERR, "%.300s: expected a regular file", path);
    if (st->st_size > PTD_BELOW_MOST)
        return ptd_fail(PTD_DATAERR, "%.300s: expected at most 64 MiB", path);
    return 0;
}

int ptd_below_open(int folder, int anywhere, const char *path, struct stat *st)
{
    int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    if (!*path || (!anywhere && *path == '/') || strlen(path) > 4095)
        return ptd_fail(PTD_DATAERR,
                        "%.300s: expected a path inside the data set's folder (or --image-dir, "
                        "--allow-outside)",
                        path);
    int fd = anywhere ? openat(folder, path, flags) : open_path(folder, path);
    if (fd < 0 && anywhere) return ptd_fail(PTD_NOINPUT, "%.300s:", path);
    if (fd < 0 || check(fd, path, st) == 0) return fd;
    close(fd);
    return -1;
}

char *ptd_below_read(int folder, int anywhere, const char *path, size_t *n)
{
    struct stat st;
    int fd = ptd_below_open(folder, anywhere, path, &st);
    if (fd < 0) return NULL;
    char *bytes = ptd_alloc((size_t)st.st_size + 1);
    ssize_t got = 1;
    for (*n = 0; got && *n < (size_t)st.st_size; *n += (size_t)got) {
        while ((got = read(fd, bytes + *n, (size_t)st.st_size - *n)) < 0 && errno == EINTR) {
        }
        if (got > 0) continue;
        if (got < 0)
            ptd_fail(PTD_IOERR, "%.300s: read:", path);
        else
            ptd_fail(PTD_DATAERR, "%.300s: ends early", path);
        free(bytes);
        bytes = NULL;
        break;
    }
    close(fd);
    return bytes;
}
