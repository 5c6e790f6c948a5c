/* linear: one matrix of the network with all that belongs to it, so that a product is one line
 * wherever it stands: y = x W^T + b (+ residual).
 *
 *     ptd_linear_forward(d, &p->o, y, x, residual, n);
 *     ptd_linear_backward(d, &p->o, dx, dy, x, n);   // gradients of weight and bias accumulate */
#ifndef PTD_LINEAR_H
#define PTD_LINEAR_H
#include "compute/matrix.h"

/* Where a parameter that is no matrix lies: weights and, while it is trained, its gradient. */
struct ptd_weight {
    ptd_num *value;
    ptd_acc *gradient; /* NULL: it has none */
};

struct ptd_adapter; /* what is added to a product, x A^T B^T: adapter.h */

/* Rows of a matrix that have one gradient: those of q, say, where k and v are frozen. */
struct ptd_trained_rows {
    ptd_acc *gradient; /* [n, in] */
    int first, n;
};
#define PTD_TRAINED_ROWS 2 /* at most: with a frozen one between */

struct ptd_linear {
    struct ptd_matrix weight; /* [out, in] */
    struct ptd_trained_rows trained[PTD_TRAINED_ROWS];
    int n_trained;
    struct ptd_weight bias;            /* [out]; value NULL: none */
    const struct ptd_adapter *adapter; /* NULL: none */
};

/* y [n, out], x [n, in], residual [n, out] or NULL */
void ptd_linear_forward(struct ptd_device *d, const struct ptd_linear *l, ptd_num *y,
                        const ptd_num *x, const ptd_num *residual, long n);
/* [out, in] where all rows are trained; NULL: not all are */
ptd_acc *ptd_linear_gradient(const struct ptd_linear *l);
/* dx [n, in] (NULL: not wanted) from dy [n, out] */
void ptd_linear_backward(struct ptd_device *d, const struct ptd_linear *l, ptd_num *dx,
                         const ptd_num *dy, const ptd_num *x, long n);
#endif
