/* sgemm: the rate of plain matrix products on this machine at this moment, with the library's own
 * threads. It is a program of its own because ours keep OpenBLAS on one thread. */
#include "bench.h"
#include <cblas.h>

enum { N = 1024, TIMES = 6 };

/* FLOP/s of a product of N x N, the median of TIMES - 1 after one to wake the threads. */
static double product(const char *threads)
{
    static float *a, *b, *c;
    double t[TIMES];
    if (!a) {
        a = calloc(N * N, sizeof *a), b = calloc(N * N, sizeof *b), c = calloc(N * N, sizeof *c);
        for (int i = 0; i < N * N; i++) a[i] = b[i] = 1e-3f * (float)(i % 7);
    }
    openblas_set_num_threads(atoi(threads));
    for (int i = 0; i < TIMES; i++) {
        double start = bench_now();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, N, N, N, 1, a, N, b, N, 0, c, N);
        t[i] = bench_now() - start;
    }
    for (int i = 1; i < TIMES; i++)
        for (int j = i; j > 1 && t[j] < t[j - 1]; j--) {
            double swap = t[j];
            t[j] = t[j - 1];
            t[j - 1] = swap;
        }
    return 2.0 * N * N * N / t[TIMES / 2];
}

int main(void)
{
    static const struct bench_work works[] = {{"product", product}, {0}};
    return bench_serve(works);
}
