/* numeral: see numeral.h. */
#include "judge/numeral.h"
#include <string.h>

enum { ONES, TENS, HUNDRED, SCALE, DOZEN };
static const struct word {
    const char *s;
    int kind;
    int64_t value;
} words[] = {{"zero", ONES, 0},
             {"one", ONES, 1},
             {"two", ONES, 2},
             {"three", ONES, 3},
             {"four", ONES, 4},
             {"five", ONES, 5},
             {"six", ONES, 6},
             {"seven", ONES, 7},
             {"eight", ONES, 8},
             {"nine", ONES, 9},
             {"ten", ONES, 10},
             {"eleven", ONES, 11},
             {"twelve", ONES, 12},
             {"thirteen", ONES, 13},
             {"fourteen", ONES, 14},
             {"fifteen", ONES, 15},
             {"sixteen", ONES, 16},
             {"seventeen", ONES, 17},
             {"eighteen", ONES, 18},
             {"nineteen", ONES, 19},
             {"twenty", TENS, 20},
             {"thirty", TENS, 30},
             {"forty", TENS, 40},
             {"fifty", TENS, 50},
             {"sixty", TENS, 60},
             {"seventy", TENS, 70},
             {"eighty", TENS, 80},
             {"ninety", TENS, 90},
             {"hundred", HUNDRED, 100},
             {"hundreds", HUNDRED, 100},
             {"thousand", SCALE, 1000},
             {"thousands", SCALE, 1000},
             {"lakh", SCALE, 100000},
             {"million", SCALE, 1000000},
             {"millions", SCALE, 1000000},
             {"crore", SCALE, 10000000},
             {"billion", SCALE, 1000000000},
             {"trillion", SCALE, 1000000000000},
             {"dozen", DOZEN, 12},
             {"dozens", DOZEN, 12},
             {"score", DOZEN, 20},
             {NULL, 0, 0}};

static const struct word *word_at(const struct ptd_tok *t)
{
    if (t->kind != PTD_T_WORD || t->n < 3 || t->n > 9) return NULL;
    for (int i = 0; words[i].s; i++)
        if (ptd_tok_is(t, words[i].s)) return &words[i];
    return NULL;
}

int ptd_numeral_part(const struct ptd_tok *t)
{
    static const char *const parts[] = {"half",    "third",  "fourth", "fifth", "sixth",
                                        "seventh", "eighth", "ninth",  "tenth", "quarter"};
    if (t->kind != PTD_T_WORD || t->n < 4 || t->n > 8) return 0;
    if (ptd_tok_is(t, "halves")) return 2;
    struct ptd_tok one = *t;
    if (one.s[one.n - 1] == 's' || one.s[one.n - 1] == 'S') one.n--;
    for (int i = 0; i < 10; i++)
        if (ptd_tok_is(&one, parts[i])) return i == 9 ? 4 : i + 2;
    return 0;
}

static int is_article(const struct ptd_tok *t)
{
    return ptd_tok_is(t, "a") || ptd_tok_is(t, "an");
}

struct sum {
    int64_t total, now;
    int last; /* kind of the last word, -1: none yet */
};

/* Can the word stand behind what was read? */
static int fits(const struct sum *s, const struct word *w)
{
    if (w->kind == ONES)
        return s->last < 0 || s->last == HUNDRED || s->last == SCALE ||
               (s->last == TENS && w->value > 0 && w->value < 10);
    if (w->kind == TENS) return s->last < 0 || s->last == HUNDRED || s->last == SCALE;
    return s->last != DOZEN;
}

static int add(struct sum *s, const struct word *w)
{
    int64_t times = s->now ? s->now : 1;
    if (w->kind <= TENS)
        s->now += w->value;
    else if (__builtin_mul_overflow(times, w->value, &s->now))
        return 0;
    if (w->kind == SCALE) {
        if (__builtin_add_overflow(s->total, s->now, &s->total)) return 0;
        s->now = 0;
    }
    s->last = w->kind;
    return 1;
}

/* Tokens between number words that mean nothing: "and" behind a hundred, the hyphen. */
static int link(const struct ptd_tok *t, int left, const struct sum *s)
{
    if (left < 2 || s->last < 0) return 0;
    int and = ptd_tok_is(t, "and") && (s->last == HUNDRED || s->last == SCALE);
    int hyphen = t->kind == '-' && s->last == TENS && !t->spaced;
    const struct word *next = word_at(t + 1);
    return (and || hyphen) && next && fits(s, next) ? 1 : 0;
}

