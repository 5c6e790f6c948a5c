/* Conversations: ids equal to those of transformers on 200 of them, both templates; what is
 * refused.
 */
#include "data/chat.h"
#include "test.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define VECTORS   "tests/vectors/"
#define TOKENIZER VECTORS "qwen3-tokenizer/tokenizer.json.gz"

static struct ptd_config config = {.v_patch = 16,
                                   .v_merge = 2,
                                   .vision_start = 151652,
                                   .vision_end = 151653,
                                   .image_token = 151655,
                                   .video_token = 151656};
static struct ptd_tokenizer *qwen;

static char *unpack(const char *path, size_t *n)
{
    size_t cap = 64 << 20;
    gzFile f = gzopen(path, "rb");
    if (!f) fail_msg("%s: missing", path);
    char *text = malloc(cap);
    int got = gzread(f, text, cap - 1);
    assert_true(got > 0);
    gzclose(f);
    text[got] = 0;
    *n = got;
    return text;
}

static int load(void **state)
{
    (void)state;
    size_t n;
    char *json = unpack(TOKENIZER, &n);
    qwen = ptd_tokenizer_new(json, n, "qwen3");
    free(json);
    return qwen ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    ptd_tokenizer_free(qwen);
    return 0;
}

/* ---- vectors ---- */

struct talk { /* a conversation of the vectors, in memory of its own */
    struct ptd_chat chat;
    struct ptd_message messages[16];
    struct ptd_part parts[16][8];
    struct ptd_picture pictures[16][8];
};

static void read_part(struct talk *t, int m, int k, const json_t *v)
{
    const json_t *size = json_object_get(v, "size");
    t->parts[m][k].text = json_string_value(json_object_get(v, "text"));
    t->pictures[m][k] = (struct ptd_picture){.height = json_integer_value(json_array_get(size, 0)),
                                             .width = json_integer_value(json_array_get(size, 1))};
    t->parts[m][k].picture = &t->pictures[m][k];
}

static void read_talk(struct talk *t, const json_t *v)
{
    const json_t *list = json_object_get(v, "messages");
    *t = (struct talk){.chat = {.messages = t->messages,
                                .n_messages = json_array_size(list),
                                .reply = json_is_true(json_object_get(v, "reply")),
                                .numbered = json_is_true(json_object_get(v, "numbered"))}};
    assert_in_range(t->chat.n_messages, 1, 16);
    for (int m = 0; m < t->chat.n_messages; m++) {
        const json_t *o = json_array_get(list, m), *parts = json_object_get(o, "content");
        t->messages[m] = (struct ptd_message){
            .role = json_string_value(json_object_get(o, "role")),
            .parts = t->parts[m],
            .n_parts = json_array_size(parts),
            .thought = json_string_value(json_object_get(o, "reasoning_content"))};
        assert_in_range(t->messages[m].n_parts, 0, 8);
        for (int k = 0; k < t->messages[m].n_parts; k++)
            read_part(t, m, k, json_array_get(parts, k));
    }
}

/* Do the ids equal [id, times, id, times, ...]? */
static int equal(const int32_t *ids, int n, const json_t *folded)
{
    int at = 0;
    for (size_t i = 0; i < json_array_size(folded); i += 2)
        for (int k = json_integer_value(json_array_get(folded, i + 1)); k > 0; k--, at++)
            if (at >= n || ids[at] != json_integer_value(json_array_get(folded, i))) return 0;
    return at == n;
}

static void test_ids_as_transformers(void **state)
{
    (void)state;
    size_t len, n_talks, count[2] = {0, 0};
    char *text = unpack(VECTORS "prompts.json.gz", &len);
    json_t *talks = json_loadb(text, len, 0, NULL);
    n_talks = json_array_size(talks);
    for (size_t i = 0; i < n_talks; i++) {
        struct talk t;
        int32_t *ids;
        const json_t *v = json_array_get(talks, i);
        config.thinking = strcmp(json_string_value(json_object_get(v, "kind")), "thinking") == 0;
        read_talk(&t, v);
        int n = ptd_chat_render(qwen, &config, &t.chat, &ids);
        if (n < 0) fail_msg("conversation %zu: %s", i, ptd_failed_message());
        if (!equal(ids, n, json_object_get(v, "ids")))
            fail_msg("conversation %zu: other ids; text: %s", i, ptd_chat_text(&config, &t.chat));
        count[config.thinking]++;
        free(ids);
    }
    assert_true(count[0] >= 50 && count[1] >= 50);
    config.thinking = 0;
    json_decref(talks);
    free(text);
}

/* ---- the letter of it ---- */

static void assert_text(struct ptd_chat chat, int thinking, const char *want)
{
    config.thinking = thinking;
    char *text = ptd_chat_text(&config, &chat);
    if (!text) fail_msg("%s", ptd_failed_message());
    assert_string_equal(text, want);
    free(text);
    config.thinking = 0;
}

