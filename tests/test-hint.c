/* Tests of hint: text from steps and regions, rejected hints, and from attention to words (on
 * shares made by hand, then on a model). */
#include "../lib/method/hint/attention.c"
#include "../lib/method/hint/blanked.c"
#include "data/prompt.h"
#include "method/hint/cell.h"
#include "tiny-store.h"
#include <sys/stat.h>
#include <unistd.h>

/* ---- data ---- */

static const struct ptd_hint_options usual = {.grid = "3x3", .mass = 1.2, .sink = 4, .first = 1};
static uint8_t pixels[84 * 84 * 3];
static struct ptd_picture picture = {.height = 84, .width = 84, .pixels = pixels};

/* Gives g a hint from `from`; 1, 0 or -1. */
static int give(struct ptd_group *g, const char *from)
{
    struct ptd_hint_tools tools;
    assert_int_equal(ptd_hint_tools_open(&tools, store_path), 0);
    tools.device = the_device();
    struct ptd_hints *h = ptd_hints_open(&tools, from, &usual);
    assert_non_null(h);
    int given, rc = ptd_hints_give(h, &g, 1, &given) < 0 ? -1 : given > 0;
    ptd_hints_close(h);
    ptd_hint_tools_close(&tools);
    return rc;
}

static struct ptd_group demo_group(void)
{
    static const char *const steps[] = {"first c3", "look at a3 b3 c3", "add"};
    return (struct ptd_group){.uid = "x",
                              .question = "<image>sum of the column of the red digit",
                              .answer = "11",
                              .solution = "red c3: b3 6, c3 5 = 11. \\boxed{ 11 }",
                              .steps = steps,
                              .n_steps = 3,
                              .pictures = &picture,
                              .n_pictures = 1,
                              .group_accuracy = -1};
}

/* What the hinted prompt says, special tokens and picture left out. */
static void assert_prompt_says(const struct ptd_group *g, const char *words)
{
    struct ptd_hint_tools tools;
    assert_int_equal(ptd_hint_tools_open(&tools, store_path), 0);
    tools.device = the_device();
    char *text =
        ptd_tokenizer_decode(tools.tokenizer, g->hint.prompt_ids, (size_t)g->hint.n_prompt, 1);
    if (!strstr(text, words)) fail_msg("hinted prompt \"%s\" does not say \"%s\"", text, words);
    free(text);
    ptd_hint_tools_close(&tools);
}

static void data_steps_become_text(void **state)
{
    (void)state;
    struct ptd_group g = demo_group();
    assert_int_equal(give(&g, "data"), 1);
    assert_string_equal(g.hint.text, "first c3 then look at a3 b3 c3 then add");
    assert_string_equal(g.hint.source, "data");
    assert_null(g.hint_drop);
    assert_prompt_says(&g, "first c3 then look at a3 b3 c3 then add");
    ptd_group_clear(&g);
}

static void data_regions_stand_in_for_a_look(void **state)
{
    (void)state;
    static const char *const steps[] = {"add"};
    static const struct ptd_region regions[] = {{"a1", {0, 0, .3f, .3f}},
                                                {"b2", {.3f, .3f, .6f, .6f}},
                                                {"a1", {0, 0, .2f, .2f}},
                                                {"", {0, 0, 1, 1}}};
    struct ptd_group g = demo_group();
    g.steps = steps, g.n_steps = 1;
    g.regions = regions, g.n_regions = 4;
    assert_int_equal(give(&g, "data"), 1);
    assert_string_equal(g.hint.text, "look at a1 b2 then add");
    assert_int_equal(g.hint.n_regions, 4);
    ptd_group_clear(&g);
}

static void no_material_no_hint(void **state)
{
    (void)state;
    struct ptd_group g = demo_group();
    g.n_steps = 0;
    assert_int_equal(give(&g, "data"), 0);
    assert_null(g.hint.text);
    assert_null(g.hint_drop);
    ptd_group_clear(&g);
}

static void spoiling_hint_is_dropped(void **state)
{
    (void)state;
    static const char *const steps[] = {"look at a3", "write 11"};
    struct ptd_group g = demo_group();
    g.steps = steps, g.n_steps = 2;
    g.hint.text = "an old hint";
    assert_int_equal(give(&g, "data"), 0);
    assert_null(g.hint.text);
    assert_string_equal(g.hint_drop, "answer-number");
    ptd_group_clear(&g);
}

