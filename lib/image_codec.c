/* image_codec: bytes of a PNG or JPEG to RGB and back, through libpng and libjpeg-turbo with limits of our
 * own. Files, turning by orientation and everything about sizes is image.c's. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <png.h>
#include <jpeglib.h>
#include <jerror.h> /* needs jpeglib.h before it */
#include "image_impl.h"

#define JPEG_SCANS_MAX  100
#define JPEG_WORK_MAX   (16ll * PTD_IMAGE_PIXEL_MAX) /* pixels times scans */
#define JPEG_EXTRAS_MAX 4096                         /* APPn segments and comments */
#define JPEG_MEMORY_MAX (512l << 20)
#define PNG_CHUNK_MAX   (8u << 20)
#define PNG_CHUNKS_MAX  64

static int check_size(size_t width, size_t height, const char *name)
{
    if (width && height && width <= PTD_IMAGE_SIDE_MAX && height <= PTD_IMAGE_SIDE_MAX &&
        width * height <= PTD_IMAGE_PIXEL_MAX)
        return 0;
    return ptd_fail(PTD_DATAERR,
                    "%s: picture of %zux%zu pixels: expected sides of 1 to %d and at most %u pixels", name,
                    width, height, PTD_IMAGE_SIDE_MAX, PTD_IMAGE_PIXEL_MAX);
}

/* ---- EXIF ---- */

static unsigned get(const unsigned char *p, int big, int n)
{
    unsigned v = 0;
    for (int i = 0; i < n; i++) v = v << 8 | p[big ? i : n - 1 - i];
    return v;
}

int ptd_exif_orientation(const unsigned char *tiff, size_t n)
{
    if (n < 8 || (memcmp(tiff, "II*\0", 4) && memcmp(tiff, "MM\0*", 4))) return 1;
    int big = tiff[0] == 'M';
    size_t at = get(tiff + 4, big, 4);
    if (at > n - 2) return 1;
    unsigned entries = get(tiff + at, big, 2);
    for (at += 2; entries-- && n >= 12 && at <= n - 12; at += 12) {
        const unsigned char *e = tiff + at; /* tag, type, count, value */
        if (get(e, big, 2) != 0x0112 || get(e + 2, big, 2) != 3 || get(e + 4, big, 4) != 1) continue;
        unsigned v = get(e + 8, big, 2);
        return v >= 1 && v <= 8 ? (int)v : 1;
    }
    return 1;
}

/* ---- PNG ---- */

struct png_job {
    const char *name;
    const unsigned char *bytes; /* what is left to read */
    size_t left;
    struct ptd_buf *out; /* where to write */
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

static void png_take(png_structp png, png_bytep to, size_t n)
{
    struct png_job *j = png_get_io_ptr(png);
    if (n > j->left) png_error(png, "file ends too early");
    memcpy(to, j->bytes, n);
    j->bytes += n;
    j->left -= n;
}

/* Sets limits and leaves unread what we do not use: text, profiles, times. */
static void png_restrain(struct png_job *j)
{
    static const png_byte unused[] =
        "iCCP\0tEXt\0zTXt\0iTXt\0sPLT\0hIST\0tIME\0pCAL\0sCAL\0oFFs\0pHYs\0sRGB\0gAMA\0cHRM\0sBIT\0bKGD";
    png_set_user_limits(j->png, PTD_IMAGE_SIDE_MAX, PTD_IMAGE_SIDE_MAX);
    png_set_chunk_cache_max(j->png, PNG_CHUNKS_MAX);
    png_set_chunk_malloc_max(j->png, PNG_CHUNK_MAX);
    png_set_keep_unknown_chunks(j->png, PNG_HANDLE_CHUNK_NEVER, unused, sizeof unused / 5);
}

/* 8 bits, RGB or RGB with alpha, whatever the file has. */
static void png_unify(struct png_job *j)
{
    png_set_expand(j->png);
    png_set_strip_16(j->png);
    png_set_gray_to_rgb(j->png);
}

/* Blends RGBA over white in place: pixel i moves from 4i to 3i. */
static void drop_alpha(uint8_t *p, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++) {
        unsigned a = p[4 * i + 3];
        for (int c = 0; c < 3; c++) p[3 * i + c] = (p[4 * i + c] * a + 255 * (255 - a) + 127) / 255;
    }
}

