/* scan: the values in a text: every stretch of a few words that could say something. */
#ifndef PTD_SCAN_H
#define PTD_SCAN_H
#include "judge/value.h"

#define PTD_SCAN_WORDS 10 /* tokens that a value may take */

/* Calls `says` with each stretch, read; where it answers 1 the stretch is written to at and len,
 * and the scan goes on behind it. Shorter stretches come first. Returns how many there are, at most
 * `most`. */
typedef int ptd_scan_says(void *ctx, struct ptd_reading *);
struct ptd_sighting;
int ptd_scan(const char *text, size_t n, ptd_scan_says *says, void *ctx, struct ptd_sighting *out,
             int most);

/* Numbers in a text, as the judge reads them: digits with thousands and decimals, fractions,
 * powers, words (twelve, two dozen, 1.2 thousand). Each with all that stand in it: 10^6 is 10, 6
 * and a million. */
struct ptd_seen {
    size_t at, len;
    double value;
    int percent; /* a percent sign or word is behind it */
};
int ptd_numbers_seen(const char *text, size_t n, struct ptd_seen *out, int most);
#endif
