/* image_webp: bytes of a WebP, or the first frame of an animated one, to RGB, through libwebp with
 * limits of our own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>
#include "data/image_impl.h"

#define CHUNKS_MAX 4096

/* libwebp takes what it gets no memory for as damage, and says so in errno only, which is 0 before.
 */
static int damaged(const char *name, const char *what)
{
    if (errno == ENOMEM) ptd_die(PTD_OSERR, "out of memory for libwebp");
    return ptd_fail(PTD_DATAERR, "%s: damaged WebP: %s", name, what);
}

/* Before anything is unpacked: is all of it there, and are its chunks so few that a list of them
 * costs nothing? What lies behind the file's end is not looked at. */
static int walk(const unsigned char *p, size_t n, const char *name)
{
    size_t end = n >= 8 ? 8 + (size_t)ptd_bytes_get(p + 4, 0, 4) : 0;
    int chunks = 0;
    if (end < 20 || end > n) return damaged(name, "file ends too early");
    for (size_t at = 12; end - at >= 8;) {
        size_t len = ptd_bytes_get(p + at + 4, 0, 4);
        if (len > end - at - 8) return damaged(name, "file ends too early");
        at += 8 + len;
        at += at < end && (len & 1);
        if (++chunks > CHUNKS_MAX)
            return ptd_fail(PTD_DATAERR, "%s: WebP with over %d chunks", name, CHUNKS_MAX);
    }
    return 0;
}

/* Orientation in the EXIF chunk, which some begin as JPEG does; 1: there is none. */
static int orientation_of(const WebPDemuxer *d)
{
    WebPChunkIterator chunk;
    int orientation = 1;
    if (WebPDemuxGetChunk(d, "EXIF", 1, &chunk)) {
        const unsigned char *p = chunk.chunk.bytes;
        size_t n = chunk.chunk.size, skip = n >= 6 && !memcmp(p, "Exif\0\0", 6) ? 6 : 0;
        orientation = ptd_exif_orientation(p + skip, n - skip);
    }
    WebPDemuxReleaseChunkIterator(&chunk);
    return orientation;
}

/* A frame's own pixels. */
static int read_frame(struct ptd_image *im, const WebPIterator *frame, const char *name)
{
    WebPDecoderConfig c;
    int bytes = frame->has_alpha ? 4 : 3;
    if (!WebPInitDecoderConfig(&c)) return ptd_fail(PTD_BUG, "another version of libwebp");
    im->height = frame->height, im->width = frame->width;
    size_t stride = (size_t)im->width * bytes;
    im->pixels = ptd_array(im->height, stride);
    c.output.colorspace = frame->has_alpha ? MODE_RGBA : MODE_RGB;
    c.output.is_external_memory = 1;
    c.output.u.RGBA = (WebPRGBABuffer){im->pixels, (int)stride, im->height * stride};
    VP8StatusCode status = WebPDecode(frame->fragment.bytes, frame->fragment.size, &c);
    if (status != VP8_STATUS_OK)
        return damaged(name, status == VP8_STATUS_NOT_ENOUGH_DATA ? "picture data end too early"
                                                                  : "picture data make no sense");
    if (frame->has_alpha) ptd_image_over_white(im);
    return 0;
}

/* Puts a frame that is smaller than its canvas where it belongs; the rest is clear, thus white. */
static void put_on_canvas(struct ptd_image *im, int width, int height, int x, int y)
{
    if (im->width == width && im->height == height) return;
    struct ptd_image canvas = {height, width, ptd_array((size_t)height * width, 3)};
    memset(canvas.pixels, 255, (size_t)height * width * 3);
    for (int row = 0; row < im->height; row++)
        memcpy(canvas.pixels + ((size_t)(y + row) * width + x) * 3,
               im->pixels + (size_t)row * im->width * 3, (size_t)im->width * 3);
    ptd_image_clear(im);
    *im = canvas;
}

static int read_first(struct ptd_image *im, const WebPDemuxer *d, const char *name)
{
    WebPIterator frame;
    int width = WebPDemuxGetI(d, WEBP_FF_CANVAS_WIDTH),
        height = WebPDemuxGetI(d, WEBP_FF_CANVAS_HEIGHT);
    if (ptd_image_check_size(width, height, name) < 0) return -1;
    if (!WebPDemuxGetFrame(d, 1, &frame)) return damaged(name, "no picture in it");
    int bad = frame.width < 1 || frame.height < 1 || frame.x_offset + frame.width > width ||
                      frame.y_offset + frame.height > height
                  ? damaged(name, "frame outside of its picture")
                  : read_frame(im, &frame, name);
    if (!bad) put_on_canvas(im, width, height, frame.x_offset, frame.y_offset);
    WebPDemuxReleaseIterator(&frame);
    return bad;
}

int ptd_webp_decode(struct ptd_image *im, const unsigned char *bytes, size_t n, const char *name,
                    int *orientation)
{
    const WebPData data = {bytes, n};
    errno = 0;
    if (walk(bytes, n, name) < 0) return -1;
    WebPDemuxer *d = WebPDemux(&data);
    if (!d) return damaged(name, "chunks that do not make a picture");
    *orientation = orientation_of(d);
    int bad = read_first(im, d, name);
    WebPDemuxDelete(d);
    return bad;
}
