/* Tokenizer: the demo's own one, splitting and merging on hand-made ones, added tokens, NFC,
 * decoding, bad files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>
#include "data/config.h"
#include "data/token.h"

#define QWEN                                                                                       \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "                          \
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"                                                 \
    "\\s+(?!\\S)|\\s+"

/* ---- hand-made tokenizer files ---- */

/* bytes [n] as the file writes them; a static buffer. */
static const char *symbols(const char *bytes, size_t n)
{
    static char out[1024];
    char *o = out;
    for (size_t i = 0; i < n; i++) {
        unsigned b = (unsigned char)bytes[i], c = b;
        if (b <= 0x20)
            c = 0x100 + b;
        else if (b >= 0x7F && b <= 0xA0)
            c = 0x100 + 33 + b - 0x7F;
        else if (b == 0xAD)
            c = 0x143;
        if (c >= 0x80) *o++ = 0xC0 | c >> 6;
        *o++ = c >= 0x80 ? 0x80 | (c & 0x3F) : c;
    }
    *o = 0;
    return out;
}

static json_t *file(const char *pattern)
{
    json_t *j = json_pack(
        "{s:{s:s}, s:{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, {s:s, s:b, s:b}]}, s:{s:s}, s:[], "
        "s:{s:s, s:{}, s:[]}}",
        "normalizer", "type", "NFC", "pre_tokenizer", "type", "Sequence", "pretokenizers", "type",
        "Split", "pattern", "Regex", pattern, "behavior", "Isolated", "invert", 0, "type",
        "ByteLevel", "add_prefix_space", 0, "use_regex", 0, "decoder", "type", "ByteLevel",
        "added_tokens", "model", "type", "BPE", "vocab", "merges");
    json_t *vocab = json_object_get(json_object_get(j, "model"), "vocab");
    for (int b = 0; b < 256; b++)
        json_object_set_new(vocab, symbols(&(char){b}, 1), json_integer(b));
    return j;
}

static void add_word(json_t *j, const char *bytes, size_t n)
{
    json_t *vocab = json_object_get(json_object_get(j, "model"), "vocab");
    const char *s = symbols(bytes, n);
    if (!json_object_get(vocab, s))
        json_object_set_new(vocab, s, json_integer(json_object_size(vocab)));
}

static void add_merge(json_t *j, const char *left, size_t n_left, const char *right, size_t n_right)
{
    char text[2100], joined[1024];
    int n = sprintf(text, "%s ", symbols(left, n_left));
    strcpy(text + n, symbols(right, n_right));
    memcpy(mempcpy(joined, left, n_left), right, n_right);
    add_word(j, joined, n_left + n_right);
    json_array_append_new(json_object_get(json_object_get(j, "model"), "merges"),
                          json_string(text));
}

static void add_either(json_t *j, const char *text, int id, int special, int normalized)
{
    json_array_append_new(json_object_get(j, "added_tokens"),
                          json_pack("{s:s, s:i, s:b, s:b}", "content", text, "id", id, "special",
                                    special, "normalized", normalized));
}

static void add_added(json_t *j, const char *text, int id, int special)
{
    add_either(j, text, id, special, 0);
}

/* Takes j. */
static struct ptd_tokenizer *make(json_t *j)
{
    char *text = json_dumps(j, 0);
    struct ptd_tokenizer *t = ptd_tokenizer_new(text, strlen(text), "test.json");
    free(text);
    json_decref(j);
    return t;
}

/* ---- comparing ---- */

/* Tokens of text as "a|b|c"; malloc'd. */
static char *pieces(const struct ptd_tokenizer *t, const char *text)
{
    int32_t *ids;
    int n = ptd_tokenizer_encode(t, text, strlen(text), &ids);
    if (n < 0) fail_msg("%s", ptd_failed_message());
    char *out = ptd_alloc(strlen(text) * 4 + 2), *o = out;
    for (int i = 0; i < n; i++) {
        char *s = ptd_tokenizer_decode(t, &ids[i], 1, 0);
        o += sprintf(o, i ? "|%s" : "%s", s);
        free(s);
    }
    free(ids);
    return out;
}

