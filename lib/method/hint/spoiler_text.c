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

#define SPELT 256 /* bytes up to which blanks are looked through */
#define SHORT 4   /* bytes from which on a text may be spelt with blanks, and go on */

/* Does a word begin at p? Signs from U+2000 on join no words: Chinese, quotes. */
static int begins_word(const char *text, const char *p)
{
    if (p == text || !ptd_is_word(p[-1]) || !ptd_is_word(*p) || (unsigned char)*p >= 0x80) return 1;
    while (p > text && ((unsigned char)*--p & 0xc0) == 0x80) continue;
    return (unsigned char)*p >= 0xe2;
}

/* Behind `what` in the text from s on, blanks and hyphens within it aside; NULL: it is not there.
 */
static const char *behind(const char *s, const char *what, const char *aside)
{
    for (const char *first = s; *what; s++) {
        if (*s == *what)
            what++;
        else if (!*s || s == first || !strchr(aside, *s))
            return NULL;
    }
    return s;
}

/* What may follow a short word, and it is still the same word: reds, reddish, the redness. */
static int is_ending(const char *s)
{
    static const char *const endings[] = {"s",  "es",   "en", "ish",  "y",
                                          "ly", "like", "er", "ness", NULL};
    struct ptd_word w = ptd_word_at(s), doubled = {w.s + 1, w.n - 1};
    if (w.n == 0 || !isalpha((unsigned char)*s)) return 1;
    return ptd_word_is(w, endings) || (s[0] == s[-1] && w.n > 1 && ptd_word_is(doubled, endings));
}

static int holds_words(const char *text, const char *what, size_t len)
{
    const char *aside = len < SHORT ? "-" : " -", *end;
    for (const char *p = text; *p; p++)
        if (*p == *what && begins_word(text, p) && (end = behind(p, what, aside)) &&
            (len >= SHORT || is_ending(end)))
            return 1;
    return 0;
}

/* Without apostrophes, which have several signs and are left out as often. */
static char *normal(const char *s, size_t n)
{
    char *t = ptd_text_normal(s, n), *out = t;
    for (const char *p = t; *p; p++) {
        if (strncmp(p, "\xe2\x80\x99", 3) == 0 || strncmp(p, "\xe2\x80\x98", 3) == 0)
            p += 2;
        else if (*p != '\'')
            *out++ = *p;
    }
    *out = '\0';
    return t;
}

char *ptd_searched(const char *s)
{
    return normal(s, strlen(s));
}

int ptd_searched_holds(const char *text, const char *s, size_t n)
{
    char *what = normal(s, n);
    size_t len = strlen(what);
    int found = len >= SHORT && strstr(text, what);
    if (len >= SHORT) ptd_no_blanks(what);
    found = found || (len >= 2 && len <= SPELT && holds_words(text, what, len));
    free(what);
    return found;
}

/* ---- one of two ---- */

static int is_article(struct ptd_word w)
{
    static const char *const words[] = {"a", "an", "the", NULL};
    return ptd_word_is(w, words);
}

static struct ptd_word word_behind(const char *s)
{
    struct ptd_word w = ptd_word_at(s + strspn(s, " "));
    return is_article(w) ? ptd_word_at(w.s + w.n + strspn(w.s + w.n, " ")) : w;
}

/* The words on both sides of the "or" at s; where the stretch of both begins, and behind it. */
static const char *around(const char *t, struct ptd_word join, struct ptd_word *one,
                          struct ptd_word *two)
{
    *one = ptd_word_before(t, join.s);
    *two = word_behind(join.s + join.n);
    return two->s + two->n;
}

static int is_word(struct ptd_word w, const char *s)
{
    return w.n && w.n == strlen(s) && memcmp(w.s, s, w.n) == 0;
}

struct ptd_choice_of_two ptd_choice_of_two(const char *question, const char *answer)
{
    static const char *const joins[] = {"or", NULL};
    struct ptd_choice_of_two c = {normal(answer, strlen(answer)), NULL};
    char *t = question ? ptd_searched(question) : ptd_strdup("");
    struct ptd_word one, two;
    for (const char *s = t; *s && !c.other;) {
        struct ptd_word w = ptd_word_at(s);
        s += w.n ? w.n : 1;
        if (!ptd_word_is(w, joins)) continue;
        around(t, w, &one, &two);
        if (is_word(one, c.answer) && two.n) c.other = ptd_format("%.*s", (int)two.n, two.s);
        if (is_word(two, c.answer) && one.n) c.other = ptd_format("%.*s", (int)one.n, one.s);
    }
    free(t);
    return c;
}

void ptd_leave_out(char *t, const struct ptd_choice_of_two *c)
{
    static const char *const joins[] = {"or", "and", "with", NULL};
    struct ptd_word one, two;
    for (char *s = t; c->other && *s;) {
        struct ptd_word w = ptd_word_at(s);
        s += w.n ? w.n : 1;
        if (!ptd_word_is(w, joins)) continue;
        const char *end = around(t, w, &one, &two);
        if (!(is_word(one, c->answer) && is_word(two, c->other)) &&
            !(is_word(one, c->other) && is_word(two, c->answer)))
            continue;
        s = t + (one.s - t);
        memmove(s, end, strlen(end) + 1);
    }
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
