/* linear: products with the network's matrices, which lie in blocks (matrix.h): on one thread each
 * (product.h), shared out over our own threads by rows or by outputs. */
#include "base/threads.h"
#include "compute/cpu/dots.h"
#include "compute/cpu/floats.h"
#include "compute/cpu/ops.h"
#include "compute/cpu/pairs.h"
#include "compute/cpu/product.h"
#include "compute/cpu/round.h"
#include "compute/cpu/vec.h"
#include <stdlib.h>

#define DOTS_FROM 256 /* words of a row; of shorter ones the sums over lanes would take a tenth */
#define WIDENED   64  /* such rows in bfloat16 that are widened at a time: 64 KiB of them */

/* ---- a matrix on the host ---- */

/* Row `first` and those behind it in its block, up to `last`. */
struct stretch {
    const void *at;
    long n;
};

static struct stretch stretch_from(const struct ptd_matrix *W, long first, long last)
{
    const struct ptd_block *b = W->blocks;
    long before = 0, at = first, left;
    while (first >= before + b->rows) before += b++->rows;
    at -= before;
    left = b->rows - at;
    return (struct stretch){(const char *)(uintptr_t)b->at +
                                (size_t)at * W->cols * ptd_dtype_size(W->dtype),
                            left < last - first ? left : last - first};
}

const char ptd_cpu_pairs;

/* ---- forward ---- */

struct linear_job {
    float *Y;
    const float *X, *b, *residual;
    const struct ptd_matrix *W;
    long n;
    int in, out, pairs;
};

/* Y [n, outputs] of X and short rows of a matrix, by product.h: as in dots.h an entry's sum depends
 * on nothing but its row and its column, and is the same in both formats. */
static void short_rows(const struct linear_job *j, float *y, const float *x, const void *w, long n,
                       long outputs)
{
    static _Thread_local float wide[WIDENED * DOTS_FROM];
    for (long o = 0, some; o < outputs; o += some) {
        const float *rows = (const float *)w + o * j->in;
        some = outputs - o;
        if (j->W->dtype == PTD_BF16) {
            if (some > WIDENED) some = WIDENED;
            ptd_unround(wide, (const uint16_t *)w + o * j->in, some * j->in);
            rows = wide;
        }
        ptd_product_rows_nt(y + o, j->out, j->b != NULL, 1, x, j->in, rows, j->in, n, some, j->in);
    }
}

/* Rows of Y begin as the bias, where there is one. */
static void begin_rows(const struct linear_job *j, long row, long n, long first, long last)
{
    for (long i = row; j->b && i < row + n; i++)
        memcpy(j->Y + i * j->out + first, j->b + first, (last - first) * sizeof *j->Y);
}

/* Added when the product is done, so that it rounds as an addition of its own does. */
static void end_rows(const struct linear_job *j, long row, long n, long first, long last)
{
    for (long i = row; j->residual && i < row + n; i++) {
        float *y = j->Y + i * j->out;
        const float *r = j->residual + i * j->out;
        for (long o = first; o < last; o++) y[o] += r[o];
    }
}

/* n rows from `row` on, outputs first .. last. */
static void linear_part(const struct linear_job *j, long row, long n, long first, long last)
{
    struct stretch s;
    begin_rows(j, row, n, first, last);
    for (long o = first; o < last; o += s.n) {
        float *y = j->Y + row * j->out + o;
        const float *x = j->X + row * j->in;
        s = stretch_from(j->W, o, last);
        if (j->pairs)
            ptd_pairs_nt(y, j->out, j->b != NULL, x, j->in, s.at, j->W->dtype, j->in, n, s.n,
                         j->in);
        else if (j->in >= DOTS_FROM)
            ptd_dots(y, j->out, j->b != NULL, x, j->in, s.at, j->W->dtype, j->in, n, s.n, j->in);
        else
            short_rows(j, y, x, s.at, n, s.n);
    }
    end_rows(j, row, n, first, last);
}

static void linear_rows(void *ctx, long first, long last)
{
    const struct linear_job *j = ctx;
    linear_part(j, first, last - first, 0, j->out);
}

/* The share that is not cut is packed by every thread, so the longer side is cut. */
static void linear_outputs(void *ctx, long first, long last)
{
    const struct linear_job *j = ctx;
    linear_part(j, 0, j->n, first, last);
}

static void multiply(const struct linear_job *j)
{
    if (j->n < j->out)
        ptd_parallel(j->out, ptd_cpu_grain((double)j->n * j->in), linear_outputs, (void *)j);
    else
        ptd_parallel(j->n, ptd_cpu_grain((double)j->in * j->out), linear_rows, (void *)j);
}

void ptd_cpu_linear(struct ptd_device *d, ptd_num *Y, const ptd_num *X, const struct ptd_matrix *W,
                    const ptd_num *b, const ptd_num *residual, long n)
{
    multiply(&(struct linear_job){FLOATS(Y), FLOATS(X), FLOATS(b), FLOATS(residual), W, n, W->cols,
                                  W->rows, ptd_cpu_by_pairs(d)});
}

