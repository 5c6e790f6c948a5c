/* store_tensor: reading tensors, as they are or as floats. Failures in words are left to store.c.
 */
#include "base/threads.h"
#include "store/store_private.h"
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ptd_store *ptd_store_keeper(struct ptd_store *s, const char *prefix)
{
    char first[PTD_PREFIX];
    ptd_store_prefix(first, "", 0);
    struct ptd_store *keeper = s->base && !strcmp(prefix, first) ? s->base : s;
    return ptd_store_used = keeper;
}

int ptd_store_blame(struct ptd_store *s, const char *key, const char *what)
{
    char *why = ptd_strdup(what);
    ptd_fail(PTD_DATAERR, "store %s: tensor \"%s\": %s%s", s->dir, key, why, ptd_store_doubt(s));
    free(why);
    return -1;
}

int ptd_store_get_piece(struct ptd_store *s, int db, const char *prefix, const char *name,
                        size_t piece, struct ptd_tensor_piece *p)
{
    char key[KEY_MAX + 1];
    MDB_val k, v;
    ptd_store_piece_key(key, prefix, name, piece);
    k = ptd_store_key(key);
    int rc = mdb_get(s->view, s->db[db], &k, &v);
    if (rc == MDB_NOTFOUND) return ptd_store_blame(s, key, "missing");
    if (rc) return ptd_store_fail(s, rc, "loading");
    if (ptd_store_parse_piece(v.mv_data, v.mv_size, p) < 0)
        return ptd_store_blame(s, key, ptd_failed_message());
    if (p->number != piece) return ptd_store_blame(s, key, "holds another piece");
    return 0;
}

static void shape_text(int n_dims, const int64_t *dims, char *out, size_t n)
{
    size_t at = snprintf(out, n, "[");
    for (int i = 0; i < n_dims && at < n; i++)
        at += snprintf(out + at, n - at, "%s%" PRId64, i ? ", " : "", dims[i]);
    if (at < n) snprintf(out + at, n - at, "]");
}

static int check_shape(struct ptd_store *s, const char *prefix,
                       const struct ptd_tensor_about *found, const struct ptd_tensor_view *wanted)
{
    char a[128], b[128], key[KEY_MAX + 1], words[300];
    size_t bytes = wanted->n_dims * sizeof *wanted->dims;
    if (found->n_dims == wanted->n_dims && found->n == wanted->n &&
        !memcmp(found->dims, wanted->dims, bytes))
        return 0;
    shape_text(found->n_dims, found->dims, a, sizeof a);
    shape_text(wanted->n_dims, wanted->dims, b, sizeof b);
    snprintf(words, sizeof words, "shape %s, expected %s", a, b);
    ptd_store_piece_key(key, prefix, wanted->name, 0);
    return ptd_store_blame(s, key, words);
}

/* All pieces of a tensor in order; *list is malloc'd. */
static int get_pieces(struct ptd_store *s, int db, const char *prefix,
                      const struct ptd_tensor_view *t, struct ptd_tensor_piece **list, int *n)
{
    struct ptd_tensor_piece p;
    *list = NULL;
    *n = 0;
    for (size_t done = 0; done < t->n; done += p.n) {
        if (ptd_store_get_piece(s, db, prefix, t->name, *n, &p) < 0) return -1;
        if (check_shape(s, prefix, &p.whole, t) < 0) return -1;
        ptd_store_forget(p.data, p.n * ptd_dtype_size(p.whole.dtype));
        if (*n && p.whole.dtype != (*list)->whole.dtype)
            return ptd_store_blame(s, t->name, "pieces of two formats");
        *list = ptd_realloc(*list, (*n + 1) * sizeof **list);
        (*list)[(*n)++] = p;
    }
    return 0;
}

struct conversion {
    const struct ptd_tensor_piece *pieces;
    const struct ptd_tensor_view *view;
    _Atomic int damaged; /* 1 + number of such a piece */
};

