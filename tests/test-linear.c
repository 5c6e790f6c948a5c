/* linear: what is multiplied with a matrix does not depend on how it lies: in one block, in blocks
 * of a few rows; bfloat16 is widened exactly. On every device. And on the processor no row of a
 * product with bfloat16, or with wide rows, depends on the rows beside it, and the format of the
 * same numbers changes no bit. */
#include "test.h"
#include "device.h"
#include "tiny.h"
#include "base/threads.h"
#include "compute/cpu/product.h"
#include <math.h>
#include <string.h>

#define MOST 4 /* blocks */

/* W [out, in] on the device in blocks that end before row cut[i]. */
struct laid {
    struct ptd_block block[MOST];
    struct ptd_matrix matrix;
};

static const ptd_num *put_block(const float *w, size_t n, int dtype)
{
    struct ptd_device *d = the_device();
    if (dtype != PTD_BF16) {
        ptd_num *x = ptd_device_nums(d, n, "test");
        d->ops->put_nums(d, x, w, n);
        return x;
    }
    uint16_t *host = ptd_array(n, sizeof *host);
    void *x = ptd_device_alloc(d, n * sizeof *host, "test");
    ptd_dtype_from_float(host, PTD_BF16, w, n);
    d->ops->put(d, x, host, n * sizeof *host);
    free(host);
    return x;
}

static void lay(struct laid *l, const float *w, int out, int in, int dtype, int blocks)
{
    static const int cut[MOST] = {3, 4, 29, 1 << 30};
    int first = 0;
    l->matrix = (struct ptd_matrix){l->block, 0, out, in, dtype};
    for (int i = 0; i < MOST && first < out; i++) {
        int last = blocks > 1 && cut[i] < out ? cut[i] : out;
        l->block[l->matrix.n_blocks++] = (struct ptd_block){
            put_block(w + (size_t)first * in, (size_t)(last - first) * in, dtype), last - first};
        first = last;
    }
}

static void take_away(struct laid *l)
{
    for (int i = 0; i < l->matrix.n_blocks; i++)
        ptd_device_free(the_device(), (void *)(uintptr_t)l->block[i].at);
}

static float *filled(const char *name, size_t n, int dtype)
{
    float *x = ptd_array(n + 1, sizeof *x);
    tiny_fill(x, name, n, 1, 0);
    if (dtype == PTD_BF16) { /* numbers that it holds exactly */
        uint16_t *half = ptd_array(n + 1, sizeof *half);
        ptd_dtype_from_float(half, PTD_BF16, x, n);
        ptd_dtype_to_float(x, half, PTD_BF16, n);
        free(half);
    }
    return x;
}

static void forward(const struct laid *l, const float *x, const float *b, float *y, long n)
{
    const struct ptd_matrix *W = &l->matrix;
    struct ptd_device *d = the_device();
    d->ops->linear(d, nums(y, n * W->rows), in_nums(x, n * W->cols), W, in_nums(b, W->rows), NULL,
                   n);
    back();
}

static void backward(const struct laid *l, const float *dy, const float *x, float *dx, long n)
{
    const struct ptd_matrix *W = &l->matrix;
    struct ptd_device *d = the_device();
    d->ops->linear_backward(d, nums(dx, n * W->cols), 0, NULL, NULL, in_nums(dy, n * W->rows),
                            in_nums(x, n * W->cols), W, n);
    back();
}

static void rows(const struct laid *l, float *y)
{
    static const int32_t ids[] = {0, 2, 3, 28, 29, 5};
    struct ptd_device *d = the_device();
    d->ops->gather(d, nums(y, 6 * l->matrix.cols), &l->matrix, in_ints(ids, 6), 6);
    back();
}

/* Between two orders of summation. */
static double allowed(float x)
{
    const struct ptd_device *d = the_device();
    int rounds = d->num == PTD_BF16 || strstr(d->name, "bf16");
    return (rounds ? 0.01 : 1e-5) * (10 + fabs(x));
}

static void check_layouts(long n, int out, int in)
{
    float *w = filled("w", (size_t)out * in, PTD_BF16), *x = filled("x", n * in, PTD_F32),
          *b = filled("b", out, PTD_F32), *dy = filled("dy", n * out, PTD_F32);
    float *y[2], *dx[2], *picked[2];
    for (int k = 0; k < 2; k++) {
        y[k] = ptd_array(n * out, sizeof **y);
        dx[k] = ptd_array(n * in, sizeof **dx);
        picked[k] = ptd_array((size_t)6 * in, sizeof **picked);
    }
    for (int kind = 0; kind < 4; kind++) { /* whole, in blocks; then bfloat16 */
        struct laid l;
        int k = kind != 0 && kind != 2;
        lay(&l, w, out, in, kind < 2 ? the_device()->num : PTD_BF16, kind & 1 ? MOST : 1);
        forward(&l, x, b, y[k], n);
        backward(&l, dy, x, dx[k], n);
        rows(&l, picked[k]);
        take_away(&l);
        if (kind == 2)
            for (long i = 0; i < n * out; i++) assert_close(y[0][i], y[1][i], allowed(y[1][i]));
        else
            assert_memory_equal(y[0], y[k], n * out * sizeof **y);
        assert_memory_equal(picked[0], picked[k], 6 * in * sizeof **picked);
        for (long i = 0; i < n * in; i++) assert_close(dx[k][i], dx[0][i], allowed(dx[0][i]));
    }
    for (int k = 0; k < 2; k++) free(y[k]), free(dx[k]), free(picked[k]);
    free(w), free(x), free(b), free(dy);
}

