/* norm: a block a row, or a warp a head; each thread N numbers at a time. Sums are float32, in an
 * order that neither the launch nor the moment changes; the gains' gradients are sums of columns
 * (sums.h). */
#include "compute/cuda/sums.h"

#define THREADS 256
#define WARPS   (THREADS / 32)
struct norm_shared {
    float sum[WARPS], more[WARPS];
};

/* Of the columns that a thread has. */
#define EACH_PIECE(c, w) for (int c = (int)threadIdx.x * N; c < (w); c += THREADS * N)

/* ---- RMS ---- */

template <class T, int N>
__global__ void __launch_bounds__(THREADS)
    rmsnorm_rows(T *y, float *rstd, const T *x, const T *g, int w, float eps)
{
    GPU_SHARED(struct norm_shared, s);
    size_t row = (size_t)blockIdx.x * w;
    float sum = 0, v[N], gain[N];
    EACH_PIECE(c, w)
    {
        load_nums(v, x + row + c);
        UNROLL
        for (int i = 0; i < N; i++) sum += v[i] * v[i];
    }
    float r = rsqrtf(block_sum(sum, s.sum) / w + eps);
    EACH_PIECE(c, w)
    {
        load_nums(v, x + row + c);
        load_nums(gain, g + c);
        UNROLL
        for (int i = 0; i < N; i++) v[i] *= r * gain[i];
        store_nums(y + row + c, v);
    }
    if (rstd && threadIdx.x == 0) rstd[blockIdx.x] = r;
}

void cuda_rmsnorm(struct ptd_device *d, ptd_num *Y, ptd_stat *rstd, const ptd_num *X,
                  const ptd_num *g, long n, int w, float eps)
{
    if (n)
        CUDA_BY_WIDTH(d, cuda_is_wide(w, Y, X, g),
                      GPU_LAUNCH((rmsnorm_rows<T, N>), dim3((unsigned)n), dim3(THREADS),
                                 sizeof(struct norm_shared), stream_of(d), as<T>(Y),
                                 floats_of(rstd), as<T>(X), as<T>(g), w, eps));
}

/* dx += r a - x r^3 (a . x) / w, a = dy g */
template <class T, int N>
__global__ void __launch_bounds__(THREADS)
    rmsnorm_back(T *dx, const T *dy, const T *x, const float *rstd, const T *g, int w)
{
    GPU_SHARED(struct norm_shared, s);
    size_t row = (size_t)blockIdx.x * w;
    float sum = 0, r = rstd[blockIdx.x], a[N], gain[N], v[N], add[N];
    EACH_PIECE(c, w)
    {
        load_nums(a, dy + row + c), load_nums(gain, g + c), load_nums(v, x + row + c);
        UNROLL
        for (int i = 0; i < N; i++) sum += a[i] * gain[i] * v[i];
    }
    float k = block_sum(sum, s.sum) * r * r * r / w;
    EACH_PIECE(c, w)
    {
        load_nums(a, dy + row + c), load_nums(gain, g + c), load_nums(v, x + row + c);
        load_nums(add, dx + row + c);
        UNROLL
        for (int i = 0; i < N; i++) add[i] += r * a[i] * gain[i] - v[i] * k;
        store_nums(dx + row + c, add);
    }
}

/* Of the gain, over rows of `heads` heads each. */
template <class T> struct gain_of_rms {
    const T *dy, *x;
    const float *rstd;
    long dy_stride, x_stride;
    int heads, dim;
    __device__ float operator()(long row, int c) const
    {
        long i = row / heads, h = row % heads;
        return to_float(dy[i * dy_stride + h * dim + c]) * to_float(x[i * x_stride + h * dim + c]) *
               rstd[row];
    }
};

void cuda_rmsnorm_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dg, const ptd_num *dY,
                           const ptd_num *X, const ptd_stat *rstd, const ptd_num *g, long n, int w)
{
    if (dX && n)
        CUDA_BY_WIDTH(d, cuda_is_wide(w, dX, dY, X, g),
                      GPU_LAUNCH((rmsnorm_back<T, N>), dim3((unsigned)n), dim3(THREADS),
                                 sizeof(struct norm_shared), stream_of(d), as<T>(dX), as<T>(dY),
                                 as<T>(X), floats_of(rstd), as<T>(g), w));
    if (dg && n)
        CUDA_BY_TYPE(
            d, cuda_column_sums(d, floats_of(dg),
                                gain_of_rms<T>{as<T>(dY), as<T>(X), floats_of(rstd), w, w, 1, w}, n,
                                w));
}

/* ---- heads: a warp each ---- */

struct heads {
    long n; /* rows times heads */
    long y_stride, x_stride, more_stride;
    int heads, dim;
};

/* Where head number i begins. */
GPU_INLINE size_t head_at(const struct heads &h, long i, long stride)
{
    return (size_t)(i / h.heads * stride + i % h.heads * h.dim);
}
#define EACH_HEAD_PIECE(c, dim) for (int c = (int)threadIdx.x % 32 * N; c < (dim); c += 32 * N)

