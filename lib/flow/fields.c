/* Structs to msgpack maps and back, driven by tables of fields.
 * Leaves to record.c: which fields there are and what must hold between them. */
#include "flow/fields.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "typed arrays travel as they lie in memory");

#define FIELDS_MAX 256 /* of one map, known and unknown */

#define AT(base, offset, T)  (*(T *)((char *)(base) + (offset)))
#define SEE(base, offset, T) (*(const T *)((const char *)(base) + (offset)))

/* Pointers of every type go through memcpy, so that no store passes under a wrong type. */
static void set_pointer(void *base, size_t at, const void *p)
{
    memcpy((char *)base + at, &p, sizeof p);
}

static const void *pointer(const void *base, size_t at)
{
    const void *p;
    memcpy(&p, (const char *)base + at, sizeof p);
    return p;
}

static size_t entry_size(enum ptd_field_kind kind)
{
    return kind == F16 ? 2 : kind == PIXELS ? 3 : 4;
}

/* Entries that the counts in the struct ask of an array. */
static uint64_t entries(const struct ptd_field *f, const void *base)
{
    uint64_t n = (uint64_t)SEE(base, f->n_at, int);
    return f->k_at == PTD_NONE ? n : n * (uint64_t)SEE(base, f->k_at, int);
}

/* ---- decoding ---- */

struct decoder {
    void **arena;
    char path[64];   /* "rollouts[3]." */
    const char *end; /* of the body */
    const char *at;  /* behind the map or list that was decoded last */
};

/* An object with its bytes, which unknown fields are cut from. */
struct source {
    const msgpack_object *o;
    const char *raw;
};

static int decode_map(struct decoder *d, const struct ptd_fields *t, void *base, struct source in);

int ptd_fields_bad(const char *path, const char *name, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return ptd_fail(PTD_DATAERR, "field \"%s%s\": %s", path, name, text);
}

static const char *get_string(struct decoder *d, const char *name, const msgpack_object *o)
{
    if (o->type != MSGPACK_OBJECT_STR)
        return ptd_fields_bad(d->path, name, "expected a string"), NULL;
    size_t n = o->via.str.size;
    if (n && memchr(o->via.str.ptr, 0, n))
        return ptd_fields_bad(d->path, name, "a string with a NUL byte"), NULL;
    char *s = ptd_arena_alloc(d->arena, n + 1);
    if (n) memcpy(s, o->via.str.ptr, n);
    return s;
}

static int get_integer(struct decoder *d, const char *name, const msgpack_object *o, int64_t lo,
                       int64_t hi, int64_t *v)
{
    int fits = o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ||
               (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 <= INT64_MAX);
    if (!fits || o->via.i64 < lo || o->via.i64 > hi)
        return ptd_fields_bad(d->path, name, "expected a whole number from %lld to %lld",
                              (long long)lo, (long long)hi);
    *v = o->via.i64;
    return 0;
}