/* Leaves by longjmp on any damage; im->pixels is then the caller's to free. */
static int png_read_all(struct png_job *j, struct ptd_image *im, int *orientation)
{
    png_bytep exif = NULL;
    png_uint_32 exif_len = 0;
    png_read_info(j->png, j->info);
    size_t width = png_get_image_width(j->png, j->info), height = png_get_image_height(j->png, j->info);
    if (check_size(width, height, j->name) < 0) return -1;
    png_unify(j);
    int passes = png_set_interlace_handling(j->png);
    png_read_update_info(j->png, j->info);
    int channels = png_get_channels(j->png, j->info);
    size_t stride = png_get_rowbytes(j->png, j->info);
    if (stride != width * channels || (channels != 3 && channels != 4))
        png_error(j->png, "unexpected row layout");
    im->height = height, im->width = width;
    im->pixels = ptd_array(height, stride);
    while (passes--)
        for (size_t y = 0; y < height; y++) png_read_row(j->png, im->pixels + y * stride, NULL);
    png_read_end(j->png, j->info);
    if (channels == 4) {
        drop_alpha(im->pixels, width * height);
        im->pixels = ptd_realloc(im->pixels, width * height * 3);
    }
    if (png_get_eXIf_1(j->png, j->info, &exif_len, &exif) == PNG_INFO_eXIf)
        *orientation = ptd_exif_orientation(exif, exif_len);
    return 0;
}

int ptd_png_decode(struct ptd_image *im, const unsigned char *bytes, size_t n, const char *name,
                   int *orientation)
{
    struct png_job j = {.name = name, .bytes = bytes, .left = n};
    int bad;
    *orientation = 1;
    j.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &j, png_on_error, png_on_warning);
    if (j.png) j.info = png_create_info_struct(j.png);
    if (!j.info) ptd_die(PTD_OSERR, "out of memory for libpng");
    if (!setjmp(j.back)) {
        png_restrain(&j);
        png_set_read_fn(j.png, &j, png_take);
        bad = png_read_all(&j, im, orientation);
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
    for (int y = 0; y < im->height; y++) png_write_row(j->png, im->pixels + (size_t)y * im->width * 3);
    png_write_end(j->png, j->info);
}

int ptd_png_encode(const struct ptd_image *im, struct ptd_buf *out)
{
    struct png_job j = {.name = "picture to write", .out = out};
    int bad;
    j.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &j, png_on_error, png_on_warning);
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

/* ---- JPEG ---- */

struct jpeg_job {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr error;
    struct jpeg_progress_mgr progress;
    const char *name;
    int extras, orientation;
    jmp_buf back;
};

static void jpeg_on_error(j_common_ptr c)
{
    struct jpeg_job *j = c->client_data;
    char what[JMSG_LENGTH_MAX];
    c->err->format_message(c, what);
    ptd_fail(PTD_DATAERR, "%s: damaged JPEG: %s", j->name, what);
    longjmp(j->back, 1);
}

/* Warnings mean that pixels are missing or guessed, but for three harmless ones. */
static void jpeg_on_message(j_common_ptr c, int level)
{
    int code = c->err->msg_code;
    if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_ADOBE_XFORM && code != JWRN_JFIF_MAJOR)
        jpeg_on_error(c);
}

static void jpeg_on_progress(j_common_ptr c)
{
    struct jpeg_job *j = c->client_data;
    int scans = j->jpeg.input_scan_number;
    if (scans <= JPEG_SCANS_MAX &&
        (long long)scans * j->jpeg.image_width * j->jpeg.image_height <= JPEG_WORK_MAX)
        return;
    if (scans > JPEG_SCANS_MAX)
        ptd_fail(PTD_DATAERR, "%s: JPEG with over %d scans", j->name, JPEG_SCANS_MAX);
    else
        ptd_fail(PTD_DATAERR, "%s: JPEG of %ux%u pixels with over %d scans, too many for its size", j->name,
                 j->jpeg.image_width, j->jpeg.image_height, scans - 1);
    longjmp(j->back, 1);
}

