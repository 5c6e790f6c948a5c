/* row: what one row of logits is asked: sums, best words, samples. Which rows there are, and what
 * is made of the answers, is left to callers. */
#include "compute/cpu/row.h"
#include "base/err.h"
#include "compute/cpu/vec.h"
#include <stdlib.h>

/* ---- sums over a row ---- */

/* floats; so few are added before they are widened that the sum is good to 1e-7 */
#define BLOCK   64
#define ABREAST 4 /* vectors */

/* Sums of exponentials e of logits relative to the largest, and of e times that logit. */
struct sums {
    vec_d e, moment;
};

/* Adds n <= BLOCK logits to the sums; out (NULL: not wanted): their exponentials. Logits beyond n
 * are -inf. 0 ln 0 = 0: so far down that e is 0, x is kept finite; NaN stays. */
VEC_INLINE void part_weights(const float *z, float *out, int n, float most, struct sums *sums)
{
    vec_f s = {0}, m = {0};
    for (int i = 0; i < n; i += ABREAST * VEC) {
        vec_f x[ABREAST], e[ABREAST];
#pragma GCC unroll 4
        for (int k = 0; k < ABREAST; k++)
            x[k] = vec_larger(vec_set(-88), vec_load(z + i + k * VEC) - most);
        vec_exp_near(e, x, ABREAST);
#pragma GCC unroll 4
        for (int k = 0; k < ABREAST; k++) {
            s += e[k];
            m += e[k] * x[k];
            if (out) vec_store(out + i + k * VEC, e[k]);
        }
    }
    sums->e += vec_widen(s);
    sums->moment += vec_widen(m);
}

/* Returns sum e^(z - most); *moment: sum e^(z - most) (z - most); out (NULL: not wanted): the
 * exponentials. */
VEC_INLINE double weights(const float *z, float *out, int V, float most, double *moment)
{
    struct sums sums = {0};
    int whole = V / BLOCK * BLOCK;
    for (int i = 0; i < whole; i += BLOCK)
        part_weights(z + i, out ? out + i : NULL, BLOCK, most, &sums);
    if (whole < V) {
        float rest[BLOCK];
        for (int i = 0; i < BLOCK; i += VEC) vec_store(rest + i, vec_set(-INFINITY));
        memcpy(rest, z + whole, (V - whole) * sizeof *z);
        part_weights(rest, out ? rest : NULL, V - whole, most, &sums);
        if (out) memcpy(out + whole, rest, (V - whole) * sizeof *z);
    }
    *moment = vec_lanes_sum_d(sums.moment);
    return vec_lanes_sum_d(sums.e);
}

static float largest(const float *z, int V)
{
    float most = vec_max(z, V);
    return most == -INFINITY ? 0 : most; /* nothing but banned words: log 0 */
}

double ptd_row_lse(const float *z, int V)
{
    double moment;
    float most = largest(z, V);
    return most + log(weights(z, NULL, V, most, &moment));
}

void ptd_row_shares(float *z, int V, struct ptd_shares *s)
{
    double moment;
    float most = largest(z, V);
    s->total = weights(z, z, V, most, &moment);
    s->lse = most + log(s->total);
    s->entropy = log(s->total) - moment / s->total; /* neither is negative: nothing cancels */
}

/* ---- the best words ---- */

/* An order-preserving number for (logit, id): larger is better; of equal logits the smaller id. NaN
 * counts as -inf. */
static uint64_t rank_of(float z, int32_t id)
{
    uint32_t u;
    if (!(z > -INFINITY)) z = -INFINITY;
    if (z == 0) z = 0; /* -0 ties with 0 */
    memcpy(&u, &z, sizeof u);
    u = u & 0x80000000u ? ~u : u | 0x80000000u;
    return (uint64_t)u << 32 | (0xffffffffu - (uint32_t)id);
}

static int32_t rank_id(uint64_t r)
{
    return (int32_t)(0xffffffffu - (uint32_t)r);
}

/* heap[k]: a heap with the worst on top; puts r at place i and lets it sink. */
static void sink(uint64_t *heap, int k, int i, uint64_t r)
{
    for (int c; (c = 2 * i + 1) < k; i = c) {
        if (c + 1 < k && heap[c + 1] < heap[c]) c++;
        if (heap[c] >= r) break;
        heap[i] = heap[c];
    }
    heap[i] = r;
}