static void unknown_sources_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "dat", "data,", "data,oracle", "data,data"};
    struct ptd_hint_tools tools = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(ptd_hints_open(&tools, bad[i], &usual));
        assert_int_equal(ptd_failed_status(), PTD_USAGE);
    }
    struct ptd_hint_options o = usual;
    static const char *const grids[] = {"3",    "0x3",  "3x0",          "27x3",         "3x3x",
                                        "axb",  "-1x3", "4294967299x3", "3x4294967299", " 3x3",
                                        "+3x3", ""};
    for (size_t i = 0; i < sizeof grids / sizeof *grids; i++) {
        o.grid = grids[i];
        assert_null(ptd_hints_open(&tools, "attention", &o));
        assert_int_equal(ptd_failed_status(), PTD_USAGE);
    }
    tools.config.heads = 4;
    o = usual;
    o.heads = "4294967296"; /* also where another source comes first */
    assert_null(ptd_hints_open(&tools, "data,attention", &o));
    assert_int_equal(ptd_failed_status(), PTD_USAGE);
}

/* ---- words ---- */

static void cells_are_found_in_steps(void **state)
{
    (void)state;
    assert_string_equal(ptd_hint_cell("first c3", 3, 3), "c3");
    assert_string_equal(ptd_hint_cell("look at a3 b3", 3, 3), "a3 b3");
    assert_null(ptd_hint_cell("add", 3, 3));
    assert_null(ptd_hint_cell("look at d1, a4, a0, aa1, a1b, a01", 3, 3));
    assert_non_null(ptd_hint_cell("d4", 4, 4));
    assert_non_null(ptd_hint_cell("(a12)", 3, 12));
    assert_null(ptd_hint_cell("a99999999999999999999", 26, 99));
}

static void lists_become_flags(void **state)
{
    (void)state;
    uint8_t *f = NULL;
    assert_int_equal(parse_list("layers", "0,2-3", 5, &f), 0);
    assert_memory_equal(f, ((uint8_t[]){1, 0, 1, 1, 0}), 5);
    free(f);
    static const char *const bad[] = {"",
                                      "5",
                                      "-1",
                                      "3-2",
                                      "0,",
                                      "0,,1",
                                      "a",
                                      "0-",
                                      "0 1",
                                      "99999999999",
                                      "4294967296",
                                      "0-4294967298",
                                      "18446744073709551616",
                                      " 1",
                                      "+1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(parse_list("layers", bad[i], 5, &f), -1);
        assert_int_equal(ptd_failed_status(), PTD_USAGE);
        free(f);
        f = NULL;
    }
}

/* ---- attention made by hand: 9 tokens, 10 rows of question, 10 of solution ---- */

#define ROWS 20
static struct ptd_model only_config = {.config = {.v_patch = 14, .v_merge = 2, .vocab = 640}};

static void even(struct look *l, struct ptd_group *g)
{
    *l = (struct look){.n = ROWS, .first = ROWS / 2, .tokens = 9};
    l->share = ptd_group_alloc(g, ROWS * 9 * sizeof *l->share);
    for (int i = 0; i < ROWS * 9; i++) l->share[i] = 0.05f;
}

static void watch(struct look *l, int row, int token)
{
    l->share[row * 9 + token] += 0.4f;
}

static struct attention by_hand(void)
{
    struct attention a = {.options = usual, .model = &only_config};
    assert_int_equal(parse_grid(&a), 0);
    return a;
}

static void places_come_in_the_order_of_looking(void **state)
{
    (void)state;
    struct ptd_group g = demo_group();
    struct ptd_hint hint = {0};
    struct attention a = by_hand();
    struct look l;
    even(&l, &g);
    watch(&l, 11, 8);
    watch(&l, 12, 8);
    watch(&l, 14, 2);
    watch(&l, 15, 2);
    watch(&l, 17, 5);
    assert_int_equal(hint_from(&a, &g, &l, &hint), 1);
    assert_int_equal(hint.n_steps, 3);
    assert_string_equal(hint.steps[0], "first c3");
    assert_string_equal(hint.steps[1], "look at c3 a3 b3");
    assert_string_equal(hint.steps[2], "add");
    assert_int_equal(hint.n_regions, 1); /* a3, b3 and c3 are neighbours: one box */
    assert_string_equal(hint.regions[0].label, "a3 b3 c3");
    assert_close(hint.regions[0].box[0], 2. / 3, 1e-6);
    assert_close(hint.regions[0].box[1], 0, 0);
    assert_close(hint.regions[0].box[2], 1, 0);
    assert_close(hint.regions[0].box[3], 1, 0);
    ptd_group_clear(&g);
}

