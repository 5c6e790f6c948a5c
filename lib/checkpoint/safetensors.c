/* safetensors: reads and checks headers, reads tensors, makes headers. Which tensors a model needs,
 * and files that share them, are left to shards.c and import.c. */
#include "checkpoint/safetensors.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_MAX  100000000
#define TENSORS_MAX 1000000
#define LONGEST     1024

/* Bits of a number; what is no whole number of bytes in all is refused. */
static const struct {
    const char *name;
    int bits;
} widths[] = {{"BF16", 16},   {"F16", 16},    {"F32", 32}, {"F64", 64},    {"I8", 8},
              {"I16", 16},    {"I32", 32},    {"I64", 64}, {"U8", 8},      {"U16", 16},
              {"U32", 32},    {"U64", 64},    {"BOOL", 8}, {"C64", 64},    {"F8_E4M3", 8},
              {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6},
              {NULL, 0}};

static int bits_of(const char *dtype)
{
    int i = 0;
    while (widths[i].name && strcmp(widths[i].name, dtype) != 0) i++;
    return widths[i].bits;
}

void ptd_shape_text(int n_dims, const int64_t *dims, char *out, size_t cap)
{
    size_t at = (size_t)snprintf(out, cap, "[");
    for (int i = 0; i < n_dims && at < cap; i++)
        at += (size_t)snprintf(out + at, cap - at, "%s%" PRId64, i ? ", " : "", dims[i]);
    if (at < cap) snprintf(out + at, cap - at, "]");
}

/* ---- one entry of the header ---- */

static int refuse(const char *path, const char *name, const char *what)
{
    return ptd_fail(PTD_DATAERR, "%s: tensor \"%.128s\": %s", path, name, what);
}

static int read_dtype(struct ptd_safetensor *t, const char *path, const json_t *v)
{
    const char *dtype = json_string_value(v);
    char words[80];
    if (!dtype) return refuse(path, t->name, v ? "dtype is no text" : "dtype is missing");
    if (bits_of(dtype)) {
        snprintf(t->dtype, sizeof t->dtype, "%s", dtype);
        return 0;
    }
    snprintf(words, sizeof words, "unknown dtype \"%.20s\"", dtype);
    return refuse(path, t->name, words);
}

static int read_shape(struct ptd_safetensor *t, const char *path, const json_t *v)
{
    if (!json_is_array(v))
        return refuse(path, t->name, v ? "shape is no list" : "shape is missing");
    if (json_array_size(v) > PTD_SAFETENSORS_AXES)
        return ptd_fail(PTD_DATAERR, "%s: tensor \"%.128s\": %zu axes, expected at most %d", path,
                        t->name, json_array_size(v), PTD_SAFETENSORS_AXES);
    t->n_dims = (int)json_array_size(v);
    for (int i = 0; i < t->n_dims; i++) {
        const json_t *d = json_array_get(v, (size_t)i);
        if (!json_is_integer(d) || json_integer_value(d) < 0)
            return refuse(path, t->name, "shape holds something else than whole numbers from 0 on");
        t->dims[i] = json_integer_value(d);
    }
    return 0;
}

static int read_offsets(struct ptd_safetensor *t, const char *path, const json_t *v)
{
    const json_t *a = json_array_get(v, 0), *b = json_array_get(v, 1);
    if (!v) return refuse(path, t->name, "data_offsets are missing");
    if (json_array_size(v) != 2 || !json_is_integer(a) || !json_is_integer(b) ||
        json_integer_value(a) < 0 || json_integer_value(b) < 0)
        return refuse(path, t->name, "data_offsets are not two whole numbers from 0 on");
    t->begin = (uint64_t)json_integer_value(a);
    t->end = (uint64_t)json_integer_value(b);
    return t->begin <= t->end ? 0 : refuse(path, t->name, "data_offsets end before they begin");
}

