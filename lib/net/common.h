/* common: frozen weights that several programs have in common on a device where that can be (share
 * of compute/ops.h): who loads a model first fills the memory, the others find it filled. Its name
 * is a digest of all that decides what is in it, so that nobody needs to compare.
 *
 *     ptd_common_want(&c, "layer.0.weight", bytes);      // each parameter, in order
 *     ptd_common_want_text(&c, identity);                // what else decides
 *     ptd_common_open(&c, device);                       // or there is none, and no place either
 *     if ((p = ptd_common_take(&c, bytes)) && !c.filled) // the same parameters, in that order
 *         ... fill p ...
 *     ptd_common_close(&c, device, failed);              // no more places; others may read
 *     ptd_common_give(&c, device);                       // each place */
#ifndef PTD_COMMON_H
#define PTD_COMMON_H
#include "compute/ops.h"

struct ptd_common {
    void *at;                  /* NULL: there is none */
    size_t bytes, used;        /* bytes: wanted, 0 when no more places are given */
    int filled;                /* 1: by another program; nobody may write */
    int parts;                 /* places that are taken */
    struct XXH3_state_s *hash; /* while it has no name yet */
};

void ptd_common_want(struct ptd_common *c, const char *name, size_t bytes);
void ptd_common_want_text(struct ptd_common *c, const char *text);
/* want: 0: what was wanted is forgotten */
void ptd_common_open(struct ptd_common *c, struct ptd_device *d, int want);
void *ptd_common_take(struct ptd_common *c, size_t bytes); /* NULL: alloc is there */
void ptd_common_close(struct ptd_common *c, struct ptd_device *d, int failed);
void ptd_common_give(struct ptd_common *c, struct ptd_device *d);
#endif
