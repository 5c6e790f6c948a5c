/* compare: see compare.h. Leaves numbers to algebra.c. */
#include "judge/compare.h"
#include "judge/algebra.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct ptd_comparison *ctx;
typedef const struct ptd_value *value;

/* ---- numbers ---- */

/* Digits behind the point of a plain decimal; -1: it is none. */
static int decimals(const struct ptd_expr *e)
{
    const char *point;
    if (e->op == PTD_E_NEG) e = e->a;
    if (e->op != PTD_E_NUM || memchr(e->s, 'e', e->n) || memchr(e->s, 'E', e->n)) return -1;
    point = memchr(e->s, '.', e->n);
    return point ? (int)(e->s + e->n - point - 1) : 0;
}

/* 0.333... is a third: at least three digits, and not one more than there are. */
static int goes_on(ctx c, const struct ptd_expr *whole, const struct ptd_expr *cut)
{
    int n = decimals(cut);
    double step = 1, x, y;
    if (n < 3 || n > 15) return 0;
    for (int i = 0; i < n; i++) step /= 10;
    if (!ptd_expr_value(whole, &x) || !ptd_expr_value(cut, &y)) return 0;
    double far = x - y;
    return y < 0 ? far <= 0 && far > -step : far >= 0 && far < step;
}

static int number_same(ctx c, value g, value a, const struct ptd_expr *x, const struct ptd_expr *y)
{
    if (ptd_expr_equal(x, y, &c->reason)) return 1;
    if (c->reason) return 0;
    if (a->dots && goes_on(c, x, y)) return 1;
    if (c->set->relative <= 0 && c->set->absolute <= 0) return 0;
    return ptd_expr_near(y, x, c->set->relative, c->set->absolute, &c->reason);
}

/* ---- units ---- */

#define RATIO(n, d)                                                                                \
    (struct ptd_expr)                                                                              \
    {                                                                                              \
        .op = PTD_E_RATIO, .num = n, .den = d                                                      \
    }

/* What e of unit u is in the own unit of its dimension. */
static int own_unit_same(ctx c, value g, value a)
{
    const struct ptd_unit *p = &g->unit, *q = &a->unit;
    struct ptd_expr ten = RATIO(10, 1), by[2] = {RATIO(p->ten, 1), RATIO(q->ten, 1)},
                    size[2] = {RATIO(p->num, p->den), RATIO(q->num, q->den)};
    struct ptd_expr power[2], sized[2], out[2], zero[2], from[2];
    value v[2] = {g, a};
    for (int i = 0; i < 2; i++) {
        char scale = v[i]->unit.scale;
        zero[i] = scale == 'C' ? RATIO(27315, 100) : scale == 'F' ? RATIO(45967, 100) : RATIO(0, 1);
        from[i] = (struct ptd_expr){.op = PTD_E_ADD, .a = v[i]->e, .b = &zero[i], .den = 1};
        power[i] = (struct ptd_expr){.op = PTD_E_POW, .a = &ten, .b = &by[i], .den = 1};
        sized[i] = (struct ptd_expr){.op = PTD_E_MUL, .a = &size[i], .b = &power[i], .den = 1};
        out[i] = (struct ptd_expr){
            .op = PTD_E_MUL, .a = scale ? &from[i] : v[i]->e, .b = &sized[i], .den = 1};
    }
    return number_same(c, g, a, &out[0], &out[1]);
}

/* degrees against radians. */
static int turned(ctx c, value g, value a, value degrees)
{
    struct ptd_expr d = {.op = PTD_E_DEGREE, .a = degrees->e, .den = 1};
    return degrees == g ? number_same(c, g, a, &d, a->e) : number_same(c, g, a, g->e, &d);
}

static int is_angle(value v)
{
    return v->has_unit && v->unit.dim[PTD_DIM_ANGLE] == 1;
}

static int is_radian(value v)
{
    return v->has_unit && v->unit.dim[PTD_DIM_RADIAN] == 1;
}

