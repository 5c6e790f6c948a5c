/* map: what is done to each number by itself, N at a time: activations, rotation, sums of two. */
#include "compute/cuda/driver.h"

#define THREADS 256

/* The place of this thread's piece of N numbers; n of them in all. */
template <int N> GPU_INLINE size_t piece_at()
{
    return ((size_t)blockIdx.x * THREADS + threadIdx.x) * N;
}

/* ---- activations ---- */

GPU_INLINE float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

/* y [n, w] from gu [n, 2w] */
template <class T, int N>
__global__ void __launch_bounds__(THREADS) swiglu_pieces(T *y, const T *gu, size_t n, int w)
{
    size_t i = piece_at<N>(), at = i / w * w + i;
    float g[N], u[N];
    if (i >= n) return;
    load_nums(g, gu + at), load_nums(u, gu + at + w);
    UNROLL
    for (int k = 0; k < N; k++) g[k] *= sigmoid(g[k]) * u[k];
    store_nums(y + i, g);
}

void cuda_swiglu(struct ptd_device *d, ptd_num *y, const ptd_num *gu, long n, int w)
{
    size_t all = (size_t)n * w;
    if (all)
        CUDA_BY_WIDTH(d, cuda_is_wide(w, y, gu),
                      GPU_LAUNCH((swiglu_pieces<T, N>), cuda_blocks(all / N, THREADS),
                                 dim3(THREADS), 0, stream_of(d), as<T>(y), as<T>(gu), all, w));
}

/* With s the sigmoid of g: dg = dy u s (1 + g (1 - s)), du = dy g s. */
template <class T, int N>
__global__ void __launch_bounds__(THREADS)
    swiglu_back(T *dgu, const T *dy, const T *gu, size_t n, int w)
{
    size_t i = piece_at<N>(), at = i / w * w + i;
    float g[N], u[N], dg[N];
    if (i >= n) return;
    load_nums(g, gu + at), load_nums(u, gu + at + w), load_nums(dg, dy + i);
    UNROLL
    for (int k = 0; k < N; k++) {
        float s = sigmoid(g[k]), ys = dg[k] * s;
        dg[k] = ys * u[k] * (1 + g[k] * (1 - s));
        u[k] = ys * g[k];
    }
    store_nums(dgu + at, dg), store_nums(dgu + at + w, u);
}

void cuda_swiglu_backward(struct ptd_device *d, ptd_num *dgu, const ptd_num *dy, const ptd_num *gu,
                          long n, int w)
{
    size_t all = (size_t)n * w;
    if (all)
        CUDA_BY_WIDTH(d, cuda_is_wide(w, dgu, dy, gu),
                      GPU_LAUNCH((swiglu_back<T, N>), cuda_blocks(all / N, THREADS), dim3(THREADS),
                                 0, stream_of(d), as<T>(dgu), as<T>(dy), as<T>(gu), all, w));
}

#define GELU_C 0.7978845608028654f /* sqrt(2 / pi) */
#define GELU_A 0.044715f

GPU_INLINE float gelu_of(float x, int exact)
{
    float inner = exact ? erff(x * 0.7071067811865476f) : tanhf(GELU_C * (x + GELU_A * x * x * x));
    return 0.5f * x * (1 + inner);
}

GPU_INLINE float gelu_slope(float x, int exact)
{
    if (exact)
        return 0.5f * (1 + erff(x * 0.7071067811865476f)) +
               x * expf(-0.5f * x * x) * 0.3989422804014327f;
    float t = tanhf(GELU_C * (x + GELU_A * x * x * x));
    return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * GELU_C * (1 + 3 * GELU_A * x * x);
}

template <class T, int N>
__global__ void __launch_bounds__(THREADS) gelu_pieces(T *y, const T *x, size_t n, int exact)
{
    size_t i = piece_at<N>();
    float v[N];
    if (i >= n) return;
    load_nums(v, x + i);
    UNROLL
    for (int k = 0; k < N; k++) v[k] = gelu_of(v[k], exact);
    store_nums(y + i, v);
}

void cuda_gelu(struct ptd_device *d, ptd_num *y, const ptd_num *x, long n, int exact)
{
    if (n)
        CUDA_BY_WIDTH(d, cuda_is_wide(n, y, x),
                      GPU_LAUNCH((gelu_pieces<T, N>), cuda_blocks((size_t)n / N, THREADS),
                                 dim3(THREADS), 0, stream_of(d), as<T>(y), as<T>(x), (size_t)n,
                                 exact));
}

