/* fingerprint: what decides the last bits of a result besides options, weights and data. Every
 * program notes it in the stream's head; a run keeps it, and a resume with another one would not be
 * bit-identical. */
#ifndef PTD_FINGERPRINT_H
#define PTD_FINGERPRINT_H
#include "compute/device.h"

/* Raised with every change that alters the last bit of any number which a program writes
 * (test-arithmetic holds the bits of a small run). */
#define PTD_ARITHMETIC 6

/* "arithmetic 6; compiler gcc 12.2.0 -O3; instructions avx512f; libc glibc 2.36", and of the device
 * that computes (NULL: none does) what it says of itself, for the CPU
 * "; threads 2; blas Zen kernel of OpenBLAS 0.3.21 ...": items of a name, a space and a value.
 * malloc'd. */
char *ptd_machine(struct ptd_device *d);
/* The program file's build id in hex, by which two builds of one version can be told apart; "" if
 * the linker gave it none. */
const char *ptd_build_id(void);
#endif