static void assert_pieces(const struct ptd_tokenizer *t, const char *text, const char *want)
{
    char *got = pieces(t, text);
    assert_string_equal(got, want);
    free(got);
}

static void assert_ids(const struct ptd_tokenizer *t, const char *text, const int32_t *want,
                       int n_want)
{
    int32_t *ids;
    int n = ptd_tokenizer_encode(t, text, strlen(text), &ids);
    assert_int_equal(n, n_want);
    assert_memory_equal(ids, want, n * sizeof *ids);
    free(ids);
}

static void assert_round_trip(const struct ptd_tokenizer *t, const char *text)
{
    int32_t *ids;
    int n = ptd_tokenizer_encode(t, text, strlen(text), &ids);
    assert_true(n >= 0);
    char *back = ptd_tokenizer_decode(t, ids, n, 0);
    assert_string_equal(back, text);
    free(back);
    free(ids);
}

static uint32_t seed;
static uint32_t any(uint32_t n)
{
    return (seed = seed * 1664525 + 1013904223) / 65536 % n;
}

/* ---- the demo's tokenizer ---- */

static struct ptd_tokenizer *tiny(void)
{
    size_t len;
    const char *json = ptd_builtin("tiny/tokenizer.json", &len);
    assert_non_null(json);
    struct ptd_tokenizer *t = ptd_tokenizer_new(json, len, "tiny/tokenizer.json");
    if (!t) fail_msg("%s", ptd_failed_message());
    return t;
}

static void test_tiny_ids(void **state)
{
    (void)state;
    static const char *const in_order[] = {
        "<|endoftext|>",      "<|im_start|>",     "<|im_end|>",     "<|object_ref_start|>",
        "<|object_ref_end|>", "<|box_start|>",    "<|box_end|>",    "<|quad_start|>",
        "<|quad_end|>",       "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
        "<|image_pad|>",      "<|video_pad|>",    "<think>",        "</think>"};
    struct ptd_tokenizer *t = tiny();
    int first = ptd_tokenizer_id(t, "<|endoftext|>");
    for (int i = 0; i < 16; i++) assert_int_equal(ptd_tokenizer_id(t, in_order[i]), first + i);
    assert_int_equal(ptd_tokenizer_size(t), first + 16);
    assert_int_equal(ptd_tokenizer_id(t, "no such token"), -1);
    assert_int_equal(ptd_tokenizer_id(t, ""), -1);
    ptd_tokenizer_free(t);
}

static void test_tiny_words_are_single(void **state)
{
    (void)state;
    struct ptd_tokenizer *t = tiny();
    assert_pieces(t, "red b1 4, c3 7 = 11. \\boxed{ 11 }",
                  "red| b1| 4|,| c3| 7| =| 11|.| \\boxed{| 11| }");
    assert_pieces(
        t,
        "describe the image: where is a1? answer yes or no\nHint: first c3 then look at a3 b3 c3",
        "describe| the| image|:| where| is| a1|?| answer| yes| or| no|\n|Hint|:| first| c3| then| "
        "look| at| a3| b3| c3");
    assert_pieces(
        t, "what is the sum of the digits in column c, reading from left to right?",
        "what| is| the| sum| of| the| digits| in| column| c|,| reading| from| left| to| right|?");
    assert_pieces(t, "\\boxed{12}\n\n(40 - 3 + 1)!", "\\boxed{|12|}|\n|\n|(|40| -| 3| +| 1|)|!");
    for (int n = 0; n <= 40; n++) {
        char text[40], want[40];
        sprintf(text, "%d %d", n, n);
        sprintf(want, "%d| %d", n, n);
        assert_pieces(t, text, want);
    }
    ptd_tokenizer_free(t);
}

