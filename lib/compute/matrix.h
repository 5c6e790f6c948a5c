/* matrix: weights [rows, cols] as they lie: in blocks of whole rows, one behind the other in
 * number, not in memory, as a store maps them; in float32 or in bfloat16. What multiplies with
 * bfloat16 widens it, which is exact: on the CPU forward products give the bits that they have with
 * float32, and so they do on cpu:bf16, which rounds to bfloat16. */
#ifndef PTD_MATRIX_H
#define PTD_MATRIX_H
#include "base/dtype.h"
#include "compute/device.h"

struct ptd_block {
    const ptd_num *at; /* on the device, in the matrix's format */
    int rows;
};

struct ptd_matrix {
    const struct ptd_block *blocks; /* the host's list */
    int n_blocks, rows, cols;
    int dtype; /* PTD_F32: the device's own numbers, or PTD_BF16 */
};
#endif
