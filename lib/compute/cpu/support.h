/* support: the words at which a student is compared with its tutor at one token: the tutor's best
 * and the student's own, and the tutor's masses there; all other words are one bucket, the tail. */
#ifndef PTD_SUPPORT_H
#define PTD_SUPPORT_H
#include "compute/rows.h"

#define PTD_SUPPORT_MAX 512
struct ptd_support {
    int n;
    int32_t id[PTD_SUPPORT_MAX]; /* distinct */
    /* the tutor's masses, which sum to 1; t[n] the tail; then zeros to the end of a vector */
    float t[PTD_SUPPORT_MAX + 16];
};
/* Log-probs are none far above 0. Duplicates count once, what is beyond PTD_SUPPORT_MAX stays in
 * the tail. The tail is what the masses lack to 1; a lack that the rounding of float16 explains is
 * no tail (the masses are then scaled to sum 1). no_tail: it is never one. */
void ptd_support_join(struct ptd_support *u, const struct ptd_lesson *l, int no_tail);

/* A row of the student's: e [V] holds its shares times their sum, total (ptd_row_shares; banned
 * words 0). */
struct ptd_share_row {
    float *e;
    int V;
    double total;
};
/* e[v] becomes c p_v + weight * dD/dz_v, p the shares, so that the divergence rides on the pass
 * that writes another loss's gradient. Returns D, at least 0. NaN in e or t gives NaN in the value
 * and everywhere in e. no_tail: the student's masses, too, are those of the support alone, of sum
 * 1, and words beyond it have no part in D; where the student gives the support nothing at all, D
 * is 0. */
double ptd_support_diverge(const struct ptd_support *u, const struct ptd_divergence *d,
                           struct ptd_share_row s, double weight, double c, int no_tail);
/* The same with every word a bucket of its own: t, the tutor's row, which is lost. */
double ptd_whole_diverge(struct ptd_share_row t, const struct ptd_divergence *d,
                         struct ptd_share_row s, double weight, double c);
#endif
