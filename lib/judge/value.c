/* value: from tokens to what they say; see value.h. Leaves expressions to expr.c, and whether two
 * values are the same to compare.c. */
#include "judge/value.h"
#include "judge/numeral.h"
#include <ctype.h>
#include <string.h>

typedef const struct ptd_tok *tok;
typedef struct ptd_value *value;

struct span {
    tok a, b; /* [a, b) */
};

static value read_list(struct ptd_reading *r, struct span s);
static value read_item(struct ptd_reading *r, struct span s);
static value compound(struct ptd_reading *r, struct span s);

static value new_value(struct ptd_reading *r, int kind, struct span s)
{
    if (r->n >= PTD_VALUES) {
        r->reason = "too long";
        return NULL;
    }
    value v = &r->v[r->n++];
    memset(v, 0, sizeof *v);
    v->kind = (uint8_t)kind;
    v->t = s.a;
    v->n = (int)(s.b - s.a);
    return v;
}

static const struct ptd_expr *expression(struct ptd_reading *r, struct span s)
{
    const struct ptd_expr *e = ptd_expr_read(&r->pool, s.a, (int)(s.b - s.a), r->plus < 0 ? -1 : 1);
    if (r->pool.reason) r->reason = r->pool.reason;
    return e;
}

/* ---- brackets ---- */

static int opens(int kind)
{
    return kind == '(' || kind == '[' || kind == '{' || kind == PTD_T_LSET || kind == PTD_T_BEGIN;
}

static int closes(int kind)
{
    return kind == ')' || kind == ']' || kind == '}' || kind == PTD_T_RSET || kind == PTD_T_FINISH;
}

/* The bracket that closes the one at s.a; s.b: none. */
static tok closing(struct span s)
{
    int depth = 0;
    for (tok t = s.a; t < s.b; t++) {
        depth += opens(t->kind);
        depth -= closes(t->kind);
        if (depth == 0) return t;
    }
    return s.b;
}

/* ---- the ends ---- */

static int is_wrapping(int kind)
{
    return kind == '.' || kind == '"' || kind == '`' || kind == '\'' || kind == '#' || kind == '*';
}

static struct span trimmed(struct span s)
{
    while (s.a < s.b && (is_wrapping(s.a->kind) || strchr(",:=", s.a->kind))) s.a++;
    while (
        s.b > s.a &&
        (is_wrapping(s.b[-1].kind) || ptd_value_parts(&s.b[-1]) || s.b[-1].kind == ':' ||
         (s.b[-1].kind == '!' && s.b - s.a > 1 && s.b[-2].kind == PTD_T_WORD && s.b[-2].n > 1))) {
        if (s.b[-1].kind == PTD_T_WORD && s.b - s.a == 1) break;
        s.b--;
    }
    while (s.b - s.a > 2 && s.a->kind == '{' && closing(s) == s.b - 1) {
        int parts = 0;
        for (tok t = s.a; t < s.b; t++) parts |= t->kind == ',';
        if (parts) break;
        s.a++, s.b--;
    }
    return s;
}

static int word_in(tok t, const char *const *words)
{
    for (; *words; words++)
        if (ptd_tok_is(t, *words)) return 1;
    return 0;
}

/* 答案是, 选: bytes of the word at t that only lead to the answer. */
static int chinese_lead(tok t, int last)
{
    static const char *const leads[] = {
        "正确答案", "正确选项", "答案", "最终", "结果", "所以", "因此", "故选", "应选",
        "选择",     "选项",     "大约", "答",   "故",   "选",   "约",   "为",   "是",
        "应",       "等于",     "一共", "总共", "共有", "共",   NULL};
    for (int i = 0; leads[i]; i++) {
        int n = (int)strlen(leads[i]);
        if (t->n >= n && memcmp(t->s, leads[i], (size_t)n) == 0 && (t->n > n || !last)) return n;
    }
    return 0;
}

/* Tokens of "so the final answer is:" and the like at the front; the Chinese form is cut off the
 * word itself. */