static int get_number(struct decoder *d, const char *name, const msgpack_object *o, double *v)
{
    if (o->type == MSGPACK_OBJECT_FLOAT32 || o->type == MSGPACK_OBJECT_FLOAT64)
        *v = o->via.f64;
    else if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        *v = (double)o->via.u64;
    else if (o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        *v = (double)o->via.i64;
    else
        return ptd_fields_bad(d->path, name, "expected a number");
    return 0;
}

static int get_array(struct decoder *d, const struct ptd_field *f, void *base,
                     const msgpack_object *o, uint64_t *n)
{
    size_t size = entry_size(f->kind);
    if (o->type != MSGPACK_OBJECT_EXT || o->via.ext.type != (int8_t)f->kind)
        return ptd_fields_bad(d->path, f->name, "expected an ext of type %d", f->kind);
    if (o->via.ext.size % size)
        return ptd_fields_bad(d->path, f->name, "%u bytes are no whole entries", o->via.ext.size);
    const char *p = o->via.ext.ptr;
    if ((uintptr_t)p % size) { /* of a body that lies odd, or of another writer */
        char *copy = ptd_arena_alloc(d->arena, o->via.ext.size);
        p = memcpy(copy, p, o->via.ext.size);
    }
    set_pointer(base, f->at, p);
    *n = o->via.ext.size / size;
    if (f->own) AT(base, f->n_at, int) = (int)*n;
    return 0;
}

static int get_pixels(struct decoder *d, const struct ptd_field *f, void *base,
                      const msgpack_object *o, uint64_t *n)
{
    if (o->type != MSGPACK_OBJECT_BIN || o->via.bin.size % 3)
        return ptd_fields_bad(d->path, f->name, "expected RGB bytes as bin");
    set_pointer(base, f->at, o->via.bin.ptr);
    *n = o->via.bin.size / 3;
    return 0;
}

static int get_text(struct decoder *d, const struct ptd_field *f, void *base,
                    const msgpack_object *o)
{
    const char *s = get_string(d, f->name, o);
    set_pointer(base, f->at, s);
    return s ? 0 : -1;
}

static int get_hash(struct decoder *d, const struct ptd_field *f, void *base,
                    const msgpack_object *o)
{
    if (o->type != MSGPACK_OBJECT_STR || o->via.str.size != 16 ||
        strspn(o->via.str.ptr, "0123456789abcdef") < 16)
        return ptd_fields_bad(d->path, f->name, "expected 16 hex digits");
    memcpy((char *)base + f->at, o->via.str.ptr, 16);
    return 0;
}

static int get_named(struct decoder *d, const struct ptd_field *f, void *base,
                     const msgpack_object *o)
{
    const char *s = get_string(d, f->name, o);
    for (int i = 0; s && i < f->n_names; i++)
        if (strcmp(s, f->names[i]) == 0) return AT(base, f->at, int) = i, 0;
    return s ? ptd_fields_bad(d->path, f->name, "\"%.40s\" is no %s", s, f->name) : -1;
}

static int expect_list(struct decoder *d, const struct ptd_field *f, const msgpack_object *o)
{
    if (o->type != MSGPACK_OBJECT_ARRAY)
        return ptd_fields_bad(d->path, f->name, "expected an array");
    if (!f->most || o->via.array.size <= (uint32_t)f->most) return 0;
    return ptd_fields_bad(d->path, f->name, "%u entries, expected at most %d", o->via.array.size,
                          f->most);
}

static int get_strings(struct decoder *d, const struct ptd_field *f, void *base,
                       const msgpack_object *o)
{
    if (expect_list(d, f, o) < 0) return -1;
    uint32_t n = o->via.array.size;
    const char **list = ptd_arena_alloc(d->arena, n * sizeof *list);
    for (uint32_t i = 0; i < n; i++)
        if (!(list[i] = get_string(d, f->name, &o->via.array.ptr[i]))) return -1;
    set_pointer(base, f->at, list);
    AT(base, f->n_at, int) = (int)n;
    return 0;
}

static int is_box(const float b[4])
{
    return b[0] >= 0 && b[0] <= b[2] && b[2] <= 1 && b[1] >= 0 && b[1] <= b[3] && b[3] <= 1;
}

static int get_region(struct decoder *d, const char *name, const msgpack_object *o,
                      struct ptd_region *r)
{
    if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size != 5)
        return ptd_fields_bad(d->path, name, "expected [label, x0, y0, x1, y1]");
    const msgpack_object *part = o->via.array.ptr;
    if (!(r->label = get_string(d, name, part))) return -1;
    for (int i = 0; i < 4; i++) {
        double v = 0;
        if (get_number(d, name, part + 1 + i, &v) < 0) return -1;
        r->box[i] = (float)v;
    }
    return is_box(r->box)
               ? 0
               : ptd_fields_bad(d->path, name, "expected 0 <= x0 <= x1 <= 1 and the same for y");
}

