/* test-fingerprint: it says the same twice, on one line, and names the things that decide how numbers round.
 */
#include "fingerprint.h"
#include "threads.h"
#include <cblas.h>
#include <stdlib.h>
#include <string.h>
#include "test.h"

static void test_names(void **state)
{
    char *a = ptd_fingerprint(), *b = ptd_fingerprint();
    (void)state;
    assert_string_equal(a, b);
    assert_null(strchr(a, '\n'));
    assert_non_null(strstr(a, "OpenBLAS"));
    assert_non_null(strstr(a, openblas_get_corename()));
    assert_non_null(strstr(a, "; 2 threads;"));
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names)};
    ptd_threads_start(2);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
