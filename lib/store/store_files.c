/* store_files: the files of a run directory: made, recognized, locked, removed. None is reached
 * through a symbolic link, and none that is somebody else's is written. What is in data.mdb is left
 * to the other store files. */
#include "store/store_private.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* LMDB 0.9: how data.mdb (behind a page's head) and lock.mdb begin, and what it makes of lock.mdb.
 */
#define LMDB_MAGIC 0xBEEFC0DEu
#define LOCK_SIZE  8192
#define LOCK_HEAD  512 /* at most; readers follow */

enum { DATA, LOCKS, NOTE, BASE };
static const char *const names[PTD_STORE_FILES] = {"data.mdb", "lock.mdb", "lock", PTD_BASE};

static int is_file(const struct stat *st, const struct ptd_store_file *f)
{
    return f->ino && st->st_dev == f->dev && st->st_ino == f->ino;
}

/* Into *st what is there: 1 a file, 0 nothing, -1 what is not to be opened. */
static int look_at(struct ptd_store *s, const char *name, struct stat *st)
{
    if (fstatat(s->at, name, st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : ptd_fail(PTD_NOINPUT, "store %s: %s:", s->dir, name);
    if (S_ISREG(st->st_mode)) return 1;
    int damaged = (name == names[DATA] || name == names[BASE]) && !S_ISLNK(st->st_mode);
    return ptd_fail(damaged ? PTD_DATAERR : PTD_NOPERM, "store %s: its %s is %s, expected a file",
                    s->dir, name,
                    S_ISLNK(st->st_mode)   ? "a symbolic link"
                    : S_ISDIR(st->st_mode) ? "a folder"
                                           : "a pipe or a device");
}

static int open_file(struct ptd_store *s, const char *name, int flags)
{
    return openat(s->at, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
}

static int is_refusal(int reason)
{
    return reason == EACCES || reason == EPERM || reason == EROFS;
}

/* ---- making and removing ---- */

/* Room for all of it, since LMDB writes it through a map, where a full disk kills. */
static int fill_lock_file(int fd)
{
    int rc = posix_fallocate(fd, 0, LOCK_SIZE);
    if (rc) errno = rc;
    return rc ? -1 : 0;
}

static int is_there(struct ptd_store *s, int i)
{
    return ptd_fail(PTD_CANTCREAT,
                    i == DATA
                        ? "store %s: is there already; remove it or choose another name"
                        : "store %s: holds a %s already, which is left alone; remove it or choose "
                          "another name",
                    s->dir, names[i]);
}

/* A descriptor of what was not there. */
static int create_file(struct ptd_store *s, int i)
{
    struct stat st;
    int fd = open_file(s, names[i], O_RDWR | O_CREAT | O_EXCL);
    if (fd < 0 && errno == EEXIST) return is_there(s, i);
    if (fd < 0 || fstat(fd, &st) < 0) {
        ptd_fail(PTD_CANTCREAT, "store %s: cannot create %s:", s->dir, names[i]);
        if (fd >= 0) close(fd);
        return -1;
    }
    s->made[i] = (struct ptd_store_file){st.st_dev, st.st_ino};
    return fd;
}

static int make_locks(struct ptd_store *s)
{
    int fd = create_file(s, LOCKS);
    if (fd < 0) return -1;
    int rc = fill_lock_file(fd);
    if (rc < 0) ptd_fail(PTD_IOERR, "store %s: making lock.mdb:", s->dir);
    close(fd);
    return rc;
}

/* base.mdb is made when there is something to be frozen; that it may be is seen before. */
static int check_no_base(struct ptd_store *s)
{
    struct stat st;
    return fstatat(s->at, names[BASE], &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : is_there(s, BASE);
}

static int make_directory(struct ptd_store *s)
{
    struct stat st;
    int made = mkdir(s->dir, 0755) == 0;
    if (!made && errno != EEXIST)
        return ptd_fail(PTD_CANTCREAT, "store %s: cannot create it:", s->dir);
    if (stat(s->dir, &st) < 0 || !S_ISDIR(st.st_mode))
        return ptd_fail(PTD_CANTCREAT, "store %s: cannot create it: not a directory", s->dir);
    if (made) s->made_dir = (struct ptd_store_file){st.st_dev, st.st_ino};
    return 0;
}

int ptd_store_make_files(struct ptd_store *s)
{
    if (make_directory(s) < 0) return -1;
    s->at = open(s->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (s->at < 0) return ptd_fail(PTD_CANTCREAT, "store %s:", s->dir);
    if ((s->data = create_file(s, DATA)) < 0) return -1;
    s->dev = s->made[DATA].dev;
    s->ino = s->made[DATA].ino;
    if (make_locks(s) < 0 || (s->lock = create_file(s, NOTE)) < 0) return -1;
    return check_no_base(s);
}

/* The directory's entries must survive a power failure as the first commit does. */
int ptd_store_sync_directory(struct ptd_store *s)
{
    int fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0) close(fd);
    return rc < 0 ? ptd_fail(PTD_IOERR, "store %s: syncing its directory:", s->dir) : 0;
}

void ptd_store_remove(struct ptd_store *s)
{
    struct stat st;
    if (s->made[BASE].ino) ptd_store_drop_note(s);
    for (int i = 0; i < PTD_STORE_FILES; i++)
        if (fstatat(s->at, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && is_file(&st, &s->made[i]))
            unlinkat(s->at, names[i], 0);
    if (stat(s->dir, &st) == 0 && is_file(&st, &s->made_dir)) rmdir(s->dir);
}

/* ---- data.mdb ---- */

/* A cache that cannot be written is read. */
static void give_up_cache(struct ptd_store *s, const char *name, int reason)
{
    if (s->mode != PTD_STORE_CACHE || !is_refusal(reason)) return;
    s->mode = PTD_STORE_READ;
    s->uncached = ptd_format("%s: %s", name, strerror(reason));
}

static int open_directory(struct ptd_store *s)
{
    struct stat st;
    if (stat(s->dir, &st) == 0 && !S_ISDIR(st.st_mode))
        return ptd_fail(PTD_NOINPUT, "store %s: not a directory", s->dir);
    s->at = open(s->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return s->at < 0 ? ptd_fail(PTD_NOINPUT, "store %s:", s->dir) : 0;
}

/* LMDB's locks are the process's: to open a file of theirs once more and close it takes them away.
 */
static int check_once(struct ptd_store *s, dev_t dev, ino_t ino)
{
    for (struct ptd_store *o = ptd_store_all; o; o = o->next)
        if (o != s && o->dev == dev && (o->ino == ino || o->locks == ino))
            return ptd_fail(PTD_BUG, "store %s: is open in this process already", s->dir);
    return 0;
}

int ptd_store_open_data(struct ptd_store *s)
{
    struct stat st;
    uint32_t magic = 0;
    if (open_directory(s) < 0) return -1;
    int there = look_at(s, names[DATA], &st);
    if (there < 0) return -1;
    if (!there) return ptd_fail(PTD_NOINPUT, "store %s: data.mdb, which a store holds:", s->dir);
    s->data = open_file(s, names[DATA], s->mode == PTD_STORE_READ ? O_RDONLY : O_RDWR);
    int reason = errno;
    if (s->data < 0 && s->mode == PTD_STORE_CACHE && is_refusal(reason) &&
        (s->data = open_file(s, names[DATA], O_RDONLY)) >= 0)
        give_up_cache(s, names[DATA], reason);
    if (s->data < 0 || fstat(s->data, &st) < 0)
        return ptd_fail(s->mode == PTD_STORE_READ ? PTD_NOINPUT : PTD_NOPERM,
                        "store %s: data.mdb:", s->dir);
    if (!st.st_size) return ptd_fail(PTD_DATAERR, "store %s: data.mdb is empty", s->dir);
    if (check_once(s, st.st_dev, st.st_ino) < 0) return -1;
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    if (pread(s->data, &magic, sizeof magic, PAGE_HEAD) == sizeof magic && magic == LMDB_MAGIC)
        return 0;
    return ptd_store_fail(s, MDB_INVALID, "opening");
}

int ptd_store_check_place(struct ptd_store *s)
{
    struct stat st;
    if (lstat(s->path, &st) < 0)
        return ptd_fail(PTD_IOERR, "store %s: %s, which was there when it was opened:", s->dir,
                        s->file);
    if (st.st_dev == s->dev && st.st_ino == s->ino) return 0;
    return ptd_fail(PTD_IOERR, "store %s: %s was replaced by another file since it was opened",
                    s->dir, s->file);
}

/* ---- base.mdb ---- */

static int open_base_file(struct ptd_store *s)
{
    struct stat st;
    int there = look_at(s, names[BASE], &st);
    if (there < 0) return -1;
    if (!there) errno = ENOENT;
    int fd = there ? open_file(s, names[BASE], O_RDONLY) : -1;
    if (fd < 0)
        return ptd_fail(PTD_NOINPUT,
                        "store %s: base.mdb, which holds its frozen generation:", s->dir);
    return fd;
}

int ptd_store_open_base_file(struct ptd_store *s, struct ptd_store *base, int make)
{
    struct stat st;
    uint32_t magic = 0;
    base->data = make ? create_file(s, BASE) : open_base_file(s);
    if (base->data < 0) return -1;
    if (fstat(base->data, &st) < 0) return ptd_fail(PTD_NOINPUT, "store %s: base.mdb:", s->dir);
    base->dev = st.st_dev;
    base->ino = st.st_ino;
    if (make) return 0;
    if (!st.st_size) return ptd_fail(PTD_DATAERR, "store %s: base.mdb is empty", s->dir);
    if (pread(base->data, &magic, sizeof magic, PAGE_HEAD) == sizeof magic && magic == LMDB_MAGIC)
        return 0;
    return ptd_store_fail(base, MDB_INVALID, "opening");
}

void ptd_store_unmake_base_file(struct ptd_store *s)
{
    struct stat st;
    if (fstatat(s->at, names[BASE], &st, AT_SYMLINK_NOFOLLOW) == 0 && is_file(&st, &s->made[BASE]))
        unlinkat(s->at, names[BASE], 0);
    s->made[BASE] = (struct ptd_store_file){0};
}

/* ---- lock.mdb ---- */

/* LMDB's own, or what becomes it: empty, or on its way from zeros when its maker was killed. */
static int is_lock_file(int fd, const struct stat *st)
{
    static const char zeros[LOCK_SIZE - LOCK_HEAD];
    char bytes[LOCK_SIZE];
    uint32_t magic = 0;
    ssize_t n = pread(fd, bytes, sizeof bytes, 0);
    if (n >= (ssize_t)sizeof magic) memcpy(&magic, bytes, sizeof magic);
    if (magic == LMDB_MAGIC) return 1;
    if (magic || n < 0 || st->st_nlink > 1) return 0;
    return !st->st_size || (st->st_size == LOCK_SIZE && n == LOCK_SIZE &&
                            !memcmp(bytes + LOCK_HEAD, zeros, sizeof zeros));
}

/* A file that we made is for those who may write data.mdb. */
static void give_away(struct ptd_store *s, int fd)
{
    struct stat st;
    if (fstat(s->data, &st) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0 ||
        fchmod(fd, st.st_mode & 0666) < 0)
        errno = 0; /* it is ours, then */
}

static int make_lock_file(struct ptd_store *s)
{
    if (faccessat(s->at, names[DATA], W_OK, AT_EACCESS) < 0) return -1;
    int fd = open_file(s, names[LOCKS], O_RDWR | O_CREAT | O_EXCL);
    if (fd < 0) return errno == EEXIST ? 0 : -1;
    give_away(s, fd);
    int rc = fill_lock_file(fd), reason = errno;
    if (rc < 0) unlinkat(s->at, names[LOCKS], 0);
    close(fd);
    errno = reason;
    return rc;
}

/* Who cannot have lock.mdb written reads without LMDB's locks. Where somebody trains that would
 * soon read what is written over. */
static int read_without(struct ptd_store *s, const char *reason)
{
    if (ptd_store_trained(s))
        return ptd_fail(PTD_NOPERM,
                        "store %s: is being trained; to be read meanwhile its lock.mdb must be "
                        "written, which failed: %s",
                        s->dir, reason);
    s->lockless = 1;
    return 0;
}

static int cannot_lock(struct ptd_store *s)
{
    int reason = errno;
    give_up_cache(s, names[LOCKS], reason);
    errno = reason;
    if (s->mode == PTD_STORE_READ && (is_refusal(reason) || reason == ENOSPC || reason == EDQUOT))
        return read_without(s, strerror(reason));
    return ptd_fail(PTD_NOPERM, "store %s: lock.mdb:", s->dir);
}

static struct flock range(short type, off_t from, off_t len)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = from, .l_len = len};
}

static int is_locked(int fd, off_t from, off_t len)
{
    struct flock l = range(F_WRLCK, from, len);
    return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

/* Two who go by different lock.mdb would not see each other, and ruin data.mdb: each lock.mdb has a
 * byte of it, which those share who go by it. */
static int agree(struct ptd_store *s)
{
    off_t at = 1 + (off_t)(s->locks & INT64_MAX >> 1);
    struct flock mine = range(F_RDLCK, at, 1);
    if (fcntl(s->data, F_OFD_SETLK, &mine) < 0 && errno != EAGAIN && errno != EACCES)
        return ptd_fail(PTD_IOERR, "store %s: locking data.mdb:", s->dir);
    if (!is_locked(s->data, at + 1, 0) && (at == 1 || !is_locked(s->data, 1, at - 1))) return 0;
    return ptd_fail(
        PTD_NOPERM,
        "store %s: its data.mdb is in use with another lock.mdb: it has another name, or "
        "lock.mdb was replaced",
        s->dir);
}

/* A lock.mdb with more names than data.mdb has is another store's too, whose count of transactions
 * would be taken for this one's. */
static int check_links(struct ptd_store *s, const struct stat *locks)
{
    struct stat data;
    if (fstat(s->data, &data) < 0) return ptd_fail(PTD_NOINPUT, "store %s: data.mdb:", s->dir);
    if (locks->st_nlink <= data.st_nlink) return 0;
    return ptd_fail(
        PTD_NOPERM,
        "store %s: its lock.mdb has other names (hard links): expected a file of its own; while "
        "nobody uses it, it may be removed here",
        s->dir);
}

int ptd_store_share_lock(struct ptd_store *s)
{
    struct stat st;
    int there = look_at(s, names[LOCKS], &st);
    if (there == 0) there = make_lock_file(s) == 0 ? look_at(s, names[LOCKS], &st) : 0;
    if (there < 0 || (there && check_once(s, st.st_dev, st.st_ino) < 0)) return -1;
    int fd = there ? open_file(s, names[LOCKS], O_RDWR) : -1;
    if (fd < 0) return cannot_lock(s);
    there = fstat(fd, &st) == 0 && is_lock_file(fd, &st);
    close(fd); /* before LMDB takes its locks: they would go */
    s->locks = st.st_ino;
    if (there) return check_links(s, &st) < 0 ? -1 : agree(s);
    return ptd_fail(PTD_NOPERM, "store %s: its lock.mdb is none of LMDB's, and is left alone",
                    s->dir);
}

/* ---- one trainer ---- */

/* "HOST PID", of who trains or trained last, and the descriptor of its live generations (live.h) if
 * it had any; or empty, if it was killed early. Any other is not ours. */
struct note {
    char host[256];
    long pid;
    int live; /* -1: none */
};

static int read_note(int fd, struct note *note)
{
    char text[320] = "", after;
    struct stat st;
    int end = 0;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    *note = (struct note){.live = -1};
    if (fstat(fd, &st) < 0 || n < 0 || st.st_size != n) return -1;
    if (n == 0) return st.st_nlink == 1 ? 0 : -1;
    int got = sscanf(text, "%255s %ld%c%n", note->host, &note->pid, &after, &end);
    if (got == 3 && after == ' ') {
        int more = 0;
        got = 1 + sscanf(text + end, "%d%c%n", &note->live, &after, &more);
        end += more;
    }
    return got == 3 && after == '\n' && end == n ? 1 : -1;
}

static int write_note(struct ptd_store *s, int live)
{
    char text[320], host[256] = "localhost";
    gethostname(host, sizeof host - 1);
    int n = snprintf(text, sizeof text, "%s %ld", host, (long)getpid());
    if (live >= 0) n += snprintf(text + n, sizeof text - n, " %d", live);
    text[n++] = '\n';
    if (ftruncate(s->lock, 0) < 0 || pwrite(s->lock, text, n, 0) != n)
        return ptd_fail(PTD_IOERR, "store %s: writing its lock:", s->dir);
    return 0;
}

int ptd_store_note_live(struct ptd_store *s, int fd)
{
    return write_note(s, fd);
}

int ptd_store_noted_live(struct ptd_store *s, long *pid)
{
    struct note note;
    int fd = open_file(s, names[NOTE], O_RDONLY);
    if (fd < 0) return -1;
    int got = read_note(fd, &note);
    close(fd);
    *pid = note.pid;
    return got == 1 ? note.live : -1;
}

int ptd_store_trained(struct ptd_store *s)
{
    if (is_locked(s->data, 0, 1)) return 1;
    int fd = open_file(s, names[NOTE], O_RDONLY); /* earlier programs lock it alone */
    int held = fd >= 0 && is_locked(fd, 0, 0);
    if (fd >= 0) close(fd);
    return held;
}

int ptd_store_stop_trainer(struct ptd_store *s)
{
    struct note note;
    char host[256] = "localhost";
    int fd = open_file(s, names[NOTE], O_RDONLY);
    int got = fd < 0 ? 0 : read_note(fd, &note);
    if (fd >= 0) close(fd);
    gethostname(host, sizeof host - 1);
    if (!ptd_store_trained(s) || got != 1) return 0;
    if (strcmp(host, note.host) != 0)
        return ptd_fail(PTD_NOPERM,
                        "store %s is trained on %s, by pid %ld: it cannot be ended "
                        "from here",
                        s->dir, note.host, note.pid);
    if (kill((pid_t)note.pid, SIGTERM) == 0) return 1;
    return errno == ESRCH
               ? 0
               : ptd_fail(PTD_NOPERM, "store %s: ending its trainer, pid %ld:", s->dir, note.pid);
}

static int refuse_second(struct ptd_store *s, const char *name)
{
    struct note note;
    if (errno != EAGAIN && errno != EACCES)
        return ptd_fail(PTD_IOERR, "store %s: locking %s:", s->dir, name);
    if (name == names[NOTE] && read_note(s->lock, &note) == 1)
        return ptd_fail(PTD_NOPERM, "store %s is being trained by pid %ld on %s", s->dir, note.pid,
                        note.host);
    return ptd_fail(PTD_NOPERM, "store %s is being trained by another process%s", s->dir,
                    name == names[DATA] ? ", under another name of its data.mdb" : "");
}

/* The lock of the open file, not of the process: it can be asked after without being touched, and
 * goes when its holder does. */
int ptd_store_take_lock(struct ptd_store *s)
{
    struct flock all = range(F_WRLCK, 0, 0), data = range(F_WRLCK, 0, 1);
    struct note note;
    struct stat st;
    int there = look_at(s, names[NOTE], &st);
    if (there < 0) return -1;
    if (s->lock < 0) s->lock = open_file(s, names[NOTE], O_RDWR | O_CREAT);
    if (s->lock < 0) return ptd_fail(PTD_NOPERM, "store %s: lock:", s->dir);
    if (!there) give_away(s, s->lock);
    if (fcntl(s->lock, F_OFD_SETLK, &all) < 0) return refuse_second(s, names[NOTE]);
    if (read_note(s->lock, &note) < 0) /* with the lock, since who has it may be writing his */
        return ptd_fail(PTD_NOPERM,
                        "store %s: its lock is no note of who trains it, and is left alone",
                        s->dir);
    if (fcntl(s->data, F_OFD_SETLK, &data) < 0) return refuse_second(s, names[DATA]);
    return write_note(s, -1);
}

void ptd_store_close_files(struct ptd_store *s)
{
    if (s->lock >= 0) close(s->lock);
    if (s->data >= 0) close(s->data);
    if (s->at >= 0) close(s->at);
    free(s->uncached);
}
