/* test-head: gradients through the chunked head against finite differences in double, independence
 * of chunks and threads, and what rows are asked: sums, best words, samples. Products come from a
 * plain table of our own. */
#include "device.h"
#include "test.h"
#include "base/err.h"
#include "base/rng.h"
#include "base/threads.h"
#include "compute/cpu/row.h"
#include "method/divergence/divergence.h"
#include "net/head.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 21

static float *normals(int which, long n, double scale)
{
    float *x = malloc(sizeof *x * (size_t)(n + 1));
    for (long i = 0; i < n; i++)
        x[i] = (float)(scale * ptd_normal(SEED, PTD_RNG_TEST, (uint32_t)which, (uint32_t)i, 0));
    return x;
}

/* ---- products, as plain as they can be ---- */

static void logits(struct ptd_device *d, ptd_stat *Y, const ptd_num *X, const struct ptd_matrix *W,
                   long n)
{
    int in = W->cols, out = W->rows;
    float *x = read_nums(d, X, (size_t)n * in), *w = read_nums(d, W->blocks->at, (size_t)in * out),
          *y = calloc((size_t)n * out + 1, sizeof *y);
    for (long i = 0; i < n; i++)
        for (int o = 0; o < out; o++) {
            double sum = 0;
            for (int k = 0; k < in; k++) sum += (double)x[i * in + k] * w[(long)o * in + k];
            y[i * out + o] = (float)sum;
        }
    d->ops->put(d, Y, y, (size_t)n * out * sizeof *y);
    free(x), free(w), free(y);
}

/* dX [n, in] = dY W */
static void plain_back(struct ptd_device *d, ptd_num *dX, const float *dy, const float *w, long n,
                       int in, int out)
{
    float *dx = calloc((size_t)n * in + 1, sizeof *dx);
    for (long i = 0; i < n; i++)
        for (int k = 0; k < in; k++) {
            double sum = 0;
            for (int o = 0; o < out; o++) sum += (double)dy[i * out + o] * w[(long)o * in + k];
            dx[i * in + k] = (float)sum;
        }
    d->ops->put_nums(d, dX, dx, (size_t)n * in);
    free(dx);
}

/* dW [out, in] += dY^T X */
static void plain_learn(struct ptd_device *d, ptd_acc *dW, const float *dy, const float *x, long n,
                        int in, int out)
{
    float *dw = calloc((size_t)in * out + 1, sizeof *dw);
    d->ops->get_accs(d, dw, dW, (size_t)in * out);
    for (int o = 0; o < out; o++)
        for (int k = 0; k < in; k++) {
            double sum = dw[(long)o * in + k];
            for (long i = 0; i < n; i++) sum += (double)dy[i * out + o] * x[i * in + k];
            dw[(long)o * in + k] = (float)sum;
        }
    d->ops->put_accs(d, dW, dw, (size_t)in * out);
    free(dw);
}

static void logits_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dW, const ptd_stat *dY,
                            const ptd_num *X, const struct ptd_matrix *W, long n)
{
    int in = W->cols, out = W->rows;
    float *x = read_nums(d, X, (size_t)n * in), *w = read_nums(d, W->blocks->at, (size_t)in * out),
          *dy = calloc((size_t)n * out + 1, sizeof *dy);
    d->ops->get(d, dy, dY, (size_t)n * out * sizeof *dy);
    if (dX) plain_back(d, dX, dy, w, n, in, out);
    if (dW) plain_learn(d, dW, dy, x, n, in, out);
    free(x), free(w), free(dy);
}

/* What rows are asked is the CPU's own; with rows_near 0 they are asked for a chunk at once. */
static struct ptd_ops plain_ops, far_ops;
static struct ptd_device plain, far;

static void make_devices(void)
{
    plain = far = *the_device();
    plain.ops = &plain_ops;
    far.ops = &far_ops;
    plain_ops = *the_device()->ops;
    plain_ops.logits = logits;
    plain_ops.logits_backward = logits_backward;
    far_ops = plain_ops;
    far_ops.rows_near = 0;
}

/* Rows of a real vocabulary: in the last cache, or two chunks within 1 GiB. */
static void chunks_have_a_size(void **state)
{
    (void)state;
    assert_true(ptd_lm_head_bytes(&plain, 151936, 16384) <= 64L * 151936 * 4);
    size_t far_bytes = ptd_lm_head_bytes(&far, 151936, 16384);
    assert_true(far_bytes % (128L * 151936 * 4) == 0 && 2 * far_bytes <= 1L << 30);
    assert_true(3 * far_bytes > 1L << 30);
    assert_int_equal(ptd_lm_head_bytes(&far, 100, 1 << 20), 4096L * 100 * 4);
    assert_int_equal(ptd_lm_head_bytes(&far, 100, 5), 5L * 100 * 4);
}

