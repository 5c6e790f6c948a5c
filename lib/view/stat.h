/* stat: what ptd-stat prints of judged groups: as tables (table.h) or as one JSON object.
 *
 * Tables: the categories; the answers that were given most often; with `other`, both streams side
 * by side; with `calibration`, its bins. CSV has one of them: the last of these that was asked for,
 * else the categories. */
#ifndef PTD_STAT_H
#define PTD_STAT_H
#include "view/calibration.h"
#include "view/table.h"
#include "view/tally.h"

struct ptd_stat {
    const struct ptd_head *head;
    int64_t generation; /* of the last group */
    const struct ptd_tally_rules *rules;
    const struct ptd_tallies *here;
    const char *other;                        /* the stream it is compared with; NULL: none */
    const struct ptd_paired *paired;          /* with it */
    const struct ptd_calibrated *calibration; /* NULL: not asked for */
    const char *sure_by;                      /* its name */
    long responses;                           /* that it is of */
    int answers;                              /* how many of the most frequent are shown */
    int all_ks;                               /* pass@1 was asked for beside others */
};
void ptd_stat_print(const struct ptd_stat *s, int form);
void ptd_stat_json(const struct ptd_stat *s);
#endif
