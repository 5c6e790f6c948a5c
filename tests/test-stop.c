/* Stop texts: found wherever tokens end, within characters and within tokens, against a plain
 * search of what has been said so far; where a text is cut. */
#include "data/config.h"
#include "data/stop.h"
#include "test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ptd_tokenizer *tiny;

static int load(void **state)
{
    (void)state;
    size_t len;
    const char *json = ptd_builtin("tiny/tokenizer.json", &len);
    tiny = ptd_tokenizer_new(json, len, "tiny");
    return tiny ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    ptd_tokenizer_free(tiny);
    return 0;
}

/* How many of the n ids are taken until a stop text is whole. */
static int taken(const struct ptd_stop *s, const int32_t *ids, int n)
{
    int at[8] = {0}, i = 0;
    assert_true(ptd_stop_places(s) <= 8);
    while (i < n && !ptd_stop_feed(s, at, ids[i++])) {
    }
    return i;
}

/* The same by decoding all that was said, token after token. */
static int taken_plainly(const int32_t *ids, int n, const char *const *texts, int n_texts)
{
    for (int i = 1; i <= n; i++) {
        char *text = ptd_tokenizer_decode(tiny, ids, i, 1);
        int found = 0;
        for (int k = 0; k < n_texts; k++) found |= strstr(text, texts[k]) != NULL;
        free(text);
        if (found) return i;
    }
    return n;
}

static const char *const stops[] = {"}",        "\n\n",      "aab",          "aabaab",
                                    "ab",       "\u56fe",    "\u00e9\u56fe", "boxed{ 6 }",
                                    "</think>", "<|im_end|>"};
enum { STOPS = sizeof stops / sizeof *stops };

/* Ids of random pieces, a control token between some: bytes of characters come apart in tokens. */
static int draw(unsigned *seed, int32_t *ids)
{
    static const char *const pieces[] = {"aa",       "b",          "aab", "}",      "\n",
                                         "\u56fe",   "\u00e9",     " 6 ", "boxed{", "box",
                                         "</think>", "<|im_end|>", "x",   "a"};
    int n = 0;
    for (int k = 0; k < 12; k++) {
        int32_t *piece;
        const char *s = pieces[rand_r(seed) % (sizeof pieces / sizeof *pieces)];
        int m = ptd_tokenizer_encode_data(tiny, s, strlen(s), &piece);
        memcpy(ids + n, piece, m * sizeof *ids);
        n += m;
        if (rand_r(seed) % 5 == 0) ids[n++] = ptd_tokenizer_id(tiny, "<|im_end|>");
        free(piece);
    }
    return n;
}

static void test_as_plain_search(void **state)
{
    (void)state;
    int32_t ids[400];
    unsigned seed = 3;
    int ended = 0;
    for (int round = 0; round < 3000; round++) {
        const char *texts[3];
        int n = draw(&seed, ids), n_texts = 1 + round % 3;
        for (int k = 0; k < n_texts; k++) texts[k] = stops[rand_r(&seed) % STOPS];
        struct ptd_stop *s = ptd_stop_new(tiny, texts, n_texts);
        int want = taken_plainly(ids, n, texts, n_texts);
        assert_int_equal(taken(s, ids, n), want);
        ended += want < n;
        ptd_stop_free(s);
    }
    assert_in_range(ended, 500, 2900);
}

static void test_within_a_token(void **state)
{
    (void)state;
    const char *const box[] = {"<thi", "k>x"};
    const int32_t ids[] = {ptd_tokenizer_id(tiny, "x"), ptd_tokenizer_id(tiny, "</think>"),
                           ptd_tokenizer_id(tiny, "<think>"), ptd_tokenizer_id(tiny, "x")};
    struct ptd_stop *s = ptd_stop_new(tiny, box, 2);
    assert_int_equal(taken(s, ids, 4), 3);
    assert_int_equal(taken(s, ids, 2), 2);
    assert_int_equal(taken(s, ids + 1, 1), 1);
    ptd_stop_free(s);
}

static void test_end(void **state)
{
    (void)state;
    const char *const texts[] = {"}", "stop"};
    struct ptd_stop *s = ptd_stop_new(tiny, texts, 2);
    assert_int_equal(ptd_stop_end(s, "box{6}. And }"), 6);
    assert_int_equal(ptd_stop_end(s, "ststop}"), 6);
    assert_int_equal(ptd_stop_end(s, "none"), 4);
    assert_int_equal(ptd_stop_end(s, ""), 0);
    ptd_stop_free(s);
    ptd_stop_free(NULL);
    assert_int_equal(ptd_stop_places(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_plain_search),
        cmocka_unit_test(test_within_a_token),
        cmocka_unit_test(test_end),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
