/* image_impl: what image.c and image_codec.c share. Not for others. */
#ifndef PTD_IMAGE_IMPL_H
#define PTD_IMAGE_IMPL_H
#include "data/image.h"
#include "flow/record.h"

#define PTD_IMAGE_FILE_MAX  (64u << 20) /* bytes */
#define PTD_IMAGE_PIXEL_MAX (64u << 20)
#define PTD_IMAGE_SIDE_MAX  65500

/* Decode to RGB as stored; *orientation becomes 1..8 as EXIF counts. -1: 65. */
int ptd_png_decode(struct ptd_image *im, const unsigned char *bytes, size_t n, const char *name,
                   int *orientation);
int ptd_jpeg_decode(struct ptd_image *im, const unsigned char *bytes, size_t n, const char *name,
                    int *orientation);
/* The PNG file of im as bytes; out->data is malloc'd. */
int ptd_png_encode(const struct ptd_image *im, struct ptd_buf *out);
/* Orientation in a TIFF block (what follows "Exif\0\0"); 1 if it says nothing believable. */
int ptd_exif_orientation(const unsigned char *tiff, size_t n);
#endif
