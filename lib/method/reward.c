/* reward: what responses of a group earn; see reward.h.
 * Leaves advantages to advantage/ and the loop over groups to ptd-verify. */
#include "method/reward.h"
#include "judge/extract.h"
#include "judge/form.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RELATIVE_MAX 0.5
#define ABSOLUTE_MAX 1e6
#define OVERLONG     "overlong"
#define CHART        0.05 /* of the gold: what answers read off a chart are granted */

/* ---- what can be judged ---- */

static int too_long(const char *s, size_t most)
{
    return strnlen(s, most + 1) > most;
}

static int bad_field(const struct ptd_group *g, const char *field, const char *what)
{
    return ptd_fail(PTD_DATAERR, "group \"%.200s\": field \"%s\": %s", g->uid, field, what);
}

static int check_answers(const struct ptd_group *g)
{
    if (!g->answer) return bad_field(g, "answer", "missing, expected what is right");
    int bad = too_long(g->answer, PTD_ANSWER_MAX);
    for (int i = 0; i < g->n_answers; i++) bad |= too_long(g->answers[i], PTD_ANSWER_MAX);
    return bad ? bad_field(g, "answer", "over 1 MiB, the most an answer may take") : 0;
}

static int check_texts(const struct ptd_group *g)
{
    char field[40];
    for (int i = 0; i < g->n_rollouts; i++) {
        const char *text = g->rollouts[i].text;
        snprintf(field, sizeof field, "rollouts[%d].text", i);
        if (!text) return bad_field(g, field, "missing, expected the response");
        if (too_long(text, PTD_RESPONSE_MAX))
            return bad_field(g, field, "over 16 MiB, the most a response may take");
    }
    return 0;
}

/* ---- the gold ---- */

static const struct ptd_judge *rule_named(const char *name)
{
    for (int i = 0; ptd_judges[i]; i++)
        if (strcmp(ptd_judges[i]->name, name) == 0) return ptd_judges[i];
    return NULL;
}

static const struct ptd_judge *rule_of(const struct ptd_reward_rules *r, const struct ptd_group *g)
{
    const struct ptd_judge *rule = r->judge ? r->judge : ptd_judges[0];
    if (rule != ptd_judges[0] || !g->judge) return rule;
    if ((rule = rule_named(g->judge))) return rule;
    char *names = ptd_judge_names();
    ptd_fail(PTD_DATAERR, "group \"%.100s\": field \"judge\": \"%.40s\", expected one of %s",
             g->uid, g->judge, names);
    free(names);
    return NULL;
}

static struct ptd_gold *gold_of(const struct ptd_reward_rules *r, const struct ptd_judge *rule,
                                const struct ptd_group *g)
{
    struct ptd_asked asked = {.answer = g->answer,
                              .answers = (char *const *)g->answers,
                              .n_answers = g->n_answers,
                              .question = g->question};
    struct ptd_gold *gold = ptd_gold_new(rule, &r->set, &asked);
    if (!gold) {
        char *why = ptd_strdup(ptd_failed_message());
        bad_field(g, "answer", why);
        free(why);
    }
    return gold;
}

/* ---- a response ---- */

/* Of boxes side by side each must be right, or all of them as a list. */
static double accuracy(const struct ptd_gold *gold, const struct ptd_answer *a, const char **unread)
{
    double least = 1, whole;
    if (a->n_parts == 1) return ptd_gold_score(gold, a->text, a->len, unread);
    for (int i = 0; i < a->n_parts; i++) {
        double one = ptd_gold_score(gold, a->part[i].s, a->part[i].len, NULL);
        if (one < least) least = one;
    }
    char *joined = ptd_answer_joined(a);
    whole = ptd_gold_score(gold, joined, strlen(joined), NULL);
    free(joined);
    return whole > least ? whole : least;
}

/* Nothing is marked as the answer, and it may be anywhere: is there anything? */
static int take_all(int rule, const struct ptd_response *said, struct ptd_answer *a)
{
    int marked = strcmp(a->reason, "no box") && strcmp(a->reason, "no answer"), thought;
    if (marked || (rule != PTD_EXTRACT_AUTO && rule != PTD_EXTRACT_LAST)) return 0;
    struct ptd_span all = ptd_behind_thought(said, &thought);
    if (!all.s || ptd_span_empty(all)) return 0;
    *a = (struct ptd_answer){.text = all.s, .len = all.len, .n_parts = 1};
    return 1;
}

