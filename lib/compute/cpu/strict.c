/* strict: the CPU whose device memory cannot be touched outside of an operation, so that a program
 * that runs on it runs where the host has no way into device memory.
 *
 * Its pointers carry a bit that makes them point nowhere: the host that follows one gets SIGSEGV.
 * Operations take the bit off and are the CPU's; a pointer without it is the host's, and a fault of
 * the device. strict:bf16 rounds to bfloat16 what operations write of ptd_num, which shows what
 * that format costs before there is hardware for it; results of several operations' work on one
 * number are rounded each time. */
#include "base/dtype.h"
#include "base/threads.h"
#include "compute/cpu/floats.h"
#include "compute/cpu/ops.h"
#include "compute/cpu/rows.h"
#include "compute/drivers.h"
#include <stdlib.h>
#include <string.h>

/* On x86-64 and aarch64 no address of a program has it. */
#define AWAY ((uintptr_t)1 << 55)

static void *hide(void *p)
{
    return p ? (void *)((uintptr_t)p | AWAY) : NULL;
}

static void *show(struct ptd_device *d, const void *p)
{
    if (p && !((uintptr_t)p & AWAY))
        ptd_device_blame(d, PTD_BUG, "an operation was given memory of the host");
    return (void *)((uintptr_t)p & ~AWAY);
}
#define SHOW(p) ((__typeof__(p))show(d, p))

/* ---- rounding ---- */

static float rounded(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    if ((u & 0x7fffffff) > 0x7f800000)
        u |= 0x400000; /* NaN stays one */
    else
        u += 0x7fff + (u >> 16 & 1);
    u &= 0xffff0000;
    memcpy(&x, &u, sizeof u);
    return x;
}

struct rounding {
    float *x;
    long stride, w;
};

static void round_range(void *ctx, long first, long last)
{
    const struct rounding *r = ctx;
    for (long i = first; i < last; i++)
        for (long c = 0; c < r->w; c++) r->x[i * r->stride + c] = rounded(r->x[i * r->stride + c]);
}

/* n rows of width w, if this device rounds; NULL: nothing. */
static void round_rows(struct ptd_device *d, ptd_num *shown, long n, long stride, long w)
{
    struct rounding r = {FLOATS(shown), stride, w};
    if (d->own && shown) ptd_parallel(n, 65536 / (w + 1) + 1, round_range, &r);
}

static void round_all(struct ptd_device *d, ptd_num *shown, long n)
{
    round_rows(d, shown, 1, n, n);
}

/* ---- memory and copies ---- */

static void *alloc(struct ptd_device *d, size_t bytes)
{
    return hide(ptd_cpu_alloc(d, bytes));
}

static void give_back(struct ptd_device *d, void *p)
{
    ptd_cpu_free(d, SHOW(p));
}

/* The same bits as the CPU, unless it rounds. */
static char *machine(struct ptd_device *d)
{
    char *cpu = ptd_cpu_machine(d);
    if (!d->own) return cpu;
    char *all = ptd_format("%s; device %s", cpu, d->name);
    free(cpu);
    return all;
}

static void put(struct ptd_device *d, void *to, const void *host, size_t bytes)
{
    ptd_cpu_copy(d, SHOW(to), host, bytes);
}

static void get(struct ptd_device *d, void *host, const void *from, size_t bytes)
{
    ptd_cpu_copy(d, host, SHOW(from), bytes);
}

static void put_nums(struct ptd_device *d, ptd_num *to, const float *host, size_t n)
{
    ptd_cpu_put_nums(d, SHOW(to), host, n);
    round_all(d, SHOW(to), (long)n);
}

static void get_nums(struct ptd_device *d, float *host, const ptd_num *from, size_t n)
{
    ptd_cpu_get_nums(d, host, SHOW(from), n);
}

static void put_accs(struct ptd_device *d, ptd_acc *to, const float *host, size_t n)
{
    ptd_cpu_put_accs(d, SHOW(to), host, n);
}

static void get_accs(struct ptd_device *d, float *host, const ptd_acc *from, size_t n)
{
    ptd_cpu_get_accs(d, host, SHOW(from), n);
}

static void zero(struct ptd_device *d, void *p, size_t bytes)
{
    ptd_cpu_zero(d, SHOW(p), bytes);
}