static void test_tiny_round_trip(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "red",     " ",  "\n",   "\xE2\x82\xAC", "\xC3\xA9", "7",  "40", "<|im_end|>",
        "<think>", "<",  "|",    "\\boxed{",     "}",        "\t", "Z",  "\xF0\x9F\x8C\xA7",
        "b1",      "'s", "\x01", "\xE4\xB8\xAD"};
    struct ptd_tokenizer *t = tiny();
    seed = 1;
    for (int round = 0; round < 500; round++) {
        char text[400] = "";
        for (int k = any(40); k > 0; k--) strcat(text, parts[any(20)]);
        assert_round_trip(t, text);
    }
    ptd_tokenizer_free(t);
}

static void test_special_tokens(void **state)
{
    (void)state;
    struct ptd_tokenizer *t = tiny();
    int ids[] = {ptd_tokenizer_id(t, "<|im_end|>"), ptd_tokenizer_id(t, "<think>")};
    assert_pieces(t, "<|im_start|>user\nred<|im_end|>\n<think>",
                  "<|im_start|>|user|\n|red|<|im_end|>|\n|<think>");
    char *s = ptd_tokenizer_decode(t, ids, 2, 1);
    assert_string_equal(s, "<think>");
    free(s);
    ptd_tokenizer_free(t);
}

/* ---- splitting ---- */

/* A tokenizer in which every piece of `text` becomes one token: all its parts are words, all joins
 * are merges. */
static struct ptd_tokenizer *splitter(const char *pattern, const char *text)
{
    json_t *j = file(pattern), *seen = json_object();
    size_t n = strlen(text);
    for (size_t len = 2; len <= n; len++)
        for (size_t i = 0; i + len <= n; i++)
            for (size_t k = 1; k < len; k++) {
                char key[1100];
                snprintf(key, sizeof key, "%zu %s", k, symbols(text + i, len));
                if (json_object_get(seen, key)) continue;
                json_object_set_new(seen, key, json_true());
                add_merge(j, text + i, k, text + i + k, len - k);
            }
    json_decref(seen);
    struct ptd_tokenizer *t = make(j);
    if (!t) fail_msg("%s", ptd_failed_message());
    return t;
}

static void assert_split(const char *text, const char *want)
{
    struct ptd_tokenizer *t = splitter(QWEN, text);
    assert_pieces(t, text, want);
    ptd_tokenizer_free(t);
}

static void test_split(void **state)
{
    (void)state;
    assert_split("I'm  here\n\n  now", "I|'m| | here|\n\n| | now");
    assert_split("a1b22 c++!!\r\nx  ", "a|1|b|2|2| c|++!!\r\n|x|  ");
    assert_split("don't'S", "don|'t|'S");
    assert_split("we'Ve I'lL", "we|'Ve| I|'lL");
    assert_split("it'\xC5\xBF x", "it|'\xC5\xBF| x"); /* long s counts as s */
    assert_split("x\t\ty \n z", "x|\t|\ty| \n| z");
    assert_split("  \r\n \n  a", "  \r\n \n| | a");
    assert_split("!\xE1\xA0\x8E!", "!\xE1\xA0\x8E!"); /* U+180E is no white space */
    assert_split("!\xC2\xA0\xC2\xA0!", "!|\xC2\xA0|\xC2\xA0|!");
    assert_split("\xD9\xA3\xE2\x85\xA7z",
                 "\xD9\xA3|\xE2\x85\xA7|z");   /* digits and numerals of any script, one by one */
    assert_split("q\xCC\xB1k", "q|\xCC\xB1k"); /* a mark is neither letter nor number */
    assert_split("", "");
}

static void test_gaps_are_pieces(void **state)
{
    (void)state;
    struct ptd_tokenizer *t = splitter("b+", "aabbaa");
    assert_pieces(t, "aabbaa", "aa|bb|aa");
    ptd_tokenizer_free(t);
    t = splitter("x*", "a\xC3\xA9xxa"); /* matches the empty text too */
    assert_pieces(t, "a\xC3\xA9xxa", "a\xC3\xA9|xx|a");
    ptd_tokenizer_free(t);
}

