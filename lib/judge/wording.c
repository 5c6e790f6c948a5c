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
    const char *plain, *others; /* parted by | */
} aliases[] = {
    {"monday", "mon|星期一|周一|礼拜一"},
    {"tuesday", "tue|tues|星期二|周二|礼拜二"},
    {"wednesday", "wed|星期三|周三|礼拜三"},
    {"thursday", "thu|thur|thurs|星期四|周四|礼拜四"},
    {"friday", "fri|星期五|周五|礼拜五"},
    {"saturday", "sat|星期六|周六|礼拜六"},
    {"sunday", "sun|星期日|星期天|周日|礼拜天"},
    {"january", "jan|month of january|1月|1 月|一月"},
    {"february", "feb|month of february|2月|2 月|二月"},
    {"march", "mar|month of march|3月|3 月|三月"},
    {"april", "apr|month of april|4月|4 月|四月"},
    {"may", "month of may|5月|5 月|五月"},
    {"june", "jun|month of june|6月|6 月|六月"},
    {"july", "jul|month of july|7月|7 月|七月"},
    {"august", "aug|month of august|8月|8 月|八月"},
    {"september", "sep|sept|month of september|9月|9 月|九月"},
    {"october", "oct|month of october|10月|10 月|十月"},
    {"november", "nov|month of november|11月|11 月|十一月"},
    {"december", "dec|month of december|12月|12 月|十二月"},
    {"united states", "us|u s|usa|u s a|united states of america"},
    {"united kingdom", "uk|u k"},
    {"united arab emirates", "uae|u a e"},
};

/* Words of a text that may be written in another way. */
static const struct alias words[] = {
    {"gray", "grey"},         {"color", "colour"},     {"center", "centre"},
    {"theater", "theatre"},   {"first", "1 st|1st"},   {"second", "2 nd|2nd"},
    {"third", "3 rd|3rd"},    {"fourth", "4 th|4th"},  {"fifth", "5 th|5th"},
    {"sixth", "6 th|6th"},    {"seventh", "7 th|7th"}, {"eighth", "8 th|8th"},
    {"ninth", "9 th|9th"},    {"tenth", "10 th|10th"}, {"eleventh", "11 th|11th"},
    {"twelfth", "12 th|12th"}};

/* The one of list [n] that s is, up to its end or a blank: its bytes in *used. */
static const char *alias_of(const struct alias *list, size_t n, const char *s, int whole,
                            size_t *used)
{
    for (size_t i = 0; i < n; i++)
        for (const char *o = list[i].others; *o;) {
            size_t m = strcspn(o, "|");
            if (strncmp(s, o, m) == 0 && (s[m] == '\0' || (!whole && s[m] == ' ')))
                return *used = m, list[i].plain;
            o += m + (o[m] == '|');
        }
    return NULL;
}

/* Bytes of "on the" and the like at the beginning, if more stands behind. */
static size_t place_words(const char *s)
{
    static const char *const leads[] = {"on the ", "in the ", "at the ", "to the ", "on ",
                                        "in ",     "at ",     "to ",     NULL};
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
    const char *as = alias_of(aliases, sizeof aliases / sizeof *aliases, s, 1, &used);
    if (as) s = as;
    while (*s && len + 16 < cap) {
        if ((as = alias_of(words, sizeof words / sizeof *words, s, 0, &used))) {
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
    ptd_words(g->t, g->n, x, sizeof x);
    ptd_words(a->t, a->n, y, sizeof y);
    if (!*x || strlen(x) > 200 || strlen(y) > 200) return 0;
    size_t n = place_words(x), m = place_words(y);
    plainly(x + (!m && is_place(x + n) ? n : 0), p, sizeof p);
    plainly(y + (!n ? m : 0), q, sizeof q);
    return strcmp(p, q) == 0 || chinese_same(x, y);
}

int ptd_text_same(value g, value a)
{
    if (is_insoluble(g) && is_insoluble(a)) return 1;
    if (verdict(g) && verdict(g) == verdict(a)) return 1;
    if (ptd_words_same(g->t, g->n, a->t, a->n) || said_otherwise(g, a)) return 1;
    int i = g->kind == PTD_V_TEXT ? behind_verb(a) : 0;
    return i && ptd_words_same(g->t, g->n, a->t + i, a->n - i);
}
