/* image_png: bytes of a PNG to RGB and back, through libpng with limits of our own. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <png.h>
#include "data/image_impl.h"

#define PNG_CHUNKS_MAX 64

struct png_job {
    const char *name;
    struct ptd_image *im; /* to read */
    struct ptd_buf *out;  /* or where to write */
    size_t stride, rows;  /* rows complete in the last pass */
    png_structp png;
    png_infop info;
    jmp_buf back;
};

static void png_on_error(png_structp png, png_const_charp what)
{
    struct png_job *j = png_get_error_ptr(png);
    ptd_fail(PTD_DATAERR, "%s: damaged PNG: %s", j->name, what);
    longjmp(j->back, 1);
}

static void png_on_warning(png_structp png, png_const_charp what)
{
    (void)png, (void)what;
}

static png_voidp png_grant(png_structp png, png_alloc_size_t n)
{
    (void)png;
    return ptd_malloc(n);
}

static void png_release(png_structp png, png_voidp p)
{
    (void)png;
    free(p);
}

/* Sets limits and leaves unread what we do not use: text, profiles, times. */
static void png_restrain(struct png_job *j)
{
    static const png_byte unused[] = "iCCP\0tEXt\0zTXt\0iTXt\0sPLT\0hIST\0tIME\0pCAL\0sCAL\0oFFs\0p"
                                     "HYs\0sRGB\0gAMA\0cHRM\0sBIT\0bKGD";
    png_set_user_limits(j->png, PTD_IMAGE_SIDE_MAX, PTD_IMAGE_SIDE_MAX);
    png_set_chunk_cache_max(j->png, PNG_CHUNKS_MAX);
    png_set_chunk_malloc_max(j->png, PTD_IMAGE_EXTRAS_MAX);
    png_set_keep_unknown_chunks(j->png, PNG_HANDLE_CHUNK_NEVER, unused, sizeof unused / 5);
}

/* 8 bits, RGB or RGB with alpha, whatever the file has. */
static void png_unify(struct png_job *j)
{
    png_set_expand(j->png);
    png_set_strip_16(j->png);
    png_set_gray_to_rgb(j->png);
}

/* Before anything is unpacked: is the size ours, are all chunks there, and is there not too much
 * besides pixels? Finds the orientation, since libpng's reader by pieces passes over eXIf. */
static int png_walk(const unsigned char *p, size_t n, const char *name, int *orientation)
{
    size_t extras = 0;
    if (n >= 24 && !memcmp(p + 8, "\0\0\0\15IHDR", 8) &&
        ptd_image_check_size(ptd_bytes_get(p + 16, 1, 4), ptd_bytes_get(p + 20, 1, 4), name) < 0)
        return -1;
    for (size_t at = 8; n >= 12 && at <= n - 12;) {
        const unsigned char *chunk = p + at;
        size_t len = ptd_bytes_get(chunk, 1, 4);
        if (len > n - 12 - at) break;
        if (!memcmp(chunk + 4, "IEND", 4)) return 0;
        if (!memcmp(chunk + 4, "eXIf", 4)) *orientation = ptd_exif_orientation(chunk + 8, len);
        extras += chunk[4] & 32 ? len : 0;
        if (extras > PTD_IMAGE_EXTRAS_MAX)
            return ptd_fail(PTD_DATAERR, "%s: PNG with over %u bytes besides its pixels", name,
                            PTD_IMAGE_EXTRAS_MAX);
        at += 12 + len;
    }
    return ptd_fail(PTD_DATAERR, "%s: damaged PNG: file ends too early", name);
}

/* The header is read. Leaves by longjmp, as all callbacks do. */
static void png_on_info(png_structp png, png_infop info)
{
    struct png_job *j = png_get_progressive_ptr(png);
    size_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    png_unify(j);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    int channels = png_get_channels(png, info);
    j->stride = png_get_rowbytes(png, info);
    if (j->stride != width * channels || (channels != 3 && channels != 4))
        png_error(png, "unexpected row layout");
    j->im->height = height, j->im->width = width;
    j->im->pixels = ptd_array(height, j->stride);
}

/* libpng unpacks no further than the last row, so what is packed behind it costs nothing. */
static void png_on_row(png_structp png, png_bytep row, png_uint_32 y, int pass)
{
    struct png_job *j = png_get_progressive_ptr(png);
    int last = png_get_interlace_type(png, j->info) == PNG_INTERLACE_NONE
                   ? 0
                   : PNG_INTERLACE_ADAM7_PASSES - 1;
    png_progressive_combine_row(png, j->im->pixels + y * j->stride, row);
    j->rows += pass == last;
}

static void png_finish(struct png_job *j)
{
    struct ptd_image *im = j->im;
    if (!im->pixels || j->rows != (size_t)im->height) png_error(j->png, "Not enough image data");
    if (j->stride != (size_t)im->width * 4) return;
    ptd_image_over_white(im);
}

int ptd_png_decode(struct ptd_image *im, const unsigned char *bytes, size_t n, const char *name,
                   int *orientation)
{
    struct png_job j = {.name = name, .im = im};
    int bad;
    *orientation = 1;
    if (png_walk(bytes, n, name, orientation) < 0) return -1;
    j.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &j, png_on_error, png_on_warning, NULL,
                                     png_grant, png_release);
    if (j.png) j.info = png_create_info_struct(j.png);
    if (!j.info) ptd_die(PTD_OSERR, "out of memory for libpng");
    if (!setjmp(j.back)) {
        png_restrain(&j);
        png_set_progressive_read_fn(j.png, &j, png_on_info, png_on_row, NULL);
        png_process_data(j.png, j.info, (png_bytep)bytes, n);
        png_finish(&j);
        bad = 0;
    } else
        bad = -1;
    png_destroy_read_struct(&j.png, &j.info, NULL);
    return bad;
}

static void png_give(png_structp png, png_bytep from, size_t n)
{
    struct png_job *j = png_get_io_ptr(png);
    ptd_buf_add(j->out, from, n);
}

static void png_flushed(png_structp png)
{
    (void)png;
}

static void png_write_all(struct png_job *j, const struct ptd_image *im)
{
    png_set_write_fn(j->png, j, png_give, png_flushed);
    png_set_compression_level(j->png, 3);
    png_set_filter(j->png, PNG_FILTER_TYPE_BASE, PNG_FILTER_NONE);
    png_set_IHDR(j->png, j->info, im->width, im->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(j->png, j->info);
    for (int y = 0; y < im->height; y++)
        png_write_row(j->png, im->pixels + (size_t)y * im->width * 3);
    png_write_end(j->png, j->info);
}

int ptd_png_encode(const struct ptd_image *im, struct ptd_buf *out)
{
    struct png_job j = {.name = "picture to write", .out = out};
    int bad;
    j.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &j, png_on_error, png_on_warning, NULL,
                                      png_grant, png_release);
    if (j.png) j.info = png_create_info_struct(j.png);
    if (!j.info) ptd_die(PTD_OSERR, "out of memory for libpng");
    if (!setjmp(j.back)) {
        png_write_all(&j, im);
        bad = 0;
    } else
        bad = -1;
    png_destroy_write_struct(&j.png, &j.info);
    return bad;
}
