/* host-ops: the operations of the table on arrays of the host's: there, done, back. */
#ifndef PTD_TESTS_HOST_OPS_H
#define PTD_TESTS_HOST_OPS_H
#include "device.h"

#define OPS (the_device()->ops)
#define DEV the_device()

/* Rows of a table that ids name. */
static inline long rows_named(const int32_t *ids, long n)
{
    long most = 0;
    for (long i = 0; i < n; i++) most = ids[i] >= most ? ids[i] + 1 : most;
    return most;
}

static inline void host_linear(float *Y, const float *X, const float *W, const float *b,
                               const float *residual, long n, int in, int out)
{
    OPS->linear(DEV, nums(Y, n * out), in_nums(X, n * in), in_matrix(W, out, in), in_nums(b, out),
                in_nums(residual, n * out), n);
    back();
}

static inline void host_linear_backward(float *dX, int add, float *dW, float *db, const float *dY,
                                        const float *X, const float *W, long n, int in, int out)
{
    OPS->linear_backward(DEV, nums(dX, n * in), add, accs(dW, (long)in * out), accs(db, out),
                         in_nums(dY, n * out), in_nums(X, n * in), in_matrix(W, out, in), n);
    back();
}

/* Of `out` columns of dY [n, stride], from `first` on. */
static inline void host_linear_gradient(float *dW, const float *dY, long first, long stride,
                                        const float *X, long n, int in, int out)
{
    OPS->linear_gradient(DEV, accs(dW, (long)in * out), ptd_at(DEV, in_nums(dY, n * stride), first),
                         stride, in_nums(X, n * in), n, in, out);
    back();
}

static inline void host_logits(float *Z, const float *X, const float *W, long n, int H, int V)
{
    OPS->logits(DEV, stats(Z, n * V), in_nums(X, n * H), in_matrix(W, V, H), n);
    back();
}

static inline void host_logits_backward(float *dX, float *dW, const float *dZ, const float *X,
                                        const float *W, long n, int H, int V)
{
    OPS->logits_backward(DEV, nums(dX, n * H), accs(dW, (long)H * V), in_stats(dZ, n * V),
                         in_nums(X, n * H), in_matrix(W, V, H), n);
    back();
}

/* One adapter of parts; A, B, dA and dB behind each other, part by part. */
struct host_low_rank {
    int in, wide, rank, n;
    float scale;
    int first[4], out[4];
};

static inline struct ptd_low_rank host_parts(const struct host_low_rank *l, const float *A,
                                             const float *B, float *dA, float *dB,
                                             struct ptd_low_rank_part *parts)
{
    long a = (long)l->rank * l->in;
    for (int i = 0; i < l->n; i++) {
        long b = (long)l->out[i] * l->rank;
        parts[i] = (struct ptd_low_rank_part){l->first[i],
                                              l->out[i],
                                              in_nums(A + i * a, a),
                                              in_nums(B, b),
                                              dA ? accs(dA + i * a, a) : NULL,
                                              dB ? accs(dB, b) : NULL};
        B += b;
        if (dB) dB += b;
    }
    return (struct ptd_low_rank){l->in, l->wide, l->rank, l->n, l->scale, parts};
}

static inline void host_low_rank(float *Y, const float *X, const struct host_low_rank *l,
                                 const float *A, const float *B, long n)
{
    struct ptd_low_rank_part parts[4];
    struct ptd_low_rank all = host_parts(l, A, B, NULL, NULL, parts);
    OPS->low_rank(DEV, nums(Y, n * l->wide), in_nums(X, n * l->in), &all, n);
    back();
}

static inline void host_low_rank_backward(float *dX, float *dA, float *dB, const float *dY,
                                          const float *X, const struct host_low_rank *l,
                                          const float *A, const float *B, long n)
{
    struct ptd_low_rank_part parts[4];
    struct ptd_low_rank all = host_parts(l, A, B, dA, dB, parts);
    OPS->low_rank_backward(DEV, nums(dX, n * l->in), in_nums(dY, n * l->wide),
                           in_nums(X, n * l->in), &all, n);
    back();
}

static inline void host_rmsnorm(float *Y, float *rstd, const float *X, const float *g, long n,
                                int w, float eps)
{
    OPS->rmsnorm(DEV, nums(Y, n * w), stats(rstd, n), in_nums(X, n * w), in_nums(g, w), n, w, eps);
    back();
}

static inline void host_rmsnorm_backward(float *dX, float *dg, const float *dY, const float *X,
                                         const float *rstd, const float *g, long n, int w)
{
    OPS->rmsnorm_backward(DEV, nums(dX, n * w), accs(dg, w), in_nums(dY, n * w), in_nums(X, n * w),
                          in_stats(rstd, n), in_nums(g, w), n, w);
    back();
}

static inline void host_layernorm(float *Y, float *mean, float *rstd, const float *X,
                                  const float *g, const float *b, long n, int w, float eps)
{
    OPS->layernorm(DEV, nums(Y, n * w), stats(mean, n), stats(rstd, n), in_nums(X, n * w),
                   in_nums(g, w), in_nums(b, w), n, w, eps);
    back();
}

