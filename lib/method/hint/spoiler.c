/* spoiler: does a hint give the answer away? One function per rule; see spoiler.h.
 * Leaves numbers' syntax and option letters to reward.c, and what becomes of a rejected hint to
 * ptd-hint. */
#include "method/hint/spoiler.h"
#include "base/normal.h"
#include "judge/judge.h"
#include "judge/number.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- words ---- */

struct word {
    const char *s;
    size_t n;
}; /* a run of letters, digits and bytes above ASCII */

static int is_word(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80 || c == '_';
}
static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static int is_letter(char c)
{
    return isalpha((unsigned char)c);
}

static struct word word_at(const char *s)
{
    struct word w = {s, 0};
    while (is_word(s[w.n])) w.n++;
    return w;
}

/* The word that ends before s, only blanks in between; empty if there is none. */
static struct word word_before(const char *text, const char *s)
{
    while (s > text && isspace((unsigned char)s[-1])) s--;
    const char *end = s;
    while (s > text && is_word(s[-1])) s--;
    return (struct word){s, (size_t)(end - s)};
}

static int one_of(struct word w, const char *const *list)
{
    for (; *list; list++)
        if (strlen(*list) == w.n && strncasecmp(w.s, *list, w.n) == 0) return 1;
    return 0;
}

/* Full-width digits, 1/2 as one sign and the fraction slash in plain characters; malloc'd. */
static char *plain(const char *s)
{
    char *t = ptd_plain(s, strlen(s));
    if (!t) t = ptd_strdup(s); /* no valid UTF-8 */
    char *out = t;
    for (const char *p = t; *p; out++) {
        int slash = strncmp(p, "\xe2\x81\x84", 3) == 0;
        *out = slash ? '/' : *p;
        p += slash ? 3 : 1;
    }
    *out = '\0';
    return t;
}

/* ---- numbers in a text ---- */

struct numbers { /* once the text is read: the whole ones first, each kind in rising order */
    double *v;
    int n, cap, whole;
};

static int is_whole(double v)
{
    return v == floor(v);
}

static void add_number(struct numbers *a, double v)
{
    if (!isfinite(v)) return; /* "hundred hundred ..." */
    if (a->n == a->cap) a->v = ptd_realloc(a->v, (size_t)(a->cap = 2 * a->cap + 8) * sizeof *a->v);
    a->v[a->n++] = fabs(v);
}

static double value(struct ptd_rational r)
{
    return (double)r.num / (double)r.den;
}

static int percent_at(const char *s)
{
    s += strspn(s, " ");
    return *s == '%' || strncmp(s, "\\%", 2) == 0 || strncasecmp(s, "percent", 7) == 0 ||
           strncasecmp(s, "per cent", 8) == 0;
}

static int ordinal_at(const char *s)
{
    static const char *const endings[] = {"st", "nd", "rd", "th", NULL};
    return one_of(word_at(s), endings);
}

/* Behind digits whose number does not fit (the rule on text sees them); noughts and commas before
 * them count, for they fit no better without some of these. */
static const char *after_digits(const char *s)
{
    size_t noughts = strspn(s, "0,");
    s += noughts ? noughts : 1;
    return s + strspn(s, "0123456789");
}

/* Adds the number in digits at s, and the parts of a fraction; returns where to go on. */
static const char *add_digits(struct numbers *a, const char *s, const char *end)
{
    struct ptd_rational r;
    size_t n = ptd_number_scan(s, (size_t)(end - s), &r);
    if (n == 0) n = ptd_decimal_scan(s, (size_t)(end - s), &r);
    if (n == 0) return after_digits(s);
    if (ordinal_at(s + n)) return s + n + 2;
    add_number(a, value(r));
    if (percent_at(s + n)) add_number(a, value(r) / 100);
    const char *slash = memchr(s, '/', n);
    if (!slash) return s + n;
    if (ptd_number_scan(s, (size_t)(slash - s), &r)) add_number(a, value(r));
    return slash + 1;
}

/* \frac{a}{b}: its value; a and b are met on the way on. */
static const char *add_latex(struct numbers *a, const char *s, const char *end)
{
    struct ptd_rational r;
    if (ptd_number_scan(s, (size_t)(end - s), &r)) add_number(a, value(r));
    for (s++; is_letter(*s);) s++;
    return s;
}

/* ---- numbers in words ---- */

