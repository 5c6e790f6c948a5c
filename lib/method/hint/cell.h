/* cell: words for places: cells of a grid over a picture, such as b3. */
#ifndef PTD_CELL_H
#define PTD_CELL_H
#include "flow/record.h"

/* Does the step name a cell of a grid with so many rows and columns? The name's address, NULL if
 * not. */
const char *ptd_hint_cell(const char *step, int rows, int columns);
/* The first one of a text from s on, a place in it. */
const char *ptd_hint_cell_from(const char *s, const char *text, int rows, int columns);
/* The cell's name in g's arena. */
char *ptd_hint_cell_name(struct ptd_group *g, int row, int column);
#endif