template <class T, int N>
__global__ void __launch_bounds__(THREADS)
    headnorm_heads(T *y, float *rstd, const T *x, const T *g, struct heads h, float eps)
{
    long i = (long)blockIdx.x * WARPS + threadIdx.x / 32;
    if (i >= h.n) return;
    const T *from = x + head_at(h, i, h.x_stride);
    T *to = y + head_at(h, i, h.y_stride);
    float sum = 0, v[N], gain[N];
    EACH_HEAD_PIECE(c, h.dim)
    {
        load_nums(v, from + c);
        UNROLL
        for (int k = 0; k < N; k++) sum += v[k] * v[k];
    }
    float r = rsqrtf(warp_sum(sum) / h.dim + eps);
    EACH_HEAD_PIECE(c, h.dim)
    {
        load_nums(v, from + c), load_nums(gain, g + c);
        UNROLL
        for (int k = 0; k < N; k++) v[k] *= r * gain[k];
        store_nums(to + c, v);
    }
    if (rstd && threadIdx.x % 32 == 0) rstd[i] = r;
}

static bool are_wide(int dim, long a, long b, long c)
{
    return dim % 8 == 0 && (a | b | c) % 8 == 0;
}

void cuda_headnorm(struct ptd_device *d, ptd_num *y, long y_stride, ptd_stat *rstd,
                   const ptd_num *x, long x_stride, const ptd_num *g, long n, int heads, int dim,
                   float eps)
{
    struct heads h = {n * heads, y_stride, x_stride, 0, heads, dim};
    if (h.n)
        CUDA_BY_WIDTH(d, are_wide(dim, y_stride, x_stride, 0) && cuda_is_wide(8, y, x, g),
                      GPU_LAUNCH((headnorm_heads<T, N>), cuda_blocks((size_t)h.n, WARPS),
                                 dim3(THREADS), 0, stream_of(d), as<T>(y), floats_of(rstd),
                                 as<T>(x), as<T>(g), h, eps));
}

template <class T, int N>
__global__ void __launch_bounds__(THREADS)
    headnorm_back(T *dx, const T *dy, const T *x, const float *rstd, const T *g, struct heads h)
{
    long i = (long)blockIdx.x * WARPS + threadIdx.x / 32;
    if (i >= h.n) return;
    const T *from = dy + head_at(h, i, h.more_stride), *in = x + head_at(h, i, h.x_stride);
    T *to = dx + head_at(h, i, h.y_stride);
    float sum = 0, r = rstd[i], a[N], gain[N], v[N];
    EACH_HEAD_PIECE(c, h.dim)
    {
        load_nums(a, from + c), load_nums(gain, g + c), load_nums(v, in + c);
        UNROLL
        for (int k = 0; k < N; k++) sum += a[k] * gain[k] * v[k];
    }
    float k3 = warp_sum(sum) * r * r * r / h.dim;
    EACH_HEAD_PIECE(c, h.dim)
    {
        load_nums(a, from + c), load_nums(gain, g + c), load_nums(v, in + c);
        UNROLL
        for (int k = 0; k < N; k++) v[k] = r * a[k] * gain[k] - v[k] * k3;
        store_nums(to + c, v);
    }
}

void cuda_headnorm_backward(struct ptd_device *d, ptd_num *dx, long dx_stride, ptd_acc *dg,
                            const ptd_num *dy, long dy_stride, const ptd_num *x, long x_stride,
                            const ptd_stat *rstd, const ptd_num *g, long n, int heads, int dim)
{
    struct heads h = {n * heads, dx_stride, x_stride, dy_stride, heads, dim};
    if (dg && h.n) /* first: dx may be dy */
        CUDA_BY_TYPE(d, cuda_column_sums(d, floats_of(dg),
                                         gain_of_rms<T>{as<T>(dy), as<T>(x), floats_of(rstd),
                                                        dy_stride, x_stride, heads, dim},
                                         h.n, dim));
    if (dx && h.n)
        CUDA_BY_WIDTH(
            d, are_wide(dim, dx_stride, x_stride, dy_stride) && cuda_is_wide(8, dx, dy, x, g),
            GPU_LAUNCH((headnorm_back<T, N>), cuda_blocks((size_t)h.n, WARPS), dim3(THREADS), 0,
                       stream_of(d), as<T>(dx), as<T>(dy), as<T>(x), floats_of(rstd), as<T>(g), h));
}

/* ---- layer norm ---- */

