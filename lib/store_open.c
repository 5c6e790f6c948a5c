/* store_open: opening and creating the LMDB environment of a run, with every check that keeps a damaged or
 * foreign file from doing harm. What is read and written afterwards is left to the other store files. */
#include "store_private.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT "1"

static struct ptd_store *all_open;

static int size_from_text(const char *text, size_t *size)
{
    static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti"};
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    for (int i = 0; i < 5; i++) {
        if (strcmp(end, units[i])) continue;
        if (errno || *text < '0' || *text > '9' || n > (1ull << 46) >> (10 * i)) break;
        *size = n << (10 * i);
        return *size >= 65536 ? 0 : -1;
    }
    return -1;
}

/* The map's size is chosen at creation and kept in the file; PTD_STORE_MAX overrides it. */
static int set_map(struct ptd_store *s)
{
    const char *text = getenv("PTD_STORE_MAX");
    size_t size = PTD_STORE_MAP;
    if (!text && !(s->mode & PTD_STORE_CREATE)) return 0;
    if (text && size_from_text(text, &size) < 0)
        return ptd_fail(PTD_CONFIG,
                        "PTD_STORE_MAX: found \"%s\", expected bytes from 64Ki to 64Ti (with Ki, Mi, Gi, Ti)",
                        text);
    int rc = mdb_env_set_mapsize(s->env, (size + 65535) / 65536 * 65536);
    return rc ? ptd_store_fail(s, rc, "setting the map's size") : 0;
}

/* A lock of the open file, not of the process: it can be asked after without being touched, and goes when its holder does. */
static const struct flock whole_file = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

int ptd_store_trained(struct ptd_store *s)
{
    struct flock lock = whole_file;
    char *path = ptd_format("%s/lock", s->dir);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC),
        held = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    free(path);
    if (fd >= 0) close(fd);
    return held;
}

static int refuse_second(struct ptd_store *s)
{
    char owner[300] = "", host[256];
    long pid;
    if (pread(s->lock, owner, sizeof owner - 1, 0) > 0 && sscanf(owner, "%255s %ld", host, &pid) == 2)
        return ptd_fail(PTD_NOPERM, "store %s is being trained by pid %ld on %s", s->dir, pid, host);
    return ptd_fail(PTD_NOPERM, "store %s is being trained by another process", s->dir);
}

static int take_lock(struct ptd_store *s)
{
    struct flock lock = whole_file;
    char *path = ptd_format("%s/lock", s->dir), owner[300] = "", host[256] = "localhost";
    s->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    free(path);
    if (s->lock < 0 && errno == ELOOP)
        return ptd_fail(PTD_NOPERM, "store %s: its lock is a symbolic link, expected a file", s->dir);
    if (s->lock < 0) return ptd_fail(PTD_IOERR, "store %s: opening its lock:", s->dir);
    if (fcntl(s->lock, F_OFD_SETLK, &lock) < 0) {
        if (errno == EAGAIN || errno == EACCES) return refuse_second(s);
        return ptd_fail(PTD_IOERR, "store %s: locking:", s->dir);
    }
    s->made = s->mode & PTD_STORE_CREATE;
    gethostname(host, sizeof host - 1);
    int n = snprintf(owner, sizeof owner, "%s %ld\n", host, (long)getpid());
    if (ftruncate(s->lock, 0) < 0 || pwrite(s->lock, owner, n, 0) != n)
        return ptd_fail(PTD_IOERR, "store %s: writing its lock:", s->dir);
    return 0;
}

static int make_directory(struct ptd_store *s)
{
    struct stat st;
    if (mkdir(s->dir, 0755) < 0 && errno != EEXIST)
        return ptd_fail(PTD_CANTCREAT, "store %s: cannot create it:", s->dir);
    if (stat(s->dir, &st) < 0 || !S_ISDIR(st.st_mode))
        return ptd_fail(PTD_CANTCREAT, "store %s: cannot create it: not a directory", s->dir);
    return 0;
}

