/* test-attention: the CPU's attention against a plain one in double, forward and backward, over
 * every kind of span; the plain backward against differences; one and two threads. */
#include "host-ops.h"
#include "test.h"
#include "base/dtype.h"
#include "base/err.h"
#include "base/rng.h"
#include "base/threads.h"
#include "compute/ops.h"
#include <stdlib.h>
#include <string.h>

#define SPANS 40

struct scene {
    const char *name;
    int heads, kv_heads, dim, causal, n_spans;
    struct ptd_span spans[SPANS];
    long rows, pool;         /* query rows; rows of keys and values */
    int gap;                 /* floats between rows beyond what is needed */
    float *q, *k, *v, *dout; /* with strides */
    float *o, *lse, *dq, *dk, *dv;
    double *ref_o, *ref_lse, *ref_dq, *ref_dk, *ref_dv; /* same strides */
};

static long q_width(const struct scene *s)
{
    return (long)s->heads * s->dim;
}
static long k_width(const struct scene *s)
{
    return (long)s->kv_heads * s->dim;
}
static long q_stride(const struct scene *s)
{
    return q_width(s) + s->gap;
}
static long k_stride(const struct scene *s)
{
    return k_width(s) + 2 * s->gap;
}
static long v_stride(const struct scene *s)
{
    return k_width(s) + 3 * s->gap;
}
static long o_stride(const struct scene *s)
{
    return q_width(s) + 4 * s->gap;
}

static struct ptd_attention table(const struct scene *s)
{
    return (struct ptd_attention){.heads = s->heads,
                                  .kv_heads = s->kv_heads,
                                  .dim = s->dim,
                                  .causal = s->causal,
                                  .q_stride = q_stride(s),
                                  .k_stride = k_stride(s),
                                  .v_stride = v_stride(s),
                                  .o_stride = o_stride(s),
                                  .spans = s->spans,
                                  .n_spans = s->n_spans};
}

/* ---- scenes ---- */

/* A prompt, or a reply to one, whose keys are its own rows. Returns its number. */
static int add(struct scene *s, int n, int prompt)
{
    struct ptd_span *p = &s->spans[s->n_spans++];
    assert_true(s->n_spans <= SPANS);
    *p = (struct ptd_span){.row = s->rows, .n = n, .own = s->rows};
    if (prompt >= 0) {
        p->shared = s->spans[prompt].row;
        p->n_shared = s->spans[prompt].n;
    }
    s->rows += n;
    s->pool = s->rows;
    return s->n_spans - 1;
}

/* Decoding: n new rows of a sequence that has `past` own keys, after a prompt at pool row `shared`.
 */
static void add_step(struct scene *s, int n, int past, long shared, int n_shared)
{
    struct ptd_span *p = &s->spans[s->n_spans++];
    assert_true(s->n_spans <= SPANS);
    *p = (struct ptd_span){.row = s->rows,
                           .n = n,
                           .own = s->pool,
                           .past = past,
                           .shared = shared,
                           .n_shared = n_shared};
    s->rows += n;
    s->pool += past + n + 2; /* room that nobody has written */
}

static float *values(int which, long n, double scale)
{
    float *x = ptd_array(n + 1, sizeof *x);
    for (long i = 0; i < n; i++)
        x[i] = (float)(scale * ptd_normal(8, PTD_RNG_TEST, which, (uint32_t)i, 0));
    return x;
}

static float *nans(long n)
{
    float *x = ptd_array(n + 1, sizeof *x);
    for (long i = 0; i < n; i++) x[i] = NAN;
    return x;
}

