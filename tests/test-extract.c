/* Tests of extract, stated and form: where in a response the answer is, what is read from words
 * alone, and which form earns. */
#include "judge/form.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { AUTO = PTD_EXTRACT_AUTO, BOXED, TAG, LAST };

static void assert_answer(int rule, struct ptd_response r, const char *want, const char *reason)
{
    struct ptd_answer a;
    r.len = strlen(r.text);
    int there = ptd_extract(rule, &r, &a);
    char *got = there ? ptd_answer_joined(&a) : NULL;
    if (there && (a.text < r.text || a.text + a.len > r.text + r.len || a.reason || !a.n_parts))
        fail_msg("\"%s\": the answer is not within", r.text);
    if (!want != !got || (want && strcmp(got, want) != 0))
        fail_msg("%s \"%s\": \"%s\", expected \"%s\"", ptd_extract_names[rule], r.text,
                 got ? got : a.reason, want ? want : reason);
    if (!want && strcmp(a.reason, reason) != 0)
        fail_msg("%s \"%s\": no answer, %s, expected %s", ptd_extract_names[rule], r.text, a.reason,
                 reason);
    free(got);
}

static void found(int rule, const char *text, const char *want)
{
    assert_answer(rule, (struct ptd_response){.text = text}, want, "");
}

static void none(int rule, const char *text, const char *reason)
{
    assert_answer(rule, (struct ptd_response){.text = text}, NULL, reason);
}

static void the_last_box_answers(void **state)
{
    (void)state;
    found(BOXED, "so \\boxed{11}.", "11");
    found(BOXED, "\\boxed{ 11 }", "11");
    found(BOXED, "\\boxed{1} no, \\boxed{2}", "2");
    found(BOXED, "\\boxed{\\frac{1}{2}}", "\\frac{1}{2}");
    found(BOXED, "\\boxed{\\{1,2\\}}", "\\{1,2\\}");
    found(BOXED, "\\boxed{a \\} b}", "a \\} b");
    found(BOXED, "\\boxed{3} and \\boxed{4", "3");
    found(BOXED, "\\boxed{3 \\boxed{4}", "4");
    found(BOXED, "{ \\boxed{5}", "5");
    found(BOXED, "} \\boxed{5}", "5");
    none(BOXED, "\\boxed{3 \\boxed{4", "cut");
    none(BOXED, "\\boxed{5", "cut");
    none(BOXED, "\\boxed", "no box");
    none(BOXED, "the answer is 4", "no box");
    none(BOXED, "", "no box");
    none(BOXED, "<answer>4</answer>", "no box");
    found(AUTO, "First \\boxed{18}, and after checking \\boxed{16}.", "16");
    found(AUTO, "\\boxed{19} ... wait, no: \\boxed{22}", "22");
}

static void a_box_has_many_forms(void **state)
{
    (void)state;
    static const char *const five[] = {"\\boxed {5}",
                                       "\\boxed\n{5}",
                                       "\\boxed 5",
                                       "$\\boxed 5$.",
                                       "**\\boxed{5}**",
                                       "\\[\\boxed{5}\\]",
                                       "\\(\\boxed{5}\\)",
                                       "$$\\boxed{5}$$",
                                       "\\fbox{5}",
                                       "\\framebox{5}",
                                       "\\boxed{\n5\n}",
                                       "\\boxed{\\boxed{5}}",
                                       "\\boxed{\\boxed{\\boxed{5}}}",
                                       "\\fbox{$\\boxed{5}$}",
                                       "boxed{5}",
                                       "<|begin_of_box|>5<|end_of_box|>"};
    for (size_t i = 0; i < sizeof five / sizeof *five; i++) found(AUTO, five[i], "5");
    found(BOXED, "\\boxed \\frac{1}{2} is it", "\\frac{1}{2}");
    found(BOXED, "\\boxed 42.", "42");
    found(BOXED, "\\boxed B", "B");
    found(BOXED, "\\boxed{x = \\boxed{5}}", "x = \\boxed{5}");
    found(BOXED, "\\boxed{\\boxed{3}, \\boxed{4}}", "\\boxed{3}, \\boxed{4}");
    none(BOXED, "put it into \\boxed and stop", "no box");
    none(BOXED, "a sandboxed{5} program", "no box");
    none(BOXED, "\\boxedarray{5}", "no box");
    none(BOXED, "<|begin_of_box|>5", "no box");
}

