/* memory: the CPU's memory and copies, which are the host's. */
#include "base/err.h"
#include "base/threads.h"
#include "compute/cpu/blas.h"
#include "compute/cpu/floats.h"
#include "compute/cpu/ops.h"
#include "compute/cpu/pairs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LARGE ((size_t)32 << 20)

/* Before what is handed out, at a multiple of 64 bytes. */
struct block {
    void *start;
    size_t bytes;
};

/* Large memory in large pages: a five hundredth of the faults when it is first written. */
static void ask_for_large_pages(char *start, size_t bytes)
{
    uintptr_t page = 4096, first = ((uintptr_t)start + page - 1) & ~(page - 1),
              end = ((uintptr_t)start + bytes) & ~(page - 1);
    if (bytes >= LARGE) madvise((void *)first, end - first, MADV_HUGEPAGE);
}

void *ptd_cpu_alloc(struct ptd_device *d, size_t bytes)
{
    char *start = bytes < SIZE_MAX - 128 ? calloc(1, bytes + 128) : NULL;
    if (!start) return NULL;
    ask_for_large_pages(start, bytes);
    char *p = start + 128 - (uintptr_t)start % 64;
    memcpy(p - sizeof(struct block), &(struct block){start, bytes}, sizeof(struct block));
    d->used += bytes;
    return p;
}

void ptd_cpu_free(struct ptd_device *d, void *p)
{
    struct block b;
    memcpy(&b, (char *)p - sizeof b, sizeof b);
    d->used -= b.bytes;
    free(b.start);
}

char *ptd_cpu_machine(struct ptd_device *d)
{
    char pairs[48] = "";
    if (ptd_cpu_by_pairs(d))
        snprintf(pairs, sizeof pairs, "; device cpu:bf16; pairs %d", PTD_PAIRS_ARITHMETIC);
    return ptd_format("threads %d; blas %s%s", ptd_threads_count(), ptd_blas_name(), pairs);
}

void ptd_cpu_copy(struct ptd_device *d, void *to, const void *from, size_t bytes)
{
    if (bytes) memmove(to, from, bytes);
}

void ptd_cpu_put_nums(struct ptd_device *d, ptd_num *to, const float *host, size_t n)
{
    ptd_cpu_copy(d, to, host, n * sizeof *host);
}

void ptd_cpu_get_nums(struct ptd_device *d, float *host, const ptd_num *from, size_t n)
{
    ptd_cpu_copy(d, host, from, n * sizeof *host);
}

void ptd_cpu_put_accs(struct ptd_device *d, ptd_acc *to, const float *host, size_t n)
{
    ptd_cpu_copy(d, to, host, n * sizeof *host);
}

void ptd_cpu_get_accs(struct ptd_device *d, float *host, const ptd_acc *from, size_t n)
{
    ptd_cpu_copy(d, host, from, n * sizeof *host);
}

static void zero_part(void *p, long first, long last)
{
    memset((char *)p + first, 0, last - first);
}

void ptd_cpu_zero(struct ptd_device *d, void *p, size_t bytes)
{
    if (bytes) ptd_parallel((long)bytes, LARGE / 8, zero_part, p);
}

void ptd_cpu_copy_rows(struct ptd_device *d, ptd_num *to, long to_stride, const ptd_int *to_row,
                       const ptd_num *from, long from_stride, const ptd_int *from_row, long n,
                       int w)
{
    for (long i = 0; i < n; i++) {
        float *y = FLOATS(to) + (to_row ? INTS(to_row)[i] : i) * to_stride;
        const float *x =
            from ? FLOATS(from) + (from_row ? INTS(from_row)[i] : i) * from_stride : NULL;
        if (x)
            memcpy(y, x, w * sizeof *y);
        else
            memset(y, 0, w * sizeof *y);
    }
}
