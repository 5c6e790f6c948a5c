/* places: boxes and points of a picture, as models and data sets write them.
 *
 * A box is four numbers, x0 y0 x1 y1, a point two, in brackets of any kind: [10, 20, 30, 40]; JSON
 * as Qwen's models answer, {"bbox_2d": [10, 20, 30, 40], "label": "cat"} or a list of such; two
 * points one behind the other, (10,20),(30,40), are a box; and so are four numbers, and a point
 * two, if they are all the numbers there are. <point x="10" y="20"> is a point, and <points x1="10"
 * y1="20" x2="30" y2="40"> are two. Digits of names (x1, bbox_2d) and of quoted texts are
 * none.
 *
 * Shares of width and height (0 to 1, at least one of them with a decimal point) become Qwen's
 * grid, 0 to 1000. All others stay what they are, grid or pixels, and are compared as they are: the
 * data set's must be what the model answers in. */
#ifndef PTD_PLACES_H
#define PTD_PLACES_H
#include <stddef.h>

#define PTD_PLACES_MAX   64    /* in one text */
#define PTD_PLACES_BYTES 65536 /* of a text that is looked at */

struct ptd_place {
    double x0, y0, x1, y1; /* of a point: twice the same */
    const char *label;     /* of label_len bytes inside of `text`; NULL: none */
    size_t label_len;
};
struct ptd_places {
    struct ptd_place at[PTD_PLACES_MAX];
    int n;
    int shares; /* 1: they were shares; 0 to 1 throughout, but without a point: -1 */
    char *text; /* what they were read from, in plain forms */
};

/* The boxes, or the points, of a text. NULL, or a static reason why there are none; clear in either
 * case. */
const char *ptd_boxes_read(struct ptd_places *p, const char *s, size_t n);
const char *ptd_points_read(struct ptd_places *p, const char *s, size_t n);
/* Numbers from 0 to 1 without a point are shares beside a gold that is. */
void ptd_places_beside(struct ptd_places *p, const struct ptd_places *gold);
void ptd_places_clear(struct ptd_places *p);

/* A text in plain forms (full-width digits, brackets and commas), malloc'd; NULL: over
 * PTD_PLACES_BYTES. */
char *ptd_places_plain(const char *s, size_t n);
#endif
