/* ops: the table of operations that model code is written against. cpu/ops.c (plain C and OpenBLAS,
 * float32) is the specification; another device fills the same table. All arrays lie on the device,
 * but those said to be the host's, and are row-major; shapes in brackets; n rows; "dX" is the
 * gradient of X; parameter gradients accumulate, activation gradients are overwritten unless said
 * otherwise. NULL for a bias, or for a gradient, means there is none or it is not wanted.
 *
 * Forward, a row has the same bits whatever rows are computed beside it, and however many: of the
 * products linear, logits and low_rank, of attention however queries are grouped into spans and
 * keys into blocks, and of all that is row by row anyway. Backward owes nothing of the kind.
 *
 * Nothing here fails at once: what goes wrong comes out at ptd_device_wait. A new operation is a
 * member here, a row in each device's table, and a row in tests/test-ops.c, which counts. */
#ifndef PTD_OPS_H
#define PTD_OPS_H
#include "compute/matrix.h"
#include "compute/rows.h"
#include <stdint.h>

/* One segment of packed rows for attention. Keys and values live in a pool of rows (training: the
 * packed rows themselves; decoding: the cache). In a pool of blocks, where keys that follow each
 * other need not be neighbours, `own` and `shared` are places in the list `blocks`, from where on
 * it names the blocks of these keys. */
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
    /* numbers from one row to the next; dq, dk, dv have the same */
    long q_stride, k_stride, v_stride, o_stride;
    const struct ptd_span *spans; /* the host's */
    /* neighbours with the same shared prompt and consecutive rows are computed together */
    int n_spans;
    const int32_t *blocks; /* [n_blocks] the host's; NULL: the pool has none */
    long n_blocks;
    int block_rows; /* of a block; block i begins at pool row i * block_rows */
    int halves;     /* 1: k and v are bfloat16, whatever the device's numbers are; forward alone */
};
struct ptd_attention_plan; /* what a device makes of it, once for all layers of a batch */

/* Attention of some query rows to some keys; see attention_shares. */
struct ptd_shares_asked {
    long first, n;       /* query rows */
    const ptd_int *keys; /* [n_keys] their rows */
    long n_keys;
    const uint8_t *heads; /* [heads] the host's: 1: counts; NULL: all */
};

/* AdamW (Loshchilov and Hutter, 2019):
 *   m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; w -= lr (m^ / (sqrt(v^) + eps) + decay w),
 *   m^ = m/(1-b1^t), v^ = v/(1-b2^t) */
struct ptd_adamw {
    double lr, beta1, beta2, eps, decay;
};

/* Products of low rank that are added to columns of Y (adapters; LoRA, Hu et al., 2021): part by
 * part Y[:, first : first + out] += scale (X A^T) B^T, with A [rank, in] and B [out, rank], for
 * rows of X [n, in] and of Y [n, wide]. No two parts have a column in common. */
struct ptd_low_rank_part {
    int first, out;
    const ptd_num *A, *B;
    ptd_acc *dA, *dB; /* NULL: not wanted */
};
struct ptd_low_rank {
    int in, wide, rank, n;
    float scale;
    const struct ptd_low_rank_part *parts; /* [n], the host's */
};

/* In which form the optimizer has the weights: numbers of the device; bfloat16 and what that leaves
 * out, exact; bfloat16 alone, to which each step rounds at random with the right mean. */
enum ptd_master { PTD_MASTER_F32, PTD_MASTER_SPLIT, PTD_MASTER_NONE };

#define PTD_BLOCK 256 /* 8-bit moments that share a scale */

/* A parameter's n numbers and all that the optimizer has of them, on the device. */
struct ptd_slot {
    size_t n;
    int master, eight; /* enum ptd_master; 1: moments of 8 bits in blocks, else float32 */
    ptd_num *w;        /* [n] bfloat16 unless the master is float32 */
    void *low;         /* [n] int16: split only */
    void *m, *v;       /* [n] ptd_stat or uint8: signed and unsigned codes (cpu/eight.h) */
    ptd_stat *ms, *vs; /* [ptd_blocks(n)] scales of 8-bit moments */
    uint64_t seed;     /* PTD_MASTER_NONE: 16 bits for number i are those at 16 (i % 8) of */
    uint32_t number;   /* Philox(seed, PTD_RNG_ROUND, step, number, i / 8) */
    /* number 0 here is that of the parameter, where this is a share of it: a multiple of PTD_BLOCK
     */
    size_t first;
};
static inline size_t ptd_blocks(size_t n)
{
    return (n + PTD_BLOCK - 1) / PTD_BLOCK;
}

