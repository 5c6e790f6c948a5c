/* test-fingerprint: the machine in one line that says the same twice and names what decides how
 * numbers round. */
#include "base/threads.h"
#include "compute/cpu/blas.h"
#include "compute/fingerprint.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include "test.h"

static int tasks(void)
{
    DIR *d = opendir("/proc/self/task");
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) n += *e->d_name != '.';
    closedir(d);
    return n;
}

static int is_loaded(const char *library)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    int found = 0;
    while (!found && fgets(line, sizeof line, maps)) found = strstr(line, library) != NULL;
    fclose(maps);
    return found;
}

static void test_scalars(void **state)
{
    char *a = ptd_machine(NULL), *b = ptd_machine(NULL), start[64];
    (void)state;
    snprintf(start, sizeof start, "arithmetic %d; compiler ", PTD_ARITHMETIC);
    assert_string_equal(a, b);
    assert_null(strchr(a, '\n'));
    assert_memory_equal(a, start, strlen(start));
    assert_non_null(strstr(a, "-O")); /* the flags */
    assert_non_null(strstr(a, "; instructions "));
    assert_non_null(strstr(a, "; libc glibc "));
    assert_null(strstr(a, "blas"));
    assert_false(is_loaded("openblas"));
    free(a);
    free(b);
}

/* Its threads would be one a core, and stay. */
static void test_products_load_openblas_without_threads(void **state)
{
    (void)state;
    ptd_threads_start(2);
    int before = tasks();
    struct ptd_device *d = ptd_device_open("cpu");
    assert_non_null(d);
    char *a = ptd_machine(d), *b = ptd_machine(d);
    assert_string_equal(a, b);
    assert_non_null(strstr(a, "; threads 2; blas "));
    assert_non_null(strstr(a, ptd_blas_name()));
    assert_non_null(strstr(ptd_blas_name(), " kernel of OpenBLAS "));
    assert_true(is_loaded("openblas"));
    assert_int_equal(tasks(), before);
    ptd_device_close(d);
    free(a);
    free(b);
}

static void test_build_id(void **state)
{
    (void)state;
    size_t n = strlen(ptd_build_id());
    assert_int_equal(strspn(ptd_build_id(), "0123456789abcdef"), n);
    assert_int_equal(n % 2, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_products_load_openblas_without_threads),
        cmocka_unit_test(test_build_id)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