static void layouts_change_nothing(void **state)
{
    static const long many[] = {1, 5, 8, 9, 40};
    static const int wide[] = {16, 100, 513};
    (void)state;
    for (int i = 0; ptd_device_name(i); i++) {
        if (!open_row(i)) continue;
        for (int c = 0; c < 5; c++)
            for (int s = 0; s < 3; s++) check_layouts(many[c], 37, wide[s]);
        check_layouts(120, 1100, 100);
        ptd_device_close(chosen_device);
    }
    chosen_device = NULL;
}

/* ---- neighbours ---- */

#define ROWS 300

/* |y - sum| as a sum of products in whatever order may be off. */
static void check_sums(const float *y, const float *x, const float *w, const float *b, int out,
                       int in)
{
    for (long i = 0; i < ROWS; i += i < 4 ? 1 : 37)
        for (int o = 0; o < out; o++) {
            double sum = b[o], size = fabs(sum);
            for (int p = 0; p < in; p++) {
                double t = (double)x[i * in + p] * w[(long)o * in + p];
                sum += t, size += fabs(t);
            }
            assert_close(y[i * out + o], sum, (in + 2) * 6e-8 * size);
        }
}

/* Rows alone or with others, wherever they stand; blocks of any size. */
static void check_neighbours(int dtype, int out, int in)
{
    float *w = filled("w", (size_t)out * in, dtype), *x = filled("x", (size_t)ROWS * in, PTD_F32),
          *b = filled("b", out, PTD_F32), *all = ptd_array((size_t)ROWS * out, sizeof *all),
          *y = ptd_array((size_t)ROWS * out, sizeof *y);
    struct laid whole, cut;
    lay(&whole, w, out, in, dtype, 1);
    lay(&cut, w, out, in, dtype, MOST);
    forward(&whole, x, b, all, ROWS);
    check_sums(all, x, w, b, out, in);
    for (long n = 1; n <= 40; n++) {
        long at = n * 5 % (ROWS - n);
        forward(n % 2 ? &whole : &cut, x + at * in, b, y, n);
        assert_memory_equal(y, all + at * out, n * out * sizeof *y);
    }
    forward(&cut, x, b, y, ROWS);
    assert_memory_equal(y, all, (size_t)ROWS * out * sizeof *y);
    take_away(&whole), take_away(&cut);
    free(w), free(x), free(b), free(all), free(y);
}

/* Numbers that both formats hold give the same bits in both. */
static void check_formats(long n, int out, int in)
{
    float *w = filled("w", (size_t)out * in, PTD_BF16), *x = filled("x", n * in, PTD_F32),
          *b = filled("b", out, PTD_F32), *y[2];
    for (int k = 0; k < 2; k++) {
        struct laid l;
        y[k] = ptd_array(n * out, sizeof **y);
        lay(&l, w, out, in, k ? PTD_BF16 : PTD_F32, k ? MOST : 1);
        forward(&l, x, b, y[k], n);
        take_away(&l);
    }
    assert_memory_equal(y[0], y[1], n * out * sizeof **y);
    free(w), free(x), free(b), free(y[0]), free(y[1]);
}

static void formats_change_no_bit(void **state)
{
    static const int wide[] = {1, 7, 64, 130, 255, 256, 700, 1041};
    (void)state;
    if (!(chosen_device = ptd_device_open("cpu"))) ptd_die_last();
    for (int i = 0; i < 8; i++)
        for (long n = 1; n < 100; n += n < 15 ? 1 : 31) check_formats(n, 150, wide[i]);
    ptd_device_close(chosen_device);
    chosen_device = NULL;
}

static void no_row_depends_on_its_neighbours(void **state)
{
    static const int outs[] = {1, 3, 37, 150},
                     wide[] = {1, 7, 20, 100, 511, 513, 800, 1023, 1024, 1041, 2048};
    (void)state;
    if (!(chosen_device = ptd_device_open("cpu"))) ptd_die_last();
    for (int o = 0; o < 4; o++)
        for (int i = 0; i < 11; i++) {
            check_neighbours(PTD_BF16, outs[o], wide[i]);
            if (!PTD_PRODUCT_OURS(wide[i], wide[i])) check_neighbours(PTD_F32, outs[o], wide[i]);
        }
    ptd_device_close(chosen_device);
    chosen_device = NULL;
}

/* Bits are kept from one run of the tests to the next, which has another number of threads. */
static void threads_change_nothing(void **state)
{
    static float *first;
    enum { N = 50, OUT = 1000, IN = 1041 };
    float *w = filled("w", OUT * IN, PTD_BF16), *x = filled("x", N * IN, PTD_F32),
          *y = ptd_array(N * OUT, sizeof *y);
    struct laid l;
    (void)state;
    if (!(chosen_device = ptd_device_open("cpu"))) ptd_die_last();
    lay(&l, w, OUT, IN, PTD_BF16, MOST);
    chosen_device->ops->linear(chosen_device, nums(y, N * OUT), in_nums(x, N * IN), &l.matrix, NULL,
                               NULL, N);
    back();
    take_away(&l);
    ptd_device_close(chosen_device);
    chosen_device = NULL;
    if (first) assert_memory_equal(first, y, N * OUT * sizeof *y);
    free(w), free(x), free(first);
    first = first ? free(y), NULL : y;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(layouts_change_nothing),
                                       cmocka_unit_test(formats_change_no_bit),
                                       cmocka_unit_test(no_row_depends_on_its_neighbours),
                                       cmocka_unit_test(threads_change_nothing)};
    ptd_program("test-linear");
    int failed = cmocka_run_group_tests_name("one thread", tests, NULL, NULL);
    ptd_threads_start(2);
    return failed + cmocka_run_group_tests_name("two threads", tests, NULL, NULL);
}
