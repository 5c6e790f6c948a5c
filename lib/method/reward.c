/* reward: finding and judging answers by rule; see reward.h for the rules.
 * Leaves advantages to advantage/ and the loop over groups to ptd-verify. */
#include "method/reward.h"
#include "base/normal.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define BOX       "\\boxed{"
#define TAG_OPEN  "<answer>"
#define TAG_CLOSE "</answer>"

/* ---- small text helpers ---- */

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

/* ---- extraction ---- */

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
static const char *last_box(const char *text, const char **close)
{
    const char *end = text + strlen(text), *p;
    while ((p = find_last(text, end, BOX))) {
        *close = matching_brace(p + strlen(BOX), end);
        if (*close) return p + strlen(BOX);
        end = p;
    }
    return NULL;
}

static const char *last_tag(const char *text, const char **close)
{
    *close = find_last(text, text + strlen(text), TAG_CLOSE);
    const char *p = *close ? find_last(text, *close, TAG_OPEN) : NULL;
    return p ? p + strlen(TAG_OPEN) : NULL;
}

const char *ptd_answer_find(int rule, const char *text, size_t *len)
{
    const char *close = NULL, *p = NULL;
    if (rule != PTD_EXTRACT_TAG) p = last_box(text, &close);
    if (!p && rule != PTD_EXTRACT_BOXED) p = last_tag(text, &close);
    if (!p) return NULL;
    p = trim(p, close, len);
    return *len ? p : NULL;
}

/* ---- form ---- */

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what)) n++;
    return n;
}

static int boxed_form(const char *text)
{
    const char *close;
    return count(text, BOX) == 1 && last_box(text, &close) &&
           close[1 + strspn(close + 1, " \t\r\n$.")] == '\0';
}

static int think_form(const char *text)
{
    const char *close, *box = last_box(text, &close);
    text += strspn(text, " \t\r\n");
    if (!box || strncmp(text, "<think>", 7) != 0) return 0;
    const char *end = strstr(text, "</think>");
    return end && end < box;
}

static int tag_form(const char *text)
{
    const char *close;
    return count(text, TAG_OPEN) == 1 && count(text, TAG_CLOSE) == 1 && last_tag(text, &close) &&
           close[strlen(TAG_CLOSE) + strspn(close + strlen(TAG_CLOSE), " \t\r\n")] == '\0';
}

