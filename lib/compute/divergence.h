/* divergence: how far the student's distribution at a token is from its tutor's, both as masses of
 * the same buckets: some words, and a tail for all others (cpu/support.h). What fills this contract
 * is in lib/method/divergence; rows_gradient of ops.h calls it. */
#ifndef PTD_DIVERGENCE_H
#define PTD_DIVERGENCE_H
#include "base/method.h"

struct ptd_divergence {
    struct ptd_method is;
    /* Returns what n buckets add to D, a sum over buckets: a whole vocabulary is asked piece by
     * piece. g[b] = s dD/ds, the derivative by the logarithm of a mass, which is finite where the
     * mass is 0. own: is.own. s, t: the student's and the tutor's masses, each of sum 1 over all
     * pieces, then zeros to the end of a vector (vec.h), and g has room for as many. NaN in s or t
     * gives NaN. */
    double (*value)(const void *own, const float *s, const float *t, int n, float *g);
    double most; /* what D never exceeds, rounding aside; 0: nothing */
    /* In place of value: D looks at the word that was sampled alone. Its log-probs of the student
     * and the tutor; *dlogp is what stands for dD/dlogp. */
    double (*word)(const void *own, double student, double tutor, double *dlogp);
};
#endif
