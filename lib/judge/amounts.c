/* amounts: expressions with what stands before and behind them: units, money, dots; see reading.h.
 */
#include "judge/numeral.h"
#include "judge/reading.h"
#include <string.h>

static int empty(struct ptd_toks s)
{
    return s.a >= s.b;
}

/* ---- quantities ---- */

#define UNIT_TOKENS 12

static int is_unit_start(tok t, struct ptd_toks s)
{
    if (t == s.a) return 0;
    if (strchr("+-*/^_([{=", t[-1].kind < 128 && t[-1].kind ? t[-1].kind : ' ') && t[-1].kind < 128)
        return 0;
    switch (t->kind) {
    case PTD_T_PRIME:
    case '\'':
    case '"':
        return t[-1].kind == PTD_T_NUM && t - 1 == s.a;
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
    return t->dress || t->spaced & 4 || t->kind != PTD_T_WORD || t->n > 1 ||
           (t->spaced && t[-1].kind == PTD_T_NUM) || (t->spaced && t[-1].kind == '}');
}

static int has_symbols(const struct ptd_expr *e)
{
    return e && (e->op == PTD_E_SYM || has_symbols(e->a) || has_symbols(e->b));
}

/* Behind letters a letter is one more of them: \pi r^2 h, 6a^2b, 3n+1 m; cm behind a blank is none.
 */
static int is_factor(tok t, const struct ptd_expr *before)
{
    return !t->dress && t->kind == PTD_T_WORD && (unsigned char)t->s[0] < 0x80 &&
           !(t->n > 1 && t->spaced) && has_symbols(before);
}

/* The a of "a red car", which is no number of cars. */
static int is_article(const struct ptd_expr *e, const struct ptd_unit *u)
{
    return e->op == PTD_E_SYM && e->n == 1 && (*e->s | 32) == 'a' && u->dim[PTD_DIM_THING];
}

value ptd_quantity(struct ptd_reading *r, struct ptd_toks s, const struct ptd_expr *e,
                   const struct ptd_unit *u)
{
    value v = ptd_value_new(r, PTD_V_EXPR, s);
    if (!v) return NULL;
    v->e = e;
    if (u) v->unit = *u, v->has_unit = 1;
    return v;
}

/* 5m, 75W: a letter that hangs on a plain number may be a unit; on one digit few are. */
static int is_usual(struct ptd_toks s, tok t)
{
    tok number = s.a + (s.a->kind == '-');
    if (t->spaced && t[-1].kind == '}') return 1;
    if (*t->s == 'm' && t->n == 1 && t + 1 < s.b && t[1].kind == '^') return 1; /* 2 pi m^2 */
    if (number + 1 != t || number->kind != PTD_T_NUM || t->kind != PTD_T_WORD || t->n != 1)
        return 0;
    return strchr(number->n > 1 ? "msgNJWVhALKC" : "msgNJWV", *t->s) != NULL;
}

/* The longest end that is a unit, behind an expression. */
static value with_unit(struct ptd_reading *r, struct ptd_toks s, const struct ptd_expr *full)
{
    struct ptd_unit u;
    for (tok t = s.b - s.a > UNIT_TOKENS ? s.b - UNIT_TOKENS : s.a + 1; t < s.b; t++) {
        if (full && (t->kind == PTD_T_DEG || t->kind == PTD_T_PERCENT))
            continue; /* \sin 45^\circ */
        if (!is_unit_start(t, s) || !ptd_unit_read(t, (int)(s.b - t), !full, &u)) continue;
        const struct ptd_expr *e = ptd_toks_expr(r, (struct ptd_toks){s.a, t});
        if (!e || is_factor(t, e) || is_article(e, &u)) continue;
        value v = ptd_quantity(r, s, e, &u);
        if (!v || !full || is_sure(t)) return v;
        value plain = ptd_quantity(r, s, full, NULL);
        v->weak = is_usual(s, t) ? 1 : 2;
        if (plain) plain->alt = v;
        return plain;
    }
    return NULL;
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

/* 12.5k, 2.5M: thousands and millions, or a letter. */
static value scaled(struct ptd_reading *r, struct ptd_toks s)
{
    tok number = s.a + (s.a->kind == '-'), letter = number + 1;
    if (s.b - number != 2 || number->kind != PTD_T_NUM || letter->spaced || letter->n != 1 ||
        letter->kind != PTD_T_WORD || !strchr("kKMB", *letter->s))
        return NULL;
    const struct ptd_expr *e = ptd_toks_expr(r, (struct ptd_toks){s.a, letter});
    struct ptd_expr *by = new_node(r, PTD_E_RATIO, NULL, NULL);
    if (!e || !by) return NULL;
    by->num = *letter->s == 'B' ? 1000000000 : *letter->s == 'M' ? 1000000 : 1000;
    value v = (e = new_node(r, PTD_E_MUL, e, by)) ? ptd_quantity(r, s, e, NULL) : NULL;
    if (v) v->weak = 1;
    return v;
}

/* 百分之37.5 */
static value percent_first(struct ptd_reading *r, struct ptd_toks s)
{
    struct ptd_unit u;
    static const struct ptd_tok sign = {.kind = PTD_T_PERCENT};
    if (s.b - s.a < 2 || !ptd_tok_is(s.a, "百分之") || !ptd_unit_read(&sign, 1, 0, &u)) return NULL;
    const struct ptd_expr *e = ptd_toks_expr(r, (struct ptd_toks){s.a + 1, s.b});
    return e ? ptd_quantity(r, s, e, &u) : NULL;
}

/* $5, USD 5, -$5. */
static value money(struct ptd_reading *r, struct ptd_toks s)
{
    struct ptd_unit u;
    int minus = s.a->kind == '-';
    struct ptd_toks rest = {s.a + 1 + minus, s.b};
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
    const struct ptd_expr *e = ptd_toks_expr(r, rest);
    value thousands = scaled(r, rest);
    if (thousands) e = thousands->e;
    if (!e) {
        value v = with_unit(r, rest, NULL);
        if (!v || !ptd_unit_same_dimension(&v->unit, &u)) return NULL;
        e = v->e;
    }
    value v = ptd_quantity(r, s, e, &u);
    if (v && minus && r->pool.n < PTD_EXPR_NODES) {
        struct ptd_expr *neg = &r->pool.node[r->pool.n++];
        *neg = (struct ptd_expr){.op = PTD_E_NEG, .a = e, .den = 1};
        v->e = neg;
    }
    return v;
}

static int is_foot_mark(tok t)
{
    return t->kind == '\'' || t->kind == PTD_T_PRIME;
}

/* 5'10": feet and inches, where no degrees stand before them. */
static value feet(struct ptd_reading *r, struct ptd_toks s)
{
    static const struct ptd_tok names[] = {{.kind = PTD_T_WORD, .s = "ft", .n = 2},
                                           {.kind = PTD_T_WORD, .s = "in", .n = 2}};
    struct ptd_unit u;
    int two = s.b - s.a == 5 && is_foot_mark(s.a + 3) && is_foot_mark(s.a + 4);
    if ((s.b - s.a != 4 && !two) || s.a->kind != PTD_T_NUM || !is_foot_mark(s.a + 1) ||
        s.a[2].kind != PTD_T_NUM || (!two && s.a[3].kind != '"'))
        return NULL;
    const struct ptd_expr *e[2];
    for (int i = 0; i < 2; i++) {
        tok t = s.a + 2 * i;
        e[i] = ptd_toks_expr(r, (struct ptd_toks){t, t + 1});
        if (!e[i] || !ptd_unit_read(&names[i], 1, 0, &u) || !(e[i] = in_own_unit(r, e[i], &u)))
            return NULL;
    }
    const struct ptd_expr *both = new_node(r, PTD_E_ADD, e[0], e[1]);
    u.num = u.den = 1;
    u.ten = 0;
    return both ? ptd_quantity(r, s, both, &u) : NULL;
}

/* 3 hours 30 minutes, 5 ft 3 in: numbers with units of one dimension, largest first. */
value ptd_read_compound(struct ptd_reading *r, struct ptd_toks s)
{
    struct ptd_unit u, first = {0};
    const struct ptd_expr *total = NULL;
    double size = 0;
    int n = 0;
    for (tok t = s.a; t < s.b; n++) {
        tok stop = t + 1;
        if (n && ptd_tok_is(t, "and")) t++, stop++;
        while (stop < s.b && stop->kind != PTD_T_NUM && !ptd_tok_is(stop, "and")) stop++;
        tok unit = stop - t > 2 && stop[-1].kind == '.' ? stop - 1 : stop; /* 5 ft. 10 in. */
        if (t->kind != PTD_T_NUM || stop == t + 1 ||
            !ptd_unit_read(t + 1, (int)(unit - t - 1), 0, &u))
            return NULL;
        double one = ptd_unit_size(&u);
        if (n && (!ptd_unit_same_dimension(&u, &first) || one >= size)) return NULL;
        size = one;
        if (!n) first = u;
        const struct ptd_expr *e = ptd_toks_expr(r, (struct ptd_toks){t, t + 1});
        if (!e || !(e = in_own_unit(r, e, &u))) return NULL;
        total = total ? new_node(r, PTD_E_ADD, total, e) : e;
        t = stop;
    }
    if (n < 2 || !total || first.scale || first.percent) return NULL;
    first.num = first.den = 1;
    first.ten = 0;
    return ptd_quantity(r, s, total, &first);
}

/* 六十度, 两个: a number and its unit, or what things are counted by, as one word. */
static value in_one_word(struct ptd_reading *r, struct ptd_toks s)
{
    struct ptd_unit u;
    struct ptd_ratio number, longest = {0, 0};
    struct ptd_tok head = *s.a, tail = *s.a;
    if (s.b - s.a != 1 || s.a->kind != PTD_T_WORD || (unsigned char)*s.a->s < 0x80) return NULL;
    for (head.n = 3; head.n < s.a->n && ptd_numeral_read(&head, 1, &number); head.n += 3)
        longest = number, tail.s = s.a->s + head.n, tail.n = (uint16_t)(s.a->n - head.n);
    if (!longest.den) return NULL;
    int measure = ptd_unit_measure(&tail), counted = measure && measure == tail.n;
    int unit = ptd_unit_read(&tail, 1, measure > 0, &u);
    struct ptd_expr *e = unit || counted ? new_node(r, PTD_E_RATIO, NULL, NULL) : NULL;
    if (!e) return NULL;
    e->num = longest.num, e->den = longest.den;
    return ptd_quantity(r, s, e, unit && !counted ? &u : NULL);
}

value ptd_read_amount(struct ptd_reading *r, struct ptd_toks s)
{
    int dots = s.b - s.a > 1 && s.b[-1].kind == PTD_T_DOTS;
    if (dots) s.b--;
    const struct ptd_expr *full = ptd_toks_expr(r, s);
    value v = feet(r, s);
    if (!v) v = with_unit(r, s, full);
    if (!v && full && (v = ptd_quantity(r, s, full, NULL))) v->alt = scaled(r, s);
    if (!v) v = percent_first(r, s);
    if (!v) v = money(r, s);
    if (!v) v = ptd_read_compound(r, s);
    if (!v) v = in_one_word(r, s);
    if (v) v->dots = (uint8_t)dots;
    return v;
}