static void boxes_side_by_side_are_parts(void **state)
{
    (void)state;
    found(AUTO, "\\boxed{94} or \\boxed{102}", "94, 102");
    found(AUTO, "\\boxed{55}\\boxed{59}\\boxed{60}", "55, 59, 60");
    found(AUTO, "$x=\\boxed{2}$, $y = \\boxed{3}$", "2, 3");
    found(AUTO, "\\boxed{A}, \\boxed{C}.", "A, C");
    found(AUTO, "\\boxed{5}\n\n\\boxed{6}", "5, 6");
    found(AUTO, "$\\boxed{1} \\text{ or } \\boxed{2}$", "1, 2");
    found(AUTO, "\\boxed{3}\xe6\x88\x96\\boxed{4}", "3, 4");
    found(AUTO, "\\boxed{42}\n\n\\boxed{42}", "42");
    found(AUTO, "\\boxed{42} so \\boxed{43}", "43");
    found(AUTO, "\\boxed{} \\boxed{43}", "43");
    found(AUTO, "\\boxed{1}\\boxed{2}\\boxed{3}\\boxed{4}\\boxed{5}\\boxed{6}\\boxed{7}\\boxed{8}",
          "1, 2, 3, 4, 5, 6, 7, 8");
    none(AUTO,
         "\\boxed{1}\\boxed{2}\\boxed{3}\\boxed{4}\\boxed{5}\\boxed{6}\\boxed{7}\\boxed{8}"
         "\\boxed{9}",
         "two answers");
}

static void the_last_tag_answers(void **state)
{
    (void)state;
    found(TAG, "<answer> 4\n</answer>", "4");
    found(TAG, "<answer>1</answer><answer>2</answer>", "2");
    found(TAG, "<ANSWER>4</ANSWER>", "4");
    found(TAG, "<answer>4", "4");
    found(TAG, "<answer>4</answer> <answer>", "4");
    found(TAG, "<answer>so \\boxed{7}</answer>", "7");
    found(TAG, "<answer>The answer is 36</answer>", "36");
    found(TAG, "<answer>The answer is 36. It is even.</answer>", "36");
    found(TAG, "<answer>red ball</answer>", "red ball");
    none(TAG, "1</answer>", "no tag");
    none(TAG, "\\boxed{4}", "no tag");
    found(AUTO, "<answer>4</answer>", "4");
    found(AUTO, "\\boxed{3} <answer>4</answer>", "4");
    found(AUTO, "<answer>\\boxed{3}</answer>", "3");
    found(AUTO, "<answer>3</answer>\nSo \\boxed{4}", "4");
    found(BOXED, "\\boxed{3} <answer>4</answer>", "3");
}

static void nothing_is_no_answer(void **state)
{
    (void)state;
    static const char *const boxes[] = {
        "\\boxed{}",          "\\boxed{ }",          "\\boxed{\\ }",
        "\\boxed{\\text{}}",  "\\boxed{$ $}",        "\\boxed{\\text{ }~}",
        "\\boxed{\\boxed{}}", "\\boxed{\\,}",        "\\boxed{{}}",
        "\\boxed{...}",       "\\boxed{\\ldots}",    "\\boxed{3} \\boxed{}",
        "\\fbox{}",           "\\boxed{\\textbf{}}", "The answer is 5. \\boxed{}"};
    static const char *const tags[] = {"<answer></answer>", "<answer> \n</answer>",
                                       "<answer>\\boxed{}</answer>",
                                       "\\boxed{3} <answer></answer>"};
    for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
        none(BOXED, boxes[i], "empty");
        none(AUTO, boxes[i], "empty");
    }
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        none(TAG, tags[i], "empty");
        none(AUTO, tags[i], "empty");
    }
    none(AUTO, "", "empty");
    none(LAST, " \n", "empty");
    found(BOXED, "\\boxed{\\textstyle x}", "\\textstyle x");
}