static int get_regions(struct decoder *d, const struct ptd_field *f, void *base,
                       const msgpack_object *o)
{
    if (expect_list(d, f, o) < 0) return -1;
    uint32_t n = o->via.array.size;
    struct ptd_region *list = ptd_arena_alloc(d->arena, n * sizeof *list);
    for (uint32_t i = 0; i < n; i++)
        if (get_region(d, f->name, &o->via.array.ptr[i], &list[i]) < 0) return -1;
    set_pointer(base, f->at, list);
    AT(base, f->n_at, int) = (int)n;
    return 0;
}

/* "63]."; printf took a tenth of the time of a whole group. */
static void put_index(char *out, uint32_t i)
{
    char digits[10];
    int n = 0;
    do digits[n++] = (char)('0' + i % 10);
    while (i /= 10);
    while (n) *out++ = digits[--n];
    strcpy(out, "].");
}

static int get_maps(struct decoder *d, const struct ptd_field *f, void *base, struct source in)
{
    if (expect_list(d, f, in.o) < 0) return -1;
    uint32_t n = in.o->via.array.size;
    char outer[sizeof d->path], *list = ptd_arena_alloc(d->arena, n * f->sub->size);
    strcpy(outer, d->path);
    d->at = in.raw + ptd_pack_header(in.raw);
    int at = snprintf(d->path, sizeof d->path, "%.20s%.20s[", outer, f->name);
    for (uint32_t i = 0; i < n; i++) {
        put_index(d->path + at, i);
        if (decode_map(d, f->sub, list + i * f->sub->size,
                       (struct source){&in.o->via.array.ptr[i], d->at}) < 0)
            return -1;
    }
    strcpy(d->path, outer);
    set_pointer(base, f->at, list);
    AT(base, f->n_at, int) = (int)n;
    return 0;
}

static int get_map(struct decoder *d, const struct ptd_field *f, void *base, struct source in)
{
    char outer[sizeof d->path];
    strcpy(outer, d->path);
    snprintf(d->path, sizeof d->path, "%.40s%s.", outer, f->name);
    if (decode_map(d, f->sub, (char *)base + f->at, in) < 0) return -1;
    strcpy(d->path, outer);
    return 0;
}

static int get_int(struct decoder *d, const struct ptd_field *f, void *base,
                   const msgpack_object *o)
{
    int64_t v = 0;
    if (get_integer(d, f->name, o, 0, INT_MAX, &v) < 0) return -1;
    AT(base, f->at, int) = (int)v;
    return 0;
}

static int get_field(struct decoder *d, const struct ptd_field *f, void *base, struct source in,
                     uint64_t *n)
{
    switch (f->kind) {
    case I32:
    case F32:
    case F16:
        return get_array(d, f, base, in.o, n);
    case PIXELS:
        return get_pixels(d, f, base, in.o, n);
    case STR:
        return get_text(d, f, base, in.o);
    case I64:
        return get_integer(d, f->name, in.o, INT64_MIN, INT64_MAX, &AT(base, f->at, int64_t));
    case INT:
        return get_int(d, f, base, in.o);
    case F64:
        return get_number(d, f->name, in.o, &AT(base, f->at, double));
    case STRINGS:
        return get_strings(d, f, base, in.o);
    case REGIONS:
        return get_regions(d, f, base, in.o);
    case NAMED:
        return get_named(d, f, base, in.o);
    case HASH:
        return get_hash(d, f, base, in.o);
    case MAP:
        return get_map(d, f, base, in);
    case MAPS:
        return get_maps(d, f, base, in);
    }
    return ptd_fail(PTD_BUG, "field \"%s\" of no kind", f->name);
}

static void preset(const struct ptd_fields *t, void *base)
{
    for (const struct ptd_field *f = t->fields; f->name; f++) {
        if (f->kind == F64) AT(base, f->at, double) = f->preset;
        if (f->kind == I64) AT(base, f->at, int64_t) = (int64_t)f->preset;
    }
}

static int same_key(const msgpack_object *a, const msgpack_object *b)
{
    uint32_t n = a->via.str.size;
    return n == b->via.str.size && (!n || memcmp(a->via.str.ptr, b->via.str.ptr, n) == 0);
}

/* Fields come in the table's order nearly always, so the search goes on where the last one ended.
 */
