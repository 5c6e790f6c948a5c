/* Rules of places and lists: matching against all ways there are, boxes and points in every dress,
 * iou, point and f1. Leaves to test-judge.c: all other rules. */
#include "judge/match.h"
#include "judge/places.h"
#include "judge/rows.h"
#include "test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- matching ---- */

static double best_way(const double *worth, int n, int m, int row, unsigned taken)
{
    if (row == n) return 0;
    double best = best_way(worth, n, m, row + 1, taken);
    for (int c = 0; c < m; c++)
        if (!(taken >> c & 1))
            best = fmax(best, worth[row * m + c] + best_way(worth, n, m, row + 1, taken | 1u << c));
    return best;
}

static void matches_as_well_as_can_be(void **state)
{
    (void)state;
    srand(1);
    for (int round = 0; round < 3000; round++) {
        int n = rand() % 6, m = rand() % 6;
        double worth[36];
        for (int i = 0; i < n * m; i++) worth[i] = round % 2 ? rand() % 2 : rand() % 100 / 64.0;
        assert_close(ptd_match(worth, n, m), best_way(worth, n, m, 0, 0), 1e-9);
    }
}

static void matches_the_most_there_can_be(void **state)
{
    (void)state;
    static double worth[PTD_MATCH_MAX * PTD_MATCH_MAX];
    for (int i = 0; i < PTD_MATCH_MAX; i++)
        for (int j = 0; j < PTD_MATCH_MAX; j++)
            worth[i * PTD_MATCH_MAX + j] = (j + 7) % PTD_MATCH_MAX == i ? 1 : 0.5;
    assert_close(ptd_match(worth, PTD_MATCH_MAX, PTD_MATCH_MAX), PTD_MATCH_MAX, 1e-9);
    assert_close(ptd_match(worth, 1, PTD_MATCH_MAX), 1, 1e-12);
    assert_close(ptd_match(worth, 0, 5), 0, 0);
}

/* ---- reading ---- */

/* "10,20,30,40(cat) ..." */
static char *shown(const struct ptd_places *p, int boxes)
{
    static char text[4096];
    int n = 0;
    text[0] = 0;
    for (int i = 0; i < p->n; i++) {
        const struct ptd_place *q = &p->at[i];
        n += snprintf(text + n, sizeof text - n, "%s%g,%g", i ? " " : "", q->x0, q->y0);
        if (boxes) n += snprintf(text + n, sizeof text - n, ",%g,%g", q->x1, q->y1);
        if (q->label)
            n += snprintf(text + n, sizeof text - n, "(%.*s)", (int)q->label_len, q->label);
    }
    return text;
}

struct dress {
    const char *text, *places, *reason;
};

static void reads(const struct dress *d, size_t n, int boxes)
{
    for (size_t i = 0; i < n; i++) {
        struct ptd_places p;
        const char *reason =
            (boxes ? ptd_boxes_read : ptd_points_read)(&p, d[i].text, strlen(d[i].text));
        if (!!reason != !!d[i].reason || (reason && strcmp(reason, d[i].reason)))
            fail_msg("\"%s\": reason %s, expected %s", d[i].text, reason ? reason : "none",
                     d[i].reason ? d[i].reason : "none");
        if (!reason && strcmp(shown(&p, boxes), d[i].places))
            fail_msg("\"%s\": read %s, expected %s", d[i].text, shown(&p, boxes), d[i].places);
        ptd_places_clear(&p);
    }
}

