/* ops: the table of operations in float32 on the CPU: products on one thread each (product.h),
 * shared out by rows over our own threads, and plain vector loops. It is the specification for any
 * other device. Attention is attention.c. */
#include "compute/cpu/ops.h"
#include "base/dtype.h"
#include "compute/cpu/rows.h"
#include "base/threads.h"
#include "compute/cpu/floats.h"
#include "compute/cpu/product.h"
#include "compute/drivers.h"
#include "compute/cpu/vec.h"
#include <math.h>
#include <string.h>

#define SHARE_WORK 40000 /* multiply-adds; with fewer a share is not worth a second thread */
#define FEW_ROWS   8     /* a product packs W; for so few rows a plain pass over it is faster */

static long grain_of(double work_per_item)
{
    double g = SHARE_WORK / (work_per_item + 1);
    return g < 1 ? 1 : (long)g;
}

/* ---- linear ---- */

struct linear_job {
    float *Y;
    const float *X, *W, *b, *residual;
    long n;
    int in, out;
};

/* Rows of Y begin as the bias, where there is one. */
static void begin_rows(const struct linear_job *j, long row, long n, long first, long last)
{
    for (long i = row; j->b && i < row + n; i++)
        memcpy(j->Y + i * j->out + first, j->b + first, (last - first) * sizeof *j->Y);
}

/* Added when the product is done, so that it rounds as an addition of its own does. */
static void end_rows(const struct linear_job *j, long row, long n, long first, long last)
{
    for (long i = row; j->residual && i < row + n; i++) {
        float *y = j->Y + i * j->out;
        const float *r = j->residual + i * j->out;
        for (long o = first; o < last; o++) y[o] += r[o];
    }
}

static void linear_rows(void *ctx, long first, long last)
{
    const struct linear_job *j = ctx;
    begin_rows(j, first, last - first, 0, j->out);
    ptd_product_nt(j->Y + first * j->out, j->out, j->b != NULL, 1, j->X + first * j->in, j->in,
                   j->W, j->in, last - first, j->out, j->in);
    end_rows(j, first, last - first, 0, j->out);
}

/* The share that is not cut is packed by every thread, so the longer side is cut. */
static void linear_outputs(void *ctx, long first, long last)
{
    const struct linear_job *j = ctx;
    begin_rows(j, 0, j->n, first, last);
    ptd_product_nt(j->Y + first, j->out, j->b != NULL, 1, j->X, j->in, j->W + first * j->in, j->in,
                   j->n, last - first, j->in);
    end_rows(j, 0, j->n, first, last);
}

/* A few rows: plain dots. */
static void linear_columns(void *ctx, long first, long last)
{
    const struct linear_job *j = ctx;
    for (long o = first; o < last; o++)
        for (long i = 0; i < j->n; i++)
            j->Y[i * j->out + o] =
                vec_dot(j->X + i * j->in, j->W + o * j->in, j->in) + (j->b ? j->b[o] : 0);
    end_rows(j, 0, j->n, first, last);
}

static void multiply(const struct linear_job *j)
{
    if (j->n <= FEW_ROWS)
        ptd_parallel(j->out, grain_of((double)j->n * j->in), linear_columns, (void *)j);
    else if (j->n < j->out)
        ptd_parallel(j->out, grain_of((double)j->n * j->in), linear_outputs, (void *)j);
    else
        ptd_parallel(j->n, grain_of((double)j->in * j->out), linear_rows, (void *)j);
}

static void linear(struct ptd_device *d, ptd_num *Y, const ptd_num *X, const ptd_num *W,
                   const ptd_num *b, const ptd_num *residual, long n, int in, int out)
{
    multiply(&(struct linear_job){FLOATS(Y), FLOATS(X), FLOATS(W), FLOATS(b), FLOATS(residual), n,
                                  in, out});
}

static void logits(struct ptd_device *d, ptd_stat *Z, const ptd_num *X, const ptd_num *W, long n,
                   int H, int V)
{
    multiply(&(struct linear_job){FLOATS(Z), FLOATS(X), FLOATS(W), NULL, NULL, n, H, V});
}

