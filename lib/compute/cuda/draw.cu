/* draw: words drawn from rows of logits, a block a row. Shares are whole numbers, UNIT to 1, so
 * that sums are exact and have no order: the word at u is the one at which their sum passes u UNIT,
 * in order of ids from all words, else best first from what top_k and top_p leave. */
#include "compute/cuda/best.h"
#include "compute/cuda/graph.h"
#include "compute/cuda/head.h"

#define UNIT   ((wide)1 << 62)
#define PIECES 256 /* neighbouring words whose shares are summed before one is looked for */

struct draw_args {
    float *z;
    int V, draws, top_k, best; /* top_k 0: all words */
    double top_p, min_p;
    struct row_rules rules;
    const double *u;
    int32_t *id, *best_id;
    float *logp;
};
struct draw_shared {
    struct best_shared best;
    float most[ROW_WARPS];
    double total[ROW_WARPS];
    wide piece[PIECES], sum[ROW_WARPS];
    int last;
};

/* A word's share in units; high + low is the log-sum-exp. */
struct measure {
    float high, low;
};
GPU_INLINE wide units(struct measure m, float z)
{
    float p = share_of((z - m.high) - m.low);
    return (wide)(fmaxf(p, 0) * (float)UNIT); /* NaN has none */
}

/* The first of n whose sum with those before it reaches the goal, n if none; *before: the sum of
 * those before it. f(i): a whole number. One warp. */
template <class F> GPU_INLINE int first_to_reach(int n, wide goal, wide *before, F f)
{
    int lane = threadIdx.x % 32;
    wide sum = 0;
    for (int first = 0; first < n; first += 32) {
        wide mine = first + lane < n ? f(first + lane) : 0, all = mine;
        for (unsigned o = 16; o; o /= 2) {
            wide x = __shfl_up_sync(FULL, all, o);
            if (lane >= (int)o) all += x;
        }
        unsigned reached = __ballot_sync(FULL, sum + all >= goal);
        if (reached) {
            int at = __ffs((int)reached) - 1;
            *before = sum + __shfl_sync(FULL, all - mine, at);
            return first + at;
        }
        sum += __shfl_sync(FULL, all, 31);
    }
    *before = sum;
    return n;
}

GPU_INLINE wide block_total(wide x, struct draw_shared &s)
{
    x = block_sum(x, s.sum);
    __syncthreads();
    return x;
}

/* The sum that u stands for among so much: at least 1, at most all of it. */
GPU_INLINE wide goal_at(double u, wide all)
{
    return min((wide)(u * (double)all) + 1, all);
}
GPU_INLINE wide goal_share(double share, wide all)
{
    return (wide)ceil(share * (double)all);
}

/* ---- all words, in order of ids ---- */

/* Shares of PIECES pieces of the row, a warp a piece; the last word that has any in s.last. */
GPU_INLINE void sum_pieces(struct draw_shared &s, const float *z, int V, int width,
                           struct measure m)
{
    int lane = threadIdx.x % 32, last = -1;
    for (int p = threadIdx.x / 32; p < PIECES; p += ROW_WARPS) {
        wide sum = 0;
        for (int i = lane; i < width && p * width + i < V; i += 32) {
            float x = z[p * width + i];
            sum += units(m, x);
            if (share_of((x - m.high) - m.low) > 0) last = p * width + i;
        }
        sum = warp_sum(sum);
        if (lane == 0) s.piece[p] = sum;
    }
    atomicMax(&s.last, last);
    __syncthreads();
}

/* One warp. */
GPU_INLINE int draw_from_all(struct draw_shared &s, const float *z, int V, int width,
                             struct measure m, double u)
{
    wide goal = (wide)(u * (double)UNIT) + 1, before, more;
    int p = first_to_reach(PIECES, goal, &before, [&](int i) { return s.piece[i]; });
    if (p == PIECES) return s.last; /* rounding left the sum below u */
    int first = p * width;
    return first + first_to_reach(min(width, V - first), goal - before, &more,
                                  [&](int i) { return units(m, z[first + i]); });
}

/* ---- the best words ---- */

/* What top_k, top_p and min_p leave: the best words up to a sum of shares. */
struct kept {
    wide sum;
    int n; /* that many of the list; 0: it does not tell */
};

/* Whether a word has less than min_p of the best one's share. */
GPU_INLINE bool is_weak(const struct draw_args &a, wide share, wide best)
{
    return (double)share < a.min_p * (double)best;
}

