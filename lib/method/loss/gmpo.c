/* gmpo: the geometric mean of a response's ratios, each clipped in the logarithm on the side on
 * which it has nothing to gain.
 *
 *     l = logp - old;  l' = min(l, high) for A > 0, max(l, -low) for A < 0
 *     pg = -(mean of A) exp(1/n sum l')
 *
 * Zhao 2025: bounds e^-0.4 and e^0.4. */
#include "method/loss/loss.h"
#include <math.h>

static int is_clipped(const struct ptd_tokens *t, long i)
{
    double l = t->logp[i] - t->old[i], A = t->advantage[i];
    return (A > 0 && l > t->clip.high) || (A < 0 && l < -t->clip.low);
}

static double clipped(const struct ptd_tokens *t, long i)
{
    if (!is_clipped(t, i)) return t->logp[i] - t->old[i];
    return t->advantage[i] > 0 ? t->clip.high : -t->clip.low;
}

static void put_response(const struct ptd_tokens *t, const struct ptd_sequence *q,
                         const struct ptd_token_losses *out)
{
    double sum = 0, A = 0, weight = 0;
    long end = q->first + q->n;
    for (long i = q->first; i < end; i++) {
        sum += clipped(t, i);
        A += t->advantage[i] / q->n;
        weight += t->weight[i];
    }
    double pg = -A * exp(sum / q->n);
    for (long i = q->first; i < end; i++) {
        out->ratio[i] = exp(t->logp[i] - t->old[i]);
        out->side[i] = (int8_t)is_clipped(t, i);
        out->pg[i] = pg;
        out->dlogp[i] = out->side[i] ? 0 * pg : weight * pg / q->n;
    }
}

static void value(const void *own, const struct ptd_tokens *t, long first, long n,
                  const struct ptd_token_losses *out)
{
    for (long k = 0; k < t->n_sequences; k++) put_response(t, &t->sequences[k], out);
}

const struct ptd_loss ptd_loss_gmpo = {
    .is.name = "gmpo",
    .is.formula = "-A geometric mean of the response's clipped ratios",
    .is.paper = "arXiv:2507.20673",
    .sequences = 1,
    .clip = {0.4, 0.4, 0},
    .clips = PTD_CLIP_LOW | PTD_CLIP_HIGH,
    .aggregate = "sequence",
    .value = value,
};
