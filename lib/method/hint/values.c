/* values: numbers by the judge's words; see values.h. */
#include "method/hint/values.h"
#include "base/err.h"
#include "base/normal.h"
#include "judge/dress.h"
#include "judge/numeral.h"
#include "judge/scan.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#define PIECE      1000 /* bytes of a text that are read at once */
#define OVERLAP    64
#define LEAST      32  /* a piece of so few is not cut further */
#define SEEN       64  /* values of a formula that are looked at */
#define WORKED_OUT 200 /* bytes of one that is worked out */

/* ---- words ---- */

static int is_cjk(utf8proc_int32_t c)
{
    return (c >= 0x2e80 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7af) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x20000 && c <= 0x3ffff);
}

static utf8proc_int32_t char_at(const char *s, const char *end, int *bytes)
{
    utf8proc_int32_t c = 0;
    utf8proc_ssize_t n =
        utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)(end - s), &c);
    *bytes = n > 0 ? (int)n : 1;
    return n > 0 ? c : (unsigned char)*s;
}

int ptd_tok_is_cjk(const struct ptd_tok *t)
{
    int bytes;
    return t->kind == PTD_T_WORD && t->n > 0 && is_cjk(char_at(t->s, t->s + t->n, &bytes));
}

/* Does a Chinese word end, or begin, with one of these? */
static int cjk_ends(const struct ptd_tok *t, const char *const *words)
{
    for (; t->kind == PTD_T_WORD && *words; words++) {
        size_t n = strlen(*words);
        if (t->n >= n && memcmp(t->s + t->n - n, *words, n) == 0) return 1;
    }
    return 0;
}

static int cjk_begins(const struct ptd_tok *t, const char *const *words)
{
    for (; t->kind == PTD_T_WORD && *words; words++) {
        size_t n = strlen(*words);
        if (t->n >= n && memcmp(t->s, *words, n) == 0) return 1;
    }
    return 0;
}

int ptd_tok_has_cjk(const struct ptd_tok *t, const char *const *words)
{
    for (; t->kind == PTD_T_WORD && *words; words++)
        if ((unsigned char)**words >= 0x80 && memmem(t->s, t->n, *words, strlen(*words))) return 1;
    return 0;
}

/* ---- a piece as tokens ---- */

/* 0: other writing, 1: Chinese, 2: a Chinese numeral */
static int writing(const char *s, const char *end, int *bytes)
{
    struct ptd_ratio r;
    int cjk = is_cjk(char_at(s, end, bytes));
    struct ptd_tok one = {.kind = PTD_T_WORD, .n = (uint16_t)*bytes, .s = s};
    return !cjk ? 0 : *bytes == 3 && ptd_numeral_read(&one, 1, &r) ? 2 : 1;
}

/* Blanks between Chinese and other writing, and around Chinese numerals; at most n - 1. */
static size_t spread(char *out, const char *s, size_t n)
{
    char *o = out;
    int bytes, last = -1;
    for (const char *end = s + n; s < end; s += bytes) {
        int now = writing(s, end, &bytes);
        if (last >= 0 && now != last) *o++ = ' ';
        last = now;
        o = mempcpy(o, s, (size_t)bytes);
    }
    return (size_t)(o - out);
}

char *ptd_values_spread(const char *s, size_t n)
{
    size_t cap = 8 * n + 64;
    char *bare = ptd_malloc(cap), *plain;
    if (ptd_undress(bare, cap, s, n, NULL) < 0) ptd_die(PTD_BUG, "a text grows too long");
    if ((plain = ptd_plain(bare, strlen(bare)))) free(bare), bare = plain; /* else no UTF-8 */
    char *out = ptd_malloc(2 * strlen(bare) + 1);
    out[spread(out, bare, strlen(bare))] = '\0';
    free(bare);
    return out;
}

/* A few tokens fewer than there is room for, so that those behind may be looked at. */
static int lex_piece(struct ptd_lex *l, const char *s, size_t n)
{
    char *text = ptd_values_spread(s, n);
    int rc = ptd_lex(l, text, strlen(text), 0);
    free(text);
    return rc < 0 || l->n > PTD_LEX_TOKENS - 8 ? -1 : 0;
}

