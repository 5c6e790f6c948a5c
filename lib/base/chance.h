/* chance: what some of n tries would have come to, without bias, and whether two things that were
 * tried on the same prompts differ. Right to the last digit or two of a double, so that chances
 * which are equal differ by rounding alone. */
#ifndef PTD_CHANCE_H
#define PTD_CHANCE_H

/* The chance that k of n tries, of which c are right, hold a right one: 1 - C(n-c, k) / C(n, k)
 * (M. Chen et al., Evaluating large language models trained on code, arXiv 2107.03374, eq. 1).
 * 0 <= c <= n, 1 <= k <= n. */
double ptd_pass_at_k(long n, long c, long k);

/* The chance that the answer with most votes among k of n tries is the right one; of several with
 * as many votes each is taken as often. It is the mean over all C(n, k) subsets, summed exactly by
 * the votes that the right answer has in them: with p = k/n the counts of all answers are
 * independent binomial numbers given that their sum is k.
 *
 *     votes[m]: how often each answer was given; their sum is at most n, the other tries gave none
 *     right: which of them is the right one; -1: nobody gave it
 *
 * Takes k^2 n log k steps, but n where k = n. */
double ptd_maj_at_k(const int *votes, int m, int right, int n, int k);

/* McNemar's exact test: the chance, both sides, that of a + b pairs which differ so many or more
 * are on one side, if each side is as likely (Q. McNemar, Psychometrika 12, 1947, pp. 153-157; by
 * the binomial distribution). 1 where none differ. */
double ptd_mcnemar(long a, long b);
#endif
