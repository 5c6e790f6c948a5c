/* lex: see lex.h. Leaves the meaning of words and numbers to parse.c. */
#include "judge/lex.h"
#include "judge/commands.h"
#include "judge/dress.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

/* ---- where the reading is ---- */

#define NEST    64
#define WRAPPER 3

struct at {
    struct ptd_lex *l;
    const char *s, *end;
    int lists;       /* commas part lists */
    int spaced;      /* blanks were passed */
    int round;       /* depth of brackets that hold lists */
    int single;      /* arguments of \frac that are still to come: one digit each */
    int money;       /* a lone $ is a dollar */
    int dress;       /* depth of \text{...} */
    int system;      /* depth of cases and the like: lines of relations */
    int depth;       /* of braces */
    char wrap[NEST]; /* by depth: WRAPPER, or what `single` is behind the group */
};

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static int is_letter(char c)
{
    return (unsigned char)((c | 32) - 'a') < 26 || (unsigned char)c >= 0x80;
}
static int is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}
static char peek(const struct at *a, long i)
{
    return a->end - a->s > i ? a->s[i] : '\0';
}

static struct ptd_tok *push(struct at *a, int kind, const char *s, size_t n, size_t bytes)
{
    struct ptd_lex *l = a->l;
    if (l->n >= PTD_LEX_TOKENS) {
        l->reason = "too long";
        return NULL;
    }
    struct ptd_tok *t = &l->t[l->n++];
    *t = (struct ptd_tok){.kind = (uint8_t)kind,
                          .spaced = (uint8_t)a->spaced,
                          .dress = a->dress > 0,
                          .at = (uint16_t)(a->s - l->plain),
                          .end = (uint16_t)(a->s - l->plain + (long)bytes),
                          .n = (uint16_t)n,
                          .s = s};
    a->spaced = 0;
    a->s += bytes;
    return t;
}

static void push_sign(struct at *a, int kind, size_t bytes)
{
    push(a, kind, a->s, bytes, bytes);
}

/* ---- numbers ---- */

/* Bytes of what parts thousands at s, 0: nothing does. */
static size_t gap(const char *s, const char *end, int lists)
{
    static const char *const gaps[] = {"{,}", ",\\!", "\\,", "\\;",  "\\:", "\\ ",
                                       "~",   " ",    "'",   "\\!,", NULL};
    if (*s == ',' && s + 1 < end && is_digit(s[1])) return lists ? 0 : 1;
    for (int i = 0; gaps[i]; i++) {
        size_t n = strlen(gaps[i]);
        if ((size_t)(end - s) > n && memcmp(s, gaps[i], n) == 0) return n;
    }
    return 0;
}

static int three_digits(const char *s, const char *end)
{
    return end - s >= 3 && is_digit(s[0]) && is_digit(s[1]) && is_digit(s[2]) &&
           (end - s == 3 || !is_digit(s[3]));
}

static void keep(struct ptd_lex *l, const char *s, size_t n)
{
    memcpy(l->buf + l->used, s, n);
    l->used += n;
}

/* The digits before the point; groups of three may be parted, all in the same way. */
static const char *whole(struct at *a, const char *s, int *commas)
{
    const char *first = s, *how = NULL;
    size_t n = 0;
    while (s < a->end && is_digit(*s)) s++;
    keep(a->l, first, (size_t)(s - first));
    if (s == first || s - first > 3 || *first == '0') return s;
    while (s < a->end && (n = gap(s, a->end, a->lists || a->round)) &&
           three_digits(s + n, a->end)) {
        if (how && (memcmp(how, s, n) != 0)) break;
        if (*s == ',' && n == 1) *commas = 1;
        how = s;
        keep(a->l, s + n, 3);
        s += n + 3;
    }
    return s;
}

static const char *exponent(struct at *a, const char *s)
{
    const char *p = s + 1;
    if (p < a->end && (*p == '-' || *p == '+')) p++;
    if (p >= a->end || !is_digit(*p)) return s;
    while (p < a->end && is_digit(*p)) p++;
    if (p < a->end && is_letter(*p)) return s;
    keep(a->l, s, (size_t)(p - s));
    return p;
}

