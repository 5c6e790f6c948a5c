/* chance: see chance.h for the formulas. */
#include "base/chance.h"
#include "base/err.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

double ptd_pass_at_k(long n, long c, long k)
{
    long double none = 1;
    if (n - c < k) return 1;
    for (long i = n - c + 1; i <= n; i++) none *= 1 - (long double)k / (long double)i;
    return (double)(1 - none);
}

/* ---- most votes ---- */

/* The chance of x among c, each with chance p; 0 < p < 1. */
static long double binomial(int c, int x, long double p)
{
    if (x > c) return 0;
    long double ways = lgammal(c + 1.L) - lgammal(x + 1.L) - lgammal(c - x + 1.L);
    return expl(ways + x * logl(p) + (c - x) * log1pl(-p));
}

/* Chances by the votes that are given so far, and by how many answers have as many as the right
 * one. */
struct spread {
    int votes, ties;        /* most of either */
    long double *now, *was; /* [votes + 1][ties + 1] */
};

static long double *cell(const struct spread *s, long double *in, int votes, int ties)
{
    return &in[(size_t)votes * (size_t)(s->ties + 1) + (size_t)ties];
}

static void open_spread(struct spread *s, int votes, int ties)
{
    size_t n = (size_t)(votes + 1) * (size_t)(ties + 1);
    *s = (struct spread){votes, ties, ptd_array(n, sizeof *s->now), ptd_array(n, sizeof *s->was)};
    *s->now = 1;
}

/* One more answer, with c tries: at most `most` votes; `tie` of them make a tie (0: never). */
static void add_answer(struct spread *s, int c, int most, int tie, long double p)
{
    long double *was = s->now;
    s->now = s->was;
    s->was = was;
    memset(s->now, 0, (size_t)(s->votes + 1) * (size_t)(s->ties + 1) * sizeof *s->now);
    for (int x = 0; x <= c && x <= most && x <= s->votes; x++) {
        long double chance = binomial(c, x, p);
        int more = tie && x == tie;
        for (int v = 0; v + x <= s->votes; v++)
            for (int t = 0; t + more <= s->ties; t++)
                *cell(s, s->now, v + x, t + more) += chance * *cell(s, s->was, v, t);
    }
}

/* The chance that the right answer has a votes, none of the others more, and is the one taken. */
static long double wins_with(int a, const int *votes, int m, int right, int n, int k)
{
    struct spread s;
    long double p = (long double)k / n, sum = 0;
    int without = n;
    open_spread(&s, k - a, (k - a) / a);
    for (int i = 0; i < m; i++) {
        without -= votes[i];
        if (i != right) add_answer(&s, votes[i], a, a, p);
    }
    add_answer(&s, without, k, 0, p);
    for (int t = 0; t <= s.ties; t++) sum += *cell(&s, s.now, k - a, t) / (t + 1);
    free(s.now);
    free(s.was);
    return binomial(votes[right], a, p) * sum;
}

static double wins_outright(const int *votes, int m, int right)
{
    int as_many = 0;
    for (int i = 0; i < m; i++) {
        if (votes[i] > votes[right]) return 0;
        as_many += votes[i] == votes[right];
    }
    return 1. / as_many;
}

double ptd_maj_at_k(const int *votes, int m, int right, int n, int k)
{
    long double sum = 0;
    if (right < 0 || !votes[right]) return 0;
    if (k == n) return wins_outright(votes, m, right);
    for (int a = 1; a <= k && a <= votes[right]; a++) sum += wins_with(a, votes, m, right, n, k);
    return fmin(1, (double)(sum / binomial(n, k, (long double)k / n)));
}

/* ---- pairs ---- */

double ptd_mcnemar(long a, long b)
{
    long n = a + b, less = a < b ? a : b;
    long double tail = 0, all = (long double)n * logl(2);
    for (long i = 0; i <= less; i++)
        tail += expl(lgammal((long double)n + 1) - lgammal((long double)i + 1) -
                     lgammal((long double)(n - i) + 1) - all);
    return fmin(1, (double)(2 * tail));
}
