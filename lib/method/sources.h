/* sources: a slot's moments and low halves out of the stores of ranks that share them: all that
 * overlaps with the slot, which is a share itself, or all there is. */
#ifndef PTD_SOURCES_H
#define PTD_SOURCES_H
#include "method/forms.h"
#include "store/share.h"

/* moments 0: there are none yet. -1: 78 kept in another form. */
int ptd_sources_load(const struct ptd_shared *s, const struct ptd_forms *f,
                     int moments) PTD_MUST_CHECK;
#endif