/* ---- numbers ---- */

static void add(struct ptd_piece *p, double v, int from, int to)
{
    if (!isfinite(v)) return;
    if (p->n == p->cap)
        p->value = ptd_realloc(p->value, (size_t)(p->cap = 2 * p->cap + 16) * sizeof *p->value);
    p->value[p->n++] = (struct ptd_said_value){fabs(v), from, to};
}

static double digits(const struct ptd_tok *t)
{
    char text[64];
    size_t n = t->n < sizeof text ? t->n : sizeof text - 1;
    memcpy(text, t->s, n);
    text[n] = '\0';
    return t->n < sizeof text ? strtod(text, NULL) : INFINITY;
}

/* Token i ends where the next begins: what stands there is part of a name. */
static int is_glued(const struct ptd_lex *l, int i)
{
    const struct ptd_tok *t = &l->t[i];
    return i > 0 && !t->spaced &&
           (t[-1].kind == PTD_T_WORD || t[-1].kind == PTD_T_NAME || t[-1].kind == '_');
}

/* The exponent of a name: AC^2, x^{2}, (a + b)^2. */
static int is_exponent(const struct ptd_lex *l, int i)
{
    if (i > 2 && l->t[i - 1].kind == '{') i--;
    if (i < 2 || l->t[i - 1].kind != '^') return 0;
    int kind = l->t[i - 2].kind;
    return kind == PTD_T_WORD || kind == PTD_T_NAME || kind == ')' || kind == '}';
}

static int is_ordinal(const struct ptd_lex *l, int i, int next)
{
    static const char *const endings[] = {"st", "nd", "rd", "th", NULL};
    static const char *const before[] = {"\xe7\xac\xac", NULL}; /* di */
    const struct ptd_tok *t = &l->t[next];
    return (!t->spaced && ptd_tok_one_of(t, endings)) || (i > 0 && cjk_ends(&l->t[i - 1], before));
}

static int is_percent(const struct ptd_tok *t)
{
    return t->kind == PTD_T_PERCENT || ptd_tok_is(t, "percent") ||
           (ptd_tok_is(t, "per") && ptd_tok_is(t + 1, "cent"));
}

/* What follows a value v of tokens from .. to - 1 and changes it; each stage is a value. */
static void add_tail(struct ptd_piece *p, double v, int from, int to)
{
    static const char *const tenths[] = {"\xe6\x88\x90", NULL}; /* cheng */
    const struct ptd_tok *t = p->lex.t;
    int64_t scale;
    add(p, v, from, to);
    if (ptd_tok_is(&t[to], "k") && !t[to].spaced) add(p, 1000 * v, from, to + 1);
    if (t[to].kind == PTD_T_WORD && t[to].n == 1 && *t[to].s == 'M') add(p, 1e6 * v, from, to + 1);
    if (ptd_tok_one_of(&t[to], tenths)) add(p, v / 10, from, to + 1);
    for (; (scale = ptd_numeral_scale(&t[to])) > 0; to++) add(p, v *= (double)scale, from, to + 1);
    if (is_percent(&t[to])) add(p, v / 100, from, to + 1);
}

/* a/b, a b/c, a^b and a^{b}; the parts are met on their way. */
static void add_compound(struct ptd_piece *p, int i)
{
    const struct ptd_tok *t = p->lex.t + i;
    int brace = t[2].kind == '{';
    if (t[1].kind == '/' && t[2].kind == PTD_T_NUM)
        add_tail(p, digits(t) / digits(t + 2), i, i + 3);
    if (t[1].kind == PTD_T_NUM && t[2].kind == '/' && t[3].kind == PTD_T_NUM)
        add_tail(p, digits(t) + digits(t + 1) / digits(t + 3), i, i + 4);
    if (t[1].kind == '^' && t[2 + brace].kind == PTD_T_NUM)
        add_tail(p, pow(digits(t), digits(t + 2 + brace)), i, i + 3 + 2 * brace);
}