static struct span without_lead(struct span s)
{
    static const char *const before[] = {
        "so",      "thus",  "therefore", "hence", "then",    "the",         "my",    "our", "final",
        "correct", "right", "best",      "and",   "finally", "approximate", "exact", NULL};
    static const char *const nouns[] = {"answer",    "answers", "ans",    "result", "solution",
                                        "solutions", "option",  "choice", NULL};
    static const char *const after[] = {"is", "are", "was", "be", "must", "should", "would", NULL};
    static const char *const sure[] = {"so",     "thus",   "therefore", "hence",  "approximately",
                                       "about",  "around", "roughly",   "approx", "nearly",
                                       "either", "both",   "exactly",   "only",   NULL};
    tok t = s.a;
    while (t < s.b && word_in(t, before)) t++;
    if (t < s.b && word_in(t, nouns)) {
        for (t++; t < s.b && (word_in(t, after) || strchr(":=*`", t->kind ? t->kind : 'x')); t++)
            continue;
        if (t < s.b) s.a = t;
    }
    while (s.a + 1 < s.b &&
           (word_in(s.a, sure) || s.a->kind == PTD_T_APPROX || s.a->kind == PTD_T_TO ||
            s.a->kind == ',' || (s.a->kind == '.' && s.a > t)))
        s.a++;
    while (s.a < s.b && s.a->kind == PTD_T_WORD && (unsigned char)s.a->s[0] >= 0xe3) {
        int n = chinese_lead(s.a, s.a + 1 == s.b);
        if (!n) break;
        struct ptd_tok *cut = (struct ptd_tok *)s.a; /* tokens are the reading's own */
        cut->s += n;
        cut->n = (uint16_t)(cut->n - n);
        if (!cut->n) s.a++;
        while (s.a < s.b && s.a->kind == ':') s.a++;
    }
    return s;
}

/* ---- lists ---- */

int ptd_value_parts(const struct ptd_tok *t)
{
    static const char *const words[] = {"and", "or", "和", "或", "或者", "与", "及", "以及", NULL};
    return t->kind == ',' || t->kind == ';' || t->kind == PTD_T_ROW ||
           (t->kind == PTD_T_WORD && word_in(t, words));
}

static int is_or(tok t)
{
    return ptd_tok_is(t, "or") || ptd_tok_is(t, "或") || ptd_tok_is(t, "或者");
}

/* The next token from t on that parts the list, outside brackets; s.b: none. */
static tok next_part(tok t, struct span s)
{
    struct ptd_ratio number;
    int depth = 0, used;
    for (; t < s.b; t++) {
        depth += opens(t->kind);
        depth -= closes(t->kind) && depth > 0;
        if (depth == 0 && ptd_value_parts(t)) return t;
        if (t->kind == PTD_T_WORD && (used = ptd_numeral_read(t, (int)(s.b - t), &number)) > 1)
            t += used - 1;
    }
    return s.b;
}

static int add_kid(value list, value *last, value kid)
{
    if (!kid) return 0;
    if (*last)
        (*last)->next = kid;
    else
        list->kid = kid;
    *last = kid;
    list->n_kids++;
    return 1;
}

static value parts(struct ptd_reading *r, struct span s, int kind)
{
    value list = new_value(r, kind, s), last = NULL;
    for (tok t = s.a; list && t < s.b;) {
        tok stop = next_part(t, s);
        struct span one = trimmed((struct span){t, stop});
        if (one.a < one.b && !add_kid(list, &last, read_item(r, one))) return NULL;
        if (stop < s.b && is_or(stop)) list->or = 1;
        t = stop + 1;
    }
    return list;
}

static value read_list(struct ptd_reading *r, struct span s)
{
    s = trimmed(without_lead(trimmed(s)));
    if (s.a >= s.b) return NULL;
    tok first = next_part(s.a, s);
    if (first == s.b) return read_item(r, s);
    value list = s.a->kind == PTD_T_NUM && ptd_tok_is(first, "and") ? compound(r, s) : NULL;
    if (list) return list; /* 2 hours and 30 minutes */
    list = parts(r, s, PTD_V_LIST);
    return list && list->n_kids == 1 ? list->kid : list;
}

