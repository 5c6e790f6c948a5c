/* Numbers from Philox4x32-10: the 64-bit seed is the key, (purpose, a, b, c) the counter.
 * Leaves to callers: which counters mean which number. */
#include "base/rng.h"

#include <Random123/philox.h>
#include <math.h>

void ptd_random(uint32_t out[4], uint64_t seed, uint32_t purpose, uint32_t a, uint32_t b,
                uint32_t c)
{
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    philox4x32_ctr_t counter = {{purpose, a, b, c}};
    philox4x32_ctr_t r = philox4x32(counter, key);
    for (int i = 0; i < 4; i++) out[i] = r.v[i];
}

#define ABREAST 32

/* A round of Philox4x32 on many counters; key: this round's. */
static void round_all(uint32_t x[4][ABREAST], uint32_t key0, uint32_t key1)
{
    for (int i = 0; i < ABREAST; i++) {
        uint64_t p = (uint64_t)PHILOX_M4x32_0 * x[0][i], q = (uint64_t)PHILOX_M4x32_1 * x[2][i];
        x[0][i] = (uint32_t)(q >> 32) ^ x[1][i] ^ key0;
        x[1][i] = (uint32_t)q;
        x[2][i] = (uint32_t)(p >> 32) ^ x[3][i] ^ key1;
        x[3][i] = (uint32_t)p;
    }
}

static void random_abreast(uint32_t (*out)[4], uint64_t seed, uint32_t purpose, uint32_t a,
                           uint32_t b, uint32_t c)
{
    uint32_t x[4][ABREAST], key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    for (int i = 0; i < ABREAST; i++)
        x[0][i] = purpose, x[1][i] = a, x[2][i] = b, x[3][i] = c + (uint32_t)i;
    for (int r = 0; r < PHILOX4x32_DEFAULT_ROUNDS; r++) {
        round_all(x, key0, key1);
        key0 += PHILOX_W32_0;
        key1 += PHILOX_W32_1;
    }
    for (int i = 0; i < ABREAST; i++)
        for (int k = 0; k < 4; k++) out[i][k] = x[k][i];
}

void ptd_random_row(uint32_t (*out)[4], int n, uint64_t seed, uint32_t purpose, uint32_t a,
                    uint32_t b, uint32_t c)
{
    int i = 0;
    for (; i + ABREAST <= n; i += ABREAST)
        random_abreast(out + i, seed, purpose, a, b, c + (uint32_t)i);
    for (; i < n; i++) ptd_random(out[i], seed, purpose, a, b, c + (uint32_t)i);
}

static double unit(uint32_t hi, uint32_t lo)
{
    uint64_t bits = ((uint64_t)hi << 32 | lo) >> 11;
    return (double)bits * 0x1p-53;
}

double ptd_uniform(uint64_t seed, uint32_t purpose, uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t r[4];
    ptd_random(r, seed, purpose, a, b, c);
    return unit(r[0], r[1]);
}

double ptd_normal(uint64_t seed, uint32_t purpose, uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t r[4];
    ptd_random(r, seed, purpose, a, b, c);
    double radius = sqrt(-2 * log(1 - unit(r[0], r[1])));
    return radius * cos(2 * M_PI * unit(r[2], r[3]));
}

/* The product of a 128-bit random number and n, its whole part: biased by less than n / 2^128. */
uint32_t ptd_below(uint32_t n, uint64_t seed, uint32_t purpose, uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t r[4];
    uint64_t carry = 0;
    ptd_random(r, seed, purpose, a, b, c);
    for (int i = 3; i >= 0; i--) carry = ((uint64_t)r[i] * n + carry) >> 32;
    return (uint32_t)carry;
}

void ptd_shuffle(int *p, int n, uint64_t seed, uint32_t purpose, uint32_t which)
{
    for (int i = 0; i < n; i++) p[i] = i;
    for (int i = n - 1; i > 0; i--) {
        int j = (int)ptd_below((uint32_t)i + 1, seed, purpose, which, (uint32_t)i, 0xffffffff);
        int swap = p[i];
        p[i] = p[j], p[j] = swap;
    }
}
