/* expr: by descent; see expr.h. Leaves what a tree is worth to algebra.c. */
#include "judge/expr.h"
#include "judge/algebra.h"
#include "judge/discrete.h"
#include "judge/names.h"
#include "judge/numeral.h"
#include <ctype.h>
#include <string.h>

struct in {
    struct ptd_pool *p;
    const struct ptd_tok *t, *end;
    int plus, depth, inside; /* inside: within brackets, where a degree sign is part of it */
    int bar;                 /* depth of |...|: a bar closes */
    int called;              /* depth of arguments of functions, where degrees are not left out */
};

typedef const struct ptd_expr *tree;
static tree chosen(struct in *in, int in_order);
static tree sum(struct in *in);
static tree over(struct in *in);
static tree factor(struct in *in);
static tree product(struct in *in);
static tree primary(struct in *in);

/* ---- nodes ---- */

static struct ptd_expr *node(struct in *in, int op, tree a, tree b)
{
    if (in->p->n >= PTD_EXPR_NODES) {
        in->p->reason = "too long";
        return NULL;
    }
    struct ptd_expr *e = &in->p->node[in->p->n++];
    *e = (struct ptd_expr){.op = (uint8_t)op, .a = a, .b = b, .den = 1};
    return e;
}

static tree unary(struct in *in, int op, tree a)
{
    return a ? node(in, op, a, NULL) : NULL;
}

static tree binary(struct in *in, int op, tree a, tree b)
{
    return a && b ? node(in, op, a, b) : NULL;
}

static tree leaf(struct in *in, int op, const char *s, size_t n)
{
    struct ptd_expr *e = node(in, op, NULL, NULL);
    if (e) e->s = s, e->n = (uint16_t)n;
    return e;
}

static tree ratio(struct in *in, int64_t num, int64_t den)
{
    struct ptd_expr *e = node(in, PTD_E_RATIO, NULL, NULL);
    if (e) e->num = num, e->den = den;
    return e;
}

static tree folded_node(struct in *in, const struct ptd_expr *folded)
{
    struct ptd_expr *e = node(in, folded->op, folded->a, folded->b);
    if (e) *e = *folded;
    return e;
}

static int kind(const struct in *in)
{
    return in->t < in->end ? in->t->kind : PTD_T_END;
}

static int ahead(const struct in *in, int i)
{
    return in->end - in->t > i ? in->t[i].kind : PTD_T_END;
}

static int take(struct in *in, int k)
{
    if (kind(in) != k) return 0;
    in->t++;
    return 1;
}

static int deeper(struct in *in)
{
    if (++in->depth <= PTD_EXPR_DEPTH) return 1;
    in->p->reason = "too deep";
    return 0;
}

/* ---- brackets ---- */

static tree within(struct in *in, int close)
{
    in->inside++;
    tree e = over(in);
    in->inside--;
    return e && take(in, close) ? e : NULL;
}

static tree absolute(struct in *in)
{
    in->bar++;
    tree e = within(in, '|');
    in->bar--;
    return unary(in, PTD_E_ABS, e);
}

/* What \frac, \sqrt and ^ take: a group, or one token. */
static tree argument(struct in *in)
{
    if (take(in, '{')) return within(in, '}');
    if (kind(in) == '-' || kind(in) == '+') return factor(in);
    struct in one = *in;
    if (kind(in) == PTD_T_WORD && !in->t->dress && in->t->n > 1 &&
        isalpha((unsigned char)in->t->s[0]) && strncmp(in->t->s, "pi", 2) != 0) {
        /* the first letter only: \sqrt ab is no root of ab, but x^ab is not written either */
        return NULL;
    }
    tree e = factor(&one);
    in->t = one.t;
    return e;
}

/* ---- names ---- */

static int name_op(const char *s, size_t n)
{
    int known = ptd_constant(s, n);
    return known ? known : PTD_E_SYM;
}