static int check_new(struct ptd_store *s)
{
    char *path = ptd_format("%s/data.mdb", s->dir);
    int there = access(path, F_OK) == 0;
    free(path);
    return there ? ptd_fail(PTD_CANTCREAT, "store %s: is there already; remove it or choose another name",
                            s->dir)
                 : 0;
}

static int check_file(struct ptd_store *s)
{
    struct stat st;
    if (stat(s->dir, &st) < 0) return ptd_fail(PTD_NOINPUT, "store %s:", s->dir);
    if (!S_ISDIR(st.st_mode)) return ptd_fail(PTD_NOINPUT, "store %s: not a directory", s->dir);
    char *path = ptd_format("%s/data.mdb", s->dir);
    int rc = stat(path, &st);
    free(path);
    if (rc < 0) return ptd_fail(PTD_NOINPUT, "store %s: data.mdb, which a store holds:", s->dir);
    if (!S_ISREG(st.st_mode) || !st.st_size)
        return ptd_fail(PTD_DATAERR, "store %s: data.mdb is %s", s->dir,
                        st.st_size ? "no regular file" : "empty");
    for (struct ptd_store *o = all_open; o; o = o->next)
        if (o != s && o->dev == st.st_dev && o->ino == st.st_ino)
            return ptd_fail(PTD_BUG, "store %s: is open in this process already", s->dir);
    return 0;
}

/* A cut file opens without complaint and kills with SIGBUS at the first touch; only meta pages were touched
 * so far. */
static int check_length(struct ptd_store *s)
{
    MDB_envinfo info;
    struct stat st;
    mdb_filehandle_t fd;
    mdb_env_info(s->env, &info);
    uint64_t least = (uint64_t)(info.me_last_pgno + 1) * ptd_store_page(s);
    if (mdb_env_get_fd(s->env, &fd) || fstat(fd, &st))
        return ptd_fail(PTD_IOERR, "store %s: data.mdb:", s->dir);
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    if ((uint64_t)st.st_size >= least) return 0;
    return ptd_fail(PTD_DATAERR,
                    "store %s: data.mdb has %lld bytes, expected at least %llu: cut short or damaged", s->dir,
                    (long long)st.st_size, (unsigned long long)least);
}

static int open_environment(struct ptd_store *s)
{
    int dead, rc = mdb_env_create(&s->env);
    if (rc) return ptd_store_fail(s, rc, "opening");
    ptd_store_guard(s, &all_open);
    mdb_env_set_maxdbs(s->env, 8);
    if (set_map(s) < 0) return -1;
    rc = mdb_env_open(s->env, s->dir, MDB_NOTLS | (s->mode == PTD_STORE_READ ? MDB_RDONLY : 0), 0644);
    if (rc) return ptd_store_fail(s, rc, "opening");
    mdb_reader_check(s->env, &dead);
    return check_length(s);
}

static int create_databases(struct ptd_store *s, MDB_txn *txn, const void *arg)
{
    MDB_val v = {strlen(FORMAT), FORMAT};
    (void)arg;
    for (int i = 0; i < N_DBS; i++) {
        int rc = mdb_dbi_open(txn, ptd_store_db[i], MDB_CREATE, &s->db[i]);
        if (rc) return rc;
    }
    return ptd_store_put(s, txn, DB_META, PTD_FORMAT_KEY, &v, 0);
}

/* The files and the state are read by those who take a missing one for none: damage to them shows here. */
static int check_values(struct ptd_store *s)
{
    int rc = ptd_store_check_plain(s, s->view, DB_META);
    if (!rc) rc = ptd_store_check_plain(s, s->view, DB_STATE);
    return rc ? ptd_store_fail(s, rc, "reading its files and state") : 0;
}

/* The format is kept without a header, so that any version can read any other's. */
static int check_format(struct ptd_store *s)
{
    MDB_val v, k = ptd_store_key(PTD_FORMAT_KEY);
    int rc = mdb_get(s->view, s->db[DB_META], &k, &v);
    if (rc) return ptd_store_fail(s, rc, "reading its format");
    if (v.mv_size != strlen(FORMAT) || memcmp(v.mv_data, FORMAT, v.mv_size))
        return ptd_fail(PTD_DATAERR, "store %s: format %.*s, expected " FORMAT, s->dir,
                        v.mv_size > 20 ? 20 : (int)v.mv_size, (char *)v.mv_data);
    rc = ptd_store_get_plain(s, s->view, DB_STATE, "head", &v);
    if (rc == MDB_NOTFOUND)
        return ptd_fail(
            PTD_DATAERR,
            "store %s: no generation published: its creation was interrupted; remove it and create it again",
            s->dir);
    return rc ? ptd_store_fail(s, rc, "reading its head") : check_values(s);
}

