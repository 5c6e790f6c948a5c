/* normal: canonical order by sorting each run of marks, then utf8proc's composition.
 * Leaves to callers: which texts are normalised, and how they are decomposed. */
#include "base/normal.h"
#include "base/err.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define LONGEST 18 /* characters that one becomes at most: U+FDFA */

static int by_key(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x), memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* The marks c [n]: by combining class, otherwise as they stand. */
static void order_marks(int32_t *c, size_t n)
{
    uint64_t few[32], *key = n > 32 ? ptd_malloc(n * sizeof *key) : few;
    for (size_t i = 0; i < n; i++)
        key[i] =
            (uint64_t)utf8proc_get_property(c[i])->combining_class << 56 | (uint64_t)i << 21 | c[i];
    qsort(key, n, sizeof *key, by_key);
    for (size_t i = 0; i < n; i++) c[i] = key[i] & 0x1FFFFF;
    if (key != few) free(key);
}

size_t ptd_compose(int32_t *c, size_t n)
{
    for (size_t i = 0, from = 0; i <= n; i++) {
        if (i < n && utf8proc_get_property(c[i])->combining_class) continue;
        if (i - from > 1) order_marks(c + from, i - from);
        from = i + 1;
    }
    return (size_t)utf8proc_normalize_utf32(c, (utf8proc_ssize_t)n,
                                            UTF8PROC_STABLE | UTF8PROC_COMPOSE);
}

/* s decomposed `how` utf8proc calls it, then composed. */
static char *mapped(const char *s, size_t len, int how)
{
    size_t cap = len + LONGEST, n = 0;
    int32_t c, *all = ptd_malloc(cap * sizeof *all);
    int boundary = 0;
    for (size_t i = 0; i < len;) {
        if (cap - n < LONGEST) all = ptd_realloc(all, (cap *= 2) * sizeof *all);
        utf8proc_ssize_t took =
            utf8proc_iterate((const utf8proc_uint8_t *)s + i, (utf8proc_ssize_t)(len - i), &c);
        if (took <= 0) return free(all), NULL;
        i += (size_t)took;
        n += (size_t)utf8proc_decompose_char(c, all + n, (utf8proc_ssize_t)(cap - n), how,
                                             &boundary);
    }
    n = ptd_compose(all, n);
    unsigned char *text = ptd_malloc(4 * n + 1), *out = text;
    for (size_t i = 0; i < n; i++) out += utf8proc_encode_char(all[i], out);
    *out = '\0';
    free(all);
    return (char *)text;
}

char *ptd_fold(const char *s, size_t len)
{
    return mapped(s, len, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
}

char *ptd_plain(const char *s, size_t len)
{
    return mapped(s, len, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
}
