/* image_jpeg: bytes of a JPEG to RGB, through libjpeg-turbo with limits of our own. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h> /* needs jpeglib.h before it */
#include "data/image_impl.h"

#define JPEG_SCANS_MAX  100
#define JPEG_WORK_MAX   (16ll * PTD_IMAGE_PIXEL_MAX) /* pixels times scans */
#define JPEG_EXTRAS_MAX 4096                         /* APPn segments and comments */
#define JPEG_MEMORY_MAX (512l << 20)

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
        size_t len = 2 + ptd_bytes_get(p + 2, 1, 2);
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
    if (++j->extras > JPEG_EXTRAS_MAX || j->extra_bytes > PTD_IMAGE_EXTRAS_MAX) {
        ptd_fail(PTD_DATAERR,
                 "%s: JPEG with over %d comments and APPn segments, or %u bytes of them", j->name,
                 JPEG_EXTRAS_MAX, PTD_IMAGE_EXTRAS_MAX);
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
    if (ptd_image_check_size(j->jpeg.image_width, j->jpeg.image_height, j->name) < 0 ||
        check_scans(j, scans) < 0)
        return -1;
    if (s == JCS_GRAYSCALE || s == JCS_YCbCr || s == JCS_RGB || s == JCS_CMYK || s == JCS_YCCK)
        return 0;
    return ptd_fail(PTD_DATAERR, "%s: JPEG that is neither grey, YCbCr, RGB, CMYK nor YCCK",
                    j->name);
}

/* Four inks to RGB, in place: pixel i moves from 4i to 3i. Inks are counted from the paper's side,
 * as Adobe writes them and all readers take them: 255 is none. */
static void drop_black(uint8_t *p, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++) {
        unsigned light = p[4 * i + 3];
        for (int c = 0; c < 3; c++) {
            unsigned lost = (255 - p[4 * i + c]) * light + 128;
            p[3 * i + c] = light - ((lost + (lost >> 8)) >> 8);
        }
    }
}

/* Leaves by longjmp on any damage; im->pixels is then the caller's to free. A row of four inks lies
 * where the next row will: there is room for one byte a pixel behind the last. */
static int jpeg_read_all(struct jpeg_job *j, struct ptd_image *im, int *orientation)
{
    int inks = j->jpeg.jpeg_color_space == JCS_CMYK || j->jpeg.jpeg_color_space == JCS_YCCK;
    size_t width = j->jpeg.image_width, row_bytes = width * 3;
    *orientation = j->orientation ? j->orientation : 1;
    j->jpeg.out_color_space = inks ? JCS_CMYK : JCS_RGB;
    im->height = j->jpeg.image_height, im->width = j->jpeg.image_width;
    im->pixels = ptd_alloc(im->height * row_bytes + (inks ? width : 0));
    jpeg_start_decompress(&j->jpeg);
    while (j->jpeg.output_scanline < j->jpeg.output_height) {
        JSAMPROW row = im->pixels + j->jpeg.output_scanline * row_bytes;
        jpeg_read_scanlines(&j->jpeg, &row, 1);
        if (inks) drop_black(row, width);
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