/* ---- what a value is of ---- */

/* x, AB, \angle ABC, S_{ABC}, f(2), \sin A, "the area": names without numbers or operators. */
static int is_label(struct span s)
{
    static const char *const no[] = {"not", "wrong", "incorrect", "isn", "no", NULL};
    int depth = 0, names = 0;
    for (tok t = s.a; t < s.b; t++) {
        depth += opens(t->kind) - closes(t->kind);
        switch (t->kind) {
        case PTD_T_WORD:
            if (word_in(t, no)) return 0;
            names = 1;
            break;
        case PTD_T_NAME:
            names = 1;
            break;
        case PTD_T_NUM:
        case ',':
            if (!depth && (t == s.a || t[-1].kind != '_')) return 0;
            if (!names) return 0;
            break;
        case PTD_T_ANGLE:
        case PTD_T_OVERLINE:
        case PTD_T_PRIME:
        case PTD_T_FRAC:
        case '_':
        case '|':
        case '\'':
            break;
        default:
            if (!opens(t->kind) && !closes(t->kind)) return 0;
        }
    }
    return names;
}

static void set_label(struct ptd_reading *r, value v, struct span s)
{
    v->label = s.a;
    v->n_label = (int)(s.b - s.a);
    v->name = s.b - s.a < 8 ? expression(r, s) : NULL;
}

/* ---- relations ---- */

#define CHAIN 8

struct chain {
    struct span part[CHAIN + 1];
    int rel[CHAIN], n; /* n relations, n + 1 parts */
};

static int is_verb(tok t)
{
    static const char *const words[] = {"is", "are", "equals", "等于", "是", "为", NULL};
    return t->kind == PTD_T_WORD && word_in(t, words);
}

static int relation(tok t)
{
    switch (t->kind) {
    case '=':
    case '<':
    case '>':
    case PTD_T_LE:
    case PTD_T_GE:
    case PTD_T_NE:
    case PTD_T_APPROX:
    case PTD_T_IN:
        return t->kind;
    default:
        return is_verb(t) ? PTD_T_WORD : 0;
    }
}

static void split(struct span s, struct chain *c)
{
    int depth = 0, rel;
    tok from = s.a;
    c->n = 0;
    for (tok t = s.a; t < s.b; t++) {
        depth += opens(t->kind);
        depth -= closes(t->kind) && depth > 0;
        if (depth || !(rel = relation(t)) || c->n == CHAIN) continue;
        c->part[c->n] = trimmed((struct span){from, t});
        c->rel[c->n++] = rel;
        from = t + 1;
    }
    c->part[c->n] = trimmed((struct span){from, s.b});
}

static int empty(struct span s)
{
    return s.a >= s.b;
}

static value equation(struct ptd_reading *r, struct span s, const struct chain *c)
{
    value v = new_value(r, PTD_V_EQUATION, s);
    if (!v) return NULL;
    v->e = expression(r, c->part[0]);
    v->rhs = expression(r, c->part[c->n]);
    v->rel = (uint8_t)c->rel[0];
    return v->e && v->rhs ? v : NULL;
}

static int has_symbols(struct span s)
{
    for (tok t = s.a; t < s.b; t++)
        if (t->kind == PTD_T_NAME || (t->kind == PTD_T_WORD && !is_verb(t))) return 1;
    return 0;
}

/* label = value, value = label, label = a = b. */
static value equality(struct ptd_reading *r, struct span s, const struct chain *c)
{
    int from = 0, to = c->n;
    value v = NULL, one;
    while (from < to && is_label(c->part[from])) from++;
    struct span label = from ? c->part[from - 1] : (struct span){NULL, NULL};
    if (!from && is_label(c->part[to])) label = c->part[to--];
    if (from == to && !from && label.a == NULL) return NULL;
    if (to == from + 1 && !label.a && c->rel[from] != PTD_T_APPROX && has_symbols(s))
        return equation(r, s, c);
    for (int i = from; i <= to; i++) {
        if (!(one = read_item(r, c->part[i])) ||
            (one->kind == PTD_V_TEXT && (c->rel[0] == PTD_T_WORD || i < to)))
            return NULL;
        one->also = v;
        v = one;
    }
    if (v && label.a) set_label(r, v, label);
    if (v) v->t = s.a, v->n = (int)(s.b - s.a);
    return v;
}

