/* files: the small files of a model (config, tokenizer, templates ...): read from a Hugging Face
 * folder or built in, checked against each other, kept byte for byte in a store's meta.
 *
 *     ptd_files_read(&f, "Qwen3-VL-2B-Instruct/", NULL); // or "tiny", "qwen3-vl-2b" ...
 *     ptd_files_check(&f, &config, &rules);
 *     ptd_files_put(&f, store);
 *     ptd_files_clear(&f); */
#ifndef PTD_FILES_H
#define PTD_FILES_H
#include "data/config.h"
#include "store/store.h"

#define PTD_FILES 14
extern const char *const ptd_file_names[PTD_FILES]; /* all that are looked for */

struct ptd_files {
    char *text[PTD_FILES]; /* NULL: not there */
    size_t len[PTD_FILES];
    const char *template; /* "instruct" or "thinking", whatever the files say; NULL: as they say */
};

/* `from` is a folder or built in; `tokenizer` another file in place of its tokenizer.json (plain or
 * compressed by gzip), or NULL. config.json must be there, and tokenizer.json unless the model is
 * built in without one, and preprocessor_config.json unless processor_config.json has an
 * image_processor. 66. */
int ptd_files_read(struct ptd_files *f, const char *from, const char *tokenizer) PTD_MUST_CHECK;
const char *ptd_files_text(const struct ptd_files *f, const char *name); /* NULL: not there */
/* Parses the two configs and checks them, the tokenizer and the chat template against each other.
 */
int ptd_files_check(const struct ptd_files *f, struct ptd_config *c,
                    struct ptd_image_rules *r) PTD_MUST_CHECK;
int ptd_files_put(const struct ptd_files *f, struct ptd_store *s) PTD_MUST_CHECK;
void ptd_files_clear(struct ptd_files *f);
#endif
