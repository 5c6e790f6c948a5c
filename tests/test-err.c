/* Messages: one escaped line of at most 512 bytes, and the status that was given.
 * Leaves to the command-line tests: what programs say. */
#include "child.h"
#include "base/err.h"
#include "base/output.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>

static int die_with(void *text)
{
    ptd_program("ptd-test");
    ptd_die(PTD_DATAERR, "%s", (char *)text);
}

static void says(const char *text, const char *wanted)
{
    struct child c;
    child_run(&c, die_with, (void *)text, "", 0);
    assert_int_equal(c.status, PTD_DATAERR);
    assert_string_equal(c.err, wanted);
    free(c.out);
}

static void test_one_escaped_line(void **state)
{
    (void)state;
    says("plain", "ptd-test: plain\n");
    says("a\nb\tc\x1b[31m\x7f", "ptd-test: a\\nb\\tc\\x1b[31m\\x7f\n");
    says("caf\xc3\xa9 \xc2\x9b", "ptd-test: caf\xc3\xa9 \\u009b\n");
}

static void test_long_lines_lose_their_middle_between_characters(void **state)
{
    (void)state;
    struct child c;
    for (int shift = 0; shift < 3; shift++) {
        char text[4000];
        for (int i = 0; i < 3999; i++) text[i] = i < shift ? 'x' : "\xe2\x88\x9a"[(i - shift) % 3];
        strcpy(text + shift + 3 * 1200, ": \x1b\x1b why");
        child_run(&c, die_with, text, "", 0);
        size_t n = strlen(c.err);
        char *cut = strstr(c.err, "...");
        assert_true(n > 500 && n <= 512);
        assert_non_null(cut);
        assert_int_equal((cut - c.err - strlen("ptd-test: ") - (size_t)shift) % 3, 0);
        assert_memory_equal(cut + 3, "\xe2\x88\x9a", 3);
        assert_string_equal(c.err + n - strlen(": \\x1b\\x1b why\n"), ": \\x1b\\x1b why\n");
        free(c.out);
    }
}

static void test_reason_behind_a_long_name(void **state)
{
    (void)state;
    static const size_t lengths[] = {400, 480, 520, 900, 925, 1000, 1024, 5000};
    char name[5001];
    for (int escaped = 0; escaped < 2; escaped++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            memset(name, escaped ? '\n' : 'x', lengths[i]);
            name[lengths[i]] = 0;
            errno = ENOENT;
            ptd_fail(PTD_NOINPUT, "open %s:", name);
            size_t n = strlen(ptd_failed_message());
            assert_true(n < 512);
            assert_memory_equal(ptd_failed_message(), escaped ? "open \\n" : "open x", 6);
            assert_string_equal(ptd_failed_message() + n - 28,
                                escaped ? "\\n: No such file or directory" + 1
                                        : "x: No such file or directory");
        }
}

static void test_reason_of_the_system(void **state)
{
    (void)state;
    errno = ENOENT;
    assert_int_equal(ptd_fail(PTD_NOINPUT, "open %s:", "a.rec"), -1);
    assert_int_equal(ptd_failed_status(), PTD_NOINPUT);
    assert_string_equal(ptd_failed_message(), "open a.rec: No such file or directory");
    assert_int_equal(ptd_fail(PTD_DATAERR, "more: %s", ptd_failed_message()), -1);
    assert_string_equal(ptd_failed_message(), "more: open a.rec: No such file or directory");
}

static void test_the_reason_decides_the_status(void **state)
{
    (void)state;
    static const int rows[][2] = {{ENOMEM, PTD_OSERR},  {EMFILE, PTD_OSERR}, {ENFILE, PTD_OSERR},
                                  {ENOSPC, PTD_IOERR},  {EDQUOT, PTD_IOERR}, {EFBIG, PTD_IOERR},
                                  {EACCES, PTD_NOPERM}, {EPERM, PTD_NOPERM}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        errno = rows[i][0];
        assert_int_equal(ptd_fail(PTD_CUT, "open %s:", "a.rec"), -1);
        assert_int_equal(ptd_failed_status(), rows[i][1]);
    }
    errno = ENOMEM;
    assert_int_equal(ptd_fail(PTD_CUT, "no reason of the system"), -1);
    assert_int_equal(ptd_failed_status(), PTD_CUT);
}

