/* driver: one card: its memory, its stream, what went wrong on it. */
#include "compute/cuda/driver.h"
#include "compute/cuda/graph.h"
#include "compute/cuda/share.h"
#include "compute/cuda/turn.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- faults ---- */

void cuda_blame(struct ptd_device *d, int status, const char *words)
{
    if (d->fault.status) return;
    d->fault.status = status;
    snprintf(d->fault.words, sizeof d->fault.words, "%s", words);
}

void cuda_check(struct ptd_device *d, cudaError_t e, const char *what)
{
    char words[sizeof d->fault.words];
    if (e == cudaSuccess) return;
    snprintf(words, sizeof words, "%s: %s", what, cudaGetErrorString(e));
    cuda_blame(d, e == cudaErrorMemoryAllocation ? PTD_OSERR : PTD_BUG, words);
}

/* ---- memory ---- */

static void *take(struct ptd_device *d, size_t bytes)
{
    void *p = NULL;
    cuda_here(d);
    cudaError_t e = cudaMalloc(&p, bytes ? bytes : 1);
    if (e == cudaSuccess) return p;
    cudaGetLastError(); /* it is told here */
    return NULL;
}

/* Each allocation begins with its size, for d->used. */
#define HEAD 256

static void *alloc(struct ptd_device *d, size_t bytes)
{
    int by_turns = 0;
    cuda_graph_flush(d);
    void *lent = cuda_turn_alloc(d, bytes, &by_turns);
    if (by_turns) return lent;
    char *p = bytes > SIZE_MAX - HEAD ? NULL : (char *)take(d, bytes + HEAD);
    if (!p) return NULL;
    cuda_check(d, cudaMemcpyAsync(p, &bytes, sizeof bytes, cudaMemcpyHostToDevice, stream_of(d)),
               "memory");
    cuda_check(d, cudaMemsetAsync(p + HEAD, 0, bytes, stream_of(d)), "memory");
    d->used += bytes;
    return p + HEAD;
}

static void give_back(struct ptd_device *d, void *p)
{
    size_t bytes = 0;
    cuda_graph_flush(d);
    if (cuda_share_free(d, p) || cuda_turn_free(d, p)) return;
    cuda_fetch(d, &bytes, (char *)p - HEAD, sizeof bytes);
    d->used -= bytes;
    cuda_check(d, cudaFree((char *)p - HEAD), "memory");
}

static size_t room(struct ptd_device *d)
{
    size_t free = 0, all;
    cuda_here(d);
    cuda_check(d, cudaMemGetInfo(&free, &all), "memory");
    return free;
}

/* At least `bytes`, and a quarter more for the next time. */
static void *grown(struct ptd_device *d, struct cuda_scratch *s, size_t bytes)
{
    size_t room = bytes + bytes / 4 + 4096;
    if (s->n >= bytes) return s->p;
    cuda_graph_flush(d);
    cuda_here(d);
    cuda_check(d, cudaFree(s->p), "memory"); /* waits for who uses it */
    *s = {take(d, room), room};
    if (s->p) return s->p;
    s->n = 0;
    cuda_blame(d, PTD_OSERR, "out of memory for an operation");
    return NULL;
}

void *cuda_scratch(struct ptd_device *d, enum cuda_use use, size_t bytes)
{
    return grown(d, &cuda_of(d)->scratch[use], bytes);
}

/* ---- copies ---- */

static void put(struct ptd_device *d, void *to, const void *host, size_t bytes)
{
    const void *kept = cuda_graph_keep(d, host, bytes);
    cuda_check(d,
               cudaMemcpyAsync(to, kept ? kept : host, bytes, cudaMemcpyHostToDevice, stream_of(d)),
               "a copy");
}

void cuda_fetch(struct ptd_device *d, void *host, const void *from, size_t bytes)
{
    cuda_graph_flush(d);
    cuda_check(d, cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, stream_of(d)),
               "a copy");
    cuda_check(d, cudaStreamSynchronize(stream_of(d)), "a copy");
}

void *cuda_list(struct ptd_device *d, enum cuda_use use, const void *host, size_t bytes)
{
    void *p = cuda_scratch(d, use, bytes);
    if (p) put(d, p, host, bytes);
    return p;
}

/* The smallest that is free and large enough, else the largest, which grows. NULL: all are lent. */
static struct cuda_lent *free_place(struct cuda *c, size_t bytes)
{
    struct cuda_lent *best = NULL;
    for (struct cuda_lent &l : c->lent) {
        if (l.is_lent) continue;
        size_t n = l.of.n, m = best ? best->of.n : 0;
        if (!best || (m < bytes ? n > m : n >= bytes && n < m)) best = &l;
    }
    return best;
}

void *cuda_lend_list(struct ptd_device *d, const void *host, size_t bytes)
{
    struct cuda_lent *l = free_place(cuda_of(d), bytes);
    if (!l) cuda_graph_flush(d);
    void *p = l ? grown(d, &l->of, bytes + 1) : take(d, bytes);
    if (!l && !p) cuda_blame(d, PTD_OSERR, "out of memory for a list");
    if (!p) return NULL;
    if (l) l->is_lent = 1;
    put(d, p, host, bytes);
    return p;
}

