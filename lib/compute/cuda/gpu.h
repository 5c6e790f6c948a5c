/* gpu: the dialect that kernels are written in. nvcc makes instructions of it, g++ calls of the
 * emulator (tests/gpu-sim/sim.h), which runs the same source thread by thread on the CPU and
 * watches what it touches. A kernel uses CUDA C++ and, where CUDA has no function, the wrappers
 * below; its shared memory is one struct; it is started by GPU_LAUNCH.
 *
 *     __global__ void __launch_bounds__(128) twice(float *y, const float *x, int n)
 *     {
 *         GPU_SHARED(struct mine, s);
 *         ...
 *     }
 *     GPU_LAUNCH(twice, dim3(rows), dim3(128), sizeof(struct mine), stream, y, x, n);
 *
 * A kernel of several template parameters is launched in parentheses: GPU_LAUNCH((k<T, 8>), ...).
 * Forbidden in .cu files, and refused by tests/gpu-sim/dialect.py: a cast to a pointer (numbers
 * come and go by load_nums and store_nums, so that no local array is written past its end unseen),
 * atomics on floats, assembly, static and volatile variables in kernels. */
#ifndef PTD_CUDA_GPU_H
#define PTD_CUDA_GPU_H
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_runtime.h>
typedef __nv_bfloat16 bf16;
typedef __nv_bfloat162 bf162;

#define GPU_LAUNCH(k, grid, block, shared, stream, ...)                                            \
    do {                                                                                           \
        if ((shared) > 48 * 1024)                                                                  \
            cudaFuncSetAttribute(k, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)(shared));   \
        k<<<grid, block, shared, stream>>>(__VA_ARGS__);                                           \
    } while (0)
#define GPU_SHARED(type, name)                                                                     \
    extern __shared__ __align__(128) unsigned char gpu_shared_bytes[];                             \
    type &name = *reinterpret_cast<type *>(gpu_shared_bytes)
#define GPU_INLINE   static __device__ __forceinline__
#define GPU_CONSTANT static __constant__ const
#define UNROLL       _Pragma("unroll")

/* 2^x and log2(x), to about 2 units in the last place; a result below 2^-126 is 0. */
GPU_INLINE float fast_exp2(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* Where p lies in the block's shared memory. */
GPU_INLINE uint32_t shared_address(const void *p)
{
    return (uint32_t)__cvta_generic_to_shared(p);
}

/* d [16, 8] += a [16, 16] b [16, 8] by one warp, in the fragments of mma.m16n8k16: lane 4 g + t has
 * of a rows g, g + 8 (a[0], a[1]: columns 2t, 2t + 1; a[2], a[3]: 8 columns on), of b columns g
 * (b0: rows 2t, 2t + 1; b1: 8 on), of d rows g (d[0], d[1]) and g + 8, columns 2t, 2t + 1. PTX ISA,
 * "Matrix fragments for mma.m16n8k16". */
GPU_INLINE void mma_16x8x16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Four 8 x 8 matrices of 16-bit numbers from shared memory: lane l names row l % 8 of matrix l / 8,
 * 16 bytes, aligned. r[i] holds of matrix i what a fragment's register does; transposed: of its
 * transpose. */
GPU_INLINE void load_matrix_x4(uint32_t (&r)[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}
GPU_INLINE void load_matrix_x4_transposed(uint32_t (&r)[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}

/* 16 bytes from global to shared memory without waiting; zeros if not valid, and then `from` is not
 * read. commit closes a group of what was asked since the last one; wait<n> returns when at most n
 * groups of this thread's are on their way. Others see the bytes after a barrier behind the wait.
 */
GPU_INLINE void copy_async_16(void *to, const void *from, bool valid)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)),
                 "l"(from), "r"(valid ? 16 : 0)
                 : "memory");
}
GPU_INLINE void copy_async_commit()
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int left> GPU_INLINE void copy_async_wait()
{
    asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
}

#else
#include <sim.h>
#endif

/* ---- numbers ---- */

GPU_INLINE float to_float(float x)
{
    return x;
}
GPU_INLINE float to_float(bf16 x)
{
    return __bfloat162float(x);
}
/* to nearest, ties to even */
template <class T> GPU_INLINE T from_float(float x)
{
    if constexpr (sizeof(T) == sizeof(bf16))
        return __float2bfloat16_rn(x);
    else
        return x;
}

