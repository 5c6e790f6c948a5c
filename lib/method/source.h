/* source: what the programs that start a stream share: a data set's rows as groups whose prompts
 * are rendered for the store's model.
 *
 *     struct ptd_source s;
 *     if (ptd_source_open(&s, "run.ptd", "train.jsonl", NULL)) ptd_die_last();
 *     ptd_source_take(&s, (struct ptd_place){.position = p, .seed = seed, .shuffled = 1}, step,
 * &g);
 *
 * Bad rows. A row that cannot be read, does not fit, or lacks what `also` asks for is a failure
 * (65, 66), but up to skip_bad of them are left out, and with them such whose own judge cannot read
 * their answer (which would end the run where it is judged): each is named in a warning when it is
 * first met. In the shuffled order the next row that is not bad takes its place, so steps keep
 * their size; in the file's order nothing does. Which rows are bad depends on the data set and on
 * what the run compares at resume, so the same are left out again. */
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
    int64_t max_pixels, min_pixels; /* as ptd_source_pixels was told */
    int64_t skip_bad;               /* most rows to leave out */
    /* what else a row has to bring, added to its group; may be NULL; -1: 65 */
    int (*also)(struct ptd_source *s, struct ptd_group *g);
    uint8_t *bad; /* [rows] 1: was left out */
    int n_bad;
    char digest[17];
};
struct ptd_place { /* of a group: where in the endless shuffled order, or in the file as it stands
                    */
    int64_t position;
    uint64_t seed;
    int shuffled;
};
struct ptd_source_from {                       /* a model that is in no store (files.h) */
    const char *folder, *tokenizer, *template; /* built in, too; the last two: NULL, or given */
};
/* The model alone, without data. 2: it has no tokenizer and none is given. */
int ptd_source_model(struct ptd_source *s, const char *store) PTD_MUST_CHECK;
int ptd_source_files(struct ptd_source *s, const struct ptd_source_from *from) PTD_MUST_CHECK;
/* What its rows have to fit; points into s. */
struct ptd_fit ptd_source_fit(const struct ptd_source *s);
/* Also digests the pictures, see ptd_dataset_watch. places: where they are, NULL: with the rows. */
int ptd_source_open(struct ptd_source *s, const char *store, const char *data,
                    const struct ptd_dataset_places *places) PTD_MUST_CHECK;
/* The same with the store opened in a mode of its own. */
int ptd_source_open_as(struct ptd_source *s, const char *store, int mode, const char *data,
                       const struct ptd_dataset_places *places) PTD_MUST_CHECK;
/* The system message, which stays the caller's; NULL: none. What is no UTF-8, or spells a picture's
 * token, is misuse (2). */
int ptd_source_system(struct ptd_source *s, const char *text) PTD_MUST_CHECK;
/* Pictures of at most and at least so many pixels, in place of the model's own rules (0: as they
 * are). Least over most is misuse (2). */
int ptd_source_pixels(struct ptd_source *s, int64_t max, int64_t min) PTD_MUST_CHECK;
/* What of all this decides prompts, in words for the head: "; system 0123456789abcdef" and the
 * like; malloc'd, "" where all is as the model has it. */
char *ptd_source_words(const struct ptd_source *s);
/* The group at a place; 1: its row was left out, and nothing takes its place. */
int ptd_source_take(struct ptd_source *s, struct ptd_place place, int64_t step,
                    struct ptd_group *g) PTD_MUST_CHECK;
/* Row of the data set as a group with prompt_ids; -1 also if it does not fit (fit.h). */
int ptd_source_group(struct ptd_source *s, int row, int64_t step,
                     struct ptd_group *g) PTD_MUST_CHECK;
/* The store's tokenizer; NULL on failure. */
struct ptd_tokenizer *ptd_source_tokenizer(struct ptd_store *s);
/* Fills the head's fields about data and store. */
void ptd_source_head(const struct ptd_source *s, const char *data, struct ptd_head *h);
void ptd_source_close(struct ptd_source *s);
#endif
