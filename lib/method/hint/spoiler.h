/* spoiler: the zero-spoiler rules. A hint may say where to look and how to go on, never the answer,
 * a decisive number, or the right option.
 *
 *   empty            no text
 *   too-long         over 2,048 bytes
 *   degenerate       16 bytes or more, of at most 3 kinds
 *   answer-number    a number equal in value to the answer (or to one of its parts), written in
 *                    digits, words (twelve), Roman numerals (XII; two letters or more, to XL),
 *                    percent or as a fraction
 *   answer-text      the answer's text, blanks and LaTeX aside; answers below 4 bytes only where a
 *                    word begins
 *   option-letter    the right option's letter: upper case word, bracketed, "option b"; not the
 *                    article "a"
 *   option-text      the text or number of the right option, if the question lists (A) ... (B) ...
 *                    or A. ... B. ...
 *   yes-no           yes, no, true or false, asserted, if one of them is the answer ("note that no
 *                    digit touches" is fine)
 *   decisive-number  a number of the reference solution
 *
 * A number (and an option's text) that the question's own words hold is exempt. A digit behind a
 * letter (cell b3, x2) names something and is no number; neither are ordinals (first, 2nd), nor
 * "one" in "the red one". Decimals within one percent of a number that is no integer count as equal
 * to it; signs are
 * ignored. Not seen: other units (120 cm for 1.2 m), Roman numerals of one letter or above XL,
 * number words in other languages than English, and what a hint merely implies. The time taken
 * follows the length of question, answer and solution, whatever they hold. */
#ifndef PTD_SPOILER_H
#define PTD_SPOILER_H
#include "flow/record.h"

#define PTD_HINT_MAX 2048 /* bytes */

struct ptd_spoiler_rule {
    const char *name;
    int (*found)(const char *hint, const struct ptd_group *g); /* 1: the hint breaks the rule */
};
extern const struct ptd_spoiler_rule ptd_spoiler_rules[]; /* ends with name NULL */
/* The name of the first rule that the hint breaks for g (its question, answer and solution), NULL
 * if it is clean. */
const char *ptd_spoiler_find(const char *hint, const struct ptd_group *g);
#endif
