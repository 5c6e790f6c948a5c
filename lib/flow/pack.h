/* pack: what record.c needs around msgpack-c: growing bytes, an arena, and the look at declared
 * sizes before msgpack-c sees them.
 *
 * msgpack-c allocates what five bytes ask for and reports deep nesting as lack of memory, so every
 * body is scanned first. */
#ifndef PTD_PACK_H
#define PTD_PACK_H
#include "flow/record.h"

#include <msgpack.h>

enum {
    PTD_PACK_DEPTH = 8,
    PTD_PACK_ITEMS = 65536 /* of one container */,
    PTD_PACK_TOTAL = 1 << 20 /* of one body */
};

/* Bytes of the first object at p[n] when it and all it holds lie within n bytes, depth and counts;
 * else 0. */
size_t ptd_pack_size(const char *p, size_t n);
/* Bytes of a map's or array's header at p (which was scanned). */
size_t ptd_pack_header(const char *p);
/* Scans, then unpacks the single object that fills body[len]; strings, bins and exts of *o point
 * into body. -1 with status 65. */
int ptd_pack_open(msgpack_unpacked *u, const char *body, size_t len) PTD_MUST_CHECK;

/* msgpack_packer's write function on a struct ptd_buf. */
int ptd_pack_write(void *buf, const char *p, size_t n);
void ptd_pack_str(msgpack_packer *pk, const char *s);

/* Memory that lives until ptd_arena_free: zeroed, 16-byte aligned. *arena starts as NULL. */
void *ptd_arena_alloc(void **arena, size_t n);
void ptd_arena_free(void **arena);
#endif