static void first_cell_is_left_out_where_the_data_does(void **state)
{
    (void)state;
    static const char *const steps[] = {"first a2", "look at a1", "read"};
    struct ptd_group g = demo_group();
    struct ptd_hint hint = {0};
    struct attention a = by_hand();
    struct look l;
    g.steps = steps;
    even(&l, &g);
    watch(&l, 11, 0);
    watch(&l, 16, 4);
    assert_int_equal(hint_from(&a, &g, &l, &hint), 1);
    assert_string_equal(hint.steps[0], "first a1");
    assert_string_equal(hint.steps[1], "look at b2");
    assert_string_equal(hint.steps[2], "read");
    assert_int_equal(hint.n_regions, 2); /* corners touch, sides do not */
    a.options.first = 0;
    even(&l, &g);
    watch(&l, 11, 0);
    assert_int_equal(hint_from(&a, &g, &l, &hint), 1);
    assert_string_equal(hint.steps[0], "look at a1");
    ptd_group_clear(&g);
}

/* A token that every row looks at says nothing; one that many rows of the solution look at does. */
static void sinks_are_taken_out(void **state)
{
    (void)state;
    struct ptd_group g = demo_group();
    struct ptd_hint hint = {0};
    struct attention a = by_hand();
    struct look l;
    even(&l, &g);
    for (int i = 0; i < ROWS; i++) watch(&l, i, 4);
    watch(&l, 12, 6);
    assert_int_equal(hint_from(&a, &g, &l, &hint), 1);
    assert_string_equal(hint.steps[1], "look at c1");
    even(&l, &g);
    for (int i = 10; i < ROWS; i++) watch(&l, i, 4);
    assert_int_equal(hint_from(&a, &g, &l, &hint), 1);
    assert_string_equal(hint.steps[1], "look at b2");
    ptd_group_clear(&g);
}

/* What the question's rows look at does not count. */
static void only_the_solution_counts(void **state)
{
    (void)state;
    struct ptd_group g = demo_group();
    struct ptd_hint hint = {0};
    struct attention a = by_hand();
    struct look l;
    even(&l, &g);
    for (int i = 0; i < 8; i++) watch(&l, i, 0);
    watch(&l, 13, 1);
    assert_int_equal(hint_from(&a, &g, &l, &hint), 1);
    assert_string_equal(hint.steps[1], "look at a2");
    ptd_group_clear(&g);
}

static void the_picture_looked_at_most_is_named(void **state)
{
    (void)state;
    struct ptd_picture two[2] = {{.height = 28, .width = 56}, {.height = 56, .width = 28}};
    struct ptd_group g = demo_group();
    struct ptd_hint hint = {0};
    struct attention a = by_hand();
    struct look l = {.n = 4, .first = 2, .tokens = 4};
    g.pictures = two, g.n_pictures = 2, g.n_steps = 0;
    a.options.grid = "2x1";
    assert_int_equal(parse_grid(&a), 0);
    l.share = ptd_group_alloc(&g, 16 * sizeof *l.share);
    for (int i = 0; i < 4; i++) l.share[i * 4] = 0.1f, l.share[i * 4 + 2] = 0.02f;
    l.share[3 * 4 + 3] = 0.5f;
    assert_int_equal(hint_from(&a, &g, &l, &hint), 1);
    assert_string_equal(hint.steps[0], "look at b1");
    assert_close(hint.regions[0].box[1], 0.5, 0);
    assert_close(hint.regions[0].box[2], 1, 0);
    ptd_group_clear(&g);
}

/* What is looked at whatever is asked counts less. */
static void a_neutral_question_is_divided_by(void **state)
{
    (void)state;
    static const float neutral[9] = {.8f, .1f, .1f, .1f, .1f, .1f, .1f, .1f, .1f};
    struct ptd_group g = demo_group();
    struct ptd_hint hint = {0};
    struct attention a = by_hand();
    struct look l;
    g.n_steps = 0;
    for (int with = 0; with < 2; with++) {
        even(&l, &g);
        for (int i = 10; i < 17; i++) watch(&l, i, 0);
        for (int i = 10; i < 13; i++) watch(&l, i, 7);
        l.neutral = with ? neutral : NULL;
        a.options.mass = 2.5;
        hint = (struct ptd_hint){0};
        assert_int_equal(hint_from(&a, &g, &l, &hint), 1);
        assert_string_equal(hint.steps[0], with ? "look at c2" : "look at a1");
    }
    ptd_group_clear(&g);
}

