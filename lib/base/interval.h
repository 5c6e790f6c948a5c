/* interval: 95 % ranges of shares, and of the difference between two shares of the same things.
 *
 * A share is the mean of n values between 0 and 1: a thing tried once is 0 or 1, one tried several
 * times its own share. Its range is the score interval of Wilson (1927), which stays inside 0 to 1
 * and is no point where all agree. A thing counts once, however often it was tried: for values in
 * between the range is wider than it need be, never narrower.
 *
 * The range of a difference y - x of paired shares puts the two ranges together, square and add
 * (R. G. Newcombe, Statistics in Medicine 17, 1998, pp. 2635-2650, methods 8 and 10), r the
 * correlation of the pairs:
 *
 *     y - x - sqrt((y - ly)^2 - 2 r (y - ly) (ux - x) + (ux - x)^2)   below, and so above
 *
 * Both are calm where a normal range is not: few pairs, hardly any that differ, or none. */
#ifndef PTD_INTERVAL_H
#define PTD_INTERVAL_H

struct ptd_range {
    double value, lo, hi;
}; /* all NAN where there is nothing */

struct ptd_pairs {
    long n;
    double x, y, xx, yy, xy; /* sums */
};
void ptd_pairs_add(struct ptd_pairs *p, double x, double y);

/* Wilson's for a share p of n tries, n > 0; 0 and 1 come out as such. */
struct ptd_range ptd_wilson(double p, double n);
/* Of mean y - mean x. */
struct ptd_range ptd_pairs_range(const struct ptd_pairs *p);
#endif
