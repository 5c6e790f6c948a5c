/* Tests of normal: the same as utf8proc, without its quadratic time. */
#include "base/normal.h"
#include "test.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

static int32_t any_character(void)
{
    static const struct {
        int32_t first, n;
    } kinds[] = {{1, 127},        {0x300, 0x70},   {0x80, 0x3000},
                 {0xAC00, 11172}, {0x1100, 0x200}, {0xE000, 0x100000}};
    int k = rand() % 6;
    return kinds[k].first + rand() % kinds[k].n;
}

static void maps_as_utf8proc_does(char *map(const char *, size_t), int how)
{
    unsigned char text[4 * 40], *expected;
    srand(1);
    for (int i = 0; i < 20000; i++) {
        utf8proc_ssize_t n = 0;
        for (int left = 1 + rand() % 40; left; left--)
            n += utf8proc_encode_char(any_character(), text + n);
        assert_true(utf8proc_map(text, n, &expected, how) >= 0);
        char *found = map((const char *)text, (size_t)n);
        assert_string_equal(found, (char *)expected);
        free(expected);
        free(found);
    }
}

static void folds_as_utf8proc_does(void **state)
{
    (void)state;
    maps_as_utf8proc_does(ptd_fold, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
    maps_as_utf8proc_does(ptd_plain, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
}

static void has_room_for_every_character(void **state)
{
    (void)state;
    unsigned char bytes[4], *expected;
    for (int32_t c = 1; c < 0x110000; c++) {
        if (c >= 0xD800 && c < 0xE000) continue;
        utf8proc_ssize_t n = utf8proc_encode_char(c, bytes);
        assert_true(utf8proc_map(bytes, n, &expected,
                                 UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT) >= 0);
        char *found = ptd_plain((const char *)bytes, (size_t)n);
        assert_string_equal(found, (char *)expected);
        free(found);
        free(expected);
    }
    char text[3 * 1000 + 1] = "";
    for (int i = 0; i < 1000; i++) strcpy(text + 3 * i, "\xef\xb7\xba"); /* the longest */
    char *s = ptd_plain(text, strlen(text));
    assert_int_equal(strlen(s), 1000 * 33);
    free(s);
}

static void tells_what_is_no_text(void **state)
{
    (void)state;
    assert_null(ptd_fold("a\xff", 2));
    assert_null(ptd_fold("\xed\xa0\x80", 3));
    char *s = ptd_fold("", 0);
    assert_string_equal(s, "");
    free(s);
}

/* A million marks of two kinds: within moments, or this test is ended. */
static void marks_take_linear_time(void **state)
{
    (void)state;
    const size_t n = 1000000;
    char *text = malloc(2 * n);
    for (size_t i = 0; i < n; i++) memcpy(text + 2 * i, i % 2 ? "\xcc\x81" : "\xcc\xa3", 2);
    alarm(60);
    char *s = ptd_fold(text, 2 * n);
    alarm(0);
    assert_int_equal(strlen(s), 2 * n);
    assert_memory_equal(s, "\xcc\xa3\xcc\xa3", 4);
    free(s);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_as_utf8proc_does),
        cmocka_unit_test(has_room_for_every_character),
        cmocka_unit_test(tells_what_is_no_text),
        cmocka_unit_test(marks_take_linear_time),
    };
    return cmocka_run_group_tests_name("normal", tests, NULL, NULL);
}