static void reads_boxes_in_every_dress(void **state)
{
    (void)state;
    static const struct dress boxes[] = {
        {"[10, 20, 30, 40]", "10,20,30,40"},
        {"10, 20, 30, 40", "10,20,30,40"},
        {"10 20 30 40", "10,20,30,40"},
        {"(10,20),(30,40)", "10,20,30,40"},
        {"[[10, 20], [30, 40]]", "10,20,30,40"},
        {"[[1,2,3,4],[5,6,7,8]]", "1,2,3,4 5,6,7,8"},
        {"[1,2,3,4] and [5,6,7,8]", "1,2,3,4 5,6,7,8"},
        {"{\"bbox_2d\": [10, 20, 30, 40]}", "10,20,30,40"},
        {"{\"bbox_2d\": [10, 20, 30, 40], \"label\": \"cat 2\"}", "10,20,30,40(cat 2)"},
        {"{\"label\": \"cat, [5]\", \"bbox_2d\": [10, 20, 30, 40]}", "10,20,30,40(cat, [5])"},
        {"```json\n[\n\t{\"bbox_2d\": [1, 2, 3, 4], \"label\": \"a\"},\n\t{\"bbox_2d\": [5, 6, 7, "
         "8], "
         "\"label\": \"b\\\"\"}\n]\n```",
         "1,2,3,4(a) 5,6,7,8(b\\\")"},
        {"{'bbox_2d': [10, 20, 30, 40], 'label': 'cat'}", "10,20,30,40(cat)"},
        {"{\"x1\": 10, \"y1\": 20, \"x2\": 30, \"y2\": 40}", "10,20,30,40"},
        {"x1=10, y1=20, x2=30, y2=40", "10,20,30,40"},
        {"The 2 cats (3 legs) are at [10.5,20.25,3e2,400]", "10.5,20.25,300,400"},
        {"the cat's box is [10, 20, 30, 40]", "10,20,30,40"},
        {"\\left[10, 20, 30, 40\\right]", "10,20,30,40"},
        {"\\[10, 20, 30, 40\\]", "10,20,30,40"},
        {"[-10, \xe2\x88\x92"
         "20, 30px, 40px]",
         "-10,-20,30,40"},
        {"\xef\xbc\x88\xef\xbc\x91\xef\xbc\x90\xef\xbc\x8c"
         "20\xef\xbc\x8c"
         "30\xef\xbc\x8c"
         "40\xef\xbc\x89",
         "10,20,30,40"},
        {"\xe6\xa1\x86"
         "10,20,30,40",
         "10,20,30,40"},
        {"[0.1, 0.2, 0.3, 0.4]", "100,200,300,400"},
        {"[0.0, 0, 1, 1]", "0,0,1000,1000"},
        {"[0, 0, 1, 1]", "0,0,1,1"},
        {"[0.5, 0, 1, 2]", "0.5,0,1,2"},
        {"[10, 20, 30, 40", "10,20,30,40"},
        {"[10, 20, 30]", "", "no bounding box"},
        {"[10, 20, 30, 40, 50]", "", "no bounding box"},
        {"(1,2),(3,4),(5,6)", "", "no bounding box"},
        {"1, 2, 3", "", "no bounding box"},
        {"bbox_2d", "", "no bounding box"},
        {"{\"bbox_2d\": \"1,2,3,4\"}", "", "no bounding box"},
        {"[inf, nan, 1, 2, 3]", "", "no bounding box"},
        {"", "", "no bounding box"},
        {"[1e300, 2, 3, 4]", "", "a number out of range"},
        {"[1e999, 2, 3, 4]", "", "a number out of range"},
        {"[1111111111111111111111111111111111111111111111, 2, 3, 4]", "", "a number out of range"},
    };
    reads(boxes, sizeof boxes / sizeof *boxes, 1);
}

static void reads_points_in_every_dress(void **state)
{
    (void)state;
    static const struct dress points[] = {
        {"(10, 20)", "10,20"},
        {"10, 20", "10,20"},
        {"[[10,20],[30,40]]", "10,20 30,40"},
        {"{\"point_2d\": [10, 20], \"label\": \"nose\"}", "10,20(nose)"},
        {"x=10, y=20", "10,20"},
        {"<point x=\"61.5\" y=\"40.4\">nose</point>", "61.5,40.4"},
        {"<point x=\"15\" y=\"25\">x</point>", "15,25"},
        {"<point x='-15' y='25' alt='2 eyes'>2 eyes</point>", "-15,25"},
        {"<point x=\"1\" y=\"2\">a</point><point x=\"3\" y=\"4\">b</point>", "1,2 3,4"},
        {"<points x1=\"1\" y1=\"2\" x2=\"3\" y2=\"4\" alt=\"cups\">5</points>", "1,2 3,4"},
        {"<point alt=\"x\" x=\"0.25\" y=\"0.5\">", "250,500"},
        {"<point>(15,25)</point>", "15,25"},
        {"<point x=\"1e300\" y=\"2\">", "", "a number out of range"},
        {"<point x=\"\" y=\"2\">", "", "no point"},
        {"<point y=\"1\" x=\"2\" z=\"5\">", "", "no point"},
        {"<point x=", "", "no point"},
        {"<point x=\"1", "", "no point"},
        {"(0.25, 0.5)", "250,500"},
        {"[10, 20, 30, 40]", "", "no point"},
        {"10", "", "no point"},
    };
    reads(points, sizeof points / sizeof *points, 0);
}

