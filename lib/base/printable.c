/* printable: what is escaped, and how wide the rest is.
 * Leaves to callers: what they show, and where raw bytes are wanted. */
#include "base/printable.h"
#include "base/err.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static int is_control(utf8proc_int32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

/* A byte that has a name in C, or any other. */
static int escape_byte(unsigned char c, char *piece)
{
    static const char names[] = "\nn\tt\rr";
    for (const char *p = names; *p; p += 2)
        if ((unsigned char)*p == c) return sprintf(piece, "\\%c", p[1]);
    return sprintf(piece, "\\x%02x", c);
}

int ptd_printable_piece(const char *s, char piece[PTD_PRINTABLE_PIECE], int *len)
{
    utf8proc_int32_t c;
    int n = (int)utf8proc_iterate((const utf8proc_uint8_t *)s, -1, &c);
    if (n <= 1 && (n < 1 || is_control(c))) return *len = escape_byte((unsigned char)*s, piece), 1;
    if (is_control(c)) return *len = sprintf(piece, "\\u%04x", (unsigned)c), n;
    memcpy(piece, s, (size_t)n);
    return *len = n;
}

char *ptd_printable(const char *s)
{
    char piece[PTD_PRINTABLE_PIECE];
    size_t n = 0;
    int len;
    for (const char *p = s; *p; n += (size_t)len) p += ptd_printable_piece(p, piece, &len);
    char *text = ptd_malloc(n + PTD_PRINTABLE_PIECE), *out = text;
    for (; *s; out += len) s += ptd_printable_piece(s, out, &len);
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
