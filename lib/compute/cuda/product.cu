/* product: see product.h. The algorithm for a shape is asked for once and kept with the device, so
 * that the same product has the same bits each time; those that add up parts in an order of their
 * own choice are not asked for. */
#include "compute/cuda/graph.h"
#include "compute/cuda/product.h"
#include <stdlib.h>

/* ---- cuBLASLt ---- */

/* What an algorithm is chosen by. */
struct shape {
    int64_t m, n, k, lda, ldb, ldd;
    int32_t turn_a, turn_b, in, out, bias, adds, alone, bucket;
};
struct choice {
    struct shape shape;
    int known, found;
    cublasLtMatmulAlgo_t algo;
};
#define CHOICES 4096 /* a power of two */
struct cuda_products {
    struct choice choices[CHOICES];
    int n;
};

static struct shape shape_of(const struct product *p)
{
    struct shape s;
    memset(&s, 0, sizeof s);
    s.m = p->m, s.n = p->n, s.k = p->k, s.lda = p->lda, s.ldb = p->ldb, s.ldd = p->ldd;
    s.turn_a = p->turn_a, s.turn_b = p->turn_b, s.in = p->in, s.out = p->out;
    s.bias = p->bias != NULL, s.adds = p->beta != 0, s.alone = p->alone;
    return s;
}

static uint64_t hash_of(const struct shape *s)
{
    const unsigned char *byte = reinterpret_cast<const unsigned char *>(s);
    uint64_t h = 1469598103934665603u; /* FNV-1a */
    for (size_t i = 0; i < sizeof *s; i++) h = (h ^ byte[i]) * 1099511628211u;
    return h ^ h >> 32;
}

/* The place of a shape, known or not; when too many are known, all are forgotten. */
static struct choice *choice_for(struct cuda *c, const struct shape *s)
{
    if (!c->products) c->products = (struct cuda_products *)calloc(1, sizeof *c->products);
    struct cuda_products *all = c->products;
    if (!all) return NULL;
    if (all->n > CHOICES / 2) memset(all, 0, sizeof *all);
    uint64_t at = hash_of(s) % CHOICES;
    while (all->choices[at].known && memcmp(&all->choices[at].shape, s, sizeof *s))
        at = (at + 1) % CHOICES;
    return &all->choices[at];
}

/* cuBLASLt's own descriptions of a product. */
struct described {
    cublasLtMatmulDesc_t op;
    cublasLtMatrixLayout_t a, b, d;
    cublasLtMatmulPreference_t wish;
    int bad;
};

