/* attention_backward: dq by tiles of pairs, dk and dv by tiles of keys. Scores are computed twice,
 * so that nobody adds to what another block adds to, and sums have one order. */
#include "compute/cuda/attention.h"
#include "compute/cuda/fragment.h"

#define THREADS 128
#define WARPS   (THREADS / 32)
#define STEP    32 /* pairs at a time for dk and dv: what is left of the registers */
#define LOG2E   1.4426950408889634f

/* Row and head of the pair that is r on from a head of a row. */
struct pair {
    long row;
    int head;
};
GPU_INLINE struct pair pair_at(const struct attention &a, int c, long row, int r)
{
    int group = a.heads / a.kv_heads;
    return {row + r / group, c * group + r % group};
}
GPU_INLINE size_t stat_of(const struct attention &a, struct pair p)
{
    return (size_t)p.row * a.heads + p.head;
}

/* delta [rows, heads] = dout . o, a warp a pair of a tile */
template <class T>
__global__ void __launch_bounds__(THREADS, 2)
    row_deltas(struct attention a, float *delta, const T *dout, const T *o)
{
    const struct attention_tile tile = a.tiles[blockIdx.x];
    int D = a.dim, lane = threadIdx.x % 32;
    for (int r = threadIdx.x / 32; r < tile.n; r += WARPS) {
        struct pair p = pair_at(a, blockIdx.y, tile.row, tile.head + r);
        size_t at = (size_t)p.row * a.o_stride + (size_t)p.head * D;
        float sum = 0;
        for (int d = lane; d < D; d += 32) sum += to_float(dout[at + d]) * to_float(o[at + d]);
        sum = warp_sum(sum);
        if (lane == 0) delta[stat_of(a, p)] = sum;
    }
}

template <int P> struct dq_shared {
    bf16 q[BACK_PAIRS][P + 8], dout[BACK_PAIRS][P + 8], k[2][KEYS][P + 8], v[2][KEYS][P + 8];
};

template <int D, int P>
__global__ void __launch_bounds__(THREADS, 2)
    dq_tiles(struct attention a, bf16 *dq, const bf16 *q, const bf16 *k, const bf16 *v,
             const bf16 *dout, const float *lse, const float *delta)
{
    typedef struct dq_shared<P> shared;
    GPU_SHARED(shared, s);
    const struct attention_tile tile = a.tiles[blockIdx.x];
    int c = blockIdx.y, warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4 * 2;
    float scale = 1 / sqrtf((float)D), high[2], mean[2], acc[1][P / 8][4];
    long row[2];
    struct walk now = walk_from(a, tile, 0), next = now, end = walk_from(a, tile, 0);
    end.part += tile.parts;
    auto pair = [&](int r) { return pair_at(a, c, tile.row, tile.head + r); };
    auto fetch = [&](const struct walk &w, int stage) {
        int n = w.part->n - w.first;
        auto key = [&](int i) { return w.part->place + w.first + i; };
        fetch_rows<D, P, KEYS, THREADS>(s.k[stage], k + c * D, n,
                                        [&](int i) { return key(i) * a.k_stride; });
        fetch_rows<D, P, KEYS, THREADS>(s.v[stage], v + c * D, n,
                                        [&](int i) { return key(i) * a.v_stride; });
    };
    UNROLL
    for (int half = 0; half < 2; half++) {
        int r = warp * 16 + g + half * 8;
        struct pair p = pair(min(r, tile.n - 1));
        row[half] = r < tile.n ? p.row : -1; /* sees nothing */
        high[half] = lse[stat_of(a, p)] * LOG2E;
        mean[half] = delta[stat_of(a, p)];
    }
    clear(acc);
    auto place = [&](int r, long stride) { return pair(r).row * stride + (long)pair(r).head * D; };
    fetch_rows<D, P, BACK_PAIRS, THREADS>(s.q, q, tile.n,
                                          [&](int r) { return place(r, a.q_stride); });
    fetch_rows<D, P, BACK_PAIRS, THREADS>(s.dout, dout, tile.n,
                                          [&](int r) { return place(r, a.o_stride); });
    fetch(now, 0);
    copy_async_commit();
    for (int stage = 0; now.part < end.part; stage = 1 - stage, now = next) {
        walk_on(next);
        if (next.part < end.part) fetch(next, 1 - stage);
        copy_async_commit();
        copy_async_wait<1>();
        __syncthreads();
        int seen[2];
        UNROLL
        for (int half = 0; half < 2; half++)
            seen[half] = max(keys_seen(*now.part, row[half]) - now.first, 0);
        if (__any_sync(FULL, seen[0] + seen[1])) {
            float p[1][KEYS / 8][4], dp[1][KEYS / 8][4];
            rows_by_rows<P, KEYS, 1>(p, s.q + warp * 16, s.k[stage]);
            rows_by_rows<P, KEYS, 1>(dp, s.dout + warp * 16, s.v[stage]);
            UNROLL
            for (int i = 0; i < KEYS / 8; i++) UNROLL
            for (int e = 0; e < 4; e++) {
                int half = e / 2;
                float share = fast_exp2(p[0][i][e] * scale * LOG2E - high[half]);
                share *= (dp[0][i][e] - mean[half]) * scale;
                p[0][i][e] = i * 8 + t + e % 2 < seen[half] ? share : 0;
            }
            add_product<P, KEYS, 1>(acc, p, s.k[stage]);
        }
        __syncthreads();
    }
    UNROLL
    for (int half = 0; half < 2; half++) {
        int r = warp * 16 + g + half * 8;
        if (r >= tile.n) continue;
        UNROLL
        for (int i = 0; i < D / 8; i++)
            store_pair(dq + place(r, a.q_stride) + i * 8 + t, acc[0][i][half * 2],
                       acc[0][i][half * 2 + 1]);
    }
}