struct linear_back {
    float *dX, *dW, *db;
    int add;
    const float *dY, *X, *W;
    long n;
    int in, out;
};

static void linear_back_input(void *ctx, long first, long last)
{
    const struct linear_back *j = ctx;
    ptd_product_nn(j->dX + first * j->in, j->in, j->add, 1, j->dY + first * j->out, j->out, j->W,
                   j->in, last - first, j->in, j->out);
}

static void linear_back_weight(void *ctx, long first, long last)
{
    const struct linear_back *j = ctx;
    if (j->dW)
        ptd_product_tn(j->dW + first * j->in, j->in, 1, 1, j->dY + first, j->out, j->X, j->in,
                       last - first, j->in, j->n);
    for (long i = 0; j->db && i < j->n; i++)
        for (long o = first; o < last; o++) j->db[o] += j->dY[i * j->out + o];
}

static void multiply_back(const struct linear_back *j)
{
    if (j->dX) ptd_parallel(j->n, grain_of((double)j->in * j->out), linear_back_input, (void *)j);
    if (j->dW || j->db)
        ptd_parallel(j->out, grain_of((double)j->n * j->in), linear_back_weight, (void *)j);
}

static void linear_backward(struct ptd_device *d, ptd_num *dX, int add, ptd_acc *dW, ptd_acc *db,
                            const ptd_num *dY, const ptd_num *X, const ptd_num *W, long n, int in,
                            int out)
{
    multiply_back(&(struct linear_back){FLOATS(dX), FLOATS(dW), FLOATS(db), add, FLOATS(dY),
                                        FLOATS(X), FLOATS(W), n, in, out});
}

static void logits_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dW, const ptd_stat *dZ,
                            const ptd_num *X, const ptd_num *W, long n, int H, int V)
{
    multiply_back(&(struct linear_back){FLOATS(dX), FLOATS(dW), NULL, 0, FLOATS(dZ), FLOATS(X),
                                        FLOATS(W), n, H, V});
}

/* ---- norms ---- */

struct norm_job {
    float *y, *mean, *rstd, *dx, *dg, *db;
    const float *x, *g, *b, *dy, *cmean, *crstd;
    long n, x_stride, y_stride;
    int heads, w;
    float eps;
};

static void rms_row(float *y, float *rstd, const float *x, const float *g, int w, float eps)
{
    float r = 1 / sqrtf(vec_dot(x, x, w) / w + eps);
    for (int i = 0; i < w; i++) y[i] = x[i] * r * g[i];
    if (rstd) *rstd = r;
}

/* dx (+)= r a - x r^3 (a.x)/w, a = dy g */
static void rms_back_row(float *dx, int add, const float *dy, const float *x, float r,
                         const float *g, int w)
{
    vec_f acc = {0};
    float s = 0, k;
    int i = 0;
    for (; i + VEC <= w; i += VEC) acc += vec_load(dy + i) * vec_load(g + i) * vec_load(x + i);
    for (; i < w; i++) s += dy[i] * g[i] * x[i];
    k = (s + vec_lanes_sum(acc)) * r * r * r / w;
    if (add)
        for (i = 0; i < w; i++) dx[i] += r * dy[i] * g[i] - x[i] * k;
    else
        for (i = 0; i < w; i++) dx[i] = r * dy[i] * g[i] - x[i] * k;
}

static void rms_rows(void *ctx, long first, long last)
{
    const struct norm_job *j = ctx;
    for (long i = first; i < last; i++)
        for (int h = 0; h < j->heads; h++)
            rms_row(j->y + i * j->y_stride + h * j->w, j->rstd ? j->rstd + i * j->heads + h : NULL,
                    j->x + i * j->x_stride + h * j->w, j->g, j->w, j->eps);
}

