/* store_kept: which generations a store has: its head, pins, what goes and what a killed
 * publication left behind. */
#include "store/store_private.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ptd_store_put_head(struct ptd_store *s, MDB_txn *txn, int64_t g)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRId64, g);
    return ptd_store_put_plain(s, txn, DB_STATE, "head", text, n);
}

int ptd_store_head(struct ptd_store *s, int64_t *generation)
{
    if (ptd_store_check_place(s) < 0 || ptd_store_view(s) < 0) return -1;
    int rc = ptd_store_get_head(s, s->view, generation);
    ptd_store_view_end(s);
    if (rc) return ptd_store_fail(s, rc, "reading its head");
    return *generation < 0 ? ptd_fail(PTD_NOINPUT, "store %s: no generation published", s->dir) : 0;
}

static int is_pinned(const json_t *pins, int64_t g)
{
    for (size_t i = 0; i < json_array_size(pins); i++)
        if (json_integer_value(json_array_get(pins, i)) == g) return 1;
    return 0;
}

static int put_pins(struct ptd_store *s, MDB_txn *txn, const json_t *pins)
{
    char *text = json_dumps(pins, JSON_COMPACT);
    int rc = ptd_store_put_plain(s, txn, DB_STATE, "pinned", text, strlen(text));
    free(text);
    return rc;
}

int ptd_store_update_pins(struct ptd_store *s, MDB_txn *txn, int64_t g, int pin, json_t **pins)
{
    MDB_val v;
    int rc = ptd_store_get_plain(s, txn, DB_STATE, "pinned", &v);
    if (rc && rc != MDB_NOTFOUND) return rc;
    *pins = rc ? json_array() : json_loadb(v.mv_data, v.mv_size, 0, NULL);
    if (!json_is_array(*pins)) {
        ptd_fail(PTD_DATAERR, "store %s: list of pinned generations is damaged", s->dir);
        return KEPT;
    }
    if (!pin || is_pinned(*pins, g)) return 0;
    json_array_append_new(*pins, json_integer(g));
    return put_pins(s, txn, *pins);
}

struct pinning {
    int64_t generation;
    int pin;
};

static int is_kept(struct ptd_store *s, MDB_txn *txn, int64_t generation)
{
    char prefix[PTD_PREFIX];
    int64_t head;
    ptd_store_prefix(prefix, "", generation);
    int rc = ptd_store_get_head(s, txn, &head);
    if (!rc)
        rc = generation > head ? MDB_NOTFOUND : ptd_store_has_prefix(s, txn, DB_WEIGHTS, prefix);
    if (rc != MDB_NOTFOUND) return rc;
    ptd_fail(PTD_NOINPUT, "store %s: generation %" PRId64 " is not kept", s->dir, generation);
    return KEPT;
}

static int change_pin(struct ptd_store *s, MDB_txn *txn, const void *arg)
{
    const struct pinning *p = arg;
    json_t *pins = NULL;
    int rc = p->pin ? is_kept(s, txn, p->generation) : 0;
    if (!rc) rc = ptd_store_update_pins(s, txn, p->generation, p->pin, &pins);
    for (size_t i = json_array_size(pins); i-- > 0 && !rc && !p->pin;)
        if (json_integer_value(json_array_get(pins, i)) == p->generation)
            json_array_remove(pins, i);
    if (!rc && !p->pin) rc = put_pins(s, txn, pins);
    json_decref(pins);
    return rc;
}

int ptd_store_pin(struct ptd_store *s, int64_t generation, int pin)
{
    struct pinning p = {generation, pin};
    if (!generation) return 0;
    if (s->uncached)
        return ptd_fail(PTD_NOPERM, "store %s: generation %" PRId64 " cannot be pinned: %s", s->dir,
                        generation, s->uncached);
    if (s->mode == PTD_STORE_READ)
        return ptd_fail(PTD_BUG, "store %s: opened for reading only", s->dir);
    return ptd_store_change(s, change_pin, &p, "pinning a generation");
}

