/* Templates known by what they write; the files they come from. What they are in C is chat.c's, how
 * they are run jinja.c's. */
#include "data/template.h"
#include "base/json.h"
#include "data/jinja.h"
#include <stdlib.h>
#include <string.h>

#define KEY    "template" /* of a store's choice */
#define MARK   "<|vision_start|><|image_pad|><|vision_end|>"
#define TURN   "<|im_start|>assistant\n"
#define THINKS "<think>\n"

const char *const ptd_template_files[PTD_TEMPLATE_FILES] = {
    "processor_config.json", "chat_template.json", "chat_template.jinja", "tokenizer_config.json"};

/* ---- by what it does ---- */

/* Conversations, and what stands before the assistant's turn. White space at the ends of texts
 * shows a template that trims. */
static const struct probe {
    const char *messages, *written;
    int parts; /* of content in parts */
} probes[] = {
    {"[{\"role\":\"user\",\"content\":\" \\n one two \\n\\n\"}]",
     "<|im_start|>user\n \n one two \n\n<|im_end|>\n", 0},
    {"[{\"role\":\"system\",\"content\":\"\\n be brief "
     "\\n\"},{\"role\":\"user\",\"content\":\"one\"}]",
     "<|im_start|>system\n\n be brief \n<|im_end|>\n<|im_start|>user\none<|im_end|>\n", 0},
    {"[{\"role\":\"user\",\"content\":\"one\"},{\"role\":\"assistant\",\"content\":\" so \"},"
     "{\"role\":\"user\",\"content\":\"two\"}]",
     "<|im_start|>user\none<|im_end|>\n<|im_start|>assistant\n so <|im_end|>\n<|im_start|>user\n"
     "two<|im_end|>\n",
     0},
    {"[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\" "
     "one\\n\"},{\"type\":\"image\"},"
     "{\"type\":\"text\",\"text\":\"two \"},{\"type\":\"image\"}]}]",
     "<|im_start|>user\n one\n" MARK "two " MARK "<|im_end|>\n", 1},
    {"[{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\" be brief\\n\"}]},"
     "{\"role\":\"user\",\"content\":[{\"type\":\"image\"},{\"type\":\"image\"},{\"type\":\"text\","
     "\"text\":\"\\none\\n\"}]}]",
     "<|im_start|>system\n be brief\n<|im_end|>\n<|im_start|>user\n" MARK MARK
     "\none\n<|im_end|>\n",
     1},
};
enum { PROBES = sizeof probes / sizeof *probes };

/* What the template writes for a conversation and the beginning of a reply. */
static char *run(const char *jinja, const struct probe *p, struct ptd_jinja_failure *why)
{
    json_t *variables = json_object();
    json_object_set_new(variables, "messages", json_loads(p->messages, 0, NULL));
    json_object_set(variables, "add_generation_prompt", json_true());
    json_object_set(variables, "tools", json_null());
    json_object_set(variables, "documents", json_null());
    char *written = ptd_jinja_run(jinja, variables, why);
    json_decref(variables);
    return written;
}

/* A piece of text as it can stand in a line, malloc'd. */
static char *shown(const char *s)
{
    char *out = ptd_alloc(64), *o = out;
    for (int i = 0; i < 30 && *s; i++, s++)
        if (*s == '\n')
            *o++ = '\\', *o++ = 'n';
        else
            *o++ = *s;
    return out;
}

static int refuse_difference(const char *written, const char *expected)
{
    size_t n = 0;
    while (written[n] && written[n] == expected[n]) n++;
    while (n && (written[n] & 0xC0) == 0x80) n--;
    char *found = shown(written + n), *wanted = shown(expected + n);
    ptd_fail(PTD_CONFIG, "it writes \"%s\" where \"%s\" is expected", found, wanted);
    free(found);
    free(wanted);
    return -1;
}

static int compare(const char *written, const struct probe *p)
{
    size_t n = strlen(p->written);
    const char *end = !strncmp(written, p->written, n) ? written + n : "";
    if (!strcmp(end, TURN)) return 0;
    if (!strcmp(end, TURN THINKS)) return 1;
    char *expected = ptd_format("%s" TURN, p->written);
    refuse_difference(written, expected);
    free(expected);
    return -1;
}

