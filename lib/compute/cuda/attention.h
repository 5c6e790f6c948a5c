/* attention: what the kernels of attention are told: which query rows are computed together, which
 * keys they walk over, and how these are cut. plan.cc makes the lists of a struct ptd_attention.
 *
 * A pair is a query row and one of the heads that share a kv head; the pairs of a row follow each
 * other. A tile is up to PAIRS (backward BACK_PAIRS) neighbouring pairs of rows that have one
 * prompt in common, or of one span. It walks over parts of the pool: the prompt's keys, then each
 * span's own. Neighbours in a part are read KEYS at a time; a row sees the first few keys of a
 * part, or none.
 *
 * A row has the same bits whatever tile it is in: each key tile is one warp's, in the order of the
 * walk, and tiles that a row does not see leave it as it was. Walks are cut into pieces, whose
 * results are joined in their order, where PIECE key tiles of their first part end; later parts are
 * of spans that not all rows see, and are never cut.
 *
 * Backward, a key tile is up to KEYS neighbours of the pool, which rows of some views see. */
#ifndef PTD_CUDA_ATTENTION_H
#define PTD_CUDA_ATTENTION_H
#include "compute/cuda/gpu.h"
#include <initializer_list>

enum {
    PAIRS = 128,
    BACK_PAIRS = 64,
    KEYS = 64,
    PIECE = 64,    /* key tiles */
    MOST_DIM = 256 /* of a head */
};

struct attention_part {
    long place;     /* pool row of the first key, or its place in the list of blocks */
    long row;       /* packed rows row .. row + rows - 1 see it: */
    int rows, n;    /* of its keys the first n at most, */
    int sees, step; /* row + i the first sees + i * step */
};
struct attention_tile {
    long row;        /* packed row of the first pair */
    int head, n;     /* the first pair's head among those of the kv head; pairs */
    int part, parts; /* in the list of parts */
};
struct attention_piece {
    int tile, from, to; /* key tiles of the walk */
    int slot;           /* of the results that are joined; -1: the walk is whole */
};
struct attention_join { /* n pieces in slots from `slot` on are one tile */
    int tile, slot, n;
};
struct attention_view {
    long row;
    int rows, sees, step; /* as in a part; keys are counted from the key tile's first */
};
struct attention_key_tile {
    long row;           /* of the pool */
    int n, view, views; /* each key is seen by a row of some view */
};

struct attention { /* lists lie on the device */
    int heads, kv_heads, dim;
    long q_stride, k_stride, v_stride, o_stride, rows;
    const struct attention_part *parts;
    const struct attention_tile *tiles;
    const struct attention_piece *pieces;
    const struct attention_join *joins;
    const struct attention_key_tile *key_tiles;
    const struct attention_view *views;
    int n_tiles, n_pieces, n_joins, n_key_tiles, slots;
    int most_pairs;              /* of a tile */
    const int32_t *blocks;       /* NULL: the pool has none */
    int block_rows, block_shift; /* 1 << block_shift is block_rows; 0: divide by it */
};

/* of bf16 or float. lse [rows, heads], NULL: not kept. scratch: attention_scratch(a) floats if
 * there are joins. */
template <class T>
void attention_forward(const struct attention &a, T *o, float *lse, float *scratch, const T *q,
                       const T *k, const T *v, cudaStream_t s);
static inline size_t attention_scratch(const struct attention &a)
{
    return (size_t)a.slots * a.kv_heads * a.most_pairs * (a.dim + 2);
}
/* delta [rows, heads] is scratch. */
template <class T>
void attention_backward(const struct attention &a, T *dq, T *dk, T *dv, float *delta, const T *dout,
                        const T *o, const float *lse, const T *q, const T *k, const T *v,
                        cudaStream_t s);

/* out [n, n_keys] += shares of rows first .. first + n; heads [heads]: 1 counts; NULL: all. */
template <class T>
void attention_shares(const struct attention &a, float *out, long first, long n,
                      const int32_t *keys, long n_keys, const uint8_t *heads, const T *q,
                      const T *k, const float *lse, cudaStream_t s);

/* Whether rows and heads begin where 16 bytes do, which copies into shared memory want. */
static inline bool attention_aligned(const struct attention &a,
                                     std::initializer_list<const void *> arrays)
{
    bool so = !(a.dim % 8 || a.q_stride % 8 || a.k_stride % 8 || a.v_stride % 8 || a.o_stride % 8);
    for (const void *p : arrays) so &= (uintptr_t)p % 16 == 0;
    return so;
}

/* ---- in kernels ---- */

/* Keys of a part that a row sees. */
GPU_INLINE int keys_seen(const struct attention_part &p, long row)
{
    long i = row - p.row;
    return i < 0 || i >= p.rows ? 0 : min(p.n, p.sees + (int)i * p.step);
}

/* Pool row of key j of those that begin at a place. */
GPU_INLINE long pool_row(const struct attention &a, long place, int j)
{
    if (!a.blocks) return place + j;
    int block = a.block_shift ? j >> a.block_shift : j / a.block_rows;
    return (long)a.blocks[place + block] * a.block_rows + (j - block * a.block_rows);
}

/* Where a walk is: key tile by key tile through the parts of a tile. */
struct walk {
    const struct attention_part *part;
    int first; /* key */
};
GPU_INLINE void walk_on(struct walk &w)
{
    w.first += KEYS;
    if (w.first >= w.part->n) w.part++, w.first = 0;
}
GPU_INLINE struct walk walk_from(const struct attention &a, const struct attention_tile &t, int n)
{
    struct walk w = {a.parts + t.part, 0};
    for (int i = 0; i < n; i++) walk_on(w);
    return w;
}

/* Calls f(column, number&) for the columns of a head of D that are this lane's: every 32nd. */
template <class F> GPU_INLINE void each_column(float (&acc)[MOST_DIM / 32], int D, F f)
{
    UNROLL
    for (int i = 0; i < MOST_DIM / 32; i++) {
        int column = threadIdx.x % 32 + 32 * i;
        float x = acc[i];
        if (column < D) f(column, x);
        acc[i] = x;
    }
}
#endif