/* ---- the usual loss: cross-entropy, here told after rows were scored ---- */

struct loss {
    double *logp, *dlogp, *total; /* [n] */
    int *seen;
};

static void cross_entropy(void *ctx, long first, long n)
{
    const struct loss *l = ctx;
    for (long i = first; i < first + n; i++) {
        l->seen[i]++;
        l->dlogp[i] = l->logp[i] <= 0 && l->total[i] > 0 ? -1 : NAN;
    }
}

/* Of target [n] from X [n, H] with temperature T; logp [n]. */
static void learn(struct ptd_lm_head *h, const ptd_num *X, long n, double T, const int32_t *target,
                  double *logp, ptd_num *dX)
{
    struct loss l = {logp, calloc(n + 1, sizeof(double)), calloc(n + 1, sizeof(double)),
                     calloc(n + 1, sizeof(int))};
    ptd_lm_head_learn(
        h, X, n,
        &(struct ptd_head_lesson){.score = {.rules.temperature = (float)T, .words.id = target},
                                  .scored = {.total = l.total, .logp = logp},
                                  .loss = cross_entropy,
                                  .ctx = &l,
                                  .gradient.dlogp = l.dlogp},
        dX);
    for (long i = 0; i <= n; i++) assert_int_equal(l.seen[i], i < n);
    free(l.dlogp), free(l.total), free(l.seen);
}

enum { N = 7, V = 37, H = 5 };

static double reference_loss(const double *X, const double *W, double temperature,
                             const uint8_t *banned, const int32_t *target)
{
    double loss = 0;
    for (int i = 0; i < N; i++) {
        double sum = 0, own = 0;
        for (int v = 0; v < V; v++) {
            double z = 0;
            for (int k = 0; k < H; k++) z += X[i * H + k] * W[v * H + k];
            if (!banned[v]) sum += exp(z / temperature);
            if (v == target[i]) own = z / temperature;
        }
        loss += log(sum) - own;
    }
    return loss;
}

static void check_slopes(double *x, int n, const float *got, const float *before, const double *X,
                         const double *W, double temperature, const uint8_t *banned,
                         const int32_t *target)
{
    const double h = 1e-5;
    for (int i = 0; i < n; i++) {
        double kept = x[i];
        x[i] = kept + h;
        double up = reference_loss(X, W, temperature, banned, target);
        x[i] = kept - h;
        double down = reference_loss(X, W, temperature, banned, target);
        x[i] = kept;
        assert_close(got[i] - (before ? before[i] : 0), (up - down) / (2 * h), 2e-6);
    }
}

static void gradients_match_finite_differences(void **state)
{
    (void)state;
    const double temperatures[] = {1, 0.7, 1.9};
    for (int t = 0; t < 3; t++) {
        float *X = normals(1, N * H, 1), *W = normals(2, V * H, 1), dX[N * H], dW[V * H],
              before[V * H];
        double x[N * H], w[V * H], value[N], sum = 0;
        uint8_t banned[V] = {[3] = 1, [17] = 1, [V - 1] = 1};
        int32_t target[N] = {0, 1, 2, 4, 35, 20, 1};
        if (!t) memset(banned, 0, sizeof banned);
        for (int i = 0; i < N * H; i++) x[i] = X[i], dX[i] = 99; /* overwritten */
        for (int i = 0; i < V * H; i++)
            w[i] = W[i], before[i] = dW[i] = 0.5f * (float)(i % 3); /* accumulates */
        struct ptd_lm_head *h =
            ptd_lm_head_new(&plain, in_matrix(W, V, H), accs(dW, V * H), t ? banned : NULL);
        double T = (float)temperatures[t];
        learn(h, in_nums(X, N * H), N, T, target, value, nums(dX, N * H));
        back();
        for (int i = 0; i < N; i++) sum -= value[i];
        assert_close(sum, reference_loss(x, w, T, banned, target), 1e-5);
        check_slopes(x, N * H, dX, NULL, x, w, T, banned, target);
        check_slopes(w, V * H, dW, before, x, w, T, banned, target);
        for (int k = 0; t && k < H; k++) assert_true(dW[17 * H + k] == before[17 * H + k]);
        ptd_lm_head_free(h);
        free(X);
        free(W);
    }
}