/* A piece's numbers in the view's format. */
static void convert(const struct ptd_tensor_view *v, const struct ptd_tensor_piece *p, char *out)
{
    int from = p->whole.dtype, to = v->dtype ? v->dtype : PTD_F32;
    float x[4096];
    if (from == to) {
        memcpy(out, p->data, p->n * ptd_dtype_size(to));
        return;
    }
    for (size_t at = 0, n; at < p->n; at += n) {
        n = p->n - at < 4096 ? p->n - at : 4096;
        ptd_dtype_to_float(x, (const char *)p->data + at * ptd_dtype_size(from), from, n);
        ptd_dtype_from_float(out + at * ptd_dtype_size(to), to, x, n);
    }
}

static void take_piece(struct conversion *c, long i, char *out)
{
    const struct ptd_tensor_piece *p = &c->pieces[i];
    if (!ptd_store_piece_intact(p)) c->damaged = (int)i + 1;
    convert(c->view, p, out);
    ptd_store_forget(p->data, p->n * ptd_dtype_size(p->whole.dtype));
}

static void take_pieces(void *ctx, long first, long last)
{
    struct conversion *c = ctx;
    for (long i = first; i < last; i++)
        take_piece(c, i, ptd_store_place(c->view, c->pieces[i].first));
}

/* One after the other through a buffer, to where numbers are taken. */
static void hand_over(struct conversion *c, int n)
{
    const struct ptd_tensor_view *t = c->view;
    size_t most = 0;
    for (int i = 0; i < n; i++) most = c->pieces[i].n > most ? c->pieces[i].n : most;
    float *buffer = ptd_array(most + 1, sizeof *buffer);
    for (int i = 0; i < n; i++) {
        take_piece(c, i, (char *)buffer);
        t->take(t, c->pieces[i].first, c->pieces[i].n, buffer);
    }
    free(buffer);
}

/* Codes are no numbers of another format. */
static int check_format(struct ptd_store *s, const char *prefix, const struct ptd_tensor_view *t,
                        int found)
{
    int wanted = t->dtype ? t->dtype : PTD_F32;
    char key[KEY_MAX + 1], words[100];
    if (found == wanted || (found <= PTD_F16 && wanted <= PTD_F16)) return 0;
    snprintf(words, sizeof words, "holds %s, expected %s", ptd_dtype_name(found),
             ptd_dtype_name(wanted));
    ptd_store_piece_key(key, prefix, t->name, 0);
    return ptd_store_blame(s, key, words);
}

static int load_one(struct ptd_store *s, int db, const char *prefix, struct ptd_tensor_view *t)
{
    struct ptd_tensor_piece *pieces;
    char key[KEY_MAX + 1];
    int n, rc = get_pieces(s, db, prefix, t, &pieces, &n);
    struct conversion c = {pieces, t, 0};
    if (rc == 0) rc = check_format(s, prefix, t, pieces->whole.dtype);
    if (rc == 0 && t->data) ptd_parallel(n, 1, take_pieces, &c);
    if (rc == 0 && !t->data) hand_over(&c, n);
    if (c.damaged) {
        ptd_store_piece_key(key, prefix, t->name, c.damaged - 1);
        rc = ptd_store_blame(s, key, "damaged (digest differs)");
    }
    free(pieces);
    return rc;
}

static int absent(struct ptd_store *s, int64_t generation, int64_t head)
{
    if (generation < 0 || generation > head)
        return ptd_fail(PTD_NOINPUT,
                        "store %s: generation %" PRId64 " is not kept: the newest is %" PRId64,
                        s->dir, generation, head);
    return ptd_fail(PTD_NOINPUT,
                    "store %s: generation %" PRId64 " is not kept any more, the newest is %" PRId64
                    ": ptd-update --keep N keeps the newest N",
                    s->dir, generation, head);
}

