/* image_bmp: bytes of a Windows or OS/2 bitmap to RGB. Debian has no library for it, and there is
 * not much to read: a header, a palette or masks, and rows of pixels from the bottom up.
 *
 * Read: 1, 4 or 8 bits with a palette, of 4 and 8 also runs (RLE4, RLE8); 16, 24 or 32 bits, with
 * masks or without. Packed as JPEG or PNG: refused by name. 32 bits without masks have no alpha; an
 * alpha that is 0 everywhere is none either, since many write it so. */
#include <stdlib.h>
#include <string.h>
#include "data/image_impl.h"

#define FILE_HEADER 14
#define OS2_HEADER  12 /* sizes of 16 bits, and colours of three bytes */
enum { PLAIN = 0, RUNS_8 = 1, RUNS_4 = 2, MASKS = 3, MASKS_AND_ALPHA = 6 };

struct bmp {
    const char *name;
    const unsigned char *bytes;
    size_t n, pixels, stride; /* pixels: where they begin */
    unsigned header, bits, packing, colours;
    int width, height, from_top;
    const unsigned char *palette;
    unsigned colour_bytes;
    uint32_t mask[4]; /* red, green, blue, alpha */
};

static unsigned number(const struct bmp *b, size_t at, int n)
{
    return ptd_bytes_get(b->bytes + at, 0, n);
}

static int damaged(const struct bmp *b, const char *what)
{
    return ptd_fail(PTD_DATAERR, "%s: damaged BMP: %s", b->name, what);
}

static int read_header(struct bmp *b)
{
    if (b->n < FILE_HEADER + OS2_HEADER) return damaged(b, "file ends too early");
    b->header = number(b, 14, 4);
    if (b->header != OS2_HEADER && (b->header < 40 || b->header > 256))
        return damaged(b, "a header of unknown size");
    if (b->n < FILE_HEADER + (size_t)b->header) return damaged(b, "file ends too early");
    int old = b->header == OS2_HEADER;
    unsigned width = number(b, 18, old ? 2 : 4), height = number(b, old ? 20 : 22, old ? 2 : 4);
    b->from_top = !old && height >> 31;
    if (b->from_top) height = -height;
    if (ptd_image_check_size(width, height, b->name) < 0) return -1;
    b->width = (int)width, b->height = (int)height;
    b->bits = number(b, old ? 24 : 28, 2);
    b->packing = old ? PLAIN : number(b, 30, 4);
    b->colours = old ? 0 : number(b, 46, 4);
    b->colour_bytes = old ? 3 : 4;
    b->pixels = number(b, 10, 4);
    return 0;
}

static int check_packing(const struct bmp *b)
{
    static const char *const names[] = {"", "", "", "", "JPEG", "PNG"};
    int plain = b->bits == 1 || b->bits == 4 || b->bits == 8 || b->bits == 16 || b->bits == 24 ||
                b->bits == 32;
    if (b->packing < 6 && *names[b->packing])
        return ptd_fail(PTD_DATAERR, "%s: BMP packed as %s, expected one that is not packed",
                        b->name, names[b->packing]);
    if (b->packing == PLAIN && plain) return 0;
    if (b->packing == RUNS_8 && b->bits == 8 && !b->from_top) return 0;
    if (b->packing == RUNS_4 && b->bits == 4 && !b->from_top) return 0;
    if ((b->packing == MASKS || b->packing == MASKS_AND_ALPHA) && (b->bits == 16 || b->bits == 32))
        return 0;
    return ptd_fail(PTD_DATAERR,
                    "%s: BMP of %u bits and packing %u, expected 1, 4, 8, 16, 24 or 32 bits",
                    b->name, b->bits, b->packing);
}

