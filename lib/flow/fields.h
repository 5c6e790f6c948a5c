/* fields: one table per struct says how it becomes a msgpack map and back. For record.c only.
 *
 * Rules: a pointer is left out when NULL, a list when empty, a number by its rule, a sub map when
 * its first field is NULL. */
#ifndef PTD_FIELDS_H
#define PTD_FIELDS_H
#include "flow/pack.h"

#define PTD_NONE ((size_t)-1)

/* The msgpack ext codes of typed arrays are I32, F32 and F16 themselves. */
enum ptd_field_kind {
    I32 = 1, /* const int32_t * */
    F32,     /* const float * */
    F16,     /* const uint16_t * */
    STR,     /* const char *, without NUL inside */
    I64,     /* int64_t */
    INT,     /* int, never negative */
    F64,     /* double */
    STRINGS, /* const char *const * and a count */
    REGIONS, /* const struct ptd_region * and a count */
    NAMED,   /* int, by its name; left out when 0 */
    HASH,    /* char[17] of 16 hex digits */
    /* const uint8_t * to height * width * 3 bytes; never copied, as typed arrays that lie
     * aligned */
    PIXELS,
    MAP,  /* a struct */
    MAPS, /* structs and a count */
};
enum ptd_field_rule { UNLESS_PRESET, ALWAYS, WHEN_SET };

struct ptd_fields;
struct ptd_field {
    const char *name;
    enum ptd_field_kind kind;
    size_t at; /* offset of the value */
    /* offsets of an array's int counts: it has n, or n * k, entries; WHEN_SET: n_at is the int to
     * look at */
    size_t n_at, k_at;
    int own;  /* reading this array sets n */
    int most; /* entries that a list may have; 0: no limit of its own */
    enum ptd_field_rule rule;
    double preset;            /* of numbers: when absent */
    const char *const *names; /* of NAMED: n_names of them */
    int n_names;
    const struct ptd_fields *sub;
};
struct ptd_fields {
    const struct ptd_field *fields; /* a NULL name ends them; at most 31 */
    /* offset of a struct ptd_unknown, or PTD_NONE: unknown fields are skipped */
    size_t size, unknown_at;
    int (*check)(const char *path, const void *base);
};

/* *base must be zeroed. `before` may look at the unpacked map first (a version). Memory comes from
 * *arena. -1 with a status. */
int ptd_fields_decode(void **arena, const struct ptd_fields *t, void *base, const char *body,
                      size_t len, int (*before)(const msgpack_object *o)) PTD_MUST_CHECK;
/* replaces out's content */
void ptd_fields_encode(const struct ptd_fields *t, const void *base, struct ptd_buf *out);
/* ptd_fail with status 65 and the field's full name. */
int ptd_fields_bad(const char *path, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#endif