/* The whole file is in memory, so what is not there is missing. */
static unsigned jpeg_byte(j_decompress_ptr c)
{
    struct jpeg_source_mgr *s = c->src;
    if (!s->bytes_in_buffer) s->fill_input_buffer(c); /* warns, which jpeg_on_message takes for an error */
    s->bytes_in_buffer--;
    return *s->next_input_byte++;
}

/* APPn and comments: skipped but for the first that holds an orientation. */
static boolean jpeg_on_extra(j_decompress_ptr c)
{
    struct jpeg_job *j = c->client_data;
    unsigned n = jpeg_byte(c) << 8;
    n |= jpeg_byte(c);
    if (n < 2) ERREXIT(c, JERR_BAD_LENGTH);
    if (n - 2 > c->src->bytes_in_buffer) c->src->fill_input_buffer(c);
    if (++j->extras > JPEG_EXTRAS_MAX) {
        ptd_fail(PTD_DATAERR, "%s: JPEG with over %d comments and APPn segments", j->name, JPEG_EXTRAS_MAX);
        longjmp(j->back, 1);
    }
    const unsigned char *p = c->src->next_input_byte;
    if (c->unread_marker == JPEG_APP0 + 1 && !j->orientation && n >= 8 && !memcmp(p, "Exif\0\0", 6))
        j->orientation = ptd_exif_orientation(p + 6, n - 8);
    c->src->skip_input_data(c, n - 2);
    return TRUE;
}

static void jpeg_start(struct jpeg_job *j, const unsigned char *bytes, size_t n)
{
    jpeg_create_decompress(&j->jpeg);
    j->jpeg.client_data = j;
    j->jpeg.mem->max_memory_to_use = JPEG_MEMORY_MAX;
    j->progress.progress_monitor = jpeg_on_progress;
    j->jpeg.progress = &j->progress;
    jpeg_mem_src(&j->jpeg, bytes, n);
    jpeg_set_marker_processor(&j->jpeg, JPEG_COM, jpeg_on_extra);
    for (int i = 1; i < 16; i++)
        if (i != 14)
            jpeg_set_marker_processor(&j->jpeg, JPEG_APP0 + i,
                                      jpeg_on_extra); /* 0 and 14 say what colours mean */
    jpeg_read_header(&j->jpeg, TRUE);
}

static int jpeg_check(struct jpeg_job *j)
{
    J_COLOR_SPACE s = j->jpeg.jpeg_color_space;
    if (check_size(j->jpeg.image_width, j->jpeg.image_height, j->name) < 0) return -1;
    if (s == JCS_GRAYSCALE || s == JCS_YCbCr || s == JCS_RGB) return 0;
    return ptd_fail(PTD_DATAERR, "%s: JPEG that is neither grey, YCbCr nor RGB (CMYK?)", j->name);
}

/* Leaves by longjmp on any damage; im->pixels is then the caller's to free. */
static int jpeg_read_all(struct jpeg_job *j, struct ptd_image *im, int *orientation)
{
    if (jpeg_check(j) < 0) return -1;
    *orientation = j->orientation ? j->orientation : 1;
    j->jpeg.out_color_space = JCS_RGB;
    im->height = j->jpeg.image_height, im->width = j->jpeg.image_width;
    im->pixels = ptd_array(im->height, (size_t)im->width * 3);
    jpeg_start_decompress(&j->jpeg);
    while (j->jpeg.output_scanline < j->jpeg.output_height) {
        JSAMPROW row = im->pixels + (size_t)j->jpeg.output_scanline * im->width * 3;
        jpeg_read_scanlines(&j->jpeg, &row, 1);
    }
    jpeg_finish_decompress(&j->jpeg);
    return 0;
}

int ptd_jpeg_decode(struct ptd_image *im, const unsigned char *bytes, size_t n, const char *name,
                    int *orientation)
{
    struct jpeg_job j = {.name = name};
    int bad;
    *orientation = 1;
    j.jpeg.err = jpeg_std_error(&j.error);
    j.jpeg.client_data = &j;
    j.error.error_exit = jpeg_on_error;
    j.error.emit_message = jpeg_on_message;
    if (!setjmp(j.back)) {
        jpeg_start(&j, bytes, n);
        bad = jpeg_read_all(&j, im, orientation);
    } else
        bad = -1;
    jpeg_destroy_decompress(&j.jpeg);
    return bad;
}
