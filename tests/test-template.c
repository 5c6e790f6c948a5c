/* Templates: known by what they write, whatever they look like; which of a model's files has it. */
#include "data/template.h"
#include "test.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VECTORS "tests/vectors/"

static char *text_of(const char *path)
{
    char *text = calloc(1, 1 << 16);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_true(fread(text, 1, (1 << 16) - 1, f) > 100);
    fclose(f);
    return text;
}

/* ---- what it does ---- */

#define PICTURE "<|vision_start|><|image_pad|><|vision_end|>"
/* Turns with content as a text or in parts, each behind what `FIRST` says. */
#define TEMPLATE(FIRST, IMAGE, CONTENT, REPLY)                                                     \
    "{%- macro content_of(m) %}{%- if m.content is string %}{{- m.content }}{%- else %}"           \
    "{%- for p in m.content %}{%- if p.type == 'image' %}{{- " IMAGE                               \
    " }}{%- else %}{{- p.text }}{%- endif %}{%- endfor %}{%- endif %}{%- endmacro %}\n" FIRST      \
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\\n' + " CONTENT                       \
    " + '<|im_end|>\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- "                        \
    "'<|im_start|>assistant\\n' }}" REPLY "{%- endif %}"
#define PLAIN "content_of(m)"
#define MARK  "'" PICTURE "'"

static const struct {
    const char *what, *jinja;
    int thinks;
    const char *why;
} templates[] = {
    {"Instruct in other words", TEMPLATE("", MARK, PLAIN, ""), 0, ""},
    {"Thinking in other words", TEMPLATE("", MARK, PLAIN, "{{- '<think>\\n' }}"), 1, ""},
    {"texts only, as Thinking",
     "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\\n' }}{{- '" PICTURE
     "' if m.pictures }}{{- m.content + '<|im_end|>\\n' }}{%- endfor %}"
     "{{- '<|im_start|>assistant\\n<think>\\n' }}",
     1, ""},
    {"may think, but is not made to",
     TEMPLATE(
         "", MARK, PLAIN,
         "{%- if enable_thinking is defined and enable_thinking %}{{- '<think>\\n' }}{%- endif %}"),
     0, ""},
    {"thinks unless told not to",
     TEMPLATE("", MARK, PLAIN,
              "{%- if enable_thinking is defined and enable_thinking is false %}"
              "{{- '<think>\\n\\n</think>\\n\\n' }}{%- else %}{{- '<think>\\n' }}{%- endif %}"),
     1, ""},
    {"the same, and trims",
     TEMPLATE("", MARK, "content_of(m)|trim",
              "{%- if enable_thinking is defined and enable_thinking is false %}"
              "{{- '<think>\\n\\n</think>\\n\\n' }}{%- else %}{{- '<think>\\n' }}{%- endif %}"),
     -1,
     "it writes \"one two<|im_end|>\\n<|im_start|>\" where \" \\n one two \\n\\n<|im_end|>\\n<|im"},
    {"trims", TEMPLATE("", MARK, "content_of(m)|trim", ""), -1, "it writes \"one two<|im_end|>"},
    {"trims in front", TEMPLATE("", MARK, "content_of(m).lstrip('\\n')", ""), -1,
     "it writes \" be"},
    {"trims behind", TEMPLATE("", MARK, "content_of(m).rstrip()", ""), -1,
     "it writes \"<|im_end|>"},
    {"trims parts",
     TEMPLATE("", MARK, "(m.content if m.content is string else content_of(m)|trim)", ""), -1,
     "it writes \"one\\n<|vision"},
    {"an empty thought", TEMPLATE("", MARK, PLAIN, "{{- '<think>\\n\\n</think>\\n\\n' }}"), -1,
     "it writes \"<think>\\n\\n</think>\\n\\n\" where \"\" is expected"},
    {"a thought opened otherwise", TEMPLATE("", MARK, PLAIN, "{{- '<think>' }}"), -1,
     "it writes \"<think>\" where \"\""},
    {"a system message by default",
     TEMPLATE("{%- if messages[0].role != 'system' %}<|im_start|>system\nYou are here to help."
              "<|im_end|>\n{% endif %}",
              MARK, PLAIN, ""),
     -1, "it writes \"system\\nYou are here"},
    {"no system message", TEMPLATE("{%- set messages = messages[-1:] %}", MARK, PLAIN, ""), -1,
     "it writes \"user\\none"},
    {"pictures with a number", TEMPLATE("", "'Picture 1: " PICTURE "'", PLAIN, ""), -1,
     "it writes \"Picture 1: "},
    {"pictures with a line feed", TEMPLATE("", "'" PICTURE "\\n'", PLAIN, ""), -1, "where \"two "},
    {"no pictures", TEMPLATE("", "''", PLAIN, ""), -1, "it writes \"two "},
    {"thinks of pictures",
     TEMPLATE("", MARK, PLAIN,
              "{%- if messages[-1].content is not string %}{{- '<think>\\n' }}{%- endif %}"),
     -1, "it opens a thought at times"},
    {"refuses systems",
     TEMPLATE("{{- raise_exception('no system') if messages|length > 1 }}", MARK, PLAIN, ""), -1,
     "it cannot be run for that: it refuses: no system"},
    {"an unknown filter",
     TEMPLATE("", MARK, "(content_of(m) if m.content is string else m|pprint)", ""), -1,
     "the filter \"pprint\" is unknown"},
    {"other words for earlier answers",
     TEMPLATE("", MARK, "(content_of(m) if m.role != 'assistant' else content_of(m)|trim)", ""), -1,
     "it writes \"so<|im_end|>"},
    {"no earlier answers",
     TEMPLATE("{%- set messages = messages|rejectattr('role', 'equalto', 'assistant')|list %}",
              MARK, PLAIN, ""),
     -1, "the filter \"rejectattr\" is unknown"},
    {"no beginning of a reply",
     "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\\n' + m.content + "
     "'<|im_end|>\\n' }}{%- endfor %}",
     -1, "it writes \"\" where \"<|im_start|>assistant"},
    {"another model's", "{{ '[INST] ' + messages[-1].content + ' [/INST]' }}", -1,
     "it writes \"[INST] "},
    {"no template", "", -1, "it writes \"\""},
    {"broken", "{% for m in messages %}", -1, "a block has no end"},
};

