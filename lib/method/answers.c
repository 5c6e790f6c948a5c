/* answers: see answers.h. */
#include "method/answers.h"
#include "judge/judge.h"
#include "judge/number.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- normal forms ---- */

static char *normal(const struct ptd_group *g, const char *text)
{
    struct ptd_rational r;
    size_t n = strlen(text);
    char letter = g->answer && ptd_gold_letter(g->answer) ? ptd_choice_parse(text, n) : 0;
    if (letter) return ptd_format("%c", letter);
    if (!ptd_number_parse(text, n, &r)) return ptd_text_normal(text, n);
    return r.den == 1 ? ptd_format("%" PRId64, r.num)
                      : ptd_format("%" PRId64 "/%" PRId64, r.num, r.den);
}

/* What a response answers, as it is written; NULL: nothing was found. */
static const char *given(const struct ptd_group *g, const struct ptd_rollout *y)
{
    if (ptd_rollout_right(y) && g->answer) return g->answer;
    return y->extracted && *y->extracted ? y->extracted : NULL;
}

/* ---- of many groups ---- */

static struct ptd_answer_tally *tally_of(struct ptd_answers *a, const char *name, const char *text)
{
    int known = a->names.n, at = ptd_names_add(&a->names, name);
    if (at == a->cap) {
        a->cap = 2 * a->cap + 16;
        a->at = ptd_realloc(a->at, (size_t)a->cap * sizeof *a->at);
    }
    if (at == known) a->at[at] = (struct ptd_answer_tally){.as = ptd_strdup(text)};
    return &a->at[at];
}

static struct ptd_answer_tally *tally(struct ptd_answers *a, const struct ptd_group *g,
                                      const char *text)
{
    char *name = normal(g, text);
    struct ptd_answer_tally *t = tally_of(a, name, text);
    free(name);
    return t;
}

void ptd_answers_join(struct ptd_answers *a, const char *name, const struct ptd_answer_tally *t)
{
    struct ptd_answer_tally *own = tally_of(a, name, t->as);
    own->times += t->times;
    own->right += t->right;
    own->expected += t->expected;
    a->given += t->times;
    a->groups += t->expected;
}

void ptd_answers_count(struct ptd_answers *a, const struct ptd_group *g)
{
    if (g->answer) tally(a, g, g->answer)->expected++;
    a->groups += g->answer != NULL;
    for (int i = 0; i < g->n_rollouts; i++) {
        const char *text = given(g, &g->rollouts[i]);
        if (!text) continue;
        struct ptd_answer_tally *t = tally(a, g, text);
        t->times++;
        t->right += ptd_rollout_right(&g->rollouts[i]);
        a->given++;
    }
}

int ptd_answers_different(const struct ptd_answers *a)
{
    int n = 0;
    for (int i = 0; i < a->names.n; i++) n += a->at[i].times > 0;
    return n;
}

int ptd_answers_wanted(const struct ptd_answers *a)
{
    int n = 0;
    for (int i = 0; i < a->names.n; i++) n += a->at[i].expected > 0;
    return n;
}

int ptd_answers_frequent(const struct ptd_answers *a, int *which, int n)
{
    int found = 0;
    for (int i = 0; i < a->names.n; i++) {
        long times = a->at[i].times;
        int at = found;
        while (at > 0 && a->at[which[at - 1]].times < times) at--;
        if (!times || at == n) continue;
        if (found < n) found++;
        memmove(which + at + 1, which + at, (size_t)(found - 1 - at) * sizeof *which);
        which[at] = i;
    }
    return found;
}

int ptd_answers_best_guess(const struct ptd_answers *a)
{
    int best = -1;
    for (int i = 0; i < a->names.n; i++)
        if (a->at[i].expected > (best < 0 ? 0 : a->at[best].expected)) best = i;
    return best;
}

void ptd_answers_clear(struct ptd_answers *a)
{
    for (int i = 0; i < a->names.n; i++) free(a->at[i].as);
    free(a->at);
    ptd_names_clear(&a->names);
    *a = (struct ptd_answers){0};
}

/* ---- of one group ---- */

#define RIGHT "\n" /* no normal form */

static int vote_of(struct ptd_names *names, const struct ptd_group *g, const struct ptd_rollout *y)
{
    const char *text = given(g, y);
    if (ptd_rollout_right(y)) return ptd_names_add(names, RIGHT);
    if (!text) return -1;
    char *name = normal(g, text);
    int vote = ptd_names_add(names, name);
    free(name);
    return vote;
}

void ptd_votes_count(struct ptd_votes *v, const struct ptd_group *g)
{
    struct ptd_names names = {0};
    *v = (struct ptd_votes){.of = ptd_array((size_t)g->n_rollouts, sizeof *v->of),
                            .votes = ptd_array((size_t)g->n_rollouts, sizeof *v->votes)};
    for (int i = 0; i < g->n_rollouts; i++) {
        v->of[i] = vote_of(&names, g, &g->rollouts[i]);
        if (v->of[i] >= 0) v->votes[v->of[i]]++;
    }
    v->n = names.n;
    v->right = ptd_names_find(&names, RIGHT);
    ptd_names_clear(&names);
}

void ptd_votes_clear(struct ptd_votes *v)
{
    free(v->of);
    free(v->votes);
}
