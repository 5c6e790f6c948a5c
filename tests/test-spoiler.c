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
    check(&g, "compare IV with IX", NULL); /* the question's own words, all of them */
    check(&g, "look for IX", "answer-number");
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
    check(&g, "a .1/299999999999999999999", "answer-number");
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
    check(&g, "an oxygen mask", NULL);
    check(&g, "\xe7\xad\x94\xe6\xa1\x88\xe4\xb8\xbaox\xe3\x80\x82", "answer-text");
    g.answer = "red";
    check(&g, "not reduced", NULL);
    check(&g, "reddish", "answer-text");
    check(&g, "the redness of it", "answer-text");
    check(&g, "r-e-d", "answer-text");
    check(&g, "\"red\"", "answer-text");
    g.answer = "tear";
    check(&g, "the hint earlier", NULL);
    check(&g, "t e a r", "answer-text");
    g.answer = "left, right";
    check(&g, "look to the right", "answer-text");
    g.answer = "b3";
    check(&g, "look at b3", "answer-text");
    g.answer = "12345678901234567890123";
    check(&g, "12345678901234567890123", "answer-number");
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
    check(&g, "35 and no more", "answer-number");
    check(&g, "the option of 40 is wrong", NULL);
}

static void rejects_a_verdict_only_if_asserted(void **state)
{
    (void)state;
    struct ptd_group g = {.question = "Do they touch?", .answer = "No"};
    static const char *const leaks[] = {
        "No.", "no, they do not", "the answer is no", "is no", "say no to it", "yes", NULL};
    static const char *const clean[] = {"note that no digit is red", "there is no need to look up",
                                        "look at the nose",          "nothing there",
                                        "check whether yes holds",   NULL};
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
    g.solution = "180 - 50 - 90 = 20";
    check(&g, "angles add up to 180 degrees", NULL);
    check(&g, "内角和为180度", NULL);
    check(&g, "use the right angle", NULL);
    check(&g, "180 of them", "decisive-number");
    check(&g, "50 degrees", "decisive-number");
    g.solution = NULL;
    check(&g, "b1 holds 4", NULL);
}

/* ---- question, answer, hint, rule: what a person would call telling, and what not ---- */

struct vector {
    const char *question, *answer, *hint, *rule;
};

static void check_vectors(const struct vector *v)
{
    for (; v->hint; v++) {
        struct ptd_group g = {.question = v->question, .answer = v->answer};
        check(&g, v->hint, v->rule);
    }
}

/* A number that the question has, too: telling where it is stated or singled out, quoting where the
 * question's words stand around its only number, or where all of its numbers are listed. */