/* Cells are painted over whole, and nothing else is. */
static void a_cell_is_painted_over(void **state)
{
    (void)state;
    static uint8_t from[6 * 6 * 3], to[6 * 6 * 3];
    struct ptd_picture p = {.height = 6, .width = 6, .pixels = from};
    const struct ptd_hint_grid grid = {3, 3};
    for (int i = 0; i < 108; i++) from[i] = (uint8_t)(i % 3 == 0 ? 90 : i);
    paint_over(&grid, &p, 5, to);
    for (int y = 0; y < 6; y++)
        for (int x = 0; x < 6; x++) {
            int inside = y / 2 == 1 && x / 2 == 2;
            assert_int_equal(memcmp(to + 3 * (6 * y + x), from + 3 * (6 * y + x), 3) != 0, inside);
            if (inside) assert_int_equal(to[3 * (6 * y + x)], 90);
        }
}

static void nothing_looked_at_is_no_hint(void **state)
{
    (void)state;
    struct ptd_group g = demo_group();
    struct ptd_hint hint = {0};
    struct attention a = by_hand();
    struct look l;
    even(&l, &g);
    memset(l.share, 0, ROWS * 9 * sizeof *l.share);
    assert_int_equal(hint_from(&a, &g, &l, &hint), 0);
    ptd_group_clear(&g);
}

/* ---- attention of a model ---- */

static void render_prompt(struct ptd_group *g)
{
    struct ptd_hint_tools tools;
    int32_t *ids;
    assert_int_equal(ptd_hint_tools_open(&tools, store_path), 0);
    tools.device = the_device();
    g->n_prompt = ptd_prompt_render(tools.tokenizer, &tools.config, g, NULL, &ids);
    assert_true(g->n_prompt > 0);
    int32_t *mine = ptd_group_alloc(g, (size_t)g->n_prompt * sizeof *mine);
    memcpy(mine, ids, (size_t)g->n_prompt * sizeof *mine);
    g->prompt_ids = mine;
    free(ids);
    ptd_hint_tools_close(&tools);
}

static void a_model_gives_the_same_hint_twice(void **state)
{
    (void)state;
    struct ptd_group g = demo_group(), again = demo_group();
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 2654435761u >> 13);
    render_prompt(&g);
    render_prompt(&again);
    assert_int_equal(give(&g, "attention"), 1);
    assert_string_equal(g.hint.source, "attention");
    assert_int_equal(strncmp(g.hint.text, "first ", 6), 0);
    assert_non_null(strstr(g.hint.text, " then look at "));
    assert_non_null(strstr(g.hint.text, " then add"));
    assert_true(g.hint.n_regions >= 1);
    assert_prompt_says(&g, g.hint.text);
    assert_int_equal(give(&again, "attention"), 1);
    assert_string_equal(again.hint.text, g.hint.text);
    again.solution = NULL;
    assert_int_equal(give(&again, "attention"), 0);
    again.solution = "4";
    again.prompt_ids = (const int32_t[]){1, 2, 1 << 30};
    again.n_prompt = 3;
    assert_int_equal(give(&again, "attention"), -1);
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    ptd_group_clear(&g);
    ptd_group_clear(&again);
}

/* The first source that gives a clean hint wins. */
static void sources_are_tried_in_order(void **state)
{
    (void)state;
    static const char *const steps[] = {"write 11"};
    struct ptd_group g = demo_group();
    render_prompt(&g);
    assert_int_equal(give(&g, "data,attention"), 1);
    assert_string_equal(g.hint.source, "data");
    g.n_steps = 0;
    assert_int_equal(give(&g, "data,attention"), 1);
    assert_string_equal(g.hint.source, "attention");
    g.steps = steps, g.n_steps = 1;
    assert_int_equal(give(&g, "data,attention"), 0); /* the method words spoil it in both */
    assert_string_equal(g.hint_drop, "answer-number");
    ptd_group_clear(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_steps_become_text),
        cmocka_unit_test(data_regions_stand_in_for_a_look),
        cmocka_unit_test(no_material_no_hint),
        cmocka_unit_test(spoiling_hint_is_dropped),
        cmocka_unit_test(unknown_sources_are_refused),
        cmocka_unit_test(cells_are_found_in_steps),
        cmocka_unit_test(lists_become_flags),
        cmocka_unit_test(places_come_in_the_order_of_looking),
        cmocka_unit_test(first_cell_is_left_out_where_the_data_does),
        cmocka_unit_test(sinks_are_taken_out),
        cmocka_unit_test(only_the_solution_counts),
        cmocka_unit_test(the_picture_looked_at_most_is_named),
        cmocka_unit_test(a_neutral_question_is_divided_by),
        cmocka_unit_test(a_cell_is_painted_over),
        cmocka_unit_test(nothing_looked_at_is_no_hint),
        cmocka_unit_test(a_model_gives_the_same_hint_twice),
        cmocka_unit_test(sources_are_tried_in_order),
    };
    return cmocka_run_group_tests_name("hint", tests, make_store, remove_store);
}