enum ptd_entries { PTD_NUMS, PTD_ACCS, PTD_STATS, PTD_HALVES /* bfloat16 */ };

struct ptd_ops {
    /* ---- the device itself: behind the functions of device.h ---- */

    void *(*alloc)(struct ptd_device *d, size_t bytes); /* zeros; NULL: there is no room */
    void (*free)(struct ptd_device *d, void *p);
    /* bytes that nobody has taken yet; NULL: its memory is the host's */
    size_t (*room)(struct ptd_device *d);
    void (*wait)(struct ptd_device *d); /* NULL: an operation is done when it returns */
    char *(*machine)(struct ptd_device *d);
    void (*close)(struct ptd_device *d); /* NULL: nothing to do */
    /* Memory of that name, which programs on one device have in common; it is freed by free.
     * *filled 1: another one's, which nobody writes; 0: the caller fills it, says so (filled), and
     * writes no more. NULL: there is none to be had. NULL for both members: the device has no such.
     */
    void *(*share)(struct ptd_device *d, const char *name, size_t bytes, int *filled);
    void (*filled)(struct ptd_device *d, void *p);
    /* Nothing is asked of it until others have done their part: who has it by turns leaves it to
     * them, and what is in memory goes as resting has said, enum ptd_resting, and comes back with
     * what is asked next. NULL for both: it is always there. */
    void (*rest)(struct ptd_device *d);
    void (*resting)(struct ptd_device *d, void *p, int how);
    /* What is asked from record to play, about so many rows, is one launch if the device knows how,
     * to the same bits; what rows_draw answers is there after play. NULL for both: it does not. */
    void (*record)(struct ptd_device *d, long rows);
    void (*play)(struct ptd_device *d);

    /* ---- copies: in order with all else; get waits ---- */

    void (*put)(struct ptd_device *d, void *to, const void *host, size_t bytes);
    void (*get)(struct ptd_device *d, void *host, const void *from, size_t bytes);
    void (*put_nums)(struct ptd_device *d, ptd_num *to, const float *host, size_t n);
    void (*get_nums)(struct ptd_device *d, float *host, const ptd_num *from, size_t n);
    void (*put_accs)(struct ptd_device *d, ptd_acc *to, const float *host, size_t n);
    void (*get_accs)(struct ptd_device *d, float *host, const ptd_acc *from, size_t n);
    void (*zero)(struct ptd_device *d, void *p, size_t bytes);
    /* to[to_row[i]] = from[from_row[i]] for n rows of width w; strides in numbers. NULL for a list:
     * 0, 1, 2 ...; NULL for from: zeros. */
    void (*copy_rows)(struct ptd_device *d, ptd_num *to, long to_stride, const ptd_int *to_row,
                      const ptd_num *from, long from_stride, const ptd_int *from_row, long n,
                      int w);
    /* n rows of x, `stride` numbers apart, w of them each: rounded to bfloat16, to nearest, ties to
     * even; NaN stays NaN. Their gradient is that of the rounded numbers (straight through): there
     * is no backward. */
    void (*round)(struct ptd_device *d, ptd_num *x, long stride, long n, int w);
    /* The same into rows of bfloat16, to[to_row[i]]. NULL: the device's attention reads no such
     * rows (halves). */
    void (*halve_rows)(struct ptd_device *d, void *to, long to_stride, const ptd_int *to_row,
                       const ptd_num *from, long from_stride, long n, int w);

    /* ---- products ---- */

    /* Y [n, out] = X [n, in] W^T + b + residual; W [out, in], b [out], residual [n, out] */
    void (*linear)(struct ptd_device *d, ptd_num *Y, const ptd_num *X, const struct ptd_matrix *W,
                   const ptd_num *b, const ptd_num *residual, long n);
    /* dX [n, in] = dY W (added to dX if add); dW [out, in] += dY^T X; db += column sums of dY */
    void (*linear_backward)(struct ptd_device *d, ptd_num *dX, int add, ptd_acc *dW, ptd_acc *db,
                            const ptd_num *dY, const ptd_num *X, const struct ptd_matrix *W,
                            long n);
    /* dW [out, in] += dY^T X alone, of `out` columns of dY, whose rows lie `stride` apart */
    void (*linear_gradient)(struct ptd_device *d, ptd_acc *dW, const ptd_num *dY, long stride,
                            const ptd_num *X, long n, int in, int out);
    /* The same with float32 in place of Y, whatever the device: logits Z [n, V] = X [n, H] W^T. */
    void (*logits)(struct ptd_device *d, ptd_stat *Z, const ptd_num *X, const struct ptd_matrix *W,
                   long n);
    void (*logits_backward)(struct ptd_device *d, ptd_num *dX, ptd_acc *dW, const ptd_stat *dZ,
                            const ptd_num *X, const struct ptd_matrix *W, long n);

