/* store_cache: what was computed once, kept within bounds, the oldest out first, and out of the way
 * of publishing. What the values mean is left to refer.c.
 *
 * dist holds the values by key, order their keys by the number of their coming. In stores of
 * earlier programs dist has no order: such a cache is emptied before anything is put. What they put
 * beside it later goes last. */
#include "base/size.h"
#include "store/store_private.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

/* A transaction that only deletes takes pages too, and gives none back before the one after the
 * next. So a full map cannot be emptied, and the cache leaves RESERVE bytes: enough to delete FEW
 * values, and FEW again. */
#define RESERVE  (2u << 20)
#define FEW      64
#define MANY     16384         /* values deleted in one transaction where there is room */
#define MOST     (64ull << 20) /* bytes */
#define SHARE    8             /* of the map, unless told otherwise */
#define NO_ORDER (KEPT + 1)    /* in place of an LMDB code */

/* ---- room ---- */

static uint64_t taken_by(struct ptd_store *s, MDB_txn *txn, int db)
{
    MDB_stat st;
    if (!s->db[db] || mdb_stat(txn, s->db[db], &st)) return 0;
    return (uint64_t)st.ms_psize * (st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages);
}

static uint64_t taken(struct ptd_store *s, MDB_txn *txn)
{
    return taken_by(s, txn, DB_DIST) + taken_by(s, txn, DB_ORDER);
}

/* Bytes that were freed before the oldest snapshot that somebody else reads: to be used again, if
 * only after the next commit. */
static uint64_t freed(struct ptd_store *s)
{
    size_t oldest = ptd_store_oldest(s, NULL), id, n;
    uint64_t pages = 0;
    MDB_cursor *c;
    MDB_val k, v;
    if (mdb_cursor_open(s->view, 0, &c)) return 0;
    while (!mdb_cursor_get(c, &k, &v, MDB_NEXT) && k.mv_size == sizeof id &&
           v.mv_size >= sizeof n) {
        memcpy(&id, k.mv_data, sizeof id);
        memcpy(&n, v.mv_data, sizeof n);
        if (id < oldest) pages += n;
    }
    mdb_cursor_close(c);
    return pages * ptd_store_page(s);
}

/* Bytes by which the file may still grow, by the map, the disk and the limit of files. */
static uint64_t growth(struct ptd_store *s)
{
    MDB_envinfo info;
    struct statvfs fs;
    struct rlimit limit;
    mdb_env_info(s->env, &info);
    uint64_t end = (info.me_last_pgno + 1) * ptd_store_page(s), most = info.me_mapsize;
    if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur < most) most = limit.rlim_cur;
    most = most > end ? most - end : 0;
    if (!statvfs(s->dir, &fs) && (uint64_t)fs.f_bavail * fs.f_frsize < most)
        most = (uint64_t)fs.f_bavail * fs.f_frsize;
    return most;
}

struct room {
    uint64_t cache, free;
};

static int measure(struct ptd_store *s, struct room *r)
{
    if (ptd_store_view(s) < 0) return -1;
    r->cache = taken(s, s->view);
    r->free = growth(s) + freed(s);
    ptd_store_view_end(s);
    return 0;
}

/* ---- what goes ---- */

static int open_order(struct ptd_store *s, MDB_txn *txn, int create)
{
    int rc = mdb_dbi_open(txn, ptd_store_db[DB_ORDER], create ? MDB_CREATE : 0, &s->db[DB_ORDER]);
    if (rc) s->db[DB_ORDER] = 0;
    return rc;
}

