/* extract: where in a response the answer is; see extract.h for the rules.
 * Leaves what the answer is worth to judge.c. */
#include "judge/extract.h"
#include <string.h>

static int is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *trim(const char *s, const char *end, size_t *len)
{
    while (s < end && is_blank(*s)) s++;
    while (end > s && is_blank(end[-1])) end--;
    *len = (size_t)(end - s);
    return s;
}

/* Last occurrence of `what` that begins in [s, end). */
static const char *find_last(const char *s, const char *end, const char *what)
{
    size_t n = strlen(what);
    for (const char *p = end; p-- > s;)
        if (*p == what[0] && strncmp(p, what, n) == 0) return p;
    return NULL;
}

/* The brace that closes the one before s, at most at end; \{ and \} are text. */
static const char *matching_brace(const char *s, const char *end)
{
    int depth = 1;
    for (; s < end; s++) {
        if (*s == '\\' && s + 1 < end && strchr("\\{}", s[1]))
            s++;
        else if (*s == '{')
            depth++;
        else if (*s == '}' && --depth == 0)
            return s;
    }
    return NULL;
}

/* A box that does not close before a later, unclosed one cannot close at all: each byte is looked
 * at once. */
const char *ptd_last_box(const char *text, const char **close)
{
    const char *end = text + strlen(text), *p;
    while ((p = find_last(text, end, PTD_BOX))) {
        *close = matching_brace(p + strlen(PTD_BOX), end);
        if (*close) return p + strlen(PTD_BOX);
        end = p;
    }
    return NULL;
}

const char *ptd_last_tag(const char *text, const char **close)
{
    *close = find_last(text, text + strlen(text), PTD_TAG_CLOSE);
    const char *p = *close ? find_last(text, *close, PTD_TAG_OPEN) : NULL;
    return p ? p + strlen(PTD_TAG_OPEN) : NULL;
}

const char *ptd_answer_find(int rule, const char *text, size_t *len)
{
    const char *close = NULL, *p = NULL;
    if (rule != PTD_EXTRACT_TAG) p = ptd_last_box(text, &close);
    if (!p && rule != PTD_EXTRACT_BOXED) p = ptd_last_tag(text, &close);
    if (!p) return NULL;
    p = trim(p, close, len);
    return *len ? p : NULL;
}