static void fill(struct scene *s)
{
    s->q = values(1, s->rows * q_stride(s), 1.5);
    s->k = values(2, s->pool * k_stride(s), 1.5);
    s->v = values(3, s->pool * v_stride(s), 1);
    s->dout = values(4, s->rows * o_stride(s), 1);
    s->o = nans(s->rows * o_stride(s));
    s->lse = nans(s->rows * s->heads);
    s->dq = nans(s->rows * q_stride(s));
    s->dk = values(5, s->pool * k_stride(s), 1); /* both are added to */
    s->dv = values(6, s->pool * v_stride(s), 1);
    s->ref_o = ptd_array(s->rows * o_stride(s), sizeof(double));
    s->ref_lse = ptd_array(s->rows * s->heads, sizeof(double));
    s->ref_dq = ptd_array(s->rows * q_stride(s), sizeof(double));
    s->ref_dk = ptd_array(s->pool * k_stride(s), sizeof(double));
    s->ref_dv = ptd_array(s->pool * v_stride(s), sizeof(double));
}

static void clear(struct scene *s)
{
    void *all[] = {s->q,  s->k,  s->v,     s->dout,    s->o,      s->lse,    s->dq,
                   s->dk, s->dv, s->ref_o, s->ref_lse, s->ref_dq, s->ref_dk, s->ref_dv};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* ---- the plain form ---- */

static int n_keys(const struct scene *s, const struct ptd_span *p, int i)
{
    return p->n_shared + p->past + (s->causal ? i + 1 : p->n);
}

static long key_row(const struct ptd_span *p, int j)
{
    return j < p->n_shared ? p->shared + j : p->own + j - p->n_shared;
}

static double dot(const float *a, const float *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (double)a[i] * b[i];
    return sum;
}

/* p[n] probabilities of one query; returns the log-sum-exp. */
static double shares(const struct scene *s, const struct ptd_span *p, int i, int h, double *share)
{
    const float *q = s->q + (p->row + i) * q_stride(s) + h * s->dim;
    int n = n_keys(s, p, i), c = h / (s->heads / s->kv_heads);
    double most = -INFINITY, sum = 0;
    for (int j = 0; j < n; j++)
        share[j] = dot(q, s->k + key_row(p, j) * k_stride(s) + c * s->dim, s->dim) / sqrt(s->dim);
    for (int j = 0; j < n; j++) most = fmax(most, share[j]);
    for (int j = 0; j < n; j++) sum += exp(share[j] - most);
    for (int j = 0; j < n; j++) share[j] = exp(share[j] - most) / sum;
    return most + log(sum);
}

static void plain_query(struct scene *s, const struct ptd_span *p, int i, int h, double *share,
                        int backward)
{
    long row = p->row + i;
    int n = n_keys(s, p, i), D = s->dim, c = h / (s->heads / s->kv_heads) * D;
    double *o = s->ref_o + row * o_stride(s) + h * D, delta = 0;
    const float *dout = s->dout + row * o_stride(s) + h * D;
    s->ref_lse[row * s->heads + h] = shares(s, p, i, h, share);
    for (int d = 0; d < D; d++) {
        o[d] = 0;
        for (int j = 0; j < n; j++) o[d] += share[j] * s->v[key_row(p, j) * v_stride(s) + c + d];
        delta += o[d] * dout[d];
    }
    for (int j = 0; backward && j < n; j++) {
        long at = key_row(p, j);
        double ds = share[j] * (dot(dout, s->v + at * v_stride(s) + c, D) - delta) / sqrt(D);
        for (int d = 0; d < D; d++) {
            s->ref_dq[row * q_stride(s) + h * D + d] += ds * s->k[at * k_stride(s) + c + d];
            s->ref_dk[at * k_stride(s) + c + d] += ds * s->q[row * q_stride(s) + h * D + d];
            s->ref_dv[at * v_stride(s) + c + d] += share[j] * dout[d];
        }
    }
}

static void plain(struct scene *s, int backward)
{
    double *share = ptd_array(s->pool + 1, sizeof *share);
    for (int k = 0; k < s->n_spans; k++)
        for (int i = 0; i < s->spans[k].n; i++)
            for (int h = 0; h < s->heads; h++) plain_query(s, &s->spans[k], i, h, share, backward);
    free(share);
}

static double plain_loss(struct scene *s)
{
    double sum = 0;
    plain(s, 0);
    for (long i = 0; i < s->rows * o_stride(s); i++)
        if (i % o_stride(s) < q_width(s)) sum += s->ref_o[i] * s->dout[i];
    return sum;
}

/* ---- comparison ---- */

/* Rows of `width` floats against base + want; the gaps must be as they were. */
static void compare(const struct scene *s, const char *what, const float *got, const float *base,
                    const double *want, long rows, long width, long stride, double within)
{
    for (long i = 0; i < rows * stride; i++) {
        double w = (base ? base[i] : 0) + want[i];
        if (i % stride >= width)
            assert_memory_equal(got + i, base ? base + i : &(float){NAN}, sizeof *got);
        else if (!(fabs(got[i] - w) <= within * (1 + fabs(w))))
            fail_msg("%s: %s, row %ld, column %ld, is %.9g, expected %.9g", s->name, what,
                     i / stride, i % stride, got[i], w);
    }
}

static void check_forward(struct scene *s)
{
    struct ptd_attention a = table(s);
    plain(s, 0);
    for (int keep = 1; keep >= 0; keep--) {
        host_attention(&a, s->o, keep ? s->lse : NULL, s->q, s->k, s->v);
        compare(s, "o", s->o, NULL, s->ref_o, s->rows, q_width(s), o_stride(s), 5e-6);
    }
    compare(s, "lse", s->lse, NULL, s->ref_lse, s->rows, s->heads, s->heads, 2e-6);
}

static void check_backward(struct scene *s)
{
    struct ptd_attention a = table(s);
    float *dk = values(5, s->pool * k_stride(s), 1), *dv = values(6, s->pool * v_stride(s), 1);
    plain(s, 1);
    host_attention_backward(&a, s->dq, s->dk, s->dv, s->dout, s->o, s->lse, s->q, s->k, s->v);
    compare(s, "dq", s->dq, NULL, s->ref_dq, s->rows, q_width(s), q_stride(s), 2e-5);
    compare(s, "dk", s->dk, dk, s->ref_dk, s->pool, k_width(s), k_stride(s), 2e-5);
    compare(s, "dv", s->dv, dv, s->ref_dv, s->pool, k_width(s), v_stride(s), 2e-5);
    free(dk);
    free(dv);
}

static void check_scene(struct scene *s, int backward)
{
    fill(s);
    check_forward(s);
    if (backward) check_backward(s);
    clear(s);
}

/* ---- tests ---- */

/* Prompts with replies, a prompt without any, a reply that is longer than its prompt. */
static struct scene families(void)
{
    static const int replies[] = {5, 1, 9};
    struct scene s = {
        .name = "families", .heads = 4, .kv_heads = 2, .dim = 16, .causal = 1, .gap = 5};
    int p = add(&s, 37, -1);
    for (int i = 0; i < 3; i++) add(&s, replies[i], p);
    p = add(&s, 6, -1);
    add(&s, 2, p);
    add(&s, 11, p);
    add(&s, 4, -1);
    p = add(&s, 1, -1);
    for (int i = 0; i < 6; i++) add(&s, 1, p);
    return s;
}

static void differences_confirm_the_plain_backward(void **state)
{
    const float h = 1.0f / 256;
    struct scene s = families();
    float *x[3];
    double *g[3], up, down;
    long n[3] = {s.rows * q_stride(&s), s.pool * k_stride(&s), s.pool * v_stride(&s)};
    (void)state;
    fill(&s);
    x[0] = s.q, x[1] = s.k, x[2] = s.v;
    g[0] = s.ref_dq, g[1] = s.ref_dk, g[2] = s.ref_dv;
    plain(&s, 1);
    for (int k = 0; k < 3; k++)
        for (long i = k; i < n[k]; i += 97) {
            float saved = x[k][i], above = saved + h, below = saved - h;
            x[k][i] = above, up = plain_loss(&s);
            x[k][i] = below, down = plain_loss(&s);
            x[k][i] = saved;
            assert_close((up - down) / ((double)above - below), g[k][i], 2e-4);
        }
    clear(&s);
}

static void replies_share_their_prompt(void **state)
{
    struct scene s = families();
    (void)state;
    check_scene(&s, 1);
}

static void blocks_of_a_long_prompt(void **state)
{
    static const int lengths[] = {127, 128, 129, 256, 300};
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct scene s = {.name = "long", .heads = 2, .kv_heads = 1, .dim = 8, .causal = 1};
        add(&s, lengths[i], -1);
        check_scene(&s, 1);
    }
}

