/* judge: the table of rules, and golds made ready; see judge.h. */
#include "judge/judge.h"
#include "judge/number.h"
#include "judge/rows.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

const struct ptd_judge_settings ptd_judge_defaults = {.units = PTD_UNITS_AUTO, .iou = 0.5};

static int is_word(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* ---- option letters ---- */

/* Behind words like "the correct option is:" in a normal form. */
static const char *skip_words(const char *t)
{
    static const char *const words[] = {"the",    "correct", "final", "option",
                                        "choice", "answer",  "is",    NULL};
    for (int i = 0; words[i];) {
        t += strspn(t, " :");
        size_t n = strlen(words[i]);
        int here = strncmp(t, words[i], n) == 0 && t[n] && !is_word(t[n]);
        if (here) t += n;
        i = here ? 0 : i + 1;
    }
    return t;
}

static char letter_of(const char *t)
{
    t = skip_words(t);
    if (*t == '(' || *t == '[') t++;
    return *t >= 'a' && *t <= 'j' && (!t[1] || strchr(")].:", t[1])) ? (char)(*t - 'a' + 'A') : 0;
}

char ptd_choice_parse(const char *s, size_t n)
{
    char *t = ptd_text_normal(s, n), c = letter_of(t);
    free(t);
    return c;
}

static char gold_letter_of(const char *t)
{
    return strlen(t) <= 3 ? letter_of(t) : 0;
}

char ptd_gold_letter(const char *gold)
{
    char *t = ptd_text_normal(gold, strlen(gold)), c = gold_letter_of(t);
    free(t);
    return c;
}

/* ---- rules ---- */

enum { AUTO, EXACT, NUMBER, CHOICE };

struct plain {
    int rule, is_number;
    char *normal;
    struct ptd_rational number; /* if is_number */
};

static struct plain *plain_new(const char *text, int rule)
{
    struct plain *g = ptd_alloc(sizeof *g);
    g->rule = rule;
    g->normal = ptd_text_normal(text, strlen(text));
    g->is_number = ptd_number_parse(text, strlen(text), &g->number);
    if (rule == AUTO) g->rule = g->is_number ? NUMBER : gold_letter_of(g->normal) ? CHOICE : EXACT;
    return g;
}

static int same(const struct plain *g, const char *answer, size_t len, const char *normal)
{
    struct ptd_rational r;
    if (g->rule == NUMBER && g->is_number && ptd_number_parse(answer, len, &r))
        return r.num == g->number.num && r.den == g->number.den;
    if (g->rule != CHOICE) return strcmp(normal, g->normal) == 0;
    char c = letter_of(normal);
    return c && c == letter_of(g->normal);
}

static double plain_score(const void *gold, const char *answer, size_t len,
                          const struct ptd_judge_settings *set, const char **reason)
{
    char *normal = ptd_text_normal(answer, len);
    int yes = same(gold, answer, len, normal);
    free(normal);
    return yes;
}

static void plain_clear(void *gold)
{
    struct plain *g = gold;
    free(g->normal);
    free(g);
}

#define READY(name, rule)                                                                          \
    static void *name(const struct ptd_asked *asked, const char *answer,                           \
                      const struct ptd_judge_settings *set)                                        \
    {                                                                                              \
        return plain_new(answer, rule);                                                            \
    }
READY(ready_auto, AUTO)
READY(ready_exact, EXACT)
READY(ready_number, NUMBER)
READY(ready_choice, CHOICE)

static const struct ptd_judge by_gold = {"auto", "by the gold answer", ready_auto, plain_score,
                                         plain_clear},
                              exact = {"exact", "equal as text", ready_exact, plain_score,
                                       plain_clear},
                              number = {"number", "equal as numbers", ready_number, plain_score,
                                        plain_clear},
                              choice = {"choice", "the same option letter", ready_choice,
                                        plain_score, plain_clear};
const struct ptd_judge *const ptd_judges[] = {
    &by_gold, &exact, &number, &choice, &ptd_judge_iou, &ptd_judge_point, &ptd_judge_f1, NULL};

char *ptd_judge_names(void)
{
    char *list = ptd_strdup(ptd_judges[0]->name);
    for (int i = 1; ptd_judges[i]; i++) {
        char *longer = ptd_format("%s, %s", list, ptd_judges[i]->name);
        free(list);
        list = longer;
    }
    return list;
}

const struct ptd_judge *ptd_judge_named(const char *name)
{
    for (int i = 0; ptd_judges[i]; i++)
        if (strcmp(ptd_judges[i]->name, name) == 0) return ptd_judges[i];
    char *list = ptd_judge_names();
    ptd_fail(PTD_USAGE, "--judge \"%s\": expected one of %s", name, list);
    free(list);
    return NULL;
}

/* ---- golds ---- */

struct ptd_gold {
    const struct ptd_judge *rule;
    struct ptd_judge_settings set;
    int n;       /* accepted answers, the gold first */
    void *own[]; /* each in the rule's terms */
};

struct ptd_gold *ptd_gold_new(const struct ptd_judge *rule, const struct ptd_judge_settings *set,
                              const struct ptd_asked *asked)
{
    struct ptd_gold *g = ptd_alloc(sizeof *g + (1 + (size_t)asked->n_answers) * sizeof *g->own);
    g->rule = rule ? rule : &by_gold;
    g->set = set ? *set : ptd_judge_defaults;
    for (int i = -1; i < asked->n_answers; i++) {
        g->own[g->n] = g->rule->ready(asked, i < 0 ? asked->answer : asked->answers[i], &g->set);
        if (!g->own[g->n]) {
            ptd_gold_free(g);
            return NULL;
        }
        g->n++;
    }
    return g;
}

double ptd_gold_score(const struct ptd_gold *g, const char *answer, size_t len, const char **reason)
{
    const char *why = NULL;
    double best = 0;
    if (reason) *reason = NULL;
    for (int i = 0; i < g->n && best < 1; i++) {
        const char *unread = NULL;
        double score = g->rule->score(g->own[i], answer, len, &g->set, &unread);
        if (unread) why = unread;
        if (!unread && score > best) best = score;
    }
    if (reason && best == 0) *reason = why;
    return best;
}

void ptd_gold_free(struct ptd_gold *g)
{
    if (!g) return;
    for (int i = 0; i < g->n; i++) g->rule->clear(g->own[i]);
    free(g);
}

int ptd_answer_right(const char *rule, const char *answer, size_t len, const char *gold)
{
    struct ptd_asked asked = {.answer = gold};
    struct ptd_gold *g = ptd_gold_new(ptd_judge_named(rule), NULL, &asked);
    int yes = g && ptd_gold_score(g, answer, len, NULL) == 1;
    ptd_gold_free(g);
    return yes;
}
