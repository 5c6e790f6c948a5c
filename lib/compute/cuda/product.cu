/* product: see product.h. The algorithm for a shape is asked for once and kept with the device, so
 * that the same product has the same bits each time; those that add up parts in an order of their
 * own choice are not asked for. */
#include "compute/cuda/product.h"
#include <stdlib.h>

/* ---- cuBLASLt ---- */

/* What an algorithm is chosen by. */
struct shape {
    int64_t m, n, k, lda, ldb, ldd;
    int32_t turn_a, turn_b, in, out, bias, adds;
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
    s.bias = p->bias != NULL, s.adds = p->beta != 0;
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

static void describe_wish(struct described *x, const struct cuda *c)
{
    uint32_t reductions = REDUCTIONS, aligned = 16;
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
    describe_wish(x, c);
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

static void choose(struct cuda *c, struct choice *at, const struct shape *s, struct described *x)
{
    cublasLtMatmulHeuristicResult_t best;
    int n = 0;
    cublasStatus_t bad = cublasLtMatmulAlgoGetHeuristic(c->blas, x->op, x->a, x->b, x->d, x->d,
                                                        x->wish, 1, &best, &n);
    at->shape = *s, at->known = 1;
    at->found = bad == CUBLAS_STATUS_SUCCESS && n > 0;
    if (at->found) at->algo = best.algo;
    c->products->n++;
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
    if (!x.bad && !at->known) choose(c, at, &s, &x);
    int done = !x.bad && at->found;
    if (done && cublasLtMatmul(c->blas, x.op, &p->alpha, p->A, x.a, p->B, x.b, &p->beta, p->D, x.d,
                               p->D, x.d, &at->algo, c->workspace, c->workspace_size,
                               c->stream) != CUBLAS_STATUS_SUCCESS)
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
