/* Tests of spoiler: for every rule hints that break it, and near misses that must pass. */
#include "method/hint/spoiler.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* The first rule broken by hint must be `want` (NULL: none). */
static void check(const struct ptd_group *g, const char *hint, const char *want)
{
    const char *got = ptd_spoiler_find(hint, g);
    if ((got == NULL) != (want == NULL) || (got && want && strcmp(got, want) != 0))
        fail_msg("\"%.80s\" (answer \"%s\"): %s, expected %s", hint, g->answer, got ? got : "clean",
                 want ? want : "clean");
}

static void check_all(const struct ptd_group *g, const char *const *hints, const char *want)
{
    for (; *hints; hints++) check(g, *hints, want);
}

static void demo_hints_are_clean(void **state)
{
    (void)state;
    struct ptd_group g = {.question = "sum of the column of the red digit ?",
                          .answer = "3",
                          .solution = "red c3 : a3 1 , b3 1 = 2 , c3 1 = 3 . \\boxed{ 3 }"};
    check(&g, "first c3 then look at a3 b3 c3 then add", NULL);
    check(&g, "look at a1 a2 a3 b1 b2 then subtract", NULL);
    g.answer = "1";
    check(&g, "first c3 then look at a3 then read", NULL);
}

static void roman_numerals_are_numbers(void **state)
{
    (void)state;
    static const char *const two[] = {"II", "Type II.", NULL}, *const forty[] = {"(XL)", NULL};
    static const char *const clean[] = {"I see", "X marks it", "the ii", "IIX", "VIIa",
                                        "XLII",  "MIX",        "IIII",   NULL};
    struct ptd_group g = {.question = "How many?", .answer = "2"};
    check_all(&g, two, "answer-number");
    g.answer = "40";
    check_all(&g, forty, "answer-number");
    for (int v = 1; v <= 42; v++) {
        g.answer = ptd_format("%d", v);
        check_all(&g, clean, NULL);
        free((char *)g.answer);
    }
    g = (struct ptd_group){.question = "Which king, IV or IX?", .answer = "9"};
    check(&g, "compare with IX", NULL); /* the question's own word */
}

static void rejects_empty_long_and_degenerate(void **state)
{
    (void)state;
    struct ptd_group g = {.question = "?", .answer = "7"};
    char text[PTD_HINT_MAX + 2];
    check(&g, "", "empty");
    check(&g, " \n\t", "empty");
    for (int i = 0; i <= PTD_HINT_MAX; i++) text[i] = (char)('a' + i % 20);
    text[PTD_HINT_MAX + 1] = '\0';
    check(&g, text, "too-long");
    text[PTD_HINT_MAX] = '\0';
    check(&g, text, NULL);
    check(&g, "- - - - - - - - - -", "degenerate");
    check(&g, "abcabcabcabcabca", "degenerate");
    check(&g, "abcabcabcabcabc", NULL);
    memset(text, 'x', PTD_HINT_MAX);
    check(&g, text, "degenerate");
}

static void rejects_the_number(void **state)
{
    (void)state;
    struct ptd_group g = {.question = "What is the sum of the 2 red digits?", .answer = "12"};
    static const char *const leaks[] = {"it is 12",
                                        "12",
                                        "add up to 12.0",
                                        "twelve in all",
                                        "a dozen",
                                        "24/2 or so",
                                        "\\frac{24}{2}",
                                        "1.2e1",
                                        "12cm wide",
                                        "(12)",
                                        "minus 12",
                                        "12%",
                                        "nine and Twelve",
                                        "\xef\xbc\x91\xef\xbc\x92",
                                        "a=12",
                                        "row XII",
                                        "\xe2\x85\xab", /* twelve as one sign */
                                        NULL};
    static const char *const clean[] = {
        "look at b12",  "cell x12",          "the 12th cell", "112 and 120", "look at the 2 digits",
        "two red ones", "first then second", "12,345",        NULL};
    check_all(&g, leaks, "answer-number");
    check_all(&g, clean, NULL);
    g.question = "Which of 12 and 13 is even?";
    check(&g, "consider 12 and 13", NULL);
}

