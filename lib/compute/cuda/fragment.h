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

/* s [R * 16, N] += a [R * 16, 16] b^T, b columns 16 step .. of N rows. */
template <int P, int N, int R>
GPU_INLINE void add_rows(float (&s)[R][N / 8][4], const uint32_t (&a)[R][4], const row_of<P> *b,
                         int step)
{
    int lane = threadIdx.x % 32, row = lane / 16 * 8 + lane % 8, column = lane / 8 % 2 * 8;
    UNROLL
    for (int i = 0; i < N / 8; i += 2) {
        uint32_t x[4];
        load_matrix_x4(x, &b[i * 8 + row][step * 16 + column]);
        UNROLL
        for (int r = 0; r < R; r++) {
            mma_16x8x16(s[r][i], a[r], x[0], x[1]);
            mma_16x8x16(s[r][i + 1], a[r], x[2], x[3]);
        }
    }
}

/* Nothing yet, for R * 16 rows of 8 n numbers. */
template <int R, int n> GPU_INLINE void clear(float (&s)[R][n][4])
{
    UNROLL
    for (int r = 0; r < R; r++) UNROLL
    for (int i = 0; i < n; i++) UNROLL
    for (int e = 0; e < 4; e++) s[r][i][e] = 0;
}

/* s [R * 16, N] = a b^T, a R * 16 rows and b N rows. */
template <int P, int N, int R>
GPU_INLINE void rows_by_rows(float (&s)[R][N / 8][4], const row_of<P> *a, const row_of<P> *b)
{
    clear(s);
    UNROLL
    for (int step = 0; step < P / 16; step++) {
        uint32_t x[R][4];
        UNROLL
        for (int r = 0; r < R; r++) load_first<P>(x[r], a + r * 16, step);
        add_rows<P, N, R>(s, x, b, step);
    }
}

/* acc [R * 16, P] += s [R * 16, N] b, b N rows. */
template <int P, int N, int R>
GPU_INLINE void add_product(float (&acc)[R][P / 8][4], const float (&s)[R][N / 8][4],
                            const row_of<P> *b)
{
    int lane = threadIdx.x % 32;
    UNROLL
    for (int i = 0; i < N / 16; i++) {
        uint32_t a[R][4];
        UNROLL
        for (int r = 0; r < R; r++) {
            const float(&left)[4] = s[r][2 * i], (&right)[4] = s[r][2 * i + 1];
            a[r][0] = pack_bf16(left[0], left[1]), a[r][1] = pack_bf16(left[2], left[3]);
            a[r][2] = pack_bf16(right[0], right[1]), a[r][3] = pack_bf16(right[2], right[3]);
        }
        UNROLL
        for (int d = 0; d < P / 8; d += 2) {
            uint32_t x[4];
            load_matrix_x4_transposed(x, &b[i * 16 + lane % 16][(d + lane / 16) * 8]);
            UNROLL
            for (int r = 0; r < R; r++) {
                mma_16x8x16(acc[r][d], a[r], x[0], x[1]);
                mma_16x8x16(acc[r][d + 1], a[r], x[2], x[3]);
            }
        }
    }
}
#endif
