/* policy: the losses, one token at a time, with their exact gradients for the logits.
 *
 * Loss of a step (counts are those of the whole step, so micro-batching changes nothing beyond
 * rounding):
 *     L = 1/N_pg sum_tokens pg + beta/N_pg sum_{tokens of inactive groups} k3 + lambda/N_ptd
 *         sum_{tutored tokens} J
 *
 * pg (PPO, dual clip; Schulman 2017, Ye 2020): r = exp(logp - old); L1 = max(-A r, -A clip(r,
 * 1-low, 1+high)); A < 0: L = min(L1, -A dual). k3 (Schulman's low-variance estimator): d = ref -
 * logp clamped to +-20, k3 = e^d - d - 1, clamped at 10.
 * J (Top-K Jensen-Shannon with a tail bucket, PTD-PO): support U = teacher's top-K with student's
 * top-K; bucket masses s_b, t_b; m = (s+t)/2;
 *     J = 1/2 sum s ln(s/m) + 1/2 sum t ln(t/m);  dJ/dz_v = s_v / 2 [ln(s_b/m_b) - KL(S||M)]
 * where z are the temperature-divided logits. Bounded: 0 <= J <= ln 2. A detached weight makes this
 * gradient exactly zero; tests guard against it. */
#ifndef PTD_POLICY_H
#define PTD_POLICY_H
#include <stdint.h>

/* Group-relative advantages in double: A_i = (R_i - mean)/(std + eps), std with n-1; all rewards
 * equal (or n == 1): exactly 0. */
void ptd_advantages(const double *reward, int n, double eps, double *advantage);

struct ptd_clip {
    double low, high, dual;
}; /* 0.2, 0.28, 3.0; dual 0: off */
/* Value of the clipped objective at one token; *dlogp = dL/dlogp. *side: +1 the clip chose the
 * value (r too high with A > 0, too low with A < 0), -1 the dual clip did, 0 neither; the gradient
 * is 0 for +1 and -1. Shares of them are EasyR1's pg_clipfrac_higher and _lower. */
double ptd_pg(double logp, double old_logp, double advantage, const struct ptd_clip *c,
              double *dlogp, int *side);
double ptd_k3(double logp, double ref_logp, double *dlogp);

#define PTD_SUPPORT_MAX 512
struct ptd_support { /* union support of one token with the teacher's masses */
    int n;
    int32_t id[PTD_SUPPORT_MAX];   /* distinct */
    double t[PTD_SUPPORT_MAX + 1]; /* teacher's bucket masses; t[n] the tail; sums to 1 */
};
/* Joins teacher ids/log-probs (float16) and the student's top ids with the teacher's log-probs
 * there; duplicates count once, what is beyond PTD_SUPPORT_MAX stays in the tail. The tail is what
 * the masses lack to 1; a lack that the rounding of float16 explains is no tail (the masses are
 * then scaled to sum 1). */
void ptd_support_join(struct ptd_support *u, const int32_t *teacher_ids,
                      const uint16_t *teacher_logp, int teacher_k, const int32_t *top_ids,
                      const uint16_t *teacher_on_top, int top_k);
/* The divergence of one row: 'j' J, 'f' forward KL(T||S), 'r' reverse KL(S||T), all on the same
 * buckets. e [V] holds the student's
 * shares times their sum, total (ptd_row_shares; banned words 0); then e[v] becomes c p_v + weight
 * * dD/dz_v, p the shares, so that the divergence rides on the pass that writes another loss's
 * gradient. NaN in e or t gives NaN in the value and everywhere in e. In
 * f and r the mass under the fraction bar counts as PTD_MASS_FLOOR where it is less, so that
 * nothing is infinite. */
#define PTD_MASS_FLOOR 1e-12
double ptd_divergence(char kind, const struct ptd_support *u, float *e, int V, double total,
                      double weight, double c);
#endif
