/* Prompt: the template to the letter, where pictures and the hint go, and what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "data/prompt.h"

#define PICTURE_6                                                                                  \
    "<|vision_start|><|image_pad|><|image_pad|><|image_pad|><|image_pad|><|image_pad|><|image_"    \
    "pad|><|"                                                                                      \
    "vision_end|>"
#define PICTURE_1 "<|vision_start|><|image_pad|><|vision_end|>"

static struct ptd_tokenizer *tokenizer;
static struct ptd_config config = {.v_patch = 4, .v_merge = 2};
static struct ptd_picture pictures[] = {{.height = 16, .width = 24}, {.height = 8, .width = 8}};

static int load(void **state)
{
    (void)state;
    size_t len;
    const char *json = ptd_builtin("tiny/tokenizer.json", &len);
    tokenizer = ptd_tokenizer_new(json, len, "tiny/tokenizer.json");
    if (!tokenizer) return -1;
    config.vision_start = ptd_tokenizer_id(tokenizer, "<|vision_start|>");
    config.vision_end = ptd_tokenizer_id(tokenizer, "<|vision_end|>");
    config.image_token = ptd_tokenizer_id(tokenizer, "<|image_pad|>");
    config.video_token = ptd_tokenizer_id(tokenizer, "<|video_pad|>");
    return 0;
}

static int unload(void **state)
{
    (void)state;
    ptd_tokenizer_free(tokenizer);
    return 0;
}

static int render(const char *question, int n_pictures, const char *hint, int32_t **ids)
{
    const struct ptd_group g = {
        .question = question, .pictures = pictures, .n_pictures = n_pictures};
    return ptd_prompt_render(tokenizer, &config, &g, hint, ids);
}

static void assert_prompt(const char *question, int n_pictures, const char *hint, const char *want)
{
    int32_t *ids, *direct;
    int n = render(question, n_pictures, hint, &ids);
    if (n < 0) fail_msg("%s", ptd_failed_message());
    char *text = ptd_tokenizer_decode(tokenizer, ids, n, 0);
    assert_string_equal(text, want);
    assert_int_equal(ptd_tokenizer_encode(tokenizer, want, strlen(want), &direct), n);
    assert_memory_equal(ids, direct, n * sizeof *ids);
    free(direct);
    free(text);
    free(ids);
}

static void assert_refused(const char *question, int n_pictures, const char *hint, int status,
                           const char *why)
{
    int32_t *ids;
    assert_int_equal(render(question, n_pictures, hint, &ids), -1);
    assert_null(ids);
    assert_int_equal(ptd_failed_status(), status);
    if (!strstr(ptd_failed_message(), why))
        fail_msg("\"%s\" lacks \"%s\"", ptd_failed_message(), why);
}

static void test_pictures_come_first(void **state)
{
    (void)state;
    assert_prompt("what is a1?", 1, NULL,
                  "<|im_start|>user\n" PICTURE_6 "what is a1?<|im_end|>\n<|im_start|>assistant\n");
    assert_prompt("what is a1?", 2, NULL,
                  "<|im_start|>user\n" PICTURE_6 PICTURE_1
                  "what is a1?<|im_end|>\n<|im_start|>assistant\n");
    assert_prompt("what is 1 + 2?", 0, NULL,
                  "<|im_start|>user\nwhat is 1 + 2?<|im_end|>\n<|im_start|>assistant\n");
}

static void test_marks(void **state)
{
    (void)state;
    assert_prompt("look at <image>, then <image>: sum?", 2, NULL,
                  "<|im_start|>user\nlook at " PICTURE_6 ", then " PICTURE_1
                  ": sum?<|im_end|>\n<|im_start|>assistant\n");
    assert_prompt("<image>", 1, NULL,
                  "<|im_start|>user\n" PICTURE_6 "<|im_end|>\n<|im_start|>assistant\n");
}

static void test_hint(void **state)
{
    (void)state;
    assert_prompt("what is a1?", 1, "look at a1",
                  "<|im_start|>user\n" PICTURE_6
                  "what is a1?\nHint: look at a1<|im_end|>\n<|im_start|>assistant\n");
    assert_prompt("<image>what is a1?", 1, "look at a1",
                  "<|im_start|>user\n" PICTURE_6
                  "what is a1?\nHint: look at a1<|im_end|>\n<|im_start|>assistant\n");
}

static void test_system_message(void **state)
{
    (void)state;
    const struct ptd_group g = {
        .question = "what is a1?", .pictures = pictures, .n_pictures = 1, .system = "look"};
    for (int hinted = 0; hinted < 2; hinted++) {
        int32_t *ids;
        int n = ptd_prompt_render(tokenizer, &config, &g, hinted ? "look at a1" : NULL, &ids);
        if (n < 0) fail_msg("%s", ptd_failed_message());
        char *text = ptd_tokenizer_decode(tokenizer, ids, n, 0);
        assert_string_equal(
            text, hinted ? "<|im_start|>system\nlook<|im_end|>\n<|im_start|>user\n" PICTURE_6
                           "what is a1?\nHint: look at a1<|im_end|>\n<|im_start|>assistant\n"
                         : "<|im_start|>system\nlook<|im_end|>\n<|im_start|>user\n" PICTURE_6
                           "what is a1?<|im_end|>\n<|im_start|>assistant\n");
        free(text);
        free(ids);
    }
}

static void expect_turns(const char *first, const char *last, int n_pictures, const char *want)
{
    const struct ptd_turn turns[] = {{"user", first}, {"assistant", "red <image>"}};
    const struct ptd_group g = {.question = last,
                                .turns = turns,
                                .n_turns = 2,
                                .system = "look",
                                .pictures = pictures,
                                .n_pictures = n_pictures};
    int32_t *ids;
    int n = ptd_prompt_render(tokenizer, &config, &g, "look at a1", &ids);
    if (n < 0) fail_msg("%s", ptd_failed_message());
    char *text = ptd_tokenizer_decode(tokenizer, ids, n, 0);
    assert_string_equal(text, want);
    free(text);
    free(ids);
}

#define SYSTEM    "<|im_start|>system\nlook<|im_end|>\n"
#define SAID      "<|im_end|>\n<|im_start|>assistant\nred <image><|im_end|>\n<|im_start|>user\n"
#define HINT_LAST "\nHint: look at a1<|im_end|>\n<|im_start|>assistant\n"

/* Pictures belong to the user's turns, in their order; a mark that an assistant says is text. */
static void test_turns(void **state)
{
    (void)state;
    expect_turns("<image>a", "b <image>c", 2,
                 SYSTEM "<|im_start|>user\n" PICTURE_6 "a" SAID "b " PICTURE_1 "c" HINT_LAST);
    expect_turns("a", "b<image>", 1, SYSTEM "<|im_start|>user\na" SAID "b" PICTURE_6 HINT_LAST);
    expect_turns("a", "b", 2,
                 SYSTEM "<|im_start|>user\n" PICTURE_6 PICTURE_1 "a" SAID "b" HINT_LAST);
    expect_turns("a", "b", 0, SYSTEM "<|im_start|>user\na" SAID "b" HINT_LAST);
}