/* Best first: takes the worst from the top until nothing is left. */
static void sort_heap(uint64_t *heap, int k)
{
    for (int n = k - 1; n > 0; n--) {
        uint64_t worst = heap[0], last = heap[n];
        sink(heap, n, 0, last);
        heap[n] = worst;
    }
}

#define HEAP_HERE 256 /* larger heaps are allocated */

/* The k best words of z [V] in ids[k], best first; k <= V. Blocks without a better word cost one
 * pass of maxima. */
static void best_by_heap(const float *z, int V, int k, int32_t *ids)
{
    uint64_t here[HEAP_HERE], *heap = k > HEAP_HERE ? ptd_array((size_t)k, sizeof *heap) : here;
    for (int i = 0; i < k; i++) heap[i] = rank_of(z[i], i);
    for (int i = k / 2 - 1; i >= 0; i--) sink(heap, k, i, heap[i]);
    float least = z[rank_id(heap[0])];
    if (!(least > -INFINITY)) least = -INFINITY;
    for (int i = k, end; i < V; i = end) {
        end = V - i > BLOCK ? i + BLOCK : V;
        if (!(vec_max(z + i, end - i) > least)) continue;
        for (int v = i; v < end; v++) {
            if (!(z[v] > least)) continue;
            sink(heap, k, 0, rank_of(z[v], v));
            least = z[rank_id(heap[0])];
            if (!(least > -INFINITY)) least = -INFINITY;
        }
    }
    sort_heap(heap, k);
    for (int i = 0; i < k; i++) ids[i] = rank_id(heap[i]);
    if (heap != here) free(heap);
}

/* A few counts find a bound that k words and few more reach; these are then sorted by a network.
 * That is nearly all vectors, and several times as fast as a heap, whose every step waits for a
 * mispredicted branch. */
enum { NEAR_MOST = 512, FOLDED = 4 * NEAR_MOST };

static int count_from(const float *z, int n, float bound)
{
    vec_i count = {0};
    int i = 0, sum = 0;
    for (; i + VEC <= n; i += VEC) count -= vec_load(z + i) >= bound;
    for (; i < n; i++) sum += z[i] >= bound;
    return sum + (int)vec_lanes_sum(__builtin_convertvector(count, vec_f));
}

static float smallest(const float *z, int n)
{
    vec_f m = vec_set(-INFINITY);
    int i = 0;
    for (; i + VEC <= n; i += VEC) m = vec_larger(-vec_load(z + i), m);
    if (i < n) m = vec_larger(-vec_load_part(z + i, n - i, INFINITY), m);
    return -vec_lanes_max(m);
}

/* The places of a network that sorts at least k words: a power of two that leaves some room. */
static int network_of(int k)
{
    int n = 2 * VEC;
    while (n < k + k / 8 + 4) n *= 2;
    return n;
}

/* At least k of z [n] reach it; -INFINITY if they are not found within a range of 32 from the
 * largest. Every other step guesses by the counts, the others halve the range. */
static float find_bound(const float *z, int n, int k)
{
    float high = vec_max(z, n), low = smallest(z, n);
    int above = 0, below, enough = network_of(k);
    if (!(low > high - 32)) low = high - 32;
    if (!isfinite(high) || (below = count_from(z, n, low)) < k) return -INFINITY;
    for (int step = 0; step < 24 && below > enough; step++) {
        float part = step % 2 ? 0.5f : (float)(below - (k + enough) / 2) / (float)(below - above);
        float middle = low + (high - low) * part;
        int count = count_from(z, n, middle);
        if (count < k)
            high = middle, above = count;
        else
            low = middle, below = count;
    }
    return low;
}

/* Groups of z [V] of which few of the best k share one: at least 4 k (2 NEAR_MOST at most), or each
 * word by itself if these are no more than twice as many. */
static int groups_of(int V, int k)
{
    int groups = 4 * k > 8 * VEC ? 4 * k : 8 * VEC;
    return V / groups < 2 ? V : V / (V / groups) / VEC * VEC;
}

