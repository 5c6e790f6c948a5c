/* wording: texts as words, and names written in other ways; see compare.h. */
#include "base/normal.h"
#include "judge/compare.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef const struct ptd_value *value;

/* ---- words ---- */

static int is_dress(const struct ptd_tok *t)
{
    int k = t->kind;
    return k == '.' || k == '"' || k == '\'' || k == '`' || k == '#' || (k == '*' && *t->s == '*');
}

/* Braces and hyphens mean nothing between words only. */
static int is_prose(const struct ptd_tok *t, int n)
{
    for (int i = 0; i < n; i++)
        if (t[i].kind >= 128 && t[i].kind != PTD_T_WORD) return 0;
    return 1;
}

static int is_article(const struct ptd_tok *t)
{
    return ptd_tok_is(t, "the") || ptd_tok_is(t, "a") || ptd_tok_is(t, "an");
}

static int has_words(const struct ptd_tok *t, int n)
{
    for (int i = 0; i < n; i++)
        if (t[i].kind == PTD_T_WORD && t[i].n > 1) return 1;
    return 0;
}

/* Of which the kind says all: how it is written means nothing. */
static int is_sign(int kind)
{
    return kind >= PTD_T_LE && kind != PTD_T_MONEY && kind != PTD_T_ANGLE && kind != PTD_T_BEGIN;
}

void ptd_words(const struct ptd_tok *t, int n, char *out, size_t cap)
{
    size_t len = 0;
    int fold = has_words(t, n), prose = is_prose(t, n), between = 0;
    if (n > 1 && is_article(t) && t[1].spaced) t++, n--;
    for (int i = 0; i < n; i++) {
        int prime =
            t[i].kind == '\'' && i && strchr(")]}", t[i - 1].kind < 128 ? t[i - 1].kind : 'x');
        if ((is_dress(&t[i]) && !prime) || (prose && t[i].kind && strchr("{}-", t[i].kind))) {
            between |= t[i].kind == '-';
            continue;
        }
        if (len + t[i].n + 4u > cap) break;
        if (len && (t[i].spaced || between || t[i].kind == PTD_T_WORD)) out[len++] = ' ';
        between = 0;
        if (t[i].kind >= 128 && t[i].kind != PTD_T_WORD && t[i].kind != PTD_T_NUM)
            out[len++] = (char)t[i].kind;
        for (int k = 0; k < t[i].n && !is_sign(t[i].kind); k++)
            out[len++] = (char)(t[i].kind == PTD_T_WORD && t[i].s[k] == '.' ? ' '
                                : fold ? tolower((unsigned char)t[i].s[k])
                                       : t[i].s[k]);
    }
    out[len] = '\0';
}

static int is_ascii(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s >= 0x80) return 0;
    return 1;
}

/* Case folded as Unicode says, and in one form. */
static int fold_alike(const char *x, const char *y)
{
    char *p = ptd_fold(x, strlen(x)), *q = ptd_fold(y, strlen(y));
    int same = p && q && strcmp(p, q) == 0;
    free(p);
    free(q);
    return same;
}

int ptd_words_same(const struct ptd_tok *a, int n, const struct ptd_tok *b, int m)
{
    char x[1024], y[1024];
    ptd_words(a, n, x, sizeof x);
    ptd_words(b, m, y, sizeof y);
    if (!*x) return 0;
    return strcmp(x, y) == 0 || (!(is_ascii(x) && is_ascii(y)) && fold_alike(x, y));
}

/* Of a sign the kind counts, not how it is written: >, \gt. */
static int same_token(const struct ptd_tok *a, const struct ptd_tok *b)
{
    if (a->kind != b->kind) return 0;
    switch (a->kind) {
    case PTD_T_NUM:
    case PTD_T_WORD:
    case PTD_T_NAME:
    case PTD_T_MONEY:
    case PTD_T_ANGLE:
    case PTD_T_BEGIN:
        return a->n == b->n && memcmp(a->s, b->s, a->n) == 0;
    default:
        return 1;
    }
}

int ptd_written_alike(const struct ptd_lex *a, const struct ptd_lex *b)
{
    if (a->n != b->n || a->n == 0) return 0;
    for (int i = 0; i < a->n; i++)
        if (!same_token(&a->t[i], &b->t[i])) return 0;
    return 1;
}

