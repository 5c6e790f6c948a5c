/* number: exact numbers in text and the normal form of a text; see number.h. */
#include "judge/number.h"
#include "base/err.h"
#include "base/normal.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}
static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static int is_word(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

static int starts(const char *s, const char *end, const char *with)
{
    size_t n = strlen(with);
    return (size_t)(end - s) >= n && memcmp(s, with, n) == 0;
}

/* ---- the normal form of a text ---- */

static char *folded(const char *s, size_t n)
{
    char *text = ptd_fold(s, n);
    if (text) return text;
    text = ptd_alloc(n + 1); /* no valid UTF-8: compare bytes */
    for (size_t i = 0; i < n; i++) text[i] = (char)tolower((unsigned char)s[i]);
    return text;
}

/* Bytes of a command that only dresses its argument (the brace included) or that means nothing
 * here; 0: neither. */
static size_t dressing(const char *s, const char *end, int *brace)
{
    static const char *const wrap[] = {"\\text{",   "\\textbf{", "\\textit{", "\\mathrm{",
                                       "\\mathbf{", "\\mbox{",   NULL};
    static const char *const noise[] = {"$", "\\$", "\\!", "\\,", "\\;", "\\left", "\\right", NULL};
    *brace = 0;
    if (*s != '\\' && *s != '$') return 0;
    for (int i = 0; wrap[i]; i++)
        if ((*brace = starts(s, end, wrap[i]))) return strlen(wrap[i]);
    for (int i = 0; noise[i]; i++) {
        size_t n = strlen(noise[i]);
        if (starts(s, end, noise[i]) && (n < 4 || !isalpha((unsigned char)s[n]))) return n;
    }
    return 0;
}

static void undress(char *t)
{
    size_t n = strlen(t), depth = 0, skip;
    /* drop[d]: the brace that opened depth d was a wrapper's */
    char *drop = ptd_alloc(n + 1), *out = t;
    const char *end = t + n;
    for (const char *s = t; s < end; s++) {
        int wrapper = 0;
        if ((skip = dressing(s, end, &wrapper)) > 0) {
            if (wrapper) drop[depth++] = 1;
            s += skip - 1;
        } else if (*s == '}' && depth > 0 && drop[--depth]) {
            drop[depth] = 0;
        } else {
            if (*s == '{') depth++;
            *out++ = *s;
        }
    }
    *out = '\0';
    free(drop);
}

static void squeeze(char *t)
{
    char *out = t;
    for (const char *s = t; *s; s++) {
        if (!is_blank(*s)) {
            *out++ = *s;
            continue;
        }
        while (is_blank(s[1])) s++;
        if (out > t && is_word(out[-1]) && is_word(s[1])) *out++ = ' ';
    }
    if (out > t + 1 && out[-1] == '.') out--;
    *out = '\0';
}

char *ptd_text_normal(const char *s, size_t n)
{
    char *t = folded(s, n);
    undress(t);
    squeeze(t);
    return t;
}

/* ---- numbers ---- */

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a ? a : 1;
}

static int times_ten(int64_t *v, int digit)
{
    return !__builtin_mul_overflow(*v, 10, v) && !__builtin_add_overflow(*v, digit, v);
}

static void reduce(struct ptd_rational *r)
{
    int64_t g = gcd(r->num, r->den);
    r->num /= g;
    r->den /= g;
}

/* Digits with thousands commas, each comma followed by exactly three digits. */
static const char *scan_whole(const char *s, const char *end, int64_t *v)
{
    const char *first = s;
    int commas = 0;
    for (; s < end; s++) {
        if (*s == ',' && s > first && (commas || s - first <= 3) && end - s > 3 && is_digit(s[1]) &&
            is_digit(s[2]) && is_digit(s[3]) && (end - s == 4 || !is_digit(s[4])))
            commas++;
        else if (!is_digit(*s))
            break;
        else if (!times_ten(v, *s - '0'))
            return NULL;
    }
    return s;
}

