/* ema: the running mean of the trained parameters, for a tutor that moves more slowly than its
 * student (Tarvainen and Valpola 2017, arXiv 1703.01780).
 *
 *     e_0 = w_0;  e_t = decay e_{t-1} + (1 - decay) w_t, once a step
 *
 *     struct ptd_ema *e = ptd_ema_new(m, 0.95);
 *     ptd_ema_load(e, store, generation); // m holds that generation, too
 *     ... the weights are the next generation ...
 *     ptd_ema_step(e);
 *     ptd_ema_publish(e, &publication);
 *
 * It lies on the host in float32, 4 bytes a trained number, whatever form the weights have, of
 * which it sees the network's. In the store it is a tensor beside each trained one, "ema.NAME" of
 * the same generation; generation 0 has none, since it is its own. */
#ifndef PTD_EMA_H
#define PTD_EMA_H
#include "net/model.h"

struct ptd_ema;
struct ptd_ema *ptd_ema_new(struct ptd_model *m, double decay);
/* Of a generation that has none (it was trained without) the weights are the mean. */
int ptd_ema_load(struct ptd_ema *e, struct ptd_store *s, int64_t generation) PTD_MUST_CHECK;
void ptd_ema_step(struct ptd_ema *e);
/* Adds its tensors to p->weights, which the publication's owner frees. */
void ptd_ema_publish(const struct ptd_ema *e, struct ptd_publication *p);
size_t ptd_ema_bytes(const struct ptd_model *m);
void ptd_ema_free(struct ptd_ema *e); /* or NULL */
#endif
