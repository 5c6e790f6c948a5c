/* bootstrap: see bootstrap.h. */
#include "base/bootstrap.h"
#include "base/err.h"
#include "base/rng.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 256 /* of four numbers */

/* Of a resample, or of all clusters; [figures] each. */
struct totals {
    double *sum, *lost, *n; /* lost: what rounding took from sum */
};

static void add(const struct ptd_clusters *c, size_t row, const struct totals *t)
{
    for (int f = 0; f < c->figures; f++) {
        double x = c->sum[row + (size_t)f], sum = t->sum[f] + x, taken = sum - t->sum[f];
        t->lost[f] += t->sum[f] - (sum - taken) + (x - taken);
        t->sum[f] = sum;
        t->n[f] += c->n[row + (size_t)f];
    }
}

/* NAN: nothing there. */
static double ratio_of(const struct ptd_clusters *c, int figure, const struct totals *t)
{
    double sum = t->sum[figure] + t->lost[figure];
    if (c->crumb && fabs(sum) <= c->crumb[figure]) sum = 0;
    return t->n[figure] > 0 ? sum / t->n[figure] : NAN;
}

/* Adds all that are drawn for one resample. */
static void draw(const struct ptd_clusters *c, uint64_t seed, uint32_t resample,
                 const struct totals *t)
{
    uint32_t at[BLOCK][4];
    for (long i = 0; i < c->clusters; i += 4L * BLOCK) {
        long left = c->clusters - i < 4L * BLOCK ? c->clusters - i : 4L * BLOCK;
        ptd_random_row(at, (int)((left + 3) / 4), seed, PTD_RNG_BOOTSTRAP, resample, 0,
                       (uint32_t)(i / 4));
        for (long k = 0; k < left; k++)
            add(c, ((uint64_t)at[k / 4][k % 4] * (uint64_t)c->clusters >> 32) * (size_t)c->figures,
                t);
    }
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const double *sorted, long n, double share)
{
    double at = share * (double)(n - 1);
    long low = (long)at;
    if (low + 1 >= n) return sorted[n - 1];
    return sorted[low] + (at - (double)low) * (sorted[low + 1] - sorted[low]);
}

/* The ratios of a figure that all resamples came to, those without any n left out. */
static void range_of(double *ratio, long n, struct ptd_range *out)
{
    if (!n) return;
    qsort(ratio, (size_t)n, sizeof *ratio, rising);
    out->lo = percentile(ratio, n, 0.025);
    out->hi = percentile(ratio, n, 0.975);
}

void ptd_bootstrap(const struct ptd_clusters *c, int resamples, uint64_t seed,
                   struct ptd_range *out)
{
    size_t figures = (size_t)c->figures;
    double *ratio = ptd_array(figures * (size_t)resamples, sizeof *ratio);
    double *room = ptd_array(3 * figures, sizeof *room);
    struct totals t = {room, room + figures, room + 2 * figures};
    long *kept = ptd_array(figures, sizeof *kept);
    for (long i = 0; i < c->clusters; i++) add(c, (size_t)i * figures, &t);
    for (int f = 0; f < c->figures; f++) out[f] = (struct ptd_range){ratio_of(c, f, &t), NAN, NAN};
    for (int b = 0; b < resamples && c->clusters > 1; b++) {
        memset(room, 0, 3 * figures * sizeof *room);
        draw(c, seed, (uint32_t)b, &t);
        for (int f = 0; f < c->figures; f++)
            if (t.n[f] > 0)
                ratio[(size_t)f * (size_t)resamples + (size_t)kept[f]++] = ratio_of(c, f, &t);
    }
    for (int f = 0; f < c->figures; f++)
        range_of(ratio + (size_t)f * (size_t)resamples, kept[f], &out[f]);
    free(ratio);
    free(room);
    free(kept);
}