static void test_by_what_it_does(void **state)
{
    char *instruct = text_of(VECTORS "chat-instruct.jinja"),
         *thinking = text_of(VECTORS "chat-thinking.jinja");
    int bad = 0;
    (void)state;
    assert_int_equal(ptd_template_thinks(NULL), 0);
    assert_int_equal(ptd_template_thinks(instruct), 0);
    assert_int_equal(ptd_template_thinks(thinking), 1);
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
        int thinks = ptd_template_thinks(templates[i].jinja);
        if (thinks == templates[i].thinks &&
            (thinks >= 0 ||
             (ptd_failed_status() == PTD_CONFIG && strstr(ptd_failed_message(), templates[i].why) &&
              strstr(ptd_failed_message(), "--template"))))
            continue;
        fprintf(stderr, "%s: %d \"%s\"\n", templates[i].what, thinks,
                thinks < 0 ? ptd_failed_message() : "");
        bad++;
    }
    assert_int_equal(bad, 0);
    free(instruct);
    free(thinking);
}

/* ---- where it is ---- */

static char *in_json(const char *template)
{
    json_t *o = json_pack("{s:s}", "chat_template", template);
    char *text = json_dumps(o, 0);
    json_decref(o);
    return text;
}

/* The template of each file: 'i', 't', 'x' another one, '-' none there; in the order of
 * ptd_template_files. */
static int choose(const char kinds[PTD_TEMPLATE_FILES + 1])
{
    char *text[PTD_TEMPLATE_FILES] = {0};
    for (int i = 0; i < PTD_TEMPLATE_FILES; i++) {
        const char *template = kinds[i] == 'i'   ? templates[0].jinja
                               : kinds[i] == 't' ? templates[1].jinja
                                                 : "another";
        if (kinds[i] != '-') text[i] = i == 2 ? ptd_strdup(template) : in_json(template);
    }
    int thinks = ptd_template_choose((const char *const *)text);
    for (int i = 0; i < PTD_TEMPLATE_FILES; i++) free(text[i]);
    return thinks;
}

