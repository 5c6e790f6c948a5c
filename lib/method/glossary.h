/* glossary: what each metric is: its name, unit and meaning, for all who show one. The lines that
 * ptd-update and ptd-eval print have no other names; tests hold both against this table, and the
 * manual is made from it (ptd-plot --list).
 *
 * What is not finite is null. Means are over the step; "tokens" are tokens of answers. L and its
 * parts are means over the step's updates (lib/method/README.md). */
#ifndef PTD_GLOSSARY_H
#define PTD_GLOSSARY_H

enum ptd_metric_range { PTD_METRIC_ANY, PTD_METRIC_POSITIVE, PTD_METRIC_SHARE /* 0 to 1 */ };
struct ptd_metric {
    /* as it is printed; "NAME", "K" in capitals stand for a part's name, a number */
    const char *name;
    const char *unit; /* "share", "tokens", "nats", "s" ...; "" none */
    const char *meaning;
    const char *title; /* of a panel; NULL: the name */
    int range;         /* enum ptd_metric_range: what it can be */
};
extern const struct ptd_metric
    ptd_metrics_known[]; /* in the order of the lines; name NULL ends it */
/* NULL: no such metric. */
const struct ptd_metric *ptd_metric_named(const char *name);
#endif