/* Blocks begin and end within replies, and one holds many. */
static void blocks_of_many_replies(void **state)
{
    static const int replies[] = {100, 90, 1, 51, 13, 128, 3, 129, 2};
    struct scene s = {
        .name = "replies", .heads = 2, .kv_heads = 2, .dim = 8, .causal = 1, .gap = 1};
    (void)state;
    add(&s, 20, -1);
    for (int i = 0; i < 9; i++) add(&s, replies[i], 0);
    check_scene(&s, 1);
    s = (struct scene){.name = "short replies", .heads = 2, .kv_heads = 2, .dim = 8, .causal = 1};
    add(&s, 140, -1);
    for (int i = 0; i < 30; i++) add(&s, 1 + i % 7, 0);
    check_scene(&s, 1);
}

static void pictures_see_all_of_themselves(void **state)
{
    struct scene s = {
        .name = "pictures", .heads = 2, .kv_heads = 2, .dim = 24, .causal = 0, .gap = 96};
    (void)state;
    add(&s, 150, -1);
    add(&s, 7, -1);
    add(&s, 1, -1);
    add(&s, 128, -1);
    check_scene(&s, 1);
}

static void heads_share_keys(void **state)
{
    static const int heads[][3] = {{1, 1, 1}, {6, 1, 8}, {6, 3, 10}, {8, 2, 33}, {5, 5, 72}};
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct scene s = {.name = "heads",
                          .heads = heads[i][0],
                          .kv_heads = heads[i][1],
                          .dim = heads[i][2],
                          .causal = 1,
                          .gap = 3};
        int p = add(&s, 9, -1);
        add(&s, 3, p);
        add(&s, 17, p);
        check_scene(&s, 1);
    }
}

