/* test: cmocka with its required headers, and a comparison of doubles that prints both sides. */
#ifndef PTD_TESTS_TEST_H
#define PTD_TESTS_TEST_H
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define assert_close(got, want, within)                                                            \
    do {                                                                                           \
        double got_ = (got), want_ = (want), within_ = (within);                                   \
        if (!(fabs(got_ - want_) <= within_))                                                      \
            fail_msg("%s is %.9g, expected %.9g within %g", #got, got_, want_, within_);           \
    } while (0)
#endif
