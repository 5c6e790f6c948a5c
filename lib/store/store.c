/* store: transactions, plain values with digests, the head, walking. Failures in words are
 * store_fail.c's, opening store_open.c's, tensors store_tensor.c's, generations store_publish.c's,
 * the cache store_cache.c's; what the values mean, their owners'. */
#include "store/store_private.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define PLAIN_MAGIC "PTDB"
#define SEND_NS     500000

size_t ptd_store_send = 4u << 20;
struct plain_head {
    char magic[4];
    uint32_t zero;
    uint64_t len, digest; /* XXH3-64 of the bytes, seeded with that of the key */
};

/* ---- transactions ---- */

/* The size that the file has by now, but for a limit of this process's own. A failure leaves no map
 * at all. */
static int map_again(struct ptd_store *s)
{
    return s->lost = mdb_env_set_mapsize(s->env, s->map);
}

/* A transaction into *txn, or it again. Others may have made the file larger than our map, and may
 * go on; a damaged one asks for what cannot be. */
static int begin(struct ptd_store *s, unsigned flags, MDB_txn **txn)
{
    int rc = s->lost;
    for (int tries = 0; !rc && tries < 100; tries++) {
        rc = *txn ? mdb_txn_renew(*txn) : mdb_txn_begin(s->env, NULL, flags, txn);
        if (rc != MDB_MAP_RESIZED || s->viewing) return rc;
        rc = map_again(s);
    }
    return rc ? rc : MDB_MAP_RESIZED;
}

int ptd_store_view(struct ptd_store *s)
{
    ptd_store_used = s;
    int rc = s->viewing ? 0 : begin(s, MDB_RDONLY, &s->view);
    if (rc) return ptd_store_fail(s, rc, "read transaction");
    if (!s->viewing++) s->intact = NULL;
    return 0;
}

static void check_snapshot(struct ptd_store *s)
{
    if (ptd_store_is_stale(s)) ptd_die(PTD_NOPERM, "store %s: %s", s->dir, ptd_store_stale);
}

void ptd_store_view_end(struct ptd_store *s)
{
    check_snapshot(s);
    if (!--s->viewing) mdb_txn_reset(s->view);
}

int ptd_store_hold(struct ptd_store *s)
{
    return ptd_store_view(s);
}

void ptd_store_release(struct ptd_store *s)
{
    ptd_store_view_end(s);
}

size_t ptd_store_page(struct ptd_store *s)
{
    MDB_stat st;
    mdb_env_stat(s->env, &st);
    return st.ms_psize;
}

/* The last pages of a transaction may be left unwritten (freed again before the commit), so a
 * healthy file can end before its last page. Making it long enough beforehand (no disk space is
 * taken) lets the length check at opening mean damage. */
static void lengthen(struct ptd_store *s)
{
    MDB_envinfo info;
    struct stat st;
    mdb_filehandle_t fd;
    size_t page = ptd_store_page(s), end;
    mdb_env_info(s->env, &info);
    end = (info.me_last_pgno + 1) * page + s->written + s->written / 64 + 256 * page;
    if (end > info.me_mapsize) end = info.me_mapsize;
    if (mdb_env_get_fd(s->env, &fd) || fstat(fd, &st) || st.st_size >= (off_t)end) return;
    if (ftruncate(fd, end)) return; /* the commit will say why */
}

/* LMDB copies all pages of a transaction into the page cache before it syncs: the disk rests while
 * memory is copied, and the copying rests while the disk writes. In a large commit a second thread
 * has the pages sent to the disk as they come: a quarter less time. It is only what the system may
 * do by itself at any moment, with pages that nobody reads yet; fdatasync and then the meta page
 * follow as ever. Sending does not wait, and so does not take write errors away from fdatasync, as
 * a second fdatasync would. Where no thread is to be had, nothing but time is lost. */
struct sending {
    mdb_filehandle_t fd;
    sem_t over;
};

