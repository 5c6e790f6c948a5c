/* calibration: see calibration.h. */
#include "view/calibration.h"
#include "base/bootstrap.h"
#include "method/answers.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

int ptd_sureness_named(const char *name)
{
    static const char *const names[] = {"tokens", "response", "votes"};
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) return i;
    return ptd_fail(PTD_USAGE, "--calibration \"%.64s\": expected one of tokens, response, votes",
                    name);
}

/* ---- counting ---- */

static double chance_of(const struct ptd_rollout *y, int by)
{
    double sum = 0;
    for (int i = 0; i < y->n; i++) sum += y->logp[i];
    if (by == PTD_SURE_TOKENS && y->n) sum /= y->n;
    return fmin(1, exp(sum));
}

static double share_of(const struct ptd_votes *v, int response, int n)
{
    return v->of[response] < 0 ? 0 : (double)v->votes[v->of[response]] / n;
}

static void add(struct ptd_calibration *c, double confidence, int right, int prompt)
{
    if (c->n == c->cap) {
        c->cap = 2 * c->cap + 256;
        c->at = ptd_realloc(c->at, (size_t)c->cap * sizeof *c->at);
    }
    c->at[c->n++] = (struct ptd_sure){confidence, right, prompt};
}

int ptd_calibration_add(struct ptd_calibration *c, const struct ptd_group *g)
{
    struct ptd_votes v = {0};
    int prompt = ptd_names_add(&c->prompts, g->uid), votes = c->by == PTD_SURE_VOTES, rc = 0;
    if (votes) ptd_votes_count(&v, g);
    for (int i = 0; i < g->n_rollouts && rc == 0; i++) {
        const struct ptd_rollout *y = &g->rollouts[i];
        if (!votes && y->n && !y->logp)
            rc = ptd_fail(PTD_DATAERR,
                          "group \"%.200s\" has no log-probs of when it was sampled: expected "
                          "responses of ptd-rollout, or --calibration votes",
                          g->uid);
        else
            add(c, votes ? share_of(&v, i, g->n_rollouts) : chance_of(y, c->by),
                y->outcome == PTD_RIGHT, prompt);
    }
    ptd_votes_clear(&v);
    return rc;
}

void ptd_calibration_clear(struct ptd_calibration *c)
{
    free(c->at);
    ptd_names_clear(&c->prompts);
}

/* ---- bins ---- */

static int bin_of(double confidence)
{
    int bin = (int)(confidence * PTD_BINS);
    return bin < 0 ? 0 : bin >= PTD_BINS ? PTD_BINS - 1 : bin;
}

/* Shares that are right, of the prompts that have a response in the bin. */
static struct ptd_range right_in(const struct ptd_calibration *c, int bin, int resamples,
                                 int64_t seed)
{
    long prompts = c->prompts.n, with = 0, n = 0;
    double *sum = ptd_array(2 * (size_t)prompts + 1, sizeof *sum), *count = sum + prompts;
    struct ptd_range r;
    for (long i = 0; i < c->n; i++)
        if (bin_of(c->at[i].confidence) == bin) {
            sum[c->at[i].prompt] += c->at[i].right;
            count[c->at[i].prompt]++;
        }
    for (long i = 0; i < prompts; i++) {
        if (!count[i]) continue;
        n += (long)count[i];
        sum[with] = sum[i];
        count[with++] = count[i];
    }
    ptd_bootstrap(&(struct ptd_clusters){with, 1, sum, count, NULL}, resamples, (uint64_t)seed, &r);
    if (n && (n == with || r.value == 0 || r.value == 1)) r = ptd_wilson(r.value, (double)with);
    free(sum);
    return r;
}

static void find_bin(const struct ptd_calibration *c, int bin, int resamples, int64_t seed,
                     struct ptd_calibrated *out)
{
    struct ptd_calibration_bin *b = &out->bin[bin];
    long double sum = 0, off = 0;
    for (long i = 0; i < c->n; i++) {
        const struct ptd_sure *s = &c->at[i];
        if (bin_of(s->confidence) != bin) continue;
        b->n++;
        sum += s->confidence;
        off += s->confidence - (long double)s->right;
    }
    if (fabsl(off) <= (long double)b->n * 0x1p-52L) off = 0; /* rounded confidences */
    b->confidence = b->n ? (double)(sum / (long double)b->n) : NAN;
    b->right = right_in(c, bin, resamples, seed);
    if (b->n) out->ece += (double)(fabsl(off) / (long double)c->n);
}

/* ---- ranks ---- */

static int by_confidence(const void *a, const void *b)
{
    const struct ptd_sure *x = a, *y = b;
    return (x->confidence > y->confidence) - (x->confidence < y->confidence);
}

/* By the sum of the ranks of right responses, those of as much confidence at their mean. */
static double auroc(const struct ptd_calibration *c)
{
    double ranks = 0, right = 0;
    qsort(c->at, (size_t)c->n, sizeof *c->at, by_confidence);
    for (long i = 0, end; i < c->n; i = end) {
        long n = 0;
        for (end = i; end < c->n && c->at[end].confidence == c->at[i].confidence; end++)
            n += c->at[end].right;
        ranks += (double)n * (double)(i + end + 1) / 2;
        right += (double)n;
    }
    double wrong = (double)c->n - right;
    return right > 0 && wrong > 0 ? (ranks - right * (right + 1) / 2) / (right * wrong) : NAN;
}

void ptd_calibration_find(const struct ptd_calibration *c, int resamples, int64_t seed,
                          struct ptd_calibrated *out)
{
    double n = (double)c->n;
    *out = (struct ptd_calibrated){0};
    for (int i = 0; i < PTD_BINS; i++) find_bin(c, i, resamples, seed, out);
    for (long i = 0; i < c->n; i++) {
        double off = c->at[i].confidence - c->at[i].right;
        out->confidence += c->at[i].confidence;
        out->right += c->at[i].right;
        out->brier += off * off;
    }
    out->confidence /= n, out->right /= n, out->brier /= n;
    out->auroc = c->n ? auroc(c) : NAN;
}
