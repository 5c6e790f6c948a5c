/* Fuzzing entry: any bytes taken for a WebP, decoded and looked at. Built by libFuzzer or AFL++
 * against libptd.a and libwebp; see the Makefile. Leaves the rest of image.c to fuzz-jpeg. */
#include "fuzz-picture.h"

PTD_FUZZ_PICTURE(ptd_webp_decode)
