/* difference: in what the settings of a run (settings.h) are not what they were, by the options
 * that decide them, and which of that is meant.
 *
 * A difference has a name: of an option its own, `lr`; of what no option decides alone the key in
 * the settings: data, pictures, sampling, pipe; of another program its own, `ptd-verify`. What
 * `--change` names may differ, and is kept as
 *
 *     {"at": 150, "what": {"steps": [150, 300], "lr": [0.0002, 0.0001]}}
 *
 * in the list "changes" of the store's counters (train.h), one for each resume that changed
 * something: at, the generation after which it counts; what, each as it was and is, null where it
 * was not there. */
#ifndef PTD_DIFFERENCE_H
#define PTD_DIFFERENCE_H
#include "base/err.h"
#include <jansson.h>
#include <stdint.h>

struct ptd_difference {
    const char *where; /* the store */
    int64_t at;
    const char *change; /* names, by comma, that may differ; NULL: none */
    int anyway;         /* differences that are not named are warned of, not refused */
};
/* An entry as above, with an empty "what" if nothing is changed that is named. NULL: 78 a
 * difference that is not named; the line says all of them. 2: a name that no setting has. */
json_t *ptd_differences(const struct ptd_difference *d, const json_t *was,
                        const json_t *is) PTD_MUST_CHECK;
#endif
