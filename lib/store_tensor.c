/* store_tensor: generations of tensors in a store: publishing in one transaction, loading with shapes and
 * digests checked, cloning. Opening, failures in words and plain values are left to store.c. */
#include "store_private.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define TENSOR_MAGIC "PTDT"
#define FLOAT32      1

struct tensor_head { /* 64 bytes, then the data */
    char magic[4];
    uint32_t dtype, n_dims, zero;
    int64_t dims[5];
    uint64_t digest; /* XXH3-64 of the data, seeded with that of the 56 bytes before this field */
};

_Static_assert(sizeof(struct tensor_head) == 64, "the header has no holes");

static uint64_t tensor_digest(const struct tensor_head *h, const void *data, size_t bytes)
{
    return XXH3_64bits_withSeed(data, bytes, XXH3_64bits(h, offsetof(struct tensor_head, digest)));
}

/* ---- one tensor ---- */

/* Shape and size of a stored tensor; *h gets its header. */
static int read_header(const void *value, size_t len, struct tensor_head *h, struct ptd_tensor_view *t)
{
    size_t most, n = 1;
    if (len < sizeof *h)
        return ptd_fail(PTD_DATAERR, "tensor of %zu bytes, expected at least %zu", len, sizeof *h);
    memcpy(h, value, sizeof *h);
    most = (len - sizeof *h) / sizeof(float);
    if (memcmp(h->magic, TENSOR_MAGIC, 4)) return ptd_fail(PTD_DATAERR, "not a tensor");
    if (h->dtype != FLOAT32)
        return ptd_fail(PTD_DATAERR, "tensor of type %u, expected %d (float32)", h->dtype, FLOAT32);
    if (h->n_dims < 1 || h->n_dims > 5)
        return ptd_fail(PTD_DATAERR, "tensor of %u axes, expected 1 to 5", h->n_dims);
    for (uint32_t i = 0; i < h->n_dims; i++) {
        if (h->dims[i] < 1 || (uint64_t)h->dims[i] > most / n)
            return ptd_fail(PTD_DATAERR, "tensor larger than its value");
        n *= h->dims[i];
    }
    if (n * sizeof(float) != len - sizeof *h) return ptd_fail(PTD_DATAERR, "tensor smaller than its value");
    t->n = n;
    t->n_dims = h->n_dims;
    memcpy(t->dims, h->dims, sizeof t->dims);
    t->data = (float *)((char *)(uintptr_t)value + sizeof *h);
    return 0;
}

int ptd_store_tensor(const void *value, size_t len, struct ptd_tensor_view *t)
{
    struct tensor_head h;
    if (read_header(value, len, &h, t) < 0) return -1;
    if (h.digest == tensor_digest(&h, t->data, len - sizeof h)) return 0;
    return ptd_fail(PTD_DATAERR, "tensor damaged (digest differs)");
}

static int put_tensor(struct ptd_store *s, MDB_txn *txn, int db, const char *prefix,
                      const struct ptd_tensor_view *t)
{
    struct tensor_head h = {TENSOR_MAGIC, FLOAT32, t->n_dims, 0, {0}, 0};
    size_t bytes = t->n * sizeof(float);
    MDB_val v = {sizeof h + bytes, NULL};
    char key[KEY_MAX + 1];
    snprintf(key, sizeof key, "%s%s", prefix, t->name);
    int rc = ptd_store_put(s, txn, db, key, &v, MDB_RESERVE);
    if (rc) return rc;
    memcpy(h.dims, t->dims, t->n_dims * sizeof *h.dims);
    h.digest = tensor_digest(&h, t->data, bytes);
    memcpy(v.mv_data, &h, sizeof h);
    memcpy((char *)v.mv_data + sizeof h, t->data, bytes);
    return 0;
}

static int put_tensors(struct ptd_store *s, MDB_txn *txn, int db, const char *prefix,
                       const struct ptd_tensor_view *t, int n)
{
    int rc = 0;
    for (int i = 0; i < n && !rc; i++) rc = put_tensor(s, txn, db, prefix, &t[i]);
    return rc;
}

/* ---- keys by prefix ---- */

/* Moves to the first key from `from` on, which must begin with `prefix`: an LMDB code, MDB_NOTFOUND if it
 * does not. */
static int seek(MDB_cursor *c, const char *from, const char *prefix, MDB_val *k, MDB_val *v)
{
    size_t n = strlen(prefix);
    *k = ptd_store_key(from);
    int rc = mdb_cursor_get(c, k, v, MDB_SET_RANGE);
    if (rc) return rc;
    return k->mv_size >= n && !memcmp(k->mv_data, prefix, n) ? 0 : MDB_NOTFOUND;
}

