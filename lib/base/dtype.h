/* dtype: the number formats that weights come in: sizes, names, conversion to and from float.
 * Values are little-endian and may lie unaligned. */
#ifndef PTD_DTYPE_H
#define PTD_DTYPE_H
#include <stddef.h>

enum ptd_dtype {
    PTD_F32 = 1,
    PTD_BF16 = 2,
    PTD_F16 = 3,
    /* whole numbers that an optimizer keeps; no weights come in them */
    PTD_U8 = 4,
    PTD_I16 = 5
};

size_t ptd_dtype_size(int dtype);      /* bytes of a value; 0 for an unknown format */
const char *ptd_dtype_name(int dtype); /* "f32", "bf16", "f16", "u8", "i16"; "?" */
/* by that name, or the same in capitals as safetensors has it; 0 if unknown, or no weights' */
int ptd_dtype_from_name(const char *name);

void ptd_dtype_to_float(float *out, const void *in, int dtype, size_t n);
/* to nearest, ties to even; NaN stays NaN */
void ptd_dtype_from_float(void *out, int dtype, const float *in, size_t n);
/* From one format into another, on all threads, rounded as above. */
void ptd_dtype_convert(void *out, int to, const void *in, int from, size_t n);
/* Index of the first value that is no finite number; -1: all are. */
long ptd_dtype_not_finite(const void *in, int dtype, size_t n);
#endif