static void only_what_follows_the_thought_answers(void **state)
{
    (void)state;
    found(AUTO, "<think>maybe \\boxed{7}</think> \\boxed{3}", "3");
    found(AUTO, "<think>maybe \\boxed{7}</think>\n<answer>3</answer>", "3");
    found(AUTO, "<think>7</think>\nThe answer is 3.", "3");
    found(AUTO, "a</think>b</think> \\boxed{3}", "3");
    found(AUTO, "<THINK>\\boxed{7}</THINK> \\boxed{3}", "3");
    found(AUTO, "<thinking>\\boxed{7}</thinking> \\boxed{3}", "3");
    found(AUTO, "<think>a <think> b</think> \\boxed{3}", "3");
    none(AUTO, "<think>is it \\boxed{3}? no</think> I cannot tell.", "no box");
    none(BOXED, "<think>\\boxed{3}</think> 3", "no box");
    none(AUTO, "<think>first \\boxed{3}, but then", "thought not closed");
    none(TAG, "<think>first <answer>3</answer>", "thought not closed");
    none(LAST, "<think>The answer is 3.", "thought not closed");
    none(AUTO, "<think>a</think> \\boxed{3} <think> no", "thought not closed");
}

static void opened(int rule, const char *text, const char *want, const char *reason)
{
    assert_answer(rule, (struct ptd_response){.text = text, .thought_opened = 1}, want, reason);
}

static void a_template_may_open_the_thought(void **state)
{
    (void)state;
    opened(AUTO, "two and three\n</think>\n\nThe answer is \\boxed{5}", "5", NULL);
    opened(AUTO, "<think>\ntwo \\boxed{4}\n</think>\n\n\\boxed{5}", "5", NULL);
    opened(AUTO, "two and three \\boxed{5}", "5", NULL);
    opened(AUTO, "so <answer>5</answer>", "5", NULL);
    opened(AUTO, "maybe \\boxed{4}</think> The answer is 5.", "5", NULL);
    opened(AUTO, "The answer is 5.", NULL, "thought not closed");
    opened(LAST, "The answer is 5.", NULL, "thought not closed");
    opened(LAST, "</think>The answer is 5.", "5", NULL);
    opened(AUTO, "<think>\ntwo \\boxed{4}", NULL, "thought not closed");
}

static void cut(int rule, const char *text, const char *want)
{
    assert_answer(rule, (struct ptd_response){.text = text, .cut = 1}, want, "cut");
}

static void a_cut_response_says_so(void **state)
{
    (void)state;
    cut(AUTO, "we see \\boxed{5", NULL);
    cut(AUTO, "we see \\boxed{5} and", "5");
    cut(BOXED, "we see 5", NULL);
    cut(TAG, "we see <answer>5", NULL);
    cut(TAG, "<answer>4</answer> and <answer>", "4");
    cut(AUTO, "<answer>1", NULL);
    cut(AUTO, "<think>we see", NULL);
    cut(AUTO, "The answer is 3", NULL); /* of 38 perhaps */
    cut(AUTO, "The answer is 3. It", "3");
    cut(AUTO, "We add.\n\n7", NULL);
    cut(AUTO, "", NULL);
    assert_answer(AUTO, (struct ptd_response){.text = "\\boxed{4} or \\boxed{5", .cut = 1}, NULL,
                  "cut");
    assert_answer(BOXED, (struct ptd_response){.text = "\\boxed{4} or \\boxed{5", .cut = 1}, NULL,
                  "cut");
    assert_answer(BOXED, (struct ptd_response){.text = "{ \\boxed{4} or", .cut = 1}, "4", "");
    assert_answer(AUTO, (struct ptd_response){.text = "\\boxed{}", .cut = 1}, NULL, "empty");
}

