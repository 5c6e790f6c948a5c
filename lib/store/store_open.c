/* store_open: opening and creating the LMDB environment of a run, with every check that keeps a
 * damaged or foreign file from doing harm. What is read and written afterwards is left to the other
 * store files. */
#include "store/store_private.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int size_from_text(const char *text, size_t *size)
{
    static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti"};
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    for (int i = 0; i < 5; i++) {
        if (strcmp(end, units[i])) continue;
        if (errno || *text < '0' || *text > '9' || n > PTD_STORE_MAP_MOST >> (10 * i)) break;
        *size = n << (10 * i);
        return *size >= 65536 ? 0 : -1;
    }
    return -1;
}

static int check_prefault(void)
{
    const char *text = getenv("PTD_PREFAULT");
    if (!text || !*text || !strcmp(text, "0") || !strcmp(text, "1")) return 0;
    return ptd_fail(PTD_CONFIG, "PTD_PREFAULT: found \"%.64s\", expected 0 or 1", text);
}

/* PTD_STORE_MAX and PTD_PREFAULT, whatever a store is opened for: what is malformed must not wait
 * until it is needed. */
static int read_environment(struct ptd_store *s)
{
    const char *text = getenv("PTD_STORE_MAX");
    if (check_prefault() < 0) return -1;
    if (text && size_from_text(text, &s->map) < 0)
        return ptd_fail(
            PTD_CONFIG,
            "PTD_STORE_MAX: found \"%s\", expected bytes from 64Ki to 64Ti (with Ki, Mi, Gi, Ti)",
            text);
    s->map = (s->map + 65535) / 65536 * 65536;
    if (!text && s->mode & PTD_STORE_CREATE) s->map = PTD_STORE_MAP;
    return 0;
}

/* A cut file opens without complaint and kills with SIGBUS at the first touch; only meta pages were
 * touched so far. */
int ptd_store_check_length(struct ptd_store *s)
{
    MDB_envinfo info;
    struct stat st;
    mdb_filehandle_t fd;
    mdb_env_info(s->env, &info);
    uint64_t page = ptd_store_page(s);
    if (mdb_env_get_fd(s->env, &fd) || fstat(fd, &st))
        return ptd_fail(PTD_IOERR, "store %s: %s:", s->dir, s->file);
    if (st.st_dev != s->dev || st.st_ino != s->ino)
        return ptd_fail(PTD_IOERR, "store %s: %s was replaced while it was opened", s->dir,
                        s->file);
    if (info.me_last_pgno < (uint64_t)st.st_size / page) return 0;
    return ptd_fail(PTD_DATAERR,
                    "store %s: %s has %lld bytes, expected at least %llu: cut short or damaged",
                    s->dir, s->file, (long long)st.st_size,
                    (unsigned long long)((info.me_last_pgno + 1) * page));
}

static int open_environment(struct ptd_store *s)
{
    unsigned flags =
        MDB_NOTLS | (s->mode == PTD_STORE_READ ? MDB_RDONLY : 0) | (s->lockless ? MDB_NOLOCK : 0);
    int dead, rc = mdb_env_create(&s->env);
    if (rc) return ptd_store_fail(s, rc, "opening");
    ptd_store_guard(s);
    mdb_env_set_maxdbs(s->env, 8);
    if (s->map) mdb_env_set_mapsize(s->env, s->map);
    rc = mdb_env_open(s->env, s->dir, flags, 0644);
    if (rc) return ptd_store_fail(s, rc, "opening");
    mdb_reader_check(s->env, &dead);
    return ptd_store_check_length(s);
}

static int create_databases(struct ptd_store *s, MDB_txn *txn, const void *arg)
{
    MDB_val v = {strlen(PTD_FORMAT), PTD_FORMAT};
    (void)arg;
    for (int i = 0; i < N_DBS; i++) {
        int rc = mdb_dbi_open(txn, ptd_store_db[i], MDB_CREATE, &s->db[i]);
        if (rc) return rc;
    }
    return ptd_store_put(s, txn, DB_META, PTD_FORMAT_KEY, &v, 0);
}

/* The files and the state are read by those who take a missing one for none: damage to them shows
 * here. */
static int check_values(struct ptd_store *s)
{
    int rc = ptd_store_check_plain(s, s->view, DB_META);
    if (!rc) rc = ptd_store_check_plain(s, s->view, DB_STATE);
    return rc ? ptd_store_fail(s, rc, "reading its files and state") : 0;
}

