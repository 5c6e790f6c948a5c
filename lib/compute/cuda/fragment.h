/* fragment: matrices of bfloat16 in shared memory for mma: rows of P numbers (a head in whole steps
 * of 16) and 8 more, so that the same columns of neighbours lie in different banks. */
#ifndef PTD_CUDA_FRAGMENT_H
#define PTD_CUDA_FRAGMENT_H
#include "compute/cuda/gpu.h"

template <int P> using row_of = bf16[P + 8];

/* The first n of N rows of D numbers each, row i from number at(i) on, begin their way into `to`;
 * zeros go where there are none. */
template <int D, int P, int N, int THREADS, class F>
GPU_INLINE void fetch_rows(row_of<P> (&to)[N], const bf16 *from, int n, F at)
{
    for (int i = threadIdx.x; i < N * (P / 8); i += THREADS) {
        int row = i / (P / 8), column = i % (P / 8) * 8;
        bool there = row < n && column < D;
        copy_async_16(&to[row][column], there ? from + at(row) + column : from, there);
    }
}

/* Columns 16 step .. of 16 rows, as mma's first factor. */
template <int P> GPU_INLINE void load_first(uint32_t (&a)[4], const row_of<P> *rows, int step)
{
    int lane = threadIdx.x % 32;
    load_matrix_x4(a, &rows[lane % 16][step * 16 + lane / 16 * 8]);
}

/* s [16, N] += a [16, 16] b^T, b columns 16 step .. of N rows. */
template <int P, int N>
GPU_INLINE void add_rows(float (&s)[N / 8][4], const uint32_t (&a)[4], const row_of<P> *b, int step)
{
    int lane = threadIdx.x % 32, row = lane / 16 * 8 + lane % 8, column = lane / 8 % 2 * 8;
    UNROLL
    for (int i = 0; i < N / 8; i += 2) {
        uint32_t x[4];
        load_matrix_x4(x, &b[i * 8 + row][step * 16 + column]);
        mma_16x8x16(s[i], a, x[0], x[1]);
        mma_16x8x16(s[i + 1], a, x[2], x[3]);
    }
}

/* s [16, N] = a b^T, a 16 rows and b N rows. */
template <int P, int N>
GPU_INLINE void rows_by_rows(float (&s)[N / 8][4], const row_of<P> *a, const row_of<P> *b)
{
    UNROLL
    for (int i = 0; i < N / 8; i++) UNROLL
    for (int e = 0; e < 4; e++) s[i][e] = 0;
    UNROLL
    for (int step = 0; step < P / 16; step++) {
        uint32_t x[4];
        load_first<P>(x, a, step);
        add_rows<P, N>(s, x, b, step);
    }
}

/* acc [16, P] += s [16, N] b, b N rows. */
template <int P, int N>
GPU_INLINE void add_product(float (&acc)[P / 8][4], const float (&s)[N / 8][4], const row_of<P> *b)
{
    int lane = threadIdx.x % 32;
    UNROLL
    for (int i = 0; i < N / 16; i++) {
        const float(&left)[4] = s[2 * i], (&right)[4] = s[2 * i + 1];
        uint32_t a[4] = {pack_bf16(left[0], left[1]), pack_bf16(left[2], left[3]),
                         pack_bf16(right[0], right[1]), pack_bf16(right[2], right[3])};
        UNROLL
        for (int d = 0; d < P / 8; d += 2) {
            uint32_t x[4];
            load_matrix_x4_transposed(x, &b[i * 16 + lane % 16][(d + lane / 16) * 8]);
            mma_16x8x16(acc[d], a, x[0], x[1]);
            mma_16x8x16(acc[d + 1], a, x[2], x[3]);
        }
    }
}
#endif
