/* norms: RMS, layer and head norms on the CPU, forward and backward, shared out by rows; gains by
 * columns. */
#include "base/threads.h"
#include "compute/cpu/floats.h"
#include "compute/cpu/ops.h"
#include "compute/cpu/vec.h"
#include <math.h>

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

void ptd_cpu_rmsnorm(struct ptd_device *d, ptd_num *Y, ptd_stat *rstd, const ptd_num *X,
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
    ptd_parallel(n, ptd_cpu_grain(2.0 * w), rms_rows, &j);
}

void ptd_cpu_headnorm(struct ptd_device *d, ptd_num *y, long y_stride, ptd_stat *rstd,
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
    ptd_parallel(n, ptd_cpu_grain(2.0 * heads * dim), rms_rows, &j);
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

void ptd_cpu_rmsnorm_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dg, const ptd_num *dY,
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
    if (dX) ptd_parallel(n, ptd_cpu_grain(4.0 * w), rms_back_rows, &j);
    if (dg) ptd_parallel(w, ptd_cpu_grain(2.0 * n), rms_back_gain, &j);
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

void ptd_cpu_headnorm_backward(struct ptd_device *d, ptd_num *dx, long dx_stride, ptd_acc *dg,
                               const ptd_num *dy, long dy_stride, const ptd_num *x, long x_stride,
                               const ptd_stat *rstd, const ptd_num *g, long n, int heads, int dim)
{
    struct headnorm_back in = {FLOATS(dx), FLOATS(dy), FLOATS(x), FLOATS(rstd), FLOATS(g),
                               dx_stride,  dy_stride,  x_stride,  heads,        dim};
    struct headnorm_gain gain = {FLOATS(dg), FLOATS(dy), FLOATS(x), FLOATS(rstd), n,
                                 dy_stride,  x_stride,   heads,     dim};
    if (dx) ptd_parallel(n, ptd_cpu_grain(4.0 * heads * dim), headnorm_back_input, &in);
    if (dg) ptd_parallel(dim, ptd_cpu_grain(2.0 * n * heads), headnorm_back_gain, &gain);
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

void ptd_cpu_layernorm(struct ptd_device *d, ptd_num *Y, ptd_stat *mean, ptd_stat *rstd,
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
    ptd_parallel(n, ptd_cpu_grain(4.0 * w), layer_rows, &j);
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

void ptd_cpu_layernorm_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dg, ptd_acc *db,
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
    if (dX) ptd_parallel(n, ptd_cpu_grain(6.0 * w), layer_back_rows, &j);
    if (dg || db) ptd_parallel(w, ptd_cpu_grain(3.0 * n), layer_back_gain, &j);
}