static void number(struct at *a)
{
    struct ptd_lex *l = a->l;
    const char *from = l->buf + l->used, *s = a->s, *point;
    int commas = 0;
    if (a->single > 0) {
        a->single--;
        keep(l, s++, 1);
    } else {
        s = whole(a, s, &commas);
        point = s;
        if (a->end - s > 3 && memcmp(s, "{.}", 3) == 0 && is_digit(s[3])) {
            keep(l, ".", 1);
            for (point = s += 3; s < a->end && is_digit(*s); s++) continue;
            keep(l, point, (size_t)(s - point));
        } else if (s + 1 < a->end && *s == '.' && is_digit(s[1]) &&
                   !(s == a->s && a->s > l->plain && is_letter(s[-1]))) {
            for (s++; s < a->end && is_digit(*s); s++) continue;
            keep(l, point, (size_t)(s - point));
        }
        if (s < a->end && (*s == 'e' || *s == 'E')) s = exponent(a, s);
    }
    struct ptd_tok *t =
        push(a, PTD_T_NUM, from, (size_t)(l->buf + l->used - from), (size_t)(s - a->s));
    if (t && commas) t->commas = l->commas = 1;
}

/* ---- words ---- */

/* a.m. and the like: single letters, each before a full stop; 0: none. */
static size_t dotted(const char *s, const char *end)
{
    size_t n = 0;
    while (end - s > (long)n + 1 && isalpha((unsigned char)s[n]) && s[n + 1] == '.') n += 2;
    if (n >= 4 && (s + n == end || !isalnum((unsigned char)s[n]))) return n;
    return 0;
}

/* A letter of a script that parts no words: U+3000 to U+9FFF. */
static int is_ideograph(char c)
{
    return (unsigned char)c >= 0xe3 && (unsigned char)c <= 0xe9;
}

static void word(struct at *a)
{
    const char *s = a->s;
    size_t n = dotted(s, a->end), dot = n > 0;
    int script = is_ideograph(*s);
    while (!dot && s + n < a->end && is_letter(s[n])) {
        if ((signed char)s[n] >= -0x40 && is_ideograph(s[n]) != script) break;
        n++;
    }
    push(a, PTD_T_WORD, s, n - dot, n);
}

/* ---- braces ---- */

static void open_brace(struct at *a, int wrapper)
{
    if (a->depth >= NEST) {
        a->l->reason = "too deep";
        return;
    }
    int left = !wrapper && a->single > 0 ? a->single - 1 : 0;
    a->wrap[a->depth++] = (char)(wrapper ? WRAPPER : left);
    a->single = 0;
    if (wrapper) {
        a->dress++;
        a->s++;
    } else {
        push_sign(a, '{', 1);
    }
}

static void close_brace(struct at *a)
{
    int what = a->depth > 0 ? a->wrap[--a->depth] : 0;
    if (what == WRAPPER) {
        a->dress--;
        a->s++;
        a->spaced |= 2; /* what was dressed ends: a word of its own */
    } else {
        push_sign(a, '}', 1);
        a->single = what;
    }
}

/* ---- commands ---- */

static size_t command_length(const struct at *a)
{
    size_t n = 1;
    if (!isalpha((unsigned char)peek(a, 1))) return a->s + 1 < a->end ? 2 : 1;
    while (isalpha((unsigned char)peek(a, (long)n))) n++;
    return n;
}

/* \begin{array}{cc}, \color{red}: the name and columns are passed. */
static size_t environment(const struct at *a, size_t n)
{
    const char *s = a->s + n, *close = memchr(s, '}', (size_t)(a->end - s));
    if (s >= a->end || *s != '{' || !close) return n;
    if (close - s >= 5 && memcmp(s, "{array", 6) == 0 && close + 1 < a->end && close[1] == '{') {
        const char *columns = memchr(close + 1, '}', (size_t)(a->end - close - 1));
        if (columns) close = columns;
    }
    return (size_t)(close + 1 - a->s);
}

static void dress(struct at *a, size_t n)
{
    a->s += n;
    while (a->s < a->end && is_space(*a->s)) a->s++;
    if (peek(a, 0) == '*') a->s++;
    if (peek(a, 0) == '{') open_brace(a, 1);
}

/* ---- systems ---- */

static int begins(const char *s, const char *end, const char *with)
{
    return (size_t)(end - s) >= strlen(with) && memcmp(s, with, strlen(with)) == 0;
}

/* cases, aligned, an array behind a brace: the name at s of lines that are read one by one. */
static int is_system(const struct at *a, const char *s, int kind)
{
    static const char *const names[] = {"{cases",  "{align",  "{dcases", "{gathered",
                                        "{split}", "{rcases", NULL};
    int brace = a->l->n > 0 && a->l->t[a->l->n - 1].kind == PTD_T_LSET;
    for (int i = 0; names[i]; i++)
        if (begins(s, a->end, names[i])) return 1;
    return begins(s, a->end, "{array}") && (kind == PTD_T_BEGIN ? brace : a->system > 0);
}

