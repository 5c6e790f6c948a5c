/* image_resize: bicubic with antialiasing, to the last bit as Pillow or torchvision does it: two
 * passes with bytes in between. Which size and whose bits are wanted is the caller's. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "data/image.h"

#define BITS_MAX 22 /* of the fraction in a weight */

/* Weights of one axis: output i is the sum of source[first[i] + k] * weight[i * taps + k], k <
 * count[i], in units of 2^-bits. */
struct axis {
    int taps, bits, *first, *count;
    int32_t *weight;
};

/* A fused multiply-add would round once where Pillow rounds twice. */
#ifdef __clang__
#pragma clang fp contract(off)
#define EXACT
#else
#define EXACT __attribute__((optimize("fp-contract=off")))
#endif

static EXACT double cubic(double x)
{
    x = fabs(x);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * -0.5;
    return 0;
}

/* Weights of output i as fractions; returns the largest. */
static EXACT double axis_point(struct axis *a, int i, int in, double scale, double *w)
{
    double stretch = scale < 1 ? 1 : scale, support = 2 * stretch, centre = (i + 0.5) * scale,
           sum = 0;
    double most = 0;
    int lo = (int)(centre - support + 0.5), hi = (int)(centre + support + 0.5);
    if (lo < 0) lo = 0;
    if (hi > in) hi = in;
    for (int k = 0; k < hi - lo; k++) sum += w[k] = cubic((k + lo - centre + 0.5) * (1 / stretch));
    for (int k = 0; k < hi - lo; k++) {
        if (sum != 0) w[k] /= sum;
        if (w[k] > most) most = w[k];
    }
    a->first[i] = lo, a->count[i] = hi - lo;
    return most;
}

/* Pillow has 32 bits for a weight, torchvision 16: the largest weight of the axis must fit with its
 * sign. */
static EXACT int axis_bits(enum ptd_resample how, double most)
{
    int bits = how == PTD_TORCHVISION ? 0 : BITS_MAX;
    while (bits < BITS_MAX && (int)(0.5 + most * (1 << (bits + 1))) < 1 << 15) bits++;
    return bits;
}

static EXACT void axis_init(struct axis *a, int in, int out, enum ptd_resample how)
{
    double scale = (double)in / out, most = 0;
    a->taps = (int)ceil(2 * (scale < 1 ? 1 : scale)) * 2 + 1;
    size_t n = (size_t)out * a->taps;
    double *w = ptd_array(n, sizeof *w);
    a->first = ptd_array(out, sizeof *a->first);
    a->count = ptd_array(out, sizeof *a->count);
    a->weight = ptd_array(n, sizeof *a->weight);
    for (int i = 0; i < out; i++)
        most = fmax(most, axis_point(a, i, in, scale, w + (size_t)i * a->taps));
    a->bits = axis_bits(how, most);
    for (size_t i = 0; i < n; i++) {
        double v = w[i] * (1 << a->bits);
        a->weight[i] = (int32_t)(v < 0 ? v - 0.5 : v + 0.5);
    }
    free(w);
}

static void axis_clear(struct axis *a)
{
    free(a->first);
    free(a->count);
    free(a->weight);
}

static uint8_t to_byte(int32_t sum, int bits)
{
    sum >>= bits;
    return sum < 0 ? 0 : sum > 255 ? 255 : sum;
}

static void across(const struct axis *a, const uint8_t *from, int in, uint8_t *to, int out,
                   int rows)
{
    for (int y = 0; y < rows; y++, from += (size_t)in * 3)
        for (int x = 0; x < out; x++, to += 3) {
            const int32_t *w = a->weight + (size_t)x * a->taps;
            const uint8_t *p = from + (size_t)a->first[x] * 3;
            int32_t r = 1 << a->bits >> 1, g = r, b = r;
            for (int k = 0; k < a->count[x]; k++, p += 3)
                r += p[0] * w[k], g += p[1] * w[k], b += p[2] * w[k];
            to[0] = to_byte(r, a->bits), to[1] = to_byte(g, a->bits), to[2] = to_byte(b, a->bits);
        }
}

static void down(const struct axis *a, const uint8_t *from, uint8_t *to, int out, size_t row)
{
    int32_t *sum = ptd_array(row, sizeof *sum);
    for (int y = 0; y < out; y++, to += row) {
        const int32_t *w = a->weight + (size_t)y * a->taps;
        for (size_t x = 0; x < row; x++) sum[x] = 1 << a->bits >> 1;
        for (int k = 0; k < a->count[y]; k++) {
            const uint8_t *p = from + (size_t)(a->first[y] + k) * row;
            for (size_t x = 0; x < row; x++) sum[x] += p[x] * w[k];
        }
        for (size_t x = 0; x < row; x++) to[x] = to_byte(sum[x], a->bits);
    }
    free(sum);
}

static void replace(struct ptd_image *im, uint8_t *pixels, int height, int width)
{
    free(im->pixels);
    *im = (struct ptd_image){height, width, pixels};
}

static void resize_width(struct ptd_image *im, int width, enum ptd_resample how)
{
    struct axis a;
    if (width == im->width) return;
    uint8_t *to = ptd_array((size_t)im->height * width, 3);
    axis_init(&a, im->width, width, how);
    across(&a, im->pixels, im->width, to, width, im->height);
    axis_clear(&a);
    replace(im, to, im->height, width);
}

static void resize_height(struct ptd_image *im, int height, enum ptd_resample how)
{
    struct axis a;
    if (height == im->height) return;
    uint8_t *to = ptd_array((size_t)height * im->width, 3);
    axis_init(&a, im->height, height, how);
    down(&a, im->pixels, to, height, (size_t)im->width * 3);
    axis_clear(&a);
    replace(im, to, height, im->width);
}

void ptd_image_resize(struct ptd_image *im, int height, int width, enum ptd_resample how)
{
    int less_high = im->height - height, less_wide = im->width - width;
    int height_first = how == PTD_PILLOW_13 && less_high > 0 && less_high > 2 * less_wide;
    if (height_first) resize_height(im, height, how);
    resize_width(im, width, how);
    if (!height_first) resize_height(im, height, how);
}
