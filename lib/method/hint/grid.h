/* grid: places by name in a grid over a picture, and what responses name of them.
 *
 *     struct ptd_hint_grid grid;
 *     ptd_hint_grid_parse(&grid, "3x3");                  // -1: 2
 *     struct ptd_hint_named n;
 *     ptd_hint_named(&n, &grid, "red a1: b1 3, c1 2 = 5");  // start a1, places b1 c1
 *
 * A place that something stands behind ("b1 3", "c2 none") has been read; one that a sign stands
 * behind ("a1:") was only found on the way: a start. What is read may be a number. */
#ifndef PTD_HINT_GRID_H
#define PTD_HINT_GRID_H
#include "flow/record.h"

#define PTD_HINT_ROWS    26
#define PTD_HINT_COLUMNS 99
#define PTD_HINT_PLACES  64 /* most that are kept of a response */

struct ptd_hint_grid {
    int rows, columns;
};
/* "ROWSxCOLUMNS" of --grid. */
int ptd_hint_grid_parse(struct ptd_hint_grid *g, const char *text) PTD_MUST_CHECK;
/* The whole number at *s, at most `most`; *s then points behind it. -1: there is none. */
int ptd_hint_number(const char **s, int most);

struct ptd_hint_named {
    int start;                     /* cell, -1: none */
    int cell[PTD_HINT_PLACES], n;  /* that were read, each once, in the order of naming */
    double value[PTD_HINT_PLACES]; /* the number that was read there first; NAN: none */
};
void ptd_hint_named(struct ptd_hint_named *out, const struct ptd_hint_grid *g, const char *text);
/* 1: the same places in any order. */
int ptd_hint_same_places(const struct ptd_hint_named *a, const struct ptd_hint_named *b);
/* The start that more than half of g's responses name; -1: none. */
int ptd_hint_start(const struct ptd_hint_grid *grid, const struct ptd_group *g);
/* "first a1" and "look at b1 c1" as steps in g's arena; their number. */
int ptd_hint_place_steps(const struct ptd_hint_grid *grid, struct ptd_group *g,
                         const struct ptd_hint_named *p, const char **steps);
/* Their boxes, of the start too, in g's arena; *n how many. */
struct ptd_region *ptd_hint_place_regions(const struct ptd_hint_grid *grid, struct ptd_group *g,
                                          const struct ptd_hint_named *p, int *n);
#endif
