/* clipped: the objective that ppo, gspo and gspo-token share, of one ratio. */
#include "method/loss/loss.h"
#include <math.h>

double ptd_clipped(double r, double advantage, const struct ptd_clip *c, double *slope, int *side)
{
    double near = fmin(fmax(r, 1 - c->low), 1 + c->high);
    double plain = -advantage * r, clipped = -advantage * near, ceiling = -advantage * c->dual;
    double loss = plain < clipped ? clipped : plain;
    *side = plain < clipped;
    *slope = *side ? 0 : plain;
    if (advantage < 0 && c->dual > 0 && loss > ceiling) {
        loss = ceiling;
        *side = -1;
        *slope = 0;
    }
    return loss;
}
