/* rollouts: prompts of a data set are read, answered and written as groups, in order.
 *
 *     struct ptd_rollouts r = {.src = &src, .model = m, .out = writer, .sampling = ...};
 *     if (ptd_rollouts_check(&r, &head)) ptd_die_last(); // frames and cache are large enough
 *     r.generation = g;                                  // whose weights the model has now
 *     if (ptd_rollouts_step(&r, step, first, n)) ptd_die_last();
 *     ptd_rollouts_clear(&r);
 *
 * A prompt and its pictures are in memory from the moment that there is room for them in the cache
 * until its group is written, which waits for those before it. */
#ifndef PTD_ROLLOUTS_H
#define PTD_ROLLOUTS_H
#include "flow/stream.h"
#include "method/source.h"
#include "net/sample.h"

struct ptd_round {       /* prompts that are asked together */
    int64_t first, n;    /* positions of the order */
    const int *again;    /* [n_again] rows that are asked behind them */
    int n_again, before; /* before: so many were asked again in earlier rounds of the step */
    int64_t asked;       /* prompts of the step's earlier rounds */
};

struct ptd_rollouts {
    struct ptd_source *src;
    struct ptd_model *model;
    struct ptd_writer *out;
    struct ptd_sampling sampling;
    uint64_t seed;      /* of the order */
    int eval;           /* 1: rows in their own order, each once */
    int share, shares;  /* of a step's prompts each shares-th, from number `share` on; 0: all */
    int rounds;         /* 1: each group says how many of its round are ours */
    int64_t generation; /* noted in the groups */
    /* its own */
    double reply_bytes; /* most that a group's rollouts can take */
    int64_t step, at, end, number;
    const struct ptd_round *round;
    int asked_again, ours; /* ours: prompts of the round */
    int *rows;             /* [n_rows] of the data set, asked since the step began */
    int n_rows, cap_rows;
    struct ptd_waiting *oldest, *newest; /* groups whose replies are awaited */
    struct ptd_buf buf;
};

/* -1: 78 a group of so many, so long responses fits no frame, or no response fits the cache. */
int ptd_rollouts_check(struct ptd_rollouts *r, const struct ptd_head *h) PTD_MUST_CHECK;
/* Positions first .. first + n - 1 of the order, or our share of them, written as one step. -1: 65,
 * 66 a row that cannot be used; 74 and the like of the writer. */
int ptd_rollouts_step(struct ptd_rollouts *r, int64_t step, int64_t first,
                      int64_t n) PTD_MUST_CHECK;
/* The same in rounds, each written without the step's frame; r->rows says what was asked. */
void ptd_rollouts_begin(struct ptd_rollouts *r);
int ptd_rollouts_ask(struct ptd_rollouts *r, int64_t step,
                     const struct ptd_round *round) PTD_MUST_CHECK;
void ptd_rollouts_clear(struct ptd_rollouts *r);
#endif
