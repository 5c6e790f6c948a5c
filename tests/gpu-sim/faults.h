/* faults: see faults.cu. */
#ifndef GPU_SIM_FAULTS_H
#define GPU_SIM_FAULTS_H
#include "compute/cuda/gpu.h"

enum wrong {
    NOTHING,
    NO_BARRIER,
    LATE_TO_BARRIER,
    MASK,
    WARP_ONLY,
    TOO_FAR,
    INDEX,
    ONE_WARP_LEFT,
    UNWRITTEN,
    TWO_WRITERS,
    CONSTANT,
    TWO_BLOCKS,
    NOT_ATOMIC,
    TWO_GROUPS,
    NO_WAIT,
    WAIT_FOR_FEWER,
    NO_SYNCWARP,
    CROOKED
};
struct tiles_shared {
    alignas(16) bf16 a[16][24], b[16][24]; /* 8 more, so that rows lie in other banks */
};
void faults_neighbours(float *y, const float *x, int n, int wrong, cudaStream_t s);
void faults_blocks(float *y, unsigned *count, int n, int wrong, cudaStream_t s);
void faults_tiles(float *d, const bf16 *a, const bf16 *b, int wrong, cudaStream_t s);
#endif
