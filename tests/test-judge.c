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
#include <time.h>
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

/* ---- hostile answers ---- */

static char *repeated(const char *head, int n, const char *middle, const char *tail)
{
    size_t a = strlen(head), b = strlen(tail);
    char *s = malloc((a + b) * (size_t)n + strlen(middle) + 1), *p = s;
    for (int i = 0; i < n; i++) p = stpcpy(p, head);
    p = stpcpy(p, middle);
    for (int i = 0; i < n; i++) p = stpcpy(p, tail);
    return s;
}

#ifdef __SANITIZE_ADDRESS__
#define MOST 2.0 /* seconds; watched code is slow */
#else
#define MOST 0.05
#endif

/* Processor time of the fastest of three: others have the machine too. */
static double seconds_to_judge(const struct ptd_gold *g, const char *answer, const char **reason)
{
    double best = 1e9;
    for (int i = 0; i < 3; i++) {
        clock_t start = clock();
        assert_true(ptd_gold_score(g, answer, strlen(answer), reason) == 0);
        double taken = (double)(clock() - start) / CLOCKS_PER_SEC;
        if (taken < best) best = taken;
    }
    return best;
}

static void assert_bounded(char *answer, int refused)
{
    static const char *const golds[] = {"5", "x+1", "1, 2", "\\sqrt{2}", "x^{x}", "(a+b+c+d)^{20}"};
    const char *reason;
    for (size_t i = 0; i < sizeof golds / sizeof *golds; i++) {
        struct ptd_asked asked = {.answer = golds[i]};
        struct ptd_gold *g = ptd_gold_new(NULL, NULL, &asked);
        assert_non_null(g);
        double taken = seconds_to_judge(g, answer, &reason);
        if (taken > MOST || ((refused == 1 || (refused == 2 && i == 0)) && !reason))
            fail_msg("\"%.60s\" against \"%s\": %.3f s, %s", answer, golds[i], taken,
                     reason ? reason : "no reason");
        ptd_gold_free(g);
    }
    free(answer);
}

/* What is too long, too deep or too large has a reason (2: against a number), and nothing takes
 * long. */
static void hostile_answers_are_bounded(void **state)
{
    (void)state;
    static const char *const large[] = {"10^{10^{10}}",          "10^10^10",
                                        "(x+1)^{99999999999}",   "1e999999999",
                                        "1e-999999999",          "99999!",
                                        "((((5!)!)!)!)!",        "\\sin(10^{100})",
                                        "2^{2^{2^{2^{2^{2}}}}}", "\\binom{100000}{50000}",
                                        "\\sqrt[1000000]{2}"};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) assert_bounded(strdup(large[i]), 2);
    assert_bounded(repeated("9", 1000000, "", ""), 1);
    assert_bounded(repeated("9", 3000, "", ""), 0);
    assert_bounded(repeated("\\sqrt{", 1000, "2", "}"), 1);
    assert_bounded(repeated("\\sqrt{", 60, "x", "}"), 0);
    assert_bounded(repeated("(", 2000, "1", ")"), 1);
    assert_bounded(repeated("{", 4000, "", ""), 1);
    assert_bounded(repeated("x^x+", 250, "1", ""), 0);
    assert_bounded(repeated("\\tan(x^x)+", 100, "1", ""), 0);
    assert_bounded(repeated("\\sin(", 90, "x", ")"), 0);
    assert_bounded(repeated("e^{", 60, "x", "}"), 0);
    assert_bounded(repeated("\\pm x,", 40, "1", ""), 0);
    assert_bounded(repeated("1:", 1000, "1", ""), 1);
    assert_bounded(repeated("x is ", 300, "x", ""), 0);
    assert_bounded(repeated("5 cm ", 400, "", ""), 0);
    assert_bounded(repeated("(a,", 100, "b", ")"), 1);
    assert_bounded(repeated("(a+b+c+d)", 19, "", ""), 0);
}

/* ---- what was asked ---- */