/* Masks stand in the header's place for them or, where it is too short for that, behind it. */
static int read_masks(struct bmp *b)
{
    static const uint32_t plain[][4] = {{0x7C00, 0x3E0, 0x1F, 0}, {0xFF0000, 0xFF00, 0xFF, 0}};
    if (b->packing == PLAIN) {
        memcpy(b->mask, plain[b->bits == 32], sizeof b->mask);
        return 0;
    }
    int n = b->header >= 56 || b->packing == MASKS_AND_ALPHA ? 4 : 3;
    if (b->n < FILE_HEADER + 40 + 4 * (size_t)n) return damaged(b, "file ends too early");
    for (int i = 0; i < n; i++) b->mask[i] = number(b, FILE_HEADER + 40 + 4 * i, 4);
    if (!b->mask[0] || !b->mask[1] || !b->mask[2]) return damaged(b, "a colour without a mask");
    return 0;
}

static int read_palette(struct bmp *b)
{
    size_t at = FILE_HEADER + (size_t)b->header;
    unsigned most = 1u << b->bits;
    if (!b->colours || b->colours > most) b->colours = most;
    size_t room = b->pixels > at && b->pixels <= b->n ? (b->pixels - at) / b->colour_bytes : 0;
    if (b->colours > room) b->colours = room; /* pixels begin where they say */
    if (!b->colours) return damaged(b, "no palette");
    b->palette = b->bytes + at;
    return 0;
}

static void put_index(const struct bmp *b, uint8_t *to, unsigned index)
{
    const unsigned char *c = b->palette + (size_t)index * b->colour_bytes;
    to[0] = to[1] = to[2] = 0;
    if (index < b->colours) to[0] = c[2], to[1] = c[1], to[2] = c[0];
}

static void row_of_indices(const struct bmp *b, uint8_t *to, const unsigned char *from)
{
    unsigned each = 8 / b->bits, mask = (1u << b->bits) - 1;
    for (unsigned x = 0; x < (unsigned)b->width; x++, to += 3)
        put_index(b, to, from[x / each] >> (each - 1 - x % each) * b->bits & mask);
}

/* The masked bits as 0 to 255. */
static unsigned share(uint32_t pixel, uint32_t mask)
{
    unsigned shift = __builtin_ctz(mask);
    uint64_t most = mask >> shift, v = (pixel & mask) >> shift;
    return (unsigned)(v * 255 / most);
}

/* To RGBA where there is an alpha, else to RGB. */
static void row_of_masks(const struct bmp *b, uint8_t *to, const unsigned char *from)
{
    unsigned bytes = b->bits / 8, n = b->mask[3] ? 4 : 3;
    for (int x = 0; x < b->width; x++, from += bytes)
        for (unsigned c = 0; c < n; c++)
            *to++ = share(ptd_bytes_get(from, 0, (int)bytes), b->mask[c]);
}

static void row_of_bytes(const struct bmp *b, uint8_t *to, const unsigned char *from)
{
    for (int x = 0; x < b->width; x++, to += 3, from += 3)
        to[0] = from[2], to[1] = from[1], to[2] = from[0];
}

static void read_rows(const struct bmp *b, struct ptd_image *im)
{
    size_t row_bytes = (size_t)im->width * (b->mask[3] ? 4 : 3);
    for (int y = 0; y < im->height; y++) {
        const unsigned char *from =
            b->bytes + b->pixels + (b->from_top ? y : im->height - 1 - y) * b->stride;
        uint8_t *to = im->pixels + y * row_bytes;
        if (b->bits <= 8)
            row_of_indices(b, to, from);
        else if (b->bits == 24)
            row_of_bytes(b, to, from);
        else
            row_of_masks(b, to, from);
    }
}

/* ---- runs ---- */

struct runs { /* where the next pixel goes, y from the lowest row up */
    const struct bmp *b;
    const unsigned char *p, *end;
    uint8_t *indices; /* [height][width], lowest row first */
    int x, y;
};

/* n pixels, whose indices lie in bytes, or all in the first of them; what goes over the row's end
 * is lost. */
