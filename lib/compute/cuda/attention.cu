/* attention: forward, one block a piece of a walk and a kv head (FlashAttention-2, Dao 2023). Each
 * of M warps has 16 R pairs, which take each key from shared memory once; all four bring keys. The
 * next key tile is on its way while one is used. */
#include "compute/cuda/attention.h"
#include "compute/cuda/fragment.h"

#define THREADS 128
#define WARPS   (THREADS / 32)
#define LOG2E   1.4426950408889634f

template <int P> struct keys_values {
    bf16 k[2][KEYS][P + 8], v[2][KEYS][P + 8];
};
template <int P, int M, int R> struct forward_shared {
    bf16 q[16 * M * R][P + 8];
    union {
        struct keys_values<P> in;
        float out[16 * M * R][P + 4]; /* relative to most */
    };
    float most[16 * M * R], sum[16 * M * R];
};

/* Row and head of pair r of a tile. */
GPU_INLINE long row_of_pair(const struct attention &a, const struct attention_tile &t, int r)
{
    return t.row + (t.head + r) / (a.heads / a.kv_heads);
}
GPU_INLINE int head_of_pair(const struct attention &a, const struct attention_tile &t, int r, int c)
{
    int group = a.heads / a.kv_heads;
    return c * group + (t.head + r) % group;
}

/* Where the results of a piece go that is joined with others: o [most_pairs, dim], then maximum and
 * sum of each pair. */
GPU_INLINE float *slot_of(const struct attention &a, float *scratch, int slot, int c)
{
    return scratch + ((size_t)slot * a.kv_heads + c) * a.most_pairs * (a.dim + 2);
}

/* 16 rows of one warp's scores become shares relative to the maximum so far; what was added up is
 * scaled to it. */
template <int P, int N>
GPU_INLINE void soften(float (&s)[N / 8][4], float (&acc)[P / 8][4], float (&most)[2],
                       float (&sum)[2], const int (&seen)[2], float scale)
{
    int t = threadIdx.x % 4 * 2;
    UNROLL
    for (int half = 0; half < 2; half++) {
        float top = most[half], part = 0;
        UNROLL
        for (int i = 0; i < N / 8; i++) UNROLL
        for (int e = 0; e < 2; e++) {
            float &x = s[i][half * 2 + e];
            if (i * 8 + t + e >= seen[half]) x = -INFINITY;
            top = fmaxf(top, x);
        }
        top = fmaxf(top, __shfl_xor_sync(FULL, top, 1));
        top = fmaxf(top, __shfl_xor_sync(FULL, top, 2));
        float base = top == -INFINITY ? 0 : top * scale;
        float shrink = fast_exp2(most[half] * scale - base);
        UNROLL
        for (int i = 0; i < N / 8; i++) UNROLL
        for (int e = 0; e < 2; e++)
            part += s[i][half * 2 + e] = fast_exp2(s[i][half * 2 + e] * scale - base);
        most[half] = top;
        sum[half] = sum[half] * shrink + part;
        UNROLL
        for (int i = 0; i < P / 8; i++) acc[i][half * 2] *= shrink, acc[i][half * 2 + 1] *= shrink;
    }
}

/* 16 pairs, from number `first` on. */
template <int P, int M, int R>
GPU_INLINE void leave(struct forward_shared<P, M, R> &s, int first, const float (&acc)[P / 8][4],
                      const float (&most)[2], const float (&sum)[2], float scale)
{
    int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4 * 2;
    UNROLL
    for (int half = 0; half < 2; half++) {
        int row = first + g + half * 8;
        float all = sum[half];
        all += __shfl_xor_sync(FULL, all, 1);
        all += __shfl_xor_sync(FULL, all, 2);
        UNROLL
        for (int i = 0; i < P / 8; i++)
            store_pair(&s.out[row][i * 8 + t], acc[i][half * 2], acc[i][half * 2 + 1]);
        if (t == 0) s.most[row] = most[half] * scale, s.sum[row] = all;
    }
}

/* 8 numbers of a pair, added up over n parts of its keys: part i has them at o(i), relative to
 * most(i). */
template <class O, class F, class S>
GPU_INLINE void add_parts(float (&x)[8], float &top, float &all, int n, O o, F most, S sum)
{
    top = -INFINITY, all = 0;
    for (int i = 0; i < n; i++) top = fmaxf(top, most(i));
    float base = top == -INFINITY ? 0 : top;
    UNROLL
    for (int e = 0; e < 8; e++) x[e] = 0;
    for (int i = 0; i < n; i++) {
        float y[8], shrink = fast_exp2(most(i) - base);
        load_nums(y, o(i));
        all += shrink * sum(i);
        UNROLL
        for (int e = 0; e < 8; e++) x[e] += shrink * y[e];
    }
}

GPU_INLINE void give(const struct attention &a, bf16 *o, float *lse, long row, int head, int column,
                     float (&x)[8], float top, float all)
{
    UNROLL
    for (int e = 0; e < 8; e++) x[e] /= all;
    store_nums(o + row * a.o_stride + (long)head * a.dim + column, x);
    if (lse && column == 0) lse[row * a.heads + head] = (top + log2f(all)) / LOG2E;
}

