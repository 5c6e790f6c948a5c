/* floats: what the types of device.h are on the CPU. */
#ifndef PTD_FLOATS_H
#define PTD_FLOATS_H
#include "compute/device.h"

/* float * of ptd_num *, ptd_acc *, ptd_stat *; const stays. */
#define FLOATS(p) (p)
/* int32_t * of ptd_int * */
#define INTS(p) (p)
#endif