static inline void host_layernorm_backward(float *dX, float *dg, float *db, const float *dY,
                                           const float *X, const float *mean, const float *rstd,
                                           const float *g, long n, int w)
{
    OPS->layernorm_backward(DEV, nums(dX, n * w), accs(dg, w), accs(db, w), in_nums(dY, n * w),
                            in_nums(X, n * w), in_stats(mean, n), in_stats(rstd, n), in_nums(g, w),
                            n, w);
    back();
}

static inline void host_headnorm(float *y, long y_stride, float *rstd, const float *x,
                                 long x_stride, const float *g, long n, int heads, int dim,
                                 float eps)
{
    OPS->headnorm(DEV, nums(y, n * y_stride), y_stride, stats(rstd, n * heads),
                  in_nums(x, n * x_stride), x_stride, in_nums(g, dim), n, heads, dim, eps);
    back();
}

static inline void host_headnorm_backward(float *dx, long dx_stride, float *dg, const float *dy,
                                          long dy_stride, const float *x, long x_stride,
                                          const float *rstd, const float *g, long n, int heads,
                                          int dim)
{
    OPS->headnorm_backward(DEV, nums(dx, n * dx_stride), dx_stride, accs(dg, dim),
                           in_nums(dy, n * dy_stride), dy_stride, in_nums(x, n * x_stride),
                           x_stride, in_stats(rstd, n * heads), in_nums(g, dim), n, heads, dim);
    back();
}

static inline void host_rotate(float *x, long stride, const float *cosine, const float *sine,
                               long n, int heads, int dim, int sign)
{
    OPS->rotate(DEV, nums(x, n * stride), stride, in_stats(cosine, n * dim / 2),
                in_stats(sine, n * dim / 2), n, heads, dim, sign);
    back();
}

static inline void host_swiglu(float *y, const float *gu, long n, int w)
{
    OPS->swiglu(DEV, nums(y, n * w), in_nums(gu, 2 * n * w), n, w);
    back();
}

static inline void host_swiglu_backward(float *dgu, const float *dy, const float *gu, long n, int w)
{
    OPS->swiglu_backward(DEV, nums(dgu, 2 * n * w), in_nums(dy, n * w), in_nums(gu, 2 * n * w), n,
                         w);
    back();
}

static inline void host_gelu(float *y, const float *x, long n, int exact)
{
    OPS->gelu(DEV, nums(y, n), in_nums(x, n), n, exact);
    back();
}

static inline void host_gelu_backward(float *dx, const float *dy, const float *x, long n, int exact)
{
    OPS->gelu_backward(DEV, nums(dx, n), in_nums(dy, n), in_nums(x, n), n, exact);
    back();
}

static inline void host_add(float *y, const float *x, long n)
{
    OPS->add(DEV, nums(y, n), in_nums(x, n), n);
    back();
}

static inline void host_gather(float *y, const float *table, const int32_t *ids, long n, int w)
{
    OPS->gather(DEV, nums(y, n * w), in_matrix(table, rows_named(ids, n), w), in_ints(ids, n), n);
    back();
}

static inline void host_gather_backward(float *dtable, const float *dy, const int32_t *ids, long n,
                                        int w)
{
    OPS->gather_backward(DEV, accs(dtable, rows_named(ids, n) * w), in_nums(dy, n * w),
                         in_ints(ids, n), n, w);
    back();
}

static inline void host_scatter_add(float *x, const float *y, const int32_t *ids, long n, int w)
{
    OPS->scatter_add(DEV, nums(x, rows_named(ids, n) * w), in_nums(y, n * w), in_ints(ids, n), n,
                     w);
    back();
}

static inline void host_interpolate(float *y, const float *table, const int32_t *tap,
                                    const float *weight, long n, int w)
{
    OPS->interpolate(DEV, nums(y, n * w), in_nums(table, rows_named(tap, 4 * n) * w),
                     in_ints(tap, 4 * n), in_stats(weight, 4 * n), n, w);
    back();
}

static inline void host_interpolate_backward(float *dtable, const float *dy, const int32_t *tap,
                                             const float *weight, long n, int w)
{
    OPS->interpolate_backward(DEV, accs(dtable, rows_named(tap, 4 * n) * w), in_nums(dy, n * w),
                              in_ints(tap, 4 * n), in_stats(weight, 4 * n), n, w);
    back();
}

/* to_n, from_n: rows of the two arrays; NULL for from: zeros. */
static inline void host_copy_rows(float *to, long to_stride, const int32_t *to_row, long to_n,
                                  const float *from, long from_stride, const int32_t *from_row,
                                  long from_n, long n, int w)
{
    OPS->copy_rows(DEV, nums(to, to_n * to_stride), to_stride, in_ints(to_row, n),
                   in_nums(from, from_n * from_stride), from_stride, in_ints(from_row, n), n, w);
    back();
}

/* n rows of x [n, stride] */
static inline void host_round(float *x, long stride, long n, int w)
{
    OPS->round(DEV, nums(x, n * stride), stride, n, w);
    back();
}

