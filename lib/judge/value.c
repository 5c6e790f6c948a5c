/* value: lists and what is in them; see value.h. Leaves expressions to expr.c, and whether two
 * values are the same to compare.c. */
#include "judge/reading.h"
#include "judge/numeral.h"
#include <string.h>

value ptd_value_new(struct ptd_reading *r, int kind, struct ptd_toks s)
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

const struct ptd_expr *ptd_toks_expr(struct ptd_reading *r, struct ptd_toks s)
{
    const struct ptd_expr *e = ptd_expr_read(&r->pool, s.a, (int)(s.b - s.a), r->plus < 0 ? -1 : 1);
    if (r->pool.reason) r->reason = r->pool.reason;
    return e;
}

/* ---- brackets ---- */

int ptd_opens(int kind)
{
    return kind == '(' || kind == '[' || kind == '{' || kind == PTD_T_LSET || kind == PTD_T_BEGIN;
}

int ptd_closes(int kind)
{
    return kind == ')' || kind == ']' || kind == '}' || kind == PTD_T_RSET || kind == PTD_T_FINISH;
}

/* The bracket that closes the one at s.a; s.b: none. */
tok ptd_closing(struct ptd_toks s)
{
    int depth = 0;
    for (tok t = s.a; t < s.b; t++) {
        depth += ptd_opens(t->kind);
        depth -= ptd_closes(t->kind);
        if (depth == 0) return t;
    }
    return s.b;
}

/* ---- the ends ---- */

static int is_wrapping(const struct ptd_tok *t)
{
    int k = t->kind;
    return k == '.' || k == '"' || k == '`' || k == '\'' || k == '#' || (k == '*' && *t->s == '*');
}

/* Does s end in a mark of minutes or seconds, or a prime, that closes no quotation? */
static int is_mark(struct ptd_toks s)
{
    int kind = s.b[-1].kind;
    if ((kind != '\'' && kind != '"') || s.b - s.a < 2 || s.b[-1].spaced) return 0;
    if (s.b[-2].kind != PTD_T_NUM && s.b[-2].kind != PTD_T_WORD && s.b[-2].kind != kind &&
        !ptd_closes(s.b[-2].kind))
        return 0;
    for (tok t = s.a; t < s.b - 1; t++)
        if (t->kind == kind && (t == s.a || t->spaced)) return 0;
    return 1;
}

struct ptd_toks ptd_toks_trimmed(struct ptd_toks s)
{
    tok from = s.a;
    while (s.a < s.b && (is_wrapping(s.a) || strchr(",:=", s.a->kind))) s.a++;
    int quoted = s.a > from && s.b > s.a && s.a[-1].kind == s.b[-1].kind;
    while (s.b > s.a && ((is_wrapping(&s.b[-1]) && (quoted || !is_mark(s))) ||
                         ptd_value_parts(&s.b[-1]) || s.b[-1].kind == ':' ||
                         (s.b[-1].kind == '!' && s.b - s.a > 1 && s.b[-2].kind == PTD_T_WORD &&
                          s.b[-2].n > 1))) {
        if (s.b[-1].kind == PTD_T_WORD && s.b - s.a == 1) break;
        s.b--;
    }
    while (s.b - s.a > 2 && s.a->kind == '{' && ptd_closing(s) == s.b - 1) {
        int parts = 0;
        for (tok t = s.a; t < s.b; t++) parts |= t->kind == ',' || (t == s.a + 2 && t->kind == '|');
        if (parts) break;
        s.a++, s.b--;
    }
    return s;
}

/* 答案是, 选: bytes of the word at t that only lead to the answer. */
static int chinese_lead(tok t, int last)
{
    static const char *const leads[] = {
        "图中一共有", "图中共有", "图中有", "一共有", "总共有", "正确答案", "正确选项",
        "答案",       "最终",     "结果",   "所以",   "因此",   "故选",     "应选",
        "解析式",     "表达式",   "函数",   "选择",   "选项",   "大约",     "答",
        "故",         "选",       "约",     "为",     "是",     "应",       "等于",
        "一共",       "总共",     "共有",   "共",     NULL};
    for (int i = 0; leads[i]; i++) {
        int n = (int)strlen(leads[i]);
        if (t->n < n || memcmp(t->s, leads[i], (size_t)n) != 0 || (t->n == n && last)) continue;
        if (t->n == 6 && (memcmp(t->s, "是否", 6) == 0 || memcmp(t->s, "是的", 6) == 0))
            return 0; /* whether, yes: no leads */
        return n;
    }
    return 0;
}

/* in 2019, the year 2019 */
static int is_year(struct ptd_toks s)
{
    static const char *const words[] = {"in", "the", "year", "of", NULL};
    for (tok t = s.a; t < s.b - 1; t++)
        if (!ptd_tok_one_of(t, words)) return 0;
    return 1;
}

