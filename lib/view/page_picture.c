/* Pictures of a page: WebP, as small as there is room for.
 * Leaves to page.c: how much that is; to image.c: resizing. */
#include "data/image.h"
#include "view/page_private.h"
#include <stdlib.h>
#include <string.h>
#include <webp/encode.h>

#define SMALL (192 * 192) /* pixels; so few are kept as they are */

/* From sharp to coarse; the longer side, and WebP's quality. */
static const struct {
    int side, quality;
} forms[] = {{640, 85}, {512, 78}, {448, 70}, {384, 62}, {320, 52},
             {256, 42}, {192, 30}, {128, 24}, {96, 20},  {64, 16}};
#define FORMS ((int)(sizeof forms / sizeof *forms))

static int prepare(WebPConfig *c, int quality)
{
    if (quality > 100) return WebPConfigInit(c) && WebPConfigLosslessPreset(c, 4);
    int rc = WebPConfigPreset(c, WEBP_PRESET_DEFAULT, (float)quality);
    c->method = 3;
    return rc;
}

/* quality above 100: lossless. NULL: the library has no memory. */
static uint8_t *encode(const struct ptd_image *im, int quality, size_t *n)
{
    WebPConfig config;
    WebPPicture picture;
    WebPMemoryWriter to;
    if (!prepare(&config, quality) || !WebPPictureInit(&picture)) return NULL;
    WebPMemoryWriterInit(&to);
    picture.use_argb = quality > 100;
    picture.width = im->width;
    picture.height = im->height;
    picture.writer = WebPMemoryWrite;
    picture.custom_ptr = &to;
    int fine =
        WebPPictureImportRGB(&picture, im->pixels, 3 * im->width) && WebPEncode(&config, &picture);
    WebPPictureFree(&picture);
    if (fine) return *n = to.size, to.mem;
    WebPMemoryWriterClear(&to);
    return NULL;
}

static int scaled(int side, int longer, int most)
{
    int n = (int)((int64_t)side * most / longer);
    return longer <= most ? side : n ? n : 1;
}

/* The picture with its longer side at most `side`. */
static struct ptd_image shrunk(const struct ptd_picture *p, int side)
{
    size_t bytes = 3 * (size_t)p->height * (size_t)p->width;
    int longer = p->height > p->width ? p->height : p->width;
    struct ptd_image im = {p->height, p->width, memcpy(ptd_alloc(bytes), p->pixels, bytes)};
    ptd_image_resize(&im, scaled(p->height, longer, side), scaled(p->width, longer, side),
                     PTD_PILLOW);
    return im;
}

/* In form i; -1: as it is. */
static uint8_t *formed(const struct ptd_picture *p, int i, size_t *n)
{
    struct ptd_image im = shrunk(p, i < 0 ? 16383 : forms[i].side);
    uint8_t *bytes = encode(&im, i < 0 ? 101 : forms[i].quality, n);
    ptd_image_clear(&im);
    if (!bytes) ptd_fail(PTD_OSERR, "out of memory for a picture");
    return bytes;
}

uint8_t *ptd_page_picture(const struct ptd_picture *p, size_t most, int *form, size_t *n)
{
    uint8_t *bytes = NULL;
    int whole = (int64_t)p->height * p->width <= SMALL;
    if (whole && (!(bytes = formed(p, -1, n)) || *n <= most)) return bytes;
    for (int i = *form ? *form - 1 : 0; i < FORMS; i++) {
        WebPFree(bytes);
        bytes = formed(p, *form = i, n);
        if (!bytes || *n <= most) break;
    }
    return bytes;
}