static void rmsnorm(struct ptd_device *d, ptd_num *Y, ptd_stat *rstd, const ptd_num *X,
                    const ptd_num *g, long n, int w, float eps)
{
    struct norm_job j = {.y = FLOATS(Y),
                         .rstd = FLOATS(rstd),
                         .x = FLOATS(X),
                         .g = FLOATS(g),
                         .n = n,
                         .w = w,
                         .heads = 1,
                         .x_stride = w,
                         .y_stride = w,
                         .eps = eps};
    ptd_parallel(n, grain_of(2.0 * w), rms_rows, &j);
}

static void headnorm(struct ptd_device *d, ptd_num *y, long y_stride, ptd_stat *rstd,
                     const ptd_num *x, long x_stride, const ptd_num *g, long n, int heads, int dim,
                     float eps)
{
    struct norm_job j = {.y = FLOATS(y),
                         .rstd = FLOATS(rstd),
                         .x = FLOATS(x),
                         .g = FLOATS(g),
                         .n = n,
                         .w = dim,
                         .heads = heads,
                         .x_stride = x_stride,
                         .y_stride = y_stride,
                         .eps = eps};
    ptd_parallel(n, grain_of(2.0 * heads * dim), rms_rows, &j);
}

static void rms_back_rows(void *ctx, long first, long last)
{
    const struct norm_job *j = ctx;
    for (long i = first; i < last; i++)
        rms_back_row(j->dx + i * j->w, 1, j->dy + i * j->w, j->x + i * j->w, j->crstd[i], j->g,
                     j->w);
}

/* Columns first..last of dg += sum over rows of dy x r. */
static void rms_back_gain(void *ctx, long first, long last)
{
    const struct norm_job *j = ctx;
    for (long i = 0; i < j->n; i++) {
        float r = j->crstd[i];
        for (long c = first; c < last; c++)
            j->dg[c] += j->dy[i * j->w + c] * j->x[i * j->w + c] * r;
    }
}

static void rmsnorm_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dg, const ptd_num *dY,
                             const ptd_num *X, const ptd_stat *rstd, const ptd_num *g, long n,
                             int w)
{
    struct norm_job j = {.dx = FLOATS(dX),
                         .dg = FLOATS(dg),
                         .dy = FLOATS(dY),
                         .x = FLOATS(X),
                         .crstd = FLOATS(rstd),
                         .g = FLOATS(g),
                         .n = n,
                         .w = w};
    if (dX) ptd_parallel(n, grain_of(4.0 * w), rms_back_rows, &j);
    if (dg) ptd_parallel(w, grain_of(2.0 * n), rms_back_gain, &j);
}

struct headnorm_gain {
    float *dg;
    const float *dy, *x, *rstd;
    long n, dy_stride, x_stride;
    int heads, dim;
};

/* Columns first..last of dg += sum over rows and heads of dy x r, sixteen columns in a register. */
static void headnorm_back_gain(void *ctx, long first, long last)
{
    const struct headnorm_gain *j = ctx;
    for (long c = first; c < last; c += VEC) {
        long n = last - c < VEC ? last - c : VEC;
        vec_f sum = vec_load_part(j->dg + c, n, 0);
        for (long i = 0; i < j->n; i++)
            for (int h = 0; h < j->heads; h++) {
                const float *dy = j->dy + i * j->dy_stride + h * j->dim + c;
                const float *x = j->x + i * j->x_stride + h * j->dim + c;
                sum += vec_load_part(dy, n, 0) * vec_load_part(x, n, 0) * j->rstd[i * j->heads + h];
            }
        vec_store_part(j->dg + c, sum, n);
    }
}

struct headnorm_back {
    float *dx;
    const float *dy, *x, *rstd, *g;
    long dx_stride, dy_stride, x_stride;
    int heads, dim;
};

static void headnorm_back_input(void *ctx, long first, long last)
{
    const struct headnorm_back *j = ctx;
    for (long i = first; i < last; i++)
        for (int h = 0; h < j->heads; h++)
            rms_back_row(j->dx + i * j->dx_stride + h * j->dim, 0,
                         j->dy + i * j->dy_stride + h * j->dim, j->x + i * j->x_stride + h * j->dim,
                         j->rstd[i * j->heads + h], j->g, j->dim);
}