static int in_system(struct at *a, size_t n, int kind)
{
    struct ptd_lex *l = a->l;
    if (!is_system(a, a->s + n, kind)) return 0;
    a->system += kind == PTD_T_BEGIN ? 1 : -(a->system > 0);
    if (kind == PTD_T_BEGIN && l->n > 0 && l->t[l->n - 1].kind == PTD_T_LSET) {
        l->n--;
        a->round -= a->round > 0;
    }
    a->s += environment(a, n);
    a->spaced = 1;
    return 1;
}

/* Does a sign of relation follow, perhaps behind an &? */
static int relation_follows(const struct at *a, const char *s, const char *which)
{
    while (s < a->end && (is_space(*s) || *s == '&')) s++;
    return s < a->end && (strchr(which, *s) || begins(s, a->end, "\\le") ||
                          begins(s, a->end, "\\ge") || begins(s, a->end, "\\approx"));
}

static int is_relation(int kind)
{
    return kind == '=' || kind == '<' || kind == '>' || (kind >= PTD_T_LE && kind <= PTD_T_IN);
}

/* In a system & is a blank beside a sign of relation, and a line that begins with one goes on. */
static void align(struct at *a)
{
    int before = a->l->n > 0 && is_relation(a->l->t[a->l->n - 1].kind);
    if (a->l->n && !before && !relation_follows(a, a->s + 1, "=<>") &&
        a->l->t[a->l->n - 1].kind != PTD_T_ROW) {
        push_sign(a, ',', 1);
        return;
    }
    a->spaced = 1;
    a->s++;
}

/* \\[2pt]: bytes of the gap. */
static size_t row_gap(const struct at *a, size_t n)
{
    const char *s = a->s + n, *p = s + 1;
    if (s >= a->end || *s != '[') return 0;
    while (p < a->end && (is_digit(*p) || *p == '.')) p++;
    if (p == s + 1 || a->end - p < 3 || !is_letter(p[0]) || !is_letter(p[1]) || p[2] != ']')
        return 0;
    return (size_t)(p + 3 - s);
}

/* A command that stands for a token. */
static void command_token(struct at *a, const struct ptd_command *c, int kind, size_t n)
{
    const char *name = c && c->word ? c->word : a->s + 1;
    size_t len = c && c->word ? strlen(c->word) : n - 1;
    if (kind == PTD_T_BEGIN || kind == PTD_T_FINISH) {
        name = a->s + n;
        len = strcspn(name, "}");
        n = environment(a, n);
    }
    if (kind == PTD_T_ROW) n += row_gap(a, n);
    a->round += kind == PTD_T_LSET || kind == '(' ? 1 : 0;
    a->round -= (kind == PTD_T_RSET || kind == ')') && a->round > 0;
    if (!push(a, kind, name, len, n)) return;
    a->single = kind == PTD_T_FRAC || kind == PTD_T_BINOM ? 2 : 0;
}

static void command(struct at *a)
{
    size_t n = command_length(a);
    const struct ptd_command *c = ptd_command_named(a->s + 1, n - 1);
    int kind = c ? c->kind : PTD_T_NAME;
    if (kind == PTD_C_SPACE || (!c && n == 2 && is_space(a->s[1])) || n == 1) {
        a->spaced |= n == 2 && strchr(",;: ", a->s[1]) ? 5 : 1;
        a->s += n;
    } else if (kind == PTD_C_NOTHING) {
        a->s += n;
    } else if (kind == PTD_C_DRESS) {
        dress(a, n);
    } else if (kind == PTD_C_SKIP) {
        a->s += environment(a, n);
    } else if (kind == PTD_T_ROW && a->system && relation_follows(a, a->s + n, "=")) {
        a->spaced = 1;
        a->s += n;
    } else if ((kind == PTD_T_BEGIN || kind == PTD_T_FINISH) && in_system(a, n, kind)) {
        return;
    } else {
        command_token(a, c, kind, n);
    }
}

/* ---- all of it ---- */

