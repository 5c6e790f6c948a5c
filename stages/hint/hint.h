/* Parts of ptd-hint, and what they share: its options and what came of them. */
#ifndef PTD_STAGES_HINT_H
#define PTD_STAGES_HINT_H

#include "base/opt.h"
#include "compute/device.h"
#include "flow/filter.h"
#include "method/hint/hint.h"
#include "method/hint/weigh.h"
#include "method/source.h"
#include "net/plan.h"

#define RULES_MAX 16

struct options {
    const char *store, *model, *from, *device, *judge, *weigh;
    struct ptd_hint_options hint;
    double tau, share;
    int always, audit, answers, max_tokens;
    const char *system;
    int64_t sample, audit_seed, max_pixels, min_pixels;
    double temperature;
    struct ptd_dataset_places places;
    uint64_t seed;
    struct ptd_hint_tools tools;
    struct ptd_hints *hints;
    struct ptd_plan_asked plan;
    long given, dropped[RULES_MAX], bare;
    struct ptd_hints_gate gated;
};
extern struct options opt;

/* Who looks, if --model says it. */
int open_eye(void);
int check_options(void *ctx);
int chosen(const struct ptd_group *g); /* 1: of the share that may get a hint */
int finish(void *ctx);

/* ---- memory.c ---- */

/* --plan: no stream is read. */
_Noreturn void tell_plan(void);

/* ---- idle.c ---- */

void refuse_idle(void);
void refuse_options_of_audit(void);

/* ---- audit.c ---- */

/* Returns the exit status. */
int audit(const char *operand);

#endif
