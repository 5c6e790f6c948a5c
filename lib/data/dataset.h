/* dataset: questions with pictures as JSON, an object a line, or all of them in one list.
 *
 *     {"id": "csum-000017", "prompt": "<image>sum of the red digits", "answer": "11",
 *      "images": ["train.img/000017.png"]}
 *
 * Rows as EasyR1, verl, TRL and the like write them are read as they are. Of several keys the first
 * that is there counts; null is the same as a missing key, and other keys are left alone.
 *
 *     key             value
 *     "prompt", "problem", "question", "messages", "conversations"
 *                     the question: text, or the turns of a conversation (below)
 *     "answer", "ground_truth", "reward_model": {"ground_truth"}
 *                     text, a number (in the digits it is written in), or a list (below). Where
 * none is there, "solution" says it, or the conversation's last turn: what it wraps, or all of it
 * if it is one line of at most 200 bytes. "images", "image", "image_path", "image_paths",
 * "image_url", "image_urls", "image_1" to "image_9"       a picture or a list of pictures (below)
 *     "options", "choices"
 *                     what is to be chosen from (below)
 *     "judge"         name of the rule by which this row is judged (judge/judge.h)
 *     "id"            text or a whole number; default: line-17, or row-17 in a list
 *     "category", "data_source"
 *                     text, for ptd-stat
 *     "solution"      text: how the answer is found, for ptd-gold and for hints from attention;
 *                     default: the conversation's last turn, or an answer that is more than its
 *                     wrapping
 *     "steps", "hint", "hints", "prompt_with_hint"
 *                     how to go on, for hints: a list of texts; one text or a list; a prompt with a
 *                     hint in it, which is what the question does not say, without "Hint:"
 *     "regions"       list of {"label": text, "box": [x0, y0, x1, y1]}: where to look, for hints;
 * in shares of width and height "objects"       list of the same form: what is in the first
 * picture, for ptd-update
 *                     --picture-words
 *
 * Turns: a list of {"role", "content"} or {"from", "value"}, of the roles system (the first turn
 * only) or developer, user or human, assistant, gpt or model, in any case. The user's last turn is
 * the question, those before it are told to the model as they are. In "messages" and
 * "conversations" an assistant's turn behind it is the solution; a prompt ends with the user's.
 * Content is text or a list of parts, {"type": "text", "text"} and {"type": "image"}, which is the
 * next of the row's pictures or brings its own, in a user's turn.
 *
 * Pictures (image.h): a path, a data URI, base64 as {"bytes"} or as text that begins as a picture's
 * does, {"path"}, and objects as chat lists have them ({"image"}, {"image_url": {"url"}}). Where
 * both are there, bytes count, not the path. Files must be regular ones inside the data set's
 * folder, or inside --image-dir: no absolute path, no "..", no symbolic link on the way, unless
 * --allow-outside lets a path lead where it leads. Web addresses are refused.
 *
 * Marks: <image> in a user's turn is the next picture, and there are as many as pictures. <image
 * 1>, <image1> or <image_1> is the picture of that number; each is named at least once, and one
 * that is named twice is shown twice. Marks of one kind only. Without any, all pictures come first.
 * In the group all marks are <image>, and the pictures are in their order.
 *
 * Options: a list, a map of letters to texts, objects with "text" and "label", {"text": [...],
 * "label": [...]}, or such a list as text, Python's spelling too. Unless the question lists them
 * (judge/options.h), they are put behind it, a line "A. text" each, at most 10; letters that they
 * bring ("(A) red") are taken off, and of options that are letters alone nothing is said. The
 * answer becomes a letter: it is an option's letter or label, its text, a letter and text, or its
 * number, counted from 0; a whole number is taken for the last unless all options are numbers. "AC"
 * and "red, green" are all that they name. What names no option, or one two ways, is refused, and a
 * row whose question lists one of its options by another letter.
 *
 * Answers: what an <answer>, a \boxed{} or a last line "#### 72" wraps is taken out of it (by
 * judge/extract.h). A list is the answer and what is accepted besides; with options, and under the
 * judge set, all of them together; a text that is a list of one text (["5"]) is that. But four
 * numbers, and lists of lists of numbers, are one answer, a box or several; so is any list, and any
 * object, under the judges iou, point and f1.
 *
 * Nothing is trained blind: a row that names a video or an audio, marks without pictures or
 * pictures without marks, and a row without pictures that means one all the same, are refused. It
 * means one if another of its fields, however deep, has a picture's name (*.png), its bytes, a data
 * URI, or a name of its own that says so ("img_url", "pixel_values"), or if its text has a mark
 * that others use: <img>, <Image>, <|image|>, [image], ![](a.png), \includegraphics{a} (but not in
 * code or quotes, nor <img> in a question about HTML). Null, "", [] and {} are no picture, as
 * columns of mixed sets have them for rows of text; a list with an empty item lacks one.
 *
 * A row has at most 64 MiB, looked at before memory is taken (reading one takes about four times
 * its size), a text 4 MiB, a picture 64 MiB; it is nested at most 64 deep. Duplicate keys, bad
 * UTF-8 and lone surrogates are refused; a byte order mark, CRLF, empty lines and a last line
 * without newline are accepted. A file whose first byte that is no blank is a [ is a list. A number
 * beyond 64 bits is its digits, and only a key that needs a number refuses it (json.h).
 *
 * Messages name line, or the row's number in a list, and field: "train.jsonl:17: field "answer":
 * missing, expected text or a number" (status 65; 66 for a picture that cannot be opened, 77 where
 * that is not permitted, 71 for want of descriptors). They hold nothing of a picture's bytes.
 *
 * What changes under a reader is noticed: another file of the data set's name, bytes written to it,
 * and each row is what it was when it was found, with the pictures in it. */
