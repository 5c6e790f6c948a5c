/* Tests of options: lists in every usual form, and what is none. */
#include "judge/options.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* want: the texts with | between them, "" for no list */
static void assert_options(const char *question, const char *want)
{
    struct ptd_options o;
    char got[1000] = "";
    int n = ptd_options_read(question, &o);
    assert_int_equal(n, o.n);
    for (int i = 0; i < n; i++) {
        assert_int_equal(o.option[i].letter, 'A' + i);
        if (i) strcat(got, "|");
        strncat(got, o.option[i].text, o.option[i].len);
    }
    if (strcmp(got, want) != 0) fail_msg("\"%s\": \"%s\", expected \"%s\"", question, got, want);
}

static void lists_on_lines(void **state)
{
    (void)state;
    assert_options("Find.\nA: 30\nB: 45", "30|45");
    assert_options("Pick one.\nA. cat\nB. dog", "cat|dog");
    assert_options("Pick one.\na) cat\nb) dog", "cat|dog");
    assert_options("a. cat\nb. dog\nc. cow", "cat|dog|cow");
    assert_options("Choices:\n(A) cat\n(B) dog\n(C) cow", "cat|dog|cow");
    assert_options("What?\n**A.** cat\n**B.** dog", "cat|dog");
    assert_options("What?\n**A**. cat\n**B**. dog", "cat|dog");
    assert_options("What?\n**(A)** cat\n**(B)** dog", "cat|dog");
    assert_options("What?\n**A. cat**\n**B. dog**", "cat|dog");
    assert_options("- A. cat\n- B. dog\n- C. cow", "cat|dog|cow");
    assert_options("* **A** cat\n* **B** dog", "cat|dog");
    assert_options("Option A: cat\nOption B: dog", "cat|dog");
    assert_options("A - cat\nB - dog", "cat|dog");
    assert_options("What?\nA 30\nB 45\nC 60", "30|45|60");
    assert_options("What?\nA.\ncat\nB.\ndog", "cat|dog");
    assert_options("x?\nA. $\\frac{1}{2}$\nB. $2\\sqrt{3}$", "$\\frac{1}{2}$|$2\\sqrt{3}$");
    assert_options("x?\nA. 9 a.m.\nB. 10 a.m.", "9 a.m.|10 a.m.");
    assert_options("(A) 1\n(B) 2\n(C) 3\n(D) 4\n(E) 5\n(F) 6\n(G) 7\n(H) 8\n(I) 9\n(J) 10\n(K) 11",
                   "1|2|3|4|5|6|7|8|9|10");
}

static void lists_in_markup(void **state)
{
    (void)state;
    assert_options("How?\nA. 25 cm<br>B. 35 cm<br/>C. 110 cm", "25 cm|35 cm|110 cm");
    assert_options("How?<br />A. 25 cm<br />B. 35 cm<br />C. 110 cm<br />Look well.",
                   "25 cm|35 cm|110 cm");
    assert_options("<ul><li>A. cat</li><li>B. dog</li></ul>", "cat|dog");
    assert_options("<p>(A) cat</p>\n<p>(B) dog</p>\n", "cat|dog");
    assert_options("<li>A. x<sub>1</sub></li>\n<li>B. a<b</li>", "x<sub>1</sub>|a<b");
    assert_options("How? \xe2\x92\xb6 25 cm \xe2\x92\xb7 35 cm", "25 cm|35 cm");
    assert_options("\xe2\x93\x90 cat\n\xe2\x93\x91 dog\n\xe2\x93\x92 cow", "cat|dog|cow");
    assert_options("How?\nA=25 cm\nB=35 cm\nC=110 cm", "25 cm|35 cm|110 cm");
    assert_options("How?\nA = 25\nB = 35\nC = 110\n", "25|35|110");
    assert_options("Given\nA = 1\nB = 2\nC = 3\nfind A + B + C.", "");
    assert_options("A=1\nB=2", "");
    assert_options("Let A=1, B=2, C=3.", "");
}

static void lists_on_one_line(void **state)
{
    (void)state;
    assert_options("Pick one. A.cat B.dog", "cat|dog");
    assert_options("Pick (A) x (B) y", "x|y");
    assert_options("(A)3(B)4(C)5", "3|4|5");
    assert_options("[A] cat [B] dog", "cat|dog");
    assert_options("(a) 3 (b) 4", "3|4");
    assert_options("A) 3, B) 4, or C) 5", "3|4|5");
    assert_options("A) cat; B) dog; C) cow", "cat|dog|cow");
    assert_options("The value of x is A. 25 B. 35 C. 45 D. 55", "25|35|45|55");
    assert_options("(A) 3 cm (B) 4 cm\n(C) 5 cm (D) 6 cm", "3 cm|4 cm|5 cm|6 cm");
    assert_options("Area? $\\textbf{(A)}\\ 12\\qquad\\textbf{(B)}\\ 15\\qquad\\textbf{(C)}\\ 18$",
                   "12|15|18");
    assert_options("Area? $\\text{(A) }12 \\quad \\text{(B) }15$", "12|15");
}

