/* row: what one row of logits is asked: sums, best words, samples. Which rows there are, and what
 * is made of the answers, is left to callers. */
#include "compute/cpu/row.h"
#include "base/err.h"
#include "compute/cpu/vec.h"
#include <stdlib.h>

/* ---- sums over a row ---- */

/* floats; so few are added before they are widened that the sum is good to 1e-7 */
#define BLOCK 64

/* Exponentials of a vector of logits, relative to `most`, and what they add to the sums of e and e
 * x. 0 ln 0 = 0: so far down that e is 0, x is kept finite; NaN stays. */
VEC_INLINE vec_f part_weights(vec_f z, float most, vec_f *sum, vec_f *moment)
{
    vec_f x = vec_larger(vec_set(-88), z - most), e = vec_exp_down(x);
    *sum += e;
    *moment += e * x;
    return e;
}

/* Returns sum e^(z - most); *moment: sum e^(z - most) (z - most); out (NULL: not wanted): the
 * exponentials. */
VEC_INLINE double weights(const float *z, float *out, int V, float most, double *moment)
{
    vec_d sum = {0}, moments = {0};
    int whole = V / VEC * VEC, i = 0;
    while (i < whole) {
        vec_f s = {0}, m = {0};
        for (int end = whole - i > BLOCK ? i + BLOCK : whole; i < end; i += VEC) {
            vec_f e = part_weights(vec_load(z + i), most, &s, &m);
            if (out) vec_store(out + i, e);
        }
        sum += vec_widen(s);
        moments += vec_widen(m);
    }
    if (i < V) {
        vec_f s = {0}, m = {0};
        vec_f e = part_weights(vec_load_part(z + i, V - i, -INFINITY), most, &s, &m);
        if (out) vec_store_part(out + i, e, V - i);
        sum += vec_widen(s);
        moments += vec_widen(m);
    }
    *moment = vec_lanes_sum_d(moments);
    return vec_lanes_sum_d(sum);
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

/* The k best of z [V] in heap[k], best first; k <= V. Blocks without a better word cost one pass of
 * maxima. */
static void best_by_heap(const float *z, int V, int k, uint64_t *heap)
{
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
}

/* A few counts find a bound that k words and few more reach; these are then sorted by buckets. That
 * is nearly all vectors, and several times as fast as a heap, whose every step waits for a
 * mispredicted branch. */
enum { NEAR_MOST = 512, FOLDED = 4 * NEAR_MOST, SORTED_BY = 128 };

static int count_from(const float *z, int n, float bound)
{
    vec_i count = {0};
    int i = 0, sum = 0;
    for (; i + VEC <= n; i += VEC) count -= vec_load(z + i) >= bound;
    for (; i < n; i++) sum += z[i] >= bound;
    return sum + (int)vec_lanes_sum(__builtin_convertvector(count, vec_f));
}

/* At least k of z [n] reach it; -INFINITY if they are not found within a range of 32 from the
 * largest. Every other step guesses by the counts, the others halve the range. */
static float find_bound(const float *z, int n, int k)
{
    float high = vec_max(z, n), low = high - 32;
    int above = 0, below, enough = k + k / 4 + 8;
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

/* The largest of each of at least 4 k groups of z [V] (4 k = 2 NEAR_MOST at most), so that few of
 * the best k share one, or z itself if that is no more than twice as long; returns how many there
 * are. */
static int fold(const float *z, int V, int k, float *most)
{
    int groups = 4 * k > 8 * VEC ? 4 * k : 8 * VEC,
        width = V / groups < 2 ? V : V / (V / groups) / VEC * VEC;
    for (int i = 0; i < width; i += VEC) {
        vec_f m = vec_set(-INFINITY);
        int at = i;
        for (; at + VEC <= V; at += width) m = vec_larger(vec_load(z + at), m);
        if (at < V) m = vec_larger(vec_load_part(z + at, V - at, -INFINITY), m);
        vec_store(most + i, m);
    }
    return width;
}

/* Appends the ids of those of 16 words, from number `first` on, that reach the bound; writes up to
 * 16 places. Returns how many they are. */
static int append(const float *z, int first, float bound, int32_t *ids)
{
#ifdef __AVX512F__
    const vec_i lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    __mmask16 reach =
        _mm512_cmp_ps_mask(_mm512_loadu_ps(z + first), _mm512_set1_ps(bound), _CMP_GE_OQ);
    _mm512_storeu_si512(ids, _mm512_maskz_compress_epi32(reach, (__m512i)(lanes + first)));
    return __builtin_popcount(reach);
#else
    int n = 0;
    if (!(vec_max(z + first, VEC) >= bound)) return 0;
    for (int v = first; v < first + VEC; v++) {
        ids[n] = v;
        n += z[v] >= bound;
    }
    return n;
#endif
}

/* Words that reach the bound, in the order of their ids; more than NEAR_MOST if there are more. */
static int collect(const float *z, int V, float bound, float *near, int32_t *ids)
{
    int n = 0, v = 0;
    for (; v + VEC <= V && n <= NEAR_MOST; v += VEC) n += append(z, v, bound, ids + n);
    for (; v < V && n <= NEAR_MOST; v++)
        if (z[v] >= bound) ids[n++] = v;
    for (int i = 0; i < n; i++) near[i] = z[ids[i]];
    return n;
}

/* Sorts n words, none below the bound: into buckets by their distance from the largest, then each
 * to its place among its few neighbours. */
static void sort_words(const float *near, const int32_t *ids, int n, float bound, uint64_t *sorted)
{
    int bucket[NEAR_MOST], end[SORTED_BY] = {0};
    uint64_t rank[NEAR_MOST];
    float most = vec_max(near, n),
          scale = most - bound > 1e-30f ? (SORTED_BY - 1) / (most - bound) : 0;
    for (int i = 0; i < n; i++) bucket[i] = (int)((most - near[i]) * scale);
    for (int i = 0; i < n; i++) rank[i] = rank_of(near[i], ids[i]);
    for (int i = 0; i < n; i++) end[bucket[i]]++;
    for (int i = 0, sum = 0; i < SORTED_BY; i++) {
        int count = end[i];
        end[i] = sum;
        sum += count;
    }
    for (int i = 0; i < n; i++) sorted[end[bucket[i]]++] = rank[i];
    for (int i = 1, j; i < n; i++) {
        uint64_t r = sorted[i];
        for (j = i; j > 0 && sorted[j - 1] < r; j--) sorted[j] = sorted[j - 1];
        sorted[j] = r;
    }
}

static void best(const float *z, int V, int k, uint64_t *heap)
{
    float most[FOLDED], near[NEAR_MOST + VEC + 1], bound = -INFINITY;
    int32_t ids[NEAR_MOST + VEC + 1];
    uint64_t sorted[NEAR_MOST];
    int n = k <= NEAR_MOST / 2 ? fold(z, V, k, most) : 0;
    if (n >= k) bound = find_bound(most, n, k);
    if (bound == -INFINITY || (n = collect(z, V, bound, near, ids)) > NEAR_MOST) {
        best_by_heap(z, V, k, heap);
        return;
    }
    sort_words(near, ids, n, bound, sorted);
    memcpy(heap, sorted, k * sizeof *heap);
}

#define HEAP_HERE 256 /* larger heaps are allocated */

void ptd_row_topk(const float *z, int V, double lse, int k, int32_t *ids, float *logp)
{
    uint64_t here[HEAP_HERE], *heap = here;
    int found = k < V ? k : V;
    if (k <= 0) return;
    if (found > HEAP_HERE) heap = ptd_array((size_t)found, sizeof *heap);
    best(z, V, found, heap);
    for (int i = 0; i < k; i++) {
        ids[i] = i < found ? rank_id(heap[i]) : -1;
        if (logp) logp[i] = i < found ? (float)(z[ids[i]] - lse) : -INFINITY;
    }
    if (heap != here) free(heap);
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

static int32_t sample_best(const float *z, int V, double lse, int top_k, double top_p, double u)
{
    int k = top_k > 0 && top_k < V ? top_k : V < 64 ? V : 64;
    for (;;) {
        int32_t *ids;
        double *p, mass = 0;
        best_shares(z, V, lse, k, &ids, &p);
        int whole = k == top_k || k == V; /* these are all the words that may come */
        for (int i = 0; i < k; i++) mass += p[i];
        int n = top_p < 1 ? nucleus(p, k, k == top_k ? mass : 1, top_p) : k;
        int32_t id = n <= k || whole ? pick(ids, p, n < k ? n : k, u) : -1;
        free(ids);
        free(p);
        if (id >= 0) return id;
        k = V / 8 < k ? V : 8 * k;
    }
}

int32_t ptd_row_sample(const float *z, int V, double lse, int top_k, double top_p, double u)
{
    if (top_k == 1) return argmax(z, V);
    if (top_p >= 1 && (top_k <= 0 || top_k >= V)) return sample_all(z, V, lse, u);
    return sample_best(z, V, lse, top_k, top_p, u);
}