/* x_1, x_{AB}, x': the name with what hangs on it, written anew. */
static tree symbol(struct in *in, const char *s, size_t n)
{
    struct ptd_lex *l = in->p->lex;
    char *name = l->buf + l->used;
    size_t len = n, cap = sizeof l->buf - l->used;
    int depth = 0, hangs = kind(in) == '_' || kind(in) == PTD_T_PRIME || kind(in) == '\'';
    if (!hangs) return leaf(in, name_op(s, n), s, n);
    if (n >= cap) return NULL;
    memcpy(name, s, n);
    while (kind(in) == PTD_T_PRIME || kind(in) == '\'' || kind(in) == '_') {
        int below = kind(in) == '_';
        if (len + 1 < cap) name[len++] = below ? '_' : '\'';
        in->t++;
        if (!below) continue;
        do {
            if (in->t >= in->end || len + in->t->n >= cap) return NULL;
            depth += (kind(in) == '{') - (kind(in) == '}');
            if (kind(in) != '{' && kind(in) != '}') {
                memcpy(name + len, in->t->s, in->t->n);
                len += in->t->n;
            }
            in->t++;
        } while (depth > 0);
    }
    l->used += len;
    return leaf(in, PTD_E_SYM, name, len);
}

/* ---- functions ---- */

/* sin 2x: the product that follows, without signs. */
static tree call_argument(struct in *in)
{
    in->inside++, in->called++;
    tree e = kind(in) == '(' ? factor(in) : NULL;
    if (!e && kind(in) != '(') {
        e = factor(in);
        while (e && in->t < in->end && !ptd_is_function(in->t) &&
               (kind(in) == PTD_T_WORD || kind(in) == PTD_T_NAME || kind(in) == PTD_T_FRAC))
            e = binary(in, PTD_E_MUL, e, factor(in));
    }
    in->inside--, in->called--;
    return e;
}

/* \sin^{-1}: makes the call that of its inverse; 0: there is none by that name. */
static int is_inverse(struct ptd_expr *call, tree power)
{
    static const char *const names[] = {"arcsin", "arccos", "arctan", NULL};
    if (power->a->n != 1 || *power->a->s != '1') return 0;
    for (int i = 0; names[i]; i++)
        if (call->n == 3 && memcmp(names[i] + 3, call->s, 3) == 0) {
            call->s = names[i];
            call->n = 6;
            return 1;
        }
    return 0;
}

#define LISTED 16

/* Does a list in brackets follow? */
static int lists(const struct in *in)
{
    int depth = 0;
    for (const struct ptd_tok *t = in->t; t < in->end; t++) {
        int k = t->kind;
        depth += k == '(' || k == '[' || k == '{' || k == PTD_T_LSET;
        depth -= k == ')' || k == ']' || k == '}' || k == PTD_T_RSET;
        if (depth < 1) return 0;
        if (depth == 1 && k == ',') return 1;
    }
    return 0;
}

/* \gcd(12, 18), \max\{3, 5\}: worked out. */
static tree listed(struct in *in, const struct ptd_tok *name)
{
    tree of[LISTED];
    int n = 0, close = kind(in) == PTD_T_LSET ? PTD_T_RSET : ')';
    struct ptd_expr folded;
    if (!take(in, '(') && !take(in, PTD_T_LSET)) return NULL;
    in->inside++;
    do of[n] = sum(in);
    while (of[n++] && n < LISTED && take(in, ','));
    in->inside--;
    return of[n - 1] && take(in, close) && ptd_fold_list(name->s, name->n, of, n, &folded)
               ? folded_node(in, &folded)
               : NULL;
}

static tree call(struct in *in)
{
    const struct ptd_tok *name = in->t++;
    tree base = NULL, power = NULL, e;
    if (lists(in)) return listed(in, name);
    if (take(in, '_') && !(base = argument(in))) return NULL;
    if (take(in, '^') && !(power = argument(in))) return NULL;
    if (!(e = call_argument(in))) return NULL;
    struct ptd_expr *c = node(in, PTD_E_CALL, e, base);
    if (!c) return NULL;
    c->s = name->s;
    c->n = name->n;
    if (power && power->op == PTD_E_NEG && power->a->op == PTD_E_NUM)
        return is_inverse(c, power) ? c : NULL;
    return power ? binary(in, PTD_E_POW, c, power) : c;
}

/* ---- words ---- */

static int is_plain_word(const char *s, size_t n)
{
    static const char words[] =
        " is no or of to in on an at by if it us we he me my so up as be do "
        "go am pm ok hi ";
    if (n != 2) return 0;
    char key[5] = {' ', (char)tolower((unsigned char)s[0]), (char)tolower((unsigned char)s[1]), ' ',
                   0};
    return strstr(words, key) != NULL;
}

