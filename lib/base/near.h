/* near: what was probably meant by a name that there is none of. */
#ifndef PTD_NEAR_H
#define PTD_NEAR_H

/* Fewest letters to put in, to take out, to exchange or to swap with their neighbour that make b of
 * a (optimal string alignment); names longer than 63 letters count to there. */
int ptd_near_distance(const char *a, const char *b);
/* The one of names[n] nearest to `name`, if a third of its letters, or one, make it; else NULL. */
const char *ptd_near(const char *name, const char *const *names, int n);
#endif
