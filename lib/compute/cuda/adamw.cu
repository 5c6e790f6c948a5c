/* adamw: the optimizer's step in all the forms that a parameter is kept in, a thread a number, a
 * block for each PTD_BLOCK of them; and norms, in double, in blocks of a fixed size. */
#include "compute/cuda/driver.h"
#include "compute/cuda/eight.h"
#include "compute/cuda/random.h"
#include <stdlib.h>

#define THREADS PTD_BLOCK
#define WARPS   (THREADS / 32)

/* ---- norms ---- */

#define SQUARES 16384 /* numbers of a block */
struct norm_shared {
    double sum[WARPS];
};

template <class T>
__global__ void __launch_bounds__(THREADS) square_blocks(double *sums, const T *x, size_t n)
{
    GPU_SHARED(struct norm_shared, s);
    size_t first = (size_t)blockIdx.x * SQUARES, last = min(n, first + SQUARES);
    double sum = 0;
    for (size_t i = first + threadIdx.x; i < last; i += THREADS) {
        double v = to_float(x[i]);
        sum += v * v;
    }
    sum = block_sum(sum, s.sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

static double sum_of(const double *sums, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += sums[i];
    return sum;
}

template <class T> static double norm_of(struct ptd_device *d, const void *x, size_t n)
{
    size_t blocks = (n + SQUARES - 1) / SQUARES, bytes = blocks * sizeof(double);
    double *sums = (double *)cuda_scratch(d, CUDA_SUMS, bytes), *host = (double *)malloc(bytes);
    if (!host) cuda_blame(d, PTD_OSERR, "out of memory for a norm");
    if (host && sums)
        GPU_LAUNCH((square_blocks<T>), dim3((unsigned)blocks), dim3(THREADS),
                   sizeof(struct norm_shared), stream_of(d), sums, (const T *)x, n);
    if (host && sums) cuda_fetch(d, host, sums, bytes);
    double norm = host && sums && !d->fault.status ? sqrt(sum_of(host, blocks)) : NAN;
    free(host);
    return norm;
}

double cuda_norm(struct ptd_device *d, const void *x, enum ptd_entries of, size_t n)
{
    if (!n) return 0;
    return of == PTD_HALVES || (of == PTD_NUMS && d->num == PTD_BF16) ? norm_of<bf16>(d, x, n)
                                                                      : norm_of<float>(d, x, n);
}

/* ---- the step ---- */

/* One step's numbers; c = 1 - b. */
struct step {
    float scale, b1, c1, b2, c2, lr1, root2, eps, shrink;
    uint32_t t;
};
/* A slot as a kernel sees it. */
template <class T> struct slot {
    size_t n;
    T *w;
    uint16_t *high;
    int16_t *low;
    float *m, *v, *ms, *vs;
    uint8_t *m8, *v8;
    uint64_t seed;
    uint32_t number;
    size_t first;
};
struct step_shared {
    uint32_t m[WARPS], v[WARPS];
};

GPU_INLINE bool is_nan(uint32_t bits)
{
    return (bits & 0x7fffffffu) > 0x7f800000u;
}
GPU_INLINE uint16_t quiet(uint32_t bits)
{
    return (uint16_t)((bits >> 16 & 0x8000u) | 0x7fc0u);
}

template <int MASTER, class T> GPU_INLINE float read_weight(const slot<T> &s, size_t i)
{
    if constexpr (MASTER == PTD_MASTER_F32) return to_float(s.w[i]);
    uint32_t bits = (uint32_t)s.high[i] << 16;
    if constexpr (MASTER == PTD_MASTER_SPLIT) bits += (uint32_t)(int32_t)s.low[i];
    return __uint_as_float(bits);
}

/* Split: half away from zero, so that what is left fits 16 bits. None: as 16 random bits say. */
template <int MASTER, class T>
GPU_INLINE void write_weight(const slot<T> &s, size_t i, float w, uint32_t t)
{
    uint32_t bits = __float_as_uint(w), nan = is_nan(bits);
    if constexpr (MASTER == PTD_MASTER_F32) {
        s.w[i] = from_float<T>(w);
    } else if constexpr (MASTER == PTD_MASTER_SPLIT) {
        s.high[i] = nan ? quiet(bits) : (uint16_t)((bits + 0x8000u) >> 16);
        s.low[i] = (int16_t)(nan ? 0 : bits);
    } else {
        uint32_t random = random_half(s.seed, PTD_RNG_ROUND, t, s.number, s.first + i);
        s.high[i] = nan ? quiet(bits) : (uint16_t)((bits + random) >> 16);
    }
}

GPU_INLINE void move(const struct step &s, float &w, float &m, float &v, float g)
{
    float d = g * s.scale;
    m = s.b1 * m + s.c1 * d;
    v = s.b2 * v + s.c2 * (d * d);
    w -= s.lr1 * m / (sqrtf(v) * s.root2 + s.eps) + s.shrink * w;
}

/* The largest of the block, by the bits without the sign: NaN is above all else. */
GPU_INLINE float largest(float x, uint32_t (&part)[WARPS])
{
    uint32_t most = __float_as_uint(x) & 0x7fffffffu;
    for (int o = 16; o; o >>= 1) most = max(most, __shfl_xor_sync(FULL, most, o));
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = most;
    __syncthreads();
    most = part[0];
    for (int i = 1; i < WARPS; i++) most = max(most, part[i]);
    return __uint_as_float(most);
}

template <class T>
GPU_INLINE void write_moments(const slot<T> &s, size_t i, float m, float v,
                              struct step_shared &shared)
{
    float sm = eight_scale(largest(m, shared.m), 1), sv = eight_scale(largest(v, shared.v), 0);
    if (i < s.n) s.m8[i] = eight_code(m, sm, 1), s.v8[i] = eight_code(v, sv, 0);
    if (threadIdx.x == 0) s.ms[blockIdx.x] = sm, s.vs[blockIdx.x] = sv;
}

template <class T, int MASTER, int EIGHT>
__global__ void __launch_bounds__(THREADS) adamw_blocks(slot<T> s, struct step step, const float *g)
{
    GPU_SHARED(struct step_shared, shared);
    size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x;
    float w = 0, m = 0, v = 0;
    if (i < s.n) {
        w = read_weight<MASTER>(s, i);
        m = EIGHT ? eight_number(s.m8[i], s.ms[blockIdx.x], 1) : s.m[i];
        v = EIGHT ? eight_number(s.v8[i], s.vs[blockIdx.x], 0) : s.v[i];
        move(step, w, m, v, g[i]);
        write_weight<MASTER>(s, i, w, step.t);
    }
    if constexpr (EIGHT)
        write_moments(s, i, m, v, shared);
    else if (i < s.n)
        s.m[i] = m, s.v[i] = v;
}

/* 1 - b^t without cancellation. */
static double correction(double b, int64_t t)
{
    return -expm1((double)t * log(b));
}

static struct step step_of(const struct ptd_adamw *a, int64_t t, double scale)
{
    struct step s = {(float)scale,
                     (float)a->beta1,
                     (float)(1 - a->beta1),
                     (float)a->beta2,
                     (float)(1 - a->beta2),
                     (float)(a->lr / correction(a->beta1, t)),
                     (float)(1 / sqrt(correction(a->beta2, t))),
                     (float)a->eps,
                     (float)(a->lr * a->decay),
                     (uint32_t)t};
    return s;
}

template <class T> static slot<T> slot_of(const struct ptd_slot *s)
{
    slot<T> k = {
        s->n,          as<T>(s->w),      (uint16_t *)s->w, (int16_t *)s->low, (float *)s->m,
        (float *)s->v, floats_of(s->ms), floats_of(s->vs), (uint8_t *)s->m,   (uint8_t *)s->v,
        s->seed,       s->number,        s->first};
    return k;
}

template <class T, int MASTER>
static void step_form(struct ptd_device *d, const struct ptd_slot *s, struct step step,
                      const float *g)
{
    dim3 blocks = cuda_blocks(s->n, THREADS);
    if (s->eight)
        GPU_LAUNCH((adamw_blocks<T, MASTER, 1>), blocks, dim3(THREADS), sizeof(struct step_shared),
                   stream_of(d), slot_of<T>(s), step, g);
    else
        GPU_LAUNCH((adamw_blocks<T, MASTER, 0>), blocks, dim3(THREADS), sizeof(struct step_shared),
                   stream_of(d), slot_of<T>(s), step, g);
}

void cuda_adamw(struct ptd_device *d, const struct ptd_adamw *a, int64_t t, double scale,
                const struct ptd_slot *s, const ptd_acc *g)
{
    struct step step = step_of(a, t, scale);
    if (!s->n) return;
    if (s->master == PTD_MASTER_SPLIT)
        step_form<bf16, PTD_MASTER_SPLIT>(d, s, step, floats_of(g));
    else if (s->master == PTD_MASTER_NONE)
        step_form<bf16, PTD_MASTER_NONE>(d, s, step, floats_of(g));
    else
        CUDA_BY_TYPE(d, step_form<T, PTD_MASTER_F32>(d, s, step, floats_of(g)));
}