void ptd_cpu_logits(struct ptd_device *d, ptd_stat *Z, const ptd_num *X, const struct ptd_matrix *W,
                    long n)
{
    multiply(&(struct linear_job){FLOATS(Z), FLOATS(X), NULL, NULL, W, n, W->cols, W->rows,
                                  ptd_cpu_by_pairs(d)});
}

/* ---- backward ---- */

struct linear_back {
    float *dX, *dW, *db;
    int add;
    const float *dY, *X;
    const struct ptd_matrix *W;
    long n, stride; /* of dY */
    int in, out, pairs;
};

/* n rows of dX from `row` on, columns first .. last. */
static void back_input_part(const struct linear_back *j, long row, long n, long first, long last)
{
    float *dx = j->dX + row * j->in + first;
    struct stretch s;
    for (long o = 0; o < j->out; o += s.n) {
        const float *dy = j->dY + row * j->out + o;
        s = stretch_from(j->W, o, j->out);
        const char *w = (const char *)s.at + first * (long)ptd_dtype_size(j->W->dtype);
        if (j->pairs)
            ptd_pairs_nn(dx, j->in, j->add || o, dy, j->out, w, j->W->dtype, j->in, n, last - first,
                         s.n);
        else if (j->W->dtype == PTD_BF16)
            ptd_product_nn_bf16(dx, j->in, j->add || o, dy, j->out, w, j->in, n, last - first, s.n);
        else
            ptd_product_nn(dx, j->in, j->add || o, 1, dy, j->out, (const float *)w, j->in, n,
                           last - first, s.n);
    }
}

static void back_input_rows(void *ctx, long first, long last)
{
    const struct linear_back *j = ctx;
    back_input_part(j, first, last - first, 0, j->in);
}

/* By pairs an entry is the same wherever it stands; the longer side is cut, as forward. */
static void back_input_columns(void *ctx, long first, long last)
{
    const struct linear_back *j = ctx;
    back_input_part(j, 0, j->n, first, last);
}

static void back_input(const struct linear_back *j)
{
    if (j->pairs && j->n < j->in)
        ptd_parallel(j->in, ptd_cpu_grain((double)j->n * j->out), back_input_columns, (void *)j);
    else
        ptd_parallel(j->n, ptd_cpu_grain((double)j->in * j->out), back_input_rows, (void *)j);
}

static void back_weight(void *ctx, long first, long last)
{
    const struct linear_back *j = ctx;
    float *dW = j->dW ? j->dW + first * j->in : NULL;
    if (dW && j->pairs)
        ptd_pairs_tn(dW, j->in, 1, j->dY + first, j->stride, j->X, PTD_F32, j->in, last - first,
                     j->in, j->n);
    else if (dW)
        ptd_product_tn(dW, j->in, 1, 1, j->dY + first, j->stride, j->X, j->in, last - first, j->in,
                       j->n);
    for (long i = 0; j->db && i < j->n; i++)
        for (long o = first; o < last; o++) j->db[o] += j->dY[i * j->stride + o];
}

static void multiply_back(const struct linear_back *j)
{
    if (j->dX) back_input(j);
    if (j->dW || j->db)
        ptd_parallel(j->out, ptd_cpu_grain((double)j->n * j->in), back_weight, (void *)j);
}

void ptd_cpu_linear_backward(struct ptd_device *d, ptd_num *dX, int add, ptd_acc *dW, ptd_acc *db,
                             const ptd_num *dY, const ptd_num *X, const struct ptd_matrix *W,
                             long n)
{
    multiply_back(&(struct linear_back){FLOATS(dX), FLOATS(dW), FLOATS(db), add, FLOATS(dY),
                                        FLOATS(X), W, n, W->rows, W->cols, W->rows,
                                        ptd_cpu_by_pairs(d)});
}

void ptd_cpu_linear_gradient(struct ptd_device *d, ptd_acc *dW, const ptd_num *dY, long stride,
                             const ptd_num *X, long n, int in, int out)
{
    multiply_back(&(struct linear_back){NULL, FLOATS(dW), NULL, 0, FLOATS(dY), FLOATS(X), NULL, n,
                                        stride, in, out, ptd_cpu_by_pairs(d)});
}

void ptd_cpu_logits_backward(struct ptd_device *d, ptd_num *dX, ptd_acc *dW, const ptd_stat *dZ,
                             const ptd_num *X, const struct ptd_matrix *W, long n)
{
    multiply_back(&(struct linear_back){FLOATS(dX), FLOATS(dW), NULL, 0, FLOATS(dZ), FLOATS(X), W,
                                        n, W->rows, W->cols, W->rows, ptd_cpu_by_pairs(d)});
}

/* ---- rows ---- */

void ptd_cpu_gather(struct ptd_device *d, ptd_num *y, const struct ptd_matrix *table,
                    const ptd_int *ids, long n)
{
    int w = table->cols;
    for (long i = 0; i < n; i++) {
        long row = INTS(ids)[i];
        ptd_dtype_to_float(FLOATS(y) + i * w, stretch_from(table, row, row + 1).at, table->dtype,
                           (size_t)w);
    }
}