/* A response without box and tag whose form says what it answers, such as a list. */
static int take_unmarked(const struct ptd_judge *rule, int extract, const struct ptd_response *said,
                         struct ptd_answer *a)
{
    int thought;
    if (!rule->unmarked || (extract != PTD_EXTRACT_AUTO && extract != PTD_EXTRACT_LAST)) return 0;
    if (extract == PTD_EXTRACT_AUTO)
        for (int marks = PTD_EXTRACT_BOXED; marks <= PTD_EXTRACT_TAG; marks++)
            if (ptd_extract(marks, said, a) || strncmp(a->reason, "no ", 3)) return 0;
    struct ptd_span all = ptd_behind_thought(said, &thought);
    size_t from = all.s && !said->cut ? rule->unmarked(all.s, all.len) : all.len;
    if (from == all.len) return 0;
    *a = (struct ptd_answer){.text = all.s + from, .len = all.len - from, .n_parts = 1};
    return 1;
}

static int find_answer(const struct ptd_judge *rule, int extract, const struct ptd_response *said,
                       struct ptd_answer *a)
{
    return take_unmarked(rule, extract, said, a) || ptd_extract(extract, said, a) ||
           (rule->anywhere && take_all(extract, said, a));
}

/* An answer in which the judge finds nothing is as empty a form as an empty box. */
static double form_of(const struct ptd_reward_rules *r, const struct ptd_response *said,
                      const char *unread)
{
    return (!unread || strcmp(unread, "empty")) && ptd_format_good(r->format, said);
}

static void read_response(const struct ptd_reward_rules *r, const struct ptd_judge *rule,
                          const struct ptd_gold *gold, struct ptd_group *g, struct ptd_rollout *y)
{
    struct ptd_response said = {.text = y->text,
                                .len = strlen(y->text),
                                .thought_opened = r->thought_open,
                                .cut = y->stop && strcmp(y->stop, "length") == 0};
    struct ptd_answer a;
    const char *unread = NULL;
    int there = find_answer(rule, r->extract, &said, &a);
    y->extracted = there ? ptd_group_text(g, "%.*s", (int)a.len, a.text) : NULL;
    y->accuracy = there ? accuracy(gold, &a, &unread) : 0;
    y->reason = there ? unread : a.reason;
    y->format = form_of(r, &said, unread);
    y->parts = NULL;
    y->n_parts = 0;
}

/* own: from when on the rule takes a response for right, 0: as others do. */
static void put_outcome(const struct ptd_reward_rules *r, double own, struct ptd_rollout *y)
{
    double from = r->right_from > 0 ? r->right_from : own > 0 ? own : PTD_RIGHT_FROM;
    y->outcome = y->reason ? PTD_UNPARSABLE : y->accuracy >= from ? PTD_RIGHT : PTD_WRONG;
}

/* The share of the penalty for its length. */
static double over_of(const struct ptd_reward_rules *r, const struct ptd_rollout *y)
{
    double over = (y->n - (r->overlong_limit - r->overlong)) / (double)r->overlong;
    return over < 0 ? 0 : over > 1 ? 1 : over;
}

/* The same, noted among the parts. */
static double overlong(const struct ptd_reward_rules *r, struct ptd_group *g, struct ptd_rollout *y)
{
    if (!r->overlong) return 0;
    double over = over_of(r, y);
    if (y->n_parts == PTD_LIST_MAX) return over;
    struct ptd_reward_part *parts = ptd_group_alloc(g, (y->n_parts + 1) * sizeof *parts);
    if (y->n_parts) memcpy(parts, y->parts, y->n_parts * sizeof *parts);
    parts[y->n_parts++] = (struct ptd_reward_part){OVERLONG, over};
    y->parts = parts;
    return over;
}

/* What the reward is the sum of, for who wants it by itself. */
static void put_shares(const struct ptd_reward_rules *r, struct ptd_group *g, double form,
                       const struct ptd_checked *found)
{
    double *weight = ptd_group_alloc(g, (3 + PTD_CHECKERS_MAX) * sizeof *weight);
    int n = found ? ptd_checkers_weights(r->checkers, weight + 3) : 0;
    weight[0] = r->accuracy_weight;
    weight[1] = form;
    weight[2] = -r->overlong_penalty;
    for (int i = 0; i < g->n_rollouts; i++) {
        struct ptd_rollout *y = &g->rollouts[i];
        double *share = ptd_group_alloc(g, (3 + (size_t)n) * sizeof *share);
        share[0] = y->accuracy;
        share[1] = y->format;
        share[2] = r->overlong ? over_of(r, y) : 0;
        for (int k = 0; k < n; k++) share[3 + k] = found[i].rewards[k];
        y->shares = share;
        y->share_weights = weight;
        y->n_shares = 3 + n;
    }
}

static void put_rewards(const struct ptd_reward_rules *r, struct ptd_group *g,
                        const struct ptd_checked *found)
{
    int right = 0;
    for (int i = 0; i < g->n_rollouts; i++) right |= g->rollouts[i].outcome == PTD_RIGHT;
    double form = r->form_needs_right && !right ? 0 : r->format_weight;
    for (int i = 0; i < g->n_rollouts; i++) {
        struct ptd_rollout *y = &g->rollouts[i];
        y->reward =
            form * y->format + r->accuracy_weight * y->accuracy + (found ? found[i].reward : 0);
        double over = overlong(r, g, y);
        if (over > 0) y->reward -= r->overlong_penalty * over;
    }
    put_shares(r, g, form, found);
}

