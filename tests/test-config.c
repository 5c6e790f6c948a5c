/* test-config: the built-in model parses, agrees with its tokenizer, and each damaged or
 * unsupported setting is refused by name. A case changes one value of the built-in file: a path of
 * keys, the new value as JSON (NULL: removed), status and words. */
#include "data/config.h"
#include "data/token.h"
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct edit {
    const char *section, *key, *value;
    int status;
    const char *words;
};

/* The built-in file `name` after the edit; malloc'd. */
static char *edited(const char *name, const struct edit *e)
{
    json_t *root = json_loads(ptd_builtin(name, NULL), 0, NULL), *at = root;
    char path[128], *save, *text;
    snprintf(path, sizeof path, "%s", e->section);
    for (char *p = strtok_r(path, ".", &save); p; p = strtok_r(NULL, ".", &save))
        at = json_object_get(at, p);
    assert_true(json_is_object(at));
    if (e->value)
        json_object_set_new(at, e->key, json_loads(e->value, JSON_DECODE_ANY, NULL));
    else
        json_object_del(at, e->key);
    text = json_dumps(root, 0);
    json_decref(root);
    return text;
}

static void expect(int got, const struct edit *e)
{
    if (!e->status) {
        if (got) print_error("%s.%s: %s\n", e->section, e->key, ptd_failed_message());
        assert_int_equal(got, 0);
        return;
    }
    if (got != -1)
        print_error("accepted: %s.%s = %s\n", e->section, e->key, e->value ? e->value : "(none)");
    assert_int_equal(got, -1);
    if (!strstr(ptd_failed_message(), e->words)) print_error("%s\n", ptd_failed_message());
    assert_non_null(strstr(ptd_failed_message(), e->words));
    assert_int_equal(ptd_failed_status(), e->status);
}

static void test_builtin(void **state)
{
    struct ptd_config c;
    struct ptd_image_rules r;
    size_t len;
    (void)state;
    const char *json = ptd_builtin("tiny/config.json", &len);
    assert_non_null(json);
    assert_int_equal(strlen(json), len);
    assert_null(ptd_builtin("tiny/none.json", NULL));
    assert_int_equal(ptd_config_parse(&c, json, ptd_builtin("tiny/generation_config.json", NULL)),
                     0);
    assert_int_equal(ptd_image_rules_parse(&r, ptd_builtin("tiny/preprocessor_config.json", NULL)),
                     0);
    assert_int_equal(ptd_config_check_rules(&c, &r), 0);
    assert_int_equal(c.hidden, 128);
    assert_int_equal(c.v_patch, 14);
    assert_int_equal(c.n_deepstack, 1);
    assert_true(c.rms_eps == 1e-6 && c.rope_theta == 10000 && c.init_std == 0.05);
    assert_int_equal(c.mrope_section[0] + c.mrope_section[1] + c.mrope_section[2], c.head_dim / 2);
    assert_int_equal(r.min_pixels, 784);
    assert_int_equal(r.max_pixels, 1003520);
    assert_true(r.mean[2] == 0 && r.std[0] == 1); /* black stays 0 */
}

static void test_stop_tokens(void **state)
{
    struct ptd_config c;
    (void)state;
    const char *json = ptd_builtin("tiny/config.json", NULL);
    assert_int_equal(ptd_config_parse(&c, json, NULL), 0);
    assert_int_equal(c.n_eos, 1);
    assert_int_equal(c.eos[0], 626);
    assert_int_equal(ptd_config_parse(&c, json, "{\"eos_token_id\": [5, 7, 9]}"), 0);
    assert_int_equal(c.n_eos, 3);
    assert_int_equal(c.eos[2], 9);
    assert_int_equal(ptd_config_parse(&c, json, "{\"eos_token_id\": [1,2,3,4,5,6,7,8,9]}"), -1);
    assert_int_equal(ptd_config_parse(&c, json, "{\"eos_token_id\": []}"), -1);
    assert_int_equal(ptd_config_parse(&c, json, "{\"eos_token_id\": 640}"), -1);
    assert_non_null(strstr(ptd_failed_message(), "generation_config.json: field \"eos_token_id\""));
}

