/* sim: CUDA's language on the CPU. A thread is a fiber that runs until it must wait for others;
 * one block runs at a time; what a stream was asked happens in order, at once or as late as the
 * host waits for it.
 *
 * Modelled: blocks, warps, barriers, functions of a warp, shared memory, atomics on whole numbers,
 * bfloat16, the fragments of mma and ldmatrix, copies without waiting, streams, memory. Kernels
 * that are compiled with -fsanitize=thread are watched as well (watch.cc): each access must lie in
 * memory of the device that has been written, and barriers must stand between it and all accesses
 * of others that it could disturb.
 *
 * A fault is one line; it ends the launch, and sim_faults counts it. */
#ifndef SIM_H
#define SIM_H
#include <functional>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <tuple>

/* ---- words ---- */

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__
#define __launch_bounds__(...)
#define GPU_INLINE   static inline
#define GPU_CONSTANT static const
#define UNROLL

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(8) int2 {
    int x, y;
};
struct alignas(16) int4 {
    int x, y, z, w;
};
struct alignas(8) uint2 {
    uint32_t x, y;
};
struct alignas(16) uint4 {
    uint32_t x, y, z, w;
};
static inline float2 make_float2(float x, float y)
{
    return float2{x, y};
}
static inline float4 make_float4(float x, float y, float z, float w)
{
    return float4{x, y, z, w};
}
static inline int2 make_int2(int x, int y)
{
    return int2{x, y};
}
static inline int4 make_int4(int x, int y, int z, int w)
{
    return int4{x, y, z, w};
}
static inline uint2 make_uint2(uint32_t x, uint32_t y)
{
    return uint2{x, y};
}
static inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w)
{
    return uint4{x, y, z, w};
}

/* ---- numbers ---- */

struct bf16 {
    uint16_t bits;
};
struct alignas(4) bf162 {
    bf16 x, y;
};
static inline uint32_t __float_as_uint(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}
static inline float __uint_as_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}
static inline int __float_as_int(float f)
{
    return (int)__float_as_uint(f);
}
static inline float __int_as_float(int i)
{
    return __uint_as_float((uint32_t)i);
}
static inline float __bfloat162float(bf16 h)
{
    return __uint_as_float((uint32_t)h.bits << 16);
}
/* As the chip does it: any NaN becomes 0x7fff. */
static inline bf16 __float2bfloat16_rn(float f)
{
    uint32_t u = __float_as_uint(f), odd = u >> 16 & 1;
    return bf16{(uint16_t)(f != f ? 0x7fff : (u + 0x7fff + odd) >> 16)};
}
static inline bf162 __floats2bfloat162_rn(float a, float b)
{
    return bf162{__float2bfloat16_rn(a), __float2bfloat16_rn(b)};
}
static inline uint16_t __bfloat16_as_ushort(bf16 h)
{
    return h.bits;
}
static inline bf16 __ushort_as_bfloat16(uint16_t u)
{
    return bf16{u};
}
static inline float fast_exp2(float x)
{
    float y = exp2f(x);
    return y < 1.17549435e-38f ? 0 : y;
}
static inline float rsqrtf(float x)
{
    return 1 / sqrtf(x);
}
static inline int __popc(uint32_t x)
{
    return __builtin_popcount(x);
}
static inline int __clz(int x)
{
    return x ? __builtin_clz((uint32_t)x) : 32;
}
static inline int __ffs(int x)
{
    return __builtin_ffs(x);
}
static inline uint32_t __umulhi(uint32_t a, uint32_t b)
{
    return (uint32_t)((uint64_t)a * b >> 32);
}
static inline float __fmul_rn(float a, float b)
{
    return a * b;
}
static inline float __fadd_rn(float a, float b)
{
    return a + b;
}
static inline float __fdiv_rn(float a, float b)
{
    return a / b;
}
static inline float __fsqrt_rn(float a)
{
    return sqrtf(a);
}
static inline float __fmaf_rn(float a, float b, float c)
{
    return fmaf(a, b, c);
}
template <class T> static inline T __ldg(const T *p)
{
    return *p;
}
template <class T> static inline T min(T a, T b)
{
    return b < a ? b : a;
}
template <class T> static inline T max(T a, T b)
{
    return a < b ? b : a;
}

/* ---- where a thread is ---- */

struct sim_place {
    dim3 thread, block, threads, blocks;
};
extern const sim_place *sim_here; /* of the running thread */
#define threadIdx (sim_here->thread)
#define blockIdx  (sim_here->block)
#define blockDim  (sim_here->threads)
#define gridDim   (sim_here->blocks)

/* ---- waiting for others ---- */

void __syncthreads();
void __syncwarp(unsigned mask = 0xffffffffu);
void __threadfence_block();
unsigned __ballot_sync(unsigned mask, int predicate);
static inline int __any_sync(unsigned mask, int p)
{
    return __ballot_sync(mask, p) != 0;
}
static inline int __all_sync(unsigned mask, int p)
{
    return __ballot_sync(mask, !p) == 0;
}