/* The largest of each of so many groups. */
static void fold(const float *z, int V, int groups, float *most)
{
    for (int i = 0; i < groups; i += VEC) {
        vec_f m = vec_set(-INFINITY);
        int at = i;
        for (; at + VEC <= V; at += groups) m = vec_larger(vec_load(z + at), m);
        if (at < V) m = vec_larger(vec_load_part(z + at, V - at, -INFINITY), m);
        vec_store(most + i, m);
    }
}

/* Appends those of BLOCK words, from number `first` on, that reach the bound, and their ids; writes
 * up to BLOCK places. Returns how many they are. */
static int append(const float *z, int first, float bound, float *near, int32_t *ids)
{
#ifdef __AVX512F__
    int n = 0;
    for (int v = first; v < first + BLOCK; v += VEC) {
        __m512 x = _mm512_loadu_ps(z + v);
        __mmask16 reach = _mm512_cmp_ps_mask(x, _mm512_set1_ps(bound), _CMP_GE_OQ);
        __m512i lanes = (__m512i)((vec_i){VEC_LANES} + v);
        _mm512_storeu_ps(near + n, _mm512_maskz_compress_ps(reach, x));
        _mm512_storeu_si512(ids + n, _mm512_maskz_compress_epi32(reach, lanes));
        n += __builtin_popcount(reach);
    }
    return n;
#else
    uint64_t reach = 0;
    int n = 0;
#ifdef __AVX2__
    for (int i = 0; i < BLOCK; i += VEC) {
        __m256 high = (__m256)(vec_load(z + first + i) >= bound);
        reach |= (uint64_t)(uint8_t)_mm256_movemask_ps(high) << i;
    }
#else
    for (int i = 0; i < BLOCK; i++) reach |= (uint64_t)(z[first + i] >= bound) << i;
#endif
    for (; reach; reach &= reach - 1) {
        int v = first + __builtin_ctzll(reach);
        near[n] = z[v];
        ids[n++] = v;
    }
    return n;
#endif
}

/* Words that reach the bound, in the order of their ids; more than NEAR_MOST if there are more. */
static int collect(const float *z, int V, float bound, float *near, int32_t *ids)
{
    int n = 0, v = 0;
    for (; v + BLOCK <= V && n <= NEAR_MOST; v += BLOCK)
        n += append(z, v, bound, near + n, ids + n);
    for (; v < V && n <= NEAR_MOST; v++)
        if (z[v] >= bound) near[n] = z[v], ids[n++] = v;
    return n;
}

/* a and b: in each lane the smaller and the larger. */
VEC_INLINE void put_in_order(vec_u *a, vec_u *b)
{
#if defined __AVX512F__
    vec_u least = (vec_u)_mm512_min_epu32((__m512i)*a, (__m512i)*b);
    *b = (vec_u)_mm512_max_epu32((__m512i)*a, (__m512i)*b);
#elif defined __AVX2__
    vec_u least = (vec_u)_mm256_min_epu32((__m256i)*a, (__m256i)*b);
    *b = (vec_u)_mm256_max_epu32((__m256i)*a, (__m256i)*b);
#else
    vec_u larger = (vec_u)(*a > *b), least = (*b & larger) | (*a & ~larger);
    *b = *a ^ *b ^ least;
#endif
    *a = least;
}

/* Lanes whose numbers differ by the bits `flip` are put in order; those with bit `half` are the
 * upper ones. Numbers have to be known to the compiler: it then finds the one instruction that
 * exchanges these lanes. */
VEC_INLINE vec_u order_lanes(vec_u x, uint32_t flip, uint32_t half)
{
    const vec_u lanes = {VEC_LANES};
    vec_u y = __builtin_shuffle(x, lanes ^ flip);
    put_in_order(&x, &y);
    return __builtin_shuffle(x, y, lanes + VEC / half * (lanes & half));
}

VEC_INLINE vec_u merge_lanes(vec_u x)
{
#if VEC == 16
    x = order_lanes(x, 8, 8);
#endif
    x = order_lanes(x, 4, 4);
    x = order_lanes(x, 2, 2);
    return order_lanes(x, 1, 1);
}

VEC_INLINE vec_u sort_lanes(vec_u x)
{
    x = order_lanes(x, 1, 1);
    x = order_lanes(x, 3, 2);
    x = order_lanes(x, 1, 1);
    x = order_lanes(x, 7, 4);
    x = order_lanes(x, 2, 2);
    x = order_lanes(x, 1, 1);
#if VEC == 16
    x = order_lanes(x, 15, 8);
    x = order_lanes(x, 4, 4);
    x = order_lanes(x, 2, 2);
    x = order_lanes(x, 1, 1);
#endif
    return x;
}

