/* below: files inside a folder, by paths that others wrote: never outside of it, and never through
 * a symbolic link; or, where that was asked for, wherever a path leads. */
#ifndef PTD_BELOW_H
#define PTD_BELOW_H
#include "base/err.h"
#include <sys/stat.h>

#define PTD_BELOW_MOST (64l << 20) /* bytes of a file */

/* A descriptor of a regular file of at most 64 MiB, and what the system says of it. Unless
 * `anywhere`, the path stays below the folder. -1 after a failure whose text begins with the path:
 * 65 for a path or a kind of file that is refused, 66 for what cannot be opened, or the status of
 * its cause (err.h). */
int ptd_below_open(int folder, int anywhere, const char *path, struct stat *st) PTD_MUST_CHECK;
/* All bytes of such a file, malloc'd; NULL on failure. */
char *ptd_below_read(int folder, int anywhere, const char *path, size_t *n) PTD_MUST_CHECK;
#endif