static void words_announce(void **state)
{
    (void)state;
    static const char *const v[][2] = {
        {"The answer is 38.", "38"},
        {"The answer's 4.", "4"},
        {"The final answer is 20 (4 times 5).", "20"},
        {"The number of cars is 5 (2 red and 3 blue).", "5"},
        {"Answer: 5 (and 6)", "5 (and 6)"},
        {"x = 12 is the only solution.", "12"},
        {"Answer: 12 (3 rows of 4 columns)", "12"},
        {"Answer: 12 (or 10)", "12 (or 10)"},
        {"Answer: 12 (10 is also acceptable)", "12 (10 is also acceptable)"},
        {"Answer: 12 (10)", "12 (10)"},
        {"P = (3,-2)", "P = (3,-2)"},
        {"The number of birds is 7 (3 on the left, 4 on the right).", "7"},
        {"Germany (42.5)", "Germany"},
        {"The answer is $10\\sqrt{2}$ (approximately 14.14).", "$10\\sqrt{2}$"},
        {"The area is $16\\pi$ square units, about 50.27.", "$16\\pi$ square units"},
        {"The result is 12, because 3 * 4 = 12.", "12"},
        {"The bar for Germany reaches 42.5.", "42.5"},
        {"Harry Potter and the Goblet of Fire", "Harry Potter and the Goblet of Fire"},
        {"The answer is less than 5.", "less than 5"},
        {"Answer: to the left", "to the left"},
        {"12\n\nThe reason: 3 rows of 4.", "12"},
        {"the answer is 38", "38"},
        {"So the final answer is $98$.", "$98$"},
        {"Answer: 10", "10"},
        {"Answer:10", "10"},
        {"**Answer:** 75", "75"},
        {"**Answer: B**", "B"},
        {"**Answer**: B", "B"},
        {"ANSWER: D", "D"},
        {"Answer - D", "D"},
        {"Ans: 17", "17"},
        {"answer = 17", "17"},
        {"#### 1,234", "1,234"},
        {"Final Answer\n42", "42"},
        {"## Final Answer\n\n**42**\n", "42"},
        {"Final Answer\n42\n\nIt was found by counting them.", "42"},
        {"**Final Answer**\n\nThe final answer is $98$. I hope it is correct.", "$98$"},
        {"The answer is:\n\n$$42$$", "42"},
        {"The answer is:\n\n\\[\n42\n\\]\n", "42"},
        {"Answer:\n\nB", "B"},
        {"The answer is 38. This is because 30 + 8 = 38.", "38"},
        {"The answer is 38. Wait, that is wrong. The answer is 40.", "40"},
        {"The answer is 3.5.", "3.5"},
        {"The answer is 7:25.", "7:25"},
        {"The correct option is (C).", "(C)"},
        {"The correct answer is option B.", "option B"},
        {"Correct answer: B) 12 cm", "B) 12 cm"},
        {"The final answer is: B. 12 cm", "B"},
        {"So the correct choice is **(B) 45\xc2\xb0**.", "(B) 45\xc2\xb0"},
        {"(C) is correct.", "(C)"},
        {"Option C is the correct answer.", "C"},
        {"The correct options are A and C.", "A and C"},
        {"B (A is too small)", "B"},
        {"B. Explanation: option C ignores friction.\nA does too.", "B"},
        {"The correct answer is B: AC = BD.", "B: AC = BD"},
        {"**B. Cannot be determined**", "B. Cannot be determined"},
        {"\xe6\xad\xa3\xe7\xa1\xae\xe7\x9a\x84\xe6\x9c\x89"
         "A\xe5\x92\x8c"
         "C",
         "A\xe5\x92\x8c"
         "C"},
        {"So, the area is 16, matching choice B.", "B"},
        {"This matches option B.", "B"},
        {"That corresponds to choice (B).", "(B)"},
        {"I think it's B", "B"},
        {"That leaves B.", "B"},
        {"So B it is.", "B"},
        {"B\xe6\x98\xaf\xe6\xad\xa3\xe7\xa1\xae\xe7\xad\x94\xe6\xa1\x88", "B"},
        {"The answer is Mr. Smith.", "Mr. Smith"},
        {"The answer is n!.", "n!"},
        {"The answer is 5!", "5"},
        {"The answer is a.m.", "a.m."},
        {"The answer is 10 a.m..", "10 a.m."},
        {"The answer is 10 a.m.", "10 a.m."},
        {"The answer is \\angle 1 = \\angle 2.", "\\angle 1 = \\angle 2"},
        {"The answer is \\begin{cases}x=1\\\\y=2\\end{cases}.",
         "\\begin{cases}x=1\\\\y=2\\end{cases}"},
        {"The result: 42", "42"},
        {"So C is the answer.", "C"},
        {"so 42 is the answer.", "42"},
        {"I would choose B.", "B"},
        {"I choose (D).", "(D)"},
        {"The answer is B because A is too small.", "B"},
        {"The answer is B, since the others are wrong.", "B"},
        {"The answer is (A) or (B).", "(A) or (B)"},
        {"Answer: A, C", "A, C"},
        {"The answer is **5** apples.", "5"},
        {"The answer to the question is 17.", "17"},
        {"The answer, therefore, is 5.", "5"},
        {"The answer is approximately 5.9.", "5.9"},
        {"Therefore the answer is 3 + 4 = 7.", "7"},
        {"I think the answer is 5.", "5"},
        {"If we add them, the answer is 5.", "5"},
        {"Answer: The red ball", "The red ball"},
        {"{\"answer\": \"B\"}", "B"},
        {"So, the answer would be option **D**.", "D"},
        {"So the correct answer is B, not C.", "B"},
        {"A is incorrect. B is incorrect. C is correct. D is incorrect.", "C"},
        {"The final answer is $\\frac{3}{4}$, which simplifies to 0.75.", "$\\frac{3}{4}$"},
        {"Answer: 4\n\nQuestion: what is 3+3?\nAnswer: 6", "6"},
        {"Result: 42", "42"},
        {"$$\\text{Answer} = 12$$", "12"},
        {"\xe3\x80\x90\xe7\xad\x94\xe6\xa1\x88\xe3\x80\x91"
         "B",
         "B"},
        {"\xe6\xad\xa3\xe7\xa1\xae\xe7\x9a\x84\xe9\x80\x89\xe9\xa1\xb9\xe6\x98\xaf"
         "D",
         "D"},
        {"\xe4\xb8\x8d\xe9\x80\x89"
         "A\xef\xbc\x8c\xe9\x80\x89"
         "B",
         "B"},
        {"\xe7\xad\x94\xe6\xa1\x88\xe6\x98\xaf"
         "B",
         "B"},
        {"\xe7\xad\x94\xe6\xa1\x88\xef\xbc\x9a"
         "B\xe3\x80\x82",
         "B"},
        {"\xe6\x89\x80\xe4\xbb\xa5\xe7\xad\x94\xe6\xa1\x88\xe6\x98\xaf 5\xe3\x80\x82", "5"},
        {"\xe6\x95\x85\xe9\x80\x89"
         "B",
         "B"},
        {"\xe5\xba\x94\xe9\x80\x89\xef\xbc\x9a"
         "C\xe3\x80\x82",
         "C"},
        {"\xe7\xad\x94\xef\xbc\x9a"
         "5",
         "5"},
        {"A\xe4\xb8\x8d\xe6\xad\xa3\xe7\xa1\xae\xef\xbc\x8c"
         "B\xe6\xad\xa3\xe7\xa1\xae\xe3\x80\x82",
         "B"},
    };
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        found(LAST, v[i][0], v[i][1]);
        found(AUTO, v[i][0], v[i][1]);
    }
}

