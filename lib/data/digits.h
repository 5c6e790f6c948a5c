/* digits: pictures of handwritten digits in colour, and questions about them whose answers a rule
 * can check.
 *
 * A picture has 3 x 3 cells of 28 x 28 pixels, a1 to c3 (row letter, column number); 5 to 8 of them
 * hold an MNIST digit in red, green, blue or yellow on black. Train and test pictures use different
 * handwriting (MNIST's own split).
 *
 *     struct ptd_digits d;
 *     struct ptd_draw draw = {.seed = 1, .split = PTD_TRAIN, .row = 17};
 *     if (ptd_digits_open(&d, PTD_TRAIN) < 0) ptd_die_last();
 *     do ptd_grid_draw(&grid, &d, &draw);
 *     while (!ptd_task_ask(&task, PTD_CSUM, &grid, &draw));
 *     ptd_grid_paint(&grid, &d, &image);
 *
 * The families for reinforcement learning, each with its solution step by step:
 *
 *     csum    sum of the red digits                      red b1 4, c3 7 = 11. \boxed{ 11 }
 *     cmax    largest of the red digits                  red b2 9, b3 7 = 9. \boxed{ 9 }
 *     nbr     digit left of the red digit                red a2: a1 1. \boxed{ 1 }
 *     colsum  sum of the column of the red digit red c3: a3 0, b3 1 = 1, c3 1 = 2. \boxed{ 2 }
 *     rowsum  sum of the row of the red digit red b3: b1 4, b2 3 = 7, b3 6 = 13. \boxed{ 13 }
 *     diff    difference of the red and the blue digit   red c3 8, blue b3 9 = 1. \boxed{ 1 }
 *
 * and the tasks that teach seeing, for the warm start, which have neither box nor hints:
 *
 *     describe  describe                    b2 red 4, c1 none, ... (all nine cells in random order)
 *     read      read b2                     b2 red 4
 *     find      look at the red digits      red a1 b3 */
#ifndef PTD_DIGITS_H
#define PTD_DIGITS_H
#include "base/rng.h"
#include "data/idx.h"
#include "data/image.h"

#define PTD_CELLS       9
#define PTD_CELL_SIDE   28
#define PTD_DIGITS_SIDE 84

enum ptd_split { PTD_TRAIN, PTD_TEST };
enum ptd_kind {
    PTD_CSUM,
    PTD_CMAX,
    PTD_NBR,
    PTD_COLSUM,
    PTD_ROWSUM,
    PTD_DIFF,
    PTD_DESCRIBE,
    PTD_READ,
    PTD_FIND,
    PTD_KINDS
};
#define PTD_FAMILIES 6 /* the first kinds: those with an answer to check */

extern const char *const ptd_split_name[2];
extern const char *const ptd_kind_name[PTD_KINDS];
extern const char *const ptd_cell_name[PTD_CELLS];
extern const char *const ptd_colour_name[4];

struct ptd_digits { /* the handwriting of one split */
    long n;
    struct ptd_idx labels; /* data [n] */
    uint8_t *pixels;       /* [n][28][28], 16 grey levels from 0 to 255 */
};
int ptd_digits_open(struct ptd_digits *d, enum ptd_split split) PTD_MUST_CHECK;
void ptd_digits_close(struct ptd_digits *d);

/* The random numbers of one row of a data set: the same key gives the same row, whatever else is
 * made. */
struct ptd_draw {
    uint64_t seed;
    uint32_t split, row, count; /* count: numbers drawn so far */
};
uint32_t ptd_draw_below(struct ptd_draw *draw, uint32_t n); /* 0 .. n-1 */

struct ptd_grid {          /* one picture, cells in reading order */
    int colour[PTD_CELLS]; /* -1: empty */
    int glyph[PTD_CELLS];  /* index of the handwriting */
    int digit[PTD_CELLS];
};
void ptd_grid_draw(struct ptd_grid *g, const struct ptd_digits *d, struct ptd_draw *draw);
/* ptd_image_clear frees */
void ptd_grid_paint(const struct ptd_grid *g, const struct ptd_digits *d, struct ptd_image *im);
void ptd_cell_box(int cell, float box[4]); /* x0 y0 x1 y1 in shares of the picture */

#define PTD_TASK_QUESTION 80
#define PTD_TASK_SOLUTION 400
#define PTD_TASK_STEPS    5
struct ptd_task {
    int kind; /* of its scene */
    char question[PTD_TASK_QUESTION], solution[PTD_TASK_SOLUTION], answer[PTD_TASK_SOLUTION];
    /* the method without any number: "first c3", "look at a3 b3 c3", "add" */
    char steps[PTD_TASK_STEPS][48];
    int n_steps;                   /* 0 for the tasks of the warm start */
    int cells[PTD_CELLS], n_cells; /* where to look, in the order of first use */
};
/* What data sets are made of: pictures of one sort, and what is asked about them (digits_set.h).
 * The first `families` kinds have an answer to check. */
struct ptd_scene {
    const char *const *kinds;
    int n_kinds, families;
    void *(*open)(enum ptd_split split); /* NULL: see err.h */
    void (*close)(void *material);
    void (*draw)(struct ptd_grid *g, const void *material, struct ptd_draw *draw);
    void (*paint)(const struct ptd_grid *g, const void *material, struct ptd_image *im);
    int (*ask)(struct ptd_task *t, int kind, const struct ptd_grid *g, struct ptd_draw *draw);
};
extern const struct ptd_scene ptd_scene_digits, ptd_scene_charts;
#define PTD_SCENE_KINDS 16 /* most kinds of a scene */

/* 1: *t is a question of this kind about g. 0: the picture does not allow one; draw another. */
int ptd_task_ask(struct ptd_task *t, int kind, const struct ptd_grid *g, struct ptd_draw *draw);
#endif
