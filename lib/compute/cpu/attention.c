/* attention: grouped-query attention over spans, with the keys of a shared prompt computed together
 * for all its replies. Scores exist for one block of query rows at a time, of one head or, where
 * rows are few, of all heads with the same keys; the backward pass recomputes them from the
 * log-sum-exp.
 *
 * Forward, what a row gives depends on its own query and on its keys in their order alone: scores
 * are summed over dim, values over the shared keys and then over its own, each in pieces of
 * PTD_PRODUCT_PIECE keys (product.h), whatever rows, blocks of keys and threads are beside it.
 *
 * On a device of products by pairs (pairs.h) those of a picture's attention, which is not causal,
 * are such, and all of the backward pass but scores of causal attention: a text's is decoded a row
 * at a time, where keys are not worth turning, and its scores are those that lse is of. */
#include "base/err.h"
#include "base/threads.h"
#include "compute/cpu/attention.h"
#include "compute/cpu/floats.h"
#include "compute/cpu/narrow.h"
#include "compute/cpu/ops.h"
#include "compute/cpu/pairs.h"
#include "compute/cpu/product.h"
#include "compute/cpu/round.h"
#include "compute/cpu/vec.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_ROWS 64 /* more waste what a causal row does not see, fewer make slow products */
#define WIDENED    32 /* keys in bfloat16 that are widened at a time: they stay near */
#define FEW_ROWS   4  /* backward: below, plain loops beat a product call */

/* A piece: the part of one span inside a block of query rows. */
struct piece {
    long row;
    int n, keys, col; /* keys: own keys the last row sees; col: first own column */
    const struct ptd_span *span;
    int from;
};

enum { SCORES, DSCORES, KEYS, VALUES, QUERIES, OUTPUTS, SCRATCH };

static float *scratch(int which, size_t n)
{
    static _Thread_local float *buf[SCRATCH];
    static _Thread_local size_t cap[SCRATCH];
    if (n > cap[which]) {
        free(buf[which]);
        if (posix_memalign((void **)&buf[which], 64, n * sizeof(float)))
            ptd_die(PTD_OSERR, "out of memory asking for %zu bytes", n * sizeof(float));
        cap[which] = n;
    }
    return buf[which];
}

/* C [m, n] (+)= alpha A [m, k] B [k, n] */
static void times(float *C, long ldc, int add, const float *A, long lda, const float *B, long ldb,
                  int m, int n, int k, float alpha)
{
    if (m >= FEW_ROWS) {
        ptd_product_nn(C, ldc, add, alpha, A, lda, B, ldb, m, n, k);
        return;
    }
    for (int i = 0; i < m; i++) {
        if (!add) memset(C + i * ldc, 0, n * sizeof *C);
        for (int j = 0; j < k; j++) vec_axpy(C + i * ldc, alpha * A[i * lda + j], B + j * ldb, n);
    }
}

/* ---- keys, wherever they lie ---- */

/* Pool row of key j of those that begin at a place. */
static long key_row(const struct ptd_attention *a, long place, int j)
{
    if (!a->blocks) return place + j;
    return (long)a->blocks[place + j / a->block_rows] * a->block_rows + j % a->block_rows;
}

/* Of the keys from j to n so many are neighbours. */
static int together(const struct ptd_attention *a, int j, int n)
{
    int left = a->blocks ? a->block_rows - j % a->block_rows : n - j;
    return left < n - j ? left : n - j;
}

/* Number n of a pool from p on: of floats, or of bfloat16. */
static const void *pool_at(const struct ptd_attention *a, const void *p, long n)
{
    return (const char *)p + n * (a->halves ? (long)sizeof(uint16_t) : (long)sizeof(float));
}

/* Rows first .. last of a head, of those that begin at a place, as floats side by side. */
static const float *bring(const struct ptd_attention *a, int which, const void *pool, long ld,
                          long place, int first, int last)
{
    float *to = scratch(which, (size_t)(last - first) * a->dim), *at = to;
    for (int j = first; j < last; j++, at += a->dim) {
        const void *row = pool_at(a, pool, key_row(a, place, j) * ld);
        if (a->halves)
            ptd_unround(at, row, a->dim);
        else
            memcpy(at, row, a->dim * sizeof *at);
    }
    return to;
}

static int dtype_of(const struct ptd_attention *a)
{
    return a->halves ? PTD_BF16 : PTD_F32;
}

