/* reply: what a user's own judge says of a response, one line of JSON: an object with at least one
 * of
 *     "reward"    a number within +-1e6, which counts with the command's weight
 *     "accuracy"  0 to 1, true or false, in place of the rule's
 * and perhaps "parts", an object of at most 63 numbers that are reported only. All else in it is
 * ignored; but an answer with "response" and without "reward" is none: it is the question again,
 * whose accuracy is the rule's. */
#ifndef PTD_REPLY_H
#define PTD_REPLY_H
#include "flow/record.h"

#define PTD_REPLY_REWARD 1e6 /* the largest reward, or part */

struct ptd_reply {
    int has_reward, has_accuracy;
    double reward, accuracy;
    struct ptd_reward_part *parts; /* NAME/PART each, in g's arena */
    int n_parts;
    const char *reason; /* why there was no answer; NULL: there was one */
};

/* -1: what it says is none (65). `name` is the command's. */
int ptd_reply_read(struct ptd_reply *r, struct ptd_group *g, const char *name, const char *line,
                   size_t len) PTD_MUST_CHECK;
#endif