static int is_format(const MDB_val *v, const char *format)
{
    return v->mv_size == strlen(format) && !memcmp(v->mv_data, format, v->mv_size);
}

/* The format is kept without a header, so that any version can read any other's. */
static int check_format(struct ptd_store *s)
{
    MDB_val v, k = ptd_store_key(PTD_FORMAT_KEY);
    int rc = mdb_get(s->view, s->db[DB_META], &k, &v);
    if (rc) return ptd_store_fail(s, rc, "reading its format");
    int frozen = is_format(&v, PTD_FORMAT_FROZEN);
    if (!frozen && !is_format(&v, PTD_FORMAT))
        return ptd_fail(PTD_DATAERR,
                        "store %s: format %.*s, expected " PTD_FORMAT " or " PTD_FORMAT_FROZEN,
                        s->dir, v.mv_size > 20 ? 20 : (int)v.mv_size, (char *)v.mv_data);
    rc = ptd_store_get_plain(s, s->view, DB_STATE, "head", &v);
    if (rc == MDB_NOTFOUND)
        return ptd_fail(PTD_DATAERR,
                        "store %s: no generation published: its creation was interrupted; remove "
                        "it and create it again",
                        s->dir);
    if (rc) return ptd_store_fail(s, rc, "reading its head");
    if (check_values(s) < 0) return -1;
    return frozen ? ptd_store_open_base(s) : 0;
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
        rc = ptd_fail(PTD_DATAERR,
                      "store %s: its creation was interrupted, or it is not a PTD store", s->dir);
    else if (rc)
        rc = ptd_store_fail(s, rc, "opening its databases");
    else
        rc = check_format(s);
    if (ptd_store_is_stale(s)) rc = ptd_fail(PTD_NOPERM, "store %s: %s", s->dir, ptd_store_stale);
    mdb_txn_commit(s->view); /* what makes the handles last */
    s->view = NULL;
    s->viewing = 0;
    return rc;
}

/* Publishing takes and frees pieces of 4 MiB, as much as a generation in all. By itself malloc
 * gives them back to the system each time, and fetching cleared pages anew cost more than a third
 * of a commit. */
static void keep_freed_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 8 << 20);
    mallopt(M_TRIM_THRESHOLD, 512 << 20);
}

static int open_store(struct ptd_store *s)
{
    int create = s->mode & PTD_STORE_CREATE,
        trains = s->mode & (PTD_STORE_TRAIN | PTD_STORE_CREATE);
    if (read_environment(s) < 0) return -1;
    if ((create ? ptd_store_make_files(s) : ptd_store_open_data(s)) < 0) return -1;
    if (ptd_store_share_lock(s) < 0) return -1;
    if (trains && ptd_store_take_lock(s) < 0) return -1;
    if (trains) keep_freed_memory();
    if (open_environment(s) < 0) return -1;
    if (!create && open_databases(s) < 0) return -1;
    if (s->uncached)
        ptd_warn("store %s: nothing will be added to its cache: %s", s->dir, s->uncached);
    if (!create) return 0;
    if (ptd_store_change(s, create_databases, NULL, "creating") < 0) return -1;
    return ptd_store_sync_directory(s);
}

int ptd_store_open(struct ptd_store **out, const char *dir, int mode)
{
    struct ptd_store *s = ptd_alloc(sizeof *s);
    s->dir = ptd_strdup(dir);
    s->path = ptd_format("%s/data.mdb", dir);
    s->file = "data.mdb";
    s->mode = mode;
    s->cache.give = ptd_store_cache_give;
    s->at = s->data = s->lock = -1;
    s->next = ptd_store_all;
    ptd_store_all = s;
    *out = NULL;
    if (open_store(s) < 0) {
        const char *doubt = ptd_failed_status() == PTD_DATAERR ? ptd_store_doubt(s) : "";
        if (*doubt) ptd_fail(PTD_DATAERR, "store %s: data.mdb is damaged%s", dir, doubt);
        ptd_store_remove(s);
        ptd_store_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

void ptd_store_close(struct ptd_store *s)
{
    if (!s) return;
    ptd_store_close(s->base);
    for (struct ptd_store **at = &ptd_store_all; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    if (ptd_store_used == s) ptd_store_used = ptd_store_all;
    if (s->view) mdb_txn_abort(s->view);
    if (s->env) mdb_env_close(s->env);
    ptd_store_close_files(s);
    free(s->path);
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
