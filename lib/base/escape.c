/* escape: see escape.h. Asks for no memory. */
#include "base/escape.h"
#include <stdio.h>
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

int ptd_escape(const char *s, char piece[PTD_ESCAPED], int *len)
{
    utf8proc_int32_t c;
    int n = (int)utf8proc_iterate((const utf8proc_uint8_t *)s, -1, &c);
    if (n <= 1 && (n < 1 || is_control(c))) return *len = escape_byte((unsigned char)*s, piece), 1;
    if (is_control(c)) return *len = sprintf(piece, "\\u%04x", (unsigned)c), n;
    memcpy(piece, s, (size_t)n);
    return *len = n;
}
