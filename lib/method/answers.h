/* answers: which answers are the same one, and how often each was given.
 *
 * All that are judged right are one answer, the one that is expected; two others are the same if
 * both are one number (1/2, 0.5), or if their normal forms are (number.h). Where the expected one
 * is the letter of an option, answers go by the letters that they name. A response in which no
 * answer was found gave none.
 *
 *     struct ptd_answers a = {0};
 *     ptd_answers_count(&a, &group);      // of each judged group
 *     ... ptd_answers_different(&a) of a.given answers ...
 *     ptd_answers_clear(&a); */
#ifndef PTD_ANSWERS_H
#define PTD_ANSWERS_H
#include "base/names.h"
#include "flow/record.h"

struct ptd_answer_tally {
    char *as;          /* as it was first written */
    long times, right; /* how often it was given, and was right */
    long expected;     /* to how many groups it is the answer */
};
struct ptd_answers {
    struct ptd_names names;      /* normal forms */
    struct ptd_answer_tally *at; /* [names.n] */
    long given, groups;          /* sums of times and of expected */
    int cap;
};
void ptd_answers_count(struct ptd_answers *a, const struct ptd_group *g);
/* What others have counted under a normal form joins. */
void ptd_answers_join(struct ptd_answers *a, const char *name, const struct ptd_answer_tally *t);
int ptd_answers_different(const struct ptd_answers *a); /* how many were given */
int ptd_answers_wanted(const struct ptd_answers *a);    /* how many are expected somewhere */
/* The k-th most frequent of those given, from 0, in which[]: at most n of them, of as many the one
 * met first. Returns how many. */
int ptd_answers_frequent(const struct ptd_answers *a, int *which, int n);
/* The one that is expected most often; -1: none is. */
int ptd_answers_best_guess(const struct ptd_answers *a);
void ptd_answers_clear(struct ptd_answers *a);

/* How a group voted, for ptd_maj_at_k (chance.h) and for how many agree. */
struct ptd_votes {
    int *of;      /* [n_rollouts] which answer a response gave; -1: none */
    int *votes;   /* [n] */
    int n, right; /* right: the one that is; -1: nobody gave it */
};
void ptd_votes_count(struct ptd_votes *v, const struct ptd_group *g);
void ptd_votes_clear(struct ptd_votes *v);
#endif
