/* idx: reads a gzipped idx array of bytes (the format of MNIST).
 * What the bytes mean is left to the caller. */
#include "data/idx.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static int inflate_exactly(z_stream *z, uint8_t *out, size_t n)
{
    z->next_out = out;
    z->avail_out = n;
    while (z->avail_out) {
        int code = inflate(z, Z_NO_FLUSH);
        if (code == Z_STREAM_END) break;
        if (code != Z_OK) return -1;
    }
    return z->avail_out ? -1 : 0;
}

static int at_end(z_stream *z)
{
    uint8_t more;
    z->next_out = &more;
    z->avail_out = 1;
    return inflate(z, Z_FINISH) == Z_STREAM_END && z->avail_out == 1 && z->avail_in == 0;
}

static long big_endian(const uint8_t *p)
{
    return (long)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static int read_head(struct ptd_idx *x, z_stream *z, const char *name)
{
    uint8_t magic[4], size[4];
    long total = 1;
    if (inflate_exactly(z, magic, 4) < 0)
        return ptd_fail(PTD_DATAERR, "%s: damaged, expected a gzipped idx array", name);
    if (magic[0] || magic[1] || magic[2] != 8 || magic[3] < 1 || magic[3] > PTD_IDX_DIMS)
        return ptd_fail(PTD_DATAERR, "%s: expected an idx array of bytes with 1 to %d sizes", name,
                        PTD_IDX_DIMS);
    x->n_dims = magic[3];
    for (int i = 0; i < PTD_IDX_DIMS; i++) {
        x->dims[i] = 1;
        if (i >= x->n_dims) continue;
        if (inflate_exactly(z, size, 4) < 0)
            return ptd_fail(PTD_DATAERR, "%s: ends within its sizes", name);
        x->dims[i] = big_endian(size);
        if (x->dims[i] < 1 || x->dims[i] > PTD_IDX_MAX / total)
            return ptd_fail(PTD_DATAERR, "%s: size %ld, expected 1 to %ld bytes in all", name,
                            x->dims[i], PTD_IDX_MAX);
        total *= x->dims[i];
    }
    return 0;
}

static void *grant(void *ctx, unsigned n, unsigned size)
{
    (void)ctx;
    return ptd_malloc((size_t)n * size);
}

static void release(void *ctx, void *p)
{
    (void)ctx;
    free(p);
}

int ptd_idx_load(struct ptd_idx *x, const void *gz, size_t len, const char *name)
{
    z_stream z = {
        .next_in = (Bytef *)(uintptr_t)gz, .avail_in = len, .zalloc = grant, .zfree = release};
    int status = -1;
    memset(x, 0, sizeof *x);
    if (len > PTD_IDX_MAX)
        return ptd_fail(PTD_DATAERR, "%s: %zu bytes, expected at most %ld", name, len, PTD_IDX_MAX);
    if (inflateInit2(&z, 15 + 16) != Z_OK)
        return ptd_fail(PTD_OSERR, "%s: zlib cannot start", name);
    if (read_head(x, &z, name) < 0) goto out;
    size_t n = (size_t)x->dims[0] * x->dims[1] * x->dims[2];
    x->data = ptd_alloc(n);
    if (inflate_exactly(&z, x->data, n) < 0)
        ptd_fail(PTD_DATAERR, "%s: damaged or cut, expected %zu bytes of data", name, n);
    else if (!at_end(&z))
        ptd_fail(PTD_DATAERR,
                 "%s: expected the end of the data after %zu bytes, with a right checksum", name,
                 n);
    else
        status = 0;
out:
    inflateEnd(&z);
    if (status < 0) ptd_idx_clear(x);
    return status;
}

void ptd_idx_clear(struct ptd_idx *x)
{
    free(x->data);
    memset(x, 0, sizeof *x);
}
