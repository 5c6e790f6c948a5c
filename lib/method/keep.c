/* keep: see keep.h. How verdicts get back is verdicts.c's. */
#include "method/keep.h"
#include <stdlib.h>
#include <string.h>

static const char *number(const char *text, double *x)
{
    char *end;
    *x = strtod(text, &end);
    return end > text && *x >= 0 && *x <= 1 ? end : NULL;
}

int ptd_keep_parse(struct ptd_kept *k, const char *range)
{
    const char *at = number(range, &k->low);
    if (at && *at == ':') at = number(at + 1, &k->high);
    if (at && !*at && k->low <= k->high) return k->on = 1, 0;
    return ptd_fail(PTD_USAGE,
                    "--keep \"%.64s\": expected LOW:HIGH, accuracies from 0 to 1, as 0.01:0.99",
                    range);
}

static void begin_round(struct ptd_kept *k)
{
    k->n = 0;
    k->due = k->back && k->shares < 2 ? ptd_round_size(k->wanted, k->asked, k->kept) : 0;
}

int ptd_keep_round(struct ptd_kept *k, const struct ptd_group *g)
{
    if (!k->back || k->shares < 2 || k->due) return 0;
    if (g->round < 1 || g->round > k->wanted)
        return ptd_fail(PTD_DATAERR, "field \"round\": %d, expected 1 to %d", g->round, k->wanted);
    k->due = g->round;
    return 0;
}

/* Of several in a pipe the first one tells. */
static int is_first(const struct ptd_head *h)
{
    for (int i = 0; i < h->n_stages; i++)
        if (h->stages[i].name && strcmp(h->stages[i].name, "ptd-verify") == 0) return 0;
    return 1;
}

int ptd_keep_begin(struct ptd_kept *k, const struct ptd_head *h)
{
    k->wanted = h->step_groups;
    if (!h->verdicts || !is_first(h)) return 0;
    if (k->wanted < 1 || k->wanted > PTD_STEP_GROUPS_MAX)
        return ptd_fail(PTD_DATAERR, "field \"step_groups\": %d, expected 1 to %d", k->wanted,
                        PTD_STEP_GROUPS_MAX);
    k->shares = h->shares;
    k->back = ptd_verdicts_reach(h, k->on);
    k->round = ptd_array((size_t)k->wanted, sizeof *k->round);
    begin_round(k);
    return 0;
}

int ptd_keep_due(const struct ptd_kept *k)
{
    return k->due - k->n;
}

static int decide(struct ptd_kept *k, const struct ptd_group *g)
{
    double accuracy = g->group_accuracy;
    if (!g->n_rollouts) return k->dropped++, 0;
    if (!k->on) return 1;
    if (!(accuracy >= k->low && accuracy <= k->high)) return k->dropped++, 0;
    if (k->wanted && k->kept >= k->wanted) return k->surplus++, 0;
    return 1;
}

int ptd_keep_judged(struct ptd_kept *k, const struct ptd_group *g)
{
    if (ptd_keep_round(k, g)) return -1;
    int kept = decide(k, g);
    k->asked++;
    k->kept += kept;
    if (!k->due) return kept;
    k->round[k->n++] = (struct ptd_verdict){g->group_accuracy, kept};
    if (k->n < k->due) return kept;
    if (ptd_verdicts_give(k->back, k->round, k->n) < 0) return -1;
    begin_round(k);
    return kept;
}

void ptd_keep_step(struct ptd_kept *k)
{
    k->asked = k->kept = 0;
    begin_round(k);
}

void ptd_keep_end(struct ptd_kept *k)
{
    ptd_verdicts_close(k->back);
    free(k->round);
    k->back = NULL;
    k->round = NULL;
}
