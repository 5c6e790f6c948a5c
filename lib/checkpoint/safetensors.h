/* safetensors: one file of tensors, read strictly and written canonically.
 *
 * A file is 8 bytes (little-endian length of the header), the header (JSON: {"NAME": {"dtype":
 * "BF16", "shape": [2, 3], "data_offsets": [0, 12]}, ..., "__metadata__": {"format": "pt"}}, padded
 * with spaces), then the numbers. Reading never maps: a file that shrinks is an error, not a
 * signal. What is checked before any tensor is read, each violation one line that names file,
 * tensor and rule, status 65:
 *
 *   the header's length fits the file and is at most 100 MB; the header is UTF-8 JSON that begins
 *       with "{", no name occurs twice in it;
 *   at most 1,000,000 tensors, names of at most 1,024 bytes, at most 16 axes; dtype, shape and
 *       data_offsets are there, of the right kind, and nothing else is;
 *   end - begin is shape times width, without overflow; in the order of their offsets tensors
 *       neither overlap nor leave holes, the first begins at 0,
 *   the last ends at the end of the file; __metadata__ holds texts only.
 *
 *     if (ptd_safetensors_open(&f, path) < 0) ptd_die_last();
 *     t = ptd_safetensors_find(f, "lm_head.weight");
 *     ptd_safetensors_read(f, t, 0, bytes, out);
 *     ptd_safetensors_close(f);                       // -1 if the file changed meanwhile */
#ifndef PTD_SAFETENSORS_H
#define PTD_SAFETENSORS_H
#include "base/err.h"
#include "store/store.h"
#include <stdint.h>

#define PTD_SAFETENSORS_AXES 16

struct ptd_safetensor {
    char *name;
    char dtype[12]; /* "BF16"; any that the format knows */
    int n_dims;
    int64_t dims[PTD_SAFETENSORS_AXES];
    uint64_t begin, end; /* bytes after the header */
};

struct ptd_safetensors {
    char *path; /* for messages and opening */
    int fd;
    uint64_t size, data;            /* bytes of the file; where the numbers begin */
    struct ptd_safetensor *tensors; /* sorted by name */
    int n;
};

/* 66 if it cannot be read */
int ptd_safetensors_open(struct ptd_safetensors **f, const char *path) PTD_MUST_CHECK;
/* Parses a header that `bytes` of numbers follow; no file belongs to the result. */
int ptd_safetensors_parse(struct ptd_safetensors **f, const char *path, const char *header,
                          size_t len, uint64_t bytes) PTD_MUST_CHECK;
/* NULL: none */
const struct ptd_safetensor *ptd_safetensors_find(const struct ptd_safetensors *f,
                                                  const char *name);
/* Reads n bytes of a tensor from byte `at` on. */
int ptd_safetensors_read(const struct ptd_safetensors *f, const struct ptd_safetensor *t,
                         uint64_t at, size_t n, void *out) PTD_MUST_CHECK;
int ptd_safetensors_close(struct ptd_safetensors *f); /* NULL is fine */
/* "[2, 3]" */
void ptd_shape_text(int n_dims, const int64_t *dims, char *out, size_t cap);

/* Eight bytes of length and the header of a file with these tensors in this order, one behind the
 * other, "format" "pt"; malloc'd. */
char *ptd_safetensors_header(const struct ptd_tensor_about *t, int n, size_t *len);
#endif