static value bound(struct ptd_reading *r, struct span s, int minus)
{
    value v = new_value(r, PTD_V_EXPR, s);
    static const struct ptd_expr inf = {.op = PTD_E_INF};
    static const struct ptd_expr less = {.op = PTD_E_NEG, .a = &inf};
    if (v) v->e = empty(s) ? (minus ? &less : &inf) : expression(r, s);
    return v && v->e ? v : NULL;
}

static int upwards(int rel)
{
    return rel == '<' || rel == PTD_T_LE;
}

/* x < 5, 0 <= x < 1: the interval. */
static value inequality(struct ptd_reading *r, struct span s, const struct chain *c)
{
    struct span none = {s.a, s.a}, low = none, high = none, label;
    int up = upwards(c->rel[0]), strict_low = 1, strict_high = 1;
    int strict0 = c->rel[0] == '<' || c->rel[0] == '>';
    if (c->n == 2 && upwards(c->rel[1]) == up && is_label(c->part[1])) {
        int strict1 = c->rel[1] == '<' || c->rel[1] == '>';
        low = c->part[up ? 0 : 2], high = c->part[up ? 2 : 0], label = c->part[1];
        strict_low = up ? strict0 : strict1, strict_high = up ? strict1 : strict0;
    } else if (c->n == 1 && (is_label(c->part[0]) || is_label(c->part[1]))) {
        int left = is_label(c->part[0]);
        label = c->part[!left];
        if (up == left)
            high = c->part[left], strict_high = strict0;
        else
            low = c->part[left], strict_low = strict0;
    } else {
        return c->n == 1 ? equation(r, s, c) : NULL;
    }
    value v = new_value(r, PTD_V_GROUP, s), last = NULL;
    if (!v || !add_kid(v, &last, bound(r, low, 1)) || !add_kid(v, &last, bound(r, high, 0)))
        return NULL;
    v->open = strict_low ? '(' : '[';
    v->close = strict_high ? ')' : ']';
    set_label(r, v, label);
    return v;
}

static value related(struct ptd_reading *r, struct span s, const struct chain *c)
{
    for (int i = 0; i <= c->n; i++)
        if (empty(c->part[i])) return NULL;
    int same = 1, order = 1;
    for (int i = 0; i < c->n; i++) {
        int k = c->rel[i];
        same &= k == '=' || k == PTD_T_APPROX || k == PTD_T_WORD;
        order &= k == '<' || k == '>' || k == PTD_T_LE || k == PTD_T_GE;
    }
    if (same) return equality(r, s, c);
    if (order) return inequality(r, s, c);
    if (c->n == 1 && c->rel[0] == PTD_T_IN && is_label(c->part[0])) {
        value v = read_item(r, c->part[1]);
        if (v) set_label(r, v, c->part[0]);
        return v;
    }
    return c->n == 1 ? equation(r, s, c) : NULL;
}

/* ---- ratios and times ---- */

static int noon(tok t)
{
    if (t->kind != PTD_T_WORD) return 0;
    if (ptd_tok_is(t, "am") || ptd_tok_is(t, "a.m")) return 'a';
    return ptd_tok_is(t, "pm") || ptd_tok_is(t, "p.m") ? 'p' : 0;
}

static int is_number(tok t, int digits, int below)
{
    int v = 0;
    if (t->kind != PTD_T_NUM || t->n > 2 || (digits && t->n != digits)) return 0;
    for (int i = 0; i < t->n; i++) {
        if (!isdigit((unsigned char)t->s[i])) return 0;
        v = v * 10 + t->s[i] - '0';
    }
    return v < below;
}

