/* Tests of printable: what is escaped, what stays, and how wide it is; and of sizes as words. */
#include "base/printable.h"
#include "base/size.h"
#include "test.h"
#include <stdlib.h>
#include <string.h>

static void shows(const char *text, const char *expected)
{
    char *s = ptd_printable(text);
    assert_string_equal(s, expected);
    free(s);
}

static void escapes_what_moves_a_terminal(void **state)
{
    (void)state;
    shows("a\n\t\r\x1b[31m\x07\x7f", "a\\n\\t\\r\\x1b[31m\\x07\\x7f");
    shows("\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", "\\u0080\\u009b\\u009f\xc2\xa0");
    shows("\xe2\x80\xaa\xe2\x80\xae\xe2\x80\xaf", "\\u202a\\u202e\xe2\x80\xaf");
    shows("\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa",
          "\xe2\x81\xa5\\u2066\\u2069\xe2\x81\xaa");
    shows("\x9b\x31m", "\\x9b1m");
}

static void escapes_what_is_no_utf8(void **state)
{
    (void)state;
    shows("caf\xe9", "caf\\xe9");
    shows("\xe2\x80", "\\xe2\\x80");
    shows("\xed\xa0\x80", "\\xed\\xa0\\x80");
    shows("\xc0\x9b", "\\xc0\\x9b");
    shows("\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80");
}

static void keeps_text(void **state)
{
    (void)state;
    shows("", "");
    shows("caf\xc3\xa9 \\n \"'` \xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x98\x80",
          "caf\xc3\xa9 \\n \"'` \xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x98\x80");
}

static void counts_columns(void **state)
{
    (void)state;
    assert_int_equal(ptd_printable_width("abc"), 3);
    assert_int_equal(ptd_printable_width("\xe6\xbc\xa2\xe5\xad\x97"), 4);
    assert_int_equal(ptd_printable_width("e\xcc\x81\xcc\xa3"), 1);
    assert_int_equal(ptd_printable_width(""), 0);
}

static void cuts(const char *text, int most, const char *expected)
{
    char *s = ptd_printable_cut(text, most);
    assert_string_equal(s, expected);
    assert_true(ptd_printable_width(s) <= most);
    free(s);
}

static void cuts_the_middle_between_characters(void **state)
{
    (void)state;
    cuts("abcdefgh", 8, "abcdefgh");
    cuts("abcdefghi", 8, "abc...hi");
    cuts("\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2", 8,
         "\xe6\xbc\xa2...\xe6\xbc\xa2");
    cuts("e\xcc\x81"
         "bcdefgh\xcc\x81"
         "i\xcc\x81",
         5, "e\xcc\x81...i\xcc\x81");
    cuts("\x1b\x1b\x1b\x1b", 9, "\\x1...x1b");
}

static void sizes_have_the_unit_that_fits(void **state)
{
    (void)state;
    static const struct {
        double bytes;
        const char *text;
    } known[] = {{0, "0 B"},
                 {-5, "0 B"},
                 {999, "999 B"},
                 {1000, "1.00 KB"},
                 {9999, "10.0 KB"},
                 {99.96e3, "100 KB"},
                 {999.6e3, "1.00 MB"},
                 {23.84e6, "23.8 MB"},
                 {22134.7e6, "22.1 GB"},
                 {1e12, "1.00 TB"},
                 {1.6384e19, "16384 PB"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_string_equal(ptd_size(known[i].bytes).text, known[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_what_moves_a_terminal),
        cmocka_unit_test(escapes_what_is_no_utf8),
        cmocka_unit_test(keeps_text),
        cmocka_unit_test(counts_columns),
        cmocka_unit_test(cuts_the_middle_between_characters),
        cmocka_unit_test(sizes_have_the_unit_that_fits),
    };
    return cmocka_run_group_tests_name("printable", tests, NULL, NULL);
}