static void test_pattern_that_gives_up(void **state)
{
    (void)state;
    struct ptd_tokenizer *t = make(file("(a|a|aa)+(?![ab])"));
    char text[61];
    int32_t *ids;
    memset(text, 'a', 60);
    text[59] = 'b', text[60] = 0;
    assert_non_null(t);
    assert_int_equal(ptd_tokenizer_encode(t, text, 60, &ids), -1);
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    ptd_tokenizer_free(t);
}

/* ---- merging ---- */

static void test_merge_order(void **state)
{
    (void)state;
    json_t *j = file(QWEN);
    add_merge(j, "b", 1, "c", 1); /* before a + b, although further right */
    add_merge(j, "a", 1, "b", 1);
    add_merge(j, "d", 1, "d", 1);
    add_merge(j, "e", 1, "f", 1);
    add_merge(j, "ef", 2, "ef", 2);
    struct ptd_tokenizer *t = make(j);
    assert_non_null(t);
    assert_pieces(t, "abc", "a|bc");
    assert_pieces(t, "abd", "ab|d");
    assert_pieces(t, "ddddd", "dd|dd|d");
    assert_pieces(t, "efefefe", "efef|ef|e");
    ptd_tokenizer_free(t);
}

struct plain {
    int n;
    char left[64][16], right[64][16];
};

/* What the rule says, word for word: the lowest rank, leftmost, until none applies. */
static char *merge_plainly(const struct plain *m, const char *text)
{
    static char s[64][64], right[64];
    int n = strlen(text);
    for (int i = 0; i < n; i++) sprintf(s[i], "%c", text[i]);
    for (;;) {
        int rank = m->n, at = -1;
        for (int i = 0; i + 1 < n; i++)
            for (int r = 0; r < rank; r++)
                if (!strcmp(s[i], m->left[r]) && !strcmp(s[i + 1], m->right[r])) rank = r, at = i;
        if (at < 0) break;
        strcat(s[at], strcpy(right, s[at + 1]));
        memmove(s[at + 1], s[at + 2], (--n - at - 1) * sizeof *s);
    }
    char *out = ptd_alloc(200);
    for (int i = 0; i < n; i++) strcat(strcat(out, i ? "|" : ""), s[i]);
    return out;
}

static int has_merge(const struct plain *m, const char *a, const char *b)
{
    for (int i = 0; i < m->n; i++)
        if (!strcmp(m->left[i], a) && !strcmp(m->right[i], b)) return 1;
    return 0;
}

/* Random merges of known words over the letters a, b, c. */
static struct ptd_tokenizer *random_merges(struct plain *m)
{
    char words[70][16] = {"a", "b", "c"};
    int n = 3;
    json_t *j = file(QWEN);
    for (m->n = 0; m->n < 30;) {
        const char *a = words[any(n)], *b = words[any(n)];
        if (strlen(a) + strlen(b) > 6 || has_merge(m, a, b)) continue;
        add_merge(j, a, strlen(a), b, strlen(b));
        strcpy(m->left[m->n], a), strcpy(m->right[m->n], b);
        strcat(strcpy(words[n++], m->left[m->n]), m->right[m->n]);
        m->n++;
    }
    return make(j);
}

static void test_merges_as_the_rule_says(void **state)
{
    (void)state;
    seed = 7;
    for (int round = 0; round < 40; round++) {
        struct plain m;
        struct ptd_tokenizer *t = random_merges(&m);
        if (!t) fail_msg("%s", ptd_failed_message());
        for (int k = 0; k < 50; k++) {
            char text[64] = "";
            for (int i = any(40); i >= 0; i--) text[i] = "abc"[any(3)];
            char *want = merge_plainly(&m, text);
            assert_pieces(t, text, want);
            free(want);
        }
        ptd_tokenizer_free(t);
    }
}

static void test_merges_as_arrays(void **state)
{
    (void)state;
    json_t *j = file(QWEN);
    add_word(j, " x", 2);
    json_array_append_new(json_object_get(json_object_get(j, "model"), "merges"),
                          json_pack("[s, s]", "\xC4\xA0", "x"));
    struct ptd_tokenizer *t = make(j);
    assert_non_null(t);
    assert_ids(t, "x x", (int32_t[]){'x', 256}, 2);
    assert_int_equal(ptd_tokenizer_id(t, " x"), 256);
    ptd_tokenizer_free(t);
}