/* Nor do they learn when they are the target. */
static void banned_words_get_no_gradient(void **state)
{
    (void)state;
    float *X = normals(3, N * H, 1), *W = normals(4, V * H, 1), dX[N * H], dW[V * H] = {0};
    uint8_t banned[V] = {[0] = 1, [V - 1] = 1};
    int32_t target[N] = {0, V - 1, 1, 0, 2, 3, 0};
    double logp[N];
    struct ptd_lm_head *h = ptd_lm_head_new(&plain, in_matrix(W, V, H), accs(dW, V * H), banned);
    learn(h, in_nums(X, N * H), N, 0.5, target, logp, nums(dX, N * H));
    back();
    ptd_lm_head_free(h);
    for (int i = 0; i < N * H; i++) assert_true(isfinite(dX[i]));
    for (int i = 0; i < N; i++) assert_true((logp[i] == -INFINITY) == (i < 2 || i == 3 || i == 6));
    for (int k = 0; k < H; k++) assert_true(dW[k] == 0 && dW[(V - 1) * H + k] == 0);
    assert_true(dW[H] != 0);
    free(X);
    free(W);
}

/* ---- chunks and threads ---- */

struct wide {
    int n, v, h;
    float *X, *W, *dX, *dW;
    int32_t *target;
    double *value;
};

static void wide_new(struct wide *w, int n, int v, int h)
{
    *w = (struct wide){n,    v,    h,   normals(5, n * h, 1), normals(6, v * h, 0.5), NULL,
                       NULL, NULL, NULL};
    w->dX = calloc((size_t)(n * h), sizeof(float));
    w->dW = calloc((size_t)(v * h), sizeof(float));
    w->target = calloc((size_t)n, sizeof(int32_t));
    w->value = calloc((size_t)n, sizeof(double));
    for (int i = 0; i < n; i++) w->target[i] = (i * 7) % v;
}

static void wide_free(struct wide *w)
{
    free(w->X), free(w->W), free(w->dX), free(w->dW), free(w->target), free(w->value);
}

/* Rows in calls of `step` at a time. */
static void wide_run(struct wide *w, struct ptd_device *device, int step)
{
    memset(w->dW, 0, sizeof(float) * (size_t)(w->v * w->h));
    size_t in = (size_t)w->n * w->h, all = (size_t)w->v * w->h;
    const ptd_num *X = in_nums(w->X, in);
    ptd_num *dX = nums(w->dX, in);
    struct ptd_lm_head *h =
        ptd_lm_head_new(device, in_matrix(w->W, w->v, w->h), accs(w->dW, all), NULL);
    for (int i = 0; i < w->n; i += step) {
        long k = w->n - i < step ? w->n - i : step;
        learn(h, ptd_at(device, X, (size_t)i * w->h), k, 0.9f, w->target + i, w->value + i,
              ptd_at(device, dX, (size_t)i * w->h));
    }
    ptd_lm_head_free(h);
    back();
}

static void compare(const float *a, const float *b, int n, double within)
{
    double most = 0;
    for (int i = 0; i < n; i++) most = fmax(most, fabs(a[i]));
    for (int i = 0; i < n; i++) assert_close(a[i], b[i], within * most);
}

static void check_chunks(int n, int v, struct ptd_device *device)
{
    struct wide whole, pieces;
    wide_new(&whole, n, v, 6);
    wide_new(&pieces, n, v, 6);
    wide_run(&whole, device, n);
    const int steps[] = {1, 5, 17};
    for (int s = 0; s < 3; s++) {
        wide_run(&pieces, device, steps[s]);
        compare(whole.dX, pieces.dX, n * 6, 1e-6);
        compare(whole.dW, pieces.dW, v * 6, 1e-6);
        for (int i = 0; i < n; i++) assert_close(whole.value[i], pieces.value[i], 2e-6);
    }
    wide_free(&whole);
    wide_free(&pieces);
}

static void chunks_change_nothing(void **state)
{
    (void)state;
    check_chunks(1100, 300, &plain);  /* chunks of at most 512 rows */
    check_chunks(150, 30011, &plain); /* chunks of 69 rows */
    check_chunks(1100, 300, &far);
    check_chunks(1100, 300, the_device());
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    struct wide alone, together;
    wide_new(&alone, 700, 301, 6);
    wide_new(&together, 700, 301, 6);
    wide_run(&alone, &plain, 700);
    ptd_threads_start(3);
    assert_int_equal(ptd_threads_count(), 3);
    for (int repeat = 0; repeat < 20; repeat++) {
        wide_run(&together, &plain, 700);
        assert_memory_equal(alone.dX, together.dX, sizeof(float) * 700 * 6);
        assert_memory_equal(alone.dW, together.dW, sizeof(float) * 301 * 6);
        assert_memory_equal(alone.value, together.value, sizeof(double) * 700);
    }
    wide_run(&alone, &plain,
             350); /* nor does it matter how many rows of a chunk are asked at once */
    wide_run(&together, &far, 350);
    assert_memory_equal(alone.dX, together.dX, sizeof(float) * 700 * 6);
    assert_memory_equal(alone.dW, together.dW, sizeof(float) * 301 * 6);
    wide_free(&alone);
    wide_free(&together);
}

