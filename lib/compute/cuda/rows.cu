/* rows: rows of tables by number. Where several rows go to one, they are brought into order first,
 * and one block adds them up, so that the sum is the same each time. */
#include "compute/cuda/driver.h"

#define THREADS 256

/* ---- copies ---- */

struct row_copy {
    size_t n; /* numbers */
    long to_stride, from_stride;
    int w;
};

template <class T, int N>
__global__ void __launch_bounds__(THREADS) copy_pieces(T *to, const int32_t *to_row, const T *from,
                                                       const int32_t *from_row, struct row_copy r)
{
    size_t at = ((size_t)blockIdx.x * THREADS + threadIdx.x) * N, i = at / r.w;
    int c = (int)(at % r.w);
    float v[N];
    if (at >= r.n) return;
    UNROLL
    for (int k = 0; k < N; k++) v[k] = 0;
    if (from) load_nums(v, from + (from_row ? from_row[i] : (long)i) * r.from_stride + c);
    store_nums(to + (to_row ? to_row[i] : (long)i) * r.to_stride + c, v);
}

void cuda_copy_rows(struct ptd_device *d, ptd_num *to, long to_stride, const ptd_int *to_row,
                    const ptd_num *from, long from_stride, const ptd_int *from_row, long n, int w)
{
    struct row_copy r = {(size_t)n * w, to_stride, from ? from_stride : 0, w};
    if (r.n)
        CUDA_BY_WIDTH(d, cuda_is_wide(w | r.to_stride | r.from_stride, to, from),
                      GPU_LAUNCH((copy_pieces<T, N>), cuda_blocks(r.n / N, THREADS), dim3(THREADS),
                                 0, stream_of(d), as<T>(to), ints_of(to_row), as<T>(from),
                                 ints_of(from_row), r));
}

/* Rows whose ids are first .. first + rows - 1, from a block of a table. */
template <class T, class FROM>
__global__ void __launch_bounds__(THREADS)
    gather_rows(T *y, const FROM *table, const int32_t *ids, long first, long rows, int w)
{
    long id = ids[blockIdx.x] - first;
    if (id < 0 || id >= rows) return;
    for (int c = (int)threadIdx.x; c < w; c += THREADS)
        y[(size_t)blockIdx.x * w + c] = from_float<T>(to_float(table[(size_t)id * w + c]));
}

void cuda_gather(struct ptd_device *d, ptd_num *y, const struct ptd_matrix *table,
                 const ptd_int *ids, long n)
{
    long first = 0;
    for (int i = 0; n && i < table->n_blocks; first += table->blocks[i++].rows) {
        const struct ptd_block *b = &table->blocks[i];
        if (table->dtype == PTD_BF16)
            CUDA_BY_TYPE(d, GPU_LAUNCH((gather_rows<T, bf16>), dim3((unsigned)n), dim3(THREADS), 0,
                                       stream_of(d), as<T>(y), as<bf16>(b->at), ints_of(ids), first,
                                       (long)b->rows, table->cols));
        else
            CUDA_BY_TYPE(d, GPU_LAUNCH((gather_rows<T, T>), dim3((unsigned)n), dim3(THREADS), 0,
                                       stream_of(d), as<T>(y), as<T>(b->at), ints_of(ids), first,
                                       (long)b->rows, table->cols));
    }
}

/* ---- sums of rows with the same number ---- */

struct order_shared {
    int32_t ids[THREADS];
};

/* order [n]: places of ids from the smallest on, equal ones as they stand: a thread counts those
 * that come before its own. */
__global__ void __launch_bounds__(THREADS) sort_ids(int32_t *order, const int32_t *ids, long n)
{
    GPU_SHARED(struct order_shared, s);
    long i = (long)blockIdx.x * THREADS + threadIdx.x, before = 0;
    int32_t mine = i < n ? ids[i] : 0;
    for (long first = 0; first < n; first += THREADS) {
        int many = (int)min(n - first, (long)THREADS);
        if ((int)threadIdx.x < many) s.ids[threadIdx.x] = ids[first + threadIdx.x];
        __syncthreads();
        for (int k = 0; k < many; k++)
            before += s.ids[k] < mine || (s.ids[k] == mine && first + k < i);
        __syncthreads();
    }
    if (i < n) order[before] = (int32_t)i;
}

