/* audit: what an audit of hints found, as a table for people and as one JSON object.
 *
 *     source     groups  hints   kept  neither    hint  picture    both   hint - neither, 95 %
 *     data          200    200  99.0%    6.1%    6.4%    32.0%   71.5%   +0.3 (-1.4 to +2.0)
 *     ...
 *     data: dropped answer-number 2
 *
 * "hint - neither" in points of a hundred. Hints that a rule dropped have a row of their own. */
#ifndef PTD_VIEW_AUDIT_H
#define PTD_VIEW_AUDIT_H
#include "method/hint/audit.h"
#include <jansson.h>
#include <stdio.h>

struct ptd_audit_view {
    const char *store, *data; /* of the head, or NULL */
    int answers, max_tokens;
    double temperature;
    int64_t seed;
};
void ptd_audit_show_table(FILE *f, const struct ptd_audit *a, const struct ptd_audit_view *v);
/* {"store", "generation", ..., "sources": [{"source", "hints", "kept", "dropped": {RULE: n},
 * "accuracy": {"neither", "hint", "picture", "both"}, "hint-neither", "interval", "tells"}, ...],
 * "telling": [NAME, ...]} */
json_t *ptd_audit_show_json(const struct ptd_audit *a, const struct ptd_audit_view *v);
#endif
