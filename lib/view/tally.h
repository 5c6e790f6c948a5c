/* tally: judged groups counted by category: figures of how good the answers are, each a mean over
 * prompts, and what else is worth to know of them.
 *
 *     struct ptd_tally_rules rules = {.ks = {1, 8}, .n_ks = 2, .group = 8};
 *     struct ptd_tallies t;
 *     ptd_tallies_init(&t, &rules);
 *     if (ptd_tallies_add(&t, &group) < 0) ptd_die_last();        // of each group
 *     ptd_tally_ranges(&t.total, &rules, ranges);                 // [rules.n_figures]
 *     ptd_tallies_clear(&t);
 *
 * Groups of one uid are one prompt, the cluster of bootstrap.h. */
#ifndef PTD_TALLY_H
#define PTD_TALLY_H
#include "base/interval.h"
#include "method/answers.h"

#define PTD_KS_MAX      16
#define PTD_FIGURES_MAX (2 * PTD_KS_MAX + 1)

enum ptd_figure_kind { PTD_PASS_AT, PTD_MEAN_AT, PTD_MAJ_AT };
struct ptd_figure {
    int kind, k;
    char name[24]; /* "pass@8" */
};
struct ptd_tally_rules {
    int ks[PTD_KS_MAX], n_ks; /* in rising order; the first is 1 */
    int group;                /* answers to a prompt, as the stream says; mean@group is of them */
    int resamples;
    int64_t seed;
    /* pass@k of each k, mean@group, maj@k of each k above 1; set by ptd_tallies_init */
    struct ptd_figure figure[PTD_FIGURES_MAX];
    int n_figures;
};

struct ptd_tally {
    char *name; /* text that JSON can hold, another one for each name */
    long prompts, n, right, form, unparsable, cut, tokens, all_fail, all_pass;
    double surprise; /* sum of -log-prob over the tokens that were sampled */
    long sampled;
    int graded;            /* an accuracy is neither 0 nor 1 */
    int several;           /* a prompt has more than one response */
    struct ptd_names uids; /* prompts */
    double *sum, *tried;   /* [uids.n][n_figures] of a figure's values; how many there are */
    uint64_t *gold;        /* [uids.n] digest of what is expected */
    double *most;          /* [uids.n] right by most votes of all responses, of its groups */
    int cap;
    struct ptd_answers answers;
};
struct ptd_tallies {
    struct ptd_tally_rules *rules;
    struct ptd_tally total, *row; /* row: by category, in the order of their names once sorted */
    int n, cap;
    struct ptd_names names; /* of rows */
};
void ptd_tallies_init(struct ptd_tallies *t, struct ptd_tally_rules *r);
/* -1: 65 not judged. */
int ptd_tallies_add(struct ptd_tallies *t, const struct ptd_group *g) PTD_MUST_CHECK;
void ptd_tallies_sort(struct ptd_tallies *t); /* rows by name; nothing is added after it */
void ptd_tallies_clear(struct ptd_tallies *t);
/* out[n_figures]: values with their 95 % ranges: Wilson's (interval.h) where each prompt has one
 * response that is right or wrong, or all prompts have the same value; else by drawing prompts
 * anew (bootstrap.h). */
void ptd_tally_ranges(const struct ptd_tally *t, const struct ptd_tally_rules *r,
                      struct ptd_range *out);

/* Two streams of the same prompts. out[n_figures]: by how much the figures of the first are above
 * those of the second, over the prompts that both have, in shares: a mean of paired differences,
 * with its range by drawing prompts anew, or, where each has one response that is right or wrong or
 * all differ alike, by Newcombe's formula (interval.h). */
struct ptd_paired {
    long prompts, only_here, only_there; /* prompts: of both */
    struct ptd_range here[PTD_FIGURES_MAX], there[PTD_FIGURES_MAX], more[PTD_FIGURES_MAX];
    /* by the answer that most responses gave: right here alone, there alone, in both, in none */
    long right_here, right_there, right_both, wrong_both;
    double p; /* McNemar's, of the first two */
};
/* -1: 65 no prompt is in both, or one expects another answer there; its uid is named. */
int ptd_tally_pair(const struct ptd_tally *here, const struct ptd_tally *there,
                   const struct ptd_tally_rules *r, struct ptd_paired *out) PTD_MUST_CHECK;
#endif
