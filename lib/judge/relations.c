/* relations: names, equal signs and inequalities; see reading.h. */
#include "judge/reading.h"
#include <string.h>

static int empty(struct ptd_toks s)
{
    return s.a >= s.b;
}

/* ---- what a value is of ---- */

/* ¬x, nonAB */
static int denies(tok t)
{
    return (t->n >= 2 && memcmp(t->s, "\xc2\xac", 2) == 0) ||
           (t->n > 3 && memcmp(t->s, "non", 3) == 0 && t->s[3] >= 'A' && t->s[3] <= 'Z');
}

/* x, AB, \angle ABC, \angle 1, S_{ABC}, f(2), \sin A, "the area": names without numbers or
 * operators. */
int ptd_is_label(struct ptd_toks s)
{
    static const char *const no[] = {"not", "wrong", "incorrect", "isn", "no", NULL};
    int depth = 0, names = 0;
    for (tok t = s.a; t < s.b; t++) {
        depth += ptd_opens(t->kind) - ptd_closes(t->kind);
        switch (t->kind) {
        case PTD_T_WORD:
            if (ptd_tok_one_of(t, no) || denies(t)) return 0;
            names = 1;
            break;
        case PTD_T_NAME:
            names = 1;
            break;
        case PTD_T_NUM:
        case ',':
            if (t > s.a && t[-1].kind == PTD_T_ANGLE) {
                names = 1;
                break;
            }
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
            if (!ptd_opens(t->kind) && !ptd_closes(t->kind)) return 0;
        }
    }
    return names;
}

void ptd_set_label(struct ptd_reading *r, value v, struct ptd_toks s)
{
    v->label = s.a;
    v->n_label = (int)(s.b - s.a);
    v->name = s.b - s.a < 8 ? ptd_toks_expr(r, s) : NULL;
}

/* ---- relations ---- */

#define CHAIN 8

struct chain {
    struct ptd_toks part[CHAIN + 1];
    int rel[CHAIN], n; /* n relations, n + 1 parts */
};

static int is_verb(tok t)
{
    static const char *const words[] = {"is", "are", "equals", "等于", "是", "为", NULL};
    return t->kind == PTD_T_WORD && ptd_tok_one_of(t, words);
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
    case PTD_T_PARALLEL:
    case PTD_T_PERP:
    case PTD_T_CONG:
        return t->kind;
    default:
        return is_verb(t) ? PTD_T_WORD : 0;
    }
}

static void split(struct ptd_toks s, struct chain *c)
{
    int depth = 0, rel;
    tok from = s.a;
    c->n = 0;
    for (tok t = s.a; t < s.b; t++) {
        depth += ptd_opens(t->kind);
        depth -= ptd_closes(t->kind) && depth > 0;
        if (depth || !(rel = relation(t)) || c->n == CHAIN) continue;
        c->part[c->n] = ptd_toks_trimmed((struct ptd_toks){from, t});
        c->rel[c->n++] = rel;
        from = t + 1;
    }
    c->part[c->n] = ptd_toks_trimmed((struct ptd_toks){from, s.b});
}

static value equation(struct ptd_reading *r, struct ptd_toks s, const struct chain *c)
{
    value v = ptd_value_new(r, PTD_V_EQUATION, s);
    if (!v) return NULL;
    v->e = ptd_toks_expr(r, c->part[0]);
    v->rhs = ptd_toks_expr(r, c->part[c->n]);
    v->rel = (uint8_t)c->rel[0];
    return v->e && v->rhs ? v : NULL;
}

static int has_symbols(struct ptd_toks s)
{
    for (tok t = s.a; t < s.b; t++)
        if (t->kind == PTD_T_ANGLE ||
            (t->kind == PTD_T_NAME && !(t->n == 2 && memcmp(t->s, "pi", 2) == 0)) ||
            (t->kind == PTD_T_WORD && !is_verb(t)))
            return 1;
    return 0;
}

/* 12 cm = 0.12 m */
static int are_amounts(struct ptd_reading *r, const struct chain *c)
{
    value x = ptd_read_amount(r, c->part[0]), y = ptd_read_amount(r, c->part[1]);
    return x && y && x->has_unit && y->has_unit;
}

/* 5 is the answer, not: 5 is too small. */
static int is_named(struct ptd_toks s)
{
    static const char *const names[] = {"the", "my", "our", "答案", "结果", "正确答案", NULL};
    static const char *const no[] = {"minimum", "maximum", "lower", "upper", "least", "most", NULL};
    for (tok t = s.a; t < s.b; t++)
        if (ptd_tok_one_of(t, no)) return 0;
    return s.b - s.a == 1 ? s.a->n == 1 || ptd_tok_one_of(s.a, names) : ptd_tok_one_of(s.a, names);
}

/* Is the symbol part of e, and not all of it? */
static int holds(const struct ptd_expr *e, const struct ptd_expr *symbol)
{
    if (!e || symbol->op != PTD_E_SYM) return 0;
    if (e->op == PTD_E_SYM) return e->n == symbol->n && memcmp(e->s, symbol->s, e->n) == 0;
    return holds(e->a, symbol) || holds(e->b, symbol);
}

