/* test-ops: every operation of the table, on every device there is: forward against the same
 * formula in double, backward against differences of that formula; one and two threads. Attention
 * at length is test-attention.c. An operation that no test calls is noticed. */
#include "forms.h"
#include "host-ops.h"
#include "test.h"
#include "base/dtype.h"
#include "base/err.h"
#include "base/rng.h"
#include "base/threads.h"
#include "compute/cpu/floats.h"
#include "compute/ops.h"
#include <setjmp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What a device that rounds to bfloat16 is allowed beyond the others, relative. */
static double coarse;
static const long counts[] = {1, 3, 9, 130};
#define EACH(i, a) (size_t i = 0; i < sizeof(a) / sizeof *(a); i++)

/* ---- memory and values ---- */

static void *kept[4096];
static int n_kept;
static struct ptd_device *closing;

static void *take(size_t n, size_t size)
{
    assert_true(n_kept < 4096);
    return kept[n_kept++] = ptd_array(n + 1, size);
}

static int release(void **state)
{
    (void)state;
    while (n_kept) free(kept[--n_kept]);
    free(closing);
    closing = NULL;
    return 0;
}

/* As the device can hold it. */
static double held(double x)
{
    float f = (float)x;
    uint16_t half;
    if (coarse == 0) return f;
    ptd_dtype_from_float(&half, PTD_BF16, &f, 1);
    ptd_dtype_to_float(&f, &half, PTD_BF16, 1);
    return f;
}

/* Doubles that are numbers of the device. */
static double *values(int which, long n)
{
    double *x = take(n, sizeof *x);
    for (long i = 0; i < n; i++) x[i] = held(ptd_normal(5, PTD_RNG_TEST, which, (uint32_t)i, 0));
    return x;
}

static float *floats(const double *x, long n)
{
    float *f = take(n, sizeof *f);
    for (long i = 0; i < n; i++) f[i] = (float)x[i];
    return f;
}

/* What is overwritten must not be read. */
static float *nans(long n)
{
    float *f = take(n, sizeof *f);
    for (long i = 0; i < n; i++) f[i] = NAN;
    return f;
}

static void check(const float *got, const double *want, long n, double within)
{
    within += coarse;
    for (long i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= within * (1 + fabs(want[i]))))
            fail_msg("entry %ld of %ld is %.9g, expected %.9g", i, n, got[i], want[i]);
}

/* ---- references ---- */

/* One operation on one shape, in double: y = f(in[0], in[1], in[2]); dy is the gradient of its
 * result. */
struct job {
    long n;
    int w, out, heads, exact, sign;
    double eps;
    double *in[3], *dy, *y;
    long size[3], n_y;
    void (*f)(const struct job *j, double *y);
};

static void start(struct job *j, long x, long p, long q, long y)
{
    const long size[3] = {x, p, q};
    for (int i = 0; i < 3; i++) {
        j->size[i] = size[i];
        j->in[i] = values(i, size[i]);
    }
    j->n_y = y;
    j->dy = values(3, y);
    j->y = take(y, sizeof *j->y);
    j->f(j, j->y);
}

static double loss(struct job *j)
{
    double sum = 0;
    j->f(j, j->y);
    for (long i = 0; i < j->n_y; i++) sum += j->dy[i] * j->y[i];
    return sum;
}

/* Entries of input `which` (about a hundred, spread by an odd step, and the last): base + dL/dentry
 * against differences. */
static void check_gradient(struct job *j, int which, const float *got, const double *base)
{
    const double h = 1e-6;
    long n = j->size[which], step = n / 100 + 1 + n / 100 % 2;
    for (long i = 0; i < n; i = i + step < n || i == n - 1 ? i + step : n - 1) {
        double *x = &j->in[which][i], kept_x = *x, up, down, want;
        *x = kept_x + h;
        up = loss(j);
        *x = kept_x - h;
        down = loss(j);
        *x = kept_x;
        want = (up - down) / (2 * h) + (base ? base[i] : 0);
        if (!(fabs(got[i] - want) <= (3e-5 + 4 * coarse) * (1 + fabs(want))))
            fail_msg("gradient of input %d, entry %ld of %ld, is %.9g, expected %.9g", which, i, n,
                     got[i], want);
    }
}

static void ref_linear(const struct job *j, double *y)
{
    for (long i = 0; i < j->n; i++)
        for (int o = 0; o < j->out; o++) {
            double s = j->size[2] ? j->in[2][o] : 0;
            for (int k = 0; k < j->w; k++) s += j->in[0][i * j->w + k] * j->in[1][o * j->w + k];
            y[i * j->out + o] = s;
        }
}

static void ref_rmsnorm(const struct job *j, double *y)
{
    for (long i = 0; i < j->n * j->heads; i++) {
        const double *x = j->in[0] + i * j->w;
        double s = 0;
        for (int c = 0; c < j->w; c++) s += x[c] * x[c];
        for (int c = 0; c < j->w; c++)
            y[i * j->w + c] = x[c] / sqrt(s / j->w + j->eps) * j->in[1][c];
    }
}

static void ref_layernorm(const struct job *j, double *y)
{
    for (long i = 0; i < j->n; i++) {
        const double *x = j->in[0] + i * j->w;
        double mean = 0, s = 0;
        for (int c = 0; c < j->w; c++) mean += x[c] / j->w;
        for (int c = 0; c < j->w; c++) s += (x[c] - mean) * (x[c] - mean);
        for (int c = 0; c < j->w; c++)
            y[i * j->w + c] = (x[c] - mean) / sqrt(s / j->w + j->eps) * j->in[1][c] + j->in[2][c];
    }
}

/* in[1], in[2]: cosine and sine, independent here. */
static void ref_rotate(const struct job *j, double *y)
{
    int half = j->w / 2;
    for (long i = 0; i < j->n; i++)
        for (int h = 0; h < j->heads; h++)
            for (int k = 0; k < half; k++) {
                long at = (i * j->heads + h) * j->w + k;
                double c = j->in[1][i * half + k], s = j->in[2][i * half + k], a = j->in[0][at],
                       b = j->in[0][at + half];
                y[at] = a * c - b * s;
                y[at + half] = b * c + a * s;
            }
}

static void ref_swiglu(const struct job *j, double *y)
{
    for (long i = 0; i < j->n * j->w; i++) {
        const double *g = j->in[0] + i / j->w * 2 * j->w + i % j->w;
        y[i] = g[0] / (1 + exp(-g[0])) * g[j->w];
    }
}

static void ref_gelu(const struct job *j, double *y)
{
    for (long i = 0; i < j->n; i++) {
        double x = j->in[0][i], inner = j->exact ? erf(x * M_SQRT1_2)
                                                 : tanh(sqrt(M_2_PI) * (x + 0.044715 * x * x * x));
        y[i] = x / 2 * (1 + inner);
    }
}

/* ---- products ---- */

static struct job linear_job(long n, int in, int out, int bias)
{
    struct job j = {.n = n, .w = in, .out = out, .f = ref_linear};
    start(&j, n * in, (long)out * in, bias ? out : 0, n * out);
    return j;
}

static void check_linear(struct job *j)
{
    float *x = floats(j->in[0], j->size[0]), *w = floats(j->in[1], j->size[1]),
          *b = floats(j->in[2], j->size[2]);
    float *y = nans(j->n_y), *dy = floats(j->dy, j->n_y);
    double *base = values(9, j->size[0] + j->size[1] + j->out), *base_w = base + j->size[0],
           *base_b = base_w + j->size[1];
    host_linear(y, x, w, j->size[2] ? b : NULL, NULL, j->n, j->w, j->out);
    check(y, j->y, j->n_y, 2e-5);
    for (int add = 0; add < 2; add++) {
        float *dx = add ? floats(base, j->size[0]) : nans(j->size[0]),
              *dw = floats(base_w, j->size[1]), *db = floats(base_b, j->out);
        host_linear_backward(dx, add, dw, j->size[2] ? db : NULL, dy, x, w, j->n, j->w, j->out);
        check_gradient(j, 0, dx, add ? base : NULL);
        check_gradient(j, 1, dw, base_w);
        if (j->size[2]) check_gradient(j, 2, db, base_b);
    }
}