/* One in pounds of money, the other in "pounds", which the table takes for a weight. */
static int is_pounds(const struct ptd_unit *a, const struct ptd_unit *b)
{
    const struct ptd_unit *money = a->dim[PTD_DIM_GBP] == 1 ? a : b, *weight = money == a ? b : a;
    return money->dim[PTD_DIM_GBP] == 1 && weight->dim[PTD_DIM_MASS] == 1 &&
           weight->num == 45359237 && weight->den == 1;
}

/* Both with a unit. */
static int quantities_same(ctx c, value g, value a)
{
    if (ptd_unit_same(&g->unit, &a->unit)) return number_same(c, g, a, g->e, a->e);
    if (is_pounds(&g->unit, &a->unit)) return number_same(c, g, a, g->e, a->e);
    if (is_angle(a) && g->unit.scale) return number_same(c, g, a, g->e, a->e); /* 25 degrees */
    if (c->set->units == PTD_UNITS_KEEP) return 0;
    if (is_angle(g) && is_radian(a)) return turned(c, g, a, g);
    if (is_radian(g) && is_angle(a)) return turned(c, g, a, a);
    return ptd_unit_same_dimension(&g->unit, &a->unit) && own_unit_same(c, g, a);
}

/* Is v written in percent without saying so? 75 may be 75 %, 0.5 and 1.25 may not. */
static int is_points(value v, double least)
{
    double x;
    if (!ptd_expr_value(v->e, &x)) return 0;
    x = x < 0 ? -x : x;
    return x >= least;
}

/* One of the two is in percent, the other a plain number. */
static int percent_same(ctx c, value g, value a, value percent)
{
    struct ptd_expr hundred = RATIO(100, 1),
                    part = {.op = PTD_E_DIV, .a = percent->e, .b = &hundred, .den = 1};
    int64_t num, den;
    value plain = percent == g ? a : g;
    int whole = ptd_expr_rational(plain->e, &num, &den) && den == 1;
    if (percent == g ? number_same(c, g, a, &part, a->e) : number_same(c, g, a, g->e, &part))
        return 1;
    return is_points(plain, percent == g ? 1 : whole ? 2 : 5) && number_same(c, g, a, g->e, a->e);
}

/* 5', 5'': feet, minutes or what is marked so, of which a plain number says nothing. */
static int ends_in_mark(value v)
{
    int kind = v->n > 1 ? v->t[v->n - 1].kind : 0;
    return kind == '\'' || kind == '"' || kind == PTD_T_PRIME;
}

static int amount_same(ctx c, value g, value a)
{
    int how = c->set->units, gu = g->has_unit, au = a->has_unit;
    if (!gu && !au) return number_same(c, g, a, g->e, a->e);
    if (gu && au && (how != PTD_UNITS_DROP)) return quantities_same(c, g, a);
    if (gu && au && g->unit.percent == a->unit.percent) return number_same(c, g, a, g->e, a->e);
    value with = gu ? g : a;
    if (with->unit.percent) return !(gu && au) && percent_same(c, g, a, with);
    if (how == PTD_UNITS_KEEP || (g->weak && !is_points(g, 10))) return 0;
    if (!gu && ends_in_mark(a)) return 0;
    if (number_same(c, g, a, g->e, a->e)) return 1;
    return is_angle(with) && how != PTD_UNITS_DROP && turned(c, g, a, with);
}

/* ---- what a value is of ---- */

static int is_wordy(value v)
{
    for (int i = 0; i < v->n_label; i++)
        if (v->label[i].kind == PTD_T_WORD && v->label[i].n > 2 &&
            islower((unsigned char)v->label[i].s[1]))
            return 1;
    return 0;
}

/* Tokens of the label before an index: x of x_1. */
static int without_index(value v)
{
    for (int i = 1; i < v->n_label; i++)
        if (v->label[i].kind == '_') return i;
    return v->n_label;
}

static int primes(value v)
{
    int n = 0;
    for (int i = 0; i < v->n_label; i++)
        n += v->label[i].kind == PTD_T_PRIME || v->label[i].kind == '\'';
    return n;
}