/* \frac{a}{b}, \frac ab: how many tokens, 0: not of two numbers. */
static int fraction(const struct ptd_tok *t, double *v)
{
    double part[2];
    int i = 1;
    for (int k = 0; k < 2; k++, i++) {
        int brace = t[i].kind == '{';
        if (t[i += brace].kind != PTD_T_NUM) return 0;
        part[k] = digits(&t[i]);
        if (brace && t[++i].kind != '}') return 0;
    }
    *v = part[0] / part[1];
    return i;
}

/* 12 345: one number or two. */
static void add_parts(struct ptd_piece *p, int i)
{
    const struct ptd_tok *t = &p->lex.t[i];
    const char *s = p->lex.plain + t->at, *end = p->lex.plain + t->end;
    if (!memchr(s, ' ', (size_t)(end - s))) return;
    for (; s < end; s++)
        if (isdigit((unsigned char)*s) && s[-(s > p->lex.plain)] == ' ')
            add(p, strtod(s, NULL), i, i + 1);
    add(p, strtod(p->lex.plain + t->at, NULL), i, i + 1);
}

static int add_digits(struct ptd_piece *p, int i)
{
    const struct ptd_lex *l = &p->lex;
    double v, part;
    int n;
    if (is_glued(l, i) || is_exponent(l, i) || is_ordinal(l, i, i + 1)) return i + 1;
    add_tail(p, v = digits(&l->t[i]), i, i + 1);
    add_compound(p, i);
    add_parts(p, i);
    if (l->t[i + 1].kind == PTD_T_FRAC && (n = fraction(&l->t[i + 1], &part)))
        add_tail(p, v + part, i, i + 1 + n);
    return i + 1;
}

/* ---- numbers in words ---- */

