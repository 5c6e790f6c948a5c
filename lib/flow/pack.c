/* Growing bytes, an arena, and the scan of declared sizes that comes before msgpack-c.
 * Leaves to record.c: which fields there are. */
#include "flow/pack.h"

#include <stdlib.h>
#include <string.h>

/* each chunk is twice the one before, up to the largest: a step may hold many small groups */
#define FIRST ((size_t)4 << 10)
#define CHUNK ((size_t)64 << 10)

/* ---- growing bytes ---- */

void ptd_buf_add(struct ptd_buf *b, const void *p, size_t n)
{
    if (n > b->cap - b->len) {
        size_t cap = b->cap ? b->cap : 4096;
        while (cap - b->len < n) cap *= 2;
        b->data = ptd_realloc(b->data, b->cap = cap);
    }
    if (n) memcpy(b->data + b->len, p, n);
    b->len += n;
}

int ptd_pack_write(void *buf, const char *p, size_t n)
{
    ptd_buf_add(buf, p, n);
    return 0;
}

void ptd_pack_str(msgpack_packer *pk, const char *s)
{
    msgpack_pack_str_with_body(pk, s, strlen(s));
}

/* ---- arena ---- */

struct chunk {
    struct chunk *next;
    size_t used, size;
    char pad[8];
    char bytes[];
};

_Static_assert(offsetof(struct chunk, bytes) % 16 == 0, "arena memory is 16-byte aligned");

void *ptd_arena_alloc(void **arena, size_t n)
{
    struct chunk *c = *arena;
    n = (n + 15) & ~(size_t)15;
    if (!n) n = 16;
    if (!c || c->size - c->used < n) {
        size_t size = !c ? FIRST : c->size < CHUNK / 2 ? 2 * c->size : CHUNK;
        if (size < n) size = n;
        c = ptd_alloc(sizeof *c + size);
        c->size = size;
        c->next = *arena;
        *arena = c;
    }
    void *p = c->bytes + c->used;
    c->used += n;
    return p;
}

void ptd_arena_free(void **arena)
{
    for (struct chunk *c = *arena, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    *arena = NULL;
}

/* ---- the scan ---- */

struct scan {
    const unsigned char *p, *end;
    size_t budget; /* objects that may still come */
};

struct shape {
    uint64_t bytes; /* after the header */
    uint64_t items; /* objects inside */
    int header, container;
};

static uint64_t big(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++) v = v << 8 | p[i];
    return v;
}

/* Objects whose first byte says it all, and those of fixed size. */
static int small_shape(unsigned c, struct shape *s)
{
    static const signed char fixed[32] = {
        /* c0 */ 0, -1, 0, 0, -2, -2, -2, -2, -2, -2, 4,  8,  1,  2,  4,  8,
        /* d0 */ 1, 2,  4, 8, 2,  3,  5,  9,  17, -2, -2, -2, -2, -2, -2, -2};
    *s = (struct shape){.header = 1};
    if (c < 0x80 || c >= 0xe0) return 1;
    if (c >= 0xa0 && c < 0xc0) return s->bytes = c & 31, 1;
    if (c < 0xa0) return s->container = 1, s->items = (c & 15) * (c < 0x90 ? 2 : 1), 1;
    if (fixed[c - 0xc0] < 0) return fixed[c - 0xc0] == -1 ? -1 : 0;
    return s->bytes = (uint64_t)fixed[c - 0xc0], 1;
}

/* Objects with a length: bin, ext, str, array, map. */
static int long_shape(const unsigned char *p, size_t n, struct shape *s)
{
    unsigned c = p[0];
    int width = c < 0xc7   ? 1 << (c - 0xc4)
                : c < 0xca ? 1 << (c - 0xc7)
                : c < 0xdc ? 1 << (c - 0xd9)
                : c & 1    ? 4
                           : 2;
    int ext = c >= 0xc7 && c < 0xca;
    if (n < (size_t)(1 + width)) return -1;
    uint64_t v = big(p + 1, width);
    s->header = 1 + width;
    if (c < 0xdc) return s->bytes = v + (uint64_t)ext, 0;
    s->container = 1;
    s->items = c >= 0xde ? 2 * v : v;
    return 0;
}

static int walk(struct scan *s, int depth)
{
    struct shape h;
    size_t left = (size_t)(s->end - s->p);
    if (!left || !s->budget--) return -1;
    int known = small_shape(*s->p, &h);
    if (known < 0 || (known == 0 && long_shape(s->p, left, &h) < 0)) return -1;
    uint64_t most = (*s->p & 0xf0) == 0x80 || *s->p >= 0xde ? 2 * PTD_PACK_ITEMS : PTD_PACK_ITEMS;
    if (h.bytes > left - (size_t)h.header) return -1;
    s->p += (size_t)h.header + h.bytes;
    if (!h.container) return 0;
    if (h.items > most || h.items > (uint64_t)(s->end - s->p) || depth >= PTD_PACK_DEPTH) return -1;
    for (uint64_t i = 0; i < h.items; i++)
        if (walk(s, depth + 1) < 0) return -1;
    return 0;
}

size_t ptd_pack_size(const char *p, size_t n)
{
    const unsigned char *first = (const unsigned char *)p;
    struct scan s = {first, first + n, PTD_PACK_TOTAL};
    return walk(&s, 0) < 0 ? 0 : (size_t)(s.p - first);
}

size_t ptd_pack_header(const char *p)
{
    unsigned c = (unsigned char)*p;
    return c < 0xa0 ? 1 : c & 1 ? 5 : 3;
}

int ptd_pack_open(msgpack_unpacked *u, const char *body, size_t len)
{
    size_t at = 0;
    if (!len || ptd_pack_size(body, len) != len)
        return ptd_fail(PTD_DATAERR,
                        "body is not one msgpack object within the limits (depth %d, %d items)",
                        PTD_PACK_DEPTH, PTD_PACK_ITEMS);
    msgpack_unpacked_init(u);
    msgpack_unpack_return got = msgpack_unpack_next(u, body, len, &at);
    if (got == MSGPACK_UNPACK_SUCCESS && at == len) return 0;
    msgpack_unpacked_destroy(u);
    if (got == MSGPACK_UNPACK_NOMEM_ERROR)
        ptd_die(PTD_OSERR, "out of memory for a body of %zu bytes", len);
    return ptd_fail(PTD_DATAERR, "body is not msgpack");
}
