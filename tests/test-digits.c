/* Questions about handwriting: answers recomputed from the picture by other code, hints that give
 * nothing away. */
#include "data/digits.h"
#include "data/image.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 400

static struct ptd_digits train, test;

static int open_both(void **state)
{
    (void)state;
    return ptd_digits_open(&train, PTD_TRAIN) < 0 || ptd_digits_open(&test, PTD_TEST) < 0;
}

static int close_both(void **state)
{
    (void)state;
    ptd_digits_close(&train);
    ptd_digits_close(&test);
    return 0;
}

static void draw_task(struct ptd_task *t, struct ptd_grid *g, enum ptd_kind kind, uint64_t seed,
                      uint32_t row)
{
    struct ptd_draw draw = {.seed = seed, .split = PTD_TRAIN, .row = row};
    do ptd_grid_draw(g, &train, &draw);
    while (!ptd_task_ask(t, kind, g, &draw));
}

/* ---- another way to the answer: from the question's words and a table of the picture ---- */

static int colour_named(const char *word)
{
    for (int c = 0; c < 4; c++)
        if (strncmp(word, ptd_colour_name[c], strlen(ptd_colour_name[c])) == 0) return c;
    fail_msg("no colour: %s", word);
    return -1;
}

static int last_colour(const char *question)
{
    const char *the = NULL;
    for (const char *p = question; (p = strstr(p, "the ")); p += 4) the = p + 4;
    assert_non_null(the);
    return colour_named(the);
}

static int the_cell(const struct ptd_grid *g, int colour)
{
    int found = -1;
    for (int i = 0; i < 9; i++)
        if (g->colour[i] == colour) {
            assert_int_equal(found, -1);
            found = i;
        }
    assert_true(found >= 0);
    return found;
}

static int over_colour(const struct ptd_grid *g, int colour, int add)
{
    int sum = 0, most = -1;
    for (int i = 8; i >= 0; i--) {
        if (g->colour[i] != colour) continue;
        sum += g->digit[i];
        if (g->digit[i] > most) most = g->digit[i];
    }
    return add ? sum : most;
}

static int over_line(const struct ptd_grid *g, int start, int step)
{
    int sum = 0;
    for (int i = 0; i < 3; i++)
        if (g->colour[start + i * step] >= 0) sum += g->digit[start + i * step];
    return sum;
}

static int right_answer(const char *q, const struct ptd_grid *g)
{
    int colour = last_colour(q);
    if (strncmp(q, "sum of the row", 14) == 0) return over_line(g, the_cell(g, colour) / 3 * 3, 1);
    if (strncmp(q, "sum of the column", 17) == 0) return over_line(g, the_cell(g, colour) % 3, 3);
    if (strncmp(q, "sum of", 6) == 0) return over_colour(g, colour, 1);
    if (strncmp(q, "largest of", 10) == 0) return over_colour(g, colour, 0);
    if (strncmp(q, "difference of the ", 18) == 0)
        return abs(g->digit[the_cell(g, colour_named(q + 18))] - g->digit[the_cell(g, colour)]);
    int at = the_cell(g, colour);
    if (strstr(q, "left of")) return g->digit[at - 1];
    if (strstr(q, "right of")) return g->digit[at + 1];
    if (strstr(q, "above")) return g->digit[at - 3];
    if (strstr(q, "below")) return g->digit[at + 3];
    fail_msg("unknown question: %s", q);
    return -1;
}

static void answers_are_right(void **state)
{
    (void)state;
    for (int kind = 0; kind < PTD_FAMILIES; kind++)
        for (int row = 0; row < ROWS; row++) {
            struct ptd_grid g;
            struct ptd_task t;
            char *box;
            draw_task(&t, &g, kind, 1, row);
            int right = right_answer(t.question, &g);
            assert_non_null(box = strstr(t.solution, "\\boxed{ "));
            assert_int_equal(atoi(box + 8), right);
            assert_int_equal(atoi(t.answer), right);
        }
}

static int cell_named(const char *word)
{
    for (int i = 0; i < 9; i++)
        if (strncmp(word, ptd_cell_name[i], 2) == 0) return i;
    return -1;
}

