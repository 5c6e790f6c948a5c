/* floats: what the types of device.h are on the CPU: float and int32. Only the CPU's own files may
 * include it. */
#ifndef PTD_FLOATS_H
#define PTD_FLOATS_H
#include "compute/device.h"

#define PTD_AS(type, to, p) type * : (to *)(uintptr_t)(p), const type * : (const to *)(uintptr_t)(p)
/* float * of ptd_num *, ptd_acc *, ptd_stat *, int32_t * of ptd_int *; const stays. */
#define FLOATS(p)                                                                                  \
    _Generic((p), PTD_AS(ptd_num, float, p), PTD_AS(ptd_acc, float, p), PTD_AS(ptd_stat, float, p))
#define INTS(p) _Generic((p), PTD_AS(ptd_int, int32_t, p))
#endif
