/* store_base: the file of the frozen generation, base.mdb: made once, whole, with an id that
 * data.mdb knows; opened for reading ever after, without locks, since nobody writes it. What is
 * written into it is left to store_publish.c, what is read to store_tensor.c and store_map.c. */
#include "store/store_private.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPARE (16u << 20) /* pages that a transaction replaces, the trees */

static int no_cache(struct ptd_store *s, uint64_t bytes)
{
    (void)s, (void)bytes;
    return 0;
}

static struct ptd_store *new_base(struct ptd_store *s)
{
    struct ptd_store *b = ptd_alloc(sizeof *b);
    b->dir = ptd_strdup(s->dir);
    b->path = ptd_format("%s/" PTD_BASE, s->dir);
    b->file = PTD_BASE;
    b->cache.give = no_cache;
    b->at = b->data = b->lock = -1;
    b->next = ptd_store_all;
    ptd_store_all = b;
    return s->base = b;
}

static int open_environment(struct ptd_store *b, unsigned flags)
{
    int rc = mdb_env_create(&b->env);
    if (rc) return ptd_store_fail(b, rc, "opening");
    ptd_store_guard(b);
    mdb_env_set_maxdbs(b->env, 2);
    if (b->map) mdb_env_set_mapsize(b->env, b->map);
    rc = mdb_env_open(b->env, b->path, MDB_NOSUBDIR | MDB_NOTLS | MDB_NOLOCK | flags, 0644);
    return rc ? ptd_store_fail(b, rc, "opening") : ptd_store_check_length(b);
}

void ptd_store_drop_base(struct ptd_store *s)
{
    ptd_store_close(s->base);
    s->base = NULL;
    ptd_store_unmake_base_file(s);
}

/* ---- making ---- */

static int create_databases(struct ptd_store *b, MDB_txn *txn, const void *arg)
{
    (void)arg;
    int rc = mdb_dbi_open(txn, ptd_store_db[DB_META], MDB_CREATE, &b->db[DB_META]);
    return rc ? rc : mdb_dbi_open(txn, ptd_store_db[DB_WEIGHTS], MDB_CREATE, &b->db[DB_WEIGHTS]);
}

/* The map is as large as what comes, so that readers take no more address space than that. */
static int make(struct ptd_store *s, size_t room)
{
    struct ptd_store *b = new_base(s);
    size_t most = s->map ? s->map : PTD_STORE_MAP;
    room += room / 8 + SPARE;
    b->map = (room < most ? room : most) / 65536 * 65536;
    b->mode = PTD_STORE_CREATE;
    if (ptd_store_open_base_file(s, b, 1) < 0 || open_environment(b, 0) < 0) return -1;
    if (ptd_store_change(b, create_databases, NULL, "creating") < 0) return -1;
    return ptd_store_sync_directory(s);
}

int ptd_store_make_base(struct ptd_store *s, size_t room)
{
    if (make(s, room) == 0) return 0;
    ptd_store_drop_base(s);
    return -1;
}

static int put_id(struct ptd_store *b, MDB_txn *txn, const void *arg)
{
    return ptd_store_put_plain(b, txn, DB_META, PTD_BASE_KEY, arg, strlen(arg));
}

static int name(struct ptd_store *b, char id[17])
{
    char prefix[PTD_PREFIX];
    uint64_t digest;
    ptd_store_prefix(prefix, "", 0);
    if (ptd_store_view(b) < 0) return -1;
    int rc = ptd_store_digest(b, prefix, &digest);
    ptd_store_view_end(b);
    if (rc) return ptd_store_fail(b, rc, "reading what it holds");
    snprintf(id, 17, "%016llx", (unsigned long long)digest);
    return ptd_store_change(b, put_id, id, "publishing generation 0");
}

/* The hole at its end goes: it will not grow. */
static int finish_file(struct ptd_store *b)
{
    MDB_envinfo info;
    mdb_env_info(b->env, &info);
    off_t end = (off_t)((info.me_last_pgno + 1) * ptd_store_page(b));
    if (ftruncate(b->data, end) < 0 || fsync(b->data) < 0)
        return ptd_fail(PTD_IOERR, "store %s: " PTD_BASE ":", b->dir);
    return 0;
}

int ptd_store_seal_base(struct ptd_store *s, char id[17])
{
    if (name(s->base, id) < 0 || finish_file(s->base) < 0) return -1;
    ptd_store_close(s->base);
    s->base = NULL;
    return ptd_store_open_base(s);
}

/* ---- opening ---- */

/* One transaction for good: the file stays as it is. */
static int open_databases(struct ptd_store *b)
{
    int rc = mdb_txn_begin(b->env, NULL, MDB_RDONLY, &b->view);
    if (!rc) rc = mdb_dbi_open(b->view, ptd_store_db[DB_META], 0, &b->db[DB_META]);
    if (!rc) rc = mdb_dbi_open(b->view, ptd_store_db[DB_WEIGHTS], 0, &b->db[DB_WEIGHTS]);
    if (rc) return ptd_store_fail(b, rc, "opening its databases");
    b->viewing = 1;
    return 0;
}

static int other_id(struct ptd_store *s, int rc)
{
    if (rc && rc != MDB_NOTFOUND) return ptd_store_fail(s, rc, "reading its id");
    return ptd_fail(PTD_DATAERR,
                    "store %s: its base.mdb is not the one that its data.mdb was made with",
                    s->dir);
}

/* s is in a view, or has none yet: then there is nothing to compare with. */
static int check_id(struct ptd_store *s)
{
    MDB_val theirs, ours;
    int rc = ptd_store_get_plain(s->base, s->base->view, DB_META, PTD_BASE_KEY, &ours);
    if (rc) return other_id(s->base, rc);
    if (!s->viewing) return 0;
    rc = ptd_store_get_plain(s, s->view, DB_STATE, "base", &theirs);
    if (!rc && theirs.mv_size == ours.mv_size &&
        !memcmp(theirs.mv_data, ours.mv_data, ours.mv_size))
        return 0;
    return other_id(s, rc);
}

int ptd_store_open_base(struct ptd_store *s)
{
    struct ptd_store *b = new_base(s);
    if (ptd_store_open_base_file(s, b, 0) < 0 || open_environment(b, MDB_RDONLY) < 0) return -1;
    return open_databases(b) < 0 ? -1 : check_id(s);
}
