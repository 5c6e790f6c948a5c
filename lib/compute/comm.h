/* comm: the ranks of a run, processes on one machine or several that hold the same weights and
 * learn from shares of a step: what they tell each other, and how they end together.
 *
 *     struct ptd_comm *c = ptd_comm_open(&launched, 300);      // NULL: 69, 78
 *     double sum[2] = {tokens, responses};
 *     if (ptd_comm_sum(c, sum, 2)) ...                         // the same on all ranks
 *     if (ptd_comm_sum_floats(c, gradient, n, PTD_COMM_F32)) ...
 *     ptd_comm_close(c);                                       // waits for all
 *
 * All ranks call the same functions in the same order with the same sizes. NULL stands for one rank
 * alone, of which nothing is asked.
 *
 * Sums. Numbers are added in double in the order of ranks, and rounded once, by the one rank that
 * owns them; all others get its bits. So a sum is the same on all ranks and each time, whatever
 * the message lengths (a library's own reduction promises neither). A sum of n floats has each rank
 * send 2 (N - 1) / N n of them; with PTD_COMM_BF16 they travel as bfloat16, in half the bytes. It
 * goes in pieces, so it takes memory for one piece (4 MiB) and no message is large.
 *
 * Ends. Who waits for another rank longer than its patience fails, and names those that did not
 * come (69). A program that ends before ptd_comm_close, for whatever reason but a signal, tells the
 * others its status first; they find out where they wait next, and end with the same status,
 * silently: the one that knows why has said so. ptd_comm_on_end has them do something before. */
#ifndef PTD_COMM_H
#define PTD_COMM_H
#include "base/err.h"
#include "base/rank.h"
#include "compute/engine.h"
#include <stdint.h>

enum ptd_comm_form { PTD_COMM_F32, PTD_COMM_BF16 };

struct ptd_comm;
/* patience: seconds. NULL: 69 there is no such engine here. One rank needs none. */
struct ptd_comm *ptd_comm_open(const struct ptd_rank *r, double patience);
/* The same with an engine of the caller's, which is copied. */
struct ptd_comm *ptd_comm_begin(const struct ptd_engine *e, double patience);
int ptd_comm_close(struct ptd_comm *c) PTD_MUST_CHECK; /* once all have come */
/* Called where another rank has ended before this one does, too: with what status. */
void ptd_comm_on_end(struct ptd_comm *c, void (*f)(void *ctx, int status), void *ctx);

int ptd_comm_rank(const struct ptd_comm *c);
int ptd_comm_ranks(const struct ptd_comm *c);
const char *ptd_comm_host(const struct ptd_comm *c, int rank);
uint64_t ptd_comm_sent(const struct ptd_comm *c); /* bytes so far */

/* all [ranks][n] bytes, in the order of ranks */
int ptd_comm_gather(struct ptd_comm *c, const void *mine, size_t n, void *all) PTD_MUST_CHECK;
/* The same of parts of any length: *all malloc'd, one behind the other; n [ranks] their bytes. */
int ptd_comm_gather_all(struct ptd_comm *c, const void *mine, size_t bytes, void **all,
                        size_t *n) PTD_MUST_CHECK;
int ptd_comm_sum(struct ptd_comm *c, double *x, int n) PTD_MUST_CHECK;
int ptd_comm_sum_floats(struct ptd_comm *c, float *x, size_t n,
                        enum ptd_comm_form form) PTD_MUST_CHECK;
/* The halves of the above, where each rank keeps a share: those from first[rank] to first[rank + 1]
 * are summed, others are left as they are; and all get each rank's share of what are bytes now. */
int ptd_comm_scatter(struct ptd_comm *c, float *x, const size_t *first,
                     enum ptd_comm_form form) PTD_MUST_CHECK;
int ptd_comm_spread(struct ptd_comm *c, void *x, const size_t *first, size_t size) PTD_MUST_CHECK;

/* Sums of floats by a thread of their own, in the order in which they are asked for. Between the
 * first and ptd_comm_join nothing else may be asked. */
void ptd_comm_push(struct ptd_comm *c, float *x, size_t n, enum ptd_comm_form form);
/* The same for shares, as ptd_comm_scatter; first is copied. */
void ptd_comm_push_shares(struct ptd_comm *c, float *x, const size_t *first,
                          enum ptd_comm_form form);
int ptd_comm_join(struct ptd_comm *c) PTD_MUST_CHECK; /* all of them are there */

/* Another line between the same ranks, for a thread that gathers whatever the others do meanwhile;
 * all have one, and it ends before ptd_comm_close. PTD_COMM_ENDED in place of the program's end:
 * another rank has ended. What failed there may still be written by the engine, and is not freed.
 */
#define PTD_COMM_ENDED -2
struct ptd_comm *ptd_comm_line(struct ptd_comm *c);
void ptd_comm_line_end(struct ptd_comm *l);
#endif
