/* evaluated: which generations an evaluation beside the run looks at, which of them is the best so
 * far, and when there has been no gain for long.
 *
 *     struct ptd_evaluated e;
 *     ptd_evaluated_open(&e, store, "test.jsonl greedy", 20);
 *     while ((g = ptd_evaluated_due(&e, head)) >= 0) {       // -1: nothing new
 *         ... ptd_evaluated_try(&e, g) keeps it in the store meanwhile ...
 *         ptd_evaluated_found(&e, g, score, metrics); // 1: the best so far, which is pinned
 *     }
 *
 * Under "evaluated" in the store's state lies
 *
 *     {"of": "test.jsonl greedy", "last": 60, "best": 40, "score": 0.62, "without": 1,
 *      "trying": -1, "metrics": {"step": 60, ...}}
 *
 * without: evaluations since the best one; trying: one that is looked at, pinned until it is done;
 * metrics: of the last one, all that is printed of it.
 * Another `of` begins anew. What a killed evaluation left pinned goes at the next start. */
#ifndef PTD_EVALUATED_H
#define PTD_EVALUATED_H
#include "store/store.h"
#include <jansson.h>

struct ptd_evaluated {
    struct ptd_store *store; /* opened for more than reading */
    char *of;
    int64_t every, last, best, trying; /* -1: none */
    double score;                      /* of the best */
    int without;
    json_t *metrics; /* of the last one, or NULL */
};
/* -1: 65 what is there is no record; 74, 77. */
int ptd_evaluated_open(struct ptd_evaluated *e, struct ptd_store *store, const char *of,
                       int64_t every) PTD_MUST_CHECK;
/* The generation to look at when `head` is the newest: the first time the newest, then the latest
 * multiple of `every`; -1: none is new. */
int64_t ptd_evaluated_due(const struct ptd_evaluated *e, int64_t head);
/* Pins it. -1: 66 it has gone meanwhile. */
int ptd_evaluated_try(struct ptd_evaluated *e, int64_t generation) PTD_MUST_CHECK;
/* Larger is better; of as good ones the first. 1: it is the best, the one before is let go; 0: it
 * is not, and is let go; -1: 74, 77. Keeps a reference to the metrics, to which it adds the best
 * one's step as "val/best_step". */
int ptd_evaluated_found(struct ptd_evaluated *e, int64_t generation, double score,
                        json_t *metrics) PTD_MUST_CHECK;
void ptd_evaluated_close(struct ptd_evaluated *e);
#endif