static int cardinal(const struct ptd_tok *t, int n, int64_t *value)
{
    struct sum s = {0, 0, -1};
    int i = 0;
    const struct word *w;
    if (n > 1 && is_article(t) && (w = word_at(t + 1)) && w->kind >= HUNDRED) i = 1;
    for (; i < n; i++) {
        i += link(t + i, n - i, &s);
        if (!(w = word_at(t + i)) || !fits(&s, w) || !add(&s, w)) break;
    }
    if (s.last < 0 || __builtin_add_overflow(s.total, s.now, value)) return 0;
    return i;
}

/* "and a half" behind a number. */
static int and_part(const struct ptd_tok *t, int n, struct ptd_ratio *r)
{
    int part;
    if (n < 3 || !ptd_tok_is(t, "and") || !(is_article(t + 1) || ptd_tok_is(t + 1, "one")))
        return 0;
    if (!(part = ptd_numeral_part(t + 2)) || __builtin_mul_overflow(r->num, part, &r->num))
        return 0;
    if (__builtin_add_overflow(r->num, 1, &r->num)) return 0;
    r->den = part;
    return 3;
}

/* "point two five" behind a number. */
static int point_part(const struct ptd_tok *t, int n, struct ptd_ratio *r)
{
    const struct word *w;
    int i = 1;
    if (n < 2 || !ptd_tok_is(t, "point")) return 0;
    for (; i < n && i < 9 && (w = word_at(t + i)) && w->value < 10; i++) {
        if (__builtin_mul_overflow(r->num, 10, &r->num)) return 0;
        if (__builtin_add_overflow(r->num, w->value, &r->num)) return 0;
        r->den *= 10;
    }
    return i > 1 ? i : 0;
}

/* The second half of a year: twenty nineteen. */
static int year_part(const struct ptd_tok *t, int n, struct ptd_ratio *r)
{
    int64_t low;
    int i = r->num >= 13 && r->num <= 21 ? cardinal(t, n, &low) : 0;
    if (!i || low < 10 || low > 99) return 0;
    r->num = 100 * r->num + low;
    return i;
}

/* ---- Chinese ---- */

static const struct sign {
    const char *s;
    int64_t value; /* from 10 on: multiplies */
} signs[] = {{"零", 0},  {"〇", 0},   {"一", 1},    {"二", 2},     {"两", 2},         {"三", 3},
             {"四", 4},  {"五", 5},   {"六", 6},    {"七", 7},     {"八", 8},         {"九", 9},
             {"十", 10}, {"百", 100}, {"千", 1000}, {"万", 10000}, {"亿", 100000000}, {NULL, 0}};

static int64_t sign_at(const char *s)
{
    for (int i = 0; signs[i].s; i++)
        if (memcmp(s, signs[i].s, 3) == 0) return signs[i].value;
    return -1;
}

/* Digit for digit: 二〇一九. Two alone are rather two or three. */
static int digits_of(const char *s, size_t n, int64_t *value)
{
    if (n < 3 * 3 || n > 3 * 15) return 0;
    *value = 0;
    for (size_t i = 0; i < n; i += 3) {
        int64_t v = sign_at(s + i);
        if (v < 0 || v > 9) return 0;
        *value = 10 * *value + v;
    }
    return 1;
}

static int whole_of(const char *s, size_t n, int64_t *value)
{
    int64_t total = 0, part = 0, digit = 0;
    if (n == 0 || n % 3 || n > 36) return 0;
    if (digits_of(s, n, value)) return 1;
    for (size_t i = 0; i < n; i += 3) {
        int64_t v = sign_at(s + i);
        if (v < 0) return 0;
        if (v < 10) {
            if (digit) return 0;
            digit = v;
        } else if (v < 10000) {
            part += (digit || part ? digit : 1) * v;
            digit = 0;
        } else {
            total += (part + digit) * v;
            part = digit = 0;
        }
    }
    *value = total + part + digit;
    return 1;
}

