/* check_row: what one row lacks. Which rows a run takes is fit.c's and dataset_row.c's to say,
 * which golds the judge's. */
#include "data/check_row.h"
#include "judge/algebra.h"
#include "judge/choice.h"
#include "judge/extract.h"
#include "judge/judge.h"
#include "judge/options.h"
#include "judge/value.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define ANSWER_MAX (1 << 20) /* bytes */

/* ---- faults ---- */

/* Takes both texts. */
static void add_fault(struct ptd_look *l, char *kind, char *message)
{
    if (l->n_faults == l->cap)
        l->faults = ptd_realloc(l->faults, (l->cap = 2 * l->cap + 4) * sizeof *l->faults);
    l->faults[l->n_faults++] = (struct ptd_look_fault){kind, message};
}

void ptd_look_blame(struct ptd_look *l, struct ptd_dataset *d, int i, const char *kind)
{
    ptd_dataset_blame(d, i);
    add_fault(l, ptd_strdup(kind), ptd_strdup(ptd_failed_message()));
}

/* The kind of a message of the reader's: the field that it names. */
static char *field_of(const char *message)
{
    static const char mark[] = ": field \"";
    const char *at = strstr(message, mark);
    if (!at) return ptd_strdup("row");
    return ptd_format("field \"%.*s\"", (int)strcspn(at + strlen(mark), "\""), at + strlen(mark));
}

/* By way of ptd_fail, which makes one safe line of the message. */
static void hear(void *ctx, const char *message)
{
    ptd_fail(PTD_DATAERR, "%s", message);
    add_fault(ctx, field_of(message), ptd_strdup(ptd_failed_message()));
}

/* ---- tokens ---- */

static int tokens_of(const struct ptd_fit *f, const char *text)
{
    int32_t *ids = NULL;
    int n = ptd_tokenizer_encode_data(f->tokenizer, text, strlen(text), &ids);
    free(ids);
    return n;
}

static int picture_tokens(const struct ptd_fit *f, const struct ptd_group *g)
{
    long factor = (long)f->config->v_patch * f->config->v_merge, n = 0;
    for (int i = 0; i < g->n_pictures; i++)
        n += (g->pictures[i].height / factor) * (g->pictures[i].width / factor);
    return (int)n;
}

/* All that a hint made of steps and regions can say, as ptd-hint joins it; malloc'd, NULL: nothing.
 */
static char *hint_of(const struct ptd_group *g)
{
    struct ptd_buf text = {0};
    int labels = 0;
    for (int i = 0; i < g->n_regions; i++)
        if (*g->regions[i].label) {
            const char *before = labels++ ? " " : "look at ";
            ptd_buf_add(&text, before, strlen(before));
            ptd_buf_add(&text, g->regions[i].label, strlen(g->regions[i].label));
        }
    for (int i = 0; i < g->n_steps; i++) {
        if (text.len) ptd_buf_add(&text, " then ", 6);
        ptd_buf_add(&text, g->steps[i], strlen(g->steps[i]));
    }
    if (text.len) ptd_buf_add(&text, "", 1);
    return text.data;
}

static int hinted_tokens(const struct ptd_fit *f, const struct ptd_group *g)
{
    char *hint = hint_of(g);
    if (!hint) return -1;
    char *text = ptd_format("\nHint: %s", hint);
    int n = tokens_of(f, text);
    free(text);
    free(hint);
    return n < 0 ? n : g->n_prompt + n;
}

/* ---- against the model ---- */

struct view { /* what a row is looked at with */
    struct ptd_look *l;
    struct ptd_dataset *d;
    int i;
    const struct ptd_check *c;
};

/* Is `n` over the model's context? Then "WHAT of n tokens" is a fault. */
static void look_length(const struct view *v, int n, const char *what, const char *kind)
{
    int context = v->c->fit->config->positions;
    if (!context || n <= context) return;
    ptd_fail(PTD_DATAERR, "%s of %d tokens, expected at most %d (max_position_embeddings)", what, n,
             context);
    ptd_look_blame(v->l, v->d, v->i, kind);
}

/* Does a prompt of n tokens leave room for a response? The teacher scores it behind the hint. */
static int look_room(const struct view *v, int n, const char *what)
{
    int context = v->c->fit->config->positions, room = context - n;
    if (!v->c->max_tokens || !context || room >= v->c->max_tokens || room < 0) return 0;
    ptd_fail(PTD_DATAERR,
             "%s of %d tokens leaves room for %d of a response, expected %d (--max-tokens)", what,
             n, room, v->c->max_tokens);
    ptd_look_blame(v->l, v->d, v->i, "no room");
    return 1;
}