enum { SMALL, TENS, SCALE, SHARE };
static const struct number_word {
    const char *word;
    int kind;
    double v;
} number_words[] = {{"zero", SMALL, 0},       {"one", SMALL, 1},        {"two", SMALL, 2},
                    {"three", SMALL, 3},      {"four", SMALL, 4},       {"five", SMALL, 5},
                    {"six", SMALL, 6},        {"seven", SMALL, 7},      {"eight", SMALL, 8},
                    {"nine", SMALL, 9},       {"ten", SMALL, 10},       {"eleven", SMALL, 11},
                    {"twelve", SMALL, 12},    {"thirteen", SMALL, 13},  {"fourteen", SMALL, 14},
                    {"fifteen", SMALL, 15},   {"sixteen", SMALL, 16},   {"seventeen", SMALL, 17},
                    {"eighteen", SMALL, 18},  {"nineteen", SMALL, 19},  {"twenty", TENS, 20},
                    {"thirty", TENS, 30},     {"forty", TENS, 40},      {"fifty", TENS, 50},
                    {"sixty", TENS, 60},      {"seventy", TENS, 70},    {"eighty", TENS, 80},
                    {"ninety", TENS, 90},     {"dozen", SCALE, 12},     {"hundred", SCALE, 100},
                    {"thousand", SCALE, 1e3}, {"million", SCALE, 1e6},  {"half", SHARE, .5},
                    {"halves", SHARE, .5},    {"third", SHARE, 1. / 3}, {"thirds", SHARE, 1. / 3},
                    {"quarter", SHARE, .25},  {"quarters", SHARE, .25}, {NULL, 0, 0}};

static const struct number_word *number_word(struct word w)
{
    for (const struct number_word *k = number_words; k->word; k++)
        if (strlen(k->word) == w.n && strncasecmp(w.s, k->word, w.n) == 0) return k;
    return NULL;
}

/* "the one", "the red one": no number. */
static int is_pronoun(const char *text, struct word w)
{
    static const char *const point[] = {"the",   "this",    "that",  "each", "which",
                                        "every", "another", "other", NULL};
    static const char *const verb[] = {"is",    "are", "be",  "equals", "gives",
                                       "makes", "has", "get", NULL};
    if (w.n != 3 || strncasecmp(w.s, "one", 3) != 0) return 0;
    struct word before = word_before(text, w.s), further = word_before(text, before.s);
    return one_of(before, point) || (!one_of(before, verb) && one_of(further, point));
}

/* May `next` follow a word of kind `last` within one number? */
static int goes_on(int last, const struct number_word *k)
{
    if (k->kind == SMALL) return last == SCALE || (last == TENS && k->v < 10);
    if (k->kind == TENS) return last == SCALE;
    return last != SHARE;
}

static const char *next_number_word(const char *s, int last, const struct number_word **k)
{
    static const char *const and[] = {"and", NULL};
    const char *p = s + strspn(s, " -");
    if (last == SCALE && one_of(word_at(p), and)) p += 3 + strspn(p + 3, " ");
    struct word w = word_at(p);
    *k = number_word(w);
    return *k && goes_on(last, *k) ? p + w.n : NULL;
}

/* A number in words that begins with k, which ends at s: "one hundred and twenty-one", "three
 * quarters". */
static const char *add_words(struct numbers *a, const struct number_word *k, const char *s)
{
    double total = 0, current = 0;
    int first = 1;
    for (const char *next = s; next; next = next_number_word(s, k->kind, &k), first = 0) {
        const struct number_word *now = k;
        s = next;
        if (now->kind == SCALE && now->v >= 1e3) {
            total += (current > 0 ? current : 1) * now->v;
            current = 0;
        } else if (now->kind >= SCALE) {
            current = (first ? 1 : current) * now->v;
        } else {
            current += now->v;
        }
    }
    add_number(a, total + current);
    if (percent_at(s)) add_number(a, (total + current) / 100);
    return s;
}

/* "the third": a place, not a share. */
static int is_ordinal(const char *text, struct word w)
{
    static const char *const third[] = {"third", "thirds", NULL}, *const a[] = {"a", NULL};
    return one_of(w, third) && !one_of(word_before(text, w.s), a);
}

