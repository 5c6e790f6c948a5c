/* best: of a row of logits the words in order, best first, ties by smaller id; NaN counts as -inf.
 * One block a row.
 *
 * Each thread's best word is known from a first pass; what the k-th best of these reaches, k words
 * and few more reach: they are collected and sorted. Where they are too many (long ties), the row
 * is read digit by digit (radix), which also finds the word at which any sum over words in their
 * order passes a goal. Sums are whole numbers: their order decides nothing. */
#ifndef PTD_CUDA_BEST_H
#define PTD_CUDA_BEST_H
#include "compute/cuda/gpu.h"

#define ROW_THREADS 512
#define ROW_WARPS   (ROW_THREADS / 32)

enum { LISTED = 1024, BINS = 2048, MOST_BEST = 256 };
typedef unsigned long long wide;

struct best_shared {
    wide list[LISTED], bin[BINS], before;
    unsigned tops[ROW_THREADS], at, ties[ROW_WARPS];
    unsigned count; /* words that reach the bound; beyond LISTED they are not in the list */
};

/* Larger is better. */
GPU_INLINE unsigned key_of(float z)
{
    unsigned u = __float_as_uint(isnan(z) ? -INFINITY : z == 0 ? 0 : z);
    return u & 0x80000000u ? ~u : u | 0x80000000u;
}
GPU_INLINE float logit_of(unsigned key)
{
    return __uint_as_float(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}
GPU_INLINE wide rank_of(unsigned key, int id)
{
    return (wide)key << 32 | (0xffffffffu - (unsigned)id);
}
GPU_INLINE int id_of(wide rank)
{
    return (int)(0xffffffffu - (unsigned)rank);
}
GPU_INLINE float logit_of_rank(wide rank)
{
    return logit_of((unsigned)(rank >> 32));
}

/* Calls f(id, logit) for the words of a row, N neighbours a thread at a time. */
template <int N, class F> GPU_INLINE void each_word(const float *z, int V, F f)
{
    for (int i = (int)threadIdx.x * N; i < V; i += ROW_THREADS * N) {
        float x[N];
        load_nums(x, z + i);
        UNROLL
        for (int e = 0; e < N; e++) f(i + e, x[e]);
    }
}
/* f(id, logit&) may change them. */
template <int N, class F> GPU_INLINE void each_changed(float *z, int V, F f)
{
    for (int i = (int)threadIdx.x * N; i < V; i += ROW_THREADS * N) {
        float x[N];
        load_nums(x, z + i);
        UNROLL
        for (int e = 0; e < N; e++) f(i + e, x[e]);
        store_nums(z + i, x);
    }
}

/* x [n], n a power of two, the largest first. */
template <class T> GPU_INLINE void sort_down(T *x, int n)
{
    for (int size = 2; size <= n; size *= 2)
        for (int step = size / 2; step; step /= 2) {
            __syncthreads();
            for (int i = threadIdx.x; i < n / 2; i += ROW_THREADS) {
                int a = 2 * i - (i & (step - 1)), b = a + step;
                T high = max(x[a], x[b]), low = min(x[a], x[b]);
                x[a] = a & size ? low : high, x[b] = a & size ? high : low;
            }
        }
    __syncthreads();
}

/* What at least k <= MOST_BEST of V words reach; top: the best of this thread's. */
GPU_INLINE unsigned bound_of(struct best_shared &s, unsigned top, int V, int k)
{
    if (threadIdx.x == 0) s.count = 0;
    s.tops[threadIdx.x] = top;
    sort_down(s.tops, ROW_THREADS);
    return V <= LISTED ? 0 : s.tops[k - 1];
}

GPU_INLINE void list_word(struct best_shared &s, unsigned bound, int id, float z)
{
    unsigned key = key_of(z);
    if (key < bound) return;
    unsigned i = atomicAdd(&s.count, 1u);
    if (i < LISTED) s.list[i] = rank_of(key, id);
}

/* The bin, from the last one down, in which the sum reaches the goal, in s.at; s.before: what those
 * above it hold. One warp. */
GPU_INLINE void find_bin(struct best_shared &s, wide goal)
{
    int lane = threadIdx.x % 32, top = BINS - 1 - lane * (BINS / 32);
    wide mine = 0, all;
    for (int b = 0; b < BINS / 32; b++) mine += s.bin[top - b];
    all = mine;
    for (unsigned o = 16; o; o /= 2) {
        wide x = __shfl_up_sync(FULL, all, o);
        if (lane >= (int)o) all += x;
    }
    all -= mine;
    if (all >= goal || all + mine < goal) return;
    while (all + s.bin[top] < goal) all += s.bin[top--];
    s.at = (unsigned)top;
    s.before = all;
}

struct cut {
    unsigned key;
    wide before; /* sum over all better words */
};

/* The key at which the sum of weights over the words, best first, reaches the goal; the sum over
 * all words must do so. weight(z): a whole number. */
template <int N, class F>
GPU_INLINE struct cut descend(struct best_shared &s, const float *z, int V, wide goal, F weight)
{
    struct cut c = {0, 0};
    for (int digit = 0; digit < 3; digit++) { /* 11, 11 and 10 bits */
        int shift = digit == 0 ? 21 : digit == 1 ? 10 : 0;
        unsigned mask = shift ? 2047 : 1023;
        __syncthreads();
        for (int b = threadIdx.x; b < BINS; b += ROW_THREADS) s.bin[b] = 0;
        __syncthreads();
        each_word<N>(z, V, [&](int, float x) {
            unsigned key = key_of(x), above = ~(mask << shift | ((1u << shift) - 1));
            wide w = (key & above) == (c.key & above) ? weight(x) : 0;
            if (w) atomicAdd(&s.bin[key >> shift & mask], w);
        });
        __syncthreads();
        if (threadIdx.x < 32) find_bin(s, goal - c.before);
        __syncthreads();
        c.key |= s.at << shift;
        c.before += s.before;
    }
    return c;
}

/* Id of the n-th word (1: the first) with this key, in order of ids. */
GPU_INLINE int tie_at(struct best_shared &s, const float *z, int V, unsigned key, wide n)
{
    wide before = 0;
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    for (int first = 0; first < V; first += ROW_THREADS) {
        int id = first + (int)threadIdx.x;
        bool equal = id < V && key_of(z[id]) == key;
        unsigned votes = __ballot_sync(FULL, equal);
        __syncthreads();
        if (lane == 0) s.ties[warp] = (unsigned)__popc(votes);
        __syncthreads();
        wide mine = before + (unsigned)__popc(votes & ((1u << lane) - 1)) + 1;
        for (int w = 0; w < ROW_WARPS; w++) {
            if (w < warp) mine += s.ties[w];
            before += s.ties[w];
        }
        if (equal && mine == n) s.at = (unsigned)id;
        if (before >= n) break;
    }
    __syncthreads();
    int id = (int)s.at;
    __syncthreads();
    return id;
}

/* After all words were listed: the list is in order; returns how many are in it, at least k (or
 * V). */
template <int N> GPU_INLINE int settle(struct best_shared &s, const float *z, int V, int k)
{
    __syncthreads();
    int n = (int)s.count, room = 2;
    if (n > LISTED) {
        struct cut c = descend<N>(s, z, V, (wide)k, [](float) { return (wide)1; });
        int last = tie_at(s, z, V, c.key, (wide)k - c.before);
        if (threadIdx.x == 0) s.count = 0;
        __syncthreads();
        each_word<N>(z, V, [&](int id, float x) {
            if (key_of(x) > c.key || (key_of(x) == c.key && id <= last)) list_word(s, 0, id, x);
        });
        n = k;
        __syncthreads();
    }
    while (room < n) room *= 2;
    for (int i = n + (int)threadIdx.x; i < room; i += ROW_THREADS) s.list[i] = 0;
    sort_down(s.list, room);
    return n;
}

GPU_INLINE float row_max(float x, float (&part)[ROW_WARPS])
{
    x = warp_max(x);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = x;
    __syncthreads();
    x = part[0];
    for (int i = 1; i < ROW_WARPS; i++) x = fmaxf(x, part[i]);
    return x;
}

/* e^x for x <= 0; 0 where that is no normal number, so that 0 times its logarithm is. */
GPU_INLINE float share_of(float x)
{
    return x < -87.33f ? 0 : expf(x);
}

/* Banned words become -inf, all are scaled: the thread's largest logit and best key. */
template <int N>
GPU_INLINE void begin_row(float *z, int V, float scale, const int32_t *banned, int n_banned,
                          float &most, unsigned &top)
{
    for (int i = threadIdx.x; i < n_banned; i += ROW_THREADS) z[banned[i]] = -INFINITY;
    __syncthreads();
    most = -INFINITY, top = 0;
    auto look = [&](int, float x) {
        most = fmaxf(most, x);
        top = max(top, key_of(x));
    };
    if (scale == 1)
        each_word<N>(z, V, look);
    else
        each_changed<N>(z, V, [&](int id, float &x) { look(id, x *= scale); });
}
#endif