/* ---- statements and formulas ---- */

/* Circled numbers, in any order, as bits; 0: there is something else. */
static unsigned circled(value v)
{
    unsigned seen = 0;
    for (const struct ptd_tok *t = v->t; t < v->t + v->n; t++) {
        if (t->kind == PTD_T_WORD)
            for (int i = 0; i < t->n; i += 3) {
                if (t->n % 3 || memcmp(t->s + i, "\xe2\x91", 2) != 0) return 0;
                seen |= 1u << (t->s[i + 2] & 31);
            }
        else if (t->kind != ',' && t->kind != ';')
            return 0;
    }
    return seen;
}

/* H_2O as H2O: letters and digits, indices or not; 0: it is no such name. */
static int as_formula(value v, char *out, size_t cap)
{
    size_t len = 0;
    int digits = 0;
    for (const struct ptd_tok *t = v->t; t < v->t + v->n; t++) {
        if (t->kind == '_' || t->kind == '{' || t->kind == '}') continue;
        if ((t->kind != PTD_T_NUM && t->kind != PTD_T_WORD) || len + t->n >= cap) return 0;
        if ((t > v->t && t->spaced & 1) || !t->n) return 0;
        digits |= t->kind == PTD_T_NUM;
        memcpy(out + len, t->s, t->n);
        len += t->n;
    }
    out[len] = '\0';
    return digits && isupper((unsigned char)*out);
}

int ptd_named_alike(value g, value a)
{
    char x[64], y[64];
    if (circled(g) && circled(g) == circled(a)) return 1;
    return as_formula(g, x, sizeof x) && as_formula(a, y, sizeof y) && strcmp(x, y) == 0;
}

/* ---- sentences and verdicts ---- */

/* Words after which a sentence says something else than its end. */
static int turns_around(const struct ptd_tok *t)
{
    static const char *const words[] = {"not",    "no",        "neither",  "nor",    "never",
                                        "wrong",  "incorrect", "opposite", "false",  "if",
                                        "unless", "without",   "except",   "cannot", "isn",
                                        "other",  "than",      "either",   "or",     NULL};
    for (int i = 0; words[i]; i++)
        if (ptd_tok_is(t, words[i])) return 1;
    return 0;
}

/* "It is a circle", "color: blue": the tokens behind what only leads to them. */
static int behind_verb(value a)
{
    for (int i = 0; i + 1 < a->n && i < 8; i++) {
        if (turns_around(&a->t[i])) return 0;
        if (i && (ptd_tok_is(&a->t[i], "is") || ptd_tok_is(&a->t[i], "are") || a->t[i].kind == ':'))
            return i + 1;
    }
    return 0;
}

/* 1 for yes, -1 for no, in either language; 0: neither. */
static int verdict(value v)
{
    static const char *const yes[] = {"yes",  "true", "correct", "是",       "是的", "对",
                                      "对的", "正确", "正确的",  "是正确的", NULL};
    static const char *const no[] = {"no", "false", "incorrect", "wrong", "否",     "不是",
                                     "不", "错",    "错误",      "不对",  "不正确", NULL};
    for (int i = 0; v->n == 1 && yes[i]; i++)
        if (ptd_tok_is(v->t, yes[i])) return 1;
    for (int i = 0; v->n == 1 && no[i]; i++)
        if (ptd_tok_is(v->t, no[i])) return -1;
    return 0;
}

static int is_insoluble(value v)
{
    static const char *const words[] = {"no solution", "no solutions", "无解", "方程无解", NULL};
    char said[64];
    if (v->n > 4) return 0;
    ptd_words(v->t, v->n, said, sizeof said);
    for (int i = 0; words[i]; i++)
        if (strcmp(said, words[i]) == 0) return 1;
    return 0;
}

/* ---- other words for the same ---- */