static void test_long_piece(void **state)
{
    (void)state;
    enum { N = 1000000 };
    json_t *j = file(QWEN);
    char *text = ptd_alloc(N + 1);
    int32_t *ids;
    add_merge(j, "a", 1, "a", 1);
    add_merge(j, "aa", 2, "aa", 2);
    struct ptd_tokenizer *t = make(j);
    memset(text, 'a', N);
    /* hours if it were quadratic */
    assert_int_equal(ptd_tokenizer_encode(t, text, N, &ids), N / 4);
    free(ids);
    free(text);
    ptd_tokenizer_free(t);
}

/* ---- added tokens, NFC, decoding ---- */

static void test_added_tokens(void **state)
{
    (void)state;
    json_t *j = file(QWEN);
    add_added(j, "<a>", 300, 1);
    add_added(j, "<a>b", 301, 0);
    add_added(j, "a>", 302, 1);
    struct ptd_tokenizer *t = make(j);
    if (!t) fail_msg("%s", ptd_failed_message());
    assert_ids(t, "<a><a>b<a", (int32_t[]){300, 301, '<', 'a'}, 4);
    assert_ids(t, "a><a>a>", (int32_t[]){302, 300, 302}, 3);
    assert_int_equal(ptd_tokenizer_size(t), 303);
    assert_int_equal(ptd_tokenizer_id(t, "<a>"), 300);
    assert_int_equal(ptd_tokenizer_id(t, "<a>b"), 301);
    assert_int_equal(ptd_tokenizer_id(t, "<a>bc"), -1);
    char *s = ptd_tokenizer_decode(t, (int32_t[]){'x', 300, 301, 'y'}, 4, 1);
    assert_string_equal(s, "x<a>by");
    free(s);
    ptd_tokenizer_free(t);
}

/* "normalized": true, ids as tokenizers 0.23.3 gives them: looked for between the others, in normal
 * form, by their own normal form. */
static void test_normalized_added_tokens(void **state)
{
    static const struct {
        const char *text;
        int32_t ids[2][8]; /* without a normalizer, with NFC; 0 ends them */
    } cases[] = {
        {"cafe\xCC\x81 <a>", {{'c', 'a', 'f', 259, ' ', 256}, {257, ' ', 256}}},
        {"caf\xC3\xA9", {{257}, {257}}},
        {"x<a>y", {{'x', 256, 'y'}, {'x', 256, 'y'}}},
        {"e\xCC\x81", {{259}, {259}}},
        {"\xC3\xA9", {{0xC3, 0xA9}, {259}}},
        {"e\xCC\x81!", {{259, '!'}, {260}}},
        {"\xC3\xA9!<b>", {{260, 261}, {260, 261}}},
        {"e<a>\xCC\x81", {{'e', 256, 0xCC, 0x81}, {'e', 256, 0xCC, 0x81}}},
        {"a e\xCC\x81"
         "e<b",
         {{'a', ' ', 259, 'e', '<', 'b'}, {'a', ' ', 259, 'e', '<', 'b'}}},
    };
    (void)state;
    for (int nfc = 0; nfc < 2; nfc++) {
        json_t *j = file(QWEN);
        if (!nfc) json_object_set_new(j, "normalizer", json_null());
        add_added(j, "<a>", 256, 1);
        add_either(j, "caf\xC3\xA9", 257, 0, 1);
        add_either(j, "x<a>y", 258, 0, 1);
        add_either(j, "e\xCC\x81", 259, 0, 1);
        add_either(j, "\xC3\xA9!", 260, 1, 1);
        add_either(j, "<b>", 261, 1, 1);
        struct ptd_tokenizer *t = make(j);
        if (!t) fail_msg("%s", ptd_failed_message());
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            int n = 0;
            while (cases[i].ids[nfc][n]) n++;
            assert_ids(t, cases[i].text, cases[i].ids[nfc], n);
        }
        assert_int_equal(ptd_tokenizer_id(t, "e\xCC\x81"), 259);
        assert_int_equal(ptd_tokenizer_id(t, "<b>"), 261);
        char *s = ptd_tokenizer_decode(t, (int32_t[]){'x', 261, 260, 259}, 4, 1);
        assert_string_equal(s, "xe\xCC\x81");
        free(s);
        ptd_tokenizer_free(t);
    }
}

