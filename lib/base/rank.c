/* rank: see rank.h. */
#include "base/rank.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 1048576 /* ranks */

static const struct launcher {
    const char *rank, *ranks, *local, *locals;
} launchers[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
     "OMPI_COMM_WORLD_LOCAL_SIZE"},
    {"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"},
    {"MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_LOCAL_RANK",
     "MV2_COMM_WORLD_LOCAL_SIZE"},
    /* a step's own: the shell of sbatch has SLURM_PROCID and SLURM_NTASKS, too */
    {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", NULL},
};

/* A variable's number of at least `least`. 0: it is not set; -1: it is something else. */
static int number(const char *name, int least, int *value)
{
    const char *text = name ? getenv(name) : NULL;
    char *end;
    if (!text) return 0;
    long n = strtol(text, &end, 10);
    if (!*text || *end || n < least || n > MOST)
        return ptd_fail(PTD_CONFIG, "%s=\"%s\" in the environment: expected a number from %d on",
                        name, text, least);
    *value = (int)n;
    return 1;
}

static int ask(const struct launcher *l, struct ptd_rank *r)
{
    int rank = number(l->rank, 0, &r->rank), ranks = number(l->ranks, 1, &r->ranks);
    int local = number(l->local, 0, &r->local), locals = number(l->locals, 1, &r->locals);
    if (rank < 0 || ranks < 0 || local < 0 || locals < 0) return -1;
    if (!rank || !ranks) return 0;
    r->launched = 1;
    if (r->rank < r->ranks) return 1;
    return ptd_fail(PTD_CONFIG, "%s=%d and %s=%d in the environment: expected less than these",
                    l->rank, r->rank, l->ranks, r->ranks);
}

int ptd_rank_launched(struct ptd_rank *r)
{
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++) {
        *r = (struct ptd_rank){.ranks = 1};
        int got = ask(&launchers[i], r);
        if (got) return got < 0 ? -1 : 0;
    }
    *r = (struct ptd_rank){.ranks = 1};
    return 0;
}

int ptd_rank_read(const char *text, struct ptd_rank *r)
{
    int used = 0;
    *r = (struct ptd_rank){.ranks = 1};
    if (!strcmp(text, "auto")) return ptd_rank_launched(r);
    if (!strcmp(text, "one")) return 0;
    if (strspn(text, "0123456789/") == strlen(text) && strlen(text) < 16 &&
        sscanf(text, "%d/%d%n", &r->rank, &r->ranks, &used) == 2 && !text[used] &&
        r->rank < r->ranks && r->ranks <= MOST)
        return 0;
    return ptd_fail(PTD_USAGE, "--shard \"%s\": expected auto, one, or R/N with R from 0 to N - 1",
                    text);
}

int64_t ptd_rank_share(int64_t first, int64_t n, int rank, int ranks)
{
    int64_t skipped = (rank - first % ranks + ranks) % ranks;
    return skipped < n ? (n - 1 - skipped) / ranks + 1 : 0;
}
