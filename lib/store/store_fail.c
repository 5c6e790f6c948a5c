/* store_fail: what went wrong with a store, in words: the stores that are open, names, why LMDB
 * refused, whether a snapshot has been written over. */
#include "base/size.h"
#include "store/store_private.h"
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LARGE     (1u << 20)        /* mapped values from here on are given back when read */
#define META_PAGE (PAGE_HEAD + 24)  /* where a meta page has the size of pages, u32, */
#define META_LAST (PAGE_HEAD + 120) /* and the last used one, u64 */

struct ptd_store *ptd_store_all, *ptd_store_used;
const char *const ptd_store_db[N_DBS] = {"meta", "weights", "optim", "state", "dist", "order"};
const char ptd_store_stale[] =
    "was written while it was read without its lock.mdb, which cannot be written "
    "here; run again when nobody trains it";

/* LMDB leaves the pages of a snapshot alone through one more commit, whoever reads it. */
int ptd_store_is_stale(struct ptd_store *s)
{
    MDB_envinfo info;
    if (!s->lockless || !s->view || s->lost) return 0;
    mdb_env_info(s->env, &info);
    return info.me_last_txnid > mdb_txn_id(s->view) + 1;
}

/* Touching one byte may map two megabytes, where the page cache holds the file in large pages. */
void ptd_store_forget(const void *data, size_t bytes)
{
    uintptr_t page = sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)data + page - 1) / page * page,
              end = ((uintptr_t)data + bytes) / page * page;
    if (bytes >= LARGE) madvise((void *)first, end - first, MADV_DONTNEED);
}

/* ---- readers ---- */

struct reader {
    long pid;
    size_t txn;
};

/* LMDB lists readers as text: pid, thread, and the snapshot's number or "-". */
static int note_reader(const char *line, void *ctx)
{
    struct reader *oldest = ctx, r;
    if (sscanf(line, "%ld %*s %zu", &r.pid, &r.txn) != 2 || r.pid == getpid()) return 0;
    if (r.txn < oldest->txn) *oldest = r;
    return 0;
}

size_t ptd_store_oldest(struct ptd_store *s, long *pid)
{
    struct reader oldest = {0, SIZE_MAX};
    mdb_reader_list(s->env, note_reader, &oldest);
    if (pid) *pid = oldest.pid;
    return oldest.txn;
}

/* ---- failures ---- */

size_t ptd_store_map_in_file(struct ptd_store *s)
{
    uint64_t size; /* behind magic, version and an address */
    return pread(s->data, &size, sizeof size, PAGE_HEAD + 16) == sizeof size ? size : 0;
}

/* 512Gi of 549755813888 */
static void size_words(char words[32], size_t size)
{
    static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti"};
    int unit = 0;
    while (unit < 4 && size && size % 1024 == 0) size /= 1024, unit++;
    snprintf(words, 32, "%zu%s", size, units[unit]);
}

static int fail_map_full(struct ptd_store *s, const char *doing)
{
    MDB_envinfo info;
    size_t kept = ptd_store_map_in_file(s), twice;
    char now[32], more[32], who[64] = "no reader holds old pages";
    long pid;
    mdb_env_info(s->env, &info);
    ptd_store_oldest(s, &pid);
    if (pid) snprintf(who, sizeof who, "oldest reader is pid %ld", pid);
    size_words(now, info.me_mapsize);
    twice = (info.me_mapsize * 2 + (1 << 20) - 1) >> 20 << 20;
    size_words(more, kept > info.me_mapsize ? kept : twice);
    return ptd_fail(PTD_IOERR,
                    "store %s: %s: map full (%s); %s; for more room, before all programs: export "
                    "PTD_STORE_MAX=%s",
                    s->dir, doing, now, who, more);
}

/* 1 if a meta page asks for more than a store can have, so that LMDB asked for such a map: its
 * size, or a last used page that is beyond the file. */
