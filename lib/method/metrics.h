/* metrics: one step in numbers, as one JSON object on a line: the names that EasyR1's users know,
 * the true entropy as actor/entropy, and the families ptd and group_reward. */
#ifndef PTD_METRICS_H
#define PTD_METRICS_H
#include "flow/record.h"
#include "method/answers.h"
#include "method/before.h"
#include "method/learn.h"

/* A part of rewards (record.h), over the responses that have it. */
struct ptd_metrics_part {
    char name[128];
    double sum;
    long n;
};

struct ptd_range {
    double sum, least, most;
    long n;
};

struct ptd_metrics {
    int64_t step;
    double wait, update, publish; /* seconds: waiting for the stream, computing, publishing */
    double lr, norm;              /* norm: mean of the updates' gradient norms */
    double beta, tis;             /* as of this step */
    int refused, updates, epochs; /* updates: of all epochs */
    int ranks;                    /* that the step is dealt to; 0, 1: one */
    double sent;                  /* bytes that the one of them that sent most has sent */
    int max_prompt;               /* tokens that a prompt may have; 0: any */
    const struct ptd_loss_rules *rules;
    const struct ptd_before *before; /* NULL: nothing was worked out before */
    struct ptd_learned sum;
    double gap,
        max_gap; /* |log-prob now - when sampled|, of the first epoch; sum over its tokens */
    struct {
        /* judged: responses but those of privileged.h, which rewards do not count */
        long groups, responses, judged, all_fail, all_pass, informative, active, hinted, truncated,
            prompts_at_limit, gated, passed;
        double length, length_min, length_max, prompt, prompt_min, prompt_max, read, accuracy,
            format, unparsable;
        struct ptd_range score, reward, advantage, returns; /* the last two by token */
    } group;
    struct ptd_metrics_part parts[PTD_LIST_MAX]; /* those met first; longer names are left out */
    int n_parts;
    struct ptd_answers answers; /* what was answered, where that is judged */
};
/* An update; first: of the first epoch. */
void ptd_metrics_add(struct ptd_metrics *m, const struct ptd_learned *part, double norm, int first);
/* Mean of the KL to the reference over the tokens that have it, wherever it counts. */
double ptd_metrics_kl(const struct ptd_metrics *m);
void ptd_metrics_groups(struct ptd_metrics *m, struct ptd_group **g, int n);
void ptd_metrics_clear(struct ptd_metrics *m);
char *ptd_metrics_line(const struct ptd_metrics *m); /* with its newline; malloc'd */
/* the last step that was asked for in a few words, for the progress line */
const char *ptd_metrics_note(char *buf, size_t n);
#endif