/* What follows a prompt that fits. */
static void look_behind(const struct view *v)
{
    const int *n = v->l->tokens;
    if (!look_room(v, n[PTD_CHECK_PROMPT], "a prompt"))
        look_room(v, n[PTD_CHECK_HINTED], "with its hint, a prompt");
    look_length(v, n[PTD_CHECK_HINTED], "with its hint, a prompt", "hint too long");
    if (n[PTD_CHECK_SOLUTION] >= 0)
        look_length(v, n[PTD_CHECK_PROMPT] + n[PTD_CHECK_SOLUTION] + 1,
                    "with its solution, a sequence", "solution too long");
}

static void look_prompt(const struct view *v)
{
    struct ptd_group *g = &v->l->g;
    const struct ptd_fit *f = v->c->fit;
    int *n = v->l->tokens, rc = ptd_fit_group(f, g);
    if (rc < 0) ptd_look_blame(v->l, v->d, v->i, g->n_prompt ? "prompt too long" : "prompt");
    if (!g->n_prompt) return;
    n[PTD_CHECK_PROMPT] = g->n_prompt;
    n[PTD_CHECK_HINTED] = hinted_tokens(f, g);
    if (g->n_pictures) n[PTD_CHECK_PICTURES] = picture_tokens(f, g);
    if (g->solution) n[PTD_CHECK_SOLUTION] = tokens_of(f, g->solution);
    if (rc == 0) look_behind(v);
}

void ptd_look_at(struct ptd_look *l, struct ptd_dataset *d, int i, const struct ptd_check *c)
{
    struct view v = {l, d, i, c};
    memset(l, 0, sizeof *l);
    for (int k = 0; k < PTD_CHECK_LENGTHS; k++) l->tokens[k] = -1;
    l->sound = ptd_dataset_check(d, i, c->rules, &l->g, hear, l) == 0;
    if (!l->sound) {
        l->status = ptd_failed_status();
        l->why = ptd_strdup(ptd_failed_message());
        return;
    }
    int before = l->n_faults;
    for (int at = 0; ptd_fit_words(&l->g, &at) < 0;) ptd_look_blame(l, d, i, "picture token");
    if (c->fit && l->n_faults == before) look_prompt(&v);
}

/* ---- the gold answer ---- */

/* The rule that judges it, as ptd-verify has it: a row's own under `auto`. NULL: a name that is
 * none. */
static const struct ptd_judge *rule_of(const struct ptd_group *g, const struct ptd_check *c)
{
    if (!g->judge || c->judge != ptd_judges[0]) return c->judge;
    const struct ptd_judge *rule = ptd_judge_named(g->judge);
    if (rule) return rule;
    char *names = ptd_judge_names();
    ptd_fail(PTD_DATAERR, "field \"judge\": \"%.100s\", expected one of %s", g->judge, names);
    free(names);
    return NULL;
}

/* An answer that is the gold to the letter has to be right (but not a box where points are wanted).
 */
static int judges_itself(const struct ptd_judge *rule, const struct ptd_gold *gold,
                         const char *answer)
{
    const char *reason = NULL;
    if (ptd_gold_score(gold, answer, strlen(answer), &reason) == 1 || !strcmp(rule->name, "point"))
        return 0;
    return ptd_fail(PTD_DATAERR, "\"%.200s\" would not be right as an answer to itself%s%s", answer,
                    reason ? ": " : "", reason ? reason : "");
}

/* Does the row's solution say another answer in its box or tag? */
static int says_another(const struct ptd_group *g, const struct ptd_gold *gold)
{
    struct ptd_answer a;
    const char *s = g->solution;
    struct ptd_response all = {.text = s, .len = s ? strlen(s) : 0};
    if (!s || !(ptd_extract(PTD_EXTRACT_BOXED, &all, &a) || ptd_extract(PTD_EXTRACT_TAG, &all, &a)))
        return 0;
    char *text = ptd_answer_joined(&a);
    int another = ptd_gold_score(gold, text, strlen(text), NULL) == 0;
    free(text);
    return another;
}