/* II to XL in upper case; 0 if t is none of them. A single letter is a name or a pronoun. */
static int roman(const struct ptd_tok *t)
{
    static const char *const tens[] = {"", "X", "XX", "XXX", "XL"};
    static const char *const ones[] = {"", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"};
    for (int v = 2; v <= 40 && t->n >= 2 && t->n <= strlen("XXXVIII"); v++) {
        size_t n = strlen(tens[v / 10]), k = strlen(ones[v % 10]);
        if (n + k != t->n) continue;
        if (memcmp(t->s, tens[v / 10], n) == 0 && memcmp(t->s + n, ones[v % 10], k) == 0) return v;
    }
    return 0;
}

/* "the one", "the red one", "the score", and a lone yi that nothing states. */
static int is_no_number(const struct ptd_lex *l, int i, int n)
{
    static const char *const point[] = {"the",   "this",    "that",  "each", "which",
                                        "every", "another", "other", NULL};
    static const char *const verb[] = {"is",    "are", "be",  "equals", "gives",
                                       "makes", "has", "get", NULL};
    static const char *const counting[] = {"\xe5\x8a\xa0", "\xe5\x87\x8f", "\xe4\xb9\x98",
                                           NULL}; /* jia, jian, cheng */
    const struct ptd_tok *t = &l->t[i];
    if (n == 1 && t->n == 3 && memcmp(t->s, "\xe4\xb8\x80", 3) == 0)
        return !(i > 0 && cjk_ends(t - 1, counting)) && !ptd_value_asserted(l, i, i + 1);
    if (n == 1 && ptd_tok_is(t, "score")) return 1;
    if (n > 1 || !ptd_tok_is(t, "one") || i == 0) return 0;
    return ptd_tok_one_of(t - 1, point) ||
           (i > 1 && !ptd_tok_one_of(t - 1, verb) && ptd_tok_one_of(t - 2, point));
}

/* Words that say how many there are, or how wide an angle is. */
static void add_group(struct ptd_piece *p, int i)
{
    static const char *const two[] = {"couple", "pair", NULL}, *const three[] = {"trio",
                                                                                 "triple",
                                                                                 "triples",
                                                                                 "triplet",
                                                                                 "triplets",
                                                                                 "thrice",
                                                                                 NULL},
                             *const angle[] = {"angle", "angles", "angled", NULL},
                             *const zhijiao[] = {"\xe7\x9b\xb4\xe8\xa7\x92", NULL};
    const struct ptd_tok *t = &p->lex.t[i];
    if (ptd_tok_one_of(t, two)) add(p, 2, i, i + 1);
    if (ptd_tok_one_of(t, three)) add(p, 3, i, i + 1);
    if (ptd_tok_is(t, "right") && ptd_tok_one_of(t + 1, angle)) add(p, 90, i, i + 2);
    if (cjk_ends(t, zhijiao)) add(p, 90, i, i + 1);
}

static int add_word(struct ptd_piece *p, int i)
{
    const struct ptd_lex *l = &p->lex;
    struct ptd_ratio r;
    int n = ptd_numeral_read(&l->t[i], l->n - i, &r);
    if (n && !is_no_number(l, i, n) && !is_ordinal(l, i, i + n)) {
        add_tail(p, (double)r.num / (double)r.den, i, i + n);
        return i + n;
    }
    if (roman(&l->t[i])) add(p, roman(&l->t[i]), i, i + 1);
    add_group(p, i);
    return i + (n ? n : 1);
}

/* "one in two", "1 out of 4": neighbours i and i + 1. */
static int is_share(const struct ptd_piece *p, int i)
{
    const struct ptd_said_value *v = p->value + i;
    const struct ptd_tok *t = p->lex.t + v->to;
    int gap = v[1].from - v->to;
    return (gap == 1 && ptd_tok_is(t, "in")) ||
           (gap == 2 && ptd_tok_is(t, "out") && ptd_tok_is(t + 1, "of"));
}

/* "a quarter to four", "ten past 3" as 3.45 and 3.10; NAN: no time of day. */
static double clock_time(const struct ptd_piece *p, int i)
{
    const struct ptd_said_value *v = p->value + i;
    const struct ptd_tok *t = p->lex.t + v->to;
    int gap = v[1].from - v->to, minutes = (int)(v->v < 1 ? 60 * v->v : v->v), hour = (int)v[1].v;
    if (gap == 2 && (ptd_tok_is(t, "minutes") || ptd_tok_is(t, "min"))) gap = 1, t++;
    if (gap != 1 || v->v >= 60 || v[1].v < 1 || v[1].v > 24) return NAN;
    if (ptd_tok_is(t, "past") || ptd_tok_is(t, "after")) return hour + minutes / 100.0;
    int before = hour == 1 ? 12 : hour - 1;
    return ptd_tok_is(t, "to") && minutes ? before + (60 - minutes) / 100.0 : NAN;
}

/* "twelve fifty", "12 dollars 50", twelve kuai five: the second as decimals; NAN: none. */
static double amount(const struct ptd_piece *p, int i)
{
    static const char *const kuai[] = {"\xe5\x9d\x97", "\xe5\x85\x83", NULL};
    static const char *const dollars[] = {"dollar", "dollars", "euro", "euros", "and", NULL};
    const struct ptd_said_value *v = p->value + i;
    const struct ptd_tok *t = p->lex.t + v->to;
    int gap = v[1].from - v->to, chinese = gap == 1 && ptd_tok_one_of(t, kuai);
    if (gap < 0 || gap > 2 || v[1].v >= 100 || v->v != floor(v->v)) return NAN;
    if (chinese && v[1].v < 10) return v->v + v[1].v / 10;
    for (int k = 0; k < gap && !chinese; k++)
        if (!ptd_tok_one_of(t + k, dollars) && t[k].kind != PTD_T_MONEY) return NAN;
    return v[1].v >= 10 ? v->v + floor(v[1].v) / 100 : NAN;
}

/* 0,5 and 3.30 for 3:30: what is behind the sign as decimals. */
static double decimals(const struct ptd_piece *p, int i)
{
    const struct ptd_said_value *v = p->value + i;
    const struct ptd_tok *t = p->lex.t + v->to - 1;
    char text[64];
    if (v[1].from != v->to + 1 || t->kind != PTD_T_NUM || t[2].kind != PTD_T_NUM) return NAN;
    if ((t[1].kind != ',' && t[1].kind != ':') || t[1].spaced || t[2].spaced) return NAN;
    int n = snprintf(text, sizeof text, "%.*s.%.*s", t->n, t->s, t[2].n, t[2].s);
    return n < (int)sizeof text ? strtod(text, NULL) : NAN;
}

/* What neighbours say together. */
static void add_pairs(struct ptd_piece *p)
{
    p->alone = p->n;
    for (int i = 0; i + 1 < p->alone; i++) {
        int from = p->value[i].from, to = p->value[i + 1].to;
        add(p, decimals(p, i), from, to);
        if (is_share(p, i)) add(p, p->value[i].v / p->value[i + 1].v, from, to);
        add(p, clock_time(p, i), from, to);
        add(p, amount(p, i), from, to);
    }
}

static void find_values(struct ptd_piece *p)
{
    double v;
    int n;
    p->n = 0;
    for (int i = 0; i < p->lex.n;) {
        const struct ptd_tok *t = &p->lex.t[i];
        if (t->kind == PTD_T_NUM) {
            i = add_digits(p, i);
        } else if (t->kind == PTD_T_WORD) {
            i = add_word(p, i);
        } else {
            if (t->kind == PTD_T_FRAC && (n = fraction(t, &v))) add_tail(p, v, i, i + n);
            i++;
        }
    }
    add_pairs(p);
}

/* ---- a text in pieces ---- */

/* Where a piece of at most n bytes ends: behind a blank, or at least between two characters. */
static size_t cut(const char *s, size_t left, size_t n)
{
    if (left <= n) return left;
    for (size_t k = n; k > n / 2; k--)
        if (isspace((unsigned char)s[k - 1])) return k;
    while (n > 1 && ((unsigned char)s[n] & 0xc0) == 0x80) n--;
    return n;
}

int ptd_values_each(const char *text, int (*fn)(void *ctx, const struct ptd_piece *p), void *ctx)
{
    struct ptd_piece *p = ptd_malloc(sizeof *p);
    size_t left = strlen(text), n, most = PIECE;
    int rc = 0, found = 0, unread = 0;
    p->value = NULL;
    p->cap = 0;
    for (const char *s = text; left > 0 && !found;) {
        n = cut(s, left, most);
        rc = lex_piece(&p->lex, s, n);
        if (rc < 0 && n > LEAST) {
            most = n / 2;
            continue;
        }
        unread |= rc < 0;
        if (rc == 0) {
            find_values(p);
            found = fn(ctx, p);
        }
        size_t back = n < left && n > 4 * OVERLAP ? OVERLAP : 0;
        if (back) back = n - cut(s, n, n - back);
        s += n - back;
        left -= n - back;
        most = PIECE;
    }
    free(p->value);
    free(p);
    return found ? found : unread ? -1 : 0;
}

/* ---- what is said of a value ---- */

/* Words between a verb and its value that say nothing. */
static int is_filler(const struct ptd_tok *t)
{
    static const char *const words[] = {"about",
                                        "approximately",
                                        "roughly",
                                        "around",
                                        "nearly",
                                        "almost",
                                        "the",
                                        "a",
                                        "an",
                                        "number",
                                        "value",
                                        "option",
                                        "choice",
                                        "just",
                                        "exactly",
                                        "only",
                                        "to",
                                        "with",
                                        "for",
                                        "that",
                                        "of",
                                        "up",
                                        "simply",
                                        "likely",
                                        "\xe7\xba\xa6",
                                        "\xe5\xa4\xa7\xe7\xba\xa6",
                                        NULL}; /* yue, dayue */
    return ptd_tok_one_of(t, words) || t->kind == PTD_T_MONEY || strchr("(\"'*`-[{", t->kind);
}

/* Is token i the end of words that state what follows? */
static int states(const struct ptd_lex *l, int i)
{
    static const char *const verbs[] = {
        "is",     "are",     "was",      "be",     "equals", "equal",   "gives",  "give",
        "makes",  "make",    "get",      "gets",   "got",    "pick",    "choose", "select",
        "take",   "say",     "says",     "write",  "answer", "answers", "namely", "total",
        "totals", "yields",  "becomes",  "go",     "mark",   "enter",   "put",    "state",
        "reply",  "respond", "return",   "result", "reads",  "shows",   "there",  "has",
        "have",   "find",    "prefer",   "opt",    "being",  "means",   "remain", "remains",
        "leaves", "left",    "solution", "sum",    "use",    NULL};
    static const char *const chinese[] = {"\xe6\x98\xaf",
                                          "\xe4\xb8\xba",
                                          "\xe9\x80\x89",
                                          "\xe5\xbe\x97",
                                          "\xe7\xad\x89\xe4\xba\x8e",
                                          "\xe7\xad\x94\xe6\xa1\x88",
                                          "\xe5\x8d\xb3",
                                          "\xe5\x8f\x96",
                                          "\xe5\x86\x99",
                                          "\xe5\xa1\xab",
                                          "\xe5\x85\xb1",
                                          "\xe6\x9c\x89",
                                          "\xe5\x87\xba",
                                          "\xe5\x88\xb0",
                                          "\xe6\x8b\xa9",
                                          NULL};
    const struct ptd_tok *t = &l->t[i];
    if (t->kind == '=' || t->kind == ':' || t->kind == PTD_T_APPROX || t->kind == PTD_T_ARROW)
        return 1;
    if (ptd_tok_is(t, "s") && i > 0 && t[-1].kind == '\'') return 1;
    return ptd_tok_one_of(t, verbs) || cjk_ends(t, chinese);
}

static int is_judged(const struct ptd_tok *t)
{
    static const char *const words[] = {"is",    "was",     "wins",  "fits",   "matches", "holds",
                                        "works", "it",      "must",  "should", "looks",   "seems",
                                        "right", "correct", "would", NULL};
    static const char *const chinese[] = {"\xe6\x98\xaf",             /* shi */
                                          "\xe5\xaf\xb9",             /* dui */
                                          "\xe6\xad\xa3\xe7\xa1\xae", /* zhengque */
                                          "\xe6\x9b\xb4",
                                          "\xe6\x9c\x80",
                                          "\xe8\xbe\x83",
                                          "\xe7\xac\xa6",
                                          NULL};
    return ptd_tok_one_of(t, words) || cjk_begins(t, chinese);
}

int ptd_value_asserted(const struct ptd_lex *l, int from, int to)
{
    int i = from - 1;
    for (int k = 0; k < 6 && i >= 0 && is_filler(&l->t[i]) && !states(l, i); k++) i--;
    if (i >= 0 && states(l, i)) return 1;
    int j = to;
    while (j < l->n && strchr(".!*`\"')", l->t[j].kind)) j++;
    return is_judged(&l->t[to]) || (i < 0 && j >= l->n);
}

/* Nothing between two values but what parts the members of a list, and short words for units. */
static int is_gap(const struct ptd_tok *t, int n)
{
    static const char *const words[] = {"and",
                                        "or",
                                        "vs",
                                        "versus",
                                        "with",
                                        "to",
                                        "the",
                                        "a",
                                        "an",
                                        "against",
                                        "from",
                                        "then",
                                        "\xe5\x92\x8c",
                                        "\xe6\x88\x96",
                                        "\xe4\xb8\x8e",
                                        "\xe8\xb7\x9f",
                                        "\xe5\x8f\x8a",
                                        "\xe8\xbf\x98\xe6\x98\xaf",
                                        NULL};
    if (n > 5) return 0;
    for (int i = 0; i < n; i++) {
        int unit = t[i].kind == PTD_T_DEG || t[i].kind == PTD_T_PERCENT ||
                   t[i].kind == PTD_T_MONEY ||
                   (t[i].kind == PTD_T_WORD && t[i].n <= 3 && !ptd_tok_is(&t[i], "not"));
        if (!unit && !ptd_tok_one_of(&t[i], words) && t[i].kind != PTD_T_TO &&
            (t[i].kind >= 128 || !strchr(",;/&-()", t[i].kind)))
            return 0;
    }
    return 1;
}

void ptd_value_list(const struct ptd_piece *p, int i, int *first, int *last)
{
    const struct ptd_said_value *v = p->value;
    const struct ptd_tok *t = p->lex.t;
    for (*first = i; *first > 0; --*first) {
        int from = v[*first - 1].to, to = v[*first].from;
        if (to > from && !is_gap(t + from, to - from)) break;
    }
    for (*last = i + 1; *last < p->alone; ++*last) {
        int from = v[*last - 1].to, to = v[*last].from;
        if (to > from && !is_gap(t + from, to - from)) break;
    }
}

/* ---- sets ---- */

static int is_whole(double v)
{
    return v == floor(v);
}

static void put(struct ptd_value_set *s, double v)
{
    if (s->n == s->cap) s->v = ptd_realloc(s->v, (size_t)(s->cap = 2 * s->cap + 8) * sizeof *s->v);
    s->v[s->n++] = v;
}

static int collect(void *ctx, const struct ptd_piece *p)
{
    for (int i = 0; i < p->n; i++) put(ctx, p->value[i].v);
    return 0;
}

static int by_kind_and_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    int kind = is_whole(y) - is_whole(x);
    return kind ? kind : (x > y) - (x < y);
}