static void headnorm_backward(struct ptd_device *d, ptd_num *dx, long dx_stride, ptd_acc *dg,
                              const ptd_num *dy, long dy_stride, const ptd_num *x, long x_stride,
                              const ptd_stat *rstd, const ptd_num *g, long n, int heads, int dim)
{
    struct headnorm_back in = {FLOATS(dx), FLOATS(dy), FLOATS(x), FLOATS(rstd), FLOATS(g),
                               dx_stride,  dy_stride,  x_stride,  heads,        dim};
    struct headnorm_gain gain = {FLOATS(dg), FLOATS(dy), FLOATS(x), FLOATS(rstd), n,
                                 dy_stride,  x_stride,   heads,     dim};
    if (dx) ptd_parallel(n, grain_of(4.0 * heads * dim), headnorm_back_input, &in);
    if (dg) ptd_parallel(dim, grain_of(2.0 * n * heads), headnorm_back_gain, &gain);
}

static void layer_rows(void *ctx, long first, long last)
{
    const struct norm_job *j = ctx;
    for (long i = first; i < last; i++) {
        const float *x = j->x + i * j->w;
        float *y = j->y + i * j->w, mean = vec_sum(x, j->w) / j->w, r;
        for (int c = 0; c < j->w; c++) y[c] = x[c] - mean;
        r = 1 / sqrtf(vec_dot(y, y, j->w) / j->w + j->eps);
        for (int c = 0; c < j->w; c++) y[c] = y[c] * r * j->g[c] + (j->b ? j->b[c] : 0);
        if (j->mean) j->mean[i] = mean;
        if (j->rstd) j->rstd[i] = r;
    }
}

static void layernorm(struct ptd_device *d, ptd_num *Y, ptd_stat *mean, ptd_stat *rstd,
                      const ptd_num *X, const ptd_num *g, const ptd_num *b, long n, int w,
                      float eps)
{
    struct norm_job j = {.y = FLOATS(Y),
                         .mean = FLOATS(mean),
                         .rstd = FLOATS(rstd),
                         .x = FLOATS(X),
                         .g = FLOATS(g),
                         .b = FLOATS(b),
                         .n = n,
                         .w = w,
                         .eps = eps};
    ptd_parallel(n, grain_of(4.0 * w), layer_rows, &j);
}

/* dx += r (a - mean(a) - xhat mean(a xhat)), a = dy g */
static void layer_back_rows(void *ctx, long first, long last)
{
    const struct norm_job *j = ctx;
    for (long i = first; i < last; i++) {
        const float *x = j->x + i * j->w, *dy = j->dy + i * j->w, mean = j->cmean[i],
                    r = j->crstd[i];
        float *dx = j->dx + i * j->w, sa = 0, sx = 0;
        vec_f va = {0}, vx = {0};
        int c = 0;
        for (; c + VEC <= j->w; c += VEC) {
            vec_f a = vec_load(dy + c) * vec_load(j->g + c);
            va += a;
            vx += a * (vec_load(x + c) - mean);
        }
        for (; c < j->w; c++) sa += dy[c] * j->g[c], sx += dy[c] * j->g[c] * (x[c] - mean);
        sa = (sa + vec_lanes_sum(va)) / j->w;
        sx = (sx + vec_lanes_sum(vx)) * r * r / j->w;
        for (c = 0; c < j->w; c++) dx[c] += r * (dy[c] * j->g[c] - sa - (x[c] - mean) * sx);
    }
}

static void layer_back_gain(void *ctx, long first, long last)
{
    const struct norm_job *j = ctx;
    for (long i = 0; i < j->n; i++) {
        const float *x = j->x + i * j->w, *dy = j->dy + i * j->w, mean = j->cmean[i],
                    r = j->crstd[i];
        for (long c = first; j->dg && c < last; c++) j->dg[c] += dy[c] * (x[c] - mean) * r;
        for (long c = first; j->db && c < last; c++) j->db[c] += dy[c];
    }
}

