/* Tests of the judge: what is judged right, and of rewards. */
#include "judge/extract.h"
#include "judge/form.h"
#include "judge/number.h"
#include "method/reward.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void assert_judged(const char *rule, const char *answer, const char *gold, int want)
{
    if (ptd_answer_right(rule, answer, strlen(answer), gold) != want)
        fail_msg("\"%s\" against \"%s\": expected %s", answer, gold, want ? "right" : "wrong");
}

static void judges_numbers(void **state)
{
    (void)state;
    static const char *const right[] = {"12",
                                        "12.0",
                                        "1.2e1",
                                        "12/1",
                                        "\\frac{24}{2}",
                                        "$12$",
                                        "12.",
                                        "012",
                                        " 12 ",
                                        "\\text{12}",
                                        "+12",
                                        "12\\%",
                                        "12%",
                                        "12^\\circ",
                                        "120.00e-1",
                                        "\\dfrac{12}{1}",
                                        "24/2",
                                        "12.000000000000000000000"};
    static const char *const wrong[] = {"13",   "-12", "1 2", "12.01",        "12 13",
                                        "",     "1.2", "12e", "twelve or so", "12x",
                                        "12/0", "1,2", "0x0c"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        assert_judged("auto", right[i], "12", 1);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_judged("auto", wrong[i], "12", 0);
    assert_judged("number", "1,234,567", "1234567", 1);
    assert_judged("number", "12,34", "1234", 0);
    assert_judged("number", "0.25", "1/4", 1);
    assert_judged("number", "\\frac{1}{4}", ".25", 1);
    assert_judged("number", ".333", "1/3", 0);
    assert_judged("number", "50%", "50", 1);
    assert_judged("number", "50%", "0.5", 1);
    assert_judged("number", "0.5%", "0.5", 0);
    assert_judged("number", "-\\frac{1}{2}", "-0.5", 1);
    assert_judged("number",
                  "\xe2\x88\x92"
                  "3",
                  "-3", 1);
    assert_judged("number", "-0", "0", 1);
}

static void judges_numbers_beyond_64_bits_as_text(void **state)
{
    (void)state;
    struct ptd_rational r;
    assert_int_equal(ptd_number_parse("9223372036854775807", 19, &r), 1);
    assert_int_equal(ptd_number_parse("9223372036854775808", 19, &r), 0);
    assert_int_equal(ptd_number_parse("1e400", 5, &r), 0);
    assert_int_equal(ptd_number_parse("1e99999999999", 13, &r), 0);
    assert_judged("auto", "12345678901234567890123", "12345678901234567890123", 1);
    assert_judged("auto", "12345678901234567890124", "12345678901234567890123", 0);
    assert_judged("number", "9223372036854775807/9223372036854775806", "1", 0);
}

static void judges_choices(void **state)
{
    (void)state;
    static const char *const right[] = {"B",
                                        "b",
                                        "(B)",
                                        "[B]",
                                        "B.",
                                        "Option B",
                                        "\\text{B}",
                                        "\\text{(B)}",
                                        "B)",
                                        "B) 12 cm",
                                        "B. 12 apples",
                                        "B: red",
                                        "$B$",
                                        "The answer is (B)",
                                        "choice b",
                                        "answer: B"};
    static const char *const wrong[] = {"A", "(C)", "Bob", "B, C", "", "AB", "option", "12"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        assert_judged("auto", right[i], "B", 1);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_judged("auto", wrong[i], "B", 0);
    assert_judged("auto", "A", "(A)", 1);
    assert_judged("auto", "answer", "A", 0);
    assert_judged("auto", "k", "K", 0); /* no option, and case means something */
    assert_int_equal(ptd_gold_letter("B) 12"), 0);
}

static void judges_texts(void **state)
{
    (void)state;
    assert_judged("auto", "  Red  Apple. ", "red apple", 1);
    assert_judged("auto", "redapple", "red apple", 0);
    assert_judged("auto", "\\text{red apple}", "red apple", 1);
    assert_judged("auto", "$x + 1$", "x+1", 1);
    assert_judged("auto", "( 3 , 4 )", "(3, 4)", 1);
    assert_judged("auto", "(4, 3)", "(3, 4)", 0);
    assert_judged("auto", "\\left(3,4\\right)", "(3,4)", 1);
    assert_judged("auto", "GRO\xc3\x9f", "gross", 1);
    assert_judged("auto", "e\xcc\x81t\xc3\xa9", "\xc3\x89T\xc3\x89", 1);
    assert_judged("auto", "\xff\xfe", "\xff\xfe", 1);
    assert_judged("auto", "None", "red", 0);
    assert_judged("exact", "12.0", "12", 0);
    assert_judged("auto", "\\frac{\\text{a}}{b}", "\\frac{a}{b}", 1);
}

/* tests/vectors/judge.tsv: verdict, gold, answer; kinds are headings. */
static void judges_as_people_do(void **state)
{
    (void)state;
    static char line[4096];
    int n = 0, bad = 0;
    FILE *f = fopen("tests/vectors/judge.tsv", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char *gold = strchr(line, '\t'), *answer = gold ? strchr(gold + 1, '\t') : NULL;
        if (*line == '#' || *line == '\n') continue;
        assert_non_null(answer);
        *gold++ = *answer++ = '\0';
        answer[strcspn(answer, "\n")] = '\0';
        int want = strcmp(line, "right") == 0;
        n++;
        if (ptd_answer_right("auto", answer, strlen(answer), gold) == want) continue;
        print_error("\"%s\" against \"%s\": expected %s\n", answer, gold, line);
        bad++;
    }
    fclose(f);
    assert_true(n >= 1000);
    assert_int_equal(bad, 0);
}

static void scores_a_rollout(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int outcome;
        double reward;
    } cases[] = {
        {"c3 7 = 11 . \\boxed{ 11 }", PTD_RIGHT, 1.0},
        {"\\boxed{11} yes", PTD_RIGHT, 0.9},
        {"\\boxed{ 12 }", PTD_WRONG, 0.1},
        {"eleven", PTD_RIGHT, 0.9},
        {"twelve", PTD_WRONG, 0.0},
        {"it may be eleven", PTD_UNPARSABLE, 0.0},
        {"\\boxed{}", PTD_UNPARSABLE, 0.0},
    };
    struct ptd_reward_rules rules = {.format_weight = 0.1, .accuracy_weight = 0.9};
    assert_int_equal(ptd_reward_rules_parse(&rules, "auto", "auto", "boxed"), 0);
    struct ptd_group g = {.uid = "g", .answer = "11", .n_rollouts = 1};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ptd_rollout y = {.text = cases[i].text};
        g.rollouts = &y;
        assert_int_equal(ptd_reward_score(&rules, &g), 0);
        assert_int_equal(y.outcome, cases[i].outcome);
        assert_true(y.reward == cases[i].reward);
        assert_int_equal(y.extracted != NULL, y.outcome != PTD_UNPARSABLE);
    }
    ptd_group_clear(&g);
}