static void put_pixels(struct runs *r, const unsigned char *bytes, int n, int same)
{
    int four = r->b->bits == 4;
    for (int i = 0; i < n && r->y < r->b->height && r->x < r->b->width; i++) {
        unsigned byte = same ? *bytes : bytes[four ? i / 2 : i];
        unsigned index = !four ? byte : i % 2 ? byte & 15 : byte >> 4;
        r->indices[(size_t)r->y * r->b->width + r->x++] = index;
    }
}

/* What a 0 begins: the row's end, a step, or pixels one by one, filled up to 16 bits. -1: cut. */
static int escape(struct runs *r, int kind)
{
    int n = kind < 2          ? 0
            : kind == 2       ? 2
            : r->b->bits == 4 ? (kind + 3) / 4 * 2
                              : (kind + 1) / 2 * 2;
    if (n > r->end - r->p) return -1;
    if (kind == 0) r->x = 0, r->y += r->y < r->b->height;
    if (kind == 2) {
        r->x = r->x + r->p[0] < r->b->width ? r->x + r->p[0] : r->b->width;
        r->y = r->y + r->p[1] < r->b->height ? r->y + r->p[1] : r->b->height;
    }
    if (kind > 2) put_pixels(r, r->p, kind, 0);
    r->p += n;
    return 0;
}

static int read_runs(const struct bmp *b, struct ptd_image *im)
{
    struct runs r = {.b = b, .p = b->bytes + b->pixels, .end = b->bytes + b->n};
    size_t n = (size_t)b->width * b->height;
    int done = 0, cut = 0;
    r.indices = ptd_alloc(n);
    while (!done && !cut && r.end - r.p >= 2) {
        int count = r.p[0], value = r.p[1];
        r.p += 2;
        if (count)
            put_pixels(&r, r.p - 1, count, 1);
        else if (value == 1)
            done = 1;
        else
            cut = escape(&r, value);
    }
    for (size_t i = 0; i < n; i++) {
        size_t y = b->height - 1 - i / b->width, x = i % b->width;
        put_index(b, im->pixels + (y * b->width + x) * 3, r.indices[i]);
    }
    free(r.indices);
    return done ? 0 : damaged(b, "file ends too early");
}

static void drop_alpha(struct ptd_image *im)
{
    size_t n = (size_t)im->width * im->height, seen = 0;
    while (seen < n && !im->pixels[4 * seen + 3]) seen++;
    for (size_t i = 0; seen == n && i < n; i++) im->pixels[4 * i + 3] = 255;
    ptd_image_over_white(im);
}

/* Room for the pixels, and all of them; rows that are not packed have to be there. */
static int read_pixels(struct bmp *b, struct ptd_image *im)
{
    int runs = b->packing == RUNS_8 || b->packing == RUNS_4;
    b->stride = ((size_t)b->width * b->bits + 31) / 32 * 4;
    if (b->pixels < FILE_HEADER + (size_t)b->header || b->pixels > b->n ||
        (!runs && b->stride * b->height > b->n - b->pixels))
        return damaged(b, "file ends too early");
    im->height = b->height, im->width = b->width;
    im->pixels = ptd_array((size_t)b->height * b->width, b->mask[3] ? 4 : 3);
    if (runs) return read_runs(b, im);
    read_rows(b, im);
    if (b->mask[3]) drop_alpha(im);
    return 0;
}

int ptd_bmp_decode(struct ptd_image *im, const unsigned char *bytes, size_t n, const char *name,
                   int *orientation)
{
    struct bmp b = {.name = name, .bytes = bytes, .n = n};
    if (read_header(&b) < 0 || check_packing(&b) < 0) return -1;
    if (b.bits <= 8 && read_palette(&b) < 0) return -1;
    if ((b.bits == 16 || b.bits == 32) && read_masks(&b) < 0) return -1;
    return read_pixels(&b, im);
}