static void times_keys_pairs(const struct ptd_attention *a, float *C, long ldc, const float *A,
                             long lda, const void *K, long ldk, long place, int m, int n)
{
    for (int j = 0, some; j < n; j += some) {
        some = together(a, j, n);
        ptd_pairs_nt(C + j, ldc, 0, A, lda, pool_at(a, K, key_row(a, place, j) * ldk), dtype_of(a),
                     ldk, m, some, a->dim);
    }
}

/* C [m, n] = alpha A [m, dim] K^T with the n keys that begin at a place. */
static void times_keys(const struct ptd_attention *a, float *C, long ldc, const float *A, long lda,
                       const void *K, long ldk, long place, int m, int n, float alpha)
{
    for (int j = 0, some; j < n; j += some) {
        const void *k = pool_at(a, K, key_row(a, place, j) * ldk);
        long apart = ldk;
        some = together(a, j, n);
        if (a->halves) {
            if (some > WIDENED) some = WIDENED;
            k = bring(a, KEYS, K, ldk, place, j, j + some);
            apart = a->dim;
        }
        ptd_product_rows_nt(C + j, ldc, 0, alpha, A, lda, k, apart, m, some, a->dim);
    }
}

struct mix {
    const struct ptd_attention *a;
    float *C;
    long ldc;
    const float *A;
    const void *V;
    long lda, ldv, place;
};

/* Columns c of a value, a vector or what there is of one. */
VEC_INLINE vec_f value_of(const void *v, int halves, long c, long n)
{
    if (!halves) return vec_load_part((const float *)v + c, n, 0);
    return n >= VEC ? vec_load_bf16((const uint16_t *)v + c)
                    : vec_load_bf16_part((const uint16_t *)v + c, n);
}

/* C [rows, vecs] (+)= A V at column c, with the keys from j to n. */
VEC_INLINE void mix_piece(int rows, int halves, int vecs, const struct mix *t, int add, int c,
                          int j, int n)
{
    vec_f sum[PTD_NARROW][4] = {{{0}}};
    for (int some; j < n; j += some) {
        const void *v = pool_at(t->a, t->V, key_row(t->a, t->place, j) * t->ldv);
        some = together(t->a, j, n);
        for (int i = j; i < j + some; i++, v = pool_at(t->a, v, t->ldv))
#pragma GCC unroll 4
            for (int h = 0; h < vecs; h++) {
                vec_f x = value_of(v, halves, c + h * VEC, vecs > 1 ? VEC : t->a->dim - c);
#pragma GCC unroll 4
                for (int r = 0; r < rows; r++) sum[r][h] += vec_set(t->A[r * t->lda + i]) * x;
            }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int h = 0; h < vecs; h++)
            vec_put(t->C + r * t->ldc + c + h * VEC, sum[r][h], vecs > 1 ? VEC : t->a->dim - c,
                    add);
}

VEC_INLINE void mix(int rows, int halves, const struct mix *t, int add, int n)
{
    for (int j = 0, end; j < n; j = end, add = 1) {
        int c = 0, D = t->a->dim;
        end = j + PTD_PRODUCT_PIECE < n ? j + PTD_PRODUCT_PIECE : n;
        for (; c + 4 * VEC <= D; c += 4 * VEC) mix_piece(rows, halves, 4, t, add, c, j, end);
        for (; c + 2 * VEC <= D; c += 2 * VEC) mix_piece(rows, halves, 2, t, add, c, j, end);
        for (; c < D; c += VEC) mix_piece(rows, halves, 1, t, add, c, j, end);
    }
}

/* The compiler keeps sums in registers only if the number of rows is known. */
static void mix_few(const struct mix *t, int add, int m, int n)
{
#define MIX(rows)                                                                                  \
    case rows:                                                                                     \
        if (t->a->halves)                                                                          \
            mix(rows, 1, t, add, n);                                                               \
        else                                                                                       \
            mix(rows, 0, t, add, n);                                                               \
        break;
    switch (m) {
        MIX(1)
        MIX(2)
        MIX(3)
        MIX(4)
    }
#undef MIX
}

