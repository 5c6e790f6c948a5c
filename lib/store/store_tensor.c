/* store_tensor: tensors in pieces, each with format, shape and digest; listing and reading them, as
 * they are or as floats. Generations and who may write are left to store_publish.c; failures in
 * words to store.c. */
#include "base/threads.h"
#include "store/store_private.h"
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define XXH_INLINE_ALL /* for this machine's vectors: twice as fast as the library */
#include <xxhash.h>

#define TENSOR_MAGIC "PTDT"
#define ROWS_MAGIC   "PTDR"     /* in pieces of whole rows */
#define PIECE        (4u << 20) /* bytes of numbers */

/* A large value has pages of its own. They stay where LMDB reserved them while others are reserved,
 * unless the transaction has almost 128 Ki dirty pages (a large value counts as one): then LMDB
 * writes some of them out. */
#define STAYS (64u << 10)
/* pages written, of which ptd_store.written counts each: no piece waits from here on */
#define DIRTY 100000

struct tensor_head { /* then zeros up to HEAD or ROWS_HEAD, the digest at their end */
    char magic[4];
    uint32_t dtype, n_dims, piece;
    int64_t dims[5]; /* of the whole */
};
#define HEAD PTD_TENSOR_HEAD
/* Behind LMDB's head of a page and this one numbers are aligned to 64 bytes. */
#define ROWS_HEAD 112

_Static_assert(sizeof(struct tensor_head) == 56, "the header has no holes");
_Static_assert((PAGE_HEAD + ROWS_HEAD) % 64 == 0, "numbers are aligned");

size_t ptd_store_piece(int dtype)
{
    return PIECE / ptd_dtype_size(dtype);
}

/* The same where matrices are cut into whole rows. */
static size_t piece_of(const struct ptd_tensor_about *t, int rows)
{
    size_t most = ptd_store_piece(t->dtype), row = t->n / (size_t)t->dims[0];
    if (!rows || t->n_dims < 2) return most;
    return row > most ? row : most / row * row;
}

size_t ptd_store_bytes(const struct ptd_tensor_about *t, int n)
{
    size_t bytes = 0;
    for (int i = 0; i < n; i++) bytes += t[i].n * ptd_dtype_size(t[i].dtype);
    return bytes;
}

size_t ptd_store_room(const struct ptd_tensor_about *t, int n)
{
    size_t pieces = 0;
    for (int i = 0; i < n; i++) pieces += (t[i].n - 1) / piece_of(&t[i], 1) + 1;
    return ptd_store_bytes(t, n) + pieces * 2 * 4096; /* the rest of a page, and the trees */
}

/* XXH3-64 of what is behind a value's head, seeded with that of the head before its digest. */
static uint64_t tensor_digest(const char *value, size_t head, size_t len)
{
    return XXH3_64bits_withSeed(value + head, len - head,
                                XXH3_64bits(value, head - sizeof(uint64_t)));
}

size_t ptd_store_batch = 256u << 20;

size_t ptd_store_publishing(size_t bytes)
{
    return bytes < ptd_store_batch ? bytes : ptd_store_batch;
}

/* ---- keys ---- */

void ptd_store_prefix(char prefix[PTD_PREFIX], const char *kind, int64_t generation)
{
    snprintf(prefix, PTD_PREFIX, "%s%08" PRIx32 "/", kind, (uint32_t)generation);
}

static void piece_key(char key[KEY_MAX + 1], const char *prefix, const char *name, size_t piece)
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

/* ---- one piece ---- */

static int count_values(const struct tensor_head *h, size_t *n)
{
    *n = 1;
    if (h->n_dims < 1 || h->n_dims > 5)
        return ptd_fail(PTD_DATAERR, "tensor of %u axes, expected 1 to 5", h->n_dims);
    for (uint32_t i = 0; i < h->n_dims; i++) {
        if (h->dims[i] < 1 || (uint64_t)h->dims[i] > (SIZE_MAX >> 8) / *n)
            return ptd_fail(PTD_DATAERR, "tensor of an impossible shape");
        *n *= h->dims[i];
    }
    return 0;
}

