/* instructions: each instruction that kernels are written with, alone, on the same input: this file
 * is compiled for the chip and for the emulator, and gpu.py compares what the two print, before it
 * believes anything else. A line is NAME TOLERANCE WORD...: words of 32 bits in hex; TOLERANCE: 0
 * the same bits; u4 floats at most 4 units in the last place apart; a1e-5 floats x, y with
 * |x - y| <= 1e-5 (1 + |y|). */
#include "compute/cuda/gpu.h"
#include <cuda_runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <vector>

#define THREADS 64
#define OUT     16 /* words that a thread tells, at most */
#define IN      32 /* and is given */

struct room {
    alignas(16) bf16 tile[2][16][24];
    alignas(16) uint32_t words[THREADS][8];
    float part[THREADS / 32];
    unsigned count;
    int most;
};

/* ---- numbers from bits ---- */

GPU_INLINE float whole(uint32_t u)
{
    return (float)(u % 17) - 8;
}
GPU_INLINE float between(uint32_t u, float low, float high)
{
    return low + (high - low) * ((float)(u >> 8) * 5.9604645e-8f);
}

/* ---- a warp's ---- */

template <int WHOLE>
__global__ void __launch_bounds__(THREADS) mma(uint32_t *out, const uint32_t *in)
{
    const uint32_t *u = in + threadIdx.x * IN;
    uint32_t a[4], b[2];
    float d[4];
    for (int i = 0; i < 4; i++)
        a[i] = WHOLE ? pack_bf16(whole(u[2 * i]), whole(u[2 * i + 1]))
                     : pack_bf16(between(u[2 * i], -2, 2), between(u[2 * i + 1], -2, 2));
    for (int i = 0; i < 2; i++)
        b[i] = WHOLE ? pack_bf16(whole(u[8 + 2 * i]), whole(u[9 + 2 * i]))
                     : pack_bf16(between(u[8 + 2 * i], -2, 2), between(u[9 + 2 * i], -2, 2));
    for (int i = 0; i < 4; i++) d[i] = WHOLE ? whole(u[12 + i]) : between(u[12 + i], -2, 2);
    mma_16x8x16(d, a, b[0], b[1]);
    for (int i = 0; i < 4; i++) out[threadIdx.x * OUT + i] = __float_as_uint(d[i]);
}

template <int TURNED>
__global__ void __launch_bounds__(THREADS) matrices(uint32_t *out, const uint32_t *in)
{
    GPU_SHARED(struct room, s);
    int l = threadIdx.x % 32, w = threadIdx.x / 32;
    uint32_t r[4];
    for (int i = 0; i < 8; i++)
        s.tile[w][l % 16][l / 16 * 8 + i] =
            __ushort_as_bfloat16((unsigned short)(in[threadIdx.x * IN + i] & 0xffff));
    __syncwarp();
    if constexpr (TURNED)
        load_matrix_x4_transposed(r, &s.tile[w][l % 16][l / 16 * 8]);
    else
        load_matrix_x4(r, &s.tile[w][l % 16][l / 16 * 8]);
    for (int i = 0; i < 4; i++) out[threadIdx.x * OUT + i] = r[i];
}

/* Two groups, the second with zeros for some; each is read by the neighbour. */
__global__ void __launch_bounds__(THREADS) copies(uint32_t *out, const uint32_t *in)
{
    GPU_SHARED(struct room, s);
    int t = threadIdx.x, next = t / 32 * 32 + (t + 1) % 32;
    copy_async_16(&s.words[t][0], in + t * IN, true);
    copy_async_commit();
    copy_async_16(&s.words[t][4], in + t * IN + 4, t % 3 != 0);
    copy_async_commit();
    copy_async_wait<1>();
    __syncwarp();
    for (int i = 0; i < 4; i++) out[t * OUT + i] = s.words[next][i];
    copy_async_wait<0>();
    __syncwarp();
    for (int i = 4; i < 8; i++) out[t * OUT + i] = s.words[next][i];
}

__global__ void __launch_bounds__(THREADS) shuffles(uint32_t *out, const uint32_t *in)
{
    uint32_t u = in[threadIdx.x * IN], *o = out + threadIdx.x * OUT;
    o[0] = __shfl_xor_sync(FULL, u, 5);
    o[1] = __shfl_up_sync(FULL, u, 3);
    o[2] = __shfl_down_sync(FULL, u, 7);
    o[3] = __shfl_sync(FULL, u, 19);
    unsigned long long both = (unsigned long long)u << 32 | in[threadIdx.x * IN + 1];
    both = __shfl_xor_sync(FULL, both, 16);
    o[4] = (uint32_t)both;
    o[5] = (uint32_t)(both >> 32);
    o[6] = __ballot_sync(FULL, u & 1);
    o[7] = (uint32_t)(__any_sync(FULL, u == 7) ? 1 : 0);
    o[8] = (uint32_t)(__all_sync(FULL, u != 7) ? 1 : 0);
}