/* 0, 1 or -1. A template that takes no parts, as Jinja sees it, is judged by the rest. */
static int judge(const char *jinja, const struct probe *p, int so_far)
{
    struct ptd_jinja_failure why;
    char *written = run(jinja, p, &why);
    if (!written && p->parts && !why.unknown && strstr(jinja, MARK)) return so_far;
    int rc = written ? compare(written, p)
                     : ptd_fail(PTD_CONFIG, "it cannot be run for that: %s", why.text);
    free(written);
    return rc;
}

int ptd_template_thinks(const char *jinja)
{
    static const char neither[] = "neither Qwen3-VL's chat template of Instruct nor that of "
                                  "Thinking: %s; ptd-init --template "
                                  "instruct or thinking says which to write";
    int thinks = -1;
    if (!jinja) return 0;
    for (int i = 0; i < PROBES; i++) {
        int this = judge(jinja, &probes[i], thinks);
        if (this >= 0 && i && this != thinks)
            this = ptd_fail(PTD_CONFIG, "it opens a thought at times");
        if (this < 0) return ptd_fail(PTD_CONFIG, neither, ptd_failed_message());
        thinks = this;
    }
    return thinks;
}

int ptd_template_from_name(const char *name)
{
    return !strcmp(name, "instruct") ? 0 : !strcmp(name, "thinking") ? 1 : -1;
}

/* ---- by files ---- */

/* A list of {"name", "template"}: the default one. */
static const char *default_of(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name && !strcmp(name, "default"))
            return json_string_value(json_object_get(one, "template"));
    }
    return NULL;
}

/* Field "chat_template" of a JSON text, if there is one: malloc'd into *jinja. */
static int template_in(char **jinja, const char *file, const char *json)
{
    json_error_t e;
    json_t *root = ptd_json_load(json, strlen(json), 0, &e);
    const json_t *field = json_object_get(root, "chat_template");
    const char *s = json_is_array(field) ? default_of(field) : json_string_value(field);
    int rc =
        root ? 0
             : ptd_fail(PTD_DATAERR, "%s: line %d, column %d: %s", file, e.line, e.column, e.text);
    if (s)
        *jinja = ptd_strdup(s);
    else if (field && !json_is_null(field))
        rc = ptd_fail(PTD_DATAERR, "%s: field \"chat_template\": expected a text", file);
    json_decref(root);
    return rc;
}

int ptd_template_choose(const char *const text[PTD_TEMPLATE_FILES])
{
    char *jinja = NULL;
    int rc = 0, from = 0;
    for (int i = 0; i < PTD_TEMPLATE_FILES && !jinja && rc == 0; i++) {
        if (!text[i]) continue;
        from = i;
        if (strstr(ptd_template_files[i], ".json"))
            rc = template_in(&jinja, ptd_template_files[i], text[i]);
        else
            jinja = ptd_strdup(text[i]);
    }
    if (rc == 0 && (rc = ptd_template_thinks(jinja)) < 0)
        ptd_fail(PTD_CONFIG, "%s: %s", ptd_template_files[from], ptd_failed_message());
    free(jinja);
    return rc;
}

int ptd_template_put(struct ptd_store *s, const char *name)
{
    return ptd_store_put_meta(s, KEY, name, strlen(name));
}

static int choose_in(struct ptd_store *s)
{
    char *text[PTD_TEMPLATE_FILES];
    for (int i = 0; i < PTD_TEMPLATE_FILES; i++)
        text[i] = ptd_store_get_meta(s, ptd_template_files[i], NULL);
    int thinks = ptd_template_choose((const char *const *)text);
    for (int i = 0; i < PTD_TEMPLATE_FILES; i++) free(text[i]);
    return thinks;
}

int ptd_template_read(struct ptd_config *c, struct ptd_store *s)
{
    char *chosen = ptd_store_get_meta(s, KEY, NULL);
    int thinks = chosen ? ptd_template_from_name(chosen) : choose_in(s);
    if (chosen && thinks < 0)
        ptd_fail(PTD_DATAERR, "template: found \"%.40s\", expected instruct or thinking", chosen);
    free(chosen);
    c->thinking = thinks > 0;
    return thinks < 0
               ? ptd_fail(ptd_failed_status(), "%s: %s", ptd_store_path(s), ptd_failed_message())
               : 0;
}