    void (*low_rank)(struct ptd_device *d, ptd_num *Y, const ptd_num *X,
                     const struct ptd_low_rank *l, long n);
    /* dX [n, in] is added to (NULL: not wanted), and so are dA and dB; dY [n, wide] */
    void (*low_rank_backward)(struct ptd_device *d, ptd_num *dX, const ptd_num *dY,
                              const ptd_num *X, const struct ptd_low_rank *l, long n);

    /* ---- norms ---- */

    /* Y = X / sqrt(mean(X^2) + eps) * g over rows of width w; rstd [n] kept for backward (may be
     * NULL). */
    void (*rmsnorm)(struct ptd_device *d, ptd_num *Y, ptd_stat *rstd, const ptd_num *X,
                    const ptd_num *g, long n, int w, float eps);
    /* dX is added to (the residual path is already there); dg += ... */
    void (*rmsnorm_backward)(struct ptd_device *d, ptd_num *dX, ptd_acc *dg, const ptd_num *dY,
                             const ptd_num *X, const ptd_stat *rstd, const ptd_num *g, long n,
                             int w);
    void (*layernorm)(struct ptd_device *d, ptd_num *Y, ptd_stat *mean, ptd_stat *rstd,
                      const ptd_num *X, const ptd_num *g, const ptd_num *b, long n, int w,
                      float eps);
    /* dX is added to */
    void (*layernorm_backward)(struct ptd_device *d, ptd_num *dX, ptd_acc *dg, ptd_acc *db,
                               const ptd_num *dY, const ptd_num *X, const ptd_stat *mean,
                               const ptd_stat *rstd, const ptd_num *g, long n, int w);
    /* q_norm/k_norm: per-head RMSNorm over dim with one gain for all heads: y[n, heads, dim] from
     * x; rstd [n, heads]. y_stride, x_stride in numbers. */
    void (*headnorm)(struct ptd_device *d, ptd_num *y, long y_stride, ptd_stat *rstd,
                     const ptd_num *x, long x_stride, const ptd_num *g, long n, int heads, int dim,
                     float eps);
    /* dx (overwritten) from dy. */
    void (*headnorm_backward)(struct ptd_device *d, ptd_num *dx, long dx_stride, ptd_acc *dg,
                              const ptd_num *dy, long dy_stride, const ptd_num *x, long x_stride,
                              const ptd_stat *rstd, const ptd_num *g, long n, int heads, int dim);

    /* ---- attention ---- */

    /* Split-half rotation of every head of x [n rows, heads, dim] in place; stride: numbers from
     * row to row; cosine, sine [n, dim/2]; sign +1 forward, -1 backward. */
    void (*rotate)(struct ptd_device *d, ptd_num *x, long stride, const ptd_stat *cosine,
                   const ptd_stat *sine, long n, int heads, int dim, int sign);
    /* Spans are copied; the same plan serves forward, backward and shares. */
    struct ptd_attention_plan *(*attention_plan)(struct ptd_device *d,
                                                 const struct ptd_attention *a);
    void (*attention_plan_free)(struct ptd_device *d, struct ptd_attention_plan *p); /* or NULL */
    /* o[row, heads, dim] = softmax(q k^T / sqrt(dim)) v; lse [rows, heads] log-sum-exp of scaled
     * scores (NULL: not kept). Query head h uses kv head h / (heads / kv_heads). */
    void (*attention)(struct ptd_device *d, const struct ptd_attention_plan *p, ptd_num *o,
                      ptd_stat *lse, const ptd_num *q, const ptd_num *k, const ptd_num *v);
    /* Recomputes the probabilities from lse. dq overwritten; dk, dv accumulate (the caller zeroes
     * them). A span that shares a prompt must follow that prompt's own span, with nothing but
     * siblings between. */
    void (*attention_backward)(struct ptd_device *d, const struct ptd_attention_plan *p,
                               ptd_num *dq, ptd_num *dk, ptd_num *dv, const ptd_num *dout,
                               const ptd_num *o, const ptd_stat *lse, const ptd_num *q,
                               const ptd_num *k, const ptd_num *v);
    /* out [n, n_keys] += the shares of attention that rows first .. first + n pay to the keys,
     * summed over heads; the rows must see these keys. */
    void (*attention_shares)(struct ptd_device *d, const struct ptd_attention_plan *p,
                             const struct ptd_shares_asked *a, ptd_stat *out, const ptd_num *q,
                             const ptd_num *k, const ptd_stat *lse);

