/* blas: see blas.h. Which products are OpenBLAS's is product.c's. */
#include "blas.h"
#include "err.h"
#include "threads.h"
#include <cblas.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef PTD_OPENBLAS
#define PTD_OPENBLAS "libopenblas.so.0"
#endif
#define BUFFER                                                                                               \
    (128ul << 20) /* what 0.3.21 maps for each product that is on its way; refused, it asks for ever */

static struct {
    __typeof__(&cblas_sgemm) sgemm;
    __typeof__(&openblas_get_parallel) parallel;
    __typeof__(&openblas_get_config) config;
    __typeof__(&openblas_get_corename) corename;
} blas;
static char name[256];
static _Atomic int active, most; /* products on their way, now and at any time: so many buffers there are */
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
    if (setenv("OPENBLAS_NUM_THREADS", "1", 1)) ptd_die(PTD_OSERR, "out of memory for the environment");
    void *library = dlopen(PTD_OPENBLAS, RTLD_NOW | RTLD_LOCAL);
    if (!library) library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (kept)
        setenv("OPENBLAS_NUM_THREADS", kept, 1);
    else
        unsetenv("OPENBLAS_NUM_THREADS");
    free(kept);
    return library;
}

static void open_library(void)
{
    void *library = load();
    if (!library) /* what is there and cannot be loaded lacks memory */
        ptd_die(access(PTD_OPENBLAS, R_OK) == 0 ? PTD_OSERR : PTD_UNAVAILABLE,
                "OpenBLAS (libopenblas0-pthread) cannot be loaded: %s (see ulimit -v)", dlerror());
    find(library, "cblas_sgemm", &blas.sgemm);
    find(library, "openblas_get_parallel", &blas.parallel);
    find(library, "openblas_get_config", &blas.config);
    find(library, "openblas_get_corename", &blas.corename);
    if (blas.parallel() != OPENBLAS_THREAD)
        ptd_die(PTD_UNAVAILABLE,
                "OpenBLAS is built without threads of its own, which several threads cannot share: "
                "expected libopenblas0-pthread");
    snprintf(name, sizeof name, "%s kernel of %s", blas.corename(), blas.config());
}

void ptd_blas_open(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_library);
}

const char *ptd_blas_name(void)
{
    ptd_blas_open();
    return name;
}

/* One more product than ever at once takes one more buffer: asks for as much before OpenBLAS does, and for those of all threads that may follow, since
 * others may be on their way to theirs. */
static void look_for_room(int n)
{
    pthread_mutex_lock(&asking);
    if (n > atomic_load(&most)) {
        int left = ptd_threads_count() - n + 1;
        size_t bytes = (size_t)(left > 1 ? left : 1) * BUFFER;
        void *room =
            mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (room == MAP_FAILED)
            ptd_die(PTD_OSERR,
                    "out of memory: OpenBLAS wants 128 MiB of addresses for each of %d threads (see ulimit "
                    "-v, --threads)",
                    ptd_threads_count());
        munmap(room, bytes);
        atomic_store(&most, n);
    }
    pthread_mutex_unlock(&asking);
}

void ptd_blas_sgemm(int transpose_a, int transpose_b, long m, long n, long k, float alpha, const float *A,
                    long lda, const float *B, long ldb, float beta, float *C, long ldc)
{
    ptd_blas_open();
    int now = atomic_fetch_add(&active, 1) + 1;
    if (now > atomic_load(&most)) look_for_room(now);
    blas.sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
               transpose_b ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, alpha, A, (int)lda, B,
               (int)ldb, beta, C, (int)ldc);
    atomic_fetch_sub(&active, 1);
}
