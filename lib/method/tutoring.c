/* tutoring: see tutoring.h. Divergences are lib/method/divergence, sums learn.c's. */
#include "method/tutoring.h"
#include "base/half.h"
#include <math.h>

/* ---- names ---- */

#define CODED(name, code, formula, paper) &(const struct ptd_coded){{name, formula, paper}, code}.is

ptd_method_table ptd_supports = {
    CODED("union", PTD_SUPPORT_UNION, "the tutor's words and the student's", "arXiv:2606.07000"),
    CODED("student", PTD_SUPPORT_STUDENT, "the student's words when it sampled",
          "arXiv:2601.20802"),
    CODED("teacher", PTD_SUPPORT_TEACHER, "the tutor's words", "arXiv:2306.13649"),
    NULL,
};

ptd_method_table ptd_weighings = {
    CODED("none", PTD_WEIGH_NONE, "w = 1", ""),
    CODED("entropy", PTD_WEIGH_ENTROPY, "w = H of the student, in nats", ""),
    CODED("confidence", PTD_WEIGH_CONFIDENCE, "w = the tutor's probability of its best word", ""),
    CODED("ratio", PTD_WEIGH_RATIO, "w = min(r, 2)", "arXiv:2601.20802"),
    NULL,
};

ptd_method_table ptd_lifts = {
    CODED("tutored", PTD_LIFT_TUTORED, "groups with a tutored response", "arXiv:2606.07000"),
    CODED("active", PTD_LIFT_ACTIVE, "groups below tau, tutored or not", ""),
    CODED("none", PTD_LIFT_NONE, "no group", ""),
    NULL,
};

ptd_method_table ptd_tutor_uses = {
    CODED("divergence", 0, "L += lambda/N_ptd sum w D", ""),
    CODED("advantage", 1, "A_t += lambda (ln t - ln s when sampled)", "arXiv:2306.13649"),
    NULL,
};

ptd_method_table ptd_lambda_schedules = {
    CODED("constant", 0, "lambda", ""),
    CODED("linear", 1, "lambda along a line to lambda * end", ""),
    CODED("cosine", 2, "lambda along half a cosine to lambda * end", ""),
    NULL,
};

int ptd_coded_named(ptd_method_table table, const char *what, const char *name)
{
    const struct ptd_method *m = ptd_method_named(table, what, name);
    return m ? ((const struct ptd_coded *)m)->code : -1;
}

/* ---- lessons ---- */

struct ptd_lesson ptd_tutoring_lesson(const struct ptd_tutoring *t, const struct ptd_rollout *y,
                                      int top_k, int token)
{
    int k = top_k && top_k < y->teacher_k ? top_k : y->teacher_k;
    long at = (long)token * y->teacher_k, own = (long)token * y->top_k;
    struct ptd_lesson l = {0};
    if (y->teacher_ids && t->support != PTD_SUPPORT_STUDENT) {
        l.ids = y->teacher_ids + at;
        l.logp = y->teacher_logp + at;
        l.k = k;
    }
    if (y->teacher_on_top && t->support != PTD_SUPPORT_TEACHER) {
        l.top_ids = y->top_ids + own;
        l.on_top = y->teacher_on_top + own;
        l.top_k = y->top_k;
    }
    return l;
}

const char *ptd_tutoring_lacks(const struct ptd_tutoring *t, int word, const struct ptd_rollout *y)
{
    int whole = y->teacher_rows != NULL;
    if ((word || t->as_advantage) && !y->teacher_on_ids && y->n)
        return "no log-probs of the teacher for what was sampled: expected those of this ptd-ref";
    if (t->weigh == PTD_WEIGH_CONFIDENCE && !y->teacher_ids)
        return "no words of the teacher (--tutor-weight confidence): expected ptd-ref -k K";
    if (word || t->as_advantage || whole) return NULL;
    if (!y->teacher_ids)
        return "no distribution of the teacher: expected ptd-ref -k K or -k full (or --divergence "
               "sampled)";
    if (t->support == PTD_SUPPORT_STUDENT && !y->teacher_on_top)
        return "no words of the student (--support student): expected ptd-rollout -k K";
    return NULL;
}

/* ---- weights ---- */

double ptd_tutoring_weight(const struct ptd_tutoring *t, const struct ptd_rollout *y, int token)
{
    if (t->weigh == PTD_WEIGH_CONFIDENCE)
        return exp(ptd_unhalf(y->teacher_logp[(long)token * y->teacher_k]));
    return t->weigh == PTD_WEIGH_NONE ? 1 : NAN;
}

double ptd_tutoring_weighed(const struct ptd_tutoring *t, double known, double entropy,
                            double ratio)
{
    const double most = 2;
    if (t->weigh == PTD_WEIGH_ENTROPY) return entropy;
    if (t->weigh == PTD_WEIGH_RATIO) return ratio > most ? most : ratio;
    return known;
}

/* ---- masked pictures ---- */

double ptd_masked_term(double gamma, double logp, double masked, double *dlogp)
{
    const double far = 20, most = 10;
    double d = masked - logp, inside = fmin(fmax(d, -far), far), k3;
    if (d != d) return *dlogp = d;
    k3 = expm1(inside) - inside;
    *dlogp = d != inside || k3 > most ? 0 : gamma * expm1(inside);
    return -gamma * (k3 > most ? most : k3);
}

/* ---- lambda ---- */

double ptd_lambda_at(const struct ptd_lambda *l, int64_t step, int64_t total)
{
    if (!l->schedule || total <= 1) return l->from;
    double at = (double)(step - 1) / (double)(total - 1);
    if (at > 1) at = 1;
    double share = l->schedule == 2 ? (1 + cos(M_PI * at)) / 2 : 1 - at;
    return l->from * (l->end + (1 - l->end) * share);
}
