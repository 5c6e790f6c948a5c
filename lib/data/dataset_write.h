/* dataset_write: writes a data set that dataset.h reads: FILE.jsonl and its pictures in the folder
 * FILE.img.
 *
 *     struct ptd_dataset_out *o = ptd_dataset_create("train.jsonl");
 *     ptd_dataset_picture(o, &image); ptd_dataset_write(o, &row); ...
 *     ptd_dataset_publish(o);
 *
 * Everything is written into the folder FILE.img.ptd-part and published at the end: killed at any
 * moment, or without power, the old data set is there or the new one, whole, under its name; what
 * else is left the next run clears. (While it publishes, FILE.jsonl may be a symbolic link into
 * FILE.img for a moment, and stays one after a kill.) What an earlier run cannot have made is
 * refused (73) and stays: rows of
 * another form, pictures that they do not name, anything else in the folder, symbolic links in
 * these places; so is a second writer (77). */
#ifndef PTD_DATASET_WRITE_H
#define PTD_DATASET_WRITE_H
#include "base/err.h"
#include "data/image.h"
#include "flow/record.h"

/* most of a data set that is made: 000001.png to 10000000.png */
#define PTD_DATASET_PICTURES 10000000

struct ptd_dataset_out;
/* a name that ends in .jsonl; NULL on failure */
struct ptd_dataset_out *ptd_dataset_create(const char *file);
/* the next row's picture */
int ptd_dataset_picture(struct ptd_dataset_out *o, const struct ptd_image *im) PTD_MUST_CHECK;
/* Writes uid, question, answer, category, solution, steps and regions of g as a row about the
 * newest picture. */
int ptd_dataset_write(struct ptd_dataset_out *o, const struct ptd_group *g) PTD_MUST_CHECK;
long ptd_dataset_pictures(const struct ptd_dataset_out *o); /* written so far */
int ptd_dataset_publish(struct ptd_dataset_out *o) PTD_MUST_CHECK;
void ptd_dataset_end(struct ptd_dataset_out *o); /* frees; what was not published is removed */
#endif
