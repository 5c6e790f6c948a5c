/* choice: option letters A to J in an answer, in any usual dress: B, b, (B), [B], B., B) 12 cm,
 * \textbf{(B)}, option B, 选B, AC, "A and C",
 * "A. 2, C. 7". What stands behind a letter leaves it an answer unless it leads to another ("A,
 * along with B", "A, maybe B") or says that it is none ("A, rejected"). */
#ifndef PTD_CHOICE_H
#define PTD_CHOICE_H
#include "judge/lex.h"

struct ptd_choice {
    unsigned letters;           /* bit 0: A */
    int n, either;              /* how many; either: "A or C" */
    int lower;                  /* a letter in lower case */
    int marked;                 /* brackets around, or a full stop, a colon or the like behind */
    const struct ptd_tok *rest; /* [n_rest] what stands behind the letter: the option's text */
    int n_rest;
    /* Static: letters are named, and no one can say which is meant, or the one named is denied.
     * Unless the rest is that option's text. */
    const char *reason;
};

/* 1 if the tokens t [n] name letters. 0: they do not, or c->reason says what is wrong. */
int ptd_choice_read(const struct ptd_tok *t, int n, struct ptd_choice *c);
/* The same for a gold answer, which is nothing but letters, or one letter and its text. */
int ptd_choice_gold(const struct ptd_tok *t, int n, struct ptd_choice *c);
/* A first letter that is marked, and all that stands behind it, whatever that says. */
int ptd_choice_first(const struct ptd_tok *t, int n, struct ptd_choice *c);
#endif