static void linear_and_its_gradients(void **state)
{
    static const int shapes[][2] = {{1, 1}, {7, 5}, {33, 17}, {131, 3}, {3, 67}};
    (void)state;
    for
        EACH (c, counts)
        for
            EACH (s, shapes)
                for (int bias = 0; bias < 2; bias++) {
                    struct job j = linear_job(counts[c], shapes[s][0], shapes[s][1], bias);
                    check_linear(&j);
                    release(NULL);
                }
}

/* The same bits as the product and an addition after it; and logits are the product. */
static void residual_is_added_last(void **state)
{
    static const long many[] = {1, 8, 9, 40, 700};
    (void)state;
    for
        EACH (c, many)
            for (int bias = 0; bias < 2; bias++) {
                long n = many[c];
                struct job j = linear_job(n, 33, 45, bias);
                float *x = floats(j.in[0], n * 33), *w = floats(j.in[1], 33 * 45),
                      *b = bias ? floats(j.in[2], 45) : NULL, *r = floats(j.dy, n * 45);
                float *apart = nans(n * 45), *at_once = nans(n * 45), *z = nans(n * 45);
                host_linear(apart, x, w, b, NULL, n, 33, 45);
                host_logits(z, x, w, n, 33, 45);
                if (!bias) check(z, j.y, n * 45, 2e-5);
                host_add(apart, r, n * 45);
                host_linear(at_once, x, w, b, r, n, 33, 45);
                if (coarse == 0) assert_memory_equal(apart, at_once, n * 45 * sizeof *apart);
                for (long i = 0; i < n * 45; i++)
                    assert_close(at_once[i], apart[i], 2 * coarse * (1 + fabs(apart[i])));
                release(NULL);
            }
}

static void logits_and_their_gradients(void **state)
{
    struct job j = linear_job(9, 7, 5, 0);
    double *base = values(9, 35);
    float *x = floats(j.in[0], 63), *w = floats(j.in[1], 35), *dz = floats(j.dy, 45),
          *dx = nans(63), *dw = floats(base, 35), *z = nans(45);
    (void)state;
    host_logits(z, x, w, 9, 7, 5);
    check(z, j.y, 45, 2e-5);
    host_logits_backward(dx, dw, dz, x, w, 9, 7, 5);
    check_gradient(&j, 0, dx, NULL);
    check_gradient(&j, 1, dw, base);
}

/* Of columns that lie among others, to the bits of all. */
static void rows_have_a_gradient_of_their_own(void **state)
{
    (void)state;
    for
        EACH (c, counts) {
            long n = counts[c];
            struct job j = linear_job(n, 33, 45, 0);
            float *x = floats(j.in[0], n * 33), *w = floats(j.in[1], 33 * 45),
                  *dy = floats(j.dy, n * 45), *all = floats(values(9, 33 * 45), 33 * 45),
                  *part = take(33 * 17, 4);
            memcpy(part, all + 11 * 33, 33 * 17 * sizeof *part);
            host_linear_backward(NULL, 0, all, NULL, dy, x, w, n, 33, 45);
            host_linear_gradient(part, dy, 11, 45, x, n, 33, 17);
            assert_memory_equal(part, all + 11 * 33, 33 * 17 * sizeof *part);
            release(NULL);
        }
}

static void gradients_not_wanted(void **state)
{
    struct job j = linear_job(9, 7, 5, 1);
    float *x = floats(j.in[0], 63), *w = floats(j.in[1], 35), *dy = floats(j.dy, 45), *dx, *dw, *db;
    (void)state;
    for (int wanted = 1; wanted < 8; wanted++) {
        dx = wanted & 1 ? nans(63) : NULL, dw = wanted & 2 ? take(35, 4) : NULL,
        db = wanted & 4 ? take(5, 4) : NULL;
        host_linear_backward(dx, 0, dw, db, dy, x, w, 9, 7, 5);
        if (dx) check_gradient(&j, 0, dx, NULL);
        if (dw) check_gradient(&j, 1, dw, NULL);
        if (db) check_gradient(&j, 2, db, NULL);
    }
}

/* ---- products of low rank ---- */

static const struct host_low_rank adapters[] = {
    {5, 7, 2, 1, 0.5f, {0}, {7}},                /* all columns */
    {33, 40, 4, 3, 2, {0, 16, 30}, {16, 9, 10}}, /* some columns, a hole between them */
    {19, 12, 1, 2, 1, {6, 0}, {6, 3}},           /* in any order */
    {70, 9, 24, 1, 0.25f, {2}, {5}},
};
static const struct host_low_rank *adapter; /* that ref_low_rank is about */

static long outputs_of(const struct host_low_rank *l)
{
    long sum = 0;
    for (int i = 0; i < l->n; i++) sum += l->out[i];
    return sum;
}

static double dot(const double *a, const double *b, long n)
{
    double s = 0;
    for (long i = 0; i < n; i++) s += a[i] * b[i];
    return s;
}

/* in: X, A and B; y is what is added to columns that are nobody's, too. */
static void ref_low_rank(const struct job *j, double *y)
{
    const struct host_low_rank *l = adapter;
    double t[32];
    memset(y, 0, j->n_y * sizeof *y);
    for (long i = 0; i < j->n; i++) {
        const double *A = j->in[1], *B = j->in[2];
        for (int p = 0; p < l->n; p++) {
            for (int r = 0; r < l->rank; r++, A += l->in)
                t[r] = dot(j->in[0] + i * l->in, A, l->in);
            for (int o = 0; o < l->out[p]; o++, B += l->rank)
                y[i * l->wide + l->first[p] + o] = l->scale * dot(t, B, l->rank);
        }
    }
}

static struct job low_rank_job(const struct host_low_rank *l, long n)
{
    struct job j = {.n = n, .f = ref_low_rank};
    adapter = l;
    start(&j, n * l->in, (long)l->n * l->rank * l->in, outputs_of(l) * l->rank, n * l->wide);
    return j;
}

static void check_low_rank(struct job *j, const struct host_low_rank *l)
{
    float *x = floats(j->in[0], j->size[0]), *A = floats(j->in[1], j->size[1]),
          *B = floats(j->in[2], j->size[2]), *dy = floats(j->dy, j->n_y);
    double *before = values(9, j->n_y + j->size[0] + j->size[1] + j->size[2]),
           *base = before + j->n_y, *base_A = base + j->size[0], *base_B = base_A + j->size[1];
    float *y = floats(before, j->n_y), *dx = floats(base, j->size[0]),
          *dA = floats(base_A, j->size[1]), *dB = floats(base_B, j->size[2]);
    host_low_rank(y, x, l, A, B, j->n);
    for (long i = 0; i < j->n_y; i++) before[i] += j->y[i];
    check(y, before, j->n_y, 2e-5);
    host_low_rank_backward(dx, dA, dB, dy, x, l, A, B, j->n);
    check_gradient(j, 0, dx, base);
    check_gradient(j, 1, dA, base_A);
    check_gradient(j, 2, dB, base_B);
    float *alone = floats(base, j->size[0]);
    host_low_rank_backward(alone, NULL, NULL, dy, x, l, A, B, j->n);
    assert_memory_equal(alone, dx, j->size[0] * sizeof *dx);
}

static void low_rank_and_its_gradients(void **state)
{
    (void)state;
    for
        EACH (c, counts)
            for
                EACH (a, adapters) {
                    struct job j = low_rank_job(&adapters[a], counts[c]);
                    check_low_rank(&j, &adapters[a]);
                    release(NULL);
                }
}

/* A row's bits do not depend on how many are beside it. */
static void low_rank_rows_stand_alone(void **state)
{
    (void)state;
    for
        EACH (a, adapters) {
            const struct host_low_rank *l = &adapters[a];
            struct job j = low_rank_job(l, 130);
            float *x = floats(j.in[0], j.size[0]), *A = floats(j.in[1], j.size[1]),
                  *B = floats(j.in[2], j.size[2]), *y = floats(j.dy, j.n_y),
                  *one = floats(j.dy, j.n_y);
            host_low_rank(y, x, l, A, B, j.n);
            for (long i = 0, n = 1; i < j.n; i += n, n = n % 11 + 1) {
                if (i + n > j.n) n = j.n - i;
                host_low_rank(one + i * l->wide, x + i * l->in, l, A, B, n);
            }
            assert_memory_equal(one, y, j.n_y * sizeof *y);
            release(NULL);
        }
}

