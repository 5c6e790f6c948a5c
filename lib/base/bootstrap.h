/* bootstrap: 95 % ranges of ratios by drawing whole clusters anew (B. Efron and R. Tibshirani, An
 * introduction to the bootstrap, 1993, chapter 13: percentiles).
 *
 * A figure is a ratio sum / n of what its clusters bring: the answers to one prompt are a cluster,
 * for they are alike, and a range that takes each for a new one is too narrow. From N clusters N
 * are drawn with replacement, `resamples` times; the range is from the 2.5th to the 97.5th
 * percentile of the ratios (between two of them in proportion, as numpy.percentile does it).
 *
 * Sums keep what rounding takes (D. E. Knuth, The art of computer programming 2, 4.2.2, theorem B):
 * they are as good as in twice the digits, and what a sum of terms that cancel is off by is what
 * its terms are off by.
 *
 * Draw i of resample b is the number (seed, PTD_RNG_BOOTSTRAP, b, 0, i / 4)[i % 4] of rng.h, as a
 * share of 2^32 of N: the same seed gives the same range. */
#ifndef PTD_BOOTSTRAP_H
#define PTD_BOOTSTRAP_H
#include "base/interval.h"
#include <stdint.h>

struct ptd_clusters {
    long clusters;
    int figures;
    const double *sum, *n; /* [clusters][figures] */
    /* [figures] a sum nearer to 0 is what rounding left of terms that cancel: 0; NULL: none can */
    const double *crumb;
};
/* out[figures]; NAN all of it where a figure has no n, and the ends where there is one cluster. */
void ptd_bootstrap(const struct ptd_clusters *c, int resamples, uint64_t seed,
                   struct ptd_range *out);
#endif