/* 1: h:mm could be a time of day, 2: it is one, for it begins with a nought. */
static int time_like(struct span s)
{
    long n = s.b - s.a;
    if ((n != 3 && n != 5) || !is_number(s.a, 0, 25) || !is_number(s.a + 2, 2, 60)) return 0;
    if (n == 5 && !is_number(s.a + 4, 2, 60)) return 0;
    return s.a[2].s[0] == '0' || (s.a->n == 2 && s.a->s[0] == '0') ? 2 : 1;
}

static int is_ratio_mark(tok t)
{
    return t->kind == ':' || t->kind == PTD_T_TO || ptd_tok_is(t, "to") || ptd_tok_is(t, "比");
}

static value ratio(struct ptd_reading *r, struct span s, int half)
{
    value v = NULL, last = NULL, one;
    int depth = 0;
    tok from = s.a;
    for (tok t = s.a; t <= s.b; t++) {
        if (t < s.b) {
            depth += opens(t->kind);
            depth -= closes(t->kind);
            if (depth || !is_ratio_mark(t)) continue;
        } else if (!v) {
            return NULL;
        }
        if (!v && !(v = new_value(r, PTD_V_RATIO, s))) return NULL;
        struct span part = {from, t};
        if (empty(part) || !(one = new_value(r, PTD_V_EXPR, part)) ||
            !(one->e = expression(r, part)))
            return NULL;
        add_kid(v, &last, one);
        if (t < s.b && t->kind != ':') v->to = 1;
        from = t + 1;
    }
    v->time = v->to ? 0 : (uint8_t)(half ? 2 : time_like(s));
    v->half = (uint8_t)(half == 'o' ? 0 : half);
    return v;
}

/* 3 pm, 3 o'clock: at nought minutes. */
static value full_hour(struct ptd_reading *r, struct span s, int half)
{
    static const struct ptd_expr nought = {.op = PTD_E_RATIO, .num = 0, .den = 1};
    value v = new_value(r, PTD_V_RATIO, s), last = NULL, zero = new_value(r, PTD_V_EXPR, s);
    if (!zero || !add_kid(v, &last, bound(r, s, 0))) return NULL;
    zero->e = &nought;
    add_kid(v, &last, zero);
    v->time = 2;
    v->half = (uint8_t)half;
    return v;
}

/* 3:30 pm, 3 pm, 3 o'clock. */
static value clock_time(struct ptd_reading *r, struct span s)
{
    int half = s.b - s.a > 1 ? noon(s.b - 1) : 0, hour = 0;
    if (half) s.b--;
    if (s.b - s.a > 3 && ptd_tok_is(s.b - 3, "o") && ptd_tok_is(s.b - 1, "clock"))
        s.b -= 3, hour = 1;
    if (!half && !hour) return NULL;
    return s.b - s.a > 1           ? ratio(r, s, half ? half : 'o')
           : is_number(s.a, 0, 25) ? full_hour(r, s, half)
                                   : NULL;
}

/* ---- brackets as values ---- */

static value in_union(struct ptd_reading *r, struct span s)
{
    value v = NULL, last = NULL;
    int depth = 0;
    tok from = s.a;
    for (tok t = s.a; t <= s.b; t++) {
        if (t < s.b) {
            depth += opens(t->kind);
            depth -= closes(t->kind);
            if (depth || t->kind != PTD_T_CUP) continue;
        }
        if (t == s.b && !v) return NULL;
        if (!v && !(v = new_value(r, PTD_V_UNION, s))) return NULL;
        if (!add_kid(v, &last, read_item(r, trimmed((struct span){from, t})))) return NULL;
        from = t + 1;
    }
    return v;
}

static value matrix(struct ptd_reading *r, struct span s)
{
    value v = new_value(r, PTD_V_MATRIX, s), last = NULL, row = NULL, cell = NULL;
    tok from = s.a + 1;
    for (tok t = from; v && t < s.b; t++) {
        int ends = t->kind == PTD_T_ROW || t == s.b - 1;
        if (t->kind != '&' && !ends) continue;
        struct span one = {from, t};
        from = t + 1;
        if (empty(one) && t == s.b - 1) break;
        if (!row && !add_kid(v, &last, row = new_value(r, PTD_V_GROUP, one))) return NULL;
        row->open = '(', row->close = ')';
        if (!add_kid(row, &cell, read_item(r, trimmed(one)))) return NULL;
        if (ends) row = cell = NULL;
    }
    return v;
}

