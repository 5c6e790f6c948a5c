/* row: one row of logits z [V]: sums, best words, samples.
 * Banned words (-inf) have share 0; NaN among the logits makes sums NaN and counts as -inf where
 * words are chosen. */
#ifndef PTD_ROW_H
#define PTD_ROW_H
#include <stdint.h>

double ptd_row_lse(const float *z, int V); /* log sum exp z */
struct ptd_shares {
    double lse, total, entropy; /* entropy: -sum p ln p in nats, p = shares */
};
/* z becomes the words' shares times *total, which is their sum: e^z relative to the largest word,
 * so that exponentials are taken once, and whoever scales the row next divides by the total in the
 * same pass. */
void ptd_row_shares(float *z, int V, struct ptd_shares *s);
/* The k largest entries, best first, ties by smaller id: ids[k], and their log-probs z - lse in
 * logp[k] (NULL: not wanted). Places beyond V get id -1. */
void ptd_row_topk(const float *z, int V, double lse, int k, int32_t *ids, float *logp);
/* One sample with uniform u in [0,1): top_k (0: all), then top_p of what is left (1: all): the
 * fewest best words that hold that share; of these, words of at least min_p times the best one's
 * share (0: all; Nguyen et al., 2024). Greedy if top_k == 1 (ties by smaller id). Words of share 0
 * never come. */
int32_t ptd_row_sample(const float *z, int V, double lse, int top_k, double top_p, double min_p,
                       double u);
#endif
