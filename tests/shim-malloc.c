/* shim-malloc: preloaded, makes the N-th request for memory fail, or all from the N-th on: malloc
 * and its kin, mmap, new threads. Counts them in a file that torture-memory reads; which N, and
 * what is to follow, is left to it. Children run undisturbed.
 *
 * OpenBLAS 0.3.21 and libgfortran below it do not cope: at load they end the process in their own
 * way, and the kernels for small matrices write where malloc gave nothing. Nor does
 * libwebp 1.2.4 cope everywhere. Such requests fail too, and are marked. */
#include "shim-malloc.h"
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALLER __builtin_return_address(0)
/* What would be called without us: the C library's, or a sanitizer's. */
#define NEXT(function)                                                                             \
    ({                                                                                             \
        static __typeof__(function) *next;                                                         \
        if (!next) next = dlsym(RTLD_NEXT, #function);                                             \
        next;                                                                                      \
    })

static struct shim_malloc *shared; /* NULL: not under test */

static void *map_file(int fd, size_t n)
{
    return (void *)syscall(SYS_mmap, NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

/* At the first request, which is a library's: long before main. */
static void begin(void)
{
    static int begun;
    if (begun || !environ) return;
    begun = 1;
    const char *path = getenv(SHIM_MALLOC_FILE);
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *at = fd < 0 ? MAP_FAILED : map_file(fd, sizeof *shared);
    unsetenv("LD_PRELOAD");
    if (fd >= 0) close(fd);
    if (at == MAP_FAILED) return;
    shared = at;
    shared->pid = getpid();
}

static void show_place(void)
{
    void *frames[24];
    static __thread int busy;
    if (busy) return;
    busy = 1;
    backtrace_symbols_fd(frames, backtrace(frames, 24), 2);
    busy = 0;
}

static int is_foreign(const void *caller)
{
    Dl_info at;
    return dladdr(caller, &at) &&
           (strstr(at.dli_fname, "/libopenblas") || strstr(at.dli_fname, "/libgfortran") ||
            strstr(at.dli_fname, "/libwebp."));
}

static __thread int in_foreign; /* a thread is being made for one of these */

static void note_place(const void *caller)
{
    if (in_foreign || is_foreign(caller)) shared->foreign = 1;
    if (shared->trace) show_place();
}

/* Whether this request is to fail. */
static int fails(const void *caller)
{
    begin();
    if (!shared || shared->pid != getpid()) return 0;
    uint64_t n = __atomic_add_fetch(&shared->count, 1, __ATOMIC_RELAXED);
    if (n != shared->fail_at && !(shared->sticky && n > shared->fail_at && shared->fail_at))
        return 0;
    __atomic_add_fetch(&shared->fired, 1, __ATOMIC_RELAXED);
    note_place(caller);
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t n)
{
    return fails(CALLER) ? NULL : NEXT(malloc)(n);
}

void *calloc(size_t n, size_t size)
{
    return fails(CALLER) ? NULL : NEXT(calloc)(n, size);
}

void *realloc(void *p, size_t n)
{
    return n && fails(CALLER) ? NULL : NEXT(realloc)(p, n);
}

void *reallocarray(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) return errno = ENOMEM, NULL;
    return fails(CALLER) ? NULL : NEXT(realloc)(p, bytes);
}

void *memalign(size_t boundary, size_t n)
{
    return fails(CALLER) ? NULL : NEXT(memalign)(boundary, n);
}

void *aligned_alloc(size_t boundary, size_t n)
{
    return fails(CALLER) ? NULL : NEXT(memalign)(boundary, n);
}

int posix_memalign(void **p, size_t boundary, size_t n)
{
    void *got = fails(CALLER) ? NULL : NEXT(memalign)(boundary, n);
    if (!got) return ENOMEM;
    *p = got;
    return 0;
}

void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    return fails(CALLER) ? MAP_FAILED
                         : (void *)syscall(SYS_mmap, at, n, protection, flags, fd, offset);
}

void *mmap64(void *, size_t, int, int, int, off_t) __attribute__((alias("mmap")));

int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *arg)
{
    if (fails(CALLER)) return EAGAIN;
    in_foreign = shared && is_foreign(CALLER);
    int rc = NEXT(pthread_create)(t, a, f, arg);
    in_foreign = 0;
    return rc;
}