/* ---- norms ---- */

static const int widths[] = {1, 2, 7, 16, 33, 131};

static void rmsnorm_and_its_gradients(void **state)
{
    (void)state;
    for
        EACH (c, counts)
        for
            EACH (k, widths)
                for (int strong = 0; strong < 2; strong++) {
                    long n = counts[c], w = widths[k];
                    struct job j = {.n = n,
                                    .w = w,
                                    .heads = 1,
                                    .eps = strong || w == 1 ? 0.7 : 1e-6,
                                    .f = ref_rmsnorm};
                    start(&j, n * w, w, 0, n * w);
                    double *base = values(9, n * w + w);
                    float *x = floats(j.in[0], n * w), *g = floats(j.in[1], w),
                          *dy = floats(j.dy, n * w), *y = nans(n * w), *rstd = nans(n);
                    float *dx = floats(base, n * w), *dg = floats(base + n * w, w);
                    host_rmsnorm(y, NULL, x, g, n, w, j.eps);
                    check(y, j.y, n * w, 1e-5);
                    host_rmsnorm(y, rstd, x, g, n, w, j.eps);
                    check(y, j.y, n * w, 1e-5);
                    host_rmsnorm_backward(dx, dg, dy, x, rstd, g, n, w);
                    check_gradient(&j, 0, dx, base);
                    check_gradient(&j, 1, dg, base + n * w);
                    dx = floats(base, n * w), dg = floats(base + n * w, w);
                    host_rmsnorm_backward(dx, NULL, dy, x, rstd, g, n, w);
                    check_gradient(&j, 0, dx, base);
                    host_rmsnorm_backward(NULL, dg, dy, x, rstd, g, n, w);
                    check_gradient(&j, 1, dg, base + n * w);
                    release(NULL);
                }
}

static void layernorm_and_its_gradients(void **state)
{
    (void)state;
    for
        EACH (c, counts)
        for
            EACH (k, widths) {
                long n = counts[c], w = widths[k];
                struct job j = {.n = n, .w = w, .eps = k % 2 ? 0.3 : 1e-2, .f = ref_layernorm};
                start(&j, n * w, w, w, n * w);
                double *base = values(9, n * w + 2 * w), *base_g = base + n * w,
                       *base_b = base_g + w;
                float *x = floats(j.in[0], n * w), *g = floats(j.in[1], w), *b = floats(j.in[2], w),
                      *dy = floats(j.dy, n * w), *y = nans(n * w);
                float *mean = nans(n), *rstd = nans(n);
                host_layernorm(y, mean, rstd, x, g, b, n, w, j.eps);
                check(y, j.y, n * w, 1e-5);
                host_layernorm(y, NULL, NULL, x, g, b, n, w, j.eps);
                check(y, j.y, n * w, 1e-5);
                for (int wanted = 0; wanted < 8; wanted++) {
                    float *dx = wanted & 4 ? floats(base, n * w) : NULL,
                          *dg = wanted & 1 ? floats(base_g, w) : NULL,
                          *db = wanted & 2 ? floats(base_b, w) : NULL;
                    host_layernorm_backward(dx, dg, db, dy, x, mean, rstd, g, n, w);
                    if (dx) check_gradient(&j, 0, dx, base);
                    if (dg) check_gradient(&j, 1, dg, base_g);
                    if (db) check_gradient(&j, 2, db, base_b);
                }
                release(NULL);
            }
}

/* A mean far from zero costs digits of the mean only, not of the variance. */
static void layernorm_far_from_zero(void **state)
{
    struct job j = {.n = 3, .w = 33, .eps = 1e-6, .f = ref_layernorm};
    float *y = nans(99), *mean = nans(3), *rstd = nans(3);
    (void)state;
    start(&j, 99, 33, 33, 99);
    for (int i = 0; i < 99; i++) j.in[0][i] = held(j.in[0][i] + 300);
    j.f(&j, j.y);
    host_layernorm(y, mean, rstd, floats(j.in[0], 99), floats(j.in[1], 33), floats(j.in[2], 33), 3,
                   33, 1e-6f);
    check(y, j.y, 99, 2e-4);
}

/* Rows of `width` floats spread to rows of `stride`, the gaps NaN. */
static float *spread(const double *x, long n, int width, long stride)
{
    float *f = nans(n * stride);
    for (long i = 0; i < n * width; i++) f[i / width * stride + i % width] = (float)x[i];
    return f;
}

/* Rows back to back again; the gaps must still be NaN. */
static float *gathered(const float *x, long n, int width, long stride)
{
    float *f = take(n * width, sizeof *f);
    for (long i = 0; i < n * stride; i++)
        if (i % stride < width)
            f[i / stride * width + i % stride] = x[i];
        else
            assert_true(isnan(x[i]));
    return f;
}

static void headnorm_and_its_gradients(void **state)
{
    static const int shapes[][2] = {{1, 1}, {4, 16}, {3, 33}, {5, 6}};
    (void)state;
    for
        EACH (c, counts)
        for
            EACH (k, shapes) {
                long n = counts[c];
                int heads = shapes[k][0], w = shapes[k][1], all = heads * w;
                long xs = all + 5, ys = all + 2, dxs = all + 3, dys = all + 1;
                struct job j = {.n = n, .w = w, .heads = heads, .eps = 1e-3, .f = ref_rmsnorm};
                start(&j, n * all, w, 0, n * all);
                double *base = values(9, w);
                float *x = spread(j.in[0], n, all, xs), *g = floats(j.in[1], w),
                      *dy = spread(j.dy, n, all, dys), *y = nans(n * ys);
                float *rstd = nans(n * heads), *dx = nans(n * dxs), *dg = floats(base, w);
                host_headnorm(y, ys, rstd, x, xs, g, n, heads, w, j.eps);
                check(gathered(y, n, all, ys), j.y, n * all, 1e-5);
                host_headnorm_backward(dx, dxs, dg, dy, dys, x, xs, rstd, g, n, heads, w);
                check_gradient(&j, 0, gathered(dx, n, all, dxs), NULL);
                check_gradient(&j, 1, dg, base);
                host_headnorm_backward(dx, dxs, NULL, dy, dys, x, xs, rstd, g, n, heads, w);
                check_gradient(&j, 0, gathered(dx, n, all, dxs), NULL);
                release(NULL);
            }
}

/* ---- rotation ---- */

static void rotate_and_its_transpose(void **state)
{
    static const int shapes[][2] = {{1, 2}, {2, 24}, {4, 16}, {3, 70}};
    (void)state;
    for
        EACH (c, counts)
        for
            EACH (k, shapes) {
                long n = counts[c];
                int heads = shapes[k][0], w = shapes[k][1], all = heads * w;
                struct job j = {.n = n, .w = w, .heads = heads, .f = ref_rotate};
                start(&j, n * all, n * w / 2, n * w / 2, n * all);
                float *x = spread(j.in[0], n, all, all + 3), *dy = spread(j.dy, n, all, all + 1);
                float *co = floats(j.in[1], n * w / 2), *si = floats(j.in[2], n * w / 2);
                host_rotate(x, all + 3, co, si, n, heads, w, 1);
                check(gathered(x, n, all, all + 3), j.y, n * all, 1e-5);
                host_rotate(dy, all + 1, co, si, n, heads, w, -1);
                check_gradient(&j, 0, gathered(dy, n, all, all + 1), NULL);
                release(NULL);
            }
}

/* ---- activations ---- */

static void swiglu_and_its_gradient(void **state)
{
    (void)state;
    for
        EACH (c, counts)
        for
            EACH (k, widths) {
                long n = counts[c], w = widths[k];
                struct job j = {.n = n, .w = w, .f = ref_swiglu};
                start(&j, 2 * n * w, 0, 0, n * w);
                float *gu = floats(j.in[0], 2 * n * w), *y = nans(n * w), *dgu = nans(2 * n * w);
                host_swiglu(y, gu, n, w);
                check(y, j.y, n * w, 2e-6);
                host_swiglu_backward(dgu, floats(j.dy, n * w), gu, n, w);
                check_gradient(&j, 0, dgu, NULL);
                release(NULL);
            }
}