static void sign(struct at *a)
{
    char c = *a->s;
    if (c == '(' || c == '[') a->round++;
    if ((c == ')' || c == ']') && a->round > 0) a->round--;
    if (c == '&' && a->system) {
        align(a);
    } else if (c == '-' && peek(a, 1) == '>') {
        push_sign(a, PTD_T_ARROW, 2);
    } else if ((c == '/' && peek(a, 1) == '/') ||
               (c == '|' && peek(a, 1) == '|' && a->spaced && peek(a, 2) == ' ')) {
        push_sign(a, PTD_T_PARALLEL, 2);
    } else if (c == '$' && a->money) {
        push(a, PTD_T_MONEY, "$", 1, 1);
    } else if (c == '%') {
        push_sign(a, PTD_T_PERCENT, 1);
    } else if (c == '<' && peek(a, 1) == '=') {
        push_sign(a, PTD_T_LE, 2);
    } else if (c == '>' && peek(a, 1) == '=') {
        push_sign(a, PTD_T_GE, 2);
    } else if (c == '!' && peek(a, 1) == '=') {
        push_sign(a, PTD_T_NE, 2);
    } else if (c == '=' && peek(a, 1) == '=') {
        push_sign(a, '=', 2);
    } else if (c == '.' && peek(a, 1) == '.' && peek(a, 2) == '.') {
        push_sign(a, PTD_T_DOTS, 3);
    } else if (c == '*' && peek(a, 1) == '*') {
        push_sign(a,
                  isdigit((unsigned char)peek(a, 2)) && a->s > a->l->plain &&
                          isalnum((unsigned char)a->s[-1])
                      ? '^'
                      : '`',
                  2);
    } else {
        push_sign(a, c, 1);
    }
}

static void tilde(struct at *a)
{
    int alone = a->l->n > 0 && a->s > a->l->plain && is_space(a->s[-1]) && is_space(peek(a, 1));
    if (alone) {
        push_sign(a, PTD_T_TO, 1);
    } else {
        a->spaced = 1;
        a->s++;
    }
}

static void step(struct at *a)
{
    char c = *a->s;
    int after_letter = a->s > a->l->plain && is_letter(a->s[-1]) && !a->spaced;
    if (is_space(c) || c == 0x7f) {
        a->spaced |= 1;
        a->s++;
    } else if (is_digit(c) || (c == '.' && is_digit(peek(a, 1)) && !after_letter && !a->single)) {
        number(a);
    } else if (is_letter(c)) {
        a->single = a->single > 0 ? a->single - 1 : 0;
        word(a);
    } else if (c == '\\') {
        command(a);
    } else if (c == '{') {
        open_brace(a, 0);
    } else if (c == '}') {
        close_brace(a);
    } else if (c == '~') {
        tilde(a);
    } else if (c == '$' && !a->money) {
        a->spaced = 1;
        a->s++;
    } else if ((unsigned char)c < ' ') {
        a->s++;
    } else {
        sign(a);
    }
}

/* $ come in pairs around mathematics; a lone one is a dollar. */
static int lone_dollar(const char *s, const char *end)
{
    int n = 0;
    for (; s < end; s++) {
        if (*s == '\\')
            s++;
        else if (*s == '$')
            n++;
    }
    return n & 1;
}

/* 60^o */
static int is_small_o(const struct ptd_tok *t)
{
    return t->kind == PTD_T_WORD && t->n == 1 && *t->s == 'o';
}

/* Takes a token's pattern {^\circ}, ^{\circ}, ^\circ for the sign, {:} and {-} for theirs. */
static int folded(struct ptd_tok *out, const struct ptd_tok *t)
{
    int group = t[0].kind == '{', i = group;
    if (group && t[1].kind && t[1].kind < 128 && strchr(":,.-+*/=<>", t[1].kind) &&
        t[2].kind == '}') {
        *out = t[1];
        return 3;
    }
    if (t[i].kind != '^') return 0;
    int inner = t[i + 1].kind == '{';
    const struct ptd_tok *sign = &t[i + 1 + inner];
    int closes = inner + group, small_o = is_small_o(sign);
    if (!small_o && sign->kind != PTD_T_DEG && sign->kind != PTD_T_PRIME) return 0;
    for (int k = 1; k <= closes; k++)
        if (sign[k].kind != '}') return 0;
    *out = *sign;
    if (small_o) out->kind = PTD_T_DEG;
    out->spaced = t[0].spaced;
    return (int)(sign - t) + closes + 1;
}