/* y, f(x) */
static int is_y(value v)
{
    const struct ptd_tok *t = v->label;
    if (v->n_label == 1) return ptd_tok_is(t, "y");
    return v->n_label == 4 && ptd_tok_is(t, "f") && t[1].kind == '(' && ptd_tok_is(t + 2, "x");
}

/* Could both be the value of one thing? */
static int labels_agree(value g, value a)
{
    if (primes(g) != primes(a) && g->label && a->label) return 0;
    if (!g->label || !a->label || is_wordy(g) || is_wordy(a)) return 1;
    if (is_y(g) && is_y(a)) return 1;
    char x[256], y[256];
    int n = without_index(g), m = without_index(a);
    if (n == g->n_label || m == a->n_label) {
        ptd_words(g->label, n, x, sizeof x);
        ptd_words(a->label, m, y, sizeof y);
    } else {
        ptd_words(g->label, g->n_label, x, sizeof x);
        ptd_words(a->label, a->n_label, y, sizeof y);
    }
    return strcmp(x, y) == 0;
}

/* ---- expressions ---- */

/* What the last digit of a plain number is worth; of a whole number of tens ten, and so on; 0: it
 * is no plain number. */
static double last_digit(const struct ptd_expr *e)
{
    int n = decimals(e);
    double worth = 1;
    if (e->op == PTD_E_NEG) e = e->a;
    for (int i = 0; i < n; i++) worth /= 10;
    for (int i = e->n; n == 0 && i-- > 1 && e->s[i] == '0';) worth *= 10;
    return n < 0 ? 0 : worth;
}

/* How far apart x and y, which x is said to be equal to, may be: 99 = 98 not at all, 1/3 = 0.33 by
 * less than a last digit, 7.6 = 8 by half of it, 50 pi = 157 by what pi is rounded to. */
static double leeway(value x, value y, double size)
{
    int64_t num, den;
    int dx = decimals(x->e), dy = decimals(y->e), rough = y->rel == PTD_T_APPROX;
    double most = ptd_expr_rational(x->e, &num, &den) ? 0 : 0.002 * size;
    double cut = dy > 0 ? last_digit(y->e) : dy == 0 ? last_digit(y->e) / 2 : 0;
    if (dy == 0 && !rough) cut = 0;
    if (dx >= 0 && dx == dy && dx > 0) cut = 0;
    if (dx > 0 && dy < 0) cut = last_digit(x->e);
    if (cut > 0.02 * size) cut = 0.02 * size; /* 1/3 = 0.3, 4.6 = 5 */
    return cut > most ? cut : most;
}

static int near(value x, value y)
{
    double p, q;
    if (x->kind != PTD_V_EXPR || y->kind != PTD_V_EXPR) return 1;
    int constant = ptd_expr_value(x->e, &p);
    if (ptd_expr_value(y->e, &q) != constant) return y->rel != PTD_T_APPROX; /* 1/3 = 0.33 x */
    if (!constant) return 1;
    double far = p > q ? p - q : q - p, size = q < 0 ? -q : q;
    return far <= leeway(x, y, size) + 1e-9 * size;
}

/* a = b = c says one thing only if they are about equal. */
static int consistent(ctx c, value a)
{
    for (value m = a->also; m; m = m->also) {
        int units = m->has_unit && a->has_unit;
        int percent = !units && m->kind == PTD_V_EXPR && a->kind == PTD_V_EXPR &&
                      ((m->has_unit && m->unit.percent) || (a->has_unit && a->unit.percent));
        if (percent && amount_same(c, a, m)) continue;
        if (units ? !amount_same(c, a, m) : !near(m, a)) return 0;
    }
    return 1;
}

static int is_constant(value v)
{
    double x;
    return ptd_expr_value(v->e, &x);
}

/* Of a chain what is said last, or any number: S = ab = 6 is not ab. */
static int any_same(ctx c, value g, value a)
{
    for (value x = g; x; x = x->also)
        for (value y = a; y; y = y->also)
            if (x->kind == PTD_V_EXPR && y->kind == PTD_V_EXPR && (y == a || is_constant(y)) &&
                amount_same(c, x, y))
                return 1;
    return 0;
}