void cuda_return_list(struct ptd_device *d, void *p)
{
    if (!p) return;
    for (struct cuda_lent &l : cuda_of(d)->lent)
        if (l.of.p == p) {
            l.is_lent = 0;
            return;
        }
    cuda_graph_flush(d);
    cuda_check(d, cudaFree(p), "memory"); /* one beyond the places */
}

static void zero(struct ptd_device *d, void *p, size_t bytes)
{
    cuda_check(d, cudaMemsetAsync(p, 0, bytes, stream_of(d)), "zeros");
}

/* Numbers of another format than the host's are converted on the card, a piece at a time. */
#define PIECE   ((size_t)1 << 22)
#define THREADS 256

template <class TO, class FROM>
__global__ void __launch_bounds__(THREADS) convert(TO *to, const FROM *from, size_t n)
{
    size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x;
    if (i < n) to[i] = from_float<TO>(to_float(from[i]));
}

void cuda_widen_to(struct ptd_device *d, float *to, const bf16 *from, size_t n)
{
    if (n)
        GPU_LAUNCH((convert<float, bf16>), cuda_blocks(n, THREADS), dim3(THREADS), 0, stream_of(d),
                   to, from, n);
}

void cuda_narrow_to(struct ptd_device *d, bf16 *to, const float *from, size_t n)
{
    if (n)
        GPU_LAUNCH((convert<bf16, float>), cuda_blocks(n, THREADS), dim3(THREADS), 0, stream_of(d),
                   to, from, n);
}

static void put_nums(struct ptd_device *d, ptd_num *to, const float *host, size_t n)
{
    if (d->num == PTD_F32) {
        put(d, to, host, n * sizeof *host);
        return;
    }
    for (size_t i = 0; i < n; i += PIECE) {
        size_t now = n - i < PIECE ? n - i : PIECE;
        float *wide = (float *)cuda_list(d, CUDA_WIDE, host + i, now * sizeof *host);
        if (wide) cuda_narrow_to(d, as<bf16>(to) + i, wide, now);
    }
}

static void get_nums(struct ptd_device *d, float *host, const ptd_num *from, size_t n)
{
    if (d->num == PTD_F32) {
        cuda_fetch(d, host, from, n * sizeof *host);
        return;
    }
    for (size_t i = 0; i < n; i += PIECE) {
        size_t now = n - i < PIECE ? n - i : PIECE;
        float *wide = (float *)cuda_scratch(d, CUDA_WIDE, now * sizeof *host);
        if (!wide) return;
        cuda_widen_to(d, wide, as<bf16>(from) + i, now);
        cuda_fetch(d, host + i, wide, now * sizeof *host);
    }
}

static void put_accs(struct ptd_device *d, ptd_acc *to, const float *host, size_t n)
{
    put(d, to, host, n * sizeof *host);
}

static void get_accs(struct ptd_device *d, float *host, const ptd_acc *from, size_t n)
{
    cuda_fetch(d, host, from, n * sizeof *host);
}

/* ---- the device ---- */

static void wait(struct ptd_device *d)
{
    cuda_graph_flush(d);
    cuda_check(d, cudaStreamSynchronize(stream_of(d)), "a kernel");
    cuda_check(d, cudaGetLastError(), "a launch");
}

static char *machine(struct ptd_device *d)
{
    return strdup(cuda_of(d)->machine);
}

static void close_card(struct ptd_device *d)
{
    struct cuda *c = cuda_of(d);
    if (!c) return;
    cudaSetDevice(c->number);
    cuda_graph_flush(d);
    if (c->stream) cudaStreamSynchronize(c->stream);
    cuda_graph_close(d);
    cuda_share_close(d);
    cuda_turn_close(d);
    cuda_products_free(c);
    for (struct cuda_scratch &s : c->scratch) cudaFree(s.p);
    for (struct cuda_lent &l : c->lent) cudaFree(l.of.p);
    cudaFree(c->workspace);
    if (c->blas) cublasLtDestroy(c->blas);
    if (c->stream) cudaStreamDestroy(c->stream);
    free(c);
    d->own = NULL;
}

/* ---- the table ---- */

