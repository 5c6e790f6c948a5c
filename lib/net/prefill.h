/* prefill: prompts into the cache: their pictures together, their rows a chunk at a time, so that a
 * long prompt takes no more activations than a short one.
 *
 *     struct ptd_prefill *p = ptd_prefill_new(m, kv, 0);
 *     int i = ptd_prefill_add(p, &question, &keys); // 1 is the first; keys have a promise
 *     ptd_prefill_run(p);                           // row i of p->last is prompt i's last one
 *     ptd_prefill_keep(p, i);                       // now it is row 0, too, until the next is kept
 *     ptd_prefill_reset(p);
 *
 * A chunk holds whole prompts, or a part of one; what a row gives does not depend on the others of
 * its chunk. */
#ifndef PTD_PREFILL_H
#define PTD_PREFILL_H
#include "net/kv.h"

#define PTD_PREFILL_ROWS    512
#define PTD_PREFILL_MOST    2048 /* rows and patches that are run together */
#define PTD_PREFILL_PROMPTS 64

struct ptd_question {
    const int32_t *ids;
    int n;
    const struct ptd_picture *pictures;
    int n_pictures;
    int64_t number; /* keys its random numbers: its position in the run's order of prompts */
};

struct ptd_prefill {
    struct ptd_model *m;
    struct ptd_kv *kv;
    struct ptd_batch *prompts, *chunk;
    struct ptd_kv_list *keys[PTD_PREFILL_PROMPTS];
    int n;
    ptd_num *last; /* [1 + PTD_PREFILL_PROMPTS, hidden] */
    int32_t from[PTD_PREFILL_PROMPTS], to[PTD_PREFILL_PROMPTS]; /* of a chunk's rows into `last` */
    int n_ends;
    int rows; /* most of a chunk */
};

/* rows: most of a chunk; 0: PTD_PREFILL_ROWS */
struct ptd_prefill *ptd_prefill_new(struct ptd_model *m, struct ptd_kv *kv, int rows);
void ptd_prefill_free(struct ptd_prefill *p);
int ptd_prefill_full(const struct ptd_prefill *p); /* 1: run it before more is added */
/* -1: 65 pads and pictures disagree, ids out of range, too long for the model */
int ptd_prefill_add(struct ptd_prefill *p, const struct ptd_question *q,
                    struct ptd_kv_list *keys) PTD_MUST_CHECK;
int32_t ptd_prefill_next(const struct ptd_prefill *p, int i); /* position behind prompt i */
void ptd_prefill_run(struct ptd_prefill *p);
void ptd_prefill_keep(struct ptd_prefill *p, int i);
void ptd_prefill_reset(struct ptd_prefill *p);
#endif