static void numbers_of_the_question(void **state)
{
    (void)state;
    static const char bars[] = "Which bar is taller, 12 or 15?", list[] = "Choose from 2, 4, 6, 8",
                      zh[] = "哪根柱子更高，12 还是 15？", field[] = "How long is the 40 m field?";
    static const struct vector vectors[] = {
        {bars, "15", "the answer is 15", "answer-number"},
        {bars, "15", "it's 15", "answer-number"},
        {bars, "15", "it is 15, not 12", "answer-number"},
        {bars, "15", "= 15", "answer-number"},
        {bars, "15", "answer: 15", "answer-number"},
        {bars, "15", "15", "answer-number"},
        {bars, "15", "15.", "answer-number"},
        {bars, "15", "go with 15", "answer-number"},
        {bars, "15", "15 is right", "answer-number"},
        {bars, "15", "15 it is", "answer-number"},
        {bars, "15", "fifteen", "answer-number"},
        {bars, "15", "look at the bar of 15", "answer-number"},
        {bars, "15", "15 is more than 12", "answer-number"},
        {bars, "15", "compare 12 and 15: pick 15", "answer-number"},
        {bars, "15", "compare the two bars", NULL},
        {bars, "15", "compare 12 and 15", NULL},
        {bars, "15", "compare 15 with 12", NULL},
        {bars, "15", "look at both: 12 or 15", NULL},
        {bars, "15", "the bar of 12 comes first", NULL},
        {bars, "15", "it is not 12", "answer-number"},
        {list, "6", "rule out 2, 4 and 8", "answer-number"},
        {list, "6", "rule out 2 and 4", NULL},
        {bars, "15", "do not trust your eyes, compare 12 and 15", NULL},
        {list, "6", "pick 6", "answer-number"},
        {list, "6", "choose 6", "answer-number"},
        {list, "6", "compare 4 and 6", "answer-number"},
        {list, "6", "go through 2, 4, 6, 8", NULL},
        {list, "6", "go through 2, 4, 6 and 8 one by one", NULL},
        {list, "6", "start with 8", NULL},
        {"There are 15 pears and 8 plums. How many?", "15", "compare 15 pears and 8 plums", NULL},
        {"There are 15 pears and 8 plums. How many?", "23", "15 pears plus 8", "answer-number"},
        {"There are 15 pears and 8 plums. How many?", "23", "add 15 and 8", NULL},
        {zh, "15", "答案是15", "answer-number"},
        {zh, "15", "选15", "answer-number"},
        {zh, "15", "应为十五", "answer-number"},
        {zh, "15", "15更高", "answer-number"},
        {zh, "15", "比较12和15", NULL},
        {zh, "15", "比较两根柱子", NULL},
        {field, "40", "measure the 40 m field", NULL},
        {field, "40", "the 40 m field is in the picture", NULL},
        {field, "40", "it is 40 m", "answer-number"},
        {field, "40", "read 40 off the scale", "answer-number"},
        {"图中有3个红色圆形，蓝色有几个？", "3", "数蓝色圆形", NULL},
        {"图中有3个红色圆形，蓝色有几个？", "3", "看3个红色圆形旁边", NULL},
        {"图中有3个红色圆形，蓝色有几个？", "3", "蓝色有3个", "answer-number"},
        {0}};
    check_vectors(vectors);
}

/* Whatever the judge would read as the answer's number. */
static void numbers_in_every_dress(void **state)
{
    (void)state;
    static const char q[] = "What is the total?";
    static const struct vector vectors[] = {
        {q, "24", "count 2 dozen", "answer-number"},
        {q, "24", "two dozen", "answer-number"},
        {q, "1200", "read about 1.2 thousand", "answer-number"},
        {q, "1200", "twelve hundred", "answer-number"},
        {q, "1200", "1.2k of them", "answer-number"},
        {q, "1200", "1,200", "answer-number"},
        {q, "1200", "1 200", "answer-number"},
        {q, "1200", "1{,}200", "answer-number"},
        {q, "3000000", "3 million", "answer-number"},
        {q, "1000000", "it is 10^6", "answer-number"},
        {q, "1000000", "it is 10^{6}", "answer-number"},
        {q, "1000000", "10\xe2\x81\xb6", "answer-number"},
        {q, "1000000", "one million", "answer-number"},
        {q, "1.5", "1 1/2", "answer-number"},
        {q, "1.5", "one and a half", "answer-number"},
        {q, "1.5", "1\xc2\xbd", "answer-number"},
        {q, "2/3", "two thirds", "answer-number"},
        {q, "6", "half a dozen", "answer-number"},
        {q, "0.5", "是一半", "answer-number"},
        {q, "0.5", "二分之一", "answer-number"},
        {q, "50%", "百分之五十", "answer-number"},
        {q, "0.5", "占五成", "answer-number"},
        {q, "25%", "占2.5成", "answer-number"},
        {q, "1/4", "四分之一的糖", "answer-number"},
        {q, "1.2", "一点二", "answer-number"},
        {q, "2019", "二〇一九年", "answer-number"},
        {q, "2019", "twenty nineteen", "answer-number"},
        {q, "1.2", "one point two", "answer-number"},
        {q, "1200000", "one point two million", "answer-number"},
        {q, "1200000", "1.2 M", "answer-number"},
        {q, "1200000", "12 lakh", "answer-number"},
        {q, "0.5", "0,5 of it", "answer-number"},
        {q, "0.5", "one in two", "answer-number"},
        {q, "0.25", "one out of four", "answer-number"},
        {q, "3:30", "at 3.30", "answer-number"},
        {q, "90°", "it is a right angle", "answer-number"},
        {q, "90", "是直角", "answer-number"},
        {q, "2\\sqrt{3}", "3.46 or so", "answer-number"},
        {q, "3", "a trio", "answer-number"},
        {q, "15", "3 x 5", "answer-judged"},
        {q, "15", "a dozen and three", "answer-number"},
        {q, "15", "sixteen minus one", "answer-number"},
        {q, "15", "half of 30", "answer-number"},
        {q, "5", "三只加两只", "answer-number"},
        {q, "5", "六减一", "answer-number"},
        {q, "5", "看一半径", NULL},
        {q, "0.5", "画一半径", NULL},
        {q, "2", "AC^2 = AB^2 + BC^2", NULL},
        {q, "2", "use x² and (a+b)^{2}", NULL},
        {q, "8", "add 3 and 4", NULL},
        {q, "23", "二三个", NULL},
        {q, "35", "先求出三十五度", "answer-number"},
        {q, "35", "是三十五", "answer-number"},
        {q, "35", "先求出 ３５", "answer-number"},
        {q, "12", "共十二个", "answer-number"},
        {q, "20000", "大约2万", "answer-number"},
        {q, "2", "a pair of them", "answer-number"},
        {q, "1", "只有一个", "answer-number"},
        {q, "1", "看一看上面", NULL},
        {q, "3", "看第三行", NULL},
        {q, "3", "看第3行", NULL},
        {q, "3", "the 3rd row", NULL},
        {q, "3", "the third row", NULL},
        {q, "3", "look at b3", NULL},
        {q, "3", "compare a3 and c3", NULL},
        {q, "20", "look at the score", NULL},
        {q, "24", "count the eggs by the dozen", NULL},
        {q, "345", "3 45", NULL},
        {0}};
    check_vectors(vectors);
}