/* One head for calls of all sizes, which learn() counts. */
static void every_row_comes_once(void **state)
{
    (void)state;
    const int sizes[] = {0, 1, 15, 512, 513, 1500, 7};
    float *W = normals(7, 300 * 4, 1), *X = normals(8, 1500 * 4, 1), *dX = normals(8, 1500 * 4, 1);
    int32_t target[1501] = {0};
    double logp[1501];
    struct ptd_lm_head *h = ptd_lm_head_new(&plain, in_matrix(W, 300, 4), NULL, NULL);
    const ptd_num *x = in_nums(X, 1500 * 4);
    for (int s = 0; s < 7; s++) learn(h, x, sizes[s], 1, target, logp, nums(dX, 1500 * 4));
    ptd_lm_head_free(h);
    back();
    free(W);
    free(X);
    free(dX);
}

/* What is asked row by row, of several chunks: the answers are those of each row alone. */
static void answers_are_by_row(void **state)
{
    (void)state;
    enum { ROWS = 150, WORDS = 30011, BEST = 3, DRAWS = 2 }; /* chunks of 69 rows */
    float *W = normals(7, WORDS * 2, 1), *X = normals(8, ROWS * 2, 1), top_logp[ROWS * BEST],
          logp[ROWS * DRAWS], alone_logp[DRAWS], alone_top[BEST];
    int32_t first[ROWS + 1] = {0}, id[3 * ROWS], top[ROWS * BEST], best[ROWS * BEST],
                         drawn[ROWS * DRAWS], alone_id[DRAWS], alone_best[BEST];
    double of_words[3 * ROWS], lse[ROWS], u[ROWS * DRAWS], alone_words[3], alone_lse;
    struct ptd_lm_head *h = ptd_lm_head_new(&plain, in_matrix(W, WORDS, 2), NULL, NULL);
    const ptd_num *x = in_nums(X, ROWS * 2), *row;
    for (int i = 0; i < ROWS; i++) first[i + 1] = first[i] + i % 4;
    for (int i = 0; i < 3 * ROWS; i++) id[i] = i * 71 % WORDS;
    for (int i = 0; i < ROWS * DRAWS; i++) u[i] = (i + 0.5) / (ROWS * DRAWS);
    struct ptd_ask_score ask = {.rules.temperature = 0.8f, .words = {first, id}, .top_k = BEST};
    struct ptd_ask_draw draw = {
        .rules.temperature = 0.8f, .draws = DRAWS, .u = u, .top_p = 1, .best = BEST};
    ptd_lm_head_score(
        h, x, ROWS, &ask,
        &(struct ptd_got_score){.lse = lse, .logp = of_words, .top_id = top, .top_logp = top_logp});
    ptd_lm_head_draw(h, x, ROWS, &draw, &(struct ptd_got_draw){drawn, logp, best});
    for (int i = 0; i < ROWS; i++) {
        ask.words = (struct ptd_row_words){(int32_t[]){0, i % 4}, id + first[i]};
        row = ptd_at(&plain, x, 2 * (size_t)i);
        ptd_lm_head_score(h, row, 1, &ask,
                          &(struct ptd_got_score){.lse = &alone_lse,
                                                  .logp = alone_words,
                                                  .top_id = alone_best,
                                                  .top_logp = alone_top});
        assert_true(alone_lse == lse[i]);
        assert_memory_equal(alone_words, of_words + first[i], i % 4 * sizeof(double));
        assert_memory_equal(alone_best, top + i * BEST, sizeof alone_best);
        assert_memory_equal(alone_top, top_logp + i * BEST, sizeof alone_top);
        draw.u = u + i * DRAWS;
        ptd_lm_head_draw(h, row, 1, &draw,
                         &(struct ptd_got_draw){alone_id, alone_logp, alone_best});
        assert_memory_equal(alone_id, drawn + i * DRAWS, sizeof alone_id);
        assert_memory_equal(alone_logp, logp + i * DRAWS, sizeof alone_logp);
        assert_memory_equal(alone_best, best + i * BEST, sizeof alone_best);
    }
    ptd_lm_head_free(h);
    back();
    free(W);
    free(X);
}

/* ---- sums ---- */

static struct ptd_shares shares_of(const float *z, int V, float *e)
{
    struct ptd_shares s;
    ptd_row_shares(memcpy(e, z, V * sizeof *e), V, &s);
    return s;
}

