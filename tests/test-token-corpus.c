/* Damaged and unsupported tokenizer.json: a sound file with one thing changed, the status and the
 * message it is refused with. Then the same file cut anywhere and with any byte changed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "test.h"
#include "data/token.h"

static const char head[] =
    "{\"version\": \"1.0\",\n"
    "\"added_tokens\": [{\"id\": 259, \"content\": \"<a>\", \"special\": true, \"normalized\": "
    "false, "
    "\"lstrip\": false}],\n"
    "\"normalizer\": {\"type\": \"NFC\"},\n"
    "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", "
    "\"pattern\": "
    "{\"Regex\": "
    "\" ?\\\\p{L}+|\\\\s+\"}, \"behavior\": \"Isolated\", \"invert\": false}, {\"type\": "
    "\"ByteLevel\", "
    "\"add_prefix_space\": false, \"trim_offsets\": false, \"use_regex\": false}]},\n"
    "\"post_processor\": null,\n"
    "\"decoder\": {\"type\": \"ByteLevel\", \"use_regex\": false},\n"
    "\"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, \"byte_fallback\": "
    "false, "
    "\"vocab\": {\n";
static const char tail[] =
    "\"ab\": 256, \"abc\": 257, \"\\u0120a\": 258},\n\"merges\": [[\"a\", \"b\"], "
    "\"ab c\", [\"\\u0120\", \"a\"]]}}\n";

#define TEMPLATE ": a post_processor of TemplateProcessing that adds tokens is not supported"
#define PATTERN  " ?\\\\p{L}+|\\\\s+"

static const struct damage {
    const char *name, *from, *to; /* the first `from` in the file becomes `to` */
    int status;
    const char *message; /* behind the file's name */
} damages[] = {
    /* not JSON */
    {"no bracket", "{\"version\"", "\"version\"", 65, ":1: '[' or '{' expected near '\"version\"'"},
    {"no comma", "null,\n\"decoder\"", "null\n\"decoder\"", 65,
     ":6: '}' expected near '\"decoder\"'"},
    {"comma in vocab", "\"ab\": 256,", "\"ab\": 256,,", 65, ":8: string or '}' expected near ','"},
    {"comma ends vocab", "\"\\u0120a\": 258}", "\"\\u0120a\": 258,}", 65,
     ":8: string or '}' expected near '}'"},
    {"comma ends merges", "\"a\"]]", "\"a\"],]", 65, ":9: unexpected token near ']'"},
    {"bracket of vocab", "258},", "258],", 65, ":8: '}' expected near ']'"},
    {"vocab is open", "258},", "258,", 65, ":10: '}' expected near end of file"},
    {"merges is open", "\"a\"]]}}", "\"a\"]}}", 65, ":9: ']' expected near '}'"},
    {"text behind", "\"a\"]]}}", "\"a\"]]}} x", 65, ":9: end of file expected near 'x'"},
    {"string is open", "\"ab c\"", "\"ab c", 65, ":9: ']' expected near '\\'"},
    {"bad UTF-8 in vocab", "\"abc\": 257", "\"a\xFF\": 257", 65,
     ":8: unable to decode byte 0xff near '\"a'"},
    {"bad UTF-8 in merges", "\"ab c\"", "\"ab \xC3\"", 65,
     ":9: unable to decode byte 0xc3 near '\"ab '"},
    {"bad escape", "\\u0120a", "\\u012ga", 65, ":8: invalid escape near '\"\\u012g'"},
    {"leading zero", "\"ab\": 256", "\"ab\": 0256", 65, ":8: invalid token near '0'"},
    {"key twice", "\"post_processor\": null", "\"decoder\": null", 65,
     ":6: duplicate object key near '\"decoder\"'"},
    {"model twice", "\"post_processor\": null", "\"model\": {}", 65,
     ":7: duplicate object key near '\"model\"'"},
    {"vocab twice", "\"dropout\": null", "\"vocab\": {}", 65,
     ":7: duplicate object key near '\"vocab\"'"},
    {"token twice", "\"abc\": 257", "\"ab\": 257", 65, ":8: duplicate object key near '\"ab\"'"},
    {"a BOM", "{\"version\"", "\xEF\xBB\xBF{\"version\"", 65,
     ":1: '[' or '{' expected near '\xEF\xBB\xBF"
     "'"},
    {"an array", "{\"version\"", "[{\"version\"", 65, ":10: ']' expected near end of file"},
    /* tables */
    {"no vocab", "\"vocab\"", "\"words\"", 65, ": model.vocab is of another JSON type, or missing"},
    {"no merges", "\"merges\"", "\"pairs\"", 65,
     ": model.merges is of another JSON type, or missing"},
    {"no model", "\"model\"", "\"nodel\"", 78, ": a model other than BPE is not supported"},
    {"vocab is an array", "\"vocab\": {", "\"vocab\": [], \"v\": {", 65,
     ": model.vocab is of another JSON type, or missing"},
    {"merges is an object", "\"merges\": [", "\"merges\": {}, \"m\": [", 65,
     ": model.merges is of another JSON type, or missing"},
    {"added is an object", "\"added_tokens\": [", "\"added_tokens\": {}, \"a\": [", 65,
     ": added_tokens is of another JSON type, or missing"},
    {"a byte is missing", "\"a\": 97", "\"ba\": 97", 65, ": vocabulary lacks the byte 0x61"},
    {"an empty token", "\"abc\": 257", "\"\": 257", 65,
     ": token \"\": expected symbols of the byte alphabet"},
    {"a space in a token", "\"abc\": 257", "\"a c\": 257", 65,
     ": token \"a c\": expected symbols of the byte alphabet"},
    {"a foreign letter in a token", "\"abc\": 257", "\"a\xE2\x82\xAC\": 257", 65,
     ": token \"a\xE2\x82\xAC\": expected symbols of the byte alphabet"},
    {"a symbol past the alphabet", "\"abc\": 257", "\"a\xC5\x84\": 257", 65,
     ": token \"a\xC5\x84\": expected symbols of the byte alphabet"},
    {"a control character in a token", "\"abc\": 257", "\"a\\u0001\": 257", 65,
     ": token \"a\\u0001\": expected symbols of the byte alphabet"},
    {"the same text in two spellings", "\"abc\": 257", "\"a\\u0062\": 257", 65,
     ":8: duplicate object key near '\"a\\u0062\"'"},
    {"a negative id", "\"ab\": 256", "\"ab\": -1", 65,
     ": token \"ab\": id must be a whole number from 0 to 1999999"},
    {"a broken id", "\"ab\": 256", "\"ab\": 256.5", 65,
     ": token \"ab\": id must be a whole number from 0 to 1999999"},
    {"an id with exponent", "\"ab\": 256", "\"ab\": 1e2", 65,
     ": token \"ab\": id must be a whole number from 0 to 1999999"},
    {"an id as text", "\"ab\": 256", "\"ab\": \"256\"", 65,
     ": token \"ab\": id must be a whole number from 0 to 1999999"},
    {"an id of 2,000,000", "\"ab\": 256", "\"ab\": 2000000", 65,
     ": token \"ab\": id must be a whole number from 0 to 1999999"},
    {"an id beyond 64 bits", "\"ab\": 256", "\"ab\": 18446744073709551617", 65,
     ": token \"ab\": id must be a whole number from 0 to 1999999"},
    {"an id twice", "\"ab\": 256", "\"ab\": 257", 65, ": token 257 \"abc\": id is used twice"},
    {"an id that is null", "\"ab\": 256", "\"ab\": null", 65,
     ": token \"ab\": id must be a whole number from 0 to 1999999"},
    {"a merge of one", "\"ab c\"", "\"abc\"", 65,
     ": merges[1]: expected two tokens, as \"a b\" or [\"a\", \"b\"]"},
    {"a merge of three", "\"ab c\"", "\"a b c\"", 65,
     ": merges[1]: expected two tokens, as \"a b\" or [\"a\", \"b\"]"},
    {"a merge of nothing", "\"ab c\"", "\"\"", 65,
     ": merges[1]: expected two tokens, as \"a b\" or [\"a\", \"b\"]"},
    {"a merge with nothing", "\"ab c\"", "\"ab \"", 65,
     ": merges[1]: expected two tokens, as \"a b\" or [\"a\", \"b\"]"},
    {"an array of one", "[\"a\", \"b\"]", "[\"a\"]", 65,
     ": merges[0]: expected two tokens, as \"a b\" or [\"a\", \"b\"]"},
    {"an array of three", "[\"a\", \"b\"]", "[\"a\", \"b\", \"c\"]", 65,
     ": merges[0]: expected two tokens, as \"a b\" or [\"a\", \"b\"]"},
    {"a number in an array", "[\"a\", \"b\"]", "[\"a\", 98]", 65,
     ": merges[0]: expected two tokens, as \"a b\" or [\"a\", \"b\"]"},
    {"a number as a merge", "\"ab c\"", "3", 65,
     ": merges[1]: expected two tokens, as \"a b\" or [\"a\", \"b\"]"},
    {"an object as a merge", "\"ab c\"", "{}", 65,
     ": merges[1]: expected two tokens, as \"a b\" or [\"a\", \"b\"]"},
    {"an unknown side", "\"ab c\"", "\"abd c\"", 65,
     ": merges[1]: a side or the result is not in the vocabulary"},
    {"an unknown result", "\"ab c\"", "\"ab d\"", 65,
     ": merges[1]: a side or the result is not in the vocabulary"},
    {"a merge twice", "\"ab c\"", "\"a b\"", 65, ": merges[1]: the same pair as merges[0]"},
    /* added tokens */
    {"an added token without id", "\"id\": 259, ", "", 65,
     ": token \"<a>\": id must be a whole number from 0 to 1999999"},
    {"an added token without text", "\"content\": \"<a>\"", "\"content\": \"\"", 65,
     ": added_tokens[0]: content must be a text"},
    {"an added number", "\"content\": \"<a>\"", "\"content\": 7", 65,
     ": added_tokens[0]: content must be a text"},
    {"an added id that is taken", "\"id\": 259", "\"id\": 97", 65,
     ": added token \"<a>\": id 97 is used twice"},
    {"an added id of 2,000,000", "\"id\": 259", "\"id\": 2000000", 65,
     ": token \"<a>\": id must be a whole number from 0 to 1999999"},
    {"an added token twice", "\"lstrip\": false}",
     "\"lstrip\": false}, {\"id\": 260, \"content\": \"<a>\"}", 65,
     ": added tokens 259 and 260 have the same text"},
    {"an added array", "[{\"id\"", "[[], {\"id\"", 65, ": added_tokens[0]: content must be a text"},
    {"lstrip", "\"lstrip\": false", "\"lstrip\": true", 78,
     ": added token \"<a>\": lstrip is not supported"},
    {"rstrip", "\"lstrip\": false", "\"rstrip\": true", 78,
     ": added token \"<a>\": rstrip is not supported"},
    {"single_word", "\"lstrip\": false", "\"single_word\": true", 78,
     ": added token \"<a>\": single_word is not supported"},
    {"normalized tokens of one normal form", "[{\"id\"",
     "[{\"id\": 260, \"content\": \"e\\u0301\", \"normalized\": true}, {\"id\": 261, \"content\": "
     "\"\\u00e9\", \"normalized\": true}, {\"id\"",
     65, ": added tokens 260 and 261 have the same text"},
    /* what is not supported */
    {"another model", "\"BPE\"", "\"Unigram\"", 78, ": a model other than BPE is not supported"},
    {"dropout", "\"dropout\": null", "\"dropout\": 0.1", 78, ": model.dropout is not supported"},
    {"unk_token", "\"unk_token\": null", "\"unk_token\": \"<unk>\"", 78,
     ": model.unk_token is not supported"},
    {"byte_fallback", "\"byte_fallback\": false", "\"byte_fallback\": true", 78,
     ": model.byte_fallback is not supported"},
    {"ignore_merges", "\"byte_fallback\": false", "\"ignore_merges\": true", 78,
     ": model.ignore_merges is not supported"},
    {"end_of_word_suffix", "\"dropout\": null", "\"end_of_word_suffix\": \"</w>\"", 78,
     ": model.end_of_word_suffix is not supported"},
    {"another normalizer", "\"NFC\"", "\"NFKC\"", 78,
     ": a normalizer other than NFC is not supported"},
    {"a normalizer without a type", "{\"type\": \"NFC\"}", "{}", 78,
     ": a normalizer other than NFC is not supported"},
    {"another pre_tokenizer", "\"Sequence\"", "\"ByteLevel\"", 78,
     ": a pre_tokenizer other than Sequence of Split and ByteLevel is not supported"},
    {"no pre_tokenizer", "\"pre_tokenizer\"", "\"pre\"", 78,
     ": a pre_tokenizer other than Sequence of Split and ByteLevel is not supported"},
    {"another first step", "\"Split\"", "\"Digits\"", 78,
     ": a pre_tokenizer that does not begin with Split is not supported"},
    {"another second step", "{\"type\": \"ByteLevel\", \"add", "{\"type\": \"Digits\", \"add", 78,
     ": pre_tokenizer: only ByteLevel is supported"},
    {"another behaviour", "\"Isolated\"", "\"Removed\"", 78,
     ": a Split other than Isolated is not supported"},
    {"invert", "\"invert\": false", "\"invert\": true", 78,
     ": a Split other than Isolated is not supported"},
    {"a pattern that is a text", "\"Regex\"", "\"String\"", 78,
     ": a Split pattern that is not a Regex is not supported"},
    {"add_prefix_space", "\"add_prefix_space\": false", "\"add_prefix_space\": true", 78,
     ": ByteLevel with add_prefix_space or use_regex is not supported"},
    {"use_regex", "\"use_regex\": false", "\"use_regex\": true", 78,
     ": ByteLevel with add_prefix_space or use_regex is not supported"},
    {"a post_processor", "\"post_processor\": null",
     "\"post_processor\": {\"type\": \"BertProcessing\"}", 78,
     ": post_processor: only ByteLevel is supported"},
    {"a template of nothing", "\"post_processor\": null",
     "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": []}", 78, TEMPLATE},
    {"a template without a text", "\"post_processor\": null",
     "\"post_processor\": {\"type\": \"TemplateProcessing\"}", 78, TEMPLATE},
    {"a template of another text", "\"post_processor\": null",
     "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"Sequence\": {\"id\": "
     "\"B\"}}]}",
     78, TEMPLATE},
    {"a template that adds a token", "\"post_processor\": null",
     "\"post_processor\": {\"type\": \"Sequence\", \"processors\": [{\"type\": \"ByteLevel\"}, {"
     "\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"<a>\"}}, "
     "{\"Sequence\": {\"id\": \"A\"}}]}]}",
     78, TEMPLATE},
    {"another decoder", "\"decoder\": {\"type\": \"ByteLevel\"",
     "\"decoder\": {\"type\": \"WordPiece\"", 78, ": decoder: only ByteLevel is supported"},
    {"no decoder", "\"decoder\"", "\"decoders\"", 78, ": decoder: only ByteLevel is supported"},
    /* patterns that PCRE2 would not read, or would read otherwise */
    {"an open group", PATTERN, "(a", 78, ": split pattern: missing closing parenthesis"},
    {"an open class", PATTERN, "[a", 78,
     ": split pattern: missing terminating ] for character class"},
    {"an unknown property", PATTERN, "\\\\p{Nonsense}", 78,
     ": split pattern: unknown property after \\P or \\p"},
    {"a line's end", PATTERN, "a$", 78, ": split pattern: \"$\" at byte 1 is not supported"},
    {"a word's edge", PATTERN, "a\\\\b", 78, ": split pattern: \"\\b\" at byte 1 is not supported"},
    {"word characters", PATTERN, "\\\\w+", 78,
     ": split pattern: \"\\w+\" at byte 0 is not supported"},
    {"hexadecimal digits", PATTERN, "\\\\h+", 78,
     ": split pattern: \"\\h+\" at byte 0 is not supported"},
    {"a class in a class", PATTERN, "[a[bc]]", 78,
     ": split pattern: \"[bc]]\" at byte 2 is not supported"},
    {"a class and a class", PATTERN, "[a-z&&b]", 78,
     ": split pattern: \"&&b]\" at byte 4 is not supported"},
    {"a class that begins with ]", PATTERN, "[]a]", 78,
     ": split pattern: \"[]a]\" at byte 0 is not supported"},
    {"no letter in a class", PATTERN, "[\\\\P{L}]", 78,
     ": split pattern: \"\\P{L}]\" at byte 1 is not supported"},
    {"a verb", PATTERN, "(*UTF)a", 78, ": split pattern: \"(*UTF)a\" at byte 0 is not supported"},
    {"an option", PATTERN, "(?s)a", 78, ": split pattern: \"(?s)a\" at byte 0 is not supported"},
    {"a code", PATTERN, "(?C1)a", 78, ": split pattern: \"(?C1)a\" at byte 0 is not supported"},
    {"a + behind {}", PATTERN, "a{1,2}+", 78, ": split pattern: \"}+\" at byte 5 is not supported"},
    {"a backslash at the end", PATTERN, "a\\\\", 78,
     ": split pattern: \"\\\" at byte 1 is not supported"},
    {"a single byte", PATTERN, "\\\\C", 78, ": split pattern: \"\\C\" at byte 0 is not supported"},
    {"a byte by number", PATTERN, "\\\\xFF", 78,
     ": split pattern: \"\\xFF\" at byte 0 is not supported"},
};

