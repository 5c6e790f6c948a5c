/* losses: the losses and the estimates of the KL once more, in double and as their formulas read,
 * by name. */
#ifndef PTD_TESTS_LOSSES_H
#define PTD_TESTS_LOSSES_H
#include "test.h"
#include "method/loss/aggregate.h"
#include <math.h>
#include <string.h>

/* What plain forms read. fixed [n]: the log-probs that parts without a gradient are made of, which
 * stay where they are when logp is moved; NULL: logp. */
struct plain_update {
    const struct ptd_tokens *t;
    const double *fixed;
};

static inline double plain_ratio(const struct plain_update *u, long i)
{
    return exp(u->t->logp[i] - u->t->old[i]);
}

static inline double plain_fixed(const struct plain_update *u, long i)
{
    return u->fixed ? u->fixed[i] : u->t->logp[i];
}

static inline const struct ptd_sequence *plain_sequence(const struct plain_update *u, long i)
{
    return &u->t->sequences[u->t->sequence[i]];
}

static inline double plain_clipped(double r, double A, const struct ptd_clip *c)
{
    double near = r < 1 - c->low    ? 1 - c->low
                  : r > 1 + c->high ? 1 + c->high
                                    : r,
           pg = fmax(-A * r, -A * near);
    return A < 0 && c->dual > 0 ? fmin(pg, -c->dual * A) : pg;
}

/* Mean log-ratio of the response of token i. */
static inline double plain_mean(const struct plain_update *u, long i, int fixed)
{
    const struct ptd_sequence *q = plain_sequence(u, i);
    double sum = 0;
    for (long k = q->first; k < q->first + q->n; k++)
        sum += (fixed ? plain_fixed(u, k) : u->t->logp[k]) - u->t->old[k];
    return sum / q->n;
}

static inline double plain_ppo(const struct plain_update *u, long i)
{
    return plain_clipped(plain_ratio(u, i), u->t->advantage[i], &u->t->clip);
}

static inline double plain_gspo(const struct plain_update *u, long i)
{
    return plain_clipped(exp(plain_mean(u, i, 0)), u->t->advantage[i], &u->t->clip);
}

static inline double plain_gspo_token(const struct plain_update *u, long i)
{
    double s = exp(plain_mean(u, i, 1) + u->t->logp[i] - plain_fixed(u, i));
    return plain_clipped(s, u->t->advantage[i], &u->t->clip);
}

static inline double plain_cispo(const struct plain_update *u, long i)
{
    double w = fmin(exp(plain_fixed(u, i) - u->t->old[i]), 1 + u->t->clip.high);
    return -w * u->t->advantage[i] * u->t->logp[i];
}

static inline double plain_sapo(const struct plain_update *u, long i)
{
    double A = u->t->advantage[i], tau = A > 0 ? 1 : 1.05;
    return -A * 4 / tau / (1 + exp(-tau * (plain_ratio(u, i) - 1)));
}

static inline double plain_gmpo(const struct plain_update *u, long i)
{
    const struct ptd_sequence *q = plain_sequence(u, i);
    double product = 1, A = 0;
    for (long k = q->first; k < q->first + q->n; k++) {
        double r = plain_ratio(u, k), a = u->t->advantage[k], low = exp(-u->t->clip.low),
               high = exp(u->t->clip.high);
        product *= a > 0 ? fmin(r, high) : a < 0 ? fmax(r, low) : r;
        A += a / q->n;
    }
    return -A * pow(product, 1.0 / q->n);
}

static inline double plain_reinforce(const struct plain_update *u, long i)
{
    return -u->t->advantage[i] * u->t->logp[i];
}

static inline double plain_sft(const struct plain_update *u, long i)
{
    return -u->t->logp[i];
}

/* Squared log-ratio less twice the advantage: the loss that test-method adds. */
static inline double plain_squared(const struct plain_update *u, long i)
{
    double d = u->t->logp[i] - u->t->old[i] - 2 * u->t->advantage[i];
    return d * d;
}

/* pg of a token; fails for a loss that has no plain form here. */
static inline double (*plain_loss_of(const char *name))(const struct plain_update *u, long i)
{
    static const struct {
        const char *name;
        double (*of)(const struct plain_update *u, long i);
    } forms[] = {{"ppo", plain_ppo},
                 {"gspo", plain_gspo},
                 {"gspo-token", plain_gspo_token},
                 {"cispo", plain_cispo},
                 {"sapo", plain_sapo},
                 {"gmpo", plain_gmpo},
                 {"reinforce", plain_reinforce},
                 {"sft", plain_sft},
                 {"squared", plain_squared}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (!strcmp(forms[i].name, name)) return forms[i].of;
    fail_msg("loss %s is in the table and has no plain form in tests/losses.h", name);
    return NULL;
}

/* What a token is divided by. */
static inline double plain_count(const struct ptd_tokens *t, long i, int how, double length)
{
    double responses = 0;
    for (long k = 0; k < t->n_sequences; k++) responses += t->sequences[k].n > 0;
    return how == PTD_BY_TOKEN      ? t->n
           : how == PTD_BY_SEQUENCE ? responses * t->sequences[t->sequence[i]].n
                                    : responses * length;
}

/* The value, or, with `learned`, something of the same gradient. */
static inline double plain_kl(const char *name, double logp, double old, double ref, int learned)
{
    double d = ref - logp, k3 = exp(d) - d - 1;
    if (!strcmp(name, "k1")) return learned ? d * d / 2 : -d;
    if (!strcmp(name, "k2")) return d * d / 2;
    if (!strcmp(name, "k3")) return k3;
    if (!strcmp(name, "k3-unbiased")) return exp(logp - old) * k3;
    fail_msg("estimate %s is in the table and has no plain form in tests/losses.h", name);
    return 0;
}
#endif
