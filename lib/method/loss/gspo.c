/* gspo: one ratio for a response, the geometric mean of its tokens'.
 *
 *     s = exp(1/n sum over its tokens of (logp - old));  pg = clipped objective of s, as ppo's
 *
 * gspo-token has the same value, and the gradient of each token by itself, as if r = s were its
 * own: it is another loss only where advantages or weights differ within a response.
 *
 * Zheng 2025. */
#include "method/loss/loss.h"
#include <math.h>

static double ratio_of(const struct ptd_tokens *t, const struct ptd_sequence *q)
{
    double sum = 0;
    for (long i = q->first; i < q->first + q->n; i++) sum += t->logp[i] - t->old[i];
    return exp(sum / q->n);
}

/* Returns the sum of weight times slope over a response; dlogp becomes each token's own. */
static double put_response(const struct ptd_tokens *t, const struct ptd_sequence *q,
                           const struct ptd_token_losses *out)
{
    double s = ratio_of(t, q), sum = 0;
    for (long i = q->first; i < q->first + q->n; i++) {
        double slope;
        int side;
        out->ratio[i] = s;
        out->pg[i] = ptd_clipped(s, t->advantage[i], &t->clip, &slope, &side);
        out->side[i] = (int8_t)side;
        sum += out->dlogp[i] = t->weight[i] * slope;
    }
    return sum;
}

static void value(const void *own, const struct ptd_tokens *t, long first, long n,
                  const struct ptd_token_losses *out)
{
    for (long k = 0; k < t->n_sequences; k++) {
        const struct ptd_sequence *q = &t->sequences[k];
        double sum = put_response(t, q, out);
        for (long i = q->first; i < q->first + q->n; i++) out->dlogp[i] = sum / q->n;
    }
}

static void value_by_token(const void *own, const struct ptd_tokens *t, long first, long n,
                           const struct ptd_token_losses *out)
{
    for (long k = 0; k < t->n_sequences; k++) put_response(t, &t->sequences[k], out);
}

const struct ptd_loss ptd_loss_gspo = {
    .is.name = "gspo",
    .is.formula = "max(-A s, -A clip(s)), s = the response's mean ratio",
    .is.paper = "arXiv:2507.18071",
    .sequences = 1,
    .clip = {3e-4, 4e-4, 0},
    .clips = PTD_CLIP_ALL,
    .aggregate = "sequence",
    .value = value,
};

const struct ptd_loss ptd_loss_gspo_token = {
    .is.name = "gspo-token",
    .is.formula = "the value of gspo, each token's gradient its own",
    .is.paper = "arXiv:2507.18071",
    .sequences = 1,
    .clip = {3e-4, 4e-4, 0},
    .clips = PTD_CLIP_ALL,
    .aggregate = "sequence",
    .value = value_by_token,
};