static void the_end_states(void **state)
{
    (void)state;
    static const char *const v[][2] = {
        {"92", "92"},
        {"There are two cats.", "two cats"},
        {"I can see 2 black cats in the image.", "2 black cats"},
        {"Two cats are in the picture.", "Two cats"},
        {"There are a total of 3 people.", "3 people"},
        {"A total of three people.", "three people"},
        {"The image shows 3 people: two men and one woman.", "3 people"},
        {"It's on the table", "on the table"},
        {"It's 23.5.", "23.5"},
        {"About 23.5.", "23.5"},
        {"The blue bar represents 23.5.", "23.5"},
        {"The bar in 2015 has a value of 23.5", "23.5"},
        {"The sign says \"STOP\".", "STOP"},
        {"It says STOP.", "STOP"},
        {"The cat is on the table.", "on the table"},
        {"The picture shows 5 apples.", "5 apples"},
        {"I count forty-two birds.", "forty-two birds"},
        {"I count 1,200 birds", "1,200 birds"},
        {"The car in the image is red.", "red"},
        {"It is red.", "red"},
        {"The hypotenuse has length 13.", "13"},
        {"The rope measures 12 cm.", "12 cm"},
        {"We look closely. The city shown is **New York**.", "New York"},
        {"There are 6 rows with 7 each, so there are 42 in total.", "42"},
        {"B is wrong, so (A)", "(A)"},
        {"The perimeter is 42 cm (2 x 21 = 42).", "42 cm"},
        {"\xe5\x9b\xbe\xe4\xb8\xad\xe6\x9c\x89"
         "2\xe5\x8f\xaa\xe7\x8c\xab\xe3\x80\x82",
         "2\xe5\x8f\xaa\xe7\x8c\xab"},
        {"**33**", "33"},
        {"C.", "C"},
        {"(C)", "(C)"},
        {"Option A", "Option A"},
        {"C. 12 cm", "C. 12 cm"},
        {"x = 1 or x = 2", "x = 1 or x = 2"},
        {"Red.", "Red"},
        {"The red circle.", "The red circle"},
        {"Yes, it is a triangle.", "Yes"},
        {"We add 3 and 4.\n\n7", "7"},
        {"We add 3 and 4.\n\n**7**", "7"},
        {"We add.\n\n$$x = 7$$", "x = 7"},
        {"We add.\n\\[\nx = 7\n\\]", "x = 7"},
        {"We see it.\n\n(B) the red circle", "(B) the red circle"},
        {"We compute.\n3 + 4 = 7.", "7"},
        {"Therefore, x = 53.", "x = 53"},
        {"So, 42.", "42"},
        {"Hence, AB = 12 cm.", "AB = 12 cm"},
        {"Thus, $\\angle ABC = 35^\\circ$.", "$\\angle ABC = 35^\\circ$"},
        {"Therefore, the area of the triangle is 12 cm\xc2\xb2.", "12 cm\xc2\xb2"},
        {"So there are 12 apples in total.", "12 apples"},
        {"AB = 5. So AC = 10. Therefore, the perimeter is 24.", "24"},
        {"The area is 12 cm.", "12 cm"},
        {"The sum is 3 + 4 = 7.", "7"},
        {"The solution is x = 5.", "x = 5"},
        {"Total = 7", "7"},
        {"\xe5\x9b\xa0\xe6\xad\xa4\xe4\xb8\x80\xe5\x85\xb1\xe6\x9c\x89"
         "12\xe4\xb8\xaa\xe3\x80\x82",
         "12\xe4\xb8\xaa"},
        {"\xe2\x88\xb4 x = 5", "x = 5"},
        {"In the picture one can count **5** of them.", "5"},
        {"Therefore, the perimeter is 2(3 + 4) = 14 cm.", "14 cm"},
        {"Thus the equation of the line is $y = 2x + 1$.", "$y = 2x + 1$"},
        {"Hence the mean is $\\frac{12}{3} = 4$.", "4"},
        {"So P = (3, 4).", "P = (3, 4)"},
        {"Step 1: 3 + 4 = 7\nStep 2: 7 * 2 = 14", "14"},
        {"Therefore, there are **5** apples on it.", "5"},
        {"\xe6\x89\x80\xe4\xbb\xa5x=5\xe3\x80\x82", "x=5"},
        {"\xe5\x9b\xa0\xe6\xad\xa4\xe9\x9d\xa2\xe7\xa7\xaf\xe4\xb8\xba"
         "12\xe3\x80\x82",
         "12"},
    };
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) found(LAST, v[i][0], v[i][1]);
}