/* Letters side by side that are a product: xy, abc; words are none. */
static int is_product(const char *s, size_t n)
{
    if (n > 3 || (n == 2 && is_plain_word(s, n))) return 0;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] >= 0x80 ||
            (n == 3 && i && (s[i] <= s[i - 1] || strchr("eiou", s[i]))))
            return 0;
    return 1;
}

static int is_upper(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isupper((unsigned char)s[i])) return 0;
    return n <= 5;
}

/* xy^2 is x times y^2. */
static tree letters(struct in *in, const char *s, size_t n)
{
    tree e = leaf(in, name_op(s, 1), s, 1), one;
    for (size_t i = 1; i < n; i++) {
        if (i + 1 < n) {
            one = leaf(in, name_op(s + i, 1), s + i, 1);
        } else {
            one = symbol(in, s + i, 1);
            if (one && take(in, '^')) {
                in->inside++;
                one = binary(in, PTD_E_POW, one, argument(in));
                in->inside--;
            }
        }
        e = binary(in, PTD_E_MUL, e, one);
    }
    return e;
}

static tree word(struct in *in)
{
    const struct ptd_tok *t = in->t;
    struct ptd_ratio r;
    int used;
    tree ways;
    if (ptd_is_function(t)) return call(in);
    if ((used = ptd_numeral_read(t, (int)(in->end - t), &r))) {
        in->t += used;
        return ratio(in, r.num, r.den);
    }
    in->t++;
    if (ptd_tok_is(t, "sqrt")) {
        in->inside++;
        tree of = argument(in);
        in->inside--;
        return unary(in, PTD_E_ROOT, of);
    }
    if (t->n == 1 && (*t->s == 'C' || *t->s == 'A') && (ways = chosen(in, *t->s == 'A')))
        return ways;
    if (ptd_constant(t->s, t->n) || t->n == 1 || ptd_is_greek(t)) return symbol(in, t->s, t->n);
    if (ptd_tok_is(t, "no") || ptd_tok_is(t, "ok")) return NULL;
    if (is_upper(t->s, t->n)) return symbol(in, t->s, t->n);
    if (t->dress || !is_product(t->s, t->n)) return NULL;
    return letters(in, t->s, t->n);
}

/* ---- numbers ---- */

static int all_digits(const struct ptd_tok *t)
{
    if (t->kind != PTD_T_NUM) return 0;
    for (int i = 0; i < t->n; i++)
        if (!isdigit((unsigned char)t->s[i])) return 0;
    return 1;
}

static int less(const struct ptd_tok *a, const struct ptd_tok *b)
{
    return a->n != b->n ? a->n < b->n : memcmp(a->s, b->s, a->n) < 0;
}

/* One token in or without braces. */
static const struct ptd_tok *plain_argument(const struct ptd_tok **t, const struct ptd_tok *end)
{
    int group = *t < end && (*t)->kind == '{';
    const struct ptd_tok *one = *t + group;
    if (one + group >= end || !all_digits(one) || (group && one[1].kind != '}')) return NULL;
    *t = one + 1 + group;
    return one;
}

/* The proper fraction of a mixed number at in->t: 3\frac{1}{4}, 3 1/4. */
static tree mixed(struct in *in)
{
    const struct ptd_tok *t = in->t, *a, *b;
    if (t >= in->end) return NULL;
    if (t->kind == PTD_T_FRAC) {
        t++;
        if (!(a = plain_argument(&t, in->end)) || !(b = plain_argument(&t, in->end))) return NULL;
    } else {
        int and = t->kind == PTD_T_WORD && ptd_tok_is(t, "又");
        t += and;
        if (in->end - t < 3 || !(t->spaced || and) || t[1].kind != '/') return NULL;
        a = t, b = t + 2, t += 3;
    }
    if (!all_digits(a) || !all_digits(b) || !less(a, b)) return NULL;
    in->t = t;
    return binary(in, PTD_E_DIV, leaf(in, PTD_E_NUM, a->s, a->n), leaf(in, PTD_E_NUM, b->s, b->n));
}

/* 0.(3), 0.1(6) */
static int cycle_in_brackets(const struct in *in)
{
    const struct ptd_tok *t = in->t;
    int point = in->t[-1].kind == PTD_T_NUM && memchr(t[-1].s, '.', t[-1].n);
    return in->end - t > 2 && t[0].kind == '(' && !t[0].spaced && all_digits(&t[1]) &&
           t[2].kind == ')' && !t[1].spaced && (point || t[-1].kind == '.');
}

