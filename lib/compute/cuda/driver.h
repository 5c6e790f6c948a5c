/* driver: what the files of this room share: the device's object, its memory, and the operations of
 * compute/ops.h that each of them fills. A device is one object with one stream; nothing is global,
 * so that any number of cards may be open, and any thread may be the one that asks.
 *
 * The room is a plugin (libptd-cuda.so), or on the emulator libptd-sim.so, that a program opens
 * when such a device is asked for. It calls nothing of the library but inline functions and what it
 * is handed (a divergence's value); faults it leaves in the device. */
#ifndef PTD_CUDA_DRIVER_H
#define PTD_CUDA_DRIVER_H
#include "compute/cuda/ptd.h"
#include "compute/cuda/gpu.h"
#include <cublasLt.h>
#include <cuda_runtime.h>

/* Memory for one operation, kept for the next: by use, so that two of one operation's do not meet.
 */
enum cuda_use {
    CUDA_SUMS,  /* parts of a sum */
    CUDA_LISTS, /* lists of the host's */
    CUDA_ROWS,  /* what rows of logits need */
    CUDA_OUT,   /* answers on their way to the host */
    CUDA_WIDE,  /* numbers of another format than the device's own */
    CUDA_MORE,  /* a second one of these */
    CUDA_PROBE, /* products that are tried */
    CUDA_USES
};
struct cuda_scratch {
    void *p;
    size_t n;
};
/* The same, lent to somebody until it is returned. */
struct cuda_lent {
    struct cuda_scratch of;
    int is_lent;
};
#define CUDA_LENT 16
struct cuda {
    int number; /* of the card */
    cudaStream_t stream;
    cublasLtHandle_t blas;
    void *workspace; /* cuBLASLt's */
    size_t workspace_size;
    struct cuda_products *products; /* algorithms by shape: product.cu */
    struct cuda_scratch scratch[CUDA_USES];
    struct cuda_lent lent[CUDA_LENT]; /* for lists that live longer than an operation */
    struct cuda_shared *shared;       /* memory that other programs have, too: share.h */
    struct cuda_graphs *graphs;       /* what is launched as one: graph.h; NULL: nothing yet */
    struct cuda_turn *turn; /* who has the card by turns with others: turn.h; NULL: has it always */
    char machine[400];
};

static inline struct cuda *cuda_of(struct ptd_device *d)
{
    return (struct cuda *)d->own;
}
void cuda_turn_take(struct ptd_device *d); /* the card is ours; turn.cu */
/* Which card is meant is the calling thread's, and threads may take turns; so may programs. */
static inline void cuda_here(struct ptd_device *d)
{
    cudaSetDevice(cuda_of(d)->number);
    if (cuda_of(d)->turn) cuda_turn_take(d);
}
static inline cudaStream_t stream_of(struct ptd_device *d)
{
    cuda_here(d);
    return cuda_of(d)->stream;
}

/* ---- what an array of the device's is to a kernel ---- */

template <class T> static inline T *as(ptd_num *p)
{
    return reinterpret_cast<T *>(p);
}
template <class T> static inline const T *as(const ptd_num *p)
{
    return reinterpret_cast<const T *>(p);
}
static inline float *floats_of(ptd_acc *p)
{
    return reinterpret_cast<float *>(p);
}
static inline float *floats_of(ptd_stat *p)
{
    return reinterpret_cast<float *>(p);
}
static inline const float *floats_of(const ptd_acc *p)
{
    return reinterpret_cast<const float *>(p);
}
static inline const float *floats_of(const ptd_stat *p)
{
    return reinterpret_cast<const float *>(p);
}
static inline const int32_t *ints_of(const ptd_int *p)
{
    return reinterpret_cast<const int32_t *>(p);
}

/* With T the type of the device's numbers. */
#define CUDA_BY_TYPE(d, ...)                                                                       \
    do {                                                                                           \
        if ((d)->num == PTD_BF16) {                                                                \
            typedef bf16 T;                                                                        \
            __VA_ARGS__;                                                                           \
        } else {                                                                                   \
            typedef float T;                                                                       \
            __VA_ARGS__;                                                                           \
        }                                                                                          \
    } while (0)
/* The same, and N 8 where the pointers (NULL counts as aligned) and the width w allow pieces of 16
 * bytes, else 1. */