/* II to XL in upper case; 0 if w is none of them. A single letter is a name or a pronoun. */
static int roman(struct word w)
{
    static const char *const tens[] = {"", "X", "XX", "XXX", "XL"};
    static const char *const ones[] = {"", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"};
    for (int v = 2; v <= 40 && w.n >= 2 && w.n <= strlen("XXXVIII"); v++) {
        size_t n = strlen(tens[v / 10]), k = strlen(ones[v % 10]);
        if (n + k != w.n) continue;
        if (memcmp(w.s, tens[v / 10], n) == 0 && memcmp(w.s + n, ones[v % 10], k) == 0) return v;
    }
    return 0;
}

static const char *add_word(struct numbers *a, const char *text, const char *s)
{
    struct word w = word_at(s);
    const struct number_word *k = number_word(w);
    if (k && !is_ordinal(text, w) && !is_pronoun(text, w)) return add_words(a, k, s + w.n);
    if (roman(w)) add_number(a, roman(w));
    return s + w.n;
}

static int by_kind_and_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    int kind = is_whole(y) - is_whole(x);
    return kind ? kind : (x > y) - (x < y);
}

static struct numbers numbers_of(const char *raw)
{
    struct numbers a = {0};
    char *text = plain(raw), *end = text + strlen(text);
    for (const char *s = text; s < end;) {
        if (is_digit(*s) || (*s == '.' && is_digit(s[1])))
            s = add_digits(&a, s, end);
        else if (is_word(*s))
            s = add_word(&a, text, s);
        else if (*s == '\\')
            s = add_latex(&a, s, end);
        else
            s++;
    }
    free(text);
    if (a.n) qsort(a.v, (size_t)a.n, sizeof *a.v, by_kind_and_value);
    while (a.whole < a.n && is_whole(a.v[a.whole])) a.whole++;
    return a;
}

/* ---- comparing numbers ---- */

static int same_value(double a, double b)
{
    return fabs(a - b) <= (is_whole(a) && is_whole(b) ? 1e-12 : 0.01) * fmax(a, b);
}

static int equals(double a, double b)
{
    return fabs(a - b) <= 1e-9 * b;
}

/* Is one of the rising v [n] like x? If any, then one of the two beside its place. */
static int has(const double *v, int n, double x, int like(double, double))
{
    int from = 0, to = n;
    while (from < to) {
        int middle = from + (to - from) / 2;
        if (v[middle] < x)
            from = middle + 1;
        else
            to = middle;
    }
    return (from < n && like(v[from], x)) || (from > 0 && like(v[from - 1], x));
}

static int holds(const struct numbers *a, double x, int like(double, double))
{
    return has(a->v, a->whole, x, like) || has(a->v + a->whole, a->n - a->whole, x, like);
}

/* A number of `hint` that is one of `secret` and none of `known`. */
static int shares_number(const char *hint, const char *secret, const char *known)
{
    struct numbers h = numbers_of(hint), s = numbers_of(h.n ? secret : ""),
                   k = numbers_of(s.n && known ? known : "");
    int found = 0;
    for (int i = 0; i < h.n && !found; i++)
        found = holds(&s, h.v[i], same_value) && !holds(&k, h.v[i], equals);
    free(h.v);
    free(s.v);
    free(k.v);
    return found;
}

/* ---- texts ---- */

static char *without_blanks(char *t)
{
    char *out = t;
    for (const char *s = t; *s; s++)
        if (*s != ' ') *out++ = *s;
    *out = '\0';
    return t;
}

static int at_word_start(const char *text, const char *what)
{
    for (const char *p = text; (p = strstr(p, what)); p += word_at(p).n)
        if (p == text || !is_word(p[-1]) || !is_word(*p) || (unsigned char)*p >= 0x80) return 1;
    return 0;
}

struct searched {        /* a text that others are looked for in */
    char *words, *solid; /* its normal form, with blanks and without */
};

static struct searched searched(const char *s)
{
    char *words = ptd_text_normal(s, strlen(s));
    return (struct searched){words, without_blanks(ptd_strdup(words))};
}

static void clear_searched(struct searched *t)
{
    free(t->words);
    free(t->solid);
}

/* Does t hold the n bytes at s, blanks, case and LaTeX aside? */
static int holds_text(const struct searched *t, const char *s, size_t n)
{
    char *what = ptd_text_normal(s, n);
    size_t len = strlen(what);
    int found = len >= 2 && at_word_start(t->words, what);
    if (!found && len >= 4) found = strstr(t->solid, without_blanks(what)) != NULL;
    free(what);
    return found;
}

