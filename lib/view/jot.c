/* jot: see jot.h. */
#include "view/jot.h"
#include "base/utf8.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct ptd_jot *j, const char *s, size_t n)
{
    ptd_buf_add(&j->out, s, n);
}

static void begin(struct ptd_jot *j)
{
    if (j->behind) add(j, ",", 1);
    j->behind = 1;
}

void ptd_jot_open(struct ptd_jot *j, char bracket)
{
    begin(j);
    add(j, &bracket, 1);
    j->behind = 0;
}

void ptd_jot_close(struct ptd_jot *j, char bracket)
{
    add(j, &bracket, 1);
    j->behind = 1;
}

void ptd_jot_key(struct ptd_jot *j, const char *key)
{
    begin(j);
    add(j, "\"", 1);
    add(j, key, strlen(key));
    add(j, "\":", 2);
    j->behind = 0;
}

/* Is the character at s written as an escape? Its bytes, 0: no. */
static size_t escaped(const char *s, char *escape)
{
    unsigned char c = (unsigned char)*s;
    int line = !strncmp(s, "\xe2\x80\xa8", 3) || !strncmp(s, "\xe2\x80\xa9", 3);
    if (!line && c >= 0x20 && c != '"' && c != '\\' && c != '<' && c != 0x7f) return 0;
    sprintf(escape, "\\u%04x", line ? 0x2000u + ((unsigned)(unsigned char)s[2] & 0x3f) : c);
    return line ? 3 : 1;
}

/* Valid text; a NUL inside is one of the n. */
static void put(struct ptd_jot *j, const char *s, size_t n)
{
    char escape[8];
    size_t from = 0, took;
    for (size_t i = 0; i < n; i += took ? took : 1) {
        if (!(took = escaped(s + i, escape))) continue;
        add(j, s + from, i - from);
        add(j, escape, 6);
        from = i + took;
    }
    add(j, s + from, n - from);
}

void ptd_jot_bytes(struct ptd_jot *j, const char *s, size_t n)
{
    size_t len;
    char *text = ptd_utf8(s, n, &len);
    begin(j);
    add(j, "\"", 1);
    put(j, text, len);
    add(j, "\"", 1);
    free(text);
}

void ptd_jot_text(struct ptd_jot *j, const char *s)
{
    if (s)
        ptd_jot_bytes(j, s, strlen(s));
    else
        ptd_jot_raw(j, "null");
}

void ptd_jot_int(struct ptd_jot *j, int64_t x)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)x);
    ptd_jot_raw(j, digits);
}

void ptd_jot_number(struct ptd_jot *j, double x)
{
    char digits[32] = "null";
    if (isfinite(x)) snprintf(digits, sizeof digits, "%.6g", x);
    ptd_jot_raw(j, digits);
}

void ptd_jot_raw(struct ptd_jot *j, const char *value)
{
    begin(j);
    add(j, value, strlen(value));
}

void ptd_jot_clear(struct ptd_jot *j)
{
    free(j->out.data);
    *j = (struct ptd_jot){0};
}
