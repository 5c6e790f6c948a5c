/* iou: boxes by how far they cover each other, intersection over union.
 *
 * The boxes of the answer go with those of the gold, one with one, as well as can be. From a
 * threshold on (settings' iou): right if each has its partner at that iou and nothing is left over.
 * Without (0): the sum of all partners' iou over the number of boxes of the longer list, but 0
 * where one box is asked and several are named. Labels count where the gold has several that
 * differ: a box goes with one of its own label or of none. A label that all of the gold's boxes
 * share, or a single box has, says what was asked for, and is not looked at. */
#include "base/err.h"
#include "judge/match.h"
#include "judge/places.h"
#include "judge/rows.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct boxes {
    struct ptd_places gold;
    int labelled; /* there are different labels */
};

static int same_label(const struct ptd_place *a, const struct ptd_place *b)
{
    return a->label_len == b->label_len && strncasecmp(a->label, b->label, a->label_len) == 0;
}

static int several_labels(const struct ptd_places *p)
{
    for (int i = 1; i < p->n; i++)
        if (p->at[0].label && p->at[i].label && !same_label(&p->at[0], &p->at[i])) return 1;
    return 0;
}

static double area(const struct ptd_place *p)
{
    return p->x0 < p->x1 && p->y0 < p->y1 ? (p->x1 - p->x0) * (p->y1 - p->y0) : 0;
}

static void clear(void *gold)
{
    struct boxes *b = gold;
    ptd_places_clear(&b->gold);
    free(b);
}

static void *ready(const struct ptd_asked *asked, const char *answer,
                   const struct ptd_judge_settings *set)
{
    struct boxes *b = ptd_alloc(sizeof *b);
    const char *bad = ptd_boxes_read(&b->gold, answer, strlen(answer));
    for (int i = 0; !bad && i < b->gold.n; i++)
        if (area(&b->gold.at[i]) == 0) bad = "a box without area";
    b->labelled = several_labels(&b->gold);
    if (!bad) return b;
    clear(b);
    ptd_fail(PTD_DATAERR, "\"%.60s\": %s, expected boxes as [x0, y0, x1, y1]", answer, bad);
    return NULL;
}

static double iou(const struct ptd_place *a, const struct ptd_place *b)
{
    double width = fmin(a->x1, b->x1) - fmax(a->x0, b->x0),
           height = fmin(a->y1, b->y1) - fmax(a->y0, b->y0);
    double both = width > 0 && height > 0 ? width * height : 0, one = area(a), other = area(b);
    return one > 0 && other > 0 ? both / (one + other - both) : 0;
}

static double worth(const struct boxes *b, const struct ptd_place *gold,
                    const struct ptd_place *answer, double threshold)
{
    if (b->labelled && gold->label && answer->label && !same_label(gold, answer)) return 0;
    double x = iou(gold, answer);
    return threshold > 0 ? x >= threshold : x;
}

static double score(const void *gold, const char *answer, size_t len,
                    const struct ptd_judge_settings *set, const char **reason)
{
    const struct boxes *b = gold;
    struct ptd_places found;
    double pairs[PTD_PLACES_MAX * PTD_PLACES_MAX], sum = 0;
    *reason = ptd_boxes_read(&found, answer, len);
    if (!*reason) {
        ptd_places_beside(&found, &b->gold);
        for (int i = 0; i < b->gold.n; i++)
            for (int j = 0; j < found.n; j++)
                pairs[i * found.n + j] = worth(b, &b->gold.at[i], &found.at[j], set->iou);
        sum = ptd_match(pairs, b->gold.n, found.n) / fmax(b->gold.n, found.n);
        if (set->iou > 0) sum = sum == 1;
        if (b->gold.n == 1 && found.n > 1) sum = 0;
    }
    ptd_places_clear(&found);
    return fmin(sum, 1);
}

const struct ptd_judge ptd_judge_iou = {.name = "iou",
                                        .help = "boxes that cover each other",
                                        .ready = ready,
                                        .score = score,
                                        .clear = clear,
                                        .anywhere = 1};
