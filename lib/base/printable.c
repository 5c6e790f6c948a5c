/* printable: see printable.h. What is escaped is escape.c's. */
#include "base/printable.h"
#include "base/err.h"
#include "base/escape.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

char *ptd_printable(const char *s)
{
    char piece[PTD_ESCAPED];
    size_t n = 0;
    int len;
    for (const char *p = s; *p; n += (size_t)len) p += ptd_escape(p, piece, &len);
    char *text = ptd_malloc(n + PTD_ESCAPED), *out = text;
    for (; *s; out += len) s += ptd_escape(s, out, &len);
    *out = '\0';
    return text;
}

/* Columns of the character at s; *n bytes. */
static int columns(const char *s, int *n)
{
    utf8proc_int32_t c;
    *n = (int)utf8proc_iterate((const utf8proc_uint8_t *)s, -1, &c);
    if (*n < 1) return *n = 1;
    return utf8proc_charwidth(c);
}

int ptd_printable_width(const char *s)
{
    long width = 0;
    for (int n; *s && width < INT_MAX / 2; s += n) width += columns(s, &n);
    return (int)width;
}

/* Bytes of s that fit into so many columns, marks on the last one included. */
static size_t fitting(const char *s, int room)
{
    const char *p = s;
    for (int n, width; *p && (width = columns(p, &n)) <= room; p += n) room -= width;
    return (size_t)(p - s);
}

char *ptd_printable_cut(const char *s, int most)
{
    char *all = ptd_printable(s);
    int width = ptd_printable_width(all), rest = (most - 3) / 2, n;
    if (width <= most) return all;
    size_t begin = fitting(all, most - 3 - rest);
    const char *end = all;
    while (width > rest) width -= columns(end, &n), end += n;
    while (*end && !columns(end, &n)) end += n; /* no mark without what it stands on */
    char *text = ptd_format("%.*s...%s", (int)begin, all, end);
    free(all);
    return text;
}