/* {x | x > 2}: what is said of x. */
static value set_builder(struct ptd_reading *r, struct span s)
{
    for (tok t = s.a + 1; t < s.b - 1; t++)
        if ((t->kind == '|' || t->kind == ':') && is_label((struct span){s.a, t}))
            return read_item(r, (struct span){t + 1, s.b});
    return NULL;
}

static value group(struct ptd_reading *r, struct span s)
{
    struct span in = {s.a + 1, s.b - 1};
    int set = s.a->kind == PTD_T_LSET || s.a->kind == '{';
    value v = s.a->kind == PTD_T_BEGIN ? matrix(r, s) : set ? set_builder(r, in) : NULL;
    if (v || s.a->kind == PTD_T_BEGIN) return v;
    if (next_part(in.a, in) == in.b && s.a->kind != PTD_T_LSET) return NULL;
    v = parts(r, in, set ? PTD_V_SET : PTD_V_GROUP);
    if (!v) return NULL;
    v->open = set ? '{' : (uint8_t)s.a->kind;
    v->close = set ? '}' : (uint8_t)s.b[-1].kind;
    v->t = s.a;
    v->n = (int)(s.b - s.a);
    return v;
}

/* P(3, 4): a name before a group; (5 cm): a group around one value. */
static value bracketed(struct ptd_reading *r, struct span s)
{
    tok open = s.a;
    if (!closes(s.b[-1].kind)) return NULL;
    while (open < s.b &&
           (open->kind == PTD_T_WORD || open->kind == PTD_T_PRIME || open->kind == PTD_T_NAME))
        open++;
    struct span g = {open, s.b};
    if (empty(g) || !opens(open->kind) || closing(g) != s.b - 1) return NULL;
    value v = group(r, g);
    if (v && open > s.a) set_label(r, v, (struct span){s.a, open});
    return v;
}

/* ---- quantities ---- */

#define UNIT_TOKENS 12

static int is_unit_start(tok t, struct span s)
{
    if (t == s.a) return 0;
    if (strchr("+-*/^_([{=", t[-1].kind < 128 && t[-1].kind ? t[-1].kind : ' ') && t[-1].kind < 128)
        return 0;
    switch (t->kind) {
    case PTD_T_WORD:
    case PTD_T_DEG:
    case PTD_T_PERCENT:
    case PTD_T_MONEY:
    case PTD_T_NAME:
    case PTD_T_FRAC:
    case '(':
    case '{':
        return 1;
    default:
        return 0;
    }
}

/* Is the unit at t one for sure, where the letters could be variables? */
static int is_sure(tok t)
{
    return t->dress || t->kind != PTD_T_WORD || t->n > 1 ||
           (t->spaced && t[-1].kind == PTD_T_NUM) || (t->spaced && t[-1].kind == '}');
}

static value quantity(struct ptd_reading *r, struct span s, const struct ptd_expr *e,
                      const struct ptd_unit *u)
{
    value v = new_value(r, PTD_V_EXPR, s);
    if (!v) return NULL;
    v->e = e;
    if (u) v->unit = *u, v->has_unit = 1;
    return v;
}

/* The longest end that is a unit, behind an expression. */
static value with_unit(struct ptd_reading *r, struct span s, const struct ptd_expr *full)
{
    struct ptd_unit u;
    for (tok t = s.b - s.a > UNIT_TOKENS ? s.b - UNIT_TOKENS : s.a + 1; t < s.b; t++) {
        if (full && (t->kind == PTD_T_DEG || t->kind == PTD_T_PERCENT))
            continue; /* \sin 45^\circ */
        if (!is_unit_start(t, s) || !ptd_unit_read(t, (int)(s.b - t), !full, &u)) continue;
        const struct ptd_expr *e = expression(r, (struct span){s.a, t});
        if (!e) continue;
        value v = quantity(r, s, e, &u);
        if (!v || !full || is_sure(t)) return v;
        value plain = quantity(r, s, full, NULL);
        v->weak = 1;
        if (plain) plain->alt = v;
        return plain;
    }
    return NULL;
}

