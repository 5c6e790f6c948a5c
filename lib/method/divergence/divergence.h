/* divergence: the table of what compute/divergence.h says.
 *
 * A divergence is one file, jsd.c say, which ends in its row, and a line in table.c. */
#ifndef PTD_METHOD_DIVERGENCE_H
#define PTD_METHOD_DIVERGENCE_H
#include "compute/divergence.h"

extern const struct ptd_divergence ptd_divergence_jsd, ptd_divergence_forward,
    ptd_divergence_reverse, ptd_divergence_gjsd;
extern ptd_method_table ptd_divergences;
/* "jsd"; "gjsd=0.3" sets the row's option as well. NULL, 2: there is none. */
const struct ptd_divergence *ptd_divergence_named(const char *name);

/* For rows that divide by a mass: a mass counts as this where it is less, so that nothing is
 * infinite. NaN passes. */
#define PTD_MASS_FLOOR 1e-12
double ptd_mass_floored(double mass);
#endif
