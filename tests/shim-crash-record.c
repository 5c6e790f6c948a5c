/* Preloaded: writes down each write, truncation and sync of a store's data.mdb in $RECORD, in their
 * order. What a disk may have kept of them is left to torture-crash-power.c. */
#include "torture-crash-power.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_store(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path);
    return n > 9 && !memcmp(path + n - 9, "/data.mdb", 9);
}

static void record(int fd, int kind, uint64_t offset, const void *bytes, uint64_t len)
{
    static FILE *f;
    struct op_head h = {kind, kind == OP_WRITE && fcntl(fd, F_GETFL) & O_DSYNC, offset, len};
    if (!f && !(f = fopen(getenv("RECORD"), "we"))) abort();
    if (fwrite(&h, sizeof h, 1, f) != 1 || (bytes && fwrite(bytes, len, 1, f) != 1) || fflush(f))
        abort();
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    ssize_t done = REAL(pwrite)(fd, p, n, at);
    if (done > 0 && is_store(fd)) record(fd, OP_WRITE, at, p, done);
    return done;
}

ssize_t write(int fd, const void *p, size_t n)
{
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t done = REAL(write)(fd, p, n);
    if (done > 0 && is_store(fd)) record(fd, OP_WRITE, at, p, done);
    return done;
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t done = REAL(writev)(fd, v, n), left = done;
    for (int i = 0; left > 0 && is_store(fd) && i < n; i++) {
        size_t part = (size_t)left < v[i].iov_len ? (size_t)left : v[i].iov_len;
        record(fd, OP_WRITE, at, v[i].iov_base, part);
        at += part;
        left -= part;
    }
    return done;
}

int ftruncate(int fd, off_t size)
{
    int rc = REAL(ftruncate)(fd, size);
    if (!rc && is_store(fd)) record(fd, OP_TRUNCATE, 0, NULL, size);
    return rc;
}

int fdatasync(int fd)
{
    int rc = REAL(fdatasync)(fd);
    if (!rc && is_store(fd)) record(fd, OP_SYNC, 0, NULL, 0);
    return rc;
}

int fsync(int fd)
{
    int rc = REAL(fsync)(fd);
    if (!rc && is_store(fd)) record(fd, OP_SYNC, 0, NULL, 0);
    return rc;
}
