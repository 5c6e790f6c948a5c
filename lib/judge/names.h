/* names: what mathematics calls by a name of several letters: functions, Greek letters, constants.
 */
#ifndef PTD_NAMES_H
#define PTD_NAMES_H
#include "judge/lex.h"

int ptd_is_function(const struct ptd_tok *);
int ptd_is_greek(const struct ptd_tok *); /* written out, without a backslash */
/* Its operation (of enum ptd_op); 0: the name [n] is no constant. */
int ptd_constant(const char *name, size_t n);
#endif