static int check_head(const struct tensor_head *h, size_t len, size_t head)
{
    if (len < head)
        return ptd_fail(PTD_DATAERR, "tensor of %zu bytes, expected at least %zu", len, head);
    if (memcmp(h->magic, head == HEAD ? TENSOR_MAGIC : ROWS_MAGIC, 4))
        return ptd_fail(PTD_DATAERR, "not a tensor");
    if (h->dtype <= 100 && ptd_dtype_size((int)h->dtype)) return 0;
    return ptd_fail(PTD_DATAERR, "tensor of type %u, expected 1 (f32) to 5 (i16)", h->dtype);
}

/* The number of values in a piece, and where it begins, must be those of its number. Earlier
 * programs wrote large tensors in one value; a matrix of few numbers fills a page. */
static int check_extent(const struct tensor_head *h, struct ptd_tensor_piece *p)
{
    int rows = p->head == ROWS_HEAD;
    size_t most = piece_of(&p->whole, rows), size = ptd_dtype_size(p->whole.dtype),
           bytes = p->len - p->head;
    p->first = h->piece * most;
    if (p->first / most != h->piece || p->first >= p->whole.n)
        return ptd_fail(PTD_DATAERR, "piece %u of a smaller tensor", h->piece);
    p->n = p->whole.n - p->first < most ? p->whole.n - p->first : most;
    if (!rows && !h->piece && bytes / size == p->whole.n) p->n = p->whole.n;
    if (p->n * size == bytes || (rows && p->n * size < bytes && bytes < PIECE)) return 0;
    return ptd_fail(PTD_DATAERR, "tensor %s than its value",
                    p->n * size > bytes ? "larger" : "smaller");
}

/* A value without its digest's check; *h gets the header. */
static int read_header(const void *value, size_t len, struct tensor_head *h,
                       struct ptd_tensor_piece *p)
{
    int rows = len >= 4 && !memcmp(value, ROWS_MAGIC, 4);
    memset(p, 0, sizeof *p);
    memset(h, 0, sizeof *h);
    memcpy(h, value, len < sizeof *h ? len : sizeof *h);
    p->head = rows ? ROWS_HEAD : HEAD;
    p->len = len;
    if (check_head(h, len, p->head) < 0 || count_values(h, &p->whole.n) < 0) return -1;
    p->whole.dtype = h->dtype;
    p->whole.n_dims = h->n_dims;
    memcpy(p->whole.dims, h->dims, sizeof h->dims);
    p->data = (const char *)value + p->head;
    return check_extent(h, p);
}

static int is_intact(const struct ptd_tensor_piece *p)
{
    const char *value = (const char *)p->data - p->head;
    uint64_t digest;
    memcpy(&digest, (const char *)p->data - sizeof digest, sizeof digest);
    return digest == tensor_digest(value, p->head, p->len);
}

int ptd_store_tensor(const void *value, size_t len, struct ptd_tensor_piece *p)
{
    struct tensor_head h;
    if (read_header(value, len, &h, p) < 0) return -1;
    return is_intact(p) ? 0 : ptd_fail(PTD_DATAERR, "tensor damaged (digest differs)");
}

/* Before numbers that are there. */
static void write_header(char *value, const struct ptd_tensor_about *t, size_t piece, size_t head,
                         size_t len)
{
    struct tensor_head h = {"", t->dtype, t->n_dims, piece, {0}};
    memcpy(h.magic, head == HEAD ? TENSOR_MAGIC : ROWS_MAGIC, 4);
    memcpy(h.dims, t->dims, t->n_dims * sizeof *h.dims);
    memset(value, 0, head);
    memcpy(value, &h, sizeof h);
    uint64_t digest = tensor_digest(value, head, len);
    memcpy(value + head - sizeof digest, &digest, sizeof digest);
}

size_t ptd_store_recut(char *value, const struct ptd_tensor_about *t, size_t first, size_t n)
{
    size_t len = HEAD + n * ptd_dtype_size(t->dtype);
    write_header(value, t, first / ptd_store_piece(t->dtype), HEAD, len);
    return len;
}

