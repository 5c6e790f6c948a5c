/* phrase: what the words around an answer are made of: sentences, what dresses a value, and what
 * looks like one. For announce.c and stated.c. */
#ifndef PTD_PHRASE_H
#define PTD_PHRASE_H
#include "judge/span.h"

#define PTD_FAR 240 /* bytes that a stated value may have */

/* Chinese words, in UTF-8, by their sound. */
#define PTD_ZH_DAAN      "\xe7\xad\x94\xe6\xa1\x88" /* answer */
#define PTD_ZH_DA        "\xe7\xad\x94"             /* answer, before a colon */
#define PTD_ZH_ZHENGQUE  "\xe6\xad\xa3\xe7\xa1\xae" /* right, correct */
#define PTD_ZH_XUANXIANG "\xe9\x80\x89\xe9\xa1\xb9" /* option */
#define PTD_ZH_JIEGUO    "\xe7\xbb\x93\xe6\x9e\x9c" /* result */
#define PTD_ZH_XUAN      "\xe9\x80\x89"             /* choose */
#define PTD_ZH_SHI       "\xe6\x98\xaf"             /* is */
#define PTD_ZH_WEI       "\xe4\xb8\xba"             /* is, makes */
#define PTD_ZH_BU        "\xe4\xb8\x8d"             /* not */
#define PTD_ZH_YOU       "\xe6\x9c\x89"             /* there are */
#define PTD_ZH_COLON     "\xef\xbc\x9a"
#define PTD_ZH_COMMA     "\xef\xbc\x8c"
#define PTD_ZH_STOP      "\xe3\x80\x82"

/* The next sentence of [*p, end), its sign left out and *p moved behind it; *asks: a question. */
struct ptd_span ptd_next_sentence(const char **p, const char *end, int *asks);
/* Without blanks, bold, quotes, colons before it and stops behind it. */
struct ptd_span ptd_undressed(struct ptd_span a);
/* Behind an option's letter, "(B)", "B.", "[b]", "B", at the beginning of a; NULL: none is there.
 * Small letters need a mark. */
const char *ptd_behind_letter(struct ptd_span a);
int ptd_is_option(struct ptd_span a); /* "Option B", "B", "(B)", "B. 12 cm" */
/* A number with its unit, a formula, an option, yes or no. */
int ptd_is_value(struct ptd_span a);
/* Plain words: runs of two letters or more that no backslash makes a command. */
int ptd_count_words(struct ptd_span a);
int ptd_has_prose(struct ptd_span a); /* words that no value has */
int ptd_has_number(struct ptd_span a);
/* Where an explanation begins behind a value: " because ...", or the end of a. */
const char *ptd_explained_at(struct ptd_span a);
/* "7 (3 on the left, 4 on the right)", "Germany (42.5)": without what the brackets at the end only
 * explain. */
struct ptd_span ptd_without_remark(struct ptd_span a);
/* 1: *out is the value that a begins with, up to an explanation or the end of its bold. */
int ptd_cut_out(struct ptd_span a, struct ptd_span *out);
/* Behind words that say nothing about the value: "therefore", "approximately". */
const char *ptd_skip_filler(const char *s, const char *end);
/* What s begins with takes an answer back ("not"), or cannot be a value ("found by"). */
int ptd_is_denied(const char *s, const char *end);
int ptd_says_nothing(const char *s, const char *end);
#endif
