/* store_piece: how a tensor is cut into pieces, and one of them as bytes: format, shape and digest
 * before its numbers. */
#include "store/store_private.h"
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL /* for this machine's vectors: twice as fast as the library */
#include <xxhash.h>

#define TENSOR_MAGIC "PTDT"
#define ROWS_MAGIC   "PTDR"     /* in pieces of whole rows */
#define PIECE        (4u << 20) /* bytes of numbers */

struct tensor_head { /* then zeros up to HEAD or ROWS_HEAD, the digest at their end */
    char magic[4];
    uint32_t dtype, n_dims, piece;
    int64_t dims[5]; /* of the whole */
};
#define HEAD      PTD_TENSOR_HEAD
#define ROWS_HEAD PTD_ROWS_HEAD

_Static_assert(sizeof(struct tensor_head) == 56, "the header has no holes");
_Static_assert((PAGE_HEAD + ROWS_HEAD) % 64 == 0, "numbers are aligned");

size_t ptd_store_piece(int dtype)
{
    return PIECE / ptd_dtype_size(dtype);
}

size_t ptd_store_cut(const struct ptd_tensor_about *t, int rows)
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
    for (int i = 0; i < n; i++) pieces += (t[i].n - 1) / ptd_store_cut(&t[i], 1) + 1;
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
    size_t most = ptd_store_cut(&p->whole, rows), size = ptd_dtype_size(p->whole.dtype),
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

size_t ptd_store_piece_head(const void *value, size_t len)
{
    return len >= 4 && !memcmp(value, ROWS_MAGIC, 4) ? ROWS_HEAD : HEAD;
}

int ptd_store_parse_piece(const void *value, size_t len, struct ptd_tensor_piece *p)
{
    struct tensor_head h = {.dtype = 0};
    memset(p, 0, sizeof *p);
    memcpy(&h, value, len < sizeof h ? len : sizeof h);
    p->head = ptd_store_piece_head(value, len);
    p->len = len;
    if (check_head(&h, len, p->head) < 0 || count_values(&h, &p->whole.n) < 0) return -1;
    p->number = h.piece;
    p->whole.dtype = h.dtype;
    p->whole.n_dims = h.n_dims;
    memcpy(p->whole.dims, h.dims, sizeof h.dims);
    p->data = (const char *)value + p->head;
    return check_extent(&h, p);
}

int ptd_store_piece_intact(const struct ptd_tensor_piece *p)
{
    const char *value = (const char *)p->data - p->head;
    uint64_t digest;
    memcpy(&digest, (const char *)p->data - sizeof digest, sizeof digest);
    return digest == tensor_digest(value, p->head, p->len);
}

int ptd_store_tensor(const void *value, size_t len, struct ptd_tensor_piece *p)
{
    if (ptd_store_parse_piece(value, len, p) < 0) return -1;
    return ptd_store_piece_intact(p) ? 0 : ptd_fail(PTD_DATAERR, "tensor damaged (digest differs)");
}

void ptd_store_seal_piece(char *value, const struct ptd_tensor_about *t, size_t number, int rows,
                          size_t len)
{
    size_t head = rows ? ROWS_HEAD : HEAD;
    struct tensor_head h = {"", t->dtype, t->n_dims, number, {0}};
    memcpy(h.magic, rows ? ROWS_MAGIC : TENSOR_MAGIC, 4);
    memcpy(h.dims, t->dims, t->n_dims * sizeof *h.dims);
    memset(value, 0, head);
    memcpy(value, &h, sizeof h);
    uint64_t digest = tensor_digest(value, head, len);
    memcpy(value + head - sizeof digest, &digest, sizeof digest);
}

size_t ptd_store_recut(char *value, const struct ptd_tensor_about *t, size_t first, size_t n)
{
    size_t len = HEAD + n * ptd_dtype_size(t->dtype);
    ptd_store_seal_piece(value, t, first / ptd_store_piece(t->dtype), 0, len);
    return len;
}
