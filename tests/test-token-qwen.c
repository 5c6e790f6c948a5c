/* Tokenizer of the Qwen3 checkpoints, from their own tokenizer.json: the ids and texts that the
 * `tokenizers` library gives (vectors/make-token-vectors.py), every code point, every token, long
 * texts. */
#include "test.h"
#include "token-vectors.h"

#define VECTORS "tests/vectors/"
#define SIZE    151669
#define NOT_NFC 248 /* tokens whose text changes by NFC */
#define POINTS  1024

static struct ptd_tokenizer *qwen;

static int setup(void **state)
{
    (void)state;
    qwen = read_tokenizer(VECTORS "qwen3-tokenizer/tokenizer.json.gz");
    if (!qwen) fprintf(stderr, "%s\n", ptd_failed_message());
    return qwen ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    ptd_tokenizer_free(qwen);
    return 0;
}

static void assert_ids(const char *text, const int32_t *want, int n_want)
{
    int32_t *ids;
    int n = ptd_tokenizer_encode(qwen, text, strlen(text), &ids);
    assert_int_equal(n, n_want);
    assert_memory_equal(ids, want, n * sizeof *ids);
    free(ids);
}

static void test_known(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t n, ids[10];
    } known[] = {
        {"Hello world", 2, {9707, 1879}},
        {" Hello world", 2, {21927, 1879}},
        {"<|im_start|>hello<|im_end|>", 3, {151644, 14990, 151645}},
        {" hello sir. How are you Edward?", 8, {23811, 27048, 13, 2585, 525, 498, 21891, 30}},
        {"You are a helpful assistant.", 6, {2610, 525, 264, 10950, 17847, 13}},
        {"a red fox sits under a cherry blossom tree",
         9,
         {64, 2518, 38835, 23011, 1212, 264, 40880, 88758, 4916}},
        {"SYS\n", 2, {37931, 198}},
        {"Hi \xF0\x9F\x8C\xA7\xEF\xB8\x8F", 5, {13048, 11162, 234, 100, 30543}},
        {"<think>\n\n</think>\n\n", 4, {151667, 271, 151668, 271}},
        {"", 0, {0}}};
    assert_int_equal(ptd_tokenizer_size(qwen), SIZE);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_ids(known[i].text, known[i].ids, known[i].n);
}

static void test_hard_texts(void **state)
{
    (void)state;
    int bad;
    assert_int_equal(check_lines(qwen, VECTORS "token-encode.jsonl.gz", check_encode, 5, &bad),
                     2000);
    assert_int_equal(bad, 0);
}

static void test_text_of_others(void **state)
{
    (void)state;
    int bad;
    assert_int_equal(check_lines(qwen, VECTORS "token-data.jsonl.gz", check_encode_data, 5, &bad),
                     635);
    assert_int_equal(bad, 0);
}

/* Ours and theirs in one text: `mask` has a 1 below each byte that is theirs. */
static void assert_mixed(const char *text, const char *mask, int n_want, const int32_t *want)
{
    size_t len = strlen(text);
    char is_data[64];
    int32_t *ids;
    assert_int_equal(strlen(mask), len);
    for (size_t i = 0; i < len; i++) is_data[i] = mask[i] == '1';
    int n = ptd_tokenizer_encode_mixed(qwen, text, is_data, len, &ids);
    assert_int_equal(n, n_want);
    assert_memory_equal(ids, want, n * sizeof *ids);
    free(ids);
}

enum { BEGIN = 151644, END = 151645, THINK = 151667 };

static void test_ours_and_theirs(void **state)
{
    (void)state;
    int32_t *text;
    int n = ptd_tokenizer_encode_data(qwen, "<|im_end|>", 10, &text);
    assert_true(n > 1);
    assert_mixed("<|im_end|>", "0000000000", 1, (const int32_t[]){END});
    assert_mixed("<|im_end|>", "1111111111", n, text);
    assert_mixed("<|im_end|>", "0000000001", n, text); /* half ours is not ours */
    assert_mixed("<|im_end|>", "1000000000", n, text);
    assert_mixed("<|im_start|>hello<|im_end|>", "000000000000111110000000000", 3,
                 (const int32_t[]){BEGIN, 14990, END});
    assert_mixed("<think><|im_end|>", "11111110000000000", 2, (const int32_t[]){THINK, END});
    free(text);
}

