/* fingerprint: names everything on this machine that decides how numbers round.
 * When to record it and when to insist on it is left to the programs. */
#include "fingerprint.h"
#include "err.h"
#include "opt.h"
#include "threads.h"
#include <cblas.h>
#include <gnu/libc-version.h>

static const char *instruction_set(void)
{
#if defined __AVX512F__
    return "avx512";
#elif defined __AVX2__ && defined __FMA__
    return "avx2+fma";
#elif defined __AVX__
    return "avx";
#elif defined __aarch64__
    return "aarch64";
#else
    return "baseline";
#endif
}

char *ptd_fingerprint(void)
{
    return ptd_format("ptd %s; %d threads; %s; compiler %s; libc %s; %s kernel of %s", PTD_VERSION,
                      ptd_threads_count(), instruction_set(), __VERSION__, gnu_get_libc_version(),
                      openblas_get_corename(), openblas_get_config());
}