/* Values smaller than a page lie anywhere in it; fill wants its place aligned. */
static int fill_aligned(const struct ptd_filling *f, int i, size_t first, size_t n, char *out,
                        size_t bytes)
{
    if ((uintptr_t)out % 8 == 0) return f->fill(f->ctx, i, first, n, out);
    char *copy = ptd_alloc(bytes);
    int rc = f->fill(f->ctx, i, first, n, copy);
    memcpy(out, copy, bytes);
    free(copy);
    return rc;
}

/* Place of number i where the view's numbers lie on the host. */
static char *place_in(const struct ptd_tensor_view *v, size_t i)
{
    return (char *)v->data + i * ptd_dtype_size(v->dtype ? v->dtype : PTD_F32);
}

static void fill_from_view(const struct ptd_tensor_view *v, const struct ptd_waiting_piece *p,
                           char *out, size_t bytes)
{
    if (v->data) {
        memcpy(out, place_in(v, p->first), bytes);
        return;
    }
    if ((uintptr_t)out % sizeof(float) == 0) {
        v->give(v, p->first, p->n, (float *)(void *)out);
        return;
    }
    float *copy = ptd_alloc(bytes);
    v->give(v, p->first, p->n, copy);
    memcpy(out, copy, bytes);
    free(copy);
}

/* Its numbers and then its header to the piece's place. An LMDB code or KEPT. */
static int fill_piece(const struct ptd_waiting_piece *p)
{
    const struct ptd_tensor_about *t = &p->w->f.tensors[p->i];
    size_t bytes = p->n * ptd_dtype_size(t->dtype), head = p->w->rows ? ROWS_HEAD : HEAD;
    char *data = p->place + head;
    if (p->w->views)
        fill_from_view(&p->w->views[p->i], p, data, bytes);
    else if (fill_aligned(&p->w->f, p->i, p->first, p->n, data, bytes) < 0)
        return KEPT;
    memset(data + bytes, 0, p->len - head - bytes);
    write_header(p->place, t, p->first / piece_of(t, p->w->rows), head, p->len);
    return 0;
}

static void fill_pieces(void *ctx, long first, long last)
{
    struct ptd_waiting *w = ctx;
    (void)first, (void)last; /* pieces differ in size: whoever is ready takes the next */
    for (int i; (i = w->next++) < w->n;) {
        int rc = fill_piece(&w->pieces[i]);
        (void)rc; /* copying does not fail */
    }
}

void ptd_store_fill_waiting(struct ptd_waiting *waiting)
{
    ptd_parallel(waiting->n, 1, fill_pieces, waiting);
    waiting->n = 0;
    waiting->next = 0;
}

/* Bytes of the value of n numbers. A matrix has pages of its own, however small: what lies in a
 * leaf is not aligned. */
static size_t value_size(struct ptd_store *s, const struct ptd_writing *w,
                         const struct ptd_tensor_about *t, size_t n)
{
    size_t len = (w->rows ? ROWS_HEAD : HEAD) + n * ptd_dtype_size(t->dtype),
           least = ptd_store_page(s) - PAGE_HEAD;
    return w->rows && t->n_dims > 1 && len < least ? least : len;
}

int ptd_store_put_piece(struct ptd_store *s, MDB_txn *txn, const struct ptd_writing *w, int i,
                        size_t first, size_t *n, struct ptd_waiting *waiting)
{
    const struct ptd_tensor_about *t = &w->f.tensors[i];
    size_t most = piece_of(t, w->rows);
    *n = t->n - first < most ? t->n - first : most;
    MDB_val v = {value_size(s, w, t, *n), NULL};
    char key[KEY_MAX + 1];
    int few = s->written / 4096 < DIRTY,
        wait = few && w->views && w->views[i].data && v.mv_size >= STAYS;
    piece_key(key, w->prefix, t->name, first / most);
    if (!few) ptd_store_fill_waiting(waiting);
    size_t len = v.mv_size;
    int rc = ptd_store_put(s, txn, w->db, key, &v, MDB_RESERVE | (w->views ? MDB_NOOVERWRITE : 0));
    if (rc) return rc;
    struct ptd_waiting_piece p = {w, i, first, *n, len, v.mv_data};
    if (!wait) return fill_piece(&p);
    waiting->pieces[waiting->n++] = p;
    if (waiting->n == PTD_WAITING) ptd_store_fill_waiting(waiting);
    return 0;
}