/* One row of each sequence, all at different lengths; then several at once (a prefill in pieces).
 * What the cache holds behind a sequence's end must not be read: it is NaN. */
static void decoding_reads_the_cache(void **state)
{
    (void)state;
    for (int n = 1; n <= 3; n += 2) {
        struct scene s = {.name = "decoding",
                          .heads = 4,
                          .kv_heads = 2,
                          .dim = 16,
                          .causal = 1,
                          .gap = 2,
                          .pool = 50};
        for (int i = 0; i < 6; i++) add_step(&s, n, 3 * i, 0, 30);
        for (int i = 0; i < 2; i++) add_step(&s, n, i, 30, 20);
        add_step(&s, n, 40, 0, 0);
        add_step(&s, n, 0, 0, 0);
        fill(&s);
        for (int i = 0; i < s.n_spans; i++)
            for (long r = s.spans[i].own + s.spans[i].past + n, end = r + 2; r < end; r++) {
                for (int c = 0; c < k_width(&s); c++)
                    s.k[r * k_stride(&s) + c] = s.v[r * v_stride(&s) + c] = NAN;
            }
        check_forward(&s);
        clear(&s);
    }
}

/* ---- company ---- */

enum { LONG = 600, OWN = 41 }; /* a prompt of more keys than are summed at once, and its reply */

/* Both in one go, as a trainer reads them. */
static struct scene in_one(int heads, int kv_heads, int dim)
{
    struct scene s = {
        .name = "company", .heads = heads, .kv_heads = kv_heads, .dim = dim, .causal = 1, .gap = 3};
    add(&s, LONG, -1);
    add(&s, OWN, 0);
    fill(&s);
    return s;
}

/* x [n] as bfloat16 numbers, malloc'd. */
static uint16_t *halved(const float *x, long n)
{
    uint16_t *half = ptd_array(n + 1, sizeof *half);
    ptd_dtype_from_float(half, PTD_BF16, x, (size_t)n);
    return half;
}

