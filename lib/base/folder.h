/* folder: a folder that a program fills under a name of its own (X.ptd-part), renames when it is
 * whole, and clears of what a killed run left.
 *
 * Nothing here goes through a symbolic link in the folder's place, and nothing is removed that the
 * caller does not call its own. */
#ifndef PTD_FOLDER_H
#define PTD_FOLDER_H
#include "base/err.h"

/* what such a name ends in; whatever else is called X.part is somebody else's */
#define PTD_PART ".ptd-part"

/* Is an entry one that we can have made? link: it is a symbolic link; all others that are asked
 * about are regular files. */
typedef int ptd_folder_ours(int folder, const char *name, int link, void *ctx);

/* A descriptor of the folder, locked until it is closed; -1: 73, or 77 if another program has it.
 * take makes it if need be; hold gives -2 if there is none. */
int ptd_folder_take(const char *path);
int ptd_folder_hold(const char *path);
/* Looks at every entry, and fails (73) if one is not ours; clear removes them after that. */
int ptd_folder_check(int folder, const char *path, ptd_folder_ours *is_ours,
                     void *ctx) PTD_MUST_CHECK;
int ptd_folder_clear(int folder, const char *path, ptd_folder_ours *is_ours,
                     void *ctx) PTD_MUST_CHECK;
/* Has the entry of `path` survive a power failure (74). */
int ptd_folder_sync_parent(const char *path) PTD_MUST_CHECK;
#endif