static int collect_alone(void *ctx, const struct ptd_piece *p)
{
    for (int i = 0; i < p->alone; i++) put(ctx, p->value[i].v);
    return 0;
}

static void settle(struct ptd_value_set *s)
{
    int n = 0;
    if (s->n) qsort(s->v, (size_t)s->n, sizeof *s->v, by_kind_and_value);
    for (int i = 0; i < s->n; i++)
        if (i == 0 || s->v[i] != s->v[n - 1]) s->v[n++] = s->v[i];
    s->n = n;
    for (s->whole = 0; s->whole < n && is_whole(s->v[s->whole]);) s->whole++;
}

void ptd_value_set_read(struct ptd_value_set *s, const char *text)
{
    if (text) ptd_values_each(text, collect, s);
    settle(s);
}

void ptd_value_set_read_alone(struct ptd_value_set *s, const char *text)
{
    if (text) ptd_values_each(text, collect_alone, s);
    settle(s);
}

void ptd_value_set_work_out(struct ptd_value_set *s, const char *text)
{
    struct ptd_seen seen[SEEN];
    size_t len = strlen(text);
    int n = len <= WORKED_OUT ? ptd_numbers_seen(text, len, seen, SEEN) : 0;
    for (int i = 0; i < n; i++)
        if (isfinite(seen[i].value)) put(s, fabs(seen[i].value));
    settle(s);
}