/* Keys and values become numbers that bfloat16 holds. */
static void in_halves(struct scene *s)
{
    float *pools[] = {s->k, s->v};
    long n[] = {s->pool * k_stride(s), s->pool * v_stride(s)};
    for (int i = 0; i < 2; i++) {
        uint16_t *half = halved(pools[i], n[i]);
        ptd_dtype_to_float(pools[i], half, PTD_BF16, (size_t)n[i]);
        free(half);
    }
}

/* As host_attention, with keys and values in bfloat16 on the device. */
static void attend_to_halves(struct ptd_attention a, float *o, float *lse, const float *q,
                             const float *k, const float *v)
{
    long n = attention_keys(&a);
    uint16_t *half_k = halved(k, n * a.k_stride), *half_v = halved(v, n * a.v_stride);
    a.halves = 1;
    host_attention(&a, o, lse, q, (float *)half_k, (float *)half_v);
    free(half_k);
    free(half_v);
}

/* The reply's rows again, `at_once` in a span each, all spans together or each alone, by plain
 * places or by blocks of 32 keys that lie in disorder, in bfloat16 or not; o and lse must be those
 * of `s`. */
static void check_again(const struct scene *s, int at_once, int alone, int in_blocks, int half)
{
    enum { PROMPT = (LONG + 31) / 32, ALL = PROMPT + (OWN + 31) / 32 };
    struct ptd_attention a = table(s);
    struct ptd_span spans[OWN];
    int32_t blocks[ALL];
    float *k = nans(ALL * 32 * k_stride(s)), *v = nans(ALL * 32 * v_stride(s)),
          *o = nans(s->rows * o_stride(s)), *lse = nans(s->rows * s->heads);
    for (int i = 0; i < ALL; i++) blocks[i] = i * 5 % ALL; /* ALL is no multiple of 5 */
    for (int i = 0; i < LONG + OWN; i++) {
        int at = i < LONG ? i : PROMPT * 32 + i - LONG;
        long to = blocks[at / 32] * 32 + at % 32;
        memcpy(k + to * k_stride(s), s->k + i * k_stride(s), k_width(s) * sizeof *k);
        memcpy(v + to * v_stride(s), s->v + i * v_stride(s), k_width(s) * sizeof *v);
    }
    int n = 0;
    for (int i = 0; i < OWN; i += at_once)
        spans[n++] = (struct ptd_span){.row = LONG + i,
                                       .n = OWN - i < at_once ? OWN - i : at_once,
                                       .own = in_blocks ? PROMPT : LONG,
                                       .past = i,
                                       .shared = 0,
                                       .n_shared = LONG};
    if (in_blocks) a.blocks = blocks, a.n_blocks = ALL, a.block_rows = 32;
    a.n_spans = alone ? 1 : n;
    for (int i = 0; i < n; i += a.n_spans) {
        const float *keys = in_blocks ? k : s->k, *of = in_blocks ? v : s->v;
        a.spans = spans + i;
        if (half)
            attend_to_halves(a, o, lse, s->q, keys, of);
        else
            host_attention(&a, o, lse, s->q, keys, of);
    }
    for (long i = LONG; i < LONG + OWN; i++) {
        assert_memory_equal(o + i * o_stride(s), s->o + i * o_stride(s), q_width(s) * sizeof *o);
        assert_memory_equal(lse + i * s->heads, s->lse + i * s->heads, s->heads * sizeof *lse);
    }
    free(k), free(v), free(o), free(lse);
}

/* However rows are brought together, and wherever keys lie. */
static void company_changes_no_bit(void **state)
{
    static const int shapes[][3] = {{4, 2, 16}, {1, 1, 33}, {6, 1, 72}, {8, 8, 128}};
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct scene s = in_one(shapes[i][0], shapes[i][1], shapes[i][2]);
        struct ptd_attention a = table(&s);
        host_attention(&a, s.o, s.lse, s.q, s.k, s.v);
        for (int how = 0; how < 4; how++)
            for (int n = 1; n <= OWN; n += n < 6 ? 1 : 7) check_again(&s, n, how / 2, how % 2, 0);
        clear(&s);
    }
}

