/* image_impl: what the image*.c share. Not for others. */
#ifndef PTD_IMAGE_IMPL_H
#define PTD_IMAGE_IMPL_H
#include "data/image.h"
#include "flow/record.h"

#define PTD_IMAGE_FILE_MAX  (64u << 20) /* bytes */
#define PTD_IMAGE_PIXEL_MAX (64u << 20)
#define PTD_IMAGE_SIDE_MAX  65500
/* bytes of a file that are neither pixels nor say how to read them */
#define PTD_IMAGE_EXTRAS_MAX (8u << 20)

/* Bytes of one format to RGB as stored; *orientation becomes 1..8 as EXIF counts, and stays where
 * the format has none. -1 (65): im->pixels is then the caller's to free. */
int ptd_png_decode(struct ptd_image *im, const unsigned char *bytes, size_t n, const char *name,
                   int *orientation);
int ptd_jpeg_decode(struct ptd_image *im, const unsigned char *bytes, size_t n, const char *name,
                    int *orientation);
int ptd_webp_decode(struct ptd_image *im, const unsigned char *bytes, size_t n, const char *name,
                    int *orientation);
int ptd_gif_decode(struct ptd_image *im, const unsigned char *bytes, size_t n, const char *name,
                   int *orientation);
int ptd_bmp_decode(struct ptd_image *im, const unsigned char *bytes, size_t n, const char *name,
                   int *orientation);
/* The PNG file of im as bytes; out->data is malloc'd. */
int ptd_png_encode(const struct ptd_image *im, struct ptd_buf *out);
/* Orientation in a TIFF block (what follows "Exif\0\0"); 1 if it says nothing believable. */
int ptd_exif_orientation(const unsigned char *tiff, size_t n);
/* A whole number of n bytes, at most 4. */
unsigned ptd_bytes_get(const unsigned char *p, int big, int n);
/* Before memory is taken: is the size one we read? -1: 65. */
int ptd_image_check_size(size_t width, size_t height, const char *name) PTD_MUST_CHECK;
/* Pixels [height][width][4], the last of each its alpha, become RGB over white. */
void ptd_image_over_white(struct ptd_image *im);
#endif