static void prose_states_nothing(void **state)
{
    (void)state;
    static const char *const v[] = {
        "I doubt that the answer is 12.",
        "It is impossible that the answer is 12.",
        "Option A is correct and option C is correct.",
        "The answer is 12 and the answer is 10.",
        "There are more than 7 birds.",
        "I cannot see the picture.",
        "I cannot tell.",
        "I don't know",
        "Unknown",
        "No answer.",
        "Sorry, I can't help.",
        "The picture shows 5 apples. It is sunny.",
        "The picture shows 5 apples and 3 pears.",
        "Figure 2 shows a cat.",
        "from Eq. 5",
        "It's blue; the other is red.",
        "It used to be red.",
        "\xe6\x9c\x89"
        "5\xe4\xb8\xaa\xe7\xba\xa2\xe7\x9a\x84\xef\xbc\x8c"
        "4\xe4\xb8\xaa\xe8\x93\x9d\xe7\x9a\x84",
        "Given AB = 5.",
        "\xe5\xb7\xb2\xe7\x9f\xa5"
        "AB=5",
        "\xe8\xae\xbe"
        "x=5",
        "where r = 5",
        "For example, x = 5.",
        "There are more than 5 cats.",
        "There might be 5 cats.",
        "The sky is not blue.",
        "It does not match option B.",
        "I would not choose B.",
        "In 2015, the blue bar is 20 while red is 23.5.",
        "There are 5 apples and 3 pears in the picture, so I would add them.",
        "There are **3** red and **5** blue.",
        "First we look at the left.\nThen the right, where 5 stands.",
        "A cat sits on the mat.",
        "Note: see Figure 3",
        "Area: 12 cm",
        "The radius may be 5.",
        "x is 5 and y is 3.",
        "So the angle is not 5.",
        "The answer is not 5.",
        "Is the answer 5?",
        "What is the answer: 5 or 6?",
        "If the answer is 5, then x is odd.",
        "Let me check whether the answer is 5.",
        "I don't think the answer is 5.",
        "The answer is 5, but I am not sure; it may be 6.",
        "The answer is 38. Wait, that is wrong. Let me recompute.",
        "Possible answers: 3, 5",
        "The answer is A. Or B.",
        "The answer is 5. Maybe it is 6.",
        "I believe the answer is 7, however it could be 8.",
        "The answer is not A but B.",
        "The answer might be 5.",
        "Both A and B are correct.",
        "None of the options is correct.",
        "The clock shows 7:25 or 7:26.",
        "5 is small",
        "Therefore, we need 12 apples.",
        "The student's answer is 5. Check it.",
        "Choose 3 of the 5.",
        "Put your final answer in the box.",
        "The answer can be found by adding 3 and 4.",
        "The answer is in the picture.",
        "\xe7\xad\x94\xe6\xa1\x88\xe4\xb8\x8d\xe6\x98\xaf"
        "5",
        "\xe7\xad\x94\xe6\xa1\x88\xe6\x98\xaf\xe4\xbb\x80\xe4\xb9\x88\xef\xbc\x9f",
    };
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) none(LAST, v[i], "no answer");
}