/* Shape times width, against the offsets. */
static int check_size(const struct ptd_safetensor *t, const char *path)
{
    uint64_t n = 1, bits = (uint64_t)bits_of(t->dtype);
    char shape[256];
    int overflow = 0;
    for (int i = 0; i < t->n_dims; i++)
        overflow |= __builtin_mul_overflow(n, (uint64_t)t->dims[i], &n);
    overflow |= __builtin_mul_overflow(n, bits, &n);
    ptd_shape_text(t->n_dims, t->dims, shape, sizeof shape);
    if (overflow)
        return ptd_fail(PTD_DATAERR, "%s: tensor \"%.128s\": shape %s is too large", path, t->name,
                        shape);
    if (n % 8) return refuse(path, t->name, "its numbers do not fill whole bytes");
    if (n / 8 == t->end - t->begin) return 0;
    return ptd_fail(PTD_DATAERR,
                    "%s: tensor \"%.128s\": data_offsets hold %" PRIu64 " bytes, expected %" PRIu64
                    " for %s %s",
                    path, t->name, t->end - t->begin, n / 8, t->dtype, shape);
}

static int read_entry(struct ptd_safetensor *t, const char *path, const char *name, json_t *v)
{
    static const char *const known[] = {"dtype", "shape", "data_offsets"};
    const char *key;
    json_t *field;
    if (strlen(name) > LONGEST)
        return ptd_fail(PTD_DATAERR, "%s: a tensor's name of %zu bytes, expected at most %d", path,
                        strlen(name), LONGEST);
    if (!json_is_object(v)) return refuse(path, name, "its entry is no object");
    t->name = ptd_strdup(name);
    json_object_foreach (v, key, field) {
        int i = 0;
        while (i < 3 && strcmp(known[i], key) != 0) i++;
        if (i == 3)
            return ptd_fail(PTD_DATAERR, "%s: tensor \"%.128s\": unknown field \"%.40s\"", path,
                            name, key);
    }
    if (read_dtype(t, path, json_object_get(v, "dtype")) < 0) return -1;
    if (read_shape(t, path, json_object_get(v, "shape")) < 0) return -1;
    if (read_offsets(t, path, json_object_get(v, "data_offsets")) < 0) return -1;
    return check_size(t, path);
}

static int check_metadata(const char *path, json_t *v)
{
    const char *key;
    json_t *text;
    if (!json_is_object(v)) return ptd_fail(PTD_DATAERR, "%s: __metadata__ is no object", path);
    json_object_foreach (v, key, text)
        if (!json_is_string(text))
            return ptd_fail(PTD_DATAERR, "%s: __metadata__: \"%.128s\" is no text", path, key);
    return 0;
}

/* ---- all entries ---- */

static int by_offset(const void *a, const void *b)
{
    const struct ptd_safetensor *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct ptd_safetensor *)a)->name,
                  ((const struct ptd_safetensor *)b)->name);
}

/* No holes, no overlaps, nothing behind. */
static int check_layout(struct ptd_safetensors *f, uint64_t bytes)
{
    uint64_t at = 0;
    qsort(f->tensors, (size_t)f->n, sizeof *f->tensors, by_offset);
    for (int i = 0; i < f->n; at = f->tensors[i++].end) {
        const struct ptd_safetensor *t = &f->tensors[i];
        if (t->begin < at)
            return ptd_fail(PTD_DATAERR, "%s: tensor \"%.128s\": overlaps tensor \"%.128s\"",
                            f->path, t->name, f->tensors[i - 1].name);
        if (t->begin > at)
            return ptd_fail(PTD_DATAERR,
                            "%s: tensor \"%.128s\": a hole of %" PRIu64 " bytes before it", f->path,
                            t->name, t->begin - at);
        if (t->end > bytes)
            return ptd_fail(PTD_DATAERR,
                            "%s: tensor \"%.128s\": ends at byte %" PRIu64 " of %" PRIu64
                            ": the file is cut short",
                            f->path, t->name, t->end, bytes);
    }
    if (at == bytes) return 0;
    return ptd_fail(PTD_DATAERR, "%s: %" PRIu64 " bytes after the last tensor", f->path,
                    bytes - at);
}

