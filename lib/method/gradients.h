/* gradients: the gradient of a whole update, summed over the ranks that have a share of it each.
 *
 *     struct ptd_gradients *g = ptd_gradients_new(m, comm, PTD_COMM_F32);
 *     rules.last = ptd_gradients_last, rules.last_ctx = g;
 *     ptd_gradients_begin(g);
 *     ptd_learn(score, groups, n, &rules, &learned, &bad);
 *     if (ptd_gradients_end(g, bad >= 0)) ...         // m->grads: of all
 *
 * On the host, from the last micro-batch on a part's sum runs while backward computes the part
 * below it. All ranks sum parts in one order, that of backward (ptd_model_order), whatever their
 * own batches lack. A rank whose loss is not finite puts a NaN into the sum, so that all refuse
 * the step together.
 *
 * Where gradients are applied part by part (optimizer.h), ptd_gradients_part sums one in its place,
 * and nothing is overlapped: the next part needs the memory. */
#ifndef PTD_GRADIENTS_H
#define PTD_GRADIENTS_H
#include "compute/cards.h"
#include "net/model.h"

struct ptd_gradients;
/* share: 1: each rank gets the sum of its share of every parameter alone (optimizer.h). */
struct ptd_gradients *ptd_gradients_new(struct ptd_model *m, struct ptd_comm *c,
                                        enum ptd_comm_form form, int share);
/* From now on whole parts are summed where they are; they stay the caller's. */
void ptd_gradients_on_cards(struct ptd_gradients *g, struct ptd_cards *k);
void ptd_gradients_free(struct ptd_gradients *g); /* NULL: nothing */
void ptd_gradients_begin(struct ptd_gradients *g);
void ptd_gradients_last(void *g); /* of ptd_loss_rules */
int ptd_gradients_end(struct ptd_gradients *g, int spoilt) PTD_MUST_CHECK;

/* [n_parts] the order */
const int *ptd_gradients_order(const struct ptd_gradients *g);
/* For ptd_optimizer_rules, where ranks have shares. */
int ptd_gradients_total(void *g, double *x, int n) PTD_MUST_CHECK;
int ptd_gradients_spread(void *g) PTD_MUST_CHECK;
/* -1 also if the part cannot be summed. */
int ptd_gradients_part(void *g, int part, int spoilt) PTD_MUST_CHECK;
#endif
