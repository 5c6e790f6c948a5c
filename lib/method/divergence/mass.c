/* mass: a mass to divide by, for the rows of divergences. */
#include "method/divergence/divergence.h"

double ptd_mass_floored(double mass)
{
    return mass < PTD_MASS_FLOOR ? PTD_MASS_FLOOR : mass;
}
