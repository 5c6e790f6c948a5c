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

static const char *const verdicts[] = {"yes", "no", "true", "false", NULL};
/* shi, fou, dui, cuo, zhengque, cuowu, bushi, you, meiyou, bu dui */
static const char *const chinese_verdicts[] = {"\xe6\x98\xaf",
                                               "\xe5\x90\xa6",
                                               "\xe5\xaf\xb9",
                                               "\xe9\x94\x99",
                                               "\xe6\xad\xa3\xe7\xa1\xae",
                                               "\xe9\x94\x99\xe8\xaf\xaf",
                                               "\xe4\xb8\x8d\xe6\x98\xaf",
                                               "\xe6\x9c\x89",
                                               "\xe6\xb2\xa1\xe6\x9c\x89",
                                               "\xe4\xb8\x8d\xe5\xaf\xb9",
                                               NULL};

int ptd_is_verdict(const char *gold)
{
    char *t = ptd_text_normal(gold, strlen(gold));
    struct ptd_word w = {t, strlen(t)};
    int yes = ptd_word_is(w, verdicts) || ptd_word_is(w, chinese_verdicts);
    free(t);
    return yes;
}

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

static int answer_text(const char *hint, const struct ptd_group *g)
{
    int found = 0;
    char *t = ptd_searched(hint);
    for (int i = 0; i < ptd_answers_of(g) && !found; i++)
        found = holds_answer(t, ptd_answer_of(g, i));
    free(t);
    return found;
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

/* "no.", "no," and "say no" assert; "is no digit" counts; "whether it is true" asks. */
static int asserted(const char *text, struct ptd_word w)
{
    static const char *const asks[] = {"whether", "if", NULL}, *const no[] = {"no", NULL};
    static const char *const verb[] = {"answer", "say", "says", NULL};
    struct ptd_word before = ptd_word_before(text, w.s), further = before;
    for (int i = 0; i < 4 && further.n; i++, further = ptd_word_before(text, further.s))
        if (ptd_word_is(further, asks)) return 0;
    if (!ptd_word_is(w, no)) return 1;
    const char *after = w.s + w.n + strspn(w.s + w.n, " ");
    return !ptd_is_word(*after) || ptd_word_is(before, verb);
}

/* A verdict in Chinese, alone or behind "da an shi", "hui da", "xuan". */
static int asserted_chinese(struct ptd_word w)
{
    static const char *const before[] = {"\xe7\xad\x94\xe6\xa1\x88\xe6\x98\xaf",
                                         "\xe7\xad\x94\xe6\xa1\x88\xe4\xb8\xba",
                                         "\xe7\xad\x94\xe6\xa1\x88",
                                         "\xe5\x9b\x9e\xe7\xad\x94",
                                         "\xe9\x80\x89",
                                         "\xe5\xba\x94\xe4\xb8\xba",
                                         "\xe7\xbb\x93\xe6\x9e\x9c\xe6\x98\xaf",
                                         NULL};
    if (ptd_word_is(w, chinese_verdicts)) return 1;
    for (int i = 0; before[i]; i++) {
        size_t n = strlen(before[i]);
        struct ptd_word rest = {w.s + n, w.n - n};
        if (w.n > n && memcmp(w.s, before[i], n) == 0 && ptd_word_is(rest, chinese_verdicts))
            return 1;
    }
    return 0;
}

int ptd_says_verdict(const char *hint)
{
    int found = 0;
    char *text = ptd_values_spread(hint, strlen(hint));
    for (const char *s = text; *s && !found;) {
        struct ptd_word w = ptd_word_at(s);
        found = w.n && ((ptd_word_is(w, verdicts) && asserted(text, w)) || asserted_chinese(w));
        s += w.n ? w.n : 1;
    }
    free(text);
    return found;
}

static int yes_no(const char *hint, const struct ptd_group *g)
{
    int asked = 0;
    for (int i = 0; i < ptd_answers_of(g); i++) asked |= ptd_is_verdict(ptd_answer_of(g, i));
    return asked && ptd_says_verdict(hint);
}

static int decisive_number(const char *hint, const struct ptd_group *g)
{
    return g->solution && ptd_says_number(hint, g->solution, g->question, 1);
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
    {"yes-no", yes_no},
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
