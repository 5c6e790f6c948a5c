/* Parts of ptd-rollout, and what they share: its options and the run. */
#ifndef PTD_STAGES_ROLLOUT_H
#define PTD_STAGES_ROLLOUT_H

#include "base/opt.h"
#include "base/progress.h"
#include "base/rank.h"
#include "compute/device.h"
#include "flow/filter.h"
#include "method/refill.h"
#include "method/rollouts.h"
#include "method/stops.h"
#include "store/live.h"

#define PATIENCE 5 /* seconds until somebody is told what is waited for */

/* As the command line gives them; a filter takes some from the stream's head. */
struct options {
    const char *store, *generation, *stop, *system, *device, *share;
    struct ptd_rank rank;
    struct ptd_opt_list stop_text;
    int group_size, step_groups, max_tokens, max_prompt, top_k, top_logprobs, greedy, lag, threads;
    int beside;
    int eos, batch, refill, privileged, record;
    int64_t steps, seed, part, kv_max, max_pixels, min_pixels, skip_bad;
    double temperature, top_p, min_p, curriculum;
    struct ptd_dataset_places places;
    struct ptd_plan_asked plan;
};
extern struct options opt;

struct run {
    struct ptd_device *device;
    struct ptd_source src;
    struct ptd_model *model;
    struct ptd_live *live;
    struct ptd_writer *out;
    struct ptd_rollouts rollouts;
    struct ptd_refill refill;
    struct ptd_stops stops;
    int64_t loaded;
    int eval, trained; /* a trainer was seen */
    int64_t patience;  /* seconds */
    struct ptd_progress progress;
    const char *doing;
};

/* ---- waits.c ---- */

/* Generation `generation`, which the store has, becomes the model's. */
void load(struct run *r, int64_t generation);
/* Loads it if it is there, in the trainer's memory or the store: 1. */
int find(struct run *r, int64_t generation);
/* Until it is there and loaded. Ends the program when whoever reads us has gone, or the trainer
 * behind programs that do not tell (tee, pv). */
void wait_for(struct run *r, int64_t generation);
/* Of what is waited for, `what` number `number`: ends the program when the reader of the stream, or
 * the trainer, has gone. trained: one has the store open now. */
void look_downstream(struct run *r, const char *what, int64_t number);
void look_for_trainer(struct run *r, const char *what, int64_t number, int trained);

/* ---- verdicts.c ---- */

int waits_for_verdicts(void); /* 1: --refill or --curriculum */
/* Behind step `done`. */
void open_refill(struct run *r, int64_t done);
void tell_of_refill(const struct run *r);

/* ---- memory.c ---- */

/* What the options say of groups, for the plan. */
void expect_options(struct ptd_expected *e);
/* Before anything large is taken: ends the program if it cannot fit, or with --plan. */
void plan(struct run *r, struct ptd_store *store);
/* --plan without a data set. */
_Noreturn void plan_alone(struct run *r);

/* ---- run.c ---- */

struct ptd_sampling sampling_of(void); /* of the options */
void open_model(struct run *r, struct ptd_store *store);
/* What ends a response: the model's own, and what --stop-text and --stop name. */
void read_stops(struct run *r);
void open_run(struct run *r, const char *data);
void fill_head(struct run *r, const char *data, int64_t done, struct ptd_head *h);
void close_run(struct run *r);

/* ---- given.c ---- */

/* The program as a filter, --privileged. Returns its exit status. */
int answer_anew(const struct ptd_usage *usage, int argc, char **argv, int first);

#endif