static int has_prefix(struct ptd_store *s, MDB_txn *txn, int db, const char *prefix)
{
    MDB_cursor *c;
    MDB_val k, v;
    int rc = mdb_cursor_open(txn, s->db[db], &c);
    if (rc) return rc;
    rc = seek(c, prefix, prefix, &k, &v);
    mdb_cursor_close(c);
    return rc;
}

static int delete_prefix(struct ptd_store *s, MDB_txn *txn, int db, const char *prefix)
{
    MDB_cursor *c;
    MDB_val k, v;
    int rc = mdb_cursor_open(txn, s->db[db], &c);
    if (rc) return rc;
    while (!(rc = seek(c, prefix, prefix, &k, &v)) && !(rc = mdb_cursor_del(c, 0))) s->written += 4096;
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static void generation_prefix(int64_t g, char prefix[16])
{
    snprintf(prefix, 16, "%08" PRIx32 "/", (uint32_t)g);
}

/* ---- head and pins ---- */

/* An LMDB code or KEPT; *g is -1 if nothing was published. */
static int get_head(struct ptd_store *s, MDB_txn *txn, int64_t *g)
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

static int put_head(struct ptd_store *s, MDB_txn *txn, int64_t g)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRId64, g);
    return ptd_store_put_plain(s, txn, DB_STATE, "head", text, n);
}

int ptd_store_head(struct ptd_store *s, int64_t *generation)
{
    if (ptd_store_view(s) < 0) return -1;
    int rc = get_head(s, s->view, generation);
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

/* The list of pinned generations, with g added if it is to be pinned. */
static int update_pins(struct ptd_store *s, MDB_txn *txn, int64_t g, int pin, json_t **pins)
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
    char *text = json_dumps(*pins, JSON_COMPACT);
    rc = ptd_store_put_plain(s, txn, DB_STATE, "pinned", text, strlen(text));
    free(text);
    return rc;
}

/* ---- publishing ---- */