static void copy_rows(struct ptd_device *d, ptd_num *to, long to_stride, const ptd_int *to_row,
                      const ptd_num *from, long from_stride, const ptd_int *from_row, long n, int w)
{
    ptd_cpu_copy_rows(d, SHOW(to), to_stride, SHOW(to_row), SHOW(from), from_stride, SHOW(from_row),
                      n, w);
}

static void round_to_halves(struct ptd_device *d, ptd_num *x, long stride, long n, int w)
{
    ptd_cpu_round(d, SHOW(x), stride, n, w);
}

static void halve_rows(struct ptd_device *d, void *to, long to_stride, const ptd_int *to_row,
                       const ptd_num *from, long from_stride, long n, int w)
{
    ptd_cpu_halve_rows(d, SHOW(to), to_stride, SHOW(to_row), SHOW(from), from_stride, n, w);
}

/* ---- products ---- */

/* The matrix with its blocks shown; matrix_free frees these. */
static struct ptd_matrix show_matrix(struct ptd_device *d, const struct ptd_matrix *W)
{
    struct ptd_block *b = ptd_array((size_t)W->n_blocks + 1, sizeof *b);
    struct ptd_matrix shown = *W;
    for (int i = 0; i < W->n_blocks; i++)
        b[i] = (struct ptd_block){SHOW(W->blocks[i].at), W->blocks[i].rows};
    shown.blocks = b;
    return shown;
}

static void matrix_free(struct ptd_matrix *W)
{
    free((void *)(uintptr_t)W->blocks);
}

static void linear(struct ptd_device *d, ptd_num *Y, const ptd_num *X, const struct ptd_matrix *W,
                   const ptd_num *b, const ptd_num *residual, long n)
{
    struct ptd_matrix w = show_matrix(d, W);
    ptd_ops_cpu.linear(d, SHOW(Y), SHOW(X), &w, SHOW(b), SHOW(residual), n);
    round_all(d, SHOW(Y), n * W->rows);
    matrix_free(&w);
}

static void linear_backward(struct ptd_device *d, ptd_num *dX, int add, ptd_acc *dW, ptd_acc *db,
                            const ptd_num *dY, const ptd_num *X, const struct ptd_matrix *W, long n)
{
    struct ptd_matrix w = show_matrix(d, W);
    ptd_ops_cpu.linear_backward(d, SHOW(dX), add, SHOW(dW), SHOW(db), SHOW(dY), SHOW(X), &w, n);
    round_all(d, SHOW(dX), n * W->cols);
    matrix_free(&w);
}

static void linear_gradient(struct ptd_device *d, ptd_acc *dW, const ptd_num *dY, long stride,
                            const ptd_num *X, long n, int in, int out)
{
    ptd_ops_cpu.linear_gradient(d, SHOW(dW), SHOW(dY), stride, SHOW(X), n, in, out);
}

static void logits(struct ptd_device *d, ptd_stat *Z, const ptd_num *X, const struct ptd_matrix *W,
                   long n)
{
    struct ptd_matrix w = show_matrix(d, W);
    ptd_ops_cpu.logits(d, SHOW(Z), SHOW(X), &w, n);
    matrix_free(&w);
}

static void logits_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dW, const ptd_stat *dZ,
                            const ptd_num *X, const struct ptd_matrix *W, long n)
{
    struct ptd_matrix w = show_matrix(d, W);
    ptd_ops_cpu.logits_backward(d, SHOW(dX), SHOW(dW), SHOW(dZ), SHOW(X), &w, n);
    round_all(d, SHOW(dX), n * W->cols);
    matrix_free(&w);
}

/* The parts with their pointers shown, malloc'd. */
static struct ptd_low_rank_part *show_parts(struct ptd_device *d, const struct ptd_low_rank *l)
{
    struct ptd_low_rank_part *parts = ptd_array((size_t)l->n + 1, sizeof *parts);
    for (int i = 0; i < l->n; i++) {
        const struct ptd_low_rank_part *p = &l->parts[i];
        parts[i] = (struct ptd_low_rank_part){p->first,   p->out,      SHOW(p->A),
                                              SHOW(p->B), SHOW(p->dA), SHOW(p->dB)};
    }
    return parts;
}

static void low_rank(struct ptd_device *d, ptd_num *Y, const ptd_num *X,
                     const struct ptd_low_rank *l, long n)
{
    struct ptd_low_rank shown = *l;
    struct ptd_low_rank_part *parts = show_parts(d, l);
    shown.parts = parts;
    ptd_ops_cpu.low_rank(d, SHOW(Y), SHOW(X), &shown, n);
    for (int i = 0; i < l->n; i++)
        round_rows(d, ptd_at(d, SHOW(Y), parts[i].first), n, l->wide, parts[i].out);
    free(parts);
}

