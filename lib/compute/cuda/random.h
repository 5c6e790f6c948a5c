/* random: the numbers of base/rng.h on the device (Philox4x32-10, Salmon et al., SC 2011). */
#ifndef PTD_CUDA_RANDOM_H
#define PTD_CUDA_RANDOM_H
#include "compute/cuda/gpu.h"

/* 128 bits for the counter (purpose, a, b, c) under a seed. */
GPU_INLINE uint4 random_bits(uint64_t seed, uint32_t purpose, uint32_t a, uint32_t b, uint32_t c)
{
    uint4 x = make_uint4(purpose, a, b, c);
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint32_t p = __umulhi(0xd2511f53u, x.x), q = __umulhi(0xcd9e8d57u, x.z);
        x = make_uint4(q ^ x.y ^ key0, 0xcd9e8d57u * x.z, p ^ x.w ^ key1, 0xd2511f53u * x.x);
        key0 += 0x9e3779b9u, key1 += 0xbb67ae85u;
    }
    return x;
}

/* The i-th 16 bits of the row of counters c = 0, 1 ... */
GPU_INLINE uint32_t random_half(uint64_t seed, uint32_t purpose, uint32_t a, uint32_t b, size_t i)
{
    uint4 x = random_bits(seed, purpose, a, b, (uint32_t)(i / 8));
    int word = (int)(i % 8 / 2);
    uint32_t both = word == 0 ? x.x : word == 1 ? x.y : word == 2 ? x.z : x.w;
    return i % 2 ? both >> 16 : both & 0xffffu;
}
#endif
