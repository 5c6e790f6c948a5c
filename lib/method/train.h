/* train: the weights, the optimizer and the counters of a run: resumed from a store, stepped,
 * published.
 *
 *     // NULL, 78: resume would not be exact
 *     struct ptd_train *t = ptd_train_open(store, &rules, settings, 0, device);
 *     ptd_optimizer_zero(t->optimizer);
 *     ptd_learn(score, groups, n, &loss_rules, &learned, &bad);         // adds to t->model->grads
 *     ptd_optimizer_step(t->optimizer, ptd_train_lr(&rules, step, total), &norm); // 1: refused
 *     ptd_train_step_done(t); // the weights are the next generation
 *     ptd_train_publish(t);   // at the end: weights, moments, counters at once */
#ifndef PTD_TRAIN_H
#define PTD_TRAIN_H
#include "method/ema.h"
#include "method/optimizer.h"
#include "net/model.h"
#include "net/plan.h"
#include "store/live.h"
#include "store/share.h"
#include "store/store.h"

enum ptd_schedule { PTD_CONSTANT, PTD_COSINE, PTD_LINEAR };

struct ptd_train;
struct ptd_train_rules {
    struct ptd_optimizer_rules optimizer; /* adamw.lr is the peak */
    int by_part;                          /* gradients are applied part by part */
    int64_t warmup;                       /* steps of linear warm-up */
    int schedule;                         /* enum ptd_schedule, after the warm-up */
    const char *trained;                  /* what is trained (trained.h); NULL: what is usual */
    double floor;                         /* share of lr that cosine and linear end at */
    double ema;                           /* decay of the running mean (ema.h); 0: none is kept */
    int keep;                             /* newest generations to keep */
    int every;                            /* generations that are multiples of it are published */
    const char
        *base;       /* store of rank 0, beside which those of others lie; NULL: as ours is named */
    int can_go_back; /* 1: the store can go back to the one published before (store.h) */
    int waits;       /* newest generations that a sampler may ask for (record.h) */
    /* what ptd_train_open does before it takes memory; NULL: nothing. -1: it cannot fit */
    int (*before)(void *ctx, struct ptd_train *t);
    void *ctx;
    const char *change; /* names of settings that may differ at a resume (difference.h) */
    int plans;          /* 1: the store is only read, and ptd_train_open ends with `before` */
};

struct ptd_train {
    struct ptd_store *store;
    struct ptd_model *model;
    struct ptd_optimizer *optimizer;
    struct ptd_shared *sources;    /* NULL: moments are loaded from the store as they are */
    struct ptd_ema *ema;           /* NULL: none is kept */
    int64_t generation, published; /* what the weights are; the newest in the store */
    int64_t updates;               /* of the optimizer when it was published */
    struct ptd_live *live;         /* where those between go; NULL: nobody waits for them */
    int bad_in_row;                /* steps refused in a row */
    double kl_coef; /* weight of the KL as it has been steered (steered.h); below 0: it was not */
    const char *method; /* by whose name options were set (preset.h), for people; NULL: none */
    struct ptd_train_rules rules;
    char *settings; /* JSON object: what exact resume compares */
    char *changes;  /* JSON list: what was changed at resumes, as difference.h has it; NULL: none */
};

/* Whether generations go through memory. */
static inline int ptd_train_shares(const struct ptd_train_rules *r)
{
    return r->every > 1 && r->waits;
}

/* settings: JSON text of everything that decides the run's numbers besides the store (settings.h);
 * kept with each generation and compared at the next start. */
struct ptd_train *ptd_train_open(const char *store, const struct ptd_train_rules *r,
                                 const char *settings, int anyway, struct ptd_device *d);
/* Weights, gradients and moments, of a model whose shape is known. */
int ptd_train_plan(const struct ptd_train *t, struct ptd_plan *p) PTD_MUST_CHECK;
/* step counts from 1 */
double ptd_train_lr(const struct ptd_train_rules *r, int64_t step, int64_t total);
/* The weights are the next generation: published if it is its turn, else shared through memory
 * (live.h); where there is no such memory, each one is published from then on, after a warning. 79
 * if a number is not finite. */
int ptd_train_step_done(struct ptd_train *t) PTD_MUST_CHECK;
/* The present generation, unless it is published already. What it holds beside the weights is that
 * of the same step, so nothing may have been applied since ptd_train_step_done. */
int ptd_train_publish(struct ptd_train *t) PTD_MUST_CHECK;
/* Weights and optimizer as the store has them, where that is what they were before the update that
 * failed with what ptd_fail kept; -1 where it is not: that stands, with what would help. */
int ptd_train_back(struct ptd_train *t) PTD_MUST_CHECK;
void ptd_train_close(struct ptd_train *t);
#endif
