/* blanked: what the right answer's log-prob (weigh.h) loses when a cell of the grid is painted over
 * in the picture's mean colour. */
#ifndef PTD_HINT_BLANKED_H
#define PTD_HINT_BLANKED_H
#include "method/hint/grid.h"
#include "method/hint/weigh.h"

/* Of each cell of g's first picture, loss [rows * columns]; 0 where the answer gains. -1: as
 * ptd_weigh_rank. */
int ptd_hint_blanked(struct ptd_weigh *w, const struct ptd_hint_grid *grid, struct ptd_group *g,
                     double *loss) PTD_MUST_CHECK;
#endif
