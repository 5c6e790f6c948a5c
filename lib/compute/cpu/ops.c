/* ops: the table of operations in float32 on the CPU: products on one thread each (product.h),
 * shared out by rows over our own threads, and plain vector loops. It is the specification for any
 * other device. Norms, attention, rows of logits, the optimizer and memory have files of their own.
 */
#include "compute/cpu/ops.h"
#include "base/dtype.h"
#include "compute/cpu/rows.h"
#include "base/threads.h"
#include "compute/cpu/floats.h"
#include "compute/cpu/pairs.h"
#include "compute/cpu/product.h"
#include "compute/drivers.h"
#include "compute/cpu/vec.h"
#include <math.h>
#include <string.h>

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
    .round = ptd_cpu_round,
    .halve_rows = ptd_cpu_halve_rows,
    .linear = ptd_cpu_linear,
    .linear_backward = ptd_cpu_linear_backward,
    .linear_gradient = ptd_cpu_linear_gradient,
    .logits = ptd_cpu_logits,
    .logits_backward = ptd_cpu_logits_backward,
    .low_rank = ptd_cpu_low_rank,
    .low_rank_backward = ptd_cpu_low_rank_backward,
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
    .gather = ptd_cpu_gather,
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

int ptd_cpu_bf16_open(struct ptd_device *d)
{
    static struct ptd_ops pairs;
    if (ptd_pairs_check(d->name)) return -1;
    d->own = (void *)(uintptr_t)&ptd_cpu_pairs;
    ptd_cpu_open(d);
    pairs = ptd_ops_cpu;
    pairs.rows_least = PTD_PAIRS_ROWS;
    d->ops = &pairs;
    return 0;
}
