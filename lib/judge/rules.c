/* rules: what a gold answer is and what is held against it; see judge.h for the rules. */
#include "judge/rules.h"
#include "judge/choice.h"
#include "judge/compare.h"
#include "judge/number.h"
#include "judge/options.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What a rule takes. */
enum { LETTERS = 1, MATHS = 2, WORDS = 4, NUMBERS = 8, SETS = 16 };

/* ---- one reading of a text, and the one with commas that part a list ---- */

struct readings {
    struct ptd_reading *as[2]; /* NULL: not read, or no other */
};

static struct ptd_reading *reading(const char *text, size_t n, int lists)
{
    struct ptd_reading *r = ptd_alloc(sizeof *r);
    if (ptd_value_read(r, text, n, lists) == 0 && r->top) return r;
    free(r);
    return NULL;
}

static struct readings read_both(const char *text, size_t n)
{
    struct readings b = {{reading(text, n, 0), NULL}};
    if (b.as[0] && b.as[0]->lex.commas) b.as[1] = reading(text, n, 1);
    return b;
}

static void clear_both(struct readings *b)
{
    free(b->as[0]);
    free(b->as[1]);
}

/* ---- golds ---- */

struct said {
    int takes;
    char *normal;                /* exact form */
    struct readings value, text; /* of the whole, and of the text behind the letter */
    int is_choice;
    struct ptd_choice choice;
    /* The question's options: their texts, and which of them are right. */
    int n_options;
    struct ptd_reading *option[PTD_OPTIONS];
    unsigned right;
};

static const char *rest_of(const struct ptd_lex *l, const struct ptd_choice *c, size_t *n)
{
    const char *from = l->plain + c->rest->at;
    *n = (size_t)(c->rest[c->n_rest - 1].end - c->rest->at);
    return from;
}

static void read_choice(struct said *g, int alone)
{
    const struct ptd_lex *l = &g->value.as[0]->lex;
    size_t n;
    g->is_choice =
        alone ? ptd_choice_gold(l->t, l->n, &g->choice) : ptd_choice_read(l->t, l->n, &g->choice);
    if (!g->is_choice || !g->choice.n_rest) return;
    const char *rest = rest_of(l, &g->choice, &n);
    g->text = read_both(rest, n);
}

/* ---- the question's options ---- */

static int same_as(const struct ptd_reading *g, const struct ptd_reading *a,
                   const struct ptd_judge_settings *set)
{
    struct ptd_comparison c = {.set = set};
    return ptd_written_alike(&g->lex, &a->lex) || ptd_value_same(&c, g->top, a->top);
}

/* The gold's letters, or the options that say what the gold says. */
static void mark_right(struct said *g, const struct ptd_judge_settings *set)
{
    if (g->is_choice) g->right = g->choice.letters;
    for (int i = 0; !g->is_choice && g->value.as[0] && i < g->n_options; i++)
        if (g->option[i] && same_as(g->value.as[0], g->option[i], set)) g->right |= 1u << i;
}

static void read_options(struct said *g, const char *question, const struct ptd_judge_settings *set)
{
    struct ptd_options o;
    g->n_options = ptd_options_read(question, &o);
    for (int i = 0; i < g->n_options; i++)
        g->option[i] = reading(o.option[i].text, o.option[i].len, 0);
    mark_right(g, set);
}

/* The options that say what a says, letters as bits. */
static unsigned options_said(const struct said *g, const struct ptd_reading *a,
                             const struct ptd_judge_settings *set)
{
    unsigned said = 0;
    for (int i = 0; i < g->n_options; i++)
        if (g->option[i] && same_as(g->option[i], a, set)) said |= 1u << i;
    return said;
}

static int is_constant(const struct ptd_value *v)
{
    return v->kind == PTD_V_EXPR || v->kind == PTD_V_RATIO;
}

