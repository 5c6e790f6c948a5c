/* files: reads a model's small files and checks that they fit together. What each says is parsed by
 * config.c, token.c and chat.c; weights are shards.c's. */
#include "checkpoint/files.h"
#include "base/json.h"
#include "checkpoint/shards.h"
#include "data/chat.h"
#include "data/template.h"
#include "data/token.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

enum { CONFIG, IMAGES, PROCESSOR, TOKENIZER, GENERATION };
const char *const ptd_file_names[PTD_FILES] = {"config.json",
                                               "preprocessor_config.json",
                                               "processor_config.json",
                                               "tokenizer.json",
                                               "generation_config.json",
                                               "chat_template.jinja",
                                               "chat_template.json",
                                               "tokenizer_config.json",
                                               "special_tokens_map.json",
                                               "added_tokens.json",
                                               "vocab.json",
                                               "merges.txt",
                                               "video_preprocessor_config.json",
                                               "LICENSE"};
#define CONFIG_MAX (1u << 20)
#define TEXT_MAX   (64u << 20)

/* ---- reading ---- */

static int is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int read_builtin(struct ptd_files *f, const char *model)
{
    for (int i = 0; i < PTD_FILES; i++) {
        char *path = ptd_format("%s/%s", model, ptd_file_names[i]);
        const char *text = ptd_builtin(path, &f->len[i]);
        f->text[i] = text ? ptd_strdup(text) : NULL;
        free(path);
    }
    return 0;
}

static int missing(const char *dir, int i)
{
    return ptd_fail(PTD_NOINPUT, "%s/%s: No such file or directory", dir, ptd_file_names[i]);
}

/* processor_config.json is asked first whether it has rules for pictures. */
static int check_processor(const struct ptd_files *f)
{
    json_error_t e;
    if (!f->text[PROCESSOR]) return 0;
    json_t *root = ptd_json_load(f->text[PROCESSOR], f->len[PROCESSOR], 0, &e);
    int rc = root ? 0
                  : ptd_fail(PTD_DATAERR, "%s: line %d, column %d: %s", ptd_file_names[PROCESSOR],
                             e.line, e.column, e.text);
    json_decref(root);
    return rc;
}

/* Another architecture is told before what a folder of this one would have. */
static int check_presence(const struct ptd_files *f, const char *dir)
{
    struct ptd_config c;
    if (!f->text[CONFIG]) return missing(dir, CONFIG);
    if (ptd_config_parse(&c, f->text[CONFIG], NULL) < 0 && ptd_failed_status() == PTD_CONFIG)
        return -1;
    if (!f->text[TOKENIZER]) return missing(dir, TOKENIZER);
    if (check_processor(f) < 0) return -1;
    return ptd_image_rules_choose(f->text[IMAGES], f->text[PROCESSOR]) ? 0 : missing(dir, IMAGES);
}

static int read_folder(struct ptd_files *f, const char *dir)
{
    int failed = 0;
    for (int i = 0; i < PTD_FILES && !failed; i++) {
        char *path = ptd_format("%s/%s", dir, ptd_file_names[i]);
        int small = i != TOKENIZER && strcmp(ptd_file_names[i], "vocab.json") &&
                    strcmp(ptd_file_names[i], "merges.txt");
        f->text[i] = ptd_file_text(path, small ? CONFIG_MAX : TEXT_MAX, &f->len[i], &failed);
        free(path);
    }
    return failed ? -1 : 0;
}

static int set_tokenizer(struct ptd_files *f, const char *path)
{
    gzFile in = gzopen(path, "rb");
    size_t cap = 1 << 20, n = 0;
    char *text = ptd_alloc(cap + 1);
    int got = 1;
    if (!in) {
        free(text);
        return ptd_fail(PTD_NOINPUT, "%s:", path);
    }
    while (n <= TEXT_MAX && (got = gzread(in, text + n, (unsigned)(cap - n))) > 0) {
        n += (size_t)got;
        if (n == cap) text = ptd_realloc(text, (cap *= 2) + 1);
    }
    text[n] = 0;
    free(f->text[TOKENIZER]);
    f->text[TOKENIZER] = text;
    f->len[TOKENIZER] = n;
    int code;
    gzerror(in, &code);
    if (gzclose(in) == Z_MEM_ERROR || code == Z_MEM_ERROR)
        ptd_die(PTD_OSERR, "%s: out of memory for zlib", path);
    if (code != Z_OK || got < 0)
        return ptd_fail(PTD_DATAERR, "%s: cannot be read, or damaged", path);
    if (n > TEXT_MAX)
        return ptd_fail(PTD_DATAERR, "%s: more than %u bytes of text", path, TEXT_MAX);
    return strlen(text) == n ? 0 : ptd_fail(PTD_DATAERR, "%s: a NUL byte, expected text", path);
}