/* Runs of half `size` vectors, each in order, become runs of `size`: the second is turned round,
 * then words ever closer together are compared. */
static void merge_runs(vec_u *key, int n, int size)
{
    const vec_u backwards = VEC - 1 - (vec_u){VEC_LANES};
    for (int i = 0; i < n; i++) {
        int j = i ^ (size - 1);
        if (i > j) continue;
        vec_u turned = __builtin_shuffle(key[j], backwards);
        put_in_order(&key[i], &turned);
        key[j] = __builtin_shuffle(turned, backwards);
    }
    for (int half = size / 4; half > 0; half /= 2)
        for (int i = 0; i < n; i++)
            if (!(i & half)) put_in_order(&key[i], &key[i + half]);
    for (int i = 0; i < n; i++) key[i] = merge_lanes(key[i]);
}

/* Whether word a comes behind word b: smaller, or of equals the later one. */
static int behind(const float *near, int a, int b)
{
    return near[a] < near[b] || (near[a] == near[b] && a > b);
}

/* order[n], places of words in near, goes by the upper bits of keys[n]: where these are equal, by
 * the words. */
static void settle(const float *near, const uint32_t *keys, int n, int *order)
{
    int equal = 0;
    for (int i = 1; i < n; i++) equal |= (keys[i] ^ keys[i - 1]) < NEAR_MOST;
    for (int i = 0; i < n; i++) order[i] = keys[i] & (NEAR_MOST - 1);
    for (int i = 1; equal && i < n; i++) {
        int word = order[i], j = i;
        for (; j > 0 && behind(near, order[j - 1], word); j--) order[j] = order[j - 1];
        order[j] = word;
    }
}

/* Sorts n words, none below the bound, best first: order[n], their places in near, which is filled
 * to the end of a network. Keys hold 22 bits of the distance from the largest before 9 of the
 * place. */
static void sort_words(float *near, int n, float bound, int *order)
{
    vec_u key[NEAR_MOST / VEC];
    uint32_t sorted[NEAR_MOST];
    float most = vec_max(near, n), scale = most - bound > 1e-30f ? (1 << 22) / (most - bound) : 0;
    int places = VEC;
    while (places < n) places *= 2;
    for (int i = n; i < places; i++) near[i] = bound;
    for (int i = 0; i < places; i += VEC) {
        vec_u place = (vec_u){VEC_LANES} + (uint32_t)i, none = (vec_u)(place >= (uint32_t)n);
        vec_i far = __builtin_convertvector((most - vec_load(near + i)) * scale, vec_i);
        key[i / VEC] = sort_lanes((vec_u)far << 9 | place | none);
    }
    for (int size = 2; size <= places / VEC; size *= 2) merge_runs(key, places / VEC, size);
    memcpy(sorted, key, places * sizeof *sorted);
    settle(near, sorted, n, order);
}

/* What the k best words of z [V] and few more reach; -INFINITY if that is not found. */
static float bound_of(const float *z, int V, int k)
{
    float most[FOLDED];
    int groups = groups_of(V, k);
    if (k > NEAR_MOST / 2) return -INFINITY;
    if (groups == V) return find_bound(z, V, k);
    fold(z, V, groups, most);
    return find_bound(most, groups, k);
}

/* The k best words of z [V], best first; k <= V. */
static void best(const float *z, int V, int k, int32_t *ids)
{
    float near[NEAR_MOST + BLOCK + 1], bound = bound_of(z, V, k);
    int32_t all[NEAR_MOST + BLOCK + 1];
    int order[NEAR_MOST], n;
    if (bound == -INFINITY || (n = collect(z, V, bound, near, all)) > NEAR_MOST) {
        best_by_heap(z, V, k, ids);
        return;
    }
    sort_words(near, n, bound, order);
    for (int i = 0; i < k; i++) ids[i] = all[order[i]];
}

void ptd_row_topk(const float *z, int V, double lse, int k, int32_t *ids, float *logp)
{
    int found = k < V ? k : V;
    if (k <= 0) return;
    best(z, V, found, ids);
    for (int i = found; i < k; i++) ids[i] = -1;
    if (!logp) return;
    for (int i = 0; i < k; i++) logp[i] = i < found ? z[ids[i]] : -INFINITY;
    for (int i = 0; i < k; i++) logp[i] = (float)(logp[i] - lse);
}