/* As transformers 5 leaves a tokenizer that adds nothing. */
static void test_post_processors_that_add_nothing(void **state)
{
    static const char *const texts[] = {
        "{\"type\": \"TemplateProcessing\", \"single\": [{\"Sequence\": {\"id\": \"A\", "
        "\"type_id\": "
        "0}}], \"pair\": [], \"special_tokens\": {}}",
        "{\"type\": \"Sequence\", \"processors\": [{\"type\": \"ByteLevel\", \"trim_offsets\": "
        "false}, "
        "{\"type\": \"TemplateProcessing\", \"single\": [{\"Sequence\": {\"id\": \"A\"}}]}]}",
        "{\"type\": \"Sequence\", \"processors\": []}"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        json_t *j = file(QWEN);
        json_object_set_new(j, "post_processor", json_loads(texts[i], 0, NULL));
        struct ptd_tokenizer *t = make(j);
        if (!t) fail_msg("%s", ptd_failed_message());
        assert_ids(t, "ab", (int32_t[]){'a', 'b'}, 2);
        ptd_tokenizer_free(t);
    }
}

static void test_white_space_ends_at_an_added_token(void **state)
{
    (void)state;
    json_t *j = file(QWEN);
    add_merge(j, " ", 1, " ", 1);
    add_added(j, "<a>", 300, 1);
    struct ptd_tokenizer *t = make(j);
    assert_ids(t, "x  <a>", (int32_t[]){'x', 256, 300}, 3);
    assert_ids(t, "x  y", (int32_t[]){'x', ' ', ' ', 'y'}, 4);
    ptd_tokenizer_free(t);
}

static void test_nfc(void **state)
{
    (void)state;
    struct ptd_tokenizer *t = tiny();
    static const char *const same[][2] = {
        {"e\xCC\x81", "\xC3\xA9"},                                /* e, acute */
        {"\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8", "\xEA\xB0\x81"}, /* Hangul */
        {"q\xCC\x87\xCC\xA3", "q\xCC\xA3\xCC\x87"},               /* order of marks */
        {"\xE2\x84\xAB", "\xC3\x85"}};                            /* Angstrom sign */
    for (int i = 0; i < 4; i++) {
        char *a = pieces(t, same[i][0]), *b = pieces(t, same[i][1]);
        assert_string_equal(a, b);
        free(a);
        free(b);
        assert_round_trip(t, same[i][1]);
    }
    assert_round_trip(t, "\xEF\xAC\x81"); /* fi ligature: NFC, not NFKC */
    ptd_tokenizer_free(t);
}

/* Marks of classes 230 and 220 in turn: all of the second kind come first; minutes if ordering were
 * quadratic. */
static void test_nfc_of_many_marks(void **state)
{
    (void)state;
    enum { N = 100000 };
    struct ptd_tokenizer *t = make(file(QWEN));
    char *text = ptd_alloc(4 * N + 2), *o = text;
    int32_t *ids;
    *o++ = 'q';
    for (int i = 0; i < N; i++) o = mempcpy(o, "\xCC\x81\xCC\x96", 4);
    assert_int_equal(ptd_tokenizer_encode(t, text, o - text, &ids), 4 * N + 1);
    for (int i = 0; i < 2 * N; i++) assert_int_equal(ids[2 * i + 2], i < N ? 0x96 : 0x81);
    free(ids);
    free(text);
    ptd_tokenizer_free(t);
}