/* From the list of the n best of V words. One warp. */
GPU_INLINE struct kept keep_listed(const struct draw_args &a, const struct best_shared &s, int n,
                                   struct measure m)
{
    auto share = [&](int i) { return units(m, logit_of_rank(s.list[i])); };
    int most = a.top_k ? a.top_k : a.V, words = min(most, n), end = words;
    wide best = share(0), all = UNIT, sum;
    if (a.top_k) first_to_reach(words, ~(wide)0, &all, share);
    if (a.top_p < 1)
        end = min(end, first_to_reach(words, goal_share(a.top_p, all), &sum, share) + 1);
    end = first_to_reach(end, 1, &sum, [&](int i) { return (wide)is_weak(a, share(i), best); });
    first_to_reach(end, ~(wide)0, &sum, share);
    return {sum, words == most || (!a.top_k && end < words) ? end : 0};
}

/* The sum of shares of the words that reach a goal, and of their equals as many as it takes. */
GPU_INLINE wide reached(struct cut c, wide goal, struct measure m, wide *ties)
{
    wide share = units(m, logit_of(c.key));
    *ties = (goal - c.before + share - 1) / share;
    return c.before + *ties * share;
}

/* The same where the list is too short: by reading the row. The whole block. */
template <int N>
GPU_INLINE wide keep_of_row(const struct draw_args &a, struct draw_shared &s, const float *z,
                            struct measure m)
{
    struct cut c = {0, 0};
    wide best = units(m, logit_of_rank(s.best.list[0])), sum = 0, strong = 0, ties;
    if (a.top_k) c = descend<N>(s.best, z, a.V, (wide)a.top_k, [](float) { return (wide)1; });
    each_word<N>(z, a.V, [&](int, float x) {
        wide share = units(m, x);
        sum += key_of(x) > c.key ? share : 0;
        strong += is_weak(a, share, best) ? 0 : share;
    });
    sum = block_total(sum, s) + ((wide)a.top_k - c.before) * units(m, logit_of(c.key));
    wide all = a.top_k ? sum : UNIT;
    sum = min(sum, block_total(strong, s));
    wide goal = goal_share(a.top_p, all);
    if (a.top_p >= 1 || goal > sum) return sum;
    c = descend<N>(s.best, z, a.V, goal, [&](float x) { return units(m, x); });
    return reached(c, goal, m, &ties);
}

template <int N>
GPU_INLINE int draw_from_row(struct draw_shared &s, const float *z, int V, struct measure m,
                             wide goal)
{
    wide ties;
    struct cut c = descend<N>(s.best, z, V, goal, [&](float x) { return units(m, x); });
    reached(c, goal, m, &ties);
    return tie_at(s.best, z, V, c.key, ties);
}

/* ---- a row ---- */

/* The first of the largest; NaN is none. */
GPU_INLINE int best_word(struct draw_shared &s, const float *z, int V, float most)
{
    wide rank = rank_of(0, 0);
    for (int i = threadIdx.x; i < V; i += ROW_THREADS)
        if (z[i] == most) rank = max(rank, rank_of(1, i));
    for (int o = 16; o; o >>= 1) rank = max(rank, __shfl_xor_sync(FULL, rank, o));
    if (threadIdx.x % 32 == 0) s.sum[threadIdx.x / 32] = rank;
    __syncthreads();
    for (wide first : s.sum) rank = max(rank, first);
    return id_of(rank);
}

/* The words that are asked for: f(u) each. The whole block. */
template <class F>
GPU_INLINE void draw_each(const struct draw_args &a, const float *z, double lse, F f)
{
    for (int i = 0; i < a.draws; i++) {
        size_t at = (size_t)blockIdx.x * a.draws + i;
        int id = f(a.u[at]);
        if (threadIdx.x == 0) a.id[at] = id, a.logp[at] = (float)(z[id] - lse);
    }
}

/* From the best words. The whole block. */
template <int N>
GPU_INLINE void draw_from_best(const struct draw_args &a, struct draw_shared &s, const float *z,
                               int listed, double lse, struct measure m)
{
    struct kept kept = keep_listed(a, s.best, listed, m);
    wide before;
    auto share = [&](int i) { return units(m, logit_of_rank(s.best.list[i])); };
    if (kept.n) {
        draw_each(a, z, lse, [&](double u) {
            return id_of(s.best.list[first_to_reach(kept.n, goal_at(u, kept.sum), &before, share)]);
        });
    } else {
        kept.sum = keep_of_row<N>(a, s, z, m);
        draw_each(a, z, lse,
                  [&](double u) { return draw_from_row<N>(s, z, a.V, m, goal_at(u, kept.sum)); });
    }
}

