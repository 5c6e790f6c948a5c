/* Tests of what the page of ptd-dump --html is made of: JSON that may stand in a script, base64,
 * the words beside a token, pictures in the room there is. Leaves to page.bats: the page. */
#include "base/base64.h"
#include "base/half.h"
#include "test.h"
#include "view/page_private.h"
#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/encode.h>

static const char *said(struct ptd_jot *j)
{
    ptd_buf_add(&j->out, "", 1);
    return j->out.data;
}

static void jot_is_json_that_may_stand_in_a_script(void **state)
{
    (void)state;
    struct ptd_jot j = {0};
    ptd_jot_open(&j, '{');
    ptd_jot_key(&j, "a"), ptd_jot_int(&j, -3);
    ptd_jot_key(&j, "b"), ptd_jot_open(&j, '[');
    ptd_jot_number(&j, 0.5), ptd_jot_number(&j, NAN), ptd_jot_number(&j, INFINITY);
    ptd_jot_text(&j, NULL), ptd_jot_raw(&j, "true");
    ptd_jot_close(&j, ']');
    ptd_jot_key(&j, "c"), ptd_jot_open(&j, '['), ptd_jot_close(&j, ']');
    ptd_jot_key(&j, "d"), ptd_jot_bytes(&j, "</script>\0\n\"\\\x7f", 14);
    ptd_jot_close(&j, '}');
    assert_string_equal(said(&j), "{\"a\":-3,\"b\":[0.5,null,null,null,true],\"c\":[],"
                                  "\"d\":\"\\u003c/script>\\u0000\\u000a\\u0022\\u005c\\u007f\"}");
    ptd_jot_clear(&j);
    ptd_jot_text(&j, "\xc3\xa9\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa \xff");
    assert_string_equal(said(&j), "\"\xc3\xa9\\u2028\\u2029\xe2\x80\xaa \xef\xbf\xbd\"");
    ptd_jot_clear(&j);
}

static void base64_comes_back(void **state)
{
    (void)state;
    char text[PTD_BASE64_LETTERS(300)], back[PTD_BASE64_ROOM(sizeof text)];
    unsigned char bytes[300];
    for (int i = 0; i < 300; i++) bytes[i] = (unsigned char)(i * 197 + i / 7);
    for (size_t n = 0; n <= 300; n++) {
        size_t letters = PTD_BASE64_LETTERS(n);
        ptd_base64_encode(bytes, n, text);
        assert_int_equal(ptd_base64_decode(text, letters, back, NULL), n);
        assert_memory_equal(back, bytes, n);
    }
    ptd_base64_encode("fooba", 5, text);
    assert_memory_equal(text, "Zm9vYmE=", 8);
    ptd_base64_encode("\xfb\xff", 2, text);
    assert_memory_equal(text, "+/8=", 4);
}

static const struct ptd_page_detail all = {8, 0.001, 1, 0};

static void words_beside_a_token_are_both_sides(void **state)
{
    (void)state;
    const int32_t ids[1] = {7}, top[3] = {5, 7, -1}, taught[2] = {7, 9};
    const float logp[1] = {-1.5f};
    const uint16_t own[3] = {ptd_half(-0.25f), ptd_half(-1.5f), ptd_half(-INFINITY)},
                   on_top[3] = {ptd_half(-8), ptd_half(-0.5f), ptd_half(-INFINITY)},
                   tutor[2] = {ptd_half(-0.5f), ptd_half(-1)};
    struct ptd_rollout y = {.ids = ids, .n = 1, .logp = logp, .top_ids = top, .top_k = 3};
    struct ptd_page_word w[PTD_PAGE_WORDS];
    /* no log-probs are known but that of the word itself */
    assert_int_equal(ptd_page_beside(&y, 0, &all, w), 2);
    assert_true(w[0].id == 7 && w[0].student == -1.5f && isnan(w[0].tutor));
    assert_true(w[1].id == 5 && isnan(w[1].student));
    y.top_logp = own, y.teacher_ids = taught, y.teacher_logp = tutor, y.teacher_k = 2;
    y.teacher_on_top = on_top;
    assert_int_equal(ptd_page_beside(&y, 0, &all, w), 3);
    assert_true(w[0].id == 5 && w[0].student == -0.25f && w[0].tutor == -8);
    assert_true(w[1].id == 7 && w[1].student == -1.5f && w[1].tutor == -0.5f);
    assert_true(w[2].id == 9 && isnan(w[2].student) && w[2].tutor == -1);
    /* what both hardly say is left out, and so is what there is no room for */
    struct ptd_page_detail likely = {8, 0.5, 1, 0}, one = {1, 0.001, 1, 0}, none = {0, 1, 1, 0};
    assert_int_equal(ptd_page_beside(&y, 0, &likely, w), 2);
    assert_int_equal(ptd_page_beside(&y, 0, &one, w), 1);
    assert_int_equal(w[0].id, 5);
    assert_int_equal(ptd_page_beside(&y, 0, &none, w), 0);
}

static struct ptd_picture noise(int height, int width)
{
    size_t n = 3 * (size_t)height * (size_t)width;
    uint8_t *pixels = malloc(n);
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++) x = x * 1664525 + 1013904223, pixels[i] = (uint8_t)(x >> 24);
    return (struct ptd_picture){.height = height, .width = width, .pixels = pixels};
}

static void a_small_picture_is_kept_as_it_is(void **state)
{
    (void)state;
    struct ptd_picture p = noise(84, 56);
    size_t n;
    int form = 0, w, h;
    uint8_t *webp = ptd_page_picture(&p, 1 << 20, &form, &n),
            *back = WebPDecodeRGB(webp, n, &w, &h);
    assert_true(w == 56 && h == 84 && form == 0);
    assert_memory_equal(back, p.pixels, 3 * 84 * 56);
    WebPFree(back);
    WebPFree(webp);
    free((void *)p.pixels);
}

static void a_large_one_gets_smaller_until_it_fits(void **state)
{
    (void)state;
    struct ptd_picture p = noise(700, 1000);
    size_t n, coarse;
    int form = 0, w, h;
    uint8_t *webp = ptd_page_picture(&p, 60000, &form, &n);
    assert_true(n <= 60000 && form > 0);
    assert_int_equal(WebPGetInfo(webp, n, &w, &h), 1);
    assert_true(w < 1000 && h == w * 7 / 10);
    WebPFree(webp);
    /* the last form is taken whatever it comes to, and the next picture begins near it */
    webp = ptd_page_picture(&p, 10, &form, &coarse);
    assert_true(coarse < n);
    int last = form;
    WebPFree(webp);
    webp = ptd_page_picture(&p, 10, &form, &n);
    assert_true(form == last && n == coarse);
    WebPFree(webp);
    free((void *)p.pixels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jot_is_json_that_may_stand_in_a_script),
        cmocka_unit_test(base64_comes_back),
        cmocka_unit_test(words_beside_a_token_are_both_sides),
        cmocka_unit_test(a_small_picture_is_kept_as_it_is),
        cmocka_unit_test(a_large_one_gets_smaller_until_it_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