static int read_entries(struct ptd_safetensors *f, json_t *root)
{
    size_t n = json_object_size(root);
    const char *name;
    json_t *v;
    if (n > TENSORS_MAX)
        return ptd_fail(PTD_DATAERR, "%s: %zu tensors, expected at most %d", f->path, n,
                        TENSORS_MAX);
    f->tensors = ptd_array(n + 1, sizeof *f->tensors);
    json_object_foreach (root, name, v) {
        int rc = !strcmp(name, "__metadata__") ? check_metadata(f->path, v)
                                               : read_entry(&f->tensors[f->n++], f->path, name, v);
        if (rc < 0) return -1;
    }
    return 0;
}

/* Where "-0" stands outside of strings: no whole number in the eyes of other readers, 0 in
 * Jansson's. */
static const char *minus_zero(const char *header, size_t len)
{
    int inside = 0;
    for (size_t i = 0; i + 1 < len; i++) {
        if (inside && header[i] == '\\')
            i++;
        else if (header[i] == '"')
            inside = !inside;
        else if (!inside && header[i] == '-' && header[i + 1] == '0')
            return header + i;
    }
    return NULL;
}

int ptd_safetensors_parse(struct ptd_safetensors **out, const char *path, const char *header,
                          size_t len, uint64_t bytes)
{
    struct ptd_safetensors *f = ptd_alloc(sizeof *f);
    json_error_t e;
    json_t *root = NULL;
    /* Jansson overlooks one behind a number */
    const char *nul = len ? memchr(header, 0, len) : NULL;
    const char *minus;
    int rc = -1;
    *out = NULL;
    f->path = ptd_strdup(path);
    f->fd = -1;
    if (!len || *header != '{')
        ptd_fail(PTD_DATAERR, "%s: the header does not begin with \"{\"", path);
    else if (nul)
        ptd_fail(PTD_DATAERR, "%s: header, byte %zu: a NUL byte", path, (size_t)(nul - header));
    else if ((minus = minus_zero(header, len)))
        ptd_fail(PTD_DATAERR, "%s: header, byte %zu: -0, expected numbers without a sign", path,
                 (size_t)(minus - header));
    else if (!(root = json_loadb(header, len, JSON_REJECT_DUPLICATES, &e)))
        ptd_fail(PTD_DATAERR, "%s: header, byte %d: %s", path, e.position, e.text);
    else if (read_entries(f, root) == 0 && check_layout(f, bytes) == 0)
        rc = 0;
    json_decref(root);
    if (rc < 0) {
        ptd_safetensors_close(f);
        return -1;
    }
    qsort(f->tensors, (size_t)f->n, sizeof *f->tensors, by_name);
    *out = f;
    return 0;
}

/* ---- files ---- */

static int read_all(int fd, const char *path, void *out, size_t n, uint64_t at)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(fd, (char *)out + done, n - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return ptd_fail(PTD_IOERR, "%s:", path);
        if (got == 0) return ptd_fail(PTD_DATAERR, "%s: became shorter while it was read", path);
        done += (size_t)got;
    }
    return 0;
}

static int open_file(const char *path, int *fd, uint64_t *size)
{
    struct stat st;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0 || fstat(*fd, &st) < 0) return ptd_fail(PTD_NOINPUT, "%s:", path);
    if (!S_ISREG(st.st_mode)) return ptd_fail(PTD_NOINPUT, "%s: not a regular file", path);
    *size = (uint64_t)st.st_size;
    return 0;
}