/* $5, USD 5, -$5. */
static value money(struct ptd_reading *r, struct span s)
{
    struct ptd_unit u;
    int minus = s.a->kind == '-';
    struct span rest = {s.a + 1 + minus, s.b};
    tok sign = s.a + minus;
    if (empty(rest) || (sign->kind != PTD_T_MONEY && (sign->kind != PTD_T_WORD || sign->n < 2)))
        return NULL;
    if (rest.b[-1].kind == PTD_T_MONEY && sign->kind == PTD_T_MONEY) return NULL;
    if (ptd_tok_is(sign, "US") && rest.a->kind == PTD_T_MONEY) sign = rest.a++;
    if (!ptd_unit_read(sign, 1, 0, &u) ||
        !(u.dim[PTD_DIM_USD] || u.dim[PTD_DIM_EUR] || u.dim[PTD_DIM_GBP] || u.dim[PTD_DIM_CNY] ||
          u.dim[PTD_DIM_JPY] || u.dim[PTD_DIM_INR] || u.dim[PTD_DIM_KRW]))
        return NULL;
    if (rest.a < rest.b && rest.a->kind == '.') rest.a++;
    const struct ptd_expr *e = expression(r, rest);
    if (!e) {
        value v = with_unit(r, rest, NULL);
        if (!v || !ptd_unit_same_dimension(&v->unit, &u)) return NULL;
        e = v->e;
    }
    value v = quantity(r, s, e, &u);
    if (v && minus && r->pool.n < PTD_EXPR_NODES) {
        struct ptd_expr *neg = &r->pool.node[r->pool.n++];
        *neg = (struct ptd_expr){.op = PTD_E_NEG, .a = e, .den = 1};
        v->e = neg;
    }
    return v;
}

static struct ptd_expr *new_node(struct ptd_reading *r, int op, const struct ptd_expr *a,
                                 const struct ptd_expr *b)
{
    if (r->pool.n >= PTD_EXPR_NODES) return NULL;
    struct ptd_expr *e = &r->pool.node[r->pool.n++];
    *e = (struct ptd_expr){.op = (uint8_t)op, .a = a, .b = b, .den = 1};
    return e;
}

/* e * u's size, in the own unit of its dimension. */
static const struct ptd_expr *in_own_unit(struct ptd_reading *r, const struct ptd_expr *e,
                                          const struct ptd_unit *u)
{
    struct ptd_expr *size = new_node(r, PTD_E_RATIO, NULL, NULL),
                    *ten = new_node(r, PTD_E_RATIO, NULL, NULL),
                    *by = new_node(r, PTD_E_RATIO, NULL, NULL);
    if (!size || !ten || !by) return NULL;
    size->num = u->num, size->den = u->den;
    ten->num = 10, by->num = u->ten;
    struct ptd_expr *p = new_node(r, PTD_E_POW, ten, by),
                    *m = p ? new_node(r, PTD_E_MUL, size, p) : NULL;
    return m ? new_node(r, PTD_E_MUL, e, m) : NULL;
}

/* 3 hours 30 minutes, 5 ft 3 in: numbers with units of one dimension, largest first. */
static value compound(struct ptd_reading *r, struct span s)
{
    struct ptd_unit u, first = {0};
    const struct ptd_expr *total = NULL;
    double size = 0;
    int n = 0;
    for (tok t = s.a; t < s.b; n++) {
        tok stop = t + 1;
        if (n && ptd_tok_is(t, "and")) t++, stop++;
        while (stop < s.b && stop->kind != PTD_T_NUM && !ptd_tok_is(stop, "and")) stop++;
        if (t->kind != PTD_T_NUM || stop == t + 1 ||
            !ptd_unit_read(t + 1, (int)(stop - t - 1), 0, &u))
            return NULL;
        double one = ptd_unit_size(&u);
        if (n && (!ptd_unit_same_dimension(&u, &first) || one >= size)) return NULL;
        size = one;
        if (!n) first = u;
        const struct ptd_expr *e = expression(r, (struct span){t, t + 1});
        if (!e || !(e = in_own_unit(r, e, &u))) return NULL;
        total = total ? new_node(r, PTD_E_ADD, total, e) : e;
        t = stop;
    }
    if (n < 2 || !total || first.scale || first.percent) return NULL;
    first.num = first.den = 1;
    first.ten = 0;
    return quantity(r, s, total, &first);
}