/* All bytes as symbols of the alphabet, in order. */
static char *put_alphabet(char *o)
{
    int next = 256;
    for (int b = 0; b < 256; b++) {
        int is_own = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE,
            c = is_own ? b : next++;
        char symbol[3] = {c, 0, 0};
        if (c >= 0x80) symbol[0] = 0xC0 | c >> 6, symbol[1] = 0x80 | (c & 0x3F);
        o += sprintf(o, "\"%s%s\": %d, ", c == '"' || c == '\\' ? "\\" : "", symbol, b);
    }
    return o;
}

/* The sound file; malloc'd. */
static char *sound(void)
{
    char *text = ptd_alloc(8192);
    strcpy(put_alphabet(stpcpy(text, head)), tail);
    return text;
}

static char *damaged(const struct damage *d)
{
    char *text = sound(), *at = strstr(text, d->from);
    if (!at) fail_msg("%s: the file lacks %s", d->name, d->from);
    char *out = ptd_format("%.*s%s%s", (int)(at - text), text, d->to, at + strlen(d->from));
    free(text);
    return out;
}

/* A copy of its own, so that a sanitizer sees what is read behind it. */
static struct ptd_tokenizer *load(const char *text, size_t len)
{
    char *copy = ptd_alloc(len + !len);
    memcpy(copy, text, len);
    struct ptd_tokenizer *t = ptd_tokenizer_new(copy, len, "x.json");
    free(copy);
    return t;
}