/* minus 7, negative 7 */
static int is_minus(const struct ptd_tok *t)
{
    return t->kind == PTD_T_WORD && (t[1].kind == PTD_T_NUM || t[1].kind == PTD_T_FRAC) &&
           (ptd_tok_is(t, "minus") || ptd_tok_is(t, "negative") || ptd_tok_is(t, "负"));
}

/* is parallel to, 平行于, the empty set: tokens of it, *kind the sign's; 0: none. */
static int sign_in_words(const struct ptd_tok *t, int *kind)
{
    static const struct {
        const char *word, *chinese;
        int kind;
    } words[] = {{"parallel", "平行于", PTD_T_PARALLEL},
                 {"perpendicular", "垂直于", PTD_T_PERP},
                 {"congruent", "全等于", PTD_T_CONG},
                 {"", "大于", '>'},
                 {"", "小于", '<'},
                 {"", "不小于", PTD_T_GE},
                 {"", "大于等于", PTD_T_GE},
                 {"", "大于或等于", PTD_T_GE},
                 {"", "不大于", PTD_T_LE},
                 {"", "小于等于", PTD_T_LE},
                 {"", "小于或等于", PTD_T_LE},
                 {"", "空集", PTD_T_EMPTY},
                 {NULL, NULL, 0}};
    int the = ptd_tok_is(t, "the"), verb = ptd_tok_is(t, "is") || ptd_tok_is(t, "are");
    if (ptd_tok_is(t + the, "empty") && ptd_tok_is(t + the + 1, "set"))
        return *kind = PTD_T_EMPTY, 2 + the;
    for (int i = 0; t->kind == PTD_T_WORD && words[i].word; i++) {
        *kind = words[i].kind;
        if (ptd_tok_is(t, words[i].chinese)) return 1;
        if (verb && ptd_tok_is(t + 1, words[i].word) && ptd_tok_is(t + 2, "to")) return 3;
    }
    return 0;
}

/* less than, at least, "below" before a number: tokens of it; 0: none. */
static int bound_in_words(const struct ptd_tok *t, int first, int *kind)
{
    static const char *const less[] = {"less", "fewer", "smaller", "lower", NULL},
                             *const more[] = {"more",   "greater", "larger",
                                              "higher", "bigger",  NULL},
                             *const below[] = {"below", "under", NULL};
    int verb = ptd_tok_is(t, "is") || ptd_tok_is(t, "are");
    t += verb;
    if (t->kind != PTD_T_WORD || (t[1].kind != PTD_T_WORD && t[1].kind != PTD_T_NUM)) return 0;
    int is_less = ptd_tok_one_of(t, less), is_more = ptd_tok_one_of(t, more);
    if ((is_less || is_more) && ptd_tok_is(t + 1, "than")) {
        int or = ptd_tok_is(t + 2, "or") && ptd_tok_is(t + 3, "equal") && ptd_tok_is(t + 4, "to");
        *kind = or ? (is_less ? PTD_T_LE : PTD_T_GE) : is_less ? '<' : '>';
        return 2 + verb + (or ? 3 : 0);
    }
    if (ptd_tok_is(t, "at") && (ptd_tok_is(t + 1, "least") || ptd_tok_is(t + 1, "most")))
        return *kind = ptd_tok_is(t + 1, "least") ? PTD_T_GE : PTD_T_LE, 2 + verb;
    if (!first || t[1].kind != PTD_T_NUM) return 0;
    *kind = ptd_tok_one_of(t, below) ? '<' : '>';
    return *kind == '<' || ptd_tok_is(t, "above") ? 1 + verb : 0;
}

/* 3 x 4, 3 by 4, 5 cm by 8 cm: does the word stand for times? */
static int is_times(const struct ptd_tok *out, int n, const struct ptd_tok *t)
{
    if (t->kind != PTD_T_WORD || n < 1 || t[1].kind != PTD_T_NUM) return 0;
    int by = ptd_tok_is(t, "by"), x = ptd_tok_is(t, "x");
    int unit = n > 1 && out[n - 1].kind == PTD_T_WORD && out[n - 2].kind == PTD_T_NUM;
    return (by || x) && (out[n - 1].kind == PTD_T_NUM || (unit && t->spaced));
}

