/* numeral: numbers in words, English and Chinese: twelve, two dozen, 1.2 thousand's thousand,
 * two thirds, a half, one point two, twenty nineteen (a year), 十二, 二〇一九, 四分之一, 一半,
 * 五成, 一点二; these also with blanks between their signs. */
#ifndef PTD_NUMERAL_H
#define PTD_NUMERAL_H
#include "judge/lex.h"

struct ptd_ratio {
    int64_t num, den; /* den > 0 */
};
/* How many of the tokens t [n] are one number in words; 0: none. */
int ptd_numeral_read(const struct ptd_tok *t, int n, struct ptd_ratio *r);
/* half, third, quarters, ...: what one is divided by; 0: none. */
int ptd_numeral_part(const struct ptd_tok *t);
/* What a word behind a number in digits multiplies it by (thousand, dozen, 万); 0: nothing. */
int64_t ptd_numeral_scale(const struct ptd_tok *t);
#endif