static void reads_no_more_than_there_may_be(void **state)
{
    (void)state;
    char *text = calloc(1, PTD_PLACES_BYTES + 2);
    struct ptd_places p;
    for (int i = 0; i < PTD_PLACES_MAX; i++) strcat(text, "[1,2,3,4]");
    assert_null(ptd_boxes_read(&p, text, strlen(text)));
    assert_int_equal(p.n, PTD_PLACES_MAX);
    ptd_places_clear(&p);
    strcat(text, "[1,2,3,4]");
    assert_string_equal(ptd_boxes_read(&p, text, strlen(text)), "too many places");
    ptd_places_clear(&p);
    memset(text, '[', PTD_PLACES_BYTES + 1);
    assert_string_equal(ptd_boxes_read(&p, text, PTD_PLACES_BYTES + 1), "too long");
    ptd_places_clear(&p);
    assert_string_equal(ptd_boxes_read(&p, text, PTD_PLACES_BYTES), "no bounding box");
    ptd_places_clear(&p);
    free(text);
}

/* ---- rules ---- */

static struct ptd_judge_settings set;

struct pair {
    const char *gold, *answer;
    double accuracy;
};

static void judges(const struct ptd_judge *rule, const struct pair *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct ptd_asked asked = {.answer = p[i].gold};
        struct ptd_gold *g = ptd_gold_new(rule, &set, &asked);
        if (!g) fail_msg("gold \"%s\": %s", p[i].gold, ptd_failed_message());
        double got = ptd_gold_score(g, p[i].answer, strlen(p[i].answer), NULL);
        if (!(fabs(got - p[i].accuracy) < 1e-6))
            fail_msg("%s of \"%s\" to \"%s\": %.9g, expected %.9g", rule->name, p[i].answer,
                     p[i].gold, got, p[i].accuracy);
        ptd_gold_free(g);
    }
}

#define JUDGES(rule, list) judges(rule, list, sizeof(list) / sizeof *(list))

static void refuses_gold(const struct ptd_judge *rule, const char *gold, const char *words)
{
    struct ptd_asked asked = {.answer = gold};
    assert_null(ptd_gold_new(rule, &set, &asked));
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    if (!strstr(ptd_failed_message(), words))
        fail_msg("\"%s\" lacks \"%s\"", ptd_failed_message(), words);
}

#define TWO "[0,0,10,10],[20,0,30,10]"

static void iou_from_a_threshold_on(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"[0,0,10,10]", "[0,0,10,10]", 1},
        {"[0,0,10,10]", "[0,0,10,5]", 1},
        {"[0,0,10,10]", "[0,0,10,4.9]", 0},
        {"[0,0,10,10]", "[10,10,0,0]", 0},
        {"[0,0,10,10]", "[0,0,0,0]", 0},
        {"[0,0,10,10]", "[20,20,30,30]", 0},
        {"[0,0,10,10]", TWO, 0},
        {"[0,0,10,10]", "[0,0,10,10],[0,0,10,10]", 0},
        {TWO, "[20,0,30,10],[0,0,10,10]", 1},
        {TWO, "[0,0,10,10]", 0},
        {TWO, "[0,0,10,10],[0,0,10,10]", 0},
        {"[0.1,0.1,0.2,0.2]", "[100,100,200,200]", 1},
        {"[100,100,200,200]", "[0.1,0.1,0.2,0.2]", 1},
        {"[100,100,200,200]", "[0,0,1,1]", 0},
        {"[0.0,0.0,1.0,1.0]", "[0,0,1,1]", 1},
        {"{\"bbox_2d\": [0,0,10,10], \"label\": \"the cat\"}",
         "{\"bbox_2d\": [0,0,10,10], \"label\": \"cat\"}", 1},
        {"[{\"bbox_2d\": [0,0,10,10], \"label\": \"cat\"}, {\"bbox_2d\": [20,0,30,10], \"label\": "
         "\"dog\"}]",
         "[{\"bbox_2d\": [20,0,30,10], \"label\": \"Dog\"}, {\"bbox_2d\": [0,0,10,10], \"label\": "
         "\"cat\"}]",
         1},
        {"[{\"bbox_2d\": [0,0,10,10], \"label\": \"cat\"}, {\"bbox_2d\": [20,0,30,10], \"label\": "
         "\"dog\"}]",
         "[{\"bbox_2d\": [20,0,30,10], \"label\": \"cat\"}, {\"bbox_2d\": [0,0,10,10], \"label\": "
         "\"dog\"}]",
         0},
        {"[0,0,10,10]", "here", 0},
    };
    set = ptd_judge_defaults;
    assert_close(set.iou, 0.5, 0);
    JUDGES(&ptd_judge_iou, pairs);
}