/* ---- what goes ---- */

static int begins(const MDB_val *k, const char *prefix)
{
    return prefix && k->mv_size >= strlen(prefix) && !memcmp(k->mv_data, prefix, strlen(prefix));
}

int ptd_store_delete_prefix(struct ptd_store *s, MDB_txn *txn, int db, const char *prefix,
                            const char *but)
{
    MDB_cursor *c;
    MDB_val k, v;
    char past[PTD_PREFIX] = "";
    const char *from = prefix;
    int rc = mdb_cursor_open(txn, s->db[db], &c);
    if (rc) return rc;
    if (but) snprintf(past, sizeof past, "%.*s0", (int)strlen(but) - 1, but); /* '0' follows '/' */
    while (!(rc = ptd_store_seek(c, from, prefix, &k, &v))) {
        if (begins(&k, but)) {
            from = past;
            continue;
        }
        if ((rc = mdb_cursor_del(c, 0))) break;
        s->written += 4096;
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int ptd_store_list_generations(struct ptd_store *s, MDB_txn *txn, int db, const char *kind,
                               int64_t **list, int *n)
{
    MDB_cursor *c;
    MDB_val k, v;
    size_t skip = strlen(kind);
    char from[PTD_PREFIX], text[9] = "";
    int rc = mdb_cursor_open(txn, s->db[db], &c);
    *list = NULL;
    *n = 0;
    if (rc) return rc;
    snprintf(from, sizeof from, "%s0", kind);
    while (!(rc = ptd_store_seek(c, from, kind, &k, &v)) && k.mv_size > skip + 9) {
        memcpy(text, (char *)k.mv_data + skip, 8);
        if (strspn(text, "0123456789abcdef") != 8 || ((char *)k.mv_data)[skip + 8] != '/') break;
        *list = ptd_realloc(*list, (*n + 1) * sizeof **list);
        (*list)[(*n)++] = strtoll(text, NULL, 16);
        snprintf(from, sizeof from, "%s%s0", kind, text);
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int ptd_store_drop_old(struct ptd_store *s, MDB_txn *txn, const json_t *pins, int keep)
{
    int64_t *list;
    int n, rc = ptd_store_list_generations(s, txn, DB_WEIGHTS, "", &list, &n);
    for (int i = n - 1; i >= 0 && !rc; i--) {
        char prefix[PTD_PREFIX];
        if (is_pinned(pins, list[i]) || keep-- > 0) continue;
        ptd_store_prefix(prefix, "", list[i]);
        rc = ptd_store_delete_prefix(s, txn, DB_WEIGHTS, prefix, NULL);
        if (!rc) rc = ptd_store_mark_partial(s, txn, list[i], 0);
    }
    free(list);
    return rc;
}

/* Of one kind, what lies beyond the head. */
static int sweep_kind(struct ptd_store *s, MDB_txn *txn, int db, const char *kind, int64_t head)
{
    int64_t *list;
    int n, rc = ptd_store_list_generations(s, txn, db, kind, &list, &n);
    for (int i = 0; i < n && !rc; i++) {
        char prefix[PTD_PREFIX];
        if (list[i] <= head) continue;
        ptd_store_prefix(prefix, kind, list[i]);
        rc = ptd_store_delete_prefix(s, txn, db, prefix, NULL);
    }
    free(list);
    return rc;
}

int ptd_store_sweep(struct ptd_store *s, MDB_txn *txn)
{
    static const struct {
        int db;
        const char *kind;
    } at[] = {{DB_WEIGHTS, ""}, {DB_OPTIM, "m/"}, {DB_OPTIM, "v/"}, {DB_OPTIM, "l/"}};
    int64_t head;
    int rc = ptd_store_get_head(s, txn, &head);
    for (int i = 0; i < 4 && !rc; i++) rc = sweep_kind(s, txn, at[i].db, at[i].kind, head);
    return rc;
}
