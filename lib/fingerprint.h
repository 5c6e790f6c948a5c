/* fingerprint: what of the machine decides the last bits of a result: BLAS kernel and version, instruction set, compiler, C library, threads,
 * program version. A run records it; a resume with another one would not be bit-identical. */
#ifndef PTD_FINGERPRINT_H
#define PTD_FINGERPRINT_H
char *ptd_fingerprint(void); /* one line, malloc'd; call after ptd_threads_start */
#endif