template <int N> __global__ void __launch_bounds__(ROW_THREADS, 2) draw_rows(struct draw_args a)
{
    GPU_SHARED(struct draw_shared, s);
    long r = blockIdx.x;
    int V = a.V, width = (V + PIECES - 1) / PIECES, listed = 0;
    float *z = a.z + (size_t)r * V, most;
    unsigned top, bound = 0;
    double total = 0;
    bool greedy = a.top_k == 1, few = !greedy && (a.top_p < 1 || a.min_p > 0 || a.top_k);
    int wanted = max(min(a.best, V), few ? min(V, MOST_BEST + 0) : 0);
    if (threadIdx.x == 0) s.last = 0;
    begin_row<N>(z, V, a.rules.scale, a.rules.banned, a.rules.n_banned, most, top);
    most = row_max(most, s.most);
    int best = best_word(s, z, V, most);
    if (most == -INFINITY) most = 0;
    if (wanted) bound = bound_of(s.best, top, V, wanted);
    each_word<N>(z, V, [&](int id, float x) {
        total += (double)share_of(x - most);
        if (wanted) list_word(s.best, bound, id, x);
    });
    total = block_sum(total, s.total);
    double lse = most + log(total);
    struct measure m = {(float)lse, (float)(lse - (float)lse)};
    /* the best word: also of NaN, and where no share is large enough */
    bool none = greedy || a.min_p > 1 || !isfinite(lse);
    if (wanted) listed = settle<N>(s.best, z, V, wanted);
    if (few) best = id_of(s.best.list[0]); /* NaN comes in order of ids */
    for (int i = threadIdx.x; i < a.best; i += ROW_THREADS)
        a.best_id[r * a.best + i] = i < listed ? id_of(s.best.list[i]) : -1;
    if (none) {
        draw_each(a, z, lse, [&](double) { return best; });
    } else if (few) {
        draw_from_best<N>(a, s, z, listed, lse, m);
    } else {
        sum_pieces(s, z, V, width, m);
        draw_each(a, z, lse, [&](double u) { return draw_from_all(s, z, V, width, m, u); });
    }
}

void cuda_rows_draw(struct ptd_device *d, ptd_stat *z, long n, int V,
                    const struct ptd_ask_draw *ask, const struct ptd_got_draw *got)
{
    struct draw_args a = {
        floats_of(z), V,          ask->draws, ask->top_k < V ? max(ask->top_k, 0) : 0,
        ask->best,    ask->top_p, ask->min_p, {1 / ask->rules.temperature}};
    size_t draws = (size_t)n * ask->draws, named = (size_t)n * ask->best;
    struct bundle in, out;
    std::vector<int32_t> banned = banned_once(ask->rules);
    if (n <= 0) return;
    if (ask->best > MOST_BEST) {
        cuda_blame(d, PTD_DATAERR, "more than 256 best words of a row");
        return;
    }
    size_t ban = in.add(banned), u = in.add(ask->u, draws), id = out.room(draws * 4, 4),
           logp = out.room(draws * 4, 4), best = out.room(named * 4, 4);
    void *lists = upload(d, in), *answers = cuda_scratch(d, CUDA_OUT, out.bytes.size());
    if (!lists || !answers) return;
    place(a.rules.banned, lists, ban), a.rules.n_banned = (int)banned.size();
    place(a.u, lists, u);
    place(a.id, answers, id), place(a.logp, answers, logp), place(a.best_id, answers, best);
    if (rows_wide(z, V))
        GPU_LAUNCH((draw_rows<4>), dim3((unsigned)n), dim3(ROW_THREADS), sizeof(struct draw_shared),
                   stream_of(d), a);
    else
        GPU_LAUNCH((draw_rows<1>), dim3((unsigned)n), dim3(ROW_THREADS), sizeof(struct draw_shared),
                   stream_of(d), a);
    cuda_answers(d, out, answers, [=, got = *got](const struct bundle &out) {
        out.take(got.id, id, draws), out.take(got.logp, logp, draws);
        out.take(got.best_id, best, named);
    });
}