static void assert_asked(const char *question, const char *gold, const char *answer, int want)
{
    struct ptd_asked asked = {.answer = gold, .question = question};
    struct ptd_gold *g = ptd_gold_new(NULL, NULL, &asked);
    assert_non_null(g);
    if ((ptd_gold_score(g, answer, strlen(answer), NULL) == 1) != want)
        fail_msg("\"%s\" against \"%s\": expected %s", answer, gold, want ? "right" : "wrong");
    ptd_gold_free(g);
}

static void options_have_values(void **state)
{
    (void)state;
    const char *angle = "How large is it?\nA: 30\nB: 45\xc2\xb0\nC: 60";
    const char *pick = "Pick.\n(A) The cat\n(B) The dog\n(C) 12 cm\n(D) None of the above";
    static const char *const right[][2] = {{"B", "45"},   {"B", "B"},   {"45", "B"},
                                           {"45", "(B)"}, {"45", "45"}, {"45", "B. 45"}};
    static const char *const wrong[][2] = {{"B", "60"},     {"B", "30"},      {"45", "A"},
                                           {"45", "C. 60"}, {"45", "B or C"}, {"B", "45 or 60"},
                                           {"B", "50"}};
    for (int i = 0; i < 6; i++) assert_asked(angle, right[i][0], right[i][1], 1);
    for (int i = 0; i < 7; i++) assert_asked(angle, wrong[i][0], wrong[i][1], 0);
    assert_asked(pick, "B", "dog", 1);
    assert_asked(pick, "dog", "B", 1);
    assert_asked(pick, "C", "12", 1);
    assert_asked(pick, "C", "12 m", 0);
    assert_asked(pick, "dog", "A", 0);
    assert_asked(pick, "D", "None of the above", 1);
    assert_asked(pick, "BD", "B", 0);
}

static void letters_and_texts_must_go_together(void **state)
{
    (void)state;
    const char *city = "Which city?\n**A.** Paris\n**B.** London\n**C.** New York";
    const char *place = "Where is it?\nA. left of B\nB. in C\nC. between A and B\nD. nowhere";
    const char *says = "Pick.\nA. Yes\nB. No\nC. It cannot be known";
    const char *chinese = "\xe9\x80\x89\nA\xe3\x80\x81\xe6\x98\xaf\xe5\x81\xb6\xe6\x95\xb0\n"
                          "B\xe3\x80\x81\xe6\x98\xaf\xe5\xa5\x87\xe6\x95\xb0\n"
                          "C\xe3\x80\x81\xe6\x98\xaf\xe8\xb4\xa8\xe6\x95\xb0";
    assert_asked(city, "B", "B. London", 1);
    assert_asked(city, "B", "B. the city of London", 1);
    assert_asked(city, "B", "B. New York", 0);
    assert_asked(city, "B", "B. Rome", 0);
    assert_asked(city, "New York", "C. New York", 1);
    assert_asked(city, "New York", "B. New York", 0);
    assert_asked("Which?\nA. 12 cm\nB. 15 cm", "B", "B. 15", 1);
    assert_asked("Which?\nA. 12 cm\nB. 15 cm", "B", "B. 12 cm", 0);
    assert_asked("Which?\nA. 12 cm\nB. 15 cm", "B", "B. 16 cm", 0);
    assert_asked(place, "C", "C. between A and B", 1);
    assert_asked(place, "C", "C. between B and A", 0);
    assert_asked(place, "A", "A. then B", 0);
    assert_asked(says, "B", "B. No", 1);
    assert_asked(says, "B", "B. Not", 0);
    assert_asked(says, "A", "A. No", 0);
    assert_asked(chinese, "C", "C\xe3\x80\x81\xe8\xb4\xa8\xe6\x95\xb0", 1);
    assert_asked(chinese, "C", "C. a prime", 1);
    assert_asked(chinese, "C", "C\xe3\x80\x81\xe6\x98\xaf\xe5\xa5\x87\xe6\x95\xb0", 0);
    assert_asked("Which?\nA. <image 1>\nB. <image 2>", "B", "B. the circle", 1);
}