static void rejects_numbers_in_other_dress(void **state)
{
    (void)state;
    struct ptd_group g = {.question = "What share is red?", .answer = "\\frac{1}{2}"};
    static const char *const half[] = {"0.5",           "50%",        "50 percent",
                                       "fifty percent", "half of it", "one half",
                                       "2/4",           "\xc2\xbd",   NULL};
    check_all(&g, half, "answer-number");
    check(&g, "5 of them", NULL);
    g.answer = "1/3";
    check(&g, "about 0.33", "answer-number");
    check(&g, "a third", "answer-number");
    check(&g, "the third row", NULL);
    g.answer = "50%";
    check(&g, "0.5", "answer-number");
    g.answer = "121";
    check(&g, "one hundred and twenty-one", "answer-number");
    check(&g, "one hundred twenty one", "answer-number");
    check(&g, "twenty one", NULL);
    g.answer = "2500";
    check(&g, "2,500 of them", "answer-number");
    check(&g, "two thousand five hundred", "answer-number");
    g.answer = "3/4";
    check(&g, "three quarters", "answer-number");
    g.answer = "-7";
    check(&g, "it is seven below", "answer-number");
    g.answer = "0.1";
    check(&g, "a.1/299999999999999999999", "answer-number");
    check(&g, "a.99999999999999999999 99999999999999999999/0.3", NULL);
    g.answer = "(3, 8)";
    check(&g, "go 8 up", "answer-number");
}

static void one_is_sometimes_a_pronoun(void **state)
{
    (void)state;
    struct ptd_group g = {.question = "How many?", .answer = "1"};
    static const char *const clean[] = {"look at the one on top", "the red one", "this one", NULL};
    static const char *const leaks[] = {"there is one", "the answer is one", "this is one",
                                        "one",          "exactly one digit", NULL};
    check_all(&g, clean, NULL);
    check_all(&g, leaks, "answer-number");
}

static void rejects_the_text(void **state)
{
    (void)state;
    struct ptd_group g = {.question = "What stands on the table?", .answer = "Red apple"};
    static const char *const leaks[] = {"a red apple",        "RED  APPLE", "the redapple",
                                        "\\text{red apple}s", "red\napple", NULL};
    check_all(&g, leaks, "answer-text");
    check(&g, "a red pear and an apple", NULL);
    g.answer = "ox";
    check(&g, "an ox", "answer-text");
    check(&g, "oxen", "answer-text");
    check(&g, "in the box", NULL);
    g.answer = "left, right";
    check(&g, "look to the right", "answer-text");
    g.answer = "b3";
    check(&g, "look at b3", "answer-text");
    g.answer = "12345678901234567890123";
    check(&g, "12345678901234567890123", "answer-text");
    g.answer = "\xe7\x8c\xab";
    check(&g, "\xe7\x9c\x8b\xe7\x8c\xab\xe5\x90\xa7", "answer-text");
}

static void rejects_the_option_letter(void **state)
{
    (void)state;
    struct ptd_group g = {.question = "Which one?", .answer = "B"};
    static const char *const leaks[] = {
        "take B",          "(b)",       "[B]",      "option b", "choice B.", "b) fits",
        "the answer is b", "Answer: B", "letter b", NULL};
    static const char *const clean[] = {"look at b3",   "compare the bars", "I'd be careful",
                                        "side b of it", "B2 and B3",        NULL};
    check_all(&g, leaks, "option-letter");
    check_all(&g, clean, NULL);
    g.answer = "(A)";
    static const char *const article[] = {"find a red digit", "A red digit is there",
                                          "Look. A digit follows.", "the answer is a digit", NULL};
    static const char *const leaks_a[] = {"A",          "take A",           "A is best", "option a",
                                          "(a) or not", "the answer is a.", NULL};
    check_all(&g, article, NULL);
    check_all(&g, leaks_a, "option-letter");
}

static void rejects_the_option_text(void **state)
{
    (void)state;
    struct ptd_group g = {.question = "Which animal is it?\n(A) a cat (B) a big dog (C) 40 cm",
                          .answer = "B"};
    check(&g, "it is a big dog", "option-text");
    check(&g, "not a cat", NULL);
    g.answer = "C";
    check(&g, "about 40 wide", "option-text");
    check(&g, "forty", "option-text");
    g.question = "How wide is the 40 m field?\nA. 30 m\nB. 35 m\nC. 40 m\n";
    check(&g, "the 40 m field", NULL);
    check(&g, "not 30", NULL);
    g.answer = "35 m";
    check(&g, "take option b", "option-letter");
    check(&g, "35 and no more", "option-text");
}