template <int P> struct dkv_shared {
    bf16 k[KEYS][P + 8], v[KEYS][P + 8], q[2][STEP][P + 8], dout[2][STEP][P + 8];
    float high[2][STEP], mean[2][STEP];
    int seen[2][STEP]; /* of the tile's keys the first ones */
};

/* Where the steps of a key tile are: pairs first .. of a view. */
struct viewing {
    const struct attention_view *view;
    int first;
};
GPU_INLINE void view_on(const struct attention &a, struct viewing &v)
{
    v.first += STEP;
    if (v.first >= v.view->rows * (a.heads / a.kv_heads)) v.view++, v.first = 0;
}

template <int P> GPU_INLINE void add_to(bf16 *to, const float (&acc)[P / 8][4], int half, int i)
{
    store_pair(to, to_float(to[0]) + acc[i][half * 2], to_float(to[1]) + acc[i][half * 2 + 1]);
}

template <int D, int P>
__global__ void __launch_bounds__(THREADS, 2)
    dkv_tiles(struct attention a, bf16 *dk, bf16 *dv, const bf16 *q, const bf16 *k, const bf16 *v,
              const bf16 *dout, const float *lse, const float *delta)
{
    typedef struct dkv_shared<P> shared;
    GPU_SHARED(shared, s);
    const struct attention_key_tile tile = a.key_tiles[blockIdx.x];
    int c = blockIdx.y, group = a.heads / a.kv_heads, warp = threadIdx.x / 32,
        g = threadIdx.x % 32 / 4, t = threadIdx.x % 4 * 2;
    float scale = 1 / sqrtf((float)D), gk[1][P / 8][4], gv[1][P / 8][4];
    const struct attention_view *end = a.views + tile.view + tile.views;
    struct viewing next = {a.views + tile.view, 0};
    auto fetch = [&](int stage) {
        const struct attention_view view = *next.view;
        int n = min(STEP, view.rows * group - next.first), first = next.first, r = threadIdx.x;
        auto place = [&](int i, long stride) {
            struct pair p = pair_at(a, c, view.row, first + i);
            return p.row * stride + (long)p.head * D;
        };
        fetch_rows<D, P, STEP, THREADS>(s.q[stage], q, n,
                                        [&](int i) { return place(i, a.q_stride); });
        fetch_rows<D, P, STEP, THREADS>(s.dout[stage], dout, n,
                                        [&](int i) { return place(i, a.o_stride); });
        if (r >= STEP) return;
        struct pair p = pair_at(a, c, view.row, first + (r < n ? r : 0));
        s.high[stage][r] = lse[stat_of(a, p)] * LOG2E;
        s.mean[stage][r] = delta[stat_of(a, p)];
        s.seen[stage][r] = r < n ? min(tile.n, view.sees + (int)(p.row - view.row) * view.step) : 0;
    };
    clear(gk);
    clear(gv);
    fetch_rows<D, P, KEYS, THREADS>(s.k, k + c * D, tile.n,
                                    [&](int i) { return (tile.row + i) * a.k_stride; });
    fetch_rows<D, P, KEYS, THREADS>(s.v, v + c * D, tile.n,
                                    [&](int i) { return (tile.row + i) * a.v_stride; });
    fetch(0);
    copy_async_commit();
    for (int stage = 0, more = 1; more; stage = 1 - stage) {
        view_on(a, next);
        more = next.view < end;
        if (more) fetch(1 - stage);
        copy_async_commit();
        copy_async_wait<1>();
        __syncthreads();
        float p[1][STEP / 8][4], dp[1][STEP / 8][4]; /* transposed: a row is a key */
        rows_by_rows<P, STEP, 1>(p, s.k + warp * 16, s.q[stage]);
        rows_by_rows<P, STEP, 1>(dp, s.v + warp * 16, s.dout[stage]);
        UNROLL
        for (int i = 0; i < STEP / 8; i++) UNROLL
        for (int e = 0; e < 4; e++) {
            int r = i * 8 + t + e % 2, key = warp * 16 + g + e / 2 * 8;
            float share = fast_exp2(p[0][i][e] * scale * LOG2E - s.high[stage][r]);
            p[0][i][e] = key < s.seen[stage][r] ? share : 0;
            dp[0][i][e] = p[0][i][e] * (dp[0][i][e] - s.mean[stage][r]) * scale;
        }
        add_product<P, STEP, 1>(gv, p, s.dout[stage]);
        add_product<P, STEP, 1>(gk, dp, s.q[stage]);
        __syncthreads();
    }
    UNROLL
    for (int half = 0; half < 2; half++) {
        int key = warp * 16 + g + half * 8;
        if (key >= tile.n) continue;
        UNROLL
        for (int i = 0; i < D / 8; i++) {
            long column = c * D + i * 8 + t;
            add_to<P>(dk + (tile.row + key) * a.k_stride + column, gk[0], half, i);
            add_to<P>(dv + (tile.row + key) * a.v_stride + column, gv[0], half, i);
        }
    }
}

