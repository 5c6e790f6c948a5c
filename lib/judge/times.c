/* times: times of day, on a clock's face or as people say them; see reading.h. */
#include "judge/numeral.h"
#include "judge/reading.h"
#include <ctype.h>
#include <string.h>

static int noon(tok t)
{
    if (t->kind != PTD_T_WORD) return 0;
    if (ptd_tok_is(t, "am") || ptd_tok_is(t, "a.m")) return 'a';
    return ptd_tok_is(t, "pm") || ptd_tok_is(t, "p.m") ? 'p' : 0;
}

/* A number below `below` in at most two digits or in words, its tokens in *used; -1: none. */
static int number_at(struct ptd_toks s, int below, int *used)
{
    struct ptd_ratio r;
    int v = 0;
    *used = 1;
    if (s.a >= s.b) return -1;
    if (s.a->kind != PTD_T_NUM) {
        *used = ptd_numeral_read(s.a, (int)(s.b - s.a), &r);
        return *used && r.den == 1 && r.num >= 0 && r.num < below ? (int)r.num : -1;
    }
    if (s.a->n > 2) return -1;
    for (int i = 0; i < s.a->n; i++) {
        if (!isdigit((unsigned char)s.a->s[i])) return -1;
        v = v * 10 + s.a->s[i] - '0';
    }
    return v < below ? v : -1;
}

static value part(struct ptd_reading *r, struct ptd_toks s, int number)
{
    value one = r->pool.n < PTD_EXPR_NODES ? ptd_value_new(r, PTD_V_EXPR, s) : NULL;
    if (!one) return NULL;
    struct ptd_expr *e = &r->pool.node[r->pool.n++];
    *e = (struct ptd_expr){.op = PTD_E_RATIO, .num = number, .den = 1};
    one->e = e;
    return one;
}

/* half: 'a' or 'p', before or after noon; 0: not said. */
static value at(struct ptd_reading *r, struct ptd_toks s, int hour, int minute, int half)
{
    value v = ptd_value_new(r, PTD_V_RATIO, s), last = NULL;
    if (!v || !ptd_add_kid(v, &last, part(r, s, hour)) ||
        !ptd_add_kid(v, &last, part(r, s, minute)))
        return NULL;
    v->time = 2;
    v->half = (uint8_t)half;
    return v;
}

/* ---- English ---- */

/* "in the afternoon", "at night" at the end of *s: which half of the day; cuts it off. */
static int part_of_day(struct ptd_toks *s)
{
    static const char *const late[] = {"afternoon", "evening", NULL};
    long n = s->b - s->a;
    if (n > 2 && ptd_tok_is(s->b - 2, "at") && ptd_tok_is(s->b - 1, "night")) return s->b -= 2, 'p';
    if (n < 4 || !ptd_tok_is(s->b - 3, "in") || !ptd_tok_is(s->b - 2, "the")) return 0;
    int half = ptd_tok_is(s->b - 1, "morning") ? 'a' : ptd_tok_one_of(s->b - 1, late) ? 'p' : 0;
    if (half) s->b -= 3;
    return half;
}

/* half past seven, a quarter to four, ten minutes past 6; "ten to five" is rather a ratio */
static value spoken(struct ptd_reading *r, struct ptd_toks s, int half)
{
    static const char *const minutes[] = {"minutes", "minute", NULL}, *const past[] = {
                                                                          "past", "after", NULL};
    struct ptd_toks rest = s;
    int used = 1, minute;
    if (s.b - s.a > 3 && ptd_tok_is(s.a, "a")) rest.a++;
    int quarter = ptd_tok_is(rest.a, "quarter"), is_half = ptd_tok_is(rest.a, "half");
    minute = is_half ? 30 : quarter ? 15 : number_at(rest, 60, &used);
    rest.a += used;
    int said = rest.a < rest.b && ptd_tok_one_of(rest.a, minutes);
    rest.a += said;
    if (minute < 0 || rest.b - rest.a < 2) return NULL;
    int behind = ptd_tok_one_of(rest.a, past);
    if (!behind && !((quarter || said) && ptd_tok_is(rest.a, "to"))) return NULL;
    rest.a++;
    int hour = number_at(rest, 13, &used);
    if (hour < 1 || rest.a + used != rest.b) return NULL;
    return behind ? at(r, s, hour, minute, half)
                  : at(r, s, hour == 1 ? 12 : hour - 1, 60 - minute, half);
}

/* ---- Chinese ---- */

struct han { /* what is left of the tokens' text */
    char text[96];
    const char *s, *end;
};

static int joined(struct ptd_toks s, struct han *h)
{
    size_t n = 0;
    for (tok t = s.a; t < s.b; t++) {
        int colon = t->kind == ':';
        if ((t->kind != PTD_T_NUM && t->kind != PTD_T_WORD && !colon) ||
            n + t->n + 1u >= sizeof h->text)
            return 0;
        memcpy(h->text + n, colon ? ":" : t->s, colon ? 1 : t->n);
        n += colon ? 1 : t->n;
    }
    h->text[n] = '\0';
    h->s = h->text;
    h->end = h->text + n;
    return 1;
}