static void gelu_and_its_gradient(void **state)
{
    static const long sizes[] = {1, 15, 16, 17, 131, 5000};
    (void)state;
    for
        EACH (c, sizes)
            for (int exact = 0; exact < 2; exact++) {
                long n = sizes[c];
                struct job j = {.n = n, .exact = exact, .f = ref_gelu};
                start(&j, n, 0, 0, n);
                for (long i = 0; i < n; i++) j.in[0][i] = held(2 * j.in[0][i]);
                j.f(&j, j.y);
                float *x = floats(j.in[0], n), *y = nans(n), *dx = nans(n), *dy = floats(j.dy, n);
                host_gelu(y, x, n, exact);
                check(y, j.y, n, 1e-6);
                host_gelu_backward(dx, dy, x, n, exact);
                check_gradient(&j, 0, dx, NULL);
                host_gelu_backward(dy, dy, x, n, exact); /* in place */
                assert_memory_equal(dx, dy, n * sizeof *dx);
                release(NULL);
            }
}

/* The two forms differ by up to 4.7e-4, and neither is the other. */
static void the_two_forms_of_gelu_differ(void **state)
{
    float x = -2.2f, tanh_form, exact;
    (void)state;
    host_gelu(&tanh_form, &x, 1, 0);
    host_gelu(&exact, &x, 1, 1);
    assert_close(exact, -0.03058758, 1e-7 + coarse / 16);
    assert_true(fabsf(tanh_form - exact) > 1e-4);
}

static void activations_at_the_edges(void **state)
{
    static const float far[] = {0, -0.0f, 1e-30f, 90, -90, 1000, -1000, 1e6f, -1e6f};
    (void)state;
    for
        EACH (i, far) {
            float y, dx, one = 1, gu[2] = {far[i], 1}, dgu[2], want = far[i] > 0 ? far[i] : 0,
                         slope = far[i] > 1    ? 1
                                 : far[i] < -1 ? 0
                                               : 0.5f;
            for (int exact = 0; exact < 2; exact++) {
                host_gelu(&y, &far[i], 1, exact);
                host_gelu_backward(&dx, &one, &far[i], 1, exact);
                assert_close(y, want, 1e-6 + coarse * fabs(far[i]));
                assert_close(dx, slope, 1e-6 + coarse);
            }
            host_swiglu(&y, gu, 1, 1);
            host_swiglu_backward(dgu, &one, gu, 1, 1);
            assert_close(y, want, 1e-6 + coarse * fabs(far[i]));
            assert_close(dgu[0], slope, 1e-6 + coarse);
            assert_close(dgu[1], want, 1e-6 + coarse * fabs(far[i]));
        }
}

/* ---- rows of tables ---- */

#define ROWS 6

static void rows_by_their_ids(void **state)
{
    static const int32_t ids[] = {5, 0, 5, 5, 2, 0, 1, 5};
    (void)state;
    for
        EACH (k, widths) {
            int w = widths[k];
            double *table = values(0, ROWS * w), *dy = values(1, 8 * w),
                   *want = take(8 * w, sizeof *want), *sum = values(2, ROWS * w);
            float *y = nans(8 * w), *dtable = floats(sum, ROWS * w);
            for (int i = 0; i < 8 * w; i++) {
                want[i] = table[ids[i / w] * w + i % w];
                sum[ids[i / w] * w + i % w] += dy[i];
            }
            host_gather(y, floats(table, ROWS * w), ids, 8, w);
            check(y, want, 8 * w, 0);
            float *x = memcpy(take(ROWS * w, sizeof *x), dtable, ROWS * w * sizeof *x);
            host_scatter_add(x, floats(dy, 8 * w), ids, 8, w);
            check(x, sum, ROWS * w, 1e-6 + 2 * coarse);
            host_gather_backward(dtable, floats(dy, 8 * w), ids, 8, w);
            check(dtable, sum, ROWS * w, 1e-6);
            for (int i = 0; i < 8 * w; i++) want[i] += dy[i];
            host_add(y, floats(dy, 8 * w), 8 * w);
            check(y, want, 8 * w, 1e-7);
            release(NULL);
        }
}

static void interpolated_rows(void **state)
{
    static const int32_t tap[12] = {0, 1, 2, 3, 5, 5, 5, 5, 4, 0, 4, 5};
    (void)state;
    for
        EACH (k, widths) {
            int w = widths[k];
            double *table = values(0, ROWS * w), *weight = values(1, 12), *dy = values(2, 3 * w),
                   *want = values(3, 3 * w), *sum = values(4, ROWS * w);
            float *y = floats(want, 3 * w), *dtable = floats(sum, ROWS * w);
            for (int i = 0; i < 12 * w; i++) {
                int row = i / w / 4, at = tap[i / w], c = i % w;
                want[row * w + c] += weight[i / w] * table[at * w + c];
                sum[at * w + c] += weight[i / w] * dy[row * w + c];
            }
            host_interpolate(y, floats(table, ROWS * w), tap, floats(weight, 12), 3, w);
            check(y, want, 3 * w, 1e-6);
            host_interpolate_backward(dtable, floats(dy, 3 * w), tap, floats(weight, 12), 3, w);
            check(dtable, sum, ROWS * w, 2e-6);
            release(NULL);
        }
}

/* ---- attention, in short ---- */

/* One causal sequence: in[0] q [n, heads, w], in[1] k, in[2] v. share NULL: not wanted. */
static void attend(const struct job *j, double *y, double *share)
{
    for (long i = 0; i < j->n; i++)
        for (int h = 0; h < j->heads; h++) {
            double p[16], sum = 0, *o = y + (i * j->heads + h) * j->w;
            for (long t = 0; t <= i; t++) {
                p[t] = 0;
                for (int c = 0; c < j->w; c++)
                    p[t] += j->in[0][(i * j->heads + h) * j->w + c] *
                            j->in[1][(t * j->heads + h) * j->w + c];
                sum += p[t] = exp(p[t] / sqrt(j->w));
            }
            memset(o, 0, j->w * sizeof *o);
            for (long t = 0; t <= i; t++)
                for (int c = 0; c < j->w; c++)
                    o[c] += p[t] / sum * j->in[2][(t * j->heads + h) * j->w + c];
            for (long t = 0; share && t <= i; t++) share[i * j->n + t] += p[t] / sum;
        }
}

static void ref_attention(const struct job *j, double *y)
{
    attend(j, y, NULL);
}

static struct ptd_attention two_heads_of_six(const struct ptd_span *span)
{
    return (struct ptd_attention){.heads = 2,
                                  .kv_heads = 2,
                                  .dim = 6,
                                  .causal = 1,
                                  .q_stride = 12,
                                  .k_stride = 12,
                                  .v_stride = 12,
                                  .o_stride = 12,
                                  .spans = span,
                                  .n_spans = 1};
}

static void attention_and_its_gradients(void **state)
{
    long n = 9, all = n * 2 * 6;
    struct job j = {.n = n, .heads = 2, .w = 6, .f = ref_attention};
    struct ptd_span span = {.n = (int)n};
    struct ptd_attention a = two_heads_of_six(&span);
    (void)state;
    start(&j, all, all, all, all);
    float *q = floats(j.in[0], all), *k = floats(j.in[1], all), *v = floats(j.in[2], all),
          *o = nans(all), *lse = nans(2 * n), *dq = nans(all), *dk = take(all, 4),
          *dv = take(all, 4);
    host_attention(&a, o, lse, q, k, v);
    check(o, j.y, all, 1e-5);
    host_attention_backward(&a, dq, dk, dv, floats(j.dy, all), o, lse, q, k, v);
    check_gradient(&j, 0, dq, NULL);
    check_gradient(&j, 1, dk, NULL);
    check_gradient(&j, 2, dv, NULL);
}