static void *send_pages(void *arg)
{
    struct sending *c = arg;
    struct timespec until;
    do {
        sync_file_range(c->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += SEND_NS;
        if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    } while (sem_clockwait(&c->over, CLOCK_MONOTONIC, &until) < 0);
    return NULL;
}

static int start_sending(struct sending *c, pthread_t *sender)
{
    pthread_attr_t how;
    pthread_attr_init(&how);
    pthread_attr_setstacksize(&how, 256 << 10); /* whatever the caller's limit says */
    int refused = pthread_create(sender, &how, send_pages, c);
    pthread_attr_destroy(&how);
    return refused;
}

static int commit(struct ptd_store *s, MDB_txn *txn)
{
    struct sending c;
    pthread_t sender;
    if (s->written < ptd_store_send || mdb_env_get_fd(s->env, &c.fd) || sem_init(&c.over, 0, 0))
        return mdb_txn_commit(txn);
    int refused = start_sending(&c, &sender);
    int rc = mdb_txn_commit(txn);
    sem_post(&c.over);
    if (!refused) pthread_join(sender, NULL);
    sem_destroy(&c.over);
    return rc;
}

/* A reader that died within a transaction would hold the pages of its snapshot, and the file would
 * grow by a generation with each step. */
int ptd_store_attempt(struct ptd_store *s, ptd_store_change_fn *f, const void *arg)
{
    MDB_txn *txn = NULL;
    int dead, rc;
    mdb_reader_check(s->env, &dead);
    rc = begin(s, 0, &txn);
    if (rc) return rc;
    ptd_store_used = s;
    s->written = 0;
    s->changing = 1;
    rc = f(s, txn, arg);
    if (!rc && ptd_store_check_place(s) < 0) rc = KEPT; /* nobody would find it */
    if (rc) {
        mdb_txn_abort(txn);
    } else {
        lengthen(s);
        rc = commit(s, txn);
        if (!rc && ptd_store_check_place(s) < 0) rc = KEPT;
    }
    s->changing = 0;
    return rc;
}

int ptd_store_change(struct ptd_store *s, ptd_store_change_fn *f, const void *arg,
                     const char *doing)
{
    uint64_t bytes = 0; /* more each time: a reader may hold what was given back */
    int rc = ptd_store_attempt(s, f, arg);
    /* another process may have made it larger */
    if (rc == MDB_MAP_FULL && !s->viewing) map_again(s);
    for (int first = 1; rc == MDB_MAP_FULL; first = 0) {
        bytes = 2 * bytes + s->written;
        if (!s->cache.give(s, bytes) && !first) break;
        rc = ptd_store_attempt(s, f, arg);
    }
    return rc ? ptd_store_fail(s, rc, doing) : 0;
}

int ptd_store_put(struct ptd_store *s, MDB_txn *txn, int db, const char *key, MDB_val *v,
                  unsigned flags)
{
    MDB_val k = ptd_store_key(key);
    s->written += v->mv_size + 3 * 4096;
    return mdb_put(txn, s->db[db], &k, v, flags);
}

/* ---- plain values ---- */

static uint64_t plain_digest(const void *key, size_t key_len, const void *value, size_t len)
{
    return XXH3_64bits_withSeed(value, len, XXH3_64bits(key, key_len));
}

int ptd_store_put_plain(struct ptd_store *s, MDB_txn *txn, int db, const char *key,
                        const void *value, size_t len)
{
    struct plain_head h = {PLAIN_MAGIC, 0, len, plain_digest(key, strlen(key), value, len)};
    MDB_val v = {sizeof h + len, NULL};
    int rc = ptd_store_put(s, txn, db, key, &v, MDB_RESERVE);
    if (rc) return rc;
    memcpy(v.mv_data, &h, sizeof h);
    if (len) memcpy((char *)v.mv_data + sizeof h, value, len);
    return 0;
}

/* Checks a stored plain value and makes *v its bytes. */
static int open_plain(const void *key, size_t key_len, MDB_val *v)
{
    struct plain_head h;
    if (v->mv_size < sizeof h) return -1;
    memcpy(&h, v->mv_data, sizeof h);
    if (memcmp(h.magic, PLAIN_MAGIC, 4) || h.len != v->mv_size - sizeof h) return -1;
    v->mv_data = (char *)v->mv_data + sizeof h;
    v->mv_size = h.len;
    return h.digest == plain_digest(key, key_len, v->mv_data, v->mv_size) ? 0 : -1;
}

int ptd_store_get_plain(struct ptd_store *s, MDB_txn *txn, int db, const char *key, MDB_val *value)
{
    MDB_val k = ptd_store_key(key);
    int rc = mdb_get(txn, s->db[db], &k, value);
    if (rc) return rc;
    if (open_plain(key, k.mv_size, value) == 0) return 0;
    ptd_fail(PTD_DATAERR, "store %s: %s \"%s\": damaged (digest differs)%s", s->dir,
             ptd_store_db[db], key, ptd_store_doubt(s));
    return KEPT;
}

int ptd_store_check_plain(struct ptd_store *s, MDB_txn *txn, int db)
{
    MDB_cursor *c;
    MDB_val k, v;
    int rc = mdb_cursor_open(txn, s->db[db], &c);
    if (rc) return rc;
    while ((rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
        int format = db == DB_META && k.mv_size == strlen(PTD_FORMAT_KEY) &&
                     !memcmp(k.mv_data, PTD_FORMAT_KEY, k.mv_size);
        if (format || open_plain(k.mv_data, k.mv_size, &v) == 0) continue;
        ptd_fail(PTD_DATAERR, "store %s: %s \"%.*s\": damaged (digest differs)", s->dir,
                 ptd_store_db[db], k.mv_size > 200 ? 200 : (int)k.mv_size, (char *)k.mv_data);
        rc = KEPT;
        break;
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* A malloc'd copy of a plain value with a NUL behind it; NULL if it is absent, or (with a warning)
 * damaged. */
static char *copy_plain(struct ptd_store *s, int db, const char *key, size_t *len)
{
    MDB_val v;
    char *copy = NULL;
    /* no memory, no free reader: absent would be a lie */
    if (ptd_store_view(s) < 0) ptd_die_last();
    int rc = ptd_store_get_plain(s, s->view, db, key, &v);
    if (rc == 0) {
        copy = ptd_alloc(v.mv_size + 1);
        memcpy(copy, v.mv_data, v.mv_size);
        if (len) *len = v.mv_size;
    } else if (rc != MDB_NOTFOUND) {
        ptd_store_fail(s, rc, key);
        ptd_warn("%s", ptd_failed_message());
    }
    ptd_store_view_end(s);
    return copy;
}

char *ptd_store_get_meta(struct ptd_store *s, const char *key, size_t *len)
{
    return copy_plain(s, DB_META, key, len);
}

char *ptd_store_get_run(struct ptd_store *s)
{
    return copy_plain(s, DB_STATE, "run", NULL);
}

struct plain_value {
    int db;
    const char *key;
    const void *value;
    size_t len;
};

static int put_value(struct ptd_store *s, MDB_txn *txn, const void *arg)
{
    const struct plain_value *p = arg;
    return ptd_store_put_plain(s, txn, p->db, p->key, p->value, p->len);
}

int ptd_store_bad_key(struct ptd_store *s, const char *key)
{
    size_t n = strlen(key);
    if (n && n <= KEY_MAX) return 0;
    return ptd_fail(PTD_BUG, "store %s: key of %zu bytes, expected 1 to %d", s->dir, n, KEY_MAX);
}

int ptd_store_put_meta(struct ptd_store *s, const char *key, const void *value, size_t len)
{
    struct plain_value p = {DB_META, key, value, len};
    if (!(s->mode & (PTD_STORE_TRAIN | PTD_STORE_CREATE)))
        return ptd_fail(PTD_BUG, "store %s: not opened for training: cannot write \"%s\"", s->dir,
                        key);
    if (!strcmp(key, PTD_FORMAT_KEY))
        return ptd_fail(PTD_BUG, "store %s: \"%s\" is set at creation only", s->dir, key);
    if (ptd_store_bad_key(s, key) < 0) return -1;
    return ptd_store_change(s, put_value, &p, key);
}

/* ---- what steps asked ---- */

static const char *asked_key(char key[PTD_PREFIX + 16], int64_t step)
{
    snprintf(key, PTD_PREFIX + 16, "asked/%08" PRIx32, (uint32_t)step);
    return key;
}

int ptd_store_put_asked(struct ptd_store *s, int64_t step, const char *json)
{
    char key[PTD_PREFIX + 16];
    struct plain_value p = {DB_STATE, asked_key(key, step), json, strlen(json)};
    if (s->uncached)
        return ptd_fail(PTD_NOPERM, "store %s: what step %lld asked cannot be kept: %s", s->dir,
                        (long long)step, s->uncached);
    if (s->mode == PTD_STORE_READ)
        return ptd_fail(PTD_BUG, "store %s: opened for reading only", s->dir);
    return ptd_store_change(s, put_value, &p, "keeping what a step asked");
}

char *ptd_store_get_asked(struct ptd_store *s, int64_t step)
{
    char key[PTD_PREFIX + 16];
    return copy_plain(s, DB_STATE, asked_key(key, step), NULL);
}

#define EVALUATED "evaluated"

int ptd_store_put_evaluated(struct ptd_store *s, const char *json)
{
    struct plain_value p = {DB_STATE, EVALUATED, json, strlen(json)};
    if (s->uncached)
        return ptd_fail(PTD_NOPERM, "store %s: what was evaluated cannot be kept: %s", s->dir,
                        s->uncached);
    if (s->mode == PTD_STORE_READ)
        return ptd_fail(PTD_BUG, "store %s: opened for reading only", s->dir);
    return ptd_store_change(s, put_value, &p, "keeping what was evaluated");
}

char *ptd_store_get_evaluated(struct ptd_store *s)
{
    return copy_plain(s, DB_STATE, EVALUATED, NULL);
}

/* ---- the run's number format ---- */

int ptd_store_run_dtype(struct ptd_store *s, int *dtype)
{
    char *text = ptd_store_get_meta(s, PTD_DTYPE_KEY, NULL);
    *dtype = text ? ptd_dtype_from_name(text) : PTD_F32;
    int known = *dtype == PTD_F32 || *dtype == PTD_BF16;
    if (!known)
        ptd_fail(PTD_DATAERR, "store %s: dtype: found \"%.40s\", expected f32 or bf16", s->dir,
                 text);
    free(text);
    return known ? 0 : -1;
}

int ptd_store_put_dtype(struct ptd_store *s, MDB_txn *txn, int dtype)
{
    const char *name = ptd_dtype_name(dtype);
    MDB_val k = ptd_store_key(PTD_DTYPE_KEY);
    if (dtype != PTD_F32)
        return ptd_store_put_plain(s, txn, DB_META, PTD_DTYPE_KEY, name, strlen(name));
    int rc = mdb_del(txn, s->db[DB_META], &k, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int set_dtype(struct ptd_store *s, MDB_txn *txn, const void *arg)
{
    return ptd_store_put_dtype(s, txn, *(const int *)arg);
}

int ptd_store_set_run_dtype(struct ptd_store *s, int dtype)
{
    if (!(s->mode & PTD_STORE_CREATE))
        return ptd_fail(PTD_BUG, "store %s: not a new store", s->dir);
    return ptd_store_change(s, set_dtype, &dtype, PTD_DTYPE_KEY);
}

/* ---- the head ---- */

int ptd_store_get_head(struct ptd_store *s, MDB_txn *txn, int64_t *g)
{
    MDB_val v;
    char text[24], *end;
    int rc = ptd_store_get_plain(s, txn, DB_STATE, "head", &v);
    *g = -1;
    if (rc) return rc == MDB_NOTFOUND ? 0 : rc;
    snprintf(text, sizeof text, "%.*s", v.mv_size > 20 ? 20 : (int)v.mv_size, (char *)v.mv_data);
    *g = strtoll(text, &end, 10);
    if (end > text && !*end && *g >= 0 && *g <= UINT32_MAX) return 0;
    ptd_fail(PTD_DATAERR, "store %s: head: found \"%s\", expected a generation", s->dir, text);
    return KEPT;
}

/* ---- walking ---- */

struct walk {
    int (*f)(const char *db, const char *key, size_t key_len, const void *value, size_t len,
             void *ctx);
    void *ctx;
    char *copy; /* of values that lie unaligned in the map */
    size_t copy_cap;
};

static const void *aligned(struct walk *w, const MDB_val *v)
{
    if ((uintptr_t)v->mv_data % 8 == 0) return v->mv_data;
    if (v->mv_size > w->copy_cap) w->copy = ptd_realloc(w->copy, w->copy_cap = v->mv_size);
    return memcpy(w->copy, v->mv_data, v->mv_size);
}

static int visit(struct ptd_store *s, int db, const MDB_val *k, MDB_val *v, struct walk *w)
{
    int plain = db != DB_WEIGHTS && db != DB_OPTIM;
    plain = plain && !(db == DB_META && k->mv_size == strlen(PTD_FORMAT_KEY) &&
                       !memcmp(k->mv_data, PTD_FORMAT_KEY, k->mv_size));
    if (plain && open_plain(k->mv_data, k->mv_size, v) < 0) {
        ptd_fail(PTD_DATAERR, "store %s: %s \"%.*s\": damaged (digest differs)%s", s->dir,
                 ptd_store_db[db], (int)k->mv_size, (char *)k->mv_data, ptd_store_doubt(s));
        return KEPT;
    }
    int rc = w->f(ptd_store_db[db], k->mv_data, k->mv_size, aligned(w, v), v->mv_size, w->ctx)
                 ? KEPT
                 : 0;
    ptd_store_forget(v->mv_data, v->mv_size);
    return rc;
}

/* One database: its keys must ascend and be as many as it says. */
static int walk_one(struct ptd_store *s, int db, struct walk *w)
{
    MDB_cursor *c;
    MDB_val k, v, last = {0, NULL};
    MDB_stat st;
    size_t n = 0;
    int rc = mdb_stat(s->view, s->db[db], &st);
    if (!rc) rc = mdb_cursor_open(s->view, s->db[db], &c);
    if (rc) return rc;
    while (!(rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) &&
           (!n || mdb_cmp(s->view, s->db[db], &last, &k) < 0) && !(rc = visit(s, db, &k, &v, w)))
        last = k, n++;
    mdb_cursor_close(c);
    if (rc && rc != MDB_NOTFOUND) return rc;
    if (rc && n == st.ms_entries) return 0;
    ptd_fail(PTD_DATAERR, "store %s: %s: %s%s", s->dir, ptd_store_db[db],
             rc ? "keys are missing" : "keys out of order", ptd_store_doubt(s));
    return KEPT;
}

/* Its failures are told as the file's. */
static int walk_base(struct ptd_store *base, struct walk *w)
{
    ptd_store_used = base;
    int rc = walk_one(base, DB_WEIGHTS, w);
    if (rc && rc != KEPT) ptd_store_fail(base, rc, "walking");
    return rc ? KEPT : 0;
}

int ptd_store_walk(struct ptd_store *s,
                   int (*f)(const char *db, const char *key, size_t key_len, const void *value,
                            size_t len, void *ctx),
                   void *ctx)
{
    struct walk w = {f, ctx, NULL, 0};
    int rc = 0;
    if (ptd_store_view(s) < 0) return -1;
    for (int db = 0; db < N_DBS && !rc; db++) {
        if (db == DB_WEIGHTS && s->base) rc = walk_base(s->base, &w);
        if (!rc && s->db[db]) rc = walk_one(s, db, &w);
    }
    ptd_store_view_end(s);
    free(w.copy);
    return rc ? ptd_store_fail(s, rc, "walking") : 0;
}
