/* shelf: see shelf.h. `lock` in the folder is held shared by every user, `room` alone by who makes
 * room; it holds the bytes of all values, which is only ever too large. */
#include "base/shelf.h"
#include "base/err.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

struct ptd_shelf {
    char path[256];
    int folder, lock, room;
    int64_t max;
};

static int open_own(int folder, const char *name, int flags)
{
    return openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* The folder's descriptor, if it is this user's alone; -1. */
static int open_folder(const char *path)
{
    struct stat st;
    if (mkdir(path, 0700) && errno != EEXIST) return -1;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &st) || st.st_uid != geteuid() || st.st_mode & 077)) {
        close(fd);
        return -1;
    }
    return fd;
}

#define BASE_MAX 180

int ptd_shelf_check(void)
{
    const char *base = getenv("PTD_SHM");
    struct stat st;
    if (!base) return 0;
    if (strlen(base) <= BASE_MAX && stat(base, &st) == 0 && S_ISDIR(st.st_mode)) return 0;
    return ptd_fail(PTD_CONFIG, "PTD_SHM: found \"%.64s\", expected a folder", base);
}

/* What was made for nothing (no room for a file in it) goes; another's files keep it. */
static void leave_empty(struct ptd_shelf *s)
{
    if (s->folder >= 0 && s->lock < 0) rmdir(s->path);
}

struct ptd_shelf *ptd_shelf_open(const char *name, int64_t max)
{
    const char *base = getenv("PTD_SHM");
    struct ptd_shelf *s = ptd_alloc(sizeof *s);
    s->max = max;
    s->folder = s->lock = s->room = -1;
    snprintf(s->path, sizeof s->path, "%.180s/ptd-%.32s-%u", base ? base : "/dev/shm", name,
             (unsigned)geteuid());
    if (max > 0 && (s->folder = open_folder(s->path)) >= 0 &&
        (s->lock = open_own(s->folder, "lock", O_RDWR | O_CREAT)) >= 0 &&
        flock(s->lock, LOCK_SH) == 0 &&
        (s->room = open_own(s->folder, "room", O_RDWR | O_CREAT)) >= 0)
        return s;
    leave_empty(s);
    ptd_shelf_close(s);
    return NULL;
}

/* ---- values ---- */

static uint64_t digest(const char *key, const void *value, size_t bytes)
{
    return XXH3_64bits_withSeed(value, bytes, XXH3_64bits(key, strlen(key)));
}

static int read_all(int fd, void *to, size_t n)
{
    for (char *at = to; n;) {
        ssize_t got = read(fd, at, n);
        if (got <= 0) return -1;
        at += got, n -= (size_t)got;
    }
    return 0;
}

static int write_all(int fd, const void *from, size_t n)
{
    for (const char *at = from; n;) {
        ssize_t put = write(fd, at, n);
        if (put <= 0) return -1;
        at += put, n -= (size_t)put;
    }
    return 0;
}

int ptd_shelf_take(struct ptd_shelf *s, const char *key, void *value, size_t bytes)
{
    struct stat st;
    uint64_t said;
    int fd = s ? open_own(s->folder, key, O_RDONLY) : -1, whole;
    if (fd < 0) return 0;
    whole = fstat(fd, &st) == 0 && (size_t)st.st_size == bytes + sizeof said &&
            read_all(fd, &said, sizeof said) == 0 && read_all(fd, value, bytes) == 0 &&
            said == digest(key, value, bytes);
    if (whole) futimens(fd, NULL); /* the oldest go first */
    close(fd);
    return whole;
}

/* ---- room ---- */

struct entry {
    char name[256];
    struct timespec used;
    int64_t bytes;
};

static int by_use(const void *a, const void *b)
{
    const struct timespec *x = &((const struct entry *)a)->used,
                          *y = &((const struct entry *)b)->used;
    if (x->tv_sec != y->tv_sec) return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

static int is_value(const char *name)
{
    return *name != '.' && strcmp(name, "lock") && strcmp(name, "room");
}

static struct entry *list(struct ptd_shelf *s, int *n)
{
    struct entry *all = NULL;
    struct stat st;
    int fd = dup(s->folder);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    *n = 0;
    if (!d) {
        if (fd >= 0) close(fd);
        return NULL;
    }
    rewinddir(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (!is_value(e->d_name) || fstatat(s->folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
            continue;
        if (*n % 64 == 0) all = ptd_realloc(all, (*n + 64) * sizeof *all);
        struct entry *v = &all[(*n)++];
        snprintf(v->name, sizeof v->name, "%s", e->d_name);
        v->used = st.st_mtim;
        v->bytes = st.st_size;
    }
    closedir(d);
    return all;
}

/* Removes what was used longest ago until at most `most` bytes are left; returns what is left. */
static int64_t clear(struct ptd_shelf *s, int64_t most)
{
    int n;
    int64_t total = 0;
    struct entry *all = list(s, &n);
    for (int i = 0; i < n; i++) total += all[i].bytes;
    if (n) qsort(all, (size_t)n, sizeof *all, by_use);
    for (int i = 0; i < n && total > most; i++)
        if (unlinkat(s->folder, all[i].name, 0) == 0) total -= all[i].bytes;
    free(all);
    return total;
}

/* Counts `bytes` more, and clears an eighth when that is too much. */
static void make_room(struct ptd_shelf *s, int64_t bytes)
{
    int64_t total = 0;
    if (flock(s->room, LOCK_EX)) return;
    if (pread(s->room, &total, sizeof total, 0) != sizeof total) total = clear(s, s->max);
    if (total + bytes > s->max) total = clear(s, s->max - s->max / 8 - bytes);
    total += bytes;
    if (pwrite(s->room, &total, sizeof total, 0) != sizeof total) (void)!ftruncate(s->room, 0);
    flock(s->room, LOCK_UN);
}

void ptd_shelf_put(struct ptd_shelf *s, const char *key, const void *value, size_t bytes)
{
    char part[96];
    uint64_t said;
    if (!s || (int64_t)(bytes + sizeof said) > s->max - s->max / 8) return;
    make_room(s, (int64_t)(bytes + sizeof said));
    snprintf(part, sizeof part, "%.64s.%d", key, (int)getpid());
    int fd = open_own(s->folder, part, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0) return;
    said = digest(key, value, bytes);
    if (write_all(fd, &said, sizeof said) || write_all(fd, value, bytes) ||
        renameat(s->folder, part, s->folder, key))
        unlinkat(s->folder, part, 0);
    close(fd);
}

/* Who gets the lock alone is the last. */
void ptd_shelf_close(struct ptd_shelf *s)
{
    if (!s) return;
    if (s->lock >= 0 && flock(s->lock, LOCK_EX | LOCK_NB) == 0) {
        clear(s, 0);
        unlinkat(s->folder, "room", 0);
        unlinkat(s->folder, "lock", 0);
        rmdir(s->path);
    }
    if (s->room >= 0) close(s->room);
    if (s->lock >= 0) close(s->lock);
    if (s->folder >= 0) close(s->folder);
    free(s);
}
