/* Fuzzing entry: any bytes as a safetensors file: length, header, numbers. What is accepted must
 * tile its bytes exactly and be found by name. Built by `make fuzz` for libFuzzer; the same file
 * serves AFL++. */
#include "checkpoint/safetensors.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const struct ptd_safetensors *f, uint64_t bytes)
{
    uint64_t sum = 0;
    for (int i = 0; i < f->n; i++) {
        const struct ptd_safetensor *t = &f->tensors[i];
        if (t->begin > t->end || t->end > bytes || t->n_dims < 0 ||
            t->n_dims > PTD_SAFETENSORS_AXES)
            abort();
        if (ptd_safetensors_find(f, t->name) != t) abort();
        sum += t->end - t->begin;
    }
    if (sum != bytes) abort();
}

/* The same bytes through a file, every number read. */
static void read_file(const uint8_t *data, size_t n)
{
    static int fd = -1;
    static char path[64];
    struct ptd_safetensors *f;
    if (fd < 0) {
        fd = memfd_create("fuzz", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (ftruncate(fd, 0) || pwrite(fd, data, n, 0) != (ssize_t)n) abort();
    if (ptd_safetensors_open(&f, path) < 0) return;
    check(f, f->size - f->data);
    for (int i = 0; i < f->n; i++) {
        size_t bytes = f->tensors[i].end - f->tensors[i].begin;
        char *out = malloc(bytes + 1);
        if (ptd_safetensors_read(f, &f->tensors[i], 0, bytes, out) < 0) abort();
        free(out);
    }
    if (ptd_safetensors_close(f) < 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ptd_safetensors *f;
    uint64_t bytes = 0;
    read_file(data, n);
    if (n < 8) return 0;
    memcpy(&bytes, data,
           8); /* once more with the length as that of the numbers, so that any header can fit */
    if (ptd_safetensors_parse(&f, "fuzz", (const char *)data + 8, n - 8, bytes) < 0) return 0;
    check(f, bytes);
    ptd_safetensors_close(f);
    return 0;
}