/* ---- any numbers, any width: lanes are keys (or pairs), then columns ---- */

template <class T> GPU_INLINE float dot(const T *x, const T *y, int n)
{
    float sum = 0;
    for (int d = 0; d < n; d++) sum += to_float(x[d]) * to_float(y[d]);
    return sum;
}

/* acc += the lanes' factors times rows of x, lane j's at at(j). */
template <class T, class F>
GPU_INLINE void add_rows_of(float (&acc)[MOST_DIM / 32], float factor, int n, const T *x, int D,
                            F at)
{
    for (int j = 0; j < n; j++) {
        float one = __shfl_sync(FULL, factor, j);
        const T *from = x + at(j);
        each_column(acc, D, [&](int d, float &x) { x += one * to_float(from[d]); });
    }
}

template <class T>
__global__ void __launch_bounds__(THREADS, 2)
    dq_pairs(struct attention a, T *dq, const T *q, const T *k, const T *v, const T *dout,
             const float *lse, const float *delta)
{
    const struct attention_tile tile = a.tiles[blockIdx.x];
    int c = blockIdx.y, D = a.dim, lane = threadIdx.x % 32;
    float scale = 1 / sqrtf((float)D);
    for (int r = threadIdx.x / 32; r < tile.n; r += WARPS) {
        struct pair p = pair_at(a, c, tile.row, tile.head + r);
        long at = p.row * a.q_stride + (long)p.head * D,
             out = p.row * a.o_stride + (long)p.head * D;
        float acc[MOST_DIM / 32] = {0};
        for (int i = tile.part; i < tile.part + tile.parts; i++) {
            const struct attention_part part = a.parts[i];
            int seen = keys_seen(part, p.row);
            for (int first = 0; first < seen; first += 32) {
                int n = min(32, seen - first);
                long key = part.place + first + (lane < n ? lane : 0);
                float s = dot(q + at, k + key * a.k_stride + (long)c * D, D) * scale;
                float dp = dot(dout + out, v + key * a.v_stride + (long)c * D, D);
                float ds = expf(s - lse[stat_of(a, p)]) * (dp - delta[stat_of(a, p)]) * scale;
                add_rows_of(acc, ds, n, k, D, [&](int j) {
                    return (part.place + first + j) * a.k_stride + (long)c * D;
                });
            }
        }
        each_column(acc, D, [&](int d, float x) { dq[at + d] = from_float<T>(x); });
    }
}

