/* checker: the user's own judges: commands that answer a line of JSON with a line of JSON
 * (base/coprocess.h says how they run, start again and end).
 *
 * Asked for each response, with what there is of these:
 *     {"uid": "train-7", "rollout": 0, "step": 1, "category": "sum", "system": "...",
 *      "question": "...", "answer": "11", "answers": ["eleven"], "judge": "number",
 *      "solution": "...", "response": "... \\boxed{11}", "stop": "eos", "tokens": 13,
 *      "extracted": "11", "outcome": "right", "accuracy": 1, "format": 1}
 * the last four being what the rules found. Answered as method/reply.h says; of all commands one
 * alone may give accuracies. */
#ifndef PTD_CHECKER_H
#define PTD_CHECKER_H
#include "base/opt.h"
#include "flow/record.h"

#define PTD_CHECKERS_MAX 16
#define PTD_CHECKER_JOBS 64

struct ptd_checkers;

/* What the commands found of a response. */
struct ptd_checked {
    double reward;                    /* the sum of weights times rewards */
    double rewards[PTD_CHECKERS_MAX]; /* of each command, 0 where it gave none */
    int judged;                       /* accuracy is there */
    double accuracy;                  /* 0..1 */
    const char *reason; /* why the command that judges did not (accuracy is 0), or NULL */
};

struct ptd_checker_limits {
    int jobs;             /* processes of each command */
    double answer, start; /* seconds, as in base/coprocess.h */
};
/* Each of `list` is "CMD", "NAME=CMD" or "NAME:WEIGHT=CMD"; NAME is "exec" if there is none. NULL,
 * 2: a name that is none, that comes twice or that the metrics have already; what looks like an
 * assignment to a variable; a weight that is no number. */
struct ptd_checkers *ptd_checkers_new(const struct ptd_opt_list *list,
                                      const struct ptd_checker_limits *limits);
/* All commands about all rollouts of n groups at once: fills `found` (theirs, one group after the
 * other) and the rollouts' parts, NAME for reward (or accuracy, without one) and NAME/PART. A
 * response that gets no answer (twice ended, or too late) counts as 0 with a warning that names it.
 * -1: an answer that is none (65), or a command that never answers: ended before it answered
 * anything, five times in a row, or it does not begin to read (69); *failed: the group, -1: none.
 */
int ptd_checkers_ask(struct ptd_checkers *c, struct ptd_group *const *g, int n,
                     struct ptd_checked *found, int *failed) PTD_MUST_CHECK;
/* Weights of the n commands. */
int ptd_checkers_weights(const struct ptd_checkers *c, double weight[PTD_CHECKERS_MAX]);
/* All is asked: ends the commands. -1 (65): one wrote more lines than it was asked for. */
int ptd_checkers_end(struct ptd_checkers *c) PTD_MUST_CHECK;
/* "style: 3 without an answer", or ""; valid until the next call. */
const char *ptd_checkers_summary(const struct ptd_checkers *c);
void ptd_checkers_close(struct ptd_checkers *c); /* NULL: nothing */
#endif
