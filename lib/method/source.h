/* source: what the programs that start a stream share: a data set's rows as groups whose prompts
 * are rendered for the store's model.
 *
 *     struct ptd_source s;
 *     if (ptd_source_open(&s, "run.ptd", "train.jsonl")) ptd_die_last();
 *     ptd_source_group(&s, ptd_source_row(&s, seed, position), step, &g); */
#ifndef PTD_SOURCE_H
#define PTD_SOURCE_H
#include "data/dataset.h"
#include "data/token.h"
#include "store/store.h"

struct ptd_source {
    struct ptd_store *store;
    struct ptd_dataset *data;
    struct ptd_tokenizer *tokenizer;
    struct ptd_config config;
    struct ptd_image_rules rules;
    const char *system; /* message that every prompt begins with, or NULL */
    char digest[17];
};
/* Also digests the pictures, see ptd_dataset_watch. */
int ptd_source_open(struct ptd_source *s, const char *store, const char *data) PTD_MUST_CHECK;
/* The system message, which stays the caller's; NULL: none. What is no UTF-8 is misuse (2). */
int ptd_source_system(struct ptd_source *s, const char *text) PTD_MUST_CHECK;
/* Row of the data set as a group with prompt_ids. */
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
