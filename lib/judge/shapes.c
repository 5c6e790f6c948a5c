/* shapes: ratios, dates, tuples, intervals, sets, unions and matrices; see reading.h. */
#include "judge/reading.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

static int empty(struct ptd_toks s)
{
    return s.a >= s.b;
}

/* ---- ratios and times ---- */

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
static int time_like(struct ptd_toks s)
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

value ptd_read_ratio(struct ptd_reading *r, struct ptd_toks s, int half)
{
    value v = NULL, last = NULL, one;
    int depth = 0;
    tok from = s.a;
    for (tok t = s.a; t <= s.b; t++) {
        if (t < s.b) {
            depth += ptd_opens(t->kind);
            depth -= ptd_closes(t->kind);
            if (depth || !is_ratio_mark(t)) continue;
        } else if (!v) {
            return NULL;
        }
        if (!v && !(v = ptd_value_new(r, PTD_V_RATIO, s))) return NULL;
        struct ptd_toks part = {from, t};
        if (empty(part) || !(one = ptd_value_new(r, PTD_V_EXPR, part)) ||
            !(one->e = ptd_toks_expr(r, part)))
            return NULL;
        ptd_add_kid(v, &last, one);
        if (t < s.b && t->kind != ':') v->to = 1;
        from = t + 1;
    }
    v->time = v->to ? 0 : (uint8_t)(half ? 2 : time_like(s));
    v->half = (uint8_t)(half == 'o' ? 0 : half);
    return v;
}

/* A number of a range at *t, with a sign of its own; NULL: none. */
static tok take_end(tok *t, tok b)
{
    tok number = *t + (*t < b && (*t)->kind == PTD_T_MONEY);
    if (number >= b || number->kind != PTD_T_NUM) return NULL;
    *t = number + 1;
    if (*t < b && ((*t)->kind == PTD_T_PERCENT || (*t)->kind == PTD_T_DEG)) ++*t;
    return number;
}

value ptd_read_range(struct ptd_reading *r, struct ptd_toks s)
{
    value v = NULL, last = NULL;
    struct ptd_unit unit;
    tok t = s.a, number;
    while ((number = take_end(&t, s.b))) {
        struct ptd_toks one = {number, number + 1};
        if (!v && (t >= s.b || t->kind != '-' || !(v = ptd_value_new(r, PTD_V_RATIO, s))))
            return NULL;
        if (!ptd_add_kid(v, &last, ptd_quantity(r, one, ptd_toks_expr(r, one), NULL))) return NULL;
        if (t >= s.b || t->kind != '-') break;
        t++;
    }
    if (!v || !number || v->n_kids < 2) return NULL;
    if (t < s.b && !ptd_unit_read(t, (int)(s.b - t), 1, &unit)) return NULL;
    v->to = 2;
    return v;
}

/* ---- dates ---- */

static int month_at(tok t)
{
    static const char *const names[] = {"january",   "february", "march",    "april",
                                        "may",       "june",     "july",     "august",
                                        "september", "october",  "november", "december"};
    if (t->kind != PTD_T_WORD || t->n < 3) return 0;
    for (int i = 0; i < 12; i++)
        if (ptd_tok_is(t, names[i]) ||
            ((t->n == 3 || (i == 8 && t->n == 4)) && strncasecmp(t->s, names[i], t->n) == 0))
            return i + 1;
    return 0;
}

static int number_at(tok t, size_t digits)
{
    int v = 0;
    if (t->kind != PTD_T_NUM || t->n > digits) return 0;
    for (int i = 0; i < t->n; i++) {
        if (!isdigit((unsigned char)t->s[i])) return 0;
        v = 10 * v + t->s[i] - '0';
    }
    return v;
}

/* Parts of a date in the order they stand in, words between them left out; 0: there is more. */
static int date_parts(struct ptd_toks s, int *year, int *month, int *day)
{
    for (tok t = s.a; t < s.b; t++) {
        int *part = NULL, v = month_at(t);
        if (v) {
            part = month;
        } else if (t->kind == PTD_T_NUM) {
            int chinese = t + 1 < s.b && ptd_tok_is(t + 1, "月");
            v = number_at(t, 4);
            part = t->n == 4 ? year : chinese ? month : day;
        } else if (!(t->kind == ',' || (t->kind == '.' && t > s.a && month_at(t - 1)) ||
                     ptd_tok_is(t, "th") || ptd_tok_is(t, "st") || ptd_tok_is(t, "nd") ||
                     ptd_tok_is(t, "rd") || ptd_tok_is(t, "of") || ptd_tok_is(t, "the") ||
                     ptd_tok_is(t, "年") || ptd_tok_is(t, "月") || ptd_tok_is(t, "日"))) {
            return 0;
        }
        if (part && (*part || !(*part = v))) return 0;
    }
    return *year && *month && *day && *month <= 12 && *day <= 31;
}

value ptd_read_date(struct ptd_reading *r, struct ptd_toks s)
{
    int part[3] = {0, 0, 0}, words = 0;
    for (tok t = s.a; t < s.b; t++) words |= t->kind == PTD_T_WORD;
    if (!words || s.b - s.a < 3 || s.b - s.a > 7 || !date_parts(s, &part[0], &part[1], &part[2]))
        return NULL;
    value v = ptd_value_new(r, PTD_V_RATIO, s), last = NULL;
    for (int i = 0; v && i < 3; i++) {
        value one = r->pool.n < PTD_EXPR_NODES ? ptd_value_new(r, PTD_V_EXPR, s) : NULL;
        if (!ptd_add_kid(v, &last, one)) return NULL;
        struct ptd_expr *e = &r->pool.node[r->pool.n++];
        *e = (struct ptd_expr){.op = PTD_E_RATIO, .num = part[i], .den = 1};
        one->e = e;
    }
    if (v) v->to = 2;
    return v;
}

