/* spoiler_private: what the files of the spoiler rules share. */
#ifndef PTD_SPOILER_PRIVATE_H
#define PTD_SPOILER_PRIVATE_H
#include "judge/judge.h"
#include "judge/options.h"
#include "method/hint/spoiler.h"
#include <ctype.h>

/* ---- words and texts (spoiler_text.c) ---- */
struct ptd_word {
    const char *s;
    size_t n;
}; /* a run of letters, digits and bytes above ASCII */
static inline int ptd_is_word(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80 || c == '_';
}
struct ptd_word ptd_word_at(const char *s);
/* The word that ends before s, only blanks in between; empty if there is none. */
struct ptd_word ptd_word_before(const char *text, const char *s);
int ptd_word_is(struct ptd_word w, const char *const *list); /* one of them, case aside */
/* 1: it ends in one of them, as in Chinese, where words are not parted. */
int ptd_word_ends(struct ptd_word w, const char *const *list);
int ptd_words_hold(const char *s,
                   const char *const *list); /* one of the words of s is one of them */

int ptd_words_deny(const char *text); /* there is a "not" in them, or the like */

char *ptd_no_blanks(char *t);      /* takes them out of t */
char *ptd_searched(const char *s); /* a text that others are looked for in; malloc'd */
/* Does it hold the n bytes at s, blanks, hyphens, case and LaTeX aside? Of less than 4 bytes only
 * as a word, or with an ending (reds, reddish). */
int ptd_searched_holds(const char *text, const char *s, size_t n);

/* "Is it a man or a woman?": the answer and the other of the two, normal and malloc'd; NULL: the
 * question names no other. */
struct ptd_choice_of_two {
    char *answer, *other;
};
struct ptd_choice_of_two ptd_choice_of_two(const char *question, const char *answer);
/* Takes both, with an "or" between them, out of t. */
void ptd_leave_out(char *t, const struct ptd_choice_of_two *);

/* ---- answers ---- */
static inline int ptd_answers_of(const struct ptd_group *g)
{
    return g->answer ? 1 + g->n_answers : 0;
}
static inline const char *ptd_answer_of(const struct ptd_group *g, int i)
{
    return i == 0 ? g->answer : g->answers[i - 1];
}
int ptd_is_number(const char *s); /* all of it */

/* ---- what is said (spoiler_said.c) ---- */
/* A number of `secret` that is none of `known`; or, unless free_known, one of both that the hint
 * does more with than quoting (spoiler.h). PTD_FREE_ANGLES: nor 180 degrees and the like. Also 1
 * where the hint cannot be read. */
enum { PTD_FREE_ANGLES = 2 };
int ptd_says_number(const char *hint, const char *secret, const char *known, int free_known);
/* A formula or quantity that the judge calls right; rule NULL: auto. */
int ptd_says_right(const char *hint, const struct ptd_judge *rule, const char *answer,
                   const char *question);

/* ---- options (spoiler_choice.c) ---- */
static inline unsigned ptd_option_bit(char letter)
{
    return 1u << (letter - 'A');
}
/* The letters that an answer is, as bits, 0: none; *text (may be NULL) what stands behind them, as
 * in "B. 12 cm", malloc'd, or NULL. */
unsigned ptd_gold_letters(const char *answer, char **text);
/* The right options' letters, by the answers' letters or their text. */
unsigned ptd_right_options(const struct ptd_group *g, const struct ptd_options *o);

/* The letters of the options that a hint names by their place (spoiler_order.c); options: how many
 * the question lists, 0: none. */
unsigned ptd_places_named(const char *hint, int options);

/* ---- verdicts (spoiler_verdict.c) ---- */
int ptd_is_verdict(const char *answer); /* yes, no, true, false */
int ptd_says_verdict(const char *hint); /* one of them, asserted */

/* ---- rules that have a file of their own ---- */
int ptd_rule_option_letter(const char *hint, const struct ptd_group *g);
int ptd_rule_option_text(const char *hint, const struct ptd_group *g);
int ptd_rule_yes_no(const char *hint, const struct ptd_group *g);
int ptd_rule_place_count(const char *hint, const struct ptd_group *g);
#endif