static void low_rank_backward(struct ptd_device *d, ptd_num *dX, const ptd_num *dY,
                              const ptd_num *X, const struct ptd_low_rank *l, long n)
{
    struct ptd_low_rank shown = *l;
    struct ptd_low_rank_part *parts = show_parts(d, l);
    shown.parts = parts;
    ptd_ops_cpu.low_rank_backward(d, SHOW(dX), SHOW(dY), SHOW(X), &shown, n);
    round_all(d, SHOW(dX), n * l->in);
    free(parts);
}

/* ---- norms ---- */

static void rmsnorm(struct ptd_device *d, ptd_num *Y, ptd_stat *rstd, const ptd_num *X,
                    const ptd_num *g, long n, int w, float eps)
{
    ptd_ops_cpu.rmsnorm(d, SHOW(Y), SHOW(rstd), SHOW(X), SHOW(g), n, w, eps);
    round_all(d, SHOW(Y), n * w);
}

static void rmsnorm_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dg, const ptd_num *dY,
                             const ptd_num *X, const ptd_stat *rstd, const ptd_num *g, long n,
                             int w)
{
    ptd_ops_cpu.rmsnorm_backward(d, SHOW(dX), SHOW(dg), SHOW(dY), SHOW(X), SHOW(rstd), SHOW(g), n,
                                 w);
    round_all(d, SHOW(dX), n * w);
}

static void layernorm(struct ptd_device *d, ptd_num *Y, ptd_stat *mean, ptd_stat *rstd,
                      const ptd_num *X, const ptd_num *g, const ptd_num *b, long n, int w,
                      float eps)
{
    ptd_ops_cpu.layernorm(d, SHOW(Y), SHOW(mean), SHOW(rstd), SHOW(X), SHOW(g), SHOW(b), n, w, eps);
    round_all(d, SHOW(Y), n * w);
}

static void layernorm_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dg, ptd_acc *db,
                               const ptd_num *dY, const ptd_num *X, const ptd_stat *mean,
                               const ptd_stat *rstd, const ptd_num *g, long n, int w)
{
    ptd_ops_cpu.layernorm_backward(d, SHOW(dX), SHOW(dg), SHOW(db), SHOW(dY), SHOW(X), SHOW(mean),
                                   SHOW(rstd), SHOW(g), n, w);
    round_all(d, SHOW(dX), n * w);
}

static void headnorm(struct ptd_device *d, ptd_num *y, long y_stride, ptd_stat *rstd,
                     const ptd_num *x, long x_stride, const ptd_num *g, long n, int heads, int dim,
                     float eps)
{
    ptd_ops_cpu.headnorm(d, SHOW(y), y_stride, SHOW(rstd), SHOW(x), x_stride, SHOW(g), n, heads,
                         dim, eps);
    round_rows(d, SHOW(y), n, y_stride, (long)heads * dim);
}

static void headnorm_backward(struct ptd_device *d, ptd_num *dx, long dx_stride, ptd_acc *dg,
                              const ptd_num *dy, long dy_stride, const ptd_num *x, long x_stride,
                              const ptd_stat *rstd, const ptd_num *g, long n, int heads, int dim)
{
    ptd_ops_cpu.headnorm_backward(d, SHOW(dx), dx_stride, SHOW(dg), SHOW(dy), dy_stride, SHOW(x),
                                  x_stride, SHOW(rstd), SHOW(g), n, heads, dim);
    round_rows(d, SHOW(dx), n, dx_stride, (long)heads * dim);
}

/* ---- attention ---- */

static void rotate(struct ptd_device *d, ptd_num *x, long stride, const ptd_stat *cosine,
                   const ptd_stat *sine, long n, int heads, int dim, int sign)
{
    ptd_ops_cpu.rotate(d, SHOW(x), stride, SHOW(cosine), SHOW(sine), n, heads, dim, sign);
    round_rows(d, SHOW(x), n, stride, (long)heads * dim);
}

static void attention(struct ptd_device *d, const struct ptd_attention_plan *p, ptd_num *o,
                      ptd_stat *lse, const ptd_num *q, const ptd_num *k, const ptd_num *v)
{
    const struct ptd_attention *a = ptd_cpu_attention_shape(p);
    ptd_cpu_attention(d, p, SHOW(o), SHOW(lse), SHOW(q), SHOW(k), SHOW(v));
    for (int i = 0; i < a->n_spans; i++)
        round_rows(d, ptd_at(d, SHOW(o), a->spans[i].row * a->o_stride), a->spans[i].n, a->o_stride,
                   (long)a->heads * a->dim);
}