template <class T, int N>
__global__ void __launch_bounds__(THREADS)
    gelu_back(T *dx, const T *dy, const T *x, size_t n, int exact)
{
    size_t i = piece_at<N>();
    float v[N], g[N];
    if (i >= n) return;
    load_nums(v, x + i), load_nums(g, dy + i);
    UNROLL
    for (int k = 0; k < N; k++) g[k] *= gelu_slope(v[k], exact);
    store_nums(dx + i, g);
}

void cuda_gelu_backward(struct ptd_device *d, ptd_num *dx, const ptd_num *dy, const ptd_num *x,
                        long n, int exact)
{
    if (n)
        CUDA_BY_WIDTH(d, cuda_is_wide(n, dx, dy, x),
                      GPU_LAUNCH((gelu_back<T, N>), cuda_blocks((size_t)n / N, THREADS),
                                 dim3(THREADS), 0, stream_of(d), as<T>(dx), as<T>(dy), as<T>(x),
                                 (size_t)n, exact));
}

/* ---- sums of two ---- */

template <class T, int N>
__global__ void __launch_bounds__(THREADS) add_pieces(T *y, const T *x, size_t n)
{
    size_t i = piece_at<N>();
    float v[N], more[N];
    if (i >= n) return;
    load_nums(v, y + i), load_nums(more, x + i);
    UNROLL
    for (int k = 0; k < N; k++) v[k] += more[k];
    store_nums(y + i, v);
}

void cuda_add(struct ptd_device *d, ptd_num *y, const ptd_num *x, long n)
{
    if (n)
        CUDA_BY_WIDTH(d, cuda_is_wide(n, y, x),
                      GPU_LAUNCH((add_pieces<T, N>), cuda_blocks((size_t)n / N, THREADS),
                                 dim3(THREADS), 0, stream_of(d), as<T>(y), as<T>(x), (size_t)n));
}

/* ---- rounding ---- */

/* Rows of w numbers, `stride` apart; n numbers in all. */
template <int N>
__global__ void __launch_bounds__(THREADS) round_pieces(float *x, size_t n, long stride, int w)
{
    size_t i = piece_at<N>();
    float v[N];
    if (i >= n) return;
    float *at = x + i / w * stride + i % w;
    load_nums(v, at);
    UNROLL
    for (int k = 0; k < N; k++) v[k] = to_float(from_float<bf16>(v[k]));
    store_nums(at, v);
}

/* Numbers in bfloat16 are rounded. */
void cuda_round(struct ptd_device *d, ptd_num *x, long stride, long n, int w)
{
    size_t all = d->num == PTD_BF16 ? 0 : (size_t)n * w;
    if (!all) return;
    if (cuda_is_wide(w | stride, x))
        GPU_LAUNCH((round_pieces<8>), cuda_blocks(all / 8, THREADS), dim3(THREADS), 0, stream_of(d),
                   as<float>(x), all, stride, w);
    else
        GPU_LAUNCH((round_pieces<1>), cuda_blocks(all, THREADS), dim3(THREADS), 0, stream_of(d),
                   as<float>(x), all, stride, w);
}

/* ---- rotation ---- */

/* A piece of a head's first half with what belongs to it in the second. */
template <class T, int N>
__global__ void __launch_bounds__(THREADS)
    rotate_pieces(T *x, const float *cosine, const float *sine, size_t n, long stride, int heads,
                  int half, float sign)
{
    size_t i = piece_at<N>(), row = i / ((size_t)heads * half);
    if (i >= n) return;
    int h = (int)(i / half % heads), k = (int)(i % half);
    T *a = x + row * stride + h * 2 * half + k;
    float u[N], v[N], co[N], si[N];
    load_nums(u, a), load_nums(v, a + half);
    load_nums(co, cosine + row * half + k), load_nums(si, sine + row * half + k);
    UNROLL
    for (int j = 0; j < N; j++) {
        float s = si[j] * sign, first = u[j] * co[j] - v[j] * s;
        v[j] = v[j] * co[j] + u[j] * s;
        u[j] = first;
    }
    store_nums(a, u), store_nums(a + half, v);
}

void cuda_rotate(struct ptd_device *d, ptd_num *x, long stride, const ptd_stat *cosine,
                 const ptd_stat *sine, long n, int heads, int dim, int sign)
{
    size_t all = (size_t)n * heads * (dim / 2);
    if (all)
        CUDA_BY_WIDTH(d, dim % 16 == 0 && cuda_is_wide(stride, x, cosine, sine),
                      GPU_LAUNCH((rotate_pieces<T, N>), cuda_blocks(all / N, THREADS),
                                 dim3(THREADS), 0, stream_of(d), as<T>(x), floats_of(cosine),
                                 floats_of(sine), all, stride, heads, dim / 2, (float)sign));
}