/* The header's length, before any memory is taken for it. */
static int read_length(int fd, const char *path, uint64_t size, uint64_t *len)
{
    unsigned char b[8];
    if (size < 8)
        return ptd_fail(PTD_DATAERR, "%s: %" PRIu64 " bytes, expected at least 8", path, size);
    if (read_all(fd, path, b, sizeof b, 0) < 0) return -1;
    *len = 0;
    for (int i = 7; i >= 0; i--) *len = *len << 8 | b[i];
    int fits = *len <= HEADER_MAX && *len <= size - 8;
    if (!fits && ((b[0] == 0x80 && b[1] <= 5) || !memcmp(b, "PK\3\4", 4)))
        return ptd_fail(PTD_DATAERR, "%s: a pickle or zip file, expected safetensors", path);
    if (*len > HEADER_MAX)
        return ptd_fail(PTD_DATAERR, "%s: header of %" PRIu64 " bytes, expected at most %d", path,
                        *len, HEADER_MAX);
    if (*len > size - 8)
        return ptd_fail(PTD_DATAERR, "%s: header of %" PRIu64 " bytes in a file of %" PRIu64, path,
                        *len, size);
    return 0;
}

int ptd_safetensors_open(struct ptd_safetensors **f, const char *path)
{
    uint64_t size = 0, len = 0;
    char *header = NULL;
    int fd, rc = open_file(path, &fd, &size);
    *f = NULL;
    if (rc == 0) rc = read_length(fd, path, size, &len);
    if (rc == 0) rc = read_all(fd, path, header = ptd_alloc(len + 1), len, 8);
    if (rc == 0) rc = ptd_safetensors_parse(f, path, header, len, size - 8 - len);
    free(header);
    if (rc == 0) {
        (*f)->fd = fd;
        (*f)->size = size;
        (*f)->data = 8 + len;
    } else if (fd >= 0)
        close(fd);
    return rc;
}

const struct ptd_safetensor *ptd_safetensors_find(const struct ptd_safetensors *f, const char *name)
{
    struct ptd_safetensor key = {.name = (char *)(uintptr_t)name};
    return f->n ? bsearch(&key, f->tensors, (size_t)f->n, sizeof key, by_name) : NULL;
}

int ptd_safetensors_read(const struct ptd_safetensors *f, const struct ptd_safetensor *t,
                         uint64_t at, size_t n, void *out)
{
    if (at > t->end - t->begin || n > t->end - t->begin - at)
        return ptd_fail(PTD_BUG, "%s: tensor \"%.128s\": asked for bytes outside", f->path,
                        t->name);
    return read_all(f->fd, f->path, out, n, f->data + t->begin + at);
}

int ptd_safetensors_close(struct ptd_safetensors *f)
{
    struct stat st;
    int rc = 0;
    if (!f) return 0;
    if (f->fd >= 0 && fstat(f->fd, &st) == 0 && (uint64_t)st.st_size != f->size)
        rc = ptd_fail(PTD_DATAERR, "%s: changed its size while it was read", f->path);
    if (f->fd >= 0) close(f->fd);
    for (int i = 0; i < f->n; i++) free(f->tensors[i].name);
    free(f->tensors);
    free(f->path);
    free(f);
    return rc;
}

/* ---- writing ---- */

static json_t *entry(const struct ptd_tensor_about *t, uint64_t begin)
{
    char dtype[8];
    json_t *shape = json_array();
    snprintf(dtype, sizeof dtype, "%s",
             t->dtype == PTD_F32   ? "F32"
             : t->dtype == PTD_F16 ? "F16"
                                   : "BF16");
    for (int i = 0; i < t->n_dims; i++) json_array_append_new(shape, json_integer(t->dims[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype, "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)(begin + t->n * ptd_dtype_size(t->dtype)));
}

char *ptd_safetensors_header(const struct ptd_tensor_about *t, int n, size_t *len)
{
    json_t *root = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    uint64_t at = 0;
    for (int i = 0; i < n; at += t[i].n * ptd_dtype_size(t[i].dtype), i++)
        json_object_set_new(root, t[i].name, entry(&t[i], at));
    char *text = json_dumps(root, JSON_COMPACT), *out;
    size_t used = strlen(text), padded = (used + 7) / 8 * 8;
    out = ptd_alloc(8 + padded + 1);
    for (int i = 0; i < 8; i++) out[i] = (char)(padded >> (8 * i));
    memcpy(out + 8, text, used);
    memset(out + 8 + used, ' ', padded - used);
    *len = 8 + padded;
    free(text);
    json_decref(root);
    return out;
}
