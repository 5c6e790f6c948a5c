/* angles: host memory for the rotations of a batch, kept from forward to forward. */
#include "net/net.h"
#include <stdlib.h>

float *ptd_batch_angles(struct ptd_batch *b, int which, size_t n)
{
    if (n > b->angles_cap[which]) {
        free(b->angles[which]);
        b->angles[which] = ptd_array(b->angles_cap[which] = n + n / 2, sizeof(float));
    }
    return b->angles[which];
}