/* Rows from the fourth on to four keys that all of them see; added to what is there. */
static void attention_is_shared_out(void **state)
{
    static const int32_t keys[] = {3, 0, 2, 1};
    static const uint8_t second[] = {0, 1};
    long n = 9, all = n * 2 * 6;
    struct job j = {.n = n, .heads = 2, .w = 6, .f = ref_attention};
    struct ptd_span span = {.n = (int)n};
    struct ptd_attention a = two_heads_of_six(&span);
    struct ptd_shares_asked asked = {.first = 3, .n = n - 3, .n_keys = 4};
    (void)state;
    start(&j, all, all, all, all);
    float *q = floats(j.in[0], all), *k = floats(j.in[1], all), *v = floats(j.in[2], all),
          *o = nans(all), *lse = nans(2 * n), *out = take(4 * n, sizeof *out);
    double *share = take(n * n, sizeof *share), *want = take(4 * n, sizeof *want);
    attend(&j, j.y, share);
    host_attention(&a, o, lse, q, k, v);
    for (int i = 0; i < 4 * (n - 3); i++) {
        out[i] = (float)i;
        want[i] = i + share[(i / 4 + 3) * n + keys[i % 4]];
    }
    host_attention_shares(&a, asked, keys, out, q, k, lse);
    check(out, want, 4 * (n - 3), 1e-5);
    asked.heads = second;
    memset(out, 0, 4 * n * sizeof *out);
    host_attention_shares(&a, asked, keys, out, q, k, lse);
    for (long i = 0; i < n - 3; i++) {
        float sum = 0, both = 0;
        for (int t = 0; t < 4; t++) sum += out[4 * i + t], both += (float)share[(i + 3) * n + t];
        assert_true(sum > 0 && sum < both); /* of one head only */
    }
}

/* ---- memory and copies ---- */

static void copies_come_back(void **state)
{
    struct ptd_device *d = the_device();
    double *v = values(0, 100);
    float *x = floats(v, 100), *y = nans(100);
    size_t before = d->used;
    (void)state;
    ptd_num *n = ptd_device_nums(d, 100, "test");
    ptd_acc *a = ptd_device_accs(d, 100, "test");
    ptd_stat *s = ptd_device_stats(d, 100, "test");
    assert_true(d->used >= before + 100 * (d->num_size + d->acc_size + sizeof(float)));
    d->ops->get_nums(d, y, n, 100); /* zeros */
    for (int i = 0; i < 100; i++) assert_true(y[i] == 0);
    d->ops->put_nums(d, n, x, 100);
    d->ops->get_nums(d, y, ptd_at(d, n, 40), 60);
    assert_memory_equal(y, x + 40, 60 * sizeof *x);
    d->ops->put_accs(d, a, x, 100);
    d->ops->get_accs(d, y, ptd_acc_at(d, a, 1), 99);
    assert_memory_equal(y, x + 1, 99 * sizeof *x);
    d->ops->put(d, s, x, 100 * sizeof *x);
    d->ops->get(d, y, ptd_stat_at(s, 2), 98 * sizeof *x);
    assert_memory_equal(y, x + 2, 98 * sizeof *x);
    d->ops->zero(d, ptd_stat_at(s, 10), 20 * sizeof *x);
    d->ops->get(d, y, s, 100 * sizeof *x);
    for (int i = 0; i < 100; i++) assert_true(y[i] == (i < 10 || i >= 30 ? x[i] : 0));
    ptd_device_free(d, n), ptd_device_free(d, a), ptd_device_free(d, s);
    assert_int_equal(d->used, before);
    assert_int_equal(ptd_device_wait(d), 0);
}

static void rows_are_copied(void **state)
{
    static const int32_t to[] = {4, 1, 0}, from[] = {2, 2, 5};
    double *v = values(0, 6 * 7);
    float *x = floats(v, 42), *y;
    (void)state;
    for (int way = 0; way < 5; way++) { /* lists or not; zeros */
        const int32_t *t = way & 1 ? to : NULL, *f = way & 2 ? from : NULL;
        y = nans(5 * 8);
        host_copy_rows(y, 8, t, 5, way == 4 ? NULL : x, 7, f, 6, 3, 6);
        for (int i = 0; i < 3; i++)
            for (int c = 0; c < 6; c++)
                assert_true(y[(t ? t[i] : i) * 8 + c] ==
                            (way == 4 ? 0 : x[(f ? f[i] : i) * 7 + c]));
        int untouched = 0;
        for (int i = 0; i < 40; i++) untouched += isnan(y[i]) != 0;
        assert_int_equal(untouched, 40 - 18);
    }
}

/* Edges, and then anything. */
static float *to_round(long n)
{
    static const float edges[] = {0.0f,         -0.0f,     1.0f + 0x1p-8f, 1.0f + 0x3p-8f,
                                  -1 - 0x1p-8f, 0x1p-133f, 3.4e38f,        -3.4028235e38f,
                                  INFINITY,     -INFINITY, 0x1.fffffep-1f, 1.0f + 0x1.1p-8f};
    float *x = take(n, sizeof *x);
    for (long i = 0; i < n; i++)
        x[i] = (size_t)i < sizeof edges / sizeof *edges
                   ? edges[i]
                   : (float)ptd_normal(9, PTD_RNG_TEST, 0, (uint32_t)i, 0);
    return x;
}

static uint16_t half_of(float x)
{
    uint16_t half;
    ptd_dtype_from_float(&half, PTD_BF16, &x, 1);
    return half;
}

static void rows_are_rounded(void **state)
{
    static const int widths[] = {1, 8, 40, 77};
    (void)state;
    for
        EACH (i, widths) {
            long w = widths[i], stride = w + (w == 8 ? 8 : 3), n = 9;
            float *x = to_round(n * stride), *y = take(n * stride, sizeof *y), want;
            for (long k = 0; k < n * stride; k++)
                if (k % stride >= w) x[k] = 1.5f;
            memcpy(y, x, n * stride * sizeof *y);
            host_round(y, stride, n, (int)w);
            for (long k = 0; k < n * stride; k++) {
                uint16_t half = half_of(x[k]);
                ptd_dtype_to_float(&want, &half, PTD_BF16, 1);
                assert_memory_equal(&y[k], &want, sizeof want);
            }
        }
    float other[] = {1, NAN, 1 + 0x1p-20f}; /* between rows nothing is touched */
    host_round(other, 2, 1, 1);
    host_round(other + 1, 1, 1, 1);
    assert_true(isnan(other[1]) && (coarse > 0 || other[2] == 1 + 0x1p-20f));
}

/* Where the device reads such rows. */
static void rows_are_halved(void **state)
{
    static const int32_t to[] = {4, 1, 0};
    enum { W = 37, STRIDE = 41 };
    float *x = to_round(3 * W);
    (void)state;
    if (!OPS->halve_rows) return;
    for (int listed = 0; listed < 2; listed++) {
        uint16_t *y = take(5 * STRIDE, sizeof *y);
        memset(y, 0xab, 5 * STRIDE * sizeof *y);
        host_halve_rows(y, STRIDE, listed ? to : NULL, 5, x, W, 3, W);
        int untouched = 0;
        for (int i = 0; i < 5 * STRIDE; i++) untouched += y[i] == 0xabab;
        assert_int_equal(untouched, 5 * STRIDE - 3 * W);
        for (int i = 0; i < 3 * W; i++)
            assert_int_equal(y[(listed ? to[i / W] : i / W) * STRIDE + i % W], half_of(x[i]));
    }
}

static void a_device_says_what_decides(void **state)
{
    char *words = ptd_device_machine(the_device());
    (void)state;
    assert_true(strlen(words) > 0);
    assert_int_equal(strstr(words, "bf16") != NULL, coarse > 0);
    free(words);
}

static void a_device_is_closed(void **state)
{
    (void)state;
    closing = ptd_alloc(sizeof *closing);
    *closing = *the_device();
    ptd_device_close(closing);
    closing = NULL;
}

/* ---- the optimizer, in short ---- */

