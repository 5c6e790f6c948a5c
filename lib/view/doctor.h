/* doctor: what a machine has for PTD, as findings: one line each, and what to change where it would
 * not do.
 *
 *     struct ptd_findings f = {0};
 *     ptd_doctor_machine(&f);             // cores, memory, instructions, products, GPU, limits
 *     ptd_doctor_disk(&f, "run.ptd");     // room and speed where that lies, by a short probe
 *     ptd_findings_print(&f, 0);
 *     ptd_findings_clear(&f);
 *
 * Values of a finding are numbers for --json; its words say the same. */
#ifndef PTD_DOCTOR_H
#define PTD_DOCTOR_H
#include "base/err.h"
#include <jansson.h>

/* GOOD as it should be; NOTE worth knowing; BAD does not work so */
enum ptd_health { PTD_GOOD, PTD_NOTE, PTD_BAD };

struct ptd_finding {
    int health;
    char *about, *words, *advice; /* advice: what to change, or NULL */
    json_t *values;               /* or NULL */
};
struct ptd_findings {
    struct ptd_finding *at;
    int n;
};
/* Takes values; advice may be NULL. */
void ptd_find(struct ptd_findings *f, int health, const char *about, json_t *values,
              const char *advice, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
void ptd_findings_print(const struct ptd_findings *f, int json); /* to stdout */
int ptd_findings_worst(const struct ptd_findings *f);
void ptd_findings_clear(struct ptd_findings *f);

void ptd_doctor_machine(struct ptd_findings *f);
/* path: of a store, which may not be there yet, or a folder */
void ptd_doctor_disk(struct ptd_findings *f, const char *path);
#endif
