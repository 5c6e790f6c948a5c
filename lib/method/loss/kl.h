/* kl: the KL to the reference at one token, for losses that have one. */
#ifndef PTD_KL_H
#define PTD_KL_H
/* Schulman's low-variance estimator k3 (http://joschu.net/blog/kl-approx.html): d = ref_logp -
 * logp, held within +-20, e^d - d - 1, held below 10. *dlogp is its derivative, 0 where it is held.
 */
double ptd_k3(double logp, double ref_logp, double *dlogp);
#endif
