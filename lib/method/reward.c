/* reward: what responses of a group earn; see reward.h.
 * Leaves advantages to advantage/ and the loop over groups to ptd-verify. */
#include "method/reward.h"
#include "judge/extract.h"
#include "judge/form.h"
#include <stdlib.h>
#include <string.h>

static void score(const struct ptd_reward_rules *r, const struct ptd_gold *gold,
                  struct ptd_group *g, struct ptd_rollout *y)
{
    size_t len = 0;
    const char *unread = NULL;
    const char *answer = ptd_answer_find(r->extract, y->text, &len);
    y->extracted = answer ? ptd_group_text(g, "%.*s", (int)len, answer) : NULL;
    y->accuracy = answer ? ptd_gold_score(gold, answer, len, &unread) : 0;
    y->format = ptd_format_good(r->format, y->text);
    y->outcome = !answer || unread ? PTD_UNPARSABLE : y->accuracy > 0 ? PTD_RIGHT : PTD_WRONG;
    y->reward = r->format_weight * y->format + r->accuracy_weight * y->accuracy;
}

int ptd_reward_score(const struct ptd_reward_rules *r, struct ptd_group *g)
{
    if (!g->answer)
        return ptd_fail(PTD_DATAERR,
                        "group \"%.200s\": field \"answer\": missing, expected what is right",
                        g->uid);
    for (int i = 0; i < g->n_rollouts; i++)
        if (!g->rollouts[i].text)
            return ptd_fail(
                PTD_DATAERR,
                "group \"%.200s\": field \"rollouts[%d].text\": missing, expected the response",
                g->uid, i);
    struct ptd_asked asked = {.answer = g->answer, .question = g->question};
    struct ptd_gold *gold = ptd_gold_new(r->judge, NULL, &asked);
    if (!gold) return -1;
    for (int i = 0; i < g->n_rollouts; i++) score(r, gold, g, &g->rollouts[i]);
    ptd_gold_free(gold);
    return 0;
}

static int by_name(const char *what, const char *name, const char *const *names, int *value)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(name, names[i]) == 0) {
            *value = i;
            return 0;
        }
    char *list = ptd_strdup(names[0]);
    for (int i = 1; names[i]; i++) {
        char *longer = ptd_format("%s, %s", list, names[i]);
        free(list);
        list = longer;
    }
    ptd_fail(PTD_USAGE, "--%s \"%s\": expected one of %s", what, name, list);
    free(list);
    return -1;
}

int ptd_reward_rules_parse(struct ptd_reward_rules *r, const char *extract, const char *judge,
                           const char *format)
{
    static const char *const extracts[] = {"auto", "boxed", "tag", NULL};
    static const char *const formats[] = {"boxed", "think", "answer-tag", NULL};
    if (by_name("extract", extract, extracts, &r->extract) < 0) return -1;
    if (!(r->judge = ptd_judge_named(judge))) return -1;
    return by_name("format", format, formats, &r->format);
}
