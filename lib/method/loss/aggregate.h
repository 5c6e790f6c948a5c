/* aggregate: how the tokens of an update come together as L, as the count that each token's part is
 * divided by. All are counts of the whole update, so micro-batches change nothing.
 *
 *     token      N, the tokens of all responses: each token has one vote (DAPO)
 *     sequence   S n, S responses, n tokens in this one: each response has one vote (GRPO, GSPO)
 *     constant   S length, with --length or the limit of responses: longer ones have more (Dr.GRPO)
 *
 * Responses without tokens count nothing. */
#ifndef PTD_AGGREGATE_H
#define PTD_AGGREGATE_H
#include "method/loss/loss.h"

enum ptd_aggregate { PTD_BY_TOKEN, PTD_BY_SEQUENCE, PTD_BY_CONSTANT };
extern const char *const ptd_aggregate_names[]; /* NULL ends */

/* -1, 2: no such name; the line says which there are. */
int ptd_aggregate_named(const char *name);
/* Of each of the tokens; length: of PTD_BY_CONSTANT. */
void ptd_aggregate_counts(const struct ptd_tokens *t, int how, double length, double *count);
#endif
