/* norm: a block a row; each thread N numbers at a time. Sums are float32, in an order that neither
 * the launch nor the moment changes. */
#include "compute/cuda/driver.h"

#define THREADS 256
struct norm_shared {
    float sum[THREADS / 32];
};

template <class T, int N>
__global__ void __launch_bounds__(THREADS)
    rmsnorm_rows(T *y, float *rstd, const T *x, const T *g, int w, float eps)
{
    GPU_SHARED(struct norm_shared, s);
    size_t row = (size_t)blockIdx.x * w;
    float sum = 0, v[N], gain[N];
    for (int c = threadIdx.x * N; c < w; c += THREADS * N) {
        load_nums(v, x + row + c);
        UNROLL
        for (int i = 0; i < N; i++) sum += v[i] * v[i];
    }
    float r = rsqrtf(block_sum(sum, s.sum) / w + eps);
    for (int c = threadIdx.x * N; c < w; c += THREADS * N) {
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
