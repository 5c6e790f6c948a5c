/* blas: see blas.h. Which products are OpenBLAS's is product.c's. */
#include "compute/cpu/blas.h"
#include "base/err.h"
#include "base/size.h"
#include "base/threads.h"
#include <cblas.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef PTD_OPENBLAS
#define PTD_OPENBLAS "libopenblas.so.0"
#endif
/* what 0.3.21 maps for each product that is on its way; refused, it asks for ever */
#define BUFFER (128ul << 20)

static struct {
    __typeof__(&cblas_sgemm) sgemm;
    __typeof__(&openblas_get_parallel) parallel;
    __typeof__(&openblas_get_config) config;
    __typeof__(&openblas_get_corename) corename;
    void *(*take)(int);
    void (*give)(void *);
} blas;
static char name[256];
static _Atomic int held; /* buffers */
static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;

static void find(void *library, const char *symbol, void *f)
{
    *(void **)f = dlsym(library, symbol);
    if (!*(void **)f) ptd_die(PTD_UNAVAILABLE, "OpenBLAS without %s: expected 0.3", symbol);
}

/* It reads its number of threads from the environment while it is loaded. */
static void *load(void)
{
    const char *was = getenv("OPENBLAS_NUM_THREADS");
    char *kept = was ? ptd_strdup(was) : NULL;
    if (setenv("OPENBLAS_NUM_THREADS", "1", 1))
        ptd_die(PTD_OSERR, "out of memory for the environment");
    void *library = dlopen(PTD_OPENBLAS, RTLD_NOW | RTLD_LOCAL);
    if (!library) library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (kept)
        setenv("OPENBLAS_NUM_THREADS", kept, 1);
    else
        unsetenv("OPENBLAS_NUM_THREADS");
    free(kept);
    return library;
}

/* The variable is taken at its word: a kernel of instructions that are not there would kill. */
static void check_kernel(const char *core)
{
#ifdef __x86_64__
    static const char *const wide[] = {"SkylakeX", "Cooperlake", "Sapphirerapids",
                                       "SapphireRapids"},
                             *const avx2[] = {"Haswell", "Zen"};
    for (int i = 0; i < 4; i++)
        if (!strcasecmp(core, wide[i]) && !__builtin_cpu_supports("avx512vl"))
            ptd_die(PTD_CONFIG,
                    "OPENBLAS_CORETYPE: kernel %s, expected one for this processor, which has no "
                    "AVX-512",
                    core);
    for (int i = 0; i < 2; i++)
        if (!strcasecmp(core, avx2[i]) && !__builtin_cpu_supports("avx2"))
            ptd_die(
                PTD_CONFIG,
                "OPENBLAS_CORETYPE: kernel %s, expected one for this processor, which has no AVX2",
                core);
#else
    (void)core;
#endif
}

static void open_library(void)
{
    void *library = load();
    if (!library) { /* what is there and cannot be loaded lacks memory or descriptors */
        const char *why = dlerror();
        ptd_die(access(PTD_OPENBLAS, R_OK) == 0 ? PTD_OSERR : PTD_UNAVAILABLE,
                "OpenBLAS (libopenblas0-pthread) cannot be loaded: %s (see ulimit %s)", why,
                strstr(why, "open files") ? "-n" : "-v");
    }
    find(library, "cblas_sgemm", &blas.sgemm);
    find(library, "openblas_get_parallel", &blas.parallel);
    find(library, "openblas_get_config", &blas.config);
    find(library, "openblas_get_corename", &blas.corename);
    find(library, "blas_memory_alloc", &blas.take);
    find(library, "blas_memory_free", &blas.give);
    if (blas.parallel() != OPENBLAS_THREAD)
        ptd_die(PTD_UNAVAILABLE,
                "OpenBLAS is built without threads of its own, which several threads cannot share: "
                "expected libopenblas0-pthread");
    check_kernel(blas.corename());
    snprintf(name, sizeof name, "%s kernel of %s", blas.corename(), blas.config());
}

/* A buffer for each thread. Taken at once, they are OpenBLAS's for good: refused one in the middle
 * of a product, it would ask for ever. */
static void take_buffers(void)
{
    int n = ptd_threads_count();
    pthread_mutex_lock(&asking);
    if (n > atomic_load(&held)) {
        void **buffers = ptd_array((size_t)n, sizeof *buffers);
        void *room = mmap(NULL, (size_t)n * BUFFER, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (room == MAP_FAILED)
            ptd_die(PTD_OSERR,
                    "out of memory: OpenBLAS wants %s of addresses for each of %d threads (see "
                    "ulimit -v; PTD_THREADS=N takes fewer)",
                    ptd_size(BUFFER).text, n);
        munmap(room, (size_t)n * BUFFER);
        for (int i = 0; i < n; i++) buffers[i] = blas.take(0);
        for (int i = 0; i < n; i++) blas.give(buffers[i]);
        free(buffers);
        atomic_store(&held, n);
    }
    pthread_mutex_unlock(&asking);
}

void ptd_blas_open(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_library);
    if (ptd_threads_count() > atomic_load(&held)) take_buffers();
}

const char *ptd_blas_name(void)
{
    ptd_blas_open();
    return name;
}

void ptd_blas_sgemm(int transpose_a, int transpose_b, long m, long n, long k, float alpha,
                    const float *A, long lda, const float *B, long ldb, float beta, float *C,
                    long ldc)
{
    ptd_blas_open();
    blas.sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
               transpose_b ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, alpha, A, (int)lda,
               B, (int)ldb, beta, C, (int)ldc);
}
