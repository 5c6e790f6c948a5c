/* sums: of columns, in an order that only the number of rows decides. */
#ifndef PTD_CUDA_SUMS_H
#define PTD_CUDA_SUMS_H
#include "compute/cuda/driver.h"

#define SUMS_THREADS 128
#define SUMS_PARTS   512 /* at most; of 32 rows at least */

/* parts [grid.y, w]: the sums of f(row, column) over `rows` rows each, a thread a column. */
template <class F>
__global__ void __launch_bounds__(SUMS_THREADS)
    column_parts(float *parts, F f, long n, int w, long rows)
{
    int c = (int)(blockIdx.x * SUMS_THREADS + threadIdx.x);
    long first = blockIdx.y * rows, last = min(n, first + rows);
    float sum = 0;
    if (c >= w) return;
    for (long i = first; i < last; i++) sum += f(i, c);
    parts[(size_t)blockIdx.y * w + c] = sum;
}

/* out [w] += the sum of the parts */
static __global__ void __launch_bounds__(SUMS_THREADS)
    column_sums(float *out, const float *parts, int n, int w)
{
    int c = (int)(blockIdx.x * SUMS_THREADS + threadIdx.x);
    float sum = 0;
    if (c >= w) return;
    for (int i = 0; i < n; i++) sum += parts[(size_t)i * w + c];
    out[c] += sum;
}

/* out [w] += the sums of f(row, column) over n rows; f is copied to the device. */
template <class F>
static void cuda_column_sums(struct ptd_device *d, float *out, const F &f, long n, int w)
{
    long rows = (n + SUMS_PARTS - 1) / SUMS_PARTS;
    if (rows < 32) rows = 32;
    int parts = (int)((n + rows - 1) / rows);
    unsigned blocks = (unsigned)((w + SUMS_THREADS - 1) / SUMS_THREADS);
    float *sums = (float *)cuda_scratch(d, CUDA_SUMS, (size_t)parts * w * sizeof *sums);
    if (!sums) return;
    GPU_LAUNCH((column_parts<F>), dim3(blocks, (unsigned)parts), dim3(SUMS_THREADS), 0,
               stream_of(d), sums, f, n, w, rows);
    GPU_LAUNCH(column_sums, dim3(blocks), dim3(SUMS_THREADS), 0, stream_of(d), out, sums, parts, w);
}
#endif