static void test_letter(void **state)
{
    (void)state;
    const struct ptd_picture small = {.height = 32, .width = 64};
    const struct ptd_part words = {.text = "Be brief."},
                          ask[] = {{.picture = &small}, {.text = "What?"}},
                          said = {.text = "<think>\nhm\n</think>\n\nA cat."};
    const struct ptd_message m[] = {{"system", &words, 1, NULL},
                                    {"user", ask, 2, NULL},
                                    {"assistant", &said, 1, NULL},
                                    {"user", ask, 2, NULL}};
#define PICTURE "<|vision_start|><|image_pad|><|image_pad|><|vision_end|>"
    assert_text((struct ptd_chat){m, 2, 1, 0}, 0,
                "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n" PICTURE
                "What?<|im_end|>\n<|im_start|>assistant\n");
    assert_text((struct ptd_chat){m + 1, 1, 1, 0}, 1,
                "<|im_start|>user\n" PICTURE "What?<|im_end|>\n<|im_start|>assistant\n<think>\n");
    assert_text((struct ptd_chat){m + 1, 3, 1, 1}, 1,
                "<|im_start|>user\nPicture 1: " PICTURE
                "What?<|im_end|>\n<|im_start|>assistant\nA cat.<|im_end|>\n"
                "<|im_start|>user\nPicture 2: " PICTURE
                "What?<|im_end|>\n<|im_start|>assistant\n<think>\n");
    assert_text(
        (struct ptd_chat){m + 1, 2, 0, 0}, 1,
        "<|im_start|>user\n" PICTURE
        "What?<|im_end|>\n<|im_start|>assistant\n<think>\nhm\n</think>\n\nA cat.<|im_end|>\n");
    assert_text(
        (struct ptd_chat){m + 1, 2, 0, 0}, 0,
        "<|im_start|>user\n" PICTURE
        "What?<|im_end|>\n<|im_start|>assistant\n<think>\nhm\n</think>\n\nA cat.<|im_end|>\n");
}

/* The first ids and the last, as the reference library's own test and the specification give them.
 */
static void test_known_ids(void **state)
{
    (void)state;
    const struct ptd_picture p = {.height = 256, .width = 256};
    const struct ptd_part ask[] = {{.picture = &p}, {.text = "Hello world"}};
    const struct ptd_message m = {"user", ask, 2, NULL};
    const struct ptd_chat chat = {&m, 1, 1, 0};
    static const int32_t head[] = {151644, 872, 198, 151652, 151655},
                         tail[] = {151655, 151653, 9707, 1879,   151645, 198,
                                   151644, 77091,  198,  151667, 198};
    for (config.thinking = 0; config.thinking < 2; config.thinking++) {
        int32_t *ids;
        int k = config.thinking ? 11 : 9, n = ptd_chat_render(qwen, &config, &chat, &ids);
        assert_int_equal(n, 4 + 63 + k);
        assert_memory_equal(ids, head, sizeof head);
        assert_memory_equal(ids + n - k, tail, k * sizeof *tail);
        free(ids);
    }
    config.thinking = 0;
}

/* Whatever messages spell, the control tokens are the template's: the ends of three turns, the
 * beginnings of four, and those of one picture. */
static void test_spelled_control_tokens(void **state)
{
    (void)state;
    static const char *const spelled[] = {
        "<|im_end|>",    "<|im_start|>",     "<|endoftext|>",    "<|image_pad|>",
        "<|video_pad|>", "<|vision_start|>", "<|vision_end|>\n", "e\u0301<|im_end|>"};
    const struct ptd_picture p = {.height = 32, .width = 32};
    for (int i = 0; i < 16; i++) {
        const struct ptd_part words[] = {{.text = spelled[i / 2]}, {.picture = &p}};
        const struct ptd_message m[] = {{"system", words, 1, NULL},
                                        {"user", words, 2, NULL},
                                        {"assistant", words, 1, spelled[i / 2]}};
        const struct ptd_chat chat = {m, 3, 1, 0};
        int32_t *ids;
        int control = 0;
        config.thinking = i % 2;
        int n = ptd_chat_render(qwen, &config, &chat, &ids);
        if (n < 0) fail_msg("%s", ptd_failed_message());
        for (int k = 0; k < n; k++) control += ids[k] >= 151643 && ids[k] <= 151656;
        assert_int_equal(control, 4 + 3 + 3);
        free(ids);
    }
    config.thinking = 0;
}

static void assert_refused(struct ptd_message m, int second, const char *why)
{
    const struct ptd_part words = {.text = "x"};
    const struct ptd_message both[] = {{"user", &words, 1, NULL}, m};
    const struct ptd_chat chat = {second ? both : &m, 1 + second, 1, 0};
    int32_t *ids;
    assert_int_equal(ptd_chat_render(qwen, &config, &chat, &ids), -1);
    assert_null(ids);
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    if (!strstr(ptd_failed_message(), why))
        fail_msg("\"%s\" lacks \"%s\"", ptd_failed_message(), why);
}

static void test_refused(void **state)
{
    (void)state;
    const struct ptd_picture good = {.height = 64, .width = 64}, odd = {.height = 64, .width = 65};
    const struct ptd_part picture = {.picture = &good}, crooked = {.picture = &odd},
                          pad = {.text = "pad"}, bytes = {.text = "\xFF"};
    assert_refused((struct ptd_message){"tool", &pad, 1, NULL}, 0,
                   "message 1 is of the role \"tool\": expected user or assistant or system");
    assert_refused((struct ptd_message){"system", &pad, 1, NULL}, 1,
                   "message 2 is of the role \"system\": expected user or assistant");
    assert_refused((struct ptd_message){"assistant", &picture, 1, NULL}, 1,
                   "a picture in a message of the assistant");
    assert_refused((struct ptd_message){"system", &picture, 1, NULL}, 0,
                   "a picture in a message of the system");
    assert_refused((struct ptd_message){"user", &crooked, 1, NULL}, 0,
                   "65x64 pixels: expected sides that are multiples of 32");
    assert_refused((struct ptd_message){"user", &bytes, 1, NULL}, 0, "UTF-8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_as_transformers),
        cmocka_unit_test(test_letter),
        cmocka_unit_test(test_known_ids),
        cmocka_unit_test(test_spelled_control_tokens),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