static void check_shares(const float *z, int n, double lse, double entropy)
{
    float *e = ptd_array(n, sizeof *e);
    struct ptd_shares s = shares_of(z, n, e);
    double sum = 0;
    assert_true(s.lse == ptd_row_lse(z, n));
    assert_close(s.lse, lse, 1e-7 * (1 + fabs(lse)));
    assert_close(s.entropy, entropy, 1e-6 * (1e-2 + entropy));
    /* what e^x makes of the rounding of x = z - the largest */
    for (int i = 0; i < n; sum += e[i++]) {
        double p = exp(z[i] - lse), within = p > 0 ? p * (3e-7 + 6e-8 * (lse - z[i])) : 0;
        assert_close(e[i] / s.total, p, within);
    }
    assert_close(sum / s.total, 1, 1e-7);
    free(e);
}

static void sums_match_double(void **state)
{
    (void)state;
    const int sizes[] = {1, 2, 15, 16, 17, 300, 1000, 50021};
    for (int s = 0; s < 8; s++)
        for (int offset = -1; offset < 2; offset++) {
            int n = sizes[s];
            float *z = normals(9 + s, n + 1, 3) + (s & 1); /* not always aligned */
            for (int i = 0; i < n; i++) z[i] += 60.0f * (float)offset;
            if (n > 16) z[5] = z[n - 1] = -INFINITY;
            double sum = 0, entropy = 0, most = -INFINITY;
            for (int i = 0; i < n; i++) most = fmax(most, z[i]);
            for (int i = 0; i < n; i++) sum += exp(z[i] - most);
            double lse = most + log(sum);
            for (int i = 0; i < n; i++)
                entropy += z[i] == -INFINITY ? 0 : exp(z[i] - lse) * (lse - z[i]);
            check_shares(z, n, lse, entropy);
            free(z - (s & 1));
        }
}

static void sums_at_the_edges(void **state)
{
    (void)state;
    float z[40], e[40];
    struct ptd_shares s;
    for (int i = 0; i < 40; i++) z[i] = -INFINITY;
    assert_true(ptd_row_lse(z, 40) == -INFINITY);
    z[7] = 88000;
    s = shares_of(z, 40, e);
    assert_true(s.lse == 88000 && ptd_row_lse(z, 40) == 88000 && s.total == 1 && s.entropy == 0);
    for (int i = 0; i < 40; i++) assert_true(e[i] == (i == 7)); /* banned words: 0 */
    for (int i = 0; i < 40; i++) z[i] = -88000;
    assert_close(ptd_row_lse(z, 40), -88000 + log(40), 1e-9);
    assert_close(shares_of(z, 40, e).entropy, log(40), 1e-6);
    for (int where = 0; where < 40; where += 13) {
        z[where] = NAN;
        s = shares_of(z, 40, e);
        assert_true(isnan(ptd_row_lse(z, 40)) && isnan(s.lse) && isnan(s.total) &&
                    isnan(s.entropy));
        z[where] = 0;
    }
}

/* ---- the best words ---- */

static const float *sorting;
static int better(const void *a, const void *b)
{
    int32_t i = *(const int32_t *)a, j = *(const int32_t *)b;
    if (sorting[i] != sorting[j]) return sorting[i] > sorting[j] ? -1 : 1;
    return i < j ? -1 : 1;
}

static void check_topk(const float *z, int v, int k)
{
    int32_t *order = malloc(sizeof *order * (size_t)v), *ids = malloc(sizeof *ids * (size_t)k);
    float *logp = malloc(sizeof *logp * (size_t)k);
    for (int i = 0; i < v; i++) order[i] = i;
    sorting = z;
    qsort(order, (size_t)v, sizeof *order, better);
    ptd_row_topk(z, v, 2.5, k, ids, logp);
    for (int i = 0; i < k && i < v; i++) {
        assert_int_equal(ids[i], order[i]);
        assert_true(logp[i] == (float)(z[ids[i]] - 2.5));
    }
    for (int i = v; i < k; i++) assert_true(ids[i] == -1 && logp[i] == -INFINITY);
    ptd_row_topk(z, v, 2.5, k, ids, NULL);
    for (int i = 0; i < k && i < v; i++) assert_int_equal(ids[i], order[i]);
    free(order), free(ids), free(logp);
}

static void topk_agrees_with_sorting(void **state)
{
    (void)state;
    const int sizes[] = {1, 5, 64, 65, 300, 1000, 20011}, ks[] = {1, 2, 20, 64, 128, 1500};
    for (int s = 0; s < 7; s++)
        for (int kind = 0; kind < 5; kind++) {
            int n = sizes[s];
            float *z = normals(30 + s, n, 2);
            for (int i = 0; i < n; i++) {
                /* ties, zeros of both signs */
                if (kind == 1) z[i] = roundf(z[i]);
                /* each one better than all before */
                if (kind == 2) z[i] = (float)i;
                if (kind == 3) z[i] = i % 3 ? -INFINITY : fabsf(z[i]); /* mostly banned */
                /* one ahead of others that differ in their last bits */
                if (kind == 4) z[i] = i == n / 2 ? 3 : 1 + 0x1p-23f * (float)(i * 7919 % n);
            }
            for (int k = 0; k < 6; k++) check_topk(z, n, ks[k]);
            free(z);
        }
}