/* ---- brackets as values ---- */

value ptd_read_union(struct ptd_reading *r, struct ptd_toks s)
{
    value v = NULL, last = NULL;
    int depth = 0;
    tok from = s.a;
    for (tok t = s.a; t <= s.b; t++) {
        if (t < s.b) {
            depth += ptd_opens(t->kind);
            depth -= ptd_closes(t->kind);
            if (depth || t->kind != PTD_T_CUP) continue;
        }
        if (t == s.b && !v) return NULL;
        if (!v && !(v = ptd_value_new(r, PTD_V_UNION, s))) return NULL;
        if (!ptd_add_kid(v, &last, ptd_read_item(r, ptd_toks_trimmed((struct ptd_toks){from, t}))))
            return NULL;
        from = t + 1;
    }
    return v;
}

static value matrix(struct ptd_reading *r, struct ptd_toks s)
{
    value v = ptd_value_new(r, PTD_V_MATRIX, s), last = NULL, row = NULL, cell = NULL;
    tok from = s.a + 1;
    if (v && s.a->n > 1 && (s.a->s[1] | 32) == 'v') v->open = '|'; /* a determinant */
    for (tok t = from; v && t < s.b; t++) {
        int ends = t->kind == PTD_T_ROW || t == s.b - 1;
        if (t->kind != '&' && !ends) continue;
        struct ptd_toks one = {from, t};
        from = t + 1;
        if (empty(one) && t == s.b - 1) break;
        if (!row && !ptd_add_kid(v, &last, row = ptd_value_new(r, PTD_V_GROUP, one))) return NULL;
        row->open = '(', row->close = ')';
        if (!ptd_add_kid(row, &cell, ptd_read_item(r, ptd_toks_trimmed(one)))) return NULL;
        if (ends) row = cell = NULL;
    }
    return v;
}

/* {x | x > 2}: what is said of x. */
static value set_builder(struct ptd_reading *r, struct ptd_toks s)
{
    for (tok t = s.a + 1; t < s.b - 1; t++)
        if ((t->kind == '|' || t->kind == ':') && ptd_is_label((struct ptd_toks){s.a, t}))
            return ptd_read_list(r, (struct ptd_toks){t + 1, s.b});
    return NULL;
}

static value group(struct ptd_reading *r, struct ptd_toks s)
{
    struct ptd_toks in = {s.a + 1, s.b - 1};
    int set = s.a->kind == PTD_T_LSET || s.a->kind == '{';
    value v = s.a->kind == PTD_T_BEGIN ? matrix(r, s) : set ? set_builder(r, in) : NULL;
    if (v || s.a->kind == PTD_T_BEGIN) return v;
    if (ptd_next_part(in.a, in) == in.b && s.a->kind != PTD_T_LSET) return NULL;
    v = ptd_read_parts(r, in, set ? PTD_V_SET : PTD_V_GROUP);
    if (!v) return NULL;
    v->open = set ? '{' : (uint8_t)s.a->kind;
    v->close = set ? '}' : (uint8_t)s.b[-1].kind;
    v->t = s.a;
    v->n = (int)(s.b - s.a);
    return v;
}

/* P, P', "the point P", 区间: what may stand before brackets and leave them what they are; k is a
 * factor, f a function, "not" and \notin deny them. */
static int names_brackets(struct ptd_toks s, int bracket)
{
    static const char *const words[] = {"the",    "point",  "points", "coordinate", "coordinates",
                                        "vertex", "center", "centre", "origin",     "interval",
                                        "set",    "domain", "range",  "vector",     "at",
                                        "are",    "is",     "pair",   "点",         "坐标",
                                        "坐标为", "坐标是", "区间",   "为",         NULL};
    for (tok t = s.a; t < s.b; t++) {
        int known = 0, letter = t->kind == PTD_T_WORD && t->n == 1 && isupper((unsigned char)*t->s);
        for (int i = 0; words[i]; i++) known |= ptd_tok_is(t, words[i]);
        if ((t->kind == PTD_T_PRIME || t->kind == '\'') && t > s.a) known = 1;
        if (!known && !(letter && bracket == '(')) return 0;
    }
    return 1;
}

/* P(3, 4): a name before a group; (5 cm): a group around one value. */
value ptd_read_brackets(struct ptd_reading *r, struct ptd_toks s)
{
    tok open = s.a;
    if (!ptd_closes(s.b[-1].kind)) return NULL;
    while (open < s.b &&
           (open->kind == PTD_T_WORD || open->kind == PTD_T_PRIME || open->kind == '\''))
        open++;
    if (!names_brackets((struct ptd_toks){s.a, open}, open->kind)) return NULL;
    struct ptd_toks g = {open, s.b};
    if (empty(g) || !ptd_opens(open->kind) || ptd_closing(g) != s.b - 1) return NULL;
    value v = group(r, g);
    if (v && open > s.a) ptd_set_label(r, v, (struct ptd_toks){s.a, open});
    return v;
}