/* A list's parts of four bytes and more. */
static int holds_part(const struct searched *t, const char *gold)
{
    for (const char *s = gold; *s;) {
        size_t n = strcspn(s, ",;");
        if (n >= 4 && holds_text(t, s, n)) return 1;
        s += n + (s[n] != '\0');
    }
    return 0;
}

static int is_number(const char *s)
{
    struct ptd_rational r;
    return ptd_number_parse(s, strlen(s), &r);
}

static int is_verdict(const char *gold)
{
    static const char *const verdicts[] = {"yes", "no", "true", "false", NULL};
    char *t = ptd_text_normal(gold, strlen(gold));
    int yes = one_of((struct word){t, strlen(t)}, verdicts);
    free(t);
    return yes;
}

/* ---- options listed in the question ---- */

struct option {
    const char *mark, *text;
    size_t len;
};
#define OPTIONS 10

/* The mark of an option at s: "(B)" or "(b)", "B." "B)" "B:"; returns where its text begins. */
static const char *mark_at(const char *question, const char *s, char letter)
{
    if (s > question && !isspace((unsigned char)s[-1]) && !strchr(",;", s[-1])) return NULL;
    if (*s == '(' && toupper((unsigned char)s[1]) == letter && s[2] == ')') return s + 3;
    if (*s == letter && s[1] && strchr(".):", s[1]) && isspace((unsigned char)s[2])) return s + 2;
    return NULL;
}

static int list_options(const char *question, struct option o[OPTIONS])
{
    int n = 0;
    for (const char *s = question; *s && n < OPTIONS; s++) {
        const char *text = mark_at(question, s, (char)('A' + n));
        if (text) o[n++] = (struct option){s, text, 0};
    }
    for (int i = 0; i < n; i++) {
        o[i].text += strspn(o[i].text, " \t");
        size_t len = strcspn(o[i].text, "\n");
        if (i + 1 < n && o[i + 1].mark < o[i].text + len) len = (size_t)(o[i + 1].mark - o[i].text);
        while (len > 0 && strchr(" \t,;.", o[i].text[len - 1])) len--;
        o[i].len = len;
    }
    return n >= 2 ? n : 0;
}

/* The right option's letter, by the answer's letter or by its text; any single letter counts. */
static char right_letter(const struct ptd_group *g)
{
    struct option o[OPTIONS];
    char letter = ptd_gold_letter(g->answer);
    if (!letter && is_letter(g->answer[0]) && !g->answer[1])
        letter = (char)toupper((unsigned char)g->answer[0]);
    if (letter) return letter;
    int n = g->question ? list_options(g->question, o) : 0;
    struct ptd_gold *gold = ptd_gold_new(NULL, NULL, &(struct ptd_asked){.answer = g->answer});
    for (int i = 0; gold && i < n && !letter; i++)
        if (ptd_gold_score(gold, o[i].text, o[i].len, NULL) == 1) letter = (char)('A' + i);
    ptd_gold_free(gold);
    return letter;
}

/* "A" that begins a sentence as an article: a word in lower case follows that is no verb of
 * judging. */
static int is_article(const char *text, const char *s)
{
    static const char *const verbs[] = {"is",     "was", "fits",  "matches", "seems",
                                        "looks",  "has", "or",    "and",     "must",
                                        "should", "can", "would", "holds",   NULL};
    const char *before = s;
    while (before > text && isspace((unsigned char)before[-1])) before--;
    int begins = before == text || strchr(".!?:;-*\"", before[-1]);
    return *s == 'A' && begins && s[1] == ' ' && islower((unsigned char)s[2]) &&
           !one_of(word_at(s + 2), verbs);
}

static int names_option(const char *text, const char *s)
{
    static const char *const kinds[] = {"option", "choice", "answer", "letter", NULL},
                             *const is[] = {"is", NULL};
    if (isupper((unsigned char)*s)) return !is_article(text, s);
    if (s[1] == ')' || (s > text && (s[-1] == '(' || s[-1] == '['))) return 1;
    struct word before = word_before(text, s);
    if (one_of(before, kinds)) return 1;
    const char *after = s + 1 + strspn(s + 1, " ");
    return one_of(before, is) && one_of(word_before(text, before.s), kinds) && !is_word(*after);
}

/* ---- the rules ---- */

