/* folder: see folder.h. What the files are called and say is left to dataset_write.c and export.c.
 */
#include "base/folder.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- opening ---- */

static int is_link(int at, const char *name)
{
    struct stat st;
    return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* Whoever had it before may have renamed or removed it while it was opened. */
static int still_there(int folder, const char *path)
{
    struct stat a, b;
    return fstat(folder, &a) == 0 && lstat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

int ptd_folder_hold(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return -2;
    if (fd < 0 && is_link(AT_FDCWD, path))
        return ptd_fail(PTD_CANTCREAT, "%s: is a symbolic link, expected a folder or nothing",
                        path);
    if (fd < 0) return ptd_fail(PTD_CANTCREAT, "%s: expected a folder or nothing:", path);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && still_there(fd, path)) return fd;
    close(fd);
    return ptd_fail(PTD_NOPERM, "%s: another program is writing it", path);
}

int ptd_folder_take(const char *path)
{
    if (mkdir(path, 0777) < 0 && errno != EEXIST)
        return ptd_fail(PTD_CANTCREAT, "%s: cannot create:", path);
    int fd = ptd_folder_hold(path);
    return fd == -2 ? ptd_fail(PTD_NOPERM, "%s: another program is writing it", path) : fd;
}

/* ---- entries ---- */

struct owner { /* who says what is ours */
    ptd_folder_ours *is_ours;
    void *ctx;
};
typedef int visit_fn(int folder, const char *path, const char *name, const struct owner *o);

static int visit(int folder, const char *path, const struct owner *o, visit_fn *f)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    if (!d) {
        ptd_fail(PTD_CANTCREAT, "%s: cannot be listed:", path);
        if (fd >= 0) close(fd);
        return -1;
    }
    while (rc == 0 && (errno = 0, e = readdir(d)))
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) rc = f(folder, path, e->d_name, o);
    if (rc == 0 && errno) rc = ptd_fail(PTD_CANTCREAT, "%s: cannot be listed:", path);
    closedir(d);
    return rc;
}

static int check(int folder, const char *path, const char *name, const struct owner *o)
{
    struct stat st;
    int known = fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    int link = known && S_ISLNK(st.st_mode);
    if ((link || (known && S_ISREG(st.st_mode))) && o->is_ours(folder, name, link, o->ctx))
        return 0;
    return ptd_fail(PTD_CANTCREAT, "%s/%s: in the way, expected only files of an earlier run", path,
                    name);
}

static int clear(int folder, const char *path, const char *name, const struct owner *o)
{
    if (check(folder, path, name, o) < 0) return -1;
    return unlinkat(folder, name, 0) < 0
               ? ptd_fail(PTD_CANTCREAT, "%s/%s: cannot remove:", path, name)
               : 0;
}

int ptd_folder_check(int folder, const char *path, ptd_folder_ours *is_ours, void *ctx)
{
    return visit(folder, path, &(struct owner){is_ours, ctx}, check);
}

int ptd_folder_clear(int folder, const char *path, ptd_folder_ours *is_ours, void *ctx)
{
    struct owner o = {is_ours, ctx};
    return visit(folder, path, &o, check) < 0 ? -1 : visit(folder, path, &o, clear);
}

int ptd_folder_sync_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *parent =
        slash ? ptd_format("%.*s", slash == path ? 1 : (int)(slash - path), path) : ptd_strdup(".");
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = fd < 0 ? -1 : fsync(fd);
    if (rc < 0 && fd >= 0 && errno == EINVAL) rc = 0; /* a file system that has nothing to sync */
    if (rc < 0) ptd_fail(PTD_IOERR, "%s: cannot sync:", parent);
    if (fd >= 0) close(fd);
    free(parent);
    return rc;
}
