/* advantage: what a response is worth beside others, made of their rewards. Rewards that are all
 * equal, of whatever a row compares, give exactly 0.
 *
 * An advantage is one file, grpo.c say, which ends in its row, and a line in table.c. */
#ifndef PTD_ADVANTAGE_H
#define PTD_ADVANTAGE_H
#include "base/method.h"

/* A group, as advantages see it. */
struct ptd_rewarded {
    int n;                /* responses */
    const double *reward; /* [n] */
    const int *tokens;    /* [n] lengths */
    /* what rewards are sums of: weight[k] part[k * n + i]; n_parts 0: nobody knows */
    const double *part, *weight;
    int n_parts;
    const double *baseline; /* reward of the greedy answer beside the group, NULL: there is none */
    /* [n][tokens] of a KL in the reward: what is earned from a token on; NULL: the reward, at each
     */
    double *const *returns;
    double *advantage; /* [n], to be filled */
};

struct ptd_advantage {
    struct ptd_method is;
    /* 1: value needs all groups of a step at once, in any order, which is no part of the result;
     * they are in memory until the step is complete (worth.h). 0: one at a time will do. */
    int step;
    int baseline; /* 1: it needs the greedy answer */
    int parts;    /* 1: it needs the parts */
    /* 1: where there are returns, they become each token's advantage; others have one for all
     * tokens of a response */
    int tokens;
    void (*value)(const void *own, const struct ptd_rewarded *g, int n); /* sums in double */
};

extern ptd_method_table ptd_advantages;
const struct ptd_advantage *ptd_advantage_named(const char *name); /* NULL, 2: none */

/* ---- for rows ---- */

/* The option eps, 1e-6, that rows share which divide by a deviation: .options and .own. */
extern const struct ptd_opt ptd_eps_options[];
extern double ptd_eps;

/* scale (R - mean); equal rewards give exactly 0, though their mean may be off by a rounding. */
void ptd_centred(const double *reward, int n, double scale, double *advantage);
/* Numbers that count `weight` times, in any order: the sums are of them sorted, so that it changes
 * no bit. */
struct ptd_counted {
    double x, weight;
};
struct ptd_spread {
    double mean, deviation; /* sum of weights less 1 below the fraction bar */
    int flat;               /* all are equal */
};
struct ptd_spread ptd_spread_of(struct ptd_counted *x, long n); /* sorts x */
/* Of the rewards of a group. */
struct ptd_spread ptd_spread_in(const double *reward, int n);
#endif
