/* point: points inside of the gold's boxes.
 *
 * The points of the answer go with the boxes of the gold, one with one, each inside of its own (the
 * edge counts); the accuracy is the number of such pairs over that of the longer list, but 0 where
 * one place is asked and several are named. Right is who has all of them. A gold of points is one
 * of boxes around them, as far as the absolute tolerance goes. */
#include "base/err.h"
#include "judge/match.h"
#include "judge/places.h"
#include "judge/rows.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void clear(void *gold)
{
    ptd_places_clear(gold);
    free(gold);
}

static void surround(struct ptd_places *p, double by)
{
    if (p->shares == 1) by *= 1000;
    for (int i = 0; i < p->n; i++)
        p->at[i].x0 -= by, p->at[i].y0 -= by, p->at[i].x1 += by, p->at[i].y1 += by;
}

static const char *read_gold(struct ptd_places *p, const char *answer,
                             const struct ptd_judge_settings *set)
{
    const char *bad = ptd_points_read(p, answer, strlen(answer));
    if (!bad) return surround(p, set->absolute), NULL;
    ptd_places_clear(p);
    bad = ptd_boxes_read(p, answer, strlen(answer));
    for (int i = 0; !bad && i < p->n; i++)
        if (p->at[i].x0 > p->at[i].x1 || p->at[i].y0 > p->at[i].y1) bad = "a box turned around";
    return bad;
}

static void *ready(const struct ptd_asked *asked, const char *answer,
                   const struct ptd_judge_settings *set)
{
    struct ptd_places *p = ptd_alloc(sizeof *p);
    const char *bad = read_gold(p, answer, set);
    if (!bad) return p;
    clear(p);
    ptd_fail(PTD_DATAERR, "\"%.60s\": %s, expected boxes as [x0, y0, x1, y1] or points as [x, y]",
             answer, bad);
    return NULL;
}

static int is_inside(const struct ptd_place *box, const struct ptd_place *point)
{
    return point->x0 >= box->x0 && point->x0 <= box->x1 && point->y0 >= box->y0 &&
           point->y0 <= box->y1;
}

static double score(const void *gold, const char *answer, size_t len,
                    const struct ptd_judge_settings *set, const char **reason)
{
    const struct ptd_places *boxes = gold;
    struct ptd_places found;
    double pairs[PTD_PLACES_MAX * PTD_PLACES_MAX], share = 0;
    *reason = ptd_points_read(&found, answer, len);
    if (!*reason) {
        ptd_places_beside(&found, boxes);
        for (int i = 0; i < boxes->n; i++)
            for (int j = 0; j < found.n; j++)
                pairs[i * found.n + j] = is_inside(&boxes->at[i], &found.at[j]);
        share = ptd_match(pairs, boxes->n, found.n) / fmax(boxes->n, found.n);
        if (boxes->n == 1 && found.n > 1) share = 0;
    }
    ptd_places_clear(&found);
    return share;
}

/* A point's tag is an answer, and whatever else is named beside it counts. */
static size_t unmarked(const char *text, size_t n)
{
    return memmem(text, n, "<point", 6) ? 0 : n;
}

const struct ptd_judge ptd_judge_point = {.name = "point",
                                          .help = "points inside of boxes",
                                          .ready = ready,
                                          .score = score,
                                          .clear = clear,
                                          .anywhere = 1,
                                          .unmarked = unmarked,
                                          .right_from = 1};