static void layernorm_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dg, ptd_acc *db,
                               const ptd_num *dY, const ptd_num *X, const ptd_stat *mean,
                               const ptd_stat *rstd, const ptd_num *g, long n, int w)
{
    struct norm_job j = {.dx = FLOATS(dX),
                         .dg = FLOATS(dg),
                         .db = FLOATS(db),
                         .dy = FLOATS(dY),
                         .x = FLOATS(X),
                         .cmean = FLOATS(mean),
                         .crstd = FLOATS(rstd),
                         .g = FLOATS(g),
                         .n = n,
                         .w = w};
    if (dX) ptd_parallel(n, grain_of(6.0 * w), layer_back_rows, &j);
    if (dg || db) ptd_parallel(w, grain_of(3.0 * n), layer_back_gain, &j);
}

/* ---- rotary ---- */

struct rotate_job {
    float *x;
    const float *cosine, *sine;
    long stride;
    int heads, dim, sign;
};

static void rotate_rows(void *ctx, long first, long last)
{
    const struct rotate_job *j = ctx;
    int half = j->dim / 2;
    for (long i = first; i < last; i++)
        for (int h = 0; h < j->heads; h++) {
            float *a = j->x + i * j->stride + h * j->dim, *b = a + half;
            const float *co = j->cosine + i * half, *si = j->sine + i * half;
            for (int k = 0; k < half; k++) {
                float s = si[k] * j->sign, u = a[k], v = b[k];
                a[k] = u * co[k] - v * s;
                b[k] = v * co[k] + u * s;
            }
        }
}

static void rotate(struct ptd_device *d, ptd_num *x, long stride, const ptd_stat *cosine,
                   const ptd_stat *sine, long n, int heads, int dim, int sign)
{
    struct rotate_job j = {FLOATS(x), FLOATS(cosine), FLOATS(sine), stride, heads, dim, sign};
    ptd_parallel(n, grain_of(3.0 * heads * dim), rotate_rows, &j);
}

/* ---- activations ---- */

struct map_job {
    float *y;
    const float *x, *dy;
    int w, exact;
};

/* Sets r from vectors p of x at offset i of n floats by the statements, and stores it in y; the
 * last piece is shorter. VEC_HERE, VEC_THERE: other arrays at that place, to read and to write. */
#define VEC_HERE(a) (n__ - i >= VEC ? vec_load((a) + i) : vec_load_part((a) + i, n__ - i, 0))
#define VEC_THERE(a, v)                                                                            \
    (n__ - i >= VEC ? vec_store((a) + i, v) : vec_store_part((a) + i, v, n__ - i))
#define VEC_MAP(y_, x_, n_, ...)                                                                   \
    do {                                                                                           \
        long i = 0, n__ = (n_);                                                                    \
        for (; i + VEC <= n__; i += VEC) {                                                         \
            vec_f p = vec_load((x_) + i), r;                                                       \
            __VA_ARGS__;                                                                           \
            vec_store((y_) + i, r);                                                                \
        }                                                                                          \
        if (i < n__) {                                                                             \
            vec_f p = vec_load_part((x_) + i, n__ - i, 0), r;                                      \
            __VA_ARGS__;                                                                           \
            vec_store_part((y_) + i, r, n__ - i);                                                  \
        }                                                                                          \
    } while (0)

#define GELU_C 0.7978845608028654f /* sqrt(2/pi) */
#define GELU_A 0.044715f

static void gelu_range(void *ctx, long first, long last)
{
    const struct map_job *j = ctx;
    float *y = j->y + first;
    const float *x = j->x + first;
    if (j->exact) {
        for (long i = 0; i < last - first; i++)
            y[i] = 0.5f * x[i] * (1 + erff(x[i] * (float)M_SQRT1_2));
        return;
    }
    VEC_MAP(y, x, last - first,
            r = 0.5f * p * (1.0f + vec_tanh(GELU_C * (p + GELU_A * p * p * p))));
}

