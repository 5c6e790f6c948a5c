/* spoiler_text: words in a hint, and texts that it holds; see spoiler_private.h. */
#include "judge/number.h"
#include "method/hint/spoiler_private.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- words ---- */

struct ptd_word ptd_word_at(const char *s)
{
    struct ptd_word w = {s, 0};
    while (ptd_is_word(s[w.n])) w.n++;
    return w;
}

/* The word that ends before s, only blanks in between; empty if there is none. */
struct ptd_word ptd_word_before(const char *text, const char *s)
{
    while (s > text && isspace((unsigned char)s[-1])) s--;
    const char *end = s;
    while (s > text && ptd_is_word(s[-1])) s--;
    return (struct ptd_word){s, (size_t)(end - s)};
}

int ptd_word_is(struct ptd_word w, const char *const *list)
{
    for (; *list; list++)
        if (strlen(*list) == w.n && strncasecmp(w.s, *list, w.n) == 0) return 1;
    return 0;
}

/* The same for how a word ends, in Chinese, where words are not parted. */
int ptd_word_ends(struct ptd_word w, const char *const *list)
{
    for (; *list; list++) {
        size_t n = strlen(*list);
        if (w.n >= n && memcmp(w.s + w.n - n, *list, n) == 0) return 1;
    }
    return 0;
}

int ptd_words_deny(const char *text)
{
    static const char *const words[] = {
        "not",       "isn",     "no",      "exclude", "excluded", "rule", "ruled",
        "eliminate", "wrong",   "except",  "cannot",  "neither",  "nor",  "false",
        "incorrect", "without", "discard", "never",   "aren",     "can",  NULL};
    static const char *const chinese[] = {"\xe4\xb8\x8d", "\xe9\x9d\x9e", "\xe9\x94\x99",
                                          "\xe6\x8e\x92", "\xe9\x99\xa4", NULL};
    for (int i = 0; chinese[i]; i++)
        if (strstr(text, chinese[i])) return 1;
    return ptd_words_hold(text, words);
}

/* ---- texts ---- */

char *ptd_no_blanks(char *t)
{
    char *out = t;
    for (const char *s = t; *s; s++)
        if (*s != ' ') *out++ = *s;
    *out = '\0';
    return t;
}

static int at_word_start(const char *text, const char *what)
{
    for (const char *p = text; (p = strstr(p, what)); p += ptd_word_at(p).n)
        if (p == text || !ptd_is_word(p[-1]) || !ptd_is_word(*p) || (unsigned char)*p >= 0x80)
            return 1;
    return 0;
}

struct ptd_searched ptd_searched(const char *s)
{
    char *words = ptd_text_normal(s, strlen(s));
    return (struct ptd_searched){words, ptd_no_blanks(ptd_strdup(words))};
}

void ptd_searched_clear(struct ptd_searched *t)
{
    free(t->words);
    free(t->solid);
}

/* Does t hold the n bytes at s, blanks, case and LaTeX aside? */
int ptd_searched_holds(const struct ptd_searched *t, const char *s, size_t n)
{
    char *what = ptd_text_normal(s, n);
    size_t len = strlen(what);
    int found = len >= 2 && at_word_start(t->words, what);
    if (!found && len >= 4) found = strstr(t->solid, ptd_no_blanks(what)) != NULL;
    free(what);
    return found;
}

/* 1: the words of s hold w, in any case. */
int ptd_words_hold(const char *s, const char *const *list)
{
    for (; *s; s++) {
        struct ptd_word w = ptd_word_at(s);
        if (w.n && ptd_word_is(w, list)) return 1;
        s += w.n ? w.n - 1 : 0;
    }
    return 0;
}