/* ---- reading ---- */

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
    struct tensor_head h;
    MDB_val k, v;
    piece_key(key, prefix, name, piece);
    k = ptd_store_key(key);
    int rc = mdb_get(s->view, s->db[db], &k, &v);
    if (rc == MDB_NOTFOUND) return ptd_store_blame(s, key, "missing");
    if (rc) return ptd_store_fail(s, rc, "loading");
    if (read_header(v.mv_data, v.mv_size, &h, p) < 0)
        return ptd_store_blame(s, key, ptd_failed_message());
    if (h.piece != piece) return ptd_store_blame(s, key, "holds another piece");
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
    piece_key(key, prefix, wanted->name, 0);
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
    if (!is_intact(p)) c->damaged = (int)i + 1;
    convert(c->view, p, out);
    ptd_store_forget(p->data, p->n * ptd_dtype_size(p->whole.dtype));
}

static void take_pieces(void *ctx, long first, long last)
{
    struct conversion *c = ctx;
    for (long i = first; i < last; i++) take_piece(c, i, place_in(c->view, c->pieces[i].first));
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
    piece_key(key, prefix, t->name, 0);
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
        piece_key(key, prefix, t->name, c.damaged - 1);
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

/* Whether the view holds a published generation; its prefix, and whether it is partial. */
static int find_generation(struct ptd_store *s, int64_t generation, char prefix[PTD_PREFIX],
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
    int rc = find_generation(s, generation, prefix, &partial);
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
    struct tensor_head h;
    MDB_val k, v;
    if (ptd_store_view(s) < 0) return -1;
    int rc = find_moments(s, which, prefix);
    piece_key(key, prefix, name, 0);
    k = ptd_store_key(key);
    if (!rc) rc = mdb_get(s->view, s->db[DB_OPTIM], &k, &v);
    if (!rc && read_header(v.mv_data, v.mv_size, &h, &p) < 0)
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
    size_t piece = first / piece_of(t, !strcmp(s->file, PTD_BASE));
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
    if (p.data != s->intact && !is_intact(&p))
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
    int rc = find_generation(s, generation, prefix, &partial);
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
    if (!is_intact(&p)) return ptd_store_blame(s, name, "damaged (digest differs)");
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
        piece_key(key, prefix, name, 0);
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

/* ---- listing ---- */

struct listing {
    struct ptd_store *keeper;
    struct ptd_tensor_about **list;
    int *n;
};

static int list_one(void *ctx, const MDB_val *rest, const MDB_val *v)
{
    struct listing *l = ctx;
    struct ptd_tensor_piece p;
    struct tensor_head h;
    char *name = ptd_format("%.*s", (int)rest->mv_size, (char *)rest->mv_data);
    int rc = read_header(v->mv_data, v->mv_size, &h, &p);
    ptd_store_forget(v->mv_data, v->mv_size);
    if (rc < 0) ptd_store_blame(l->keeper, name, ptd_failed_message());
    if (rc < 0 || h.piece) {
        free(name);
        return rc < 0 ? KEPT : 0;
    }
    *l->list = ptd_realloc(*l->list, (*l->n + 1) * sizeof **l->list);
    (*l->list)[*l->n] = p.whole;
    (*l->list)[(*l->n)++].name = name;
    return 0;
}

/* Of what lies under one prefix. */
static int list_prefix(struct ptd_store *s, const char *prefix, struct ptd_tensor_about **list,
                       int *n)
{
    struct listing l = {ptd_store_keeper(s, prefix), list, n};
    int rc = ptd_store_each(l.keeper, prefix, list_one, &l);
    return rc ? ptd_store_fail(l.keeper, rc, "listing") : 0;
}

static int by_name(const void *a, const void *b)
{
    const struct ptd_tensor_about *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* Those of generation 0 that are not in the list, which is in order. */
static int list_others(struct ptd_store *s, struct ptd_tensor_about **list, int *n)
{
    char prefix[PTD_PREFIX];
    struct ptd_tensor_about *first = NULL;
    int own = *n, all = 0;
    ptd_store_prefix(prefix, "", 0);
    int rc = list_prefix(s, prefix, &first, &all);
    *list = ptd_realloc(*list, (size_t)(own + all + 1) * sizeof **list);
    for (int i = 0; i < all; i++)
        if (bsearch(&first[i], *list, (size_t)own, sizeof **list, by_name))
            free((char *)(uintptr_t)first[i].name);
        else
            (*list)[(*n)++] = first[i];
    qsort(*list, (size_t)*n, sizeof **list, by_name);
    free(first);
    return rc;
}

int ptd_store_list(struct ptd_store *s, int64_t generation, struct ptd_tensor_about **list, int *n)
{
    char prefix[PTD_PREFIX];
    int partial;
    *list = NULL;
    *n = 0;
    if (ptd_store_view(s) < 0) return -1;
    int rc = find_generation(s, generation, prefix, &partial);
    if (!rc) rc = list_prefix(s, prefix, list, n);
    if (!rc && partial) rc = list_others(s, list, n);
    ptd_store_view_end(s);
    if (rc) ptd_store_list_free(*list, *n), *list = NULL, *n = 0;
    return rc;
}

void ptd_store_list_free(struct ptd_tensor_about *list, int n)
{
    for (int i = 0; i < n; i++) free((char *)(uintptr_t)list[i].name);
    free(list);
}

/* ---- identity ---- */

static int hash_meta(struct ptd_store *s, XXH3_state_t *hash)
{
    MDB_cursor *c;
    MDB_val k, v;
    int rc = mdb_cursor_open(s->view, s->db[DB_META], &c);
    if (rc) return rc;
    while (!(rc = mdb_cursor_get(c, &k, &v, MDB_NEXT))) {
        if (k.mv_size == strlen(PTD_ORIGIN) && !memcmp(k.mv_data, PTD_ORIGIN, k.mv_size)) continue;
        XXH3_64bits_update(hash, k.mv_data, k.mv_size);
        XXH3_64bits_update(hash, v.mv_data, v.mv_size);
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Of each piece the key and the header, which holds the digest of the numbers. */
static int hash_piece(void *hash, const MDB_val *rest, const MDB_val *v)
{
    size_t n = v->mv_size >= 4 && !memcmp(v->mv_data, ROWS_MAGIC, 4) ? ROWS_HEAD : HEAD;
    if (n > v->mv_size) n = v->mv_size;
    XXH3_64bits_update(hash, rest->mv_data, rest->mv_size);
    XXH3_64bits_update(hash, v->mv_data, n);
    ptd_store_forget(v->mv_data, v->mv_size);
    return 0;
}

int ptd_store_digest(struct ptd_store *s, const char *prefix, uint64_t *digest)
{
    XXH3_state_t *hash = XXH3_createState();
    if (!hash) ptd_die(PTD_OSERR, "out of memory for a hash");
    XXH3_64bits_reset(hash);
    int rc = ptd_store_each(s, prefix, hash_piece, hash);
    *digest = XXH3_64bits_digest(hash);
    XXH3_freeState(hash);
    return rc;
}

int ptd_store_identity(struct ptd_store *s, int64_t generation, char hex[17])
{
    char prefix[PTD_PREFIX];
    int partial;
    XXH3_state_t *hash = XXH3_createState();
    if (!hash) ptd_die(PTD_OSERR, "out of memory for a hash");
    XXH3_64bits_reset(hash);
    int rc = ptd_store_view(s);
    if (!rc) {
        rc = find_generation(s, generation, prefix, &partial);
        int failed = rc ? 0 : hash_meta(s, hash);
        if (!rc && !failed)
            failed = ptd_store_each(ptd_store_keeper(s, prefix), prefix, hash_piece, hash);
        ptd_store_prefix(prefix, "", 0);
        if (!rc && !failed && partial)
            failed = ptd_store_each(ptd_store_keeper(s, prefix), prefix, hash_piece, hash);
        if (failed) rc = ptd_store_fail(s, failed, "reading what it holds");
        ptd_store_view_end(s);
    }
    snprintf(hex, 17, "%016llx", (unsigned long long)XXH3_64bits_digest(hash));
    XXH3_freeState(hash);
    return rc;
}