static void a_step_and_a_norm(void **state)
{
    const struct ptd_adamw a = {
        .lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0.01};
    float w = 1, m = 0, v = 0, g = 0.5f, x[] = {3, -4};
    (void)state;
    host_adamw(&a, 1, 1, &w, &m, &v, &g, 1);
    assert_close(w, 0.899, 1e-6 + coarse);
    assert_close(m, 0.05, 1e-8);
    assert_close(v, 0.00025, 1e-10);
    for (int of = PTD_NUMS; of <= PTD_STATS; of++) assert_true(host_norm(x, of, 2) == 5);
    x[1] = NAN;
    for (int of = PTD_NUMS; of <= PTD_STATS; of++) assert_true(isnan(host_norm(x, of, 2)));
}

/* The step by the formula on one number; what it leaves in the form, within that form's means. */
static void check_number(const struct ptd_adamw *a, int t, const struct ptd_slot *before,
                         const struct ptd_slot *s, float g, size_t i)
{
    double m = a->beta1 * form_moment(before, 0, i) + (1 - a->beta1) * g,
           v = a->beta2 * form_moment(before, 1, i) + (1 - a->beta2) * (double)g * g,
           w = form_weight(before, i), mh = m / (1 - pow(a->beta1, t)),
           vh = v / (1 - pow(a->beta2, t)), rounding = 2e-6 + coarse;
    const float *ms = (const float *)s->ms, *vs = (const float *)s->vs;
    w -= a->lr * (mh / (sqrt(vh) + a->eps) + a->decay * w);
    if (s->master == PTD_MASTER_NONE) rounding = 1.0 / 128;
    assert_close(form_weight(s, i), w, rounding * (fabs(w) + 1e-3));
    if (!s->eight) {
        assert_close(form_moment(s, 0, i), m, 2e-7 * (fabs(form_moment(before, 0, i)) + fabs(g)));
        assert_close(form_moment(s, 1, i), v, 2e-6 * v);
        return;
    }
    double sm = ms[i / PTD_BLOCK], sv = vs[i / PTD_BLOCK];
    assert_close(form_moment(s, 0, i) / sm, m / sm, form_off(m / sm, 1) + 2e-6);
    if (v > 0) assert_true(form_moment(s, 1, i) > 0);
    assert_close(form_moment(s, 1, i) / sv, v / sv, form_off(v / sv, 0) + 2e-6);
}

static struct ptd_slot copy_of(const struct ptd_slot *s, int form)
{
    struct ptd_slot c = form_slot(form, s->n);
    const void *from[] = {s->w, s->low, s->m, s->v, s->ms, s->vs};
    void *to[] = {c.w, c.low, c.m, c.v, c.ms, c.vs};
    const size_t size[] = {s->n * (s->master ? 2 : 4), s->n * 2,
                           s->n * (s->eight ? 1 : 4),  s->n * (s->eight ? 1 : 4),
                           ptd_blocks(s->n) * 4,       ptd_blocks(s->n) * 4};
    for (int i = 0; i < 6; i++)
        if (from[i]) memcpy(to[i], from[i], size[i]);
    return c;
}

static void step_form(int form, size_t n)
{
    const struct ptd_adamw a = {.lr = 0.01, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .decay = 0.1};
    struct ptd_slot s = form_slot(form, n);
    float *g = take(n, sizeof *g);
    for (size_t i = 0; i < n; i++)
        form_set_weight(&s, i, (float)held(ptd_normal(8, PTD_RNG_TEST, 0, (uint32_t)i, 0)));
    for (int t = 1; t <= 3; t++) {
        struct ptd_slot before = copy_of(&s, form);
        for (size_t i = 0; i < n; i++)
            g[i] = (float)(ptd_normal(8, PTD_RNG_TEST, t, (uint32_t)i, 0) * exp2(-(double)(i % 9)));
        host_adamw_slot(&a, t, 1, s, g);
        for (size_t i = 0; i < n; i++) check_number(&a, t, &before, &s, g[i], i);
        form_free(&before);
    }
    form_free(&s);
}

static void a_step_in_each_form(void **state)
{
    const size_t sizes[] = {1, 255, 256, 1001};
    (void)state;
    for (int form = 0; form < N_FORMS; form++)
        for (int i = 0; i < 4; i++) step_form(form, sizes[i]);
}

static void halves_have_a_norm(void **state)
{
    uint16_t x[PTD_BLOCK + 3] = {0};
    (void)state;
    x[1] = 0x4040, x[PTD_BLOCK + 2] = 0xc080; /* 3, -4 */
    assert_true(host_norm((float *)(void *)x, PTD_HALVES, PTD_BLOCK + 3) == 5);
    x[7] = 0x7f80;
    assert_false(isfinite(host_norm((float *)(void *)x, PTD_HALVES, PTD_BLOCK + 3)));
    x[7] = 0xffc0;
    assert_true(isnan(host_norm((float *)(void *)x, PTD_HALVES, PTD_BLOCK + 3)));
}

/* ---- threads ---- */

#define MANY  701 /* rows: enough work for a second thread */
#define WIDE  131
#define HEADS 3

static struct {
    float *at;
    long n, cap;
} all; /* results one after the other */

static float *result(long n)
{
    float *p;
    if (all.n + n > all.cap) fail_msg("too many results");
    p = all.at + all.n;
    all.n += n;
    return memset(p, 0, n * sizeof *p);
}

static void run_products(const float *x, const float *w, const float *b, const float *dy)
{
    host_linear(result(MANY * 45), x, w, b, NULL, MANY, WIDE, 45);
    host_linear(result(5 * 45), x, w, b, NULL, 5, WIDE, 45);
    host_linear_backward(result(MANY * WIDE), 0, result(45 * WIDE), result(45), dy, x, w, MANY,
                         WIDE, 45);
}

static void run_norms(const float *x, const float *g, const float *b, const float *dy)
{
    float *mean = result(MANY), *rstd = result(MANY * HEADS);
    int w = WIDE / HEADS;
    host_rmsnorm(result(MANY * WIDE), rstd, x, g, MANY, WIDE, 1e-6f);
    host_rmsnorm_backward(result(MANY * WIDE), result(WIDE), dy, x, rstd, g, MANY, WIDE);
    host_layernorm(result(MANY * WIDE), mean, rstd, x, g, b, MANY, WIDE, 1e-6f);
    host_layernorm_backward(result(MANY * WIDE), result(WIDE), result(WIDE), dy, x, mean, rstd, g,
                            MANY, WIDE);
    host_headnorm(result(MANY * WIDE), WIDE, rstd, x, WIDE, g, MANY, HEADS, w, 1e-6f);
    host_headnorm_backward(result(MANY * WIDE), WIDE, result(w), dy, WIDE, x, WIDE, rstd, g, MANY,
                           HEADS, w);
}

static void run_maps(const float *x, const float *dy)
{
    float *turned = result(MANY * WIDE);
    memcpy(turned, x, MANY * WIDE * sizeof *x);
    host_rotate(turned, WIDE, dy, x, MANY, HEADS, 42, 1);
    host_swiglu(result(MANY * 65), x, MANY, 65);
    host_swiglu_backward(result(MANY * 130), dy, x, MANY, 65);
    for (int exact = 0; exact < 2; exact++) {
        host_gelu(result(MANY * WIDE), x, MANY * WIDE, exact);
        host_gelu_backward(result(MANY * WIDE), dy, x, MANY * WIDE, exact);
    }
}

/* The operations that are shared out, on one set of inputs; the results in a buffer of their own.
 */
static float *run_all(long *n, long *exact)
{
    float *x = floats(values(0, MANY * WIDE), MANY * WIDE),
          *w = floats(values(1, 45 * WIDE), 45 * WIDE);
    float *b = floats(values(2, WIDE), WIDE), *dy = floats(values(3, MANY * WIDE), MANY * WIDE);
    all.cap = 24L * MANY * WIDE;
    all.at = ptd_array(all.cap, sizeof *all.at);
    all.n = 0;
    run_norms(x, b, w, dy);
    run_maps(x, dy);
    *exact = all.n;
    run_products(x, w, b, dy);
    *n = all.n;
    release(NULL);
    return all.at;
}

/* Bits are promised for everything but products, whose rows OpenBLAS may sum in another order when
 * there are fewer. */
static float *alone[8]; /* what each device did with one thread */
static int device_number;