static void times_values_pairs(const struct ptd_attention *a, float *C, long ldc, int add,
                               const float *A, long lda, const void *V, long ldv, long place, int m,
                               int n)
{
    if (together(a, 0, n) < n)
        ptd_pairs_nn(C, ldc, add, A, lda, bring(a, VALUES, V, ldv, place, 0, n), PTD_F32, a->dim, m,
                     a->dim, n);
    else
        ptd_pairs_nn(C, ldc, add, A, lda, pool_at(a, V, key_row(a, place, 0) * ldv), dtype_of(a),
                     ldv, m, a->dim, n);
}

/* C [m, dim] (+)= A [m, n] V with the n values that begin at a place. */
static void times_values(const struct ptd_attention *a, float *C, long ldc, int add, const float *A,
                         long lda, const void *V, long ldv, long place, int m, int n)
{
    if (m <= PTD_NARROW)
        mix_few(&(struct mix){a, C, ldc, A, V, lda, ldv, place}, add, m, n);
    else if (a->halves || together(a, 0, n) < n)
        ptd_product_rows_nn(C, ldc, add, 1, A, lda, bring(a, VALUES, V, ldv, place, 0, n), a->dim,
                            m, a->dim, n);
    else
        ptd_product_rows_nn(C, ldc, add, 1, A, lda, pool_at(a, V, key_row(a, place, 0) * ldv), ldv,
                            m, a->dim, n);
}

struct block {
    struct piece *piece;
    int n_pieces, rows, ld;
    long row;
    const struct ptd_span *head;
};

/* Cuts rows of a run into the next block of at most BLOCK_ROWS rows; *span, *at say where to go on.
 * Returns 0 when the run is done. */
static int next_block(const struct ptd_attention *a, const struct run *r, int *span, int *at,
                      struct block *b)
{
    b->rows = b->n_pieces = b->ld = 0;
    if (*span == r->n) return 0;
    b->head = &a->spans[r->first];
    b->row = a->spans[r->first + *span].row + *at;
    while (*span < r->n && b->rows < BLOCK_ROWS) {
        const struct ptd_span *s = &a->spans[r->first + *span];
        int n = s->n - *at < BLOCK_ROWS - b->rows ? s->n - *at : BLOCK_ROWS - b->rows;
        int keys = s->past + (a->causal ? *at + n : s->n);
        b->piece[b->n_pieces++] = (struct piece){s->row + *at, n, keys, s->n_shared, s, *at};
        if (keys > b->ld) b->ld = keys;
        b->rows += n;
        *at += n;
        if (*at == s->n) ++*span, *at = 0;
    }
    b->ld += b->head->n_shared;
    b->ld += b->ld % 1024 == 0; /* rows 4 KiB apart drive each other out of the first cache */
    return 1;
}

/* Rows of `heads` heads of a block, heads by rows, one behind the other: [heads, rows, dim], times
 * scale. */
static float *queries(const struct ptd_attention *a, const struct block *b, const float *q,
                      long stride, int heads, float scale)
{
    float *to = scratch(QUERIES, (size_t)heads * b->rows * a->dim), *at = to;
    for (int h = 0; h < heads; h++)
        for (int r = 0; r < b->rows; r++, at += a->dim)
            vec_copy(at, q + (b->row + r) * stride + h * a->dim, a->dim);
    if (scale != 1) vec_scale(to, scale, at - to);
    return to;
}

/* Of these rows, those of a piece: m of them at a time, `apart` from each other, `times` times. */
struct part {
    int m, times;
    long apart, next;
};

static struct part part_of(const struct block *b, const struct piece *p, int heads)
{
    if (p->n == 1) return (struct part){heads, 1, b->rows, 0};
    return (struct part){p->n, heads, 1, b->rows};
}

static void score_keys(const struct ptd_attention *a, int pairs, float *S, long lds, const float *Q,
                       long ldq, const void *k, long place, int m, int n, float scale)
{
    if (pairs)
        times_keys_pairs(a, S, lds, Q, ldq, k, a->k_stride, place, m, n);
    else
        times_keys(a, S, lds, Q, ldq, k, a->k_stride, place, m, n, scale);
}

/* S [heads, rows, ld] = scores of block b, times scale; Q as above, k at the heads' first column.
 * By pairs: of queries that have the scale. */