int ptd_format_good(int rule, const char *text)
{
    if (rule == PTD_FORMAT_THINK) return think_form(text);
    return rule == PTD_FORMAT_TAG ? tag_form(text) : boxed_form(text);
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

/* ---- option letters ---- */

/* Behind words like "the correct option is:" in a normal form. */
static const char *skip_words(const char *t)
{
    static const char *const words[] = {"the",    "correct", "final", "option",
                                        "choice", "answer",  "is",    NULL};
    for (int i = 0; words[i];) {
        t += strspn(t, " :");
        size_t n = strlen(words[i]);
        int here = strncmp(t, words[i], n) == 0 && t[n] && !is_word(t[n]);
        if (here) t += n;
        i = here ? 0 : i + 1;
    }
    return t;
}

static char letter_of(const char *t)
{
    t = skip_words(t);
    if (*t == '(' || *t == '[') t++;
    return *t >= 'a' && *t <= 'j' && (!t[1] || strchr(")].:", t[1])) ? (char)(*t - 'a' + 'A') : 0;
}

char ptd_choice_parse(const char *s, size_t n)
{
    char *t = ptd_text_normal(s, n), c = letter_of(t);
    free(t);
    return c;
}

static char gold_letter_of(const char *t)
{
    return strlen(t) <= 3 ? letter_of(t) : 0;
}

char ptd_gold_letter(const char *gold)
{
    char *t = ptd_text_normal(gold, strlen(gold)), c = gold_letter_of(t);
    free(t);
    return c;
}

/* ---- judging ---- */

struct ptd_gold {
    int rule, is_number;
    char *normal;
    struct ptd_rational number; /* if is_number */
};

struct ptd_gold *ptd_gold_new(int rule, const char *text)
{
    struct ptd_gold *g = ptd_alloc(sizeof *g);
    g->rule = rule;
    g->normal = ptd_text_normal(text, strlen(text));
    g->is_number = number_of(g->normal, &g->number);
    if (rule == PTD_JUDGE_AUTO)
        g->rule = g->is_number                ? PTD_JUDGE_NUMBER
                  : gold_letter_of(g->normal) ? PTD_JUDGE_CHOICE
                                              : PTD_JUDGE_EXACT;
    return g;
}

static int same(const struct ptd_gold *g, const char *normal)
{
    struct ptd_rational r;
    if (g->rule == PTD_JUDGE_NUMBER && g->is_number && number_of(normal, &r))
        return r.num == g->number.num && r.den == g->number.den;
    if (g->rule != PTD_JUDGE_CHOICE) return strcmp(normal, g->normal) == 0;
    char c = letter_of(normal);
    return c && c == letter_of(g->normal);
}

int ptd_gold_right(const struct ptd_gold *g, const char *answer, size_t len)
{
    char *normal = ptd_text_normal(answer, len);
    int yes = same(g, normal);
    free(normal);
    return yes;
}

void ptd_gold_free(struct ptd_gold *g)
{
    free(g->normal);
    free(g);
}

int ptd_answer_right(int rule, const char *answer, size_t len, const char *gold)
{
    struct ptd_gold *g = ptd_gold_new(rule, gold);
    int yes = ptd_gold_right(g, answer, len);
    ptd_gold_free(g);
    return yes;
}

/* ---- a group ---- */

static void score(const struct ptd_reward_rules *r, const struct ptd_gold *gold,
                  struct ptd_group *g, struct ptd_rollout *y)
{
    size_t len = 0;
    const char *answer = ptd_answer_find(r->extract, y->text, &len);
    y->extracted = answer ? ptd_group_text(g, "%.*s", (int)len, answer) : NULL;
    y->accuracy = answer && ptd_gold_right(gold, answer, len);
    y->format = ptd_format_good(r->format, y->text);
    y->outcome = !answer ? PTD_UNPARSABLE : y->accuracy > 0 ? PTD_RIGHT : PTD_WRONG;
    y->reward = r->format_weight * y->format + r->accuracy_weight * y->accuracy;
}

int ptd_reward_score(const struct ptd_reward_rules *r, struct ptd_group *g)
{
    if (!g->answer)
        return ptd_fail(PTD_DATAERR,
                        "group \"%.200s\": field \"answer\": missing, expected what is right",
                        g->uid);
    for (int i = 0; i < g->n_rollouts; i++)
        if (!g->rollouts[i].text)
            return ptd_fail(
                PTD_DATAERR,
                "group \"%.200s\": field \"rollouts[%d].text\": missing, expected the response",
                g->uid, i);
    struct ptd_gold *gold = ptd_gold_new(r->judge, g->answer);
    for (int i = 0; i < g->n_rollouts; i++) score(r, gold, g, &g->rollouts[i]);
    ptd_gold_free(gold);
    return 0;
}

static int by_name(const char *what, const char *name, const char *const *names, int *value)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(name, names[i]) == 0) {
            *value = i;
            return 0;
        }
    char *list = ptd_strdup(names[0]);
    for (int i = 1; names[i]; i++) {
        char *longer = ptd_format("%s, %s", list, names[i]);
        free(list);
        list = longer;
    }
    ptd_fail(PTD_USAGE, "--%s \"%s\": expected one of %s", what, name, list);
    free(list);
    return -1;
}

int ptd_reward_rules_parse(struct ptd_reward_rules *r, const char *extract, const char *judge,
                           const char *format)
{
    static const char *const extracts[] = {"auto", "boxed", "tag", NULL};
    static const char *const judges[] = {"auto", "exact", "number", "choice", NULL};
    static const char *const formats[] = {"boxed", "think", "answer-tag", NULL};
    if (by_name("extract", extract, extracts, &r->extract) < 0) return -1;
    if (by_name("judge", judge, judges, &r->judge) < 0) return -1;
    return by_name("format", format, formats, &r->format);
}
