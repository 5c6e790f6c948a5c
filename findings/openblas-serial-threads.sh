#!/bin/bash
# Debian 12's serial OpenBLAS (libopenblas0-serial 0.3.21+ds-4) computes wrong products, in silence,
# when several threads of a program call it at once.
#
# A good guess: a library that starts no threads of its own is the one for programs that have
# theirs, as the package's description and most advice ("set one thread") suggest. But it was built
# without USE_LOCKING (its configuration string says SINGLE_THREADED and nothing of locks), so that
# two callers may be handed the same work buffer; no product fails, some entries are just those of
# another. Seen on two cores: 48 and 442 of 80,000 products of 96 x 200 x 96 wrong with the serial
# build, none with libopenblas0-pthread asked for one thread (OPENBLAS_NUM_THREADS=1 before it is
# loaded).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
version=0.3.21+ds-4
apt-get download -q "libopenblas0-serial=$version" "libopenblas0-pthread=$version" "libopenblas-serial-dev=$version" libgfortran5 > /dev/null
for package in ./*.deb; do dpkg -x "$package" root; done
libraries=$(echo root/usr/lib/*-linux-gnu)
headers=$(echo root/usr/include/*-linux-gnu/openblas-serial)

cat > products.c << 'C'
#include <cblas.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { M = 96, N = 96, K = 200, THREADS = 4, EACH = 20000 };
static float A[M * K], B[K * N], right[M * N];
static _Atomic long wrong, done;
static time_t until;

/* Every thread multiplies 2^n A by B: exact in any order, since all entries are small multiples of 1/64. */
static void *multiply(void *n)
{
    float scale = (float)(1 << (long)n), *a = malloc(sizeof A), *c = malloc(sizeof right);
    for (int i = 0; i < M * K; i++) a[i] = scale * A[i];
    for (int i = 0; i < EACH && time(NULL) < until; i++) {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, M, N, K, 1, a, K, B, K, 0, c, N);
        done++;
        for (int j = 0; j < M * N; j++)
            if (c[j] != scale * right[j]) {
                wrong++;
                break;
            }
    }
    free(a);
    free(c);
    return NULL;
}

int main(void)
{
    pthread_t t[THREADS];
    for (int i = 0; i < M * K; i++) A[i] = (float)(i * 37 % 64) / 64;
    for (int i = 0; i < K * N; i++) B[i] = (float)(i * 11 % 64) / 64;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, M, N, K, 1, A, K, B, K, 0, right, N);
    for (int round = 0; round < 10 && !wrong; round++) {
        until = time(NULL) + 60;
        for (long n = 0; n < THREADS; n++) pthread_create(&t[n], NULL, multiply, (void *)n);
        for (int n = 0; n < THREADS; n++) pthread_join(t[n], NULL);
        if (getenv("ONE_ROUND")) break;
    }
    fprintf(stderr, "%s: %ld of %ld products wrong\n", openblas_get_config(), wrong, done);
    return wrong > 0;
}
C
gcc -O2 -I"$headers" -o products products.c -L"$libraries/openblas-serial" -Wl,--allow-shlib-undefined -l:libopenblas.so.0 -lpthread
export OPENBLAS_NUM_THREADS=1
try() { LD_LIBRARY_PATH=$PWD/$libraries/openblas-$1:$PWD/$libraries ./products; }

echo "one program, four threads, exact arithmetic:"
if try serial; then
    echo "changed: the serial build gave no wrong product"
    exit 1
fi
if ! ONE_ROUND=1 try pthread; then
    echo "changed: the pthread build gave a wrong product"
    exit 1
fi
echo "as found: the serial build is wrong now and then, the pthread build is not"
