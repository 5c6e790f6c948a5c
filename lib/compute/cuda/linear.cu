/* linear: products with the network's matrices, and of low rank, and their gradients, as product.h
 * wants them. Rows of ours are columns there. */
#include "compute/cuda/product.h"
#include "compute/cuda/sums.h"

/* ---- matrices ---- */

/* A block of whole rows, in the format of the device's numbers; a narrower one is widened into
 * scratch. NULL: there was no room. */
static const void *block_at(struct ptd_device *d, const struct ptd_matrix *W, int i)
{
    size_t n = (size_t)W->blocks[i].rows * W->cols;
    if (W->dtype != PTD_BF16 || d->num == PTD_BF16) return W->blocks[i].at;
    float *wide = (float *)cuda_scratch(d, CUDA_WIDE, n * sizeof *wide);
    if (wide) cuda_widen_to(d, wide, as<bf16>(W->blocks[i].at), n);
    return wide;
}

static size_t width_of(int format)
{
    return cuda_format_size(format);
}

/* Y [n, ldy] from column `first` on = X W^T for the rows of W in a block; Y in format `out`. */
static void block_forward(struct ptd_device *d, void *Y, int out, const ptd_num *X,
                          const struct ptd_matrix *W, int i, long first, const ptd_num *b, int adds,
                          long n)
{
    struct product p = {.turn_a = 1, .m = W->blocks[i].rows, .n = n, .k = W->cols};
    p.A = block_at(d, W, i), p.lda = W->cols;
    p.B = X, p.ldb = W->cols;
    p.D = (char *)Y + first * width_of(out), p.ldd = W->rows;
    p.in = d->num, p.out = out;
    p.alpha = 1, p.beta = (float)adds;
    p.alone = 1;
    p.bias = b ? ptd_at(d, b, (size_t)first) : NULL;
    if (p.A) cuda_product(d, &p);
}

static void forward(struct ptd_device *d, void *Y, int out, const ptd_num *X,
                    const struct ptd_matrix *W, const ptd_num *b, int adds, long n)
{
    long first = 0;
    for (int i = 0; i < W->n_blocks; first += W->blocks[i++].rows)
        block_forward(d, Y, out, X, W, i, first, b, adds, n);
}

/* In bfloat16 the residual is what the product is added to; in float32 it is added last, as on the
 * CPU, to the same bits as an addition of its own. */
void cuda_linear(struct ptd_device *d, ptd_num *Y, const ptd_num *X, const struct ptd_matrix *W,
                 const ptd_num *b, const ptd_num *residual, long n)
{
    int adds = residual && d->num == PTD_BF16;
    if (!n) return;
    if (adds && residual != Y)
        cuda_check(d,
                   cudaMemcpyAsync(Y, residual, (size_t)n * W->rows * d->num_size,
                                   cudaMemcpyDeviceToDevice, stream_of(d)),
                   "a residual");
    forward(d, Y, d->num, X, W, b, adds, n);
    if (residual && !adds) cuda_add(d, Y, residual, n * W->rows);
}

void cuda_logits(struct ptd_device *d, ptd_stat *Z, const ptd_num *X, const struct ptd_matrix *W,
                 long n)
{
    if (n) forward(d, Z, PTD_F32, X, W, NULL, 0, n);
}

/* ---- backward ---- */

#define THREADS 256

/* to (+)= x */
__global__ void __launch_bounds__(THREADS) narrow_sums(bf16 *to, const float *x, size_t n, int add)
{
    size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x;
    if (i < n) to[i] = from_float<bf16>(x[i] + (add ? to_float(to[i]) : 0));
}

/* D [n, in] in format `out` (+)= the sum of dY W of all blocks of W */
static void sum_blocks(struct ptd_device *d, void *D, int out, int add, const void *dY,
                       const struct ptd_matrix *W, long n)
{
    long first = 0;
    for (int i = 0; i < W->n_blocks; first += W->blocks[i++].rows) {
        struct product p = {.m = W->cols, .n = n, .k = W->blocks[i].rows};
        p.A = block_at(d, W, i), p.lda = W->cols;
        p.B = (const char *)dY + first * d->num_size, p.ldb = W->rows;
        p.D = D, p.ldd = W->cols;
        p.in = d->num, p.out = out;
        p.alpha = 1, p.beta = add || i ? 1.0f : 0.0f;
        if (p.A) cuda_product(d, &p);
    }
}