static void test_tokenizer_agrees(void **state)
{
    struct ptd_config c;
    size_t len;
    (void)state;
    const char *json = ptd_builtin("tiny/tokenizer.json", &len);
    struct ptd_tokenizer *t = ptd_tokenizer_new(json, len, "tokenizer.json");
    assert_non_null(t);
    assert_int_equal(ptd_config_parse(&c, ptd_builtin("tiny/config.json", NULL),
                                      ptd_builtin("tiny/generation_config.json", NULL)),
                     0);
    assert_int_equal(c.vocab, (ptd_tokenizer_size(t) + 7) / 8 * 8);
    assert_int_equal(c.image_token, ptd_tokenizer_id(t, "<|image_pad|>"));
    assert_int_equal(c.video_token, ptd_tokenizer_id(t, "<|video_pad|>"));
    assert_int_equal(c.vision_start, ptd_tokenizer_id(t, "<|vision_start|>"));
    assert_int_equal(c.vision_end, ptd_tokenizer_id(t, "<|vision_end|>"));
    assert_int_equal(c.n_eos, 2);
    assert_int_equal(c.eos[0], ptd_tokenizer_id(t, "<|im_end|>"));
    assert_int_equal(c.eos[1], ptd_tokenizer_id(t, "<|endoftext|>"));
    ptd_tokenizer_free(t);
}

#define TEXT   "text_config"
#define ROPE   "text_config.rope_scaling"
#define VISION "vision_config"

static const struct edit config_edits[] = {
    {TEXT, "hidden_size", NULL, 65,
     "config.json: field \"text_config.hidden_size\": missing, expected a whole number"},
    {TEXT, "hidden_size", "0", 65, "found 0, expected a whole number from 1 to 65536"},
    {TEXT, "hidden_size", "-5", 65, "found -5"},
    {TEXT, "hidden_size", "99999999999999", 65, "found 99999999999999"},
    {TEXT, "hidden_size", "128.0", 65,
     "\"text_config.hidden_size\": found 128, expected a whole number"},
    {TEXT, "hidden_size", "\"128\"", 65, "found \"128\""},
    {TEXT, "hidden_size", "null", 65, "missing"},
    {TEXT, "hidden_size", "64", 65, "vision_config.out_hidden_size"},
    {TEXT, "head_dim", NULL, 65, "text_config.head_dim"},
    {TEXT, "head_dim", "33", 65, "an even number"},
    {TEXT, "num_key_value_heads", "3", 65, "a divisor of num_attention_heads (4)"},
    {TEXT, "hidden_act", "\"gelu\"", 78,
     "field \"text_config.hidden_act\": found \"gelu\", expected \"silu\""},
    {TEXT, "hidden_act", NULL, 65, "missing, expected \"silu\""},
    {TEXT, "attention_bias", "true", 78, "text_config.attention_bias"},
    {TEXT, "attention_dropout", "0.1", 78, "text_config.attention_dropout"},
    {TEXT, "rms_norm_eps", "0", 65, "text_config.rms_norm_eps"},
    {TEXT, "initializer_range", NULL, 65, "text_config.initializer_range"},
    {TEXT, "rope_theta", NULL, 65, "field \"text_config.rope_theta\": missing"},
    {TEXT, "eos_token_id", NULL, 65, "text_config.eos_token_id"},
    {TEXT, "eos_token_id", "640", 65, "a token id below vocab_size (640)"},
    {TEXT, "rope_scaling", NULL, 65,
     "field \"text_config.rope_scaling\": missing, expected an object"},
    {TEXT, "rope_scaling", "[1]", 65, "found an array, expected an object"},
    {ROPE, "rope_type", "\"yarn\"", 78, "text_config.rope_scaling.rope_type\": found \"yarn\""},
    {ROPE, "mrope_interleaved", "false", 78, "mrope_interleaved"},
    {ROPE, "mrope_interleaved", NULL, 65, "mrope_interleaved"},
    {ROPE, "mrope_section", "[8,8]", 65, "three whole numbers"},
    {ROPE, "mrope_section", "[8,-4,4]", 65, "three whole numbers"},
    /* longer than the frequencies: clamped where it is used */
    {ROPE, "mrope_section", "[16,8,8]", 0, ""},
    {VISION, "hidden_act", "\"gelu\"", 78, "vision_config.hidden_act"},
    {VISION, "hidden_size", "100", 65, "a multiple of 4 * num_heads (16)"},
    {VISION, "in_channels", "4", 65, "vision_config.in_channels"},
    {VISION, "num_position_embeddings", "37", 65, "a square number"},
    {VISION, "out_hidden_size", "96", 65, "text_config.hidden_size (128)"},
    {VISION, "deepstack_visual_indexes", "[2]", 65, "below depth (2)"},
    {VISION, "deepstack_visual_indexes", "[1,0]", 65, "increasing"},
    {VISION, "deepstack_visual_indexes", "[0,0]", 65, "increasing"},
    {VISION, "deepstack_visual_indexes", "[0,1,2,3,4]", 65, "at most 4"},
    {VISION, "deepstack_visual_indexes", "7", 65, "a list"},
    {VISION, "deepstack_visual_indexes", "[]", 0, ""},
    {"", "model_type", "\"llava\"", 78, "field \"model_type\": found \"llava\""},
    {"", "text_config", NULL, 65, "field \"text_config\": missing, expected an object"},
    {"", "vision_config", "3", 65, "field \"vision_config\": found 3"},
    {"", "image_token_id", "637", 65, "an id other than image_token_id"},
    {"", "image_token_id", "640", 65, "from 0 to 639"},
    {"", "tie_word_embeddings", "\"yes\"", 65, "true or false"},
    {"", "tie_word_embeddings", NULL, 0, ""},
    {TEXT, "tie_word_embeddings", "7", 0, ""},
};