static void test_invalid_utf8_in(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "ab\xFF", "ab\xC0\x80", "ab\xED\xA0\x80", "ab\xF4\x90\x80\x80", "ab\xE2\x82", "ab\x80"};
    struct ptd_tokenizer *t = tiny();
    for (int i = 0; i < 6; i++) {
        int32_t *ids;
        assert_int_equal(ptd_tokenizer_encode(t, bad[i], strlen(bad[i]), &ids), -1);
        assert_int_equal(ptd_failed_status(), PTD_DATAERR);
        assert_non_null(strstr(ptd_failed_message(), "byte 2"));
    }
    ptd_tokenizer_free(t);
}

static void assert_decoded(const struct ptd_tokenizer *t, const char *bytes, const char *want)
{
    int32_t ids[20];
    int n = strlen(bytes);
    for (int i = 0; i < n; i++) ids[i] = (unsigned char)bytes[i];
    char *s = ptd_tokenizer_decode(t, ids, n, 0);
    assert_string_equal(s, want);
    free(s);
}

static void test_invalid_utf8_out(void **state)
{
    (void)state;
    struct ptd_tokenizer *t = make(file(QWEN));
    assert_decoded(t, "a\xE2\x82", "a\xEF\xBF\xBD"); /* one for a cut character */
    assert_decoded(t, "\xE2\x82z", "\xEF\xBF\xBDz");
    assert_decoded(t, "\xC0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD");
    assert_decoded(t, "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    assert_decoded(t, "\xE2\x82\xAC", "\xE2\x82\xAC");
    /* ids without a token */
    char *s = ptd_tokenizer_decode(t, (int32_t[]){'a', 256, -1, 5000000, 'b'}, 5, 0);
    assert_string_equal(s, "ab");
    free(s);
    ptd_tokenizer_free(t);
}

static void test_zero_bytes(void **state)
{
    (void)state;
    struct ptd_tokenizer *t = make(file(QWEN));
    int32_t *ids;
    assert_int_equal(ptd_tokenizer_encode(t, "a\0b", 3, &ids), 3);
    assert_memory_equal(ids, ((int32_t[]){'a', 0, 'b'}), 12);
    free(ids);
    ptd_tokenizer_free(t);
}

/* ---- bad files ---- */

static void assert_file_refused(json_t *j, int status, const char *why)
{
    assert_null(make(j));
    if (!strstr(ptd_failed_message(), why))
        fail_msg("\"%s\" lacks \"%s\"", ptd_failed_message(), why);
    assert_int_equal(ptd_failed_status(), status);
    assert_non_null(strstr(ptd_failed_message(), "test.json"));
}

/* The file with j.A.B (or j.A) replaced; takes v. */
static json_t *with(const char *a, const char *b, json_t *v)
{
    json_t *j = file(QWEN);
    json_object_set_new(b ? json_object_get(j, a) : j, b ? b : a, v);
    return j;
}

static void test_unsupported(void **state)
{
    (void)state;
    static const char *const set[] = {"byte_fallback", "ignore_merges", "fuse_unk"};
    for (int i = 0; i < 3; i++)
        assert_file_refused(with("model", set[i], json_true()), PTD_CONFIG, set[i]);
    assert_file_refused(with("model", "dropout", json_real(0.1)), PTD_CONFIG, "dropout");
    assert_file_refused(with("model", "unk_token", json_string("<unk>")), PTD_CONFIG, "unk_token");
    assert_file_refused(with("model", "type", json_string("Unigram")), PTD_CONFIG, "BPE");
    assert_file_refused(with("normalizer", "type", json_string("NFKC")), PTD_CONFIG, "NFC");
    assert_file_refused(with("pre_tokenizer", "type", json_string("Whitespace")), PTD_CONFIG,
                        "pre_tokenizer");
    assert_file_refused(with("decoder", "type", json_string("Metaspace")), PTD_CONFIG, "decoder");
    assert_file_refused(
        with("post_processor", NULL, json_pack("{s:s}", "type", "TemplateProcessing")), PTD_CONFIG,
        "post_processor");
    assert_file_refused(file("(unclosed"), PTD_CONFIG, "split pattern");
    json_t *j = file(QWEN);
    add_added(j, "<a>", 300, 1);
    json_object_set_new(json_array_get(json_object_get(j, "added_tokens"), 0), "lstrip",
                        json_true());
    assert_file_refused(j, PTD_CONFIG, "lstrip");
}

static void test_damaged(void **state)
{
    (void)state;
    assert_file_refused(with("model", "vocab", json_array()), PTD_DATAERR, "model.vocab");
    assert_file_refused(with("model", "vocab", json_object()), PTD_DATAERR, "byte 0x00");
    assert_file_refused(with("model", "merges", json_null()), PTD_DATAERR, "model.merges");
    assert_file_refused(with("model", "merges", json_pack("[s]", "ab")), PTD_DATAERR, "merges[0]");
    assert_file_refused(with("model", "merges", json_pack("[s]", "a b c")), PTD_DATAERR,
                        "merges[0]");
    assert_file_refused(with("model", "merges", json_pack("[s]", "a b")), PTD_DATAERR,
                        "not in the vocabulary");
    assert_file_refused(with("model", "merges", json_pack("[i]", 3)), PTD_DATAERR, "merges[0]");
    assert_file_refused(with("model", "merges", json_pack("[[s, i]]", "a", 3)), PTD_DATAERR,
                        "merges[0]");
    json_t *j = file(QWEN);
    add_merge(j, "a", 1, "b", 1);
    add_merge(j, "a", 1, "b", 1);
    assert_file_refused(j, PTD_DATAERR, "merges[1]");
}

static void test_bad_ids(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        int id;
        const char *why;
    } bad[] = {{"ab", -1, "whole number"},
               {"ab", 2000000, "whole number"},
               {"ab", 3, "used twice"},
               {"a\xE2\x82\xAC", 400, "alphabet"}};
    for (int i = 0; i < 4; i++) {
        json_t *j = file(QWEN);
        json_object_set_new(json_object_get(json_object_get(j, "model"), "vocab"), bad[i].word,
                            json_integer(bad[i].id));
        assert_file_refused(j, PTD_DATAERR, bad[i].why);
    }
    json_t *j = file(QWEN);
    add_added(j, "<a>", 3, 1);
    assert_file_refused(j, PTD_DATAERR, "used twice");
    j = file(QWEN);
    add_added(j, "<a>", 300, 1);
    add_added(j, "<a>", 301, 1);
    assert_file_refused(j, PTD_DATAERR, "same text");
}