static const struct alias {
    const char *other, *plain;
} aliases[] = {
    {"mon", "monday"},
    {"星期一", "monday"},
    {"周一", "monday"},
    {"礼拜一", "monday"},
    {"tue", "tuesday"},
    {"tues", "tuesday"},
    {"星期二", "tuesday"},
    {"周二", "tuesday"},
    {"礼拜二", "tuesday"},
    {"wed", "wednesday"},
    {"星期三", "wednesday"},
    {"周三", "wednesday"},
    {"礼拜三", "wednesday"},
    {"thu", "thursday"},
    {"thur", "thursday"},
    {"thurs", "thursday"},
    {"星期四", "thursday"},
    {"周四", "thursday"},
    {"礼拜四", "thursday"},
    {"fri", "friday"},
    {"星期五", "friday"},
    {"周五", "friday"},
    {"礼拜五", "friday"},
    {"sat", "saturday"},
    {"星期六", "saturday"},
    {"周六", "saturday"},
    {"礼拜六", "saturday"},
    {"sun", "sunday"},
    {"星期日", "sunday"},
    {"星期天", "sunday"},
    {"周日", "sunday"},
    {"礼拜天", "sunday"},
    {"jan", "january"},
    {"month of january", "january"},
    {"1月", "january"},
    {"1 月", "january"},
    {"一月", "january"},
    {"feb", "february"},
    {"month of february", "february"},
    {"2月", "february"},
    {"2 月", "february"},
    {"二月", "february"},
    {"mar", "march"},
    {"month of march", "march"},
    {"3月", "march"},
    {"3 月", "march"},
    {"三月", "march"},
    {"apr", "april"},
    {"month of april", "april"},
    {"4月", "april"},
    {"4 月", "april"},
    {"四月", "april"},
    {"month of may", "may"},
    {"5月", "may"},
    {"5 月", "may"},
    {"五月", "may"},
    {"jun", "june"},
    {"month of june", "june"},
    {"6月", "june"},
    {"6 月", "june"},
    {"六月", "june"},
    {"jul", "july"},
    {"month of july", "july"},
    {"7月", "july"},
    {"7 月", "july"},
    {"七月", "july"},
    {"aug", "august"},
    {"month of august", "august"},
    {"8月", "august"},
    {"8 月", "august"},
    {"八月", "august"},
    {"sep", "september"},
    {"sept", "september"},
    {"month of september", "september"},
    {"9月", "september"},
    {"9 月", "september"},
    {"九月", "september"},
    {"oct", "october"},
    {"month of october", "october"},
    {"10月", "october"},
    {"10 月", "october"},
    {"十月", "october"},
    {"nov", "november"},
    {"month of november", "november"},
    {"11月", "november"},
    {"11 月", "november"},
    {"十一月", "november"},
    {"dec", "december"},
    {"month of december", "december"},
    {"12月", "december"},
    {"12 月", "december"},
    {"十二月", "december"},
    {"us", "united states"},
    {"u s", "united states"},
    {"usa", "united states"},
    {"u s a", "united states"},
    {"united states of america", "united states"},
    {"uk", "united kingdom"},
    {"u k", "united kingdom"},
    {"uae", "united arab emirates"},
    {"u a e", "united arab emirates"},
    {NULL, NULL},
};

/* Words of a text that may be written in another way. */
static const struct alias words[] = {
    {"grey", "gray"},      {"colour", "color"},  {"centre", "center"}, {"theatre", "theater"},
    {"1 st", "first"},     {"1st", "first"},     {"2 nd", "second"},   {"2nd", "second"},
    {"3 rd", "third"},     {"3rd", "third"},     {"4 th", "fourth"},   {"4th", "fourth"},
    {"5 th", "fifth"},     {"5th", "fifth"},     {"6 th", "sixth"},    {"6th", "sixth"},
    {"7 th", "seventh"},   {"7th", "seventh"},   {"8 th", "eighth"},   {"8th", "eighth"},
    {"9 th", "ninth"},     {"9th", "ninth"},     {"10 th", "tenth"},   {"10th", "tenth"},
    {"11 th", "eleventh"}, {"11th", "eleventh"}, {"12 th", "twelfth"}, {"12th", "twelfth"},
    {NULL, NULL},
};

/* The one of list that s begins with, up to its end or a blank: its bytes in *used. */
static const char *alias_of(const struct alias *list, const char *s, int whole, size_t *used)
{
    for (; list->other; list++) {
        if (*list->other != *s) continue;
        size_t m = strlen(list->other);
        if (strncmp(s, list->other, m) == 0 && (s[m] == '\0' || (!whole && s[m] == ' ')))
            return *used = m, list->plain;
    }
    return NULL;
}

