/* linear: see linear.h. */
#include "net/linear.h"
#include "compute/ops.h"

void ptd_linear_forward(struct ptd_device *d, const struct ptd_linear *l, ptd_num *y,
                        const ptd_num *x, const ptd_num *residual, long n)
{
    d->ops->linear(d, y, x, &l->weight, l->bias.value, residual, n);
}

void ptd_linear_backward(struct ptd_device *d, const struct ptd_linear *l, ptd_num *dx,
                         const ptd_num *dy, const ptd_num *x, long n)
{
    d->ops->linear_backward(d, dx, 0, l->gradient, l->bias.gradient, dy, x, &l->weight, n);
}