__global__ void __launch_bounds__(THREADS) bits(uint32_t *out, const uint32_t *in)
{
    const uint32_t *u = in + threadIdx.x * IN;
    uint32_t *o = out + threadIdx.x * OUT;
    o[0] = (uint32_t)__popc(u[0]);
    o[1] = (uint32_t)__clz((int)(u[1] >> threadIdx.x % 32));
    o[2] = (uint32_t)__ffs((int)(u[2] << threadIdx.x % 32));
    o[3] = __umulhi(u[3], u[4]);
}

/* ---- a block's ---- */

__global__ void __launch_bounds__(THREADS) sums(uint32_t *out, const uint32_t *in)
{
    GPU_SHARED(struct room, s);
    float x = between(in[threadIdx.x * IN], -1, 1);
    uint32_t *o = out + threadIdx.x * OUT;
    o[0] = __float_as_uint(warp_sum(x));
    o[1] = __float_as_uint(warp_max(x));
    o[2] = __float_as_uint(block_sum(x, s.part));
}

__global__ void __launch_bounds__(THREADS) atomics(uint32_t *out, const uint32_t *in)
{
    GPU_SHARED(struct room, s);
    if (threadIdx.x == 0) s.count = 0, s.most = -9;
    __syncthreads();
    atomicAdd(&s.count, in[threadIdx.x * IN] % 100);
    atomicMax(&s.most, (int)(in[threadIdx.x * IN + 1] % 1000));
    __syncthreads();
    out[threadIdx.x * OUT] = s.count;
    out[threadIdx.x * OUT + 1] = (uint32_t)s.most;
}

/* ---- numbers ---- */

/* Float32 to bfloat16 and back: ties, what overflows, denormals, NaN. */
__global__ void __launch_bounds__(THREADS) halves(uint32_t *out, const uint32_t *in)
{
    const uint32_t *u = in + threadIdx.x * IN;
    uint32_t *o = out + threadIdx.x * OUT;
    for (int i = 0; i < 4; i++)
        o[i] = __bfloat16_as_ushort(from_float<bf16>(__uint_as_float(u[i])));
    o[4] = pack_bf16(__uint_as_float(u[4]), __uint_as_float(u[5]));
    o[5] = __float_as_uint(to_float(__ushort_as_bfloat16((unsigned short)(u[6] & 0xffff))));
    o[6] = __float_as_uint(low_bf16(u[7]));
    o[7] = __float_as_uint(high_bf16(u[7]));
}

/* 16 bytes at a time, of either format. */
__global__ void __launch_bounds__(THREADS) pieces(float *wide, bf16 *narrow, const float *in)
{
    float x[8];
    load_nums(x, in + threadIdx.x * IN);
    for (int i = 0; i < 8; i++) x[i] = 2 * x[i];
    store_nums(wide + threadIdx.x * 8, x);
    store_nums(narrow + threadIdx.x * 8, x);
}

/* What IEEE 754 says to the last bit. */
__global__ void __launch_bounds__(THREADS) exact(uint32_t *out, const uint32_t *in)
{
    float x = between(in[threadIdx.x * IN], 1e-3f, 50),
          y = between(in[threadIdx.x * IN + 1], -3, 5);
    uint32_t *o = out + threadIdx.x * OUT;
    o[0] = __float_as_uint(sqrtf(x));
    o[1] = __float_as_uint(y / x);
    o[2] = __float_as_uint(1 / x);
    o[3] = __float_as_uint(fmaxf(x, y));
    o[4] = __float_as_uint(fminf(x, y));
    o[5] = (uint32_t)(int)y;
}

__global__ void __launch_bounds__(THREADS) functions(uint32_t *out, const uint32_t *in)
{
    const uint32_t *u = in + threadIdx.x * IN;
    float x = between(u[0], -20, 20), positive = between(u[1], 1e-3f, 60);
    uint32_t *o = out + threadIdx.x * OUT;
    o[0] = __float_as_uint(expf(x));
    o[1] = __float_as_uint(fast_exp2(between(u[2], -120, 120)));
    o[2] = __float_as_uint(tanhf(x / 4));
    o[3] = __float_as_uint(erff(x / 8));
    o[4] = __float_as_uint(rsqrtf(positive));
}

/* They come near 0, where a unit is nothing. */
__global__ void __launch_bounds__(THREADS) logarithms(uint32_t *out, const uint32_t *in)
{
    float x = between(in[threadIdx.x * IN], 1e-3f, 60);
    out[threadIdx.x * OUT] = __float_as_uint(logf(x));
    out[threadIdx.x * OUT + 1] = __float_as_uint(log2f(x));
}

/* Below 2^-126 there is nothing. */
__global__ void __launch_bounds__(THREADS) tiny_powers(uint32_t *out, const uint32_t *in)
{
    float x = between(in[threadIdx.x * IN], -200, -127);
    out[threadIdx.x * OUT] = __float_as_uint(fast_exp2(x));
}

/* ---- the host ---- */

static cudaStream_t stream;

