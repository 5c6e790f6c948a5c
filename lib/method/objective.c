/* objective: see objective.h. */
#include "method/objective.h"
#include "method/learn.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void put_part(const struct ptd_loss_rules *r, const struct ptd_tokens *t, double beta,
                     const struct ptd_parts *out, long i)
{
    double dkl = 0;
    if (t->sequences[t->sequence[i]].reference && r->kl->value)
        out->kl[i] = r->kl->value(t->logp[i], t->old[i], t->ref[i], &dkl);
    out->part[i] = (t->weight[i] * out->loss.pg[i] + beta * out->kl[i]) / out->count[i];
    out->loss.dlogp[i] = (out->loss.dlogp[i] + beta * dkl) / out->count[i];
}

void ptd_objective(const struct ptd_loss_rules *r, const struct ptd_tokens *t, long first, long n,
                   const struct ptd_parts *out)
{
    double beta = ptd_loss_reference(r);
    r->loss->value(ptd_loss_own(r), t, first, n, &out->loss);
    for (long i = first; i < first + n; i++) put_part(r, t, beta, out, i);
}

/* ---- tokens of most entropy ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, long n, double q)
{
    double at = q * (n - 1);
    if (fabs(at - round(at)) < 1e-9) at = round(at); /* on a token, but for rounding */
    long below = (long)at;
    if (below + 1 >= n) return sorted[n - 1];
    return sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]);
}

void ptd_objective_mask(const double *entropy, long n, double share, double *weight)
{
    if (!n) return;
    double *sorted = ptd_array(n, sizeof *sorted);
    memcpy(sorted, entropy, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, ascending);
    double border = quantile(sorted, n, 1 - share);
    for (long i = 0; i < n; i++)
        if (entropy[i] < border) weight[i] = 0;
    free(sorted);
}