static int expr_same(ctx c, value g, value a)
{
    if (!consistent(c, a)) {
        c->reason = "two answers";
        return 0;
    }
    if (labels_agree(g, a)) {
        if (any_same(c, g, a)) return 1;
        if (a->alt && (a->alt->weak == 1 || g->has_unit || g->alt) && any_same(c, g, a->alt))
            return 1;
        if (g->alt && (any_same(c, g->alt, a) || (a->alt && any_same(c, g->alt, a->alt)))) return 1;
    }
    return g->name && a->name && ptd_expr_same_equation(g->name, g->e, a->name, a->e, &c->reason);
}

/* ---- equations ---- */

static int mirrored(int rel)
{
    switch (rel) {
    case '<':
        return '>';
    case '>':
        return '<';
    case PTD_T_LE:
        return PTD_T_GE;
    case PTD_T_GE:
        return PTD_T_LE;
    default:
        return rel;
    }
}

static int equation_same(ctx c, value g, value a)
{
    const struct ptd_expr *gl = g->kind == PTD_V_EQUATION ? g->e : g->name,
                          *gr = g->kind == PTD_V_EQUATION ? g->rhs : g->e,
                          *al = a->kind == PTD_V_EQUATION ? a->e : a->name,
                          *ar = a->kind == PTD_V_EQUATION ? a->rhs : a->e;
    int grel = g->kind == PTD_V_EQUATION ? g->rel : '=',
        arel = a->kind == PTD_V_EQUATION ? a->rel : '=';
    if (!gl || !gr || !al || !ar) return 0;
    if (grel == arel && ptd_expr_equal(gl, al, &c->reason) && ptd_expr_equal(gr, ar, &c->reason))
        return 1;
    if (grel == mirrored(arel) && ptd_expr_equal(gl, ar, &c->reason) &&
        ptd_expr_equal(gr, al, &c->reason))
        return 1;
    return grel == '=' && arel == '=' && ptd_expr_same_equation(gl, gr, al, ar, &c->reason);
}

/* ---- ratios and times ---- */

static int kids_same(ctx c, value g, value a)
{
    if (g->n_kids != a->n_kids) return 0;
    value y = a->kid;
    for (value x = g->kid; x; x = x->next, y = y->next)
        if (!ptd_value_same(c, x, y)) return 0;
    return 1;
}

/* 07:30: of 24 hours. */
static int in_four_digits(value v)
{
    const struct ptd_expr *hour = v->kid->e;
    return hour->op == PTD_E_NUM && hour->n == 2 && *hour->s == '0';
}

/* Hours that may be the same: 3 pm and 15, if both say which half of the day, or one does not. */
static int hours_same(ctx c, value g, value a)
{
    int64_t x, y, den;
    if (!ptd_expr_rational(g->kid->e, &x, &den) || den != 1 ||
        !ptd_expr_rational(a->kid->e, &y, &den) || den != 1)
        return 0;
    if (g->half && a->half && g->half != a->half) return 0;
    if (x == y && !(a->half == 'p' && !g->half && in_four_digits(g))) return 1;
    value with = g->half ? g : a, without = g->half ? a : g;
    int64_t h = g->half ? x : y, other = g->half ? y : x;
    if (!with->half || without->half || h < 1 || h > 12 || !without->time) return 0;
    return other == h % 12 + (with->half == 'p' ? 12 : 0);
}

static int times_same(ctx c, value g, value a)
{
    int64_t num, den;
    value gm = g->kid->next, am = a->kid->next;
    if (!hours_same(c, g, a) || !ptd_value_same(c, gm, am)) return 0;
    value gs = gm->next, as = am->next, extra = gs ? gs : as;
    if (gs && as) return ptd_value_same(c, gs, as);
    return !extra || (ptd_expr_rational(extra->e, &num, &den) && num == 0);
}

