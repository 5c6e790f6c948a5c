/* store_partial: generations that hold a part of the tensors only: what moved. The others are those
 * of generation 0. How tensors lie is store_piece.c's, how generations come and go
 * store_publish.c's. */
#include "store/store_private.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* state: how many tensors of its own a partial generation holds. It goes with the generation. */
static const char *mark_of(char key[PTD_PREFIX + 16], int64_t generation)
{
    snprintf(key, PTD_PREFIX + 16, "partial/%08" PRIx32, (uint32_t)generation);
    return key;
}

int ptd_store_mark_partial(struct ptd_store *s, MDB_txn *txn, int64_t generation, int tensors)
{
    char key[PTD_PREFIX + 16], text[16];
    int n = snprintf(text, sizeof text, "%d", tensors);
    MDB_val k = ptd_store_key(mark_of(key, generation));
    if (tensors) return ptd_store_put_plain(s, txn, DB_STATE, key, text, (size_t)n);
    int rc = mdb_del(txn, s->db[DB_STATE], &k, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Tensors: keys that are no later piece of one. */
static int count_one(void *n, const MDB_val *rest, const MDB_val *value)
{
    (void)value;
    *(long *)n += !memchr(rest->mv_data, '#', rest->mv_size);
    return 0;
}

int ptd_store_partial(struct ptd_store *s, int64_t generation, int *partial)
{
    char key[PTD_PREFIX + 16], prefix[PTD_PREFIX], text[24];
    MDB_val v;
    long found = 0;
    *partial = 0;
    if (!generation) return 0;
    int rc = ptd_store_get_plain(s, s->view, DB_STATE, mark_of(key, generation), &v);
    if (rc) return rc == MDB_NOTFOUND ? 0 : rc;
    snprintf(text, sizeof text, "%.*s", v.mv_size > 20 ? 20 : (int)v.mv_size, (char *)v.mv_data);
    ptd_store_prefix(prefix, "", generation);
    *partial = 1;
    if ((rc = ptd_store_each(s, prefix, count_one, &found))) return rc;
    if (found == strtol(text, NULL, 10)) return 0;
    ptd_fail(PTD_DATAERR, "store %s: generation %" PRId64 " holds %ld tensors, expected %s%s",
             s->dir, generation, found, text, ptd_store_doubt(s));
    return KEPT;
}

/* 1 if there is a first piece of this tensor under the prefix, 0 if not, an LMDB code. */
static int holds(struct ptd_store *s, const char *prefix, const char *name, int *there)
{
    struct ptd_store *keeper = ptd_store_keeper(s, prefix);
    char key[KEY_MAX + 1];
    MDB_val k, v;
    snprintf(key, sizeof key, "%s%s", prefix, name);
    k = ptd_store_key(key);
    int rc = mdb_get(keeper->view, keeper->db[DB_WEIGHTS], &k, &v);
    *there = !rc;
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int ptd_store_prefix_of(struct ptd_store *s, int64_t generation, int partial, const char *name,
                        char prefix[PTD_PREFIX])
{
    int there = 1, rc = 0;
    ptd_store_prefix(prefix, "", generation);
    if (partial) rc = holds(s, prefix, name, &there);
    if (rc) return ptd_store_fail(s, rc, "loading");
    if (!there) ptd_store_prefix(prefix, "", 0);
    return 0;
}

int ptd_store_holds(struct ptd_store *s, int64_t generation, const char *name)
{
    char prefix[PTD_PREFIX];
    int there = 0;
    if (generation < 0 || ptd_store_view(s) < 0) return 0;
    ptd_store_prefix(prefix, "", generation);
    int rc = holds(s, prefix, name, &there);
    ptd_store_view_end(s);
    return !rc && there;
}
