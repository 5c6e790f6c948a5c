/* dataset: questions with pictures as JSON lines.
 *
 * Keys: "prompt" (or "problem"/"question"; with optional <image> marks), "answer", "images" (or "image"; paths relative to the file's folder),
 * optional "id", "category", "solution", "steps" [str], "regions" [{"label": str, "box": [x0,y0,x1,y1]}] with shares of width and height.
 * Lines of at most 4 MiB; duplicate keys and bad UTF-8 refused; BOM, CRLF, empty lines and a last line without newline accepted.
 * Image paths must stay inside the data set's folder and name regular files.
 *
 * Messages: "train.jsonl:17: field "answer": ... expected ..." */
#ifndef PTD_DATASET_H
#define PTD_DATASET_H
#include "config.h"
#include "err.h"
#include "record.h"

struct ptd_dataset;
struct ptd_dataset *ptd_dataset_open(const char *path); /* reads and indexes all lines (offsets only); NULL on failure */
int ptd_dataset_rows(const struct ptd_dataset *d);
uint64_t ptd_dataset_digest(const struct ptd_dataset *d); /* XXH3-64 of the file, for exact resume */
/* Row i as a group without rollouts: uid, index, question, answer, solution, category, steps, regions; pictures loaded and resized by r. */
int ptd_dataset_read(struct ptd_dataset *d, int i, const struct ptd_image_rules *r, struct ptd_group *g) PTD_MUST_CHECK;
void ptd_dataset_close(struct ptd_dataset *d);
/* Order of rows: position p of an endless sequence of shuffled epochs without replacement (seed, epoch = p / rows). */
int ptd_dataset_order(const struct ptd_dataset *d, uint64_t seed, int64_t position);
#endif
