/* mask: pictures of which a part cannot be seen, for readers that shall answer without it (PAPO,
 * arXiv 2507.06448). Squares of the vision tower's patches are black, each with the same chance,
 * by numbers that are a function of seed, step, the group's uid, picture and patch. */
#ifndef PTD_MASK_H
#define PTD_MASK_H
#include "flow/record.h"

struct ptd_mask {
    double share; /* chance of a square: 0 none, 1 a black picture */
    int side;     /* of a square in pixels */
    uint64_t seed;
};
/* The group's pictures, masked, with hashes of their own; they live as long as the group, whose
 * pictures stay as they are. */
const struct ptd_picture *ptd_mask_pictures(struct ptd_group *g, const struct ptd_mask *m);
#endif
