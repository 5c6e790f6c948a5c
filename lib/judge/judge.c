/* judge: the table of rules, and golds made ready; see judge.h. */
#include "judge/judge.h"
#include "judge/choice.h"
#include "judge/rows.h"
#include "judge/rules.h"
#include "judge/scan.h"
#include <stdlib.h>
#include <string.h>

const struct ptd_judge_settings ptd_judge_defaults = {.units = PTD_UNITS_AUTO, .iou = 0.5};

/* ---- rules ---- */

const struct ptd_judge *const ptd_judges[] = {&ptd_judge_auto,
                                              &ptd_judge_exact,
                                              &ptd_judge_number,
                                              &ptd_judge_choice,
                                              &ptd_judge_math,
                                              &ptd_judge_set,
                                              &ptd_judge_text,
                                              &ptd_judge_iou,
                                              &ptd_judge_point,
                                              &ptd_judge_f1,
                                              NULL};

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
    g->rule = rule ? rule : &ptd_judge_auto;
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
    int read = 0;
    if (reason) *reason = NULL;
    for (int i = 0; i < g->n && best < 1; i++) {
        const char *unread = NULL;
        double score = g->rule->score(g->own[i], answer, len, &g->set, &unread);
        if (unread) why = unread;
        if (!unread && score > best) best = score;
        read += !unread;
    }
    if (reason && !read) *reason = why;
    return best;
}

static int gold_says(void *gold, struct ptd_reading *r)
{
    const struct ptd_gold *g = gold;
    for (int i = 0; i < g->n; i++)
        if (g->rule->says && g->rule->says(g->own[i], r, &g->set)) return 1;
    return 0;
}

int ptd_gold_sightings(const struct ptd_gold *g, const char *text, size_t n,
                       struct ptd_sighting *out, int most)
{
    return ptd_scan(text, n, gold_says, (void *)g, out, most);
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

/* ---- option letters ---- */

static char letter_in(const char *s, size_t n, int gold)
{
    struct ptd_lex *l = ptd_malloc(sizeof *l); /* too large for a stack */
    struct ptd_choice c;
    int named = ptd_lex(l, s, n, 0) == 0 &&
                (gold ? ptd_choice_gold(l->t, l->n, &c) : ptd_choice_read(l->t, l->n, &c)) &&
                c.n == 1 && !(gold && c.n_rest);
    free(l);
    return named ? (char)('A' + __builtin_ctz(c.letters)) : 0;
}

char ptd_choice_parse(const char *s, size_t n)
{
    return letter_in(s, n, 0);
}

char ptd_gold_letter(const char *gold)
{
    return letter_in(gold, strlen(gold), 1);
}