    /* ---- activations ---- */

    /* y [n, w] = silu(g) * u with gu [n, 2w], g the first half of each row; backward: dgu
     * overwritten. */
    void (*swiglu)(struct ptd_device *d, ptd_num *y, const ptd_num *gu, long n, int w);
    void (*swiglu_backward)(struct ptd_device *d, ptd_num *dgu, const ptd_num *dy,
                            const ptd_num *gu, long n, int w);
    /* exact: x/2 (1 + erf(x/sqrt 2)); else the tanh form. dx may be dy. */
    void (*gelu)(struct ptd_device *d, ptd_num *y, const ptd_num *x, long n, int exact);
    void (*gelu_backward)(struct ptd_device *d, ptd_num *dx, const ptd_num *dy, const ptd_num *x,
                          long n, int exact);

    /* ---- rows of tables ---- */

    void (*add)(struct ptd_device *d, ptd_num *y, const ptd_num *x, long n); /* y += x */
    /* y[i] = table[ids[i]]; backward: dtable[ids[i]] += dy[i]; ids may repeat */
    void (*gather)(struct ptd_device *d, ptd_num *y, const struct ptd_matrix *table,
                   const ptd_int *ids, long n);
    void (*gather_backward)(struct ptd_device *d, ptd_acc *dtable, const ptd_num *dy,
                            const ptd_int *ids, long n, int w);
    /* x[ids[i]] += y[i]; ids may repeat */
    void (*scatter_add)(struct ptd_device *d, ptd_num *x, const ptd_num *y, const ptd_int *ids,
                        long n, int w);
    /* y[i] = sum of four table rows: tap [n,4] row numbers, weight [n,4]; added to y. Backward:
     * scatter into dtable. */
    void (*interpolate)(struct ptd_device *d, ptd_num *y, const ptd_num *table, const ptd_int *tap,
                        const ptd_stat *weight, long n, int w);
    void (*interpolate_backward)(struct ptd_device *d, ptd_acc *dtable, const ptd_num *dy,
                                 const ptd_int *tap, const ptd_stat *weight, long n, int w);

    /* ---- rows of logits z [n, V]: rows.h ---- */

    /* z is changed: banned words become -inf, all are divided by the temperature, and see shares */
    void (*rows_score)(struct ptd_device *d, ptd_stat *z, long n, int V,
                       const struct ptd_ask_score *ask, const struct ptd_got_score *got);
    void (*rows_draw)(struct ptd_device *d, ptd_stat *z, long n, int V,
                      const struct ptd_ask_draw *ask, const struct ptd_got_draw *got);
    /* The shares that rows_score left become dL by the logits as they were given to rows_score, 0
     * for banned words. value [n]: the divergence, its weights left out, 0 without a lesson;
     * NULL: not wanted. */
    void (*rows_gradient)(struct ptd_device *d, ptd_stat *z, long n, int V,
                          const struct ptd_ask_gradient *ask, double *value);
    /* Logits that stay in the first caches from rows_score to rows_gradient; then both are called
     * for so many at a time, and from several threads at once. 0: for all of them, from one. */
    long rows_near;
    /* Rows of a chunk of logits, at least, where the vocabulary is large; 0: as many as the head
     * finds good. */
    long rows_least;

    /* ---- the optimizer ---- */

    /* Euclidean norm of x [n], an array of these, summed in double in a fixed order whatever
     * the thread count; NaN or Inf if any entry is not finite. Waits. */
    double (*norm)(struct ptd_device *d, const void *x, enum ptd_entries of, size_t n);
    /* One step (t counts from 1) on a slot's numbers; g [n] is scaled by `scale` first (clipping).
     * What is kept in a shorter form is widened, stepped in float32 and put back. */
    void (*adamw)(struct ptd_device *d, const struct ptd_adamw *a, int64_t t, double scale,
                  const struct ptd_slot *s, const ptd_acc *g);
};
#endif