static int ratios_same(ctx c, value g, value a)
{
    if (g->n_kids != a->n_kids) return 0;
    value x0 = g->kid, y0 = a->kid, y = a->kid->next;
    for (value x = g->kid->next; x; x = x->next, y = y->next) {
        struct ptd_expr left = {.op = PTD_E_MUL, .a = x0->e, .b = y->e, .den = 1},
                        right = {.op = PTD_E_MUL, .a = y0->e, .b = x->e, .den = 1};
        if (!ptd_expr_equal(&left, &right, &c->reason)) return 0;
    }
    return 1;
}

static int ratio_same(ctx c, value g, value a)
{
    if (g->to == 2 || a->to == 2) return g->to && a->to && kids_same(c, g, a);
    if (g->time && a->time) return times_same(c, g, a);
    if (g->time == 2 || a->time == 2) return 0;
    if (g->time || a->time) return kids_same(c, g, a);
    return ratios_same(c, g, a);
}

static int in_lowest_terms(value ratio)
{
    int64_t a, b, den;
    if (!ptd_expr_rational(ratio->kid->e, &a, &den) || den != 1 ||
        !ptd_expr_rational(ratio->kid->next->e, &b, &den) || den != 1)
        return 1;
    for (int64_t r; b; a = b, b = r) r = a % b;
    return a == 1 || a == -1;
}

static int ratio_as_number(ctx c, value ratio, value plain, int gold_is_ratio)
{
    struct ptd_expr q = {.op = PTD_E_DIV, .a = ratio->kid->e, .b = ratio->kid->next->e, .den = 1};
    if (ratio->n_kids != 2 || ratio->time == 2 || plain->has_unit) return 0;
    if (ratio->to == 2 || (ratio->to && !gold_is_ratio)) return 0;
    if (ratio->time && !in_lowest_terms(ratio)) return 0; /* 3:30 is rather a time */
    return ptd_expr_equal(&q, plain->e, &c->reason);
}

/* ---- collections ---- */

#define MANY 64

/* [2, 4, 6] is a list as programs write it, [2, 4] an interval. */
static int is_array(value v)
{
    return v->kind == PTD_V_GROUP && v->open == '[' && v->close == ']' &&
           (v->n_kids != 2 || v->kid->kind == PTD_V_TEXT);
}

static int is_collection(value v)
{
    return v->kind == PTD_V_LIST || v->kind == PTD_V_SET || v->kind == PTD_V_UNION;
}

/* The kids, with the kids of lists among them; -1: too many. */
static int flat(value v, value out[MANY], int n)
{
    for (value k = v->kid; k && n >= 0; k = k->next) {
        if (k->kind == PTD_V_LIST) {
            n = flat(k, out, n);
        } else {
            if (n == MANY) return -1;
            out[n++] = k;
        }
    }
    return n;
}

static int matched(ctx c, value g[MANY], int n, value a[MANY])
{
    char taken[MANY] = {0};
    for (int i = 0; i < n; i++) {
        int found = 0;
        for (int k = 0; k < n && !found; k++)
            if (!taken[k] && ptd_value_same(c, g[i], a[k])) taken[k] = 1, found = 1;
        if (!found) return 0;
    }
    return 1;
}

/* Indices aside: x_1 and x_2 are of one name. */
static int names_agree(value g, value a)
{
    char x[256], y[256];
    ptd_words(g->label, without_index(g), x, sizeof x);
    ptd_words(a->label, without_index(a), y, sizeof y);
    return strcmp(x, y) == 0;
}

/* x = 2, y = 5: values of several things, which "or" cannot join. */
static int of_several(value v[MANY], int n)
{
    for (int i = 1; i < n; i++)
        if (v[0]->label && v[i]->label && !names_agree(v[0], v[i])) return 1;
    return 0;
}

/* Words that "or" joins are a choice between them; numbers may be the solutions. */
static int has_text(value v[MANY], int n)
{
    for (int i = 0; i < n; i++)
        if (v[i]->kind == PTD_V_TEXT) return 1;
    return 0;
}