template <int D, int P, int M, int R>
__global__ void __launch_bounds__(THREADS, 2)
    forward_pieces(struct attention a, bf16 *o, float *lse, float *scratch, const bf16 *q,
                   const bf16 *k, const bf16 *v)
{
    typedef struct forward_shared<P, M, R> shared;
    GPU_SHARED(shared, s);
    const struct attention_piece piece = a.pieces[blockIdx.x];
    const struct attention_tile tile = a.tiles[piece.tile];
    int c = blockIdx.y, warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4;
    int pairs = warp * 16 * R;
    float most[R][2], sum[R][2], acc[R][P / 8][4], scale = LOG2E / sqrtf((float)D);
    struct walk now = walk_from(a, tile, piece.from), next = now;
    auto fetch = [&](const struct walk &w, int stage) {
        int n = w.part->n - w.first;
        auto row = [&](int i) { return pool_row(a, w.part->place, w.first + i); };
        fetch_rows<D, P, KEYS, THREADS>(s.in.k[stage], k + c * D, n,
                                        [&](int i) { return row(i) * a.k_stride; });
        fetch_rows<D, P, KEYS, THREADS>(s.in.v[stage], v + c * D, n,
                                        [&](int i) { return row(i) * a.v_stride; });
    };
    clear(acc);
    UNROLL
    for (int r = 0; r < R; r++) most[r][0] = most[r][1] = -INFINITY, sum[r][0] = sum[r][1] = 0;
    fetch_rows<D, P, 16 * M * R, THREADS>(s.q, q, tile.n, [&](int r) {
        return row_of_pair(a, tile, r) * a.q_stride + (long)head_of_pair(a, tile, r, c) * D;
    });
    fetch(now, 0);
    copy_async_commit();
    for (int j = piece.from; j < piece.to; j++, now = next) {
        int stage = (j - piece.from) % 2, seen[R][2];
        bool any = false;
        if (j + 1 < piece.to) {
            walk_on(next);
            fetch(next, 1 - stage);
        }
        copy_async_commit();
        copy_async_wait<1>();
        __syncthreads();
        UNROLL
        for (int i = 0; i < 2 * R; i++) {
            int r = pairs + g + i * 8;
            int n = r < tile.n ? keys_seen(*now.part, row_of_pair(a, tile, r)) : 0;
            seen[i / 2][i % 2] = n - now.first;
            any |= seen[i / 2][i % 2] > 0;
        }
        if (__any_sync(FULL, any)) {
            float score[R][KEYS / 8][4];
            rows_by_rows<P, KEYS, R>(score, s.q + pairs, s.in.k[stage]);
            UNROLL
            for (int r = 0; r < R; r++)
                soften<P, KEYS>(score[r], acc[r], most[r], sum[r], seen[r], scale);
            add_product<P, KEYS, R>(acc, score, s.in.v[stage]);
        }
        __syncthreads();
    }
    if (warp < M) UNROLL
    for (int r = 0; r < R; r++) leave<P, M, R>(s, pairs + r * 16, acc[r], most[r], sum[r], scale);
    __syncthreads();
    for (int i = threadIdx.x; i < tile.n * (D / 8); i += THREADS) {
        int r = i / (D / 8), column = i % (D / 8) * 8;
        float x[8];
        load_nums(x, &s.out[r][column]);
        if (piece.slot < 0) {
            give(a, o, lse, row_of_pair(a, tile, r), head_of_pair(a, tile, r, c), column, x,
                 s.most[r], s.sum[r]);
            continue;
        }
        float *to = slot_of(a, scratch, piece.slot, c);
        store_nums(to + r * D + column, x);
        if (column == 0) store_pair(to + a.most_pairs * D + r * 2, s.most[r], s.sum[r]);
    }
}

/* Pieces that follow each other become their tile's results. */
__global__ void __launch_bounds__(THREADS, 2)
    join_pieces(struct attention a, bf16 *o, float *lse, float *scratch)
{
    const struct attention_join join = a.joins[blockIdx.x];
    const struct attention_tile tile = a.tiles[join.tile];
    int c = blockIdx.y, D = a.dim;
    for (int i = threadIdx.x; i < tile.n * (D / 8); i += THREADS) {
        int r = i / (D / 8), column = i % (D / 8) * 8;
        float x[8], top, all;
        auto at = [&](int p) { return slot_of(a, scratch, join.slot + p, c); };
        add_parts(
            x, top, all, join.n, [&](int p) { return at(p) + r * D + column; },
            [&](int p) { return at(p)[a.most_pairs * D + r * 2]; },
            [&](int p) { return at(p)[a.most_pairs * D + r * 2 + 1]; });
        give(a, o, lse, row_of_pair(a, tile, r), head_of_pair(a, tile, r, c), column, x, top, all);
    }
}

/* ---- any numbers, any width: a warp a pair, whose lanes are keys, then columns ---- */