static void nan_is_never_the_best(void **state)
{
    (void)state;
    float z[200];
    int32_t ids[3];
    for (int i = 0; i < 200; i++) z[i] = i % 2 ? NAN : -1.0f - (float)i;
    ptd_row_topk(z, 200, 0, 3, ids, NULL);
    assert_true(ids[0] == 0 && ids[1] == 2 && ids[2] == 4);
    assert_int_equal(ptd_row_sample(z, 200, 0, 1, 1, 0, 0.5), 0);
}

/* ---- samples ---- */

enum { WORDS = 20, DRAWS = 20000 };

/* The distribution that top_k, top_p, then min_p leave of z, in double and by plain sorting. */
static void expected(const float *z, int top_k, double top_p, double min_p, double *p)
{
    int32_t order[WORDS];
    double mass = 0, sum = 0;
    int n = 0;
    for (int i = 0; i < WORDS; i++) order[i] = i, p[i] = 0;
    sorting = z;
    qsort(order, WORDS, sizeof *order, better);
    int k = top_k && top_k < WORDS ? top_k : WORDS;
    for (int i = 0; i < k; i++) mass += exp(z[order[i]]);
    while (n < k && (n == 0 || sum < top_p * mass)) sum += exp(z[order[n++]]);
    while (n > 1 && exp(z[order[n - 1]]) < min_p * exp(z[order[0]])) sum -= exp(z[order[--n]]);
    for (int i = 0; i < n; i++) p[order[i]] = exp(z[order[i]]) / sum;
}

static void check_frequencies(int which, int top_k, double top_p, double min_p)
{
    float *z = normals(50 + which, WORDS, 1.2);
    double p[WORDS], chi = 0, lse;
    int count[WORDS] = {0}, free_words = -1;
    z[4] = z[11] = -INFINITY;
    lse = ptd_row_lse(z, WORDS);
    expected(z, top_k, top_p, min_p, p);
    for (int i = 0; i < DRAWS; i++)
        count[ptd_row_sample(z, WORDS, lse, top_k, top_p, min_p,
                             ptd_uniform(SEED, PTD_RNG_SAMPLE, (uint32_t)which, (uint32_t)i, 0))]++;
    for (int v = 0; v < WORDS; v++) {
        if (p[v] == 0) assert_int_equal(count[v], 0);
        if (p[v] == 0) continue;
        free_words++;
        chi += (count[v] - DRAWS * p[v]) * (count[v] - DRAWS * p[v]) / (DRAWS * p[v]);
    }
    /* the 99.9 % point of chi-square lies below n + 3.1 sqrt(2n) + 7 for every n */
    if (chi > free_words + 3.1 * sqrt(2.0 * free_words) + 7)
        fail_msg("chi-square %g with %d degrees", chi, free_words);
    free(z);
}

static void sample_frequencies_are_right(void **state)
{
    (void)state;
    check_frequencies(0, 0, 1, 0);
    check_frequencies(1, 0, 1, 0);
    check_frequencies(2, 5, 1, 0);
    check_frequencies(3, 0, 0.8, 0);
    check_frequencies(4, 0, 0.35, 0);
    check_frequencies(5, 7, 0.9, 0);
    check_frequencies(6, 2, 0.3, 0);
    check_frequencies(7, 100, 0.95, 0);
    check_frequencies(8, 0, 1, 0.2);
    check_frequencies(9, 6, 1, 0.1);
    check_frequencies(10, 0, 0.9, 0.3);
    check_frequencies(11, 0, 1, 1);
}

/* Wide flat rows need more than the first few best words. */
static void nucleus_of_a_wide_row(void **state)
{
    (void)state;
    enum { WIDE = 3000 };
    float z[WIDE];
    int seen_low = 0;
    for (int i = 0; i < WIDE; i++) z[i] = -1e-4f * (float)i; /* nearly flat, best first */
    double lse = ptd_row_lse(z, WIDE), half = 0;
    int n = 0;
    while (half < 0.5) half += exp(z[n++] - lse);
    for (int i = 0; i < 2000; i++) {
        int32_t id = ptd_row_sample(z, WIDE, lse, 0, 0.5, 0, i / 2000.0);
        assert_in_range(id, 0, n); /* one word of slack for rounding at the rim */
        seen_low |= id > n * 9 / 10;
    }
    assert_true(seen_low);
    for (int i = 0; i < 50; i++) /* the word whose share is so much is the 2000th */
        assert_true(ptd_row_sample(z, WIDE, lse, 0, 1, exp(-0.2), i / 50.0) <= 2000);
    assert_true(ptd_row_sample(z, WIDE, lse, 0, 1, exp(-0.2), 0.9999) > 1980);
}