static void test_order_of_files(void **state)
{
    static const struct {
        const char *kinds;
        int thinks;
        const char *file;
    } cases[] = {
        {"----", 0, ""},
        {"---t", 1, ""},
        {"--it", 0, ""},
        {"--ti", 1, ""},
        {"-it-", 0, ""},
        {"-tix", 1, ""},
        {"tiii", 1, ""},
        {"itxx", 0, ""},
        {"xttt", -1, "processor_config.json: neither "},
        {"-xtt", -1, "chat_template.json: neither "},
        {"--xt", -1, "chat_template.jinja: neither "},
        {"---x", -1, "tokenizer_config.json: neither "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int thinks = choose(cases[i].kinds);
        if (thinks != cases[i].thinks || (thinks < 0 && strncmp(ptd_failed_message(), cases[i].file,
                                                                strlen(cases[i].file)) != 0))
            fail_msg("%s: %d %s", cases[i].kinds, thinks, ptd_failed_message());
    }
}

static void test_fields(void **state)
{
    static const struct {
        const char *text;
        int thinks; /* of chat_template.json, Thinking's chat_template.jinja beside it */
    } cases[] = {
        {"{}", 1},
        {"{\"chat_template\": null}", 1},
        {"{\"chat_template\": 7}", -1},
        {"{\"chat_template\": []}", -1},
        {"{\"chat_template\": [{\"name\": \"other\", \"template\": \"x\"}]}", -1},
        {"{\"chat_template\": ", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text[PTD_TEMPLATE_FILES] = {NULL, cases[i].text, templates[1].jinja, NULL};
        int thinks = ptd_template_choose(text);
        if (thinks != cases[i].thinks || (thinks < 0 && ptd_failed_status() != PTD_DATAERR))
            fail_msg("%s: %d %s", cases[i].text, thinks, ptd_failed_message());
    }
    json_t *list = json_pack("{s:[{s:s,s:s},{s:s,s:s}]}", "chat_template", "name", "tool_use",
                             "template", "x", "name", "default", "template", templates[1].jinja);
    char *named = json_dumps(list, 0);
    const char *text[PTD_TEMPLATE_FILES] = {NULL, NULL, NULL, named};
    assert_int_equal(ptd_template_choose(text), 1);
    free(named);
    json_decref(list);
}

/* ---- a store ---- */

static int kind_of(struct ptd_store *s)
{
    struct ptd_config c = {.thinking = 7};
    return ptd_template_read(&c, s) < 0 ? -1 : c.thinking;
}

static void put_meta(struct ptd_store *s, const char *name, const char *text)
{
    if (ptd_store_put_meta(s, name, text, strlen(text)) < 0) fail_msg("%s", ptd_failed_message());
}

static void remove_store(struct ptd_store *s, const char *dir, const char *folder)
{
    char file[120];
    ptd_store_close(s);
    for (int i = 0; i < 3; i++) {
        snprintf(file, sizeof file, "%s/%s", dir,
                 ((const char *[]){"data.mdb", "lock.mdb", "lock"})[i]);
        unlink(file);
    }
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void test_template_of_store(void **state)
{
    (void)state;
    char folder[] = "/tmp/ptd-test-template-XXXXXX", dir[100];
    struct ptd_store *s;
    assert_non_null(mkdtemp(folder));
    snprintf(dir, sizeof dir, "%s/store", folder);
    assert_int_equal(ptd_store_open(&s, dir, PTD_STORE_CREATE), 0);
    assert_int_equal(kind_of(s), 0); /* none: Instruct */
    put_meta(s, "chat_template.jinja", templates[1].jinja);
    assert_int_equal(kind_of(s), 1);
    char *instruct = in_json(templates[0].jinja);
    put_meta(s, "chat_template.json", instruct);
    assert_int_equal(kind_of(s), 0);
    put_meta(s, "chat_template.json", "{\"chat_template\": \"{{ messages }}\"}");
    assert_int_equal(kind_of(s), -1);
    assert_int_equal(ptd_failed_status(), PTD_CONFIG);
    assert_non_null(strstr(ptd_failed_message(), dir));
    assert_int_equal(ptd_template_put(s, "thinking"), 0);
    assert_int_equal(kind_of(s), 1);
    assert_int_equal(ptd_template_put(s, "instruct"), 0);
    assert_int_equal(kind_of(s), 0);
    put_meta(s, "template", "other");
    assert_int_equal(kind_of(s), -1);
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    remove_store(s, dir, folder);
    free(instruct);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_what_it_does),
        cmocka_unit_test(test_order_of_files),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_template_of_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
