/* options: the list of options in a question.
 *
 * Letters A, B, ... in order, to J, upper or lower case, full width too, all marked the same way:
 * (A) [A] A) A. A: and their full-width forms, A followed by an ideographic comma, in bold or
 * \text{}, with "Option" before them or a bullet, on lines of their own or on one, or in circles; a
 * bare "A 30" only on lines that follow each other, and "A=30" on three of those that end the text.
 * <br>, <li> and the like part lines. No list: initials, "a.m.", sets {A, B}, f(a), points that a
 * text names, a list whose options hold nothing. Of several lists the longest, of equals the last.
 */
#ifndef PTD_OPTIONS_H
#define PTD_OPTIONS_H
#include <stddef.h>

#define PTD_OPTIONS 10

struct ptd_option {
    char letter;      /* 'A'..'J' */
    const char *text; /* within the question, blanks and dressing around it left out */
    size_t len;
};
struct ptd_options {
    int n; /* 0: the question lists none */
    struct ptd_option option[PTD_OPTIONS];
};
/* Returns n. The last option's text ends with its line, or where an instruction begins ("Answer
 * with the letter"). question NULL: none. The time taken follows the length of the question. */
int ptd_options_read(const char *question, struct ptd_options *o);
#endif
