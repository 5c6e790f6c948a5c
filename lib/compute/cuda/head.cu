/* head: rows of logits: sums, words, best words, and the gradient; a block a row. What cpu/row.c
 * and cpu/support.c say is what comes out; a divergence is the host's function, which sees the few
 * masses of a support: they come to the host and go back. */
#include "compute/cuda/best.h"
#include "compute/cuda/head.h"
extern "C" {
#include "compute/cpu/support.h"
}

/* ---- score ---- */

struct score_args {
    float *z;
    int V, top_k, shares;
    struct row_rules rules;
    const int32_t *first, *id; /* words of row r: first[r] .. first[r + 1]; first NULL: id[r] */
    double *lse, *total, *entropy, *logp;
    int32_t *top_id;
    float *top_logp;
};
struct score_shared {
    struct best_shared best;
    float most[ROW_WARPS];
    double total[ROW_WARPS], moment[ROW_WARPS];
};

/* Logits of the row's words, before they become shares; less lse, after. */
GPU_INLINE void take_words(const struct score_args &a, const float *z, long r, double lse,
                           bool done)
{
    if (!a.logp) return;
    int from = a.first ? a.first[r] - a.first[0] : (int)r,
        end = a.first ? a.first[r + 1] - a.first[0] : from + 1;
    for (int i = from + (int)threadIdx.x; i < end; i += ROW_THREADS)
        if (done)
            a.logp[i] -= lse;
        else
            a.logp[i] = (unsigned)a.id[i] < (unsigned)a.V ? z[a.id[i]] : -INFINITY;
}

GPU_INLINE void name_best(const struct score_args &a, const struct best_shared &s, long r, int n,
                          double lse)
{
    for (int i = threadIdx.x; i < a.top_k; i += ROW_THREADS) {
        bool there = i < n;
        a.top_id[r * a.top_k + i] = there ? id_of(s.list[i]) : -1;
        a.top_logp[r * a.top_k + i] = (float)((there ? logit_of_rank(s.list[i]) : -INFINITY) - lse);
    }
}

template <int N> __global__ void __launch_bounds__(ROW_THREADS, 2) score_rows(struct score_args a)
{
    GPU_SHARED(struct score_shared, s);
    long r = blockIdx.x;
    float *z = a.z + (size_t)r * a.V, most;
    double total = 0, moment = 0;
    unsigned top, bound = 0;
    int named = 0, k = min(a.top_k, a.V);
    begin_row<N>(z, a.V, a.rules.scale, a.rules.banned, a.rules.n_banned, most, top);
    most = row_max(most, s.most);
    if (most == -INFINITY) most = 0;
    take_words(a, z, r, 0, false);
    if (a.top_k) bound = bound_of(s.best, top, a.V, k);
    if (a.top_k && a.shares) { /* before they are overwritten */
        each_word<N>(z, a.V, [&](int id, float x) { list_word(s.best, bound, id, x); });
        named = settle<N>(s.best, z, a.V, k);
    }
    __syncthreads();
    auto add = [&](float x) {
        float e = share_of(x - most);
        total += (double)e;
        moment += e > 0 ? (double)(e * (x - most)) : 0;
        return e;
    };
    if (a.shares)
        each_changed<N>(z, a.V, [&](int, float &x) { x = add(x); });
    else
        each_word<N>(z, a.V, [&](int id, float x) {
            add(x);
            if (a.top_k) list_word(s.best, bound, id, x);
        });
    total = block_sum(total, s.total);
    moment = block_sum(moment, s.moment);
    double lse = most + log(total);
    take_words(a, z, r, lse, true);
    if (a.top_k && !a.shares) named = settle<N>(s.best, z, a.V, k);
    name_best(a, s.best, r, named, lse);
    if (threadIdx.x) return;
    a.lse[r] = lse;
    a.total[r] = total;
    a.entropy[r] = log(total) - moment / total;
}

static void launch_score(struct ptd_device *d, const struct score_args &a, long n, bool wide)
{
    if (wide)
        GPU_LAUNCH((score_rows<4>), dim3((unsigned)n), dim3(ROW_THREADS),
                   sizeof(struct score_shared), stream_of(d), a);
    else
        GPU_LAUNCH((score_rows<1>), dim3((unsigned)n), dim3(ROW_THREADS),
                   sizeof(struct score_shared), stream_of(d), a);
}

/* Best words beyond what the kernel lists: the host's, which is slow, and asked by nobody who is in
 * a hurry. */