/* 0.\overline{3}: both parts as one. */
static tree repeating(struct in *in, const struct ptd_tok *whole)
{
    const struct ptd_tok *t = in->t + 1, *cycle = t;
    struct ptd_lex *l = in->p->lex;
    int ends_in_point = in->t[-1].kind == '.';
    if (kind(in) == '(')
        t += 2;
    else if (!(cycle = plain_argument(&t, in->end)))
        return NULL;
    size_t n = (size_t)whole->n + (size_t)ends_in_point + cycle->n;
    if (cycle->n > 18 || l->used + n > sizeof l->buf) return NULL;
    char *s = l->buf + l->used;
    memcpy(s, whole->s, whole->n);
    if (ends_in_point) s[whole->n] = '.';
    memcpy(s + n - cycle->n, cycle->s, cycle->n);
    l->used += n;
    in->t = t;
    struct ptd_expr *e = node(in, PTD_E_CYCLE, NULL, NULL);
    if (e) e->s = s, e->n = (uint16_t)n, e->num = cycle->n;
    return e;
}

static tree number(struct in *in)
{
    const struct ptd_tok *t = in->t++;
    tree part;
    int64_t scale;
    if (kind(in) == '.' && (ahead(in, 1) == PTD_T_OVERLINE || ahead(in, 1) == '(')) in->t++;
    if (cycle_in_brackets(in)) return repeating(in, t);
    if (in->t > t + 1 && kind(in) == '(') in->t--;
    if (kind(in) == PTD_T_OVERLINE && (in->t[-1].kind == '.' || memchr(t->s, '.', t->n)))
        return repeating(in, t);
    tree e = leaf(in, PTD_E_NUM, t->s, t->n);
    if (all_digits(t) && (part = mixed(in))) return binary(in, PTD_E_ADD, e, part);
    while (in->t < in->end && (scale = ptd_numeral_scale(in->t))) {
        in->t++;
        e = binary(in, PTD_E_MUL, e, ratio(in, scale, 1));
    }
    return e;
}

/* C_{10}^3 of combinations, A_5^2 of arrangements; NULL: it is a name, and in is as it was. */
static tree chosen(struct in *in, int in_order)
{
    const struct ptd_tok *t = in->t, *n, *k;
    if (kind(in) != '_') return NULL;
    t++;
    if (!(n = plain_argument(&t, in->end)) || t >= in->end || t->kind != '^') return NULL;
    t++;
    if (!(k = plain_argument(&t, in->end)) || less(n, k) || (n->n == 1 && *n->s < '2')) return NULL;
    in->t = t;
    tree of = leaf(in, PTD_E_NUM, n->s, n->n), many = leaf(in, PTD_E_NUM, k->s, k->n);
    tree ways = binary(in, PTD_E_BINOM, of, many);
    return in_order ? binary(in, PTD_E_MUL, ways, unary(in, PTD_E_FACTORIAL, many)) : ways;
}

/* ---- the grammar ---- */

static tree root(struct in *in)
{
    tree which = NULL, of;
    in->t++;
    if (take(in, '[') && !(which = within(in, ']'))) return NULL;
    if (!(of = argument(in))) return NULL;
    return node(in, PTD_E_ROOT, of, which);
}

/* \binom{n}{2} as n (n - 1) / 2; NULL: n is a number, or too many are chosen. */
static tree of_few(struct in *in, tree n, tree k)
{
    double x;
    int many = k->op == PTD_E_NUM && k->n == 1 ? *k->s - '0' : 0;
    if (many < 1 || many > 6 || ptd_expr_value(n, &x)) return NULL;
    tree e = binary(in, PTD_E_DIV, n, ratio(in, 1, 1));
    for (int i = 1; i < many; i++) {
        tree less = binary(in, PTD_E_SUB, n, ratio(in, i, 1));
        e = binary(in, PTD_E_DIV, binary(in, PTD_E_MUL, e, less), ratio(in, i + 1, 1));
    }
    return e;
}

static tree two(struct in *in, int op)
{
    in->t++;
    tree a = argument(in);
    tree b = a ? argument(in) : NULL;
    tree few = op == PTD_E_BINOM && b ? of_few(in, a, b) : NULL;
    return few ? few : binary(in, op, a, b);
}

