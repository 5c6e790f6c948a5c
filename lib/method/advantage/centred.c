/* centred: rewards less their mean, for the rows of advantages. */
#include "method/advantage/advantage.h"

void ptd_centred(const double *reward, int n, double scale, double *advantage)
{
    double mean = 0;
    int differ = 0;
    for (int i = 0; i < n; i++) mean += reward[i] / n;
    for (int i = 1; i < n; i++) differ |= reward[i] != reward[0];
    for (int i = 0; i < n; i++) advantage[i] = differ ? scale * (reward[i] - mean) : 0;
}
