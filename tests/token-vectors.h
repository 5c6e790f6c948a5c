/* token-vectors: reads what make-token-vectors.py wrote, and compares. For test-token and
 * bench-token. */
#ifndef PTD_TESTS_TOKEN_VECTORS_H
#define PTD_TESTS_TOKEN_VECTORS_H
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "data/token.h"

/* A file, compressed or not, as a text; malloc'd; NULL if it cannot be read. */
static char *read_gz(const char *path, size_t *len)
{
    size_t cap = 1 << 16, n = 0;
    char *text = ptd_alloc(cap);
    gzFile f = gzopen(path, "rb");
    int got = -1;
    while (f && (got = gzread(f, text + n, cap - n - 1)) > 0)
        if ((n += got) > cap / 2) text = ptd_realloc(text, cap *= 2);
    if (f && gzclose(f) != Z_OK) got = -1;
    text[n] = 0;
    *len = n;
    if (got == 0) return text;
    free(text);
    return NULL;
}

static struct ptd_tokenizer *read_tokenizer(const char *path)
{
    size_t len;
    char *json = read_gz(path, &len);
    struct ptd_tokenizer *t = json ? ptd_tokenizer_new(json, len, path) : NULL;
    if (!json) ptd_fail(PTD_NOINPUT, "cannot read %s", path);
    free(json);
    return t;
}

static int32_t *ids_of(const json_t *array, size_t *n)
{
    *n = json_array_size(array);
    int32_t *ids = ptd_array(*n + 1, sizeof *ids);
    for (size_t i = 0; i < *n; i++) ids[i] = json_integer_value(json_array_get(array, i));
    return ids;
}

/* ["text", [ids]]: 0 if the text gives these ids. */
static inline int check_encode_by(const struct ptd_tokenizer *t, const json_t *line,
                                  int (*encode)(const struct ptd_tokenizer *t, const char *text,
                                                size_t len, int32_t **ids))
{
    const json_t *text = json_array_get(line, 0);
    size_t n_want;
    int32_t *ids, *want = ids_of(json_array_get(line, 1), &n_want);
    int n = encode(t, json_string_value(text), json_string_length(text), &ids);
    int bad = n < 0 || (size_t)n != n_want || memcmp(ids, want, n * sizeof *ids) != 0;
    free(ids);
    free(want);
    return bad;
}

static inline int check_encode(const struct ptd_tokenizer *t, const json_t *line)
{
    return check_encode_by(t, line, ptd_tokenizer_encode);
}

static inline int check_encode_data(const struct ptd_tokenizer *t, const json_t *line)
{
    return check_encode_by(t, line, ptd_tokenizer_encode_data);
}

/* [[ids], "text", "text without special tokens"]: 0 if the ids give these texts. */
static inline int check_decode(const struct ptd_tokenizer *t, const json_t *line)
{
    size_t n;
    int32_t *ids = ids_of(json_array_get(line, 0), &n);
    int bad = 0;
    for (int skip = 0; skip < 2; skip++) {
        const json_t *want = json_array_get(line, 1 + skip);
        char *text = ptd_tokenizer_decode(t, ids, n, skip);
        /* some hold NULs */
        bad |= memcmp(text, json_string_value(want), json_string_length(want) + 1) != 0;
        free(text);
    }
    free(ids);
    return bad;
}

/* Each line of a file of vectors through check; the number of lines, -1 if it cannot be read; *bad
 * counts those that differ, of which up to `show` are printed. */
static inline int check_lines(const struct ptd_tokenizer *t, const char *path,
                              int (*check)(const struct ptd_tokenizer *, const json_t *), int show,
                              int *bad)
{
    size_t len;
    char *text = read_gz(path, &len), *line = text, *end;
    int n = text ? 0 : -1;
    *bad = 0;
    for (; text && (end = strchr(line, '\n')); line = end + 1, n++) {
        json_t *j = json_loadb(line, end - line, JSON_ALLOW_NUL, NULL);
        if (!j || check(t, j))
            if ((*bad)++ < show)
                fprintf(stderr, "%s:%d: %.*s\n", path, n + 1, (int)(end - line), line);
        json_decref(j);
    }
    free(text);
    return n;
}
#endif