int ptd_store_find_generation(struct ptd_store *s, int64_t generation, char prefix[PTD_PREFIX],
                              int *partial)
{
    int64_t head;
    int rc = ptd_store_get_head(s, s->view, &head);
    if (!rc && (generation < 0 || generation > UINT32_MAX)) return absent(s, generation, head);
    ptd_store_prefix(prefix, "", generation);
    struct ptd_store *keeper = ptd_store_keeper(s, prefix);
    if (!rc)
        rc = generation > head ? MDB_NOTFOUND
                               : ptd_store_has_prefix(keeper, keeper->view, DB_WEIGHTS, prefix);
    if (rc == MDB_NOTFOUND) return absent(s, generation, head);
    if (!rc) rc = ptd_store_partial(s, generation, partial);
    return rc ? ptd_store_fail(s, rc, "loading") : 0;
}

int ptd_store_load(struct ptd_store *s, int64_t generation, struct ptd_tensor_view *t, int n)
{
    char prefix[PTD_PREFIX];
    int partial;
    if (ptd_store_view(s) < 0) return -1;
    int rc = ptd_store_find_generation(s, generation, prefix, &partial);
    for (int i = 0; i < n && !rc; i++) {
        rc = ptd_store_prefix_of(s, generation, partial, t[i].name, prefix);
        if (!rc) rc = load_one(ptd_store_keeper(s, prefix), DB_WEIGHTS, prefix, &t[i]);
    }
    ptd_store_view_end(s);
    return rc;
}

/* The prefix of the newest generation's moments, with or without a generation in it. */
static int find_moments(struct ptd_store *s, char which, char prefix[PTD_PREFIX])
{
    char kind[3] = {which, '/', 0};
    int64_t head;
    int rc = ptd_store_get_head(s, s->view, &head);
    if (rc) return rc;
    ptd_store_prefix(prefix, kind, head);
    rc = ptd_store_has_prefix(s, s->view, DB_OPTIM, prefix);
    if (rc != MDB_NOTFOUND) return rc;
    memcpy(prefix, kind, sizeof kind);
    return ptd_store_has_prefix(s, s->view, DB_OPTIM, prefix);
}

int ptd_store_load_optim(struct ptd_store *s, char which, struct ptd_tensor_view *t, int n)
{
    char prefix[PTD_PREFIX];
    if (ptd_store_view(s) < 0) return -1;
    int rc = find_moments(s, which, prefix);
    if (rc == MDB_NOTFOUND)
        rc = ptd_fail(PTD_NOINPUT, "store %s: no optimizer state", s->dir);
    else if (rc)
        rc = ptd_store_fail(s, rc, "loading");
    for (int i = 0; i < n && !rc; i++) rc = load_one(s, DB_OPTIM, prefix, &t[i]);
    ptd_store_view_end(s);
    return rc;
}

int ptd_store_optim_dtype(struct ptd_store *s, char which, const char *name)
{
    char prefix[PTD_PREFIX], key[KEY_MAX + 1];
    struct ptd_tensor_piece p = {0};
    MDB_val k, v;
    if (ptd_store_view(s) < 0) return -1;
    int rc = find_moments(s, which, prefix);
    ptd_store_piece_key(key, prefix, name, 0);
    k = ptd_store_key(key);
    if (!rc) rc = mdb_get(s->view, s->db[DB_OPTIM], &k, &v);
    if (!rc && ptd_store_parse_piece(v.mv_data, v.mv_size, &p) < 0)
        rc = ptd_store_blame(s, key, ptd_failed_message());
    else if (rc && rc != MDB_NOTFOUND)
        rc = ptd_store_fail(s, rc, "loading");
    ptd_store_view_end(s);
    return rc < 0 && rc != MDB_NOTFOUND ? -1 : p.whole.dtype;
}

int ptd_store_has(struct ptd_store *s, int64_t generation, const char *name)
{
    int partial;
    if (ptd_store_view(s) < 0) return 0;
    int rc = ptd_store_partial(s, generation, &partial);
    int found =
        !rc && (ptd_store_holds(s, generation, name) || (partial && ptd_store_holds(s, 0, name)));
    ptd_store_view_end(s);
    return found;
}

/* The piece that holds value `first`; earlier programs wrote tensors in one value, whatever their
 * size. */