/* Every "CELL DIGIT" in a text is so in the picture; returns how many there are. */
static int true_readings(const char *text, const struct ptd_grid *g)
{
    int n = 0;
    for (const char *p = text; *p; p++) {
        int cell = (p == text || p[-1] == ' ') ? cell_named(p) : -1;
        if (cell < 0 || p[2] != ' ') continue;
        if (strncmp(p + 3, "none", 4) == 0)
            assert_int_equal(g->colour[cell], -1);
        else if (p[3] >= '0' && p[3] <= '9')
            assert_int_equal(p[3] - '0', g->digit[cell]);
        else if (strlen(p) > 3 && cell_named(p + 3) < 0) {
            int colour = colour_named(p + 3);
            assert_int_equal(colour, g->colour[cell]);
            assert_int_equal(p[4 + strlen(ptd_colour_name[colour])] - '0', g->digit[cell]);
        } else
            continue;
        n++;
    }
    return n;
}

static void solutions_read_what_is_there(void **state)
{
    (void)state;
    for (int kind = 0; kind < PTD_KINDS; kind++)
        for (int row = 0; row < ROWS; row++) {
            struct ptd_grid g;
            struct ptd_task t;
            draw_task(&t, &g, kind, 2, row);
            int n = true_readings(t.solution, &g);
            if (kind == PTD_DESCRIBE) assert_int_equal(n, 9);
            if (kind == PTD_READ || kind == PTD_NBR) assert_int_equal(n, 1);
            if (kind == PTD_DIFF) assert_int_equal(n, 2);
            if (kind == PTD_CSUM || kind == PTD_CMAX) assert_in_range(n, 2, 3);
        }
}

