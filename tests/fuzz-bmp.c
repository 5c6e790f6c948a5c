/* Fuzzing entry: any bytes taken for a BMP, decoded and looked at. Built by libFuzzer or AFL++
 * against libptd.a; see the Makefile. Leaves the rest of image.c to fuzz-jpeg. */
#include "data/image_impl.h"
#include "flow/record.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct ptd_image im = {0};
    int orientation = 1;
    char hex[17];
    int bad = ptd_bmp_decode(&im, bytes, n, "fuzz", &orientation);
    if (!bad) {
        if (im.height < 1 || im.width < 1 || orientation < 1 || orientation > 8) abort();
        ptd_picture_hash(im.pixels, im.height, im.width, hex); /* reads every byte */
    } else if (ptd_failed_status() != PTD_DATAERR)
        abort();
    ptd_image_clear(&im);
    return 0;
}
