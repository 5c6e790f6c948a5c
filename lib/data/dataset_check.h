/* dataset_check: looks at every row and picture of a data set and says all that is wrong with it,
 * and what it holds, before a run of hours finds out.
 *
 *     struct ptd_check c = {.judge = ptd_judge_named("auto"), .report = say};
 *     struct ptd_checked r;
 *     if (ptd_dataset_check_all("train.jsonl", &c, &r) < 0) ptd_die_last();
 *     ... r.usable of r.rows ...
 *     ptd_checked_clear(&r);
 *
 * Without a model it finds what every run would refuse: rows and pictures that cannot be read,
 * texts that spell a picture's token, golds that the judge cannot read, ids that occur twice. With
 * a model (`fit`), also prompts, hinted prompts and solutions that do not fit it. Rows are read by
 * as many threads as there are, and judged in their order; memory is that of a few rows, and at
 * most 80 bytes for each. */
#ifndef PTD_DATASET_CHECK_H
#define PTD_DATASET_CHECK_H
#include "data/dataset.h"
#include "data/fit.h"

struct ptd_judge;

enum ptd_check_length { /* tokens of a row's */
                        PTD_CHECK_PROMPT,
                        PTD_CHECK_PICTURES, /* all of its prompt's */
                        PTD_CHECK_HINTED,   /* prompt with all that its steps and regions say */
                        PTD_CHECK_SOLUTION,
                        PTD_CHECK_LENGTHS
};

enum ptd_check_note {                   /* what is worth a look, but no fault */
                      PTD_CHECK_OTHER,  /* the solution's box or tag holds another answer than the
                                           row's */
                      PTD_CHECK_ASTRAY, /* the answer is a letter that the question's options do not
                                           reach */
                      PTD_CHECK_NOTES
};

struct ptd_check {                           /* what is asked of the rows */
    const struct ptd_dataset_places *places; /* where pictures are; NULL: with the rows */
    const struct ptd_fit *fit;               /* the model; NULL: none */
    const struct ptd_image_rules *rules;     /* the model's; NULL without one */
    int max_tokens; /* room that a prompt must leave for a response; 0: any */
    /* of golds whose rows name none; NULL: golds are not looked at */
    const struct ptd_judge *judge;
    /* Each fault, in the order of rows: its kind, and one line that names file and line. */
    void (*report)(void *ctx, const char *kind, const char *message);
    /* Each row without one; NULL: nobody asks. -1 ends the check as a failure. */
    int (*usable)(void *ctx, struct ptd_dataset *d, int row, const struct ptd_group *g);
    void *ctx;
};

#define PTD_CHECK_LINES 5 /* that are kept of a kind of fault */
struct ptd_check_kind {
    char *name;
    long faults, lines[PTD_CHECK_LINES];
};
struct ptd_check_count { /* rows of one name */
    char *name;
    long rows;
};
struct ptd_check_tokens {
    long rows;
    int median, most95, most; /* most95: of all but the longest twentieth */
};

struct ptd_checked {
    long rows, usable, faults, pictures;
    int status; /* 0, 65, or 66 where pictures are missing and nothing else is wrong */
    struct ptd_check_kind *kinds;
    int n_kinds;
    /* of sound rows: in order of appearance or, where they are more than can be shown, the largest
     * first */
    struct ptd_check_count *categories, *answers;
    int n_categories, n_answers;
    struct ptd_check_tokens tokens[PTD_CHECK_LENGTHS];
    /* sound rows that bring these; bare: neither steps nor regions nor a solution */
    long steps, regions, objects, solutions, bare;
    struct ptd_check_kind notes[PTD_CHECK_NOTES]; /* without names */
};

/* -1: the file, or a row of it, cannot be judged for a cause that is not the data (66, 71, 74, 77),
 * or `usable` said so. */
int ptd_dataset_check_all(const char *file, const struct ptd_check *c,
                          struct ptd_checked *out) PTD_MUST_CHECK;
void ptd_checked_clear(struct ptd_checked *r);
#endif
