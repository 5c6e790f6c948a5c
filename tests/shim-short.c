/* Preloaded, makes writing hard as the system may: each write takes a third of its bytes at most,
 * and each second one is interrupted before it began. Leaves real failures to strace. */
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

ssize_t write(int fd, const void *p, size_t n)
{
    static __thread unsigned calls;
    ssize_t (*real)(int, const void *, size_t) =
        (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (calls++ % 2 == 0) return errno = EINTR, -1;
    return real(fd, p, n > 3 ? n / 3 : n);
}