static int in_any_order(ctx c, value g, value a)
{
    value x[MANY], y[MANY];
    int n = flat(g, x, 0), m = flat(a, y, 0);
    if (g->kind == PTD_V_SET && a->kind == PTD_V_LIST && m > 0 && of_several(y, m)) return 0;
    if (n != m || (a->either && !g->either && (of_several(x, n) || has_text(x, n)))) {
        if (n == 1 && a->either) c->reason = "two answers";
        return 0;
    }
    return n > 0 ? matched(c, x, n, y) : n == 0 && g->kind == PTD_V_SET;
}

/* y = 3, x = -2 in the order of the names; as they stand if not each has a name of one letter. */
static void by_names(value v[MANY], int n)
{
    for (int i = 0; i < n; i++)
        if (v[i]->n_label != 1 || v[i]->label->n != 1) return;
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && *v[k - 1]->label->s > *v[k]->label->s; k--) {
            value t = v[k];
            v[k] = v[k - 1];
            v[k - 1] = t;
        }
}

static int in_order(ctx c, value g, value a)
{
    value x[MANY], y[MANY];
    int n = flat(g, x, 0), m = flat(a, y, 0);
    if (n != m || n < 1) return 0;
    by_names(x, n);
    by_names(y, n);
    for (int i = 0; i < n; i++)
        if (!ptd_value_same(c, x[i], y[i])) return 0;
    return 1;
}

static int is_endless(value bound, int op)
{
    return bound->e && bound->e->op == op;
}

/* a > b and b < a: what the one is of is the end of the other. */
static int turned_round(ctx c, value g, value a)
{
    if (g->n_kids != 2 || a->n_kids != 2 || !g->name || !a->name) return 0;
    value up = is_endless(g->kid->next, PTD_E_INF) ? g : a, down = up == g ? a : g;
    if (!is_endless(up->kid->next, PTD_E_INF) || !is_endless(down->kid, PTD_E_NEG)) return 0;
    return (up->open == '(') == (down->close == ')') && down->kid->next->e && up->kid->e &&
           ptd_expr_equal(up->name, down->kid->next->e, &c->reason) &&
           ptd_expr_equal(up->kid->e, down->name, &c->reason);
}

static int groups_same(ctx c, value g, value a)
{
    if (turned_round(c, g, a)) return 1;
    if (c->unordered) return in_any_order(c, g, a);
    if (g->n_kids == 2 && (g->open != a->open || g->close != a->close)) return 0;
    return labels_agree(g, a) && kids_same(c, g, a);
}

static int is_round(value v)
{
    return v->kind == PTD_V_GROUP && v->open == '(' && v->close == ')';
}

/* A matrix of one column or row and a tuple, a matrix and a tuple of tuples. */
static int matrix_same(ctx c, value g, value a)
{
    value m = g->kind == PTD_V_MATRIX ? g : a, t = m == g ? a : g;
    if (t->kind == PTD_V_MATRIX) return g->open == a->open && kids_same(c, g, a);
    if (m->open) return 0;
    if (t->kind != PTD_V_GROUP) return 0;
    if (t->kid && t->kid->kind == PTD_V_GROUP) {
        if (m->n_kids != t->n_kids) return 0;
        value y = t->kid;
        for (value x = m->kid; x; x = x->next, y = y->next)
            if (y->kind != PTD_V_GROUP || !kids_same(c, m == g ? x : y, m == g ? y : x)) return 0;
        return 1;
    }
    if (m->n_kids == 1) return kids_same(c, m == g ? m->kid : t, m == g ? t : m->kid);
    value y = t->kid;
    if (m->n_kids != t->n_kids) return 0;
    for (value x = m->kid; x; x = x->next, y = y->next)
        if (x->n_kids != 1 || !ptd_value_same(c, m == g ? x->kid : y, m == g ? y : x->kid))
            return 0;
    return 1;
}