/* dX [n, in] (+)= dY W; bfloat16 is rounded to once, in however many blocks W lies. */
static void back_input(struct ptd_device *d, ptd_num *dX, int add, const void *dY,
                       const struct ptd_matrix *W, long n)
{
    size_t all = (size_t)n * W->cols;
    if (W->n_blocks == 1 || d->num == PTD_F32) {
        sum_blocks(d, dX, d->num, add, dY, W, n);
        return;
    }
    float *wide = (float *)cuda_scratch(d, CUDA_WIDE, all * sizeof *wide);
    if (!wide) return;
    sum_blocks(d, wide, PTD_F32, 0, dY, W, n);
    GPU_LAUNCH(narrow_sums, cuda_blocks(all, THREADS), dim3(THREADS), 0, stream_of(d), as<bf16>(dX),
               wide, all, add);
}

/* dW [out, in] += scale dY^T X, with rows of dY of ldy and rows of X of ldx numbers */
static void back_weight(struct ptd_device *d, ptd_acc *dW, float scale, const void *dY, long ldy,
                        const void *X, long ldx, int out, int in, long n)
{
    struct product p = {.turn_b = 1, .m = in, .n = out, .k = n};
    p.A = X, p.lda = ldx;
    p.B = dY, p.ldb = ldy;
    p.D = dW, p.ldd = in;
    p.in = d->num, p.out = PTD_F32;
    p.alpha = scale, p.beta = 1;
    cuda_product(d, &p);
}

template <class T> struct numbers_of_column {
    const T *x;
    int w;
    __device__ float operator()(long row, int column) const
    {
        return to_float(x[row * w + column]);
    }
};

void cuda_linear_backward(struct ptd_device *d, ptd_num *dX, int add, ptd_acc *dW, ptd_acc *db,
                          const ptd_num *dY, const ptd_num *X, const struct ptd_matrix *W, long n)
{
    if (!n) return;
    if (dX) back_input(d, dX, add, dY, W, n);
    if (dW) back_weight(d, dW, 1, dY, W->rows, X, W->cols, W->rows, W->cols, n);
    if (db)
        CUDA_BY_TYPE(d, cuda_column_sums(d, floats_of(db), numbers_of_column<T>{as<T>(dY), W->rows},
                                         n, W->rows));
}

void cuda_linear_gradient(struct ptd_device *d, ptd_acc *dW, const ptd_num *dY, long stride,
                          const ptd_num *X, long n, int in, int out)
{
    if (n) back_weight(d, dW, 1, dY, stride, X, in, out, in, n);
}

/* The logits' gradient takes the format of the device's numbers first. */
void cuda_logits_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dW, const ptd_stat *dZ,
                          const ptd_num *X, const struct ptd_matrix *W, long n)
{
    size_t all = (size_t)n * W->rows;
    const void *dY = dZ;
    if (!n) return;
    if (d->num == PTD_BF16) {
        bf16 *narrow = (bf16 *)cuda_scratch(d, CUDA_MORE, all * sizeof *narrow);
        if (!narrow) return;
        cuda_narrow_to(d, narrow, floats_of(dZ), all);
        dY = narrow;
    }
    if (dX) back_input(d, dX, 0, dY, W, n);
    if (dW) back_weight(d, dW, 1, dY, W->rows, X, W->cols, W->rows, W->cols, n);
}

/* ---- low rank ---- */

/* T = X A^T stays in float32 for what is added to Y, which is a kernel's: so few columns are no
 * work for a tensor core. */

/* Y [n, w] += scale T [n, rank] B, with entry (r, c) of B at r b_row + c b_column. */
template <class T>
__global__ void __launch_bounds__(THREADS)
    add_low_rank(T *Y, long ldy, const float *part, int rank, const T *B, long b_row, long b_column,
                 int w, float scale)
{
    int c = (int)(blockIdx.y * THREADS + threadIdx.x);
    const float *t = part + (size_t)blockIdx.x * rank;
    T *y = Y + (size_t)blockIdx.x * ldy + c;
    float sum = 0;
    if (c >= w) return;
    for (int r = 0; r < rank; r++) sum += t[r] * to_float(B[r * b_row + c * b_column]);
    *y = from_float<T>(to_float(*y) + scale * sum);
}

struct low_rank_sum {
    const float *T;
    int rank;
    const ptd_num *B;
    long b_row, b_column;
};

static void add_product(struct ptd_device *d, ptd_num *Y, long ldy, const struct low_rank_sum *s,
                        float scale, long n, int w)
{
    CUDA_BY_TYPE(d, GPU_LAUNCH((add_low_rank<T>),
                               dim3((unsigned)n, (unsigned)((w + THREADS - 1) / THREADS)),
                               dim3(THREADS), 0, stream_of(d), as<T>(Y), ldy, s->T, s->rank,
                               as<T>(s->B), s->b_row, s->b_column, w, scale));
}

