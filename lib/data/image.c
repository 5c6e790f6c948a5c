/* image: picture files to upright RGB, the size a model wants, its patches, and files again.
 * A format's own reader is image_NAME.c's, orientation image_exif.c's, resampling image_resize.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "data/image_impl.h"

#define RATIO_MAX 200

/* ---- for all formats ---- */

unsigned ptd_bytes_get(const unsigned char *p, int big, int n)
{
    unsigned v = 0;
    for (int i = 0; i < n; i++) v = v << 8 | p[big ? i : n - 1 - i];
    return v;
}

int ptd_image_check_size(size_t width, size_t height, const char *name)
{
    if (width && height && width <= PTD_IMAGE_SIDE_MAX && height <= PTD_IMAGE_SIDE_MAX &&
        width * height <= PTD_IMAGE_PIXEL_MAX)
        return 0;
    return ptd_fail(
        PTD_DATAERR,
        "%s: picture of %zux%zu pixels: expected sides of 1 to %d and at most %u pixels", name,
        width, height, PTD_IMAGE_SIDE_MAX, PTD_IMAGE_PIXEL_MAX);
}

void ptd_image_over_white(struct ptd_image *im)
{
    uint8_t *p = im->pixels;
    size_t pixels = (size_t)im->width * im->height;
    for (size_t i = 0; i < pixels; i++) {
        unsigned a = p[4 * i + 3];
        for (int c = 0; c < 3; c++) p[3 * i + c] = (p[4 * i + c] * a + 255 * (255 - a) + 127) / 255;
    }
    im->pixels = ptd_realloc(p, pixels * 3);
}

/* ---- reading ---- */

/* Turns the stored picture upright (EXIF orientation 1..8). */
static void turn(struct ptd_image *im, int orientation)
{
    if (orientation == 1) return;
    int swap = orientation >= 5, h = im->height, w = im->width;
    int from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    int from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    struct ptd_image out = {swap ? w : h, swap ? h : w, ptd_array((size_t)h * w, 3)};
    uint8_t *to = out.pixels;
    for (int y = 0; y < out.height; y++)
        for (int x = 0; x < out.width; x++, to += 3) {
            int row = swap ? x : y, column = swap ? y : x;
            if (from_bottom) row = h - 1 - row;
            if (from_right) column = w - 1 - column;
            memcpy(to, im->pixels + ((size_t)row * w + column) * 3, 3);
        }
    ptd_image_clear(im);
    *im = out;
}

struct format { /* known by what stands at the beginning: magic, and tail 8 bytes in */
    const char *magic, *tail;
    int (*decode)(struct ptd_image *im, const unsigned char *bytes, size_t n, const char *name,
                  int *orientation);
};
static const struct format formats[] = {
    {"\x89PNG\r\n\x1a\n", "", ptd_png_decode},
    {"\xFF\xD8\xFF", "", ptd_jpeg_decode},
    {"RIFF", "WEBP", ptd_webp_decode},
    {"GIF87a", "", ptd_gif_decode},
    {"GIF89a", "", ptd_gif_decode},
    {"BM", "", ptd_bmp_decode},
};

/* The format of these bytes; NULL: none of ours. */
static const struct format *format_of(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const struct format *f = &formats[i];
        size_t magic = strlen(f->magic), tail = strlen(f->tail);
        if (n >= magic && !memcmp(bytes, f->magic, magic) &&
            (!tail || (n >= 8 + tail && !memcmp(bytes + 8, f->tail, tail))))
            return f;
    }
    return NULL;
}

int ptd_image_decode(struct ptd_image *im, const void *bytes, size_t n, const char *name)
{
    int orientation = 1;
    *im = (struct ptd_image){0};
    if (!n) return ptd_fail(PTD_DATAERR, "%s: empty file, expected a picture", name);
    if (n > PTD_IMAGE_FILE_MAX)
        return ptd_fail(PTD_DATAERR, "%s: over %u MiB, too long for a picture", name,
                        PTD_IMAGE_FILE_MAX >> 20);
    const struct format *f = format_of(bytes, n);
    if (!f) return ptd_fail(PTD_DATAERR, "%s: neither PNG, JPEG, WebP, GIF nor BMP", name);
    int bad = f->decode(im, bytes, n, name, &orientation);
    if (bad)
        ptd_image_clear(im);
    else
        turn(im, orientation);
    return bad;
}

/* fd's whole content, malloc'd; NULL on failure. */
static unsigned char *slurp(int fd, const char *path, size_t *n)
{
    struct stat st;
    if (fstat(fd, &st) < 0) return ptd_fail(PTD_IOERR, "%s:", path), NULL;
    if (!S_ISREG(st.st_mode))
        return ptd_fail(PTD_NOINPUT, "%s: not a regular file, expected a picture", path), NULL;
    if (st.st_size > PTD_IMAGE_FILE_MAX)
        return ptd_fail(PTD_DATAERR, "%s: over %u MiB, too long for a picture", path,
                        PTD_IMAGE_FILE_MAX >> 20),
               NULL;
    unsigned char *bytes = ptd_alloc(st.st_size + 1);
    for (*n = 0; *n < (size_t)st.st_size;) {
        ssize_t got = read(fd, bytes + *n, st.st_size - *n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            ptd_fail(PTD_IOERR, "%s: read:", path);
            free(bytes);
            return NULL;
        }
        if (!got) break;
        *n += got;
    }
    return bytes;
}

