/* tutoring: how tutored tokens learn: at which words student and tutor are compared, what a token
 * counts, whether the tutor is a divergence or a reward, which groups lose their reference, and how
 * lambda goes over a run.
 *
 *     L += lambda/N_ptd sum over tutored tokens of  w_t D_t
 *
 * By name, of tables; what is not said is the first row of each. */
#ifndef PTD_TUTORING_H
#define PTD_TUTORING_H
#include "base/method.h"
#include "flow/record.h"
#include "net/head.h"

enum ptd_supported { PTD_SUPPORT_UNION, PTD_SUPPORT_STUDENT, PTD_SUPPORT_TEACHER };
enum ptd_weighed { PTD_WEIGH_NONE, PTD_WEIGH_ENTROPY, PTD_WEIGH_CONFIDENCE, PTD_WEIGH_RATIO };
enum ptd_lift { PTD_LIFT_TUTORED, PTD_LIFT_ACTIVE, PTD_LIFT_NONE };

/* A row: its code is the enum's. */
struct ptd_coded {
    struct ptd_method is;
    int code;
};
extern ptd_method_table ptd_supports, ptd_weighings, ptd_lifts, ptd_tutor_uses,
    ptd_lambda_schedules;
/* Code of the row of that name; -1, 2: there is none. what: the option. */
int ptd_coded_named(ptd_method_table table, const char *what, const char *name);

struct ptd_tutoring {
    int support, weigh, lift; /* the enums above */
    int no_tail;              /* words beyond the support are nobody's */
    int as_advantage;         /* 1: the tutor is a reward, and D is not in L */
    double masked;            /* weight of the distance from the masked pictures' log-probs */
    struct ptd_lm_head *head; /* of the tutor, for hidden rows; NULL: none is needed */
};

/* The tutor's words at a token, of at most top_k of its own (0: all there are) that the support
 * leaves; says nothing where the rollout has hidden rows. */
struct ptd_lesson ptd_tutoring_lesson(const struct ptd_tutoring *t, const struct ptd_rollout *y,
                                      int top_k, int token);
/* w_t before it is known what the student now says: NAN where that decides it. */
double ptd_tutoring_weight(const struct ptd_tutoring *t, const struct ptd_rollout *y, int token);
/* w_t: `known` unless that is NAN. */
double ptd_tutoring_weighed(const struct ptd_tutoring *t, double known, double entropy,
                            double ratio);
/* What must be in the stream and is not, of a tutored rollout, for a divergence of masses or of the
 * sampled word: NULL: nothing, else what was expected, for an end of a line. */
const char *ptd_tutoring_lacks(const struct ptd_tutoring *t, int word, const struct ptd_rollout *y);

/* PAPO's term at a token, which pulls the student from what it says without seeing (2507.06448):
 *
 *     -gamma k3,  d = masked - logp within +-20,  k3 = e^d - d - 1, at most 10
 *
 * *dlogp is its derivative by logp, 0 where it is held. The masked side does not move. */
double ptd_masked_term(double gamma, double logp, double masked, double *dlogp);

/* lambda over a run: at a step that counts from 1 of `total` it is `from`, or goes from there at
 * the first to from * end at the last, along a line or half a cosine. */
struct ptd_lambda {
    int schedule; /* code of ptd_lambda_schedules */
    double from, end;
};
double ptd_lambda_at(const struct ptd_lambda *l, int64_t step, int64_t total);
#endif