static void rejects_a_verdict_only_if_asserted(void **state)
{
    (void)state;
    struct ptd_group g = {.question = "Do they touch?", .answer = "No"};
    static const char *const leaks[] = {
        "No.", "no, they do not", "the answer is no", "is no", "say no to it", "yes", NULL};
    static const char *const clean[] = {"note that no digit is red", "look at the nose",
                                        "nothing there", "check whether yes holds", NULL};
    check_all(&g, leaks, "yes-no");
    check_all(&g, clean, NULL);
    g.answer = "true";
    check(&g, "it is true", "yes-no");
    check(&g, "it is False", "yes-no");
    check(&g, "find out whether it is true", NULL);
    g.answer = "7";
    check(&g, "yes, look again", NULL);
}

static void rejects_decisive_numbers(void **state)
{
    (void)state;
    struct ptd_group g = {.question = "Sum of the red digits of 9 cells?",
                          .answer = "11",
                          .solution = "red b1 4 , c3 7 = 11 . \\boxed{ 11 }"};
    check(&g, "b1 holds 4", "decisive-number");
    check(&g, "one is a seven", "decisive-number");
    check(&g, "look at b1 and c3 of the 9 cells", NULL);
    check(&g, "not a 5", NULL);
    g.solution = NULL;
    check(&g, "b1 holds 4", NULL);
}

static void every_rule_has_a_name(void **state)
{
    (void)state;
    int n = 0;
    for (const struct ptd_spoiler_rule *r = ptd_spoiler_rules; r->name; r++, n++)
        assert_non_null(r->found);
    assert_int_equal(n, 9);
    struct ptd_group bare = {0};
    check(&bare, "option b is 12, yes", NULL);
}

/* A million bytes of anything: within moments, or this test is ended. */
static void long_texts_take_linear_time(void **state)
{
    (void)state;
    static const char *const parts[] = {"2 ",
                                        "\xc3\xa9 5",
                                        "\xc2\xbd ",
                                        "\\",
                                        "abcd,",
                                        "1.2.",
                                        "000,",
                                        "hundred ",
                                        "one ",
                                        "1/2/",
                                        "5 % ",
                                        "99999999999999999999,",
                                        "5\xcc\x81\xcc\xa3",
                                        "\xcc\x81\xcc\xa3",
                                        "(A) 7 ",
                                        "5\xc3\xa9",
                                        NULL};
    const size_t most = 1000000;
    char *text = ptd_alloc(most + 64);
    alarm(60);
    for (int i = 0; parts[i]; i++) {
        char *end = text;
        while (end < text + most) end = stpcpy(end, parts[i]);
        strcpy(end, "999,999,999,999,999,999,999");
        struct ptd_group secret = {
            .question = "How many? (A) 17 (B) 9 (C) 8", .answer = text, .solution = text};
        struct ptd_group asked = {.question = text, .answer = "17", .solution = "17 of 20"};
        check(&secret, "add 23 and 44", NULL);
        check(&asked, "add 23 and 44", NULL);
    }
    alarm(0);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(demo_hints_are_clean),
        cmocka_unit_test(rejects_empty_long_and_degenerate),
        cmocka_unit_test(roman_numerals_are_numbers),
        cmocka_unit_test(rejects_the_number),
        cmocka_unit_test(rejects_numbers_in_other_dress),
        cmocka_unit_test(one_is_sometimes_a_pronoun),
        cmocka_unit_test(rejects_the_text),
        cmocka_unit_test(rejects_the_option_letter),
        cmocka_unit_test(rejects_the_option_text),
        cmocka_unit_test(rejects_a_verdict_only_if_asserted),
        cmocka_unit_test(rejects_decisive_numbers),
        cmocka_unit_test(every_rule_has_a_name),
        cmocka_unit_test(long_texts_take_linear_time),
    };
    return cmocka_run_group_tests_name("spoiler", tests, NULL, NULL);
}
