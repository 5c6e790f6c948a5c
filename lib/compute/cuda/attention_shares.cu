/* attention_shares: what some rows pay to some keys, for hints: a warp a row, whose lanes are keys;
 * heads are added up in their order. */
#include "compute/cuda/attention.h"

#define THREADS 128
#define WARPS   (THREADS / 32)

template <class T>
__global__ void __launch_bounds__(THREADS)
    share_rows(struct attention a, float *out, long first, long n, const int32_t *keys, long n_keys,
               const uint8_t *heads, const T *q, const T *k, const float *lse)
{
    long i = (long)blockIdx.x * WARPS + threadIdx.x / 32, row = first + i;
    float scale = 1 / sqrtf((float)a.dim);
    if (i >= n) return;
    for (long j = threadIdx.x % 32; j < n_keys; j += 32) {
        float sum = out[i * n_keys + j];
        for (int h = 0; h < a.heads; h++) {
            const T *query = q + row * a.q_stride + (long)h * a.dim;
            const T *key = k + keys[j] * a.k_stride + (long)(h / (a.heads / a.kv_heads)) * a.dim;
            float s = 0;
            if (heads && !heads[h]) continue;
            for (int c = 0; c < a.dim; c++) s += to_float(query[c]) * to_float(key[c]);
            sum += expf(s * scale - lse[row * a.heads + h]);
        }
        out[i * n_keys + j] = sum;
    }
}

template <class T>
void attention_shares(const struct attention &a, float *out, long first, long n,
                      const int32_t *keys, long n_keys, const uint8_t *heads, const T *q,
                      const T *k, const float *lse, cudaStream_t s)
{
    GPU_LAUNCH((share_rows<T>), dim3((unsigned)((n + WARPS - 1) / WARPS)), dim3(THREADS), 0, s, a,
               out, first, n, keys, n_keys, heads, q, k, lse);
}
template void attention_shares(const struct attention &, float *, long, long, const int32_t *, long,
                               const uint8_t *, const float *, const float *, const float *,
                               cudaStream_t);
template void attention_shares(const struct attention &, float *, long, long, const int32_t *, long,
                               const uint8_t *, const bf16 *, const bf16 *, const float *,
                               cudaStream_t);