/* Any of these repeated for a megabyte and a half: linear, or the test is ended. */
static void extraction_is_linear(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "\\boxed{",          "\\boxed{1}",   "{",           "<answer>",
        "<answer></answer>", "<think>",      "</think>",    "\\boxed 1 ",
        "<|begin_of_box|>",  "answer ",      "answer is ",  "answer: ",
        "answer is 1 ",      "answer **",    "is correct ", "choose A ",
        "if, then ",         "the ",         "= ",          "** ",
        "A\xe3\x80\x81",     "\xe9\x80\x89", "x=",          "$$\n",
        "answer\n"};
    const size_t n = 1500000;
    char *text = malloc(n + 1);
    alarm(120);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        size_t w = strlen(pieces[i]), used = 0;
        for (; used + w <= n; used += w) memcpy(text + used, pieces[i], w);
        text[used] = '\0';
        struct ptd_response r = {.text = text, .len = used};
        struct ptd_answer a;
        for (int rule = 0; ptd_extract_names[rule]; rule++) ptd_extract(rule, &r, &a);
        for (int form = 0; ptd_format_names[form]; form++) ptd_format_good(form, &r);
    }
    alarm(0);
    free(text);
}

static void form(int rule, const char *text, int thought_opened, int want)
{
    struct ptd_response r = {.text = text, .len = strlen(text), .thought_opened = thought_opened};
    if (ptd_format_good(rule, &r) != want)
        fail_msg("%s \"%s\"%s: expected %s form", ptd_format_names[rule], text,
                 thought_opened ? " behind an opened thought" : "", want ? "good" : "bad");
}

static void boxed_form(void **state)
{
    (void)state;
    static const char *const good[] = {"b1 4 . \\boxed{ 4 }",
                                       "$\\boxed{4}$. \n",
                                       "So\n\\[ \\boxed{17} \\]",
                                       "It is \\(\\boxed{17}\\).",
                                       "$$\\boxed{17}$$",
                                       "**\\boxed{17}**",
                                       "\\boxed {17}",
                                       "\\boxed{\\frac{1}{2}}",
                                       "<think>\\boxed{3}?</think> \\boxed{4}"};
    static const char *const bad[] = {"\\boxed{4} and more",
                                      "\\boxed{4} \\boxed{4}",
                                      "\\boxed{4",
                                      "",
                                      "\\boxed{}",
                                      "\\boxed{ }",
                                      "\\boxed{\\text{}}",
                                      "\\boxed 4",
                                      "\\fbox{4}",
                                      "\\fbox{3} \\boxed{4}",
                                      "<answer>4</answer>",
                                      "<think>\\boxed{4}",
                                      "<think>\\boxed{4}</think>",
                                      "\\boxed{4} \\boxed{",
                                      "The answer is 4."};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) form(PTD_FORMAT_BOXED, good[i], 0, 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) form(PTD_FORMAT_BOXED, bad[i], 0, 0);
    form(PTD_FORMAT_BOXED, "a</think> \\boxed{4}", 1, 1);
    form(PTD_FORMAT_BOXED, "\\boxed{4}", 1, 0);
}