/* Tokens of "so the final answer is:" and the like at the front; the Chinese form is cut off the
 * word itself. */
static struct ptd_toks without_lead(struct ptd_toks s)
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
    while (t < s.b && ptd_tok_one_of(t, before)) t++;
    if (t < s.b && ptd_tok_one_of(t, nouns)) {
        for (t++; t < s.b && (ptd_tok_one_of(t, after) || strchr(":=*`", t->kind ? t->kind : 'x'));
             t++)
            continue;
        if (t < s.b) s.a = t;
    }
    while (s.a + 1 < s.b &&
           (ptd_tok_one_of(s.a, sure) || s.a->kind == PTD_T_APPROX || s.a->kind == PTD_T_TO ||
            s.a->kind == ',' || (s.a->kind == '.' && s.a > t)))
        s.a++;
    if (s.b - s.a > 1 && s.b[-1].kind == PTD_T_NUM && s.b[-1].n == 4 && is_year(s)) s.a = s.b - 1;
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
    static const char *const words[] = {"and", "or", "和",   "或", "或者",
                                        "与",  "及", "以及", "且", NULL};
    return t->kind == ',' || t->kind == ';' || t->kind == PTD_T_ROW ||
           (t->kind == '&' && t->spaced && t[1].spaced) ||
           (t->kind == PTD_T_WORD && ptd_tok_one_of(t, words));
}

static int is_or(tok t)
{
    return ptd_tok_is(t, "or") || ptd_tok_is(t, "或") || ptd_tok_is(t, "或者");
}

/* The next token from t on that parts the list, outside brackets; s.b: none. */
tok ptd_next_part(tok t, struct ptd_toks s)
{
    struct ptd_ratio number;
    int depth = 0, used;
    for (; t < s.b; t++) {
        depth += ptd_opens(t->kind);
        depth -= ptd_closes(t->kind) && depth > 0;
        if (depth == 0 && ptd_value_parts(t)) return t;
        if (t->kind == PTD_T_WORD && (used = ptd_numeral_read(t, (int)(s.b - t), &number)) > 1)
            t += used - 1;
    }
    return s.b;
}

int ptd_add_kid(value list, value *last, value kid)
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

value ptd_read_parts(struct ptd_reading *r, struct ptd_toks s, int kind)
{
    value list = ptd_value_new(r, kind, s), last = NULL;
    for (tok t = s.a; list && t < s.b;) {
        tok stop = ptd_next_part(t, s);
        struct ptd_toks one = ptd_toks_trimmed((struct ptd_toks){t, stop});
        if (one.a < one.b && !ptd_add_kid(list, &last, ptd_read_item(r, one))) return NULL;
        if (stop < s.b && is_or(stop)) list->either = 1;
        t = stop + 1;
    }
    return list;
}

/* x < 2 or x > 3: kids that are all bounds of one name. */
static int are_bounds(value list)
{
    value k = list->kid;
    for (; k; k = k->next)
        if (k->kind != PTD_V_GROUP || k->n_kids != 2 || k->n_label != 1 || ptd_opens(k->t->kind) ||
            k->label->n != list->kid->label->n ||
            memcmp(k->label->s, list->kid->label->s, k->label->n) != 0)
            return 0;
    return list->n_kids > 1;
}

static int endless(value bound)
{
    const struct ptd_expr *e = bound->e;
    return e && (e->op == PTD_E_INF || (e->op == PTD_E_NEG && e->a->op == PTD_E_INF));
}

/* Joined by "or" they are a union, joined by "and" one interval, as far as each has one end. */
static value joined(struct ptd_reading *r, value list, tok by)
{
    value low = list->kid, high = low->next;
    if (list->either) list->kind = PTD_V_UNION;
    if (list->n_kids != 2 || by->kind != PTD_T_WORD || list->either) return list;
    if (endless(low->kid)) low = high, high = list->kid;
    if (!endless(low->kid->next) || !endless(high->kid)) return list;
    low->kid->next = high->kid->next;
    low->close = high->close;
    low->next = NULL;
    return low;
}

value ptd_read_list(struct ptd_reading *r, struct ptd_toks s)
{
    s = ptd_toks_trimmed(without_lead(ptd_toks_trimmed(s)));
    if (s.a >= s.b) return NULL;
    value date = ptd_read_date(r, s);
    if (date) return date;
    tok first = ptd_next_part(s.a, s);
    if (first == s.b) return ptd_read_item(r, s);
    value list =
        s.a->kind == PTD_T_NUM && ptd_tok_is(first, "and") ? ptd_read_compound(r, s) : NULL;
    if (list) return list; /* 2 hours and 30 minutes */
    list = ptd_read_parts(r, s, PTD_V_LIST);
    if (list && list->n_kids == 1) return list->kid;
    return list && are_bounds(list) ? joined(r, list, first) : list;
}

/* ---- one item ---- */