static const struct ptd_field *find_field(const struct ptd_fields *t, const msgpack_object *key,
                                          const struct ptd_field *next)
{
    for (int round = 0; round < 2; round++, next = t->fields)
        for (const struct ptd_field *f = next; f->name; f++)
            if (strlen(f->name) == key->via.str.size &&
                memcmp(f->name, key->via.str.ptr, key->via.str.size) == 0)
                return f;
    return NULL;
}

/* Key i of a map, with its field (NULL: unknown). */
static int check_key(struct decoder *d, const msgpack_object *o, uint32_t i,
                     const struct ptd_field *f, int seen)
{
    const msgpack_object_kv *kv = o->via.map.ptr;
    int again = f && seen;
    for (uint32_t j = 0; !f && j < i; j++) again |= same_key(&kv[i].key, &kv[j].key);
    if (!again) return 0;
    char name[64] = "";
    uint32_t n = kv[i].key.via.str.size;
    if (n) memcpy(name, kv[i].key.via.str.ptr, n < sizeof name ? n : sizeof name - 1);
    return ptd_fields_bad(d->path, name, "comes twice");
}

/* The whole map is to blame: the field that it is, or none at the outermost. */
static int bad_map(const struct decoder *d, const char *what)
{
    int n = (int)strlen(d->path);
    if (!n) return ptd_fail(PTD_DATAERR, "%s", what);
    return ptd_fail(PTD_DATAERR, "field \"%.*s\": %s", n - 1, d->path, what);
}

static int check_map(struct decoder *d, const msgpack_object *o)
{
    if (o->type != MSGPACK_OBJECT_MAP) return bad_map(d, "expected a map");
    if (o->via.map.size > FIELDS_MAX) {
        char text[64];
        snprintf(text, sizeof text, "%u fields, at most %d are allowed", o->via.map.size,
                 FIELDS_MAX);
        return bad_map(d, text);
    }
    for (uint32_t i = 0; i < o->via.map.size; i++)
        if (o->via.map.ptr[i].key.type != MSGPACK_OBJECT_STR)
            return bad_map(d, "a key that is no string");
    return 0;
}

/* Room for n bytes of unknown fields: it doubles, so that many of them are copied a few times, not
 * each for each. */
static size_t unknown_room(size_t n)
{
    size_t room = 64;
    while (room < n) room *= 2;
    return n ? room : 0;
}

static void keep_unknown(struct decoder *d, struct ptd_unknown *u, const char *raw, size_t len)
{
    if (u->len + len > unknown_room(u->len)) {
        char *all = ptd_arena_alloc(d->arena, unknown_room(u->len + len));
        if (u->len) memcpy(all, u->raw, u->len);
        u->raw = all;
    }
    memcpy(u->raw + u->len, raw, len);
    u->len += len;
    u->n++;
}

static int check_lengths(struct decoder *d, const struct ptd_fields *t, const void *base,
                         const uint64_t *n)
{
    for (const struct ptd_field *f = t->fields; f->name; f++) {
        int array = f->kind <= F16 || f->kind == PIXELS;
        if (!array || f->own || !pointer(base, f->at)) continue;
        uint64_t wanted = entries(f, base), got = n[f - t->fields];
        if (got != wanted)
            return ptd_fields_bad(d->path, f->name, "%llu entries, expected %llu",
                                  (unsigned long long)got, (unsigned long long)wanted);
    }
    return 0;
}

static const char *skip(const struct decoder *d, const char *p)
{
    return p + ptd_pack_size(p, (size_t)(d->end - p));
}