static void check(cudaError_t e)
{
    if (e == cudaSuccess) return;
    fprintf(stderr, "instructions: %s\n", cudaGetErrorString(e));
    exit(1);
}

template <class T> static T *on_device(const std::vector<T> &x)
{
    void *p = NULL;
    check(cudaMalloc(&p, x.size() * sizeof(T)));
    check(cudaMemcpyAsync(p, x.data(), x.size() * sizeof(T), cudaMemcpyHostToDevice, stream));
    return static_cast<T *>(p);
}

template <class T> static std::vector<T> back(const T *p, size_t n)
{
    std::vector<T> x(n);
    check(cudaMemcpyAsync(x.data(), p, n * sizeof(T), cudaMemcpyDeviceToHost, stream));
    check(cudaStreamSynchronize(stream));
    return x;
}

static void tell(const char *name, const char *within, const std::vector<uint32_t> &words)
{
    printf("%s %s", name, within);
    for (uint32_t w : words) printf(" %08x", w);
    printf("\n");
}

/* Bits that look random. */
static std::vector<uint32_t> input()
{
    std::vector<uint32_t> u(THREADS * IN);
    uint64_t state = 7;
    for (uint32_t &w : u) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        w = (uint32_t)(state >> 32);
    }
    return u;
}

/* The first half: floats at the edges. */
static std::vector<uint32_t> odd_input()
{
    static const uint32_t odd[] = {0x00000000, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00001,
                                   0x7f800001, 0x3f808000, 0x3f818000, 0x3f808001, 0x7f7fffff,
                                   0x00000001, 0x807fffff, 0x00800000, 0x477fff00, 0xffffffff};
    std::vector<uint32_t> u = input();
    for (size_t i = 0; i < u.size() / 2; i++) u[i] = odd[i * 7 % 15];
    return u;
}

struct kernel {
    const char *name, *within;
    int words; /* that each thread tells */
    void (*run)(uint32_t *out, const uint32_t *in);
    int odd;
};
#define KERNEL(k)                                                                                  \
    [](uint32_t *out, const uint32_t *in) {                                                        \
        GPU_LAUNCH(k, dim3(1), dim3(THREADS), sizeof(struct room), stream, out, in);               \
    }

static const struct kernel kernels[] = {
    {"mma.whole", "0", 4, KERNEL(mma<1>)},
    {"mma", "a1e-5", 4, KERNEL(mma<0>)},
    {"ldmatrix", "0", 4, KERNEL(matrices<0>)},
    {"ldmatrix.trans", "0", 4, KERNEL(matrices<1>)},
    {"cp.async", "0", 8, KERNEL(copies)},
    {"shuffles", "0", 9, KERNEL(shuffles)},
    {"bits", "0", 4, KERNEL(bits)},
    {"sums", "0", 3, KERNEL(sums)},
    {"atomics", "0", 2, KERNEL(atomics)},
    {"halves", "0", 8, KERNEL(halves)},
    {"halves.odd", "0", 8, KERNEL(halves), 1},
    {"exact", "0", 6, KERNEL(exact)},
    {"functions", "u4", 5, KERNEL(functions)},
    {"logarithms", "a2e-6", 2, KERNEL(logarithms)},
    {"ex2.ftz", "0", 1, KERNEL(tiny_powers)},
};

static void run(const struct kernel &k)
{
    uint32_t *in = on_device(k.odd ? odd_input() : input()),
             *out = on_device(std::vector<uint32_t>(THREADS * OUT, 0xdeadbeef));
    k.run(out, in);
    std::vector<uint32_t> all = back(out, THREADS * OUT), told;
    for (int t = 0; t < THREADS; t++)
        told.insert(told.end(), all.begin() + t * OUT, all.begin() + t * OUT + k.words);
    tell(k.name, k.within, told);
    check(cudaFree(in)), check(cudaFree(out));
}

static void run_pieces()
{
    std::vector<float> x;
    for (uint32_t u : input()) x.push_back((float)(u >> 12) / 3);
    float *in = on_device(x), *wide = on_device(std::vector<float>(THREADS * 8));
    bf16 *narrow = on_device(std::vector<bf16>(THREADS * 8));
    GPU_LAUNCH(pieces, dim3(1), dim3(THREADS), 0, stream, wide, narrow, in);
    std::vector<uint32_t> words;
    for (float f : back(wide, THREADS * 8)) {
        uint32_t u;
        memcpy(&u, &f, sizeof u);
        words.push_back(u);
    }
    for (bf16 h : back(narrow, THREADS * 8)) {
        uint16_t u;
        memcpy(&u, &h, sizeof u);
        words.push_back(u);
    }
    tell("pieces", "0", words);
    check(cudaFree(in)), check(cudaFree(wide)), check(cudaFree(narrow));
}

int main()
{
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    for (const struct kernel &k : kernels) run(k);
    run_pieces();
    check(cudaStreamDestroy(stream));
    return fflush(stdout) || ferror(stdout);
}