static int collections_same(ctx c, value g, value a)
{
    if (is_collection(g) && (is_collection(a) || is_array(a))) return in_any_order(c, g, a);
    if (is_array(g) && is_collection(a)) return in_any_order(c, g, a);
    if (is_collection(g) && a->kind == PTD_V_GROUP)
        return c->unordered ? in_any_order(c, g, a)
                            : g->kind == PTD_V_LIST && is_round(a) && in_order(c, g, a);
    if (g->kind == PTD_V_GROUP && is_collection(a))
        return c->unordered
                   ? in_any_order(c, g, a)
                   : is_round(g) && a->kind == PTD_V_LIST && !a->either && in_order(c, g, a);
    value many = is_collection(g) ? g : a, one = many == g ? a : g, kids[MANY];
    int n = flat(many, kids, 0);
    if (n == 1) return ptd_value_same(c, many == g ? kids[0] : one, many == g ? one : kids[0]);
    if (many == a && a->either) {
        for (int i = 0; i < n; i++)
            if (!ptd_value_same(c, one, kids[i])) return c->reason = "two answers", 0;
        return n > 0;
    }
    return 0;
}

/* C(10, 3): how many ways there are to choose. */
static int choices_same(ctx c, const struct ptd_expr *e, value a)
{
    if (!is_round(a) || a->n_kids != 2 || a->n_label != 1 || !ptd_tok_is(a->label, "C")) return 0;
    struct ptd_expr ways = {.op = PTD_E_BINOM, .a = a->kid->e, .b = a->kid->next->e, .den = 1};
    return ways.a && ways.b && ptd_expr_equal(e, &ways, &c->reason);
}

/* ---- yes and no ---- */

static int is_verdict(const struct ptd_tok *t)
{
    static const char *const words[] = {"yes", "no", "true", "false", "not",
                                        "是",  "否", "对",   "错",    NULL};
    for (int i = 0; words[i]; i++)
        if (ptd_tok_is(t, words[i])) return 1;
    return 0;
}

/* "Yes, they are parallel" for yes. */
static int verdict_first(value g, value a)
{
    if (g->kind != PTD_V_TEXT || a->kind != PTD_V_LIST || a->either || !is_verdict(g->t) ||
        g->n > 2)
        return 0;
    int no = ptd_tok_is(g->t, "no");
    for (int i = 1; i < a->n; i++)
        if (is_verdict(&a->t[i]) && !(no && ptd_tok_is(&a->t[i], "not"))) return 0;
    return a->kid->kind == PTD_V_TEXT && ptd_text_same(g, a->kid);
}

/* ---- all ---- */

int ptd_value_same(struct ptd_comparison *c, const struct ptd_value *g, const struct ptd_value *a)
{
    int gk = g->kind, ak = a->kind;
    if (c->reason) return 0;
    if (ptd_named_alike(g, a)) return 1;
    if (gk == PTD_V_TEXT || ak == PTD_V_TEXT) {
        if (ptd_text_same(g, a) || verdict_first(g, a)) return 1;
        if (!is_collection(a) && !is_collection(g)) return 0;
    }
    if (gk == PTD_V_EXPR && ak == PTD_V_EXPR) return expr_same(c, g, a);
    if (gk == PTD_V_MATRIX || ak == PTD_V_MATRIX) return matrix_same(c, g, a);
    if (is_collection(g) || is_collection(a)) return collections_same(c, g, a);
    if (gk == PTD_V_RATIO && ak == PTD_V_RATIO) return ratio_same(c, g, a);
    if (gk == PTD_V_RATIO && ak == PTD_V_EXPR) return ratio_as_number(c, g, a, 1);
    if (gk == PTD_V_EXPR && ak == PTD_V_RATIO) return ratio_as_number(c, a, g, 0);
    if (gk == PTD_V_EQUATION || ak == PTD_V_EQUATION) return equation_same(c, g, a);
    if (gk == PTD_V_GROUP && ak == PTD_V_GROUP) return groups_same(c, g, a);
    if (gk == PTD_V_EXPR && ak == PTD_V_GROUP) return choices_same(c, g->e, a);
    return 0;
}
