/* shelf: values by key that the programs of one user leave for each other in memory: a bounded
 * folder on the memory file system. It only saves work: what is not there is made again, and where
 * there is no such file system, or no room, there is no shelf.
 *
 *     struct ptd_shelf *s = ptd_shelf_open("rows", 256 << 20);
 *     if (!ptd_shelf_take(s, key, rows, n)) make(rows), ptd_shelf_put(s, key, rows, n);
 *     ptd_shelf_close(s);
 *
 * The folder is /dev/shm/ptd-NAME-UID (PTD_SHM in the environment in place of /dev/shm), the
 * user's own (0700), not reached through a symbolic link. A value is a file: 8 bytes of digest
 * (XXH3-64 of the numbers, seeded with that of the key), then the value; it appears whole, and what
 * does not fit its digest or size counts as absent. When all values together would exceed the
 * bound, those that were put or taken longest ago go. The last program that closes the shelf clears
 * it; what programs that were killed left stays until the next one does. */
#ifndef PTD_SHELF_H
#define PTD_SHELF_H
#include <stddef.h>
#include <stdint.h>

struct ptd_shelf;
/* -1 (78): PTD_SHM is set, and names no folder. */
int ptd_shelf_check(void);
/* NULL: there is none (max 0 too); all other functions take NULL and do nothing. */
struct ptd_shelf *ptd_shelf_open(const char *name, int64_t max);
/* key: letters, digits and '-', at most 64. 1: *value [bytes] is filled; 0: absent. */
int ptd_shelf_take(struct ptd_shelf *s, const char *key, void *value, size_t bytes);
void ptd_shelf_put(struct ptd_shelf *s, const char *key, const void *value, size_t bytes);
void ptd_shelf_close(struct ptd_shelf *s);
#endif
