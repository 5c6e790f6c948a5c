/* values: the numbers that a text names, read with the judge's own words (judge/lex.h,
 * judge/numeral.h): digits, fractions, powers, percent, 2 dozen, 1.2 thousand, twelve, two thirds,
 * Roman numerals of two letters or more, Chinese numerals inside of words, a pair, a trio, a right
 * angle, one in four, 0,5. For hints: what is said of them, too.
 *
 * No numbers are digits behind a letter (cell b3, x2), exponents of names (AC^2), ordinals (first,
 * 2nd, the third, di san) and "one" in "the red one". A number with a percent sign is its hundredth
 * as well. Signs are left out.
 *
 * A text is read in pieces of at most 1,000 bytes that overlap, in time that follows its length. */
#ifndef PTD_VALUES_H
#define PTD_VALUES_H
#include "judge/lex.h"

struct ptd_said_value {
    double v;     /* not below 0, finite */
    int from, to; /* its tokens: from .. to - 1 */
};
struct ptd_piece { /* of a text */
    struct ptd_lex lex;
    struct ptd_said_value *value; /* in the order of the text */
    int n, cap;
    int alone; /* so many, then what neighbours say together: one in four, 0,5, ten past three */
};
/* Calls fn with each piece until it returns other than 0, which is returned. -1: a piece is nothing
 * that can be read; the others are read all the same. */
int ptd_values_each(const char *text, int (*fn)(void *ctx, const struct ptd_piece *p), void *ctx);

/* The text in plain signs, with blanks between Chinese and other writing; malloc'd. */
char *ptd_values_spread(const char *s, size_t n);
/* 1: a statement is made of tokens from .. to - 1: "the answer is 15", "pick 6", "= 15", "15 it
 * is". */
int ptd_value_asserted(const struct ptd_lex *l, int from, int to);
/* The values from first to last - 1 around number i that stand in one list: "12 or 15", "2, 4 and
 * 6". */
void ptd_value_list(const struct ptd_piece *p, int i, int *first, int *last);
/* 1 if token i, in Chinese, holds one of the words. */
int ptd_tok_has_cjk(const struct ptd_tok *t, const char *const *words);
/* 1 if it is a word in Chinese, Japanese or Korean writing. */
int ptd_tok_is_cjk(const struct ptd_tok *t);

/* ---- a set of values, for asking ---- */
struct ptd_value_set { /* whole ones first, each kind rising, each once */
    double *v;
    int n, cap, whole;
};
void ptd_value_set_read(struct ptd_value_set *s, const char *text); /* text NULL: none */
/* Without what neighbours say together. */
void ptd_value_set_read_alone(struct ptd_value_set *s, const char *text);
/* Adds what a short text's formulas come to, 3.46 of 2\sqrt{3}. */
void ptd_value_set_work_out(struct ptd_value_set *s, const char *text);
/* 1 if one is v: exactly, or near, which is within one percent unless both are whole. */
int ptd_value_set_has(const struct ptd_value_set *s, double v, int near);
/* 1 if a number in the text is one of them, or near, even one that names something (b3, 2nd). */
int ptd_value_set_meets(const struct ptd_value_set *s, const char *text, size_t n);
void ptd_value_set_clear(struct ptd_value_set *s);
#endif
