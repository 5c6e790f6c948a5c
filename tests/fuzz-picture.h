/* fuzz-picture: a fuzzing entry for a reader of pictures: any bytes taken for its format, decoded
 * and looked at. PTD_FUZZ_PICTURE(ptd_png_decode) is the whole entry. */
#ifndef PTD_FUZZ_PICTURE_H
#define PTD_FUZZ_PICTURE_H
#include "data/image_impl.h"
#include "flow/record.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static inline void ptd_fuzz_look(int bad, struct ptd_image *im, int orientation)
{
    char hex[17];
    if (!bad) {
        if (im->height < 1 || im->width < 1 || orientation < 1 || orientation > 8) abort();
        ptd_picture_hash(im->pixels, im->height, im->width, hex); /* reads every byte */
    } else if (ptd_failed_status() != PTD_DATAERR)
        abort();
    ptd_image_clear(im);
}

#define PTD_FUZZ_PICTURE(decode)                                                                   \
    int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)                                     \
    {                                                                                              \
        struct ptd_image im = {0};                                                                 \
        int orientation = 1, bad = decode(&im, bytes, n, "fuzz", &orientation);                    \
        ptd_fuzz_look(bad, &im, orientation);                                                      \
        return 0;                                                                                  \
    }
#endif
