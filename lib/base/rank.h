/* rank: which of several processes of one job this one is, as its launcher says in the
 * environment: Open MPI's mpirun, MPICH's and its kin (PMI), Slurm's srun. The first of these that
 * names both rank and ranks is believed; a shell of sbatch, which is no task, names none. */
#ifndef PTD_RANK_H
#define PTD_RANK_H
#include "base/err.h"
#include <stdint.h>

struct ptd_rank {
    int rank, ranks;   /* 0 and 1: nobody launched more */
    int launched;      /* 1: a launcher says so, if only of one */
    int local, locals; /* the same among those of this machine; locals 0: it is not said */
};

/* -1, 78: a launcher's variable is no number, or the rank is none of them. */
int ptd_rank_launched(struct ptd_rank *r) PTD_MUST_CHECK;
/* --shard: "auto" as launched, "one", or "R/N", rank R of N from 0 on. -1: 2, or as above. */
int ptd_rank_read(const char *text, struct ptd_rank *r) PTD_MUST_CHECK;
/* Things are dealt to ranks one by one, number i to rank i % ranks: how many of the n from number
 * `first` on this rank gets. */
int64_t ptd_rank_share(int64_t first, int64_t n, int rank, int ranks);
#endif