/* A long gold answer is read once for all rollouts: within moments, or this test is ended. */
static void long_gold_is_read_once(void **state)
{
    (void)state;
    const int n = 10000, len = 1000000;
    struct ptd_reward_rules rules = {.accuracy_weight = 1};
    char *gold = calloc(1, (size_t)len + 1);
    memset(gold, 'x', (size_t)len);
    struct ptd_rollout *y = calloc((size_t)n, sizeof *y);
    for (int i = 0; i < n; i++) y[i].text = "\\boxed{1}";
    struct ptd_group g = {.uid = "g", .answer = gold, .rollouts = y, .n_rollouts = n};
    alarm(60);
    assert_int_equal(ptd_reward_score(&rules, &g), 0);
    alarm(0);
    assert_int_equal(y[n - 1].outcome, PTD_WRONG);
    ptd_group_clear(&g);
    free(y);
    free(gold);
}

static void a_missing_text_is_no_answer(void **state)
{
    (void)state;
    struct ptd_reward_rules rules = {.accuracy_weight = 1};
    struct ptd_rollout y[2] = {{.text = ""}, {.text = NULL}};
    struct ptd_group g = {.uid = "g", .answer = "11", .rollouts = y, .n_rollouts = 2};
    assert_int_equal(ptd_reward_score(&rules, &g), -1);
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    assert_string_equal(ptd_failed_message(),
                        "group \"g\": field \"rollouts[1].text\": missing, expected the response");
    g.n_rollouts = 1;
    assert_int_equal(ptd_reward_score(&rules, &g), 0);
    assert_int_equal(y[0].outcome, PTD_UNPARSABLE);
    g.answer = NULL;
    assert_int_equal(ptd_reward_score(&rules, &g), -1);
    ptd_group_clear(&g);
}

static void refuses_unknown_rules(void **state)
{
    (void)state;
    struct ptd_reward_rules rules;
    assert_int_equal(ptd_reward_rules_parse(&rules, "auto", "sympy", "boxed"), -1);
    assert_int_equal(ptd_failed_status(), PTD_USAGE);
    assert_string_equal(
        ptd_failed_message(),
        "--judge \"sympy\": expected one of auto, exact, number, choice, math, set, "
        "text, iou, point, f1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_numbers),
        cmocka_unit_test(judges_numbers_beyond_64_bits_as_text),
        cmocka_unit_test(judges_choices),
        cmocka_unit_test(judges_texts),
        cmocka_unit_test(judges_as_people_do),
        cmocka_unit_test(scores_a_rollout),
        cmocka_unit_test(long_gold_is_read_once),
        cmocka_unit_test(a_missing_text_is_no_answer),
        cmocka_unit_test(refuses_unknown_rules),
    };
    return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