/* to_n: rows of `to` */
static inline void host_halve_rows(uint16_t *to, long to_stride, const int32_t *to_row, long to_n,
                                   const float *from, long from_stride, long n, int w)
{
    OPS->halve_rows(DEV, halves(to, to_n * to_stride), to_stride, in_ints(to_row, n),
                    in_nums(from, n * from_stride), from_stride, n, w);
    back();
}

/* ---- attention ---- */

static inline long attention_rows(const struct ptd_attention *a)
{
    long most = 0;
    for (int i = 0; i < a->n_spans; i++) {
        long end = a->spans[i].row + a->spans[i].n;
        most = end > most ? end : most;
    }
    return most;
}

static inline long attention_keys(const struct ptd_attention *a)
{
    long most = 0;
    for (long i = 0; a->blocks && i < a->n_blocks; i++)
        most =
            (a->blocks[i] + 1L) * a->block_rows > most ? (a->blocks[i] + 1L) * a->block_rows : most;
    for (int i = 0; !a->blocks && i < a->n_spans; i++) {
        const struct ptd_span *s = &a->spans[i];
        long own = s->own + s->past + s->n, shared = s->shared + s->n_shared;
        most = own > most ? own : most;
        most = shared > most ? shared : most;
    }
    return most;
}

static inline void host_attention(const struct ptd_attention *a, float *o, float *lse,
                                  const float *q, const float *k, const float *v)
{
    long n = attention_rows(a), m = attention_keys(a);
    struct ptd_attention_plan *p = OPS->attention_plan(DEV, a);
    enum ptd_entries pool = a->halves ? PTD_HALVES : PTD_NUMS; /* k and v are such then */
    OPS->attention(DEV, p, nums(o, n * a->o_stride), stats(lse, n * a->heads),
                   in_nums(q, n * a->q_stride), to_device(k, m * a->k_stride, pool, 0),
                   to_device(v, m * a->v_stride, pool, 0));
    back();
    OPS->attention_plan_free(DEV, p);
}

static inline void host_attention_backward(const struct ptd_attention *a, float *dq, float *dk,
                                           float *dv, const float *dout, const float *o,
                                           const float *lse, const float *q, const float *k,
                                           const float *v)
{
    long n = attention_rows(a), m = attention_keys(a);
    struct ptd_attention_plan *p = OPS->attention_plan(DEV, a);
    OPS->attention_backward(
        DEV, p, nums(dq, n * a->q_stride), nums(dk, m * a->k_stride), nums(dv, m * a->v_stride),
        in_nums(dout, n * a->o_stride), in_nums(o, n * a->o_stride), in_stats(lse, n * a->heads),
        in_nums(q, n * a->q_stride), in_nums(k, m * a->k_stride), in_nums(v, m * a->v_stride));
    back();
    OPS->attention_plan_free(DEV, p);
}

/* keys [n_keys] are the host's */
static inline void host_attention_shares(const struct ptd_attention *a,
                                         struct ptd_shares_asked asked, const int32_t *keys,
                                         float *out, const float *q, const float *k,
                                         const float *lse)
{
    long n = attention_rows(a), m = attention_keys(a);
    struct ptd_attention_plan *p = OPS->attention_plan(DEV, a);
    asked.keys = in_ints(keys, asked.n_keys);
    OPS->attention_shares(DEV, p, &asked, stats(out, asked.n * asked.n_keys),
                          in_nums(q, n * a->q_stride), in_nums(k, m * a->k_stride),
                          in_stats(lse, n * a->heads));
    back();
    OPS->attention_plan_free(DEV, p);
}

/* ---- the optimizer ---- */

static inline double host_norm(const float *x, enum ptd_entries of, size_t n)
{
    double norm = OPS->norm(DEV, to_device(x, n, of, 0), of, n);
    back();
    return norm;
}

static inline void host_adamw(const struct ptd_adamw *a, int64_t t, double scale, float *w,
                              float *m, float *v, const float *g, size_t n)
{
    struct ptd_slot s = {.n = n, .w = nums(w, n), .m = stats(m, n), .v = stats(v, n)};
    OPS->adamw(DEV, a, t, scale, &s, in_accs(g, n));
    back();
}

/* The slot's arrays are the host's; those of codes have room for a whole number of pairs. */
static inline void host_adamw_slot(const struct ptd_adamw *a, int64_t t, double scale,
                                   struct ptd_slot s, const float *g)
{
    size_t n = s.n, codes = (n + 1) / 2, blocks = ptd_blocks(n);
    s.w = s.master == PTD_MASTER_F32 ? nums((float *)s.w, n) : halves(s.w, n);
    s.low = halves(s.low, n);
    s.m = s.eight ? halves(s.m, codes) : stats(s.m, n);
    s.v = s.eight ? halves(s.v, codes) : stats(s.v, n);
    s.ms = stats((float *)s.ms, blocks), s.vs = stats((float *)s.vs, blocks);
    OPS->adamw(DEV, a, t, scale, &s, in_accs(g, n));
    back();
}
#endif