/* Blanks, dressing and dots, or nothing that can be seen. */
static int says_nothing(const char *answer)
{
    utf8proc_int32_t c;
    if (ptd_span_empty((struct ptd_span){answer, strlen(answer)})) return 1;
    for (utf8proc_ssize_t n; *answer; answer += n) {
        if ((n = utf8proc_iterate((const utf8proc_uint8_t *)answer, -1, &c)) < 1) return 0;
        const char *kind = utf8proc_category_string(c);
        if (*kind != 'Z' && *kind != 'C' && c != 0x3002) return 0; /* that: a full stop, too */
    }
    return 1;
}

/* Is it the letter of an option, but not of one that the question lists? */
static int is_astray(const struct ptd_group *g)
{
    struct ptd_options o;
    char letter = ptd_gold_letter(g->answer);
    return letter && ptd_options_read(g->question, &o) && letter - 'A' >= o.n;
}

static int is_number(const struct ptd_value *v)
{
    double x;
    return v->kind == PTD_V_RATIO || (v->kind == PTD_V_EXPR && v->e && ptd_expr_value(v->e, &x));
}

#define SIGNS "0123456789\\^_{}()[]=<>+*/|" /* what words have none of */

/* "choice", "number", with a unit or not, "math" for all else that has a value, or "text". */
static const char *value_kind(const char *answer)
{
    struct ptd_reading *r = ptd_alloc(sizeof *r);
    struct ptd_choice c;
    const char *kind = "text";
    if (ptd_value_read(r, answer, strlen(answer), 0) == 0 && r->top) {
        if (ptd_choice_gold(r->lex.t, r->lex.n, &c))
            kind = "choice";
        else if (is_number(r->top) || (r->top->alt && is_number(r->top->alt)))
            kind = "number";
        else if (r->top->kind != PTD_V_TEXT && strpbrk(answer, SIGNS))
            kind = "math";
    }
    free(r);
    return kind;
}

/* Longer than ptd-verify takes them (method/reward.h)? */
static int is_too_long(const struct ptd_group *g)
{
    int bad = strlen(g->answer) > ANSWER_MAX;
    for (int i = 0; i < g->n_answers; i++) bad |= strlen(g->answers[i]) > ANSWER_MAX;
    return bad;
}

static int look_gold(struct ptd_look *l, const struct ptd_judge *rule)
{
    const struct ptd_group *g = &l->g;
    if (is_too_long(g)) return ptd_fail(PTD_DATAERR, "over 1 MiB, the most an answer may take");
    if (says_nothing(g->answer))
        return ptd_fail(PTD_DATAERR, "\"%.200s\" says nothing, expected what is right", g->answer);
    if (!strcmp(rule->name, "number") && strcmp(value_kind(g->answer), "number"))
        return ptd_fail(PTD_DATAERR, "\"%.200s\", expected a number", g->answer);
    struct ptd_asked asked = {g->answer, (char *const *)g->answers, g->n_answers, g->question};
    struct ptd_gold *gold = ptd_gold_new(rule, NULL, &asked);
    int rc = gold ? judges_itself(rule, gold, g->answer) : -1;
    if (rc == 0) l->notes[PTD_CHECK_OTHER] = says_another(g, gold);
    if (rc == 0) l->notes[PTD_CHECK_ASTRAY] = is_astray(g);
    ptd_gold_free(gold);
    return rc;
}

void ptd_look_judge(struct ptd_look *l, struct ptd_dataset *d, int i, const struct ptd_check *c)
{
    if (!l->sound || !c->judge) return;
    const struct ptd_judge *rule = rule_of(&l->g, c);
    if (!rule)
        ptd_look_blame(l, d, i, "field \"judge\"");
    else if (look_gold(l, rule) < 0) {
        char *why = ptd_strdup(ptd_failed_message());
        ptd_fail(PTD_DATAERR, "field \"answer\": %s", why);
        ptd_look_blame(l, d, i, "field \"answer\"");
        free(why);
    }
}

const char *ptd_look_answer_kind(const struct ptd_group *g, const struct ptd_check *c)
{
    if (c->judge && c->judge != ptd_judges[0]) return c->judge->name;
    return g->judge ? g->judge : value_kind(g->answer);
}

void ptd_look_clear(struct ptd_look *l)
{
    ptd_group_clear(&l->g);
    for (int k = 0; k < l->n_faults; k++) {
        free(l->faults[k].kind);
        free(l->faults[k].message);
    }
    free(l->faults);
    free(l->why);
}