template <class T>
__global__ void __launch_bounds__(THREADS, 2)
    dkv_keys(struct attention a, T *dk, T *dv, const T *q, const T *k, const T *v, const T *dout,
             const float *lse, const float *delta)
{
    const struct attention_key_tile tile = a.key_tiles[blockIdx.x];
    int c = blockIdx.y, D = a.dim, group = a.heads / a.kv_heads, lane = threadIdx.x % 32;
    float scale = 1 / sqrtf((float)D);
    for (int key = threadIdx.x / 32; key < tile.n; key += WARPS) {
        T *to_k = dk + (tile.row + key) * a.k_stride + (long)c * D,
          *to_v = dv + (tile.row + key) * a.v_stride + (long)c * D;
        float gk[MOST_DIM / 32] = {0}, gv[MOST_DIM / 32] = {0};
        for (int i = tile.view; i < tile.view + tile.views; i++) {
            const struct attention_view view = a.views[i];
            for (int first = 0; first < view.rows * group; first += 32) {
                int n = min(32, view.rows * group - first), mine = lane < n ? lane : 0;
                struct pair p = pair_at(a, c, view.row, first + mine);
                auto place = [&](int j, long stride) {
                    struct pair x = pair_at(a, c, view.row, first + j);
                    return x.row * stride + (long)x.head * D;
                };
                bool sees = key < view.sees + (int)(p.row - view.row) * view.step;
                float s = dot(q + place(mine, a.q_stride),
                              k + (tile.row + key) * a.k_stride + (long)c * D, D) *
                          scale;
                float dp = dot(dout + place(mine, a.o_stride),
                               v + (tile.row + key) * a.v_stride + (long)c * D, D);
                float share = sees ? expf(s - lse[stat_of(a, p)]) : 0;
                float ds = sees ? share * (dp - delta[stat_of(a, p)]) * scale : 0;
                add_rows_of(gv, share, n, dout, D, [&](int j) { return place(j, a.o_stride); });
                add_rows_of(gk, ds, n, q, D, [&](int j) { return place(j, a.q_stride); });
            }
        }
        each_column(gk, D, [&](int d, float x) { to_k[d] = from_float<T>(to_float(to_k[d]) + x); });
        each_column(gv, D, [&](int d, float x) { to_v[d] = from_float<T>(to_float(to_v[d]) + x); });
    }
}

/* ---- launches ---- */

template <class T> struct arrays {
    T *dq, *dk, *dv;
    const T *dout;
    const float *lse;
    const T *q, *k, *v;
};

template <int D, int P>
static void run(const struct attention &a, const struct arrays<bf16> &x, const float *delta,
                cudaStream_t s)
{
    typedef struct dq_shared<P> for_dq;
    typedef struct dkv_shared<P> for_dkv;
    GPU_LAUNCH((dq_tiles<D, P>), dim3(a.n_tiles, a.kv_heads), dim3(THREADS), sizeof(for_dq), s, a,
               x.dq, x.q, x.k, x.v, x.dout, x.lse, delta);
    GPU_LAUNCH((dkv_tiles<D, P>), dim3(a.n_key_tiles, a.kv_heads), dim3(THREADS), sizeof(for_dkv),
               s, a, x.dk, x.dv, x.q, x.k, x.v, x.dout, x.lse, delta);
}

template <class T>
static void run_plain(const struct attention &a, const struct arrays<T> &x, const float *delta,
                      cudaStream_t s)
{
    GPU_LAUNCH((dq_pairs<T>), dim3(a.n_tiles, a.kv_heads), dim3(THREADS), 0, s, a, x.dq, x.q, x.k,
               x.v, x.dout, x.lse, delta);
    GPU_LAUNCH((dkv_keys<T>), dim3(a.n_key_tiles, a.kv_heads), dim3(THREADS), 0, s, a, x.dk, x.dv,
               x.q, x.k, x.v, x.dout, x.lse, delta);
}

static void run_all(const struct attention &a, const struct arrays<float> &x, const float *delta,
                    cudaStream_t s)
{
    run_plain(a, x, delta, s);
}

static void run_all(const struct attention &a, const struct arrays<bf16> &x, const float *delta,
                    cudaStream_t s)
{
    switch (attention_aligned(a, {x.dq, x.dk, x.dv, x.dout, x.q, x.k, x.v}) ? a.dim : 0) {
    case 24:
        run<24, 32>(a, x, delta, s);
        break;
    case 32:
        run<32, 32>(a, x, delta, s);
        break;
    case 64:
        run<64, 64>(a, x, delta, s);
        break;
    case 72:
        run<72, 80>(a, x, delta, s);
        break;
    case 128:
        run<128, 128>(a, x, delta, s);
        break;
    default:
        run_plain(a, x, delta, s);
    }
}

template <class T>
void attention_backward(const struct attention &a, T *dq, T *dk, T *dv, float *delta, const T *dout,
                        const T *o, const float *lse, const T *q, const T *k, const T *v,
                        cudaStream_t s)
{
    if (!a.n_tiles) return;
    GPU_LAUNCH((row_deltas<T>), dim3(a.n_tiles, a.kv_heads), dim3(THREADS), 0, s, a, delta, dout,
               o);
    run_all(a, arrays<T>{dq, dk, dv, dout, lse, q, k, v}, delta, s);
}
template void attention_backward(const struct attention &, float *, float *, float *, float *,
                                 const float *, const float *, const float *, const float *,
                                 const float *, const float *, cudaStream_t);
template void attention_backward(const struct attention &, bf16 *, bf16 *, bf16 *, float *,
                                 const bf16 *, const bf16 *, const float *, const bf16 *,
                                 const bf16 *, const bf16 *, cudaStream_t);
