/* room: how much memory there is to take. */
#ifndef PTD_ROOM_H
#define PTD_ROOM_H
#include <stddef.h>

/* Bytes that this process may still take before the machine, a control group it is in (v1 or v2,
 * pages of files do not count) or RLIMIT_AS says no; SIZE_MAX: nobody knows. */
size_t ptd_room_left(void);
/* The same by the files below a folder that looks like "/"; limits of the process left out. */
size_t ptd_room_below(const char *root);
#endif
