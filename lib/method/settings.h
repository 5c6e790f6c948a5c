/* settings: everything that decides the numbers of a run besides the store's weights, as JSON; kept
 * with each generation and compared at the next start (train.h), so that a resume is exact or
 * refused.
 *
 * From the stream's head: the data set's digest and how answers were sampled; of each program its
 * machine (fingerprint.h) and, but for the first, what its options decide (ptd_opt_decided), so
 * neither --quiet nor the spelling of an option counts. From ptd-update: the loss and the
 * divergence with their options, the optimizer, and its own machine. The total of steps counts only
 * if the schedule looks at it. */
#ifndef PTD_SETTINGS_H
#define PTD_SETTINGS_H
#include "flow/record.h"
#include "method/learn.h"
#include "method/steered.h"
#include "method/train.h"

struct ptd_settings {
    const struct ptd_head *head;
    struct ptd_device *device; /* ptd-update's */
    const struct ptd_loss_rules *rules;
    const struct ptd_train_rules *train;
    const char *schedule; /* by name */
    double words;         /* weight of picture words */
    int updates, epochs;  /* of each step */
    const struct ptd_steered *steered;
    const struct ptd_lambda *lambda;
    int ranks;          /* that sum; 0, 1: one */
    int on_cards;       /* 1: by NCCL (cards.h) */
    const char *reduce; /* how gradients travel between them */
    double tis;         /* most that a token counts (before.h); 0: each counts once */
};
char *ptd_settings_text(const struct ptd_settings *s); /* malloc'd; loads OpenBLAS */
#endif
