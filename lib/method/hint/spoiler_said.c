/* spoiler_said: does a hint say a number, or anything that the judge takes for right? See
 * spoiler_private.h. Leaves numbers to values.c. */
#include "judge/judge.h"
#include "judge/number.h"
#include "judge/span.h"
#include "method/hint/spoiler_private.h"
#include "method/hint/values.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

struct question { /* what the numbers of a hint are held against */
    const char *text;
    char *solid; /* in its normal form, without blanks; NULL until wanted */
    int quotes;  /* how many may still be looked for */
    struct ptd_value_set secret, known;
    struct ptd_value_set own; /* known ones that stand alone */
    int free;       /* known numbers are no secret, whatever is said of them; PTD_FREE_ANGLES */
    unsigned named; /* bits of those of `own` that the hint names */
};

/* Does the question hold what stands from s to end? */
static int is_quoted(struct question *q, const char *s, const char *end)
{
    if (q->quotes-- <= 0) return 0;
    if (!q->solid) q->solid = ptd_no_blanks(ptd_text_normal(q->text, strlen(q->text)));
    char *what = ptd_no_blanks(ptd_text_normal(s, (size_t)(end - s)));
    int found = strstr(q->solid, what) != NULL;
    free(what);
    return found;
}

static int is_plain_word(const struct ptd_lex *l, int i)
{
    return i >= 0 && i < l->n && l->t[i].kind == PTD_T_WORD;
}

#define TWO_SIGNS 6 /* bytes of two Chinese signs */

/* The question's words around its only number. */
static int is_in_its_place(struct question *q, const struct ptd_lex *l,
                           const struct ptd_said_value *v)
{
    const struct ptd_tok *t = l->t;
    const char *s = l->plain + t[v->from].at;
    int before = is_plain_word(l, v->from - 1), after = is_plain_word(l, v->to),
        further = is_plain_word(l, v->to + 1);
    if (after && t[v->to].n >= TWO_SIGNS && ptd_tok_is_cjk(&t[v->to]))
        return is_quoted(q, s, l->plain + t[v->to].at + TWO_SIGNS);
    return (before && after &&
            is_quoted(q, l->plain + t[v->from - 1].at, l->plain + t[v->to].end)) ||
           (after && further && is_quoted(q, s, l->plain + t[v->to + 1].end));
}

/* All of the question's numbers, in one list. */
static int is_among_all(const struct question *q, const struct ptd_piece *p, int i)
{
    int first, last, found = 0;
    ptd_value_list(p, i, &first, &last);
    for (int k = 0; k < q->own.n && last - first >= q->own.n && found == k; k++)
        for (int j = first; j < last && found == k; j++) found += p->value[j].v == q->own.v[k];
    return found == q->own.n;
}

static int is_a_sign(const struct ptd_tok *t, int n, const char *const *words)
{
    for (int i = 0; i < n; i++)
        if (ptd_tok_one_of(&t[i], words) || ptd_tok_has_cjk(&t[i], words)) return 1;
    return 0;
}

/* What two numbers with a word of counting between them come to, "3 plus 2", "four and one more",
 * "sixteen minus one"; -1: no such word. */
static double worked_out(const struct ptd_lex *l, const struct ptd_said_value *v, int loose)
{
    static const char *const plus[] = {"plus", "add", "added", "\xe5\x8a\xa0", NULL},
                             *const and[] = {"and", "more", "\xe5\x92\x8c", NULL},
                             *const minus[] = {"minus", "less", "\xe5\x87\x8f", NULL},
                             *const of[] = {"of", "a", NULL},
                             *const times[] = {"times", "x", "\xe4\xb9\x98", NULL};
    const struct ptd_tok *t = l->t + v->to;
    int n = v[1].from - v->to;
    if (n < 1 || n > 3) return -1;
    if (is_a_sign(t, n, plus) || (loose && is_a_sign(t, n, and))) return v->v + v[1].v;
    if (is_a_sign(t, n, minus)) return fabs(v->v - v[1].v);
    return is_a_sign(t, n, times) || (v->v < 1 && is_a_sign(t, n, of)) ? v->v * v[1].v : -1;
}

/* Numbers i and i + 1 come to the secret; the question's own may stand side by side. */
static int says_sum(const struct question *q, const struct ptd_piece *p, int i)
{
    const struct ptd_said_value *v = &p->value[i];
    if (i + 1 >= p->alone || q->free) return 0;
    int known = ptd_value_set_has(&q->known, v->v, 0) && ptd_value_set_has(&q->known, v[1].v, 0);
    double sum = worked_out(&p->lex, v, !known);
    return sum > 0 && ptd_value_set_has(&q->secret, sum, 1);
}

#define MARKED 32 /* numbers of a question that are kept apart */

/* The question's own words from its first number to its last. */
static int is_whole_quote(struct question *q, const struct ptd_piece *p)
{
    const struct ptd_tok *t = p->lex.t;
    int from = p->lex.n, to = 0, found = 0;
    for (int k = 0; k < q->own.n && q->own.n <= MARKED && found == k; k++)
        for (int i = 0; i < p->alone && found == k; i++) {
            if (p->value[i].v != q->own.v[k]) continue;
            found++;
            if (p->value[i].from < from) from = p->value[i].from;
            if (p->value[i].to > to) to = p->value[i].to;
        }
    return found > 0 && found == q->own.n &&
           is_quoted(q, p->lex.plain + t[from].at, p->lex.plain + t[to - 1].end);
}