static void round_gradients(struct ptd_device *d, const struct ptd_attention *a,
                            const struct ptd_span *s, ptd_num *dq, ptd_num *dk, ptd_num *dv)
{
    long w = (long)a->kv_heads * a->dim, keys = s->past + s->n;
    round_rows(d, ptd_at(d, dq, s->row * a->q_stride), s->n, a->q_stride, (long)a->heads * a->dim);
    round_rows(d, ptd_at(d, dk, s->own * a->k_stride), keys, a->k_stride, w);
    round_rows(d, ptd_at(d, dv, s->own * a->v_stride), keys, a->v_stride, w);
}

static void attention_backward(struct ptd_device *d, const struct ptd_attention_plan *p,
                               ptd_num *dq, ptd_num *dk, ptd_num *dv, const ptd_num *dout,
                               const ptd_num *o, const ptd_stat *lse, const ptd_num *q,
                               const ptd_num *k, const ptd_num *v)
{
    const struct ptd_attention *a = ptd_cpu_attention_shape(p);
    ptd_cpu_attention_backward(d, p, SHOW(dq), SHOW(dk), SHOW(dv), SHOW(dout), SHOW(o), SHOW(lse),
                               SHOW(q), SHOW(k), SHOW(v));
    for (int i = 0; i < a->n_spans; i++)
        round_gradients(d, a, &a->spans[i], SHOW(dq), SHOW(dk), SHOW(dv));
}

static void attention_shares(struct ptd_device *d, const struct ptd_attention_plan *p,
                             const struct ptd_shares_asked *a, ptd_stat *out, const ptd_num *q,
                             const ptd_num *k, const ptd_stat *lse)
{
    struct ptd_shares_asked shown = *a;
    shown.keys = SHOW(a->keys);
    ptd_cpu_attention_shares(d, p, &shown, SHOW(out), SHOW(q), SHOW(k), SHOW(lse));
}

/* ---- activations ---- */

static void swiglu(struct ptd_device *d, ptd_num *y, const ptd_num *gu, long n, int w)
{
    ptd_ops_cpu.swiglu(d, SHOW(y), SHOW(gu), n, w);
    round_all(d, SHOW(y), n * w);
}

static void swiglu_backward(struct ptd_device *d, ptd_num *dgu, const ptd_num *dy,
                            const ptd_num *gu, long n, int w)
{
    ptd_ops_cpu.swiglu_backward(d, SHOW(dgu), SHOW(dy), SHOW(gu), n, w);
    round_all(d, SHOW(dgu), 2 * n * w);
}

static void gelu(struct ptd_device *d, ptd_num *y, const ptd_num *x, long n, int exact)
{
    ptd_ops_cpu.gelu(d, SHOW(y), SHOW(x), n, exact);
    round_all(d, SHOW(y), n);
}

static void gelu_backward(struct ptd_device *d, ptd_num *dx, const ptd_num *dy, const ptd_num *x,
                          long n, int exact)
{
    ptd_ops_cpu.gelu_backward(d, SHOW(dx), SHOW(dy), SHOW(x), n, exact);
    round_all(d, SHOW(dx), n);
}

/* ---- rows of tables ---- */

static void add(struct ptd_device *d, ptd_num *y, const ptd_num *x, long n)
{
    ptd_ops_cpu.add(d, SHOW(y), SHOW(x), n);
    round_all(d, SHOW(y), n);
}

static void gather(struct ptd_device *d, ptd_num *y, const struct ptd_matrix *table,
                   const ptd_int *ids, long n)
{
    struct ptd_matrix t = show_matrix(d, table);
    ptd_ops_cpu.gather(d, SHOW(y), &t, SHOW(ids), n);
    matrix_free(&t);
}

static void gather_backward(struct ptd_device *d, ptd_acc *dtable, const ptd_num *dy,
                            const ptd_int *ids, long n, int w)
{
    ptd_ops_cpu.gather_backward(d, SHOW(dtable), SHOW(dy), SHOW(ids), n, w);
}

