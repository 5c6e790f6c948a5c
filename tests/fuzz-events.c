/* Fuzzing entry: any bytes as an event file that a killed writer left, as they come and once more
 * with every checksum mended, so that what records say is reached. It is refused with status 65, or
 * goes on: what is written then is there when it is opened again, and nothing twice. Built by
 * `make fuzz` for libFuzzer; the same file serves AFL++. */
#include "base/crc32c.h"
#include "view/events.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char folder[] = "/tmp/ptd-fuzz-XXXXXX", path[96];

static void leave(void)
{
    unlink(path);
    rmdir(folder);
}

static void enter(void)
{
    if (*path) return;
    if (!mkdtemp(folder)) abort();
    snprintf(path, sizeof path, "%s/events.out.tfevents.0000000001.fuzz.ptd", folder);
    atexit(leave);
}

static void put(const uint8_t *data, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || write(fd, data, n) != (ssize_t)n || close(fd) < 0) abort();
}

/* Says a step behind all others; 1: it was written. */
static int say(int64_t step)
{
    struct ptd_events *e = ptd_events_open(folder);
    if (!e) abort();
    ptd_events_scalar(e, "x", 0.5);
    int wrote = ptd_events_step(e, step, 1);
    if (wrote < 0 || ptd_events_last(e) != step) abort();
    ptd_events_close(e);
    return wrote;
}

static void go_on(const uint8_t *data, size_t n)
{
    put(data, n);
    struct ptd_events *e = ptd_events_open(folder);
    if (!e && ptd_failed_status() != PTD_DATAERR) abort();
    if (!e) return;
    int64_t last = ptd_events_last(e);
    ptd_events_close(e);
    if (last == INT64_MAX) return;
    int64_t next = last < 0 ? 1 : last + 1;
    if (!say(next) || say(next)) abort();
}

static void put_sum(uint8_t *at, const uint8_t *of, size_t n)
{
    uint32_t c = ptd_crc32c(of, n);
    c = (c >> 15 | c << 17) + 0xa282ead8u;
    memcpy(at, &c, 4);
}

/* Records of the length that their first byte says. */
static void mend(uint8_t *data, size_t n)
{
    while (n > 16) {
        uint64_t len = data[0];
        memcpy(data, &len, 8);
        put_sum(data + 8, data, 8);
        if (len + 16 > n) return;
        put_sum(data + 12 + len, data + 12, len);
        data += len + 16;
        n -= len + 16;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t *mended = malloc(n + 1);
    enter();
    go_on(data, n);
    memcpy(mended, data, n);
    mend(mended, n);
    go_on(mended, n);
    free(mended);
    return 0;
}