static void an_option_copied_is_that_option(void **state)
{
    (void)state;
    static const char *const texts[] = {"Cannot be determined",
                                        "I and III only",
                                        "A and C only",
                                        "AB",
                                        "AC = BD",
                                        "A > B",
                                        "C = 2\\pi r",
                                        "not A",
                                        "No",
                                        "It is wrong",
                                        "Both A and C",
                                        "A or C",
                                        "excluded",
                                        "then A",
                                        "between A and C"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *q = ptd_format("Which?\nA. the first thing\nB. %s\nC. other\nD. none", texts[i]);
        static const char *const how[] = {"B. %s", "(B) %s", "\\textbf{(B)} %s", "B: %s", NULL};
        for (int k = 0; how[k]; k++) {
            char *answer = ptd_format(how[k], texts[i]);
            assert_asked(q, "B", answer, 1);
            assert_asked(q, "A", answer, 0);
            free(answer);
        }
        free(q);
    }
}

static void any_accepted_answer_is_right(void **state)
{
    (void)state;
    static char *const others[] = {"a dozen eggs", "XII"};
    struct ptd_asked asked = {.answer = "twelve eggs", .answers = others, .n_answers = 2};
    struct ptd_gold *g = ptd_gold_new(NULL, NULL, &asked);
    assert_true(ptd_gold_score(g, "12", 2, NULL) == 1);
    assert_true(ptd_gold_score(g, "XII", 3, NULL) == 1);
    assert_true(ptd_gold_score(g, "13", 2, NULL) == 0);
    ptd_gold_free(g);
}

/* "no number" of one accepted answer says nothing where another can be compared. */
static void a_reason_is_of_all_accepted_answers(void **state)
{
    (void)state;
    static char *const others[] = {"B"};
    struct ptd_asked asked = {.answer = "1, 2", .answers = others, .n_answers = 1};
    struct ptd_gold *g = ptd_gold_new(NULL, NULL, &asked);
    const char *reason = "";
    assert_true(ptd_gold_score(g, "A or B", 6, &reason) == 0);
    assert_null(reason);
    assert_true(ptd_gold_score(g, "", 0, &reason) == 0);
    assert_string_equal(reason, "empty");
    ptd_gold_free(g);
}

/* ---- settings and rules ---- */

static void assert_set(const char *rule, struct ptd_judge_settings set, const char *gold,
                       const char *answer, int want)
{
    struct ptd_asked asked = {.answer = gold};
    struct ptd_gold *g = ptd_gold_new(ptd_judge_named(rule), &set, &asked);
    assert_non_null(g);
    if ((ptd_gold_score(g, answer, strlen(answer), NULL) == 1) != want)
        fail_msg("%s: \"%s\" against \"%s\": expected %s", rule, answer, gold,
                 want ? "right" : "wrong");
    ptd_gold_free(g);
}

static void units_are_dropped_kept_or_converted(void **state)
{
    (void)state;
    struct ptd_judge_settings drop = {.units = PTD_UNITS_DROP}, keep = {.units = PTD_UNITS_KEEP},
                              convert = {.units = PTD_UNITS_CONVERT};
    assert_set("auto", drop, "146 ft", "146 kg", 1);
    assert_set("auto", drop, "1.2 m", "120 cm", 0);
    assert_set("auto", keep, "146 ft", "146 feet", 1);
    assert_set("auto", keep, "146 ft", "146", 0);
    assert_set("auto", keep, "146", "146 ft", 0);
    assert_set("auto", keep, "1.2 m", "120 cm", 0);
    assert_set("auto", convert, "1.2 m", "120 cm", 1);
    assert_set("auto", convert, "1.2 m", "120 mm", 0);
    assert_set("auto", convert, "1.2 m", "1.2", 1);
}

