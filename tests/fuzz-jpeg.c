/* Fuzzing entry: any bytes as a JPEG (or, by their signature, as a PNG), turned upright and resized
 * as a model would have it. Built by libFuzzer or AFL++ against libptd.a and libjpeg-turbo; see the
 * Makefile. */
#include "data/image.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const struct ptd_image_rules rules = {
        .patch = 4, .merge = 2, .temporal = 2, .min_pixels = 64, .max_pixels = 4096};
    struct ptd_image im;
    int height, width;
    if (ptd_image_decode(&im, bytes, n, "fuzz") < 0) {
        if (im.pixels || ptd_failed_status() != PTD_DATAERR) abort();
        return 0;
    }
    if (ptd_image_target(im.height, im.width, &rules, &height, &width) == 0) {
        ptd_image_resize(&im, height, width, n & 1 ? PTD_PILLOW : PTD_TORCHVISION);
        float *rows = ptd_array((size_t)height * width, 6 * sizeof *rows);
        if (ptd_image_patches(im.pixels, im.height, im.width, &rules, rows) != height * width / 16)
            abort();
        free(rows);
    }
    ptd_image_clear(&im);
    return 0;
}