static void texts_keep_their_style(void **state)
{
    (void)state;
    const struct ptd_grid g = {.colour = {-1, 0, 1, 2, 0, -1, 2, 3, -1},
                               .digit = {5, 4, 7, 9, 8, 1, 6, 3, 2}};
    const struct ptd_grid three = {.colour = {0, 0, -1, -1, 0, -1, -1, -1, 1},
                                   .digit = {4, 9, 0, 0, 5, 0, 0, 0, 1}};
    struct {
        enum ptd_kind kind;
        const struct ptd_grid *g;
        const char *question, *solution, *hint;
    } table[] = {
        {PTD_CSUM, &g, "sum of the red digits", "red a2 4, b2 8 = 12. \\boxed{ 12 }",
         "look at a2 b2 then add"},
        {PTD_CSUM, &three, "sum of the red digits", "red a1 4, a2 9 = 13, b2 5 = 18. \\boxed{ 18 }",
         "look at a1 a2 b2 then add"},
        {PTD_CMAX, &three, "largest of the red digits",
         "red a1 4, a2 9 = 9, b2 5 = 9. \\boxed{ 9 }", "look at a1 a2 b2 then max"},
        {PTD_NBR, &g, "digit left of the green digit", "green a3: a2 4. \\boxed{ 4 }",
         "first a3 then look at a2 then read"},
        {PTD_NBR, &g, "digit above the yellow digit", "yellow c2: b2 8. \\boxed{ 8 }",
         "first c2 then look at b2 then read"},
        {PTD_COLSUM, &g, "sum of the column of the yellow digit",
         "yellow c2: a2 4, b2 8 = 12, c2 3 = 15. \\boxed{ 15 }",
         "first c2 then look at a2 b2 c2 then add"},
        {PTD_ROWSUM, &g, "sum of the row of the green digit",
         "green a3: a2 4, a3 7 = 11. \\boxed{ 11 }", "first a3 then look at a2 a3 then add"},
        {PTD_DIFF, &g, "difference of the yellow and the green digit",
         "yellow c2 3, green a3 7 = 4. \\boxed{ 4 }", "look at c2 a3 then subtract"},
        {PTD_READ, &g, "read b2", "b2 red 8", ""},
        {PTD_READ, &g, "read a1", "a1 none", ""},
        {PTD_FIND, &g, "look at the blue digits", "blue b1 c1", ""},
        {PTD_FIND, &three, "look at the yellow digits", "yellow none", ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct ptd_task t;
        char hint[128] = "";
        int row = 0;
        for (; row < 1000; row++) {
            struct ptd_draw draw = {.seed = 3, .row = row};
            if (ptd_task_ask(&t, table[i].kind, table[i].g, &draw) &&
                strcmp(t.question, table[i].question) == 0)
                break;
        }
        assert_true(row < 1000);
        for (int k = 0; k < t.n_steps; k++)
            sprintf(hint + strlen(hint), "%s%s", k ? " then " : "", t.steps[k]);
        assert_string_equal(t.solution, table[i].solution);
        assert_string_equal(hint, table[i].hint);
    }
}

static void impossible_questions_are_refused(void **state)
{
    (void)state;
    /* no colour occurs once */
    const struct ptd_grid pairs = {.colour = {0, 0, 1, 1, 2, 2, 3, 3, -1}};
    const struct ptd_grid alone = {.colour = {0, -1, -1, -1, -1, -1, -1, -1, -1}};
    struct ptd_task t;
    for (int row = 0; row < 50; row++) {
        struct ptd_draw draw = {.seed = 4, .row = row};
        for (int kind = PTD_NBR; kind < PTD_FAMILIES; kind++) {
            assert_int_equal(ptd_task_ask(&t, kind, &pairs, &draw), 0);
            assert_int_equal(ptd_task_ask(&t, kind, &alone, &draw), 0);
        }
        assert_int_equal(ptd_task_ask(&t, PTD_CSUM, &alone, &draw), 0);
    }
}

static int is_number(const char *word)
{
    return *word && word[strspn(word, "0123456789.,")] == 0;
}

static void hints_hold_no_number(void **state)
{
    (void)state;
    for (int kind = 0; kind < PTD_KINDS; kind++)
        for (int row = 0; row < ROWS; row++) {
            struct ptd_grid g;
            struct ptd_task t;
            draw_task(&t, &g, kind, 5, row);
            assert_int_equal(t.n_steps > 0, kind < PTD_FAMILIES);
            for (int i = 0; i < t.n_steps; i++) {
                char step[sizeof t.steps[0]];
                memcpy(step, t.steps[i], sizeof step);
                for (char *word = strtok(step, " "); word; word = strtok(NULL, " ")) {
                    assert_false(is_number(word));
                    assert_string_not_equal(word, t.answer);
                }
            }
        }
}

static void cells_follow_the_hint(void **state)
{
    (void)state;
    for (int kind = 0; kind < PTD_FAMILIES; kind++)
        for (int row = 0; row < ROWS; row++) {
            struct ptd_grid g;
            struct ptd_task t;
            int named[9] = {0}, n = 0;
            draw_task(&t, &g, kind, 6, row);
            for (int i = 0; i < t.n_steps; i++)
                for (const char *p = strchr(t.steps[i], ' '); p; p = strchr(p + 1, ' ')) {
                    int cell = cell_named(p + 1);
                    if (cell < 0 || named[cell]++) continue;
                    assert_int_equal(t.cells[n++], cell);
                }
            assert_int_equal(n, t.n_cells);
        }
}

/* ---- pictures ---- */

static void same_key_same_row(void **state)
{
    (void)state;
    int differ = 0;
    for (int row = 0; row < 50; row++) {
        struct ptd_grid a, b, c;
        struct ptd_task t, u, v;
        draw_task(&t, &a, row % PTD_KINDS, 7, row);
        draw_task(&u, &b, row % PTD_KINDS, 7, row);
        draw_task(&v, &c, row % PTD_KINDS, 8, row);
        assert_memory_equal(&a, &b, sizeof a);
        assert_memory_equal(&t, &u, sizeof t);
        differ += memcmp(&a, &c, sizeof a) != 0;
    }
    assert_int_equal(differ, 50);
}

static void grids_are_spread(void **state)
{
    (void)state;
    int filled[10] = {0}, colours[4] = {0}, cells = 0;
    for (int row = 0; row < 4000; row++) {
        struct ptd_grid g;
        struct ptd_draw draw = {.seed = 9, .row = row};
        int n = 0;
        ptd_grid_draw(&g, &train, &draw);
        for (int i = 0; i < 9; i++) {
            if (g.colour[i] < 0) continue;
            n++;
            colours[g.colour[i]]++;
            cells++;
            assert_int_equal(g.digit[i], train.labels.data[g.glyph[i]]);
        }
        filled[n]++;
    }
    for (int n = 0; n < 10; n++)
        assert_in_range(filled[n], n >= 5 && n <= 8 ? 860 : 0, n >= 5 && n <= 8 ? 1140 : 0);
    for (int c = 0; c < 4; c++) assert_true(fabs(colours[c] / (double)cells - 0.25) < 0.02);
}

static void pictures_show_the_grid(void **state)
{
    (void)state;
    static const double rgb[4][3] = {{1, .2, .2}, {.2, 1, .2}, {.3, .4, 1}, {1, .9, .1}};
    for (int row = 0; row < 20; row++) {
        struct ptd_grid g;
        struct ptd_image im = {0};
        struct ptd_draw draw = {.seed = 10, .row = row};
        ptd_grid_draw(&g, &test, &draw);
        ptd_grid_paint(&g, &test, &im);
        assert_int_equal(im.height, 84);
        assert_int_equal(im.width, 84);
        for (int i = 0; i < 84 * 84 * 3; i++) {
            int y = i / 3 / 84, x = i / 3 % 84, cell = y / 28 * 3 + x / 28;
            int grey = test.pixels[g.glyph[cell] * 784 + y % 28 * 28 + x % 28];
            double want = g.colour[cell] < 0 ? 0 : grey * rgb[g.colour[cell]][i % 3];
            assert_true(fabs(im.pixels[i] - want) <= 0.5001);
        }
        ptd_image_clear(&im);
    }
}

static void boxes_tile_the_picture(void **state)
{
    (void)state;
    double area = 0;
    for (int i = 0; i < 9; i++) {
        float b[4];
        ptd_cell_box(i, b);
        assert_true(b[0] >= 0 && b[1] >= 0 && b[2] <= 1 && b[3] <= 1);
        assert_int_equal(lround(b[0] * 3), i % 3);
        assert_int_equal(lround(b[1] * 3), i / 3);
        area += (b[2] - b[0]) * (b[3] - b[1]);
    }
    assert_true(fabs(area - 1) < 1e-6);
}

/* ---- handwriting ---- */

static int by_bytes(const void *a, const void *b)
{
    return memcmp(*(uint8_t *const *)a, *(uint8_t *const *)b, 784);
}

static void train_and_test_are_disjoint(void **state)
{
    (void)state;
    uint8_t **all = malloc(train.n * sizeof *all);
    for (long i = 0; i < train.n; i++) all[i] = train.pixels + i * 784;
    qsort(all, train.n, sizeof *all, by_bytes);
    for (long i = 0; i < test.n; i++) {
        uint8_t *key = test.pixels + i * 784;
        assert_null(bsearch(&key, all, train.n, sizeof *all, by_bytes));
    }
    uint8_t *known = train.pixels + 784 * 17; /* the search does find what is there */
    assert_non_null(bsearch(&known, all, train.n, sizeof *all, by_bytes));
    free(all);
}

static void digits_are_balanced_and_inked(void **state)
{
    (void)state;
    const struct ptd_digits *both[] = {&train, &test};
    for (int s = 0; s < 2; s++) {
        long count[10] = {0}, ink = 0;
        for (long i = 0; i < both[s]->n; i++) count[both[s]->labels.data[i]]++;
        for (long i = 0; i < both[s]->n * 784; i++) ink += both[s]->pixels[i];
        for (int d = 0; d < 10; d++) assert_int_equal(count[d], both[s]->n / 10);
        assert_in_range(ink / (both[s]->n * 784), 28, 39); /* MNIST's mean is 33 */
    }
}

/* ---- idx ---- */

extern const uint8_t ptd_digits_test_labels[], ptd_digits_test_labels_end[];

static void refuses(const uint8_t *bytes, size_t n)
{
    struct ptd_idx x;
    assert_int_equal(ptd_idx_load(&x, bytes, n, "x.gz"), -1);
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    assert_non_null(strstr(ptd_failed_message(), "x.gz: "));
    assert_null(x.data);
}

static void damaged_idx_is_refused(void **state)
{
    (void)state;
    size_t n = ptd_digits_test_labels_end - ptd_digits_test_labels;
    uint8_t *copy = malloc(n + 1);
    struct ptd_idx x;
    memcpy(copy, ptd_digits_test_labels, n);
    copy[n] = 'x';
    assert_int_equal(ptd_idx_load(&x, copy, n, "x.gz"), 0);
    assert_int_equal(x.dims[0], test.n);
    ptd_idx_clear(&x);
    for (size_t cut = 0; cut < n; cut++) refuses(copy, cut);
    refuses(copy, n + 1);
    for (size_t i = 10; i < n; i++) { /* the first ten bytes hold fields that do not matter */
        copy[i] ^= 4;
        refuses(copy, n);
        copy[i] ^= 4;
    }
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_right),
        cmocka_unit_test(solutions_read_what_is_there),
        cmocka_unit_test(texts_keep_their_style),
        cmocka_unit_test(impossible_questions_are_refused),
        cmocka_unit_test(hints_hold_no_number),
        cmocka_unit_test(cells_follow_the_hint),
        cmocka_unit_test(same_key_same_row),
        cmocka_unit_test(grids_are_spread),
        cmocka_unit_test(pictures_show_the_grid),
        cmocka_unit_test(boxes_tile_the_picture),
        cmocka_unit_test(train_and_test_are_disjoint),
        cmocka_unit_test(digits_are_balanced_and_inked),
        cmocka_unit_test(damaged_idx_is_refused),
    };
    return cmocka_run_group_tests(tests, open_both, close_both);
}