/* The variance by the distances from the mean, so that a mean far from zero costs no digits. */
template <class T, int N>
__global__ void __launch_bounds__(THREADS)
    layernorm_rows(T *y, float *mean, float *rstd, const T *x, const T *g, const T *b, int w,
                   float eps)
{
    GPU_SHARED(struct norm_shared, s);
    size_t row = (size_t)blockIdx.x * w;
    float sum = 0, v[N], gain[N], shift[N];
    EACH_PIECE(c, w)
    {
        load_nums(v, x + row + c);
        UNROLL
        for (int i = 0; i < N; i++) sum += v[i];
    }
    float m = block_sum(sum, s.sum) / w;
    sum = 0;
    EACH_PIECE(c, w)
    {
        load_nums(v, x + row + c);
        UNROLL
        for (int i = 0; i < N; i++) sum += (v[i] - m) * (v[i] - m);
    }
    float r = rsqrtf(block_sum(sum, s.more) / w + eps);
    EACH_PIECE(c, w)
    {
        load_nums(v, x + row + c), load_nums(gain, g + c);
        UNROLL
        for (int i = 0; i < N; i++) shift[i] = 0;
        if (b) load_nums(shift, b + c);
        UNROLL
        for (int i = 0; i < N; i++) v[i] = (v[i] - m) * r * gain[i] + shift[i];
        store_nums(y + row + c, v);
    }
    if (mean && threadIdx.x == 0) mean[blockIdx.x] = m;
    if (rstd && threadIdx.x == 0) rstd[blockIdx.x] = r;
}

void cuda_layernorm(struct ptd_device *d, ptd_num *Y, ptd_stat *mean, ptd_stat *rstd,
                    const ptd_num *X, const ptd_num *g, const ptd_num *b, long n, int w, float eps)
{
    if (n)
        CUDA_BY_WIDTH(d, cuda_is_wide(w, Y, X, g, b),
                      GPU_LAUNCH((layernorm_rows<T, N>), dim3((unsigned)n), dim3(THREADS),
                                 sizeof(struct norm_shared), stream_of(d), as<T>(Y),
                                 floats_of(mean), floats_of(rstd), as<T>(X), as<T>(g), as<T>(b), w,
                                 eps));
}

/* dx += r (a - mean(a) - xhat mean(a xhat)), a = dy g */
template <class T, int N>
__global__ void __launch_bounds__(THREADS)
    layernorm_back(T *dx, const T *dy, const T *x, const float *mean, const float *rstd, const T *g,
                   int w)
{
    GPU_SHARED(struct norm_shared, s);
    size_t row = (size_t)blockIdx.x * w;
    float m = mean[blockIdx.x], r = rstd[blockIdx.x], sa = 0, sx = 0, a[N], gain[N], v[N], add[N];
    EACH_PIECE(c, w)
    {
        load_nums(a, dy + row + c), load_nums(gain, g + c), load_nums(v, x + row + c);
        UNROLL
        for (int i = 0; i < N; i++) sa += a[i] * gain[i], sx += a[i] * gain[i] * (v[i] - m);
    }
    sa = block_sum(sa, s.sum) / w;
    sx = block_sum(sx, s.more) * r * r / w;
    EACH_PIECE(c, w)
    {
        load_nums(a, dy + row + c), load_nums(gain, g + c), load_nums(v, x + row + c);
        load_nums(add, dx + row + c);
        UNROLL
        for (int i = 0; i < N; i++) add[i] += r * (a[i] * gain[i] - sa - (v[i] - m) * sx);
        store_nums(dx + row + c, add);
    }
}

template <class T> struct gain_of_layer {
    const T *dy, *x;
    const float *mean, *rstd;
    int w;
    __device__ float operator()(long row, int c) const
    {
        size_t at = (size_t)row * w + c;
        return to_float(dy[at]) * (to_float(x[at]) - mean[row]) * rstd[row];
    }
};
template <class T> struct shift_of_layer {
    const T *dy;
    int w;
    __device__ float operator()(long row, int c) const { return to_float(dy[(size_t)row * w + c]); }
};

void cuda_layernorm_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dg, ptd_acc *db,
                             const ptd_num *dY, const ptd_num *X, const ptd_stat *mean,
                             const ptd_stat *rstd, const ptd_num *g, long n, int w)
{
    if (dX && n)
        CUDA_BY_WIDTH(d, cuda_is_wide(w, dX, dY, X, g),
                      GPU_LAUNCH((layernorm_back<T, N>), dim3((unsigned)n), dim3(THREADS),
                                 sizeof(struct norm_shared), stream_of(d), as<T>(dX), as<T>(dY),
                                 as<T>(X), floats_of(mean), floats_of(rstd), as<T>(g), w));
    if (dg && n)
        CUDA_BY_TYPE(d, cuda_column_sums(d, floats_of(dg),
                                         gain_of_layer<T>{as<T>(dY), as<T>(X), floats_of(mean),
                                                          floats_of(rstd), w},
                                         n, w));
    if (db && n)
        CUDA_BY_TYPE(d, cuda_column_sums(d, floats_of(db), shift_of_layer<T>{as<T>(dY), w}, n, w));
}