/* table[ids[e]] += weight[e] y[e / per], for all e in order; weight NULL: 1. The block of the first
 * one of an id adds all that follow. */
template <class TO, class T>
__global__ void __launch_bounds__(THREADS)
    add_rows(TO *table, const T *y, const float *weight, const int32_t *ids, const int32_t *order,
             long n, int per, int w)
{
    long p = blockIdx.x;
    int32_t id = ids[order[p]];
    if (p && ids[order[p - 1]] == id) return;
    for (int c = (int)threadIdx.x; c < w; c += THREADS) {
        float sum = to_float(table[(size_t)id * w + c]);
        for (long q = p; q < n && ids[order[q]] == id; q++) {
            long e = order[q];
            sum += (weight ? weight[e] : 1) * to_float(y[(size_t)(e / per) * w + c]);
        }
        table[(size_t)id * w + c] = from_float<TO>(sum);
    }
}

template <class TO, class T>
static void add_by_id(struct ptd_device *d, TO *table, const T *y, const float *weight,
                      const ptd_int *ids, long n, int per, int w)
{
    int32_t *order = n ? (int32_t *)cuda_scratch(d, CUDA_LISTS, (size_t)n * sizeof *order) : NULL;
    if (!order) return;
    GPU_LAUNCH(sort_ids, cuda_blocks((size_t)n, THREADS), dim3(THREADS),
               sizeof(struct order_shared), stream_of(d), order, ints_of(ids), n);
    GPU_LAUNCH((add_rows<TO, T>), dim3((unsigned)n), dim3(THREADS), 0, stream_of(d), table, y,
               weight, ints_of(ids), order, n, per, w);
}

void cuda_gather_backward(struct ptd_device *d, ptd_acc *dtable, const ptd_num *dy,
                          const ptd_int *ids, long n, int w)
{
    CUDA_BY_TYPE(d, add_by_id(d, floats_of(dtable), as<T>(dy), (const float *)NULL, ids, n, 1, w));
}

void cuda_scatter_add(struct ptd_device *d, ptd_num *x, const ptd_num *y, const ptd_int *ids,
                      long n, int w)
{
    CUDA_BY_TYPE(d, add_by_id(d, as<T>(x), as<T>(y), (const float *)NULL, ids, n, 1, w));
}

/* ---- interpolation ---- */

template <class T>
__global__ void __launch_bounds__(THREADS)
    interpolate_rows(T *y, const T *table, const int32_t *tap, const float *weight, int w)
{
    size_t i = blockIdx.x;
    for (int c = (int)threadIdx.x; c < w; c += THREADS) {
        float sum = to_float(y[i * w + c]);
        for (int t = 0; t < 4; t++)
            sum += weight[4 * i + t] * to_float(table[(size_t)tap[4 * i + t] * w + c]);
        y[i * w + c] = from_float<T>(sum);
    }
}

void cuda_interpolate(struct ptd_device *d, ptd_num *y, const ptd_num *table, const ptd_int *tap,
                      const ptd_stat *weight, long n, int w)
{
    if (n)
        CUDA_BY_TYPE(d, GPU_LAUNCH((interpolate_rows<T>), dim3((unsigned)n), dim3(THREADS), 0,
                                   stream_of(d), as<T>(y), as<T>(table), ints_of(tap),
                                   floats_of(weight), w));
}

void cuda_interpolate_backward(struct ptd_device *d, ptd_acc *dtable, const ptd_num *dy,
                               const ptd_int *tap, const ptd_stat *weight, long n, int w)
{
    CUDA_BY_TYPE(d,
                 add_by_id(d, floats_of(dtable), as<T>(dy), floats_of(weight), tap, 4 * n, 4, w));
}
