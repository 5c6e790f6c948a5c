/* dataset: questions with pictures as JSON lines, one object a line.
 *
 *     {"id": "csum-000017", "prompt": "<image>sum of the red digits", "answer": "11",
 *      "images": ["train.img/000017.png"]}
 *
 *     key         value
 *     "prompt"    the question; also "problem" or "question" (the first of them that is there);
 *                 <image> marks are optional; where there are any, as many as pictures
 *     "answer"    text or a number, never empty
 *     "images"    path or list of paths, relative to the file's folder; also "image"; optional
 *     "id"        text or a whole number; default: line-17
 *     "category"  text, for ptd-stat
 *     "solution"  text: how the answer is found, for ptd-gold and for hints from attention
 *     "steps"     list of texts: how to go on, for hints
 *     "regions"   list of {"label": text, "box": [x0, y0, x1, y1]}: where to look, for hints; in
 *                 shares of width and height
 *     "objects"   list of the same form: what is in the first picture, for ptd-update
 *                 --picture-words
 *
 * null is the same as a missing key; other keys are left alone. Lines of at most 4 MiB, nested at
 * most 64 deep; duplicate keys, bad UTF-8 and lone surrogates are refused; a byte order mark, CRLF,
 * empty lines and a last line without newline are accepted. A number beyond 64 bits is its digits,
 * and only a key that needs a number refuses it (json.h). Pictures (image.h) must be regular
 * files inside the data set's folder: no absolute path, no "..", no symbolic link on the way.
 *
 * Messages name line and field: "train.jsonl:17: field "answer": missing, expected text or a
 * number" (status 65; 66 for a picture that cannot be opened, 77 where that is not permitted, 71
 * for want of descriptors).
 *
 * What changes under a reader is noticed: another file of the data set's name, bytes written to it,
 * and each line is what it was when it was found. */
#ifndef PTD_DATASET_H
#define PTD_DATASET_H
#include "base/err.h"
#include "data/config.h"
#include "flow/record.h"

#define PTD_DATASET_LINE  (4 << 20)
#define PTD_DATASET_DEPTH 64
#define PTD_DATASET_LIST  PTD_LIST_MAX /* most pictures, steps, regions or objects of a row */

struct ptd_dataset;
/* Finds all lines, keeps their offsets only; NULL on failure (a file without rows is one). A row's
 * own faults show when it is read. */
struct ptd_dataset *ptd_dataset_open(const char *path);
int ptd_dataset_rows(const struct ptd_dataset *d);
/* number of row i's line in the file, from 1 */
long ptd_dataset_line(const struct ptd_dataset *d, int i);
/* Puts file and line in front of the last failure, for rows that are sound but cannot be used.
 * Returns -1. */
int ptd_dataset_blame(const struct ptd_dataset *d, int i);
/* XXH3-64 of the file, for exact resume */
uint64_t ptd_dataset_digest(const struct ptd_dataset *d);
/* Makes the pictures part of what is read: digests all that the rows name, and from now on a row
 * one of whose pictures is not what it was is refused. In `store`, a folder, a memo is kept so that
 * the next start reads only what is new (pictures.h); NULL: nowhere. Shows how far it is. A row's
 * own faults, and pictures that cannot be read, still show when the row is read; -1 where the
 * machine is at fault. */
int ptd_dataset_watch(struct ptd_dataset *d, const char *store) PTD_MUST_CHECK;
/* After that: of all paths and pictures in the rows' order, 16 hex digits; NULL if no row has a
 * picture. */
const char *ptd_dataset_pictures_digest(const struct ptd_dataset *d);
/* Row i as a group without rollouts: uid, index, question, answer, solution, category, steps,
 * regions, objects; pictures loaded and resized by r (r NULL: in their own size; a side over 200
 * times the other is refused all the same). *g is cleared first. May be called from several
 * threads. */
int ptd_dataset_read(struct ptd_dataset *d, int i, const struct ptd_image_rules *r,
                     struct ptd_group *g) PTD_MUST_CHECK;
/* As ptd_dataset_read, but without pixels and their hash, only with sizes, and goes on after a
 * fault: reports each of the row's faults, one call a message, but for those whose cause is not the
 * data: they are the failure, with another status than 65 and 66. */
int ptd_dataset_check(struct ptd_dataset *d, int i, const struct ptd_image_rules *r,
                      struct ptd_group *g, void (*report)(void *ctx, const char *message),
                      void *ctx) PTD_MUST_CHECK;
/* The bytes of row i as they stand in the file, malloc'd, with a NUL behind them; NULL on failure.
 */
char *ptd_dataset_bytes(struct ptd_dataset *d, int i, size_t *n);
void ptd_dataset_close(struct ptd_dataset *d);
/* Order of rows: position p of an endless sequence of shuffled epochs without replacement (seed,
 * epoch = p / rows). Keeps the epoch at hand in d, so not from several threads. */
int ptd_dataset_order(const struct ptd_dataset *d, uint64_t seed, int64_t position);
#endif