/* ---- one sample ---- */

static int32_t argmax(const float *z, int V)
{
    float most = vec_max(z, V);
    for (int v = 0; v < V; v++)
        if (z[v] == most) return v;
    return 0;
}

/* Probabilities of z[n] in double, from the same exponentials as everywhere. */
static void shares(const float *z, int n, double lse, double *p)
{
    float high = (float)lse, low = (float)(lse - high), e[VEC];
    for (int i = 0; i < n; i += VEC) {
        int m = n - i < VEC ? n - i : VEC;
        vec_store(e, vec_exp((vec_load_part(z + i, m, -INFINITY) - high) - low));
        for (int j = 0; j < m; j++) p[i + j] = e[j];
    }
}

/* The whole distribution: words in order of their ids, until the shares pass u. */
static int32_t sample_all(const float *z, int V, double lse, double u)
{
    double p[BLOCK], sum = 0;
    /* if rounding leaves the shares' sum below u: the last word that has any */
    int32_t last = argmax(z, V);
    for (int i = 0; i < V; i += BLOCK) {
        int n = V - i < BLOCK ? V - i : BLOCK;
        shares(z + i, n, lse, p);
        for (int j = 0; j < n; j++) {
            sum += p[j];
            if (u < sum) return i + j;
            if (p[j] > 0) last = i + j;
        }
    }
    return last;
}

/* Shares p[n] (best first) of the n best words; returns how many of them make up top_p of `mass`,
 * or n + 1: not enough. */
static int nucleus(const double *p, int n, double mass, double top_p)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += p[i];
        if (sum >= top_p * mass) return i + 1;
    }
    return n + 1;
}

/* How many of the n best words have min_p of the first one's share, or n + 1: all, and perhaps
 * more. */
static int strong(const double *p, int n, double min_p)
{
    for (int i = 0; min_p > 0 && i < n; i++)
        if (p[i] < min_p * p[0]) return i;
    return n + 1;
}

static int32_t pick(const int32_t *ids, const double *p, int n, double u)
{
    double mass = 0, sum = 0;
    int last = 0;
    for (int i = 0; i < n; i++) mass += p[i];
    for (int i = 0; i < n; i++) {
        sum += p[i];
        if (u * mass < sum) return ids[i];
        if (p[i] > 0) last = i;
    }
    return ids[last];
}

/* The k best words with their shares; both arrays are freed by the caller. */
static void best_shares(const float *z, int V, double lse, int k, int32_t **ids, double **p)
{
    float *logp = ptd_array((size_t)k, sizeof *logp);
    *ids = ptd_array((size_t)k, sizeof **ids);
    *p = ptd_array((size_t)k, sizeof **p);
    ptd_row_topk(z, V, lse, k, *ids, logp);
    shares(logp, k, 0, *p);
    free(logp);
}

static int32_t sample_best(const float *z, int V, double lse, int top_k, double top_p, double min_p,
                           double u)
{
    int k = top_k > 0 && top_k < V ? top_k : V < 64 ? V : 64;
    for (;;) {
        int32_t *ids;
        double *p, mass = 0;
        best_shares(z, V, lse, k, &ids, &p);
        int whole = k == top_k || k == V; /* these are all the words that may come */
        for (int i = 0; i < k; i++) mass += p[i];
        int n = top_p < 1 ? nucleus(p, k, k == top_k ? mass : 1, top_p) : k + 1;
        int most = strong(p, k, min_p);
        if (most < n) n = most;
        int32_t id = n <= k || whole ? pick(ids, p, n < k ? n : k, u) : -1;
        free(ids);
        free(p);
        if (id >= 0) return id;
        k = V / 8 < k ? V : 8 * k;
    }
}

int32_t ptd_row_sample(const float *z, int V, double lse, int top_k, double top_p, double min_p,
                       double u)
{
    if (top_k == 1) return argmax(z, V);
    if (top_p >= 1 && min_p <= 0 && (top_k <= 0 || top_k >= V)) return sample_all(z, V, lse, u);
    return sample_best(z, V, lse, top_k, top_p, min_p, u);
}
