/* ops: the table of operations in float32 on the CPU: products on one thread each (product.h),
 * shared out by rows over our own threads, and plain vector loops. It is the specification for any
 * other device. Norms, attention, rows of logits, the optimizer and memory have files of their own.
 */
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

#define FEW_ROWS 8 /* a product packs W; for so few rows a plain pass over it is faster */

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
        ptd_parallel(j->out, ptd_cpu_grain((double)j->n * j->in), linear_columns, (void *)j);
    else if (j->n < j->out)
        ptd_parallel(j->out, ptd_cpu_grain((double)j->n * j->in), linear_outputs, (void *)j);
    else
        ptd_parallel(j->n, ptd_cpu_grain((double)j->in * j->out), linear_rows, (void *)j);
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
    if (j->dX)
        ptd_parallel(j->n, ptd_cpu_grain((double)j->in * j->out), linear_back_input, (void *)j);
    if (j->dW || j->db)
        ptd_parallel(j->out, ptd_cpu_grain((double)j->n * j->in), linear_back_weight, (void *)j);
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
    ptd_parallel(n, ptd_cpu_grain(3.0 * heads * dim), rotate_rows, &j);
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
    ptd_parallel(n, ptd_cpu_grain(8.0 * w), swiglu_rows, &j);
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
    ptd_parallel(n, ptd_cpu_grain(10.0 * w), swiglu_back_rows, &j);
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
    .rmsnorm = ptd_cpu_rmsnorm,
    .rmsnorm_backward = ptd_cpu_rmsnorm_backward,
    .layernorm = ptd_cpu_layernorm,
    .layernorm_backward = ptd_cpu_layernorm_backward,
    .headnorm = ptd_cpu_headnorm,
    .headnorm_backward = ptd_cpu_headnorm_backward,
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
