/* Fuzzing entry: any bytes taken for a GIF, decoded and looked at. Built by libFuzzer or AFL++
 * against libptd.a and giflib; see the Makefile. Leaves the rest of image.c to fuzz-jpeg. */
#include "fuzz-picture.h"

PTD_FUZZ_PICTURE(ptd_gif_decode)