/* 三分之二 */
static int share_of(const char *s, size_t n, struct ptd_ratio *r)
{
    const char *sign = memmem(s, n, "分之", 6);
    return sign && whole_of(s, (size_t)(sign - s), &r->den) && r->den > 0 &&
           whole_of(sign + 6, (size_t)(s + n - sign) - 6, &r->num);
}

/* 一点二, a sign a digit behind the point */
static int decimal_of(const char *s, size_t n, struct ptd_ratio *r)
{
    const char *sign = memmem(s, n, "点", 3), *end = s + n;
    if (!sign || end - sign < 6 || end - sign > 30 || !whole_of(s, (size_t)(sign - s), &r->num))
        return 0;
    r->den = 1;
    for (sign += 3; sign < end; sign += 3) {
        int64_t v = sign_at(sign);
        if (v < 0 || v > 9 || __builtin_mul_overflow(r->num, 10, &r->num)) return 0;
        if (__builtin_add_overflow(r->num, v, &r->num)) return 0;
        r->den *= 10;
    }
    return 1;
}

static int signs_of(const char *s, size_t n, struct ptd_ratio *r)
{
    r->den = 1;
    if (whole_of(s, n, &r->num)) return 1;
    if (n == 6 && memcmp(s, "一半", 6) == 0) return r->num = 1, r->den = 2, 1;
    if (n >= 6 && memcmp(s + n - 3, "成", 3) == 0)
        return r->den = 10, whole_of(s, n - 3, &r->num) && r->num <= 10;
    return share_of(s, n, r) || decimal_of(s, n, r);
}

static int is_signs(const struct ptd_tok *t, const char *s)
{
    return t->kind == PTD_T_WORD && t->n == strlen(s) && memcmp(t->s, s, t->n) == 0;
}

/* How many tokens may be one number, where blanks stand around its signs. */
static int parts_of(const struct ptd_tok *t, int n)
{
    if (n > 2 && t[2].kind == PTD_T_WORD && (is_signs(t + 1, "分之") || is_signs(t + 1, "点")))
        return 3;
    return n > 1 && (is_signs(t + 1, "成") || is_signs(t + 1, "半")) ? 2 : 1;
}

static int chinese(const struct ptd_tok *t, int n, struct ptd_ratio *r)
{
    char text[128];
    for (int parts = parts_of(t, n); parts > 0; parts--) {
        size_t len = 0;
        for (int i = 0; i < parts && len + t[i].n <= sizeof text; i++) {
            memcpy(text + len, t[i].s, t[i].n);
            len += t[i].n;
        }
        if (len % 3 == 0 && signs_of(text, len, r)) return parts;
    }
    return 0;
}

/* ---- all ---- */

int ptd_numeral_read(const struct ptd_tok *t, int n, struct ptd_ratio *r)
{
    int part, i;
    if (n < 1 || t->kind != PTD_T_WORD) return 0;
    if ((unsigned char)t->s[0] >= 0x80) return chinese(t, n, r);
    *r = (struct ptd_ratio){1, 1};
    if (n > 2 && ptd_tok_is(t, "half") && is_article(t + 1) && ptd_tok_is(t + 2, "dozen"))
        return r->num = 6, 3;
    if (ptd_tok_is(t, "half") || ptd_tok_is(t, "quarter")) return r->den = ptd_numeral_part(t), 1;
    if (n > 1 && is_article(t) && (part = ptd_numeral_part(t + 1))) return r->den = part, 2;
    if (!(i = cardinal(t, n, &r->num))) return 0;
    int hyphen = i + 1 < n && t[i].kind == '-' && ptd_numeral_part(&t[i + 1]);
    if (i < n && (part = ptd_numeral_part(&t[i + hyphen]))) return r->den = part, i + hyphen + 1;
    i += year_part(t + i, n - i, r);
    i += point_part(t + i, n - i, r);
    return i + and_part(t + i, n - i, r);
}

int64_t ptd_numeral_scale(const struct ptd_tok *t)
{
    const struct word *w = word_at(t);
    if (w && w->kind >= HUNDRED) return w->value;
    if (t->kind == PTD_T_WORD && t->n == 3 && memcmp(t->s, "万", 3) == 0) return 10000;
    if (t->kind == PTD_T_WORD && t->n == 3 && memcmp(t->s, "亿", 3) == 0) return 100000000;
    return 0;
}
