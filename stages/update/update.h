/* Parts of ptd-update, and what they share: its options, the run, and how far that is. */
#ifndef PTD_STAGES_UPDATE_H
#define PTD_STAGES_UPDATE_H

#include "base/progress.h"
#include "compute/device.h"
#include "flow/filter.h"
#include "method/before.h"
#include "method/gradients.h"
#include "method/learn.h"
#include "method/ranks.h"
#include "method/shares.h"
#include "method/steered.h"
#include "method/teacher.h"
#include "method/trace.h"
#include "method/train.h"
#include "net/plan.h"
#include <signal.h>

/* As the command line gives them, and what was made of them (settle_options). */
struct options {
    const char *store, *loss, *divergence, *schedule, *device, *recompute, *moments, *master,
        *apply, *trace, *method, *aggregate, *kl, *kl_in, *support, *tutor_weight, *tutor_as,
        *kl_lift, *lambda_schedule;
    int tail;
    struct ptd_lambda lambda;
    struct ptd_clip clip; /* below 0: as the loss has it */
    struct ptd_loss_rules rules;
    struct ptd_steered steered;
    struct ptd_train_rules train;
    double words;
    int updates, epochs, anyway, threads, max_bad, grace;
    int64_t micro, length, recomputed; /* layers, of --recompute; -1: it says a word */
    double tis;
    struct ptd_plan_asked plan;
    struct ptd_ranks ranks;
};
extern struct options opt;

/* A group that outlives the reader's buffer. */
struct held {
    struct ptd_group group;
    char *body;
    struct ptd_frame frame; /* where it came from; its bytes are gone */
};

struct step {
    struct held *held;
    struct ptd_group **groups;
    int n, cap;
    double wait; /* when the last step ended */
};

struct run {
    struct ptd_head head;
    struct ptd_reader *in;
    struct ptd_device *device;
    struct ptd_train *train;
    struct ptd_score *score;
    struct ptd_tokenizer *tokenizer;
    struct ptd_ground ground;
    struct step step;
    struct ptd_before before;        /* the step */
    struct ptd_before whole;         /* of all ranks, for metrics */
    struct ptd_comm *comm;           /* NULL: one rank */
    struct ptd_gradients *gradients; /* NULL: one rank */
    struct ptd_cards *cards;         /* NULL: sums go through the host */
    struct ptd_shares shares;
    int64_t given;                         /* groups of the step that the stream had, ours or not */
    const struct ptd_advantage *advantage; /* of a KL in the reward */
    struct ptd_teacher *frozen; /* of a KL over all words; NULL: nobody reads beside the student */
    struct ptd_reference reference;
    struct ptd_teacher *teacher; /* whose hidden rows the stream has; NULL: none yet */
    struct ptd_trace *trace;     /* NULL: none is kept */
    struct ptd_progress progress;
    int64_t first;  /* generation at start */
    size_t left;    /* memory for all but weights, gradients, moments */
    char *lines;    /* metrics of steps that are not published */
    size_t n_lines; /* bytes */
};

/* ---- options.c ---- */

/* Makes rules of the options; one that is wrong, or cannot have an effect, ends the program. */
void settle_options(void);
/* Does a frozen model read beside the student? */
int reads_reference(void);

/* ---- memory.c ---- */

/* --plan: tells what the run would take, and ends the program. Of the stream operand, if there is
 * one, only the head is read. */
_Noreturn void plan_alone(struct run *r, const char *operand);
/* ptd_train_rules.before: refuses what cannot fit before anything large is taken, and notes what is
 * left. -1: refused. */
int before_memory(void *run, struct ptd_train *t);
/* What is left once the rest is there decides what is recomputed. */
void bound_activations(const struct run *r);
/* What the teacher's head takes of --memory. -1: more than there is. */
int take_teacher(struct run *r);

/* ---- run.c ---- */

/* The stream, the other ranks, the store, the model: all that is there before the first step. */
void open_run(struct run *r, const char *operand, int argc, char **argv);
/* Ends it in order; what could not be written ends the program. */
void close_run(struct run *r);
void clear_run(struct run *r);
/* What learning does goes over all ranks. */
void join_sums(struct run *r);

/* ---- ends.c ---- */

/* How far the run is, for signals. untold: a step is published, its metrics are not out; ahead:
 * steps are done that are not published; moved: the step in flight has changed the weights; over:
 * the time of grace is. */
extern volatile sig_atomic_t begun, stop_asked, untold, ahead, moved, over;

void heed_signals(void);
/* Metrics of steps that are published now. */
void put_out_lines(struct run *r);
/* Publishes what is done, before the program ends for what ptd_fail kept, if anything. */
void settle(struct run *r);
_Noreturn void die_settled(struct run *r);
/* All ranks end for what ptd_fail kept, which rank 0 says. */
_Noreturn void end_together(struct run *r);
/* The time of grace is over, and nothing of the step in flight is applied. */
_Noreturn void drop_step(struct run *r);
_Noreturn void die_diverged(struct run *r);
/* ptd_comm_on_end: another rank has ended, and so does this one, with what is done published. */
void on_others_end(void *run, int status);

/* ---- groups.c ---- */

/* Keeps a group for its step if it is ours; one that cannot be learned from ends the program. */
void take_group(struct run *r, const struct ptd_frame *f);
void let_go(struct step *s, int from); /* those from this one on */

/* ---- step.c ---- */

/* Learns from the groups that were taken, and hands the new weights on. */
void do_step(struct run *r, int64_t number);

#endif