template <class T> GPU_INLINE float dot(const T *x, const T *y, int n)
{
    float sum[2] = {0, 0};
    for (int d = 0; d + 1 < n; d += 2) {
        sum[0] += to_float(x[d]) * to_float(y[d]);
        sum[1] += to_float(x[d + 1]) * to_float(y[d + 1]);
    }
    if (n % 2) sum[0] += to_float(x[n - 1]) * to_float(y[n - 1]);
    return sum[0] + sum[1];
}

template <class T>
__global__ void __launch_bounds__(THREADS, 2)
    forward_pairs(struct attention a, T *o, float *lse, const T *q, const T *k, const T *v)
{
    const struct attention_tile tile = a.tiles[blockIdx.x];
    int c = blockIdx.y, D = a.dim, lane = threadIdx.x % 32;
    float scale = 1 / sqrtf((float)D);
    for (int r = threadIdx.x / 32; r < tile.n; r += WARPS) {
        long row = row_of_pair(a, tile, r);
        int head = head_of_pair(a, tile, r, c);
        const T *query = q + row * a.q_stride + (long)head * D;
        float most = -INFINITY, sum = 0, acc[MOST_DIM / 32] = {0};
        for (int p = tile.part; p < tile.part + tile.parts; p++) {
            const struct attention_part part = a.parts[p];
            int seen = keys_seen(part, row);
            for (int first = 0; first < seen; first += 32) {
                int n = min(32, seen - first);
                long at = pool_row(a, part.place, first + min(lane, n - 1));
                float s = dot(query, k + at * a.k_stride + (long)c * D, D) * scale;
                float top = fmaxf(most, warp_max(s)); /* lanes beyond n have the last key's */
                float base = top == -INFINITY ? 0 : top, shrink = expf(most - base);
                float share = lane < n ? expf(s - base) : 0;
                most = top;
                sum = sum * shrink + warp_sum(share);
                UNROLL
                for (int i = 0; i < MOST_DIM / 32; i++) acc[i] *= shrink;
                for (int j = 0; j < n; j++) {
                    float one = __shfl_sync(FULL, share, j);
                    long from = pool_row(a, part.place, first + j) * a.v_stride + (long)c * D;
                    each_column(acc, D, [&](int d, float &x) { x += one * to_float(v[from + d]); });
                }
            }
        }
        T *to = o + row * a.o_stride + (long)head * D;
        each_column(acc, D, [&](int d, float x) { to[d] = from_float<T>(x / sum); });
        if (lse && lane == 0) lse[row * a.heads + head] = most + logf(sum);
    }
}

/* ---- launches ---- */

template <int D, int P, int M, int R>
static void run(const struct attention &a, bf16 *o, float *lse, float *scratch, const bf16 *q,
                const bf16 *k, const bf16 *v, cudaStream_t s)
{
    typedef struct forward_shared<P, M, R> shared;
    GPU_LAUNCH((forward_pieces<D, P, M, R>), dim3(a.n_pieces, a.kv_heads), dim3(THREADS),
               sizeof(shared), s, a, o, lse, scratch, q, k, v);
    if (a.n_joins)
        GPU_LAUNCH(join_pieces, dim3(a.n_joins, a.kv_heads), dim3(THREADS), 0, s, a, o, lse,
                   scratch);
}

template <int D, int P>
static void run_for(const struct attention &a, bf16 *o, float *lse, float *scratch, const bf16 *q,
                    const bf16 *k, const bf16 *v, cudaStream_t s)
{
    if (a.most_pairs <= 16)
        run<D, P, 1, 1>(a, o, lse, scratch, q, k, v, s);
    else if (a.most_pairs <= 32)
        run<D, P, 2, 1>(a, o, lse, scratch, q, k, v, s);
    else
        run<D, P, 4, 2>(a, o, lse, scratch, q, k, v, s);
}

template <>
void attention_forward(const struct attention &a, float *o, float *lse, float *scratch,
                       const float *q, const float *k, const float *v, cudaStream_t s)
{
    if (!a.n_tiles) return;
    GPU_LAUNCH((forward_pairs<float>), dim3(a.n_tiles, a.kv_heads), dim3(THREADS), 0, s, a, o, lse,
               q, k, v);
}

template <>
void attention_forward(const struct attention &a, bf16 *o, float *lse, float *scratch,
                       const bf16 *q, const bf16 *k, const bf16 *v, cudaStream_t s)
{
    if (!a.n_tiles) return;
    switch (attention_aligned(a, {o, q, k, v}) ? a.dim : 0) {
    case 24:
        run_for<24, 32>(a, o, lse, scratch, q, k, v, s);
        break;
    case 32:
        run_for<32, 32>(a, o, lse, scratch, q, k, v, s);
        break;
    case 64:
        run_for<64, 64>(a, o, lse, scratch, q, k, v, s);
        break;
    case 72:
        run_for<72, 80>(a, o, lse, scratch, q, k, v, s);
        break;
    case 128:
        run_for<128, 128>(a, o, lse, scratch, q, k, v, s);
        break;
    default:
        GPU_LAUNCH((forward_pairs<bf16>), dim3(a.n_tiles, a.kv_heads), dim3(THREADS), 0, s, a, o,
                   lse, q, k, v);
    }
}
