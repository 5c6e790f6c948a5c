/* charts: small charts of a real table, the Palmer penguins, and questions about them that take
 * many steps. As digits.h has it, a picture has 3 x 3 cells, a1 to c3; each holds one bar, all of
 * them something.
 *
 * A bar is one measurement of one bird, drawn from the table at random: bill length red, bill depth
 * green, flipper length blue, body mass yellow. It is 2 + 24 x pixels high, rounded, x being the
 * share of the way from that measure's least value in the table to its greatest; what it counts is
 * its height on a scale of ten steps, 0 to 9, which the picture shows exactly. So
 * ptd_grid.digit is that count, and ptd_grid.glyph says which measurement it is. Birds of the test
 * pictures, every fifth of the table, are in no train picture.
 *
 * The families, each with its solution step by step, of 30 to 70 tokens:
 *
 *     rowtop  largest sum of a row
 *             row a: a1 3, a2 4 = 7, a3 2 = 9. row b: ... = 12. row c: ... = 5. 9, 12 = 12, 5 = 12.
 *             \boxed{ 12 }
 *     coltop  largest sum of a column
 *     peaks   sum of the largest in each row
 *             row a: a1 3, a2 4 = 4, a3 2 = 4. row b: ... = 7. row c: ... = 5. 4, 7 = 11, 5 = 16.
 *             \boxed{ 16 }
 *     spread  difference of the sum of the red and the sum of the blue cells
 *             red a1 3, b2 4 = 7. blue c1 5, c2 6 = 11. 7, 11 = 4. \boxed{ 4 }
 *     chain   sum of the column of the largest in row b
 *             row b: b1 3, b2 7 = 7, b3 2 = 7. column b2: a2 4, b2 7 = 11, c2 5 = 16. \boxed{ 16 }
 *     hops    sum of the rows of the red cells
 *             red a1 c3. row a: ... = 9. row c: ... = 12. 9, 12 = 21. \boxed{ 21 }
 *
 * and describe, read and find, which teach seeing, as in digits.h. */
#ifndef PTD_CHARTS_H
#define PTD_CHARTS_H
#include "data/digits.h"

enum ptd_chart_kind {
    PTD_ROWTOP,
    PTD_COLTOP,
    PTD_PEAKS,
    PTD_SPREAD,
    PTD_CHAIN,
    PTD_HOPS,
    PTD_CHART_DESCRIBE,
    PTD_CHART_READ,
    PTD_CHART_FIND,
    PTD_CHART_KINDS
};

#define PTD_MEASURES 4
struct ptd_bars { /* the measurements of one split */
    int n;
    double least[PTD_MEASURES], most[PTD_MEASURES]; /* of the whole table */
    struct ptd_bar {
        int measure; /* 0..3 */
        double value, share;
    } * bar;
};
/* -1 (70): the table that is built in is none. */
int ptd_bars_open(struct ptd_bars *b, enum ptd_split split) PTD_MUST_CHECK;
void ptd_bars_close(struct ptd_bars *b);
int ptd_bar_height(double share); /* pixels, 2 to 26 */
int ptd_bar_count(int height);    /* 0 to 9 */
void ptd_chart_draw(struct ptd_grid *g, const struct ptd_bars *b, struct ptd_draw *draw);
void ptd_chart_paint(const struct ptd_grid *g, const struct ptd_bars *b, struct ptd_image *im);
int ptd_chart_ask(struct ptd_task *t, int kind, const struct ptd_grid *g, struct ptd_draw *draw);
#endif
