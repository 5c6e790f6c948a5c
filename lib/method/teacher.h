/* teacher: a model that reads what others wrote, by name: whose weights it has, and loading them.
 *
 *     struct ptd_teacher *r = ptd_teacher_open(run, "old", device);   // NULL: see err.h
 *     ptd_teacher_seek(r, group->generation);                         // who it is then: r->id
 *     ptd_teacher_load(r, &asked);                                    // r->m, r->score
 *
 * who      weights
 * frozen   generation 0 of the run's store, the reference; NULL is the same
 * old      those that sampled the group
 * ema      the running means beside them (ema.h); where a generation has none, its weights
 * DIR      the newest generation of another store when it was opened */
#ifndef PTD_TEACHER_H
#define PTD_TEACHER_H
#include "net/plan.h"
#include "net/score.h"
#include "store/store.h"

struct ptd_teacher {
    struct ptd_model *m; /* NULL until it is needed */
    struct ptd_score *score;
    struct ptd_lm_head *head;
    uint8_t *banned;
    int hidden, vocab; /* of its configuration */
    char id[17];       /* of the weights it is to have, by content */
    int64_t generation, loaded;
    int moves; /* 1: another generation for other groups */
    struct ptd_store *store, *own;
    struct ptd_device *device;
    const char *who;
};
/* run: stays the caller's. who: a word above, or a folder, which the run's own store is not (78).
 */
struct ptd_teacher *ptd_teacher_open(struct ptd_store *run, const char *who, struct ptd_device *d);
/* The one that a stream's head names, of the run's store. */
struct ptd_teacher *ptd_teacher_noted(struct ptd_store *run, const struct ptd_head *h,
                                      struct ptd_device *d);
/* 1: its hidden rows are in the stream (ptd-ref -k full), by what is noted of ptd-ref. */
int ptd_teacher_rows_noted(const struct ptd_head *h);
/* Which generation it is to have for a group that was sampled by `generation`; only one that moves
 * looks at it. -1: 66 not kept in the store. */
int ptd_teacher_seek(struct ptd_teacher *r, int64_t generation) PTD_MUST_CHECK;
/* Its shape; no memory is taken for weights. */
int ptd_teacher_shape(struct ptd_teacher *r) PTD_MUST_CHECK;
/* The weights of the generation sought last, unless they are there. */
int ptd_teacher_load(struct ptd_teacher *r, const struct ptd_plan_asked *asked) PTD_MUST_CHECK;
/* The vocabulary head alone of the generation sought last, in the place of all weights: for hidden
 * rows of r->hidden numbers. Lives until another is asked for. NULL on failure. */
struct ptd_lm_head *ptd_teacher_head(struct ptd_teacher *r);
void ptd_teacher_close(struct ptd_teacher *r); /* or NULL */
#endif
