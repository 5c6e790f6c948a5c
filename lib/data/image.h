/* image: PNG, JPEG, WebP, GIF and BMP to RGB, smart resize, antialiased bicubic (bit-exact with
 * Pillow or torchvision), and writing PNG.
 * Patches are cut where they are used: see ptd_image_patches.
 *
 * The pixels are Pillow's. Decided: EXIF orientation is applied; grey, palette and CMYK become RGB
 * (inks as Adobe counts them, whether marked so or not); 16-bit is cut to its high byte; alpha and
 * what a palette or a smaller frame leaves clear are laid over white; of an animation the first
 * frame counts. Limits before any pixel memory exists: 64
 * MiB file, 64 megapixels, 8 MiB besides pixels, all chunks of a PNG or WebP there, JPEG at most
 * 100 scans and 2^30 pixels times scans, WebP at most 4096 chunks. Truncated files are refused;
 * what is packed behind a PNG's last row is not unpacked, what follows a GIF's first frame not
 * read. */
#ifndef PTD_IMAGE_H
#define PTD_IMAGE_H
#include "base/err.h"
#include "data/config.h"
#include <stdint.h>

struct ptd_image {
    int height, width;
    uint8_t *pixels;
}; /* pixels [height][width][3], malloc'd */

/* 66 missing, 65 damaged or over a limit */
int ptd_image_load(struct ptd_image *im, const char *path) PTD_MUST_CHECK;
int ptd_image_decode(struct ptd_image *im, const void *bytes, size_t n,
                     const char *name) PTD_MUST_CHECK;
/* by rename; fast compression */
int ptd_image_save_png(const struct ptd_image *im, const char *path) PTD_MUST_CHECK;
/* As a new file in a folder, of which there must be none (73); path is its name in messages. */
int ptd_image_create_png(const struct ptd_image *im, int folder, const char *name,
                         const char *path) PTD_MUST_CHECK;
void ptd_image_clear(struct ptd_image *im);
/* Is one side at most 200 times the other? -1 (65). */
int ptd_image_ratio(int height, int width) PTD_MUST_CHECK;
/* Smart resize (Qwen2-VL's, in transformers): target size for rules r; -1 (65) if the aspect ratio
 * is over 200. */
int ptd_image_target(int height, int width, const struct ptd_image_rules *r, int *out_height,
                     int *out_width) PTD_MUST_CHECK;
/* Bicubic with antialiasing, bit for bit Pillow's or torchvision's; no work if the size is the
 * same. */
void ptd_image_resize(struct ptd_image *im, int height, int width, enum ptd_resample how);
/* rows [n][channels*temporal*patch*patch], n = (height/patch)*(width/patch), in merge-block order
 * (each merge x merge block together), value (p/255 - mean)/std; the still image fills every time
 * slot. Returns n. */
int ptd_image_patches(const uint8_t *pixels, int height, int width, const struct ptd_image_rules *r,
                      float *rows);
#endif