static void iou_as_it_is(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"[0,0,10,10]", "[0,0,10,10]", 1},
        {"[0,0,10,10]", "[0,0,10,4]", 0.4},
        {"[0,0,10,10]", "[5,5,15,15]", 25.0 / 175},
        {"[0,0,10,10]", "[0,0,10,10],[50,50,60,60]", 0},
        {TWO, "[0,0,10,10]", 0.5},
        {TWO, "[20,0,30,5],[0,0,10,10],[50,50,60,60]", 0.5},
        /* not each with the nearest: 0.9 and 0 would be less than 0.8 and 0.7 */
        {"[0,0,10,10],[0,0,10,8]", "[0,0,10,9],[0,0,10,10]", (1 + 8.0 / 9) / 2},
    };
    set = ptd_judge_defaults;
    set.iou = 0;
    JUDGES(&ptd_judge_iou, pairs);
}

static void points_inside(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"[0,0,10,10]", "(5,5)", 1},
        {"[0,0,10,10]", "(10,0)", 1},
        {"[0,0,10,10]", "(11,5)", 0},
        {"[0,0,10,10]", "[0,0,10,10]", 0},
        {"[0,0,10,10]", "(5,5),(6,6)", 0},
        {"[0,0,10,10]", "(5,5),(60,60)", 0},
        {TWO, "(25,5),(5,5)", 1},
        {TWO, "(5,5)", 0.5},
        {TWO, "(5,5),(6,6)", 0.5},
        {"[0.1,0.1,0.2,0.2]", "(150,150)", 1},
        {"(5,5)", "(5,5)", 1},
        {"(5,5)", "(6,4)", 1},
        {"(5,5)", "(7,5)", 0},
        {"(5,5),(9,9)", "(9,9),(5,5)", 1},
        {"[0,0,10,10]", "5", 0},
    };
    set = ptd_judge_defaults;
    set.absolute = 1;
    JUDGES(&ptd_judge_point, pairs);
    set.absolute = 0.01;
    judges(&ptd_judge_point, &(struct pair){"(0.1, 0.1)", "(109, 100)", 1}, 1);
    judges(&ptd_judge_point, &(struct pair){"(0.1, 0.1)", "(111, 100)", 0}, 1);
}

static void refuses_golds_that_are_no_places(void **state)
{
    (void)state;
    set = ptd_judge_defaults;
    refuses_gold(&ptd_judge_iou, "the cat", "\"the cat\": no bounding box, expected boxes as [x0,");
    refuses_gold(&ptd_judge_iou, "[10,0,0,10]", "a box without area");
    refuses_gold(&ptd_judge_iou, "[0,0,10,10],[5,5,5,5]", "a box without area");
    refuses_gold(&ptd_judge_iou, "[0,0,1e99,10]", "a number out of range");
    refuses_gold(&ptd_judge_point, "the cat", "expected boxes as [x0, y0, x1, y1] or points as");
    refuses_gold(&ptd_judge_point, "[10,0,0,10]", "a box turned around");
}