/* label = value, value = label, label = a = b. */
static value equality(struct ptd_reading *r, struct ptd_toks s, const struct chain *c)
{
    int from = 0, to = c->n;
    value v = NULL, one;
    while (from < to && ptd_is_label(c->part[from])) from++;
    struct ptd_toks label = from ? c->part[from - 1] : (struct ptd_toks){NULL, NULL};
    if (!from && ptd_is_label(c->part[to]) &&
        (c->rel[to - 1] != PTD_T_WORD || is_named(c->part[to])))
        label = c->part[to--];
    if (from == to && !from && label.a == NULL) return NULL;
    if (to == from + 1 && !label.a && c->rel[from] != PTD_T_APPROX && has_symbols(s) &&
        !are_amounts(r, c))
        return equation(r, s, c);
    for (int i = from; i <= to; i++) {
        if (!(one = ptd_read_item(r, c->part[i])) ||
            (one->kind == PTD_V_TEXT && (c->rel[0] == PTD_T_WORD || i < to)))
            return NULL;
        one->also = v;
        if (i > from && one->kind == PTD_V_EXPR) one->rel = (uint8_t)c->rel[i - 1];
        v = one;
    }
    if (v && label.a) ptd_set_label(r, v, label);
    if (v && c->n == 1 && v->kind == PTD_V_EXPR && v->name && holds(v->e, v->name))
        return equation(r, s, c); /* x + 1 = x */
    if (v) v->t = s.a, v->n = (int)(s.b - s.a);
    return v;
}

static value bound(struct ptd_reading *r, struct ptd_toks s, int minus)
{
    value v = ptd_value_new(r, PTD_V_EXPR, s);
    static const struct ptd_expr inf = {.op = PTD_E_INF};
    static const struct ptd_expr less = {.op = PTD_E_NEG, .a = &inf};
    if (v) v->e = empty(s) ? (minus ? &less : &inf) : ptd_toks_expr(r, s);
    return v && v->e ? v : NULL;
}

static int upwards(int rel)
{
    return rel == '<' || rel == PTD_T_LE;
}

/* x < 5, 0 <= x < 1: the interval. */
static value inequality(struct ptd_reading *r, struct ptd_toks s, const struct chain *c)
{
    struct ptd_toks none = {s.a, s.a}, low = none, high = none, label;
    int up = upwards(c->rel[0]), strict_low = 1, strict_high = 1;
    int strict0 = c->rel[0] == '<' || c->rel[0] == '>';
    if (c->n == 2 && upwards(c->rel[1]) == up && ptd_is_label(c->part[1])) {
        int strict1 = c->rel[1] == '<' || c->rel[1] == '>';
        low = c->part[up ? 0 : 2], high = c->part[up ? 2 : 0], label = c->part[1];
        strict_low = up ? strict0 : strict1, strict_high = up ? strict1 : strict0;
    } else if (c->n == 1 && (ptd_is_label(c->part[0]) || ptd_is_label(c->part[1]))) {
        int left = ptd_is_label(c->part[0]);
        label = c->part[!left];
        if (up == left)
            high = c->part[left], strict_high = strict0;
        else
            low = c->part[left], strict_low = strict0;
    } else {
        return c->n == 1 ? equation(r, s, c) : NULL;
    }
    value v = ptd_value_new(r, PTD_V_GROUP, s), last = NULL;
    if (!v || !ptd_add_kid(v, &last, bound(r, low, 1)) || !ptd_add_kid(v, &last, bound(r, high, 0)))
        return NULL;
    v->open = strict_low ? '(' : '[';
    v->close = strict_high ? ')' : ']';
    ptd_set_label(r, v, label);
    return v;
}

/* > 5, less than 5: the interval of whatever is asked for. */
static value bound_alone(struct ptd_reading *r, struct ptd_toks s, const struct chain *c)
{
    int rel = c->rel[0], strict = rel == '<' || rel == '>', low = !upwards(rel);
    struct ptd_toks none = {s.a, s.a}, end = c->part[1];
    if (c->n != 1 || empty(end) || !(strict || rel == PTD_T_LE || rel == PTD_T_GE)) return NULL;
    value v = ptd_value_new(r, PTD_V_GROUP, s), last = NULL;
    if (!v || !ptd_add_kid(v, &last, bound(r, low ? end : none, 1)) ||
        !ptd_add_kid(v, &last, bound(r, low ? none : end, 0)))
        return NULL;
    v->open = low && !strict ? '[' : '(';
    v->close = !low && !strict ? ']' : ')';
    return v;
}

static value related(struct ptd_reading *r, struct ptd_toks s, const struct chain *c)
{
    if (empty(c->part[0])) return bound_alone(r, s, c);
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
    if (c->n == 1 && c->rel[0] == PTD_T_IN && ptd_is_label(c->part[0])) {
        value v = ptd_read_item(r, c->part[1]);
        if (v) ptd_set_label(r, v, c->part[0]);
        return v;
    }
    return c->n == 1 ? equation(r, s, c) : NULL;
}

struct ptd_value *ptd_read_relation(struct ptd_reading *r, struct ptd_toks s)
{
    struct chain c;
    split(s, &c);
    return c.n ? related(r, s, &c) : NULL;
}