static int has_sign(struct ptd_toks s)
{
    for (tok t = s.a; t < s.b; t++)
        if (t->kind == PTD_T_PM || t->kind == PTD_T_MP) return 1;
    return 0;
}

/* a \pm b: both. */
static value both_signs(struct ptd_reading *r, struct ptd_toks s)
{
    value v = ptd_value_new(r, PTD_V_LIST, s), last = NULL;
    for (int plus = 1; v && plus >= -1; plus -= 2) {
        r->plus = plus;
        if (!ptd_add_kid(v, &last, ptd_read_item(r, s))) v = NULL;
    }
    r->plus = 0;
    return v;
}

static struct ptd_toks behind_arrow(struct ptd_toks s)
{
    int order = s.b - s.a > 2;
    for (tok t = s.a; t < s.b; t++)
        order &= (t - s.a) % 2 ? t->kind == PTD_T_ARROW : t->kind == PTD_T_WORD;
    for (tok t = s.b; t-- > s.a && !order;)
        if (t->kind == PTD_T_ARROW && t + 1 < s.b) return (struct ptd_toks){t + 1, s.b};
    return s; /* A -> B -> C */
}

/* from 2010 to 2015: the range */
static struct ptd_toks without_from(struct ptd_toks s)
{
    for (tok t = s.a + 2; s.b - s.a > 3 && t < s.b && ptd_tok_is(s.a, "from"); t++)
        if (ptd_tok_is(t, "to")) s.a++;
    return s;
}

static int plain_number(struct ptd_toks s)
{
    return s.b - s.a == 1 && s.a->kind == PTD_T_NUM;
}

/* \mathbb{R}, "all real numbers": from minus to plus infinity. */
static value all_reals(struct ptd_reading *r, struct ptd_toks s)
{
    static const char *const words[] = {"实数集",   "全体实数", "一切实数",
                                        "任意实数", "所有实数", NULL};
    static const struct ptd_expr inf = {.op = PTD_E_INF, .den = 1};
    static const struct ptd_expr less = {.op = PTD_E_NEG, .a = &inf, .den = 1};
    long n = s.b - s.a;
    int sign = (n == 4 || n == 2) && s.a->kind == PTD_T_NAME && s.a->n == 6 &&
               memcmp(s.a->s, "mathbb", 6) == 0 && ptd_tok_is(s.a + n / 2, "R");
    int said = (n == 3 && ptd_tok_is(s.a, "all") && ptd_tok_is(s.a + 1, "real") &&
                ptd_tok_is(s.a + 2, "numbers")) ||
               (n == 2 && ptd_tok_is(s.a, "all") && ptd_tok_is(s.a + 1, "reals")) ||
               (n == 1 && ptd_tok_one_of(s.a, words));
    if (!sign && !said) return NULL;
    value v = ptd_value_new(r, PTD_V_GROUP, s), last = NULL;
    if (!v || !ptd_add_kid(v, &last, ptd_quantity(r, s, &less, NULL)) ||
        !ptd_add_kid(v, &last, ptd_quantity(r, s, &inf, NULL)))
        return NULL;
    v->open = '(', v->close = ')';
    return v;
}

static value any(struct ptd_reading *r, struct ptd_toks s)
{
    value v = all_reals(r, s);
    if (v) return v;
    if (s.b - s.a == 1 && s.a->kind == PTD_T_EMPTY) return ptd_value_new(r, PTD_V_SET, s);
    v = ptd_read_relation(r, s);
    if (!v) v = ptd_read_brackets(r, s);
    if (!v) v = ptd_read_time(r, s);
    if (!v) v = ptd_read_range(r, s);
    if (!v) v = ptd_read_amount(r, s);
    if (!v) v = ptd_read_ratio(r, s, 0);
    if (!v) v = ptd_read_union(r, s);
    if (!v && ptd_opens(s.a->kind) && ptd_closing(s) == s.b - 1)
        v = ptd_read_list(r, (struct ptd_toks){s.a + 1, s.b - 1});
    return v;
}

value ptd_read_item(struct ptd_reading *r, struct ptd_toks s)
{
    value v = NULL;
    s = without_from(behind_arrow(ptd_toks_trimmed(without_lead(s))));
    if (s.a >= s.b || r->reason) return NULL;
    if (plain_number(s)) return ptd_quantity(r, s, ptd_toks_expr(r, s), NULL);
    if (++r->depth > 40) {
        r->reason = "too deep";
        return NULL;
    }
    if (!r->plus && has_sign(s))
        v = both_signs(r, s);
    else
        v = any(r, s);
    r->depth--;
    return v || r->reason ? v : ptd_value_new(r, PTD_V_TEXT, s);
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
    r->top = ptd_read_list(r, (struct ptd_toks){r->lex.t, r->lex.t + r->lex.n});
    if (!r->reason) return 0;
    r->top = NULL;
    return -1;
}
