/* ops: the table of arithmetic that model code is written against. cpu/ops.c (plain C and OpenBLAS,
 * float32) is the specification; another device fills the same table. All arrays are row-major;
 * shapes in brackets; n rows; "dX" is the gradient of X; parameter gradients accumulate, activation
 * gradients are overwritten unless said otherwise. NULL for a bias, or for a gradient, means there
 * is none or it is not wanted. */
#ifndef PTD_OPS_H
#define PTD_OPS_H
#include "compute/device.h"
#include <stdint.h>

/* One segment of packed rows for attention. Keys and values live in a pool of rows (training: the
 * packed rows themselves; decoding: the cache). */
struct ptd_span {
    long row;     /* first query row in the packed arrays */
    int n;        /* query rows */
    long own;     /* pool row of this segment's first key */
    int past;     /* own keys before the first query row (decoding), 0 in training */
    long shared;  /* pool row of the prompt's first key */
    int n_shared; /* keys of the shared prompt, 0 if none */
};

struct ptd_attention {
    int heads, kv_heads, dim;
    int causal; /* own keys: row i sees past + i + 1 of them; not causal: past + n */
    long q_stride, k_stride, v_stride,
        o_stride; /* floats from one row to the next; dq, dk, dv have the same */
    const struct ptd_span *spans;
    /* neighbours with the same shared prompt and consecutive rows are computed together */
    int n_spans;
};

struct ptd_ops {
    /* Y [n, out] = X [n, in] W^T + b; W [out, in], b [out] */
    void (*linear)(struct ptd_device *d, float *Y, const float *X, const float *W, const float *b,
                   long n, int in, int out);
    /* dX [n, in] = dY W (added to dX if add); dW += dY^T X; db += column sums of dY */
    void (*linear_backward)(struct ptd_device *d, float *dX, int add, float *dW, float *db,
                            const float *dY, const float *X, const float *W, long n, int in,
                            int out);

    /* Y = X / sqrt(mean(X^2) + eps) * g over rows of width w; rstd [n] kept for backward (may be
     * NULL). */
    void (*rmsnorm)(struct ptd_device *d, float *Y, float *rstd, const float *X, const float *g,
                    long n, int w, float eps);
    /* dX is added to (the residual path is already there); dg += ... */
    void (*rmsnorm_backward)(struct ptd_device *d, float *dX, float *dg, const float *dY,
                             const float *X, const float *rstd, const float *g, long n, int w);
    void (*layernorm)(struct ptd_device *d, float *Y, float *mean, float *rstd, const float *X,
                      const float *g, const float *b, long n, int w, float eps);
    /* dX is added to */
    void (*layernorm_backward)(struct ptd_device *d, float *dX, float *dg, float *db,
                               const float *dY, const float *X, const float *mean,
                               const float *rstd, const float *g, long n, int w);

    /* Split-half rotation of every head of x [n rows, heads, dim] in place; stride: floats from row
     * to row; cosine, sine [n, dim/2]; sign +1 forward, -1 backward. */
    void (*rotate)(struct ptd_device *d, float *x, long stride, const float *cosine,
                   const float *sine, long n, int heads, int dim, int sign);
    /* q_norm/k_norm: per-head RMSNorm over dim with one gain for all heads: y[n, heads, dim] from
     * x; rstd [n, heads]. y_stride, x_stride in floats. */
    void (*headnorm)(struct ptd_device *d, float *y, long y_stride, float *rstd, const float *x,
                     long x_stride, const float *g, long n, int heads, int dim, float eps);
    /* dx (overwritten) from dy. */
    void (*headnorm_backward)(struct ptd_device *d, float *dx, long dx_stride, float *dg,
                              const float *dy, long dy_stride, const float *x, long x_stride,
                              const float *rstd, const float *g, long n, int heads, int dim);

    /* o[row, heads, dim] = softmax(q k^T / sqrt(dim)) v; lse [rows, heads] log-sum-exp of scaled
     * scores (NULL: not kept). Query head h uses kv head h / (heads / kv_heads). */
    void (*attention)(struct ptd_device *d, const struct ptd_attention *a, float *o, float *lse,
                      const float *q, const float *k, const float *v);
    /* Recomputes the probabilities from lse. dq overwritten; dk, dv accumulate (the caller zeroes
     * them). A span that shares a prompt must follow that prompt's own span, with nothing but
     * siblings between. */
    void (*attention_backward)(struct ptd_device *d, const struct ptd_attention *a, float *dq,
                               float *dk, float *dv, const float *dout, const float *o,
                               const float *lse, const float *q, const float *k, const float *v);

    /* y [n, w] = silu(g) * u with gu [n, 2w], g the first half of each row; backward: dgu
     * overwritten. */
    void (*swiglu)(struct ptd_device *d, float *y, const float *gu, long n, int w);
    void (*swiglu_backward)(struct ptd_device *d, float *dgu, const float *dy, const float *gu,
                            long n, int w);
    /* exact: x/2 (1 + erf(x/sqrt 2)); else the tanh form. dx may be dy. */
    void (*gelu)(struct ptd_device *d, float *y, const float *x, long n, int exact);
    void (*gelu_backward)(struct ptd_device *d, float *dx, const float *dy, const float *x, long n,
                          int exact);

    void (*add)(struct ptd_device *d, float *y, const float *x, long n); /* y += x */
    /* y[i] = table[ids[i]] */
    void (*gather)(struct ptd_device *d, float *y, const float *table, const int32_t *ids, long n,
                   int w);
    /* table[ids[i]] += y[i]; ids may repeat */
    void (*scatter_add)(struct ptd_device *d, float *table, const float *y, const int32_t *ids,
                        long n, int w);
    /* y[i] = sum of four table rows: tap [n,4] row numbers, weight [n,4]; added to y. Backward:
     * scatter into dtable. */
    void (*interpolate)(struct ptd_device *d, float *y, const float *table, const int32_t *tap,
                        const float *weight, long n, int w);
    void (*interpolate_backward)(struct ptd_device *d, float *dtable, const float *dy,
                                 const int32_t *tap, const float *weight, long n, int w);
};

extern const struct ptd_ops ptd_ops_cpu;
#endif