static int is_map_damaged(struct ptd_store *s)
{
    struct stat st;
    uint32_t page;
    uint64_t last;
    int beyond = 0;
    if (fstat(s->data, &st) || pread(s->data, &page, sizeof page, META_PAGE) != sizeof page)
        return 0; /* it has none yet */
    if (ptd_store_map_in_file(s) > PTD_STORE_MAP_MOST || page < 512) return 1;
    for (int meta = 0; meta < 2; meta++)
        beyond |=
            pread(s->data, &last, sizeof last, (off_t)meta * page + META_LAST) != sizeof last ||
            last >= (uint64_t)st.st_size / page;
    return beyond;
}

/* Mostly a limit on address space, which a map as large as a store may become meets first. */
static int fail_memory(struct ptd_store *s, int rc, const char *doing)
{
    char size[32];
    if (is_map_damaged(s))
        return ptd_fail(PTD_DATAERR, "store %s: %s is damaged: a page leads outside of it", s->dir,
                        s->file);
    size_words(size, s->map ? s->map : ptd_store_map_in_file(s));
    return ptd_fail(
        PTD_OSERR,
        "store %s: %s: %s; its map takes %s of address space: export a smaller PTD_STORE_MAX, or "
        "see ulimit -v",
        s->dir, doing, mdb_strerror(rc), size);
}

/* LMDB folds a short write into EIO, so the reason is worked out from what the system allows. */
static int fail_write(struct ptd_store *s, int rc, const char *doing)
{
    struct statvfs fs;
    struct rlimit limit;
    struct stat st;
    mdb_filehandle_t fd;
    uint64_t need = s->written + (1 << 20);
    if (statvfs(s->dir, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < need)
        return ptd_fail(PTD_IOERR, "store %s: %s: disk full (%s free, up to %s needed)", s->dir,
                        doing, ptd_size((double)fs.f_bavail * (double)fs.f_frsize).text,
                        ptd_size((double)need).text);
    if (mdb_env_get_fd(s->env, &fd) == 0 && fstat(fd, &st) == 0 &&
        getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < st.st_size + need)
        return ptd_fail(PTD_IOERR,
                        "store %s: %s: file size limit reached (%llu bytes, see ulimit -f)", s->dir,
                        doing, (unsigned long long)limit.rlim_cur);
    if (rc == EDQUOT) return ptd_fail(PTD_IOERR, "store %s: %s: disk quota reached", s->dir, doing);
    return ptd_fail(PTD_IOERR, "store %s: %s: %s", s->dir, doing, mdb_strerror(rc));
}

int ptd_store_fail(struct ptd_store *s, int rc, const char *doing)
{
    int status = PTD_IOERR;
    switch (rc) {
    case KEPT:
        return -1;
    case MDB_MAP_FULL:
        return fail_map_full(s, doing);
    case EIO:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return fail_write(s, rc, doing);
    case MDB_INVALID:
        return ptd_fail(PTD_DATAERR, "store %s: %s is not an LMDB file, or cut short", s->dir,
                        s->file);
    case MDB_VERSION_MISMATCH:
        return ptd_fail(PTD_DATAERR, "store %s: %s was written by another LMDB version", s->dir,
                        s->file);
    case MDB_MAP_RESIZED:
        return ptd_fail(PTD_IOERR,
                        "store %s: %s: another process opened it with a larger PTD_STORE_MAX",
                        s->dir, doing);
    case ENOMEM:
        return fail_memory(s, rc, doing);
    case MDB_CORRUPTED:
    case MDB_BAD_TXN: /* it met damage before */
    case MDB_PAGE_NOTFOUND:
    case MDB_PAGE_FULL:
    case MDB_CURSOR_FULL:
    case MDB_NOTFOUND:
    case MDB_INCOMPATIBLE:
        status = PTD_DATAERR;
        break;
    case MDB_READERS_FULL:
    case EMFILE:
    case ENFILE:
    case EAGAIN:
        status = PTD_OSERR;
        break;
    case EACCES:
    case EPERM:
    case EROFS:
        status = PTD_NOPERM;
        break;
    }
    return ptd_fail(status, "store %s: %s: %s%s", s->dir, doing, mdb_strerror(rc),
                    status == PTD_DATAERR ? ptd_store_doubt(s) : "");
}
