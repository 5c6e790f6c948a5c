/* JSON with numbers that Jansson's types do not hold: kept as texts, and all else as it was,
 * errors' places too. */
#include "base/json.h"
#include "test.h"
#include <stdio.h>
#include <string.h>

static json_t *load(const char *text, json_error_t *e)
{
    return ptd_json_load(text, strlen(text), JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, e);
}

static void large_numbers_become_texts(void **state)
{
    (void)state;
    static const struct {
        const char *json, *as;
    } table[] = {
        {"1000000000000000019884624838656", "\"1000000000000000019884624838656\""},
        {"9223372036854775807", "9223372036854775807"},
        {"9223372036854775808", "\"9223372036854775808\""},
        {"-9223372036854775808", "-9223372036854775808"},
        {"-9223372036854775809", "\"-9223372036854775809\""},
        {"1e400", "\"1e400\""},
        {"-1.5E+999", "\"-1.5E+999\""},
        {"[1e400,18446744073709551616,1e300,1,-0,2.5]",
         "[\"1e400\",\"18446744073709551616\",1e300,1,0,2.5]"},
        {"{\"a\":1e999,\"b\":\"1e999 "
         "\\\"18446744073709551616\",\"18446744073709551616\":[1e999,1e999,1e999]}",
         "{\"a\":\"1e999\",\"b\":\"1e999 "
         "\\\"18446744073709551616\",\"18446744073709551616\":[\"1e999\",\"1e999\",\"1e999\"]}"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        json_error_t e;
        json_t *v = load(table[i].json, &e), *want = load(table[i].as, &e);
        if (!v || !json_equal(v, want)) fail_msg("%s: not %s", table[i].json, table[i].as);
        json_decref(v);
        json_decref(want);
    }
}

static void errors_keep_their_place(void **state)
{
    (void)state;
    static const char *const table[] = {
        "{\"a\": %s, \"b\": oops}", "[%s, %s,\n %s, 1 2]", "{\"a\": %s, \"a\": 1}", "[%s", "[%s] x",
        "[\"%s\", %s, \"\xff\"]"};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char large[200], small[200];
        json_error_t a, b;
        const char *n = "18446744073709551616", *m = "1844674407370955161 ";
        snprintf(large, sizeof large, table[i], n, n, n);
        snprintf(small, sizeof small, table[i], m, m, m);
        assert_null(load(large, &a));
        assert_null(load(small, &b));
        assert_int_equal(a.line, b.line);
        assert_int_equal(a.column, b.column);
        assert_int_equal(a.position, b.position);
        assert_string_equal(a.text, b.text);
    }
}

static void what_is_no_number_stays_refused(void **state)
{
    (void)state;
    static const char *const table[] = {"018446744073709551616",
                                        "18446744073709551616x",
                                        "-",
                                        "--18446744073709551616",
                                        "18446744073709551616.",
                                        "18446744073709551616e",
                                        "+18446744073709551616",
                                        "1e400.5"};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        json_t *v = load(table[i], NULL);
        if (v) fail_msg("%s was accepted", table[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_numbers_become_texts),
        cmocka_unit_test(errors_keep_their_place),
        cmocka_unit_test(what_is_no_number_stays_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
