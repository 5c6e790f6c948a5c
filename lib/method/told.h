/* told: what commands that judge or give hints are told of a question, as JSON. */
#ifndef PTD_TOLD_H
#define PTD_TOLD_H
#include "flow/record.h"
#include <jansson.h>

/* "uid", "step", "category", "system", "question", "answer", "answers", "judge", "solution", those
 * that there are; json_decref(). */
json_t *ptd_told_group(const struct ptd_group *g);
#endif