static void scores(const struct ptd_attention *a, int pairs, const struct block *b, int heads,
                   const float *Q, const void *k, float scale, float *S)
{
    long D = a->dim;
    if (b->head->n_shared)
        score_keys(a, pairs, S, b->ld, Q, D, k, b->head->shared, heads * b->rows, b->head->n_shared,
                   scale);
    for (int i = 0; i < b->n_pieces; i++) {
        const struct piece *p = &b->piece[i];
        struct part t = part_of(b, p, heads);
        long row = p->row - b->row;
        for (int n = 0; n < t.times; n++, row += t.next)
            score_keys(a, pairs, S + row * b->ld + p->col, t.apart * b->ld, Q + row * D,
                       t.apart * D, k, p->span->own, t.m, p->keys, scale);
    }
}

/* Columns that row i of piece p sees. */
static int visible(const struct ptd_attention *a, const struct piece *p, int i)
{
    return p->col + (a->causal ? p->span->past + p->from + i + 1 : p->keys);
}

static float softmax_row(float *s, int n, int all)
{
    float m = vec_max(s, n), sum = 0;
    vec_f acc = {0};
    int i = 0;
    for (; i + VEC <= n; i += VEC) {
        vec_f e = vec_exp(vec_load(s + i) - m);
        acc += e;
        vec_store(s + i, e);
    }
    if (i < n) {
        vec_f e = vec_exp(vec_load_part(s + i, n - i, -INFINITY) - m);
        acc += e;
        vec_store_part(s + i, e, n - i);
    }
    sum = vec_lanes_sum(acc);
    vec_scale(s, 1 / sum, n);
    if (all > n) memset(s + n, 0, (all - n) * sizeof *s);
    return m + logf(sum);
}

struct job {
    const struct ptd_attention_plan *plan;
    const struct ptd_attention *a;
    float *o, *lse, *dq, *dk, *dv;
    const float *q, *k, *v, *dout, *out, *clse;
    int pairs, pairs_back; /* 1: products by pairs forward, and backward */
};

/* See above which they are. */
static void choose_products(struct job *j, const struct ptd_device *d)
{
    j->pairs_back = ptd_cpu_by_pairs(d);
    j->pairs = j->pairs_back && !j->a->causal;
}

/* Scores become probabilities. */
static void softmax(const struct job *j, const struct block *b, int h, float *S)
{
    for (int i = 0; i < b->n_pieces; i++)
        for (int r = 0; r < b->piece[i].n; r++) {
            const struct piece *p = &b->piece[i];
            float l = softmax_row(S + (p->row - b->row + r) * b->ld, visible(j->a, p, r),
                                  p->col + p->keys);
            if (j->lse) j->lse[(p->row + r) * j->a->heads + h] = l;
        }
}

static void mix_values(const struct job *j, float *O, long ldo, int add, const float *S, long lds,
                       const void *v, long place, int m, int n)
{
    if (j->pairs)
        times_values_pairs(j->a, O, ldo, add, S, lds, v, j->a->v_stride, place, m, n);
    else
        times_values(j->a, O, ldo, add, S, lds, v, j->a->v_stride, place, m, n);
}

/* O [heads, rows, dim] = the probabilities S times the values; v at the heads' first column. */
static void values(const struct job *j, const struct block *b, int heads, const float *S,
                   const void *v, float *O)
{
    long D = j->a->dim;
    if (b->head->n_shared)
        mix_values(j, O, D, 0, S, b->ld, v, b->head->shared, heads * b->rows, b->head->n_shared);
    for (int i = 0; i < b->n_pieces; i++) {
        const struct piece *p = &b->piece[i];
        struct part t = part_of(b, p, heads);
        long row = p->row - b->row;
        for (int n = 0; n < t.times; n++, row += t.next)
            mix_values(j, O + row * D, t.apart * D, p->col > 0, S + row * b->ld + p->col,
                       t.apart * b->ld, v, p->span->own, t.m, p->keys);
    }
}

/* Heads h and those behind it, which have the same keys. */
static void forward_block(const struct job *j, const struct block *b, int h, int heads)
{
    const struct ptd_attention *a = j->a;
    int c = h / (a->heads / a->kv_heads), D = a->dim;
    float *S = scratch(SCORES, (size_t)heads * b->rows * b->ld),
          *O = scratch(OUTPUTS, (size_t)heads * b->rows * D), scale = 1 / sqrtf(D);
    const float *Q = queries(a, b, j->q + h * D, a->q_stride, heads, j->pairs ? scale : 1);
    scores(a, j->pairs, b, heads, Q, pool_at(a, j->k, c * D), scale, S);
    for (int i = 0; i < heads; i++) softmax(j, b, h + i, S + (size_t)i * b->rows * b->ld);
    values(j, b, heads, S, pool_at(a, j->v, c * D), O);
    for (int i = 0; i < heads; i++)
        for (int r = 0; r < b->rows; r++, O += D)
            vec_copy(j->o + (b->row + r) * a->o_stride + (h + i) * D, O, D);
}