static void lists_by_f1(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"a, b, c", "c, b, a", 1},
        {"a, b, c", "a, b", 0.8},
        {"a, b, c", "a, b, c, d", 6.0 / 7},
        {"a, b", "a, a", 0.5},
        {"a, b", "x, y", 0},
        {"a; b; c", "[\"c\", \"a\", \"b\"]", 1},
        {"[\"a, b\", \"c\"]", "c; a, b", 0.4},
        {"[\"a, b\", \"c\"]", "\"c\", \"a, b\"", 1},
        {"red, green and blue", "blue, green, red", 1},
        {"[\"red\", \"green\", \"blue\"]", "red, green and blue", 1},
        {"red, green, and blue", "- Red\n- Green\n- Blue", 1},
        {"[\"salt and pepper\", \"oil\"]", "salt and pepper, oil", 1},
        {"1. a\n2. b", "a\nb\n", 1},
        {"1, 2, 3", "{3, 2.0, 1}", 1},
        {"1,2,3", "\\{1, 2, 3\\}", 1},
        {"100,200,300", "100, 200, 300", 1},
        {"1,234, 5", "5, 1234", 1},
        {"1,234; 5", "5, 1234", 1},
        {"(1,2), (3,4)", "(3,4), (1,2)", 1},
        {"a\xe3\x80\x81"
         "b",
         "b\xef\xbc\x8c"
         "a",
         1},
        {"[]", "[]", 1},
        {"[]", "a", 0},
        {"a", "[]", 0},
        {"a", "A.", 1},
        {"cat, dog", "a cat, the dog", 1},
        {"the cat, An owl", "**Owl**, **cat**", 1},
        {"a b, c", "b, c", 0.5},
        {"a, an, the", "the, a, an", 1},
        {"another, ants", "other, ts", 0},
        {"f(x, y), z", "z, f(x, y)", 1},
    };
    set = ptd_judge_defaults;
    JUDGES(&ptd_judge_f1, pairs);
}

static void lists_are_bounded(void **state)
{
    (void)state;
    char *text = calloc(1, PTD_PLACES_BYTES + 2);
    set = ptd_judge_defaults;
    for (int i = 0; i < PTD_MATCH_MAX; i++) strcat(text, "a,");
    judges(&ptd_judge_f1, &(struct pair){text, text, 1}, 1);
    strcat(text, "a");
    refuses_gold(&ptd_judge_f1, text, "too many entries, expected a list of at most 64");
    memset(text, '(', PTD_PLACES_BYTES);
    judges(&ptd_judge_f1, &(struct pair){"a", text, 0}, 1);
    memset(text, '"', PTD_PLACES_BYTES);
    judges(&ptd_judge_f1, &(struct pair){"a", text, 0}, 1);
    memset(text, '(', PTD_PLACES_BYTES + 1);
    refuses_gold(&ptd_judge_f1, text, "too long");
    free(text);
}

/* What is hostile costs little, however many entries are held against however many. */
static void lists_take_no_time(void **state)
{
    (void)state;
    char *gold = calloc(1, PTD_PLACES_BYTES + 2), *answer = calloc(1, PTD_PLACES_BYTES + 2);
    for (int i = 0, g = 0, a = 0; i < PTD_MATCH_MAX; i++) {
        g += sprintf(gold + g, "%d/7+x%0900d;", i, i);
        a += sprintf(answer + a, "%d/7+x%0900d;", i + 1, i + 2);
    }
    set = ptd_judge_defaults;
    clock_t began = clock();
    for (int i = 0; i < 10; i++) judges(&ptd_judge_f1, &(struct pair){gold, answer, 0}, 1);
    assert_true((double)(clock() - began) / CLOCKS_PER_SEC < 10 * 0.2);
    free(gold);
    free(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_as_well_as_can_be),
        cmocka_unit_test(matches_the_most_there_can_be),
        cmocka_unit_test(reads_boxes_in_every_dress),
        cmocka_unit_test(reads_points_in_every_dress),
        cmocka_unit_test(reads_no_more_than_there_may_be),
        cmocka_unit_test(iou_from_a_threshold_on),
        cmocka_unit_test(iou_as_it_is),
        cmocka_unit_test(points_inside),
        cmocka_unit_test(refuses_golds_that_are_no_places),
        cmocka_unit_test(lists_by_f1),
        cmocka_unit_test(lists_are_bounded),
        cmocka_unit_test(lists_take_no_time),
    };
    return cmocka_run_group_tests_name("places", tests, NULL, NULL);
}
