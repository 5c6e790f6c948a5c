/* image_gif: the first frame of a GIF to RGB, through giflib with limits of our own. What follows
 * that frame is not looked at. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <gif_lib.h>
#include "data/image_impl.h"

struct job {
    const char *name;
    const unsigned char *bytes;
    size_t n, at;
    struct ptd_image *im;
    GifFileType *gif;
    int clear; /* index that is transparent, -1: none */
};

static int take(GifFileType *gif, GifByteType *to, int n)
{
    struct job *j = gif->UserData;
    size_t left = j->n - j->at, got = (size_t)n < left ? (size_t)n : left;
    memcpy(to, j->bytes + j->at, got);
    j->at += got;
    return (int)got;
}

/* giflib does not tell all that it gets no memory for; errno does, which is 0 before. */
static int damaged(const struct job *j, int code)
{
    const char *why = GifErrorString(code);
    if (code == D_GIF_ERR_NOT_ENOUGH_MEM || errno == ENOMEM)
        ptd_die(PTD_OSERR, "out of memory for giflib");
    return ptd_fail(PTD_DATAERR, "%s: damaged GIF: %s", j->name, why ? why : "no picture in it");
}

/* Passes over an extension, but notes which colour is transparent. */
static int read_extension(struct job *j)
{
    GraphicsControlBlock control;
    GifByteType *block;
    int code;
    if (DGifGetExtension(j->gif, &code, &block) == GIF_ERROR) return damaged(j, j->gif->Error);
    if (block && code == GRAPHICS_EXT_FUNC_CODE &&
        DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK)
        j->clear = control.TransparentColor;
    while (block)
        if (DGifGetExtensionNext(j->gif, &block) == GIF_ERROR) return damaged(j, j->gif->Error);
    return 0;
}

/* Up to the first frame, whose description is read. */
static int find_frame(struct job *j)
{
    GifRecordType kind;
    for (;;) {
        if (DGifGetRecordType(j->gif, &kind) == GIF_ERROR) return damaged(j, j->gif->Error);
        if (kind == TERMINATE_RECORD_TYPE) return damaged(j, D_GIF_ERR_NO_IMAG_DSCR);
        if (kind == EXTENSION_RECORD_TYPE && read_extension(j) < 0) return -1;
        if (kind == IMAGE_DESC_RECORD_TYPE)
            return DGifGetImageDesc(j->gif) == GIF_ERROR ? damaged(j, j->gif->Error) : 0;
    }
}

/* A file without a palette means shades of grey; an index behind the palette's end is black. */
static void put_colour(const struct job *j, uint8_t *to, int index)
{
    const ColorMapObject *map = j->gif->Image.ColorMap ? j->gif->Image.ColorMap : j->gif->SColorMap;
    if (index == j->clear)
        memset(to, 255, 3);
    else if (!map)
        memset(to, index, 3);
    else if (index >= map->ColorCount)
        memset(to, 0, 3);
    else
        memcpy(to, &map->Colors[index], 3);
}

static int read_row(struct job *j, GifPixelType *row, int y)
{
    const GifImageDesc *f = &j->gif->Image;
    if (DGifGetLine(j->gif, row, f->Width) == GIF_ERROR) return damaged(j, j->gif->Error);
    uint8_t *to = j->im->pixels + ((size_t)(f->Top + y) * j->im->width + f->Left) * 3;
    for (int x = 0; x < f->Width; x++, to += 3) put_colour(j, to, row[x]);
    return 0;
}

/* Rows in the file's order: interlaced ones come in four passes. */
static int read_rows(struct job *j)
{
    static const int first[] = {0, 4, 2, 1}, each[] = {8, 8, 4, 2};
    const GifImageDesc *f = &j->gif->Image;
    GifPixelType *row = ptd_alloc((size_t)f->Width + 1);
    int bad = 0;
    for (int pass = f->Interlace ? 0 : 3; pass < 4 && !bad; pass++)
        for (int y = f->Interlace ? first[pass] : 0; y < f->Height && !bad;
             y += f->Interlace ? each[pass] : 1)
            bad = read_row(j, row, y);
    free(row);
    return bad;
}

/* What the frame leaves open of its canvas, which reaches as far as the frame does, is clear or,
 * where no colour is, the palette's first. */
static void paint_rest(struct job *j)
{
    const GifImageDesc *f = &j->gif->Image;
    uint8_t *to = j->im->pixels;
    if (f->Width == j->im->width && f->Height == j->im->height) return;
    for (int y = 0; y < j->im->height; y++)
        for (int x = 0; x < j->im->width; x++, to += 3) {
            int inside =
                y >= f->Top && y < f->Top + f->Height && x >= f->Left && x < f->Left + f->Width;
            if (!inside) put_colour(j, to, j->clear < 0 ? 0 : j->clear);
        }
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static int read_all(struct job *j)
{
    const GifImageDesc *f = &j->gif->Image;
    if (find_frame(j) < 0) return -1;
    if (ptd_image_check_size(f->Width, f->Height, j->name) < 0) return -1;
    j->im->width = larger(j->gif->SWidth, f->Left + f->Width);
    j->im->height = larger(j->gif->SHeight, f->Top + f->Height);
    if (ptd_image_check_size(j->im->width, j->im->height, j->name) < 0) return -1;
    j->im->pixels = ptd_array((size_t)j->im->width * j->im->height, 3);
    if (read_rows(j) < 0) return -1;
    paint_rest(j);
    return 0;
}

int ptd_gif_decode(struct ptd_image *im, const unsigned char *bytes, size_t n, const char *name,
                   int *orientation)
{
    struct job j = {.name = name, .bytes = bytes, .n = n, .im = im, .clear = -1};
    int error = 0;
    errno = 0;
    j.gif = DGifOpen(&j, take, &error);
    if (!j.gif) return damaged(&j, error);
    int bad = read_all(&j);
    DGifCloseFile(j.gif, &error);
    return bad;
}