/* Options in every form that options.h reads. */
static void options_in_every_form(void **state)
{
    (void)state;
    static const char colon[] = "How wide is the fan?\nChoices:\nA:25°\nB:35°\nC:110°",
                      wide[] = "扇形张开多少度\nA．25°  B．35°  C．110°",
                      dun[] = "扇形张开多少度\nA、25 B、35", tight[] = "Pick one. A.cat B.dog",
                      lower[] = "Pick one.\na) cat\nb) dog",
                      bold[] = "Pick one.\n**A.** cat\n**B.** dog",
                      usual[] = "Pick one.\nA. cat\nB. dog\nC. 12 cm",
                      zh[] = "选择题 A. 5 B. 7 C. 9", verdict[] = "Do they touch?\nA. yes\nB. no",
                      four[] = "Which is it?\nA. cat\nB. dog\nC. horse\nD. mouse",
                      round[] = "Pick one (A) \\frac{1}{2} (B) 3/4";
    static const struct vector vectors[] = {
        {colon, "C", "the fan opens to 110 degrees", "option-text"},
        {colon, "C", "a hundred and ten", "option-text"},
        {colon, "C", "it is less than 180", NULL},
        {colon, "C", "more than 35", NULL},
        {wide, "B", "先求出 35 度", "option-text"},
        {wide, "B", "先求出三十五度", "option-text"},
        {wide, "B", "先量角", NULL},
        {dun, "B", "先求出 35", "option-text"},
        {dun, "B", "不是 25", "option-text"},
        {colon, "B", "not 25 or 110", "option-text"},
        {colon, "B", "not 25", NULL},
        {colon, "B", "not a hundred and ten, nor 25", "option-text"},
        {four, "C", "neither the cat nor 40 cm nor dogs", NULL},
        {four, "C", "cat, dog and mouse are smaller", "option-text"},
        {four, "C", "the cat and the dog are smaller", NULL},
        {four, "C", "option 3", "option-letter"},
        {four, "C", "option number three", "option-letter"},
        {four, "C", "the third option", "option-letter"},
        {four, "C", "take the third one", "option-letter"},
        {four, "C", "pick the 3rd.", "option-letter"},
        {four, "C", "#3", "option-letter"},
        {four, "C", "选第三个", "option-letter"},
        {four, "C", "第3项", "option-letter"},
        {four, "C", "选项三", "option-letter"},
        {four, "C", "the last but one", "option-letter"},
        {four, "D", "the last option", "option-letter"},
        {four, "D", "最后一个", "option-letter"},
        {four, "C", "not the first option, the second option or the last one", "option-letter"},
        {four, "C", "compare option 1 with option 2", NULL},
        {four, "C", "compare options 1, option 2, option 3 and option 4", NULL},
        {four, "C", "look at the third row", NULL},
        {four, "C", "看第三个图", NULL},
        {four, "C", "看第三行", NULL},
        {four, "C", "c", "option-letter"},
        {four, "C", "排除ABD", "option-letter"},
        {four, "C", "A B D are out", "option-letter"},
        {four, "C", "the triangle ABD is small", NULL},
        {four, "C", "compare ABCD, not one alone", NULL},
        {four, "C", "it is c.", "option-letter"},
        {four, "C", "c is right", "option-letter"},
        {four, "C", "'C'", "option-letter"},
        {four, "C", "optionC", "option-letter"},
        {four, "A", "it is a.", "option-letter"},
        {four, "A", "a", "option-letter"},
        {four, "A", "it is a large one", NULL},
        {four, "C", "use a^2 + b^2 = c^2", NULL},
        {four, "C", "find side c", NULL},
        {four, "C", "it weighs 5 c", NULL},
        {four, "D", "don't hurry, I'd wait", NULL},
        {"Which one?", "C", "so we find c.", "option-letter"},
        {"Which one?", "C", "the third one", NULL},
        {"Which one?", "E", "e.g. the ears", NULL},
        {tight, "B", "look at the dog", "option-text"},
        {tight, "B", "it is no cat", "option-text"},
        {tight, "B", "look at its ears", NULL},
        {lower, "B", "look at the dog", "option-text"},
        {lower, "b", "look at the dog", "option-text"},
        {bold, "B", "a dog", "option-text"},
        {bold, "B", "cats have ears", NULL},
        {usual, "C", "0.12 of that, or 12", "option-text"},
        {usual, "B", "a cat is none", NULL},
        {usual, "dog", "take B", "option-letter"},
        {usual, "AB", "A is one of them", "option-letter"},
        {usual, "A, B", "the dog is one", "option-text"},
        {usual, "B", "neither A nor C", "option-letter"},
        {usual, "B", "rule out A and C", "option-letter"},
        {usual, "B", "compare A, B and C", NULL},
        {usual, "B", "compare options (A), (B) and (C)", NULL},
        {usual, "B", "compare A and B", "option-letter"},
        {zh, "B", "选B", "option-letter"},
        {zh, "B", "选b", "option-letter"},
        {zh, "B", "答案是B。", "option-letter"},
        {zh, "B", "应选Ｂ", "option-letter"},
        {zh, "B", "B项正确", "option-letter"},
        {zh, "B", "结果是7", "option-text"},
        {zh, "B", "结果是七", "option-text"},
        {zh, "B", "排除A和C", "option-letter"},
        {zh, "B", "比较A、B、C", NULL},
        {zh, "B", "先数一数", NULL},
        {verdict, "B", "no, they are not", "option-text"},
        {verdict, "B", "note the nose of each", NULL},
        {verdict, "B", "take B", "option-letter"},
        {usual, "B. dog", "look at the dog", "answer-text"},
        {usual, "B. dog", "take B", "option-letter"},
        {"Which one?", "B. dog", "look at the dog", "answer-text"},
        {"Which one?", "(B) 12 cm", "12 of them", "answer-number"},
        {"Which point?", "K", "look at K", "option-letter"},
        {"Which point?", "K", "look at the knee", NULL},
        {round, "A", "one half", "option-text"},
        {round, "B", "75 percent", "option-text"},
        {0}};
    check_vectors(vectors);
}