static int judge_by_rule(const struct ptd_reward_rules *r, struct ptd_group *g)
{
    if (check_answers(g) < 0 || check_texts(g) < 0) return -1;
    const struct ptd_judge *rule = rule_of(r, g);
    struct ptd_gold *gold = rule ? gold_of(r, rule, g) : NULL;
    if (!gold) return -1;
    for (int i = 0; i < g->n_rollouts; i++) {
        read_response(r, rule, gold, g, &g->rollouts[i]);
        put_outcome(r, rule->right_from, &g->rollouts[i]);
    }
    ptd_gold_free(gold);
    return 0;
}

/* What the user's own judges say of a group's responses. */
static void put_found(const struct ptd_reward_rules *r, struct ptd_group *g,
                      const struct ptd_checked *found)
{
    for (int i = 0; i < g->n_rollouts; i++) {
        struct ptd_rollout *y = &g->rollouts[i];
        if (!found[i].judged) continue;
        y->accuracy = found[i].accuracy;
        y->reason = found[i].reason;
        put_outcome(r, 0, y);
    }
}

static int ask_checkers(const struct ptd_reward_rules *r, struct ptd_group *const *g, int n,
                        int *failed)
{
    size_t all = 0;
    for (int k = 0; k < n; k++) all += (size_t)g[k]->n_rollouts;
    struct ptd_checked *found = ptd_array(all, sizeof *found), *at = found;
    int rc = ptd_checkers_ask(r->checkers, g, n, found, failed);
    for (int k = 0; k < n && rc == 0; at += g[k++]->n_rollouts) {
        put_found(r, g[k], at);
        put_rewards(r, g[k], at);
    }
    free(found);
    return rc;
}

int ptd_reward_score_all(const struct ptd_reward_rules *r, struct ptd_group *const *g, int n,
                         int *failed)
{
    for (*failed = 0; *failed < n; ++*failed)
        if (judge_by_rule(r, g[*failed]) < 0) return -1;
    *failed = -1;
    if (r->checkers) return ask_checkers(r, g, n, failed);
    for (int k = 0; k < n; k++) put_rewards(r, g[k], NULL);
    return 0;
}

int ptd_reward_score(const struct ptd_reward_rules *r, struct ptd_group *g)
{
    int failed;
    return ptd_reward_score_all(r, &g, 1, &failed);
}

int ptd_reward_leave_cut(const struct ptd_reward_rules *r, struct ptd_group *g)
{
    int n = 0, all = g->n_rollouts;
    if (!r->overlong_filter) return 0;
    for (int i = 0; i < all; i++) {
        const struct ptd_rollout *y = &g->rollouts[i];
        if (!y->stop || strcmp(y->stop, "length") != 0) g->rollouts[n++] = *y;
    }
    g->n_rollouts = n;
    return all - n;
}

/* ---- rules and settings by name ---- */

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
    if (by_name("extract", extract, ptd_extract_names, &r->extract) < 0) return -1;
    if (!(r->judge = ptd_judge_named(judge))) return -1;
    return by_name("format", format, ptd_format_names, &r->format);
}

int ptd_reward_units_parse(struct ptd_judge_settings *s, const char *units)
{
    static const char *const names[] = {"auto", "drop", "keep", "convert", NULL};
    return by_name("units", units, names, &s->units);
}

/* "5%" or "0.01"; the end of it, or NULL. */
static const char *tolerance_at(struct ptd_judge_settings *s, const char *text)
{
    char *end;
    double x = strtod(text, &end);
    if (end == text || !(x >= 0)) return NULL;
    if (*end == '%') return s->relative = x / 100, x <= 100 * RELATIVE_MAX ? end + 1 : NULL;
    return s->absolute = x, x <= ABSOLUTE_MAX ? end : NULL;
}

int ptd_reward_tolerance_parse(struct ptd_judge_settings *s, const char *tolerance)
{
    if (strcmp(tolerance, "chart") == 0) return s->relative = CHART, s->absolute = 0, 0;
    s->relative = s->absolute = 0;
    const char *end = tolerance_at(s, tolerance);
    int both = end && end[-1] == '%' && *end == ',';
    if (both) end = strchr(end, '%') ? NULL : tolerance_at(s, end + 1);
    if (end && !*end) return 0;
    return ptd_fail(
        PTD_USAGE,
        "--tolerance \"%.64s\": expected a share of the gold up to 50%%, a number up to "
        "1e6, both as 1%%,0.01, or chart",
        tolerance);
}