static void one_thread(void **state)
{
    long n, exact;
    (void)state;
    assert_int_equal(ptd_threads_count(), 1);
    alone[device_number] = run_all(&n, &exact);
}

static void two_threads_change_nothing(void **state)
{
    long n, exact;
    float *one = alone[device_number], *two;
    (void)state;
    assert_int_equal(ptd_threads_count(), 2);
    for (int again = 0; again < 3; again++) {
        two = run_all(&n, &exact);
        assert_memory_equal(one, two, exact * sizeof *one);
        for (long i = exact; i < n; i++)
            assert_close(two[i], one[i], (1e-7 * MANY + coarse) * (1 + fabs(one[i])));
        free(two);
    }
    free(one);
}

/* ---- rows of logits, in short: test-rows.c asks them more ---- */

enum { LOGITS = 20, LINES = 4 };

/* Log-probs [LINES, LOGITS] of z at temperature 1/2, word 3 banned. */
static double *plain_logp(const double *z)
{
    double *logp = take(LINES * LOGITS, sizeof *logp);
    for (int r = 0; r < LINES; r++) {
        double sum = 0;
        for (int v = 0; v < LOGITS; v++) sum += v == 3 ? 0 : exp(2 * z[r * LOGITS + v]);
        for (int v = 0; v < LOGITS; v++)
            logp[r * LOGITS + v] = v == 3 ? -INFINITY : 2 * z[r * LOGITS + v] - log(sum);
    }
    return logp;
}

static void rows_of_logits(void **state)
{
    static const int32_t banned = 3, word[LINES] = {0, 19, 7, 7};
    struct ptd_device *d = the_device();
    struct ptd_row_rules rules = {.temperature = 0.5f, .banned = &banned, .n_banned = 1};
    double *z = values(0, LINES * LOGITS), *logp = plain_logp(z), total[LINES], got[LINES],
           c[LINES] = {1, -2, 0.5, 0}, u[LINES] = {0};
    float *f = floats(z, LINES * LOGITS), drawn[LINES];
    int32_t id[LINES];
    struct ptd_ask_score ask = {.rules = rules, .words.id = word, .shares = 1};
    struct ptd_got_score scored = {.total = total, .logp = got};
    struct ptd_ask_gradient down = {.rules = rules, .total = total, .words.id = word, .dlogp = c};
    struct ptd_ask_draw draw = {.rules = rules, .draws = 1, .u = u, .top_k = 1, .top_p = 1};
    struct ptd_got_draw best = {.id = id, .logp = drawn};
    (void)state;
    ptd_stat *on = stats(f, LINES * LOGITS);
    d->ops->rows_score(d, on, LINES, LOGITS, &ask, &scored);
    for (int r = 0; r < LINES; r++) assert_close(got[r], logp[r * LOGITS + word[r]], 1e-5);
    d->ops->rows_gradient(d, on, LINES, LOGITS, &down, NULL);
    back();
    for (int i = 0; i < LINES * LOGITS; i++) {
        int r = i / LOGITS, v = i % LOGITS;
        assert_close(f[i], v == 3 ? 0 : 2 * c[r] * ((v == word[r]) - exp(logp[i])), 1e-6);
    }
    f = floats(z, LINES * LOGITS);
    d->ops->rows_draw(d, stats(f, LINES * LOGITS), LINES, LOGITS, &draw, &best);
    back();
    for (int r = 0; r < LINES; r++) {
        for (int v = 0; v < LOGITS; v++)
            assert_true(logp[r * LOGITS + v] <= logp[r * LOGITS + id[r]]);
        assert_close(drawn[r], logp[r * LOGITS + id[r]], 1e-5);
    }
}

/* ---- the table ---- */

struct row {
    const char *name;
    size_t at; /* of the member */
    void (*test)(void **state);
    int optional; /* it may be NULL */
};
#define ANY_ROW(member, test, optional)                                                            \
    {                                                                                              \
#member, offsetof(struct ptd_ops, member), test, optional                                  \
    }
#define ROW(member, test)   ANY_ROW(member, test, 0)
#define MAYBE(member, test) ANY_ROW(member, test, 1)
static const struct row rows[] = {
    ROW(alloc, copies_come_back),
    ROW(free, copies_come_back),
    MAYBE(room, NULL), /* gpu.bats */
    MAYBE(wait, copies_come_back),
    ROW(machine, a_device_says_what_decides),
    MAYBE(close, a_device_is_closed),
    MAYBE(share, NULL), /* gpu-sim/test-share.cc's, and of its next */
    MAYBE(filled, NULL),
    MAYBE(rest, NULL), /* gpu-sim/test-turns.cc's, and its next */
    MAYBE(resting, NULL),
    MAYBE(record, NULL), /* gpu-sim/test-graphs.cc's, and its next */
    MAYBE(play, NULL),
    ROW(put, copies_come_back),
    ROW(get, copies_come_back),
    ROW(put_nums, copies_come_back),
    ROW(get_nums, copies_come_back),
    ROW(put_accs, copies_come_back),
    ROW(get_accs, copies_come_back),
    ROW(zero, copies_come_back),
    ROW(copy_rows, rows_are_copied),
    ROW(round, rows_are_rounded),
    MAYBE(halve_rows, rows_are_halved),
    ROW(linear, linear_and_its_gradients),
    ROW(linear_backward, gradients_not_wanted),
    ROW(linear_gradient, rows_have_a_gradient_of_their_own),
    ROW(logits, logits_and_their_gradients),
    ROW(logits_backward, logits_and_their_gradients),
    ROW(low_rank, low_rank_and_its_gradients),
    ROW(low_rank_backward, low_rank_and_its_gradients),
    ROW(rmsnorm, rmsnorm_and_its_gradients),
    ROW(rmsnorm_backward, rmsnorm_and_its_gradients),
    ROW(layernorm, layernorm_and_its_gradients),
    ROW(layernorm_backward, layernorm_and_its_gradients),
    ROW(headnorm, headnorm_and_its_gradients),
    ROW(headnorm_backward, headnorm_and_its_gradients),
    ROW(rotate, rotate_and_its_transpose),
    ROW(attention_plan, attention_and_its_gradients),
    ROW(attention_plan_free, attention_and_its_gradients),
    ROW(attention, attention_and_its_gradients),
    ROW(attention_backward, attention_and_its_gradients),
    ROW(attention_shares, attention_is_shared_out),
    ROW(swiglu, swiglu_and_its_gradient),
    ROW(swiglu_backward, swiglu_and_its_gradient),
    ROW(gelu, gelu_and_its_gradient),
    ROW(gelu_backward, gelu_and_its_gradient),
    ROW(add, rows_by_their_ids),
    ROW(gather, rows_by_their_ids),
    ROW(gather_backward, rows_by_their_ids),
    ROW(scatter_add, rows_by_their_ids),
    ROW(interpolate, interpolated_rows),
    ROW(interpolate_backward, interpolated_rows),
    ROW(rows_score, rows_of_logits),
    ROW(rows_draw, rows_of_logits),
    ROW(rows_gradient, rows_of_logits),
    MAYBE(rows_near, NULL), /* numbers */
    MAYBE(rows_least, NULL),
    ROW(norm, a_step_and_a_norm),
    ROW(adamw, a_step_and_a_norm),
};

static void every_member_has_a_row(void **state)
{
    (void)state;
    for (size_t at = 0; at < sizeof(struct ptd_ops); at += sizeof(void (*)(void))) {
        int found = 0;
        for
            EACH (i, rows) found += rows[i].at == at;
        if (!found)
            fail_msg("member %zu of struct ptd_ops has no test", at / sizeof(void (*)(void)));
    }
}

/* Of the device; before the other tests, which would call what is not there. */
static void no_member_is_missing(void **state)
{
    static void (*const none)(void);
    (void)state;
    for
        EACH (i, rows)
            if (!rows[i].optional && !memcmp((const char *)OPS + rows[i].at, &none, sizeof none))
                fail_msg("%s is missing in the table of device %s", rows[i].name, DEV->name);
}

/* A device whose operations are those of another, but for one, which is a trap; and what a test
 * that stepped into it left there. */
