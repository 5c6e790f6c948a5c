/* kl: estimates of the divergence between the student pi and the reference ref at one token, which
 * was drawn with log-prob old. A row gives a value and a derivative by logp, to be summed over
 * tokens as
 *
 *     L += beta sum of value / count
 *
 * Which divergence a loss of such values makes smaller is not what its values estimate: the words
 * were drawn before, so that their chance is not differentiated. On words that pi itself just drew,
 * with d = ref - logp and grad for the gradient by the weights:
 *
 *     name          value         derivative   mean of value   mean of the gradient
 *     k1            -d            -d           KL(pi||ref)     grad KL(pi||ref)
 *     k2            d^2/2         -d           near it         grad KL(pi||ref)
 *     k3            e^d - d - 1   1 - e^d      KL(pi||ref)     grad KL(ref||pi), the other one
 *     k3-unbiased   r k3          -r d         KL(pi||ref)     grad KL(pi||ref), of words drawn by
 *                                                              any old, since r = e^(logp - old)
 *
 *     full          sum over words       itself         KL(pi||ref)     grad KL(pi||ref), of words
 *                                                                       drawn by anybody
 *
 * Under --tis old is of the step's begin, as in all ratios (before.h), and so k3-unbiased is that
 * of words which those weights drew; TRL has it so, too.
 *
 * k1 has not the derivative of its value, 1, whose gradient is 0 in the mean and so teaches
 * nothing: it has k2's. test-kl shows the table by sums over a whole vocabulary.
 *
 * Schulman 2020, http://joschu.net/blog/kl-approx.html; Tang and Munos 2025, arXiv 2506.09477.
 *
 * An estimate is one file, k2.c say, which ends in its row, and a line in table.c. */
#ifndef PTD_KL_H
#define PTD_KL_H
#include "base/method.h"

struct ptd_kl {
    struct ptd_method is;
    /* NULL: it needs all words, and is reference.h's (full) */
    double (*value)(double logp, double old, double ref, double *dlogp);
};

extern ptd_method_table ptd_kls;
const struct ptd_kl *ptd_kl_named(const char *name); /* NULL, 2: none */
#endif