static void gelu(struct ptd_device *d, ptd_num *y, const ptd_num *x, long n, int exact)
{
    struct map_job j = {.y = FLOATS(y), .x = FLOATS(x), .exact = exact};
    ptd_parallel(n, 4096, gelu_range, &j);
}

static void gelu_back_range(void *ctx, long first, long last)
{
    const struct map_job *j = ctx;
    float *dx = j->y + first;
    const float *x = j->x + first, *dy = j->dy + first;
    long n = last - first, i = 0;
    if (j->exact) {
        for (; i < n; i++)
            dx[i] = dy[i] * (0.5f * (1 + erff(x[i] * (float)M_SQRT1_2)) +
                             x[i] * expf(-0.5f * x[i] * x[i]) * 0.3989422804014327f);
        return;
    }
    for (; i < n; i += VEC) {
        long k = n - i < VEC ? n - i : VEC;
        vec_f p = k == VEC ? vec_load(x + i) : vec_load_part(x + i, k, 0),
              g = k == VEC ? vec_load(dy + i) : vec_load_part(dy + i, k, 0);
        vec_f t = vec_tanh(GELU_C * (p + GELU_A * p * p * p));
        vec_f r = g * (0.5f * (1.0f + t) +
                       0.5f * p * (1.0f - t * t) * GELU_C * (1.0f + 3 * GELU_A * p * p));
        if (k == VEC)
            vec_store(dx + i, r);
        else
            vec_store_part(dx + i, r, k);
    }
}

static void gelu_backward(struct ptd_device *d, ptd_num *dx, const ptd_num *dy, const ptd_num *x,
                          long n, int exact)
{
    struct map_job j = {.y = FLOATS(dx), .x = FLOATS(x), .dy = FLOATS(dy), .exact = exact};
    ptd_parallel(n, 4096, gelu_back_range, &j);
}

static void swiglu_rows(void *ctx, long first, long last)
{
    const struct map_job *j = ctx;
    for (long row = first; row < last; row++) {
        const float *g = j->x + row * 2 * j->w, *u = g + j->w;
        float *y = j->y + row * j->w;
        VEC_MAP(y, g, j->w, r = p * vec_sigmoid(p) * VEC_HERE(u));
    }
}

static void swiglu(struct ptd_device *d, ptd_num *y, const ptd_num *gu, long n, int w)
{
    struct map_job j = {.y = FLOATS(y), .x = FLOATS(gu), .w = w};
    ptd_parallel(n, grain_of(8.0 * w), swiglu_rows, &j);
}

/* With s the sigmoid of g: dg = dy u s (1 + g (1 - s)), du = dy g s. */
static void swiglu_back_rows(void *ctx, long first, long last)
{
    const struct map_job *j = ctx;
    for (long row = first; row < last; row++) {
        const float *g = j->x + row * 2 * j->w, *u = g + j->w, *dy = j->dy + row * j->w;
        float *dg = j->y + row * 2 * j->w, *du = dg + j->w;
        VEC_MAP(du, g, j->w, {
            vec_f s = vec_sigmoid(p), ys = VEC_HERE(dy) * s;
            r = ys * p;
            VEC_THERE(dg, ys * VEC_HERE(u) * (1.0f + p * (1.0f - s)));
        });
    }
}

static void swiglu_backward(struct ptd_device *d, ptd_num *dgu, const ptd_num *dy,
                            const ptd_num *gu, long n, int w)
{
    struct map_job j = {.y = FLOATS(dgu), .x = FLOATS(gu), .dy = FLOATS(dy), .w = w};
    ptd_parallel(n, grain_of(10.0 * w), swiglu_back_rows, &j);
}

/* ---- rows of tables ---- */

static void add_floats(float *y, const float *x, long n)
{
    for (long i = 0; i < n; i++) y[i] += x[i];
}

static void add(struct ptd_device *d, ptd_num *y, const ptd_num *x, long n)
{
    add_floats(FLOATS(y), FLOATS(x), n);
}