static void think_form(void **state)
{
    (void)state;
    form(PTD_FORMAT_THINK, "<think>a</think> so \\boxed{4} done", 0, 1);
    form(PTD_FORMAT_THINK, "\n<think>a \\boxed{3}</think>\\boxed{4}", 0, 1);
    form(PTD_FORMAT_THINK, "<think>a \\boxed{4}</think>", 0, 0);
    form(PTD_FORMAT_THINK, "a <think>a</think> \\boxed{4}", 0, 0);
    form(PTD_FORMAT_THINK, "<think>a \\boxed{4}", 0, 0);
    form(PTD_FORMAT_THINK, "<think>a</think> \\boxed{}", 0, 0);
    form(PTD_FORMAT_THINK, "<think> </think> \\boxed{4}", 0, 0);
    form(PTD_FORMAT_THINK, "<think>a</think> 4", 0, 0);
    form(PTD_FORMAT_THINK, "a</think> \\boxed{4}", 0, 0);
    form(PTD_FORMAT_THINK, "<think>a</think> b</think> \\boxed{4}", 0, 0);
    form(PTD_FORMAT_THINK, "a</think> \\boxed{4}", 1, 1);
    form(PTD_FORMAT_THINK, "<think>\na\n</think>\n\n\\boxed{4}", 1, 1);
    form(PTD_FORMAT_THINK, "a \\boxed{4}", 1, 0);
    form(PTD_FORMAT_THINK, "</think> \\boxed{4}", 1, 0);
    form(PTD_FORMAT_THINK, "<think>a \\boxed{4}", 1, 0);
    form(PTD_FORMAT_THINK, "a</think>", 1, 0);
}

static void tag_form(void **state)
{
    (void)state;
    form(PTD_FORMAT_TAG, "well <answer>4</answer>\n", 0, 1);
    form(PTD_FORMAT_TAG, "<think><answer>3</answer>?</think><answer>4</answer>", 0, 1);
    form(PTD_FORMAT_TAG, "<answer>\\boxed{4}</answer>", 0, 1);
    form(PTD_FORMAT_TAG, "<answer>4</answer> more", 0, 0);
    form(PTD_FORMAT_TAG, "<answer>4</answer><answer>4</answer>", 0, 0);
    form(PTD_FORMAT_TAG, "</answer>4<answer>", 0, 0);
    form(PTD_FORMAT_TAG, "<answer></answer>", 0, 0);
    form(PTD_FORMAT_TAG, "<answer> </answer>", 0, 0);
    form(PTD_FORMAT_TAG, "<answer>\\boxed{}</answer>", 0, 0);
    form(PTD_FORMAT_TAG, "<answer>4", 0, 0);
    form(PTD_FORMAT_TAG, "<think>a <answer>4</answer>", 0, 0);
    form(PTD_FORMAT_TAG, "a</think><answer>4</answer>", 1, 1);
    form(PTD_FORMAT_TAG, "<answer>4</answer>", 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_box_answers),
        cmocka_unit_test(a_box_has_many_forms),
        cmocka_unit_test(boxes_side_by_side_are_parts),
        cmocka_unit_test(the_last_tag_answers),
        cmocka_unit_test(nothing_is_no_answer),
        cmocka_unit_test(only_what_follows_the_thought_answers),
        cmocka_unit_test(a_template_may_open_the_thought),
        cmocka_unit_test(a_cut_response_says_so),
        cmocka_unit_test(words_announce),
        cmocka_unit_test(the_end_states),
        cmocka_unit_test(prose_states_nothing),
        cmocka_unit_test(extraction_is_linear),
        cmocka_unit_test(boxed_form),
        cmocka_unit_test(think_form),
        cmocka_unit_test(tag_form),
    };
    return cmocka_run_group_tests_name("extract", tests, NULL, NULL);
}
