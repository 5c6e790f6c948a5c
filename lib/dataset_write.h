/* dataset_write: writes a data set that dataset.h reads: FILE.jsonl and its pictures in the folder FILE.img.
 *
 *     struct ptd_dataset_out *o = ptd_dataset_create("train.jsonl");
 *     ptd_dataset_picture(o, &image); ptd_dataset_write(o, &row); ...
 *     ptd_dataset_publish(o);
 *
 * Everything is written beside (FILE.img.part, FILE.jsonl.part) and renamed by publish, the rows last: where
 * FILE.jsonl is, its pictures are. What an earlier run left is replaced, but a folder that holds anything
 * else is refused (73), as is a second writer (77). */
#ifndef PTD_DATASET_WRITE_H
#define PTD_DATASET_WRITE_H
#include "err.h"
#include "image.h"
#include "record.h"

struct ptd_dataset_out;
struct ptd_dataset_out *
ptd_dataset_create(const char *file); /* a name that ends in .jsonl; NULL on failure */
int ptd_dataset_picture(struct ptd_dataset_out *o,
                        const struct ptd_image *im) PTD_MUST_CHECK; /* the next row's picture */
/* Writes uid, question, answer, category, solution, steps and regions of g as a row about the newest picture.
 */
int ptd_dataset_write(struct ptd_dataset_out *o, const struct ptd_group *g) PTD_MUST_CHECK;
long ptd_dataset_pictures(const struct ptd_dataset_out *o); /* written so far */
int ptd_dataset_publish(struct ptd_dataset_out *o) PTD_MUST_CHECK;
void ptd_dataset_end(struct ptd_dataset_out *o); /* frees; what was not published is removed */
#endif
