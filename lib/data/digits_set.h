/* digits_set: a data set of pictures and questions that are made here, of coloured handwriting
 * (digits.h) or of charts (charts.h), whole or not at all.
 *
 *     struct ptd_digits_set s = {.scene = &ptd_scene_digits, .seed = 1, .split = PTD_TRAIN, .share
 * = 1}; if (ptd_digits_wish(&s, "csum:500,nbr", 4096) < 0) ptd_die_last(); long pictures =
 * ptd_digits_write(&s, "train.jsonl"); ptd_digits_forget(&s); */
#ifndef PTD_DIGITS_SET_H
#define PTD_DIGITS_SET_H
#include "data/digits.h"

#define PTD_DIGITS_SHARE 16 /* most rows that share a picture */

struct ptd_digits_row {
    uint8_t kind, hinted;
};

struct ptd_digits_set {
    const struct ptd_scene *scene;
    int64_t seed;
    enum ptd_split split;
    int share;                  /* rows that may share a picture */
    int objects;                /* 1: say what is in every cell */
    const volatile int *stop;   /* as of ptd_stop_heed; NULL: nothing stops it */
    struct ptd_digits_row *row; /* [rows], before they are shuffled */
    long rows;
};
/* The set's rows, of kinds "KIND[:COUNT],..." as ptd-data digits --help has them; those without a
 * count share `count` rows. -1: 2. */
int ptd_digits_wish(struct ptd_digits_set *s, const char *kinds, int count) PTD_MUST_CHECK;
void ptd_digits_forget(struct ptd_digits_set *s); /* the rows */
/* Writes `file` and its pictures; the number of pictures, -1 on failure (2, 73, 74, 77), or where
 * it was stopped. Then nothing of it is left. */
long ptd_digits_write(const struct ptd_digits_set *s, const char *file) PTD_MUST_CHECK;
#endif
