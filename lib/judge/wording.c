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

int ptd_text_same(value g, value a)
{
    if (is_insoluble(g) && is_insoluble(a)) return 1;
    if (verdict(g) && verdict(g) == verdict(a)) return 1;
    if (ptd_words_same(g->t, g->n, a->t, a->n)) return 1;
    int i = g->kind == PTD_V_TEXT ? behind_verb(a) : 0;
    return i && ptd_words_same(g->t, g->n, a->t + i, a->n - i);
}