/* Can a rule that takes these read the gold? */
static int readable(const struct said *g)
{
    const struct ptd_reading *r = g->value.as[0];
    if (g->takes & WORDS) return r || *g->normal;
    if (g->takes == LETTERS) return g->is_choice || g->right;
    if (!r) return 0;
    if (g->takes & NUMBERS) return is_constant(r->top);
    return r->top->kind != PTD_V_TEXT;
}

static void said_clear(void *gold)
{
    struct said *g = gold;
    clear_both(&g->value);
    clear_both(&g->text);
    for (int i = 0; i < g->n_options; i++) free(g->option[i]);
    free(g->normal);
    free(g);
}

static void *said_new(const struct ptd_asked *asked, const char *answer, int takes,
                      const struct ptd_judge_settings *set, const char *expected)
{
    struct said *g = ptd_alloc(sizeof *g);
    g->takes = takes;
    g->normal = ptd_text_normal(answer, strlen(answer));
    g->value = read_both(answer, strlen(answer));
    if (takes & LETTERS && g->value.as[0]) read_choice(g, takes != LETTERS);
    if (takes & LETTERS && g->value.as[0] && asked->question) read_options(g, asked->question, set);
    if (readable(g)) return g;
    ptd_fail(PTD_DATAERR, "answer \"%.200s\": expected %s", answer, expected);
    said_clear(g);
    return NULL;
}

/* ---- answers ---- */

/* Words that stand where an answer should. */
static int says_nothing(const struct ptd_reading *r)
{
    static const char *const words[] = {"answer",      "unknown",      "n/a",  "na",  "none",
                                        "your answer", "final answer", "null", "nan", "...",
                                        "undefined",   "x x x",        NULL};
    char said[64];
    if (r->lex.n > 6) return 0;
    ptd_words(r->lex.t, r->lex.n, said, sizeof said);
    for (int i = 0; words[i]; i++)
        if (strcasecmp(said, words[i]) == 0) return 1;
    return !said[strspn(said, "? ")] && r->lex.t[0].kind != PTD_T_NUM;
}

static int read_same(struct ptd_comparison *c, const struct ptd_reading *g,
                     const struct ptd_reading *a)
{
    return g && a->top && ptd_value_same(c, g->top, a->top);
}

/* A reading against both of the gold's. The reason of a reading counts only if no other is right.
 */
static int against(const struct readings *g, const struct ptd_reading *a,
                   const struct ptd_judge_settings *set, int unordered, const char **reason)
{
    for (int i = 0; i < 2; i++) {
        struct ptd_comparison c = {.set = set, .unordered = unordered};
        if (read_same(&c, g->as[i], a)) {
            *reason = NULL;
            return 1;
        }
        if (c.reason) *reason = c.reason;
    }
    return 0;
}

static int is_decimal(const struct ptd_reading *g)
{
    return g->top->kind == PTD_V_EXPR && g->top->e->op == PTD_E_NUM &&
           memchr(g->top->e->s, '.', g->top->e->n);
}

static int is_whole(const struct ptd_tok *t)
{
    return t->kind == PTD_T_NUM && strspn(t->s, "0123456789") >= t->n;
}

