/* blas: OpenBLAS's product of matrices, for several threads at once, loaded when the first one is
 * wanted.
 *
 * Linked as usual, OpenBLAS starts a thread a core in every program, whatever is computed, and at a
 * limit on threads or memory it spins at exit. So it is loaded with one thread asked for, and
 * programs that multiply nothing never load it. Of Debian's builds only libopenblas0-pthread may be
 * called by several threads: the serial one (0.3.21) gives two of them one buffer, and some of
 * 10,000 products are wrong without a word; the OpenMP one does not come back. */
#ifndef PTD_BLAS_H
#define PTD_BLAS_H

/* Loads it. Dies with 69 if there is none, or another build; 71 if there is no memory for it. May
 * be called again, by any thread. */
void ptd_blas_open(void);
/* Its version and kernel, one line; opens it. */
const char *ptd_blas_name(void);
/* C [m, n] = alpha A' B' + beta C in row-major order, A' [m, k] and B' [k, n] being A and B or,
 * where asked for, their transposes. lda, ldb, ldc: floats from row to row. Dies with 71 where it
 * would have no memory to work in. */
void ptd_blas_sgemm(int transpose_a, int transpose_b, long m, long n, long k, float alpha,
                    const float *A, long lda, const float *B, long ldb, float beta, float *C,
                    long ldc);
#endif
