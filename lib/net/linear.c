/* linear: see linear.h. */
#include "net/linear.h"
#include "compute/ops.h"
#include "net/adapter.h"

void ptd_linear_forward(struct ptd_device *d, const struct ptd_linear *l, ptd_num *y,
                        const ptd_num *x, const ptd_num *residual, long n)
{
    d->ops->linear(d, y, x, &l->weight, l->bias.value, residual, n);
    if (l->adapter) d->ops->low_rank(d, y, x, &l->adapter->low, n);
}

ptd_acc *ptd_linear_gradient(const struct ptd_linear *l)
{
    return l->n_trained && l->trained->n == l->weight.rows ? l->trained->gradient : NULL;
}

static void backward_of_rows(struct ptd_device *d, const struct ptd_linear *l, const ptd_num *dy,
                             const ptd_num *x, long n)
{
    for (const struct ptd_trained_rows *t = l->trained; t < l->trained + l->n_trained; t++)
        d->ops->linear_gradient(d, t->gradient, ptd_at(d, dy, t->first), l->weight.rows, x, n,
                                l->weight.cols, t->n);
}

void ptd_linear_backward(struct ptd_device *d, const struct ptd_linear *l, ptd_num *dx,
                         const ptd_num *dy, const ptd_num *x, long n)
{
    ptd_acc *all = ptd_linear_gradient(l);
    d->ops->linear_backward(d, dx, 0, all, l->bias.gradient, dy, x, &l->weight, n);
    if (!all) backward_of_rows(d, l, dy, x, n);
    if (l->adapter) d->ops->low_rank_backward(d, dx, dy, x, &l->adapter->low, n);
}
