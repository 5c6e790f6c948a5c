/* number: exact numbers in a text, and the normal form of a text. */
#ifndef PTD_NUMBER_H
#define PTD_NUMBER_H
#include <stddef.h>
#include <stdint.h>

struct ptd_rational {
    int64_t num, den;
}; /* lowest terms, den > 0 */
/* Length of the number that starts at s (sign, thousands commas, decimals, exponent, a/b,
 * \frac{a}{b}), its value in *r; 0 if there is none or it does not fit. */
size_t ptd_number_scan(const char *s, size_t n, struct ptd_rational *r);
/* The same for a number without sign and without a/b. */
size_t ptd_decimal_scan(const char *s, size_t n, struct ptd_rational *r);
/* 1 if the whole text is one number, perhaps in $, with a percent or degree sign, or a full stop at
 * the end. */
int ptd_number_parse(const char *s, size_t n, struct ptd_rational *r);
/* The normal form that `exact` compares: NFC and case folded, \text{} and $ unwrapped, blanks kept
 * only between words, no full stop at the end; malloc'd. */
char *ptd_text_normal(const char *s, size_t n);
#endif
