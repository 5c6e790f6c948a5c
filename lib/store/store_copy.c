/* store_copy: a sound copy of a store, whether it is trained meanwhile or not: one snapshot,
 * without its free pages, checked and published whole. How LMDB writes it is LMDB's. */
#include "base/folder.h"
#include "base/progress.h"
#include "base/size.h"
#include "store/store_private.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS 50000000 /* between looks at how far it is */

struct copy {
    struct ptd_store *from;
    const volatile int *stop;
    char *dir, *part;
    struct ptd_store *file; /* what is copied now: from, or its base */
    int fd;                 /* of the copy */
    uint64_t done;          /* bytes of the file before */
    int rc;                 /* an LMDB code or errno */
    sem_t over;
    struct ptd_progress progress;
    long pages; /* checked */
};

/* ---- the folder ---- */

/* What is there until the copy is whole: nothing is left of it, from wherever the program ends. */
static struct {
    const char *part;
    int folder; /* its descriptor */
} unfinished;

static void discard(void)
{
    static const char *const made[] = {"data.mdb", "lock.mdb", PTD_BASE};
    if (!unfinished.part) return;
    for (int i = 0; i < 3; i++) unlinkat(unfinished.folder, made[i], 0);
    rmdir(unfinished.part);
    unfinished.part = NULL;
}

static void discard_of_damaged(const char *words)
{
    (void)words;
    discard();
}