static int open_databases(struct ptd_store *s)
{
    int rc = 0;
    if (ptd_store_view(s) < 0) return -1;
    for (int i = 0; i < N_DBS && !rc; i++) {
        rc = mdb_dbi_open(s->view, ptd_store_db[i], 0, &s->db[i]);
        if (rc == MDB_NOTFOUND && i == DB_ORDER) rc = 0; /* earlier programs knew no order */
    }
    if (rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE)
        rc =
            ptd_fail(PTD_DATAERR, "store %s: its creation was interrupted, or it is not a PTD store", s->dir);
    else if (rc)
        rc = ptd_store_fail(s, rc, "opening its databases");
    else
        rc = check_format(s);
    mdb_txn_commit(s->view); /* what makes the handles last */
    s->view = NULL;
    s->viewing = 0;
    return rc;
}

/* The directory's entries must survive a power failure as the first commit does. */
static int sync_directory(struct ptd_store *s)
{
    int fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0) close(fd);
    return rc < 0 ? ptd_fail(PTD_IOERR, "store %s: syncing its directory:", s->dir) : 0;
}

/* Publishing takes and frees pieces of 4 MiB, as much as a generation in all. By itself malloc gives them back to the system each time, and
 * fetching cleared pages anew cost more than a third of a commit. */
static void keep_freed_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 8 << 20);
    mallopt(M_TRIM_THRESHOLD, 512 << 20);
}

static int open_store(struct ptd_store *s)
{
    int create = s->mode & PTD_STORE_CREATE;
    if (create && (make_directory(s) < 0 || check_new(s) < 0)) return -1;
    if (!create && check_file(s) < 0) return -1;
    if (s->mode & (PTD_STORE_TRAIN | PTD_STORE_CREATE) && take_lock(s) < 0) return -1;
    if (s->mode & (PTD_STORE_TRAIN | PTD_STORE_CREATE)) keep_freed_memory();
    if (create && check_new(s) < 0) { /* again: two may have started at once */
        s->made = 0;
        return -1;
    }
    if (open_environment(s) < 0) return -1;
    if (!create) return open_databases(s);
    if (ptd_store_change(s, create_databases, NULL, "creating") < 0) return -1;
    return sync_directory(s);
}

void ptd_store_remove(const char *dir)
{
    static const char *const made[] = {"data.mdb", "lock.mdb", "lock"};
    int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 3 && at >= 0; i++) unlinkat(at, made[i], 0);
    if (at >= 0) close(at);
    rmdir(dir);
}

int ptd_store_open(struct ptd_store **out, const char *dir, int mode)
{
    struct ptd_store *s = ptd_alloc(sizeof *s);
    s->dir = ptd_strdup(dir);
    s->mode = mode;
    s->lock = -1;
    s->next = all_open;
    all_open = s;
    *out = NULL;
    if (open_store(s) < 0) {
        if (s->made) ptd_store_remove(dir);
        ptd_store_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

void ptd_store_close(struct ptd_store *s)
{
    if (!s) return;
    for (struct ptd_store **at = &all_open; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    if (ptd_store_used == s) ptd_store_used = all_open;
    if (s->view) mdb_txn_abort(s->view);
    if (s->env) mdb_env_close(s->env);
    if (s->lock >= 0) close(s->lock);
    free(s->dir);
    free(s);
}

const char *ptd_store_path(const struct ptd_store *s)
{
    return s->dir;
}

int ptd_store_is(const struct ptd_store *s, const char *dir)
{
    struct stat st;
    char *path = ptd_format("%s/data.mdb", dir);
    int same = stat(path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino;
    free(path);
    return same;
}
