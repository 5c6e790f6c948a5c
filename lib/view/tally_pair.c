/* tally_pair: two tallies of the same prompts side by side. See tally.h. */
#include "base/bootstrap.h"
#include "base/chance.h"
#include "view/tally.h"
#include <math.h>
#include <stdlib.h>

/* Prompts of both: pairs of their numbers. */
struct pairs {
    int (*at)[2], n;
};

static int find_pairs(const struct ptd_tally *here, const struct ptd_tally *there, struct pairs *p)
{
    *p = (struct pairs){ptd_array((size_t)here->uids.n + 1, sizeof *p->at), 0};
    for (int i = 0; i < here->uids.n; i++) {
        int j = ptd_names_find(&there->uids, here->uids.at[i]);
        if (j < 0) continue;
        if (here->gold[i] != there->gold[j])
            return ptd_fail(PTD_DATAERR,
                            "prompt \"%.200s\" expects another answer in the other stream: "
                            "expected two runs on one data set",
                            here->uids.at[i]);
        p->at[p->n][0] = i;
        p->at[p->n++][1] = j;
    }
    if (p->n) return 0;
    return ptd_fail(PTD_DATAERR, "no prompt is in both streams: prompt \"%.200s\" is only here",
                    here->uids.at[0]);
}

/* For each pair the values here and there, and their difference: [pairs][3 figures]. */
struct values {
    double *sum, *n;
};

static void fill(struct values *v, const struct ptd_tally *here, const struct ptd_tally *there,
                 const struct pairs *p, int figures)
{
    for (int i = 0; i < p->n; i++)
        for (int f = 0; f < figures; f++) {
            size_t a = (size_t)p->at[i][0] * (size_t)figures + (size_t)f,
                   b = (size_t)p->at[i][1] * (size_t)figures + (size_t)f,
                   out = ((size_t)i * (size_t)figures + (size_t)f) * 3;
            if (!(here->tried[a] > 0 && there->tried[b] > 0)) continue;
            v->sum[out] = here->sum[a] / here->tried[a];
            v->sum[out + 1] = there->sum[b] / there->tried[b];
            v->sum[out + 2] = v->sum[out] - v->sum[out + 1];
            v->n[out] = v->n[out + 1] = v->n[out + 2] = 1;
        }
}

static void count_right(const struct ptd_tally *here, const struct ptd_tally *there,
                        const struct pairs *p, struct ptd_paired *out)
{
    for (int i = 0; i < p->n; i++) {
        int a = here->most[p->at[i][0]] > 0, b = there->most[p->at[i][1]] > 0;
        *(a && b ? &out->right_both
          : a    ? &out->right_here
          : b    ? &out->right_there
                 : &out->wrong_both) += 1;
    }
    out->p = ptd_mcnemar(out->right_here, out->right_there);
}

/* Drawing prompts anew says nothing where all of them differ alike. */
static int all_alike(const struct values *v, int pairs, int step, int at)
{
    double least = INFINITY, most = -INFINITY;
    for (int i = 0; i < pairs; i++) {
        size_t row = (size_t)i * (size_t)step + (size_t)at;
        if (!(v->n[row] > 0)) continue;
        least = fmin(least, v->sum[row + 2]), most = fmax(most, v->sum[row + 2]);
    }
    return most - least < 1e-12;
}

/* Of shares of each prompt. */
static struct ptd_range of_shares(const struct values *v, int pairs, int step, int at)
{
    struct ptd_pairs p = {0};
    for (int i = 0; i < pairs; i++) {
        size_t row = (size_t)i * (size_t)step + (size_t)at;
        if (v->n[row] > 0) ptd_pairs_add(&p, v->sum[row + 1], v->sum[row]);
    }
    return ptd_pairs_range(&p);
}

/* Terms are differences of two numbers of at most 1, each off by 2^-51 or so. */
static void find_crumbs(int pairs, int figures, double *crumb)
{
    for (int f = 0; f < figures; f++) crumb[3 * f + 2] = (double)pairs * 0x1p-50;
}

static void find_ranges(const struct values *v, int pairs, const struct ptd_tally_rules *r,
                        int shares, struct ptd_paired *out)
{
    struct ptd_range all[3 * PTD_FIGURES_MAX];
    double crumb[3 * PTD_FIGURES_MAX] = {0};
    find_crumbs(pairs, r->n_figures, crumb);
    ptd_bootstrap(&(struct ptd_clusters){pairs, 3 * r->n_figures, v->sum, v->n, crumb},
                  r->resamples, (uint64_t)r->seed, all);
    for (int f = 0; f < r->n_figures; f++) {
        out->here[f] = all[3 * f];
        out->there[f] = all[3 * f + 1];
        out->more[f] = all[3 * f + 2];
        if (shares || all_alike(v, pairs, 3 * r->n_figures, 3 * f))
            out->more[f] = of_shares(v, pairs, 3 * r->n_figures, 3 * f);
    }
}

int ptd_tally_pair(const struct ptd_tally *here, const struct ptd_tally *there,
                   const struct ptd_tally_rules *r, struct ptd_paired *out)
{
    struct pairs p;
    int rc = find_pairs(here, there, &p);
    if (rc == 0) {
        size_t n = (size_t)p.n * (size_t)r->n_figures * 3;
        struct values v = {ptd_array(n, sizeof(double)), ptd_array(n, sizeof(double))};
        *out = (struct ptd_paired){
            .prompts = p.n, .only_here = here->uids.n - p.n, .only_there = there->uids.n - p.n};
        fill(&v, here, there, &p, r->n_figures);
        find_ranges(&v, p.n, r,
                    !here->several && !there->several && !here->graded && !there->graded, out);
        count_right(here, there, &p, out);
        free(v.sum);
        free(v.n);
    }
    free(p.at);
    return rc;
}