static int make_folder(const char *dir, const char *part)
{
    static int registered;
    struct stat st;
    if (lstat(dir, &st) == 0) return ptd_fail(PTD_CANTCREAT, "%s: is there already", dir);
    int rc = mkdir(part, 0777);
    if (rc < 0 && errno == EEXIST)
        return ptd_fail(PTD_CANTCREAT,
                        "%s: in the way: another copy is at work, or one that was killed left it",
                        part);
    if (rc < 0) return ptd_fail(PTD_CANTCREAT, "%s: cannot create:", part);
    if (!registered++) atexit(discard), at_quick_exit(discard);
    ptd_store_on_damage = discard_of_damaged;
    unfinished.part = part;
    unfinished.folder = open(part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return unfinished.folder < 0 ? ptd_fail(PTD_CANTCREAT, "%s: cannot open:", part) : 0;
}

static int publish(const char *dir)
{
    unlinkat(unfinished.folder, "lock.mdb", 0); /* of those who checked it */
    if (fsync(unfinished.folder) < 0)
        return ptd_fail(PTD_IOERR, "%s: cannot sync:", unfinished.part);
    if (renameat2(AT_FDCWD, unfinished.part, AT_FDCWD, dir, RENAME_NOREPLACE) < 0)
        return ptd_fail(PTD_CANTCREAT, "%s: cannot create:", dir);
    unfinished.part = NULL;
    return ptd_folder_sync_parent(dir);
}

/* ---- copying ---- */

static uint64_t bytes_in_use(struct ptd_store *s)
{
    uint64_t pages = 2;
    MDB_stat st;
    MDB_envinfo base = {0};
    if (ptd_store_view(s) < 0) return 0;
    if (s->base) mdb_env_info(s->base->env, &base);
    pages += base.me_last_pgno;
    for (int db = 0; db < N_DBS; db++)
        if (s->db[db] && !mdb_stat(s->view, s->db[db], &st))
            pages += st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
    ptd_store_view_end(s);
    return pages * ptd_store_page(s);
}

/* Pages that nobody accounts for are no damage, but stop LMDB from compacting: they are then copied
 * with the others. */
static void *copy_pages(void *arg)
{
    struct copy *c = arg;
    c->rc = mdb_env_copyfd2(c->file->env, c->fd, c->file == c->from ? MDB_CP_COMPACT : 0);
    if (c->rc == MDB_INCOMPATIBLE && !ftruncate(c->fd, 0) && !lseek(c->fd, 0, SEEK_SET))
        c->rc = mdb_env_copyfd2(c->file->env, c->fd, 0);
    sem_post(&c->over);
    return NULL;
}

/* Looks at the growing file until the other thread is through with it, or somebody wants to stop.
 */
static int await(struct copy *c)
{
    struct timespec until;
    struct stat st;
    do {
        if (*c->stop) return -1;
        if (fstat(c->fd, &st) == 0)
            ptd_progress_set(&c->progress, (long)((c->done + (uint64_t)st.st_size) / PTD_MB),
                             "copying");
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_NS;
        if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    } while (sem_clockwait(&c->over, CLOCK_MONOTONIC, &until) < 0);
    return 0;
}

static int copy_failed(struct copy *c)
{
    if (c->rc < 0) return ptd_store_fail(c->file, c->rc, "copying");
    if (c->rc == EFAULT) /* what the system was to write is not there */
        return ptd_fail(PTD_DATAERR, "store %s: %s is damaged: a page leads outside of it%s",
                        c->from->dir, c->file->file, ptd_store_doubt(c->file));
    errno = c->rc;
    /* EAGAIN: LMDB got no thread */
    return ptd_fail(errno == EAGAIN ? PTD_OSERR : PTD_IOERR,
                    "%s/%s: cannot write:", unfinished.part, c->file->file);
}

static int finish_file(struct copy *c)
{
    struct stat st = {0};
    int rc = fstat(c->fd, &st) < 0 || fsync(c->fd) < 0
                 ? ptd_fail(PTD_IOERR, "%s/%s: cannot sync:", unfinished.part, c->file->file)
                 : 0;
    c->done += (uint64_t)st.st_size;
    return close(c->fd) < 0 && !rc
               ? ptd_fail(PTD_IOERR, "%s/%s: cannot close:", unfinished.part, c->file->file)
               : rc;
}

static int write_file(struct copy *c, struct ptd_store *file)
{
    pthread_t thread;
    c->file = file;
    c->fd = openat(unfinished.folder, file->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (c->fd < 0)
        return ptd_fail(PTD_CANTCREAT, "%s/%s: cannot create:", unfinished.part, file->file);
    if (sem_init(&c->over, 0, 0)) return ptd_fail(PTD_OSERR, "%s: copying:", c->dir);
    errno = pthread_create(&thread, NULL, copy_pages, c);
    if (errno) return ptd_fail(PTD_OSERR, "%s: cannot start a thread:", c->dir);
    if (await(c) < 0) return -1; /* the thread ends with the program */
    pthread_join(thread, NULL);
    sem_destroy(&c->over);
    return c->rc ? copy_failed(c) : finish_file(c);
}

/* ---- checking: what was damaged before is not copied ---- */

static int check(const char *db, const char *key, size_t key_len, const void *value, size_t len,
                 void *ctx)
{
    struct copy *c = ctx;
    struct ptd_tensor_piece t;
    if (*c->stop) return ptd_fail(PTD_STOPPED, "stopped");
    c->pages += (long)(len / 4096);
    ptd_progress_set(&c->progress, (long)(c->pages * 4096 / PTD_MB), "checking");
    if (strcmp(db, ptd_store_db[DB_WEIGHTS]) && strcmp(db, ptd_store_db[DB_OPTIM])) return 0;
    if (ptd_store_tensor(value, len, &t) == 0) return 0;
    return ptd_fail(ptd_failed_status(), "%s \"%.*s\": %s", db, key_len > 200 ? 200 : (int)key_len,
                    key, ptd_failed_message());
}

static int check_store(struct copy *c, struct ptd_store *s)
{
    c->pages = 0;
    return ptd_store_walk(s, check, c) < 0
               ? ptd_fail(ptd_failed_status(), "store %s: not copied: %s", c->from->dir,
                          ptd_failed_message())
               : 0;
}

static int check_copy(struct copy *c)
{
    struct ptd_store *s;
    if (ptd_store_open(&s, unfinished.part, PTD_STORE_READ) < 0)
        return ptd_fail(ptd_failed_status(), "store %s: not copied: %s", c->from->dir,
                        ptd_failed_message());
    int rc = check_store(c, s);
    ptd_store_close(s);
    return rc;
}

int ptd_store_copy(struct ptd_store *s, const char *dir, const volatile int *stop)
{
    struct copy c = {.from = s, .stop = stop, .dir = ptd_strdup(dir)};
    for (size_t n = strlen(c.dir); n > 1 && c.dir[n - 1] == '/';) c.dir[--n] = 0;
    c.part = ptd_format("%s" PTD_PART, c.dir);
    int rc = make_folder(c.dir, c.part);
    ptd_progress_start(&c.progress, "MB", 0, (long)(bytes_in_use(s) / PTD_MB));
    if (rc == 0) rc = check_store(&c, s); /* LMDB trusts the pages that it compacts */
    if (rc == 0 && s->base) rc = write_file(&c, s->base);
    if (rc == 0) rc = write_file(&c, s);
    if (rc == 0) rc = check_copy(&c);
    ptd_progress_clear(&c.progress);
    if (rc == 0) rc = publish(c.dir);
    discard();
    free(c.dir);
    free(c.part);
    return rc;
}
