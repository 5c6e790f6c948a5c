/* Fit: every text of a row is looked at for tokens that stand for pictures, and a prompt is held
 * against the context and the caller's limit. */
#include "data/fit.h"
#include "test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const tokens[] = {"<|image_pad|>", "<|video_pad|>", "<|vision_start|>",
                                     "<|vision_end|>"};

static void assert_named(const struct ptd_group *g, const char *where)
{
    int at = 0;
    assert_int_equal(ptd_fit_words(g, &at), -1);
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    if (strncmp(ptd_failed_message(), where, strlen(where)))
        fail_msg("\"%s\" does not begin with \"%s\"", ptd_failed_message(), where);
    assert_int_equal(ptd_fit_words(g, &at), 0); /* it is the only one */
}

/* One field of g at a time spells each of the tokens. */
static void test_every_text(void **state)
{
    (void)state;
    for (int t = 0; t < 4; t++) {
        char text[60];
        snprintf(text, sizeof text, "what is %s?", tokens[t]);
        const char *list[] = {"fine", text};
        const struct ptd_region regions[] = {{.label = "fine"}, {.label = text}};
        assert_named(&(struct ptd_group){.system = text}, "field \"system\": spells");
        assert_named(&(struct ptd_group){.question = text}, "field \"question\": spells");
        assert_named(&(struct ptd_group){.answer = text}, "field \"answer\": spells");
        assert_named(&(struct ptd_group){.solution = text}, "field \"solution\": spells");
        const struct ptd_turn turns[] = {{"user", "fine"}, {"assistant", text}};
        assert_named(&(struct ptd_group){.turns = turns, .n_turns = 2},
                     "field \"turns\": item 2: spells");
        assert_named(&(struct ptd_group){.answers = list, .n_answers = 2},
                     "field \"answers\": item 2: spells");
        assert_named(&(struct ptd_group){.steps = list, .n_steps = 2},
                     "field \"steps\": item 2: spells");
        assert_named(&(struct ptd_group){.regions = regions, .n_regions = 2},
                     "field \"regions\": item 2: spells");
        assert_named(&(struct ptd_group){.objects = regions, .n_objects = 2, .n_steps = 0},
                     "field \"objects\": item 2: spells");
    }
}

/* All of a row's faults are found, in its order. */
static void test_goes_on(void **state)
{
    (void)state;
    const char *list[] = {tokens[0], "fine", tokens[1]};
    const struct ptd_region regions[] = {{.label = tokens[2]}};
    const struct ptd_group g = {.question = tokens[3],
                                .answers = list + 1,
                                .n_answers = 1,
                                .steps = list,
                                .n_steps = 3,
                                .objects = regions,
                                .n_objects = 1};
    int at = 0, found = 0;
    while (ptd_fit_words(&g, &at) < 0) found++;
    assert_int_equal(found, 4);
}

static void test_other_words(void **state)
{
    (void)state;
    static const char *const fine[] = {"<|im_end|>", "<image>", "<|image_pad",  "image_pad|>",
                                       "<think>",    "",        "<|box_start|>"};
    for (int i = 0; i < 7; i++) {
        const struct ptd_group g = {.question = fine[i], .answer = fine[i], .system = fine[i]};
        int at = 0;
        assert_int_equal(ptd_fit_words(&g, &at), 0);
        assert_null(ptd_fit_spelled(fine[i]));
    }
    assert_null(ptd_fit_spelled(NULL));
    assert_string_equal(ptd_fit_spelled("a<|video_pad|>"), "<|video_pad|>");
}

static void test_length(void **state)
{
    (void)state;
    struct ptd_config c = {.positions = 100};
    struct ptd_fit fit = {.config = &c};
    assert_int_equal(ptd_fit_length(&fit, 99), 0);
    assert_int_equal(ptd_fit_length(&fit, 100), -1); /* no room for a response */
    fit.max_prompt = 10;
    assert_int_equal(ptd_fit_length(&fit, 10), 0);
    assert_int_equal(ptd_fit_length(&fit, 11), -1);
    assert_non_null(strstr(ptd_failed_message(), "11 tokens, expected at most 10 (--max-prompt)"));
    c.positions = 0;
    fit.max_prompt = 0;
    assert_int_equal(ptd_fit_length(&fit, 1 << 20), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_text),
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_other_words),
        cmocka_unit_test(test_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