static struct {
    struct ptd_device device;
    struct ptd_ops ops;
    const struct ptd_ops *real;
    void *left[64];
    int n_left;
    struct ptd_attention_plan *plan;
} trapped;
static jmp_buf called;

static void trap(void)
{
    longjmp(called, 1);
}

static void *noted_alloc(struct ptd_device *d, size_t bytes)
{
    assert_true(trapped.n_left < 64);
    return trapped.left[trapped.n_left++] = trapped.real->alloc(d, bytes);
}

static void noted_free(struct ptd_device *d, void *p)
{
    int i = 0;
    while (i < trapped.n_left && trapped.left[i] != p) i++;
    assert_true(i < trapped.n_left);
    trapped.left[i] = trapped.left[--trapped.n_left];
    trapped.real->free(d, p);
}

static struct ptd_attention_plan *noted_plan(struct ptd_device *d, const struct ptd_attention *a)
{
    return trapped.plan = trapped.real->attention_plan(d, a);
}

static void noted_plan_free(struct ptd_device *d, struct ptd_attention_plan *p)
{
    trapped.plan = NULL;
    trapped.real->attention_plan_free(d, p);
}

static void set_trap(const struct ptd_device *real, const struct row *r)
{
    void (*f)(void) = trap;
    trapped.device = *real;
    trapped.device.ops = &trapped.ops;
    trapped.real = real->ops;
    trapped.ops = *real->ops;
    trapped.ops.alloc = noted_alloc;
    trapped.ops.free = noted_free;
    trapped.ops.attention_plan = noted_plan;
    trapped.ops.attention_plan_free = noted_plan_free;
    memcpy((char *)&trapped.ops + r->at, &f, sizeof f);
}

static void clear_trap(void)
{
    while (trapped.n_left) trapped.real->free(&trapped.device, trapped.left[--trapped.n_left]);
    trapped.real->attention_plan_free(&trapped.device, trapped.plan);
    trapped.plan = NULL;
    n_device_arrays = 0;
    release(NULL);
}

/* Each row's test calls its operation: one that is a trap is stepped into. */
static void every_row_calls_its_member(void **state)
{
    struct ptd_device *real = the_device();
    (void)state;
    for
        EACH (i, rows) {
            volatile int stepped = 0;
            if (!rows[i].test) continue;
            set_trap(real, &rows[i]);
            chosen_device = &trapped.device;
            if (setjmp(called) == 0)
                rows[i].test(NULL);
            else
                stepped = 1;
            chosen_device = real;
            clear_trap();
            if (!stepped) fail_msg("the test of %s does not call it", rows[i].name);
        }
}

/* ---- one more operation ---- */

/* A table with one more member: squared ReLU (arXiv:2109.08668), y = max(x, 0)^2. */
struct longer_ops {
    struct ptd_ops ops;
    void (*relu2)(struct ptd_device *d, ptd_num *y, const ptd_num *x, long n, int w);
};

struct relu2_job {
    float *y;
    const float *x;
    int w;
};

static void relu2_rows(void *ctx, long first, long last)
{
    const struct relu2_job *j = ctx;
    for (long i = first * j->w; i < last * j->w; i++) j->y[i] = j->x[i] > 0 ? j->x[i] * j->x[i] : 0;
}

static void relu2(struct ptd_device *d, ptd_num *y, const ptd_num *x, long n, int w)
{
    struct relu2_job j = {FLOATS(y), FLOATS(x), w};
    ptd_parallel(n, 16, relu2_rows, &j);
}

static void host_relu2(float *y, const float *x, long n, int w)
{
    const struct longer_ops *more = (const struct longer_ops *)OPS;
    more->relu2(DEV, nums(y, n * w), in_nums(x, n * w), n, w);
    back();
}

static void ref_relu2(const struct job *j, double *y)
{
    for (long i = 0; i < j->n * j->w; i++) y[i] = fmax(j->in[0][i], 0) * fmax(j->in[0][i], 0);
}

static void one_more_is_a_member(void **state)
{
    static struct ptd_device longer;
    static struct longer_ops more;
    struct ptd_device *cpu = the_device();
    (void)state;
    more = (struct longer_ops){*cpu->ops, relu2};
    longer = *cpu;
    longer.ops = &more.ops;
    chosen_device = &longer;
    for
        EACH (i, counts) {
            struct job j = {.n = counts[i], .w = WIDE, .f = ref_relu2};
            long n = j.n * j.w;
            float *y = nans(n);
            start(&j, n, 0, 0, n);
            host_relu2(y, floats(j.in[0], n), j.n, j.w);
            check(y, j.y, n, 1e-6);
        }
    chosen_device = cpu;
}

static int on_every_device(const struct CMUnitTest *tests, size_t n)
{
    const struct CMUnitTest complete[] = {cmocka_unit_test(no_member_is_missing)};
    int failed = 0;
    for (int i = 0; ptd_device_name(i); i++) {
        if (!open_row(i)) continue;
        device_number = i;
        coarse =
            chosen_device->num == PTD_BF16 || strstr(ptd_device_name(i), "bf16") ? 1.0 / 128 : 0;
        if (cmocka_run_group_tests_name(ptd_device_name(i), complete, NULL, NULL))
            failed++;
        else
            failed += _cmocka_run_group_tests(ptd_device_name(i), tests, n, NULL, NULL);
        ptd_device_close(chosen_device);
    }
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(copies_come_back, release),
        cmocka_unit_test_teardown(rows_are_copied, release),
        cmocka_unit_test(a_device_says_what_decides),
        cmocka_unit_test_teardown(linear_and_its_gradients, release),
        cmocka_unit_test_teardown(residual_is_added_last, release),
        cmocka_unit_test_teardown(logits_and_their_gradients, release),
        cmocka_unit_test_teardown(gradients_not_wanted, release),
        cmocka_unit_test_teardown(low_rank_and_its_gradients, release),
        cmocka_unit_test_teardown(low_rank_rows_stand_alone, release),
        cmocka_unit_test_teardown(rmsnorm_and_its_gradients, release),
        cmocka_unit_test_teardown(layernorm_and_its_gradients, release),
        cmocka_unit_test_teardown(layernorm_far_from_zero, release),
        cmocka_unit_test_teardown(headnorm_and_its_gradients, release),
        cmocka_unit_test_teardown(rotate_and_its_transpose, release),
        cmocka_unit_test_teardown(attention_and_its_gradients, release),
        cmocka_unit_test_teardown(attention_is_shared_out, release),
        cmocka_unit_test_teardown(swiglu_and_its_gradient, release),
        cmocka_unit_test_teardown(gelu_and_its_gradient, release),
        cmocka_unit_test(the_two_forms_of_gelu_differ),
        cmocka_unit_test(activations_at_the_edges),
        cmocka_unit_test_teardown(rows_by_their_ids, release),
        cmocka_unit_test_teardown(interpolated_rows, release),
        cmocka_unit_test_teardown(rows_of_logits, release),
        cmocka_unit_test(a_step_and_a_norm),
        cmocka_unit_test_teardown(a_step_in_each_form, release),
        cmocka_unit_test(halves_have_a_norm),
        cmocka_unit_test_teardown(one_thread, release),
    };
    const struct CMUnitTest two_threads[] = {
        cmocka_unit_test_teardown(two_threads_change_nothing, release),
        cmocka_unit_test_teardown(linear_and_its_gradients, release),
        cmocka_unit_test_teardown(low_rank_and_its_gradients, release),
        cmocka_unit_test_teardown(low_rank_rows_stand_alone, release),
    };
    const struct CMUnitTest table[] = {
        cmocka_unit_test(every_member_has_a_row),
        cmocka_unit_test(every_row_calls_its_member),
        cmocka_unit_test_teardown(one_more_is_a_member, release),
    };
    int failed = 0;
    ptd_program("test-ops");
    failed += on_every_device(tests, sizeof tests / sizeof *tests);
    ptd_threads_start(2);
    failed += on_every_device(two_threads, sizeof two_threads / sizeof *two_threads);
    coarse = 0;
    chosen_device = ptd_device_open("cpu");
    failed += cmocka_run_group_tests_name("table", table, NULL, NULL);
    ptd_device_close(chosen_device);
    return failed;
}
