/* opt_value: the value of an option, from text and to text. Misuse (2) ends the program with the
 * option's name, what it was given, and what was expected. */
#ifndef PTD_OPT_VALUE_H
#define PTD_OPT_VALUE_H
#include "base/opt.h"

/* What it is now: "on" or "" of a flag, "" of a list, else as ptd_opt_set takes it; malloc'd. */
char *ptd_opt_text(const struct ptd_opt *o);
/* A flag becomes 1, a list longer by one, all others what text says, which must stay where the
 * option keeps text. file: whose option it is; NULL: the command line's. */
void ptd_opt_set(const struct ptd_opt *o, const char *file, const char *text);
_Noreturn void ptd_opt_refuse(const struct ptd_opt *o, const char *file, const char *text,
                              const char *expected);
/* A whole number as options have it. -1: it is none; 1: it is beyond int64_t. */
int ptd_whole_number(const char *text, int64_t *n);
#endif
