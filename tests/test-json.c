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

static void one_value_is_replaced(void **state)
{
    static const struct {
        const char *text, *object, *key, *as; /* as: NULL: there is no such key */
    } table[] = {
        {"{\"a\":1}", NULL, "a", "{\"a\":NEW}"},
        {" \n{ \"b\" : \"x, \\\"a\\\": 1\" ,\n\t\"a\"\n:\t[1, {\"a\": 2}] }\n", NULL, "a",
         " \n{ \"b\" : \"x, \\\"a\\\": 1\" ,\n\t\"a\"\n:\tNEW }\n"},
        {"{\"b\":{\"a\":1e999},\"c\":[],\"a\":null}", NULL, "a",
         "{\"b\":{\"a\":1e999},\"c\":[],\"a\":NEW}"},
        {"{\"b\":{\"c\":{\"a\":0},\"a\":-1.5},\"a\":2}", "b", "a",
         "{\"b\":{\"c\":{\"a\":0},\"a\":NEW},\"a\":2}"},
        {"{\"a\":\"]}\\\\\",\"ab\":true}", NULL, "ab", "{\"a\":\"]}\\\\\",\"ab\":NEW}"},
        {"{\"ab\":1}", NULL, "a", NULL},
        {"{\"b\":{\"a\":1}}", NULL, "a", NULL},
        {"{\"b\":[{\"a\":1}],\"c\":{}}", "b", "a", NULL},
        {"{\"c\":{}}", "c", "a", NULL},
        {"{\"c\":{\"a\":1}}", "b", "a", NULL},
        {"{}", NULL, "a", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char *s = ptd_json_replace(table[i].text, table[i].object, table[i].key, "NEW");
        if (table[i].as)
            assert_string_equal(s, table[i].as);
        else
            assert_null(s);
        free(s);
    }
    char *s = ptd_json_insert("\n{\n  \"b\": 1\n}\n", "a", "2");
    assert_string_equal(s, "\n{\n  \"a\": 2,\n  \"b\": 1\n}\n");
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_numbers_become_texts),
        cmocka_unit_test(errors_keep_their_place),
        cmocka_unit_test(what_is_no_number_stays_refused),
        cmocka_unit_test(one_value_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
