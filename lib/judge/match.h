/* match: which of n things go with which of m others, each with one at most, so that the worth of
 * all pairs together is as great as can be.
 * H. W. Kuhn, The Hungarian method for the assignment problem, 1955. */
#ifndef PTD_MATCH_H
#define PTD_MATCH_H

#define PTD_MATCH_MAX 64

/* The greatest sum; worth [n][m] is what each pair adds, at least 0; n and m are 0 to
 * PTD_MATCH_MAX. */
double ptd_match(const double *worth, int n, int m);
#endif
