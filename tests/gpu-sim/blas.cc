/* blas: cuBLASLt's product by plain loops, on memory of the device: see standin/cublasLt.h. It
 * looks at the very calls: sizes of attributes, shapes, leading dimensions, alignment that was
 * promised, an algorithm of another shape, memory that was never written. What the library would
 * refuse is a fault; what it might have no algorithm for, it has none for. It has two algorithms,
 * which add up in different orders: for many columns of D the faster one is another than for few.
 */
#include "engine.h"
#include "standin/cublasLt.h"
#include <set>

struct standin_product {
    int32_t turn_a, turn_b, epilogue;
    const void *bias;
};
struct standin_layout {
    cudaDataType_t type;
    int64_t rows, cols, ld;
};
struct standin_wish {
    size_t workspace;
    uint32_t reductions, aligned[4]; /* of A, B, C, D */
};

/* ---- making them ---- */

cublasStatus_t cublasLtCreate(cublasLtHandle_t *h)
{
    *h = (cublasLtHandle_t)16;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t)
{
    return CUBLAS_STATUS_SUCCESS;
}
size_t cublasLtGetVersion()
{
    return 130000;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *p, cublasComputeType_t,
                                        cudaDataType_t scale)
{
    *p = new standin_product{CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, NULL};
    return scale == CUDA_R_32F ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t p)
{
    return delete p, CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t refused(const void *site, const char *what)
{
    sim_fault(site, "cuBLASLt refuses %s", what);
    return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t p,
                                              cublasLtMatmulDescAttributes_t what,
                                              const void *value, size_t size)
{
    int32_t *number = what == CUBLASLT_MATMUL_DESC_TRANSA     ? &p->turn_a
                      : what == CUBLASLT_MATMUL_DESC_TRANSB   ? &p->turn_b
                      : what == CUBLASLT_MATMUL_DESC_EPILOGUE ? &p->epilogue
                                                              : NULL;
    if (what == CUBLASLT_MATMUL_DESC_BIAS_POINTER && size == sizeof p->bias) {
        memcpy(&p->bias, value, size);
        return CUBLAS_STATUS_SUCCESS;
    }
    if (!number || size != sizeof *number) return refused(HERE, "an attribute of a product");
    memcpy(number, value, size);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *l, cudaDataType_t type,
                                          uint64_t rows, uint64_t cols, int64_t ld)
{
    *l = new standin_layout{type, (int64_t)rows, (int64_t)cols, ld};
    return ld < (int64_t)rows || !rows || !cols ? refused(HERE, "a layout") : CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l)
{
    return delete l, CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p)
{
    *p = new standin_wish{0, 7, {256, 256, 256, 256}};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p)
{
    return delete p, CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p,
                                                    cublasLtMatmulPreferenceAttributes_t what,
                                                    const void *value, size_t size)
{
    uint32_t *number = what == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK ? &p->reductions : NULL;
    if (what >= CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES &&
        what <= CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES)
        number = &p->aligned[what - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES];
    if (what == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES && size == sizeof p->workspace) {
        memcpy(&p->workspace, value, size);
        return CUBLAS_STATUS_SUCCESS;
    }
    if (!number || size != sizeof *number) return refused(HERE, "an attribute of a wish");
    memcpy(number, value, size);
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- an algorithm ---- */

/* A product as it was asked for, all by value. */
struct problem {
    standin_product p;
    standin_layout a, b, c, d;
    int64_t m, n, k;
};

static problem problem_of(cublasLtMatmulDesc_t p, cublasLtMatrixLayout_t a,
                          cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                          cublasLtMatrixLayout_t d)
{
    return problem{*p,
                   *a,
                   *b,
                   *c,
                   *d,
                   p->turn_a ? a->cols : a->rows,
                   p->turn_b ? b->rows : b->cols,
                   p->turn_a ? a->rows : a->cols};
}

static bool fits(const problem &x)
{
    bool inner = (x.p.turn_b ? x.b.cols : x.b.rows) == x.k;
    bool outer = x.d.rows == x.m && x.d.cols == x.n && x.c.rows == x.m && x.c.cols == x.n &&
                 x.c.ld == x.d.ld;
    return inner && outer && x.a.type == x.b.type && x.c.type == x.d.type &&
           (x.d.type == CUDA_R_32F || x.a.type == CUDA_R_16BF);
}

/* All that an algorithm is for. */
static uint64_t mark_of(const problem &x)
{
    const int64_t all[] = {x.m,    x.n,        x.k,        x.a.ld,       x.b.ld,
                           x.d.ld, x.p.turn_a, x.p.turn_b, x.p.epilogue, x.a.type * 100 + x.d.type};
    uint64_t h = 7;
    for (int64_t v : all) h = (h ^ (uint64_t)v) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
    return h;
}

static size_t width(const standin_layout &l)
{
    return l.type == CUDA_R_32F ? 4 : 2;
}

#define IN_PLACE 1  /* a reduction by atomics */
#define FEW      64 /* columns */
enum { ONE_BY_ONE = 1, BY_HALVES };

/* An algorithm is for products that it was found or checked for. */
static std::set<std::pair<uint64_t, uint64_t>> able;

static cublasLtMatmulAlgo_t algorithm(uint64_t kind, const problem &x, const standin_wish &wish)
{
    cublasLtMatmulAlgo_t algo = {};
    algo.data[0] = kind;
    for (int i = 0; i < 4; i++) algo.data[1] = max(algo.data[1], (uint64_t)wish.aligned[i]);
    algo.data[2] = min(wish.workspace, (size_t)4096);
    able.insert({kind, mark_of(x)});
    return algo;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t p,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t wish, int most,
                                              cublasLtMatmulHeuristicResult_t *found, int *n)
{
    problem x = problem_of(p, a, b, c, d);
    *n = 0;
    if (!fits(x) || most < 1) return refused(HERE, "to look for a product whose shapes do not fit");
    if (wish->reductions & IN_PLACE)
        return refused(HERE, "to be the same bits each time: reductions in place are allowed");
    if ((x.a.ld * width(x.a) | x.b.ld * width(x.b) | x.d.ld * width(x.d)) % 16)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    for (int i = 0; i < most && i < 2; i++, ++*n) {
        memset(&found[i], 0, sizeof *found);
        found[i].algo = algorithm((x.n > FEW) == (i == 0) ? BY_HALVES : ONE_BY_ONE, x, *wish);
        found[i].workspaceSize = found[i].algo.data[2];
    }
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t p,
                                       cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                       cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                       const cublasLtMatmulAlgo_t *algo,
                                       cublasLtMatmulHeuristicResult_t *found)
{
    problem x = problem_of(p, a, b, c, d);
    if (!fits(x)) return refused(HERE, "to check a product whose shapes do not fit");
    if ((x.a.ld * width(x.a) | x.b.ld * width(x.b) | x.d.ld * width(x.d)) % 16)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    able.insert({algo->data[0], mark_of(x)});
    found->workspaceSize = algo->data[2];
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- the product ---- */

static float number(const void *p, const standin_layout &l, int64_t i, int64_t j)
{
    if (l.type == CUDA_R_32F) return ((const float *)p)[j * l.ld + i];
    return __bfloat162float(((const bf16 *)p)[j * l.ld + i]);
}

static void set_number(void *p, const standin_layout &l, int64_t i, int64_t j, float v)
{
    if (l.type == CUDA_R_32F)
        ((float *)p)[j * l.ld + i] = v;
    else
        ((bf16 *)p)[j * l.ld + i] = __float2bfloat16_rn(v);
}

/* 0, or -1 if some of its numbers are no memory, or nobody's. */
static int look(const void *p, const standin_layout &l, int write)
{
    for (int64_t j = 0; j < l.cols; j++)
        if (watch_host(NULL, (const char *)p + j * l.ld * width(l), (size_t)l.rows * width(l),
                       write))
            return -1;
    return 0;
}

struct call {
    problem x;
    const void *A, *B;
    void *D, *workspace;
    float alpha, beta;
    size_t used;
    uint64_t kind;
};

/* acc [m] = column j of op(A) op(B); wide: op(A), its columns behind each other */
static void column(float *acc, const float *wide, const call &c, int64_t j)
{
    int64_t m = c.x.m, half = c.kind == BY_HALVES ? c.x.k / 2 : 0;
    std::vector<float> first((size_t)m);
    memset(acc, 0, (size_t)m * sizeof *acc);
    for (int64_t l = 0; l < c.x.k; l++) {
        float b = number(c.B, c.x.b, c.x.p.turn_b ? j : l, c.x.p.turn_b ? l : j);
        float *to = l < half ? first.data() : acc;
        for (int64_t i = 0; i < m; i++) to[i] += wide[l * m + i] * b;
    }
    for (int64_t i = 0; half && i < m; i++) acc[i] += first[(size_t)i];
}

static void multiply(const call &c)
{
    const problem &x = c.x;
    std::vector<float> wide((size_t)(x.m * x.k)), acc((size_t)x.m);
    if (look(c.A, x.a, 0) || look(c.B, x.b, 0) || (c.beta != 0 && look(c.D, x.d, 0)) ||
        look(c.D, x.d, 1))
        return;
    if (x.p.bias && watch_host(NULL, x.p.bias, (size_t)x.m * width(x.d), 0)) return;
    if (c.used && watch_host(NULL, c.workspace, c.used, 1)) return;
    memset(c.workspace, 0xff, c.used);
    for (int64_t l = 0; l < x.k; l++)
        for (int64_t i = 0; i < x.m; i++)
            wide[(size_t)(l * x.m + i)] = number(c.A, x.a, x.p.turn_a ? l : i, x.p.turn_a ? i : l);
    for (int64_t j = 0; j < x.n; j++) {
        column(acc.data(), wide.data(), c, j);
        for (int64_t i = 0; i < x.m; i++) {
            float v =
                c.alpha * acc[(size_t)i] + (c.beta != 0 ? c.beta * number(c.D, x.d, i, j) : 0);
            if (x.p.bias)
                v += x.d.type == CUDA_R_32F ? ((const float *)x.p.bias)[i]
                                            : __bfloat162float(((const bf16 *)x.p.bias)[i]);
            set_number(c.D, x.d, i, j, v);
        }
    }
}

static bool promised(const cublasLtMatmulAlgo_t *algo, const void *a, const void *b, const void *d)
{
    return ((uintptr_t)a | (uintptr_t)b | (uintptr_t)d) % algo->data[1] == 0;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t p, const void *alpha,
                              const void *A, cublasLtMatrixLayout_t a, const void *B,
                              cublasLtMatrixLayout_t b, const void *beta, const void *C,
                              cublasLtMatrixLayout_t c, void *D, cublasLtMatrixLayout_t d,
                              const cublasLtMatmulAlgo_t *algo, void *workspace, size_t size,
                              cudaStream_t s)
{
    call asked = {problem_of(p, a, b, c, d),
                  A,
                  B,
                  D,
                  workspace,
                  *(const float *)alpha,
                  *(const float *)beta,
                  (size_t)algo->data[2],
                  algo->data[0]};
    if (!fits(asked.x)) return refused(HERE, "a product whose shapes do not fit");
    if (!able.count({algo->data[0], mark_of(asked.x)}))
        return refused(HERE, "a product by an algorithm for another");
    if (!promised(algo, A, B, D))
        return refused(HERE, "a product of memory less aligned than was promised");
    if (size < asked.used)
        return refused(HERE, "a product with less workspace than it was chosen for");
    if ((asked.x.p.epilogue == CUBLASLT_EPILOGUE_BIAS) != (asked.x.p.bias != NULL) || C != D)
        return refused(HERE, "a bias without its epilogue, or an addition that is not in place");
    sim_ask(s, [=] { multiply(asked); });
    return CUBLAS_STATUS_SUCCESS;
}