static void samples_at_the_edges(void **state)
{
    (void)state;
    float z[100];
    double last = nextafter(1, 0);
    for (int i = 0; i < 100; i++) z[i] = i == 40 || i == 60 ? 1 : -INFINITY;
    double lse = ptd_row_lse(z, 100);
    const int ks[] = {0, 5, 50};
    const double ps[] = {1, 0.9, 1e-9};
    for (int k = 0; k < 3; k++)
        for (int p = 0; p < 3; p++) {
            assert_int_equal(ptd_row_sample(z, 100, lse, ks[k], ps[p], 0, 0), 40);
            assert_int_equal(ptd_row_sample(z, 100, lse, ks[k], ps[p], 0, last), p == 2 ? 40 : 60);
        }
    assert_int_equal(ptd_row_sample(z, 100, lse, 1, 1, 0, last),
                     40); /* greedy, ties by smaller id */
    assert_int_equal(ptd_row_sample(z, 100, lse + 1e-6, 0, 1, 0, last),
                     60); /* shares that do not quite reach 1 */
}

/* ---- a tutor's head beside the student's ---- */

struct pair { /* rows of a student and, for two of three of them, of a tutor that is wider */
    int n, v, h, k;
    float *X, *W, *Y, *U, *dX;
    const float **hidden;
    struct ptd_lesson *lesson;
    double *value;
};
static const int32_t said[2] = {1, 4};
static const uint16_t said_halves[2] = {0xb800, 0xbc00}; /* -0.5, -1 */

static void pair_new(struct pair *p, int n, int v, int h, int k)
{
    *p = (struct pair){n, v, h, k, normals(21, n * h, 1), normals(22, v * h, 0.6)};
    p->Y = normals(23, n * k, 1), p->U = normals(24, v * k, 0.6);
    p->dX = calloc((size_t)(n * h), sizeof(float));
    p->hidden = calloc((size_t)n, sizeof *p->hidden);
    p->lesson = calloc((size_t)n, sizeof *p->lesson);
    p->value = calloc((size_t)n, sizeof *p->value);
    for (int i = 0; i < n; i++) {
        if (i % 3) p->hidden[i] = p->Y + i * k;
        if (i % 6 == 3) p->lesson[i] = (struct ptd_lesson){said, said_halves, 2};
    }
}

static void pair_free(struct pair *p)
{
    free(p->X), free(p->W), free(p->Y), free(p->U), free(p->dX);
    free(p->hidden), free(p->lesson), free(p->value);
}

/* Rows in calls of `step` at a time. */
static void pair_run(struct pair *p, struct ptd_device *device, const char *divergence, int step)
{
    const struct ptd_divergence *d = ptd_divergence_named(divergence);
    double *total = calloc((size_t)p->n, sizeof *total),
           *dlogp = calloc((size_t)p->n, sizeof *dlogp);
    const ptd_num *X = in_nums(p->X, (size_t)p->n * p->h);
    ptd_num *dX = nums(p->dX, (size_t)p->n * p->h);
    int32_t *target = calloc((size_t)p->n, sizeof *target);
    struct ptd_lm_head *h = ptd_lm_head_new(device, in_matrix(p->W, p->v, p->h), NULL, NULL);
    struct ptd_block block = {in_nums(p->U, (size_t)p->v * p->k), p->v};
    struct ptd_matrix U = {&block, 1, p->v, p->k, device->num};
    struct ptd_lm_head *t = ptd_lm_head_new(device, &U, NULL, NULL);
    for (int i = 0; i < p->n; i += step) {
        struct ptd_head_lesson l = {
            .score = {.rules.temperature = 0.9f, .words.id = target},
            .scored.total = total + i,
            .gradient = {.dlogp = dlogp, .lesson = p->lesson + i, .divergence = d, .weight = 0.7},
            .value = p->value + i,
            .tutor = t,
            .hidden = p->hidden + i};
        ptd_lm_head_learn(h, ptd_at(device, X, (size_t)i * p->h), p->n - i < step ? p->n - i : step,
                          &l, ptd_at(device, dX, (size_t)i * p->h));
    }
    back();
    ptd_lm_head_free(h);
    ptd_lm_head_free(t);
    free(total), free(dlogp), free(target);
}