/* \angle ABC, \angle 1: a name; \triangle ABC is the same as ABC. */
static tree angle(struct in *in)
{
    const struct ptd_tok *sign = in->t++, *name = in->t;
    struct ptd_lex *l = in->p->lex;
    char *s = l->buf + l->used;
    size_t n = 0, cap = sizeof l->buf - l->used;
    int is_angle =
        sign->n >= 5 && memcmp(sign->s + sign->n - 5, "angle", 5) == 0 && *sign->s != 't';
    if ((kind(in) != PTD_T_WORD && !(is_angle && kind(in) == PTD_T_NUM)) || name->n + 6u > cap)
        return NULL;
    in->t++;
    if (!is_angle) return name->n > 1 ? symbol(in, name->s, name->n) : NULL;
    memcpy(s, "angle ", n = 6);
    memcpy(s + n, name->s, name->n);
    l->used += n + name->n;
    return leaf(in, PTD_E_SYM, s, n + name->n);
}

/* \bar y is another name than y; of two letters and more it is the segment. */
static tree overlined(struct in *in)
{
    struct ptd_lex *l = in->p->lex;
    in->t++;
    int group = kind(in) == '{';
    const struct ptd_tok *name = in->t + group;
    char *s = l->buf + l->used;
    if (in->end - in->t <= 2 * group || name->kind != PTD_T_WORD || name->n != 1 ||
        (group && name[1].kind != '}') || l->used + 5 > sizeof l->buf)
        return argument(in);
    memcpy(s, "bar ", 4);
    s[4] = *name->s;
    l->used += 5;
    in->t += 1 + 2 * group;
    return leaf(in, PTD_E_SYM, s, 5);
}

static int is_named(const struct in *in, const char *name)
{
    return kind(in) == PTD_T_NAME && in->t->n == strlen(name) &&
           memcmp(in->t->s, name, in->t->n) == 0;
}

/* \lfloor 5.7 \rfloor */
static tree rounded(struct in *in, int up)
{
    struct ptd_expr folded;
    in->t++;
    in->inside++;
    tree e = over(in);
    in->inside--;
    if (!e || !is_named(in, up ? "rceil" : "rfloor")) return NULL;
    in->t++;
    return ptd_fold_round(e, up, &folded) ? folded_node(in, &folded) : NULL;
}

/* \sum_{i=1}^{10} i^2 */
static tree series(struct in *in, int of_products)
{
    struct ptd_expr folded;
    tree index, from, to, body;
    in->t++;
    if (!take(in, '_') || !take(in, '{') || !(index = primary(in)) ||
        (index->op != PTD_E_SYM && index->op != PTD_E_I) || !take(in, '=') ||
        !(from = within(in, '}')) || !take(in, '^') || !(to = argument(in)))
        return NULL;
    int first = in->p->n;
    if (!(body = product(in))) return NULL;
    return ptd_fold_series(in->p, first, body, index, from, to, of_products, &folded)
               ? folded_node(in, &folded)
               : NULL;
}

static tree named(struct in *in)
{
    const struct ptd_tok *t = in->t;
    if (is_named(in, "lfloor") || is_named(in, "lceil")) return rounded(in, t->s[1] == 'c');
    if (is_named(in, "sum") || is_named(in, "prod")) return series(in, t->s[0] == 'p');
    in->t++;
    return symbol(in, t->s, t->n);
}

static tree primary(struct in *in)
{
    switch (kind(in)) {
    case PTD_T_NUM:
        return number(in);
    case PTD_T_WORD:
        return word(in);
    case PTD_T_NAME:
        return named(in);
    case PTD_T_INF:
        in->t++;
        return node(in, PTD_E_INF, NULL, NULL);
    case PTD_T_ANGLE:
        return angle(in);
    case PTD_T_FRAC:
        return two(in, PTD_E_DIV);
    case PTD_T_BINOM:
        return two(in, PTD_E_BINOM);
    case PTD_T_SQRT:
        return root(in);
    case PTD_T_OVERLINE:
        return overlined(in);
    case '(':
        in->t++;
        return within(in, ')');
    case '[':
        in->t++;
        return within(in, ']');
    case '{':
        in->t++;
        return within(in, '}');
    case '|':
        in->t++;
        return absolute(in);
    default:
        return NULL;
    }
}