static bool too_many(struct ptd_device *d, int k)
{
    if (k <= MOST_BEST) return false;
    cuda_blame(d, PTD_DATAERR, "more than 256 best words of a row");
    return true;
}

void cuda_rows_score(struct ptd_device *d, ptd_stat *z, long n, int V,
                     const struct ptd_ask_score *ask, const struct ptd_got_score *got)
{
    const struct ptd_row_words &w = ask->words;
    long from = w.first ? w.first[0] : 0,
         words = !got->logp ? 0 : (w.first ? w.first[n] : n) - from;
    struct score_args a = {floats_of(z), V, ask->top_k, ask->shares, {1 / ask->rules.temperature}};
    struct bundle in, out;
    std::vector<int32_t> banned = banned_once(ask->rules);
    if (n <= 0 || too_many(d, ask->top_k)) return;
    size_t ban = in.add(banned), first = w.first ? in.add(w.first, (size_t)n + 1) : 0,
           id = in.add(words ? w.id + from : NULL, (size_t)words), lse = out.room((size_t)n * 8, 8),
           total = out.room((size_t)n * 8, 8), entropy = out.room((size_t)n * 8, 8),
           logp = out.room((size_t)words * 8, 8), top_id = out.room((size_t)n * ask->top_k * 4, 4),
           top_logp = out.room((size_t)n * ask->top_k * 4, 4);
    void *lists = upload(d, in), *answers = cuda_scratch(d, CUDA_OUT, out.bytes.size());
    if (!lists || !answers) return;
    place(a.rules.banned, lists, ban), a.rules.n_banned = (int)banned.size();
    if (w.first) place(a.first, lists, first);
    place(a.id, lists, id);
    place(a.lse, answers, lse), place(a.total, answers, total), place(a.entropy, answers, entropy);
    if (words) place(a.logp, answers, logp);
    place(a.top_id, answers, top_id), place(a.top_logp, answers, top_logp);
    launch_score(d, a, n, rows_wide(z, V));
    cuda_fetch(d, out.bytes.data(), answers, out.bytes.size());
    out.take(got->lse, lse, (size_t)n);
    if (ask->shares)
        out.take(got->total, total, (size_t)n), out.take(got->entropy, entropy, (size_t)n);
    if (words) out.take(got->logp + from, logp, (size_t)words);
    if (ask->top_k) {
        out.take(got->top_id, top_id, (size_t)n * ask->top_k);
        out.take(got->top_logp, top_logp, (size_t)n * ask->top_k);
    }
}

/* ---- gradient ---- */

/* to[i] = the entry of row `row[i]` that id[i] names, 0 where it is no word; and back. */
__global__ void __launch_bounds__(256)
    gather_words(float *to, const float *z, int V, const int32_t *row, const int32_t *id, int n)
{
    int i = (int)(blockIdx.x * 256 + threadIdx.x);
    if (i < n) to[i] = (unsigned)id[i] < (unsigned)V ? z[(size_t)row[i] * V + id[i]] : 0;
}

struct gradient_args {
    float *z;
    int V;
    struct row_rules rules;
    const float *scale; /* [n] what makes shares the gradient, */
    const int32_t *at;  /* but for those of row r: at[r] .. at[r + 1], which are given */
    const int32_t *id;
    float *given;
    const int32_t *first, *word; /* as in score_args */
    const double *dlogp;
    const double *total, *entropy, *dentropy; /* [n] the last one NULL: none */
};

/* What a word of share e / total has in the row's entropy's gradient. */
GPU_INLINE float surprise(const struct gradient_args &a, long r, float e)
{
    if (!a.dentropy || a.dentropy[r] == 0 || e == 0) return 0;
    double p = e / a.total[r];
    return (float)(-a.dentropy[r] * p * (log(p) + a.entropy[r]));
}

template <int N>
__global__ void __launch_bounds__(ROW_THREADS, 2) gradient_rows(struct gradient_args a)
{
    long r = blockIdx.x;
    float *z = a.z + (size_t)r * a.V, factor = a.scale[r], cool = a.rules.scale;
    for (int i = a.at[r] + (int)threadIdx.x; a.dentropy && i < a.at[r + 1]; i += ROW_THREADS)
        if ((unsigned)a.id[i] < (unsigned)a.V) a.given[i] += surprise(a, r, z[a.id[i]]);
    __syncthreads();
    each_changed<N>(z, a.V, [&](int, float &x) { x = x * factor + surprise(a, r, x); });
    __syncthreads();
    for (int i = a.at[r] + (int)threadIdx.x; i < a.at[r + 1]; i += ROW_THREADS)
        if ((unsigned)a.id[i] < (unsigned)a.V) z[a.id[i]] = a.given[i];
    __syncthreads();
    int from = a.first ? a.first[r] - a.first[0] : (int)r,
        end = a.first ? a.first[r + 1] - a.first[0] : from + 1;
    for (int i = from; threadIdx.x == 0 && a.dlogp && i < end; i++) /* a word may come twice */
        if ((unsigned)a.word[i] < (unsigned)a.V) z[a.word[i]] += (float)a.dlogp[i];
    __syncthreads();
    for (int i = threadIdx.x; i < a.rules.n_banned; i += ROW_THREADS) z[a.rules.banned[i]] = 0;
    __syncthreads();
    if (cool != 1) each_changed<N>(z, a.V, [&](int, float &x) { x *= cool; });
}

