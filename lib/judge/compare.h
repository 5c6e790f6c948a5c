/* compare: is what one text says what another says? */
#ifndef PTD_COMPARE_H
#define PTD_COMPARE_H
#include "judge/judge.h"
#include "judge/value.h"

struct ptd_comparison {
    const struct ptd_judge_settings *set;
    int unordered;      /* brackets are sets, too */
    const char *reason; /* static: why the answer could not be taken */
};

int ptd_value_same(struct ptd_comparison *c, const struct ptd_value *gold,
                   const struct ptd_value *answer);
/* The tokens t [n] as words: case folded, without brackets, quotes and articles in front; what
 * does not fit into cap bytes is cut. */
void ptd_words(const struct ptd_tok *t, int n, char *out, size_t cap);
/* 1 if the tokens a [n] and b [m] are the same words, case folded. */
int ptd_words_same(const struct ptd_tok *a, int n, const struct ptd_tok *b, int m);
/* 1 if both say the same in words, "it is a circle" and "circle", yes and 是. */
int ptd_text_same(const struct ptd_value *gold, const struct ptd_value *answer);
/* 1 if both are the same circled numbers in any order, or one formula with its indices written in
 * other ways: H_2O, H2O. */
int ptd_named_alike(const struct ptd_value *a, const struct ptd_value *b);
/* 1 if both are written alike, case and all. */
int ptd_written_alike(const struct ptd_lex *a, const struct ptd_lex *b);
#endif
