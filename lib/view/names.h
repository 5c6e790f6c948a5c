/* names: what other trainers call our metrics, so that dashboards made for them show our runs.
 *
 * Only what is the same number gets another's name; what they do not have keeps its own. ours:
 * EasyR1's. trl: GRPOTrainer's as its callbacks log them ("train/reward", "eval/..."). verl: those
 * of its trainer. */
#ifndef PTD_NAMES_H
#define PTD_NAMES_H
#include <stddef.h>

enum ptd_names { PTD_NAMES_OURS, PTD_NAMES_TRL, PTD_NAMES_VERL };
#define PTD_NAMES_HELP "ours, trl, verl"

int ptd_names_of(const char *word); /* enum ptd_names; -1 (2): there are none of that word */
/* The name of a metric; in out [cap]. */
const char *ptd_name_in(enum ptd_names names, const char *ours, char *out, size_t cap);
#endif