static void verdicts_in_chinese(void **state)
{
    (void)state;
    static const struct vector vectors[] = {{"两个圆相交吗？", "是", "答案是：是", "yes-no"},
                                            {"两个圆相交吗？", "否", "回答否", "yes-no"},
                                            {"两个圆相交吗？", "是", "先看是否有公共点", NULL},
                                            {"两个圆相交吗？", "对", "对比两个圆", NULL},
                                            {0}};
    check_vectors(vectors);
}

/* yes and no in other words, and the question turned into a statement. */
static void verdicts_in_other_words(void **state)
{
    (void)state;
    static const char cat[] = "Is the cat left of the dog? Answer yes or no.",
                      touch[] = "Do the circles touch?", cross[] = "Does the line cross it?",
                      there[] = "<image>Look. <b>Is</b> there a red digit?",
                      can[] = "Can the man reach the top shelf?",
                      zh[] = "猫在狗的左边吗？请回答是或否。", meet[] = "图中，两个圆是否相交？";
    static const struct vector vectors[] = {
        {cat, "yes", "yep", "yes-no"},
        {cat, "yes", "indeed it is", "yes-no"},
        {cat, "yes", "affirmative", "yes-no"},
        {cat, "yes", "that is correct.", "yes-no"},
        {cat, "yes", "Y", "yes-no"},
        {cat, "no", "the answer is N.", "yes-no"},
        {cat, "no", "nope", "yes-no"},
        {cat, "no", "incorrect", "yes-no"},
        {cat, "yes", "是的", "yes-no"},
        {cat, "no", "不是的", "yes-no"},
        {cat, "yes", "decide between yes and no", NULL},
        {cat, "yes", "answer yes or no", NULL},
        {cat, "yes", "yes or no: yes", "yes-no"},
        {cat, "yes", "find the correct side", NULL},
        {cat, "yes", "look along the Y axis", NULL},
        {cat, "yes", "the cat is left of the dog", "yes-no"},
        {cat, "yes", "it is left of the dog", "yes-no"},
        {cat, "yes", "it's left of the dog", "yes-no"},
        {cat, "no", "it is not left of the dog", "yes-no"},
        {cat, "no", "it isn't left of the dog", "yes-no"},
        {cat, "yes", "is the cat left of the dog?", NULL},
        {cat, "yes", "see if it is left of the dog", NULL},
        {cat, "yes", "see whether the cat is left of the dog", NULL},
        {cat, "yes", "look what is left of the mouse", NULL},
        {cat, "yes", "look where the dog is", NULL},
        {cat, "yes", "compare the cat with the dog", NULL},
        {touch, "yes", "the circles touch", "yes-no"},
        {touch, "yes", "they touch", "yes-no"},
        {touch, "no", "they do not touch", "yes-no"},
        {touch, "no", "they don't touch", "yes-no"},
        {touch, "no", "look where both could touch", NULL},
        {touch, "no", "do the circles touch at the top?", NULL},
        {touch, "no", "check if the circles touch", NULL},
        {cross, "yes", "the line crosses it", "yes-no"},
        {cross, "yes", "follow the line", NULL},
        {there, "yes", "there is a red digit", "yes-no"},
        {there, "no", "there isn't a red digit", "yes-no"},
        {there, "yes", "look for a red digit", NULL},
        {can, "yes", "he can reach the top shelf", "yes-no"},
        {can, "no", "he can not reach the top shelf", "yes-no"},
        {can, "yes", "look at the top shelf", NULL},
        {zh, "是", "猫在狗的左边", "yes-no"},
        {zh, "否", "猫不在狗的左边", "yes-no"},
        {zh, "是", "先找猫，再找狗", NULL},
        {zh, "是", "猫在狗的左边吗", NULL},
        {meet, "是", "两个圆相交", "yes-no"},
        {meet, "否", "两个圆不相交", "yes-no"},
        {meet, "否", "看两个圆是否相交", NULL},
        {"How many?", "7", "they touch, indeed", NULL},
        {0}};
    check_vectors(vectors);
}