static int die_of_last(void *ctx)
{
    ptd_program("ptd-test");
    if (ctx) ptd_fail(PTD_CUT, "too short");
    ptd_die_last();
}

static void test_die_last(void **state)
{
    (void)state;
    struct child c;
    child_run(&c, die_of_last, "", "", 0);
    assert_int_equal(c.status, PTD_CUT);
    assert_string_equal(c.err, "ptd-test: too short\n");
    free(c.out);
}

static void *die_in_thread(void *barrier)
{
    pthread_barrier_wait(barrier);
    ptd_die(PTD_OSERR, "out of memory");
}

static int die_all(void *ctx)
{
    pthread_barrier_t together;
    pthread_t other;
    (void)ctx;
    ptd_program("ptd-test");
    pthread_barrier_init(&together, NULL, 4);
    for (int i = 0; i < 3; i++) pthread_create(&other, NULL, die_in_thread, &together);
    die_in_thread(&together);
    return 0;
}

/* Threads that fail at once speak with one voice. */
static void test_threads_that_die_together(void **state)
{
    struct child c;
    (void)state;
    for (int i = 0; i < 50; i++) {
        child_run(&c, die_all, NULL, "", 0);
        assert_int_equal(c.status, PTD_OSERR);
        assert_string_equal(c.err, "ptd-test: out of memory\n");
        free(c.out);
    }
}

static int talk(void *ctx)
{
    ptd_program("ptd-test");
    ptd_quiet(ctx != NULL);
    ptd_warn("careful");
    ptd_info("done");
    return 0;
}

static void test_quiet_keeps_warnings(void **state)
{
    (void)state;
    struct child c;
    child_run(&c, talk, NULL, "", 0);
    assert_string_equal(c.err, "ptd-test: warning: careful\nptd-test: done\n");
    free(c.out);
    child_run(&c, talk, "", "", 0);
    assert_string_equal(c.err, "ptd-test: warning: careful\n");
    free(c.out);
}

static int ask_too_much(void *ctx)
{
    ptd_program("ptd-test");
    return ptd_array((size_t)1 << 40, (size_t)1 << (ctx ? 20 : 30)) != NULL;
}

static void test_memory_that_is_not_there(void **state)
{
    (void)state;
    struct child c;
    child_run(&c, ask_too_much, NULL, "", 0);
    assert_int_equal(c.status, PTD_OSERR);
    assert_memory_equal(c.err, "ptd-test: out of memory", 23);
    free(c.out);
}

static int use_closed(void *ctx)
{
    (void)ctx;
    close(1);
    ptd_program("ptd-test");
    ptd_stdout_open();
    int fd = memfd_create("next", 0);
    fputs("data", stdout);
    if (fd <= 2) return 99;
    ptd_stdout_flush();
    return 98;
}

static void test_closed_stdout_is_an_error(void **state)
{
    (void)state;
    struct child c;
    child_run(&c, use_closed, NULL, "", 0);
    assert_int_equal(c.status, PTD_IOERR);
    assert_string_equal(c.err, "ptd-test: standard output: Bad file descriptor\n");
    free(c.out);
}

static void test_allocation(void **state)
{
    (void)state;
    char *s = ptd_format("%d%s", 4, "x"), *t = ptd_strdup(s);
    unsigned char *zero = ptd_array(3, 5);
    assert_string_equal(t, "4x");
    for (int i = 0; i < 15; i++) assert_int_equal(zero[i], 0);
    free(s);
    free(t);
    free(zero);
    free(ptd_realloc(NULL, 0));
    free(ptd_alloc(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_escaped_line),
        cmocka_unit_test(test_long_lines_lose_their_middle_between_characters),
        cmocka_unit_test(test_reason_behind_a_long_name),
        cmocka_unit_test(test_reason_of_the_system),
        cmocka_unit_test(test_the_reason_decides_the_status),
        cmocka_unit_test(test_die_last),
        cmocka_unit_test(test_threads_that_die_together),
        cmocka_unit_test(test_quiet_keeps_warnings),
        cmocka_unit_test(test_memory_that_is_not_there),
        cmocka_unit_test(test_closed_stdout_is_an_error),
        cmocka_unit_test(test_allocation),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