/* A pool of bfloat16, where the device reads such: the bits of a pool of the same numbers. */
static void halves_change_no_bit(void **state)
{
    static const int shapes[][3] = {{4, 2, 16}, {1, 1, 33}, {6, 1, 72}, {8, 8, 128}};
    (void)state;
    if (!OPS->halve_rows) skip();
    for (int i = 0; i < 4; i++) {
        struct scene s = in_one(shapes[i][0], shapes[i][1], shapes[i][2]);
        struct ptd_attention a = table(&s);
        in_halves(&s);
        host_attention(&a, s.o, s.lse, s.q, s.k, s.v);
        for (int how = 0; how < 8; how++)
            for (int n = 1; n <= OWN; n += n < 6 ? 1 : 7)
                check_again(&s, n, how >> 1 & 1, how & 1, how >> 2);
        clear(&s);
    }
}

/* Scores of a thousand: probabilities 0 and 1, no overflow. */
static void large_scores(void **state)
{
    struct scene s = {.name = "large", .heads = 2, .kv_heads = 1, .dim = 16, .causal = 1};
    (void)state;
    add(&s, 40, -1);
    add(&s, 5, 0);
    fill(&s);
    for (long i = 0; i < s.rows * q_stride(&s); i++) s.q[i] *= 200;
    plain(&s, 1);
    struct ptd_attention a = table(&s);
    host_attention(&a, s.o, s.lse, s.q, s.k, s.v);
    host_attention_backward(&a, s.dq, s.dk, s.dv, s.dout, s.o, s.lse, s.q, s.k, s.v);
    compare(&s, "o", s.o, NULL, s.ref_o, s.rows, q_width(&s), o_stride(&s), 2e-3);
    for (long i = 0; i < s.rows * q_stride(&s); i++) assert_true(isfinite(s.dq[i]));
    clear(&s);
}

static void threads_change_no_bit(void **state)
{
    struct scene one = families(), two = families();
    struct ptd_attention a = table(&one);
    (void)state;
    fill(&one);
    fill(&two);
    for (int threads = 1; threads <= 2; threads++) {
        struct scene *s = threads == 1 ? &one : &two;
        if (threads == 2) ptd_threads_start(2);
        assert_int_equal(ptd_threads_count(), threads);
        host_attention(&a, s->o, s->lse, s->q, s->k, s->v);
        host_attention_backward(&a, s->dq, s->dk, s->dv, s->dout, s->o, s->lse, s->q, s->k, s->v);
    }
    assert_memory_equal(one.o, two.o, one.rows * o_stride(&one) * sizeof(float));
    assert_memory_equal(one.lse, two.lse, one.rows * one.heads * sizeof(float));
    assert_memory_equal(one.dq, two.dq, one.rows * q_stride(&one) * sizeof(float));
    assert_memory_equal(one.dk, two.dk, one.pool * k_stride(&one) * sizeof(float));
    assert_memory_equal(one.dv, two.dv, one.pool * v_stride(&one) * sizeof(float));
    clear(&one);
    clear(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_confirm_the_plain_backward),
        cmocka_unit_test(replies_share_their_prompt),
        cmocka_unit_test(blocks_of_a_long_prompt),
        cmocka_unit_test(blocks_of_many_replies),
        cmocka_unit_test(pictures_see_all_of_themselves),
        cmocka_unit_test(heads_share_keys),
        cmocka_unit_test(decoding_reads_the_cache),
        cmocka_unit_test(company_changes_no_bit),
        cmocka_unit_test(halves_change_no_bit),
        cmocka_unit_test(large_scores),
        cmocka_unit_test(threads_change_no_bit), /* from here on with threads */
        cmocka_unit_test(replies_share_their_prompt),
        cmocka_unit_test(blocks_of_many_replies),
    };
    ptd_program("test-attention");
    return cmocka_run_group_tests_name("attention", tests, NULL, NULL);
}