/* Deletes the first key of order, and what it names. An LMDB code. */
static int drop_first(struct ptd_store *s, MDB_txn *txn)
{
    MDB_cursor *c;
    MDB_val k, v;
    char at[20], key[KEY_MAX + 1];
    int rc = mdb_cursor_open(txn, s->db[DB_ORDER], &c);
    if (rc) return rc;
    rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
    snprintf(at, sizeof at, "%.*s", rc ? 0 : (int)k.mv_size, rc ? "" : (char *)k.mv_data);
    if (!rc && !ptd_store_get_plain(s, txn, DB_ORDER, at, &v)) {
        snprintf(key, sizeof key, "%.*s", v.mv_size > KEY_MAX ? KEY_MAX : (int)v.mv_size,
                 (char *)v.mv_data);
        k = ptd_store_key(key);
        rc = mdb_del(txn, s->db[DB_DIST], &k, NULL);
        if (rc == MDB_NOTFOUND || rc == MDB_BAD_VALSIZE) rc = 0;
    }
    if (!rc) rc = mdb_cursor_del(c, 0);
    mdb_cursor_close(c);
    return rc;
}

static int drop_any(struct ptd_store *s, MDB_txn *txn)
{
    MDB_cursor *c;
    MDB_val k, v;
    int rc = mdb_cursor_open(txn, s->db[DB_DIST], &c);
    if (rc) return rc;
    rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
    if (!rc) rc = mdb_cursor_del(c, 0);
    mdb_cursor_close(c);
    return rc;
}

/* MDB_NOTFOUND if nothing is left. */
static int drop_oldest(struct ptd_store *s, MDB_txn *txn)
{
    int rc = s->db[DB_ORDER] ? drop_first(s, txn) : MDB_NOTFOUND;
    s->written += 3 * 4096;
    return rc == MDB_NOTFOUND ? drop_any(s, txn) : rc;
}

struct eviction {
    uint64_t most; /* bytes that may stay */
    int values;    /* to be deleted at most */
    int dropped;
};