/* All generations in the store, oldest first; *list is malloc'd. */
static int list_generations(struct ptd_store *s, MDB_txn *txn, int64_t **list, int *n)
{
    MDB_cursor *c;
    MDB_val k, v;
    char from[16] = "", text[9] = "";
    int rc = mdb_cursor_open(txn, s->db[DB_WEIGHTS], &c);
    *list = NULL;
    *n = 0;
    if (rc) return rc;
    while (!(rc = seek(c, *from ? from : "0", "", &k, &v)) && k.mv_size > 9) {
        memcpy(text, k.mv_data, 8);
        *list = ptd_realloc(*list, (*n + 1) * sizeof **list);
        (*list)[(*n)++] = strtoll(text, NULL, 16);
        snprintf(from, sizeof from, "%s0", text); /* '0' follows '/' */
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Frees unpinned generations but the newest `keep` of them. */
static int drop_old(struct ptd_store *s, MDB_txn *txn, const json_t *pins, int keep)
{
    int64_t *list;
    int n, rc = list_generations(s, txn, &list, &n);
    for (int i = n - 1; i >= 0 && !rc; i--) {
        char prefix[16];
        if (is_pinned(pins, list[i]) || keep-- > 0) continue;
        generation_prefix(list[i], prefix);
        rc = delete_prefix(s, txn, DB_WEIGHTS, prefix);
    }
    free(list);
    return rc;
}

static int check_order(struct ptd_store *s, MDB_txn *txn, int64_t generation)
{
    int64_t head;
    int rc = get_head(s, txn, &head);
    if (rc || generation == head + 1) return rc;
    ptd_fail(PTD_DATAERR, "store %s: generation %" PRId64 " cannot be published now, expected %" PRId64,
             s->dir, generation, head + 1);
    return KEPT;
}

static int put_moments(struct ptd_store *s, MDB_txn *txn, const char *prefix, const struct ptd_tensor_view *t,
                       int n)
{
    return t ? put_tensors(s, txn, DB_OPTIM, prefix, t, n) : delete_prefix(s, txn, DB_OPTIM, prefix);
}

static int put_run(struct ptd_store *s, MDB_txn *txn, const char *run)
{
    MDB_val k = ptd_store_key("run");
    if (run) return ptd_store_put_plain(s, txn, DB_STATE, "run", run, strlen(run));
    int rc = mdb_del(txn, s->db[DB_STATE], &k, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int publish(struct ptd_store *s, MDB_txn *txn, const void *arg)
{
    const struct ptd_publication *p = arg;
    json_t *pins = NULL;
    char prefix[16];
    generation_prefix(p->generation, prefix);
    int rc = check_order(s, txn, p->generation);
    if (!rc) rc = put_tensors(s, txn, DB_WEIGHTS, prefix, p->weights, p->n);
    if (!rc) rc = put_moments(s, txn, "m/", p->m, p->n);
    if (!rc) rc = put_moments(s, txn, "v/", p->v, p->n);
    if (!rc) rc = put_run(s, txn, p->run);
    if (!rc) rc = put_head(s, txn, p->generation);
    if (!rc) rc = update_pins(s, txn, p->generation, p->pin || p->generation == 0, &pins);
    if (!rc) rc = drop_old(s, txn, pins, p->keep < 1 ? 1 : p->keep);
    json_decref(pins);
    return rc;
}

static int check_views(struct ptd_store *s, const struct ptd_tensor_view *t, int n)
{
    for (int i = 0; t && i < n; i++) {
        size_t size = 1;
        for (int j = 0; j < t[i].n_dims; j++) size *= t[i].dims[j];
        if (t[i].n_dims < 1 || t[i].n_dims > 5 || size != t[i].n || !size || !*t[i].name ||
            strlen(t[i].name) > 400)
            return ptd_fail(PTD_BUG, "store %s: tensor \"%s\" has an impossible shape or name", s->dir,
                            t[i].name);
    }
    return 0;
}

int ptd_store_publish(struct ptd_store *s, const struct ptd_publication *p)
{
    char doing[64];
    if (!(s->mode & (PTD_STORE_TRAIN | PTD_STORE_CREATE)))
        return ptd_fail(PTD_BUG, "store %s: not opened for training: cannot publish", s->dir);
    if (p->generation < 0 || p->generation > UINT32_MAX)
        return ptd_fail(PTD_BUG, "store %s: generation %" PRId64 " is out of range", s->dir, p->generation);
    if (check_views(s, p->weights, p->n) < 0 || check_views(s, p->m, p->n) < 0 ||
        check_views(s, p->v, p->n) < 0)
        return -1;
    snprintf(doing, sizeof doing, "publishing generation %" PRId64, p->generation);
    return ptd_store_change(s, publish, p, doing);
}

/* ---- loading ---- */

static void shape_text(const struct ptd_tensor_view *t, char *out, size_t n)
{
    size_t at = snprintf(out, n, "[");
    for (int i = 0; i < t->n_dims && at < n; i++)
        at += snprintf(out + at, n - at, "%s%" PRId64, i ? ", " : "", t->dims[i]);
    if (at < n) snprintf(out + at, n - at, "]");
}

static int check_shape(const char *where, const struct ptd_tensor_view *found,
                       const struct ptd_tensor_view *wanted)
{
    char a[128], b[128];
    size_t bytes = wanted->n_dims * sizeof *wanted->dims;
    if (found->n_dims == wanted->n_dims && found->n == wanted->n && !memcmp(found->dims, wanted->dims, bytes))
        return 0;
    shape_text(found, a, sizeof a);
    shape_text(wanted, b, sizeof b);
    return ptd_fail(PTD_DATAERR, "%s: shape %s, expected %s", where, a, b);
}

static int load_one(struct ptd_store *s, int db, const char *prefix, struct ptd_tensor_view *t)
{
    char key[KEY_MAX + 1], where[KEY_MAX + 4200];
    struct tensor_head h;
    struct ptd_tensor_view found;
    MDB_val k, v;
    snprintf(key, sizeof key, "%s%s", prefix, t->name);
    snprintf(where, sizeof where, "store %s: tensor \"%s\"", s->dir, key);
    k = ptd_store_key(key);
    int rc = mdb_get(s->view, s->db[db], &k, &v);
    if (rc == MDB_NOTFOUND) return ptd_fail(PTD_DATAERR, "%s: missing", where);
    if (rc) return ptd_store_fail(s, rc, "loading");
    if (read_header(v.mv_data, v.mv_size, &h, &found) < 0) {
        char *why = ptd_strdup(ptd_failed_message());
        ptd_fail(PTD_DATAERR, "%s: %s", where, why);
        free(why);
        return -1;
    }
    if (check_shape(where, &found, t) < 0) return -1;
    memcpy(t->data, found.data, t->n * sizeof(float));
    if (h.digest == tensor_digest(&h, t->data, t->n * sizeof(float))) return 0;
    return ptd_fail(PTD_DATAERR, "%s: damaged (digest differs)", where);
}

/* All of t from one snapshot; `absent` says what is missing if no key has the prefix. */
static int load(struct ptd_store *s, int db, const char *prefix, struct ptd_tensor_view *t, int n,
                const char *absent)
{
    if (ptd_store_view(s) < 0) return -1;
    int rc = has_prefix(s, s->view, db, prefix);
    if (rc == MDB_NOTFOUND)
        rc = ptd_fail(PTD_NOINPUT, "store %s: %s", s->dir, absent);
    else if (rc)
        rc = ptd_store_fail(s, rc, "loading");
    for (int i = 0; i < n && !rc; i++) rc = load_one(s, db, prefix, &t[i]);
    ptd_store_view_end(s);
    return rc;
}

int ptd_store_load(struct ptd_store *s, int64_t generation, struct ptd_tensor_view *t, int n)
{
    char prefix[16], absent[64];
    snprintf(absent, sizeof absent, "generation %" PRId64 " is not kept", generation);
    if (generation < 0 || generation > UINT32_MAX)
        return ptd_fail(PTD_NOINPUT, "store %s: %s", s->dir, absent);
    generation_prefix(generation, prefix);
    return load(s, DB_WEIGHTS, prefix, t, n, absent);
}

int ptd_store_load_optim(struct ptd_store *s, char which, struct ptd_tensor_view *t, int n)
{
    char prefix[3] = {which, '/', 0};
    return load(s, DB_OPTIM, prefix, t, n, "no optimizer state");
}

/* ---- cloning ---- */

struct clone {
    struct ptd_store *from;
    int64_t generation;
};

static int clone_meta(struct ptd_store *to, MDB_txn *txn, struct ptd_store *from)
{
    MDB_cursor *c;
    MDB_val k, v;
    char key[KEY_MAX + 1];
    int rc = mdb_cursor_open(from->view, from->db[DB_META], &c);
    if (rc) return rc;
    while (!(rc = mdb_cursor_get(c, &k, &v, MDB_NEXT))) {
        snprintf(key, sizeof key, "%.*s", (int)k.mv_size, (char *)k.mv_data);
        if (!strcmp(key, PTD_FORMAT_KEY)) continue;
        if ((rc = ptd_store_get_plain(from, from->view, DB_META, key, &v))) break;
        if ((rc = ptd_store_put_plain(to, txn, DB_META, key, v.mv_data, v.mv_size))) break;
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int clone_tensor(struct ptd_store *to, MDB_txn *txn, struct ptd_store *from, const MDB_val *k,
                        MDB_val *v)
{
    struct ptd_tensor_view t;
    char key[KEY_MAX + 1];
    snprintf(key, sizeof key, "00000000%.*s", (int)k->mv_size - 8, (char *)k->mv_data + 8);
    if (ptd_store_tensor(v->mv_data, v->mv_size, &t) == 0)
        return ptd_store_put(to, txn, DB_WEIGHTS, key, v, 0);
    ptd_fail(PTD_DATAERR, "store %s: tensor \"%.*s\": damaged", from->dir, (int)k->mv_size,
             (char *)k->mv_data);
    return KEPT;
}

static int clone_weights(struct ptd_store *to, MDB_txn *txn, const struct clone *a)
{
    MDB_cursor *c;
    MDB_val k, v;
    char prefix[16];
    int n = 0, rc = mdb_cursor_open(a->from->view, a->from->db[DB_WEIGHTS], &c);
    if (rc) return rc;
    generation_prefix(a->generation, prefix);
    rc = seek(c, prefix, prefix, &k, &v);
    for (; !rc && !memcmp(k.mv_data, prefix, strlen(prefix)); n++) {
        if ((rc = clone_tensor(to, txn, a->from, &k, &v))) break;
        rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(c);
    if (rc && rc != MDB_NOTFOUND) return rc;
    if (n) return 0;
    ptd_fail(PTD_NOINPUT, "store %s: generation %" PRId64 " is not kept", a->from->dir, a->generation);
    return KEPT;
}

static int clone(struct ptd_store *to, MDB_txn *txn, const void *arg)
{
    const struct clone *a = arg;
    json_t *pins = NULL;
    int rc = check_order(to, txn, 0);
    if (!rc) rc = clone_meta(to, txn, a->from);
    if (!rc) rc = clone_weights(to, txn, a);
    if (!rc) rc = put_head(to, txn, 0);
    if (!rc) rc = update_pins(to, txn, 0, 1, &pins);
    json_decref(pins);
    return rc;
}

int ptd_store_clone(struct ptd_store *from, int64_t generation, struct ptd_store *to)
{
    struct clone a = {from, generation};
    if (!(to->mode & PTD_STORE_CREATE)) return ptd_fail(PTD_BUG, "store %s: not a new store", to->dir);
    if (generation < 0 || generation > UINT32_MAX)
        return ptd_fail(PTD_NOINPUT, "store %s: generation %" PRId64 " is not kept", from->dir, generation);
    if (ptd_store_view(from) < 0) return -1;
    int rc = ptd_store_change(to, clone, &a, "cloning");
    ptd_store_view_end(from);
    return rc;
}
