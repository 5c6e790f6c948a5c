/* ranks: how the ranks of a run begin and end together. Each has a store of its own, with the same
 * generations, and a pipe of its own, which brings its share of each step.
 *
 *     struct ptd_ranks r = PTD_RANKS;
 *     if (ptd_ranks_open(&r)) ...                        // r.comm: NULL if it is the only one
 *     if (ptd_ranks_agree(&r, "run.ptd")) ...            // before anything reads its head
 *     if (ptd_ranks_compare(&r, &mine)) ...              // before the first step
 *
 * Agreeing. A rank that was killed may have published a generation less than others. All then go
 * back to the newest that every one has (ptd_store_go_back), which is the same weights, moments and
 * counters everywhere, and the run goes on from there to the same bits.
 *
 * Comparing. What decides numbers must be the same on all ranks: the program's version, the weights
 * (of the start and of the newest generation), settings.h's JSON; and what decides which steps
 * there are and which of them a store keeps. The first rank that differs from rank 0 names what;
 * all end with 78. */
#ifndef PTD_RANKS_H
#define PTD_RANKS_H
#include "base/opt.h"
#include "compute/cards.h"
#include "method/exchange.h"
#include "store/store.h"

struct ptd_ranks {
    const char *which, *reduce, *sum_on; /* options */
    double patience;
    int share; /* --shard-optimizer */
    struct ptd_rank launched;
    enum ptd_comm_form form;
    struct ptd_comm *comm;
    struct ptd_exchange *exchange; /* NULL: nobody waits for verdicts */
};
#define PTD_RANKS                                                                                  \
    {                                                                                              \
        .which = "auto", .reduce = "f32", .sum_on = "auto", .patience = 300                        \
    }
#define PTD_RANKS_OPTIONS(o)                                                                        \
    {"ranks",                                                                                       \
     0,                                                                                             \
     PTD_OPT_STR,                                                                                   \
     &(o).which,                                                                                    \
     "WHICH",                                                                                       \
     "auto: together with the other ranks, where a launcher (mpirun, srun, ptd-run) started "       \
     "several; one: alone",                                                                         \
     0,                                                                                             \
     0,                                                                                             \
     1},                                                                                            \
        {"reduce",    0,      PTD_OPT_STR,                                                          \
         &(o).reduce, "FORM", "how gradients travel between ranks: f32, or bf16 in half the bytes", \
         0,           0},                                                                           \
        {"sum-on",                                                                                  \
         0,                                                                                         \
         PTD_OPT_STR,                                                                               \
         &(o).sum_on,                                                                               \
         "WHERE",                                                                                   \
         "gradients of ranks: host, nccl: on their cards, or auto: nccl on cuda, where it is",      \
         0,                                                                                         \
         0},                                                                                        \
        {"shard-optimizer",                                                                         \
         0,                                                                                         \
         PTD_OPT_FLAG,                                                                              \
         &(o).share,                                                                                \
         NULL,                                                                                      \
         "each of N ranks keeps a share of the moments and of what --master split adds",            \
         0,                                                                                         \
         0,                                                                                         \
         0},                                                                                        \
    {                                                                                               \
        "comm-timeout", 0, PTD_OPT_DOUBLE, &(o).patience, "S",                                      \
            "seconds to wait for another rank: to begin, and as long as its sampling may lag",      \
            0.1, 1e6, 1                                                                             \
    }

/* Misuse of the options ends the program; -1: 69, 78 as comm.h and rank.h say. */
int ptd_ranks_open(struct ptd_ranks *r) PTD_MUST_CHECK;
/* 1: sums go over the cards, by what is asked for and what there is. Misuse ends the program. */
int ptd_ranks_on_cards(const struct ptd_ranks *r, const struct ptd_device *d);
/* store NULL: not known yet, nothing is gone back to. -1: 78 a rank has none that all have. */
int ptd_ranks_agree(struct ptd_ranks *r, const char *store) PTD_MUST_CHECK;

struct ptd_ranks_own {
    struct ptd_store *store;
    int64_t generation;
    const char *settings, *manner; /* JSON: what decides numbers, and how the run is kept */
};
int ptd_ranks_compare(struct ptd_ranks *r, const struct ptd_ranks_own *own) PTD_MUST_CHECK;
/* Once all ranks are the same: brings verdicts together for whom the stream's head names. */
void ptd_ranks_listen(struct ptd_ranks *r, const struct ptd_head *h);
int ptd_ranks_close(struct ptd_ranks *r) PTD_MUST_CHECK; /* once all have come */
/* All ranks end with this status now, and what ptd_fail kept is said by this one or, where all know
 * it, by rank 0. Waits for the others: what each had to do before is done then. */
_Noreturn void ptd_ranks_end(struct ptd_ranks *r, int says);
#endif
