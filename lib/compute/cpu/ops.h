/* ops: what of the CPU's table lies in files of its own; see compute/ops.h for the contracts. */
#ifndef PTD_OPS_CPU_H
#define PTD_OPS_CPU_H
#include "compute/ops.h"

extern const struct ptd_ops ptd_ops_cpu;

/* Items of so many multiply-adds that are worth a second thread. */
static inline long ptd_cpu_grain(double work_per_item)
{
    double g = 40000 / (work_per_item + 1);
    return g < 1 ? 1 : (long)g;
}

/* memory.c */
void *ptd_cpu_alloc(struct ptd_device *d, size_t bytes);
void ptd_cpu_free(struct ptd_device *d, void *p);
char *ptd_cpu_machine(struct ptd_device *d);
void ptd_cpu_copy(struct ptd_device *d, void *to, const void *from, size_t bytes);
void ptd_cpu_put_nums(struct ptd_device *d, ptd_num *to, const float *host, size_t n);
void ptd_cpu_get_nums(struct ptd_device *d, float *host, const ptd_num *from, size_t n);
void ptd_cpu_put_accs(struct ptd_device *d, ptd_acc *to, const float *host, size_t n);
void ptd_cpu_get_accs(struct ptd_device *d, float *host, const ptd_acc *from, size_t n);
void ptd_cpu_zero(struct ptd_device *d, void *p, size_t bytes);
void ptd_cpu_copy_rows(struct ptd_device *d, ptd_num *to, long to_stride, const ptd_int *to_row,
                       const ptd_num *from, long from_stride, const ptd_int *from_row, long n,
                       int w);

/* round.c */
void ptd_cpu_round(struct ptd_device *d, ptd_num *x, long stride, long n, int w);
void ptd_cpu_halve_rows(struct ptd_device *d, void *to, long to_stride, const ptd_int *to_row,
                        const ptd_num *from, long from_stride, long n, int w);

/* linear.c */
/* Products with matrices, and those that make their gradients, are by pairs (pairs.h) on devices
 * whose own points here. */
extern const char ptd_cpu_pairs;
static inline int ptd_cpu_by_pairs(const struct ptd_device *d)
{
    return d->own == &ptd_cpu_pairs;
}
void ptd_cpu_linear(struct ptd_device *d, ptd_num *Y, const ptd_num *X, const struct ptd_matrix *W,
                    const ptd_num *b, const ptd_num *residual, long n);
void ptd_cpu_linear_gradient(struct ptd_device *d, ptd_acc *dW, const ptd_num *dY, long stride,
                             const ptd_num *X, long n, int in, int out);
void ptd_cpu_linear_backward(struct ptd_device *d, ptd_num *dX, int add, ptd_acc *dW, ptd_acc *db,
                             const ptd_num *dY, const ptd_num *X, const struct ptd_matrix *W,
                             long n);
void ptd_cpu_logits(struct ptd_device *d, ptd_stat *Z, const ptd_num *X, const struct ptd_matrix *W,
                    long n);
void ptd_cpu_logits_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dW, const ptd_stat *dZ,
                             const ptd_num *X, const struct ptd_matrix *W, long n);
void ptd_cpu_gather(struct ptd_device *d, ptd_num *y, const struct ptd_matrix *table,
                    const ptd_int *ids, long n);

/* low_rank.c */
void ptd_cpu_low_rank(struct ptd_device *d, ptd_num *Y, const ptd_num *X,
                      const struct ptd_low_rank *l, long n);
void ptd_cpu_low_rank_backward(struct ptd_device *d, ptd_num *dX, const ptd_num *dY,
                               const ptd_num *X, const struct ptd_low_rank *l, long n);

/* norms.c */
void ptd_cpu_rmsnorm(struct ptd_device *d, ptd_num *Y, ptd_stat *rstd, const ptd_num *X,
                     const ptd_num *g, long n, int w, float eps);
void ptd_cpu_rmsnorm_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dg, const ptd_num *dY,
                              const ptd_num *X, const ptd_stat *rstd, const ptd_num *g, long n,
                              int w);
void ptd_cpu_layernorm(struct ptd_device *d, ptd_num *Y, ptd_stat *mean, ptd_stat *rstd,
                       const ptd_num *X, const ptd_num *g, const ptd_num *b, long n, int w,
                       float eps);
void ptd_cpu_layernorm_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dg, ptd_acc *db,
                                const ptd_num *dY, const ptd_num *X, const ptd_stat *mean,
                                const ptd_stat *rstd, const ptd_num *g, long n, int w);
void ptd_cpu_headnorm(struct ptd_device *d, ptd_num *y, long y_stride, ptd_stat *rstd,
                      const ptd_num *x, long x_stride, const ptd_num *g, long n, int heads, int dim,
                      float eps);
void ptd_cpu_headnorm_backward(struct ptd_device *d, ptd_num *dx, long dx_stride, ptd_acc *dg,
                               const ptd_num *dy, long dy_stride, const ptd_num *x, long x_stride,
                               const ptd_stat *rstd, const ptd_num *g, long n, int heads, int dim);

/* attention.c */
struct ptd_attention_plan *ptd_cpu_attention_plan(struct ptd_device *d,
                                                  const struct ptd_attention *a);
void ptd_cpu_attention_plan_free(struct ptd_device *d, struct ptd_attention_plan *p);
/* What the plan was made of, its spans too. */
const struct ptd_attention *ptd_cpu_attention_shape(const struct ptd_attention_plan *p);
void ptd_cpu_attention(struct ptd_device *d, const struct ptd_attention_plan *p, ptd_num *o,
                       ptd_stat *lse, const ptd_num *q, const ptd_num *k, const ptd_num *v);
void ptd_cpu_attention_backward(struct ptd_device *d, const struct ptd_attention_plan *p,
                                ptd_num *dq, ptd_num *dk, ptd_num *dv, const ptd_num *dout,
                                const ptd_num *o, const ptd_stat *lse, const ptd_num *q,
                                const ptd_num *k, const ptd_num *v);
void ptd_cpu_attention_shares(struct ptd_device *d, const struct ptd_attention_plan *p,
                              const struct ptd_shares_asked *a, ptd_stat *out, const ptd_num *q,
                              const ptd_num *k, const ptd_stat *lse);

/* adamw.c */
double ptd_cpu_norm(struct ptd_device *d, const void *x, enum ptd_entries of, size_t n);
void ptd_cpu_adamw(struct ptd_device *d, const struct ptd_adamw *a, int64_t t, double scale,
                   const struct ptd_slot *s, const ptd_acc *g);
#endif