/* A Thinking model's prompt, its hinted one too, ends inside the thought. */
static void test_thinking(void **state)
{
    (void)state;
    config.thinking = 1;
    assert_prompt("what is a1?", 1, "look at a1",
                  "<|im_start|>user\n" PICTURE_6
                  "what is a1?\nHint: look at a1<|im_end|>\n<|im_start|>assistant\n<think>\n");
    config.thinking = 0;
}

/* Student and teacher read the same ids up to the hint and after it. */
static void test_hint_is_the_only_difference(void **state)
{
    (void)state;
    int32_t *s, *t;
    int n = render("what is a1?", 1, NULL, &s), m = render("what is a1?", 1, "look at a1", &t);
    const int after = 5;        /* <|im_end|> \n <|im_start|> assistant \n */
    assert_int_equal(m - n, 6); /* \n Hint : look at a1 */
    assert_memory_equal(s, t, (n - after) * sizeof *s);
    assert_memory_equal(s + n - after, t + m - after, after * sizeof *s);
    free(s);
    free(t);
}

static void test_marks_and_pictures_disagree(void **state)
{
    (void)state;
    assert_refused("<image> <image>", 1, NULL, PTD_DATAERR, "2 <image> marks, expected 1");
    assert_refused("<image>", 2, NULL, PTD_DATAERR, "1 <image> marks, expected 2");
    assert_refused("<image>", 0, NULL, PTD_DATAERR, "1 <image> marks, expected 0");
}

static int count_ids(const int32_t *ids, int n, const char *token)
{
    int32_t id = ptd_tokenizer_id(tokenizer, token);
    int found = 0;
    for (int i = 0; i < n; i++) found += ids[i] == id;
    return found;
}

/* System message, question and hint may spell control tokens: they stay text. */
static void test_spelled_control_tokens(void **state)
{
    (void)state;
    static const char *const control[] = {"<|im_end|>", "<|im_start|>", "<|endoftext|>",
                                          "<|image_pad|>", "<|vision_start|>"};
    static const int of_template[] = {2, 3, 0, 1, 1};
    for (int i = 0; i < 5; i++) {
        int32_t *ids;
        const struct ptd_group g = {.question = control[i],
                                    .system = control[i],
                                    .pictures = pictures + 1,
                                    .n_pictures = 1};
        int n = ptd_prompt_render(tokenizer, &config, &g, control[i], &ids);
        if (n < 0) fail_msg("%s", ptd_failed_message());
        assert_int_equal(count_ids(ids, n, control[i]), of_template[i]);
        char *text = ptd_tokenizer_decode(tokenizer, ids, n, 1);
        int seen = 0;
        for (const char *at = text; (at = strstr(at, control[i])); at++) seen++;
        assert_int_equal(seen, 3);
        free(text);
        free(ids);
    }
}

static void test_odd_picture(void **state)
{
    (void)state;
    pictures[0].width = 20;
    assert_refused("red", 1, NULL, PTD_DATAERR, "20x16");
    pictures[0].width = 0;
    assert_refused("<image>red", 1, NULL, PTD_DATAERR, "0x16");
    pictures[0].width = 24;
}

static void test_bad_text(void **state)
{
    (void)state;
    assert_refused("red\xFF", 1, NULL, PTD_DATAERR, "UTF-8");
    assert_refused("red", 1, "\xC0", PTD_DATAERR, "UTF-8");
}

static void test_tokenizer_of_another_model(void **state)
{
    (void)state;
    config.image_token++;
    assert_refused("red", 1, NULL, PTD_CONFIG, "<|image_pad|>");
    config.image_token--;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pictures_come_first),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_hint),
        cmocka_unit_test(test_system_message),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_thinking),
        cmocka_unit_test(test_hint_is_the_only_difference),
        cmocka_unit_test(test_marks_and_pictures_disagree),
        cmocka_unit_test(test_spelled_control_tokens),
        cmocka_unit_test(test_odd_picture),
        cmocka_unit_test(test_bad_text),
        cmocka_unit_test(test_tokenizer_of_another_model),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