static int evict(struct ptd_store *s, MDB_txn *txn, const void *arg)
{
    struct eviction *e = (struct eviction *)(uintptr_t)arg;
    int rc = open_order(s, txn, 0);
    uint64_t before = taken(s, txn), now = before;
    if (rc == MDB_NOTFOUND) rc = 0;
    for (e->dropped = 0; !rc && now > e->most && before - now < MOST && e->dropped < e->values;
         e->dropped++) {
        rc = drop_oldest(s, txn);
        now = taken(s, txn);
        if (now > before) now = before;
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* In bounded transactions, until the cache takes at most so many bytes. An LMDB code or KEPT;
 * *dropped counts. */
static int shrink(struct ptd_store *s, uint64_t most, long *dropped)
{
    struct room r;
    for (*dropped = 0;;) {
        if (measure(s, &r) < 0) return KEPT;
        if (r.cache <= most) return 0;
        struct eviction e = {most, r.free > 16 * RESERVE ? MANY : FEW, 0};
        int rc = ptd_store_attempt(s, evict, &e);
        if (rc || !e.dropped) return rc;
        *dropped += e.dropped;
    }
}

/* Pages freed by a transaction can be used by the next but one: this is the one between. */
static int touch(struct ptd_store *s, MDB_txn *txn, const void *arg)
{
    MDB_val v, k = ptd_store_key(PTD_FORMAT_KEY);
    char format[64];
    int rc = mdb_get(txn, s->db[DB_META], &k, &v);
    (void)arg;
    if (rc || v.mv_size > sizeof format) return rc;
    v.mv_data = memcpy(format, v.mv_data, v.mv_size);
    return ptd_store_put(s, txn, DB_META, PTD_FORMAT_KEY, &v, 0);
}

int ptd_store_cache_give(struct ptd_store *s, uint64_t bytes)
{
    struct room r;
    long dropped;
    if (measure(s, &r) < 0) return 0;
    if (bytes < RESERVE) bytes = RESERVE;
    int ignored = shrink(s, r.cache > bytes ? r.cache - bytes : 0, &dropped);
    ignored = ptd_store_attempt(s, touch, NULL);
    (void)ignored; /* whoever tries again sees what came of it */
    return dropped > 0;
}

void ptd_store_cache_leave(struct ptd_store *s, uint64_t bytes)
{
    struct room r;
    bytes += RESERVE;
    if (measure(s, &r) == 0 && r.cache && r.free < bytes) ptd_store_cache_give(s, bytes - r.free);
}

/* ---- bounds ---- */

/* Whether a run publishes a tensor: what its newest generation brings; of a store that has none but
 * generation 0 adapters, or all where there are none. */
static int is_published(struct ptd_store *s, int64_t head, int adapters, const char *name)
{
    if (head > 0) return ptd_store_holds(s, head, name);
    return !adapters || ptd_store_is_adapter(name);
}

/* What a publication takes in the file: weights and two moments as float32. */
static uint64_t room_to_publish(struct ptd_store *s)
{
    struct ptd_tensor_about *list;
    int64_t head;
    int n, adapters = 0, own = 0;
    if (ptd_store_head(s, &head) < 0 || ptd_store_list(s, head, &list, &n) < 0) return 0;
    struct ptd_tensor_about *published = ptd_array((size_t)n + 1, sizeof *published);
    for (int i = 0; i < n; i++) adapters |= ptd_store_is_adapter(list[i].name);
    for (int i = 0; i < n; i++)
        if (is_published(s, head, adapters, list[i].name)) published[own++] = list[i];
    for (int i = 0; i < own; i++) published[i].dtype = PTD_F32;
    uint64_t room = 3 * ptd_store_room(published, own);
    free(published);
    ptd_store_list_free(list, n);
    return room;
}

/* How much the cache may take now: what its bound allows, and what publishing leaves to it. */
static uint64_t allowed(const struct ptd_store *s, const struct room *r)
{
    uint64_t kept = s->cache.publishing + RESERVE, all = r->cache + r->free;
    uint64_t most = all > kept ? all - kept : 0;
    return most < s->cache.max ? most : s->cache.max;
}

static int is_want_of_room(int rc)
{
    return rc == MDB_MAP_FULL || rc == MDB_TXN_FULL || rc == EIO || rc == ENOSPC || rc == EDQUOT ||
           rc == EFBIG;
}

/* A cache is only a cache: want of room is told once, and the program goes on without. -1 if
 * something else is at fault. */
static int do_without(struct ptd_store *s, int rc)
{
    if (!rc) return 0;
    ptd_store_fail(s, rc, "caching values");
    if (!is_want_of_room(rc)) return -1;
    ptd_warn("%s; going on without", ptd_failed_message());
    s->cache.off = 1;
    return 0;
}

int ptd_store_cache_max(struct ptd_store *s, int64_t bytes)
{
    MDB_envinfo info;
    struct room r;
    long dropped;
    mdb_env_info(s->env, &info);
    s->cache.max = bytes < 0 ? info.me_mapsize / SHARE : (uint64_t)bytes;
    s->cache.publishing = room_to_publish(s);
    s->cache.bounded = 1;
    if (measure(s, &r) < 0) return -1;
    return do_without(s, shrink(s, allowed(s, &r), &dropped));
}

/* ---- what comes and what is asked for ---- */

struct batch {
    const char *const *keys;
    const void *const *values;
    const size_t *lens;
    int n;
    uint64_t most; /* bytes of the cache afterwards */
};

static int last_number(struct ptd_store *s, MDB_txn *txn, uint64_t *number)
{
    MDB_cursor *c;
    MDB_val k, v;
    char text[20];
    int rc = mdb_cursor_open(txn, s->db[DB_ORDER], &c);
    if (rc) return rc;
    rc = mdb_cursor_get(c, &k, &v, MDB_LAST);
    snprintf(text, sizeof text, "%.*s", rc ? 0 : (int)k.mv_size, rc ? "" : (char *)k.mv_data);
    *number = strtoull(text, NULL, 16);
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* A value that takes another's place keeps its turn. */
static int put_one(struct ptd_store *s, MDB_txn *txn, const struct batch *b, int i,
                   uint64_t *number)
{
    MDB_val v, k = ptd_store_key(b->keys[i]);
    char at[20];
    int rc = mdb_get(txn, s->db[DB_DIST], &k, &v);
    if (rc == MDB_NOTFOUND) {
        snprintf(at, sizeof at, "%016" PRIx64, ++*number);
        rc = ptd_store_put_plain(s, txn, DB_ORDER, at, b->keys[i], strlen(b->keys[i]));
    }
    return rc ? rc : ptd_store_put_plain(s, txn, DB_DIST, b->keys[i], b->values[i], b->lens[i]);
}

static int put_batch(struct ptd_store *s, MDB_txn *txn, const void *arg)
{
    const struct batch *b = arg;
    uint64_t number;
    int rc = open_order(s, txn, 0);
    if (rc == MDB_NOTFOUND && taken_by(s, txn, DB_DIST)) return NO_ORDER;
    if (rc == MDB_NOTFOUND) rc = open_order(s, txn, 1);
    if (!rc) rc = last_number(s, txn, &number);
    for (int i = 0; i < b->n && !rc; i++) {
        if (b->lens[i] + 2 * ptd_store_page(s) > b->most) continue;
        rc = put_one(s, txn, b, i, &number);
        while (!rc && taken(s, txn) > b->most) rc = drop_oldest(s, txn);
    }
    return rc;
}

static void tell_once(struct ptd_store *s, const struct batch *b, const struct room *r)
{
    size_t bytes = 0;
    for (int i = 0; i < b->n; i++) bytes += b->lens[i];
    if (s->cache.told || b->most == s->cache.max || bytes <= b->most) return;
    s->cache.told = 1;
    ptd_warn("store %s: caching values: %s are left, and publishing takes %s; going on without",
             s->dir, ptd_size((double)r->free).text,
             ptd_size((double)(s->cache.publishing + RESERVE)).text);
}

static int keep(struct ptd_store *s, struct batch *b)
{
    struct room r;
    long dropped;
    if (measure(s, &r) < 0) return -1;
    b->most = allowed(s, &r);
    tell_once(s, b, &r);
    int rc = shrink(s, b->most, &dropped);
    if (!rc) rc = ptd_store_attempt(s, put_batch, b);
    if (rc == NO_ORDER && !(rc = shrink(s, 0, &dropped))) rc = ptd_store_attempt(s, put_batch, b);
    return do_without(s, rc);
}

int ptd_store_put_cached(struct ptd_store *s, const char *const *keys, const void *const *values,
                         const size_t *lens, int n)
{
    int rc = 0;
    if (s->uncached) return 0;
    if (s->mode == PTD_STORE_READ)
        return ptd_fail(PTD_BUG, "store %s: opened for reading only", s->dir);
    for (int i = 0; i < n; i++)
        if (ptd_store_bad_key(s, keys[i]) < 0) return -1;
    if (!s->cache.bounded) rc = ptd_store_cache_max(s, -1);
    for (int first = 0, last; first < n && !rc && !s->cache.off; first = last) {
        size_t bytes = 0;
        for (last = first; last < n && last - first < MANY && bytes < ptd_store_batch;)
            bytes += lens[last++];
        struct batch b = {keys + first, values + first, lens + first, last - first, 0};
        rc = keep(s, &b);
    }
    return rc;
}

int ptd_store_get_cached(struct ptd_store *s, const char *key, void **value, size_t *len)
{
    MDB_val v;
    *value = NULL;
    if (ptd_store_bad_key(s, key) < 0 || ptd_store_view(s) < 0) return -1;
    int rc = ptd_store_get_plain(s, s->view, DB_DIST, key, &v);
    if (rc == KEPT) {
        ptd_warn("store %s: cached value \"%s\" is damaged; computing it again", s->dir, key);
        rc = MDB_NOTFOUND;
    }
    if (rc == 0) {
        *value = ptd_alloc(v.mv_size + 1);
        memcpy(*value, v.mv_data, v.mv_size);
        *len = v.mv_size;
    }
    ptd_store_view_end(s);
    return rc == 0 ? 0 : rc == MDB_NOTFOUND ? 1 : ptd_store_fail(s, rc, "reading cached values");
}