/* Few rows: all heads with the same keys fit a block. */
static int is_narrow(const struct job *j, const struct run *r)
{
    const struct ptd_span *s = &j->a->spans[r->first], *last = s + r->n - 1;
    return (last->row + last->n - s->row) * (j->a->heads / j->a->kv_heads) <= BLOCK_ROWS;
}

/* One head of a run; or all with its keys, by the first of them. */
static void forward_head(const struct job *j, const struct run *r, int h)
{
    struct piece pieces[BLOCK_ROWS];
    struct block b = {.piece = pieces};
    int span = 0, at = 0, group = j->a->heads / j->a->kv_heads, heads = is_narrow(j, r) ? group : 1;
    if (h % heads) return;
    while (next_block(j->a, r, &span, &at, &b)) forward_block(j, &b, h, heads);
}

static void forward_runs(void *ctx, long first, long last)
{
    const struct job *j = ctx;
    for (long i = first; i < last; i++)
        forward_head(j, &j->plan->runs[i / j->a->heads], (int)(i % j->a->heads));
}

void ptd_cpu_attention(struct ptd_device *d, const struct ptd_attention_plan *p, ptd_num *o,
                       ptd_stat *lse, const ptd_num *q, const ptd_num *k, const ptd_num *v)
{
    struct job j = {.plan = p,
                    .a = &p->shape,
                    .o = FLOATS(o),
                    .lse = FLOATS(lse),
                    .q = FLOATS(q),
                    .k = FLOATS(k),
                    .v = FLOATS(v)};
    choose_products(&j, d);
    ptd_parallel((long)p->n_runs * p->shape.heads, 1, forward_runs, &j);
}

/* Scores s [n] become probabilities, dP in d [n] becomes dS. */
static void probabilities(float *s, float *d, int n, float lse, float delta, float scale)
{
    int t = 0;
    for (; t + VEC <= n; t += VEC) {
        vec_f e = vec_exp(vec_load(s + t) - lse);
        vec_store(d + t, scale * e * (vec_load(d + t) - delta));
        vec_store(s + t, e);
    }
    if (t < n) {
        vec_f e = vec_exp(vec_load_part(s + t, n - t, -INFINITY) - lse);
        vec_store_part(d + t, scale * e * (vec_load_part(d + t, n - t, 0) - delta), n - t);
        vec_store_part(s + t, e, n - t);
    }
}

/* C [m, n] (+)= A [m, k] B [k, n] */
static void back_nn(const struct job *j, float *C, long ldc, int add, const float *A, long lda,
                    const float *B, long ldb, int m, int n, int k)
{
    if (j->pairs_back)
        ptd_pairs_nn(C, ldc, add, A, lda, B, PTD_F32, ldb, m, n, k);
    else
        times(C, ldc, add, A, lda, B, ldb, m, n, k, 1);
}

/* C [m, n] += A [k, m]^T B [k, n] */
static void back_tn(const struct job *j, float *C, long ldc, const float *A, long lda,
                    const float *B, long ldb, int m, int n, int k)
{
    if (j->pairs_back)
        ptd_pairs_tn(C, ldc, 1, A, lda, B, PTD_F32, ldb, m, n, k);
    else
        ptd_product_tn(C, ldc, 1, 1, A, lda, B, ldb, m, n, k);
}