/* T [n, rank] = X A^T */
static void project(struct ptd_device *d, float *T, const ptd_num *X, const struct ptd_low_rank *l,
                    const struct ptd_low_rank_part *part, long n)
{
    struct product p = {.turn_a = 1, .m = l->rank, .n = n, .k = l->in};
    p.A = part->A, p.lda = l->in;
    p.B = X, p.ldb = l->in;
    p.D = T, p.ldd = l->rank;
    p.in = d->num, p.out = PTD_F32;
    p.alpha = 1;
    p.alone = 1;
    cuda_product(d, &p);
}

void cuda_low_rank(struct ptd_device *d, ptd_num *Y, const ptd_num *X, const struct ptd_low_rank *l,
                   long n)
{
    float *T = n ? (float *)cuda_scratch(d, CUDA_MORE, (size_t)n * l->rank * sizeof *T) : NULL;
    for (int i = 0; T && i < l->n; i++) {
        const struct ptd_low_rank_part *part = &l->parts[i];
        struct low_rank_sum s = {T, l->rank, part->B, 1, l->rank};
        project(d, T, X, l, part, n);
        add_product(d, ptd_at(d, Y, (size_t)part->first), l->wide, &s, l->scale, n, part->out);
    }
}

/* dT [n, rank] = scale dY B */
static void back_project(struct ptd_device *d, float *dT, const ptd_num *dY,
                         const struct ptd_low_rank *l, const struct ptd_low_rank_part *part, long n)
{
    struct product p = {.m = l->rank, .n = n, .k = part->out};
    p.A = part->B, p.lda = l->rank;
    p.B = dY, p.ldb = l->wide;
    p.D = dT, p.ldd = l->rank;
    p.in = d->num, p.out = PTD_F32;
    p.alpha = l->scale;
    cuda_product(d, &p);
}

/* What bfloat16 keeps of a number, and what it leaves out. */
__global__ void __launch_bounds__(THREADS) split(bf16 *high, bf16 *low, const float *x, size_t n)
{
    size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= n) return;
    high[i] = from_float<bf16>(x[i]);
    low[i] = from_float<bf16>(x[i] - to_float(high[i]));
}

/* dW [out, in] += scale dY^T X where dY, or if turned X, is T [n, rank] in float32: in bfloat16 by
 * two products, so that T is not rounded. */
static void back_by_halves(struct ptd_device *d, ptd_acc *dW, float scale, float *T, int turned,
                           const ptd_num *other, long stride, int out, int in, long n)
{
    long rank = turned ? in : out, all = n * rank;
    bf16 *high = (bf16 *)(T + all);
    const void *parts[2] = {high, high + all};
    if (d->num == PTD_F32)
        parts[0] = T;
    else
        GPU_LAUNCH(split, cuda_blocks((size_t)all, THREADS), dim3(THREADS), 0, stream_of(d), high,
                   high + all, T, (size_t)all);
    for (int i = 0; i < (d->num == PTD_F32 ? 1 : 2); i++)
        if (turned)
            back_weight(d, dW, scale, other, stride, parts[i], rank, out, in, n);
        else
            back_weight(d, dW, scale, parts[i], rank, other, stride, out, in, n);
}

static void back_part(struct ptd_device *d, float *T, ptd_num *dX, const ptd_num *dY,
                      const ptd_num *X, const struct ptd_low_rank *l,
                      const struct ptd_low_rank_part *part, long n)
{
    struct low_rank_sum s = {T, l->rank, part->A, l->in, 1};
    if (dX || part->dA) back_project(d, T, dY, l, part, n);
    if (dX) add_product(d, dX, l->in, &s, 1, n, l->in);
    if (part->dA) back_by_halves(d, part->dA, 1, T, 0, X, l->in, l->rank, l->in, n);
    if (!part->dB) return;
    project(d, T, X, l, part, n);
    back_by_halves(d, part->dB, l->scale, T, 1, dY, l->wide, part->out, l->rank, n);
}

void cuda_low_rank_backward(struct ptd_device *d, ptd_num *dX, const ptd_num *dY, const ptd_num *X,
                            const struct ptd_low_rank *l, long n)
{
    size_t all = (size_t)n * l->rank;
    float *T = n ? (float *)cuda_scratch(d, CUDA_MORE, all * (sizeof *T + 2 * sizeof(bf16))) : NULL;
    for (int i = 0; T && i < l->n; i++)
        back_part(d, T, dX, ptd_at(d, dY, (size_t)l->parts[i].first), X, l, &l->parts[i], n);
}
