/* faults: kernels that are right, and the same with one thing wrong, for test-watch.cc. */
#include "faults.h"

#define THREADS 64
struct faults_shared {
    float x[THREADS];
    alignas(16) bf16 tile[16][24];
};

/* Each thread adds its neighbour's number: through shared memory, and by a shuffle. */
__global__ void __launch_bounds__(THREADS) neighbours(float *y, const float *x, int n, int wrong)
{
    GPU_SHARED(struct faults_shared, s);
    int t = threadIdx.x;
    float mine = x[wrong == TOO_FAR && t == 63 ? n : t], from[4];
    s.x[t] = mine;
    if (wrong == WARP_ONLY) __syncwarp();
    if (wrong == LATE_TO_BARRIER && t == 5) __syncwarp();
    if (wrong != NO_BARRIER && wrong != WARP_ONLY) __syncthreads();
    if (wrong == MASK && t == 5) __shfl_sync(3, mine, 0);
    from[0] = s.x[wrong == INDEX && t == 63 ? n : (t + 1) % THREADS];
    if (wrong != ONE_WARP_LEFT || t != 40) from[0] += __shfl_xor_sync(FULL, mine, 1);
    if (wrong == UNWRITTEN) from[0] += low_bf16(__bfloat16_as_ushort(s.tile[0][0])) * 0;
    if (wrong != TWO_WRITERS || t < 63) y[t] = from[0];
    if (wrong == TWO_WRITERS && t == 63) y[0] = from[0];
    if (wrong == CONSTANT) const_cast<float &>(x[0]) = 1;
}

/* All blocks write one place. */
__global__ void __launch_bounds__(THREADS) blocks(float *y, unsigned *count, int wrong)
{
    atomicAdd(count, 1u);
    if (wrong == TWO_BLOCKS && threadIdx.x == 0) y[0] = 1;
    if (wrong == NOT_ATOMIC && threadIdx.x == 0) *count = 0;
}

/* d [16, 8] = a [16, 16] b [16, 8], a and b row-major in bf16, through copies without waiting. */
__global__ void __launch_bounds__(32) tiles(float *d, const bf16 *a, const bf16 *b, int wrong)
{
    GPU_SHARED(struct tiles_shared, s);
    int l = threadIdx.x, g = l / 4, t = l % 4 * 2;
    uint32_t fa[4], fb[4];
    float sum[4] = {0, 0, 0, 0};
    copy_async_16(&s.a[l / 2][l % 2 * 8], a + l / 2 * 16 + l % 2 * 8, true);
    if (wrong != TWO_GROUPS) copy_async_commit();
    copy_async_16(&s.b[l / 2][l % 2 * 8], b + l / 2 * 8, l % 2 == 0);
    copy_async_commit();
    if (wrong == NO_WAIT)
        ;
    else if (wrong == WAIT_FOR_FEWER)
        copy_async_wait<1>();
    else
        copy_async_wait<0>();
    if (wrong != NO_SYNCWARP) __syncwarp();
    load_matrix_x4(fa, &s.a[l % 16][l / 16 * 8]);
    load_matrix_x4_transposed(fb, &s.b[l % 16][wrong == CROOKED ? l / 16 * 8 + 1 : l / 16 * 8]);
    mma_16x8x16(sum, fa, fb[0], fb[1]);
    if (wrong == NO_WAIT) copy_async_wait<0>();
    for (int i = 0; i < 4; i++) d[(g + i / 2 * 8) * 8 + t + i % 2] = sum[i];
}

void faults_neighbours(float *y, const float *x, int n, int wrong, cudaStream_t s)
{
    GPU_LAUNCH(neighbours, dim3(1), dim3(THREADS), sizeof(struct faults_shared), s, y, x, n, wrong);
}
void faults_blocks(float *y, unsigned *count, int n, int wrong, cudaStream_t s)
{
    GPU_LAUNCH(blocks, dim3((unsigned)n), dim3(THREADS), 0, s, y, count, wrong);
}
void faults_tiles(float *d, const bf16 *a, const bf16 *b, int wrong, cudaStream_t s)
{
    GPU_LAUNCH(tiles, dim3(1), dim3(32), sizeof(struct tiles_shared), s, d, a, b, wrong);
}