static void test_config_edits(void **state)
{
    struct ptd_config c;
    (void)state;
    for (size_t i = 0; i < sizeof config_edits / sizeof *config_edits; i++) {
        char *json = edited("tiny/config.json", &config_edits[i]);
        expect(ptd_config_parse(&c, json, NULL), &config_edits[i]);
        free(json);
    }
}

static const struct edit rules_edits[] = {
    {"", "patch_size", NULL, 65, "preprocessor_config.json: field \"patch_size\": missing"},
    {"", "image_mean", "[0.5,0.5]", 65, "three numbers"},
    {"", "image_std", "[0.5,0,0.5]", 65, "three numbers from 0.001"},
    {"", "size", NULL, 65, "field \"size\": missing, expected an object"},
    {"size", "shortest_edge", "2000000", 65, "at most the upper bound of pixels (1003520)"},
    {"size", "longest_edge", "700", 65,
     "field \"size.longest_edge\": found 700, expected a whole number from 784"},
    {"", "min_pixels", "2000000", 65, "field \"min_pixels\""},
    {"", "do_resize", "false", 78, "do_resize"},
    {"", "resample", "2", 78, "resample"},
    {"", "rescale_factor", "1.0", 78, "rescale_factor"},
    {"", "rescale_factor", "0.00392156862745098", 0, ""},
    {"", "do_normalize", "true", 0, ""},
};

static void test_rules_edits(void **state)
{
    struct ptd_image_rules r;
    (void)state;
    for (size_t i = 0; i < sizeof rules_edits / sizeof *rules_edits; i++) {
        char *json = edited("tiny/preprocessor_config.json", &rules_edits[i]);
        expect(ptd_image_rules_parse(&r, json), &rules_edits[i]);
        free(json);
    }
}

/* processor_config.json has the last word where it speaks of pictures. */
static void test_which_rules(void **state)
{
    static const char one[] = "{\"patch_size\":14}", two[] = "{\"image_processor\":{}}",
                      none[] = "{\"image_processor\":null,\"processor_class\":\"x\"}";
    (void)state;
    assert_ptr_equal(ptd_image_rules_choose(one, two), two);
    assert_ptr_equal(ptd_image_rules_choose(NULL, two), two);
    assert_ptr_equal(ptd_image_rules_choose(one, none), one);
    assert_ptr_equal(ptd_image_rules_choose(one, "{"), one);
    assert_ptr_equal(ptd_image_rules_choose(one, NULL), one);
    assert_null(ptd_image_rules_choose(NULL, none));
    assert_null(ptd_image_rules_choose(NULL, NULL));
    struct ptd_image_rules r;
    assert_int_equal(ptd_image_rules_parse(&r, "{\"patch_size\":14,\"image_processor\":{}}"), -1);
    assert_non_null(strstr(ptd_failed_message(),
                           "processor_config.json: field \"image_processor.patch_size\": missing"));
}