static const char *scan_fraction(const char *s, const char *end, struct ptd_rational *r)
{
    const char *stop = s, *last = s; /* last: behind the last digit that is not 0 */
    for (; stop < end && is_digit(*stop); stop++)
        if (*stop != '0') last = stop + 1;
    for (; s < last; s++)
        if (!times_ten(&r->num, *s - '0') || !times_ten(&r->den, 0)) return NULL;
    return stop;
}

static const char *scan_exponent(const char *s, const char *end, struct ptd_rational *r)
{
    const char *p = s + 1;
    int minus = p < end && *p == '-', e = 0;
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (p >= end || !is_digit(*p)) return s; /* an e of something else */
    for (; p < end && is_digit(*p); p++)
        if (e < 100) e = e * 10 + (*p - '0');
    for (reduce(r); e > 0 && r->num; e--)
        if (!times_ten(minus ? &r->den : &r->num, 0)) return NULL;
    return p;
}

/* An unsigned decimal; NULL: none, or it does not fit. */
static const char *scan_decimal(const char *s, const char *end, struct ptd_rational *r)
{
    const char *first = s;
    *r = (struct ptd_rational){0, 1};
    s = scan_whole(s, end, &r->num);
    if (s && end - s > 1 && *s == '.' && is_digit(s[1])) s = scan_fraction(s + 1, end, r);
    if (!s || s == first) return NULL;
    if (s < end && (*s == 'e' || *s == 'E')) s = scan_exponent(s, end, r);
    if (s) reduce(r);
    return s;
}

static int divide(struct ptd_rational *a, const struct ptd_rational *b)
{
    if (b->num == 0 || __builtin_mul_overflow(a->num, b->den, &a->num) ||
        __builtin_mul_overflow(a->den, b->num, &a->den))
        return 0;
    reduce(a);
    return 1;
}

/* \frac{a}{b} and its display and text forms. */
static const char *scan_frac(const char *s, const char *end, struct ptd_rational *r)
{
    struct ptd_rational below;
    s += strcspn(s, "{");
    if (s >= end || !(s = scan_decimal(s + 1, end, r)) || !starts(s, end, "}{")) return NULL;
    s = scan_decimal(s + 2, end, &below);
    return s && s < end && *s == '}' && divide(r, &below) ? s + 1 : NULL;
}

static const char *scan_sign(const char *s, const char *end, int *minus)
{
    const char *const long_minus = "\xe2\x88\x92";
    *minus = s < end && (*s == '-' || starts(s, end, long_minus));
    if (s < end && (*s == '-' || *s == '+')) return s + 1;
    return *minus ? s + strlen(long_minus) : s;
}

size_t ptd_number_scan(const char *text, size_t n, struct ptd_rational *r)
{
    const char *end = text + n;
    struct ptd_rational below;
    int minus;
    const char *s = scan_sign(text, end, &minus);
    if (starts(s, end, "\\frac{") || starts(s, end, "\\dfrac{") || starts(s, end, "\\tfrac{")) {
        s = scan_frac(s, end, r);
    } else if ((s = scan_decimal(s, end, r)) && end - s > 1 && *s == '/' &&
               (is_digit(s[1]) || s[1] == '.')) {
        s = scan_decimal(s + 1, end, &below);
        if (s && !divide(r, &below)) s = NULL;
    }
    if (!s) return 0;
    if (minus) r->num = -r->num;
    return (size_t)(s - text);
}

size_t ptd_decimal_scan(const char *text, size_t n, struct ptd_rational *r)
{
    const char *s = scan_decimal(text, text + n, r);
    return s ? (size_t)(s - text) : 0;
}

/* The number that a text in normal form is, perhaps with a unit. */
static int number_of(const char *t, struct ptd_rational *r)
{
    static const char *const unit[] = {"", "%", "\\%", "\xc2\xb0", "^\\circ", "^{\\circ}", NULL};
    size_t used = ptd_number_scan(t, strlen(t), r);
    for (int i = 0; used && unit[i]; i++)
        if (strcmp(t + used, unit[i]) == 0) return 1;
    return 0;
}

int ptd_number_parse(const char *s, size_t n, struct ptd_rational *r)
{
    char *t = ptd_text_normal(s, n);
    int ok = number_of(t, r);
    free(t);
    return ok;
}