static void test_the_sound_file(void **state)
{
    (void)state;
    char *text = sound();
    int32_t *ids;
    struct ptd_tokenizer *t = load(text, strlen(text));
    if (!t) fail_msg("%s", ptd_failed_message());
    assert_int_equal(ptd_tokenizer_encode(t, "abc a<a>", 8, &ids), 3);
    assert_memory_equal(ids, ((int32_t[]){257, 258, 259}), 12);
    free(ids);
    ptd_tokenizer_free(t);
    free(text);
}

static void test_damages(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        char *text = damaged(&damages[i]), *want = ptd_format("x.json%s", damages[i].message);
        struct ptd_tokenizer *t = load(text, strlen(text));
        if (t || ptd_failed_status() != damages[i].status || strcmp(ptd_failed_message(), want)) {
            fprintf(stderr, "%s: %d \"%s\"\n", damages[i].name, t ? 0 : ptd_failed_status(),
                    t ? "" : ptd_failed_message());
            bad++;
        }
        ptd_tokenizer_free(t);
        free(want);
        free(text);
    }
    assert_int_equal(bad, 0);
}

static void assert_one_line(void)
{
    assert_int_equal(strncmp(ptd_failed_message(), "x.json", 6), 0);
    assert_null(strchr(ptd_failed_message(), '\n'));
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    char *text = sound();
    for (size_t n = 0; n + 1 < strlen(text); n++) { /* the last byte is a newline */
        assert_null(load(text, n));
        assert_int_equal(ptd_failed_status(), 65);
        assert_one_line();
    }
    free(text);
}

/* Each byte replaced by each of a few: read or refused, but never a crash. */
static void test_any_byte_changed(void **state)
{
    (void)state;
    static const char others[] = "\"\\}],\xC4";
    char *text = sound();
    for (size_t i = 0, n = strlen(text); i < n; i++)
        for (size_t k = 0; k < sizeof others; k++) { /* with the NUL */
            char was = text[i];
            text[i] = others[k];
            struct ptd_tokenizer *t = load(text, n);
            if (!t) assert_one_line();
            ptd_tokenizer_free(t);
            text[i] = was;
        }
    free(text);
}

static void test_too_long(void **state)
{
    (void)state;
    assert_null(ptd_tokenizer_new("", (64u << 20) + 1, "x.json"));
    assert_string_equal(ptd_failed_message(), "x.json: over 64 MiB, too long for a tokenizer.json");
    assert_int_equal(ptd_failed_status(), 65);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_sound_file), cmocka_unit_test(test_damages),
        cmocka_unit_test(test_cut_anywhere), cmocka_unit_test(test_any_byte_changed),
        cmocka_unit_test(test_too_long)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
