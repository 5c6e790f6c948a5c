/* span: pieces of a text; see span.h. */
#include "judge/span.h"
#include <string.h>
#include <strings.h>

int ptd_is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

int ptd_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int ptd_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

size_t ptd_begins(const char *s, const char *end, const char *with)
{
    size_t n = strlen(with);
    return (size_t)(end - s) >= n && memcmp(s, with, n) == 0 ? n : 0;
}

size_t ptd_begins_any_case(const char *s, const char *end, const char *with)
{
    size_t n = 0;
    for (; with[n]; n++)
        if (s + n >= end || lower(s[n]) != lower(with[n])) return 0;
    return n;
}

static size_t whole(const char *s, const char *end, size_t n)
{
    return n && (s + n >= end || !(ptd_is_letter(s[n]) || ptd_is_digit(s[n]))) ? n : 0;
}

size_t ptd_begins_word(const char *s, const char *end, const char *word)
{
    return whole(s, end, ptd_begins_any_case(s, end, word));
}

size_t ptd_begins_one(const char *s, const char *end, const char *const *list)
{
    size_t n = 0;
    for (; *list && !n && s < end; list++)
        if (lower(*s) == lower(**list)) n = ptd_begins_any_case(s, end, *list);
    return n;
}

size_t ptd_begins_one_word(const char *s, const char *end, const char *const *list)
{
    size_t n = 0;
    for (; *list && !n && s < end; list++)
        if (lower(*s) == **list) n = ptd_begins_word(s, end, *list);
    return n;
}

size_t ptd_ends(struct ptd_span a, const char *with)
{
    size_t n = strlen(with);
    return a.len >= n && strncasecmp(a.s + a.len - n, with, n) == 0 ? n : 0;
}

const char *ptd_find_any_case(struct ptd_span a, const char *what)
{
    const char *end = a.s + a.len;
    for (const char *p = a.s; p < end; p++)
        if (lower(*p) == lower(*what) && ptd_begins_any_case(p, end, what)) return p;
    return NULL;
}

const char *ptd_find_word(struct ptd_span a, const char *word)
{
    const char *end = a.s + a.len;
    for (const char *p = a.s; p < end; p++)
        if (lower(*p) == *word && (p == a.s || !ptd_is_letter(p[-1])) &&
            ptd_begins_word(p, end, word))
            return p;
    return NULL;
}

struct ptd_span ptd_span_of(const char *s, const char *end)
{
    return (struct ptd_span){s, (size_t)(end - s)};
}

struct ptd_span ptd_span_behind(struct ptd_span a, const char *s)
{
    return ptd_span_of(s, a.s + a.len);
}

struct ptd_span ptd_trimmed(struct ptd_span a)
{
    while (a.len && ptd_is_blank(*a.s)) a.s++, a.len--;
    while (a.len && ptd_is_blank(a.s[a.len - 1])) a.len--;
    return a;
}
