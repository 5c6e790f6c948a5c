#!/bin/bash
# Debian 12's libwebp (1.2.4-0.2+deb12u1) crashes where it gets no memory for a lossless picture.
#
# Its header promises VP8_STATUS_OUT_OF_MEMORY. But where one of the requests of WebPDecode for a
# VP8L picture is refused, the tables that were not allocated are freed or followed all the same;
# where others are, the status is VP8_STATUS_BITSTREAM_ERROR, as for a damaged file, and only errno
# says ENOMEM. Counted here: each request of one decode refused in turn, in a process of its own.
set -euo pipefail
picture=$(cd "$(dirname "$0")/.." && pwd)/tests/vectors/format-lossless.webp
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > refuse.c << 'C'
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <webp/decode.h>

static long refused, count = -1; /* count < 0: not decoding */
void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t);
static int refuses(void)
{
    if (count < 0 || ++count != refused) return 0;
    errno = ENOMEM;
    return 1;
}
void *malloc(size_t n) { return refuses() ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t size) { return refuses() ? NULL : __libc_calloc(n, size); }

int main(int argc, char **argv)
{
    static unsigned char file[1 << 16], pixels[1 << 16];
    size_t n = fread(file, 1, sizeof file, fopen(argv[1], "rb"));
    int crashed = 0, damaged = 0, told = 0;
    for (refused = 1; refused <= 40; refused++) {
        int status;
        if (!fork()) {
            WebPDecoderConfig c;
            WebPInitDecoderConfig(&c);
            c.output.colorspace = MODE_RGB;
            c.output.is_external_memory = 1;
            c.output.u.RGBA = (WebPRGBABuffer){pixels, 23 * 3, 23 * 13 * 3};
            fclose(stderr);
            count = 0;
            _exit(WebPDecode(file, n, &c));
        }
        wait(&status);
        crashed += WIFSIGNALED(status);
        damaged += WIFEXITED(status) && WEXITSTATUS(status) == VP8_STATUS_BITSTREAM_ERROR;
        told += WIFEXITED(status) && WEXITSTATUS(status) == VP8_STATUS_OUT_OF_MEMORY;
    }
    printf("%d requests refused end in a crash, %d are called damage, %d are told\n", crashed, damaged, told);
    return !crashed;
}
C
cc -O1 -o refuse refuse.c $(pkg-config --cflags --libs libwebp)
./refuse "$picture"
