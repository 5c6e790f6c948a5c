/* ppo: the clipped policy gradient with its dual clip, and the KL to the reference: its options,
 * and one token at a time. */
#ifndef PTD_PPO_H
#define PTD_PPO_H
#include "method/loss/loss.h"

struct ptd_clip {
    double low, high, dual; /* dual 0: off */
};
struct ptd_ppo {
    struct ptd_clip clip; /* 0.2, 0.28, 3 */
    double beta;          /* weight of the KL to the reference: 0.01 */
};
extern const struct ptd_loss ptd_loss_ppo;

/* Value of the clipped objective at one token; *dlogp = dL/dlogp. *side: +1 the clip chose the
 * value (r too high with A > 0, too low with A < 0), -1 the dual clip did, 0 neither; the gradient
 * is 0 for +1 and -1. Shares of them are EasyR1's pg_clipfrac_higher and _lower. */
double ptd_pg(double logp, double old_logp, double advantage, const struct ptd_clip *c,
              double *dlogp, int *side);
#endif
