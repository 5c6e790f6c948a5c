/* dataset_private: what the files of the data set share: dataset.c (opening, order, digests),
 * dataset_lines.c (where the rows are), dataset_row.c (one row) and, of a row, dataset_chat.c (its
 * prompt), dataset_marks.c (where pictures come in it), dataset_options.c, dataset_gold.c (what is
 * right), dataset_hint.c, dataset_picture.c and dataset_blind.c (pictures that are not there). */
#ifndef PTD_DATASET_PRIVATE_H
#define PTD_DATASET_PRIVATE_H
#include "base/json.h"
#include "data/dataset.h"
#include "data/pictures.h"
#include "judge/options.h"
#include <sys/stat.h>

#define PTD_MARK "<image>"

struct ptd_line {
    int64_t at, len, number;
    uint64_t digest; /* of its bytes */
};

struct ptd_dataset {
    char *path;
    int fd, folder; /* folder: that paths of pictures begin in */
    int outside;    /* paths may lead out of it */
    int may_lack;   /* pictures may be missing */
    int listed;     /* the rows are the items of one list, not a line each */
    struct stat opened;
    int changed; /* it, or one of its pictures, is not what it was when it was opened */
    struct ptd_line *lines;
    int n, cap;
    uint64_t digest;
    struct ptd_pictures *pictures; /* NULL: nobody asked */
    char pictures_digest[17];
    struct ptd_order *order;
};

/* Finds d's rows and digests the file. */
int ptd_dataset_find(struct ptd_dataset *d) PTD_MUST_CHECK;
/* Calls f for each path among the pictures of row i, as far as the row can be read; -1 as soon as f
 * returns it, or the machine fails. */
int ptd_dataset_paths(struct ptd_dataset *d, int i,
                      int (*f)(struct ptd_pictures *p, const char *path)) PTD_MUST_CHECK;

/* ---- one row while it is read ---- */

struct ptd_picture_source { /* what a row says of one picture */
    const char *key;
    int item; /* in the field, from 1; 0: it is the field's only one */
    const json_t *value;
};

struct ptd_row {
    struct ptd_dataset *d;
    const struct ptd_line *line;
    struct ptd_group *g;
    char *raw;             /* the row's bytes */
    json_t *json, *digits; /* digits: the same with all numbers as texts; NULL: not needed yet */
    int faults, status;    /* of the fault that is the failure, and its text: */
    char *text;
    /* NULL: the row is to be used, and its pictures are kept */
    void (*report)(void *ctx, const char *message);
    void *ctx;

    const char *prompt_key;
    const char *reply, *reply_key; /* a conversation's last turn, its assistant's; NULL: none */
    const char *stem;              /* the question before its options were added */
    const char *options[PTD_OPTIONS], *labels[PTD_OPTIONS]; /* labels: of the row's own, or NULL */
    int n_options, options_are_numbers;
    struct ptd_picture_source given[PTD_DATASET_LIST]; /* pictures of fields of their own, */
    struct ptd_picture_source own[PTD_DATASET_LIST];   /* and of parts of the prompt */
    const struct ptd_picture_source
        *shown[PTD_DATASET_LIST];         /* all of them in the prompt's order */
    int n_given, n_own, n_shown, n_parts; /* n_parts: of the prompt that are pictures */
    int blind;                            /* its pictures cannot be told */
};

/* A fault of the row: "FILE:LINE: field "KEY": ...", key NULL: of the whole row. Returns -1. */
int ptd_row_fault(struct ptd_row *r, int status, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The last failure as one. */
int ptd_row_failed(struct ptd_row *r, const char *key);
/* The fault that follows is one of the whole data set: something is not what it was. */
void ptd_row_changed(struct ptd_row *r);
/* "a list, expected WHAT" */
int ptd_row_wrong(struct ptd_row *r, const char *key, const json_t *v, const char *expected);
const char *ptd_json_kind(const json_t *v); /* "a list", "missing" */

/* The value of the first of the keys (NULL at the end) that is there and not null, and which; the
 * first key and NULL if none is. */
json_t *ptd_row_value(const struct ptd_row *r, const char *const *keys, const char **key);
/* A text that lives as long as the row's group; "" and a fault if it is too long. */
const char *ptd_row_keep(struct ptd_row *r, const char *key, const char *s);
/* The same of its first n bytes without blanks around them. */
const char *ptd_row_trimmed(struct ptd_row *r, const char *key, const char *s, size_t n);
int ptd_blank_text(const char *s);
/* Has it a number with a fraction, whose digits are to be looked up? */
int ptd_json_has_real(const json_t *v);
/* A number's text, malloc'd: the digits that the row has for it. twin: the same value in r->digits,
 * NULL if it is whole. */
char *ptd_row_number(const json_t *v, const json_t *twin);
/* The row with all numbers as texts. */
const json_t *ptd_row_digits(struct ptd_row *r);

/* Each reads a part of the row into r and its group, in this order; faults are counted in r. */
void ptd_row_sources(struct ptd_row *r); /* given */
void ptd_row_prompt(struct ptd_row *r);  /* system, turns, question, own, reply */
void ptd_row_options(struct ptd_row *r);
void ptd_row_marks(struct ptd_row *r); /* shown */
void ptd_row_gold(struct ptd_row *r);  /* judge, answer, answers, solution */
void ptd_row_hint(struct ptd_row *r);  /* steps, if the row has none of its own */
void ptd_row_pictures(struct ptd_row *r, const struct ptd_image_rules *rules);
void ptd_row_blind(struct ptd_row *r); /* nothing: does it mean pictures, and brings none? */

/* A message's content, or a prompt, as one text, malloc'd, with marks where its own pictures come;
 * NULL after a fault. turn: the message's number, 0: the field itself. */
char *ptd_row_content(struct ptd_row *r, const char *key, int turn, const json_t *content);
/* The first mark in s, and its length; *number: 0 for <image>, the number of <image 2>, that of a
 * part's own picture below 0; NULL: none. */
const char *ptd_mark_find(const char *s, size_t *len, long *number);
/* The mark of own picture number i, from 1; the byte behind <image is in no text that is UTF-8. */
#define PTD_OWN      '\xff'
#define PTD_OWN_MARK "<image\xff%d>"
/* What an object that stands for a picture says of it; NULL: nothing. */
const json_t *ptd_picture_inner(const json_t *object);
/* Has the object a field that brings pictures to a row? */
int ptd_brings_picture(const json_t *object);
/* Text that begins as the base64 of a picture does, and is too long for a name. */
int ptd_is_base64(const char *s, size_t n);
/* The path that a source leads to; NULL: it leads to none, or wrongly. */
const char *ptd_picture_path(const struct ptd_picture_source *s);
/* Several options that one answer names, "AC" or "red, green": bit 0 for A; 0: it does not. */
unsigned ptd_row_several(const struct ptd_row *r, const char *answer);
/* The letter of the row's option that an answer names, by letter, text or number; 0 after a fault.
 * index: it is a whole number, and counts the options from 0. */
char ptd_row_option(struct ptd_row *r, const char *key, const char *answer, int index);
#endif