static int decode_map(struct decoder *d, const struct ptd_fields *t, void *base, struct source in)
{
    uint64_t n[32] = {0};
    uint32_t seen = 0;
    const struct ptd_field *next = t->fields;
    if (check_map(d, in.o) < 0) return -1;
    preset(t, base);
    const char *p = in.raw + ptd_pack_header(in.raw);
    for (uint32_t i = 0; i < in.o->via.map.size; i++) {
        const msgpack_object_kv *kv = &in.o->via.map.ptr[i];
        const struct ptd_field *f = find_field(t, &kv->key, next);
        const char *first = p, *value = skip(d, p);
        if (check_key(d, in.o, i, f, f && seen >> (f - t->fields) & 1) < 0) return -1;
        p = f && (f->kind == MAP || f->kind == MAPS) ? NULL : skip(d, value);
        if (f && get_field(d, f, base, (struct source){&kv->val, value}, &n[f - t->fields]) < 0)
            return -1;
        if (!p) p = d->at;
        if (f) seen |= 1u << (f - t->fields), next = f + 1;
        if (!f && t->unknown_at != PTD_NONE)
            keep_unknown(d, &AT(base, t->unknown_at, struct ptd_unknown), first,
                         (size_t)(p - first));
    }
    d->at = p;
    if (check_lengths(d, t, base, n) < 0) return -1;
    return t->check ? t->check(d->path, base) : 0;
}

int ptd_fields_decode(void **arena, const struct ptd_fields *t, void *base, const char *body,
                      size_t len, int (*before)(const msgpack_object *o))
{
    msgpack_unpacked u;
    struct decoder d = {.arena = arena, .end = body + len};
    if (ptd_pack_open(&u, body, len) < 0) return -1;
    int rc = before ? before(&u.data) : 0;
    if (rc == 0) rc = decode_map(&d, t, base, (struct source){&u.data, body});
    msgpack_unpacked_destroy(&u);
    return rc;
}

/* ---- encoding ---- */

struct encoder {
    msgpack_packer pk;
    struct ptd_buf *out;
};

static void encode_map(struct encoder *e, const struct ptd_fields *t, const void *base);

static double number(const struct ptd_field *f, const void *base)
{
    if (f->kind == F64) return SEE(base, f->at, double);
    return f->kind == INT ? SEE(base, f->at, int) : (double)SEE(base, f->at, int64_t);
}

static int is_present(const struct ptd_field *f, const void *base)
{
    switch (f->kind) {
    case I64:
    case INT:
    case F64:
        if (f->rule == WHEN_SET && SEE(base, f->n_at, int)) return 1;
        return f->rule == ALWAYS || number(f, base) != f->preset;
    case STRINGS:
    case REGIONS:
    case MAPS:
        return SEE(base, f->n_at, int) > 0;
    case NAMED:
        return SEE(base, f->at, int) != PTD_UNJUDGED;
    case MAP:
        return pointer(base, f->at + f->sub->fields[0].at) != NULL;
    case HASH:
        return 1;
    default:
        return f->rule == ALWAYS || pointer(base, f->at);
    }
}

static void put_pixels(struct encoder *e, const struct ptd_field *f, const void *base)
{
    size_t bytes = entries(f, base) * entry_size(f->kind);
    msgpack_pack_bin(&e->pk, bytes);
    ptd_buf_add(e->out, pointer(base, f->at), bytes);
}

/* `code` and a length of `width` bytes behind it. */
static void put_length(struct encoder *e, int code, size_t n, int width)
{
    char head[5] = {(char)code};
    for (int i = 0; i < width; i++) head[1 + i] = (char)(n >> 8 * (width - 1 - i));
    ptd_buf_add(e->out, head, 1 + (size_t)width);
}

/* Name and entries of a typed array. msgpack has several headers for one length; those are taken
 * that put the entries at a multiple of 4 from the body's start, so that a reader can leave them
 * where they are. (Over 64 KiB there is one header only: one array in four is copied.) */
static void put_array(struct encoder *e, const struct ptd_field *f, const void *base)
{
    size_t bytes = entries(f, base) * entry_size(f->kind), len = strlen(f->name),
           least = e->out->len + len + 5;
    int wide = bytes > 65535, name = (int)(-(least + 2 * (size_t)wide) & 3);
    if (name == 3 && !wide) wide = 1, name = 1;
    if (name == 0 || name == 3)
        put_length(e, 0xa0 | (int)len, 0, 0);
    else
        put_length(e, name == 1 ? 0xd9 : 0xda, len, name);
    ptd_buf_add(e->out, f->name, len);
    put_length(e, wide ? 0xc9 : 0xc8, bytes, wide ? 4 : 2);
    ptd_buf_add(e->out, &(char){(char)f->kind}, 1);
    ptd_buf_add(e->out, pointer(base, f->at), bytes);
}