static int take(struct han *h, const char *what)
{
    size_t n = strlen(what);
    if ((size_t)(h->end - h->s) < n || memcmp(h->s, what, n) != 0) return 0;
    h->s += n;
    return 1;
}

static int take_one(struct han *h, const char *const *list)
{
    for (int i = 0; list[i]; i++)
        if (take(h, list[i])) return i + 1;
    return 0;
}

/* A number in digits or signs, up to where it ends; -1: none. */
static int take_number(struct han *h)
{
    struct ptd_ratio r, last = {-1, 1};
    int v = 0;
    const char *from = h->s, *stop = from;
    while (h->s < h->end && h->s - from < 2 && isdigit((unsigned char)*h->s))
        v = 10 * v + *h->s++ - '0';
    if (h->s > from) return h->s < h->end && isdigit((unsigned char)*h->s) ? -1 : v;
    for (const char *p = from + 3; p <= h->end && p - from <= 9; p += 3) {
        struct ptd_tok one = {.kind = PTD_T_WORD, .s = from, .n = (uint16_t)(p - from)};
        if (ptd_numeral_read(&one, 1, &r) == 1 && r.den == 1) last = r, stop = p;
    }
    h->s = stop;
    return (int)(last.num < 60 ? last.num : -1);
}

/* The minutes behind the hour, to the end; -1: it is something else. */
static int take_minutes(struct han *h, int *said)
{
    *said = h->s < h->end;
    if (!*said || take(h, "整") || take(h, "钟")) return h->s == h->end ? 0 : -1;
    if (take(h, "半")) return h->s == h->end ? 30 : -1;
    if (take(h, "一刻") || take(h, "1刻")) return h->s == h->end ? 15 : -1;
    if (take(h, "三刻") || take(h, "3刻")) return h->s == h->end ? 45 : -1;
    int digits = isdigit((unsigned char)*h->s), zero = take(h, "零") || take(h, "〇");
    int minute = take_number(h), marked = take(h, "分");
    return h->s == h->end && minute < 60 && (digits || zero || marked) ? minute : -1;
}

/* 下午3点45分, 晚上八点, 早上7:30, 7时30分, 七点半, 20点 */
static value chinese(struct ptd_reading *r, struct ptd_toks s)
{
    static const char *const early[] = {"上午", "早上", "早晨", "清晨", "凌晨", NULL},
                             *const late[] = {"下午", "晚上", "傍晚", "夜里", "夜晚", "中午", NULL};
    struct han h;
    int said, sign = 0;
    for (tok t = s.a; t < s.b; t++) sign |= t->kind == PTD_T_WORD && (unsigned char)*t->s >= 0xe3;
    if (!sign || s.b - s.a > 6 || !joined(s, &h)) return NULL;
    int half = take_one(&h, early) ? 'a' : 0, which = half ? 0 : take_one(&h, late);
    int digits = h.s < h.end && isdigit((unsigned char)*h.s), hour = take_number(&h);
    if (hour < 0 || hour > 24) return NULL;
    if (which) half = (which == 6 ? hour < 12 : hour == 12 && which > 1) ? 'a' : 'p';
    if (half && hour > 12) half = 0;
    if (!take(&h, "点") && !take(&h, "时") && !(half && take(&h, ":"))) return NULL;
    int clock = h.s[-1] != ':' && memcmp(h.s - 3, "点", 3) == 0, minute = take_minutes(&h, &said);
    if (minute < 0 || (!said && !half && !(clock && digits))) return NULL;
    return at(r, s, hour, minute, half);
}

/* ---- all ---- */

value ptd_read_time(struct ptd_reading *r, struct ptd_toks s)
{
    struct ptd_toks all = s;
    int half = s.b - s.a > 1 ? noon(s.b - 1) : 0, clock = 0, used;
    if (half)
        s.b--;
    else
        half = part_of_day(&s);
    if (s.b - s.a > 3 && ptd_tok_is(s.b - 3, "o") && ptd_tok_is(s.b - 1, "clock"))
        s.b -= 3, clock = 1;
    else if (s.b - s.a > 1 && ptd_tok_is(s.b - 1, "o'clock"))
        s.b--, clock = 1;
    value v = s.b - s.a > 2 ? spoken(r, s, half) : NULL;
    if (!v) v = chinese(r, all);
    if (v || (!half && !clock)) return v;
    if (s.b - s.a > 1 && s.a[1].kind == ':') return ptd_read_ratio(r, s, half ? half : 'o');
    int hour = number_at(s, 25, &used);
    return hour >= 0 && s.a + used == s.b ? at(r, s, hour, 0, half) : NULL;
}
