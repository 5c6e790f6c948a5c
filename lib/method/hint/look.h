/* look: where a model looks in a picture while it reads a prompt, as places of the grid. What
 * attention is made of says attention.c, which holds it. */
#ifndef PTD_HINT_LOOK_H
#define PTD_HINT_LOOK_H
#include "method/hint/hint.h"

struct ptd_looker;
/* NULL: 2, options that are none. */
struct ptd_looker *ptd_looker_open(struct ptd_hint_tools *eye, const struct ptd_hint_options *o);
/* The cells of g's first picture that are looked at most while the question is read, most first,
 * at most `most`; how many. -1: see err.h. */
int ptd_looker_places(struct ptd_looker *l, struct ptd_group *g, int *cell,
                      int most) PTD_MUST_CHECK;
void ptd_looker_close(struct ptd_looker *l); /* NULL: nothing */
#endif