#define CUDA_BY_WIDTH(d, wide, ...)                                                                \
    do {                                                                                           \
        if (wide) {                                                                                \
            [[maybe_unused]] constexpr int N = 8;                                                  \
            CUDA_BY_TYPE(d, __VA_ARGS__);                                                          \
        } else {                                                                                   \
            [[maybe_unused]] constexpr int N = 1;                                                  \
            CUDA_BY_TYPE(d, __VA_ARGS__);                                                          \
        }                                                                                          \
    } while (0)
template <class... P> static inline bool cuda_is_wide(long w, P... pointers)
{
    uintptr_t all = 0;
    for (const void *p : {(const void *)pointers...}) all |= (uintptr_t)p;
    return w % 8 == 0 && all % 16 == 0;
}

/* ---- driver.cu ---- */

/* Keeps the first one of CUDA's and cuBLASLt's errors. */
void cuda_check(struct ptd_device *d, cudaError_t e, const char *what);
void cuda_blame(struct ptd_device *d, int status, const char *words);
/* Blocks of `threads` that n threads need. */
static inline dim3 cuda_blocks(size_t n, unsigned threads)
{
    return dim3((unsigned)((n + threads - 1) / threads));
}
/* At least `bytes` of the device, until the next call for the same use; NULL: none left, which is
 * blamed. */
void *cuda_scratch(struct ptd_device *d, enum cuda_use use, size_t bytes);
/* A copy of the host's list, in scratch. */
void *cuda_list(struct ptd_device *d, enum cuda_use use, const void *host, size_t bytes);
/* The same, until it is returned; NULL: none left, which is blamed. What was asked before may still
 * read what is returned: the next one gets it in the stream's order. */
void *cuda_lend_list(struct ptd_device *d, const void *host, size_t bytes);
void cuda_return_list(struct ptd_device *d, void *p); /* NULL: nothing */
/* To the host, now. */
void cuda_fetch(struct ptd_device *d, void *host, const void *from, size_t bytes);

/* n numbers in another format. */
void cuda_widen_to(struct ptd_device *d, float *to, const bf16 *from, size_t n);
void cuda_narrow_to(struct ptd_device *d, bf16 *to, const float *from, size_t n);
void cuda_products_free(struct cuda *c); /* product.cu */
/* Bytes of a number: dtype.h's function is not the plugin's. */
static inline size_t cuda_format_size(int format)
{
    return format == PTD_BF16 ? 2 : 4;
}

extern "C" {
/* The plugin's door: fills d for the card that d->name names; -1: d->fault says why, with the
 * status. */
__attribute__((visibility("default"))) int ptd_cuda_plugin(struct ptd_device *d);
}

extern "C" {
/* ---- norm.cu ---- */

void cuda_rmsnorm(struct ptd_device *d, ptd_num *Y, ptd_stat *rstd, const ptd_num *X,
                  const ptd_num *g, long n, int w, float eps);
void cuda_rmsnorm_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dg, const ptd_num *dY,
                           const ptd_num *X, const ptd_stat *rstd, const ptd_num *g, long n, int w);
void cuda_layernorm(struct ptd_device *d, ptd_num *Y, ptd_stat *mean, ptd_stat *rstd,
                    const ptd_num *X, const ptd_num *g, const ptd_num *b, long n, int w, float eps);
void cuda_layernorm_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dg, ptd_acc *db,
                             const ptd_num *dY, const ptd_num *X, const ptd_stat *mean,
                             const ptd_stat *rstd, const ptd_num *g, long n, int w);
void cuda_headnorm(struct ptd_device *d, ptd_num *y, long y_stride, ptd_stat *rstd,
                   const ptd_num *x, long x_stride, const ptd_num *g, long n, int heads, int dim,
                   float eps);
void cuda_headnorm_backward(struct ptd_device *d, ptd_num *dx, long dx_stride, ptd_acc *dg,
                            const ptd_num *dy, long dy_stride, const ptd_num *x, long x_stride,
                            const ptd_stat *rstd, const ptd_num *g, long n, int heads, int dim);

/* ---- linear.cu ---- */

void cuda_linear(struct ptd_device *d, ptd_num *Y, const ptd_num *X, const struct ptd_matrix *W,
                 const ptd_num *b, const ptd_num *residual, long n);
void cuda_linear_backward(struct ptd_device *d, ptd_num *dX, int add, ptd_acc *dW, ptd_acc *db,
                          const ptd_num *dY, const ptd_num *X, const struct ptd_matrix *W, long n);
void cuda_linear_gradient(struct ptd_device *d, ptd_acc *dW, const ptd_num *dY, long stride,
                          const ptd_num *X, long n, int in, int out);
