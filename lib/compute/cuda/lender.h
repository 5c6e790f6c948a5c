/* lender: a descriptor under a name, for other programs of the same user on this machine. */
#ifndef PTD_CUDA_LENDER_H
#define PTD_CUDA_LENDER_H
#include <stdint.h>

struct lender;
/* A lender under that name, who has nothing to lend yet; those that ask wait. NULL: *taken says
 * whether somebody else has the name, else there is none to be had. */
struct lender *ptd_lender_open(const char *name, int *taken);
/* From now on it lends a copy of the descriptor, with a number that goes with it. */
void ptd_lender_lend(struct lender *l, int fd, uint64_t number);
/* Those that wait find nobody. NULL: nothing to do. */
void ptd_lender_close(struct lender *l);

enum { PTD_LENDER_NONE = -1, PTD_LENDER_LATE = -2 };
/* The descriptor that the lender of that name lends, and its number: waits until it does.
 * PTD_LENDER_NONE: there is no lender, or it went; PTD_LENDER_LATE: it did not answer in so many
 * seconds, or is another user's. */
int ptd_lender_ask(const char *name, int seconds, uint64_t *number);
#endif