int sim_lane();
/* The lanes of mask meet; `out` gets the `size` bytes that lane `from` brought, 8 at most. */
void sim_shuffle(unsigned mask, int from, const void *in, void *out, size_t size);
template <class T> static inline T sim_shuffled(unsigned mask, T x, int from)
{
    T y;
    static_assert(sizeof x <= 8, "a shuffle moves 4 or 8 bytes");
    sim_shuffle(mask, from, &x, &y, sizeof x);
    return y;
}
template <class T> static inline T __shfl_sync(unsigned mask, T x, int from)
{
    return sim_shuffled(mask, x, from & 31);
}
template <class T> static inline T __shfl_xor_sync(unsigned mask, T x, int bits)
{
    return sim_shuffled(mask, x, sim_lane() ^ bits);
}
template <class T> static inline T __shfl_down_sync(unsigned mask, T x, unsigned by)
{
    int from = sim_lane() + (int)by;
    return sim_shuffled(mask, x, from < 32 ? from : sim_lane());
}
template <class T> static inline T __shfl_up_sync(unsigned mask, T x, unsigned by)
{
    int from = sim_lane() - (int)by;
    return sim_shuffled(mask, x, from >= 0 ? from : sim_lane());
}

/* ---- atomics: accesses that may meet without a barrier; none on floats ---- */

int atomicAdd(int *p, int x);
unsigned atomicAdd(unsigned *p, unsigned x);
unsigned long long atomicAdd(unsigned long long *p, unsigned long long x);
int atomicMax(int *p, int x);
unsigned atomicMax(unsigned *p, unsigned x);
unsigned long long atomicMax(unsigned long long *p, unsigned long long x);
int atomicMin(int *p, int x);
unsigned atomicMin(unsigned *p, unsigned x);
unsigned atomicOr(unsigned *p, unsigned x);

/* ---- matrices and copies: gpu.h says what they do ---- */

uint32_t shared_address(const void *p);
void mma_16x8x16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
void load_matrix_x4(uint32_t (&r)[4], const void *row);
void load_matrix_x4_transposed(uint32_t (&r)[4], const void *row);
void copy_async_16(void *to, const void *from, bool valid);
void copy_async_commit();
void sim_copy_wait(int left);
template <int left> static inline void copy_async_wait()
{
    sim_copy_wait(left);
}

/* ---- shared memory and launches ---- */

typedef struct sim_stream *cudaStream_t;
void *sim_shared(size_t size);
#define GPU_SHARED(type, name) type &name = *(type *)sim_shared(sizeof(type))

/* Of a thread: the kernel with its arguments, which lie in [arguments, arguments + size). */
struct sim_job {
    const char *name;
    dim3 grid, block;
    size_t shared;
    void (*run)(const void *arguments);
    const void *arguments;
    size_t size;
};
/* In order with all else of the stream, or when the graph that is recorded there runs; kind: of a
 * graph's node. */
enum sim_kind { SIM_KERNEL, SIM_COPY, SIM_SET };
void sim_ask(cudaStream_t s, std::function<void()> what, enum sim_kind kind = SIM_KERNEL);
void sim_run(const sim_job &job);
template <class F, class... A>
static inline void sim_launch(const char *name, dim3 grid, dim3 block, size_t shared,
                              cudaStream_t s, F kernel, A... arguments)
{
    struct call {
        F kernel;
        std::tuple<A...> arguments;
    };
    call c = {kernel, {arguments...}};
    sim_ask(s, [=] {
        auto run = [](const void *p) {
            const call &c = *static_cast<const call *>(p);
            std::apply(c.kernel, c.arguments);
        };
        sim_run(sim_job{name, grid, block, shared, run, &c, sizeof c});
    });
}
/* Arguments are what they are when the kernel is asked for. */
#define GPU_LAUNCH(k, grid, block, shared, stream, ...)                                            \
    sim_launch(                                                                                    \
        #k, grid, block, shared, stream, [](auto... a) { k(a...); }, __VA_ARGS__)

/* ---- for tests ---- */

/* Which thread and which block goes first: 0 in order, 1 in reverse, n > 1 at random by this seed,
 * chosen again wherever threads meet. */
extern int sim_order;
extern int sim_late; /* 1: what need not be done yet is not done: copies, all that streams have */
extern int sim_watched;    /* 0: accesses are not looked at */
extern int sim_quiet;      /* no lines on stderr */
extern long sim_faults;    /* since the start */
extern char sim_last[512]; /* the first fault's line since a test emptied it */
extern long sim_switches, sim_accesses, sim_mallocs;
/* Graphs that were instantiated, brought up to date, launched; that there are; kernels, copies and
 * the like that were asked for one at a time. */
extern long sim_instantiated, sim_updated, sim_launched, sim_graphs, sim_asked;
/* Called with the name of a function of the driver's memory that is called; 1: it fails. NULL:
 * nobody asks. Memory, and addresses, that this process has of it: vmm.cc. */
extern int (*sim_point)(const char *name);
extern long sim_memories, sim_mappings;
/* Memory of the device: its contents are unknown (all bits set), and a fault to read. */
void *sim_alloc(size_t n, const char *name);
void sim_free(void *p);
void sim_unknown(void *p, size_t n); /* nobody has written there */
void sim_put(void *device, const void *host, size_t n);
void sim_get(void *host, const void *device, size_t n); /* what was never written is a fault */
#endif
