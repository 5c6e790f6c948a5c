/* source: what the programs that start a stream share: a data set's rows as groups whose prompts
 * are rendered for the store's model.
 *
 *     struct ptd_source s;
 *     if (ptd_source_open(&s, "run.ptd", "train.jsonl", NULL)) ptd_die_last();
 *     ptd_source_group(&s, ptd_source_row(&s, seed, position), step, &g); */
#ifndef PTD_SOURCE_H
#define PTD_SOURCE_H
#include "data/dataset.h"
#include "data/fit.h"
#include "data/token.h"
#include "store/store.h"

struct ptd_source {
    struct ptd_store *store;
    struct ptd_dataset *data;
    struct ptd_tokenizer *tokenizer;
    struct ptd_config config;
    struct ptd_image_rules rules;
    const char *system; /* message that every prompt begins with, or NULL */
    int max_prompt;     /* most tokens of a prompt; 0: only the model's context counts */
    char digest[17];
};
/* The model alone, without data: of a store, or of a folder or a built-in model (files.h), where
 * `tokenizer` is a file in place of its own or NULL (2: it has none). */
int ptd_source_model(struct ptd_source *s, const char *store) PTD_MUST_CHECK;
int ptd_source_files(struct ptd_source *s, const char *from, const char *tokenizer) PTD_MUST_CHECK;
/* What its rows have to fit; points into s. */
struct ptd_fit ptd_source_fit(const struct ptd_source *s);
/* Also digests the pictures, see ptd_dataset_watch. places: where they are, NULL: with the rows. */
int ptd_source_open(struct ptd_source *s, const char *store, const char *data,
                    const struct ptd_dataset_places *places) PTD_MUST_CHECK;
/* The system message, which stays the caller's; NULL: none. What is no UTF-8, or spells a picture's
 * token, is misuse (2). */
int ptd_source_system(struct ptd_source *s, const char *text) PTD_MUST_CHECK;
/* Row of the data set as a group with prompt_ids; -1 also if it does not fit (fit.h). */
int ptd_source_group(struct ptd_source *s, int row, int64_t step,
                     struct ptd_group *g) PTD_MUST_CHECK;
/* Row at `position` of the endless shuffled sequence (order 1), or of the file as it stands (order
 * 0). */
int ptd_source_row(struct ptd_source *s, int shuffled, uint64_t seed, int64_t position);
/* The store's tokenizer; NULL on failure. */
struct ptd_tokenizer *ptd_source_tokenizer(struct ptd_store *s);
/* Fills the head's fields about data and store. */
void ptd_source_head(const struct ptd_source *s, const char *data, struct ptd_head *h);
void ptd_source_close(struct ptd_source *s);
#endif