static cudaDataType_t type_of(int format)
{
    return format == PTD_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

static void set_op(struct described *x, cublasLtMatmulDescAttributes_t what, const void *value,
                   size_t size)
{
    x->bad |= cublasLtMatmulDescSetAttribute(x->op, what, value, size);
}

static void set_wish(struct described *x, cublasLtMatmulPreferenceAttributes_t what,
                     const void *value, size_t size)
{
    x->bad |= cublasLtMatmulPreferenceSetAttribute(x->wish, what, value, size);
}

static void describe_op(struct described *x, const struct product *p)
{
    int32_t turn_a = p->turn_a ? CUBLAS_OP_T : CUBLAS_OP_N,
            turn_b = p->turn_b ? CUBLAS_OP_T : CUBLAS_OP_N,
            epilogue = p->bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    x->bad |= cublasLtMatmulDescCreate(&x->op, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    set_op(x, CUBLASLT_MATMUL_DESC_TRANSA, &turn_a, sizeof turn_a);
    set_op(x, CUBLASLT_MATMUL_DESC_TRANSB, &turn_b, sizeof turn_b);
    set_op(x, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
    if (p->bias) set_op(x, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &p->bias, sizeof p->bias);
}

#define REDUCTIONS 6 /* through memory of its own: CUBLASLT_REDUCTION_SCHEME_..._TYPE */

static void describe_wish(struct described *x, const struct product *p, const struct cuda *c)
{
    uint32_t reductions = p->alone ? 0 : REDUCTIONS, aligned = 16;
    x->bad |= cublasLtMatmulPreferenceCreate(&x->wish);
    set_wish(x, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &c->workspace_size,
             sizeof c->workspace_size);
    set_wish(x, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions, sizeof reductions);
    set_wish(x, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &aligned, sizeof aligned);
    set_wish(x, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &aligned, sizeof aligned);
    set_wish(x, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &aligned, sizeof aligned);
    set_wish(x, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &aligned, sizeof aligned);
}

static void describe(struct described *x, const struct product *p, const struct cuda *c)
{
    memset(x, 0, sizeof *x);
    describe_op(x, p);
    describe_wish(x, p, c);
    x->bad |= cublasLtMatrixLayoutCreate(&x->a, type_of(p->in), p->turn_a ? p->k : p->m,
                                         p->turn_a ? p->m : p->k, p->lda);
    x->bad |= cublasLtMatrixLayoutCreate(&x->b, type_of(p->in), p->turn_b ? p->n : p->k,
                                         p->turn_b ? p->k : p->n, p->ldb);
    x->bad |= cublasLtMatrixLayoutCreate(&x->d, type_of(p->out), p->m, p->n, p->ldd);
}

static void forget(struct described *x)
{
    if (x->wish) cublasLtMatmulPreferenceDestroy(x->wish);
    if (x->a) cublasLtMatrixLayoutDestroy(x->a);
    if (x->b) cublasLtMatrixLayoutDestroy(x->b);
    if (x->d) cublasLtMatrixLayoutDestroy(x->d);
    if (x->op) cublasLtMatmulDescDestroy(x->op);
}

typedef cublasLtMatmulHeuristicResult_t candidate;

/* The library's, the best first, at most `most`; how many. */
static int candidates_for(const struct cuda *c, const struct product *p, candidate *list, int most)
{
    struct described x;
    int n = 0;
    describe(&x, p, c);
    if (x.bad || cublasLtMatmulAlgoGetHeuristic(c->blas, x.op, x.a, x.b, x.d, x.d, x.wish, most,
                                                list, &n) != CUBLAS_STATUS_SUCCESS)
        n = 0;
    forget(&x);
    return n;
}

static int is_able(const struct cuda *c, const struct described *x,
                   const cublasLtMatmulAlgo_t *algo)
{
    candidate found;
    return cublasLtMatmulAlgoCheck(c->blas, x->op, x->a, x->b, x->d, x->d, algo, &found) ==
               CUBLAS_STATUS_SUCCESS &&
           found.workspaceSize <= c->workspace_size;
}

static cublasStatus_t multiply(const struct cuda *c, const struct product *p,
                               const struct described *x, const cublasLtMatmulAlgo_t *algo)
{
    return cublasLtMatmul(c->blas, x->op, &p->alpha, p->A, x->a, p->B, x->b, &p->beta, p->D, x->d,
                          p->D, x->d, algo, c->workspace, c->workspace_size, c->stream);
}

/* The algorithm of a shape from now on; NULL: there is none. */
static void settle(struct cuda *c, const struct shape *s, const cublasLtMatmulAlgo_t *algo)
{
    struct choice *at = choice_for(c, s);
    if (!at) return;
    at->shape = *s, at->known = 1;
    at->found = algo != NULL;
    if (algo) at->algo = *algo;
    c->products->n++;
}

/* ---- rows that stand alone ---- */

enum { ALONE_LEAST = 64, ALONE_MOST = 16384, CANDIDATES = 8 };
enum { PROBE_ROWS = 128, PROBE_COLUMNS = 16, PROBE_PIECE = 256 };

/* Numbers that no order of a sum leaves the same, a block for each PROBE_PIECE of them. */
template <class T> __global__ void __launch_bounds__(PROBE_PIECE) probe_numbers(T *x)
{
    uint32_t i = blockIdx.x * PROBE_PIECE + threadIdx.x, h = (i + 1) * 2654435761u;
    h = (h ^ h >> 15) * 2246822519u;
    x[i] = from_float<T>((float)((h ^ h >> 13) & 0xffff) / 32768 - 1);
}

/* n numbers, and more up to a whole piece. */
static void fill_probe(struct ptd_device *d, void *x, int format, int64_t n)
{
    dim3 blocks = cuda_blocks((size_t)n, PROBE_PIECE);
    if (format == PTD_BF16)
        GPU_LAUNCH(probe_numbers<bf16>, blocks, dim3(PROBE_PIECE), 0, stream_of(d),
                   static_cast<bf16 *>(x));
    else
        GPU_LAUNCH(probe_numbers<float>, blocks, dim3(PROBE_PIECE), 0, stream_of(d),
                   static_cast<float *>(x));
}

/* Room for n numbers in whole pieces. */
static size_t probe_room(struct bundle &parts, int64_t n, size_t size)
{
    return parts.room((size_t)(n + PROBE_PIECE - 1) / PROBE_PIECE * PROBE_PIECE * size, 256);
}

/* A small product of p's kind, in memory of its own; false: there is none. */
static bool probe_of(struct ptd_device *d, const struct product *p, struct product *probe)
{
    int64_t m = p->m, n = PROBE_COLUMNS;
    size_t in = cuda_format_size(p->in), out = cuda_format_size(p->out);
    struct bundle parts;
    if (m > PROBE_ROWS) m = PROBE_ROWS;
    int64_t ldd = (m + 15) / 16 * 16; /* aligned, as p's is */
    size_t a = probe_room(parts, m * p->k, in), b = probe_room(parts, n * p->k, in),
           to = probe_room(parts, ldd * n, out), bias = probe_room(parts, m, out);
    char *base = static_cast<char *>(cuda_scratch(d, CUDA_PROBE, parts.bytes.size()));
    if (!base) return false;
    *probe = *p;
    probe->m = m, probe->n = n;
    probe->A = base + a, probe->lda = p->turn_a ? p->k : m;
    probe->B = base + b, probe->ldb = p->turn_b ? n : p->k;
    probe->D = base + to, probe->ldd = ldd;
    probe->bias = p->bias ? base + bias : NULL;
    fill_probe(d, base + a, p->in, m * p->k);
    fill_probe(d, base + b, p->in, n * p->k);
    fill_probe(d, base + bias, p->out, m);
    return true;
}

/* What an algorithm makes of the probe; empty: it does not. */
static std::vector<char> tried(struct ptd_device *d, const struct product *probe,
                               const cublasLtMatmulAlgo_t *algo)
{
    struct cuda *c = cuda_of(d);
    std::vector<char> bits((size_t)(probe->ldd * probe->n) * cuda_format_size(probe->out));
    struct described x;
    describe(&x, probe, c);
    cuda_check(d, cudaMemsetAsync(probe->D, 0, bits.size(), stream_of(d)), "a product");
    bool done =
        !x.bad && is_able(c, &x, algo) && multiply(c, probe, &x, algo) == CUBLAS_STATUS_SUCCESS;
    forget(&x);
    if (done) cuda_fetch(d, bits.data(), probe->D, bits.size());
    if (!done) bits.clear();
    return bits;
}

/* The first of the candidates for so many rows that has the bits of `least`, else that itself. */
static cublasLtMatmulAlgo_t alike(struct ptd_device *d, const struct product *p,
                                  const cublasLtMatmulAlgo_t &least)
{
    candidate list[CANDIDATES];
    struct product probe;
    int n = candidates_for(cuda_of(d), p, list, CANDIDATES);
    if (!probe_of(d, p, &probe)) return least;
    std::vector<char> wanted = tried(d, &probe, &least);
    for (int i = 0; i < n && !wanted.empty(); i++)
        if (tried(d, &probe, &list[i].algo) == wanted) return list[i].algo;
    return least;
}

/* The bucket of p's rows, with its algorithm; *bucket is p with as many rows as that. A choice by
 * value, since finding another may make the table anew. */
static struct choice bucket_for(struct ptd_device *d, const struct product *p, int64_t rows)
{
    struct cuda *c = cuda_of(d);
    struct product full = *p;
    full.n = rows;
    struct shape s = shape_of(&full);
    s.bucket = 1;
    struct choice *at = choice_for(c, &s), none;
    memset(&none, 0, sizeof none);
    if (!at || at->known) return at ? *at : none;
    if (rows == ALONE_LEAST) {
        candidate best;
        settle(c, &s, candidates_for(c, &full, &best, 1) ? &best.algo : NULL);
    } else {
        cuda_graph_flush(d); /* products that are tried are waited for */
        struct choice least = bucket_for(d, p, ALONE_LEAST);
        cublasLtMatmulAlgo_t algo = least.algo;
        if (least.found) algo = alike(d, &full, least.algo);
        settle(c, &s, least.found ? &algo : NULL);
    }
    return *choice_for(c, &s);
}

static void choose_alone(struct ptd_device *d, const struct product *p, const struct shape *s,
                         const struct described *x)
{
    struct cuda *c = cuda_of(d);
    int64_t rows = ALONE_LEAST;
    while (rows < p->n && rows < ALONE_MOST) rows *= 2;
    struct choice large = bucket_for(d, p, rows), least = bucket_for(d, p, ALONE_LEAST);
    if (large.found && is_able(c, x, &large.algo))
        settle(c, s, &large.algo);
    else
        settle(c, s, least.found && is_able(c, x, &least.algo) ? &least.algo : NULL);
}

static void choose(struct ptd_device *d, const struct product *p, const struct shape *s,
                   const struct described *x)
{
    candidate best;
    if (p->alone)
        choose_alone(d, p, s, x);
    else
        settle(cuda_of(d), s, candidates_for(cuda_of(d), p, &best, 1) ? &best.algo : NULL);
}

static int is_aligned(const struct product *p)
{
    size_t in = cuda_format_size(p->in), out = cuda_format_size(p->out);
    uintptr_t all = (uintptr_t)p->A | (uintptr_t)p->B | (uintptr_t)p->D | (uintptr_t)p->bias |
                    (size_t)p->lda * in | (size_t)p->ldb * in | (size_t)p->ldd * out;
    return all % 16 == 0;
}

/* 0, or -1: nothing was found for the shape. */
static int by_library(struct ptd_device *d, const struct product *p)
{
    struct cuda *c = cuda_of(d);
    struct shape s = shape_of(p);
    struct choice *at = is_aligned(p) ? choice_for(c, &s) : NULL;
    struct described x;
    if (!at || (at->known && !at->found)) return -1;
    describe(&x, p, c);
    if (!x.bad && !at->known) {
        choose(d, p, &s, &x);
        at = choice_for(c, &s);
    }
    int done = !x.bad && at->found;
    if (done && multiply(c, p, &x, &at->algo) != CUBLAS_STATUS_SUCCESS)
        cuda_blame(d, PTD_BUG, "cuBLASLt refused a product");
    forget(&x);
    return done ? 0 : -1;
}

void cuda_products_free(struct cuda *c)
{
    free(c->products);
    c->products = NULL;
}

/* ---- by a kernel ---- */

#define TILE 16

/* Where entry (row, column) lies, of a factor that is turned or not. */
GPU_INLINE size_t place(int64_t row, int64_t column, int64_t ld, int turned)
{
    return (size_t)(turned ? column + row * ld : row + column * ld);
}

/* A thread an entry. */
template <class IN, class OUT>
__global__ void __launch_bounds__(TILE *TILE)
    product_entries(struct product p, OUT *D, const IN *A, const IN *B, const OUT *bias)
{
    int64_t i = (int64_t)blockIdx.x * TILE + threadIdx.x % TILE,
            j = (int64_t)blockIdx.y * TILE + threadIdx.x / TILE;
    if (i >= p.m || j >= p.n) return;
    float sum = 0;
    for (int64_t l = 0; l < p.k; l++)
        sum +=
            to_float(A[place(i, l, p.lda, p.turn_a)]) * to_float(B[place(l, j, p.ldb, p.turn_b)]);
    sum *= p.alpha;
    if (p.beta != 0) sum += p.beta * to_float(D[i + j * p.ldd]);
    if (bias) sum += to_float(bias[i]);
    D[i + j * p.ldd] = from_float<OUT>(sum);
}

#define MOST_BLOCKS 65535 /* along y */

template <class IN, class OUT> static void by_kernel(struct ptd_device *d, struct product p)
{
    const int64_t most = (int64_t)MOST_BLOCKS * TILE;
    for (int64_t j = 0, all = p.n; j < all; j += most) {
        OUT *D = (OUT *)p.D + j * p.ldd;
        const IN *B = (const IN *)p.B + (p.turn_b ? j : j * p.ldb);
        p.n = all - j < most ? all - j : most;
        GPU_LAUNCH((product_entries<IN, OUT>),
                   dim3((unsigned)((p.m + TILE - 1) / TILE), (unsigned)((p.n + TILE - 1) / TILE)),
                   dim3(TILE * TILE), 0, stream_of(d), p, D, (const IN *)p.A, B,
                   (const OUT *)p.bias);
    }
}

void cuda_product(struct ptd_device *d, const struct product *p)
{
    cuda_here(d);
    if (!p->m || !p->n || (p->k && !by_library(d, p))) return;
    if (p->in == PTD_F32)
        by_kernel<float, float>(d, *p);
    else if (p->out == PTD_F32)
        by_kernel<bf16, float>(d, *p);
    else
        by_kernel<bf16, bf16>(d, *p);
}