static int empty(const char *hint, const struct ptd_group *g)
{
    (void)g;
    return hint[strspn(hint, " \t\r\n")] == '\0';
}

static int too_long(const char *hint, const struct ptd_group *g)
{
    (void)g;
    return strlen(hint) > PTD_HINT_MAX;
}

static int degenerate(const char *hint, const struct ptd_group *g)
{
    (void)g;
    char seen[256] = {0};
    int kinds = 0;
    for (const char *s = hint; *s; s++) {
        kinds += !seen[(unsigned char)*s];
        seen[(unsigned char)*s] = 1;
    }
    return strlen(hint) >= 16 && kinds <= 3;
}

static int answer_number(const char *hint, const struct ptd_group *g)
{
    return g->answer && shares_number(hint, g->answer, g->question);
}

static int answer_text(const char *hint, const struct ptd_group *g)
{
    if (!g->answer || is_number(g->answer) || ptd_gold_letter(g->answer) || is_verdict(g->answer))
        return 0;
    struct searched t = searched(hint);
    int found = holds_text(&t, g->answer, strlen(g->answer)) || holds_part(&t, g->answer);
    clear_searched(&t);
    return found;
}

static int option_letter(const char *hint, const struct ptd_group *g)
{
    char letter = g->answer ? right_letter(g) : 0;
    if (!letter) return 0;
    for (const char *s = hint; *s; s++) {
        int alone =
            (s == hint || (!is_word(s[-1]) && s[-1] != '\'')) && !is_word(s[1]) && s[1] != '\'';
        if (alone && toupper((unsigned char)*s) == letter && names_option(hint, s)) return 1;
    }
    return 0;
}

static int option_text(const char *hint, const struct ptd_group *g)
{
    struct option o[OPTIONS];
    char letter = g->answer ? right_letter(g) : 0;
    int i = letter - 'A', n = letter && g->question ? list_options(g->question, o) : 0;
    if (i < 0 || i >= n) return 0;
    char *text = ptd_format("%.*s", (int)o[i].len, o[i].text),
         *stem = ptd_format("%.*s", (int)(o[0].mark - g->question), g->question);
    int found = shares_number(hint, text, stem);
    if (!found && !is_number(text)) {
        struct searched h = searched(hint), s = searched(stem);
        found = holds_text(&h, text, o[i].len) && !holds_text(&s, text, o[i].len);
        clear_searched(&h);
        clear_searched(&s);
    }
    free(text);
    free(stem);
    return found;
}

/* "is no", "no." and "no," assert; "no digit" counts; "whether it is true" asks. */
static int asserted(const char *text, struct word w)
{
    static const char *const asks[] = {"whether", "if", NULL}, *const no[] = {"no", NULL};
    static const char *const verb[] = {"is", "are", "answer", "say", "says", "be", NULL};
    struct word before = word_before(text, w.s), further = before;
    for (int i = 0; i < 4 && further.n; i++, further = word_before(text, further.s))
        if (one_of(further, asks)) return 0;
    if (!one_of(w, no)) return 1;
    const char *after = w.s + w.n + strspn(w.s + w.n, " ");
    return !is_word(*after) || one_of(before, verb);
}

static int yes_no(const char *hint, const struct ptd_group *g)
{
    static const char *const verdicts[] = {"yes", "no", "true", "false", NULL};
    if (!g->answer || !is_verdict(g->answer)) return 0;
    for (const char *s = hint; *s;) {
        struct word w = word_at(s);
        if (w.n && one_of(w, verdicts) && asserted(hint, w)) return 1;
        s += w.n ? w.n : 1;
    }
    return 0;
}

static int decisive_number(const char *hint, const struct ptd_group *g)
{
    return g->solution && shares_number(hint, g->solution, g->question);
}

const struct ptd_spoiler_rule ptd_spoiler_rules[] = {
    {"empty", empty},
    {"too-long", too_long},
    {"degenerate", degenerate},
    {"answer-number", answer_number},
    {"answer-text", answer_text},
    {"option-letter", option_letter},
    {"option-text", option_text},
    {"yes-no", yes_no},
    {"decisive-number", decisive_number},
    {NULL, NULL},
};

const char *ptd_spoiler_find(const char *hint, const struct ptd_group *g)
{
    for (const struct ptd_spoiler_rule *r = ptd_spoiler_rules; r->name; r++)
        if (r->found(hint, g)) return r->name;
    return NULL;
}
