/* Questions about charts: answers recomputed from the picture's pixels by other code, hints that
 * give nothing away, and birds of the test pictures that no train picture has. */
#include "data/charts.h"
#include "test.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 600

static struct ptd_bars train, test;

static int open_both(void **state)
{
    (void)state;
    return ptd_bars_open(&train, PTD_TRAIN) < 0 || ptd_bars_open(&test, PTD_TEST) < 0;
}

static int close_both(void **state)
{
    (void)state;
    ptd_bars_close(&train);
    ptd_bars_close(&test);
    return 0;
}

static void draw_task(struct ptd_task *t, struct ptd_grid *g, int kind, uint32_t row)
{
    struct ptd_draw draw = {.seed = 5, .split = PTD_TRAIN, .row = row};
    do ptd_chart_draw(g, &train, &draw);
    while (!ptd_chart_ask(t, kind, g, &draw));
}

/* ---- what the picture shows ---- */

/* Count and colour of a cell's bar, by its pixels. */
static int count_in(const struct ptd_image *im, int cell, const char **colour)
{
    int pixels = 0;
    const uint8_t *last = NULL;
    for (int y = 0; y < 27; y++) {
        const uint8_t *p = im->pixels + ((cell / 3 * 28 + y) * 84 + cell % 3 * 28 + 14) * 3;
        if (p[0] || p[1] || p[2]) pixels++, last = p;
    }
    assert_non_null(last);
    *colour = last[2] == 255   ? "blue"
              : last[1] == 255 ? "green"
              : last[1] == 230 ? "yellow"
                               : "red";
    assert_in_range(pixels, 2, 26);
    return (pixels - 2) * 10 / 25;
}

struct seen {
    int count[9];
    const char *colour[9];
};

static int line_sum(const struct seen *s, int first, int by)
{
    return s->count[first] + s->count[first + by] + s->count[first + 2 * by];
}

static int largest(int a, int b, int c)
{
    int x = a > b ? a : b;
    return x > c ? x : c;
}

static int colour_sum(const struct seen *s, const char *word)
{
    int sum = 0;
    for (int i = 0; i < 9; i++)
        if (strncmp(word, s->colour[i], strlen(s->colour[i])) == 0) sum += s->count[i];
    return sum;
}

/* From the question's words alone. */
static int answer_of(const char *q, const struct seen *s)
{
    int sum = 0;
    char row;
    if (strcmp(q, "largest sum of a row") == 0)
        return largest(line_sum(s, 0, 1), line_sum(s, 3, 1), line_sum(s, 6, 1));
    if (strcmp(q, "largest sum of a column") == 0)
        return largest(line_sum(s, 0, 3), line_sum(s, 1, 3), line_sum(s, 2, 3));
    if (strcmp(q, "sum of the largest in each row") == 0) {
        for (int i = 0; i < 9; i += 3)
            sum += largest(s->count[i], s->count[i + 1], s->count[i + 2]);
        return sum;
    }
    if (sscanf(q, "sum of the column of the largest in row %c", &row) == 1) {
        int at = (row - 'a') * 3, best = at;
        for (int i = at; i < at + 3; i++)
            if (s->count[i] > s->count[best]) best = i;
        return line_sum(s, best % 3, 3);
    }
    if (strncmp(q, "sum of the rows of the ", 23) == 0) {
        for (int i = 0; i < 9; i++)
            if (strncmp(q + 23, s->colour[i], strlen(s->colour[i])) == 0)
                sum += line_sum(s, i / 3 * 3, 1);
        return sum;
    }
    const char *second = strstr(q, " and the sum of the ");
    assert_true(strncmp(q, "difference of the sum of the ", 29) == 0 && second);
    return abs(colour_sum(s, q + 29) - colour_sum(s, second + 20));
}

static void look(struct seen *s, const struct ptd_grid *g)
{
    struct ptd_image im = {0};
    ptd_chart_paint(g, &train, &im);
    for (int i = 0; i < 9; i++) s->count[i] = count_in(&im, i, &s->colour[i]);
    ptd_image_clear(&im);
}

/* ---- tests ---- */

static void test_answers(void **state)
{
    (void)state;
    struct ptd_task t;
    struct ptd_grid g;
    struct seen s;
    for (uint32_t row = 0; row < ROWS; row++) {
        draw_task(&t, &g, (int)row % PTD_CHART_DESCRIBE, row);
        look(&s, &g);
        assert_int_equal(atoi(t.answer), answer_of(t.question, &s));
        const char *box = strstr(t.solution, "\\boxed{ ");
        assert_true(box && atoi(box + 8) == atoi(t.answer));
        assert_true(strlen(t.solution) < sizeof t.solution - 1);
    }
}

/* Every "a = b" of a solution is what the operation gives, every "b2 4" what the picture shows. */
static void test_solutions_read_the_picture(void **state)
{
    (void)state;
    struct ptd_task t;
    struct ptd_grid g;
    struct seen s;
    for (uint32_t row = 0; row < ROWS; row++) {
        draw_task(&t, &g, (int)row % PTD_CHART_READ, row);
        look(&s, &g);
        for (const char *p = t.solution; *p; p++) {
            int at = *p - 'a', column = p[1] - '1', n;
            char colour[8];
            if (at < 0 || at > 2 || column < 0 || column > 2) continue;
            if (sscanf(p + 2, " %d", &n) == 1) assert_int_equal(n, s.count[at * 3 + column]);
            if (sscanf(p + 2, " %7[a-z] %d", colour, &n) == 2 && strlen(colour) > 1) {
                assert_string_equal(colour, s.colour[at * 3 + column]);
                assert_int_equal(n, s.count[at * 3 + column]);
            }
        }
    }
}

static void test_hints_tell_no_number(void **state)
{
    (void)state;
    struct ptd_task t;
    struct ptd_grid g;
    for (uint32_t row = 0; row < ROWS; row++) {
        draw_task(&t, &g, (int)row % PTD_CHART_DESCRIBE, row);
        assert_in_range(t.n_steps, 2, PTD_TASK_STEPS);
        assert_in_range(t.n_cells, 4, 9);
        for (int i = 0; i < t.n_steps; i++)
            for (const char *p = t.steps[i]; *p; p++)
                assert_true(!isdigit((unsigned char)*p) || (p > t.steps[i] && isalpha(p[-1])));
    }
}

static void test_birds(void **state)
{
    (void)state;
    assert_int_equal(train.n + test.n, 342 * 4);
    int seen[10] = {0};
    for (int i = 0; i < train.n; i++) {
        double share = train.bar[i].share;
        assert_true(share >= 0 && share <= 1);
        seen[ptd_bar_count(ptd_bar_height(share))]++;
    }
    for (int i = 0; i < 10; i++) assert_true(seen[i] > 10);
    assert_int_equal(ptd_bar_count(ptd_bar_height(0)), 0);
    assert_int_equal(ptd_bar_count(ptd_bar_height(1)), 9);
    /* the first bird of the table, and the fifth, which is held out */
    assert_close(train.bar[0].value, 39.1, 0);
    assert_close(test.bar[0].value, 36.7, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers), cmocka_unit_test(test_solutions_read_the_picture),
        cmocka_unit_test(test_hints_tell_no_number), cmocka_unit_test(test_birds)};
    return cmocka_run_group_tests(tests, open_both, close_both);
}
