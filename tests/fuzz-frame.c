/* Fuzzing entry: any bytes as a stream, as they come and once more with every digest mended, so
 * that the order of frames is reached. What is accepted must be what a writer makes of its frames.
 * Built by `make fuzz` for libFuzzer; the same file serves AFL++. */
#include "flow/stream.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int memory_of(const uint8_t *data, size_t n)
{
    int fd = memfd_create("fuzz", 0);
    if (fd < 0 || pwrite(fd, data, n, 0) != (ssize_t)n) abort();
    return fd;
}

static void expect_bytes(int fd, const uint8_t *data, size_t n)
{
    uint8_t *found = malloc(n + 1);
    if (pread(fd, found, n + 1, 0) != (ssize_t)n || memcmp(found, data, n) != 0) abort();
    free(found);
    close(fd);
}

static void read_stream(const uint8_t *data, size_t n)
{
    struct ptd_frame f;
    int copy = memfd_create("copy", 0), got;
    struct ptd_reader *r = ptd_reader_open(memory_of(data, n), "fuzz");
    struct ptd_writer *w = ptd_writer_open(dup(copy), "fuzz");
    while ((got = ptd_reader_next(r, &f)) > 0)
        if (f.raw_len != f.body_len + PTD_FRAME_PREFIX || ptd_writer_pass(w, &f) < 0) abort();
    int status = got < 0 ? ptd_failed_status() : 0;
    if (got < 0 && status != PTD_DATAERR && status != PTD_CUT) abort();
    if (ptd_reader_close(r) != got || (got < 0 && ptd_failed_status() != status)) abort();
    if (ptd_writer_close(w) < 0) abort();
    if (got < 0)
        close(copy);
    else
        expect_bytes(copy, data, n);
}

static void put_big(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++) p[i] = (uint8_t)(v >> 8 * (7 - i));
}

/* The digest of a frame, and in steps and ends the digest of all frames before, which is the last
 * number of their bodies. */
static void mend(uint8_t *data, size_t n)
{
    XXH3_state_t *run = XXH3_createState(), *one = XXH3_createState();
    XXH3_64bits_reset(run);
    while (n >= PTD_FRAME_PREFIX) {
        size_t len =
            (size_t)data[21] << 24 | (size_t)data[22] << 16 | (size_t)data[23] << 8 | data[24];
        uint64_t fixed[2] = {data[1], 0};
        if (len > n - PTD_FRAME_PREFIX) break;
        for (int i = 0; i < 8; i++) fixed[1] = fixed[1] << 8 | data[3 + i];
        if (data[1] > PTD_GROUP && len >= 8)
            put_big(data + PTD_FRAME_PREFIX + len - 8, XXH3_64bits_digest(run));
        XXH3_64bits_reset(one);
        XXH3_64bits_update(one, fixed, sizeof fixed);
        XXH3_64bits_update(one, data + PTD_FRAME_PREFIX, len);
        uint64_t digest = XXH3_64bits_digest(one);
        put_big(data + 12, digest);
        XXH3_64bits_update(run, &digest, sizeof digest);
        data += PTD_FRAME_PREFIX + len;
        n -= PTD_FRAME_PREFIX + len;
    }
    XXH3_freeState(run);
    XXH3_freeState(one);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t *mended = malloc(n + 1);
    read_stream(data, n);
    memcpy(mended, data, n);
    mend(mended, n);
    read_stream(mended, n);
    free(mended);
    return 0;
}