static void test_decoding(void **state)
{
    (void)state;
    int bad;
    assert_int_equal(check_lines(qwen, VECTORS "token-decode.jsonl.gz", check_decode, 5, &bad),
                     600);
    assert_int_equal(bad, 0);
}

/* ---- every code point ---- */

static char *put_point(char *o, uint32_t c)
{
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, c >>= 6) o[i] = 0x80 | (c & 0x3F);
    o[0] = lead[n] | c;
    return o + n;
}

/* in_context() of make-token-vectors.py: "c\nac1'c c!ec\u0301\n", where c is the code point. */
static char *put_in_context(char *o, uint32_t c)
{
    static const char *const after[] = {"\na", "1", "'", " ", "!e", "\xCC\x81\n"};
    for (int i = 0; i < 6; i++) o = stpcpy(put_point(o, c), after[i]);
    return o;
}

/* CRC-32 of the ids of the code points from `first` on. */
static uint32_t sum_of_points(uint32_t first)
{
    static char text[POINTS * 40];
    char *o = text;
    int32_t *ids;
    for (uint32_t c = first; c < first + POINTS; c++) o = put_in_context(o, c);
    int n = ptd_tokenizer_encode(qwen, text, o - text, &ids);
    if (n < 0) fail_msg("U+%X: %s", first, ptd_failed_message());
    /* of ids as they lie: little end first */
    uint32_t sum = crc32(0, (const Bytef *)ids, n * sizeof *ids);
    free(ids);
    return sum;
}

static void test_every_code_point(void **state)
{
    (void)state;
    size_t len, n = 0;
    char *text = read_gz(VECTORS "token-points.txt.gz", &len), *line = text;
    assert_non_null(text);
    for (; *line; n++) {
        uint32_t first = strtoul(line, &line, 16), want = strtoul(line, &line, 16);
        if (*line++ != '\n') fail_msg("line %zu", n + 1);
        if (sum_of_points(first) != want)
            fail_msg("some of the code points from U+%X on have other ids", first);
    }
    assert_int_equal(n, (0x110000 - 0x800) / POINTS);
    free(text);
}

/* ---- every token ---- */

/* A token's text is encoded as something that decodes to the same text. */
static void test_every_token(void **state)
{
    (void)state;
    int same = 0;
    for (int32_t id = 0; id < SIZE; id++) {
        int32_t *ids;
        char *text = ptd_tokenizer_decode(qwen, &id, 1, 0);
        int n = ptd_tokenizer_encode(qwen, text, strlen(text), &ids);
        char *back = ptd_tokenizer_decode(qwen, ids, n, 0);
        same += !strcmp(text, back);
        free(back);
        free(ids);
        free(text);
    }
    assert_int_equal(same, SIZE - NOT_NFC);
}

/* ---- long texts: hours each, were any step of the work quadratic ---- */

static void test_long_texts(void **state)
{
    (void)state;
    static const struct {
        const char *unit;
        int count; /* ids of 256 KiB of it, from the library */
    } texts[] = {{"a", 32768},
                 {" ", 2048},
                 {"7", 262144},
                 {"\n", 8192},
                 {"=", 4096},
                 {"e\xCC\x81", 87381},
                 {"\xCC\x81\xCC\x96", 196608},
                 {"\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA6", 95324},
                 {"abcdefghijklmnopqrstuvwxyz", 10082},
                 {"<|im_start|", 119155},
                 {"the", 87381}};
    enum { N = 1 << 18 };
    char *text = ptd_alloc(N);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t k = strlen(texts[i].unit), n = N / k * k;
        int32_t *ids;
        for (size_t at = 0; at < n; at += k) memcpy(text + at, texts[i].unit, k);
        assert_int_equal(ptd_tokenizer_encode(qwen, text, n, &ids), texts[i].count);
        free(ids);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),          cmocka_unit_test(test_hard_texts),
        cmocka_unit_test(test_text_of_others), cmocka_unit_test(test_ours_and_theirs),
        cmocka_unit_test(test_decoding),       cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_every_token),    cmocka_unit_test(test_long_texts),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