static void gather(struct ptd_device *d, ptd_num *y, const ptd_num *table, const ptd_int *ids,
                   long n, int w)
{
    const float *from = FLOATS(table);
    for (long i = 0; i < n; i++)
        memcpy(FLOATS(y) + i * w, from + (long)INTS(ids)[i] * w, w * sizeof *from);
}

static void scatter(float *table, const float *y, const int32_t *ids, long n, int w)
{
    for (long i = 0; i < n; i++) add_floats(table + (long)ids[i] * w, y + i * w, w);
}

static void gather_backward(struct ptd_device *d, ptd_acc *dtable, const ptd_num *dy,
                            const ptd_int *ids, long n, int w)
{
    scatter(FLOATS(dtable), FLOATS(dy), INTS(ids), n, w);
}

static void scatter_add(struct ptd_device *d, ptd_num *x, const ptd_num *y, const ptd_int *ids,
                        long n, int w)
{
    scatter(FLOATS(x), FLOATS(y), INTS(ids), n, w);
}

static void interpolate(struct ptd_device *d, ptd_num *y, const ptd_num *table, const ptd_int *tap,
                        const ptd_stat *weight, long n, int w)
{
    for (long i = 0; i < 4 * n; i++)
        vec_axpy(FLOATS(y) + i / 4 * w, FLOATS(weight)[i], FLOATS(table) + (long)INTS(tap)[i] * w,
                 w);
}

static void interpolate_backward(struct ptd_device *d, ptd_acc *dtable, const ptd_num *dy,
                                 const ptd_int *tap, const ptd_stat *weight, long n, int w)
{
    for (long i = 0; i < 4 * n; i++)
        vec_axpy(FLOATS(dtable) + (long)INTS(tap)[i] * w, FLOATS(weight)[i], FLOATS(dy) + i / 4 * w,
                 w);
}

/* ---- the table ---- */

const struct ptd_ops ptd_ops_cpu = {
    .alloc = ptd_cpu_alloc,
    .free = ptd_cpu_free,
    .machine = ptd_cpu_machine,
    .put = ptd_cpu_copy,
    .get = ptd_cpu_copy,
    .put_nums = ptd_cpu_put_nums,
    .get_nums = ptd_cpu_get_nums,
    .put_accs = ptd_cpu_put_accs,
    .get_accs = ptd_cpu_get_accs,
    .zero = ptd_cpu_zero,
    .copy_rows = ptd_cpu_copy_rows,
    .linear = linear,
    .linear_backward = linear_backward,
    .logits = logits,
    .logits_backward = logits_backward,
    .rmsnorm = rmsnorm,
    .rmsnorm_backward = rmsnorm_backward,
    .layernorm = layernorm,
    .layernorm_backward = layernorm_backward,
    .headnorm = headnorm,
    .headnorm_backward = headnorm_backward,
    .rotate = rotate,
    .attention_plan = ptd_cpu_attention_plan,
    .attention_plan_free = ptd_cpu_attention_plan_free,
    .attention = ptd_cpu_attention,
    .attention_backward = ptd_cpu_attention_backward,
    .attention_shares = ptd_cpu_attention_shares,
    .swiglu = swiglu,
    .swiglu_backward = swiglu_backward,
    .gelu = gelu,
    .gelu_backward = gelu_backward,
    .add = add,
    .gather = gather,
    .gather_backward = gather_backward,
    .scatter_add = scatter_add,
    .interpolate = interpolate,
    .interpolate_backward = interpolate_backward,
    .norm = ptd_cpu_norm,
    .adamw = ptd_cpu_adamw,
    .rows_score = ptd_cpu_rows_score,
    .rows_draw = ptd_cpu_rows_draw,
    .rows_gradient = ptd_cpu_rows_gradient,
    .rows_near = PTD_CPU_ROWS_NEAR,
};

int ptd_cpu_open(struct ptd_device *d)
{
    d->ops = &ptd_ops_cpu;
    d->num = d->acc = PTD_F32;
    d->is_host = 1;
    return 0;
}
