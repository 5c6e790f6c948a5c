/* image_codec: bytes of a PNG or JPEG to RGB and back, through libpng and libjpeg-turbo with limits
 * of our own. Files, turning by orientation and everything about sizes is image.c's. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <png.h>
#include <jpeglib.h>
#include <jerror.h> /* needs jpeglib.h before it */
#include "data/image_impl.h"

#define JPEG_SCANS_MAX  100
#define JPEG_WORK_MAX   (16ll * PTD_IMAGE_PIXEL_MAX) /* pixels times scans */
#define JPEG_EXTRAS_MAX 4096                         /* APPn segments and comments */
#define JPEG_MEMORY_MAX (512l << 20)
/* bytes of a file that are neither pixels nor say how to read them */
#define EXTRAS_MAX     (8u << 20)
#define PNG_CHUNKS_MAX 64

static int check_size(size_t width, size_t height, const char *name)
{
    if (width && height && width <= PTD_IMAGE_SIDE_MAX && height <= PTD_IMAGE_SIDE_MAX &&
        width * height <= PTD_IMAGE_PIXEL_MAX)
        return 0;
    return ptd_fail(
        PTD_DATAERR,
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
        if (get(e, big, 2) != 0x0112 || get(e + 2, big, 2) != 3 || get(e + 4, big, 4) != 1)
            continue;
        unsigned v = get(e + 8, big, 2);
        return v >= 1 && v <= 8 ? (int)v : 1;
    }
    return 1;
}

/* ---- PNG ---- */

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
    png_set_chunk_malloc_max(j->png, EXTRAS_MAX);
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

/* Before anything is unpacked: is the size ours, are all chunks there, and is there not too much
 * besides pixels? Finds the orientation, since libpng's reader by pieces passes over eXIf. */
static int png_walk(const unsigned char *p, size_t n, const char *name, int *orientation)
{
    size_t extras = 0;
    if (n >= 24 && !memcmp(p + 8, "\0\0\0\15IHDR", 8) &&
        check_size(get(p + 16, 1, 4), get(p + 20, 1, 4), name) < 0)
        return -1;
    for (size_t at = 8; n >= 12 && at <= n - 12;) {
        const unsigned char *chunk = p + at;
        size_t len = get(chunk, 1, 4);
        if (len > n - 12 - at) break;
        if (!memcmp(chunk + 4, "IEND", 4)) return 0;
        if (!memcmp(chunk + 4, "eXIf", 4)) *orientation = ptd_exif_orientation(chunk + 8, len);
        extras += chunk[4] & 32 ? len : 0;
        if (extras > EXTRAS_MAX)
            return ptd_fail(PTD_DATAERR, "%s: PNG with over %u bytes besides its pixels", name,
                            EXTRAS_MAX);
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
    drop_alpha(im->pixels, (size_t)im->width * im->height);
    im->pixels = ptd_realloc(im->pixels, (size_t)im->width * im->height * 3);
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

/* ---- JPEG ---- */

struct jpeg_job {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr error;
    const char *name;
    int extras, orientation;
    size_t extra_bytes;
    jmp_buf back;
};

static void jpeg_on_error(j_common_ptr c)
{
    struct jpeg_job *j = c->client_data;
    char what[JMSG_LENGTH_MAX];
    c->err->format_message(c, what);
    if (c->err->msg_code == JERR_OUT_OF_MEMORY) ptd_die(PTD_OSERR, "out of memory for libjpeg");
    ptd_fail(PTD_DATAERR, "%s: damaged JPEG: %s", j->name, what);
    longjmp(j->back, 1);
}

/* Warnings mean that pixels are missing or guessed, but for three harmless ones. */
static void jpeg_on_message(j_common_ptr c, int level)
{
    int code = c->err->msg_code;
    if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_ADOBE_XFORM &&
        code != JWRN_JFIF_MAJOR)
        jpeg_on_error(c);
}

/* Entropy-coded bytes from p on: where the next marker is that is neither stuffing nor a restart.
 */
static const unsigned char *next_marker(const unsigned char *p, const unsigned char *end)
{
    while ((p = memchr(p, 0xff, end - p)) && end - p >= 2) {
        if (p[1] && p[1] != 0xff && (p[1] & 0xf8) != 0xd0) return p;
        p += p[1] == 0xff ? 1 : 2;
    }
    return end;
}

/* How many scans the file has, told from its markers alone. */
static int count_scans(const unsigned char *p, size_t n)
{
    const unsigned char *end = p + n;
    int scans = 0;
    for (p = next_marker(p + 2, end); end - p >= 4 && p[1] != 0xd9; p = next_marker(p, end)) {
        size_t len = 2 + get(p + 2, 1, 2);
        scans += p[1] == 0xda;
        if (len > (size_t)(end - p)) break;
        p += len;
    }
    return scans;
}

/* Each scan passes over all pixels, and a file of several holds all its coefficients in memory. */
static int check_scans(const struct jpeg_job *j, int scans)
{
    long long width = j->jpeg.image_width, height = j->jpeg.image_height;
    if (scans > JPEG_SCANS_MAX)
        return ptd_fail(PTD_DATAERR, "%s: JPEG with over %d scans", j->name, JPEG_SCANS_MAX);
    if (scans * width * height > JPEG_WORK_MAX)
        return ptd_fail(PTD_DATAERR,
                        "%s: JPEG of %lldx%lld pixels with over %lld scans, too many for its size",
                        j->name, width, height, JPEG_WORK_MAX / (width * height));
    return 0;
}

/* The whole file is in memory, so what is not there is missing. */
static unsigned jpeg_byte(j_decompress_ptr c)
{
    struct jpeg_source_mgr *s = c->src;
    /* warns, which jpeg_on_message takes for an error */
    if (!s->bytes_in_buffer) s->fill_input_buffer(c);
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
    j->extra_bytes += n;
    if (++j->extras > JPEG_EXTRAS_MAX || j->extra_bytes > EXTRAS_MAX) {
        ptd_fail(PTD_DATAERR,
                 "%s: JPEG with over %d comments and APPn segments, or %u bytes of them", j->name,
                 JPEG_EXTRAS_MAX, EXTRAS_MAX);
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
    jpeg_mem_src(&j->jpeg, bytes, n);
    jpeg_set_marker_processor(&j->jpeg, JPEG_COM, jpeg_on_extra);
    for (int i = 1; i < 16; i++)
        if (i != 14)
            jpeg_set_marker_processor(&j->jpeg, JPEG_APP0 + i,
                                      jpeg_on_extra); /* 0 and 14 say what colours mean */
    jpeg_read_header(&j->jpeg, TRUE);
}

static int jpeg_check(const struct jpeg_job *j, int scans)
{
    J_COLOR_SPACE s = j->jpeg.jpeg_color_space;
    if (check_size(j->jpeg.image_width, j->jpeg.image_height, j->name) < 0 ||
        check_scans(j, scans) < 0)
        return -1;
    if (s == JCS_GRAYSCALE || s == JCS_YCbCr || s == JCS_RGB) return 0;
    return ptd_fail(PTD_DATAERR, "%s: JPEG that is neither grey, YCbCr nor RGB (CMYK?)", j->name);
}

/* Leaves by longjmp on any damage; im->pixels is then the caller's to free. */
static int jpeg_read_all(struct jpeg_job *j, struct ptd_image *im, int *orientation)
{
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
        bad = jpeg_check(&j, count_scans(bytes, n)) < 0 ? -1 : jpeg_read_all(&j, im, orientation);
    } else
        bad = -1;
    jpeg_destroy_decompress(&j.jpeg);
    return bad;
}