/* One of two that the question names: both are a quote, the other one denied is the answer. */
static void one_of_two(void **state)
{
    (void)state;
    static const char q[] = "Is it a man or a woman?";
    static const struct vector vectors[] = {
        {q, "woman", "is it a man or a woman? look at the hair", NULL},
        {q, "woman", "compare man and woman", NULL},
        {q, "woman", "look at the hair", NULL},
        {q, "woman", "a woman", "answer-text"},
        {q, "woman", "man or woman? it is a woman", "answer-text"},
        {q, "woman", "it is not a man", "answer-text"},
        {q, "woman", "no man is there", "answer-text"},
        {q, "man", "it is no woman", "answer-text"},
        {"Do they touch, yes or no?", "yes", "no digits touch", NULL},
        {"What is written?", "Baker's", "Baker’s", "answer-text"},
        {"What is written?", "Baker's", "bakers", "answer-text"},
        {0}};
    check_vectors(vectors);
}

/* Numbers that stand side by side say something together, and each for itself. */
static void times_and_money(void **state)
{
    (void)state;
    static const char q[] = "What does it show?", bars[] = "Which is it, 12 and 15 or 20?",
                      pair[] = "Which of (3,8) is it?";
    static const struct vector vectors[] = {
        {q, "3:45", "a quarter to four", "answer-number"},
        {q, "3:45", "15 minutes to 4", "answer-number"},
        {q, "12:50", "ten to one", "answer-number"},
        {q, "3:15", "a quarter past three", "answer-number"},
        {q, "4:00", "a quarter past six", NULL},
        {q, "$12.50", "12,50", "answer-number"},
        {q, "$12.50", "twelve fifty", "answer-number"},
        {q, "$12.50", "12 dollars 50", "answer-number"},
        {q, "$12.50", "twelve dollars and fifty", "answer-number"},
        {q, "12.5元", "十二块五", "answer-number"},
        {q, "45°", "half a right angle", "answer-number"},
        {bars, "15", "compare 20, 15 and 12", NULL},
        {pair, "8", "compare 3 and 8", NULL},
        {0}};
    check_vectors(vectors);
}

