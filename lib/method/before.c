/* before: see before.h. */
#include "method/before.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static long count(struct ptd_group **g, int n)
{
    long tokens = 0;
    for (int k = 0; k < n; k++)
        for (int i = 0; i < g[k]->n_rollouts; i++) tokens += g[k]->rollouts[i].n;
    return tokens;
}

/* ---- importance weights ---- */

static void weigh(struct ptd_before *b, long i, double gap, double tis)
{
    double w = exp(gap);
    b->gap += fabs(gap);
    if (fabs(gap) > b->max_gap) b->max_gap = fabs(gap);
    b->truncated += w > tis;
    b->weight[i] = w > tis ? tis : w;
    b->weights += b->weight[i];
    if (!i || b->weight[i] < b->least) b->least = b->weight[i];
}

int ptd_before_look(struct ptd_before *b, struct ptd_score *s, struct ptd_group **g, int n,
                    const struct ptd_loss_rules *r, double tis, int *bad)
{
    long at = 0;
    b->tokens = count(g, n);
    b->old = ptd_array((size_t)b->tokens + 1, sizeof *b->old);
    b->weight = ptd_array((size_t)b->tokens + 1, sizeof *b->weight);
    if (ptd_learn_look(s, g, n, r, b->old, bad)) return -1;
    for (int k = 0; k < n; k++)
        for (int i = 0; i < g[k]->n_rollouts; i++) {
            const struct ptd_rollout *y = &g[k]->rollouts[i];
            for (int t = 0; t < y->n; t++, at++) weigh(b, at, b->old[at] - y->logp[t], tis);
        }
    return 0;
}

/* ---- a KL in the reward ---- */

static void add_kl(struct ptd_before *b, const struct ptd_group *g, const struct ptd_less *less)
{
    double ignored;
    if (less->beta == 0 || (less->leaves_out && less->leaves_out(less->ctx, g))) return;
    for (int i = 0; i < g->n_rollouts; i++) {
        const struct ptd_rollout *y = &g->rollouts[i];
        for (int t = 0; t < y->n; t++, b->kl_tokens++)
            b->kl += less->kl->value(y->logp[t], y->logp[t], y->ref_logp[t], &ignored);
    }
}

int ptd_before_worth(struct ptd_before *b, struct ptd_group **g, int n,
                     const struct ptd_advantage *a, const struct ptd_less *less)
{
    b->tokens = count(g, n);
    b->advantage = ptd_array((size_t)b->tokens + 1, sizeof *b->advantage);
    b->returns = ptd_array((size_t)b->tokens + 1, sizeof *b->returns);
    for (int k = 0; k < n; k++) add_kl(b, g[k], less);
    return ptd_worth_less_kl(a, g, n, less, b->advantage, b->returns);
}

struct ptd_known ptd_before_from(const struct ptd_before *b, struct ptd_group **g,
                                 struct ptd_group **at)
{
    long first = count(g, (int)(at - g));
    return (struct ptd_known){.old = b->old ? b->old + first : NULL,
                              .weight = b->weight ? b->weight + first : NULL,
                              .advantage = b->advantage ? b->advantage + first : NULL};
}

void ptd_before_clear(struct ptd_before *b)
{
    free(b->old);
    free(b->weight);
    free(b->advantage);
    free(b->returns);
    memset(b, 0, sizeof *b);
}