/* p [v] of a hidden row x [h] and the table w, with the temperature of above. */
static void probabilities(const double *x, const float *w, int v, int h, double *p)
{
    double sum = 0;
    for (int i = 0; i < v; i++) {
        double z = 0;
        for (int k = 0; k < h; k++) z += x[k] * w[i * h + k];
        sum += p[i] = exp(z / (double)0.9f);
    }
    for (int i = 0; i < v; i++) p[i] /= sum;
}

static double plain_whole_jsd(const struct pair *p, int row, const double *x)
{
    double *s = calloc((size_t)p->v, sizeof *s), *t = calloc((size_t)p->v, sizeof *t),
           *y = calloc((size_t)p->k, sizeof *y), sum = 0;
    for (int k = 0; k < p->k; k++) y[k] = p->Y[row * p->k + k];
    probabilities(x, p->W, p->v, p->h, s);
    probabilities(y, p->U, p->v, p->k, t);
    for (int i = 0; i < p->v; i++) {
        double m = (s[i] + t[i]) / 2;
        sum += s[i] * log(s[i] / m) / 2 + t[i] * log(t[i] / m) / 2;
    }
    free(s), free(t), free(y);
    return sum;
}

static void check_pair(const struct pair *p, int slopes)
{
    double x[16], side[2];
    for (int i = 0; i < p->n; i++) {
        for (int k = 0; k < p->h; k++) x[k] = p->X[i * p->h + k];
        if (!p->hidden[i]) {
            assert_true((p->value[i] > 0) == (p->lesson[i].k > 0));
            continue;
        }
        assert_close(p->value[i], plain_whole_jsd(p, i, x), 2e-6);
        for (int k = 0; slopes && k < p->h; k++) {
            for (int up = 0; up < 2; up++) {
                x[k] = p->X[i * p->h + k] + (up ? 1e-5 : -1e-5);
                side[up] = plain_whole_jsd(p, i, x);
            }
            x[k] = p->X[i * p->h + k];
            assert_close(p->dX[i * p->h + k], 0.7 * (side[1] - side[0]) / 2e-5, 3e-6);
        }
    }
}

static void a_tutor_says_all_words(void **state)
{
    struct pair p;
    (void)state;
    pair_new(&p, 31, 700, 5, 8); /* more than a piece of words, and of which the last is short */
    pair_run(&p, &plain, "jsd", 31);
    check_pair(&p, 1);
    pair_run(&p, &far, "jsd", 4);
    check_pair(&p, 1);
    pair_free(&p);
    pair_new(&p, 1100, 300, 6, 3); /* more than two chunks */
    pair_run(&p, the_device(), "jsd", 1100);
    check_pair(&p, 0);
    pair_free(&p);
}

/* The same rows through the same head. */
static void an_equal_tutor_teaches_exactly_nothing(void **state)
{
    struct pair p;
    (void)state;
    pair_new(&p, 600, 300, 6, 6);
    memcpy(p.Y, p.X, 600 * 6 * sizeof(float));
    memcpy(p.U, p.W, 300 * 6 * sizeof(float));
    for (int i = 0; i < 600; i++) p.hidden[i] = p.Y + i * 6;
    for (int kind = 0; kind < 2; kind++) {
        pair_run(&p, kind ? &far : &plain, kind ? "gjsd=0.3" : "jsd", 600);
        for (int i = 0; i < 600; i++) assert_true(p.value[i] == 0);
        for (int i = 0; i < 600 * 6; i++) assert_true(p.dX[i] == 0);
    }
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_match_finite_differences),
        cmocka_unit_test(banned_words_get_no_gradient),
        cmocka_unit_test(chunks_change_nothing),
        cmocka_unit_test(every_row_comes_once),
        cmocka_unit_test(a_tutor_says_all_words),
        cmocka_unit_test(an_equal_tutor_teaches_exactly_nothing),
        cmocka_unit_test(answers_are_by_row),
        cmocka_unit_test(threads_change_no_bit), /* from here on with threads */
        cmocka_unit_test(every_row_comes_once),
        cmocka_unit_test(a_tutor_says_all_words),
        cmocka_unit_test(an_equal_tutor_teaches_exactly_nothing),
        cmocka_unit_test(sums_match_double),
        cmocka_unit_test(sums_at_the_edges),
        cmocka_unit_test(topk_agrees_with_sorting),
        cmocka_unit_test(nan_is_never_the_best),
        cmocka_unit_test(chunks_have_a_size),
        cmocka_unit_test(sample_frequencies_are_right),
        cmocka_unit_test(nucleus_of_a_wide_row),
        cmocka_unit_test(samples_at_the_edges),
    };
    make_devices();
    return cmocka_run_group_tests_name("head", tests, NULL, NULL);
}