#ifndef PTD_DATASET_H
#define PTD_DATASET_H
#include "base/err.h"
#include "base/opt.h"
#include "data/config.h"
#include "flow/record.h"

#define PTD_DATASET_LINE  (64 << 20)
#define PTD_DATASET_TEXT  (4 << 20)
#define PTD_DATASET_DEPTH 64
#define PTD_DATASET_LIST  PTD_LIST_MAX /* most pictures, steps, regions or objects of a row */

/* Where pictures are looked for. */
struct ptd_dataset_places {
    const char *image_dir; /* NULL: the data set's own folder */
    int allow_outside;     /* paths may be absolute, hold "..", and lead through symbolic links */
    int may_lack;          /* pictures that cannot be read show in their row, not in _watch */
};
/* Their options, for a program's table: they decide no number, the pictures' digest is compared. */
#define PTD_DATASET_OPTIONS(places)                                                                \
    {"image-dir",                                                                                  \
     0,                                                                                            \
     PTD_OPT_STR,                                                                                  \
     &(places).image_dir,                                                                          \
     "DIR",                                                                                        \
     "folder that paths of pictures begin in (default: the data set's own)",                       \
     0,                                                                                            \
     0,                                                                                            \
     1},                                                                                           \
    {                                                                                              \
        "allow-outside", 0, PTD_OPT_FLAG, &(places).allow_outside, NULL,                           \
            "pictures may lie anywhere: absolute paths, \"..\", symbolic links", 0, 0, 1           \
    }

struct ptd_dataset;
/* Finds all rows, keeps their offsets only; NULL on failure (a file without rows is one, and a list
 * that does not end). A row's own faults show when it is read. */
struct ptd_dataset *ptd_dataset_open(const char *path);
/* The same with pictures from elsewhere; places NULL: from its own folder. */
struct ptd_dataset *ptd_dataset_open_at(const char *path, const struct ptd_dataset_places *places);
int ptd_dataset_rows(const struct ptd_dataset *d);
/* number of row i's line in the file, or of the row in a list, from 1 */
long ptd_dataset_line(const struct ptd_dataset *d, int i);
/* Puts file and line in front of the last failure, for rows that are sound but cannot be used.
 * Returns -1. */
int ptd_dataset_blame(const struct ptd_dataset *d, int i);
/* Has a row, or one of its pictures, been refused because it changed while the data set was open?
 * Then all that follows may be of another data set. */
int ptd_dataset_changed(const struct ptd_dataset *d);
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
/* Row i as a group without rollouts: uid, index, system, turns, question, answer, answers, judge,
 * solution, category, steps, regions, objects; pictures loaded and resized by r (r NULL: in their
 * own size; a side over 200 times the other is refused all the same). *g is cleared first. May be
 * called from several threads. */
int ptd_dataset_read(struct ptd_dataset *d, int i, const struct ptd_image_rules *r,
                     struct ptd_group *g) PTD_MUST_CHECK;
/* As ptd_dataset_read, but without pixels and their hash, only with sizes, and goes on after a
 * fault: reports each of the row's faults, one call a message, but for those whose cause is not the
 * data: they are the failure, with another status than 65 and 66. */
int ptd_dataset_check(struct ptd_dataset *d, int i, const struct ptd_image_rules *r,
                      struct ptd_group *g, void (*report)(void *ctx, const char *message),
                      void *ctx) PTD_MUST_CHECK;
/* The bytes of row i as they stand in the file, malloc'd, with a NUL behind them; of a list's row
 * with blanks for line ends. NULL on failure. */
char *ptd_dataset_bytes(struct ptd_dataset *d, int i, size_t *n);
void ptd_dataset_close(struct ptd_dataset *d);
/* Order of rows: position p of an endless sequence of shuffled epochs without replacement (seed,
 * epoch = p / rows). Keeps the epoch at hand in d, so not from several threads. */
int ptd_dataset_order(const struct ptd_dataset *d, uint64_t seed, int64_t position);
#endif