static int alike(double a, double b, int near)
{
    double share = !near ? 1e-9 : is_whole(a) && is_whole(b) ? 1e-12 : 0.01;
    return fabs(a - b) <= share * fmax(a, b);
}

/* Is one of the rising v [n] like x? If any, then one of the two beside its place. */
static int has(const double *v, int n, double x, int near)
{
    int from = 0, to = n;
    while (from < to) {
        int middle = from + (to - from) / 2;
        if (v[middle] < x)
            from = middle + 1;
        else
            to = middle;
    }
    return (from < n && alike(v[from], x, near)) || (from > 0 && alike(v[from - 1], x, near));
}

int ptd_value_set_has(const struct ptd_value_set *s, double v, int near)
{
    return s->n && (has(s->v, s->whole, v, near) || has(s->v + s->whole, s->n - s->whole, v, near));
}

void ptd_value_set_clear(struct ptd_value_set *s)
{
    free(s->v);
    *s = (struct ptd_value_set){0};
}

int ptd_value_set_meets(const struct ptd_value_set *s, const char *text, size_t n)
{
    struct ptd_lex *l = ptd_malloc(sizeof *l);
    struct ptd_ratio r;
    int found = 0, read = s->n && ptd_lex(l, text, n, 0) == 0 ? l->n : 0;
    for (int i = 0; i < read && !found; i++) {
        const struct ptd_tok *t = &l->t[i];
        if (t->kind == PTD_T_NUM)
            found = ptd_value_set_has(s, digits(t), 1);
        else if (ptd_numeral_read(t, read - i, &r))
            found = ptd_value_set_has(s, fabs((double)r.num / (double)r.den), 1);
    }
    free(l);
    return found;
}
