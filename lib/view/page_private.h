/* page_private: what the files of the page share. page.c: the page and its streams; page_group.c:
 * what is told of a group; page_words.c: names of tokens; page_picture.c: pictures; page_store.c:
 * stores. */
#ifndef PTD_PAGE_PRIVATE_H
#define PTD_PAGE_PRIVATE_H
#include "data/token.h"
#include "view/jot.h"
#include "view/page.h"

/* ---- what is told, from all to little ---- */

struct ptd_page_detail {
    int words;    /* of student and tutor at each token, most */
    double least; /* share that one of them has there */
    int numbers;  /* 1: tokens and their numbers */
    int text;     /* most bytes of a text; 0: all */
    int entries;  /* most of a list, responses among them; 0: all */
};
extern const struct ptd_page_detail ptd_page_details[]; /* the last one fits any page */
extern const int ptd_page_n_details;

/* About as many bytes of JSON come of a group, before any memory is taken for them. */
double ptd_page_bytes(const struct ptd_group *g, const struct ptd_page_detail *d);
/* A line of the list: what is searched, filtered and counted. */
void ptd_page_line(struct ptd_jot *j, const struct ptd_group *g);
/* All that is shown of a group once it is chosen. */
void ptd_page_group(struct ptd_jot *j, const struct ptd_group *g, const struct ptd_page_detail *d);

/* ---- names of tokens ---- */

struct ptd_page_words {
    struct ptd_tokenizer *tokenizer; /* NULL: tokens have no names */
    uint8_t *used;                   /* [n] */
    int n;
    size_t bytes; /* that those used so far will take, about */
};
/* Of the tokenizer that the store of this name has. -1: it has none that can be read. */
int ptd_page_words_open(struct ptd_page_words *w, const char *store) PTD_MUST_CHECK;
/* Those that a group's page shows. */
void ptd_page_words_note(struct ptd_page_words *w, const struct ptd_group *g,
                         const struct ptd_page_detail *d);
/* {"12": "abc", "13": [228, 184], "14": {"s": "<|im_end|>"}}: text, bytes that are none alone, and
 * special tokens. */
void ptd_page_words_put(const struct ptd_page_words *w, struct ptd_jot *j);
void ptd_page_words_close(struct ptd_page_words *w);

/* Words that stand beside token t of a response, best first: id, and log-probs of student and
 * tutor, NAN where unknown. Their number, at most d->words. */
struct ptd_page_word {
    int32_t id;
    float student, tutor;
};
#define PTD_PAGE_WORDS 8
int ptd_page_beside(const struct ptd_rollout *y, int t, const struct ptd_page_detail *d,
                    struct ptd_page_word word[PTD_PAGE_WORDS]);

/* ---- pictures ---- */

/* p as WebP, lossless if it is small, of about `most` bytes or fewer, *n; WebPFree it. *form: how
 * coarse the last picture of the page was, which is where this one begins; 0 at first. NULL on
 * failure. The coarsest form may still be more than `most`. */
uint8_t *ptd_page_picture(const struct ptd_picture *p, size_t most, int *form, size_t *n);

/* ---- stores ---- */

/* {"tensors": [[name, dtype, shape, n, mean, std, min, max, change], ...], "lines": [what ptd-dump
 * says of it]} */
int ptd_page_store_put(struct ptd_jot *j, const char *dir) PTD_MUST_CHECK;
#endif
