/* sampled: the reverse divergence at the word that was sampled, with one log-prob of the tutor.
 *
 *     y ~ S:  D = ln s_y - ln t_y, whose mean is KL(S||T);  dD/dlogp = D
 *
 * D is a number, not a function to be differentiated: the mean of its own gradient is 0. What is
 * learned is the policy gradient with the reward ln t_y - ln s_y, whose mean is dKL(S||T). */
#include "method/divergence/divergence.h"

static double word(const void *own, double student, double tutor, double *dlogp)
{
    return *dlogp = student - tutor;
}

const struct ptd_divergence ptd_divergence_sampled = {
    .is = {.name = "sampled",
           .formula = "ln s - ln t at the sampled word",
           .paper = "arXiv:2601.18734"},
    .word = word,
};