static void scatter_add(struct ptd_device *d, ptd_num *x, const ptd_num *y, const ptd_int *ids,
                        long n, int w)
{
    const int32_t *rows = INTS(SHOW(ids));
    ptd_ops_cpu.scatter_add(d, SHOW(x), SHOW(y), SHOW(ids), n, w);
    for (long i = 0; i < n; i++) round_all(d, ptd_at(d, SHOW(x), (size_t)rows[i] * w), w);
}

static void interpolate(struct ptd_device *d, ptd_num *y, const ptd_num *table, const ptd_int *tap,
                        const ptd_stat *weight, long n, int w)
{
    ptd_ops_cpu.interpolate(d, SHOW(y), SHOW(table), SHOW(tap), SHOW(weight), n, w);
    round_all(d, SHOW(y), n * w);
}

static void interpolate_backward(struct ptd_device *d, ptd_acc *dtable, const ptd_num *dy,
                                 const ptd_int *tap, const ptd_stat *weight, long n, int w)
{
    ptd_ops_cpu.interpolate_backward(d, SHOW(dtable), SHOW(dy), SHOW(tap), SHOW(weight), n, w);
}

/* ---- rows of logits ---- */

static void rows_score(struct ptd_device *d, ptd_stat *z, long n, int V,
                       const struct ptd_ask_score *ask, const struct ptd_got_score *got)
{
    ptd_cpu_rows_score(d, SHOW(z), n, V, ask, got);
}

static void rows_draw(struct ptd_device *d, ptd_stat *z, long n, int V,
                      const struct ptd_ask_draw *ask, const struct ptd_got_draw *got)
{
    ptd_cpu_rows_draw(d, SHOW(z), n, V, ask, got);
}

static void rows_gradient(struct ptd_device *d, ptd_stat *z, long n, int V,
                          const struct ptd_ask_gradient *ask, double *value)
{
    struct ptd_ask_gradient shown = *ask;
    if (ask->tutor) shown.tutor = SHOW(ask->tutor);
    ptd_cpu_rows_gradient(d, SHOW(z), n, V, &shown, value);
}

/* ---- the optimizer ---- */

static double norm(struct ptd_device *d, const void *x, enum ptd_entries of, size_t n)
{
    return ptd_cpu_norm(d, SHOW(x), of, n);
}

static void adamw(struct ptd_device *d, const struct ptd_adamw *a, int64_t t, double scale,
                  const struct ptd_slot *s, const ptd_acc *g)
{
    struct ptd_slot shown = *s;
    shown.w = SHOW(s->w), shown.low = SHOW(s->low);
    shown.m = SHOW(s->m), shown.v = SHOW(s->v);
    shown.ms = SHOW(s->ms), shown.vs = SHOW(s->vs);
    ptd_cpu_adamw(d, a, t, scale, &shown, SHOW(g));
    if (s->master == PTD_MASTER_F32) round_all(d, shown.w, (long)s->n);
}

/* ---- the table ---- */

static const struct ptd_ops ops = {
    .alloc = alloc,
    .free = give_back,
    .machine = machine,
    .put = put,
    .get = get,
    .put_nums = put_nums,
    .get_nums = get_nums,
    .put_accs = put_accs,
    .get_accs = get_accs,
    .zero = zero,
    .copy_rows = copy_rows,
    .round = round_to_halves,
    .halve_rows = halve_rows,
    .linear = linear,
    .linear_backward = linear_backward,
    .linear_gradient = linear_gradient,
    .logits = logits,
    .logits_backward = logits_backward,
    .low_rank = low_rank,
    .low_rank_backward = low_rank_backward,
    .rmsnorm = rmsnorm,
    .rmsnorm_backward = rmsnorm_backward,
    .layernorm = layernorm,
    .layernorm_backward = layernorm_backward,
    .headnorm = headnorm,
    .headnorm_backward = headnorm_backward,
    .rotate = rotate,
    .attention_plan = ptd_cpu_attention_plan,
    .attention_plan_free = ptd_cpu_attention_plan_free,
    .attention = attention,
    .attention_backward = attention_backward,
    .attention_shares = attention_shares,
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
    .rows_score = rows_score,
    .rows_draw = rows_draw,
    .rows_gradient = rows_gradient,
    .rows_near = PTD_CPU_ROWS_NEAR,
    .norm = norm,
    .adamw = adamw,
};

int ptd_strict_open(struct ptd_device *d)
{
    d->ops = &ops;
    d->num = d->acc = PTD_F32;
    return 0;
}

int ptd_strict_bf16_open(struct ptd_device *d)
{
    static int rounds;
    d->own = &rounds;
    return ptd_strict_open(d);
}
