/* spoiler: does a hint give the answer away? One function per rule; see spoiler.h.
 * Leaves numbers, options and places to the files beside it, what is right to the judge, and what
 * becomes of a rejected hint to ptd-hint. */
#include "method/hint/spoiler.h"
#include "judge/judge.h"
#include "judge/number.h"
#include "method/hint/spoiler_private.h"
#include "method/hint/values.h"
#include <stdlib.h>
#include <string.h>

/* A list's parts of four bytes and more. */
static int holds_part(const char *t, const char *gold)
{
    for (const char *s = gold; *s;) {
        size_t n = strcspn(s, ",;");
        if (n >= 4 && ptd_searched_holds(t, s, n)) return 1;
        s += n + (s[n] != '\0');
    }
    return 0;
}

/* ---- the rules ---- */

static int empty(const char *hint, const struct ptd_group *g)
{
    (void)g;
    return hint[strspn(hint, " \t\r\n")] == '\0';
}

static int too_long(const char *hint, const struct ptd_group *g)
{
    (void)g;
    return strlen(hint) > PTD_HINT_MAX;
}

static int degenerate(const char *hint, const struct ptd_group *g)
{
    (void)g;
    char seen[256] = {0};
    int kinds = 0;
    for (const char *s = hint; *s; s++) {
        kinds += !seen[(unsigned char)*s];
        seen[(unsigned char)*s] = 1;
    }
    return strlen(hint) >= 16 && kinds <= 3;
}

static int answer_number(const char *hint, const struct ptd_group *g)
{
    for (int i = 0; i < ptd_answers_of(g); i++)
        if (ptd_says_number(hint, ptd_answer_of(g, i), g->question, 0)) return 1;
    return 0;
}

static int holds_answer(const char *t, const char *answer)
{
    char *text;
    unsigned letters = ptd_gold_letters(answer, &text);
    const char *what = text ? text : letters ? "" : answer;
    int found = *what && !ptd_is_number(what) && !ptd_is_verdict(what) &&
                (ptd_searched_holds(t, what, strlen(what)) || holds_part(t, what));
    free(text);
    return found;
}

/* The hint with the question's own "a man or a woman" left out, and whether it denies the other one
 * of the two. */
static int tells_answer(const char *hint, const char *question, const char *answer)
{
    struct ptd_choice_of_two two = ptd_choice_of_two(question, answer);
    char *t = ptd_searched(hint);
    ptd_leave_out(t, &two);
    int found = holds_answer(t, answer) ||
                (two.other && !ptd_is_verdict(answer) && !ptd_is_number(answer) &&
                 ptd_searched_holds(t, two.other, strlen(two.other)) && ptd_words_deny(hint));
    free(two.other);
    free(two.answer);
    free(t);
    return found;
}

static int answer_text(const char *hint, const struct ptd_group *g)
{
    for (int i = 0; i < ptd_answers_of(g); i++)
        if (tells_answer(hint, g->question, ptd_answer_of(g, i))) return 1;
    return 0;
}

static const struct ptd_judge *judge_named(const char *name)
{
    for (int i = 0; name && ptd_judges[i]; i++)
        if (strcmp(ptd_judges[i]->name, name) == 0) return ptd_judges[i];
    return NULL;
}

static int answer_judged(const char *hint, const struct ptd_group *g)
{
    const struct ptd_judge *rule = judge_named(g->judge);
    for (int i = 0; i < ptd_answers_of(g); i++)
        if (!ptd_gold_letters(ptd_answer_of(g, i), NULL) &&
            ptd_says_right(hint, rule, ptd_answer_of(g, i), g->question ? g->question : ""))
            return 1;
    return 0;
}

static int decisive_number(const char *hint, const struct ptd_group *g)
{
    return g->solution && ptd_says_number(hint, g->solution, g->question, PTD_FREE_ANGLES);
}

const struct ptd_spoiler_rule ptd_spoiler_rules[] = {
    {"empty", empty},
    {"too-long", too_long},
    {"degenerate", degenerate},
    {"answer-number", answer_number},
    {"answer-text", answer_text},
    {"answer-judged", answer_judged},
    {"option-letter", ptd_rule_option_letter},
    {"option-text", ptd_rule_option_text},
    {"yes-no", ptd_rule_yes_no},
    {"decisive-number", decisive_number},
    {"place-count", ptd_rule_place_count},
    {NULL, NULL},
};

const char *ptd_spoiler_find(const char *hint, const struct ptd_group *g)
{
    for (const struct ptd_spoiler_rule *r = ptd_spoiler_rules; r->name; r++)
        if (r->found(hint, g)) return r->name;
    return NULL;
}
