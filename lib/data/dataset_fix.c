/* dataset_fix: see dataset_fix.h. Which rows are good is the caller's to say. */
#include "data/dataset_fix.h"
#include "base/folder.h"
#include "base/output.h"
#include "data/dataset_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct ptd_fix {
    char *path, *part;
    FILE *out;
    int anywhere; /* it may lie in another folder than the data set */
    int unfinished;
};

/* ---- which file is which ---- */

static int is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int folder_of(const char *path, struct stat *st)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? ptd_format("%.*s", (int)(slash - path + 1), path) : ptd_strdup(".");
    int rc = stat(folder, st);
    free(folder);
    return rc;
}

static int same_folder(const char *a, const char *b)
{
    struct stat x, y;
    return folder_of(a, &x) == 0 && folder_of(b, &y) == 0 && is_same(&x, &y);
}

static int check_path(const char *path, const char *data)
{
    struct stat in, out;
    if (stat(data, &in) < 0) return ptd_fail(PTD_NOINPUT, "%s: cannot open data set:", data);
    if (stat(path, &out) < 0) return 0;
    if (is_same(&in, &out))
        return ptd_fail(PTD_USAGE, "--fix %s: is the data set itself, expected another file", path);
    return S_ISREG(out.st_mode) ? 0 : ptd_fail(PTD_CANTCREAT, "%s: is no regular file", path);
}

/* ---- the part ---- */

/* A descriptor of the empty part, locked. It may be left of a run that was killed, but is not
 * another's, nor the data set. */
static int open_part(const char *part, const char *data)
{
    struct stat in, st;
    int fd = open(part, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
    if (fd < 0) return ptd_fail(PTD_CANTCREAT, "%s: cannot create:", part);
    if (fstat(fd, &st) < 0 || stat(data, &in) < 0)
        ptd_fail(PTD_IOERR, "%s:", part);
    else if (!S_ISREG(st.st_mode) || is_same(&in, &st))
        ptd_fail(PTD_CANTCREAT, "%s: in the way, expected nothing or what a killed run left", part);
    else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        ptd_fail(PTD_NOPERM, "%s: another program writes it", part);
    else if (ftruncate(fd, 0) < 0)
        ptd_fail(PTD_IOERR, "%s: cannot empty:", part);
    else
        return fd;
    close(fd);
    return -1;
}

struct ptd_fix *ptd_fix_open(const char *path, const char *data,
                             const struct ptd_dataset_places *places)
{
    if (check_path(path, data) < 0) return NULL;
    struct ptd_fix *f = ptd_alloc(sizeof *f);
    f->path = ptd_strdup(path);
    f->part = ptd_format("%s" PTD_PART, path);
    f->anywhere = (places && places->image_dir) || same_folder(path, data);
    int fd = open_part(f->part, data);
    f->unfinished = fd >= 0;
    f->out = ptd_file_on(fd);
    if (f->out) return f;
    if (fd >= 0) ptd_fail(PTD_OSERR, "%s:", f->part);
    ptd_fix_end(f);
    return NULL;
}

static int failed(const struct ptd_fix *f, const char *what)
{
    return ptd_fail(PTD_IOERR, "%s: cannot %s:", f->part, what);
}

static int refuse_relative(struct ptd_pictures *p, const char *path)
{
    if (*path == '/') return 0;
    return ptd_fail(PTD_USAGE,
                    "--fix: expected a file in the data set's folder, where %.200s is looked for",
                    path);
}

int ptd_fix_row(struct ptd_fix *f, struct ptd_dataset *d, int row, const struct ptd_group *g)
{
    size_t n;
    if (g->n_pictures && !f->anywhere && ptd_dataset_paths(d, row, refuse_relative) < 0) return -1;
    char *bytes = ptd_dataset_bytes(d, row, &n);
    if (!bytes) return -1;
    if (memchr(bytes, '\n', n)) /* between a JSON value's parts only: texts have them escaped */
        for (size_t i = 0; i < n; i++)
            if (bytes[i] == '\n' || bytes[i] == '\r') bytes[i] = ' ';
    int bad = fwrite(bytes, 1, n, f->out) != n || putc('\n', f->out) == EOF;
    free(bytes);
    return bad ? failed(f, "write") : 0;
}

int ptd_fix_publish(struct ptd_fix *f)
{
    FILE *out = f->out;
    f->out = NULL;
    if (fclose(out)) return failed(f, "write"); /* also syncs */
    if (rename(f->part, f->path) < 0) return ptd_fail(PTD_CANTCREAT, "%s:", f->path);
    f->unfinished = 0;
    return ptd_folder_sync_parent(f->path);
}

void ptd_fix_end(struct ptd_fix *f)
{
    if (!f) return;
    if (f->unfinished) unlink(f->part);
    if (f->out) fclose(f->out);
    free(f->path);
    free(f->part);
    free(f);
}