/* "angle AOB", "triangle ABC", \Delta ABC: does a word stand for the sign? */
static int is_angle_word(const struct ptd_tok *t)
{
    const struct ptd_tok *name = t + 1;
    if (name->kind != PTD_T_WORD || !isupper((unsigned char)*name->s) || name->n > 3) return 0;
    int delta = t->kind == PTD_T_NAME && t->n == 5 && memcmp(t->s, "Delta", 5) == 0;
    int triangle = delta || ptd_tok_is(t, "triangle") || ptd_tok_is(t, "三角形");
    if (!triangle && !ptd_tok_is(t, "angle")) return 0;
    for (int i = 0; i < name->n; i++)
        if (!isupper((unsigned char)name->s[i])) return 0;
    return !triangle || name->n == 3;
}

static int is_braced_name(const struct ptd_tok *t)
{
    return t[0].kind == PTD_T_ANGLE && t[1].kind == '{' && t[2].kind == PTD_T_WORD &&
           t[3].kind == '}';
}

/* ]2, 5], [2, 5[: brackets that are turned round to leave an end out; as ( and ). */
static void turn_brackets(struct ptd_lex *l)
{
    int open = 0, turned = 0, commas = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < l->n; i++) {
            struct ptd_tok *t = &l->t[i];
            int square = t->kind == '[' || t->kind == ']';
            if (t->kind == '(' || t->kind == ')' || t->kind == PTD_T_SQRT) return;
            commas += open && (t->kind == ',' || t->kind == ';');
            if (!square) continue;
            int wrong = t->kind == (open ? '[' : ']');
            turned |= wrong;
            if (open && commas != 1) return;
            if (pass && wrong) t->kind = open ? ')' : '(';
            open = !open;
            commas = 0;
        }
        if (open || !turned) return;
    }
}

static void fold(struct ptd_lex *l)
{
    int out = 0;
    for (int i = 0; i < l->n;) {
        struct ptd_tok t = l->t[i];
        int nothing = t.kind == '{' && l->t[i + 1].kind == '}' && l->t[i + 2].kind == '^';
        if (nothing) t = l->t[i += 2]; /* {}^\circ */
        int used = t.kind == '{' || t.kind == '^' ? folded(&t, &l->t[i]) : 0;
        if (is_minus(&l->t[i])) t.kind = '-';
        int sign, words = sign_in_words(&l->t[i], &sign);
        if (!words && t.kind == PTD_T_WORD) words = bound_in_words(&l->t[i], out == 0, &sign);
        if (words) t.kind = (uint8_t)sign, used = words;
        int worded = t.kind == PTD_T_WORD || t.kind == PTD_T_NAME;
        if (worded && is_times(l->t, out, &l->t[i])) t.kind = '*', t.s = "times", t.n = 5;
        if (worded && is_angle_word(&l->t[i])) t.kind = PTD_T_ANGLE;
        int braced = is_braced_name(&l->t[i]);
        l->t[out++] = t;
        if (braced) l->t[out++] = l->t[i + 2], used = 4;
        i += used ? used : 1;
    }
    l->n = out;
    turn_brackets(l);
    l->t[out] = (struct ptd_tok){.kind = PTD_T_END, .s = ""};
}

int ptd_lex(struct ptd_lex *l, const char *text, size_t n, int flags)
{
    long used = n > PTD_LEX_BYTES ? -1 : ptd_undress(l->plain, sizeof l->plain, text, n, NULL);
    l->n = l->commas = 0;
    l->used = 0;
    l->reason = used < 0 ? "too long" : NULL;
    l->t[0] = (struct ptd_tok){.kind = PTD_T_END, .s = ""};
    if (used < 0) return -1;
    struct at a = {.l = l, .s = l->plain, .end = l->plain + used, .lists = flags & PTD_LEX_LISTS};
    a.money = lone_dollar(a.s, a.end);
    while (a.s < a.end && !l->reason) step(&a);
    l->t[l->n] = (struct ptd_tok){.kind = PTD_T_END, .s = ""};
    if (l->reason) return -1;
    for (int i = l->n; i < l->n + 5 && i <= PTD_LEX_TOKENS; i++) l->t[i].kind = PTD_T_END;
    fold(l);
    return 0;
}

int ptd_tok_is(const struct ptd_tok *t, const char *word)
{
    /* the first letter first, for speed */
    return t->kind == PTD_T_WORD && t->n && ((*t->s ^ *word) | 32) == 32 && t->n == strlen(word) &&
           strncasecmp(t->s, word, t->n) == 0;
}

int ptd_tok_one_of(const struct ptd_tok *t, const char *const *words)
{
    if (t->kind != PTD_T_WORD) return 0;
    for (; *words; words++)
        if (ptd_tok_is(t, *words)) return 1;
    return 0;
}
