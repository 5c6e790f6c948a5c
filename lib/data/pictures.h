/* pictures: what the pictures of a data set were when a program began: a digest of each one's
 * bytes, and one of them all.
 *
 *     struct ptd_pictures *p = ptd_pictures_new(folder, 0, "run.ptd/pictures-0123456789abcdef",
 *                                              rows);
 *     ptd_pictures_add(p, "train.img/000001.png"); ...   // all that the rows name, in their order
 *     ptd_pictures_end(p, digest);
 *     if (ptd_pictures_changed(p, path, bytes, n)) ...   // when one is read
 *
 * The memo is a file that lets the next start read only what is new or changed: for each picture
 * its digest and what the system says of the file (device, inode, size, time of the last change of
 * bytes and of the inode). Who writes to a picture cannot put the last one back; what changed
 * within the clock's last two seconds is read again all the same. A memo that is damaged counts as
 * none, a file that is none is left alone, and where none can be written the program goes on
 * without. A picture takes 32 to 64 bytes of memory, and while all are gone through three times its
 * share of the memo. */
#ifndef PTD_PICTURES_H
#define PTD_PICTURES_H
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

struct ptd_pictures;
/* folder: a descriptor of the folder that paths begin in, kept by the caller, and whether they may
 * lead out of it (below.h); memo: path, or NULL for none. `rows`: digest of the rows. */
struct ptd_pictures *ptd_pictures_new(int folder, int anywhere, const char *memo, uint64_t rows);
/* The paths that the memo has for these very rows, in order, and how many; -1 if it has none: add
 * what the rows name. Each has to be added all the same. */
long ptd_pictures_known(const struct ptd_pictures *p);
const char *ptd_pictures_next(struct ptd_pictures *p); /* NULL after the last */
/* Digests one, unless it was added before. -1 if it cannot be read. */
int ptd_pictures_add(struct ptd_pictures *p, const char *path) PTD_MUST_CHECK;
/* After the last: writes the memo; the digest of paths and pictures as 16 hex digits, "" if there
 * is none. */
void ptd_pictures_end(struct ptd_pictures *p, char digest[17]);
/* From now on a picture that cannot be read is noted as missing instead of failing, but not where
 * the machine is at fault. */
void ptd_pictures_lack(struct ptd_pictures *p);
/* Was there such a picture when the program began? */
int ptd_pictures_had(const struct ptd_pictures *p, const char *path);
/* Are these another file's bytes than at the start? */
int ptd_pictures_changed(const struct ptd_pictures *p, const char *path, const void *bytes,
                         size_t n);
void ptd_pictures_free(struct ptd_pictures *p);
#endif
