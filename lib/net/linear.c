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

void ptd_linear_backward(struct ptd_device *d, const struct ptd_linear *l, ptd_num *dx,
                         const ptd_num *dy, const ptd_num *x, long n)
{
    d->ops->linear_backward(d, dx, 0, l->gradient, l->bias.gradient, dy, x, &l->weight, n);
    if (l->adapter) d->ops->low_rank_backward(d, dx, dy, x, &l->adapter->low, n);
}