int ptd_files_read(struct ptd_files *f, const char *from, const char *tokenizer)
{
    memset(f, 0, sizeof *f);
    for (int i = 0; ptd_builtin_model(i); i++)
        if (!strcmp(from, ptd_builtin_model(i)))
            return read_builtin(f, from) < 0 || (tokenizer && set_tokenizer(f, tokenizer) < 0) ? -1
                                                                                               : 0;
    if (!is_folder(from))
        return ptd_fail(
            PTD_NOINPUT,
            "%s/config.json: no such folder, and no such model built in (tiny, qwen3-vl-2b, "
            "qwen3-vl-4b, qwen3-vl-8b)",
            from);
    if (read_folder(f, from) < 0 || (tokenizer && set_tokenizer(f, tokenizer) < 0)) return -1;
    return check_presence(f, from);
}

const char *ptd_files_text(const struct ptd_files *f, const char *name)
{
    for (int i = 0; i < PTD_FILES; i++)
        if (!strcmp(ptd_file_names[i], name)) return f->text[i];
    return NULL;
}

/* ---- checking ---- */

static int check_id(const struct ptd_tokenizer *t, const char *field, int id, const char *text)
{
    int found = ptd_tokenizer_id(t, text);
    if (found == id) return 0;
    return ptd_fail(PTD_DATAERR,
                    "config.json: field \"%s\": found %d, expected %d as tokenizer.json has %s",
                    field, id, found, text);
}

static int check_ids(const struct ptd_tokenizer *t, const struct ptd_config *c)
{
    if (ptd_tokenizer_size(t) > c->vocab)
        return ptd_fail(
            PTD_DATAERR,
            "config.json: field \"text_config.vocab_size\": found %d, expected at least %d for "
            "tokenizer.json",
            c->vocab, ptd_tokenizer_size(t));
    if (check_id(t, "image_token_id", c->image_token, "<|image_pad|>") < 0) return -1;
    if (check_id(t, "video_token_id", c->video_token, "<|video_pad|>") < 0) return -1;
    if (check_id(t, "vision_start_token_id", c->vision_start, "<|vision_start|>") < 0) return -1;
    if (check_id(t, "vision_end_token_id", c->vision_end, "<|vision_end|>") < 0) return -1;
    return ptd_chat_check(t, c);
}

static int check_tokenizer(const struct ptd_files *f, const struct ptd_config *c)
{
    struct ptd_tokenizer *t =
        ptd_tokenizer_new(f->text[TOKENIZER], f->len[TOKENIZER], "tokenizer.json");
    int rc = t ? check_ids(t, c) : -1;
    ptd_tokenizer_free(t);
    return rc;
}

static int check_template(const struct ptd_files *f)
{
    const char *text[PTD_TEMPLATE_FILES];
    if (f->template) return 0;
    for (int i = 0; i < PTD_TEMPLATE_FILES; i++) text[i] = ptd_files_text(f, ptd_template_files[i]);
    return ptd_template_choose(text) < 0 ? -1 : 0;
}

int ptd_files_check(const struct ptd_files *f, struct ptd_config *c, struct ptd_image_rules *r)
{
    const char *images = ptd_image_rules_choose(f->text[IMAGES], f->text[PROCESSOR]);
    if (ptd_config_parse(c, f->text[CONFIG], f->text[GENERATION]) < 0) return -1;
    if (ptd_image_rules_parse(r, images) < 0 || ptd_config_check_rules(c, r) < 0) return -1;
    if (check_tokenizer(f, c) < 0) return -1;
    return check_template(f);
}

int ptd_files_put(const struct ptd_files *f, struct ptd_store *s)
{
    for (int i = 0; i < PTD_FILES; i++)
        if (f->text[i] && ptd_store_put_meta(s, ptd_file_names[i], f->text[i], f->len[i]) < 0)
            return -1;
    return f->template ? ptd_template_put(s, f->template) : 0;
}

void ptd_files_clear(struct ptd_files *f)
{
    for (int i = 0; i < PTD_FILES; i++) free(f->text[i]);
    memset(f, 0, sizeof *f);
}