/* As many places as there are to be counted. */
static void places_tell_a_count(void **state)
{
    (void)state;
    static const char how[] = "How many red digits are there?", zh[] = "有多少个红色数字？",
                      sum[] = "sum of the red digits";
    static const struct vector vectors[] = {
        {how, "3", "look at a1 b2 c3", "place-count"},
        {how, "3", "look at a1, B2, then a1 and c3", "place-count"},
        {how, "three", "look at a1 b2 c3", "place-count"},
        {how, "2", "at (12, 40) and (7, 90)", "place-count"},
        {how, "2", "in [1, 9, 30, 40] and [5, 6, 7, 8]", "place-count"},
        {how, "4", "look at a1 b2 c3", NULL},
        {how, "3", "look at every cell", NULL},
        {how, "0", "look at every cell", NULL},
        {zh, "2", "看a1 b2", "place-count"},
        {zh, "2", "看a1 b2 c3", NULL},
        {"number of dots", "1", "look at c2", "place-count"},
        {"Count the dots", "2", "look at c2 c3", "place-count"},
        {"How many?\nA. 2\nB. 3", "B", "look at a1 b2 c3", "place-count"},
        {"How many?\nA. 2\nB. 3", "B", "look at a1 b2", NULL},
        {how, "3", "look at top left, center and bottom right", "place-count"},
        {how, "3", "at the top-left corner, in the middle and on the right edge", "place-count"},
        {how, "3", "one is top left, another in the middle and another below", "place-count"},
        {how, "3", "look at the top left corner", NULL},
        {how, "2", "count from left to right", NULL},
        {how, "2", "from the left side to the right, then the top", NULL},
        {how, "3", "look left, then right, then left", NULL},
        {how, "1", "look at the top", NULL},
        {how, "3", "2 left, 1 right", "place-count"},
        {how, "3", "two on the left and one on the other side", "place-count"},
        {how, "5", "two here, one there", NULL},
        {"How many of the 2 and 1?", "3", "look at the 2 and the 1", NULL},
        {zh, "3", "看左上、中间、右下", "place-count"},
        {zh, "2", "从左到右数", NULL},
        {zh, "3", "左两个右一个", "place-count"},
        {zh, "5", "左边三个，右边两个", "place-count"},
        {zh, "3", "先数左边，再数右边", NULL},
        {sum, "3", "look at a1 b2 c3 then add", NULL},
        {"What is the count's name?", "3", "look at a1", NULL},
        {"几何图形的面积", "2", "看a1 b2", NULL},
        {0}};
    check_vectors(vectors);
    static const struct ptd_region regions[] = {
        {"left bar", {0, 0, 1, 1}}, {"right bar", {0, 0, 1, 1}}, {"left bar", {0, 0, 1, 1}}};
    struct ptd_group g = {.question = how, .answer = "2", .regions = regions, .n_regions = 3};
    check(&g, "look at left bar right bar", "place-count");
    check(&g, "look at left bar", NULL);
}

