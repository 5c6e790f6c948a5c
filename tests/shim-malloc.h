/* What torture-memory and the shim that it preloads share, in a mapped file that SHIM_MALLOC_FILE
 * names. */
#ifndef PTD_TESTS_SHIM_MALLOC_H
#define PTD_TESTS_SHIM_MALLOC_H
#include <stdint.h>

#define SHIM_MALLOC_FILE "SHIM_MALLOC"

struct shim_malloc {
    uint64_t fail_at, count,
        fired;         /* the request that fails (0: none); how many there were, how many failed */
    int sticky, trace; /* all after it fail too; say where it is */
    int foreign;       /* one of those that failed came from a library that does not cope with it */
    int pid;           /* whose requests */
};
#endif
