/* rng: counter-based random numbers (Philox4x32-10, Salmon et al., SC 2011, through Random123).
 *
 * A number is a pure function of (seed, purpose, a, b, c): no state to save, so batch size, thread
 * count and restarts change nothing. Purposes keep uses apart; a, b, c say which number is meant
 * (step, prompt, rollout, token ...). */
#ifndef PTD_RNG_H
#define PTD_RNG_H
#include <stdint.h>

enum ptd_purpose {
    PTD_RNG_INIT = 1,    /* weight initialisation */
    PTD_RNG_SHUFFLE = 2, /* order of the data set */
    PTD_RNG_SAMPLE = 3,  /* next token */
    PTD_RNG_DATA = 4,    /* making the data set */
    PTD_RNG_SHARE = 5,   /* which prompts get something */
    PTD_RNG_TEST = 6,
    PTD_RNG_ROUND = 7,      /* stochastic rounding of weights */
    PTD_RNG_MASK = 8,       /* what of a picture is hidden */
    PTD_RNG_AGAIN = 9,      /* which prompts are asked again */
    PTD_RNG_BOOTSTRAP = 10, /* which clusters are drawn anew */
};

/* 128 random bits for a counter of 96 bits under (seed, purpose). */
void ptd_random(uint32_t out[4], uint64_t seed, uint32_t purpose, uint32_t a, uint32_t b,
                uint32_t c);
/* Those of n counters: c, c + 1 ... in turn; many at once are made faster. */
void ptd_random_row(uint32_t (*out)[4], int n, uint64_t seed, uint32_t purpose, uint32_t a,
                    uint32_t b, uint32_t c);
/* [0, 1), 53 bits */
double ptd_uniform(uint64_t seed, uint32_t purpose, uint32_t a, uint32_t b, uint32_t c);
/* mean 0, variance 1 (Box-Muller) */
double ptd_normal(uint64_t seed, uint32_t purpose, uint32_t a, uint32_t b, uint32_t c);
/* 0 .. n-1, unbiased */
uint32_t ptd_below(uint32_t n, uint64_t seed, uint32_t purpose, uint32_t a, uint32_t b, uint32_t c);
/* p[n] becomes a random order of 0 .. n-1 (Fisher-Yates); `which` tells shuffles apart (the epoch).
 */
void ptd_shuffle(int *p, int n, uint64_t seed, uint32_t purpose, uint32_t which);
#endif