static tree postfix(struct in *in)
{
    tree e = primary(in);
    for (; e && in->t < in->end; in->t++) {
        if (kind(in) == '!')
            e = unary(in, PTD_E_FACTORIAL, e);
        else if (kind(in) == PTD_T_DEG && in->called)
            e = unary(in, PTD_E_DEGREE, e);
        else if (kind(in) == PTD_T_DEG &&
                 (in->inside || ahead(in, 1) == '+' || ahead(in, 1) == '-'))
            continue; /* 180° - 2a: the sum is in degrees */
        else if (kind(in) == PTD_T_PERCENT && in->inside)
            e = binary(in, PTD_E_DIV, e, ratio(in, 100, 1));
        else
            break;
    }
    return e;
}

static tree power(struct in *in)
{
    tree e = postfix(in);
    while (e && take(in, '^')) {
        in->inside++;
        e = binary(in, PTD_E_POW, e, argument(in)); /* argument: to the right first */
        in->inside--;
    }
    return e;
}

static tree factor(struct in *in)
{
    if (!deeper(in)) return NULL;
    tree e;
    if (take(in, '-'))
        e = unary(in, PTD_E_NEG, factor(in));
    else if (take(in, '+'))
        e = factor(in);
    else
        e = power(in);
    in->depth--;
    return e;
}

static int is_pi(const struct ptd_tok *t)
{
    return t->kind == PTD_T_NAME && t->n == 2 && memcmp(t->s, "pi", 2) == 0;
}

/* Does what is at in->t multiply without a sign? Two numbers side by side do not. */
static int side_by_side(const struct in *in)
{
    switch (kind(in)) {
    case PTD_T_NAME:
        return !is_named(in, "rfloor") && !is_named(in, "rceil");
    case PTD_T_WORD:
    case PTD_T_FRAC:
    case PTD_T_SQRT:
    case PTD_T_BINOM:
    case '(':
    case '[':
    case '{':
        return 1;
    case '|':
        return in->bar == 0;
    case PTD_T_NUM:
        return in->t[-1].kind == ')' || in->t[-1].kind == '!' || is_pi(&in->t[-1]);
    default:
        return 0;
    }
}

static tree product(struct in *in)
{
    tree e = factor(in);
    while (e && in->t < in->end) {
        if (take(in, '*'))
            e = binary(in, PTD_E_MUL, e, factor(in));
        else if (take(in, '/'))
            e = binary(in, PTD_E_DIV, e, factor(in));
        else if (side_by_side(in))
            e = binary(in, PTD_E_MUL, e, power(in));
        else
            break;
    }
    return e;
}

static tree sum(struct in *in)
{
    tree e;
    int plus;
    if (!deeper(in)) return NULL;
    if (kind(in) == PTD_T_PM || kind(in) == PTD_T_MP) {
        plus = kind(in) == PTD_T_PM ? in->plus : -in->plus;
        in->t++;
        e = product(in);
        if (plus < 0) e = unary(in, PTD_E_NEG, e);
    } else {
        e = product(in);
    }
    for (; e && in->t < in->end;) {
        int k = kind(in);
        if (k != '+' && k != '-' && k != PTD_T_PM && k != PTD_T_MP) break;
        plus = k == '+' ? 1 : k == '-' ? -1 : k == PTD_T_PM ? in->plus : -in->plus;
        in->t++;
        e = binary(in, plus > 0 ? PTD_E_ADD : PTD_E_SUB, e, product(in));
    }
    in->depth--;
    return e;
}

/* a \over b, n \choose k, as far as the braces around it. */
static tree over(struct in *in)
{
    tree e = sum(in);
    if (!e || !take(in, PTD_T_OVER)) return e;
    int choose = *in->t[-1].s == 'c';
    return binary(in, choose ? PTD_E_BINOM : PTD_E_DIV, e, sum(in));
}

const struct ptd_expr *ptd_expr_read(struct ptd_pool *p, const struct ptd_tok *t, int n, int plus)
{
    struct in in = {.p = p, .t = t, .end = t + n, .plus = plus};
    int nodes = p->n;
    size_t names = p->lex->used;
    if (n <= 0 || p->reason) return NULL;
    tree e = over(&in);
    if (e && !p->reason && in.t == in.end) return e;
    p->n = nodes;
    p->lex->used = names;
    return NULL;
}
