/* idx: arrays of bytes in MNIST's idx format, gzipped, from memory.
 *
 * Layout: 0 0 8 D, D big-endian 32-bit sizes, then the bytes. The declared sizes are checked
 * against PTD_IDX_MAX before memory is taken; data that ends early, goes on, or fails gzip's
 * checksum is refused (65). */
#ifndef PTD_IDX_H
#define PTD_IDX_H
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

#define PTD_IDX_DIMS 3
#define PTD_IDX_MAX  (256l << 20)

struct ptd_idx {
    int n_dims;
    long dims[PTD_IDX_DIMS]; /* unused ones are 1 */
    uint8_t *data;           /* [dims[0]][dims[1]][dims[2]], malloc'd */
};

/* name: for messages */
int ptd_idx_load(struct ptd_idx *x, const void *gz, size_t len, const char *name) PTD_MUST_CHECK;
void ptd_idx_clear(struct ptd_idx *x);
#endif
