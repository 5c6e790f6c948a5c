/* optimizer: AdamW over the trained parameters of a model: what it keeps of them and in which form,
 * its step, gradients as a whole or part by part, and its share of a publication.
 *
 *     struct ptd_optimizer *o = ptd_optimizer_new(m, &rules); // m->narrow and by_part are set
 *     ptd_optimizer_load(o, store, updates, generation);      // where a run goes on
 *     ptd_optimizer_zero(o);
 *     ... backward ...
 *     ptd_optimizer_step(o, lr, &norm);                       // 1: not finite, nothing moved
 *     ptd_optimizer_publish(o, &publication);                 // moments and low halves
 *
 * Forms are rows of two tables, bytes per number (README.md has the sums):
 *
 *     moments   f32   m and v in float32                                               8
 *               8bit  codes in blocks of 256 with a float32 scale each (cpu/eight.h)   2.03
 *     master    f32   weights in float32                                               4
 *               split bfloat16, and what it leaves out in 16 bits: exact (cpu/halves.h)  4
 *               none  bfloat16, to which each step rounds at random                    2
 *
 * Only matrices are kept in the shorter ones; gains, biases and position tables stay float32, and
 * so do the weights of adapters.
 *
 * Part by part: no whole gradient exists. The step of a layer is made as soon as backward has its
 * gradient, so one micro-batch must hold the whole update. Where the norm must be known before
 * (clipping), a first backward only sums it:
 *
 *     ptd_optimizer_watch(o, lr, scale, measures);
 *     ... forward, backward ...
 *     ptd_optimizer_end(o, &norm);   // or ptd_optimizer_drop(o)
 *
 * Where ranks have shares, each steps its own of a part, and all get the others' at the end: what
 * backward still computes needs no weights of a part that is done. */
#ifndef PTD_OPTIMIZER_H
#define PTD_OPTIMIZER_H
#include "base/method.h"
#include "net/model.h"

struct ptd_shared; /* share.h */
struct ptd_form {
    struct ptd_method is;
    int code; /* moments: 1 for 8 bits; master: enum ptd_master */
};
extern const struct ptd_method *const ptd_moment_forms[], *const ptd_masters[];
const struct ptd_form *ptd_moments_named(const char *name); /* NULL: 2 */
const struct ptd_form *ptd_master_named(const char *name);

struct ptd_optimizer_rules {
    struct ptd_adamw adamw;
    double clip;                             /* of the gradient's norm; 0: none */
    const struct ptd_form *moments, *master; /* NULL: float32 */
    uint64_t seed;                           /* of random rounding */
    /* Part by part: what is done with each part's gradient before it is measured or applied, and
     * [n_parts] the order in which parts that backward did not name are; NULL: nothing, by number.
     * spoilt: it shall come out as no number. -1: as ptd_fail says. */
    int (*sum)(void *ctx, int part, int spoilt);
    void *sum_ctx;
    const int *order;
    /* Of N ranks each keeps moments and low halves of a share of every parameter (store/share.h),
     * and steps that: total sums numbers over the ranks, spread gives all of them the weights that
     * each has stepped. ranks 0, 1: it keeps all. */
    int rank, ranks;
    size_t width; /* its own: bytes of a weight on the device */
    int (*total)(void *ctx, double *x, int n);
    int (*spread)(void *ctx);
    const struct ptd_shared *sources; /* whence they are loaded; NULL: the store that is given */
};

/* Bytes that it keeps beside weights and gradients. */
struct ptd_optimizer_size {
    size_t low, moments;
};
void ptd_optimizer_plan(const struct ptd_model *m, const struct ptd_optimizer_rules *r,
                        struct ptd_optimizer_size *size);

struct ptd_optimizer;
/* Takes memory for moments, low halves and gradients. */
struct ptd_optimizer *ptd_optimizer_new(struct ptd_model *m, const struct ptd_optimizer_rules *r);
void ptd_optimizer_free(struct ptd_optimizer *o);
/* What the store has of a generation after so many updates. Into memory that is new or cleared. */
int ptd_optimizer_load(struct ptd_optimizer *o, struct ptd_store *s, int64_t updates,
                       int64_t generation) PTD_MUST_CHECK;
void ptd_optimizer_clear(struct ptd_optimizer *o); /* as if it were new */
int64_t ptd_optimizer_updates(const struct ptd_optimizer *o);
void ptd_optimizer_zero(struct ptd_optimizer *o);
/* Of the gradient as it lies here, whatever other ranks have; not finite if any number is not. */
double ptd_optimizer_norm(const struct ptd_optimizer *o);
/* *norm: before clipping. 1: it is not finite, and nothing moved. */
int ptd_optimizer_step(struct ptd_optimizer *o, double lr, double *norm);
double ptd_optimizer_scale(const struct ptd_optimizer *o, double norm); /* of clipping */

/* From now on each part is measured, or stepped with gradients times `scale`. */
void ptd_optimizer_watch(struct ptd_optimizer *o, double lr, double scale, int measures);
/* 1: the norm is not finite, and nothing moved. -1: it is not, and parts have moved already (79): a
 * run goes back to what its store has (ptd_train_back). */
int ptd_optimizer_end(struct ptd_optimizer *o, double *norm) PTD_MUST_CHECK;
void ptd_optimizer_drop(struct ptd_optimizer *o); /* before any part was stepped */
/* Parts that are still to come spoil the gradient: what follows is ptd_optimizer_end. */
void ptd_optimizer_spoil(struct ptd_optimizer *o);
/* The rules as they are from now on. */
struct ptd_optimizer_rules *ptd_optimizer_rules(struct ptd_optimizer *o);

/* "weights", "moments": what holds a number that is not finite; NULL: nothing. */
const char *ptd_optimizer_not_finite(const struct ptd_optimizer *o);
/* Adds weights, moments and low halves to p; ptd_optimizer_published frees what was added. */
void ptd_optimizer_publish(const struct ptd_optimizer *o, struct ptd_publication *p);
void ptd_optimizer_published(struct ptd_publication *p);
#endif