static const struct ptd_ops ops = {
    .alloc = alloc,
    .free = give_back,
    .room = room,
    .wait = wait,
    .machine = machine,
    .close = close_card,
    .share = cuda_share,
    .filled = cuda_filled,
    .rest = cuda_rest,
    .resting = cuda_resting,
    .record = cuda_record,
    .play = cuda_play,
    .put = put,
    .get = cuda_fetch,
    .put_nums = put_nums,
    .get_nums = get_nums,
    .put_accs = put_accs,
    .get_accs = get_accs,
    .zero = zero,
    .copy_rows = cuda_copy_rows,
    .round = cuda_round,
    .linear = cuda_linear,
    .linear_backward = cuda_linear_backward,
    .linear_gradient = cuda_linear_gradient,
    .logits = cuda_logits,
    .logits_backward = cuda_logits_backward,
    .low_rank = cuda_low_rank,
    .low_rank_backward = cuda_low_rank_backward,
    .rmsnorm = cuda_rmsnorm,
    .rmsnorm_backward = cuda_rmsnorm_backward,
    .layernorm = cuda_layernorm,
    .layernorm_backward = cuda_layernorm_backward,
    .headnorm = cuda_headnorm,
    .headnorm_backward = cuda_headnorm_backward,
    .rotate = cuda_rotate,
    .attention_plan = cuda_attention_plan,
    .attention_plan_free = cuda_attention_plan_free,
    .attention = cuda_attention,
    .attention_backward = cuda_attention_backward,
    .attention_shares = cuda_attention_shares,
    .swiglu = cuda_swiglu,
    .swiglu_backward = cuda_swiglu_backward,
    .gelu = cuda_gelu,
    .gelu_backward = cuda_gelu_backward,
    .add = cuda_add,
    .gather = cuda_gather,
    .gather_backward = cuda_gather_backward,
    .scatter_add = cuda_scatter_add,
    .interpolate = cuda_interpolate,
    .interpolate_backward = cuda_interpolate_backward,
    .rows_score = cuda_rows_score,
    .rows_draw = cuda_rows_draw,
    .rows_gradient = cuda_rows_gradient,
    .norm = cuda_norm,
    .adamw = cuda_adamw,
};

/* ---- opening one ---- */

/* "cuda", "cuda:1", "cuda:f32", "cuda:1:f32": the card's number, and 1 in *wide for float32. -1: it
 * is none of these. */
static int read_name(const char *name, int *wide)
{
    const char *at = strchr(name, ':');
    int number = 0;
    *wide = 0;
    for (; at; at = strchr(at + 1, ':')) {
        char *end;
        if (!strcmp(at, ":f32")) return *wide = 1, number;
        long n = strtol(at + 1, &end, 10);
        if (at[1] < '0' || at[1] > '9' || (*end && *end != ':') || n > 255) return -1;
        number = (int)n;
    }
    return number;
}

static int refuse(struct ptd_device *d, int status, const char *words)
{
    close_card(d);
    d->fault.status = 0;
    cuda_blame(d, status, words);
    return -1;
}

static int refuse_for(struct ptd_device *d, cudaError_t e, const char *what)
{
    char words[sizeof d->fault.words];
    int n = 0;
    snprintf(words, sizeof words, "%s: %s", what, cudaGetErrorString(e));
    if (e == cudaErrorInsufficientDriver && cudaDriverGetVersion(&n) == cudaSuccess)
        snprintf(words, sizeof words, "the driver %s",
                 n ? "is too old for this build of CUDA" : "of an NVIDIA card is not there");
    return refuse(d, e == cudaErrorMemoryAllocation ? PTD_OSERR : PTD_UNAVAILABLE, words);
}

static cudaError_t take_parts(struct cuda *c)
{
    cudaError_t e = cudaSetDevice(c->number);
    if (e == cudaSuccess) e = cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking);
    c->workspace_size = (size_t)32 << 20;
    if (e == cudaSuccess) e = cudaMalloc(&c->workspace, c->workspace_size);
    return e;
}

static void describe(struct ptd_device *d)
{
    struct cuda *c = cuda_of(d);
    cudaDeviceProp p;
    int runtime = 0;
    cudaRuntimeGetVersion(&runtime);
    if (cudaGetDeviceProperties(&p, c->number) != cudaSuccess) p.name[0] = 0;
    snprintf(c->machine, sizeof c->machine, "device %s, %s, %d.%d, CUDA %d, cuBLASLt %zu",
             d->num == PTD_BF16 ? "bf16" : "f32", p.name, p.major, p.minor, runtime,
             cublasLtGetVersion());
}

int ptd_cuda_plugin(struct ptd_device *d)
{
    struct cuda *c = (struct cuda *)calloc(1, sizeof *c);
    int wide, cards = 0;
    if (!c) return refuse(d, PTD_OSERR, "out of memory");
    d->own = c;
    c->number = read_name(d->name, &wide);
    if (c->number < 0) return refuse(d, PTD_USAGE, "expected a number or f32 after the colon");
    cudaError_t e = cudaGetDeviceCount(&cards);
    if (e != cudaSuccess) return refuse_for(d, e, "no card");
    if (c->number >= cards) return refuse(d, PTD_UNAVAILABLE, "there is no card of that number");
    if ((e = take_parts(c)) != cudaSuccess) return refuse_for(d, e, "opening the card");
    if (cublasLtCreate(&c->blas) != CUBLAS_STATUS_SUCCESS)
        return refuse(d, PTD_UNAVAILABLE, "cuBLASLt does not start");
    d->num = wide ? PTD_F32 : PTD_BF16, d->acc = PTD_F32;
    d->ops = &ops;
    describe(d);
    const char *words = NULL;
    return cuda_turn_open(d, &words) ? refuse(d, PTD_UNAVAILABLE, words) : 0;
}