/* Bytes of "on the" and the like at the beginning, if more stands behind. */
static size_t place_words(const char *s)
{
    static const char *const leads[] = {"on the ", "in the ", "at the ", "to the ", "on ",
                                        "in ",     "at ",     "to ",     "it ",     NULL};
    for (int i = 0; leads[i]; i++)
        if (strncmp(s, leads[i], strlen(leads[i])) == 0 && s[strlen(leads[i])])
            return strlen(leads[i]);
    return 0;
}

/* left side, gray color: without the last word, which says nothing more. */
static void cut_noun(char *s)
{
    static const char *const nouns[] = {" side", " color", " direction", NULL};
    for (int i = 0; nouns[i]; i++) {
        size_t n = strlen(s), m = strlen(nouns[i]);
        if (n > m && strcmp(s + n - m, nouns[i]) == 0) s[n - m] = '\0';
    }
}

/* The words in one way of writing, out of their own room. */
static void plainly(const char *s, char *out, size_t cap)
{
    size_t len = 0, used;
    const char *as = alias_of(aliases, s, 1, &used);
    if (as) s = as;
    while (*s && len + 16 < cap) {
        if ((as = alias_of(words, s, 0, &used))) {
            memcpy(out + len, as, strlen(as));
            len += strlen(as);
            s += used;
        }
        while (!as && *s && *s != ' ' && len + 16 < cap) out[len++] = *s++;
        if (*s == ' ') out[len++] = *s++;
    }
    out[len] = '\0';
    cut_noun(out);
}

/* 这是三角形, 增加了, 红色的: what stands around the word. */
static const char *chinese_core(const char *s, size_t *n)
{
    static const char *const before[] = {"这是一个", "这是", "它是", "一个", NULL},
                             *const behind[] = {"了", "的", "市", NULL};
    *n = strlen(s);
    for (int i = 0; before[i]; i++) {
        size_t m = strlen(before[i]);
        if (*n > m + 3 && strncmp(s, before[i], m) == 0) s += m, *n -= m;
    }
    for (int i = 0; behind[i]; i++)
        if (*n >= 9 && memcmp(s + *n - 3, behind[i], 3) == 0) *n -= 3;
    if (*n >= 6 && memcmp(s + *n - 3, "色", 3) == 0) *n -= 3;
    return s;
}

static int chinese_same(const char *x, const char *y)
{
    size_t n, m;
    if ((unsigned char)*x < 0xe3 || (unsigned char)*y < 0xe3) return 0;
    x = chinese_core(x, &n), y = chinese_core(y, &m);
    return n == m && memcmp(x, y, n) == 0;
}

/* Words that say a place by themselves: "on the left" is left, "on the table" is no table. */
static int is_place(const char *s)
{
    static const char *const places[] = {"left",   "right", "top",   "bottom", "center",
                                         "middle", "front", "north", "south",  NULL};
    for (int i = 0; places[i]; i++)
        if (strcmp(s, places[i]) == 0) return 1;
    return 0;
}

/* Gray and grey, 3rd and third, Mon and Monday, "on the left" and left. */
static int said_otherwise(value g, value a)
{
    char x[256], y[256], p[256], q[256];
    x[200] = y[200] = '\0';
    ptd_words(g->t, g->n, x, sizeof x);
    ptd_words(a->t, a->n, y, sizeof y);
    if (!*x || !*y || x[200] || y[200]) return 0;
    size_t n = place_words(x), m = place_words(y);
    plainly(x + (!m && is_place(x + n) ? n : 0), p, sizeof p);
    plainly(y + (!n ? m : 0), q, sizeof q);
    return strcmp(p, q) == 0 || chinese_same(x, y);
}

int ptd_text_same(value g, value a)
{
    if (is_insoluble(g) && is_insoluble(a)) return 1;
    if (verdict(g) && verdict(g) == verdict(a)) return 1;
    if (ptd_words_same(g->t, g->n, a->t, a->n)) return 1;
    if (a->n < 12 && said_otherwise(g, a)) return 1;
    int i = g->kind == PTD_V_TEXT ? behind_verb(a) : 0;
    return i && ptd_words_same(g->t, g->n, a->t + i, a->n - i);
}