static void numbers_may_be_near(void **state)
{
    (void)state;
    struct ptd_judge_settings five = {.relative = 0.05}, tenth = {.absolute = 0.1};
    assert_set("auto", five, "100", "105", 1);
    assert_set("auto", five, "100", "95.1", 1);
    assert_set("auto", five, "100", "106", 0);
    assert_set("auto", five, "-100", "-104", 1);
    assert_set("auto", five, "100 cm", "1.04 m", 1);
    assert_set("auto", five, "0", "0.01", 0);
    assert_set("auto", tenth, "0", "0.1", 1);
    assert_set("auto", tenth, "\\sqrt{2}", "1.4", 1);
    assert_set("auto", tenth, "1, 2", "1.05, 2", 1);
    assert_set("auto", tenth, "1", "1.2", 0);
}

static void rules_restrict(void **state)
{
    (void)state;
    struct ptd_judge_settings plain = ptd_judge_defaults;
    struct ptd_asked word = {.answer = "red"}, blank = {.answer = " "};
    assert_set("set", plain, "(1, 2)", "{2, 1}", 1);
    assert_set("auto", plain, "(1, 2)", "(2, 1)", 0);
    assert_set("text", plain, "Red", "the RED.", 1);
    assert_set("text", plain, "12", "12.0", 0);
    assert_set("math", plain, "x+1", "1+x", 1);
    assert_set("exact", plain, "12", "12.0", 0);
    assert_null(ptd_gold_new(ptd_judge_named("number"), NULL, &word));
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    assert_null(ptd_gold_new(ptd_judge_named("choice"), NULL, &word));
    assert_null(ptd_gold_new(ptd_judge_named("math"), NULL, &word));
    for (int i = 0; i < 7; i++) assert_null(ptd_gold_new(ptd_judges[i], NULL, &blank));
}

static void answers_are_sighted(void **state)
{
    (void)state;
    static const char *const seen[][2] = {{"24", "count 2 dozen"},
                                          {"1200", "read about 1.2 thousand"},
                                          {"1000000", "it is 10^6"},
                                          {"7", "add 3 + 4"},
                                          {"1/2", "a half of it"},
                                          {"5 cm", "it is 50 mm"},
                                          {"dog", "look at the dog"},
                                          {"12", "\xe2\x88\x9a"
                                                 "144"},
                                          {"B. cat", "see the cat"}};
    static const char *const unseen[][2] = {{"24", "count the dozens"},
                                            {"dog", "look at its ears"},
                                            {"15", "compare the bars"},
                                            {"B", "B is a letter"},
                                            {"7", "add 3 and 4"}};
    struct ptd_sighting s[4];
    for (int want = 0; want < 2; want++)
        for (int i = 0; i < (want ? 9 : 5); i++) {
            const char *const *pair = want ? seen[i] : unseen[i];
            struct ptd_asked asked = {.answer = pair[0]};
            struct ptd_gold *g = ptd_gold_new(NULL, NULL, &asked);
            int n = ptd_gold_sightings(g, pair[1], strlen(pair[1]), s, 4);
            if ((n > 0) != want) fail_msg("\"%s\" in \"%s\": %d", pair[0], pair[1], n);
            if (n) assert_true(s[0].at + s[0].len <= strlen(pair[1]));
            ptd_gold_free(g);
        }
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
        cmocka_unit_test(hostile_answers_are_bounded),
        cmocka_unit_test(options_have_values),
        cmocka_unit_test(letters_and_texts_must_go_together),
        cmocka_unit_test(an_option_copied_is_that_option),
        cmocka_unit_test(any_accepted_answer_is_right),
        cmocka_unit_test(a_reason_is_of_all_accepted_answers),
        cmocka_unit_test(units_are_dropped_kept_or_converted),
        cmocka_unit_test(numbers_may_be_near),
        cmocka_unit_test(rules_restrict),
        cmocka_unit_test(answers_are_sighted),
        cmocka_unit_test(scores_a_rollout),
        cmocka_unit_test(long_gold_is_read_once),
        cmocka_unit_test(a_missing_text_is_no_answer),
        cmocka_unit_test(refuses_unknown_rules),
    };
    return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
