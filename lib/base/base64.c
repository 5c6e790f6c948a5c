/* base64: see base64.h. What the bytes are is left to the caller. */
#include "base/base64.h"
#include <stdint.h>

#define BLANK 64
#define PAD   65
#define BAD   66

/* Value of a letter, or what else it is. */
static int value_of(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    if (c == '/' || c == '_') return 63;
    if (c == '=') return PAD;
    return c == ' ' || c == '\n' || c == '\r' || c == '\t' ? BLANK : BAD;
}

/* Is what follows position i padding and blanks alone, and not more than a group lacks? */
static int is_tail(const char *s, size_t n, size_t i, int lacks)
{
    for (; i < n; i++) {
        int v = value_of((unsigned char)s[i]);
        if (v != BLANK && (v != PAD || lacks-- <= 0)) return 0;
    }
    return 1;
}

long ptd_base64_decode(const char *s, size_t n, void *out, size_t *bad)
{
    uint8_t *to = out;
    uint32_t bits = 0;
    size_t i = 0, ignored;
    int held = 0, v; /* letters of the group at hand */
    if (!bad) bad = &ignored;
    for (; i < n && (v = value_of((unsigned char)s[i])) != PAD; i++) {
        *bad = i;
        if (v == BAD) return -1;
        if (v == BLANK) continue;
        bits = bits << 6 | (uint32_t)v;
        if (++held < 4) continue;
        *to++ = bits >> 16, *to++ = bits >> 8, *to++ = bits;
        held = 0;
    }
    *bad = i;
    if (held == 1 || !is_tail(s, n, i, held ? 4 - held : 0)) return -1;
    if (held == 2) *to++ = bits >> 4;
    if (held == 3) *to++ = bits >> 10, *to++ = bits >> 2;
    return (long)(to - (uint8_t *)out);
}

void ptd_base64_encode(const void *bytes, size_t n, char *out)
{
    static const char letter[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *s = bytes;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)s[i] << 16 | (left > 1 ? (uint32_t)s[i + 1] << 8 : 0) |
                     (left > 2 ? s[i + 2] : 0);
        *out++ = letter[v >> 18];
        *out++ = letter[v >> 12 & 63];
        *out++ = left > 1 ? letter[v >> 6 & 63] : '=';
        *out++ = left > 2 ? letter[v & 63] : '=';
    }
}