void cuda_logits(struct ptd_device *d, ptd_stat *Z, const ptd_num *X, const struct ptd_matrix *W,
                 long n);
void cuda_logits_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dW, const ptd_stat *dZ,
                          const ptd_num *X, const struct ptd_matrix *W, long n);
void cuda_low_rank(struct ptd_device *d, ptd_num *Y, const ptd_num *X, const struct ptd_low_rank *l,
                   long n);
void cuda_low_rank_backward(struct ptd_device *d, ptd_num *dX, const ptd_num *dY, const ptd_num *X,
                            const struct ptd_low_rank *l, long n);

/* ---- map.cu ---- */

void cuda_rotate(struct ptd_device *d, ptd_num *x, long stride, const ptd_stat *cosine,
                 const ptd_stat *sine, long n, int heads, int dim, int sign);
void cuda_swiglu(struct ptd_device *d, ptd_num *y, const ptd_num *gu, long n, int w);
void cuda_swiglu_backward(struct ptd_device *d, ptd_num *dgu, const ptd_num *dy, const ptd_num *gu,
                          long n, int w);
void cuda_gelu(struct ptd_device *d, ptd_num *y, const ptd_num *x, long n, int exact);
void cuda_gelu_backward(struct ptd_device *d, ptd_num *dx, const ptd_num *dy, const ptd_num *x,
                        long n, int exact);
void cuda_add(struct ptd_device *d, ptd_num *y, const ptd_num *x, long n);
void cuda_round(struct ptd_device *d, ptd_num *x, long stride, long n, int w);

/* ---- rows.cu ---- */

void cuda_copy_rows(struct ptd_device *d, ptd_num *to, long to_stride, const ptd_int *to_row,
                    const ptd_num *from, long from_stride, const ptd_int *from_row, long n, int w);
void cuda_gather(struct ptd_device *d, ptd_num *y, const struct ptd_matrix *table,
                 const ptd_int *ids, long n);
void cuda_gather_backward(struct ptd_device *d, ptd_acc *dtable, const ptd_num *dy,
                          const ptd_int *ids, long n, int w);
void cuda_scatter_add(struct ptd_device *d, ptd_num *x, const ptd_num *y, const ptd_int *ids,
                      long n, int w);
void cuda_interpolate(struct ptd_device *d, ptd_num *y, const ptd_num *table, const ptd_int *tap,
                      const ptd_stat *weight, long n, int w);
void cuda_interpolate_backward(struct ptd_device *d, ptd_acc *dtable, const ptd_num *dy,
                               const ptd_int *tap, const ptd_stat *weight, long n, int w);

/* ---- adamw.cu ---- */

double cuda_norm(struct ptd_device *d, const void *x, enum ptd_entries of, size_t n);
void cuda_adamw(struct ptd_device *d, const struct ptd_adamw *a, int64_t t, double scale,
                const struct ptd_slot *s, const ptd_acc *g);

/* ---- attention.cu, attention_backward.cu, head.cu: as compute/ops.h has them ---- */

struct ptd_attention_plan *cuda_attention_plan(struct ptd_device *d, const struct ptd_attention *a);
void cuda_attention_plan_free(struct ptd_device *d, struct ptd_attention_plan *p);
void cuda_attention(struct ptd_device *d, const struct ptd_attention_plan *p, ptd_num *o,
                    ptd_stat *lse, const ptd_num *q, const ptd_num *k, const ptd_num *v);
void cuda_attention_backward(struct ptd_device *d, const struct ptd_attention_plan *p, ptd_num *dq,
                             ptd_num *dk, ptd_num *dv, const ptd_num *dout, const ptd_num *o,
                             const ptd_stat *lse, const ptd_num *q, const ptd_num *k,
                             const ptd_num *v);
void cuda_attention_shares(struct ptd_device *d, const struct ptd_attention_plan *p,
                           const struct ptd_shares_asked *a, ptd_stat *out, const ptd_num *q,
                           const ptd_num *k, const ptd_stat *lse);
void cuda_rows_score(struct ptd_device *d, ptd_stat *z, long n, int V,
                     const struct ptd_ask_score *ask, const struct ptd_got_score *got);
void cuda_rows_draw(struct ptd_device *d, ptd_stat *z, long n, int V,
                    const struct ptd_ask_draw *ask, const struct ptd_got_draw *got);
void cuda_rows_gradient(struct ptd_device *d, ptd_stat *z, long n, int V,
                        const struct ptd_ask_gradient *ask, double *value);
}
#endif