/* Two bfloat16 in one register, a in the lower half. */
GPU_INLINE uint32_t pack_bf16(float a, float b)
{
    bf162 both = __floats2bfloat162_rn(a, b);
    uint32_t bits;
    memcpy(&bits, &both, sizeof bits);
    return bits;
}
GPU_INLINE float low_bf16(uint32_t pair)
{
    return __uint_as_float(pair << 16);
}
GPU_INLINE float high_bf16(uint32_t pair)
{
    return __uint_as_float(pair & 0xffff0000u);
}

/* N numbers at p, N 1 or a multiple of 8: in pieces of 16 bytes, to which p is aligned then. */
template <int N> GPU_INLINE void load_nums(float (&x)[N], const float *p)
{
    static_assert(N == 1 || N % 4 == 0, "one number, or pieces of 16 bytes");
    if constexpr (N == 1) {
        x[0] = *p;
    } else {
        UNROLL
        for (int i = 0; i < N; i += 4) {
            float4 v = *reinterpret_cast<const float4 *>(p + i);
            x[i] = v.x, x[i + 1] = v.y, x[i + 2] = v.z, x[i + 3] = v.w;
        }
    }
}
template <int N> GPU_INLINE void load_nums(float (&x)[N], const bf16 *p)
{
    static_assert(N == 1 || N % 8 == 0, "one number, or pieces of 16 bytes");
    if constexpr (N == 1) {
        x[0] = to_float(*p);
    } else {
        UNROLL
        for (int i = 0; i < N; i += 8) {
            uint4 v = *reinterpret_cast<const uint4 *>(p + i);
            x[i] = low_bf16(v.x), x[i + 1] = high_bf16(v.x);
            x[i + 2] = low_bf16(v.y), x[i + 3] = high_bf16(v.y);
            x[i + 4] = low_bf16(v.z), x[i + 5] = high_bf16(v.z);
            x[i + 6] = low_bf16(v.w), x[i + 7] = high_bf16(v.w);
        }
    }
}
template <int N> GPU_INLINE void store_nums(float *p, const float (&x)[N])
{
    if constexpr (N == 1) {
        *p = x[0];
    } else {
        UNROLL
        for (int i = 0; i < N; i += 4)
            *reinterpret_cast<float4 *>(p + i) = make_float4(x[i], x[i + 1], x[i + 2], x[i + 3]);
    }
}
template <int N> GPU_INLINE void store_nums(bf16 *p, const float (&x)[N])
{
    if constexpr (N == 1) {
        *p = from_float<bf16>(x[0]);
    } else {
        UNROLL
        for (int i = 0; i < N; i += 8)
            *reinterpret_cast<uint4 *>(p + i) =
                make_uint4(pack_bf16(x[i], x[i + 1]), pack_bf16(x[i + 2], x[i + 3]),
                           pack_bf16(x[i + 4], x[i + 5]), pack_bf16(x[i + 6], x[i + 7]));
    }
}
/* Two neighbours, aligned to both. */
GPU_INLINE void store_pair(bf16 *p, float a, float b)
{
    *reinterpret_cast<uint32_t *>(p) = pack_bf16(a, b);
}
GPU_INLINE void store_pair(float *p, float a, float b)
{
    *reinterpret_cast<float2 *>(p) = make_float2(a, b);
}

/* ---- a warp, a block: every thread gets the same, added up in the same order ---- */

#define FULL 0xffffffffu
template <class T> GPU_INLINE T warp_sum(T x)
{
    for (int o = 16; o; o >>= 1) x += __shfl_xor_sync(FULL, x, o);
    return x;
}
GPU_INLINE float warp_max(float x)
{
    for (int o = 16; o; o >>= 1) x = fmaxf(x, __shfl_xor_sync(FULL, x, o));
    return x;
}
/* part: of shared memory, a place for each warp; may be used again after the next barrier. */
template <int WARPS, class T> GPU_INLINE T block_sum(T x, T (&part)[WARPS])
{
    x = warp_sum(x);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = x;
    __syncthreads();
    x = part[0];
    for (int i = 1; i < WARPS; i++) x += part[i];
    return x;
}
#endif
