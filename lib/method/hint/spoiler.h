/* spoiler: the zero-spoiler rules. A hint may say where to look and how to go on, never the answer,
 * a decisive number, or the right option. What is a number, an option or a right answer is the
 * judge's to say (lib/judge/): whatever it would take for the answer, anywhere in a hint, is a
 * leak.
 *
 *   empty            no text
 *   too-long         over 2,048 bytes
 *   degenerate       16 bytes or more, of at most 3 kinds
 *   answer-number    a number equal in value to an answer (or to one of its parts), in any dress
 *                    that values.h knows: 24, 2 dozen, 1.2 thousand, 10^6, twelve, XII, 50 %;
 *                    or two that come to it (3 plus 9); or all the question's other numbers, denied
 *   answer-text      an answer's text, blanks, hyphens and LaTeX aside; answers below 4 bytes only
 *                    as a word of their own, with an ending at most (reds, reddish); or, of "a man
 *                    or a woman?", the other one, denied
 *   answer-judged    a stretch of words that the judge calls right: formulas, units, tuples
 *   option-letter    a right option's letter, upper or lower case, alone; not the article "a", the
 *                    name of a side, in a formula or in a list of all options; or its place:
 *                    "option 3", "the third one"; or all the others, denied
 *   option-text      the text or a number of a right option, of those that the question lists
 *                    (options.h); or the texts or numbers of all others, denied, or two and more
 *                    other texts that are all but the right one
 *   yes-no           yes, no, true or false or a word like them (in Chinese, too), asserted, if one
 *                    of them is the answer ("note that no digit touches" and "yes or no" are
 *                    fine); or the question turned into a statement ("it is left of the dog")
 *   decisive-number  a number of the reference solution that the question does not have, but for
 *                    90, 180 and 360 degrees, which theorems name
 *   place-count      as many cells, boxes, regions or, from two on, places in words (top left, the
 *                    middle) as there are, where that is what is asked; or numbers that come to as
 *                    many ("2 left, 1 right")
 *
 * Numbers of the question. A hint that quotes it is no leak, one that picks from it is. Where the
 * answer's number stands in the question (of a choice: before its options), a hint may name it only
 * in one list with all other numbers of the question ("compare 12 and 15"), or, if the question has
 * no other, with the question's words around it ("the 40 m field"); and never in a statement ("the
 * answer is 15", "pick 6", "= 15", "15 it is"). In doubt the hint goes: an honest one that is
 * dropped costs little.
 *
 * Decimals within one percent of a number that is no integer count as equal to it; signs are
 * ignored. Not seen: Roman numerals of one letter or above XL, number words in other languages than
 * English and Chinese, and what a hint merely implies; ptd-hint --audit measures that (audit.h).
 * The time taken follows the length of hint, question, answer and solution, whatever they hold. */
#ifndef PTD_SPOILER_H
#define PTD_SPOILER_H
#include "flow/record.h"

#define PTD_HINT_MAX 2048 /* bytes */

struct ptd_spoiler_rule {
    const char *name;
    int (*found)(const char *hint, const struct ptd_group *g); /* 1: the hint breaks the rule */
};
extern const struct ptd_spoiler_rule ptd_spoiler_rules[]; /* ends with name NULL */
/* The name of the first rule that the hint breaks for g (its question, answers and solution), NULL
 * if it is clean. */
const char *ptd_spoiler_find(const char *hint, const struct ptd_group *g);
#endif