/* 3,5 cm for a gold with a point: the comma is one. Writes it so; 0: it is none. */
static size_t with_point(const struct ptd_lex *l, char *out, size_t cap)
{
    const struct ptd_tok *t = l->t + (l->t[0].kind == '-');
    if (t + 2 >= l->t + l->n + 1 || !is_whole(t) || t[1].kind != ',' || t[1].spaced) return 0;
    if (!is_whole(&t[2]) || t[2].spaced || t[3].kind == ',' || l->commas) return 0;
    int n = snprintf(out, cap, "%s%.*s.%.*s%s", t > l->t ? "-" : "", t->n, t->s, t[2].n, t[2].s,
                     l->plain + t[2].end);
    return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

static int with_point_right(const struct readings *g, struct ptd_reading *a,
                            const struct ptd_judge_settings *set)
{
    char text[256];
    const char *why = NULL;
    size_t n = is_decimal(g->as[0]) ? with_point(&a->lex, text, sizeof text) : 0;
    return n && ptd_value_read(a, text, n, 0) == 0 && a->top && against(g, a, set, 0, &why);
}

/* The answer, and its reading as a list, against the gold's. */
static int value_right(const struct readings *g, struct ptd_reading *a, const char *text, size_t n,
                       const struct ptd_judge_settings *set, int unordered, const char **reason)
{
    if (!g->as[0]) return 0;
    if (ptd_written_alike(&g->as[0]->lex, &a->lex)) return 1;
    if (against(g, a, set, unordered, reason)) return 1;
    if (!a->lex.commas) return with_point_right(g, a, set);
    const char *why = NULL;
    if (ptd_value_read(a, text, n, 1) < 0 || !a->top) return 0;
    return against(g, a, set, unordered, &why);
}

/* (A) 12 cm for 12 cm: the text behind an option's letter. */
static int option_text_right(const struct said *g, struct ptd_reading *a,
                             const struct ptd_choice *c, const struct ptd_judge_settings *set,
                             const char **reason)
{
    size_t n;
    const char *from = rest_of(&a->lex, c, &n), *why = NULL;
    char *rest = ptd_format("%.*s", (int)n, from);
    int yes = ptd_value_read(a, rest, strlen(rest), 0) == 0 && a->top &&
              value_right(&g->value, a, rest, strlen(rest), set, g->takes & SETS, &why);
    free(rest);
    if (yes) *reason = NULL;
    return yes;
}

/* ---- letters with texts ---- */

enum behind { BEHIND_UNKNOWN, BEHIND_SAME, BEHIND_OTHER };

static int has_ideographs(const struct ptd_lex *l)
{
    for (int i = 0; i < l->n; i++)
        if (l->t[i].kind == PTD_T_WORD && (unsigned char)l->t[i].s[0] >= 0xe3) return 1;
    return 0;
}

/* Words of which one begins as the other, or that have an ideograph in common. */
static int alike(const struct ptd_tok *x, const struct ptd_tok *y)
{
    int n = x->n < y->n ? x->n : y->n;
    if (x->kind < 128 || y->kind < 128 || !n) return 0;
    if ((x->n == y->n || n > 2) && strncasecmp(x->s, y->s, (size_t)n) == 0) return 1;
    for (int i = 0; (unsigned char)x->s[0] >= 0xe3 && i + 3 <= x->n; i += 3)
        if (memmem(y->s, y->n, x->s + i, 3)) return 1;
    return 0;
}

/* Have two texts a word in common? A text of signs, a picture and another script tell nothing. */
static int share_words(const struct ptd_lex *option, const struct ptd_lex *said)
{
    int words = 0;
    if (has_ideographs(option) != has_ideographs(said) || !said->n) return 1;
    for (int i = 0; i < option->n; i++) {
        const struct ptd_tok *t = &option->t[i];
        words += t->kind >= 128;
        if (ptd_tok_is(t, "image") || ptd_tok_is(t, "figure") || ptd_tok_is(t, "img")) return 1;
        for (int j = 0; j < said->n; j++)
            if (alike(t, &said->t[j])) return 1;
    }
    return !words;
}

static enum behind option_behind(const struct said *g, int letter, const struct ptd_reading *r,
                                 const struct ptd_judge_settings *set)
{
    const struct ptd_reading *own = g->option[letter];
    unsigned said = options_said(g, r, set);
    if (said) return said >> letter & 1 ? BEHIND_SAME : BEHIND_OTHER;
    if (!own) return BEHIND_UNKNOWN;
    if (is_constant(own->top) && is_constant(r->top)) return BEHIND_OTHER;
    return share_words(&own->lex, &r->lex) ? BEHIND_UNKNOWN : BEHIND_OTHER;
}

/* What stands behind the one letter of an answer, against that option's text in the question, or in
 * the gold. */
static enum behind text_behind(const struct said *g, const struct ptd_lex *l,
                               const struct ptd_choice *c, const struct ptd_judge_settings *set)
{
    if (c->n != 1 || !c->n_rest) return BEHIND_UNKNOWN;
    enum behind how = BEHIND_UNKNOWN;
    size_t n;
    const char *rest = rest_of(l, c, &n);
    int letter = __builtin_ctz(c->letters);
    struct ptd_reading *r = reading(rest, n, 0);
    if (r && letter < g->n_options)
        how = option_behind(g, letter, r, set);
    else if (r && c->letters == g->choice.letters && g->text.as[0])
        how = same_as(g->text.as[0], r, set) ? BEHIND_SAME : BEHIND_UNKNOWN;
    free(r);
    return how;
}

static double letters_score(const struct said *g, const struct ptd_choice *c, const char **reason)
{
    /* h is no H: from G on letters are rather names than options */
    if (c->lower && c->letters >> 6 && !g->choice.lower) return 0;
    if (c->letters == g->choice.letters && !(c->either && c->n > 1)) return 1;
    if (c->n > g->choice.n) *reason = "several options";
    return 0;
}

/* A = 12 is no text of option B. */
static int names_letter(const struct said *g, const struct ptd_value *v)
{
    const struct ptd_tok *t = v->label;
    return v->n_label == 1 && t->n == 1 && *t->s >= 'A' && *t->s < 'A' + PTD_OPTIONS &&
           !(g->right >> (*t->s - 'A') & 1) && !(g->choice.letters >> (*t->s - 'A') & 1);
}

static double choice_score(const struct said *g, struct ptd_reading *a, const char *text, size_t n,
                           const struct ptd_judge_settings *set, const char **reason)
{
    struct ptd_choice c;
    if (ptd_value_read(a, text, n, 0) < 0) {
        *reason = a->reason;
        return 0;
    }
    if (a->lex.n == 0) {
        *reason = "empty";
        return 0;
    }
    /* An option copied from the question is that option, whatever its text says. */
    if (g->n_options && ptd_choice_first(a->lex.t, a->lex.n, &c) &&
        text_behind(g, &a->lex, &c, set) == BEHIND_SAME)
        return letters_score(g, &c, reason);
    int named = ptd_choice_read(a->lex.t, a->lex.n, &c);
    enum behind behind = text_behind(g, &a->lex, &c, set);
    if (behind == BEHIND_OTHER) c.reason = "another option's text";
    if ((named && !c.reason) || behind == BEHIND_SAME) return letters_score(g, &c, reason);
    if (c.reason) {
        *reason = c.reason;
        return 0;
    }
    if (a->top && names_letter(g, a->top)) return 0;
    if (a->top && g->n_options) return options_said(g, a, set) == g->right;
    /* BC may be a segment */
    if (a->top && g->choice.n > 1 && value_right(&g->value, a, text, n, set, 0, reason)) return 1;
    if (a->top && g->text.as[0]) return value_right(&g->text, a, text, n, set, 0, reason);
    if (says_nothing(a)) *reason = "empty";
    return 0;
}

static int is_readable(const struct said *g, const struct ptd_reading *a)
{
    if (g->takes & WORDS) return 1;
    if (g->takes & NUMBERS) return is_constant(a->top);
    return a->top->kind != PTD_V_TEXT;
}

/* B, where the question's option B says what the gold says. */
static int letters_right(const struct said *g, struct ptd_reading *a, const char **reason)
{
    struct ptd_choice c;
    if (!ptd_choice_read(a->lex.t, a->lex.n, &c) || c.reason) {
        if (c.reason) *reason = c.reason;
        return 0;
    }
    return c.n == 1 && (c.letters & g->right) && !c.n_rest;
}

static double value_score(const struct said *g, struct ptd_reading *a, const char *text, size_t n,
                          const struct ptd_judge_settings *set, const char **reason)
{
    struct ptd_choice c;
    if (ptd_value_read(a, text, n, 0) < 0) {
        *reason = a->reason;
        return 0;
    }
    if (!a->top) {
        *reason = "empty";
        return 0;
    }
    int nothing = says_nothing(a), readable = is_readable(g, a);
    int lettered = g->takes & WORDS && ptd_choice_read(a->lex.t, a->lex.n, &c) && c.n_rest;
    if (value_right(&g->value, a, text, n, set, g->takes & SETS, reason)) return 1;
    if (g->right && letters_right(g, a, reason)) return 1;
    if (nothing) *reason = "empty";
    if (!readable && !*reason) *reason = g->takes & NUMBERS ? "no number" : "no mathematics";
    if (!lettered) return 0;
    if (ptd_value_read(a, text, n, 0) < 0 || !ptd_choice_read(a->lex.t, a->lex.n, &c)) return 0;
    if (g->right && !(c.letters & g->right)) {
        *reason = "another option's letter";
        return 0;
    }
    return option_text_right(g, a, &c, set, reason);
}

/* No dress makes a text that much longer: what is longer is not looked at. */
#define DRESS 16

static int exactly(const struct said *g, const char *answer, size_t n)
{
    if (n > PTD_LEX_BYTES && n / DRESS > strlen(g->normal)) return 0;
    char *normal = ptd_text_normal(answer, n);
    int same = *normal && strcmp(normal, g->normal) == 0;
    free(normal);
    return same;
}

static double said_score(const void *gold, const char *answer, size_t len,
                         const struct ptd_judge_settings *set, const char **reason)
{
    const struct said *g = gold;
    if (len > PTD_LEX_BYTES || !g->value.as[0]) {
        if (exactly(g, answer, len)) return 1;
        if (len > PTD_LEX_BYTES) *reason = "too long";
        return 0;
    }
    struct ptd_reading *a = ptd_malloc(sizeof *a); /* too large for a stack */
    double score = g->is_choice ? choice_score(g, a, answer, len, set, reason)
                                : value_score(g, a, answer, len, set, reason);
    free(a);
    return score;
}

static double exact_score(const void *gold, const char *answer, size_t len,
                          const struct ptd_judge_settings *set, const char **reason)
{
    return exactly(gold, answer, len);
}

static double text_score(const void *gold, const char *answer, size_t len,
                         const struct ptd_judge_settings *set, const char **reason)
{
    const struct said *g = gold;
    if (exactly(g, answer, len)) return 1;
    if (!g->value.as[0] || len > PTD_LEX_BYTES) return 0;
    const struct ptd_lex *own = &g->value.as[0]->lex;
    struct ptd_lex *l = ptd_malloc(sizeof *l);
    int same = ptd_lex(l, answer, len, 0) == 0 && ptd_words_same(own->t, own->n, l->t, l->n);
    free(l);
    return same;
}

/* ---- what a text says besides ---- */

static int said_says(const void *gold, struct ptd_reading *a, const struct ptd_judge_settings *set)
{
    const struct said *g = gold;
    const char *why = NULL;
    if (!g->is_choice && g->value.as[0] && against(&g->value, a, set, g->takes & SETS, &why))
        return 1;
    if (g->text.as[0] && against(&g->text, a, set, 0, &why)) return 1;
    return g->n_options && (options_said(g, a, set) & g->right);
}

/* ---- the rows ---- */

#define ROW(rule, flags, wants, says, how)                                                         \
    static void *rule##_ready(const struct ptd_asked *asked, const char *answer,                   \
                              const struct ptd_judge_settings *set)                                \
    {                                                                                              \
        return said_new(asked, answer, flags, set, wants);                                         \
    }                                                                                              \
    const struct ptd_judge ptd_judge_##rule = {#rule,      says, rule##_ready, how,                \
                                               said_clear, 0,    said_says};

ROW(auto, LETTERS | MATHS | WORDS, "what is right", "by the gold answer", said_score)
ROW(exact, WORDS, "what is right", "equal as text", exact_score)
ROW(number, NUMBERS, "a number", "equal as numbers", said_score)
ROW(choice, LETTERS, "an option letter, A to J", "the same option letters", said_score)
ROW(math, MATHS, "mathematics", "equal as mathematics", said_score)
ROW(set, MATHS | WORDS | SETS, "a list", "equal as sets", said_score)
ROW(text, WORDS, "what is right", "the same words", text_score)
