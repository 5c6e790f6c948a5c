/* steered: a weight of the KL that follows a target, as Ziegler 2019 (arXiv 1909.08593) has it and
 * EasyR1 and verl do:
 *
 *     beta <- beta (1 + clip(KL / target - 1, -0.2, 0.2) n / horizon)
 *
 * KL: the step's mean over tokens; n: its responses. The run keeps it (train.h), so that a resume
 * goes on with it. */
#ifndef PTD_STEERED_H
#define PTD_STEERED_H

struct ptd_steered {
    double target;  /* 0: beta stays */
    double horizon; /* responses */
};

/* The next step's beta; the same where KL is not finite. */
static inline double ptd_steered(const struct ptd_steered *s, double beta, double kl, double n)
{
    double off = s->target > 0 ? kl / s->target - 1 : 0;
    if (!(off - off == 0)) return beta;
    off = off > 0.2 ? 0.2 : off < -0.2 ? -0.2 : off;
    double next = beta * (1 + off * n / s->horizon);
    return next > 0 ? next : beta;
}
#endif