int ptd_image_load(struct ptd_image *im, const char *path)
{
    size_t n = 0;
    *im = (struct ptd_image){0};
    /* a pipe without a writer must not hold us */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return ptd_fail(PTD_NOINPUT, "%s:", path);
    unsigned char *bytes = slurp(fd, path, &n);
    close(fd);
    if (!bytes) return -1;
    int bad = ptd_image_decode(im, bytes, n, path);
    free(bytes);
    return bad;
}

void ptd_image_clear(struct ptd_image *im)
{
    free(im->pixels);
    *im = (struct ptd_image){0};
}

/* ---- writing ---- */

/* A new file: nothing that is there is written to. `path` is for messages. */
static int write_file(int folder, const char *name, const char *path, const char *data, size_t n)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return ptd_fail(PTD_CANTCREAT, "%s:", path);
    while (n) {
        ssize_t put = write(fd, data, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) {
            ptd_fail(PTD_IOERR, "%s: write:", path);
            close(fd);
            return -1;
        }
        data += put, n -= put;
    }
    return close(fd) < 0 ? ptd_fail(PTD_IOERR, "%s: close:", path) : 0;
}

int ptd_image_create_png(const struct ptd_image *im, int folder, const char *name, const char *path)
{
    struct ptd_buf out = {0};
    int bad = ptd_png_encode(im, &out);
    if (!bad) bad = write_file(folder, name, path, out.data, out.len);
    free(out.data);
    return bad;
}

int ptd_image_save_png(const struct ptd_image *im, const char *path)
{
    char *temporary = ptd_format("%s.%d.tmp", path, (int)getpid());
    int bad = ptd_image_create_png(im, AT_FDCWD, temporary, temporary);
    if (!bad && rename(temporary, path) < 0) bad = ptd_fail(PTD_CANTCREAT, "%s:", path);
    if (bad) unlink(temporary);
    free(temporary);
    return bad;
}

/* ---- sizes and patches ---- */

int ptd_image_ratio(int height, int width)
{
    double h = height, w = width;
    if (height >= 1 && width >= 1 && fmax(h, w) / fmin(h, w) <= RATIO_MAX) return 0;
    return ptd_fail(PTD_DATAERR,
                    "picture of %dx%d pixels: expected one side at most %d times the other", width,
                    height, RATIO_MAX);
}

int ptd_image_target(int height, int width, const struct ptd_image_rules *r, int *out_height,
                     int *out_width)
{
    double h = height, w = width, f = (double)r->patch * r->merge;
    if (ptd_image_ratio(height, width) < 0) return -1;
    double hb = rint(h / f) * f, wb = rint(w / f) * f;
    if (hb * wb > r->max_pixels) {
        double beta = sqrt(h * w / r->max_pixels);
        hb = fmax(f, floor(h / beta / f) * f);
        wb = fmax(f, floor(w / beta / f) * f);
    } else if (hb * wb < r->min_pixels) {
        double beta = sqrt(r->min_pixels / (h * w));
        hb = ceil(h * beta / f) * f;
        wb = ceil(w * beta / f) * f;
    }
    *out_height = fmax(f, hb);
    *out_width = fmax(f, wb);
    return 0;
}

/* Normalised value of each byte in each channel. */
static void value_table(const struct ptd_image_rules *r, float table[3][256])
{
    for (int c = 0; c < 3; c++)
        for (int p = 0; p < 256; p++) table[c][p] = (p - r->mean[c] * 255) / (r->std[c] * 255);
}

/* One patch whose first pixel is `from`, in the order channel, time, y, x. */
static float *cut_patch(float *row, const uint8_t *from, size_t stride,
                        const struct ptd_image_rules *r, const float table[3][256])
{
    for (int c = 0; c < 3; c++)
        for (int t = 0; t < r->temporal; t++)
            for (int y = 0; y < r->patch; y++)
                for (int x = 0; x < r->patch; x++)
                    *row++ = table[c][from[y * stride + (size_t)x * 3 + c]];
    return row;
}

int ptd_image_patches(const uint8_t *pixels, int height, int width, const struct ptd_image_rules *r,
                      float *rows)
{
    float table[3][256];
    size_t stride = (size_t)width * 3;
    int gh = height / r->patch, gw = width / r->patch;
    value_table(r, table);
    for (int by = 0; by < gh; by += r->merge)
        for (int bx = 0; bx < gw; bx += r->merge)
            for (int k = 0; k < r->merge * r->merge; k++) {
                int y = (by + k / r->merge) * r->patch, x = (bx + k % r->merge) * r->patch;
                rows = cut_patch(rows, pixels + y * stride + (size_t)x * 3, stride, r, table);
            }
    return gh * gw;
}
