/* store_keys: under which keys tensors lie, and walking over them. */
#include "store/store_private.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void ptd_store_prefix(char prefix[PTD_PREFIX], const char *kind, int64_t generation)
{
    snprintf(prefix, PTD_PREFIX, "%s%08" PRIx32 "/", kind, (uint32_t)generation);
}

void ptd_store_piece_key(char key[KEY_MAX + 1], const char *prefix, const char *name, size_t piece)
{
    int n = snprintf(key, KEY_MAX + 1, "%s%s", prefix, name);
    if (piece && n < KEY_MAX) snprintf(key + n, KEY_MAX + 1 - n, "#%06zx", piece);
}

int ptd_store_seek(MDB_cursor *c, const char *from, const char *prefix, MDB_val *k, MDB_val *v)
{
    size_t n = strlen(prefix);
    *k = ptd_store_key(from);
    int rc = mdb_cursor_get(c, k, v, MDB_SET_RANGE);
    if (rc) return rc;
    return k->mv_size >= n && !memcmp(k->mv_data, prefix, n) ? 0 : MDB_NOTFOUND;
}

int ptd_store_has_prefix(struct ptd_store *s, MDB_txn *txn, int db, const char *prefix)
{
    MDB_cursor *c;
    MDB_val k, v;
    int rc = mdb_cursor_open(txn, s->db[db], &c);
    if (rc) return rc;
    rc = ptd_store_seek(c, prefix, prefix, &k, &v);
    mdb_cursor_close(c);
    return rc;
}

int ptd_store_each(struct ptd_store *keeper, const char *prefix,
                   int (*f)(void *ctx, const MDB_val *rest, const MDB_val *value), void *ctx)
{
    MDB_cursor *c;
    MDB_val k, v;
    size_t skip = strlen(prefix);
    int rc = mdb_cursor_open(keeper->view, keeper->db[DB_WEIGHTS], &c);
    if (rc) return rc;
    rc = ptd_store_seek(c, prefix, prefix, &k, &v);
    while (!rc && k.mv_size > skip && !memcmp(k.mv_data, prefix, skip)) {
        MDB_val rest = {k.mv_size - skip, (char *)k.mv_data + skip};
        rc = f(ctx, &rest, &v);
        if (!rc) rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}