static void put_strings(struct encoder *e, const struct ptd_field *f, const void *base)
{
    const char *const *list = pointer(base, f->at);
    int n = SEE(base, f->n_at, int);
    msgpack_pack_array(&e->pk, (size_t)n);
    for (int i = 0; i < n; i++) ptd_pack_str(&e->pk, list[i]);
}

static void put_regions(struct encoder *e, const struct ptd_field *f, const void *base)
{
    const struct ptd_region *list = pointer(base, f->at);
    int n = SEE(base, f->n_at, int);
    msgpack_pack_array(&e->pk, (size_t)n);
    for (int i = 0; i < n; i++) {
        msgpack_pack_array(&e->pk, 5);
        ptd_pack_str(&e->pk, list[i].label ? list[i].label : "");
        for (int j = 0; j < 4; j++) msgpack_pack_float(&e->pk, list[i].box[j]);
    }
}

static void put_maps(struct encoder *e, const struct ptd_field *f, const void *base)
{
    const char *list = pointer(base, f->at);
    int n = SEE(base, f->n_at, int);
    msgpack_pack_array(&e->pk, (size_t)n);
    for (int i = 0; i < n; i++) encode_map(e, f->sub, list + (size_t)i * f->sub->size);
}

static void put_field(struct encoder *e, const struct ptd_field *f, const void *base)
{
    switch (f->kind) {
    case I32:
    case F32:
    case F16:
        break; /* put_array */
    case PIXELS:
        put_pixels(e, f, base);
        break;
    case STR:
        ptd_pack_str(&e->pk, pointer(base, f->at));
        break;
    case HASH:
        ptd_pack_str(&e->pk, (const char *)base + f->at);
        break;
    case NAMED:
        ptd_pack_str(&e->pk, f->names[SEE(base, f->at, int)]);
        break;
    case I64:
        msgpack_pack_int64(&e->pk, SEE(base, f->at, int64_t));
        break;
    case INT:
        msgpack_pack_int(&e->pk, SEE(base, f->at, int));
        break;
    case F64:
        msgpack_pack_double(&e->pk, SEE(base, f->at, double));
        break;
    case STRINGS:
        put_strings(e, f, base);
        break;
    case REGIONS:
        put_regions(e, f, base);
        break;
    case MAP:
        encode_map(e, f->sub, (const char *)base + f->at);
        break;
    case MAPS:
        put_maps(e, f, base);
        break;
    }
}

static void put_unknown(struct encoder *e, const struct ptd_fields *t, const void *base,
                        size_t *count)
{
    if (t->unknown_at == PTD_NONE) return;
    const struct ptd_unknown *u = &SEE(base, t->unknown_at, struct ptd_unknown);
    ptd_buf_add(e->out, u->raw, u->len);
    *count += (size_t)u->n;
}

/* Always a map16, whose count is filled in when it is known. */
static void encode_map(struct encoder *e, const struct ptd_fields *t, const void *base)
{
    size_t count = 0, header = e->out->len;
    ptd_buf_add(e->out, "\xde\0\0", 3);
    for (const struct ptd_field *f = t->fields; f->name; f++) {
        if (!is_present(f, base)) continue;
        count++;
        if (f->kind <= F16) {
            put_array(e, f, base);
            continue;
        }
        ptd_pack_str(&e->pk, f->name);
        put_field(e, f, base);
    }
    put_unknown(e, t, base, &count);
    e->out->data[header + 1] = (char)(count >> 8);
    e->out->data[header + 2] = (char)count;
}

void ptd_fields_encode(const struct ptd_fields *t, const void *base, struct ptd_buf *out)
{
    struct encoder e = {.out = out};
    out->len = 0;
    msgpack_packer_init(&e.pk, out, ptd_pack_write);
    encode_map(&e, t, base);
}