/* What the host knows of the rows of one gradient. */
struct lessons {
    std::vector<float> scale, given;
    std::vector<int32_t> at, row, id;
    std::vector<struct ptd_support> support; /* of the rows that have one, in turn */
    std::vector<double> dentropy;            /* left for the device to do */
};

static bool has_support(const struct ptd_ask_gradient *a, long r)
{
    return a->lesson && ptd_lesson_says(&a->lesson[r]) && !a->lesson[r].whole;
}

static double weight_of(const struct ptd_ask_gradient *a, long r)
{
    return a->weights ? a->weight * a->weights[r] : a->weight;
}

/* The row's words take so much from all others. */
static double taken(const struct ptd_ask_gradient *a, long r, int V)
{
    const struct ptd_row_words &w = a->words;
    double c = 0;
    if (!w.id) return c;
    for (long i = w.first ? w.first[r] : r, end = w.first ? w.first[r + 1] : r + 1; i < end; i++)
        c -= (uint32_t)w.id[i] < (uint32_t)V ? a->dlogp[i] : 0;
    return c;
}

static void join_supports(const struct ptd_ask_gradient *a, long n, struct lessons *l)
{
    for (long r = 0; r < n; r++) {
        l->at.push_back((int32_t)l->id.size());
        if (!has_support(a, r)) continue;
        l->support.emplace_back();
        ptd_support_join(&l->support.back(), &a->lesson[r], a->no_tail);
        const struct ptd_support &u = l->support.back();
        l->id.insert(l->id.end(), u.id, u.id + u.n);
        l->row.insert(l->row.end(), (size_t)u.n, (int32_t)r);
    }
    l->at.push_back((int32_t)l->id.size());
    l->given.resize(l->id.size());
}

/* The student's shares of the supports' words. */
static void fetch_shares(struct ptd_device *d, const ptd_stat *z, int V, struct lessons *l)
{
    int n = (int)l->id.size();
    struct bundle in;
    size_t row = in.add(l->row), id = in.add(l->id);
    if (!n) return;
    void *lists = upload(d, in), *to = cuda_scratch(d, CUDA_OUT, (size_t)n * 4);
    const int32_t *rows, *ids;
    if (!lists || !to) return;
    place(rows, lists, row), place(ids, lists, id);
    GPU_LAUNCH(gather_words, dim3((unsigned)(n + 255) / 256), dim3(256), 0, stream_of(d),
               static_cast<float *>(to), floats_of(z), V, rows, ids, n);
    cuda_fetch(d, l->given.data(), to, (size_t)n * 4);
}

/* One row's divergence by the host, of its support alone and, for what all other words are scaled
 * by, of one more entry of 1. */
static double diverge(const struct ptd_ask_gradient *a, struct lessons *l, struct ptd_support *u,
                      long r, double c, int V)
{
    float e[PTD_SUPPORT_MAX + 1], *given = &l->given[(size_t)l->at[(size_t)r]];
    for (int b = 0; b < u->n; b++) {
        e[b] = given[b];
        u->id[b] = (uint32_t)u->id[b] < (uint32_t)V ? b : -1;
    }
    e[u->n] = 1;
    double far = ptd_support_diverge(u, a->divergence, ptd_share_row{e, u->n + 1, a->total[r]},
                                     weight_of(a, r), c, a->no_tail);
    memcpy(given, e, (size_t)u->n * sizeof *e);
    l->scale[(size_t)r] = e[u->n];
    return far;
}

/* s [V] += the gradient of the entropy of shares e. */
static void add_surprise(const struct ptd_ask_gradient *a, long r, const std::vector<float> &e,
                         std::vector<float> &s)
{
    for (size_t v = 0; v < e.size(); v++) {
        double p = e[v] / a->total[r];
        if (e[v] != 0) s[v] += (float)(-a->dentropy[r] * p * (log(p) + a->entropy[r]));
    }
}

