/* Fuzzing entry: any bytes behind a PNG signature, decoded and looked at. Built by libFuzzer or
 * AFL++ against libptd.a and libpng; see the Makefile. Leaves the rest of image.c to fuzz-jpeg. */
#include "fuzz-picture.h"

PTD_FUZZ_PICTURE(ptd_png_decode)
