/* ptd: the library's headers for C++. */
#ifndef PTD_CUDA_PTD_H
#define PTD_CUDA_PTD_H
#define _Noreturn [[noreturn]]
extern "C" {
#include "base/dtype.h"
#include "base/err.h"
#include "base/rng.h"
#include "compute/device.h"
#include "compute/drivers.h"
#include "compute/ops.h"
}
#endif