static value amount(struct ptd_reading *r, struct span s)
{
    int dots = s.b - s.a > 1 && s.b[-1].kind == PTD_T_DOTS;
    if (dots) s.b--;
    const struct ptd_expr *full = expression(r, s);
    value v = with_unit(r, s, full);
    if (!v && full) v = quantity(r, s, full, NULL);
    if (!v) v = money(r, s);
    if (!v) v = compound(r, s);
    if (v) v->dots = (uint8_t)dots;
    return v;
}

/* ---- one item ---- */

static int has_sign(struct span s)
{
    for (tok t = s.a; t < s.b; t++)
        if (t->kind == PTD_T_PM || t->kind == PTD_T_MP) return 1;
    return 0;
}

/* a \pm b: both. */
static value both_signs(struct ptd_reading *r, struct span s)
{
    value v = new_value(r, PTD_V_LIST, s), last = NULL;
    for (int plus = 1; v && plus >= -1; plus -= 2) {
        r->plus = plus;
        if (!add_kid(v, &last, read_item(r, s))) v = NULL;
    }
    r->plus = 0;
    return v;
}

static struct span behind_arrow(struct span s)
{
    for (tok t = s.b; t-- > s.a;)
        if (t->kind == PTD_T_ARROW && t + 1 < s.b) return (struct span){t + 1, s.b};
    return s;
}

static int plain_number(struct span s)
{
    return s.b - s.a == 1 && s.a->kind == PTD_T_NUM;
}

static value any(struct ptd_reading *r, struct span s)
{
    struct chain c;
    value v = NULL;
    split(s, &c);
    if (s.b - s.a == 1 && s.a->kind == PTD_T_EMPTY) return new_value(r, PTD_V_SET, s);
    if (c.n) v = related(r, s, &c);
    if (!v) v = bracketed(r, s);
    if (!v) v = clock_time(r, s);
    if (!v) v = amount(r, s);
    if (!v) v = ratio(r, s, 0);
    if (!v) v = in_union(r, s);
    if (!v && opens(s.a->kind) && closing(s) == s.b - 1)
        v = read_list(r, (struct span){s.a + 1, s.b - 1});
    return v;
}

static value read_item(struct ptd_reading *r, struct span s)
{
    value v = NULL;
    s = behind_arrow(trimmed(without_lead(s)));
    if (empty(s) || r->reason) return NULL;
    if (plain_number(s)) return quantity(r, s, expression(r, s), NULL);
    if (++r->depth > 40) {
        r->reason = "too deep";
        return NULL;
    }
    if (!r->plus && has_sign(s))
        v = both_signs(r, s);
    else
        v = any(r, s);
    r->depth--;
    return v || r->reason ? v : new_value(r, PTD_V_TEXT, s);
}

int ptd_value_read(struct ptd_reading *r, const char *text, size_t n, int lists)
{
    r->n = r->plus = r->depth = 0;
    r->top = NULL;
    r->reason = NULL;
    r->pool.n = 0;
    r->pool.reason = NULL;
    r->pool.lex = &r->lex;
    if (ptd_lex(&r->lex, text, n, lists ? PTD_LEX_LISTS : 0) < 0) {
        r->reason = r->lex.reason;
        return -1;
    }
    r->top = read_list(r, (struct span){r->lex.t, r->lex.t + r->lex.n});
    if (!r->reason) return 0;
    r->top = NULL;
    return -1;
}