/* P and dS of one block, then the products that give dV, dQ, dK. */
static void backward_block(const struct job *j, const struct block *b, int h)
{
    const struct ptd_attention *a = j->a;
    int c = h / (a->heads / a->kv_heads), D = a->dim;
    float scale = 1 / sqrtf(D), *P = scratch(SCORES, (size_t)b->rows * b->ld),
          *dS = scratch(DSCORES, (size_t)b->rows * b->ld);
    const float *q = j->q + h * D, *k = j->k + c * D, *v = j->v + c * D, *dout = j->dout + h * D,
                *out = j->out + h * D;
    float *dq = j->dq + h * D, *dk = j->dk + c * D, *dv = j->dv + c * D;
    /* dP = dO V^T has the shape of the scores, with v in place of k */
    struct ptd_attention values = *a;
    values.k_stride = a->v_stride;
    scores(a, j->pairs, b, 1, queries(a, b, q, a->q_stride, 1, j->pairs ? scale : 1), k, scale, P);
    scores(&values, j->pairs_back, b, 1, queries(a, b, dout, a->o_stride, 1, 1), v, 1, dS);
    for (int i = 0; i < b->n_pieces; i++)
        for (int r = 0; r < b->piece[i].n; r++) {
            const struct piece *p = &b->piece[i];
            long row = p->row + r;
            int n = visible(a, p, r), all = p->col + p->keys;
            float *s = P + (row - b->row) * b->ld, *d = dS + (row - b->row) * b->ld,
                  l = j->clse[row * a->heads + h];
            float delta = vec_dot(dout + row * a->o_stride, out + row * a->o_stride, D);
            probabilities(s, d, n, l, delta, scale);
            memset(s + n, 0, (all - n) * sizeof *s);
            memset(d + n, 0, (all - n) * sizeof *d);
        }
    if (b->head->n_shared) {
        long k0 = b->head->shared, ns = b->head->n_shared;
        back_nn(j, dq + b->row * a->q_stride, a->q_stride, 0, dS, b->ld, k + k0 * a->k_stride,
                a->k_stride, b->rows, D, ns);
        back_tn(j, dk + k0 * a->k_stride, a->k_stride, dS, b->ld, q + b->row * a->q_stride,
                a->q_stride, ns, D, b->rows);
        back_tn(j, dv + k0 * a->v_stride, a->v_stride, P, b->ld, dout + b->row * a->o_stride,
                a->o_stride, ns, D, b->rows);
    }
    for (int i = 0; i < b->n_pieces; i++) {
        const struct piece *p = &b->piece[i];
        long own = p->span->own;
        float *s = P + (p->row - b->row) * b->ld + p->col,
              *d = dS + (p->row - b->row) * b->ld + p->col;
        back_nn(j, dq + p->row * a->q_stride, a->q_stride, p->col > 0, d, b->ld,
                k + own * a->k_stride, a->k_stride, p->n, D, p->keys);
        back_tn(j, dk + own * a->k_stride, a->k_stride, d, b->ld, q + p->row * a->q_stride,
                a->q_stride, p->keys, D, p->n);
        back_tn(j, dv + own * a->v_stride, a->v_stride, s, b->ld, dout + p->row * a->o_stride,
                a->o_stride, p->keys, D, p->n);
    }
}

static void backward_families(void *ctx, long first, long last)
{
    const struct job *j = ctx;
    const int *family = j->plan->family;
    int group = j->a->heads / j->a->kv_heads;
    struct piece pieces[BLOCK_ROWS];
    for (long i = first; i < last; i++) {
        long f = i / j->a->kv_heads;
        int c = (int)(i % j->a->kv_heads);
        for (int r = family[f]; r < family[f + 1]; r++)
            for (int h = c * group; h < (c + 1) * group; h++) {
                struct block b = {.piece = pieces};
                int span = 0, at = 0;
                while (next_block(j->a, &j->plan->runs[r], &span, &at, &b))
                    backward_block(j, &b, h);
            }
    }
}

void ptd_cpu_attention_backward(struct ptd_device *d, const struct ptd_attention_plan *p,
                                ptd_num *dq, ptd_num *dk, ptd_num *dv, const ptd_num *dout,
                                const ptd_num *o, const ptd_stat *lse, const ptd_num *q,
                                const ptd_num *k, const ptd_num *v)
{
    struct job j = {.plan = p,
                    .a = &p->shape,
                    .dq = FLOATS(dq),
                    .dk = FLOATS(dk),
                    .dv = FLOATS(dv),
                    .dout = FLOATS(dout),
                    .out = FLOATS(o),
                    .clse = FLOATS(lse),
                    .q = FLOATS(q),
                    .k = FLOATS(k),
                    .v = FLOATS(v)};
    choose_products(&j, d);
    ptd_parallel((long)p->n_families * p->shape.kv_heads, 1, backward_families, &j);
}
