/* bootstrap: see bootstrap.h. */
#include "base/bootstrap.h"
#include "base/err.h"
#include "base/rng.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 256 /* of four numbers */

/* Adds the sums and the numbers of all that are drawn for one resample. */
static void draw(const struct ptd_clusters *c, uint64_t seed, uint32_t resample, double *sum,
                 double *n)
{
    uint32_t at[BLOCK][4];
    for (long i = 0; i < c->clusters; i += 4L * BLOCK) {
        long left = c->clusters - i < 4L * BLOCK ? c->clusters - i : 4L * BLOCK;
        ptd_random_row(at, (int)((left + 3) / 4), seed, PTD_RNG_BOOTSTRAP, resample, 0,
                       (uint32_t)(i / 4));
        for (long k = 0; k < left; k++) {
            size_t row =
                ((uint64_t)at[k / 4][k % 4] * (uint64_t)c->clusters >> 32) * (size_t)c->figures;
            for (int f = 0; f < c->figures; f++) sum[f] += c->sum[row + f], n[f] += c->n[row + f];
        }
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

static double ratio_of(const struct ptd_clusters *c, int figure)
{
    double sum = 0, n = 0;
    for (long i = 0; i < c->clusters; i++) {
        sum += c->sum[i * c->figures + figure];
        n += c->n[i * c->figures + figure];
    }
    return n > 0 ? sum / n : NAN;
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
    double *sum = ptd_array(2 * figures, sizeof *sum), *n = sum + figures;
    long *kept = ptd_array(figures, sizeof *kept);
    for (int f = 0; f < c->figures; f++) out[f] = (struct ptd_range){ratio_of(c, f), NAN, NAN};
    for (int b = 0; b < resamples && c->clusters > 1; b++) {
        memset(sum, 0, 2 * figures * sizeof *sum);
        draw(c, seed, (uint32_t)b, sum, n);
        for (int f = 0; f < c->figures; f++)
            if (n[f] > 0) ratio[(size_t)f * (size_t)resamples + (size_t)kept[f]++] = sum[f] / n[f];
    }
    for (int f = 0; f < c->figures; f++)
        range_of(ratio + (size_t)f * (size_t)resamples, kept[f], &out[f]);
    free(ratio);
    free(sum);
    free(kept);
}