/* Both spellings of the rotary block; a Qwen3-VL-2B file as it is published. */
static const char published[] =
    "{\"architectures\":[\"Qwen3VLForConditionalGeneration\"],\"model_type\":\"qwen3_vl\",\"image_"
    "token_id\":"
    "151655,"
    "\"video_token_id\":151656,\"vision_start_token_id\":151652,\"vision_end_token_id\":151653,"
    "\"tie_word_embeddings\":%s,\"text_config\":{\"attention_bias\":false,\"attention_dropout\":0."
    "0,"
    "\"bos_token_id\":151643,\"eos_token_id\":151645,\"head_dim\":128,\"hidden_act\":\"silu\","
    "\"hidden_"
    "size\":2048,"
    "\"initializer_range\":0.02,\"intermediate_size\":6144,\"model_type\":\"qwen3_vl_text\","
    "\"num_attention_heads\":16,\"num_hidden_layers\":28,\"num_key_value_heads\":8,\"rms_norm_"
    "eps\":1e-06,%s,"
    "\"vocab_size\":151936},\"vision_config\":{\"deepstack_visual_indexes\":[5,11,17],\"depth\":24,"
    "\"hidden_act\":\"gelu_pytorch_tanh\",\"hidden_size\":1024,\"in_channels\":3,\"intermediate_"
    "size\":4096,"
    "\"num_heads\":16,\"num_position_embeddings\":2304,\"out_hidden_size\":2048,\"patch_size\":16,"
    "\"spatial_merge_size\":2,\"temporal_patch_size\":2}}";

static void check_published(const char *tied, const char *rope)
{
    char json[4096];
    struct ptd_config c;
    snprintf(json, sizeof json, published, tied, rope);
    assert_int_equal(ptd_config_parse(&c, json, NULL), 0);
    assert_true(c.rope_theta == 5e6);
    assert_int_equal(c.mrope_section[1], 20);
    assert_int_equal(c.tied, !strcmp(tied, "true"));
    assert_int_equal(c.deepstack[2], 17);
    assert_int_equal(c.eos[0], 151645);
}

static void test_rotary_spellings(void **state)
{
    (void)state;
    check_published("true", "\"rope_theta\":5000000,\"rope_scaling\":{\"mrope_interleaved\":true,"
                            "\"mrope_section\":[24,20,20],\"rope_type\":\"default\"}");
    check_published("false",
                    "\"rope_parameters\":{\"mrope_interleaved\":true,\"mrope_section\":[24,20,20],"
                    "\"rope_theta\":5000000.0,\"rope_type\":\"default\"}");
}

static void test_broken_json(void **state)
{
    static const char *const texts[] = {
        "", "{", "[]", "{\"a\":1,\"a\":2}", "{\"model_type\":\"\\ud800\"}", "nonsense"};
    struct ptd_config c;
    struct ptd_image_rules r;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(ptd_config_parse(&c, texts[i], NULL), -1);
        assert_int_equal(ptd_failed_status(), PTD_DATAERR);
        assert_non_null(strstr(ptd_failed_message(), "config.json: "));
        assert_int_equal(ptd_image_rules_parse(&r, texts[i]), -1);
        assert_int_equal(ptd_config_parse(&c, ptd_builtin("tiny/config.json", NULL), texts[i]), -1);
        assert_non_null(strstr(ptd_failed_message(), "generation_config.json: "));
    }
}

static void test_disagreement(void **state)
{
    struct ptd_config c;
    struct ptd_image_rules r;
    (void)state;
    assert_int_equal(ptd_config_parse(&c, ptd_builtin("tiny/config.json", NULL), NULL), 0);
    assert_int_equal(ptd_image_rules_parse(&r, ptd_builtin("tiny/preprocessor_config.json", NULL)),
                     0);
    r.temporal = 2;
    assert_int_equal(ptd_config_check_rules(&c, &r), -1);
    assert_non_null(strstr(ptd_failed_message(), "\"temporal_patch_size\": found 2, expected 1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builtin),          cmocka_unit_test(test_stop_tokens),
        cmocka_unit_test(test_tokenizer_agrees), cmocka_unit_test(test_config_edits),
        cmocka_unit_test(test_rules_edits),      cmocka_unit_test(test_rotary_spellings),
        cmocka_unit_test(test_which_rules),      cmocka_unit_test(test_broken_json),
        cmocka_unit_test(test_disagreement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