/* A row whose tutor says all: both rows come to the host, and the student's goes back as its
 * gradient. */
static double diverge_whole(struct ptd_device *d, ptd_stat *z, const struct ptd_ask_gradient *a,
                            long r, double c, int V)
{
    ptd_stat *student = ptd_stat_at(z, (size_t)r * V),
             *tutor = ptd_stat_at(a->tutor, (size_t)(a->lesson[r].whole - 1) * V);
    struct ptd_ask_score ask = {a->rules};
    double total;
    struct ptd_got_score got = {NULL, &total};
    std::vector<float> s((size_t)V), t((size_t)V);
    ask.shares = 1;
    cuda_rows_score(d, tutor, 1, V, &ask, &got);
    if (d->fault.status) return 0;
    cuda_fetch(d, s.data(), student, (size_t)V * 4);
    std::vector<float> e = s;
    cuda_fetch(d, t.data(), tutor, (size_t)V * 4);
    double far = ptd_whole_diverge(ptd_share_row{t.data(), V, total}, a->divergence,
                                   ptd_share_row{s.data(), V, a->total[r]}, weight_of(a, r), c);
    if (a->dentropy) add_surprise(a, r, e, s);
    d->ops->put(d, student, s.data(), (size_t)V * 4);
    return far;
}

static void diverge_rows(struct ptd_device *d, ptd_stat *z, long n, int V,
                         const struct ptd_ask_gradient *a, struct lessons *l, double *value)
{
    size_t next = 0;
    if (a->dentropy) l->dentropy.assign(a->dentropy, a->dentropy + n);
    for (long r = 0; r < n; r++) {
        double c = taken(a, r, V), far = 0;
        l->scale.push_back((float)(c / a->total[r]));
        if (has_support(a, r)) {
            far = diverge(a, l, &l->support[next++], r, c, V);
        } else if (a->lesson && ptd_lesson_says(&a->lesson[r])) {
            far = diverge_whole(d, z, a, r, c, V);
            l->scale.back() = 1;
            if (a->dentropy) l->dentropy[(size_t)r] = 0;
        }
        if (value) value[r] = far;
    }
}

static void launch_gradient(struct ptd_device *d, const struct gradient_args &a, long n, bool wide)
{
    if (wide)
        GPU_LAUNCH((gradient_rows<4>), dim3((unsigned)n), dim3(ROW_THREADS), 0, stream_of(d), a);
    else
        GPU_LAUNCH((gradient_rows<1>), dim3((unsigned)n), dim3(ROW_THREADS), 0, stream_of(d), a);
}

void cuda_rows_gradient(struct ptd_device *d, ptd_stat *z, long n, int V,
                        const struct ptd_ask_gradient *ask, double *value)
{
    const struct ptd_row_words &w = ask->words;
    long from = w.first ? w.first[0] : 0, words = !w.id ? 0 : (w.first ? w.first[n] : n) - from;
    struct gradient_args a = {floats_of(z), V, {1 / ask->rules.temperature}};
    struct lessons l;
    struct bundle in;
    std::vector<int32_t> banned = banned_once(ask->rules);
    if (n <= 0) return;
    join_supports(ask, n, &l);
    fetch_shares(d, z, V, &l);
    diverge_rows(d, z, n, V, ask, &l, value);
    size_t ban = in.add(banned), scale = in.add(l.scale), at = in.add(l.at), id = in.add(l.id),
           given = in.add(l.given), first = w.first ? in.add(w.first, (size_t)n + 1) : 0,
           word = in.add(words ? w.id + from : NULL, (size_t)words),
           dlogp = in.add(words ? ask->dlogp + from : NULL, (size_t)words),
           dentropy = in.add(l.dentropy), total = in.add(ask->total, (size_t)n),
           entropy = in.add(ask->entropy, ask->dentropy ? (size_t)n : 0);
    void *lists = upload(d, in);
    if (!lists || d->fault.status) return;
    place(a.rules.banned, lists, ban), a.rules.n_banned = (int)banned.size();
    place(a.scale, lists, scale), place(a.at, lists, at), place(a.id, lists, id);
    place(a.given, lists, given);
    if (w.first) place(a.first, lists, first);
    place(a.word, lists, word);
    if (words) place(a.dlogp, lists, dlogp);
    if (ask->dentropy) place(a.dentropy, lists, dentropy);
    place(a.total, lists, total), place(a.entropy, lists, entropy);
    launch_gradient(d, a, n, rows_wide(z, V));
}