static void lists_in_chinese(void **state)
{
    (void)state;
    assert_options("A\xef\xbc\x8e"
                   "25\xc2\xb0  B\xef\xbc\x8e"
                   "35\xc2\xb0",
                   "25\xc2\xb0|35\xc2\xb0");
    assert_options("( )\nA\xef\xbc\x8e"
                   "25B\xef\xbc\x8e"
                   "35C\xef\xbc\x8e"
                   "45",
                   "25|35|45");
    assert_options("\xe9\x80\x89\nA\xe3\x80\x81"
                   "25 B\xe3\x80\x81"
                   "35",
                   "25|35");
    assert_options("A\xef\xbc\x8e"
                   "catB\xef\xbc\x8e"
                   "9 a.m.C\xef\xbc\x8e"
                   "dog",
                   "cat|9 a.m.|dog");
    assert_options("\xef\xbc\x88"
                   "A\xef\xbc\x89\xe7\xba\xa2\xef\xbc\x88"
                   "B\xef\xbc\x89\xe7\xbb\xbf",
                   "\xe7\xba\xa2|\xe7\xbb\xbf");
    assert_options(
        "\xef\xbc\xa1\xef\xbc\x8e\xe7\xba\xa2\xe3\x80\x80\xef\xbc\xa2\xef\xbc\x8e\xe7\xbb\xbf",
        "\xe7\xba\xa2|\xe7\xbb\xbf");
    assert_options("A\xef\xbc\x9a\xe7\xba\xa2\xef\xbc\x9b"
                   "B\xef\xbc\x9a\xe7\xbb\xbf",
                   "\xe7\xba\xa2|\xe7\xbb\xbf");
}

static void what_follows_is_no_option(void **state)
{
    (void)state;
    assert_options("A. 3\nB. 4\nAnswer with the letter.", "3|4");
    assert_options("A. 3 B. 4. Please answer with the option's letter.", "3|4.");
    assert_options("(A) 3\n(B) 4\n(C) 5\nAnswer with (A), (B) or (C).", "3|4|5");
    assert_options("(A) 3 (B) 4 (C) both (A) and (B) (D) none", "3|4|both (A) and (B)|none");
    assert_options("See A. Then what?\nA. 1\nB. 2", "1|2");
}

static void what_is_no_list(void **state)
{
    (void)state;
    static const char *const none[] = {"",
                                       "No options here.",
                                       "Triangle ABC has points A, B and C on it. What is AB?",
                                       "In the set {A, B}, what?",
                                       "At 9 a.m. or b. late?",
                                       "A. Smith, B. Jones and C. Miller walk 3 km. How far?",
                                       "J. A. Smith and B. C. Jones walk.",
                                       "Is it A. Smith or B. Jones?",
                                       "f(a) = 2 and f(b) = 3",
                                       "P(A) = 0.3, P(B) = 0.4. Find P(A or B).",
                                       "The ratio A:B:C is 1:2:3. Find A.",
                                       "What is a:b?",
                                       "Points (x, A) and (y, B)",
                                       "Points (x, A), (y, B) and (z, C) are given.",
                                       "A cat\nsat on it.\nB dogs",
                                       "From 9 A.M. in 45 B.C. on",
                                       "a.m. times, b.c. years",
                                       "U.S.A. B. C. is far",
                                       "He was born in 45 B.C. and died A.D. 3",
                                       "Vitamin C: good. Vitamin D: better.",
                                       "Row A has 3, row B has 4.",
                                       "A cat and B dog.\nHow many?",
                                       "A. one option",
                                       "(A), (B) or (C)?",
                                       "A:\nB:\nC:",
                                       "\xe7\x82\xb9"
                                       "A\xe3\x80\x81\xe7\x82\xb9"
                                       "B\xe3\x80\x81\xe7\x82\xb9"
                                       "C",
                                       "\xe7\x82\xb9"
                                       "A\xe3\x80\x81"
                                       "B\xe3\x80\x81"
                                       "C"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) assert_options(none[i], "");
    struct ptd_options o;
    assert_int_equal(ptd_options_read(NULL, &o), 0);
}

static void reading_is_linear(void **state)
{
    (void)state;
    static const char *const pieces[] = {"A. ", "B. ", "(A)", "(A) x ", "A. x B. ", "Option ",
                                         "** ", "A\n", "- ",  "(",      "a) ",      "\\text{A"};
    const size_t n = 1000000;
    char *text = malloc(n + 1);
    struct ptd_options o;
    alarm(60);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        size_t w = strlen(pieces[i]), used = 0;
        for (; used + w <= n; used += w) memcpy(text + used, pieces[i], w);
        text[used] = '\0';
        ptd_options_read(text, &o);
    }
    alarm(0);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_on_lines),
        cmocka_unit_test(lists_in_markup),
        cmocka_unit_test(lists_on_one_line),
        cmocka_unit_test(lists_in_chinese),
        cmocka_unit_test(what_follows_is_no_option),
        cmocka_unit_test(what_is_no_list),
        cmocka_unit_test(reading_is_linear),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