/* Formulas, by the judge; what the question says itself is no leak. */
static void formulas_are_judged(void **state)
{
    (void)state;
    static const struct vector vectors[] = {
        {"Solve it.", "x=5", "so x = 5", "answer-number"},
        {"Where is it?", "(3, -8)", "at (3, -8)", "answer-number"},
        {"What is the ratio?", "3:4", "as 3:4", "answer-number"},
        {"What is 3 \\times 5?", "15", "compute 3 \\times 5", NULL},
        {"What is the area?", "15", "compute 3 \\times 5", "answer-judged"},
        {"What is the area?", "15", "it is 30 / 2", "answer-number"},
        {"What is the side?", "\\sqrt{2}", "the root, \\sqrt 2", "answer-number"},
        {"What is the side?", "2\\sqrt{3}", "\\sqrt{12}", "answer-judged"},
        {"How long is it?", "1.2 m", "it is 120 cm", "answer-judged"},
        {"How long is it?", "1500 m", "one and a half kilometers", "answer-judged"},
        {"How long is it?", "90 min", "1.5 h or so", "answer-judged"},
        {"When?", "7:30", "at 7:30", "answer-number"},
        {"What is x?", "4", "(x - 4) is a factor", "answer-number"},
        {"What share?", "\\frac{1}{2}", "50\\%", "answer-number"},
        {"What formula?", "a^2+b", "it is a^2 + b", "answer-text"},
        {"What is it called?", "Type 2", "look at b2, then read", NULL},
        {0}};
    check_vectors(vectors);
}

/* All accepted answers count. */
static void other_answers_are_secret_too(void **state)
{
    (void)state;
    static const char *const answers[] = {"a dozen", "twelve eggs", "14"};
    struct ptd_group g = {
        .question = "How many?", .answer = "13", .answers = answers, .n_answers = 3};
    check(&g, "14 of them", "answer-number");
    check(&g, "12", "answer-number");
    check(&g, "13", "answer-number");
    check(&g, "15 of them", NULL);
}

/* Where a piece ends makes no difference. */
static void long_hints_are_read_to_the_end(void **state)
{
    (void)state;
    struct ptd_group g = {.question = "How many?", .answer = "24"};
    char text[PTD_HINT_MAX + 1];
    for (int at = 0; at + 8 < PTD_HINT_MAX; at += 83) {
        for (int i = 0; i < PTD_HINT_MAX; i++) text[i] = "look at it "[i % 11];
        text[PTD_HINT_MAX] = '\0';
        check(&g, text, NULL);
        memcpy(text + at, " 2 dozen ", at + 9 <= PTD_HINT_MAX ? 9 : 8);
        check(&g, text, "answer-number");
    }
    for (int i = 0; i < PTD_HINT_MAX; i++) text[i] = "([{^\\-"[i % 6];
    memcpy(text + 1500, " 24 ", 4);
    check(&g, text, "answer-number");
}

static void every_rule_has_a_name(void **state)
{
    (void)state;
    int n = 0;
    for (const struct ptd_spoiler_rule *r = ptd_spoiler_rules; r->name; r++, n++)
        assert_non_null(r->found);
    assert_int_equal(n, 11);
    struct ptd_group bare = {0};
    check(&bare, "option b is 12, yes", NULL);
}

/* 100,000 bytes of anything: within moments, or this test is ended. */
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
    const size_t most = 100000;
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
        cmocka_unit_test(numbers_of_the_question),
        cmocka_unit_test(numbers_in_every_dress),
        cmocka_unit_test(options_in_every_form),
        cmocka_unit_test(verdicts_in_chinese),
        cmocka_unit_test(verdicts_in_other_words),
        cmocka_unit_test(one_of_two),
        cmocka_unit_test(times_and_money),
        cmocka_unit_test(places_tell_a_count),
        cmocka_unit_test(formulas_are_judged),
        cmocka_unit_test(other_answers_are_secret_too),
        cmocka_unit_test(long_hints_are_read_to_the_end),
        cmocka_unit_test(every_rule_has_a_name),
        cmocka_unit_test(long_texts_take_linear_time),
    };
    return cmocka_run_group_tests_name("spoiler", tests, NULL, NULL);
}