static int piece_at(struct ptd_store *s, const char *prefix, const struct ptd_tensor_about *t,
                    size_t first, struct ptd_tensor_piece *p)
{
    size_t piece = first / ptd_store_cut(t, !strcmp(s->file, PTD_BASE));
    if (ptd_store_get_piece(s, DB_WEIGHTS, prefix, t->name, piece, p) == 0) return 0;
    return piece && ptd_store_get_piece(s, DB_WEIGHTS, prefix, t->name, 0, p) == 0 &&
                   p->n == p->whole.n
               ? 0
               : -1;
}

/* The numbers from `first` on that lie in one piece, n at most; *n: so many. */
static int read_part(struct ptd_store *s, const char *prefix, const struct ptd_tensor_about *t,
                     size_t first, size_t *n, char *out)
{
    struct ptd_tensor_piece p = {0};
    size_t size = ptd_dtype_size(t->dtype);
    if (piece_at(s, prefix, t, first, &p) < 0) return -1;
    if (p.whole.dtype != t->dtype || first < p.first || first >= p.first + p.n)
        return ptd_fail(PTD_BUG, "store %s: tensor \"%s\": asked for values that it does not have",
                        s->dir, t->name);
    if (p.data != s->intact && !ptd_store_piece_intact(&p))
        return ptd_store_blame(s, t->name, "damaged (digest differs)");
    s->intact = p.data;
    if (*n > p.first + p.n - first) *n = p.first + p.n - first;
    memcpy(out, (const char *)p.data + (first - p.first) * size, *n * size);
    ptd_store_forget(p.data, p.n * size);
    return 0;
}

int ptd_store_read(struct ptd_store *s, int64_t generation, const struct ptd_tensor_about *t,
                   size_t first, size_t n, void *out)
{
    char prefix[PTD_PREFIX], *at = out;
    size_t part, size = ptd_dtype_size(t->dtype);
    int partial;
    if (ptd_store_view(s) < 0) return -1;
    int rc = ptd_store_find_generation(s, generation, prefix, &partial);
    if (!rc) rc = ptd_store_prefix_of(s, generation, partial, t->name, prefix);
    struct ptd_store *keeper = rc ? s : ptd_store_keeper(s, prefix);
    for (size_t done = 0; done < n && !rc; done += part) {
        part = n - done;
        rc = read_part(keeper, prefix, t, first + done, &part, at + done * size);
    }
    ptd_store_view_end(s);
    return rc;
}

/* The key's piece is there: the values in question. */
static int read_low(struct ptd_store *s, const char *prefix, const char *name, size_t first,
                    size_t n, int16_t *out)
{
    struct ptd_tensor_piece p;
    size_t piece = first / ptd_store_piece(PTD_I16);
    if (ptd_store_get_piece(s, DB_OPTIM, prefix, name, piece, &p) < 0) return -1;
    if (p.whole.dtype != PTD_I16 || first + n > p.first + p.n)
        return ptd_store_blame(s, name, "holds other low halves than expected");
    if (!ptd_store_piece_intact(&p)) return ptd_store_blame(s, name, "damaged (digest differs)");
    memcpy(out, (const char *)p.data + (first - p.first) * sizeof *out, n * sizeof *out);
    ptd_store_forget(p.data, p.n * sizeof *out);
    return 0;
}

int ptd_store_read_low(struct ptd_store *s, int64_t generation, const char *name, size_t first,
                       size_t n, int16_t *out)
{
    char prefix[PTD_PREFIX], key[KEY_MAX + 1];
    int64_t head = -1;
    MDB_val k, v;
    if (ptd_store_view(s) < 0) return -1;
    int rc = ptd_store_get_head(s, s->view, &head);
    if (!rc && head == generation) {
        ptd_store_prefix(prefix, "l/", generation);
        ptd_store_piece_key(key, prefix, name, 0);
        k = ptd_store_key(key);
        rc = mdb_get(s->view, s->db[DB_OPTIM], &k, &v);
    } else if (!rc)
        rc = MDB_NOTFOUND;
    if (rc)
        rc = rc == MDB_NOTFOUND ? 1 : ptd_store_fail(s, rc, "reading");
    else
        rc = read_low(s, prefix, name, first, n, out);
    ptd_store_view_end(s);
    return rc;
}