static void mark(struct question *q, double v)
{
    for (int k = 0; k < q->own.n && k < MARKED; k++)
        if (q->own.v[k] == v) q->named |= 1u << k;
}

/* Are all numbers of the question named but the one that is secret? */
static int is_left_over(const struct question *q)
{
    int secret = 0, others = 0, named = 0;
    for (int k = 0; k < q->own.n && q->own.n <= MARKED; k++) {
        int here = ptd_value_set_has(&q->secret, q->own.v[k], 0);
        secret += here && !(q->named & (1u << k));
        others += !here;
        named += !here && q->named & (1u << k);
    }
    return secret == 1 && others > 0 && named == others;
}

/* 180 degrees, a right angle: what every theorem on angles says. */
static int is_of_theorems(const struct ptd_lex *l, const struct ptd_said_value *v)
{
    static const char *const degrees[] = {"degrees", "degree", "deg", NULL};
    static const char *const du[] = {"\xe5\xba\xa6", NULL};
    const struct ptd_tok *t = &l->t[v->to];
    int named = t->kind == PTD_T_DEG || ptd_tok_one_of(t, degrees) || ptd_tok_has_cjk(t, du);
    if (v->v == 90) return named || l->t[v->from].kind == PTD_T_WORD;
    return named && (v->v == 180 || v->v == 360);
}

/* Does the hint say a secret number, other than by quoting the question? */
static int says(void *ctx, const struct ptd_piece *p)
{
    struct question *q = ctx;
    for (int i = 0; i < p->n; i++) {
        const struct ptd_said_value *v = &p->value[i];
        mark(q, v->v);
        if (says_sum(q, p, i)) return 1;
        if (!ptd_value_set_has(&q->secret, v->v, i < p->alone)) continue;
        if (q->free == PTD_FREE_ANGLES && is_of_theorems(&p->lex, v)) continue;
        if (!ptd_value_set_has(&q->known, v->v, 0)) return 1;
        if (q->free) continue;
        if (ptd_value_asserted(&p->lex, v->from, v->to)) return 1;
        if (q->own.n == 1 ? !is_in_its_place(q, &p->lex, v)
                          : !is_among_all(q, p, i) && !is_whole_quote(q, p))
            return 1;
    }
    return 0;
}

/* Also where the hint cannot be read. */
int ptd_says_number(const char *hint, const char *secret, const char *known, int free_known)
{
    struct question q = {.text = known ? known : "", .quotes = 8, .free = free_known};
    ptd_value_set_read(&q.secret, secret);
    if (!free_known) ptd_value_set_work_out(&q.secret, secret);
    if (q.secret.n) ptd_value_set_read(&q.known, known);
    if (q.secret.n) ptd_value_set_read_alone(&q.own, known);
    int found = q.secret.n && ptd_values_each(hint, says, &q) != 0;
    found = found || (!q.free && is_left_over(&q) && ptd_words_deny(hint));
    ptd_value_set_clear(&q.secret);
    ptd_value_set_clear(&q.known);
    ptd_value_set_clear(&q.own);
    free(q.solid);
    return found;
}

/* ---- what the judge takes for the answer ---- */

#define SIGHTINGS 256

struct trial {                    /* what is held against a piece of a hint that is right */
    struct ptd_value_set numbers; /* of the answer */
    char *asked;                  /* the question in its normal form, without blanks */
};

/* A right piece that the question holds, or that holds the answer's number: then the rule on
 * numbers has let it pass. */
static int is_excused(struct trial *t, const char *s, size_t n)
{
    char *what = ptd_text_normal(s, n);
    int yes = strstr(t->asked, ptd_no_blanks(what)) || ptd_value_set_meets(&t->numbers, s, n);
    free(what);
    return yes;
}

/* Does the hint hold a piece that is right? */
static int holds_right(struct trial *t, const struct ptd_gold *gold, const char *hint)
{
    char *text = ptd_values_spread(hint, strlen(hint));
    struct ptd_sighting *seen = ptd_array(SIGHTINGS, sizeof *seen);
    int n = ptd_gold_sightings(gold, text, strlen(text), seen, SIGHTINGS), found = n == SIGHTINGS;
    for (int i = 0; i < n && !found; i++) {
        const char *piece = text + seen[i].at, *end = piece + seen[i].len;
        while (((unsigned char)*end & 0xc0) == 0x80) end++; /* to the end of its last sign */
        found = !is_excused(t, piece, (size_t)(end - piece));
    }
    free(seen);
    free(text);
    return found;
}

static int is_formula(const char *answer)
{
    return answer[strcspn(answer, "0123456789\\=")] || strstr(answer, "\xcf\x80"); /* pi */
}

int ptd_says_right(const char *hint, const struct ptd_judge *rule, const char *answer,
                   const char *question)
{
    struct ptd_asked asked = {.answer = answer};
    struct trial t = {0};
    struct ptd_gold *gold = is_formula(answer) ? ptd_gold_new(rule, NULL, &asked) : NULL;
    if (!gold) return 0;
    ptd_value_set_read(&t.numbers, answer);
    t.asked = ptd_no_blanks(ptd_text_normal(question, strlen(question)));
    int found = holds_right(&t, gold, hint);
    ptd_value_set_clear(&t.numbers);
    ptd_gold_free(gold);
    free(t.asked);
    return found;
}

int ptd_is_number(const char *s)
{
    struct ptd_rational r;
    return ptd_number_parse(s, strlen(s), &r);
}