static void test_cut_file(void **state)
{
    (void)state;
    size_t len;
    const char *json = ptd_builtin("tiny/tokenizer.json", &len);
    for (size_t n = 0; n + 3 < len; n += 97) {
        assert_null(ptd_tokenizer_new(json, n, "cut.json"));
        assert_int_equal(ptd_failed_status(), PTD_DATAERR);
        assert_non_null(strstr(ptd_failed_message(), "cut.json:"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiny_ids),
        cmocka_unit_test(test_tiny_words_are_single),
        cmocka_unit_test(test_tiny_round_trip),
        cmocka_unit_test(test_special_tokens),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_gaps_are_pieces),
        cmocka_unit_test(test_pattern_that_gives_up),
        cmocka_unit_test(test_merge_order),
        cmocka_unit_test(test_merges_as_the_rule_says),
        cmocka_unit_test(test_merges_as_arrays),
        cmocka_unit_test(test_long_piece),
        cmocka_unit_test(test_added_tokens),
        cmocka_unit_test(test_normalized_added_tokens),
        cmocka_unit_test(test_post_processors_that_add_nothing),
        cmocka_unit_test(test_white_space_ends_at_an_added_token),
        cmocka_unit_test(test_nfc),
        cmocka_unit_test(test_nfc_of_many_marks),
        cmocka_unit_test(test_invalid_utf8_in),
        cmocka_unit_test(test_invalid_utf8_out),
        cmocka_unit_test(test_zero_bytes),
        cmocka_unit_test(test_unsupported),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_bad_ids),
        cmocka_unit_test(test_cut_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
